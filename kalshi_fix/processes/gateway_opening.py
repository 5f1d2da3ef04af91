"""Opening sessions: the edge asks, every shard must have it durable, then the Logon may come.

The rule: no SessionChanged of every shard in time, no Logon. Reports that arrive in between are
held back until the engine is logged on. Knows no socket; `gateway_control` speaks to the edge.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from attrs import define, field, frozen

from kalshi_fix.adapters.control import OpenAnswer, OpenRequest
from kalshi_fix.adapters.engine import Engine
from kalshi_fix.adapters.logs import Log
from kalshi_fix.adapters.settings import GatewaySettings
from kalshi_fix.fix.logon import LogonReason
from kalshi_fix.messages.commands import SessionLost, SessionOpened
from kalshi_fix.messages.events import SessionChanged
from kalshi_fix.model import Reason
from kalshi_fix.processes.gateway_commands import Process
from kalshi_fix.processes.gateway_link import Link
from kalshi_fix.processes.gateway_relogon import SessionReplays

_UNAVAILABLE: Final = OpenAnswer(reason=Reason.EXCHANGE_UNAVAILABLE)
_RESEND_LIMIT: Final = OpenAnswer(reason=LogonReason.RESEND_LIMIT)
_POLL_SECONDS: Final = 0.01


@frozen(kw_only=True)
class OpeningLimits:
    """See ``GatewaySettings``."""

    open_seconds: float
    hold_seconds: float
    handover_seconds: float

    @classmethod
    def of(cls, settings: GatewaySettings) -> "OpeningLimits":
        """From the configuration."""
        return cls(
            open_seconds=settings.session_open_seconds,
            hold_seconds=settings.logon_hold_seconds,
            handover_seconds=settings.handover_seconds,
        )


@define(slots=True, eq=False)
class _Waiting:
    """One question to the core, and the answers so far."""

    connection: str
    shards: int
    done: threading.Event
    answers: dict[int, SessionChanged] = field(factory=dict)
    is_refused: bool = False  # certainly not taken


class SessionOpener:
    """See the module. ``open`` blocks its caller for at most ``open_seconds``."""

    def __init__(
        self,
        links: Mapping[str, Link],
        process: Process,
        engine: Engine,
        limits: OpeningLimits,
        *,
        shards: int,
        let_in: Callable[[str], OpenAnswer],
        closed: Callable[[str, float], str],
        log: Log,
    ) -> None:
        self._links = links
        self._process = process
        self._engine = engine
        self._shards = shards
        self._limits = limits
        self._let_in = let_in
        self._closed = closed
        self._log = log
        self._waiting: dict[int, _Waiting] = {}

    def open(self, request: OpenRequest) -> OpenAnswer:
        """The answer to the edge."""
        link = self._links.get(request.session)
        if link is None:
            self._log.error("unknown_session_asked_for", session=request.session)
            return _UNAVAILABLE
        if request.verdict:
            self._wait_for_engine(link)
            return self._admitted(link, request.connection)
        if link.outbox.is_here and link.outbox.connection == request.connection:
            return self._open_again(link, request)
        refused = self._refused(link, request)
        if refused is not None:
            return refused
        if not self._expect(link, request.connection):
            return OpenAnswer(live=True)
        answer = self._ask_core(link, request)
        if answer.reason:
            link.outbox.expect_no_more(request.connection)
            self._log.warning("opening_refused", session=link.name, reason=answer.reason)
        return answer

    def _refused(self, link: Link, request: OpenRequest) -> OpenAnswer | None:
        refusal = self._closed(link.name, self._limits.handover_seconds)
        if refusal:
            return OpenAnswer(reason=refusal)
        return None if self._may_replay(link, request) else _RESEND_LIMIT

    def _open_again(self, link: Link, request: OpenRequest) -> OpenAnswer:
        """A Logon with 141=Y inside a session: the same connection, a new epoch."""
        now, seconds = time.monotonic(), self._limits.hold_seconds
        if not request.reset:
            return OpenAnswer(live=True)
        if not self._may_replay(link, request):
            return _RESEND_LIMIT
        if not link.outbox.pause(request.connection, now, seconds):
            return OpenAnswer(live=True)
        answer = self._ask_core(link, request)
        if answer.reason:
            link.outbox.resume()
        return answer

    def on_session_changed(self, shard: int, event: SessionChanged) -> None:
        """The core's answer, from a shard's reader."""
        if event.process != self._process.name:
            return
        waiting = self._waiting.get(event.counter)
        if waiting is not None and waiting.connection == event.connection:
            waiting.answers[shard] = event
            if len(waiting.answers) == waiting.shards:
                waiting.done.set()

    # --- inside

    def _wait_for_engine(self, link: Link) -> None:
        """A moment, for the thread of the session's last connection to be gone."""
        deadline = time.monotonic() + self._limits.handover_seconds
        while self._engine.is_connected(link.name) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _expect(self, link: Link, connection: str) -> bool:
        """Waits a moment for the end of the session's last connection; False: it is alive."""
        deadline = time.monotonic() + self._limits.handover_seconds
        while True:
            now = time.monotonic()
            engine_is_free = not self._engine.is_connected(link.name) or now > deadline
            if (
                engine_is_free
                and not link.outbox.is_here
                and link.outbox.expect(connection, now, self._limits.hold_seconds)
            ):
                return True
            if now > deadline:
                return False
            time.sleep(_POLL_SECONDS)

    def _ask_core(self, link: Link, request: OpenRequest) -> OpenAnswer:
        is_reset = request.reset or link.settings.reset_on_logon
        waiting = _Waiting(request.connection, self._shards, threading.Event())
        counters: list[int] = []

        def remember(counter: int) -> None:
            counters.append(counter)
            self._waiting[counter] = waiting

        def not_taken() -> None:
            waiting.is_refused = True
            waiting.done.set()

        taken = self._process.submit(
            lambda counter: self._opened(link, request, counter, is_reset=is_reset),
            refused=not_taken,
            before=remember,
        )
        if taken:
            waiting.done.wait(self._limits.open_seconds)
        self._waiting.pop(counters[0], None)
        if len(waiting.answers) < self._shards:
            # some shard may still take it: then it must not stay open
            self._lose(link.name, request.connection)
            return _UNAVAILABLE
        answers = [waiting.answers[shard] for shard in range(self._shards)]
        return self._conclude(link, answers, is_reset=is_reset)

    def _conclude(self, link: Link, answers: list[SessionChanged], *, is_reset: bool) -> OpenAnswer:
        refused = next((answer.reason for answer in answers if answer.reason), "")
        if refused:
            if any(not answer.reason for answer in answers):
                self._lose(link.name, answers[0].connection)
            return OpenAnswer(reason=refused)
        confirmed = max(answer.confirmed for answer in answers)
        high_waters = tuple(answer.high_water for answer in answers)
        epochs = tuple(answer.epoch for answer in answers)
        is_new = is_reset or bool(link.progress.epochs and epochs != link.progress.epochs)
        link.start_epoch(epochs, confirmed, high_waters, is_new=is_new)
        link.saw_logout = link.said_logout = False
        if is_reset and link.replays is not None:
            self._begin_anew(link, link.replays, answers)
        if not link.was_opened and link.engine.keeps_sequence and not is_reset:
            if link.past_is_unknown:  # and so is how far the engine of another machine was
                expected = min(confirmed + 1, link.asked_from or confirmed + 1)
                self._engine.set_numbers(link.name, expected, 0)
            else:
                self._engine.expect_incoming(link.name, confirmed + 1)
        link.was_opened = True
        return self._admitted(link, answers[0].connection)

    def _may_replay(self, link: Link, request: OpenRequest) -> bool:
        """Whether it asks for no replay, or has not used up what it may be sent again."""
        asks = request.replay and link.replays is not None
        return not asks or link.resend_budget.spend(1, time.monotonic_ns())

    def _begin_anew(
        self, link: Link, replays: SessionReplays, answers: list[SessionChanged]
    ) -> None:
        """The engine is about to forget what it sent: keeps what is to be told again."""
        if all(answer.replay for answer in answers):
            openings = [answer.number for answer in answers]
            bounds = [link.outbox.places.told[shard] for shard in range(self._shards)]
            replay, count = replays.prepare(openings, bounds)
            link.resend_budget.spend(count, time.monotonic_ns())
            link.outbox.play_first(replay)
            self._log.info("replay", session=link.name, messages=count)
        replays.numbers_changed()

    def _admitted(self, link: Link, connection: str) -> OpenAnswer:
        """Where the edge may bring the Logon now; nobody else could bring one before."""
        self._engine.admit(link.name, self._limits.hold_seconds)
        return self._let_in(connection)

    def _opened(
        self, link: Link, request: OpenRequest, counter: int, *, is_reset: bool
    ) -> SessionOpened:
        return SessionOpened(
            process=self._process.name,
            boot=self._process.boot,
            counter=counter,
            at=time.time_ns(),
            session=link.name,
            connection=request.connection,
            reset=is_reset,
            cancel_on_disconnect=request.cancel_on_disconnect,
            listener=request.listener,
            venue_tags=request.venue_tags,
            settlement_reports=request.settlement_reports,
            signed_at=request.signed_at,
            replay=request.replay and is_reset and link.replays is not None,
        )

    def lost(self, link: Link, cause: str) -> None:
        """A connection ended: the core must know, even if it has to wait for the store."""
        self._lose(link.name, link.outbox.connection, cause)

    def _lose(self, session: str, connection: str, cause: str = "socket") -> None:
        self._process.submit(
            lambda counter: SessionLost(
                process=self._process.name,
                boot=self._process.boot,
                counter=counter,
                at=time.time_ns(),
                session=session,
                connection=connection,
                cause=cause,
            ),
            is_kept=True,
        )
