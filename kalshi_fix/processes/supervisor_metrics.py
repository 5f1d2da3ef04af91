"""What the supervisor counts: which processes run, which are ready, how often they died."""

from kalshi_fix.adapters.metrics import Metrics


class SupervisorMetrics:
    """By process."""

    def __init__(self, metrics: Metrics) -> None:
        process = ["process"]
        self.up = metrics.gauges("fixgw_process_up", "1 while it runs [1]", process)
        self.ready = metrics.gauges("fixgw_process_ready", "1 while ready [1]", process)
        self.restarts = metrics.counters(
            "fixgw_process_restarts_total", "Restarts since the system started [0]", process
        )
        self.audit_chain_errors = metrics.counter(
            "audit_chain_errors_total", "Times a sealed audit segment could not be looked after [0]"
        )
