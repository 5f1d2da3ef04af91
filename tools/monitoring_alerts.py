"""Every other alert: symptoms first, then causes, then the house itself.

A number at the end of a comment is the alert's in the operations notes' table of twenty.
"""

from typing import Final

from monitoring_alert import Alert, newly

_UP: Final = {"instance": "i", "job": "gateway"}
_GAUGE: Final = "{value}x60"


def _constant(series: str, value: float) -> dict[str, str]:
    return {series: f"{value}x60"}


SYMPTOMS: Final = (
    Alert(
        name="GatewayDown",
        expr='up{job="gateway"} == 0',
        hold="30s",
        summary="Gateway {{ $labels.instance }} does not answer",
        page="alert-gateway-down",
        fires={'up{job="gateway",instance="i"}': "1x10 0x50"},
        quiet={'up{job="gateway",instance="i"}': "1x10 0x1 1x50"},
        labels=_UP,
    ),
    Alert(
        name="ProcessDown",
        expr='up{job!="gateway"} == 0',
        hold="30s",
        summary="{{ $labels.job }} {{ $labels.instance }} does not answer",
        page="alert-process-down",
        fires={'up{job="core",instance="i"}': "0x60"},
        quiet={'up{job="core",instance="i"}': "1x60"},
        labels={"instance": "i", "job": "core"},
    ),
    Alert(
        name="SessionDownInHours",
        expr=(
            "(fixgw_session_expected == 1 and on (session) fixgw_session_up == 0) "
            "unless on () max(core_maintenance) == 1"
        ),
        severity="{{ $labels.severity }}",
        hold="60s",
        summary="Session {{ $labels.session }} should be logged on and is not",
        page="alert-session-down",
        row="Sessions",
        fires={
            'fixgw_session_expected{session="A",severity="page"}': "1x60",
            'fixgw_session_up{session="A"}': "1x20 0x40",
        },
        quiet={
            'fixgw_session_expected{session="A",severity="page"}': "0x60",
            'fixgw_session_up{session="A"}': "0x60",
            'fixgw_session_expected{session="B",severity="page"}': "1x60",
            'fixgw_session_up{session="B"}': "1x20 0x40",
            "core_maintenance": "0x20 1x40",
        },
        labels={"session": "A", "severity": "page"},
    ),
    Alert(
        name="AllSessionsDropped",
        expr=(
            "(sum(fixgw_session_up) or vector(0)) < 0.5 * sum(fixgw_session_up offset 1m) "
            "and sum(fixgw_session_up offset 1m) >= 4"
        ),
        summary="More than half of the sessions were lost within a minute",
        page="alert-all-sessions-dropped",
        row="Sessions",
        fires={f'fixgw_session_up{{session="{n}"}}': "1x39 0x21" for n in "ABCDE"},
        quiet={
            **{f'fixgw_session_up{{session="{n}"}}': "1x60" for n in "ABCD"},
            'fixgw_session_up{session="E"}': "1x39 0x21",
        },
        at="10m",
    ),
    Alert(
        name="OrdersUnacknowledged",
        expr="max(fixgw_oldest_unacked_seconds) > 2",
        hold="10s",
        summary="An order waits for its answer for more than two seconds",
        page="alert-orders-unacknowledged",
        row="Flow",
        fires=_constant("fixgw_oldest_unacked_seconds", 3),
        quiet=_constant("fixgw_oldest_unacked_seconds", 0.2),
    ),
    Alert(
        name="CoreStalled",
        expr=(
            "max(fixgw_core_stalled) == 1 or "
            '(sum(rate(fixgw_messages_total{direction="in",msg_type=~"D|F|G"}[1m])) > 0 '
            "and sum(delta(core_last_sequence[1m])) == 0)"
        ),
        hold="10s",
        summary="The core does not move; new orders are refused",
        page="alert-core-stalled",
        row="Flow",
        fires={
            'fixgw_messages_total{direction="in",msg_type="D"}': "0+100x60",
            "core_last_sequence": "700x60",
        },
        quiet={
            'fixgw_messages_total{direction="in",msg_type="D"}': "0+100x60",
            "core_last_sequence": "700+200x60",
            "fixgw_core_stalled": "0x60",
        },
    ),
    Alert(
        name="StreamLag",
        expr="max by (shard) (fixgw_stream_lag_events) > 1000",
        hold="30s",
        summary="A gateway is behind the events of shard {{ $labels.shard }}: reports are late",
        page="alert-stream-lag",
        row="Store",
        fires=_constant('fixgw_stream_lag_events{shard="s0"}', 5_000),
        quiet=_constant('fixgw_stream_lag_events{shard="s0"}', 900),
        labels={"shard": "s0"},
    ),
    Alert(
        name="CoreBehind",
        expr="core_command_lag_seconds > 5",
        hold="30s",
        summary="The core is behind its commands: answers are late",
        page="alert-stream-lag",
        row="Store",
        fires=_constant("core_command_lag_seconds", 20),
        quiet=_constant("core_command_lag_seconds", 0.1),
    ),
    Alert(
        name="LedgerImbalance",
        expr="core_ledger_imbalance_cents != 0",
        summary="The ledger does not add up. Halt trading",
        page="alert-ledger-imbalance",
        fires={"core_ledger_imbalance_cents": "0x20 -1x40"},
        quiet=_constant("core_ledger_imbalance_cents", 0),
    ),
    Alert(
        name="MarketDataStale",
        expr="md_snapshot_age_seconds > 5",
        hold="30s",
        summary="Books of shard {{ $labels.shard }} change and are not published",
        page="alert-market-data-stale",
        row="Market",
        fires={'md_snapshot_age_seconds{shard="s0"}': "0x10 6+15x50"},
        quiet=_constant('md_snapshot_age_seconds{shard="s0"}', 0.1),
        labels={"shard": "s0"},
    ),
)

CAUSES: Final = (
    Alert(
        name="StoreDown",
        expr="max by (shard) (store_up) == 0",
        hold="10s",
        summary="The store of shard {{ $labels.shard }} cannot be reached",
        page="alert-store-down",
        row="Store",
        fires=_constant('store_up{shard="s0"}', 0),
        quiet=_constant('store_up{shard="s0"}', 1),
        labels={"shard": "s0"},
    ),
    Alert(
        name="StoreNotWriting",
        expr="store_log_write_ok == 0 or increase(core_archive_errors_total[5m]) > 0",
        summary="The store or the archive cannot write to disk",
        page="alert-store-not-writing",
        row="Store",
        fires=_constant("store_log_write_ok", 0),
        quiet={"store_log_write_ok": "1x60", "core_archive_errors_total": "3x60"},
    ),
    Alert(
        name="StoreMemory",
        expr="store_used_memory_bytes > 0.8 * (store_memory_limit_bytes > 0)",
        severity="ticket",
        hold="1m",
        summary="The store of shard {{ $labels.shard }} uses more than 80 % of the memory it may",
        page="alert-store-not-writing",
        row="Store",
        fires={
            'store_used_memory_bytes{shard="s0"}': "90x60",
            'store_memory_limit_bytes{shard="s0"}': "100x60",
        },
        quiet={
            'store_used_memory_bytes{shard="s0"}': "90x60",
            'store_memory_limit_bytes{shard="s0"}': "0x60",
            'store_used_memory_bytes{shard="s1"}': "70x60",
            'store_memory_limit_bytes{shard="s1"}': "100x60",
        },
        labels={"shard": "s0"},
    ),
    Alert(
        name="CoreStopped",
        expr="core_stopped == 1",
        summary="The core failed again and again on one command and waits for a quarantine",
        page="alert-core-stopped",
        fires=_constant("core_stopped", 1),
        quiet=_constant("core_stopped", 0),
    ),
    Alert(
        name="AuditFailing",
        expr=f"audit_failing == 1 or {newly('audit_lost_records_total', '5m')}",
        summary="The audit trail cannot be written, or lost records",
        page="alert-audit",
        row="Store",
        fires={"audit_lost_records_total": "0x30 4x30"},
        quiet={"audit_failing": "0x60", "audit_lost_records_total": "0x60"},
    ),
    Alert(
        name="AuditChainError",
        expr="increase(audit_chain_errors_total[10m]) > 0",
        summary="A sealed segment of the audit trail does not verify, or cannot be looked at",
        page="alert-audit",
        row="Store",
        fires={"audit_chain_errors_total": "0x20 1x40"},
        quiet={"audit_chain_errors_total": "1x60"},
    ),
    Alert(
        name="AuditBehind",
        expr="audit_waiting_records > 10000",
        hold="1m",
        summary="The audit trail is behind the trading it records",
        page="alert-audit",
        row="Store",
        fires=_constant("audit_waiting_records", 20_000),
        quiet=_constant("audit_waiting_records", 9_000),
    ),
    Alert(
        name="ResendStorm",
        expr=(
            'sum by (session) (increase(fixgw_resend_requests_total{direction="in"}[1m])) > 10 '
            "or sum by (session) (increase(fixgw_resent_messages_total[1m])) > 50000"
        ),
        severity="ticket",
        summary="Session {{ $labels.session }} asks for its messages again and again",
        page="alert-resend-storm",
        row="Sessions",
        fires={'fixgw_resend_requests_total{direction="in",session="A"}': "0+5x60"},
        quiet={'fixgw_resend_requests_total{direction="in",session="A"}': "0+1x60"},
        labels={"session": "A"},
    ),
    Alert(
        name="ResendStormSevere",
        expr=(
            'sum by (session) (increase(fixgw_resend_requests_total{direction="in"}[1m])) > 50 '
            "or sum by (session) (increase(fixgw_resent_messages_total[1m])) > 250000"
        ),
        summary="Session {{ $labels.session }} floods the gateway with ResendRequests",
        page="alert-resend-storm",
        row="Sessions",
        fires={'fixgw_resent_messages_total{session="A"}': "0+100000x60"},
        quiet={'fixgw_resent_messages_total{session="A"}': "0+20000x60"},
        labels={"session": "A"},
    ),
    Alert(
        name="SequenceGap",
        expr='increase(fixgw_sequence_gaps_total{direction="out"}[10m]) > 0',
        severity="ticket",
        summary="A client reports a gap in what we sent within a connection",
        page="alert-sequence-gap",
        row="Sessions",
        fires={'fixgw_sequence_gaps_total{direction="out"}': "0x20 1x40"},
        quiet={
            'fixgw_sequence_gaps_total{direction="out"}': "2x60",
            'fixgw_sequence_gaps_total{direction="in"}': "0+1x60",
        },
        labels={"direction": "out"},
    ),
    Alert(
        name="RejectRatio",
        expr=(
            'sum(rate(fixgw_rejects_total{kind=~"session|business"}[5m])) '
            '/ sum(rate(fixgw_messages_total{direction="in"}[5m])) > 0.05 '
            'and sum(increase(fixgw_rejects_total{kind=~"session|business"}[1m])) > 10'
        ),
        severity="ticket",
        hold="5m",
        summary="More than 5 % of all messages are rejected",
        page="alert-reject-ratio",
        row="Flow",
        fires={
            'fixgw_rejects_total{kind="business",reason="THROTTLED"}': "0+50x60",
            'fixgw_messages_total{direction="in",msg_type="D"}': "0+500x60",
        },
        quiet={
            'fixgw_rejects_total{kind="business",reason="THROTTLED"}': "0+5x60",
            'fixgw_rejects_total{kind="order",reason="NO_FUNDS"}': "0+400x60",
            'fixgw_messages_total{direction="in",msg_type="D"}': "0+500x60",
        },
        at="15m",
    ),
    Alert(
        name="LogonFailures",
        expr=(
            '(sum(increase(edge_logons_total{result!="accepted"}[1m])) or vector(0)) '
            "+ (sum(increase(edge_rejected_connections_total[1m])) or vector(0)) > 10"
        ),
        severity="ticket",
        summary="Many Logons fail or connections are closed before one",
        page="alert-logon-failures",
        row="Sessions",
        fires={'edge_rejected_connections_total{reason="timeout"}': "0+5x60"},
        quiet={
            'edge_logons_total{result="accepted"}': "0+50x60",
            'edge_logons_total{result="INVALID_CREDENTIALS"}': "0+1x60",
        },
    ),
    Alert(
        name="LogonFailuresSevere",
        expr=(
            '(sum(increase(edge_logons_total{result!="accepted"}[1m])) or vector(0)) '
            "+ (sum(increase(edge_rejected_connections_total[1m])) or vector(0)) > 100"
        ),
        summary="A flood of failing Logons or connections",
        page="alert-logon-failures",
        row="Sessions",
        fires={'edge_rejected_connections_total{reason="timeout"}': "0+50x60"},
        quiet={'edge_rejected_connections_total{reason="timeout"}': "0+5x60"},
    ),
    Alert(
        name="BadCredentials",
        expr="sum by (session) (increase(edge_bad_credentials_total[1m])) > 3",
        severity="ticket",
        summary="Somebody tries credentials for session {{ $labels.session }}",
        page="alert-logon-failures",
        row="Sessions",
        fires={'edge_bad_credentials_total{session="A"}': "0+2x60"},
        quiet={'edge_bad_credentials_total{session="A"}': "0x20 1x40"},
        labels={"session": "A"},
    ),
    Alert(
        name="SlowConsumer",
        expr=(
            "increase(fixgw_slow_consumer_disconnects_total[10m]) > 0 "
            "or increase(edge_slow_reader_disconnects_total[10m]) > 0"
        ),
        severity="ticket",
        summary="A client that does not read was cut",
        page="alert-slow-consumer",
        row="Sessions",
        fires={"fixgw_slow_consumer_disconnects_total": "0x20 1x40"},
        quiet={"fixgw_slow_consumer_disconnects_total": "1x60"},
    ),
    Alert(
        name="OutboundQueue",
        expr=(
            "fixgw_outbound_queue_messages > on (job, instance) group_left () "
            "0.5 * fixgw_outbound_queue_limit_messages"
        ),
        severity="ticket",
        hold="30s",
        summary="Session {{ $labels.session }} reads too slowly and will be cut",
        page="alert-slow-consumer",
        row="Sessions",
        fires={
            'fixgw_outbound_queue_messages{job="gateway",instance="i",session="A"}': "600x60",
            'fixgw_outbound_queue_limit_messages{job="gateway",instance="i"}': "1000x60",
        },
        quiet={
            'fixgw_outbound_queue_messages{job="gateway",instance="i",session="A"}': "400x60",
            'fixgw_outbound_queue_limit_messages{job="gateway",instance="i"}': "1000x60",
        },
        labels={**_UP, "session": "A"},
    ),
    Alert(
        name="CapacityHigh",
        expr="fixgw_capacity_used_ratio > 0.5",
        severity="ticket",
        hold="1m",
        summary="{{ $labels.element }} carries more than half of what was tested",
        page="alert-capacity-high",
        row="Flow",
        fires=_constant('fixgw_capacity_used_ratio{element="gateway"}', 0.7),
        quiet=_constant('fixgw_capacity_used_ratio{element="gateway"}', 0.4),
        labels={"element": "gateway"},
    ),
)

_CERTIFICATE: Final = "edge_certificate_expires_timestamp_seconds"
HOUSE: Final = (
    Alert(
        name="ClockOffset",
        expr="abs(clock_offset_seconds) > 0.001",
        severity="ticket",
        hold="5m",
        summary="A clock is more than a millisecond from UTC",
        page="alert-clock",
        fires=_constant("clock_offset_seconds", -0.004),
        quiet=_constant("clock_offset_seconds", 0.0004),
    ),
    Alert(
        name="ClockOffsetSevere",
        expr="abs(clock_offset_seconds) > 0.05",
        summary="A clock is more than 50 ms from UTC: the times on reports are wrong",
        page="alert-clock",
        fires=_constant("clock_offset_seconds", 0.06),
        quiet=_constant("clock_offset_seconds", 0.04),
    ),
    Alert(
        name="ClockUnsynchronised",
        expr="clock_synchronised == 0",
        severity="ticket",
        hold="10m",
        summary="No time service keeps a machine's clock",
        page="alert-clock",
        fires=_constant("clock_synchronised", 0),
        quiet=_constant("clock_synchronised", 1),
        at="15m",
    ),
    Alert(
        name="DiskSpace",
        expr=(
            "fixgw_disk_free_bytes / fixgw_disk_size_bytes < 0.15 "
            "or predict_linear(fixgw_disk_free_bytes[1h], 4 * 3600) < 0"
        ),
        severity="ticket",
        hold="5m",
        summary="A disk is nearly full, or will be within four hours",
        page="alert-disk-space",
        fires={"fixgw_disk_free_bytes": "10x60", "fixgw_disk_size_bytes": "100x60"},
        quiet={"fixgw_disk_free_bytes": "50x60", "fixgw_disk_size_bytes": "100x60"},
    ),
    Alert(
        name="CertificateExpiring",
        expr=f"{_CERTIFICATE} > 0 and {_CERTIFICATE} - time() < 21 * 86400",
        severity="ticket",
        summary="The public ports' certificate ends within three weeks",
        page="alert-certificate-expiring",
        fires=_constant(_CERTIFICATE, 20 * 86_400),
        quiet=_constant(_CERTIFICATE, 0),
    ),
    Alert(
        name="CertificateExpiringSoon",
        expr=f"{_CERTIFICATE} > 0 and {_CERTIFICATE} - time() < 3 * 86400",
        summary="The public ports' certificate ends within three days",
        page="alert-certificate-expiring",
        fires=_constant(_CERTIFICATE, 2 * 86_400),
        quiet=_constant(_CERTIFICATE, 20 * 86_400),
    ),
    Alert(
        name="MemoryHigh",
        expr="process_resident_memory_bytes > 0.8 * fixgw_resident_memory_limit_bytes",
        severity="ticket",
        hold="1m",
        summary="A process needs more than 80 % of the memory it may",
        page="alert-resources",
        fires={
            "process_resident_memory_bytes": "90x60",
            "fixgw_resident_memory_limit_bytes": "100x60",
        },
        quiet={
            "process_resident_memory_bytes": "70x60",
            "fixgw_resident_memory_limit_bytes": "100x60",
        },
    ),
    Alert(
        name="DescriptorsHigh",
        expr="process_open_fds > 0.8 * process_max_fds",
        severity="ticket",
        hold="1m",
        summary="A process has more than 80 % of its file descriptors open",
        page="alert-resources",
        fires={"process_open_fds": "90x60", "process_max_fds": "100x60"},
        quiet={"process_open_fds": "70x60", "process_max_fds": "100x60"},
    ),
    Alert(
        name="ProcessRestarted",
        expr="increase(fixgw_process_restarts_total[10m]) > 0",
        severity="ticket",
        summary="{{ $labels.process }} ended and was started again",
        page="alert-process-down",
        fires={'fixgw_process_restarts_total{process="core-s0"}': "0x20 1x40"},
        quiet={'fixgw_process_restarts_total{process="core-s0"}': "1x60"},
        labels={"process": "core-s0"},
    ),
    Alert(
        name="InternalErrors",
        expr=" or ".join(
            newly(name, "10m")
            for name in (
                "fixgw_callback_exceptions_total",
                "fixgw_translation_errors_total",
                "edge_faults_total",
                "fixgw_unanswered_orders_total",
            )
        ),
        severity="ticket",
        summary="A message or event failed inside: a bug, with its story in the log",
        page="alert-internal-errors",
        fires={'fixgw_translation_errors_total{of="D"}': "_x20 1x40"},
        quiet={'fixgw_translation_errors_total{of="D"}': "1x100"},
        labels={"of": "D"},
    ),
)
