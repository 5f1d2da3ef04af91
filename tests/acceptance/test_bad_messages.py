"""Hundreds of broken messages: each is answered, none is obeyed by mistake, nothing falls over."""

import random
import time
from collections.abc import Callable

import pytest
from clients.fix_socket import ConnectionClosedError, Field, FixSocket, Message, utc_now
from running_system import RunningSystem
from waiting import wait_until

pytestmark = pytest.mark.acceptance
Valid = Callable[[int], list[list[Field]]]
Ask = Callable[[str], list[Field]]
MARKET = "KXTEST-X"
SEED = 20261120
MESSAGES = 400
ROLES = ("kalshi-fix gateway", "kalshi-fix core", "kalshi-fix edge", "valkey-server")
JUNK = (
    *("0", "-1", "1e9", "+5", "0x10", "NaN", "inf", "00000000000000000001", "9" * 40),
    *("1." + "0" * 60, "Y", "N", "~", " ", "  x", "%s%n", "' OR 1=1", "../../etc/passwd"),
    *("A" * 300, "\u00ff", "=", "|", "20260101-00:00:00", "20261399-99:99:99.999"),
    *("0.45 ", ".45", "45.", "-0.45", "0.4500000001"),
)
TAGS = (
    *(11, 41, 37, 55, 54, 38, 40, 44, 59, 126, 18, 60, 1, 526, 2964, 21006, 21009, 20901),
    *(530, 585, 584, 790, 43, 97, 122, 58, 110, 111, 7, 16, 123, 36, 141, 98, 108, 553, 554),
    *(20997, 20998, 20999, 453, 448, 268, 146, 99999, 0),
)


def valid_orders(number: int) -> list[list[Field]]:
    """One good message of every kind."""
    name = f"bad-{time.time_ns():x}-{number}"
    order = [(11, name), (55, MARKET), (54, "1"), (38, "1"), (40, "2"), (44, "0.01")]
    at = [(60, utc_now())]
    return [
        [(35, "D"), *order, (59, "3"), *at],
        [(35, "G"), (41, name + "x"), *order, *at],
        [(35, "F"), (11, name), (41, name + "x"), (55, MARKET), (54, "1"), *at],
        [(35, "H"), (11, name), (55, MARKET), (54, "1")],
        [(35, "AF"), (584, name), (585, "7")],
        [(35, "UOG"), (20131, "1"), (20132, "5")],
        [(35, "AN"), (710, name), (724, "0"), (1, "LOAD-15"), (581, "1"), (715, "20261120"), *at],
        [(35, "BB"), (909, name)],
    ]


def valid_market_data(number: int) -> list[list[Field]]:
    """One good message of every kind a market data session may send."""
    name = f"bad-{number}"
    kinds = [(267, "1"), (269, "0")]
    return [
        [(35, "V"), (262, name), (263, "0"), (264, "1"), *kinds, (146, "1"), (55, MARKET)],
        [(35, "x"), (320, name), (559, "4")],
        [(35, "e"), (324, name), (55, MARKET), (263, "0")],
    ]


def broken(message: list[Field], chance: random.Random) -> list[Field]:
    """The message with one to three things wrong with it."""
    kind, *fields = message
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(fields)) if fields else 0
        match chance.randrange(5):
            case 0 if fields:
                del fields[place]
            case 1 if fields:
                fields[place] = (fields[place][0], chance.choice(JUNK))
            case 2:
                fields.insert(place, (chance.choice(TAGS), chance.choice(JUNK)))
            case 3 if fields:
                fields.insert(place, fields[place])
            case _:
                kind = (35, chance.choice(("D", "F", "G", "q", "V", "E", "ZZ", "U1", "j", "BW")))
    return [kind, *fields]


def logon(session: FixSocket) -> None:
    def attempt() -> bool:
        try:
            return session.logon(reset=True).msg_type == "A"
        except ConnectionClosedError:
            return False

    wait_until(attempt, "logon")


def ask(fence: str) -> list[Field]:
    """A question on an order entry session."""
    return [(35, "H"), (11, fence), (55, MARKET), (54, "1")]


def ask_market_data(fence: str) -> list[Field]:
    """A question on a market data session."""
    return [(35, "e"), (324, fence), (55, MARKET), (263, "0")]


def answers(session: FixSocket, question: list[Field]) -> list[Message] | None:
    """What came before the answer to a question; None where the session has ended."""
    fence = question[1]
    found = []
    try:
        session.send(question)
        while (message := session.receive()).get(fence[0]) != fence[1]:
            found.append(message)
    except ConnectionClosedError:
        return None
    return found


@pytest.mark.parametrize(
    ("sender", "valid", "ask"),
    [("LOAD15-RT", valid_orders, ask), ("ALPHA-MD", valid_market_data, ask_market_data)],
    ids=["order entry", "market data"],
)
def test_broken_messages_are_answered_and_nothing_falls_over(
    system: RunningSystem, sender: str, valid: Valid, ask: Ask
) -> None:
    role = sender.split("-")[1]
    session = FixSocket(system.port(role), sender, f"Kalshi{role}")
    logon(session)
    chance = random.Random(SEED)  # noqa: S311 - a seeded choice of mistakes
    before = {role: system.processes(role) for role in ROLES}
    for number in range(MESSAGES):
        message = broken(chance.choice(valid(number)), chance)
        session.send(message)
        found = answers(session, ask(f"fence-{number}"))
        if found is None:  # a mistake may end the session; then it can be opened again
            logon(session)
            continue
        assert found, f"no answer to {message}"
        for answer in found:
            assert "INTERNAL_ERROR" not in answer.get(58), (message, str(answer))
    session.logout()
    assert {role: system.processes(role) for role in ROLES} == before, system.story()
