"""A request that went to two shards is answered once."""

from typing import Any

from fix.fix_samples import (
    ALPHA,
    AT,
    COLLATERAL,
    GROUP,
    MASS_CANCELED,
    NO_ORDERS,
    POSITIONS,
    STATUS,
    UNKNOWN,
    request,
)  # fmt: skip
from msgspec.structs import replace

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.outbound import Reports
from kalshi_fix.messages.events import Event, SessionChanged
from kalshi_fix.services.gather import Gather
from kalshi_fix.services.order_entry import OrderEntry
from kalshi_fix.services.policy import Policy
from kalshi_fix.services.throttle import Throttle

LINE = replace(STATUS, mass=True, request_id="s1", total=1, last=True)
NONE = replace(NO_ORDERS, request_id="s1")
EVERYWHERE = (2, 1, 1)  # MsgSeqNum of the request, and the session's epoch in each shard


def two_shards() -> OrderEntry:
    return OrderEntry({"ALPHA-RT": ALPHA}, Policy(Throttle({})), "gw1", [Reports(0), Reports(1)])


def answers(
    msg_type: str, change: dict[int, str | None], *events: tuple[Event, int]
) -> list[list[FixMessage]]:
    """What is sent after each event (with its shard), all of them answers to one request."""
    service = two_shards()
    assert service.on_message(ALPHA, request(msg_type, change), AT).commands
    asked = EVERYWHERE if not change or 55 not in change else ()
    return [
        said(service, replace(event, number=number, everywhere=asked), shard)
        for number, (event, shard) in enumerate(events, 1)
    ]


def said(service: OrderEntry, event: Event, shard: int) -> list[FixMessage]:
    return [message for _, message in service.on_event(event, shard)]


def canceled(number: int, tag: tuple[int, ...] = EVERYWHERE, count: int = 2) -> Any:
    return replace(MASS_CANCELED, number=number, everywhere=tag, count=count)


def opened(number: int, *, epoch: int = 1, high_water: int = 0) -> SessionChanged:
    return SessionChanged(
        number, AT, "ALPHA", "ALPHA-RT", "gw", 1, "c1", is_open=True, epoch=epoch, confirmed=0,
        high_water=high_water, cancel_on_disconnect=False, listener=False, venue_tags=False,
        settlement_reports=False, signed_at=0, reason="",
    )  # fmt: skip


def test_a_mass_cancel_is_counted_over_all_shards() -> None:
    before, after = answers("q", {}, (replace(MASS_CANCELED, count=2), 1), (MASS_CANCELED, 0))
    assert before == []
    assert [(report.msg_type, report.get(533)) for report in after] == [("r", "5")]


def test_a_mass_cancel_is_refused_only_where_every_shard_refuses() -> None:
    refused = replace(MASS_CANCELED, count=0, reason="ACCOUNT_NOT_FOUND")
    assert answers("q", {}, (refused, 0), (MASS_CANCELED, 1))[1][0].get(531) == "7"
    assert answers("q", {}, (refused, 0), (refused, 1))[1][0].get(531) == "0"


def test_a_mass_cancel_of_one_market_concerns_one_shard() -> None:
    one = replace(MASS_CANCELED, request_type="1", symbol="KXTEST-A")
    ((report,),) = answers("q", {530: "1", 55: "KXTEST-A"}, (one, 1))
    assert report.get(533) == "3"


def test_mass_status_lines_of_all_shards_share_one_total() -> None:
    first = replace(LINE, total=2, last=False)
    sent = answers("AF", {}, (LINE, 1), (first, 0), (replace(first, last=True), 0))
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


def test_an_order_group_is_one_in_all_shards() -> None:
    before, after = answers("UOG", {}, (GROUP, 1), (GROUP, 0))
    assert before == []
    assert [(m.msg_type, m.get(20130), m.get(20132)) for m in after] == [("UOH", "G1", "100.00")]


def test_an_order_groups_request_is_refused_only_where_every_shard_refuses() -> None:
    refused = replace(GROUP, action=3, reason="ORDER_GROUP_NOT_FOUND")
    done = replace(GROUP, action=3)
    assert [m.msg_type for m in answers("UOG", {}, (refused, 0), (done, 1))[1]] == ["UOH"]
    waits, (only,) = answers("UOG", {}, (refused, 1), (refused, 0))
    assert (waits, only.msg_type, only.get(45), only.get(380)) == ([], "j", "7", "1")


def test_order_group_requests_are_answered_in_their_order() -> None:
    service = two_shards()
    first, second = (
        replace(GROUP, number=number, group_id=f"G{number}", everywhere=(number, 1, 1))
        for number in (2, 3)
    )
    assert said(service, first, 0) + said(service, second, 0) == []
    told = said(service, first, 1) + said(service, second, 1)
    assert [m.get(20130) for m in told] == ["G2", "G3"]


def test_a_trigger_is_no_answer_and_waits_for_no_shard() -> None:
    service = two_shards()
    assert said(service, replace(GROUP, session="", action=4, triggered=True), 0) == []
    assert service.gather.held() == []


def test_a_shard_that_has_passed_an_order_groups_request_is_not_waited_for() -> None:
    service = two_shards()
    said(service, replace(GROUP, number=1, everywhere=EVERYWHERE), 0)
    assert [m.msg_type for m in said(service, opened(2, high_water=2), 1)] == ["UOH"]


def test_the_answers_themselves_say_that_they_belong_together() -> None:
    """So a gateway that has just started, and never saw the request, gathers them as well."""
    service = two_shards()
    assert said(service, canceled(1), 0) == []
    assert [m.get(533) for m in said(service, canceled(1), 1)] == ["4"]


def test_the_same_question_may_be_asked_again() -> None:
    service = two_shards()
    for number in (1, 2):
        assert said(service, canceled(number, (number, 1, 1)), 0) == []
        assert len(said(service, canceled(number, (number, 1, 1)), 1)) == 1


def test_what_was_held_is_taken_back_and_what_was_told_is_not_told_again() -> None:
    before = two_shards()
    said(before, canceled(5), 0)
    said(before, canceled(6, (3, 1, 1)), 0)
    assert said(before, canceled(7, (3, 1, 1)), 1)
    held = before.gather.held()
    assert len(held) == 3

    after = two_shards()
    after.gather.restore(held, [6, 6])  # the second shard's answer will be read again
    assert [m.get(533) for m in said(after, canceled(7, (3, 1, 1)), 1)] == ["4"]
    assert [m.get(533) for m in said(after, canceled(8), 1)] == ["4"]

    again = two_shards()
    again.gather.restore(held, [6, 7])  # all of it was told
    assert [m.get(533) for m in said(again, canceled(8), 1)] == ["4"]
    assert len(again.gather.held()) == 2


def test_an_answer_that_is_read_again_counts_once() -> None:
    service = two_shards()
    assert said(service, canceled(5), 0) == []
    assert said(service, canceled(5), 0) == []
    assert [m.get(533) for m in said(service, canceled(5), 1)] == ["4"]


def test_what_was_told_is_held_until_the_positions_are_behind_it() -> None:
    service = two_shards()
    said(service, canceled(5), 0)
    said(service, canceled(9), 1)
    service.gather.release([5, 8])
    assert len(service.gather.held()) == 2
    service.gather.release([5, 9])
    assert service.gather.held() == []


def test_the_same_number_after_a_reset_is_another_request() -> None:
    service = two_shards()
    assert said(service, canceled(1, (2, 1, 1)), 0) == []
    assert said(service, canceled(9, (2, 2, 2), count=1), 1) == []
    assert said(service, canceled(2, (2, 1, 1)), 0) == []  # of the epoch that has ended
    assert [m.get(533) for m in said(service, canceled(3, (2, 2, 2)), 0)] == ["3"]


def test_a_shard_that_has_passed_a_mass_cancel_without_it_is_not_waited_for() -> None:
    service = two_shards()
    said(service, canceled(1), 0)
    assert said(service, opened(2, high_water=1), 1) == []
    assert [m.get(533) for m in said(service, opened(3, high_water=2), 1)] == ["2"]
    assert said(service, canceled(4), 1) == []


def test_with_a_reset_everywhere_nothing_is_waited_for() -> None:
    service = two_shards()
    said(service, canceled(1), 0)
    said(service, opened(2, epoch=2), 0)
    assert len(service.gather.held()) == 1
    said(service, opened(2, epoch=2), 1)
    assert service.gather.held() == []


def test_what_waits_is_bounded() -> None:
    gather = Gather(2, waiting_max=10)
    for number in range(100):
        gather.take(canceled(number, (number, 1, 1)), 0)
    assert len(gather.held()) == 10
