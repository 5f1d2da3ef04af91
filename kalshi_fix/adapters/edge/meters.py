"""The edge's metrics, made once; names are part of the operator's contract.

Label values come from closed lists, never from what a client sent.
"""

from attrs import frozen

from kalshi_fix.adapters.metrics import Counter, Family, Gauge, Histogram, Metrics


@frozen
class Meters:
    """Every metric of the edge; healthy values stand in brackets."""

    connections: Gauge
    unauthenticated: Gauge
    rejected: Family[Counter]
    logons: Family[Counter]
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

    @classmethod
    def of(cls, metrics: Metrics) -> "Meters":
        """Registers them."""
        messages = metrics.counters("edge_messages_total", "FIX messages passed on", ["direction"])
        volume = metrics.counters("edge_bytes_total", "Bytes passed on", ["direction"])
        return cls(
            connections=metrics.gauge("edge_connections", "Open client connections"),
            unauthenticated=metrics.gauge(
                "edge_unauthenticated_connections", "Of them before their Logon [near 0]"
            ),
            rejected=metrics.counters(
                "edge_rejected_connections_total", "Closed without a message", ["reason"]
            ),
            logons=metrics.counters("edge_logons_total", "Logons decided", ["result"]),
            garbled=metrics.counters(
                "edge_garbled_messages_total", "Left out of a client's stream [0]", ["reason"]
            ),
            slow_readers=metrics.counter(
                "edge_slow_reader_disconnects_total", "Clients cut for not reading [0]"
            ),
            ended=metrics.counters("edge_sessions_ended_total", "Ends of sessions", ["cause"]),
            messages_in=messages("in"),
            messages_out=messages("out"),
            bytes_in=volume("in"),
            bytes_out=volume("out"),
            logon_seconds=metrics.histogram(
                "edge_logon_seconds", "Complete Logon to decision, accepted or not"
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
