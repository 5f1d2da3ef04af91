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
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

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


class _Found(NamedTuple):
    """An IPv4 socket of this process, as it was when it was looked at."""

    descriptor: int
    host: str
    port: int
    is_listening: bool


def _sockets() -> Iterator[_Found]:
    """Every IPv4 socket of this process; whoever looks at one later may find it closed."""
    for link in tuple(_DESCRIPTORS.iterdir()):
        found = _look_at(int(link.name))
        if found is not None:
            yield found


def _look_at(descriptor: int) -> _Found | None:
    with suppress(OSError):  # closed since, at any moment, or not a socket
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            with _looked_at(descriptor) as found:
                if found.family == socket.AF_INET:
                    host, port = found.getsockname()
                    listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                    return _Found(descriptor, host, port, bool(listens))
    return None


def listening_everywhere() -> set[int]:
    """Descriptors that listen on all interfaces."""
    return {
        found.descriptor
        for found in _sockets()
        if found.is_listening and found.host == "0.0.0.0"  # noqa: S104 - looked for to be replaced
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
        found.descriptor for found in _sockets() if found.port == port and not found.is_listening
    }


def descriptor_in_use(thread_id: int, port: int) -> int | None:
    """The connection on ``port`` that a thread's present system call (a send) works on."""
    with suppress(OSError, ValueError, IndexError):  # the thread is gone, or in no system call
        call = (_TASKS / str(thread_id) / "syscall").read_text().split()
        descriptor = int(call[1], 16)
        if descriptor in connections_on(port):
            return descriptor
    return None


def _is_file(number: int) -> bool:
    """Whether a number is in use, and by what is no connection."""
    try:
        return not stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False


def shut_down(descriptor: int) -> None:
    """Ends a connection both ways: a blocked send returns, the engine sees the peer gone."""
    with suppress(OSError), _looked_at(descriptor) as found:
        found.shutdown(socket.SHUT_RDWR)


class Ended:
    """A connection whose peer is gone, to stand in for others; for any thread."""

    def __init__(self) -> None:
        self._socket, other = socket.socketpair()
        other.close()
        self._lock = threading.Lock()
        self._stands_for: Counter[int] = Counter()  # ended connections, by their number

    def take(self, number: int) -> None:
        """Takes a number that was closed this moment, before the engine looks at it again.

        Where another connection got it in between and keeps it, that one is ended: its peer comes
        back, and nobody else reads its bytes. Who does not even close it then loses the number. So
        an ended connection has it in the end, whoever comes and goes meanwhile.
        """
        with self._lock:
            self._stands_for[number] += 1
        started = time.monotonic()
        while not self._stands_at(number):
            got = fcntl.fcntl(self._socket.fileno(), fcntl.F_DUPFD_CLOEXEC, number)
            if got == number:
                return
            os.close(got)
            if _is_file(number):  # the engine's look at it fails, as it should
                return
            waited = time.monotonic() - started
            if waited > _POLITE_SECONDS:
                shut_down(number)
            if waited > _STAND_IN_SECONDS:
                os.dup2(self._socket.fileno(), number, inheritable=False)
                return
            time.sleep(_PATIENCE_SECONDS)

    def leave(self, number: int) -> None:
        """Gives a number back, unless another ended connection needs it still."""
        with self._lock:
            self._stands_for[number] -= 1
            if self._stands_for[number] > 0:
                return
            del self._stands_for[number]
            if self._stands_at(number):  # otherwise its next owner has closed it
                os.close(number)

    def _stands_at(self, number: int) -> bool:
        """Whether the number is this connection already: one stands in for any number of them."""
        try:
            return os.path.samestat(os.fstat(number), os.fstat(self._socket.fileno()))
        except OSError:
            return False

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
