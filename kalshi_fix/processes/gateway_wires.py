"""A session's socket, where it is known, and those of ended connections the engine may look at.

What is not known is answered with caution: a session without a known socket has no room for a
report without the queue. Knows wires, no message.
"""

from contextlib import suppress
from typing import Final

from kalshi_fix.adapters.engine_sockets import Wire

_MESSAGE_BYTES_MAX: Final = 2_048  # no report is longer; what the kernel was not asked about


class SessionWires:
    """See the module. ``attach`` and ``tidy`` may come from another thread than the session's."""

    def __init__(self, unsent_bytes_max: int) -> None:
        self._unsent_bytes_max = unsent_bytes_max
        self._wire: Wire | None = None
        self._left: list[Wire] = []
        self._sends_left = 0  # that fit into the room found when the kernel was last asked

    def expect(self) -> None:
        """A new connection is about to come; whatever was known is of an old one."""
        self._wire = None
        self._sends_left = 0

    def attach(self, wire: Wire) -> None:
        """The connection's socket is known."""
        self._wire = wire
        self._sends_left = 0

    @property
    def is_known(self) -> bool:
        """Whether the present connection's socket is known."""
        return self._wire is not None

    def has_room(self) -> bool:
        """Whether the kernel takes another message at once: a send cannot block.

        The kernel is asked once for as many messages as fit into the room it has: a system call
        for each of them would cost a fifth of a report.
        """
        wire = self._wire
        if wire is None:
            return False
        if self._sends_left > 0:
            self._sends_left -= 1
            return True
        try:
            room = self._unsent_bytes_max - wire.unsent_bytes()
        except OSError:  # closed this moment
            return False
        self._sends_left = max(0, room // _MESSAGE_BYTES_MAX - 1)
        return room > 0

    def unsent_bytes(self) -> int:
        """What the kernel has and could not pass on yet; 0 where no socket is known."""
        wire = self._wire
        with suppress(OSError):  # closed this moment
            return wire.unsent_bytes() if wire is not None else 0
        return 0

    def shut(self) -> bool:
        """Ends the connection; False where its socket is not known."""
        wire = self._wire
        if wire is not None:
            wire.shut()
        return wire is not None

    def leave(self, *, engine_looks_again: bool) -> None:
        """The engine has just closed the socket; on its thread.

        It looks at the number again where it ended the connection of its own accord, not where it
        found the client gone: then the number is free for whoever comes.
        """
        wire, self._wire = self._wire, None
        if wire is None:
            return
        if engine_looks_again:
            wire.stand_in()
            self._left.append(wire)
        else:
            wire.leave()

    @property
    def needs_tidying(self) -> bool:
        """Whether a connection has ended since the last `tidy`."""
        return bool(self._left)

    def tidy(self) -> None:
        """The engine's threads of ended connections are gone: for any thread."""
        with suppress(IndexError):  # the other one took the last
            while self._left:
                self._left.pop().close()
