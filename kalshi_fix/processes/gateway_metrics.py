"""The metrics of one gateway process, each with its healthy value.

Children are taken once and kept, because a lookup by label costs more than the count. Knows names
and labels, not when anything happens.
"""

from typing import Final

from kalshi_fix.adapters.metrics import Counter, Metrics
from kalshi_fix.fix.message import FixMessage

_REJECT_KINDS: Final = {"3": "session", "j": "business", "9": "cancel"}
_CODES: Final = {"3": 373, "j": 380, "9": 102}  # reason where there is no stable text


class GatewayMetrics:
    """Everything a gateway counts."""

    def __init__(self, metrics: Metrics) -> None:
        self.session_up = metrics.gauges(
            "fixgw_session_up", "1 while the session is logged on [1 in trading hours]", ["session"]
        )
        self.messages = metrics.counters(
            "fixgw_messages_total", "FIX messages by direction and type", ["direction", "msg_type"]
        )
        self._sent: dict[str, Counter] = {}
        self.rejects = metrics.counters(
            "fixgw_rejects_total", "Refusals sent, by kind and reason", ["kind", "reason"]
        )
        self.logons = metrics.counters(
            "fixgw_logons_total", "Logons that reached the engine, by result", ["result"]
        )
        self.order_ack = metrics.histograms(
            "fixgw_order_ack_seconds",
            "Request received by the engine until its report was handed to it",
            ["msg_type"],
        )
        self.unacked = metrics.gauge(
            "fixgw_unacked_orders", "Requests taken and not yet reported on [returns to 0]"
        )
        self.queue = metrics.gauges(
            "fixgw_outbound_queue_messages", "Reports waiting for a session [near 0]", ["session"]
        )
        self.dropped = metrics.counters(
            "fixgw_outbound_dropped_total",
            "Reports for a session without history, away",
            ["session"],
        )
        self.slow_consumers = metrics.counter(
            "fixgw_slow_consumer_disconnects_total", "Connections cut because nobody read [0]"
        )
        self.callback_exceptions = metrics.counters(
            "fixgw_callback_exceptions_total", "Failures of the shell itself [0]", ["callback"]
        )
        self.translation_errors = metrics.counters(
            "fixgw_translation_errors_total", "Messages or events translation failed on [0]", ["of"]
        )
        self.batch = metrics.histogram(
            "fixgw_command_batch_commands",
            "Commands per append",
            buckets=(1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0),
        )
        self.append_seconds = metrics.histogram(
            "fixgw_append_seconds", "Durable append of a batch of commands [< 0.005]"
        )
        self.append_errors = metrics.counters(
            "fixgw_append_errors_total", "Appends that failed, by what is known [0]", ["kind"]
        )
        self.position = metrics.gauges(
            "fixgw_position", "Event number below which all was handed to the engine", ["shard"]
        )
        self.core_stalled = metrics.gauge(
            "fixgw_core_stalled", "1 while the core does not move and new orders are refused [0]"
        )
        self.md_subscriptions = metrics.gauge(
            "md_subscriptions", "Market-data subscriptions of this gateway's sessions"
        )
        self.md_conflating = metrics.gauge(
            "md_conflating_sessions", "MD sessions too slow for every change just now [0]"
        )
        self.already_sent = metrics.counter(
            "fixgw_recovered_reports_total", "Reports found in a session store at a restart"
        )

        self._count_replays(metrics)

    def _count_replays(self, metrics: Metrics) -> None:
        self.replays = metrics.counters(
            "fixgw_replays_total", "Replays by ExecID (U1) answered, by result", ["result"]
        )
        self.replayed = metrics.counter(
            "fixgw_replayed_reports_total", "Reports sent again by ExecID (97=Y)"
        )

    def count_sent(self, message: FixMessage) -> None:
        """One application message went to the engine."""
        msg_type = message.msg_type
        counter = self._sent.get(msg_type)
        if counter is None:
            counter = self._sent[msg_type] = self.messages("out", msg_type)
        counter.inc()
        kind = _REJECT_KINDS.get(msg_type)
        if kind:
            text = message.get(58).partition(" ")[0]
            known = text if text.isupper() else message.get(_CODES[msg_type], "none")
            self.rejects(kind, known).inc()
