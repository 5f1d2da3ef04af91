"""The edge's metrics, made once; names are part of the operator's contract.

Label values come from closed lists, never from what a client sent.
"""

from collections.abc import Iterable
from typing import Final

from attrs import define

from kalshi_fix.adapters.metrics import Counter, Family, Gauge, Histogram, Metrics
from kalshi_fix.fix.logon import LogonReason

# why a connection is closed without a message, where somebody outside can cause many of them
_REJECTED: Final = (
    *("timeout", "gone", "tls", "malformed", "unknown_identity", "address_not_allowed"),
    *("already_connected", "too_many", "too_many_from_address", "connection_rate"),
)


@define(eq=False)
class Meters:
    """Every metric of the edge; healthy values stand in brackets."""

    connections: Gauge
    unauthenticated: Gauge
    rejected: Family[Counter]
    logons: Family[Counter]
    bad_credentials: Family[Counter]
    passwords_held: Counter
    garbled: Family[Counter]
    slow_readers: Counter
    ended: Family[Counter]
    messages_in: Counter
    messages_out: Counter
    bytes_in: Counter
    bytes_out: Counter
    logon_seconds: Histogram
    faults: Counter
    certificate_expiry: Gauge
    certificate_failures: Counter
    reload_failures: Counter
    messages_passed: int = 0  # in

    @classmethod
    def of(cls, metrics: Metrics) -> "Meters":
        """Registers them."""
        messages = metrics.counters(
            "edge_messages_total", "Messages passed on [any]", ["direction"]
        )
        logons = metrics.counters("edge_logons_total", "Logons decided [accepted]", ["result"])
        for result in LogonReason:  # shown before they first happen, so that a rise can be seen
            logons(result.value)
        rejected = metrics.counters(
            "edge_rejected_connections_total", "Closed without a message [near 0]", ["reason"]
        )
        for reason in _REJECTED:
            rejected(reason)
        volume = metrics.counters("edge_bytes_total", "Bytes passed on [any]", ["direction"])
        return cls(
            connections=metrics.gauge("edge_connections", "Open client connections [any]"),
            unauthenticated=metrics.gauge(
                "edge_unauthenticated_connections", "Of them before their Logon [near 0]"
            ),
            rejected=rejected,
            logons=logons,
            bad_credentials=metrics.counters(
                "edge_bad_credentials_total",
                "Logons of a known session with wrong credentials [0]",
                ["session"],
            ),
            passwords_held=metrics.counter(
                "edge_passwords_held_total", "Waited because too many others were wrong [0]"
            ),
            garbled=metrics.counters(
                "edge_garbled_messages_total", "Left out of a client's stream [0]", ["reason"]
            ),
            slow_readers=metrics.counter(
                "edge_slow_reader_disconnects_total", "Clients cut for not reading [0]"
            ),
            ended=metrics.counters("edge_sessions_ended_total", "Sessions ended [any]", ["cause"]),
            messages_in=messages("in"),
            messages_out=messages("out"),
            bytes_in=volume("in"),
            bytes_out=volume("out"),
            logon_seconds=metrics.histogram(
                "edge_logon_seconds", "Complete Logon to decision, accepted or not [< 0.5]"
            ),
            faults=metrics.counter("edge_faults_total", "Errors of the edge itself [0]"),
            certificate_expiry=metrics.gauge(
                "edge_certificate_expires_timestamp_seconds", "0 = no TLS [weeks from now]"
            ),
            certificate_failures=metrics.counter(
                "edge_certificate_failures_total", "New certificates that cannot be used [0]"
            ),
            reload_failures=metrics.counter(
                "edge_reload_failures_total", "Changed configurations that cannot be used [0]"
            ),
        )

    def show_sessions(self, names: Iterable[str]) -> None:
        """Shows every session's 0: a first burst between two scrapes would not be a rise."""
        for name in names:
            self.bad_credentials(name)

    def count_in(self, messages: int, volume: int) -> None:
        """So much of a client was passed on."""
        self.messages_passed += messages
        self.messages_in.inc(messages)
        self.bytes_in.inc(volume)

    def count_logon(self, session: str, result: str) -> None:
        """A Logon of a configured session was decided."""
        self.logons(result).inc()
        if result == LogonReason.INVALID_CREDENTIALS:
            self.bad_credentials(session).inc()
