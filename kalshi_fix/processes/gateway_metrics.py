"""The metrics of one gateway process, each with its healthy value in brackets.

What happens per message is put off with one append and counted by the pulse or a scrape. Knows
names and labels, not when anything happens.
"""

from collections.abc import Iterable
from typing import Final

from kalshi_fix.adapters.metrics import Metrics
from kalshi_fix.adapters.rates import MessageRate
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.adapters.tallies import OTHER
from kalshi_fix.fix import tables
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.model import Reason
from kalshi_fix.processes.gateway_acks import ORDERS, Request

_REJECT_KINDS: Final = {"3": "session", "j": "business", "9": "cancel", "8": ""}
_CODES: Final = {"3": 373, "j": 380, "9": 102, "8": 103}  # reason where there is no stable text
_REJECTED: Final = ("rejected",)
_RESULTS: Final = {  # by reason, as label values; any other reason is a rule's
    "": ("ok",),
    Reason.EXCHANGE_UNAVAILABLE: ("error",),
    Reason.INTERNAL_ERROR: ("error",),
}
_MSG_TYPES: Final = (
    tables.ORDER_ENTRY_MESSAGES | tables.MARKET_DATA_MESSAGES | {tables.THROTTLE_REQUEST}
)
BATCHES: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)


class GatewayMetrics:
    """Everything a gateway counts on its messages and orders; what it does, see `GatewayMeters`."""

    def __init__(self, metrics: Metrics, settings: Settings, lane: str = "") -> None:
        """``lane``: whose sessions are shown before anything of theirs is counted."""
        self.turn = metrics.turn
        self.messages = metrics.count_tally(
            "fixgw_messages_total",
            "FIX messages by direction and type [any]",
            ["direction", "msg_type"],
        )
        self.rejects = metrics.count_tally(
            "fixgw_rejects_total",
            "Refusals sent, by kind and reason [< 5 % of messages in]",
            ["kind", "reason"],
        )
        self.throttled = metrics.count_tally(
            "fixgw_throttled_messages_total",
            "Messages above a session's rate: rejected, or ended the session [0]",
            ["action"],
        )
        self.orders = metrics.count_tally(
            "fixgw_orders_total",
            "Answered D, F and G: ok, rejected by a rule, error = our fault [error: 0]",
            ["result"],
        )
        for result in ("ok", "rejected", "error"):
            self.orders.add_many((result,), 0)
        self.order_ack = metrics.size_tally(
            "fixgw_order_ack_seconds",
            "Request received by the engine until its first answer was handed to it, by type of "
            "the request [99 % < 0.005]",
            ["msg_type"],
        )
        self.stages = metrics.size_tally(
            "fixgw_stage_seconds",
            "Where an order's time goes: translate, append (durable in the store), exchange (until "
            "its answer is read), report (until handed to the engine) [each < 0.005]",
            ["stage"],
        )
        self.batch = metrics.size_tally(
            "fixgw_command_batch_commands", "Commands per append [any]", buckets=BATCHES
        )
        self.append_seconds = metrics.size_tally(
            "fixgw_append_seconds", "Durable append of a batch of commands [< 0.005]"
        )
        self._count_replays(metrics)
        metrics.gauge(
            "fixgw_outbound_queue_limit_messages", "A session with more waiting is cut [any]"
        ).set(settings.gateway.outbound_queue_max)
        self._rate = MessageRate(metrics, "gateway", settings.capacity.gateway_messages_per_second)
        metrics.each_turn(self._follow_rate)
        self.sent = metrics.later(self._count_sent)
        self.answered = metrics.later(self._count_answered)
        self._meters(metrics)
        self._show(session.name for session in settings.sessions if session.lane == lane)

    def _meters(self, metrics: Metrics) -> None:
        """What happens seldom, counted at once."""
        self.logons = metrics.counters(
            "fixgw_logons_total",
            "Logons that reached the engine, by result [bad_secret: 0]",
            ["result"],
        )
        self.dropped = metrics.counters(
            "fixgw_outbound_dropped_total",
            "Reports for a session without history that was away [any]",
            ["session"],
        )
        self.slow_consumers = metrics.counter(
            "fixgw_slow_consumer_disconnects_total", "Connections cut because nobody read [0]"
        )
        self.callback_exceptions = metrics.counters(
            "fixgw_callback_exceptions_total",
            "Failures of the shell itself; the process ends with one [0]",
            ["callback"],
        )
        self.translation_errors = metrics.counters(
            "fixgw_translation_errors_total", "Messages or events translation failed on [0]", ["of"]
        )
        self.append_errors = metrics.counters(
            "fixgw_append_errors_total", "Appends that failed, by what is known [0]", ["kind"]
        )
        self.resend_requests = metrics.counters(
            "fixgw_resend_requests_total",
            "ResendRequests, by who asked (in: the client) [< 10 a minute]",
            ["direction", "session"],
        )
        self.resent = metrics.counters(
            "fixgw_resent_messages_total",
            "Messages the client asked for again [< 50,000 a minute]",
            ["session"],
        )
        self.gaps = metrics.counters(
            "fixgw_sequence_gaps_total",
            "Gaps within a connection: in = the client left numbers out, out = it says we did [0]",
            ["direction"],
        )
        self.resets = metrics.counters(
            "fixgw_sequence_resets_total",
            "Sequence numbers set anew: in = by the client, out = by an operator [any]",
            ["direction"],
        )
        self.given_up = metrics.counter(
            "fixgw_unanswered_orders_total", "Orders given up: no answer in ten minutes [0]"
        )
        self.position = metrics.gauges(
            "fixgw_position",
            "Event number below which all was handed to the engine [rises]",
            ["shard"],
        )
        self.core_stalled = metrics.gauge(
            "fixgw_core_stalled", "1 while the core does not move and new orders are refused [0]"
        )
        self.md_subscriptions = metrics.gauge(
            "md_subscriptions", "Market-data subscriptions of this gateway's sessions [any]"
        )
        self.md_conflating = metrics.gauge(
            "md_conflating_sessions", "MD sessions too slow for every change just now [0]"
        )
        self.already_sent = metrics.counter(
            "fixgw_recovered_reports_total", "Reports found in a session store at a restart [any]"
        )

    def _show(self, sessions: Iterable[str]) -> None:
        """Shown as 0 before they first happen: a burst between two scrapes must be a rise."""
        for way in ("in", "out"):
            self.gaps(way)
            self.resets(way)
        for session in sessions:
            self.resent(session)
            self.resend_requests("in", session)

    def _count_replays(self, metrics: Metrics) -> None:
        self.replays = metrics.counters(
            "fixgw_replays_total", "Replays by ExecID (U1) answered, by result [any]", ["result"]
        )
        self.replays("complete")
        self.replayed = metrics.counter(
            "fixgw_replayed_reports_total", "Reports sent again by ExecID (97=Y) [any]"
        )

    def give_up(self, orders: int) -> None:
        """Nobody answered them."""
        self.given_up.inc(orders)
        self.orders.add_many(("error",), orders)

    # --- what was put off

    def _count_sent(self, messages: list[FixMessage]) -> None:
        """Application messages that went to the engine."""
        counts: dict[str, int] = {}
        for message in messages:
            msg_type = message.msg_type
            counts[msg_type] = counts.get(msg_type, 0) + 1
            kind = _REJECT_KINDS.get(msg_type)
            if kind:
                self.rejects.add((kind, reason_of(message)))
        for msg_type, count in counts.items():
            self.messages.add_many(("out", msg_type), count)

    def _follow_rate(self) -> None:
        totals = self.messages.drain()
        self._rate.turn(sum(count for (way, _), count in totals.items() if way == "in"))

    def _count_answered(self, requests: list[Request]) -> None:
        """Requests whose first answer went to the engine."""
        took: dict[str, list[float]] = {}
        for request in requests:
            msg_type = request.msg_type
            if msg_type not in took:
                took[msg_type] = []
            took[msg_type].append(request.answered_at - request.received_at)
            if msg_type in ORDERS:
                self.orders.add(_RESULTS.get(request.reason, _REJECTED))
        for msg_type, times in took.items():
            self.order_ack.count((msg_type if msg_type in _MSG_TYPES else OTHER,), times)
        self._count_stages([request for request in requests if request.read_at])

    def _count_stages(self, requests: list[Request]) -> None:
        """The thread that appended may be the last to hear of it."""
        durable = [min(one.durable_at or one.read_at, one.read_at) for one in requests]
        both = list(zip(requests, durable, strict=True))
        count = self.stages.count
        count(("translate",), [one.submitted_at - one.received_at for one in requests])
        count(("append",), [max(0.0, at - one.submitted_at) for one, at in both])
        count(("exchange",), [one.read_at - at for one, at in both])
        count(("report",), [one.answered_at - one.read_at for one in requests])


def reason_of(message: FixMessage) -> str:
    """The stable reason of a refusal, "" of any other message."""
    msg_type = message.msg_type
    if msg_type not in _CODES or (msg_type == "8" and message.get(150) != "8"):
        return ""
    text = message.get(58).partition(" ")[0]
    return text if text.isupper() else message.get(_CODES[msg_type], "none")
