"""Order-to-ack times: when a request came, by session and ClOrdID, until its report goes out.

Bounded: where too many are open, further ones are not measured. Knows no message.
"""

from typing import Final

from kalshi_fix.messages import events as e

Key = tuple[str, str]
_MEASURED: Final = (e.Execution, e.OrderRejected, e.CancelRejected)


class AckTimes:
    """Requests taken and not yet reported on."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[Key, tuple[str, float]] = {}

    def received(self, session: str, cl_ord_id: str, msg_type: str, now: float) -> None:
        """A D, F or G was taken; ``now`` is monotonic seconds."""
        if len(self._open) < self._most:
            self._open[session, cl_ord_id] = (msg_type, now)

    def forget(self, session: str, cl_ord_id: str) -> None:
        """It was refused here after all."""
        self._open.pop((session, cl_ord_id), None)

    def answered(self, session: str, event: e.Event) -> tuple[str, float] | None:
        """Type and time of the request that an event is the first answer to."""
        if not isinstance(event, _MEASURED):
            return None
        return self._open.pop((session, event.cl_ord_id), None)

    def __len__(self) -> int:
        return len(self._open)
