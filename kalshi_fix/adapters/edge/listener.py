"""The edge as a whole: the public ports, who may wait before a Logon, and an orderly end.

Accepts, counts and caps; every connection is a `Handshake`, then a `Relay`. Knows no FIX.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable
from itertools import count

from kalshi_fix.adapters.edge.admission import Admission
from kalshi_fix.adapters.edge.credentials import Credentials
from kalshi_fix.adapters.edge.directory import Directory
from kalshi_fix.adapters.edge.gateways import Gateways
from kalshi_fix.adapters.edge.handshake import Handshake
from kalshi_fix.adapters.edge.meters import Meters
from kalshi_fix.adapters.edge.relay import Relay
from kalshi_fix.adapters.edge.surroundings import LogBudget, Surroundings
from kalshi_fix.adapters.logs import Log
from kalshi_fix.adapters.settings import Settings


class PortError(OSError):
    """A public port cannot be opened; the message is one line."""


class Edge:
    """One edge process. Use from one event loop."""

    def __init__(
        self,
        settings: Settings,
        gateways: Gateways,
        meters: Meters,
        log: Log,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._settings = settings.edge
        self._directory = Directory.of(settings)
        self._credentials = Credentials(settings)
        admission = Admission(
            self._directory, self._credentials, gateways, clock, settings.edge.handover_seconds
        )
        budget = LogBudget(settings.edge.refusal_log_lines_per_second)
        self._around = Surroundings(settings.edge, admission, meters, log, budget)
        self._servers: list[asyncio.Server] = []
        self._strangers: set[Handshake] = set()
        self._waiting: Counter[str] = Counter()  # strangers by address
        self._relays: set[Relay] = set()
        self._empty = asyncio.Event()
        # unique for ever: the gateway tells connections apart by it
        self._numbers = (f"{secrets.token_hex(4)}-{number}" for number in count(1))

    @property
    def ports(self) -> tuple[int, ...]:
        """The public ports."""
        return self._directory.ports

    @property
    def is_listening(self) -> bool:
        """Whether every port is open."""
        return len(self._servers) == len(self.ports) and all(s.is_serving() for s in self._servers)

    async def start(self) -> None:
        """Opens every port, or none.

        Raises:
            PortError: one cannot be opened.
        """
        host = self._settings.host
        for port in self.ports:
            try:
                self._servers.append(await self._listen(host, port))
            except OSError as error:
                for server in self._servers:
                    server.close()
                raise PortError(f"cannot listen on {host} port {port}: {error}") from error

    async def _listen(self, host: str, port: int) -> asyncio.Server:
        def handshake() -> Handshake:
            return Handshake(
                self._around,
                port=port,
                connection=next(self._numbers),
                enter=self._enter,
                on_done=self._decided,
                on_end=self._ended,
            )

        return await asyncio.get_running_loop().create_server(
            handshake, host, port, backlog=self._settings.unauthenticated_max
        )

    def _enter(self, stranger: Handshake) -> str:
        if len(self._strangers) >= self._settings.unauthenticated_max:
            return "too_many"
        if self._waiting[stranger.peer] >= self._settings.unauthenticated_per_address_max:
            return "too_many_from_address"
        self._strangers.add(stranger)
        self._waiting[stranger.peer] += 1
        self._count()
        return ""

    def _decided(self, stranger: Handshake, relay: Relay | None) -> None:
        self._strangers.discard(stranger)
        self._waiting[stranger.peer] -= 1
        if not self._waiting[stranger.peer]:
            del self._waiting[stranger.peer]
        if relay is not None and not relay.is_over:
            self._relays.add(relay)
        self._count()

    def _ended(self, relay: Relay) -> None:
        self._relays.discard(relay)
        self._count()

    def _count(self) -> None:
        meters = self._around.meters
        meters.unauthenticated.set(len(self._strangers))
        meters.connections.set(len(self._strangers) + len(self._relays))
        if self._strangers or self._relays:
            self._empty.clear()
        else:
            self._empty.set()

    async def stop(self, text: str) -> None:
        """Accepts no more, has every session logged out with this text, and closes everything."""
        for server in self._servers:
            server.close()
        for stranger in list(self._strangers):
            if stranger.transport is not None:
                stranger.transport.abort()
        for relay in list(self._relays):
            relay.log_out(text)
        self._count()
        try:
            async with asyncio.timeout(self._settings.logout_seconds):
                await self._empty.wait()
        except TimeoutError:
            self._around.log.warning("clients_cut_at_stop", count=len(self._relays))
        for relay in list(self._relays):
            relay.cut("stop")
        self._credentials.close()
