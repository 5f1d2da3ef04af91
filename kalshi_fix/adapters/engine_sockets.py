"""What the FIX engine does not offer about its own sockets: one address, and a cut that works.

The engine binds every interface and has no way to end a connection whose send blocks. Both are put
right from outside, through the process's own descriptor table. Knows sockets and descriptors, no
FIX and no session.
"""

import fcntl
import os
import socket
import stat
import struct
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
_BACKLOG: Final = 128
_FOUR_BYTES: Final = bytes(4)
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


class Wire:
    """A session's socket, held by a descriptor of our own: never another one that took its number.

    Asked before a report is sent without a queue, and shut when a client does not read.
    """

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self._number = self._socket.fileno()

    def unsent_bytes(self) -> int:
        """What the kernel still holds for the other side."""
        (waiting,) = struct.unpack("i", fcntl.ioctl(self._number, termios.TIOCOUTQ, _FOUR_BYTES))
        return int(waiting)

    def shut(self) -> None:
        """Ends the connection both ways: a blocked send returns."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Lets go of it; the engine has closed its own."""
        self._socket.close()


def shut_down(descriptor: int) -> None:
    """Ends a connection both ways: a blocked send returns, the engine sees the peer gone."""
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as found:
        found.shutdown(socket.SHUT_RDWR)
