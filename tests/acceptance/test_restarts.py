"""Every process dies once while orders flow, and nothing that was acknowledged is lost."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest
from acceptance.conftest import Start
from clients.fix_socket import ConnectionClosedError, FixSocket, Message, utc_now
from running_system import RunningSystem
from waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]
MARKET = "KXTEST-U"
ORDERS_BEFORE = 40  # acknowledged before the kill
ORDERS_AFTER = 40  # and again after it
RECOVERY_SECONDS = 45.0
UNAVAILABLE = "4"  # BusinessRejectReason (380)


class Flow:
    """A client that enters resting orders all the time, whatever happens to the venue.

    It does what a careful client does: after a lost connection it logs on again with its numbers,
    so that reports it missed are resent; a request refused with 380=4 did not happen.
    """

    def __init__(self, port: int, sender: str) -> None:
        self._session = FixSocket(port, sender, "KalshiRT")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.acknowledged: set[str] = set()
        self.refused: set[str] = set()
        self.unavailable = 0
        self.failure: Exception | None = None
        self._number = 0
        self._sent: dict[str, list[tuple[int, str]]] = {}

    def __enter__(self) -> Self:
        self._logon(reset=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stops sending, takes what is still coming, and leaves."""
        self._stop.set()
        self._thread.join(RECOVERY_SECONDS)
        self._session.close()

    def wait_acknowledged(self, count: int) -> None:
        """Waits until so many orders have been acknowledged in all."""
        wait_until(
            lambda: len(self.acknowledged) >= count or self.failure is not None,
            f"{count} acknowledgements, after {len(self.acknowledged)}",
            RECOVERY_SECONDS,
        )
        assert self.failure is None, repr(self.failure)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._step()
        except Exception as error:  # noqa: BLE001 - the test's thread reports it
            self.failure = error

    def _step(self) -> None:
        try:
            if len(self._sent) < 10:
                self._order()
            self._take(self._session.receive(0.5))
        except TimeoutError:
            return
        except ConnectionClosedError:
            self._logon(reset=False)

    def _order(self) -> None:
        self._number += 1
        name = f"{self._session.sender}-{self._number}"
        terms = [(55, MARKET), (54, "1"), (38, "1"), (40, "2"), (44, "0.05")]
        self._sent[name] = [(35, "D"), (11, name), *terms, (60, utc_now())]
        self._session.send(self._sent[name])

    def _take(self, message: Message) -> None:
        if message.msg_type == "j":
            assert message.get(380) == UNAVAILABLE, message
            self.unavailable += 1
            self._sent.pop(message.get(379), None)
            self.refused.add(message.get(379))
        elif message.get(150) == "0":
            self.acknowledged.add(message.get(11))
            self._sent.pop(message.get(11), None)
        elif message.get(150) == "I" and message.get(39) == "8":
            self._sent.pop(message.get(11), None)
        elif message.get(150) == "8":
            assert message.get(58) == "STALE_ORDER", message
            self._sent.pop(message.get(11), None)

    def _logon(self, *, reset: bool) -> None:
        def attempt() -> bool:
            try:
                return self._session.logon(reset=reset).msg_type == "A"
            except (ConnectionClosedError, OSError, TimeoutError):
                return False

        wait_until(attempt, "the venue to take the Logon again", RECOVERY_SECONDS)
        for request in list(self._sent.values()):  # what became of them: ask, never send twice
            question = [(35, "H"), *request[1:4]]
            self._session.send(question)


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


@pytest.fixture(scope="module")
def battered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """One system for all the killing."""
    running = RunningSystem(tmp_path_factory.mktemp("battered"))
    try:
        running.start()
        yield running
    finally:
        running.kill()


def kill_role(system: RunningSystem, role: str) -> None:
    """kill -9 of every process of a role; waits until others have taken their place."""
    before = system.processes(role)
    assert before, f"no process shows {role!r}\n{system.story()}"
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(
        lambda: (now := system.processes(role)) and not set(now) & set(before),
        f"{role} to be started again",
        RECOVERY_SECONDS,
    )


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
    battered: RunningSystem, role: str, sender: str
) -> None:
    with Flow(battered.port("RT"), sender) as flow:
        flow.wait_acknowledged(ORDERS_BEFORE)
        kill_role(battered, role)
        flow.wait_acknowledged(len(flow.acknowledged) + ORDERS_AFTER)
        flow.stop()
        acknowledged = set(flow.acknowledged)
    open_now = open_orders(battered.port("RT"), sender)
    assert acknowledged <= open_now, f"lost: {sorted(acknowledged - open_now)}"
    assert not flow.refused & open_now, "an order answered with 380=4 happened all the same"
    assert battered.returncode is None, battered.story()


def test_while_the_store_is_down_orders_are_refused_and_cancels_follow_when_it_is_back(
    battered: RunningSystem,
) -> None:
    session = FixSocket(battered.port("RT"), "LOAD06-RT", "KalshiRT")
    wait_until(lambda: session.logon(reset=True).msg_type == "A", "logon")
    stores = battered.processes("valkey-server")
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


def answer_to(session: FixSocket, matches: Callable[[Message], bool]) -> Message | None:
    try:
        while True:
            message = session.receive(1.0)
            if matches(message):
                return message
            if message.msg_type in {"j", "8"} and message.get(58) == "EXCHANGE_UNAVAILABLE":
                return None
    except (TimeoutError, ConnectionClosedError):
        return None


def test_a_clean_stop_ends_with_0_and_a_new_start_goes_on_where_it_stopped(
    fresh_system: Start, tmp_path: Path
) -> None:
    first = fresh_system(tmp_path / "data")
    first.start()
    with Flow(first.port("RT"), "LOAD01-RT") as flow:
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
    with Flow(first.port("RT"), "LOAD01-RT") as flow:
        flow.wait_acknowledged(ORDERS_BEFORE)
        os.kill(first.pid, signal.SIGKILL)
        flow.stop()
        acknowledged = set(flow.acknowledged)
    wait_until(lambda: first.processes("") == [], "every process to end", RECOVERY_SECONDS)

    second = fresh_system(tmp_path / "data")
    second.start()
    assert acknowledged <= open_orders(second.port("RT"), "LOAD01-RT")
    assert second.stop() == 0, second.story()
