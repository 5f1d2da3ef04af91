"""Metrics and health of one process; the only file that knows prometheus_client.

A `Metrics` object is a process's own registry: nothing is global. Children are cached, because
``labels()`` costs more than the increment, and their number is bounded, because a label value must
never come from a client's free text. The HTTP server answers /metrics, /healthz and /readyz.
"""

import os
import platform
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from typing import Any, Final, Generic, Protocol, TypeVar

import prometheus_client as prometheus
from attrs import frozen
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from kalshi_fix import __version__
from kalshi_fix.adapters.tallies import CountTally, Kept, SizeTally

# the objectives' limits are bucket bounds, so that shares of them are exact
BUCKETS_SECONDS: Final = tuple(sorted({1e-5 * 2**i for i in range(16)} | {0.001, 0.005, 0.05}))
BUCKETS_COUNT: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
CHILDREN_MAX: Final = 500
OTHER: Final = "other"  # label value of what came after the first CHILDREN_MAX
REQUEST_SECONDS_MAX: Final = 5
SPARE_INSTANCES: Final = 10
INSTANCE_STEP: Final = 10

Check = Callable[[], str]  # "" = fine, else what is wrong


class Counter(Protocol):
    """Only grows."""

    def inc(self, amount: float = 1) -> None:
        """Adds."""
        ...


class Gauge(Protocol):
    """Goes up and down."""

    def set(self, value: float) -> None:
        """Sets."""
        ...

    def inc(self, amount: float = 1) -> None:
        """Adds."""
        ...

    def dec(self, amount: float = 1) -> None:
        """Takes off."""
        ...

    def set_function(self, f: Callable[[], float]) -> None:
        """Asks ``f`` at every scrape instead."""
        ...


class Histogram(Protocol):
    """Counts values by size."""

    def observe(self, amount: float) -> None:
        """Counts one value."""
        ...


Child = TypeVar("Child")


class Family(Generic[Child]):
    """A metric with labels: call it with the label values to get the (cached) child."""

    def __init__(self, metric: Any, labels: Sequence[str]) -> None:
        self._metric = metric
        self._labels = len(labels)
        self._children: dict[tuple[str, ...], Child] = {}

    def __call__(self, *values: str) -> Child:
        """The child of these label values; beyond CHILDREN_MAX of them, the one called other."""
        child = self._children.get(values)
        if child is None:
            if len(self._children) >= CHILDREN_MAX:
                values = (OTHER,) * self._labels
            child = self._children[values] = self._metric.labels(*values)
        return child

    def remove(self, *values: str) -> None:
        """Forgets a child, for example of a session that was removed."""
        if self._children.pop(values, None) is not None:
            self._metric.remove(*values)


@frozen
class Registered:
    """A metric as it was registered; ``text`` ends with its healthy value in brackets."""

    name: str
    kind: str  # counter, gauge, histogram
    labels: tuple[str, ...]
    text: str


class Metrics:
    """The metrics of one process, for example ``Metrics("gateway-gw1")``."""

    def __init__(self, process: str) -> None:
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.process = process
        self.registered: list[Registered] = []
        self._before: list[Callable[[], None]] = []
        self._turns: list[Callable[[], Any]] = []
        self._registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self._registry)
        self._server: _Server | None = None
        self.gauges("fixgw_build_info", "What runs here [1]", ["process", "version", "python"])(
            process, __version__, platform.python_version()
        ).set(1)

    def counter(self, name: str, text: str) -> Counter:
        """A counter without labels; ``name`` ends in ``_total``."""
        self._note(name, "counter", text)
        return prometheus.Counter(name, text, registry=self._registry)

    def gauge(self, name: str, text: str) -> Gauge:
        """A gauge without labels."""
        self._note(name, "gauge", text)
        return prometheus.Gauge(name, text, registry=self._registry)

    def histogram(
        self, name: str, text: str, buckets: Sequence[float] = BUCKETS_SECONDS
    ) -> Histogram:
        """A histogram without labels; seconds unless other buckets are given."""
        self._note(name, "histogram", text)
        return prometheus.Histogram(name, text, buckets=buckets, registry=self._registry)

    def counters(self, name: str, text: str, labels: Sequence[str]) -> Family[Counter]:
        """A counter with labels: ``counters(...)("value")`` is the child."""
        self._note(name, "counter", text, labels)
        return Family(prometheus.Counter(name, text, labels, registry=self._registry), labels)

    def gauges(self, name: str, text: str, labels: Sequence[str]) -> Family[Gauge]:
        """A gauge with labels."""
        self._note(name, "gauge", text, labels)
        return Family(prometheus.Gauge(name, text, labels, registry=self._registry), labels)

    def histograms(
        self,
        name: str,
        text: str,
        labels: Sequence[str],
        buckets: Sequence[float] = BUCKETS_SECONDS,
    ) -> Family[Histogram]:
        """A histogram with labels; few children, each has a line per bucket."""
        self._note(name, "histogram", text, labels)
        metric = prometheus.Histogram(name, text, labels, buckets=buckets, registry=self._registry)
        return Family(metric, labels)

    def count_tally(self, name: str, text: str, labels: Sequence[str] = ()) -> CountTally:
        """A counter for hot paths: adding is an append, whoever drains or scrapes counts."""
        self._note(name, "counter", text, labels)
        tally = CountTally(len(labels))
        self._registry.register(_CountCollector(name, text, labels, tally))
        self._turns.append(tally.drain)
        return tally

    def size_tally(
        self,
        name: str,
        text: str,
        labels: Sequence[str] = (),
        buckets: Sequence[float] = BUCKETS_SECONDS,
    ) -> SizeTally:
        """A histogram for hot paths."""
        self._note(name, "histogram", text, labels)
        tally = SizeTally(len(labels), buckets)
        self._registry.register(_SizeCollector(name, text, labels, tally))
        self._turns.append(tally.drain)
        return tally

    def later(self, action: Callable[[list[Any]], None]) -> Callable[[Any], None]:
        """Returns what keeps things for ``action``, which gets them at the next `turn`."""
        kept = Kept(action)
        self._turns.insert(0, kept.turn)  # before the tallies it adds to
        return kept.add

    def each_turn(self, action: Callable[[], None]) -> None:
        """Has ``action`` done at each `turn`, after everything else that was put off."""
        self._turns.append(action)

    def turn(self) -> None:
        """Counts what was put off; a process that puts things off calls it often."""
        for action in self._turns:
            action()

    def before_scrape(self, action: Callable[[], None]) -> None:
        """Has ``action`` set gauges right before each scrape, on the scraper's thread."""
        self._before.append(action)

    def render(self) -> bytes:
        """The text a scrape gets."""
        self.turn()
        for action in self._before:
            action()
        return prometheus.generate_latest(self._registry)

    def _note(self, name: str, kind: str, text: str, labels: Sequence[str] = ()) -> None:
        self.registered.append(Registered(name, kind, tuple(labels), text))

    def serve(self, host: str, ports: Sequence[int], healthy: Check, ready: Check) -> int:
        """Serves /metrics, /healthz, /readyz on the first free port of ``ports``; returns it.

        Raises:
            OSError: none of them is free.
        """
        assert self._server is None, "metrics are served once"
        for port in ports[:-1]:
            try:
                self._server = _Server((host, port), self, healthy, ready)
                break
            except OSError:
                continue
        else:
            self._server = _Server((host, ports[-1]), self, healthy, ready)
        threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True, args=(0.2,)
        ).start()
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stops serving."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@frozen(eq=False)
class _CountCollector:
    """A tally as the library wants to see it."""

    name: str
    text: str
    labels: Sequence[str]
    tally: CountTally

    def collect(self) -> Iterator[Any]:
        """One family."""
        family = CounterMetricFamily(self.name, self.text, labels=self.labels)
        for values, total in self.tally.drain().items():
            family.add_metric(values, total)
        yield family


@frozen(eq=False)
class _SizeCollector:
    """A tally of sizes as the library wants to see it."""

    name: str
    text: str
    labels: Sequence[str]
    tally: SizeTally

    def collect(self) -> Iterator[Any]:
        """One family, its buckets cumulated."""
        family = HistogramMetricFamily(self.name, self.text, labels=self.labels)
        bounds = [*map(_go_float, self.tally.bounds), "+Inf"]
        for values, sizes in self.tally.drain().items():
            family.add_metric(
                values, list(zip(bounds, accumulate(sizes.counts), strict=True)), sizes.total
            )
        yield family


def _go_float(bound: float) -> str:
    return str(prometheus.utils.floatToGoString(bound))  # type: ignore[no-untyped-call]


Samples = dict[str, list[tuple[dict[str, str], float]]]


def read_samples(text: str) -> Samples:
    """What a scrape got: name of a sample -> its labels and value, one per series."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def instance_ports(base: int, index: int = 0, configured: int = 1) -> tuple[int, ...]:
    """Ports for the ``index``-th of ``configured`` processes of a kind: its own, then spare ones.

    The spare ones (+10 each, above all configured) serve hot standbys started by hand.
    """
    spare = range(configured, configured + SPARE_INSTANCES)
    return (base + INSTANCE_STEP * index, *(base + INSTANCE_STEP * n for n in spare))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self, address: tuple[str, int], metrics: Metrics, healthy: Check, ready: Check
    ) -> None:
        self.metrics = metrics
        self.checks = {"/healthz": healthy, "/readyz": ready}
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A scraper that went away in the middle is nobody's fault."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_SECONDS_MAX

    def do_GET(self) -> None:
        """Answers the three paths."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, self.server.metrics.render(), prometheus.CONTENT_TYPE_LATEST)
            return
        check = self.server.checks.get(path)
        if check is None:
            self._answer(404, b"/metrics, /healthz, /readyz\n")
            return
        wrong = check()
        name = f"{self.server.metrics.process} pid {os.getpid()}"
        text = f"{wrong} ({name})\n" if wrong else f"ok {name}\n"
        self._answer(503 if wrong else 200, text.encode())

    def _answer(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - base class's name
        """Scrapes are not news."""
