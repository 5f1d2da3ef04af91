"""asyncio's events on either side of a relay, handed to it by name; nothing is decided here."""

import asyncio
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from kalshi_fix.adapters.edge.relay import Relay


def end_writing(transport: asyncio.Transport) -> None:
    """Sends what is left, then the end; reading goes on where the transport can do that."""
    if transport.can_write_eof():
        transport.write_eof()
    else:
        transport.close()


class ClientSide(asyncio.Protocol):
    """The client's events."""

    def __init__(self, relay: "Relay") -> None:
        self._relay = relay

    def data_received(self, data: bytes) -> None:
        """A chunk."""
        self._relay.from_client(data)

    def pause_writing(self) -> None:
        """It does not read."""
        self._relay.client_behind()

    def resume_writing(self) -> None:
        """It has read everything."""
        self._relay.client_caught_up()

    def eof_received(self) -> bool:
        """It will send no more; our direction stays open, where the transport can do that."""
        self._relay.client_finished()
        return self._relay.client.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone."""
        self._relay.client_lost("client" if exc is None else "connection")


class EngineSide(asyncio.Protocol):
    """The engine's events."""

    def __init__(self, relay: "Relay", rest: bytes) -> None:
        self._relay = relay
        self._rest = rest

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        engine = cast("asyncio.Transport", transport)  # uvloop's are not of its class
        self._relay.engine_found(engine, self._rest)
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        """A chunk."""
        self._relay.from_engine(data)

    def pause_writing(self) -> None:
        """It does not read."""
        self._relay.engine_full(True)

    def resume_writing(self) -> None:
        """It does again."""
        self._relay.engine_full(False)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Gone."""
        self._relay.engine_lost()
