"""What an MD session is sent is valid, group by group, for an engine with the stock FIX44.xml."""

import sys
from pathlib import Path

import pytest
import quickfix as fix
from market_data_parts import AT, BUY, SELL, SYMBOL, System, request

from kalshi_fix.fix.dictionary import Dictionary
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.wire import encode, frame
from kalshi_fix.messages import events as e

STOCK_PATH = Path(sys.prefix) / "share" / "quickfix" / "FIX44.xml"
STOCK = Dictionary(STOCK_PATH.read_text(encoding="utf-8"))
ENGINE = fix.DataDictionary(str(STOCK_PATH))


def everything() -> list[FixMessage]:
    """One message of every kind an MD session may be sent."""
    system = System()
    system.tape.market(close_at=AT)
    system.flow()
    empty = system.ask(request("R0", kind="0", types="012BC"))
    empty += system.ask(request("R0", kind="0"))
    answers = system.ask(request(types="012BC")) + system.ask("35=x|320=L1|559=4|263=1")
    answers += system.ask(f"35=e|324=S1|55={SYMBOL}|263=1")
    system.tape.level(BUY, 4500, 1500)
    system.tape.level(SELL, 4700, 300)
    system.tape.trade(4700, 300)
    system.tape.level(SELL, 4700, 0)
    increments = system.flow()
    head = system.tape.head(SYMBOL)
    system.tape.pending.append(e.TradeBusted(*head, 7004, 4700, 300, 0, 0))
    system.tape.market(status="paused")
    system.tape.market("KXTEST-B")
    increments += system.flow()
    full = system.ask(request("R9", kind="0", types="012BC"))
    refused = [
        *system.ask(request()),
        *system.ask(request("R2", types="7")),
        *system.ask("35=x|320=L2|559=0|55=KXNONE"),
        *system.ask("35=x|320=L2|559=2"),
        *system.ask("35=e|324=S2|55=KXNONE|263=0"),
        *system.ask("35=e|34=2|324=S2|263=0"),
        *system.ask("35=V|34=2|262=A"),
    ]
    return [*empty, *answers, *increments, *full, *refused]


MESSAGES = everything()
CASES = pytest.mark.parametrize(
    "message", MESSAGES, ids=[f"{n}-{m.msg_type}" for n, m in enumerate(MESSAGES)]
)


def test_every_kind_of_message_is_among_them() -> None:
    assert {message.msg_type for message in MESSAGES} == {*"WXYyfj3"}


@CASES
def test_the_stock_dictionary_finds_no_fault(message: FixMessage) -> None:
    assert STOCK.faults(message) == []


@CASES
def test_tags_stand_in_the_order_of_the_dictionary(message: FixMessage) -> None:
    members = STOCK.messages[message.msg_type].members
    group = next((tag for tag, _ in message.fields if tag in members.groups), 0)
    if not group:
        return
    order = list(members.groups[group].tags)
    entries: list[list[int]] = []
    for _, tag, _ in STOCK.walk(message.msg_type, message.fields):
        if tag == order[0] and tag in members.groups[group].tags:
            entries.append([])
        if entries and tag in order:
            entries[-1].append(order.index(tag))
    assert all(places == sorted(places) for places in entries)


@CASES
def test_the_stock_engine_takes_it(message: FixMessage) -> None:
    framed = frame(message, "KalshiMD", "ALPHA-MD", 2, "20261122-10:30:00.123")
    ENGINE.validate(fix.Message(framed.decode(), ENGINE, True))


@CASES
def test_the_engine_sends_groups_as_they_were_built(message: FixMessage) -> None:
    printed = fix.Message(encode(message), ENGINE, False).toString().split("\x01")
    starts = [place for place, (tag, _) in enumerate(message.fields) if tag in {268, 146}]
    for start in starts:
        expected = [f"{tag}={value}" for tag, value in message.fields[start:]]
        place = printed.index(expected[0])
        assert printed[place : place + len(expected)] == expected
