"""Runs a scenario against a fresh `World`: no sockets, no waiting, no clock but the scenario's."""

from collections.abc import Callable
from typing import Any, Final

from scenarios.scenario_format import (
    Advance,
    Expect,
    Leave,
    Logon,
    Market,
    Operate,
    Scenario,
    Send,
    Step,
)
from scenarios.scenario_matching import Vocabulary
from scenarios.scenario_world import World

from kalshi_fix.adapters import units
from kalshi_fix.messages import admin_commands as a
from kalshi_fix.messages import commands as c

Words = tuple[str, ...]
Head = tuple[str, str, str, int]  # request id, operator, why, at


class ScenarioFailedError(AssertionError):
    """The venue did not do what the scenario says."""


def _limits(words: Words) -> dict[str, int]:
    return units.limits(dict(word.split("=", 1) for word in words))


def _settle(head: Head, words: Words) -> a.Settle:
    if "--correct" not in words:
        return a.Settle(*head, words[0])
    value = units.price(words[words.index("--correct") + 1])
    return a.Settle(*head, words[0], correction=True, value=value)


# What operators do, in the words of `kalshi-fix admin`.
_OPERATIONS: Final[dict[Words, Callable[[Head, Words], Any]]] = {
    ("markets", "pause"): lambda h, w: _pause(h, w, paused=True),
    ("markets", "resume"): lambda h, w: _pause(h, w, paused=False),
    ("markets", "close"): lambda h, w: a.SetMarketStatus(*h, w[0], "closed"),
    ("markets", "determine"): lambda h, w: a.Determine(*h, w[0], units.price(w[1]), h[1], ""),
    ("markets", "confirm"): lambda h, w: a.Confirm(*h, w[0]),
    ("markets", "dispute"): lambda h, w: a.Dispute(*h, w[0]),
    ("markets", "settle"): _settle,
    ("limits", "set"): lambda h, w: a.SetLimits(*h, w[0], w[1], _limits(w[2:])),
    ("firms", "unlock"): lambda h, w: a.UnlockFirm(*h, w[0]),
    ("accounts", "define"): lambda h, w: a.DefineAccount(*h, w[0], w[1], w[3]),
    ("kill",): lambda h, w: a.KillSwitch(*h, w[0], w[1] if len(w) > 1 else "", killed=True),
    ("unkill",): lambda h, w: a.KillSwitch(*h, w[0], w[1] if len(w) > 1 else "", killed=False),
    ("bust",): lambda h, w: a.BustTrade(*h, int(w[0])),
    ("cancel",): lambda h, w: a.CancelByOperator(*h, int(w[0])),
}


def operation(head: Head, words: Words) -> a.AdminCommand:
    """The command an operator's words stand for."""
    name = words[:2] if words[:2] in _OPERATIONS else words[:1]
    command: a.AdminCommand = _OPERATIONS[name](head, words[len(name) :])
    return command


def _pause(head: Head, words: Words, *, paused: bool) -> a.SetExchangeStatus | a.SetMarketStatus:
    if words == ("--exchange",):
        return a.SetExchangeStatus(*head, paused=paused)
    return a.SetMarketStatus(*head, words[0], "paused" if paused else "active")


def definition(market: Market, symbol: str, at: int) -> c.DefineMarket:
    """The command that defines a scenario's market."""
    terms = market.terms
    tick = terms.get("tick", "0.01")
    ends = {"0.01": "0.99", "0.001": "0.999"}
    return c.DefineMarket(
        request_id=f"market-{symbol}",
        operator="",
        why="",
        at=at,
        symbol=symbol,
        event_ticker="KXTEST",
        series="KXTEST",
        title=f"Market of a scenario: {market.name}",
        price_ranges=units.price_ranges([[tick, ends[tick], tick]]),
        status=terms.get("status", "active"),
        jurisdictions_excluded=tuple(filter(None, [terms.get("excluded")])),
    )


class InProcessRun:
    """One scenario, one fresh venue."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._world = World()
        self._vocabulary = Vocabulary("", lambda: self._world.now)
        self._requests = 0
        for number, market in enumerate(scenario.markets, start=1):
            symbol = f"KXTEST-S{number}"
            self._world.apply(definition(market, symbol, self._world.now))
            self._vocabulary.bound[market.name] = symbol

    def run(self) -> None:
        """Plays every step.

        Raises:
            ScenarioFailedError: names the line and every difference.
        """
        for step in self._scenario.steps:
            self._play(step)
        for session, inbox in self._world.inbox.items():
            if inbox and session in self._scenario.sessions:
                raise ScenarioFailedError(f"at the end {session} has received {list(inbox)}")

    def _play(self, step: Step) -> None:
        world = self._world
        match step:
            case Logon():
                world.logon(step.session, step.flags)
            case Leave():
                world.leave(step.session, "logout" if step.orderly else "socket")
            case Send():
                world.send(step.session, self._vocabulary.outgoing(step.fields))
            case Expect():
                self._expect(step)
            case Advance():
                world.advance(step.seconds)
            case Operate():
                self._operate(step)

    def _expect(self, step: Expect) -> None:
        where = self._scenario.where(step.line)
        inbox = self._world.inbox[step.session]
        if not step.fields:
            if inbox:
                raise ScenarioFailedError(f"{where}: {step.session} has received {list(inbox)}")
            return
        if not inbox:
            raise ScenarioFailedError(f"{where}: {step.session} has received nothing")
        message = inbox.popleft()
        received = [(35, message.msg_type), *message.fields]
        wrong = self._vocabulary.mismatches(step.fields, received)
        if wrong:
            raise ScenarioFailedError("\n  ".join([f"{where}:", *wrong, f"received {received}"]))

    def _operate(self, step: Operate) -> None:
        self._requests += 1
        words = tuple(self._vocabulary.text(word) for word in step.words)
        head = (f"request-{self._requests}", step.operator, "scenario", self._world.now)
        events = self._world.apply(operation(head, words))
        refused = [event for event in events if getattr(event, "request_id", "") == head[0]]
        if any(event.reason for event in refused):
            raise ScenarioFailedError(f"{self._scenario.where(step.line)}: refused: {refused}")
