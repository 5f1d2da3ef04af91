"""Asking a lane's gateway whether a Logon may proceed: one line each way over its unix socket.

A connection per question, so that nothing has to be kept alive or repaired. Whatever goes wrong
is the answer `EXCHANGE_UNAVAILABLE`; the caller need not know why, the log says.
"""

import asyncio
from typing import Protocol

from kalshi_fix.adapters.control import OpenAnswer, OpenRequest, from_line, to_line
from kalshi_fix.adapters.logs import Log
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.fix.logon import LogonReason


class Gateways(Protocol):
    """Whoever answers for the lanes."""

    async def ask(self, lane: str, request: OpenRequest) -> OpenAnswer:
        """The gateway's answer; ``EXCHANGE_UNAVAILABLE`` as reason where there is none."""
        ...


class ControlSockets:
    """The gateways of this machine, by the sockets in the data directory."""

    def __init__(self, data: DataDir, timeout_seconds: float, log: Log) -> None:
        self._data = data
        self._timeout_seconds = timeout_seconds
        self._log = log

    async def ask(self, lane: str, request: OpenRequest) -> OpenAnswer:
        """One question; see `Gateways`."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                line = await self._exchange(lane, to_line(request))
            return from_line(OpenAnswer, line)
        except (OSError, ValueError, TypeError) as error:  # TimeoutError is an OSError
            self._log.warning(
                "gateway_did_not_answer",
                lane=lane,
                session=request.session,
                connection=request.connection,
                error=f"{type(error).__name__}: {error}",
            )
            return OpenAnswer(reason=LogonReason.EXCHANGE_UNAVAILABLE)

    async def _exchange(self, lane: str, line: bytes) -> bytes:
        path = self._data.control_socket(lane)
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            writer.write(line)
            return await reader.readline()
        finally:
            writer.close()
