"""A gateway killed at any moment: nothing lost, nothing twice, in either direction."""

import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_support import (
    LANE,
    PATIENCE_SECONDS,
    Client,
    SmallCore,
    ask,
    settings,
    wait_until,
)

from kalshi_fix.adapters.control import OpenAnswer, OpenRequest
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.settings import StoreSettings
from kalshi_fix.adapters.store import Store
from kalshi_fix.adapters.store_server import DataLock, StoreServer
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.time_text import utc_text
from kalshi_fix.messages import commands as c

CHILD = Path(__file__).parent / "gateway_child.py"


class StoreFace:
    """The real store as `SmallCore` wants it."""

    down = False

    def __init__(self, store: Store) -> None:
        self.connect = store.bus


class World:
    """A real store, the small core, and gateway processes that come and go."""

    def __init__(self, root: Path) -> None:
        self.data = DataDir.create(root)
        lock = DataLock(self.data)
        lock.acquire(1)
        self.lock = lock
        self.server = StoreServer(self.data, StoreSettings(appendfsync="no"), lock)
        self.server.start()
        self.server.wait_ready()
        self.store = Store.of(settings().store, self.data)
        self.core = SmallCore(StoreFace(self.store))  # type: ignore[arg-type]
        self.gateways: list[subprocess.Popen[bytes]] = []
        self.clients: list[Client] = []

    def start_gateway(self) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            [sys.executable, str(CHILD), str(self.data.root)], stderr=subprocess.DEVNULL
        )
        self.gateways.append(child)
        return child

    def wait_serving(self) -> None:
        wait_until(self._answers, 15)

    def _answers(self) -> bool:
        try:
            return bool(
                self.ask(OpenRequest(session="ALPHA-RT", connection="?", reset=False, verdict="?"))
            )
        except (OSError, ValueError):
            return False

    def ask(self, request: OpenRequest) -> OpenAnswer:
        return ask(self.data, request)

    def kill(self, child: subprocess.Popen[bytes]) -> None:
        child.kill()
        child.wait(5)

    def stop(self) -> None:
        for client in self.clients:
            client.drop()
        for child in self.gateways:
            self.kill(child)
        self.core.stop()
        self.core.bus.close()
        self.server.stop(5)
        self.lock.release()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.stop()


class CarefulClient(Client):
    """Keeps numbers both ways over connections, resends what is asked for, asks for gaps."""

    def __init__(self, world: World, name: str = "ALPHA-RT") -> None:
        super().__init__(world, name, "KalshiRT")  # type: ignore[arg-type]
        world.clients.append(self)
        self.expected = 1
        self.asked = False
        self.sent: dict[int, tuple[str, list[tuple[int, str]]]] = {}
        self.got: list[FixMessage] = []

    def send(self, msg_type: str, *fields: tuple[int, str], number: int = 0) -> int:
        if not number and msg_type == "D":
            self.sent[self.out] = (msg_type, list(fields))
        return super().send(msg_type, *fields, number=number)

    def come_back(self, *, reset: bool = False) -> None:
        """Logs on, however long it takes the gateway to come up."""
        self.asked = False
        if reset:
            self.expected = 1
        deadline = time.monotonic() + 15
        while True:
            try:
                self.take(self.log_on(reset=reset))
            except (OSError, EOFError, AssertionError, ValueError):
                assert time.monotonic() < deadline, "the gateway did not come back"
                time.sleep(0.05)
            else:
                return

    def drain(self, seconds: float = 0.05) -> bool:
        """Deals with what has arrived; False when the connection is gone."""
        assert self._socket is not None
        self._socket.settimeout(seconds)
        try:
            while True:
                self.take(self.receive())
        except TimeoutError:
            self._socket.settimeout(PATIENCE_SECONDS)
            return True
        except (EOFError, OSError):
            return False

    def take(self, message: FixMessage) -> None:
        number = int(message.get(34))
        if message.msg_type == "2":
            self.resend(int(message.get(7)))
        if message.msg_type == "4" and message.get(123) == "Y" and number <= self.expected:
            self.expected = max(self.expected, int(message.get(36)))
        elif number == self.expected:
            self.expected += 1
            if message.msg_type in "8j":
                self.got.append(message)
            elif message.msg_type == "1":
                self.send("0", (112, message.get(112)))
        elif number > self.expected and not self.asked:
            self.asked = True
            self.send("2", (7, str(self.expected)), (16, "0"))
        else:
            assert number > self.expected or message.get(43) == "Y", f"{number} came twice"

    def resend(self, first: int) -> None:
        for number in range(first, self.out):
            if number in self.sent:
                msg_type, fields = self.sent[number]
                now = utc_text(time.time_ns(), microseconds=False)
                self.send(msg_type, (43, "Y"), (122, now), *fields, number=number)
            else:
                self.send("4", (43, "Y"), (123, "Y"), (36, str(number + 1)), number=number)


def answered(client: CarefulClient) -> Counter[str]:
    return Counter(m.get(11) for m in client.got if m.msg_type == "8" and m.get(150) == "0")


def test_orders_under_kill_9_are_executed_and_reported_exactly_once(world: World) -> None:
    chance = random.Random(7)  # noqa: S311 - the same moments at every run
    client = CarefulClient(world)
    gateway = world.start_gateway()
    world.wait_serving()
    client.come_back(reset=True)
    ids = [f"o{n}" for n in range(400)]
    waiting = list(ids)
    for kill in range(5):
        for _ in range(chance.randrange(20, 70)):
            if waiting:
                client.order(waiting.pop(0))
        client.drain(chance.random() * 0.05 + 0.001)
        world.kill(gateway)
        client.drain()
        gateway = world.start_gateway()
        world.wait_serving()
        client.come_back()
        assert client.drain(), f"after kill {kill}"
    for cl_ord_id in waiting:
        client.order(cl_ord_id)
    wait_until(lambda: client.drain() and len(answered(client)) == len(ids), 15)
    client.drain(0.2)
    assert answered(client) == Counter(ids)
    assert Counter(o.cl_ord_id for o in world.core.executed(c.NewOrder)) == Counter(ids)
    assert not [m for m in client.got if m.msg_type == "j"]


def test_reports_made_while_the_gateway_is_dead_are_delivered(world: World) -> None:
    client = CarefulClient(world)
    gateway = world.start_gateway()
    world.wait_serving()
    client.come_back(reset=True)
    client.order("before")
    wait_until(lambda: client.drain() and answered(client) == {"before": 1})
    world.core.pause()
    for number in range(30):
        client.order(f"o{number}")
    time.sleep(0.3)  # appended, and not executed
    world.kill(gateway)
    world.core.resume()
    wait_until(lambda: len(world.core.executed(c.NewOrder)) > 1)
    world.start_gateway()
    world.wait_serving()
    client.come_back()
    wait_until(lambda: client.drain() and len(answered(client)) == 31)
    assert set(answered(client).values()) == {1}


def test_a_number_refused_before_the_kill_is_not_executed_after_it(world: World) -> None:
    client = CarefulClient(world)
    gateway = world.start_gateway()
    world.wait_serving()
    client.come_back(reset=True)
    world.core.pause()
    time.sleep(1.3)  # the core stands still
    client.order("refused")
    wait_until(lambda: client.drain() and [m for m in client.got if m.msg_type == "j"])
    world.kill(gateway)
    world.core.resume()
    world.start_gateway()
    world.wait_serving()
    client.come_back()
    client.resend(2)  # what the engine would ask for if nothing were confirmed
    client.drain(0.3)
    assert world.core.executed(c.NewOrder) == []
    client.order("later")
    wait_until(lambda: client.drain() and answered(client) == {"later": 1})


def test_a_second_process_of_the_same_name_takes_the_lane_over(world: World) -> None:
    client = CarefulClient(world)
    first = world.start_gateway()
    world.wait_serving()
    client.come_back(reset=True)
    client.order("one")
    wait_until(lambda: client.drain() and answered(client) == {"one": 1})
    second = world.start_gateway()
    time.sleep(1)
    assert second.poll() is None
    world.kill(first)
    client.come_back()
    client.order("two")
    wait_until(lambda: client.drain() and answered(client) == {"one": 1, "two": 1})
    wait_until(lambda: len({a.boot for a in world.core.executed(c.GatewayAlive)}) == 2)
    boots = [alive.boot for alive in world.core.executed(c.GatewayAlive)]
    assert boots == sorted(boots), "a later start has a later number"


def test_clients_that_come_and_go_at_once_never_get_each_others_bytes(world: World) -> None:
    world.start_gateway()
    world.wait_serving()
    failures: list[BaseException] = []

    def come_and_go(name: str, role: str) -> None:
        client = Client(world, name, f"Kalshi{role}")  # type: ignore[arg-type]
        world.clients.append(client)
        try:
            for number in range(40):
                assert client.log_on(reset=True).msg_type == "A"
                client.order(f"{name}{number}")
                assert client.receive().get(11) == f"{name}{number}"
                client.log_out()
        except BaseException as error:  # noqa: BLE001 - told to the test's own thread
            failures.append(error)

    threads = [
        threading.Thread(target=come_and_go, args=session)
        for session in (("ALPHA-RT", "RT"), ("BRAVO-RT", "RT"), ("ALPHA-NR", "NR"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert len(world.core.executed(c.NewOrder)) == 120


def test_sigterm_logs_everybody_out_and_ends_with_zero(world: World) -> None:
    client = CarefulClient(world)
    gateway = world.start_gateway()
    world.wait_serving()
    client.come_back(reset=True)
    gateway.send_signal(signal.SIGTERM)
    assert client.receive_until("5")
    client.send("5")
    assert gateway.wait(10) == 0
    record = world.store.bus("s0")
    assert record.positions()[f"gateway:{LANE}"].number == world.core.number
    record.close()
