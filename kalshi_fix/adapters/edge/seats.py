"""One live connection per session: who holds the seat, and waiting for one who is leaving.

A seat is taken only by a Logon that has proved who it is, so that nobody can keep a client out by
trying. Knows sessions by name, nothing else of them.
"""

import asyncio

from attrs import define, field


@define(slots=True)
class _Seat:
    connection: str
    leaving: bool = False
    freed: asyncio.Event = field(factory=asyncio.Event)


class Seats:
    """All seats of this edge. Use from one event loop."""

    def __init__(self) -> None:
        self._held: dict[str, _Seat] = {}

    async def is_free(self, session: str, wait_seconds: float) -> bool:
        """Whether nobody holds the seat; waits if its holder is already leaving."""
        seat = self._held.get(session)
        if seat is None:
            return True
        if not seat.leaving:
            return False
        try:
            async with asyncio.timeout(wait_seconds):
                await seat.freed.wait()
        except TimeoutError:
            return False
        return session not in self._held

    def take(self, session: str, connection: str) -> bool:
        """Takes the seat; False if somebody has it."""
        if session in self._held:
            return False
        self._held[session] = _Seat(connection)
        return True

    def leave(self, session: str, connection: str) -> None:
        """Says that the holder is going: a reconnect may wait for it."""
        seat = self._held.get(session)
        if seat is not None and seat.connection == connection:
            seat.leaving = True

    def free(self, session: str, connection: str) -> None:
        """Gives the seat up; harmless if it is not (or no longer) this connection's."""
        seat = self._held.get(session)
        if seat is not None and seat.connection == connection:
            del self._held[session]
            seat.freed.set()

    def free_all(self, connection: str) -> None:
        """Gives up whatever this connection holds: after a fault, when nobody knows."""
        for session, seat in list(self._held.items()):
            if seat.connection == connection:
                self.free(session, connection)
