"""What watching costs a gateway: a scrape with 200 sessions, and the counting per order.

The counting is everything a D and its F cause: two messages in, two out, two requests timed by
stage, a batch each, and what the pulse does with it later. Its share is of the processor time that
`make bench` shows a gateway to need for an order with its cancel.
"""

import argparse
import time
from types import SimpleNamespace
from typing import Any, Final

from kalshi_fix.adapters.metrics import Metrics
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.processes.gateway_acks import AckTimes, Request
from kalshi_fix.processes.gateway_gauges import LaneGauges
from kalshi_fix.processes.gateway_metrics import GatewayMetrics

SESSIONS: Final = 200
ORDERS: Final = 20_000
TURN: Final = 500  # orders between two turns of the pulse at 2,500 orders/s
GATEWAY_MICROS: Final = 240.0  # per order with its cancel, docs/PERFORMANCE.md
REPORT: Final = FixMessage("8", [(150, "0")])


def _link(number: int) -> Any:
    """What the gauges read of a session."""
    return SimpleNamespace(
        name=f"FIRM{number:03d}-RT",
        heard_at=time.time(),
        in_maintenance=False,
        settings=SimpleNamespace(expected="page"),
        view=SimpleNamespace(enabled=True),
        outbox=SimpleNamespace(is_here=True, backlog=lambda: 0),
    )


def _count_an_order(metrics: GatewayMetrics) -> None:
    for msg_type in ("D", "F"):
        request = Request(msg_type, time.monotonic())
        metrics.messages.add(("in", msg_type))
        request.submitted_at = time.monotonic()
        metrics.append_seconds.add(((), 0.001))
        metrics.batch.add(((), 1))
        request.durable_at = request.read_at = time.monotonic()
        metrics.sent(REPORT)
        request.answered_at = time.monotonic()
        metrics.answered(request)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway-micros", type=float, default=GATEWAY_MICROS)
    arguments = parser.parse_args()
    metrics = Metrics("gateway-bench")
    gateway = GatewayMetrics(metrics, Settings())
    links = [_link(number) for number in range(SESSIONS)]
    LaneGauges(metrics, {link.name: link for link in links}, AckTimes(1), (), ())
    for link in links:
        gateway.resend_requests("in", link.name)
        gateway.resent(link.name)
        gateway.dropped(link.name)
    began = time.process_time()
    for number in range(ORDERS):
        _count_an_order(gateway)
        if number % TURN == 0:
            metrics.turn()
    metrics.turn()
    micros = (time.process_time() - began) / ORDERS * 1e6
    times = []
    for _ in range(20):
        began = time.perf_counter()
        text = metrics.render()
        times.append(time.perf_counter() - began)
    lines = sum(not line.startswith(b"#") for line in text.splitlines())
    times.sort()
    print(f"scrape, {SESSIONS} sessions, {lines} series: median {times[10] * 1e3:.1f} ms, "
          f"worst {times[-1] * 1e3:.1f} ms, {len(text) / 1e3:.0f} kB")  # fmt: skip
    share = micros / arguments.gateway_micros
    print(f"counting: {micros:.1f} us per order with its cancel, {share:.1%} of the gateway's "
          f"{arguments.gateway_micros:.0f} us")  # fmt: skip


if __name__ == "__main__":
    main()
