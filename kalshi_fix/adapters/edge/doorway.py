"""One public port: accepts, asks a proxy's header, does TLS, hands over to a `Handshake`.

Everything before the Logon has one deadline and one place in the waiting room, from the moment the
kernel gives the connection. Who is turned away is closed without a word. Knows no FIX.
"""

import asyncio
import errno
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any, Final

from attrs import define, field, frozen

from kalshi_fix.adapters.edge.handshake import Handshake
from kalshi_fix.adapters.edge.peer import Networks, plain_address
from kalshi_fix.adapters.edge.proxy import ProxyError, read_source
from kalshi_fix.adapters.edge.rates import Rate
from kalshi_fix.adapters.edge.surroundings import Surroundings
from kalshi_fix.adapters.edge.tls import Certificates
from kalshi_fix.adapters.edge.waiting_room import WaitingRoom

_PAUSE_SECONDS: Final = 0.2  # after the kernel had no descriptor or memory for one more
_EXHAUSTED: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_RESET_AT_CLOSE: Final = struct.pack("ii", 1, 0)  # no state is kept for whom we turn away


class TurnedAwayError(Exception):
    """This connection does not get in; the text is the reason, from a closed list."""


@define(slots=True, eq=False)
class Arrival:
    """One connection until its Logon is decided. Its place is given back once."""

    connection: socket.socket
    address: str
    deadline: float
    is_named: bool = False
    has_left: bool = False
    handshake: Handshake | None = None


@frozen
class Threshold:
    """What every doorway of an edge shares."""

    around: Surroundings
    room: WaitingRoom
    rate: Rate  # of connections, by address
    proxies: Networks
    certificates: Certificates | None  # None: plain
    handshake: Callable[[int, "Arrival", Callable[[], None]], Handshake]
    on_change: Callable[[], None]  # somebody came or went


@define(eq=False)
class Doorway:
    """One listening socket and those who have come in by it and not yet logged on."""

    port: int
    listener: socket.socket
    threshold: Threshold
    _accepting: asyncio.Task[None] | None = None
    _arrivals: dict[Arrival, asyncio.Task[None]] = field(factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether it accepts."""
        return self._accepting is not None and not self._accepting.done()

    def open(self) -> None:
        """Starts accepting."""
        self._accepting = asyncio.get_running_loop().create_task(self._accept())

    def close(self) -> None:
        """Accepts no more and ends everybody who has not logged on."""
        if self._accepting is not None:
            self._accepting.cancel()
        self.listener.close()
        for arrival, task in list(self._arrivals.items()):
            if arrival.handshake is not None and arrival.handshake.transport is not None:
                arrival.handshake.transport.abort()
            task.cancel()

    # --- accepting

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, name = await loop.sock_accept(self.listener)
            except OSError as error:
                await self._not_accepted(error)
                continue
            self._welcome(connection, plain_address(str(name[0])))

    async def _not_accepted(self, error: OSError) -> None:
        """The peer was faster, or the kernel has no room: then everybody waits, nobody dies."""
        if error.errno not in _EXHAUSTED:
            return
        around = self.threshold.around
        around.meters.faults.inc()
        around.log.error("cannot_accept", port=self.port, error=error.strerror)
        await asyncio.sleep(_PAUSE_SECONDS)

    def _welcome(self, connection: socket.socket, address: str) -> None:
        loop, threshold = asyncio.get_running_loop(), self.threshold
        if not threshold.room.enter():
            self._turn_away(connection, address, "too_many")
            return
        deadline = loop.time() + threshold.around.settings.logon_seconds
        arrival = Arrival(connection, address, deadline)
        self._arrivals[arrival] = self._spawn(self._arrive(arrival))
        threshold.on_change()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)

    # --- arriving

    async def _arrive(self, arrival: Arrival) -> None:
        try:
            async with asyncio.timeout_at(arrival.deadline):
                await self._identify(arrival)
            await self._begin(arrival)
        except TurnedAwayError as why:
            self._turn_away(arrival.connection, arrival.address, str(why))
            self._leave(arrival)
        except TimeoutError:
            self._turn_away(arrival.connection, arrival.address, "timeout")
            self._leave(arrival)
        except OSError as error:
            reason = "gone" if self.threshold.certificates is None else "tls"
            self._turn_away(arrival.connection, arrival.address, reason, str(error))
            self._leave(arrival)
        except asyncio.CancelledError:
            arrival.connection.close()
            self._leave(arrival)
            raise

    async def _identify(self, arrival: Arrival) -> None:
        """Where it comes from, and whether so many may come from there."""
        threshold = self.threshold
        if threshold.proxies:
            if arrival.address not in threshold.proxies:
                raise TurnedAwayError("not_a_proxy")
            try:
                source = await read_source(arrival.connection)
            except ProxyError as error:
                raise TurnedAwayError("proxy_header") from error
            arrival.address = plain_address(source) if source else arrival.address
        if not threshold.room.name(arrival.address):
            raise TurnedAwayError("too_many_from_address")
        arrival.is_named = True
        if not threshold.rate.allows(arrival.address, asyncio.get_running_loop().time()):
            raise TurnedAwayError("connection_rate")

    async def _begin(self, arrival: Arrival) -> None:
        """TLS where it is spoken, then FIX."""
        loop, threshold = asyncio.get_running_loop(), self.threshold
        handshake = threshold.handshake(self.port, arrival, lambda: self._leave(arrival))
        arrival.handshake = handshake
        connect = loop.connect_accepted_socket
        if threshold.certificates is None:
            await connect(lambda: handshake, arrival.connection)
            return
        await connect(
            lambda: handshake,
            arrival.connection,
            ssl=threshold.certificates.context,
            ssl_handshake_timeout=max(0.1, arrival.deadline - loop.time()),
            ssl_shutdown_timeout=threshold.around.settings.logout_seconds,
        )

    def _leave(self, arrival: Arrival) -> None:
        if not arrival.has_left:
            arrival.has_left = True
            self._arrivals.pop(arrival, None)
            self.threshold.room.leave(arrival.address if arrival.is_named else "")
            self.threshold.on_change()

    def _turn_away(
        self, connection: socket.socket, address: str, reason: str, error: str = ""
    ) -> None:
        around = self.threshold.around
        around.meters.rejected(reason).inc()
        if around.budget.spend(asyncio.get_running_loop().time()):
            around.log.warning(
                "connection_rejected", reason=reason, peer=address, port=self.port, error=error
            )
        if connection.fileno() >= 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            connection.close()
