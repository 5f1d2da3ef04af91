"""The Grafana dashboard: health first, then flow, latency, sessions, store, market.

Rows and panels are tables; the JSON is made of them. Every panel says in its description what is
healthy, has a unit, and asks the data source of the dashboard's variable.
"""

from typing import Any, Final

from attrs import frozen

WIDTH: Final = 24
_DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


@frozen
class Panel:
    """One panel. ``queries``: what is asked -> its legend."""

    title: str
    healthy: str
    queries: dict[str, str]
    unit: str = "short"
    kind: str = "timeseries"  # or stat
    red_from: float | None = None  # value from which it is bad


def _stat(title: str, healthy: str, query: str, unit: str = "short", red: float = 1) -> Panel:
    return Panel(title, healthy, {query: ""}, unit, "stat", red)


def _quantiles(metric: str, by: str, selector: str = "") -> dict[str, str]:
    rate = f"sum by (le, {by}) (rate({metric}_bucket{selector}[1m]))"
    return {
        f"histogram_quantile({quantile}, {rate})": f"{{{{{by}}}}} {name}"
        for quantile, name in ((0.5, "p50"), (0.99, "p99"))
    }


ROWS: Final = {
    "Health": (
        _stat("Processes down", "0", "count(up == 0) or vector(0)"),
        _stat("Ledger imbalance", "exactly 0", "sum(abs(core_ledger_imbalance_cents))", "none"),
        _stat("Core stalled", "0", "max(fixgw_core_stalled)"),
        _stat("Oldest unanswered order", "below 1 s", "max(fixgw_oldest_unacked_seconds)", "s", 2),
        _stat("Orders in error, 5 min", "0 %", "fixgw:orders:error_ratio_rate5m or vector(0)",
              "percentunit", 0.001),
        _stat("Capacity used", "below 50 %", "max(fixgw_capacity_used_ratio)", "percentunit", 0.5),
        _stat("Sessions up", "as many as expected", "sum(fixgw_session_up)", "short", 10_000),
        _stat("Audit trail failing", "0", "max(audit_failing)"),
    ),
    "Flow": (
        Panel("Messages in by type", "any",
              {'sum by (msg_type) (rate(fixgw_messages_total{direction="in"}[1m]))':
               "{{msg_type}}"}, "reqps"),
        Panel("Messages out by type", "any",
              {'sum by (msg_type) (rate(fixgw_messages_total{direction="out"}[1m]))':
               "{{msg_type}}"}, "reqps"),
        Panel("Orders by result", "no error",
              {"sum by (result) (rate(fixgw_orders_total[1m]))": "{{result}}"}, "reqps"),
        Panel("Refusals", "below 5 % of messages in",
              {"sum by (kind, reason) (rate(fixgw_rejects_total[1m])) or vector(0)":
               "{{kind}} {{reason}}"}, "reqps"),
        Panel("Commands and events of the core", "any",
              {"sum by (instance) (rate(core_commands_total[1m]))": "commands {{instance}}",
               "sum by (instance) (rate(core_last_sequence[1m]))": "events {{instance}}"}, "cps"),
        Panel("Share of the tested rate", "below 50 %",
              {"fixgw_capacity_used_ratio": "{{element}} {{instance}}"}, "percentunit"),
        Panel("Unanswered orders", "returns to 0",
              {"fixgw_unacked_orders": "{{instance}}"}),
        Panel("CPU", "below one processor per process",
              {"sum by (job, instance) (rate(process_cpu_seconds_total[1m]))":
               "{{job}} {{instance}}"}, "percentunit"),
    ),
    "Latency": (
        Panel("Gateway in to gateway out", "p99 below 5 ms",
              _quantiles("fixgw_order_ack_seconds", "msg_type"), "s"),
        Panel("Where an order's time goes, p50 and p99", "each below 5 ms",
              _quantiles("fixgw_stage_seconds", "stage"), "s"),
        Panel("Where an order's time goes, mean", "each below 5 ms",
              {"sum by (stage) (rate(fixgw_stage_seconds_sum[1m])) "
               "/ sum by (stage) (rate(fixgw_stage_seconds_count[1m]))": "{{stage}}"}, "s"),
        Panel("Answers later than 5 ms", "below 1 %",
              {"fixgw:acks:late_ratio_rate5m": "5 min"}, "percentunit"),
        Panel("Durable append", "p99 below 5 ms",
              _quantiles("fixgw_append_seconds", "job"), "s"),
        Panel("Core: matching and commit", "p99 below 10 ms",
              {**_quantiles("core_match_seconds", "job"),
               **_quantiles("core_commit_seconds", "instance")}, "s"),
        Panel("Logon decided", "p99 below 0.5 s", _quantiles("edge_logon_seconds", "job"), "s"),
    ),
    "Sessions": (
        Panel("Logged on", "1 where expected", {"fixgw_session_up == 1": "{{session}}"}),
        Panel("Seconds since the last message", "below 1.5 heartbeats",
              {"time() - (fixgw_session_last_rx_timestamp_seconds and fixgw_session_up == 1)":
               "{{session}}"}, "s"),
        Panel("Waiting to go out", "near 0",
              {"topk(10, fixgw_outbound_queue_messages)": "{{session}}"}),
        Panel("Waiting to go out, in the kernel", "near 0",
              {"topk(10, fixgw_outbound_queue_bytes)": "{{session}}"}, "bytes"),
        Panel("Drop copy sent again on request (U1)", "any",
              {"sum by (result) (rate(fixgw_replays_total[5m]))": "requests, {{result}}",
               "sum(rate(fixgw_replayed_reports_total[5m]))": "reports"}, "cps"),
        Panel("Connections", "waiting ones near 0",
              {"edge_connections": "open", "edge_unauthenticated_connections": "before Logon"}),
        Panel("Logons by result", "accepted",
              {"sum by (result) (rate(edge_logons_total[5m]))": "{{result}}"}, "cps"),
        Panel("Bytes at the edge", "any",
              {"sum by (direction) (rate(edge_bytes_total[1m]))": "{{direction}}"}, "Bps"),
        Panel("Throttled, cut, resent", "0",
              {"sum(rate(fixgw_throttled_messages_total[5m])) or vector(0)": "throttled",
               "sum(rate(fixgw_slow_consumer_disconnects_total[5m]))": "cut",
               "sum(rate(fixgw_resent_messages_total[5m])) or vector(0)": "resent"}, "cps"),
        Panel("Sequence gaps", "0",
              {"sum by (direction) (fixgw_sequence_gaps_total)": "{{direction}}"}),
    ),
    "Store": (
        _stat("Store answers", "1", "min(store_up)", "short", 10),
        Panel("One question, answered", "below 1 ms",
              _quantiles("store_command_seconds", "shard"), "s"),
        Panel("Commands carried out", "any",
              {"rate(store_commands_total[1m])": "{{shard}}"}, "ops"),
        Panel("Memory", "below its limit", {"store_used_memory_bytes": "{{shard}}"}, "bytes"),
        Panel("Entries in the streams", "trimmed behind the snapshots",
              {"store_stream_entries": "{{shard}} {{stream}}"}),
        Panel("Events behind, by reader", "below 1,000",
              {"fixgw_stream_lag_events": "{{instance}}",
               "store_reader_lag_events": "{{reader}} recorded"}),
        Panel("Core behind its commands", "below 0.5 s",
              {"core_command_lag_seconds": "{{instance}}"}, "s"),
        Panel("Audit trail", "nothing waits, nothing is lost",
              {"sum by (job) (rate(audit_records_total[1m]))": "{{job}} records",
               "sum by (job) (audit_waiting_records)": "{{job}} waiting"}),
        Panel("Disk left", "above 15 %",
              {"min(fixgw_disk_free_bytes / fixgw_disk_size_bytes)": "free"}, "percentunit"),
        Panel("Memory of processes", "below the configured limit",
              {"process_resident_memory_bytes": "{{job}} {{instance}}"}, "bytes"),
    ),
    "Market": (
        Panel("Markets and resting orders", "any",
              {"sum(core_books)": "markets", "sum(core_orders_open)": "orders"}),
        Panel("Changes published", "any",
              {"sum by (shard) (rate(md_updates_total[1m]))": "{{shard}}"}, "cps"),
        Panel("Age of the oldest unpublished change", "below 1 s",
              {"md_snapshot_age_seconds": "{{shard}}"}, "s"),
        Panel("Subscriptions", "any",
              {"sum(md_subscriptions)": "subscriptions",
               "sum(md_conflating_sessions)": "conflating sessions"}),
        Panel("Markets asked of the core again", "0", {"md_holes": "{{shard}}"}),
    ),
}  # fmt: skip


def queries() -> list[str]:
    """Everything the dashboard asks."""
    return [query for panels in ROWS.values() for panel in panels for query in panel.queries]


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS.items():
        panels.append(_row(len(panels) + 1, title, y))
        y += 1
        x = 0
        for panel in row:
            width, height = (3, 4) if panel.kind == "stat" else (8, 8)
            if x + width > WIDTH:
                x, y = 0, y + height
            panels.append(_panel(len(panels) + 1, panel, {"h": height, "w": width, "x": x, "y": y}))
            x += width
        y += 8
    return {
        "uid": "kalshi-fix",
        "title": "kalshi-fix",
        "tags": ["kalshi-fix"],
        "schemaVersion": 36,
        "version": 1,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "templating": {"list": [_variable()]},
        "annotations": {"list": [_alerts()]},
        "panels": panels,
    }


def _variable() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "hide": 0,
    }


def _alerts() -> dict[str, Any]:
    return {
        "name": "Alerts",
        "datasource": _DATASOURCE,
        "enable": True,
        "expr": 'ALERTS{alertstate="firing"}',
        "iconColor": "red",
        "titleFormat": "{{alertname}}",
    }


def _row(number: int, title: str, y: int) -> dict[str, Any]:
    place = {"h": 1, "w": WIDTH, "x": 0, "y": y}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place,
            "panels": []}  # fmt: skip


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.red_from is not None:
        steps.append({"color": "red", "value": panel.red_from})
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": f"Healthy: {panel.healthy}.",
        "datasource": _DATASOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": _DATASOURCE, "expr": query,
             "legendFormat": legend or "__auto"}
            for place, (query, legend) in enumerate(panel.queries.items())
        ],
    }  # fmt: skip
