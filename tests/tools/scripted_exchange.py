"""A FIX acceptor for tests of tools: answers what a script says, on one port, any session."""

import socket
import threading
from collections.abc import Callable
from typing import Self

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.wire import frame, split_frames, unframe

TIME = "20261122-10:30:00.000"
Script = Callable[[FixMessage], list[FixMessage]]


class ScriptedExchange:
    """Listens while in a ``with`` block. ``received`` holds what clients sent, logons included."""

    def __init__(self, script: Script, refuse: str = "") -> None:
        self._script = script
        self._refuse = refuse
        self.received: list[FixMessage] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.port: int = self._listener.getsockname()[1]
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def accepts_again(self) -> None:
        """From now on Logons are accepted."""
        self._refuse = ""

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(0.05)
        rest, sequence = b"", 0
        with connection:
            while not self._stop.is_set():
                try:
                    data = connection.recv(65_536)
                except TimeoutError:
                    continue
                if not data:
                    return
                frames, rest = split_frames(rest + data)
                for message in map(unframe, frames):
                    self.received.append(message)
                    for answer in self._answers(message):
                        sequence += 1
                        sender, target = message.get(56), message.get(49)
                        connection.sendall(frame(answer, sender, target, sequence, TIME))
                    if message.msg_type == "5" or self._refuse:
                        return

    def _answers(self, message: FixMessage) -> list[FixMessage]:
        if self._refuse:
            return [FixMessage("5", [(58, self._refuse)])]
        if message.msg_type == "A":
            return [FixMessage("A", [(98, "0"), (108, message.get(108)), (141, "Y")])]
        if message.msg_type == "5":
            return [FixMessage("5", [])]
        return self._script(message)
