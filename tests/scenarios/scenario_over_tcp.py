"""Runs scenarios against a running system, on the sockets a client would use.

One `TcpVenue` per system keeps the sessions logged on from scenario to scenario and their numbers
in order; one `TcpRun` plays one scenario. What a scenario leaves open is cancelled afterwards.
"""

import itertools
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from clients.fix_socket import (
    PATIENCE_SECONDS,
    ConnectionClosedError,
    Field,
    FixSocket,
    Message,
    utc_now,
)
from scenarios.scenario_format import Advance, Expect, Leave, Logon, Operate, Scenario, Send, Step
from scenarios.scenario_in_process import ScenarioFailedError
from scenarios.scenario_matching import Vocabulary
from waiting import wait_for_time, wait_until

ORDER_ENTRY: Final = ("NR", "RT")
LISTENING: Final = ("DC", "PT")  # they keep their numbers; a scenario begins without a past
QUIET_SECONDS: Final = 0.3  # how long silence lasts where no question can prove it
MASS_CANCEL_SECONDS: Final = 1.05  # a session may send one mass cancel a second
TARGETS: Final = {"NR": "KalshiNR", "RT": "KalshiRT", "DC": "KalshiDC", "PT": "KalshiPT"}
OPEN_STATES: Final = ("0", "1")

Administer = Callable[[str, tuple[str, ...]], None]


class TcpVenue:
    """A running system as scenarios see it: its sessions, by name."""

    def __init__(self, port: Callable[[str], int], administer: Administer | None = None) -> None:
        """``port`` gives a role's port; ``administer`` carries out what an operator does."""
        self.administer = administer
        self.runs = itertools.count(1)
        self.started = format(time.time_ns() // 1_000_000 % 10**9, "x")
        self._port = port
        self._sessions: dict[str, FixSocket] = {}
        self._flagged: set[str] = set()
        self._last_mass_cancel: dict[str, float] = {}

    def session(
        self, name: str, flags: tuple[Field, ...] = (), *, goes_on: bool = False
    ) -> FixSocket:
        """The session, logged on; one that is logged on without flags is used as it is.

        ``goes_on``: it was here before in this scenario, and wants what it has missed.
        """
        role = name.split("-")[1]
        session = self._sessions.get(name)
        if session is None:
            session = FixSocket(self._port(role), name, TARGETS[role])
            self._sessions[name] = session
        elif session.connected and not flags and name not in self._flagged:
            return session
        elif session.connected:
            session.logout()
        keeps = role == "RT" or (goes_on and role in LISTENING)
        fresh = not keeps or session.next_in == 1 or (141, "Y") in flags

        def attempt() -> bool:
            return self._logon(session, flags, fresh=fresh)

        wait_until(attempt, f"logon of {name}", PATIENCE_SECONDS)
        self._flagged.discard(name)
        if flags or role not in ORDER_ENTRY:
            self._flagged.add(name)
        return session

    def _logon(self, session: FixSocket, flags: tuple[Field, ...], *, fresh: bool) -> bool:
        """False while the venue still holds the connection before this one."""
        try:
            answer = session.logon(flags, reset=fresh, heartbeat=60)
        except ConnectionClosedError:
            return False
        if answer.msg_type != "A":
            raise ScenarioFailedError(f"{session.sender} may not log on: {answer}")
        return True

    def pace_mass_cancel(self, name: str) -> None:
        """Waits as long as a session must between two mass cancels."""
        passed = time.monotonic() - self._last_mass_cancel.get(name, 0.0)
        if passed < MASS_CANCEL_SECONDS:
            wait_for_time(MASS_CANCEL_SECONDS - passed)
        self._last_mass_cancel[name] = time.monotonic()

    def end_flagged(self) -> None:
        """Ends sessions with flags, and those that hear what others do: each starts afresh."""
        for name in sorted(self._flagged):
            if self._sessions[name].connected:
                self._sessions[name].logout()

    def close(self) -> None:
        """Ends every session."""
        for session in self._sessions.values():
            if session.connected:
                session.logout()


class TcpRun:
    """One scenario on a running system."""

    def __init__(self, venue: TcpVenue, scenario: Scenario, symbols: dict[str, str]) -> None:
        """``symbols`` gives the symbol of each of the scenario's markets."""
        self._venue = venue
        self._scenario = scenario
        self._run = f"{venue.started}-{next(venue.runs)}-"
        self._vocabulary = Vocabulary(self._run, time.time_ns, dict(symbols))
        self._sessions: dict[str, FixSocket] = {}
        self._waiting: dict[str, deque[Message]] = {}
        self._fences = itertools.count(1)
        self._symbol = symbols["market"]

    def run(self) -> None:
        """Plays every step, then proves that nothing unexpected came and cleans up.

        Raises:
            ScenarioFailedError: names the line and every difference.
        """
        try:
            for step in self._scenario.steps:
                self._play(step)
            self._prove_silence()
        finally:
            self._cancel_open_orders()
            self._venue.end_flagged()

    def _play(self, step: Step) -> None:
        match step:
            case Logon():
                name, goes_on = step.session, step.session in self._sessions
                self._sessions[name] = self._venue.session(name, step.flags, goes_on=goes_on)
                self._waiting.setdefault(step.session, deque())
            case Leave(orderly=True):
                self._sessions[step.session].logout()
            case Leave():
                self._sessions[step.session].close()
            case Send():
                self._send(step)
            case Expect():
                self._expect(step)
            case Advance():
                wait_for_time(step.seconds)
            case Operate():
                words = tuple(self._vocabulary.text(word) for word in step.words)
                assert self._venue.administer is not None
                self._venue.administer(step.operator, words)

    def _send(self, step: Send) -> None:
        if step.fields[0] == (35, "q"):
            self._venue.pace_mass_cancel(step.session)
        self._sessions[step.session].send(self._vocabulary.outgoing(step.fields))

    def _expect(self, step: Expect) -> None:
        where = self._scenario.where(step.line)
        if not step.fields:
            self._fence_all()
            if waiting := self._waiting[step.session]:
                raise ScenarioFailedError(f"{where}: {step.session} has received {waiting[0]}")
            return
        waiting = self._waiting[step.session]
        try:
            message = waiting.popleft() if waiting else self._sessions[step.session].receive()
        except (TimeoutError, ConnectionClosedError) as error:
            raise ScenarioFailedError(f"{where}: {error!r}") from None
        wrong = self._vocabulary.mismatches(step.fields, message.fields)
        if wrong:
            raise ScenarioFailedError("\n  ".join([f"{where}:", *wrong, f"received {message}"]))

    # --- silence

    def _prove_silence(self) -> None:
        self._fence_all()
        for name, waiting in self._waiting.items():
            if waiting:
                what = f"{self._scenario.name}: at the end {name} has received {waiting[0]}"
                raise ScenarioFailedError(what)

    def _fence_all(self) -> None:
        """Collects all that is on its way: what the exchange answers a question later came before.

        Sessions that cannot ask are listened to for a moment, after the others have had answers.
        """
        connected = [name for name, session in self._sessions.items() if session.connected]
        asking = [name for name in connected if name.endswith(ORDER_ENTRY)]
        for _ in range(2):  # what one session's command makes for another, after both asked once
            for name in asking:
                self._ask(name)
        for name in connected:
            if name not in asking:
                self._listen(name)

    def _ask(self, name: str) -> None:
        fence = f"{self._run}fence-{next(self._fences)}"
        session = self._sessions[name]
        session.send([(35, "H"), (11, fence), (55, self._symbol), (54, "1")])
        while (message := session.receive()).get(11) != fence:
            self._waiting[name].append(message)

    def _listen(self, name: str) -> None:
        try:
            while True:
                self._waiting[name].append(self._sessions[name].receive(QUIET_SECONDS))
        except TimeoutError:
            return

    # --- afterwards

    def _cancel_open_orders(self) -> None:
        for name, session in self._sessions.items():
            if name.endswith(ORDER_ENTRY) and name not in self._venue_listeners():
                self._cancel_of(session if session.connected else self._venue.session(name))

    def _venue_listeners(self) -> set[str]:
        logons = (step for step in self._scenario.steps if isinstance(step, Logon))
        return {step.session for step in logons if (20126, "Y") in step.flags}

    def _cancel_of(self, session: FixSocket) -> None:
        session.send([(35, "AF"), (584, f"{self._run}end"), (585, "7")])
        still_open = []
        while True:
            report = session.receive()
            if report.get(584) != f"{self._run}end":
                continue
            if report.get(39) in OPEN_STATES:
                still_open.append(report)
            if report.get(912) == "Y":
                break
        for report in still_open:
            name = f"{self._run}end-{next(self._fences)}"
            order = [(tag, report.get(tag)) for tag in (37, 55, 54)]
            head = [(35, "F"), (11, name), (41, report.get(11))]
            session.send([*head, *order, (60, utc_now())])
            while (answer := session.receive()).get(11) != name:
                continue
            assert answer.get(150) == "4", answer
