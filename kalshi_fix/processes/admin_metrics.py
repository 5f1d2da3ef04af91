"""What the admin service counts: what operators asked for, and who could not prove who he is."""

from kalshi_fix.adapters.metrics import Metrics


class AdminMetrics:
    """Requests and failed logins."""

    def __init__(self, metrics: Metrics) -> None:
        self.requests = metrics.counters(
            "fixgw_admin_requests_total", "Operators' requests [any]", ["operation", "status"]
        )
        self.failed_logins = metrics.counter(
            "fixgw_admin_failed_logins_total", "Wrong operator names or tokens [0]"
        )
