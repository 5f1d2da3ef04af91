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
from contextlib import suppress
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
_BACKLOG: Final = 128
_FOUR_BYTES: Final = bytes(4)
_STAND_IN_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 0.001
_TASKS: Final = Path("/proc/self/task")
_DESCRIPTORS: Final = Path("/proc/self/fd")


def _sockets() -> Iterator[tuple[int, socket.socket]]:
    """Every IPv4 socket of this process: its descriptor, and a private duplicate to ask."""
    for link in tuple(_DESCRIPTORS.iterdir()):
        descriptor = int(link.name)
        with suppress(OSError):  # closed since, or not a socket after all
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            with socket.socket(fileno=os.dup(descriptor)) as duplicate:
                if duplicate.family == socket.AF_INET:
                    yield descriptor, duplicate


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
    with socket.socket(fileno=os.dup(descriptor)) as old:
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


def descriptor_in_use(thread_id: int, port: int) -> int | None:
    """The connection on ``port`` that a thread's present system call (a send) works on."""
    with suppress(OSError, ValueError, IndexError):  # the thread is gone, or in no system call
        descriptor = int(_system_call(thread_id)[1], 16)
        if _is_connection(descriptor, port):
            return descriptor
    return None


def descriptor_waited_on(thread_id: int, port: int) -> int | None:
    """The connection on ``port`` that a thread waits on in ``poll``, where it does just now.

    The engine tells nobody which socket a session has; but its thread says so to the kernel.
    """
    with suppress(OSError, ValueError, IndexError, struct.error):
        call = _system_call(thread_id)
        address = int(call[1], 16)  # of a struct pollfd on the thread's stack
        with Path("/proc/self/mem").open("rb", buffering=0) as memory:
            memory.seek(address)
            (descriptor,) = struct.unpack("i", memory.read(4))
        if _system_call(thread_id) == call and _is_connection(descriptor, port):
            return int(descriptor)
    return None


def _system_call(thread_id: int) -> list[str]:
    """Number, arguments, stack and instruction pointers; ``running`` fails in the caller."""
    return (_TASKS / str(thread_id) / "syscall").read_text().split()


def _is_connection(descriptor: int, port: int) -> bool:
    if descriptor < 0:
        return False
    with socket.socket(fileno=os.dup(descriptor)) as found:
        return found.family == socket.AF_INET and found.getsockname()[1] == port


def _is_socket(descriptor: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:  # free again
        return True


class DescriptorTakenError(Exception):
    """Somebody keeps the number of a socket the engine is about to look at once more."""


class Wire:
    """A session's socket, held by a descriptor of our own: never another one that took its number.

    Asked before a report is sent without a queue, shut when a client does not read, and followed
    by a stand-in when the engine has closed it.
    """

    def __init__(self, descriptor: int) -> None:
        self._engines_number = descriptor
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self._number = self._socket.fileno()
        self._ended, other = socket.socketpair()
        other.close()  # reading from the one left says that the peer is gone

    def unsent_bytes(self) -> int:
        """What the kernel still holds for the other side."""
        (waiting,) = struct.unpack("i", fcntl.ioctl(self._number, termios.TIOCOUTQ, _FOUR_BYTES))
        return int(waiting)

    def shut(self) -> None:
        """Ends the connection both ways: a blocked send returns."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def stand_in(self) -> None:
        """The engine has just closed its number: an ended connection takes the place.

        Called on the engine's thread, before it looks again. Where another connection got the
        number in between, that one is ended: its client comes back, and nobody reads its bytes.

        Raises:
            DescriptorTakenError: the number cannot be had.
        """
        self._socket.close()
        deadline = time.monotonic() + _STAND_IN_SECONDS
        while time.monotonic() < deadline:
            at_least = self._engines_number
            number = fcntl.fcntl(self._ended.fileno(), fcntl.F_DUPFD_CLOEXEC, at_least)
            if number == at_least:
                return
            os.close(number)
            if not _is_socket(at_least):
                return  # a file: the engine's look at it fails, as it should
            shut_down(at_least)
            time.sleep(_PATIENCE_SECONDS)
        raise DescriptorTakenError(f"descriptor {self._engines_number}")

    def close(self) -> None:
        """Lets go; once the engine's thread is gone, also of the number it used."""
        with suppress(OSError):  # not ours, or not there: the engine closes all at its end
            stand_in = os.fstat(self._engines_number)
            if os.path.samestat(stand_in, os.fstat(self._ended.fileno())):
                os.close(self._engines_number)
        self._socket.close()
        self._ended.close()


def shut_down(descriptor: int) -> None:
    """Ends a connection both ways: a blocked send returns, the engine sees the peer gone."""
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as found:
        found.shutdown(socket.SHUT_RDWR)
