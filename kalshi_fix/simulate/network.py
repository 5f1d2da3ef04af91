"""Connections between clients and engines: bytes in order, after a while, unless something breaks.

A connection can be closed (what is on its way still arrives), cut (it does not, or only a part of
a message does) or silent (nothing arrives any more and nobody is told). Knows no FIX.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from kalshi_fix.simulate.machine import Machine, Task

_TRIP_NANOS: Final = 2_000_000  # up to
_UNREAD_BYTES_MAX: Final = (500, 4_000, 16_000)  # more than this on its way: a send waits


@define(eq=False)
class Pipe:
    """One direction. ``deliver`` gets bytes, ``end`` is called once when no more will come."""

    machine: Machine
    deliver: Callable[[bytes], None]
    end: Callable[[], None]
    is_slow: bool = False  # the reader does not read
    is_silent: bool = False
    is_ended: bool = False
    _on_way: deque[bytes] = field(factory=deque)
    _unread: int = 0
    _arrival: int = 0
    _unread_max: int = field(init=False)
    _senders: list[tuple[Task, int]] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self._unread_max = self.machine.random.choice(_UNREAD_BYTES_MAX)

    def put(self, data: bytes) -> None:
        """Sends; waits while the other side has too much to read. Silently lost after the end."""
        while self._unread > self._unread_max and not self.is_ended:
            self._senders.append(self.machine.ticket())
            self.machine.wait()
        self.push(data)

    def push(self, data: bytes) -> None:
        """Sends without ever waiting."""
        if not self.is_ended:
            self._on_way.append(data)
            self._unread += len(data)
            self._schedule()

    def unread(self) -> int:
        """Bytes that have not arrived."""
        return self._unread

    def read_again(self) -> None:
        """The reader reads again."""
        self.is_slow = False
        for _ in self._on_way:
            self._schedule()

    def close(self) -> None:
        """No more will be sent; what is on its way arrives first."""
        if not self.is_ended:
            self._arrival = max(self._arrival, self.machine.now) + 1
            self.machine.at(self._arrival, self._finish)

    def cut(self, keep_bytes: int) -> None:
        """Only so many bytes of what is on its way still arrive."""
        if self.is_ended or self.is_silent:
            return
        kept = b"".join(self._on_way)[:keep_bytes]
        self._drop()
        if kept:
            self.deliver(kept)
        self._finish()

    def _schedule(self) -> None:
        trip = self.machine.random.randrange(50_000, _TRIP_NANOS)
        self._arrival = max(self._arrival + 1, self.machine.now + trip)
        self.machine.at(self._arrival, self._arrive)

    def _arrive(self) -> None:
        if self.is_ended or self.is_slow or self.is_silent or not self._on_way:
            return
        data = self._on_way.popleft()
        self._unread -= len(data)
        self._wake()
        self.deliver(data)

    def _finish(self) -> None:
        if self.is_ended or self.is_silent:
            return
        self._drop()
        self.end()

    def _drop(self) -> None:
        self.is_ended = True
        self._on_way.clear()
        self._unread = 0
        self._wake()

    def abandon(self) -> None:
        """This end is closed: whoever waits to send goes on."""
        self._drop()

    def _wake(self) -> None:
        senders, self._senders = self._senders, []
        for ticket in senders:
            self.machine.wake(ticket)


@define(eq=False)
class Connection:
    """Both directions. The engine's side reads through a task, the client's through calls."""

    machine: Machine
    name: str
    to_engine: Pipe = field(init=False)
    to_client: Pipe = field(init=False)
    on_data: Callable[[bytes], None] = field(default=lambda _data: None)
    on_end: Callable[[], None] = field(default=lambda: None)
    _arrived: deque[bytes] = field(factory=deque)
    _is_at_end: bool = False
    _reader: tuple[Task, int] | None = None

    def __attrs_post_init__(self) -> None:
        self.to_engine = Pipe(self.machine, self._take, self._take_end)
        self.to_client = Pipe(self.machine, self._give, self._give_end)

    # --- the engine's side

    @property
    def engines_number(self) -> int:
        """As `engine_sockets.Wire`: a simulated process has no descriptors."""
        return 0

    def read(self, nanos: int) -> bytes | None:
        """What has arrived; b"" after a while without anything, None at the end."""
        if not self._arrived and not self._is_at_end:
            self._reader = self.machine.ticket()
            self.machine.wait(nanos)
        if self._arrived:
            return self._arrived.popleft()
        return None if self._is_at_end else b""

    def close_engine_side(self) -> None:
        """The engine, or the death of its process, closes the socket."""
        self._take_end()
        self.to_engine.abandon()
        self.to_client.close()

    def unsent_bytes(self) -> int:
        """As `engine_sockets.Wire`."""
        return self.to_client.unread()

    def shut(self) -> None:
        """As `engine_sockets.Wire`: ends both directions for the engine."""
        self._take_end()
        self.to_client.abandon()
        self.machine.after(_TRIP_NANOS, self.on_end)

    def close(self) -> None:
        """As `engine_sockets.Wire`: the engine's socket stays."""

    def leave(self) -> None:
        """As `engine_sockets.Wire`: a model knows its sockets by themselves."""

    def stand_in(self) -> None:
        """As `engine_sockets.Wire`: a model needs nobody in its place."""

    def _give(self, data: bytes) -> None:
        self.on_data(data)

    def _give_end(self) -> None:
        self.on_end()

    def _take(self, data: bytes) -> None:
        self._arrived.append(data)
        self._wake()

    def _take_end(self) -> None:
        self._is_at_end = True
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None:
            self.machine.wake(self._reader)
            self._reader = None

    # --- the client's side, and what breaks in between

    def close_client_side(self) -> None:
        """The client closes."""
        self.to_client.abandon()
        self.to_engine.close()

    def cut(self, *, in_message: bool) -> None:
        """Breaks; perhaps in the middle of what is being sent."""
        keep = self.machine.random.randrange(1, 200) if in_message else 0
        self.to_engine.cut(keep)
        self.to_client.cut(keep)

    def fall_silent(self) -> None:
        """Nothing arrives any more."""
        self.to_engine.is_silent = self.to_client.is_silent = True
