"""A client that never stops entering orders, whatever happens to the venue, and counts answers."""

import threading
from typing import Final, Self

from clients.fix_socket import ConnectionClosedError, FixSocket, Message, utc_now
from waiting import wait_until

PATIENCE_SECONDS: Final = 45.0  # the longest a venue may take to be back
QUIET_SECONDS: Final = 1.0  # after so long without a message nothing more is on its way
UNANSWERED_MAX: Final = 10
UNAVAILABLE: Final = "4"  # BusinessRejectReason (380)


class Flow:
    """A client that enters resting orders all the time, whatever happens to the venue.

    It does what a careful client does: after a lost connection it logs on again with its numbers,
    so that reports it missed are resent; a request refused with 380=4 did not happen.
    """

    def __init__(
        self, port: int, sender: str, market: str, side: str = "1", price: str = "0.05"
    ) -> None:
        self._session = FixSocket(port, sender, "KalshiRT")
        self._terms = [(55, market), (54, side), (38, "1"), (40, "2"), (44, price)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.acknowledged: set[str] = set()
        self.refused: set[str] = set()
        self.reports: list[Message] = []  # every report that is not an answer to a question
        self.failure: Exception | None = None
        self._number = 0
        self._sent: dict[str, list[tuple[int, str]]] = {}

    def __enter__(self) -> Self:
        self._logon(reset=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stops sending, takes what is still coming, and leaves."""
        self._stop.set()
        self._thread.join(PATIENCE_SECONDS)
        self._session.close()

    def wait_acknowledged(self, count: int) -> None:
        """Waits until so many orders have been acknowledged in all."""
        wait_until(
            lambda: len(self.acknowledged) >= count or self.failure is not None,
            f"{count} acknowledgements, after {len(self.acknowledged)}",
            PATIENCE_SECONDS,
        )
        assert self.failure is None, repr(self.failure)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._step()
            while self._session.connected:
                self._take(self._session.receive(QUIET_SECONDS))
        except (TimeoutError, ConnectionClosedError):
            return
        except Exception as error:  # noqa: BLE001 - the test's thread reports it
            self.failure = error

    def _step(self) -> None:
        try:
            if len(self._sent) < UNANSWERED_MAX:
                self._order()
            self._take(self._session.receive(0.5))
        except TimeoutError:
            return
        except ConnectionClosedError:
            self._logon(reset=False)

    def _order(self) -> None:
        self._number += 1
        name = f"{self._session.sender}-{self._number}"
        self._sent[name] = [(35, "D"), (11, name), *self._terms, (60, utc_now())]
        self._session.send(self._sent[name])

    def _take(self, message: Message) -> None:
        if message.msg_type == "8" and message.get(150) != "I":
            self.reports.append(message)
        if message.msg_type == "j":
            throttled = message.get(58).startswith("THROTTLED")
            assert throttled or message.get(380) == UNAVAILABLE, message
            self._sent.pop(message.get(379), None)
            self.refused.add(message.get(379))
        elif message.get(150) == "0":
            self.acknowledged.add(message.get(11))
            self._sent.pop(message.get(11), None)
        elif message.get(150) == "I" and message.get(39) == "8":
            self._sent.pop(message.get(11), None)
        elif message.get(150) == "8":
            assert message.get(58) == "STALE_ORDER", message
            self._sent.pop(message.get(11), None)

    def _logon(self, *, reset: bool) -> None:
        def attempt() -> bool:
            try:
                return self._stop.is_set() or self._session.logon(reset=reset).msg_type == "A"
            except (ConnectionClosedError, OSError, TimeoutError):
                return False

        wait_until(attempt, "the venue to take the Logon again", PATIENCE_SECONDS)
        while self._session.left_over:
            self._take(self._session.left_over.pop(0))
        if self._stop.is_set():
            return
        for request in list(self._sent.values()):  # what became of them: ask, never send twice
            question = [(35, "H"), *request[1:4]]
            self._session.send(question)
