"""Market data and the people's client on a real system: what is rebuilt is the true book."""

import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from market_data.market_data_parts import BookClient
from running_system import METRICS_PORTS, RunningSystem

from kalshi_fix.adapters.fix_client import FixClient
from kalshi_fix.adapters.fix_session import Identity
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.time_text import utc_text

pytestmark = pytest.mark.acceptance
SYMBOL = "KXTEST-Q"
DEPTHS = (0, 1, 3)
ORDERS = 300


def connect(system: RunningSystem, session: str) -> FixClient:
    role = session.rpartition("-")[2]
    identity = Identity(
        sender_comp_id=session,
        target_comp_id=f"Kalshi{role}",
        username=session,
        password=f"demo-{session.partition('-')[0].lower()}",
    )
    client = FixClient.open("127.0.0.1", system.port(role), identity)
    client.receive(0)  # the Logon's answer
    return client


@pytest.fixture
def clients(system: RunningSystem) -> Iterator[tuple[FixClient, FixClient, FixClient]]:
    """Two that trade with each other, one that watches."""
    opened = [connect(system, name) for name in ("ALPHA-NR", "BRAVO-NR", "ALPHA-MD")]
    yield opened[0], opened[1], opened[2]
    for client in opened:
        client.log_out()
        client.wait_closed(5)
        client.close()


def now() -> tuple[int, str]:
    return 60, utc_text(time.time_ns())


def request(request_id: str, kind: str, depth: int) -> FixMessage:
    types = [(269, entry_type) for entry_type in "012B"]
    head = [(262, request_id), (263, kind), (264, str(depth)), (265, "1"), (267, "4")]
    return FixMessage("V", [*head, *types, (146, "1"), (55, SYMBOL)])


def received(client: FixClient, quiet_seconds: float) -> list[FixMessage]:
    """Everything until nothing more comes."""
    found = []
    while batch := client.receive(quiet_seconds):
        found += batch
    return found


def trade_at_random(traders: list[FixClient], prefix: str) -> None:
    chance = random.Random(7)  # noqa: S311 - a repeatable flow
    ids: list[tuple[FixClient, str, str]] = []
    for number in range(ORDERS):
        trader, side = chance.choice(traders), chance.choice("12")
        if ids and chance.random() < 0.3:
            owner, cl_ord_id, of_side = ids.pop(chance.randrange(len(ids)))
            fields = [(41, cl_ord_id), (11, f"{prefix}-c{number}"), (55, SYMBOL), (54, of_side)]
            owner.send(FixMessage("F", [*fields, now()]))
            continue
        cl_ord_id = f"{prefix}-{number}"
        price, quantity = f"0.{chance.randint(40, 60)}", f"{chance.randint(1, 900)}.25"
        fields = [(11, cl_ord_id), (55, SYMBOL), (54, side), (38, quantity), (40, "2")]
        trader.send(FixMessage("D", [*fields, (44, price), (59, "1"), now()]))
        ids.append((trader, cl_ord_id, side))
        trader.receive(0)
    for trader in traders:
        received(trader, 0.5)


def test_a_book_rebuilt_from_changes_is_the_true_book(
    clients: tuple[FixClient, FixClient, FixClient],
) -> None:
    alpha, bravo, watcher = clients
    books = {f"D{depth}": BookClient() for depth in DEPTHS}
    for depth in DEPTHS:
        watcher.send(request(f"D{depth}", "1", depth))
    prefix = f"md{time.time_ns()}"
    trade_at_random([alpha, bravo], prefix)
    messages = received(watcher, 1.0)
    for message in messages:
        books[message.get(262)].take(message)
    assert sum(message.msg_type == "X" for message in messages) > len(DEPTHS)
    assert books["D0"].trades, "there was trading"
    for depth in DEPTHS:
        watcher.send(request(f"S{depth}", "0", depth))
        (snapshot,) = received(watcher, 1.0)
        true = BookClient()
        true.take(snapshot)
        assert books[f"D{depth}"].levels == true.levels
        assert books[f"D{depth}"].totals == true.totals
    for trader in (alpha, bravo):
        trader.send(FixMessage("q", [(11, f"{prefix}-q"), (530, "7"), now()]))
        received(trader, 0.5)


def test_a_person_buys_and_sees_the_book(system: RunningSystem) -> None:
    typed = f"buy {SYMBOL} 10 0.37\nbook {SYMBOL}\norders\ncancel last\nmarkets\n"
    result = subprocess.run(
        [
            Path(sys.executable).with_name("kalshi-fix"), "client",
            "--as", "BRAVO-RT", "--port", str(system.port("RT")),
        ],
        input=typed, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert "ExecType=NEW" in result.stdout
    assert any(line.count("0.3700") for line in result.stdout.splitlines() if "│" in line)
    assert "ExecType=CANCELED" in result.stdout
    assert "Test market Q" in result.stdout


def conflating(system: RunningSystem) -> float:
    """MD sessions held back just now, as the MD lane's gateway tells it."""
    address = f"http://127.0.0.1:{METRICS_PORTS['gateway'] + 10 + system.offset}/metrics"
    with urllib.request.urlopen(address, timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("md_conflating_"))


def change_often(trader: FixClient, prefix: str, enough: Callable[[], bool]) -> None:
    """New orders and their cancels, until there are enough."""
    for number in range(6_000):
        if number % 100 == 0 and enough():
            return
        what = [(55, SYMBOL), (54, "1"), now()]
        price = (44, f"0.{10 + number % 40}")
        new = [(11, f"{prefix}-{number}"), *what, (38, "1"), (40, "2"), price]
        trader.send(FixMessage("D", new))
        if number >= 50:
            ids = [(41, f"{prefix}-{number - 50}"), (11, f"{prefix}-c{number}")]
            trader.send(FixMessage("F", [*ids, *what]))
        trader.receive(0.001)
    pytest.fail("nobody was ever held back")


def test_a_slow_reader_is_held_back_and_ends_with_the_true_book(
    system: RunningSystem, clients: tuple[FixClient, FixClient, FixClient]
) -> None:
    trader, _, quick = clients
    slow = connect(system, "BRAVO-MD")
    books = {f"S{number}": BookClient() for number in range(30)}
    for request_id in books:  # thirty times the bytes, so that the kernel's buffers fill soon
        slow.send(request(request_id, "1", 0))
    quick.send(request("Q", "1", 0))
    prefix = f"slow{time.time_ns()}"
    change_often(trader, prefix, lambda: conflating(system) > 0)
    trader.send(FixMessage("q", [(11, f"{prefix}-q"), (530, "7"), now()]))
    received(trader, 0.5)
    book = BookClient()
    for message in received(quick, 1.0):
        book.take(message)
    for message in received(slow, 1.0):
        books[message.get(262)].take(message)
    assert all(one.levels == book.levels for one in books.values())
    assert conflating(system) == 0
    slow.log_out()
    slow.wait_closed(5)
    slow.close()
