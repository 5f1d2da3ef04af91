"""A request that went to two shards is answered once."""

from attrs import evolve
from fix.fix_samples import (
    ALPHA,
    AT,
    COLLATERAL,
    MASS_CANCELED,
    NO_ORDERS,
    POSITIONS,
    STATUS,
    UNKNOWN,
    request,
)  # fmt: skip

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.outbound import Reports
from kalshi_fix.messages.events import Event
from kalshi_fix.services.order_entry import OrderEntry
from kalshi_fix.services.policy import Policy
from kalshi_fix.services.throttle import Throttle

LINE = evolve(STATUS, mass=True, request_id="s1", total=1, last=True)
NONE = evolve(NO_ORDERS, request_id="s1")


def two_shards() -> OrderEntry:
    return OrderEntry({"ALPHA-RT": ALPHA}, Policy(Throttle({})), "gw1", [Reports(0), Reports(1)])


def answers(
    msg_type: str, change: dict[int, str | None], *events: tuple[Event, int]
) -> list[list[FixMessage]]:
    """What is sent after each event (with its shard) once the request is on its way."""
    service = two_shards()
    assert service.on_message(ALPHA, request(msg_type, change), AT).commands
    return [[message for _, message in service.on_event(*event)] for event in events]


def test_a_mass_cancel_is_counted_over_all_shards() -> None:
    before, after = answers("q", {}, (evolve(MASS_CANCELED, count=2), 1), (MASS_CANCELED, 0))
    assert before == []
    assert [(report.msg_type, report.get(533)) for report in after] == [("r", "5")]


def test_a_mass_cancel_is_refused_only_where_every_shard_refuses() -> None:
    refused = evolve(MASS_CANCELED, count=0, reason="ACCOUNT_NOT_FOUND")
    assert answers("q", {}, (refused, 0), (MASS_CANCELED, 1))[1][0].get(531) == "7"
    assert answers("q", {}, (refused, 0), (refused, 1))[1][0].get(531) == "0"


def test_a_mass_cancel_of_one_market_concerns_one_shard() -> None:
    one = evolve(MASS_CANCELED, request_type="1", symbol="KXTEST-A")
    ((report,),) = answers("q", {530: "1", 55: "KXTEST-A"}, (one, 1))
    assert report.get(533) == "3"


def test_mass_status_lines_of_all_shards_share_one_total() -> None:
    first = evolve(LINE, total=2, last=False)
    sent = answers("AF", {}, (LINE, 1), (first, 0), (evolve(first, last=True), 0))
    assert [len(messages) for messages in sent] == [0, 0, 3]
    assert [(m.get(911), m.get(912)) for m in sent[2]] == [("3", "N"), ("3", "N"), ("3", "Y")]


def test_a_shard_without_orders_says_nothing_while_another_has_some() -> None:
    assert [m.get(911) for m in answers("AF", {}, (NONE, 0), (LINE, 1))[1]] == ["1"]
    (only,) = answers("AF", {}, (NONE, 0), (NONE, 1))[1]
    assert (only.get(911), only.get(58)) == ("0", "NO_OPEN_ORDERS")


def test_an_order_is_unknown_only_if_every_shard_says_so() -> None:
    ask: dict[int, str | None] = {790: "r1"}
    found, unknown = answers("H", ask, (STATUS, 1), (UNKNOWN, 0))
    assert ([m.get(39) for m in found], unknown) == (["0"], [])
    waits, found = answers("H", ask, (UNKNOWN, 0), (STATUS, 1))
    assert (waits, [m.get(39) for m in found]) == ([], ["0"])
    waits, unknown = answers("H", ask, (UNKNOWN, 0), (UNKNOWN, 1))
    assert (waits, [m.get(58) for m in unknown]) == ([], ["UNKNOWN_ORDER"])


def test_positions_and_collateral_are_put_together() -> None:
    positions = answers("AN", {}, (POSITIONS, 0), (POSITIONS, 1))[1]
    assert [m.msg_type for m in positions] == ["AO", *["AP"] * 4]
    assert positions[0].get(727) == "4"
    collateral = answers("BB", {}, (COLLATERAL, 0), (COLLATERAL, 1))[1]
    assert [m.msg_type for m in collateral] == ["BG", "BA", "BA"]
    assert collateral[1].get(899) == "1800.0000"


def test_after_a_restart_answers_go_out_one_by_one() -> None:
    service = two_shards()
    assert len(service.on_event(MASS_CANCELED, 0) + service.on_event(MASS_CANCELED, 1)) == 2


def test_the_same_question_may_be_asked_again() -> None:
    service = two_shards()
    for _ in range(2):
        assert service.on_message(ALPHA, request("q"), AT).commands
        service.on_event(MASS_CANCELED, 0)
        assert len(service.on_event(MASS_CANCELED, 1)) == 1


def test_what_waits_is_bounded() -> None:
    service = two_shards()
    service._gather._waiting_max = 10
    for number in range(100):
        service.on_message(ALPHA, request("BB", {909: f"c{number}"}), AT)
    assert len(service._gather._waiting) == 10
