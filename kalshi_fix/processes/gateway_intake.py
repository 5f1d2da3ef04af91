"""Application messages in: from text to replies for the session and commands for the shards.

Whatever fails while one message is translated answers that message. A number is settled when all
that came of it is: commands durable, replies with the engine. Nothing here waits for the exchange.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from attrs import define, field
from msgspec.structs import replace

from kalshi_fix.adapters.audit.recorder import UNRECORDED, Recorder
from kalshi_fix.adapters.audit.records import Kind
from kalshi_fix.adapters.logs import Log
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.refusals import internal_error, session_reject, unavailable
from kalshi_fix.fix.replays import ReplayRange
from kalshi_fix.fix.tables import CHANGING_MESSAGES
from kalshi_fix.fix.wire import SOH, WireError, decode
from kalshi_fix.messages.commands import Command, NewOrder
from kalshi_fix.model import Reason
from kalshi_fix.processes.gateway_acks import ORDERS, AckTimes, Request, identity_of
from kalshi_fix.processes.gateway_commands import ConfirmedBook
from kalshi_fix.processes.gateway_guard import SessionGuard
from kalshi_fix.processes.gateway_link import Link
from kalshi_fix.processes.gateway_markets import Routes
from kalshi_fix.processes.gateway_metrics import GatewayMetrics, reason_of
from kalshi_fix.processes.gateway_outgoing import Outgoing, possible_repeat
from kalshi_fix.processes.gateway_progress import Progress
from kalshi_fix.processes.gateway_router import Desk
from kalshi_fix.processes.gateway_watch import CoreWatch
from kalshi_fix.processes.gateway_writer import ShardWriter, Submission
from kalshi_fix.services.safely import translate_safely
from kalshi_fix.services.service import Reaction

_QUIET_SECONDS: Final = 0.001  # a session's next message came later: it sends one at a time


@define(slots=True, eq=False)
class Incoming:
    """One application message being dealt with."""

    link: Link
    message: FixMessage
    number: int
    progress: Progress
    received_at: float
    shards: int = 0  # it went to
    shards_left: int = 0  # that have not refused it
    is_in_doubt: bool = False  # perhaps taken before this process started
    request: Request | None = None  # until it has its first answer

    def reply(self, message: FixMessage, then_log_out: str = "") -> None:
        """Answers it; the number is settled once the answer is with the engine."""
        request, self.request = self.request, None
        if request is not None:
            request.reason = reason_of(message)
        self.link.outbox.put(
            Outgoing(
                message,
                progress=self.progress,
                settles=self.number,
                then_log_out=then_log_out,
                request=request,
            )
        )


@define(slots=True, eq=False, kw_only=True)
class Intake:
    """See the module. ``take`` is called on the session's own thread."""

    desks: dict[str, Desk]  # by role
    writers: Sequence[ShardWriter]
    watches: Sequence[CoreWatch]
    books: Sequence[ConfirmedBook]
    routes: Routes
    acks: AckTimes
    guard: SessionGuard
    replay: Callable[[Incoming, ReplayRange], None] | None  # None: the lane has no drop copy
    metrics: GatewayMetrics
    log: Log
    audit: Recorder = UNRECORDED
    _fate: threading.Lock = field(factory=threading.Lock)  # of what goes to several shards

    def take(self, link: Link, text: str) -> None:
        """One message."""
        received_at = time.monotonic()
        self.audit.record(Kind.IN, link.name, link.outbox.connection, text)
        try:
            message = decode(text)
        except WireError as error:
            message = _head_of(text)
            self._failed(link, message, error)
            self._begin(link, message, received_at).reply(_apology(link, message))
            return
        self.metrics.messages.add(("in", message.msg_type))
        incoming = self._begin(link, message, received_at)
        if link.is_answered(incoming.number, message):
            incoming.progress.settle(incoming.number)
        elif (fault := self.guard.application(link, message)) is not None:
            assert fault.refusal is not None, "an application message is rejected, with a word"
            rejected = session_reject(message, fault.refusal)
            self._carry_out(incoming, Reaction([rejected], [], fault.logout))
        elif not self._is_of_the_past(incoming):
            incoming.is_in_doubt = link.is_in_doubt(incoming.number, message)
            self._translate(incoming)
        link.received_at = received_at

    def _begin(self, link: Link, message: FixMessage, received_at: float) -> Incoming:
        number = int(message.get(34))
        progress = link.progress
        progress.begin(number)
        for book in self.books:
            book.mark(link.name)
        request = Request(message.msg_type, received_at)
        return Incoming(link, message, number, progress, received_at, request=request)

    def _is_of_the_past(self, incoming: Incoming) -> bool:
        """Whether it changes something and was sent before the lane moved here; deals with it.

        What was taken has been reported by now. The rest may have been refused, so it is.
        """
        message = incoming.message
        if not _is_unknowable(incoming):
            return False
        if message.get(11) and message.get(11) in incoming.link.reported_ids:
            incoming.progress.settle(incoming.number)
            return True
        if message.msg_type not in ORDERS:  # what several shards may have in part: `_left_of`
            return False
        incoming.reply(possible_repeat(unavailable(message)))
        return True

    def _translate(self, incoming: Incoming) -> None:
        link, message = incoming.link, incoming.message
        desk = self.desks[link.settings.role]
        with desk.lock:
            reaction, error = translate_safely(desk.service, link.view, message, time.time_ns())
            if error is not None:
                self._failed(link, message, error)
            self._carry_out(incoming, reaction)
        if reaction.replies:
            link.outbox.make_room()

    def _carry_out(self, incoming: Incoming, reaction: Reaction) -> None:
        replies = reaction.replies
        ways: list[tuple[Command, tuple[int, ...]]] = []
        for made in reaction.commands:
            shards = self.routes.of(made)
            command = _for_all(made, incoming) if len(shards) > 1 else made
            if incoming.message.get(43) == "Y":
                shards, answers = self._left_of(incoming, shards)
                if not shards:
                    replies = [*replies, *answers]
                    continue
            is_new = isinstance(command, NewOrder) and not incoming.is_in_doubt
            if is_new and not self._takes_orders(shards):
                replies = [*replies, unavailable(incoming.message)]
            else:
                ways.append((command, shards))
        parts = len(replies) + (reaction.replay is not None)
        for _, shards in ways:
            parts += len(shards)
        if parts != 1:  # one is begun already
            incoming.progress.begin(incoming.number, parts - 1)
        if replies:
            self._send_replies(incoming, replies, reaction.logout, is_answered=not ways)
        else:
            assert not reaction.logout, "a session is not ended without a word"
        for command, shards in ways:
            self._submit(incoming, command, shards)
        if reaction.replay is not None:
            assert self.replay is not None, "only drop copy replays"
            self.replay(incoming, reaction.replay)

    def _left_of(
        self, incoming: Incoming, shards: tuple[int, ...]
    ) -> tuple[tuple[int, ...], list[FixMessage]]:
        """The shards a repeat still goes to; or none, and what is said instead."""
        number, link = incoming.number, incoming.link
        left = tuple(shard for shard in shards if not link.is_passed(number, shard))
        if not left:
            return (), _passed(incoming)
        if left == shards and _is_unknowable(incoming):
            return (), [possible_repeat(unavailable(incoming.message))]
        return left, []

    def _send_replies(
        self, incoming: Incoming, replies: list[FixMessage], logout: str, *, is_answered: bool
    ) -> None:
        request = incoming.request
        if not is_answered:  # a notice beside it: the answer comes from the exchange
            incoming.request = None
        last = len(replies) - 1
        for place, reply in enumerate(replies):
            if reason_of(reply) == Reason.THROTTLED:
                self.metrics.throttled.add(("ended" if logout else "rejected",))
            incoming.reply(reply, logout if place == last else "")
        if not is_answered:
            incoming.request = request

    def _submit(self, incoming: Incoming, command: Command, shards: tuple[int, ...]) -> None:
        link, message = incoming.link, incoming.message
        received_at = incoming.received_at
        request = incoming.request
        if request is not None and not incoming.is_in_doubt:  # a repeat may have no answer
            request.submitted_at = time.monotonic()
            self.acks.received(link.name, identity_of(message), request)
        incoming.shards = incoming.shards_left = len(shards)
        one_at_a_time = len(shards) == 1 and received_at - link.received_at > _QUIET_SECONDS
        for shard in shards:
            submission = Submission(
                _of_epoch(command, incoming.progress.epochs[shard]),
                incoming.progress,
                incoming.number,
                lambda: self._not_taken(incoming),
                lambda: self._is_tried_again(incoming),
                is_in_doubt=incoming.is_in_doubt,
                request=request,
            )
            writer = self.writers[shard]
            submit = writer.submit_now if one_at_a_time else writer.submit
            if not submit(submission) and self._not_taken(incoming):
                submission.is_kept = self._is_tried_again(incoming)
                submission.is_tried_again = None
                writer.submit(submission)

    def _not_taken(self, incoming: Incoming) -> bool:
        """Certainly not taken by one shard; said when that is so of all it went to.

        Until then it is kept (True): what one shard has carried out the others must as well.
        """
        with self._fate:
            incoming.shards_left -= 1
            if incoming.shards_left:
                return True
        for _ in range(incoming.shards - 1):
            incoming.progress.settle(incoming.number)
        self.acks.forget(incoming.link.name, incoming.message.get(11))
        incoming.reply(unavailable(incoming.message))
        return False

    def _is_tried_again(self, incoming: Incoming) -> bool:
        """Whether what was kept is still to be taken."""
        with self._fate:
            if not incoming.shards_left:
                return False
            incoming.shards_left += 1
            return True

    def _takes_orders(self, shards: tuple[int, ...]) -> bool:
        now = time.monotonic()
        for shard in shards:
            if not self.writers[shard].is_available or self.watches[shard].is_stalled(now):
                return False
        return True

    def _failed(self, link: Link, message: FixMessage, error: Exception) -> None:
        self.metrics.translation_errors(message.msg_type or "unknown").inc()
        self.log.error(
            "message_not_translated",
            session=link.name,
            msg_type=message.msg_type,
            number=message.get(34),
            exc_info=error,
        )


def _is_unknowable(incoming: Incoming) -> bool:
    """Changes something and was sent before the lane moved here: perhaps it was refused."""
    message = incoming.message
    return message.msg_type in CHANGING_MESSAGES and incoming.link.is_unknowable(
        incoming.number, message
    )


def _passed(incoming: Incoming) -> list[FixMessage]:
    """What is said to a repeat below what a shard carried out: nothing if it was answered.

    All that was ever taken was reported before the session could log on; the rest was refused, and
    the refusal died with the process that made it.
    """
    cl_ord_id = incoming.message.get(11)
    if not cl_ord_id or cl_ord_id in incoming.link.reported_ids:
        return []
    refusal = unavailable(incoming.message)
    return [possible_repeat(refusal) if _is_unknowable(incoming) else refusal]


def _for_all(command: Command, incoming: Incoming) -> Command:
    """The command with what its answers are known by, where every shard gives one."""
    if not hasattr(command, "everywhere"):
        return command
    question: Any = command
    asked: Command = replace(question, everywhere=(incoming.number, *incoming.progress.epochs))
    return asked


def _of_epoch(command: Command, epoch: int) -> Command:
    """The command in a shard's own epoch: shards count the session's resets apart."""
    if getattr(command, "epoch", epoch) == epoch:
        return command
    client_command: Any = command
    changed: Command = replace(client_command, epoch=epoch)
    return changed


def _apology(link: Link, message: FixMessage) -> FixMessage:
    exec_id = f"R;{link.name};{message.get(34)}"
    return internal_error(message, exec_id, time.time_ns(), microseconds=link.view.microseconds)


def _head_of(text: str) -> FixMessage:
    """Type, number and ids of a message that cannot be read as a whole."""
    pairs = [part.partition("=") for part in text.split(SOH)]
    wanted = {"34", "11", "41", "43"}
    fields = [(int(tag), value) for tag, _, value in pairs if tag in wanted and value]
    msg_type = next((value for tag, _, value in pairs if tag == "35"), "")
    return FixMessage(msg_type, fields)
