"""What a client was told: its requests, their answers, and the last state of each order.

Checks on every message what must hold from the client's side alone: a request is answered once, a
refused one is never carried out, ExecIDs are new and rise. Knows FIX messages, no session and no
exchange.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from kalshi_fix.simulate.errors import Violation

if TYPE_CHECKING:
    from kalshi_fix.fix.message import FixMessage

State = tuple[str, str, str]  # OrdStatus, CumQty, LeavesQty: 39, 14, 151
FINAL = frozenset({"2", "4", "8", "C"})
NEVER_KNOWN: State = ("8", "0.00", "0.00")


@define(eq=False)
class Request:
    """A D, F or G (or q) of the client. ``numbers``: every MsgSeqNum it went out with."""

    cl_ord_id: str
    msg_type: str
    target: str = ""  # 41 of F and G
    numbers: list[tuple[int, int]] = field(factory=list)  # (resets so far, MsgSeqNum)
    answers: list[str] = field(factory=list)  # of the exchange
    refused: list[tuple[int, int]] = field(factory=list)  # numbers refused by a j
    is_over: bool = False  # forgotten by a reset: asked about later

    @property
    def is_answered(self) -> bool:
        """Whether nothing is to be waited for."""
        return bool(self.answers) or (bool(self.refused) and set(self.refused) >= set(self.numbers))


@define(eq=False)
class Book:
    """See the module."""

    owner: str
    requests: dict[str, Request] = field(factory=dict)
    orders: dict[str, str] = field(factory=dict)  # ClOrdID of a D -> OrderID
    states: dict[str, State] = field(factory=dict)  # OrderID -> last state told
    last_ids: dict[str, str] = field(factory=dict)  # OrderID -> ClOrdID last accepted
    symbols: dict[str, tuple[str, str]] = field(factory=dict)  # OrderID -> 55, 54
    # ClOrdID -> answer to the last H, and what was reported of that order since
    asked: dict[str, State] = field(factory=dict)
    _asked_as: dict[str, str] = field(factory=dict)  # OrderID -> the ClOrdID it was asked about by
    # core-made, in the order told: ExecID -> event number, shard
    exec_ids: dict[str, tuple[int, int]] = field(factory=dict)

    def told(self, message: FixMessage, resets: int) -> None:
        """One application message, the first time it comes."""
        kind = message.msg_type
        is_again = message.get(97) == "Y"
        if kind == "8" and not (is_again and message.get(150) == "I"):
            self._report(message)
        elif kind in {"9", "r"} and not (is_again and self._is_answered(message.get(11))):
            self._answer(message.get(11), kind + message.get(58))
        elif kind in {"j", "3"} and message.get(45):
            self._refusal(message, resets)

    def _is_answered(self, cl_ord_id: str) -> bool:
        request = self.requests.get(cl_ord_id)
        return request is not None and bool(request.answers)

    def open_requests(self) -> list[Request]:
        """Those without an answer."""
        return [r for r in self.requests.values() if not r.is_answered and not r.is_over]

    def forget_status(self) -> None:
        """What was asked is not known any more: reports may have been missed since."""
        self.asked.clear()
        self._asked_as.clear()

    # --- inside

    def _report(self, message: FixMessage) -> None:
        exec_type = message.get(150)
        order_id = f"{message.get(55)}/{message.get(37)}"
        state = (message.get(39), message.get(14), message.get(151))
        if exec_type == "I":
            self._status(message, order_id, state)
            return
        exec_id = message.get(17)
        if exec_id.startswith("R;"):
            if message.get(97) != "Y" or not self._is_answered(message.get(11)):
                self._answer(message.get(11), "R")
            return
        if exec_id in self.exec_ids:
            if message.get(97) != "Y":
                raise Violation(f"{self.owner}: ExecID {exec_id} was told twice")
            return
        _, number, *shard = exec_id.split(";")
        self.exec_ids[exec_id] = (int(number), int(shard[0]) if shard else 0)
        cl_ord_id = message.get(11)
        if exec_type == "8":
            self._answer(cl_ord_id, "rejected")
            return
        if exec_type == "0":
            self._answer(cl_ord_id, "accepted")
            if cl_ord_id in self.orders:
                raise Violation(f"{self.owner}: {cl_ord_id} was accepted twice")
            self.orders[cl_ord_id] = order_id
            self.symbols[order_id] = (message.get(55), message.get(54))
        elif message.get(41):
            self._answer(cl_ord_id, exec_type)
        self.last_ids[order_id] = cl_ord_id
        self._believe(order_id, state)

    def _believe(self, order_id: str, state: State) -> None:
        self.states[order_id] = state
        if order_id in self._asked_as:
            self.asked[self._asked_as[order_id]] = state

    def _status(self, message: FixMessage, order_id: str, state: State) -> None:
        asked = message.get(790)
        is_known = message.get(37) != "NONE"
        if asked and (is_known or asked not in self.asked):
            self.asked[asked] = state  # where one shard knows it, it is known
        if is_known:
            self.states[order_id] = state
        if asked and is_known:
            self._asked_as[order_id] = asked

    def _answer(self, cl_ord_id: str, answer: str) -> None:
        request = self.requests.get(cl_ord_id)
        if request is None:
            return  # of another session of the firm
        request.answers.append(answer)
        self._check(request)

    def _refusal(self, message: FixMessage, resets: int) -> None:
        number = (resets, int(message.get(45)))
        for request in self.requests.values():
            if number in request.numbers:
                if number in request.refused:
                    raise Violation(f"{self.owner}: number {number[1]} was refused twice")
                request.refused.append(number)
                self._check(request)

    def _check(self, request: Request) -> None:
        # one that was rejected may be sent again under the same id, and is a new one then
        tries = [answer for answer in request.answers if answer == "rejected"]
        if len(request.answers) > 1 and (
            len(request.answers) - len(tries) > 1 or len(request.answers) > len(request.numbers)
        ):
            raise Violation(
                f"{self.owner}: {request.msg_type} {request.cl_ord_id} was answered "
                f"{len(request.answers)} times: {', '.join(request.answers)}"
            )
        if request.answers and set(request.refused) >= set(request.numbers):
            raise Violation(
                f"{self.owner}: {request.msg_type} {request.cl_ord_id} was refused (j) and "
                f"carried out all the same: {request.answers[0]}"
            )
