"""What the FIX engine does not offer about its own sockets: one address, a cut, a clean end.

The engine binds every interface; it has no way to end a connection whose send blocks; and it looks
once more at a socket it has closed, by its number, which may be somebody else's by then. All three
are put right from outside, through the process's own descriptor table. Knows sockets and
descriptors, no FIX and no session.
"""

import fcntl
import os
import socket
import stat
import struct
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
_BACKLOG: Final = 128
_FOUR_BYTES: Final = bytes(4)
_STAND_IN_SECONDS: Final = 1.0
_POLITE_SECONDS: Final = 0.05  # what is there only for a moment goes by itself
_PATIENCE_SECONDS: Final = 0.001
_TASKS: Final = Path("/proc/self/task")
_DESCRIPTORS: Final = Path("/proc/self/fd")


@contextmanager
def _looked_at(descriptor: int) -> Iterator[socket.socket]:
    """A socket by its number, borrowed: nothing is opened or closed, no number is used up.

    Raises:
        OSError: the number is no socket's.
    """
    borrowed = socket.socket(fileno=descriptor)
    try:
        yield borrowed
    finally:
        borrowed.detach()


def _sockets() -> Iterator[tuple[int, socket.socket]]:
    """Every IPv4 socket of this process, by its number."""
    for link in tuple(_DESCRIPTORS.iterdir()):
        descriptor = int(link.name)
        with suppress(OSError):  # closed since, or not a socket
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            with _looked_at(descriptor) as found:
                if found.family == socket.AF_INET:
                    yield descriptor, found


def listening_everywhere() -> set[int]:
    """Descriptors that listen on all interfaces."""
    return {
        descriptor
        for descriptor, found in _sockets()
        if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        and found.getsockname()[0] == "0.0.0.0"  # noqa: S104 - looked for to be replaced
    }


def move_to_loopback(descriptor: int) -> int:
    """Puts a loopback listener in the place of one that listens everywhere; returns its port.

    The accepting thread may sit in ``accept`` on the old socket; one connection of our own lets it
    go on to the new one, and the old one is gone.
    """
    with _looked_at(descriptor) as old:
        old_port = old.getsockname()[1]
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as new:
        new.bind((LOOPBACK, 0))
        new.listen(_BACKLOG)
        new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        os.dup2(new.fileno(), descriptor, inheritable=False)
        port = int(new.getsockname()[1])
    with suppress(ConnectionRefusedError):  # nobody sat in accept: the old one is gone already
        socket.create_connection((LOOPBACK, old_port), timeout=1).close()
    return port


def connections_on(port: int) -> set[int]:
    """Descriptors of the connections to a listener of this process."""
    return {
        descriptor
        for descriptor, found in _sockets()
        if found.getsockname()[1] == port
        and not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    }


def descriptor_in_use(thread_id: int, port: int) -> int | None:
    """The connection on ``port`` that a thread's present system call (a send) works on."""
    with suppress(OSError, ValueError, IndexError):  # the thread is gone, or in no system call
        call = (_TASKS / str(thread_id) / "syscall").read_text().split()
        descriptor = int(call[1], 16)
        if descriptor in connections_on(port):
            return descriptor
    return None


def shut_down(descriptor: int) -> None:
    """Ends a connection both ways: a blocked send returns, the engine sees the peer gone."""
    with suppress(OSError), _looked_at(descriptor) as found:
        found.shutdown(socket.SHUT_RDWR)


class DescriptorTakenError(Exception):
    """Somebody keeps the number of a socket the engine is about to look at once more."""


class Ended:
    """A connection whose peer is gone, to stand in for others."""

    def __init__(self) -> None:
        self._socket, other = socket.socketpair()
        other.close()

    def take(self, number: int) -> None:
        """Takes a number that was closed this moment, before the engine looks at it again.

        Where another connection got it in between and keeps it, that one is ended: its peer comes
        back, and nobody else reads its bytes.

        Raises:
            DescriptorTakenError: the number cannot be had.
        """
        started = time.monotonic()
        while (waited := time.monotonic() - started) < _STAND_IN_SECONDS:
            got = fcntl.fcntl(self._socket.fileno(), fcntl.F_DUPFD_CLOEXEC, number)
            if got == number:
                return
            os.close(got)
            with suppress(OSError):  # free again
                if not stat.S_ISSOCK(os.fstat(number).st_mode):
                    return  # a file: the engine's look at it fails, as it should
            if waited > _POLITE_SECONDS:
                shut_down(number)
            time.sleep(_PATIENCE_SECONDS)
        raise DescriptorTakenError(f"descriptor {number}")

    def leave(self, number: int) -> None:
        """Gives a number back, if it is still taken."""
        with suppress(OSError):  # the engine closes all at its end
            if os.path.samestat(os.fstat(number), os.fstat(self._socket.fileno())):
                os.close(number)

    def close(self) -> None:
        """Lets go of the connection itself."""
        self._socket.close()


class Wire:
    """A session's socket, by the number the engine uses.

    Asked before a report is sent without a queue, shut when a client does not read, and followed
    by an ended connection when the engine has closed it.
    """

    def __init__(self, descriptor: int, ended: Ended) -> None:
        self.number = descriptor
        self.is_over = False  # the engine has closed it
        self._ended = ended
        self._identity = os.fstat(descriptor)

    def unsent_bytes(self) -> int:
        """What the kernel still holds for the other side.

        Raises:
            OSError: it was closed this moment.
        """
        (waiting,) = struct.unpack("i", fcntl.ioctl(self.number, termios.TIOCOUTQ, _FOUR_BYTES))
        return int(waiting)

    def shut(self) -> None:
        """Ends the connection both ways: a blocked send returns."""
        with suppress(OSError):
            if os.path.samestat(os.fstat(self.number), self._identity):
                shut_down(self.number)

    def leave(self) -> None:
        """The engine has closed its number and is done with it."""
        self.is_over = True

    def stand_in(self) -> None:
        """The engine has just closed its number; called on its thread. See `Ended.take`."""
        self.is_over = True
        self._ended.take(self.number)

    def close(self) -> None:
        """The engine's thread is gone: nobody needs to stand in any more."""
        self._ended.leave(self.number)
