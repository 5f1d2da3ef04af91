"""Every process dies once while orders flow, and nothing that was acknowledged is lost."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from acceptance.conftest import Start
from clients.fix_socket import ConnectionClosedError, FixSocket, Message, utc_now
from clients.order_flow import Flow
from running_system import RunningSystem
from waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]
MARKET = "KXTEST-U"
FILLS = "KXTEST-V"
ORDERS_BEFORE = 40  # acknowledged before the kill
ORDERS_AFTER = 40  # and again after it
RECOVERY_SECONDS = 45.0


def open_orders(port: int, sender: str) -> set[str]:
    """ClOrdIDs of the session's open orders, asked for with a mass status request."""
    session = FixSocket(port, sender, "KalshiRT")

    def attempt() -> bool:
        try:
            return session.logon(reset=True).msg_type == "A"
        except (ConnectionClosedError, OSError):
            return False

    wait_until(attempt, "logon to count the orders", RECOVERY_SECONDS)
    session.send([(35, "AF"), (584, "count"), (585, "7")])
    found = set()
    while True:
        report = session.receive()
        if report.get(584) == "count":
            found.add(report.get(11))
            if report.get(912) == "Y":
                break
    session.logout()
    return found


@pytest.mark.parametrize(
    ("role", "sender"),
    [
        ("kalshi-fix gateway", "LOAD01-RT"),
        ("kalshi-fix core", "LOAD02-RT"),
        ("valkey-server", "LOAD03-RT"),
        ("kalshi-fix edge", "LOAD04-RT"),
        ("kalshi-fix marketdata", "LOAD05-RT"),
    ],
)
def test_no_acknowledged_order_is_lost_when_a_process_is_killed(
    own: RunningSystem, role: str, sender: str
) -> None:
    with Flow(own.port("RT"), sender, MARKET) as flow:
        flow.wait_acknowledged(ORDERS_BEFORE)
        own.kill_role(role)
        flow.wait_acknowledged(len(flow.acknowledged) + ORDERS_AFTER)
        flow.stop()
        acknowledged = set(flow.acknowledged)
    open_now = open_orders(own.port("RT"), sender)
    assert acknowledged <= open_now, f"lost: {sorted(acknowledged - open_now)}"
    assert not flow.refused & open_now, "an order answered with 380=4 happened all the same"
    assert own.returncode is None, own.story()


def test_every_fill_is_reported_once_to_both_sides_whoever_dies(own: RunningSystem) -> None:
    port = own.port("RT")
    with Flow(port, "ALPHA-RT", FILLS) as buyer, Flow(port, "BRAVO-RT", FILLS, "2") as seller:
        for role in ("kalshi-fix gateway", "kalshi-fix core", "valkey-server", "kalshi-fix edge"):
            buyer.wait_acknowledged(len(buyer.acknowledged) + ORDERS_AFTER)
            own.kill_role(role)
        for flow in (buyer, seller):
            flow.wait_acknowledged(len(flow.acknowledged) + ORDERS_AFTER)
        buyer.stop()
        seller.stop()
    bought, sold = trades(buyer), trades(seller)
    assert len(bought) > ORDERS_AFTER
    assert set(bought) == set(sold)
    for reports in (buyer.reports, seller.reports):
        exec_ids = Counter(report.get(17) for report in reports)
        assert max(exec_ids.values()) == 1, exec_ids.most_common(3)
    for flow in (buyer, seller):
        filled = {report.get(11) for report in flow.reports if report.get(39) == "2"}
        assert filled <= flow.acknowledged


def trades(flow: Flow) -> dict[str, Message]:
    """Trade id -> the report of it."""
    return {report.get(527): report for report in flow.reports if report.get(150) == "F"}


def test_while_the_store_hangs_orders_are_refused_and_taken_again_when_it_is_back(
    own: RunningSystem,
) -> None:
    session = FixSocket(own.port("RT"), "LOAD06-RT", "KalshiRT")
    wait_until(lambda: session.logon(reset=True).msg_type == "A", "logon")
    stores = own.processes("valkey-server")
    for pid in stores:
        os.kill(pid, signal.SIGSTOP)
    try:
        refused = wait_until(lambda: refuses(session), "j 380=4", RECOVERY_SECONDS)
        assert refused.get(58).startswith("EXCHANGE_UNAVAILABLE")
    finally:
        for pid in stores:
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: takes(session), "orders to be taken again", RECOVERY_SECONDS)
    session.close()


def test_while_the_core_hangs_orders_are_refused_and_cancels_are_kept_for_it(
    own: RunningSystem,
) -> None:
    session = FixSocket(own.port("RT"), "LOAD07-RT", "KalshiRT")
    wait_until(lambda: session.logon(reset=True).msg_type == "A", "logon")
    order = enter(session)
    assert session.receive().get(150) == "0"
    cores = own.processes("kalshi-fix core")
    for pid in cores:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: refuses(session), "j 380=4", RECOVERY_SECONDS)
        terms = [(55, MARKET), (54, "1"), (60, utc_now())]
        session.send([(35, "F"), (11, f"{order}-c"), (41, order), *terms])
        with pytest.raises(TimeoutError):
            session.receive(0.5)
    finally:
        for pid in cores:
            os.kill(pid, signal.SIGCONT)
    answer = answer_to(session, lambda m: m.get(11) == f"{order}-c", RECOVERY_SECONDS)
    assert answer is not None
    assert (answer.get(150), answer.get(39)) == ("4", "4")
    wait_until(lambda: takes(session), "orders to be taken again", RECOVERY_SECONDS)
    session.close()


def enter(session: FixSocket) -> str:
    """Sends an order; logs on again where the connection is gone."""
    name = f"s{time.time_ns():x}"
    terms = [(55, MARKET), (54, "1"), (38, "1"), (40, "2"), (44, "0.05")]
    if not session.connected:
        session.logon()
    session.send([(35, "D"), (11, name), *terms, (60, utc_now())])
    return name


def refuses(session: FixSocket) -> Message | None:
    """The j that answers a new order, None where it is answered otherwise or not at all."""
    name = enter(session)
    return answer_to(session, lambda m: m.msg_type == "j" and m.get(379) == name)


def takes(session: FixSocket) -> Message | None:
    """The acknowledgement of a new order, None where there is none."""
    name = enter(session)
    return answer_to(session, lambda m: m.get(11) == name and m.get(150) == "0")


def answer_to(
    session: FixSocket, matches: Callable[[Message], bool], seconds: float = 1.0
) -> Message | None:
    """The first message that matches; None where nothing comes for so long."""
    try:
        while True:
            message = session.receive(seconds)
            if matches(message):
                return message
    except (TimeoutError, ConnectionClosedError):
        return None


def test_a_clean_stop_ends_with_0_and_a_new_start_goes_on_where_it_stopped(
    fresh_system: Start, tmp_path: Path
) -> None:
    first = fresh_system(tmp_path / "data")
    first.start()
    with Flow(first.port("RT"), "LOAD01-RT", MARKET) as flow:
        flow.wait_acknowledged(ORDERS_BEFORE)
        flow.stop()
        acknowledged = set(flow.acknowledged)
    assert first.stop(signal.SIGINT) == 0, first.story()
    assert first.processes("") == []

    second = fresh_system(tmp_path / "data")
    second.start()
    assert acknowledged <= open_orders(second.port("RT"), "LOAD01-RT")
    assert second.stop(signal.SIGTERM) == 0, second.story()


def test_a_killed_supervisor_takes_everything_with_it_and_a_new_start_goes_on(
    fresh_system: Start, tmp_path: Path
) -> None:
    first = fresh_system(tmp_path / "data")
    first.start()
    with Flow(first.port("RT"), "LOAD01-RT", MARKET) as flow:
        flow.wait_acknowledged(ORDERS_BEFORE)
        os.kill(first.pid, signal.SIGKILL)
        flow.stop()
        acknowledged = set(flow.acknowledged)
    wait_until(lambda: first.processes("") == [], "every process to end", RECOVERY_SECONDS)

    second = fresh_system(tmp_path / "data")
    second.start()
    assert acknowledged <= open_orders(second.port("RT"), "LOAD01-RT")
    assert second.stop() == 0, second.story()
