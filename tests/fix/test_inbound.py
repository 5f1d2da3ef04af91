"""A client's message to a command, field by field, or to the right refusal."""

import pytest
from fix.fix_samples import ALPHA, AT, BODIES, TIME, new_order, replace_order, request
from msgspec.structs import asdict

from kalshi_fix.fix.inbound import to_command
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.refusal import Refusal
from kalshi_fix.messages import commands as c
from kalshi_fix.model import Repeat

LATER = "20261122-14:31:00.000"
EARLIER = "20261122-14:29:00.000"
EARLIER_AT = AT - 60_250_000_000
Change = dict[int, str | None]


def translated(msg_type: str, change: Change | None = None) -> object:
    return to_command(request(msg_type, change), ALPHA, AT + 5)


def test_a_new_order_becomes_a_command_without_losing_anything() -> None:
    optional = {1: "ALPHA-1", 59: "6", 126: LATER, 18: "6", 526: "G1", 2964: "2", 21006: "Y"}
    command = new_order(translated("D", {**optional, 21009: "12.5", 38: "10.5"}))
    assert command == c.NewOrder(
        session="ALPHA-RT", epoch=3, seq=7, at=AT + 5, sent_at=AT, repeat=0, cl_ord_id="a1",
        symbol="KXTEST-A", side=1, order_qty=1_050, ord_type=2, price=5_500, time_in_force=6,
        expire_at=AT + 59_750_000_000, account="ALPHA-1", exec_inst=1, group_id="G1", self_trade=2,
        cancel_on_pause=True, max_cost=12_500_000, faults=(),
        as_sent=("ALPHA-1", "10.5", "2", "0.55", "6"),
    )  # fmt: skip


def test_a_bare_new_order_gets_the_defaults() -> None:
    command = new_order(translated("D"))
    defaults = (command.time_in_force, command.account, command.exec_inst, command.self_trade)
    assert defaults == (1, "", 0, 1)
    assert (command.cancel_on_pause, command.max_cost, command.expire_at) == (False, 0, 0)


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({}, ()),
        ({44: None}, ("INVALID_PRICE",)),
        ({44: "0"}, ("INVALID_PRICE",)),
        ({44: "-0.5"}, ("INVALID_PRICE",)),
        ({44: "1"}, ("INVALID_PRICE",)),
        ({44: "0.12345"}, ("PRICE_OFF_TICK",)),
        ({38: None}, ("INVALID_QUANTITY",)),
        ({38: "0"}, ("INVALID_QUANTITY",)),
        ({38: "-200"}, ("INVALID_QUANTITY",)),
        ({38: "1.005"}, ("INVALID_QUANTITY",)),
        ({38: "9" * 30}, ("INVALID_QUANTITY",)),
        ({38: "0", 44: "1"}, ("INVALID_PRICE", "INVALID_QUANTITY")),
        # orders of FIX that the venue does not trade
        ({54: "3"}, ("UNSUPPORTED_ORDER",)),
        ({54: "G"}, ("UNSUPPORTED_ORDER",)),
        ({40: "3"}, ("UNSUPPORTED_ORDER",)),
        ({59: "2"}, ("UNSUPPORTED_ORDER",)),
        ({18: "G"}, ("UNSUPPORTED_ORDER",)),
        ({18: "6 G"}, ("UNSUPPORTED_ORDER",)),
        ({21009: "0"}, ("UNSUPPORTED_ORDER",)),
        ({21009: "-1"}, ("UNSUPPORTED_ORDER",)),
        # combinations
        ({59: "6"}, ("UNSUPPORTED_ORDER",)),
        ({126: LATER}, ("UNSUPPORTED_ORDER",)),
        ({59: "0", 126: LATER}, ("UNSUPPORTED_ORDER",)),
        ({59: "6", 126: LATER}, ()),
        ({59: "6", 126: EARLIER}, ()),  # whether that is past, the core knows
        ({18: "6"}, ()),
        ({18: "6", 59: "3"}, ("UNSUPPORTED_ORDER",)),
        ({18: "E"}, ("UNSUPPORTED_ORDER",)),
        ({18: "E", 59: "3"}, ()),
        ({18: "E", 59: "4"}, ()),
        ({18: "6 E", 59: "3"}, ("UNSUPPORTED_ORDER",)),
        # market orders
        ({40: "1", 44: None}, ()),
        ({40: "1", 44: "7"}, ()),  # a market order's price is ignored
        ({40: "1", 44: None, 59: "3"}, ()),
        ({40: "1", 44: None, 59: "4"}, ()),
        ({40: "1", 44: None, 59: "0"}, ("UNSUPPORTED_ORDER",)),
        ({40: "1", 44: None, 59: "1"}, ("UNSUPPORTED_ORDER",)),
        ({40: "1", 44: None, 18: "6"}, ("UNSUPPORTED_ORDER",)),
        ({40: "1", 44: None, 18: "E"}, ()),
        # no Symbol is no market, for the core to say
        ({55: None}, ()),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_new_order_travels_in_the_command(
    change: Change, faults: tuple[str, ...]
) -> None:
    assert new_order(translated("D", change)).faults == faults


def test_a_market_order_is_immediate_unless_it_says_fill_or_kill() -> None:
    assert new_order(translated("D", {40: "1", 44: None})).time_in_force == 3
    assert new_order(translated("D", {40: "1", 44: None, 59: "4"})).time_in_force == 4


def test_a_reject_can_echo_the_fields_as_they_were_written() -> None:
    command = new_order(translated("D", {1: "X", 38: "007", 44: ".50000001", 59: "2"}))
    assert command.as_sent == ("X", "007", "2", ".50000001", "2")


@pytest.mark.parametrize(
    ("change", "time_in_force", "expires", "faults"),
    [
        ({}, -1, False, ()),
        ({59: "0"}, 0, False, ()),
        ({59: "1"}, 1, False, ()),
        ({59: "6", 126: LATER}, 6, True, ()),
        ({59: "6"}, 6, False, ("UNSUPPORTED_ORDER",)),
        ({126: LATER}, -1, True, ("UNSUPPORTED_ORDER",)),
        ({59: "0", 126: LATER}, 0, True, ("UNSUPPORTED_ORDER",)),
        ({59: "3"}, 3, False, ("UNSUPPORTED_ORDER",)),
        ({59: "7"}, -1, False, ("UNSUPPORTED_ORDER",)),
        ({40: "1"}, -1, False, ("UNSUPPORTED_ORDER",)),
        ({44: None}, -1, False, ("INVALID_PRICE",)),
        ({38: None}, -1, False, ("INVALID_QUANTITY",)),
    ],
)
def test_the_expiry_a_replace_asks_for(
    change: Change, time_in_force: int, expires: bool, faults: tuple[str, ...]
) -> None:
    command = replace_order(translated("G", change))
    assert (command.time_in_force, command.expire_at > 0) == (time_in_force, expires)
    assert command.faults == faults


@pytest.mark.parametrize(
    ("text", "number"), [(None, 0), ("17", 17), ("NONE", -1), ("017", -1), ("9" * 30, -1)]
)
def test_an_order_id_that_cannot_be_ours_is_not_lost(text: str | None, number: int) -> None:
    command = translated("F", {37: text})
    assert isinstance(command, c.CancelOrder)
    assert command.order_id == number


def test_a_cancel_says_what_it_is_about() -> None:
    command = translated("F", {37: "17", 1: "ALPHA-1", 20901: "F", 97: "Y", 122: EARLIER})
    assert command == c.CancelOrder(
        session="ALPHA-RT", epoch=3, seq=7, at=AT + 5, sent_at=EARLIER_AT, repeat=2,
        cl_ord_id="a2", orig_cl_ord_id="a1", order_id=17, symbol="KXTEST-A", side=1,
        account="ALPHA-1", firm_scope=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "repeat", "sent_at"),
    [
        ({}, Repeat.NONE, AT),
        ({43: "Y", 122: EARLIER}, Repeat.POSS_DUP, EARLIER_AT),
        ({43: "Y", 122: TIME}, Repeat.POSS_DUP, AT),
        ({97: "Y"}, Repeat.POSS_RESEND, AT),
        ({97: "Y", 122: EARLIER}, Repeat.POSS_RESEND, EARLIER_AT),
        ({122: EARLIER}, Repeat.NONE, AT),
        ({43: "N", 97: "N"}, Repeat.NONE, AT),
    ],
)
def test_a_repeat_is_judged_by_when_it_was_first_sent(
    change: Change, repeat: Repeat, sent_at: int
) -> None:
    command = new_order(translated("D", change))
    assert (command.repeat, command.sent_at) == (repeat, sent_at)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {"request_type": "7", "symbol": "", "side": 0, "account": "", "lock": False}),
        ({530: "1", 55: "KXTEST-A", 54: "2"}, {"symbol": "KXTEST-A", "side": 2}),
        ({55: "KXTEST-A"}, {"symbol": ""}),  # 530=7 is everything, whatever else is said
        ({1: "ALPHA-1", 20901: "F", 20903: "LOCK"},
         {"account": "ALPHA-1", "firm_scope": True, "lock": True}),
    ],
)  # fmt: skip
def test_the_scope_of_a_mass_cancel(change: Change, expected: dict[str, object]) -> None:
    command = translated("q", change)
    assert isinstance(command, c.MassCancel)
    assert {name: asdict(command)[name] for name in expected} == expected


def test_questions_become_queries() -> None:
    assert translated("H", {37: "17", 790: "r1"}) == c.QueryOrder(
        "ALPHA-RT", 3, 7, AT + 5, "a1", 17, "KXTEST-A", 1, "r1", firm_scope=False
    )
    assert translated("AF", {585: "1", 55: "KXTEST-A", 54: "1", 20901: "F"}) == c.QueryOrders(
        "ALPHA-RT", 3, 7, AT + 5, "s1", 1, "KXTEST-A", 1, "", firm_scope=True
    )
    assert translated("AN", {55: "KXTEST-A"}) == c.QueryPositions(
        "ALPHA-RT", 3, 7, AT + 5, "p1", "ALPHA-1", "KXTEST-A"
    )
    assert translated("BB") == c.QueryCollateral("ALPHA-RT", 3, 7, AT + 5, "c1", "")
    assert translated("UOG", {1: "ALPHA-1"}) == c.ManageOrderGroup(
        "ALPHA-RT", 3, 7, AT + 5, 1, "", 10_000, "ALPHA-1"
    )


@pytest.mark.parametrize(
    ("msg_type", "change", "refusal"),
    [
        ("q", {530: "2"}, Refusal("r", "99", "UNSUPPORTED_ORDER")),
        ("q", {54: "5"}, Refusal("r", "99", "UNSUPPORTED_ORDER")),
        ("q", {530: "1"}, Refusal("j", "5", "CONDITIONALLY_REQUIRED_TAG_MISSING tag=55")),
        ("AF", {585: "1"}, Refusal("j", "5", "CONDITIONALLY_REQUIRED_TAG_MISSING tag=55")),
        ("AF", {585: "3"}, Refusal("j", "3", "MESSAGE_NOT_SUPPORTED 585=3")),
        ("AN", {724: "1"}, Refusal("j", "3", "MESSAGE_NOT_SUPPORTED 724=1")),
        ("BB", {909: None}, Refusal("j", "5", "CONDITIONALLY_REQUIRED_TAG_MISSING tag=909")),
        ("UOG", {20132: None}, Refusal("j", "5", "CONDITIONALLY_REQUIRED_TAG_MISSING tag=20132")),
        ("UOG", {20131: "2"}, Refusal("j", "5", "CONDITIONALLY_REQUIRED_TAG_MISSING tag=20130")),
        ("UOG", {20132: "1000000.01"}, Refusal("j", "0", "INVALID_QUANTITY tag=20132")),
        ("UOG", {20132: "-1"}, Refusal("j", "0", "INVALID_QUANTITY tag=20132")),
    ],
)  # fmt: skip
def test_what_no_command_can_say_is_refused_here(
    msg_type: str, change: Change, refusal: Refusal
) -> None:
    assert translated(msg_type, change) == refusal


@pytest.mark.parametrize(
    ("msg_type", "change", "code", "tag"),
    [
        ("D", {34: None}, 1, 34), ("D", {34: "x"}, 6, 34),
        ("D", {52: None}, 1, 52), ("D", {52: "today"}, 6, 52),
        ("D", {43: "Y"}, 1, 122), ("D", {43: "Y", 122: LATER}, 10, 122),
        ("D", {43: "Y", 122: "x"}, 6, 122),
        ("D", {54: "Z"}, 5, 54), ("D", {40: "Z"}, 5, 40), ("D", {59: "9"}, 5, 59),
        ("D", {18: "x"}, 5, 18), ("D", {18: "6  E"}, 5, 18), ("D", {2964: "4"}, 5, 2964),
        ("D", {21006: "yes"}, 5, 21006), ("F", {20901: "X"}, 5, 20901), ("q", {530: "9"}, 5, 530),
        ("q", {20903: "lock"}, 5, 20903), ("AF", {585: "9"}, 5, 585),
        ("UOG", {20131: "6"}, 5, 20131),
        ("D", {38: "ten"}, 6, 38), ("D", {44: "1e-1"}, 6, 44), ("D", {60: "now"}, 6, 60),
        ("D", {126: "20261301-00:00:00"}, 6, 126), ("D", {21009: "$5"}, 6, 21009),
        ("G", {38: ""}, 6, 38), ("F", {60: "x"}, 6, 60),
        ("D", {11: "a\tb"}, 6, 11), ("D", {58: "caf\xe9"}, 6, 58), ("D", {11: "a\x00"}, 6, 11),
        ("D", {11: "x" * 65}, 6, 11), ("AF", {584: "x" * 65}, 6, 584),
        ("D", {58: "x" * 257}, 6, 58),
    ],
)  # fmt: skip
def test_a_malformed_message_is_rejected_with_the_tag(
    msg_type: str, change: Change, code: int, tag: int
) -> None:
    refusal = translated(msg_type, change)
    assert isinstance(refusal, Refusal), refusal
    assert (refusal.kind, refusal.code, refusal.tag) == ("3", str(code), tag)


@pytest.mark.parametrize("msg_type", BODIES)
def test_every_tag_fix_requires_is_missed_when_absent(msg_type: str) -> None:
    optional = {38, 44, 55, 909, 20132}
    for tag in BODIES[msg_type].keys() - optional:
        refusal = translated(msg_type, {tag: None})
        assert isinstance(refusal, Refusal)
        assert (refusal.kind, refusal.code, refusal.tag) == ("3", "1", tag)


def test_the_longest_texts_are_taken() -> None:
    assert new_order(translated("D", {11: "x" * 64, 58: "y" * 256})).cl_ord_id == "x" * 64


def test_a_message_of_fix_that_nobody_here_answers_is_refused() -> None:
    quote = FixMessage("S", [(34, "1"), (52, TIME)])
    assert to_command(quote, ALPHA, AT) == Refusal("j", "3", "MESSAGE_NOT_SUPPORTED")
