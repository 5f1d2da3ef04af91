"""What a core counts, and what it shows of its exchange's state."""

from attrs import define

from kalshi_fix.adapters.metrics import BUCKETS_COUNT, Counter, Gauge, Histogram, Metrics
from kalshi_fix.core.exchange import Exchange
from kalshi_fix.model import MONEY_UNIT


@define
class CoreMetrics:
    """What a core counts."""

    last_sequence: Gauge
    commands: Counter
    batch: Histogram
    commit: Histogram
    leader: Gauge
    clock_errors: Counter
    outages: Counter
    stopped: Gauge
    apply: Histogram
    lag: Gauge

    @classmethod
    def of(cls, metrics: Metrics) -> "CoreMetrics":
        """Registers them."""
        return cls(
            metrics.gauge("core_last_sequence", "Number of the shard's last event [rises]"),
            metrics.counter("core_commands_total", "Commands carried out [rises]"),
            metrics.histogram("core_batch_commands", "Commands per commit [any]", BUCKETS_COUNT),
            metrics.histogram("core_commit_seconds", "Time of a commit in the store [< 0.005]"),
            metrics.gauge("core_leader", "1 while this core leads its shard [1 of each shard]"),
            metrics.counter("core_clock_errors_total", "Ticks that could not be appended [0]"),
            metrics.counter("core_store_outages_total", "Times the store was lost [0]"),
            metrics.gauge("core_stopped", "1 while the shard waits for a quarantine [0]"),
            metrics.histogram(
                "core_match_seconds", "Carrying out a batch of commands in memory [< 0.01]"
            ),
            metrics.gauge(
                "core_command_lag_seconds", "Age of the last command carried out [< 0.5]"
            ),
        )


@define
class ArchiveMetrics:
    """What is archived and trimmed."""

    commands: Counter
    events: Counter
    trimmed: Gauge
    errors: Counter
    held: Gauge

    @classmethod
    def of(cls, metrics: Metrics) -> "ArchiveMetrics":
        """Registers them."""
        return cls(
            metrics.counter("core_archived_commands_total", "Entries of cmd archived [rises]"),
            metrics.counter("core_archived_events_total", "Entries of evt archived [rises]"),
            metrics.gauge("core_trimmed_events", "Older events are in the archive only [rises]"),
            metrics.counter("core_archive_errors_total", "Rounds of archiving that failed [0]"),
            metrics.gauge("core_trimming_held", "1 while a slow reader keeps trimming back [0]"),
        )


class ExchangeGauges:
    """Gauges of the exchange's own state; `observe` is called by the thread that applies."""

    def __init__(self, metrics: Metrics) -> None:
        self._open_orders = metrics.gauge("core_orders_open", "Orders resting in the books [any]")
        self._books = metrics.gauge("core_books", "Markets of the shard [any]")
        self._maintenance = metrics.gauge(
            "core_maintenance",
            "1 in a maintenance window or a drain: nobody is to be logged on [any]",
        )
        self._imbalance = metrics.gauge(
            "core_ledger_imbalance_cents", "Cash, pot and fees minus deposits [exactly 0]"
        )

    def observe(self, exchange: Exchange) -> None:
        """Reads the exchange between two commands."""
        state, ledger = exchange.state, exchange.state.ledger
        self._open_orders.set(sum(firm.open_orders for firm in state.firms.values()))
        self._books.set(len(state.markets))
        self._maintenance.set(state.draining or state.maintenance_begun)
        imbalance = ledger.cash + ledger.pot + ledger.fees - ledger.deposited
        self._imbalance.set(imbalance * 100 / MONEY_UNIT)
