"""Measures the matching core alone: workload core-v1, worst cases, snapshot of a large book.

CPU time, garbage collector frozen and off as in the core process. The same flow is run several
times and the best time of every slice of it counts, because other processes share the machine; the
calibration line says how fast it was. Run: tools/bench_core.py [--quick]
"""

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from typing import Any, Final

import msgpack
from bench_core_peers import PEERS, Peer, warmed_peer
from core_flow import START, Flow, FlowMaker, core_v1

from kalshi_fix.core import book
from kalshi_fix.core.exchange import Exchange
from kalshi_fix.core.order import Order
from kalshi_fix.messages import codec
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.messages.batch import CommandBatch
from kalshi_fix.model import NANOS

Apply = Callable[[Any], object]  # a command in, events out
SLICE: Final = 100  # commands; a busy core takes that many at a time
FULL_RUNS: Final = 3
DEEP: Final = 10_000


@contextmanager
def frozen_memory() -> Iterator[None]:
    """No garbage collection, as in the core process."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def calibrate() -> float:
    """Nanoseconds of CPU one event object costs here and now: what figures are to be read by."""
    make = e.LevelChanged

    def once() -> float:
        started = time.process_time_ns()
        for number in range(20_000):
            make(number, 2, "M", 3, 1, 2, 3, 4)
        return (time.process_time_ns() - started) / 20_000

    return min(once() for _ in range(20))


def warmed(flow: Flow) -> Exchange:
    """An exchange with everything defined and the warm-up done."""
    exchange = Exchange()
    for command in flow.setup:
        exchange.apply(command)
    for command in flow.warm_up:
        exchange.apply(command)
    return exchange


def best_of(runs: int, prepare: Callable[[], Apply], flow: Flow) -> float:
    """Seconds of CPU for the timed part; of every slice the best of several runs.

    The commands are fresh from their packed form, as in the core process; that is not counted.
    """
    best: list[int] = []
    packed = [
        codec.pack_rows(command for _, command in flow.timed[start : start + SLICE])
        for start in range(0, len(flow.timed), SLICE)
    ]
    for _ in range(runs):
        apply = prepare()
        times: list[int] = []
        with frozen_memory():
            for rows in packed:
                part = codec.unpack_rows(rows)
                began = time.process_time_ns()
                for command in part:
                    apply(command)
                times.append(time.process_time_ns() - began)
        best = [min(pair) for pair in zip(best, times, strict=True)] if best else times
    return sum(best) / 1e9


def rates(flow: Flow, runs: int) -> None:
    """Commands per second: whole core, core with packing in and out, book alone, two peers."""
    whole = rate(
        "core with risk, fees, events", best_of(runs, lambda: warmed(flow).apply, flow), flow
    )
    rate("the same, packed in and out", best_of(runs, lambda: packing(warmed(flow)), flow), flow)
    alone = rate(
        "book only: no risk, fees, packing", best_of(runs, lambda: book_only(flow), flow), flow
    )
    for name, make in PEERS.items():
        if warmed_peer(make, []) is None:
            print(f"{name} is not installed: tools/bench_core_peers.py")
            continue
        seconds = best_of(runs, partial(peer_of, make, flow), flow)
        peer = rate(f"{name}: matching only", seconds, flow)
        print(f"  times as fast: our book {alone / peer:.1f}, our whole core {whole / peer:.2f}")


def rate(what: str, seconds: float, flow: Flow) -> float:
    """Prints and returns commands per second."""
    count = len(flow.timed)
    print(f"{what:34}{count / seconds:10,.0f} commands/s {1e6 * seconds / count:6.2f} us")
    return count / seconds


def peer_of(make: Callable[[], Peer], flow: Flow) -> Apply:
    """A peer ready for the timed part."""
    step = warmed_peer(make, flow.warm_up)
    assert step is not None, "its module was there a moment ago"
    return step


def packing(exchange: Exchange) -> Apply:
    """Applies a command from its bytes and packs its events."""
    apply = exchange.apply

    def step(command: c.Command) -> object:
        (again,) = CommandBatch.unpack(CommandBatch("w", {}, [command]).pack()).commands
        return codec.pack_rows(apply(again))

    return step


def digest(flow: Flow) -> None:
    """Identifies the behaviour: the same rules give the same events, byte for byte."""
    exchange = warmed(flow)
    seen = blake2b(digest_size=16)
    events = trades = refused = 0
    for _, command in flow.timed:
        told = exchange.apply(command)
        seen.update(codec.pack_rows(told))
        events += len(told)
        for event in told:
            kind = type(event)
            trades += kind is e.Traded
            refused += kind in {e.OrderRejected, e.CancelRejected}
    exchange.check()
    live = sum(len(session.open) for session in exchange.state.sessions.values())
    print(f"events {events:,}, trades {trades:,}, refused {refused}, live at the end {live:,}")
    print(f"event digest {seen.hexdigest()}")


def latencies(flow: Flow) -> None:
    """Percentiles per kind of command; each includes about 0.1 us of clock."""
    times: dict[str, list[int]] = {}
    exchange = warmed(flow)
    apply, clock = exchange.apply, time.thread_time_ns
    with frozen_memory():
        for kind, command in flow.timed:
            began = clock()
            apply(command)
            times.setdefault(kind, []).append(clock() - began)
    for kind, found in times.items():
        found.sort()
        p50, p99, p999 = (found[int(len(found) * q) - 1] / 1e3 for q in (0.5, 0.99, 0.999))
        print(f"{kind:12} p50 {p50:7.1f} us   p99 {p99:7.1f} us   p99.9 {p999:7.1f} us")


# --- the book alone ------------------------------------------------------------------------------


def book_only(  # noqa: C901 - a whole book in one closure, as fast as it gets
    flow: Flow,
) -> Apply:
    """Queues, levels and matching with the core's own book, one tuple per event, nothing else."""
    exchange = warmed(flow)  # its orders are real ones; risk, fees and events are not called again
    markets = exchange.state.markets
    by_id = {
        (order.terms.session, cl_ord_id): order
        for session in exchange.state.sessions.values()
        for order in session.open.values()
        for cl_ord_id in order.ids()
    }
    template = next(iter(by_id.values()))

    def enter(n: c.NewOrder) -> list[tuple[int, ...]]:
        market = markets[n.symbol]
        is_buy = n.side == 1
        price = n.price or (market.ladder.highest if is_buy else market.ladder.lowest)
        order = Order(
            n.seq, template.terms, template.session, template.firm, template.position, is_buy,
            price, n.order_qty, n.cl_ord_id, 0, 0, 0, 0, False, None, 0,
        )  # fmt: skip
        out: list[tuple[int, ...]] = [(n.seq, n.order_qty)]
        other = market.offers if is_buy else market.bids
        if not n.exec_inst:
            while order.leaves:
                level = other.best
                if level is None or (level.price > price if is_buy else level.price < price):
                    break
                maker = level.head
                assert maker is not None
                traded = min(order.leaves, maker.leaves)
                order.leaves -= traded
                maker.leaves -= traded
                level.quantity -= traded
                out.append((maker.order_id, traded, level.price))
                if not maker.leaves:
                    book.remove(maker, 0)
        if order.leaves and n.time_in_force == 1 and n.ord_type == 2:
            book.append(market.bids if is_buy else market.offers, order)
            by_id[n.session, n.cl_ord_id] = order
        return out

    def step(command: c.Command) -> object:
        if type(command) is c.NewOrder:
            return enter(command)
        assert isinstance(command, c.CancelOrder | c.ReplaceOrder)
        order = by_id.get((command.session, command.orig_cl_ord_id))
        if order is None or order.level is None:
            return None
        level = order.level
        if type(command) is c.ReplaceOrder:
            by_id[command.session, command.cl_ord_id] = order
            leaves = command.order_qty - order.cum
            if command.price == order.price and 0 < leaves <= order.leaves:
                level.quantity += leaves - order.leaves
                order.leaves = leaves
            elif leaves > 0:
                side = level.side
                book.remove(order, order.leaves)
                order.leaves, order.price = leaves, command.price
                book.append(side, order)
        else:
            book.remove(order, order.leaves)
        return (order.order_id, order.leaves)

    return step


# --- worst cases and snapshots -------------------------------------------------------------------


def small_venue() -> FlowMaker:
    """Ten accounts and one market, ready for commands by hand."""
    maker = FlowMaker(1, 10, seed=7)
    maker.make(0, 0)
    return maker


def timed(what: str, exchange: Exchange, commands: Sequence[c.Command]) -> None:
    """Prints what one command of a list costs."""
    with frozen_memory():
        began = time.process_time_ns()
        for command in commands:
            exchange.apply(command)
        spent = time.process_time_ns() - began
    print(f"{what:58} {spent / len(commands) / 1e3:9.2f} us per command")


def worst_cases() -> None:
    """Deep levels, cancelled from the middle and swept; a sweep of every level."""
    one = [_order(n, 2, 5_000, 100) for n in range(DEEP)]
    exchange = _venue()
    timed(f"join one level, {DEEP:,} deep", exchange, one)
    middle = sorted(range(DEEP), key=lambda n: abs(n - DEEP // 2))
    timed("cancel it from the middle", exchange, [_cancel(n, k) for k, n in enumerate(middle)])
    exchange = _venue()
    timed("join again", exchange, one)
    timed(f"one order sweeps {DEEP:,} makers", exchange, [_order(0, 1, 5_000, 100 * DEEP, who=1)])
    exchange = _venue()
    levels = [_order(n, 2, 100 * (n + 1), 100) for n in range(99)]
    timed("quote 99 levels", exchange, levels)
    timed("one order sweeps them", exchange, [_order(0, 1, 9_900, 9_900, who=1)])


def _venue() -> Exchange:
    exchange = Exchange()
    for command in small_venue().flow.setup:
        exchange.apply(command)
    return exchange


def _order(number: int, side: int, price: int, quantity: int, who: int = 0) -> c.NewOrder:
    return c.NewOrder(
        f"S{who}", 0, number + 1, START, START, 0, f"W{who}-{number}", "M0", side, quantity, 2,
        price, 1, 0, f"A{who}", 0, "", 1, False, 0,
    )  # fmt: skip


def _cancel(number: int, place: int) -> c.CancelOrder:
    return c.CancelOrder(
        "S0", 0, DEEP + place + 1, START, START, 0, f"X{number}", f"W0-{number}", 0, "M0", 2, "",
        False,
    )  # fmt: skip


def snapshots(orders: int) -> None:
    """A snapshot of many resting orders: what it costs, and for how long a fork stops the core."""
    maker = FlowMaker(1_000, 20_000, seed=7)
    maker.make(0, 0)
    exchange = Exchange()
    for command in maker.flow.setup:
        exchange.apply(command)
    with frozen_memory():
        for number in range(orders):
            account = number % 20_000
            price = 100 * (1 + number % 49) if number % 2 else 100 * (51 + number % 49)
            exchange.apply(
                c.NewOrder(
                    f"S{account % 400}", 0, number + 1, START, START, 0, f"N{number}",
                    f"M{number % 1_000}", 1 if number % 2 else 2, 100, 2, price, 1, 0,
                    f"A{account}", 0, "", 1, False, 0,
                )
            )  # fmt: skip
    with frozen_memory():
        began = time.perf_counter_ns()
        child = os.fork()
        if child == 0:
            os._exit(0)
        pause = time.perf_counter_ns() - began
        os.waitpid(child, 0)
        began = time.process_time_ns()
        plain = exchange.snapshot()
        walk = time.process_time_ns() - began
        began = time.process_time_ns()
        packed = msgpack.packb(plain)
        pack = time.process_time_ns() - began
        del plain
        before = exchange.state_hash()
        began = time.process_time_ns()
        restored = Exchange.restore(msgpack.unpackb(packed, use_list=False, strict_map_key=False))
        load = time.process_time_ns() - began
    assert restored.state_hash() == before, "restored is not what was saved"
    print(f"snapshot of {orders:,} resting orders: fork stops the core {pause / 1e6:.1f} ms")
    print(f"  walk {walk / 1e9:.2f} s, pack {pack / 1e9:.2f} s, {len(packed) / 1e6:.1f} MB, "
          f"restore {load / 1e9:.2f} s")  # fmt: skip


def main() -> None:
    """Everything; ``--quick`` is a tenth of it."""
    quick = "--quick" in sys.argv[1:]
    print(f"calibration: one LevelChanged costs {calibrate():.0f} ns of CPU")
    flow = core_v1(30_000 if quick else 300_000)
    print(f"core-v1: {len(flow.timed):,} commands, seed 7, clock at {START // NANOS}")
    digest(flow)
    rates(flow, 1 if quick else FULL_RUNS)
    latencies(flow)
    small = core_v1(30_000, markets=100, accounts=2_000)
    seconds = best_of(FULL_RUNS, lambda: warmed(small).apply, small)
    print(f"side set small (100 markets)     {len(small.timed) / seconds:10,.0f} commands/s")
    worst_cases()
    snapshots(100_000 if quick else 1_000_000)
    print(f"calibration at the end: {calibrate():.0f} ns")


if __name__ == "__main__":
    main()
