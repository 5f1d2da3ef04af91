"""One FIX connection of the interactive client: a thread that receives, and waiting for answers."""

import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from kalshi_fix.adapters.fix_client import FixClient
from kalshi_fix.adapters.fix_session import Identity, SessionError
from kalshi_fix.fix.message import FixMessage

_RECEIVE_SECONDS: Final = 0.5
KEPT_MAX: Final = 1_000
# Where an answer names the request it answers.
_REFERENCES: Final = frozenset({11, 41, 262, 320, 379, 584, 710, 909})


class Link:
    """``on_message`` is called on the link's own thread; "" in ``ended`` while it is up."""

    def __init__(self, client: FixClient, on_message: Callable[[FixMessage], None]) -> None:
        self._client = client
        self._on_message = on_message
        self._arrived = threading.Condition()
        self._messages: list[FixMessage] = []
        self.last_at = time.monotonic()
        self.ended = ""
        self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls,
        host: str,
        port: int,
        identity: Identity,
        on_message: Callable[[FixMessage], None],
        tls: ssl.SSLContext | None = None,
    ) -> "Link":
        """Connects and logs on. Raises OSError or SessionError."""
        return cls(FixClient.open(host, port, identity, tls=tls), on_message)

    def _run(self) -> None:
        reason = "logged out"
        try:
            while not self._client.is_closed:
                for message in self._client.receive(_RECEIVE_SECONDS):
                    self._take(message)
            reason = self._client.end_text or reason
        except SessionError as error:
            reason = str(error)
        with self._arrived:
            self.ended = reason
            self._arrived.notify_all()

    def _take(self, message: FixMessage) -> None:
        self._on_message(message)
        with self._arrived:
            self.last_at = time.monotonic()
            self._messages.append(message)
            del self._messages[:-KEPT_MAX]
            self._arrived.notify_all()

    def send(self, message: FixMessage) -> int:
        """Sends; returns the MsgSeqNum. Raises SessionError or OSError."""
        return self._client.send(message)

    def ask(
        self,
        message: FixMessage,
        request_id: str,
        seconds: float,
        is_whole: Callable[[Sequence[FixMessage]], bool] = lambda _: True,
    ) -> list[FixMessage]:
        """Sends and waits until the answers are all there; what came if they do not come.

        Raises:
            SessionError: not logged on (any more).
            OSError: the connection is gone.
        """
        with self._arrived:
            self._messages.clear()
        sequence = str(self.send(message))
        deadline = time.monotonic() + seconds
        with self._arrived:
            while True:
                answers = [m for m in self._messages if _answers(m, request_id, sequence)]
                if answers and (is_whole(answers) or answers[-1].msg_type in {"j", "3", "Y"}):
                    return answers
                if self.ended:
                    raise SessionError(self.ended)
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return answers
                self._arrived.wait(remaining)

    def close(self, seconds: float) -> None:
        """Logs out, waits a moment for the answer, closes."""
        if self._client.is_active:
            try:
                self._client.log_out()
            except OSError:
                self._client.close()
        self._thread.join(seconds)
        self._client.close()


def _answers(message: FixMessage, request_id: str, sequence: str) -> bool:
    if message.get(45) == sequence and message.msg_type in {"j", "3"}:
        return True
    return any(tag in _REFERENCES and value == request_id for tag, value in message.fields)
