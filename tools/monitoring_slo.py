"""The service level objectives, their burn rates as recording rules, and the alerts on them.

99.9 % of orders are answered without an error of ours; 99 % of answers take less than 5 ms. The
windows and factors are the table of Google's SRE workbook: a burn is seen over a long and a short
window, so that an alert starts soon and ends soon. Below 1,000 orders in the long window a single
error would burn anything: then `OrdersUnacknowledged` and `CoreStalled` keep watch.
"""

from typing import Final

from monitoring_alert import Alert

ORDERS_MIN: Final = 1_000
ERROR_BUDGET: Final = 0.001
LATE_BUDGET: Final = 0.01
LATE_SECONDS: Final = "0.005"
WINDOWS: Final = ("5m", "30m", "1h", "6h", "3d")

_ERRORS: Final = 'sum(rate(fixgw_orders_total{{result="error"}}[{w}]))'
_ALL: Final = "sum(rate(fixgw_orders_total[{w}]))"
_IN_TIME: Final = (
    f'sum(rate(fixgw_order_ack_seconds_bucket{{{{le="{LATE_SECONDS}",msg_type=~"D|F|G"}}}}[{{w}}]))'
)
_ACKS: Final = 'sum(rate(fixgw_order_ack_seconds_count{{msg_type=~"D|F|G"}}[{w}]))'

RECORDED: Final = {
    **{f"fixgw:orders:error_ratio_rate{w}": f"{_ERRORS} / {_ALL}".format(w=w) for w in WINDOWS},
    **{f"fixgw:acks:late_ratio_rate{w}": f"1 - {_IN_TIME} / {_ACKS}".format(w=w) for w in WINDOWS},
    "fixgw:messages_in:rate1m": 'sum(rate(fixgw_messages_total{direction="in"}[1m]))',
    "fixgw:messages_out:rate1m": 'sum(rate(fixgw_messages_total{direction="out"}[1m]))',
    "fixgw:order_ack:p99_5m": (
        "histogram_quantile(0.99, sum by (le, msg_type) (rate(fixgw_order_ack_seconds_bucket[5m])))"
    ),
}
BURNS: Final = (  # name, long window, short window, factor, severity
    ("Fast", "1h", "5m", 14.4, "page"),
    ("Medium", "6h", "30m", 6, "page"),
    ("Slow", "3d", "6h", 1, "ticket"),
)


def _orders(errors_per_step: int) -> dict[str, str]:
    """150 orders a minute, so many of them in error."""
    return {
        'fixgw_orders_total{result="ok"}': f"0+{150 - errors_per_step}x100",
        'fixgw_orders_total{result="error"}': f"0+{errors_per_step}x100",
    }


def _acks(late_per_step: int) -> dict[str, str]:
    bucket = 'fixgw_order_ack_seconds_bucket{{le="{le}",msg_type="D"}}'
    return {
        **_orders(0),
        bucket.format(le=LATE_SECONDS): f"0+{150 - late_per_step}x100",
        bucket.format(le="+Inf"): "0+150x100",
        'fixgw_order_ack_seconds_count{msg_type="D"}': "0+150x100",
    }


def _burn(ratio: str, budget: float, long: str, short: str, factor: float) -> str:
    limit = f"{factor * budget:.6g}"
    return (
        f"{ratio}{long} > {limit} and {ratio}{short} > {limit} "
        f"and sum(increase(fixgw_orders_total[{long}])) > {ORDERS_MIN}"
    )


ALERTS: Final = (
    *(
        Alert(
            name=f"OrderErrorBudget{name}",
            expr=_burn("fixgw:orders:error_ratio_rate", ERROR_BUDGET, long, short, factor),
            severity=severity,
            summary=f"Orders end in errors of ours: {factor} times what the month allows",
            page="alert-order-error-budget",
            row="Flow",
            fires=_orders(5),
            quiet=_orders(0),
            at="90m",
            step="1m",
        )
        for name, long, short, factor, severity in BURNS
    ),
    *(
        Alert(
            name=f"AckLatencyBudget{name}",
            expr=_burn("fixgw:acks:late_ratio_rate", LATE_BUDGET, long, short, factor),
            severity=severity,
            summary=f"Answers take more than 5 ms: {factor} times what the month allows",
            page="alert-ack-latency-budget",
            row="Latency",
            fires=_acks(30),
            quiet=_acks(0),
            at="90m",
            step="1m",
        )
        for name, long, short, factor, severity in BURNS
        if name != "Medium"
    ),
)
