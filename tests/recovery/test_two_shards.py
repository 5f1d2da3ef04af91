"""Two shards in one running system, sessions trading on both: embedded store, and Cluster."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from clients.fix_socket import FixSocket, Message, utc_now
from recovery.recovery_parts import (
    PATIENCE_SECONDS,
    UNAVAILABLE,
    accepted,
    client,
    configuration,
    open_orders,
    report,
    send_order,
    system_of,
    takes_orders,
)
from recovery.store_nodes import Nodes
from running_system import RunningSystem
from waiting import wait_until

from kalshi_fix.messages import commands as c
from kalshi_fix.messages.batch import CommandBatch
from kalshi_fix.model import IDS_PER_SHARD

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(150)]
ON_FIRST, ON_SECOND = "KXR-0", "KXR-1"


@pytest.fixture(scope="module", params=["embedded", "cluster"])
def system(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSystem]:
    directory = tmp_path_factory.mktemp("shards")
    nodes = Nodes(directory)
    store = ""
    if request.param == "cluster":
        hosts = ",".join(f"127.0.0.1:{port}" for port in nodes.cluster(2))
        store = f'url = "redis+cluster://{hosts}"'
    running = system_of(directory, configuration(shards=2, store=store))
    try:
        running.start()
        yield running
    finally:
        running.kill()
        nodes.close()


@pytest.fixture
def one(system: RunningSystem) -> Iterator[FixSocket]:
    session = client(system, "ONE-RT")
    yield session
    session.close()


@pytest.fixture
def both(one: FixSocket) -> tuple[Message, Message]:
    """An order on each shard, and nothing else open."""
    mass_cancel(one)
    return accepted(one, ON_FIRST), accepted(one, ON_SECOND)


def mass_cancel(session: FixSocket) -> Message:
    name = f"q{utc_now()}"
    session.send([(35, "q"), (11, name), (530, "7"), (60, utc_now())])
    return report(session, lambda m: m.msg_type == "r" and m.get(11) == name)


def status(session: FixSocket, cl_ord_id: str, order_id: str = "") -> Message:
    name = f"h{utc_now()}"
    by_id = [(37, order_id)] if order_id else []
    question = [(35, "H"), *by_id, (11, cl_ord_id), (55, ON_FIRST), (54, "1"), (790, name)]
    session.send(question)
    return report(session, lambda m: m.get(790) == name)


def test_each_shard_numbers_its_reports_and_orders(both: tuple[Message, Message]) -> None:
    first, second = both
    assert first.get(17).count(";") == 1
    assert second.get(17).endswith(";1")
    assert first.get(37) != second.get(37)


def test_af_adds_the_shards_up(one: FixSocket, both: tuple[Message, Message]) -> None:
    found = open_orders(one)
    assert set(found) == {order.get(37) for order in both}
    assert {line.get(911) for line in found.values()} == {"2"}


def test_q_is_answered_once_with_the_sum(one: FixSocket, both: tuple[Message, Message]) -> None:
    assert both
    found = mass_cancel(one)
    assert (found.get(531), found.get(533)) == ("7", "2")
    assert open_orders(one) == {}


def group(session: FixSocket, action: str, *more: tuple[int, str]) -> list[Message]:
    """What is said after an order group request, until a question asked behind it is answered."""
    session.send([(35, "UOG"), (20131, action), *more])
    name = f"h{utc_now()}"
    session.send([(35, "H"), (11, "nobody-s"), (55, ON_FIRST), (54, "1"), (790, name)])
    found = [session.receive()]
    while found[-1].get(790) != name:
        found.append(session.receive())
    return found[:-1]


def test_an_order_group_is_one_on_both_shards(one: FixSocket) -> None:
    (created,) = group(one, "1", (20132, "100"))
    named = (20130, created.get(20130))
    (updated,) = group(one, "5", named, (20132, "8"))
    assert updated.get(20132) == "8.00"
    for symbol in (ON_FIRST, ON_SECOND):
        name = send_order(one, symbol, group=created.get(20130))
        assert report(one, lambda m, n=name: m.get(11) == n).get(150) == "0"
    said = group(one, "4", named)
    assert sorted(m.get(55) for m in said if m.get(58) == "ORDER_GROUP_CANCEL") == [
        ON_FIRST,
        ON_SECOND,
    ]
    (triggered,) = (m for m in said if m.msg_type != "8")
    assert (triggered.msg_type, triggered.get(20130)) == ("UOH", created.get(20130))
    assert [m.msg_type for m in group(one, "3", named)] == ["UOH"]
    (gone,) = group(one, "2", named)
    assert (gone.msg_type, gone.get(372), gone.get(380)) == ("j", "UOG", "1")


def test_g_and_f_go_by_the_symbol(one: FixSocket, both: tuple[Message, Message]) -> None:
    order = both[1]
    terms = [(55, ON_SECOND), (54, "1"), (60, utc_now())]
    new_terms = [(38, "7"), (40, "2"), (44, "0.06")]
    one.send([(35, "G"), (41, order.get(11)), (11, "g-" + order.get(11)), *terms, *new_terms])
    replaced = report(one, lambda m: m.get(150) == "5")
    assert (replaced.get(37), replaced.get(151)) == (order.get(37), "7.00")
    one.send([(35, "F"), (41, replaced.get(11)), (11, "f-" + order.get(11)), *terms])
    canceled = report(one, lambda m: m.get(150) == "4")
    assert (canceled.get(37), canceled.get(14)) == (order.get(37), "0.00")


def test_h_finds_an_order_on_either_shard_and_unknown_only_if_neither_has_it(
    one: FixSocket, both: tuple[Message, Message]
) -> None:
    for order in both:
        assert status(one, order.get(11)).get(37) == order.get(37)
        assert status(one, "whatever", order.get(37)).get(11) == order.get(11)
    unknown = status(one, "nobody-s")
    assert (unknown.get(39), unknown.get(58)) == ("8", "UNKNOWN_ORDER")


def test_sessions_trade_with_each_other_on_both(
    system: RunningSystem, one: FixSocket, both: tuple[Message, Message]
) -> None:
    other = client(system, "TWO-RT")
    for symbol, resting in zip((ON_FIRST, ON_SECOND), both, strict=True):
        name = send_order(other, symbol, "2")
        taken = report(other, lambda m, n=name: m.get(11) == n and m.get(150) == "F")
        made = report(one, lambda m, r=resting: m.get(37) == r.get(37) and m.get(150) == "F")
        assert taken.get(527) == made.get(527)
    other.close()


def test_one_shard_goes_on_while_the_core_of_the_other_stands(
    system: RunningSystem, one: FixSocket
) -> None:
    (core,) = system.processes("kalshi-fix core --shard s1")
    os.kill(core, signal.SIGSTOP)
    try:

        def is_refused() -> bool:
            name = send_order(one, ON_SECOND)
            try:
                found = report(one, lambda m: name in {m.get(11), m.get(379)}, 0.3)
            except TimeoutError:
                return False
            return found.get(380) == UNAVAILABLE

        wait_until(is_refused, "the second shard to refuse", PATIENCE_SECONDS)
        assert accepted(one, ON_FIRST)
    finally:
        os.kill(core, signal.SIGCONT)
    wait_until(
        lambda: takes_orders(one, ON_SECOND),
        "the second shard to take orders again",
        PATIENCE_SECONDS,
    )


def test_a_market_defined_while_all_runs_is_traded_in_its_shard_and_after_a_restart(
    system: RunningSystem, one: FixSocket
) -> None:
    """The configuration does not know it: gateways learn of it from the shard."""
    with closing(system.store().bus("s1")) as bus:
        new = ("KXR-LIVE", "KXR", "KXR", "Defined by an operator")
        command = c.DefineMarket("live", "op1", "", time.time_ns(), *new)
        bus.append_commands(CommandBatch("test", {}, [command]).pack())
    wait_until(lambda: takes_orders(one, "KXR-LIVE"), "the market", PATIENCE_SECONDS)
    assert int(accepted(one, "KXR-LIVE").get(37)) > IDS_PER_SHARD
    system.kill_role("gateway --name gw1")
    wait_until(lambda: takes_orders(one, "KXR-LIVE"), "the market", PATIENCE_SECONDS)
    mass_cancel(one)


def test_both_shards_survive_the_death_of_their_cores(
    system: RunningSystem, one: FixSocket, both: tuple[Message, Message]
) -> None:
    for pid in system.processes("kalshi-fix core"):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: takes_orders(one), "the first shard", PATIENCE_SECONDS)
    wait_until(lambda: takes_orders(one, ON_SECOND), "the second shard", PATIENCE_SECONDS)
    assert {order.get(37) for order in both} <= set(open_orders(one))
