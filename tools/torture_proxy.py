"""A TCP proxy that breaks connections in the middle of a message, when asked to.

Bytes pass unchanged until then. Knows no FIX: what it cuts off is any part of what one side sent.
"""

import contextlib
import random
import socket
import struct
import threading
from typing import Final

RECEIVE_BYTES: Final = 65_536
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: closing drops what was not sent


class FaultProxy:
    """Listens on ``port`` and passes on to ``target``. One per client."""

    def __init__(self, target: tuple[str, int], chance: random.Random) -> None:
        self._target = target
        self._chance = chance
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._cut = threading.Event()
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_next(self) -> None:
        """Breaks the connection at the next bytes, of either side: only some of them pass."""
        self._cut.set()

    def close(self) -> None:
        """Accepts nobody any more."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                venue = socket.create_connection(self._target, 2)
            except OSError:
                client.close()
                continue
            venue.settimeout(None)
            for end in (client, venue):  # before a thread may close one
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for one, other in ((client, venue), (venue, client)):
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(RECEIVE_BYTES):
                if self._cut.is_set():
                    self._cut.clear()
                    self.cuts += 1
                    sink.sendall(data[: self._chance.randrange(len(data))])
                    if self._chance.random() < 0.5:
                        source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    break
                sink.sendall(data)
        for end in (sink, source):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
