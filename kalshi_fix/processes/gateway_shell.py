"""The engine's questions answered: who may log on, what becomes of each message.

A message becomes replies and commands through its role's service; whatever fails in there answers
that one message. Replies go to the session's queue, commands to the shards' writers; nothing here
waits for the exchange.
"""

import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from attrs import define, field

from kalshi_fix.adapters.control import CONNECTION_TAG, SECRET_TAG, VERDICT_TAG
from kalshi_fix.adapters.logs import Log
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.refusals import internal_error, unavailable
from kalshi_fix.fix.wire import SOH, WireError, decode
from kalshi_fix.messages.commands import Command, NewOrder
from kalshi_fix.model import Reason
from kalshi_fix.processes.gateway_acks import AckTimes
from kalshi_fix.processes.gateway_commands import ConfirmedBook, Routes
from kalshi_fix.processes.gateway_link import Link
from kalshi_fix.processes.gateway_metrics import GatewayMetrics
from kalshi_fix.processes.gateway_outbox import Outgoing
from kalshi_fix.processes.gateway_progress import Progress
from kalshi_fix.processes.gateway_router import Desk
from kalshi_fix.processes.gateway_watch import CoreWatch
from kalshi_fix.processes.gateway_writer import ShardWriter, Submission
from kalshi_fix.services.safely import translate_safely
from kalshi_fix.services.service import Reaction

_MEASURED: Final = frozenset({"D", "F", "G"})
_REFUSED: Final = "Logon refused"


@define(slots=True, eq=False)
class Incoming:
    """One application message being dealt with."""

    link: Link
    message: FixMessage
    number: int
    progress: Progress
    received_at: float
    refusals_left: int = 0  # shards that have not refused it; answered when none is left


@define(slots=True, eq=False, kw_only=True)
class Shell:
    """`EngineEvents` of a lane."""

    links: Mapping[str, Link]
    desks: Mapping[str, Desk]  # by role
    writers: Sequence[ShardWriter]
    watches: Sequence[CoreWatch]
    books: Sequence[ConfirmedBook]
    routes: Routes
    acks: AckTimes
    secret: str
    lost: Callable[[Link, str], None]
    metrics: GatewayMetrics
    log: Log
    _shards: range = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._shards = range(len(self.writers))

    # --- Logon and Logout

    def logon_refusal(self, session: str, logon: FixMessage) -> str:
        """Only the edge may bring a Logon; it has decided, the engine only says so."""
        self.metrics.messages("in", "A").inc()
        if not hmac.compare_digest(logon.get(SECRET_TAG).encode(), self.secret.encode()):
            self.metrics.logons("bad_secret").inc()
            self.log.error("logon_without_secret", session=session)
            return _REFUSED
        verdict = logon.get(VERDICT_TAG)
        if verdict:
            self.metrics.logons("refused").inc()
            return verdict
        if not self.links[session].outbox.claim(logon.get(CONNECTION_TAG), time.monotonic()):
            self.metrics.logons("too_late").inc()
            return Reason.EXCHANGE_UNAVAILABLE
        self.metrics.logons("ok").inc()
        return ""

    def on_logon(self, session: str) -> None:
        """Reports may go out."""
        link = self.links[session]
        link.outbox.open()
        self.metrics.session_up(session).set(1)
        self.log.info("session_up", session=session, connection=link.outbox.connection)

    def on_logout(self, session: str) -> None:
        """The core must know; the engine's lock is held, so nothing here waits."""
        link = self.links[session]
        if link.outbox.close():
            self.metrics.session_up(session).set(0)
            cause = "logout" if link.saw_logout else "socket"
            self.lost(link, cause)
            self.log.info("session_down", session=session, cause=cause)

    def on_admin(self, session: str, message: FixMessage) -> None:
        """The engine deals with these; a Logout tells why the connection will end."""
        if message.msg_type != "A":
            self.metrics.messages("in", message.msg_type).inc()
        if message.msg_type == "5":
            self.links[session].saw_logout = True

    def on_admin_sent(self, session: str, msg_type: str) -> None:
        """The engine's own messages, counted."""
        self.metrics.messages("out", msg_type).inc()
        if msg_type == "3":
            self.metrics.rejects("session", "engine").inc()
        elif msg_type == "5":
            self.links[session].saw_logout = True

    # --- application messages

    def on_application(self, session: str, text: str) -> None:
        """One message, from text to commands and replies."""
        received_at = time.monotonic()
        link = self.links[session]
        try:
            message = decode(text)
        except WireError as error:
            message = _head_of(text)
            self._failed(link, message, error)
            incoming = self._begin(link, message, received_at)
            self._reply(incoming, self._apology(link, message))
            incoming.progress.settle(incoming.number)
            return
        self.metrics.messages("in", message.msg_type).inc()
        incoming = self._begin(link, message, received_at)
        if not link.is_answered(incoming.number, message):
            self._translate(incoming)
        incoming.progress.settle(incoming.number)

    def _begin(self, link: Link, message: FixMessage, received_at: float) -> Incoming:
        number = int(message.get(34, "0"))
        progress = link.progress
        progress.begin(number)
        for book in self.books:
            book.mark(link.name)
        return Incoming(link, message, number, progress, received_at)

    def _translate(self, incoming: Incoming) -> None:
        link, message = incoming.link, incoming.message
        desk = self.desks[link.settings.role]
        with desk.lock:
            reaction, error = translate_safely(desk.service, link.view, message, time.time_ns())
            if error is not None:
                self._failed(link, message, error)
            self._send_replies(incoming, reaction)
        if link.outbox.is_here:
            link.outbox.make_room()
        for command in reaction.commands:
            self._submit(incoming, command)

    def _send_replies(self, incoming: Incoming, reaction: Reaction) -> None:
        assert reaction.replies or not reaction.logout, "a session is not ended without a word"
        last = len(reaction.replies) - 1
        for place, reply in enumerate(reaction.replies):
            self._reply(incoming, reply, reaction.logout if place == last else "")

    def _reply(self, incoming: Incoming, reply: FixMessage, then_log_out: str = "") -> None:
        """The number is answered only once its reply is with the engine."""
        incoming.progress.begin(incoming.number)
        self._answer(incoming, reply, then_log_out)

    def _answer(self, incoming: Incoming, reply: FixMessage, then_log_out: str = "") -> None:
        incoming.link.outbox.put(
            Outgoing(
                reply,
                progress=incoming.progress,
                settles=incoming.number,
                then_log_out=then_log_out,
            )
        )

    def _submit(self, incoming: Incoming, command: Command) -> None:
        shards = self.routes.of(command)
        if isinstance(command, NewOrder) and not self._takes_orders(shards):
            self._reply(incoming, unavailable(incoming.message))
            return
        message = incoming.message
        if message.msg_type in _MEASURED:
            self.acks.received(
                incoming.link.name, message.get(11), message.msg_type, incoming.received_at
            )
        incoming.refusals_left = len(shards)
        incoming.progress.begin(incoming.number, len(shards))
        for shard in shards:
            submission = Submission(
                command, incoming.progress, incoming.number, lambda: self._not_taken(incoming)
            )
            if not self.writers[shard].submit(submission):
                self._not_taken(incoming)

    def _not_taken(self, incoming: Incoming) -> None:
        """Certainly not taken by one shard; said when that is so of all it went to."""
        incoming.refusals_left -= 1
        if incoming.refusals_left > 0:
            incoming.progress.settle(incoming.number)
            return
        self.acks.forget(incoming.link.name, incoming.message.get(11))
        self._answer(incoming, unavailable(incoming.message))

    def _takes_orders(self, shards: Sequence[int]) -> bool:
        now = time.monotonic()
        return all(
            self.writers[shard].is_available and not self.watches[shard].is_stalled(now)
            for shard in shards
        )

    def _failed(self, link: Link, message: FixMessage, error: Exception) -> None:
        self.metrics.translation_errors(message.msg_type or "unknown").inc()
        self.log.error(
            "message_not_translated",
            session=link.name,
            msg_type=message.msg_type,
            number=message.get(34),
            exc_info=error,
        )

    def _apology(self, link: Link, message: FixMessage) -> FixMessage:
        exec_id = f"R;{link.name};{message.get(34)}"
        return internal_error(message, exec_id, time.time_ns(), microseconds=link.view.microseconds)


def _head_of(text: str) -> FixMessage:
    """Type, number and ids of a message that cannot be read as a whole."""
    pairs = [field.partition("=") for field in text.split(SOH)]
    wanted = {"34", "11", "41", "43"}
    fields = [(int(tag), value) for tag, _, value in pairs if tag in wanted and value]
    msg_type = next((value for tag, _, value in pairs if tag == "35"), "")
    return FixMessage(msg_type, fields)
