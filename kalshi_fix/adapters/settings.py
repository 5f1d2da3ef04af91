"""The configuration as typed, frozen data. `adapters.config` reads it from TOML.

Every limit of the system is a number here with a sane default. Durations are seconds or
milliseconds as their names say; prices, quantities and money are decimal text in the TOML and
integers (``kalshi_fix.model`` units) here.
"""

from typing import Any

from attrs import field, frozen


@frozen(kw_only=True)
class StoreSettings:
    """Where the bus lives. ``url`` "" = the embedded server."""

    url: str = ""
    appendfsync: str = "always"  # embedded: "always", or "no" as a documented choice
    replicas: int = 0  # acknowledged = on this many replicas (WAIT)
    connect_timeout_ms: int = 2_000
    socket_timeout_ms: int = 5_000


@frozen(kw_only=True)
class CoreSettings:
    """The matching core."""

    shards: tuple[str, ...] = ("s0",)
    lease_ms: int = 800
    clock_ms: int = 50
    batch_max_commands: int = 500
    spacing_us: int = 1_000  # least time between two batches under load; none otherwise
    spacing_from_commands: int = 2  # a batch of so many is load
    snapshot_seconds: int = 300
    snapshot_commands: int = 1_000_000
    archive_seconds: float = 10.0  # between two rounds of archiving and trimming
    archive_segment_bytes: int = 67_108_864


@frozen(kw_only=True)
class TlsSettings:
    """Certificates of the public ports, as PEM files; relative paths start at the configuration.

    Changed files are taken up without a restart; live sessions stay as they are.
    """

    certificate: str = ""  # with its intermediate ones; "" = no TLS
    key: str = ""  # readable by its owner alone
    client_ca: str = ""  # who signs clients' certificates; "" = none is asked for
    client_revoked: str = (
        ""  # what it has revoked, a CRL; out of date = no client certificate is good
    )
    client_certificates: str = "optional"  # or "required" of every connection
    check_seconds: float = 5.0  # between two looks at the files


@frozen(kw_only=True)
class EdgeSettings:
    """The public ports and what an unauthenticated peer may cost."""

    host: str = "127.0.0.1"
    ports: dict[str, int] = field(
        factory=lambda: {"NR": 8228, "DC": 8229, "RT": 8230, "PT": 8231, "MD": 8233}
    )
    logon_seconds: float = 5.0
    logon_bytes: int = 4_096
    message_bytes: int = 16_384
    clock_seconds: float = 30.0
    slow_reader_seconds: float = 10.0
    slow_reader_bytes: int = 4_194_304
    market_data_unsent_bytes: int = 65_536  # above it the engine of an MD session waits
    heartbeat_min: int = 2
    heartbeat_max: int = 60
    unauthenticated_max: int = 200
    unauthenticated_per_address_max: int = 50
    control_seconds: float = 5.0  # for a gateway's answer to one question
    handover_seconds: float = 1.0  # a reconnecting client waits for its old connection to end
    logout_answer_seconds: float = 2.0  # for the client's answer to a Logout of ours
    logout_seconds: float = 5.0  # for the engine's Logout, and for the rest after a half-close
    linger_seconds: float = 1.0  # after the last byte to a client, so that it can read it
    password_threads: int = 1  # each may keep a core busy; logons then take their turn
    password_waiting_max: int = 64
    refusal_log_lines_per_second: int = 20
    plain: bool = False  # True: FIX without TLS; there is no port that takes both
    tls: TlsSettings = field(factory=TlsSettings)
    proxies: tuple[str, ...] = ()  # networks of PROXY v2 senders; if any, nobody else may connect
    connections_per_second: int = 100  # of one address
    connection_burst: int = 1_000
    failed_logons_per_minute: int = 60  # of one address for one session
    failed_logon_burst: int = 20  # ... of which each may keep the password thread for 60 ms
    wrong_passwords_per_minute: int = 240  # of all strangers: who logged on before does not wait
    wrong_password_burst: int = 20
    rates_kept_max: int = 20_000  # addresses, and addresses with sessions, remembered for these


@frozen(kw_only=True)
class GatewaySettings:
    """Every gateway process."""

    outbound_queue_max: int = 10_000
    inbound_queue_max: int = 10_000
    max_latency_seconds: int = 120
    batch_max_commands: int = 500
    stalled_core_ms: int = 1_000
    session_open_seconds: float = 3.0
    batch_max_bytes: int = 65_536
    outbound_unsent_bytes_max: int = 16_384  # more in the kernel: reports go through the queue
    outbound_stall_seconds: float = 10.0  # one send that takes longer cuts the connection
    logon_hold_seconds: float = 10.0  # for a Logon to arrive once the core has opened its session
    arrival_seconds: float = 0.25  # one Logon at a time is on its way to the engine, so long
    end_seconds: float = 0.05  # an ending session waits so long for it, and it for the session
    handover_seconds: float = 1.0  # a Logon waits so long for the session's last connection to end
    control_connections_max: int = 256
    store_tail_seconds: int = 10  # how far before the position the session stores are compared
    store_tail_messages: int = 1_000  # and at least so many messages of each; a start reads them
    resend_messages_max: int = 200_000  # that one session may have sent again at once ...
    resend_messages_per_minute: int = 120_000  # ... and how fast that comes back; then Logout
    admin_faults_max: int = 100  # faulty administrative messages of one session at once ...
    admin_faults_per_minute: int = 10  # ... and how fast that comes back; then Logout
    replay_reports_per_second: int = 2_000  # of a lane's sessions together, by ExecID (U1)
    replay_cpu_percent: int = 25  # of a processor that reading and rendering them may use
    replay_waiting_max: int = 500  # messages waiting for a client: its replay pauses
    unacked_orders_max: int = 50_000  # order-to-ack times kept; more are not measured
    lane_silent_seconds: float = 6.0  # another machine takes a lane over after so long
    lane_raise: int = 50_000  # then numbers go up by more than is sent between two records
    lane_repeat_seconds: float = 60.0  # and what was told so shortly before is told again
    quiet_after_ms: int = 20  # a lane that has asked for nothing for so long ...
    quiet_spacing_us: int = 1_000  # ... reads events that keep coming no more often than that


@frozen(kw_only=True)
class MarketDataSettings:
    """Publisher and MD sessions."""

    stream_max_entries: int = 10_000
    snapshot_interval_ms: int = 100
    conflate_after_messages: int = 1_000
    symbols_per_request_max: int = 1_000
    subscriptions_per_session_max: int = 1_000
    entries_per_message_max: int = 200
    markets_per_message_max: int = 500
    pending_changes_max: int = 10_000  # per market that waits for its book
    ask_depth_seconds: float = 2.0  # between two PublishDepth for the same hole
    spacing_ms: int = 1  # least time between two batches while changes keep coming


@frozen(kw_only=True)
class MetricsSettings:
    """Ports of /metrics, /healthz and /readyz; the n-th extra instance gets +10n."""

    host: str = "127.0.0.1"
    core: int = 9301
    gateway: int = 9302
    marketdata: int = 9303
    edge: int = 9304
    supervisor: int = 9305


@frozen(kw_only=True)
class AuditSettings:
    """The audit trail: what every process records of itself, below ``audit/`` in its data."""

    queue_max: int = 200_000  # records that may wait for the disk; more are lost, and counted
    flush_ms: int = 50  # between two writes: so much may be lost with a killed process
    sync_seconds: float = 1.0  # between two syncs: so much may be lost with the machine
    publish_seconds: float = 60.0  # between two publications of the chain's head
    segment_bytes: int = 67_108_864
    when_full: str = "continue"  # no room on the disk: trading goes on; "halt": it does not
    halt_seconds: float = 5.0  # with "halt": so long nothing could be written
    keep_days: int = 1_827  # sealed segments older than this may be removed; 0 = none ever


@frozen(kw_only=True)
class CapacitySettings:
    """What load tests have shown, per process; the metrics tell how much of it is used."""

    gateway_messages_per_second: int = 5_000
    core_commands_per_second: int = 50_000
    edge_messages_per_second: int = 20_000
    resident_bytes_max: int = 2_147_483_648  # memory a process should never need


@frozen(kw_only=True)
class LogSettings:
    """Structured logs, one file per process in the data directory, and stderr."""

    level: str = "info"
    stderr_level: str = "warning"
    json: bool = True
    file_max_bytes: int = 50_000_000
    files_kept: int = 5


@frozen(kw_only=True)
class AdminSettings:
    """The admin service, which operators reach over a unix socket in the data directory."""

    answer_seconds: float = 5.0  # how long a shard may take to answer a command
    idle_seconds: float = 60.0  # of a connection between two requests
    connections_max: int = 16
    line_bytes: int = 65_536  # of one request
    failed_login_seconds: float = 1.0  # a wrong token costs its connection this long
    view_save_seconds: float = 60.0  # between two savings of what a start would have to read


@frozen(kw_only=True)
class LaneSettings:
    """One gateway process: a set of sessions with one store directory and one lock."""

    name: str
    slot: int = -1  # which of the gateways' metrics ports is its own; -1 = by its place


@frozen(kw_only=True)
class ThrottleSettings:
    """Token bucket of a session. An order costs 10 tokens; 0 = no throttle."""

    tokens_per_second: int = 10_000
    burst_tokens: int = 10_000
    cancel_tokens_per_second: int = 10_000
    violations_before_logout: int = 1_000
    mass_cancels_per_second: int = 1
    inquiries_per_second: int = 5  # of the session, for its own throttle


@frozen(kw_only=True)
class SessionSettings:
    """One FIX identity. ``name`` defaults to ``sender_comp_id`` and is unique."""

    sender_comp_id: str
    role: str
    firm: str
    lane: str
    name: str = ""
    target_comp_id: str = ""  # "" = the role's (KalshiRT ...)
    accounts: tuple[str, ...] = ()
    username: str = ""  # "" = sender_comp_id
    password_scrypt: str = ""  # scrypt$n$r$p$salt$hash; "" = no password logon
    public_key: str = ""  # PEM of an Ed25519 or RSA key; "" = no signed logon
    old_password_scrypt: str = ""  # good as well, so that nobody is locked out by a rotation ...
    old_public_key: str = ""
    old_credentials_until: int = 0  # ... until then, ns UTC
    open_on_loopback: bool = False  # no credentials; only where the edge listens on loopback
    cancel_on_disconnect: bool = False
    reset_on_logon: bool = False  # numbers start at 1 at every Logon, 141=Y or not
    microseconds: bool = False
    max_order_age_seconds: int = 30
    throttle: ThrottleSettings = field(factory=ThrottleSettings)
    port: int = 0  # 0 = the role's
    addresses: tuple[str, ...] = ()  # networks it may come from; () = any
    certificate_required: bool = False  # no Logon without a client certificate
    certificate_names: tuple[str, ...] = ()  # CN or DNS names it may have; () = sender_comp_id
    segment: str = ""  # its permissions and limits come on top of the session's own
    message_types: tuple[str, ...] = ()  # MsgTypes it may send; () = all of its role
    markets: tuple[str, ...] = ()  # symbols or PREFIX* it may enter orders in; () = all
    read_only: bool = False  # a listener session, whatever its Logon says
    cancel_scope: str = "session"  # whose orders end with the connection: session or firm
    cancel_keeps_gtc: bool = False  # good-till-cancelled orders stay
    expected: str = ""  # "page" or "ticket" = what its absence is worth; "" = comes and goes
    calendar: str = ""  # when it closes; "" = its role's, if there is one; "none" = never
    at_run_time: bool = False  # an operator added it: the core has been told, and is not told again


@frozen(kw_only=True)
class CalendarSettings:
    """When sessions close and their numbers begin anew, in New York time.

    A time is ``17:00``, every day, or ``fri 17:00``. Without ``opens``
    they may log on again at once.
    """

    name: str
    closes: tuple[str, ...]
    opens: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()  # whose sessions it is for, unless they name another
    warning_minutes: int = 10  # News so long before


@frozen(kw_only=True)
class FirmSettings:
    """A firm. ``roles`` its sessions may have; () = any."""

    name: str
    jurisdiction: str = ""
    roles: tuple[str, ...] = ()


@frozen(kw_only=True)
class SegmentSettings:
    """A user segment: permissions and limits (per session) shared by name."""

    name: str
    message_types: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()
    read_only: bool = False
    limits: dict[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class AccountSettings:
    """An account; ``deposit`` is its first funding, in money units."""

    name: str
    firm: str
    deposit: int = 0
    jurisdiction: str = ""


@frozen(kw_only=True)
class SeriesSettings:
    """Fee schedule of a series. Rates in millionths, multiplier in hundredths."""

    name: str
    taker_rate: int = 70_000
    maker_rate: int = 0
    multiplier: int = 100


@frozen(kw_only=True)
class MarketSettings:
    """One market; see ``DefineMarket``. Times in ns."""

    symbol: str
    event_ticker: str
    series: str
    title: str
    price_ranges: tuple[tuple[int, int, int], ...] = ((100, 9900, 100),)
    open_at: int = 0
    close_at: int = 0
    expected_expiry_at: int = 0
    settlement_timer_seconds: int = 0
    position_limit: int = 0
    price_band: int = 0
    halt_band: int = 0
    halt_window_seconds: int = 0
    halt_seconds: int = 0
    jurisdictions_excluded: tuple[str, ...] = ()
    shard: str = ""  # "" = the first


@frozen(kw_only=True)
class OperatorSettings:
    """An operator of the admin service; the token is stored hashed (scrypt)."""

    name: str
    token_scrypt: str


@frozen(kw_only=True)
class LimitSettings:
    """Limits set at start on a firm, account or session (``SetLimits``)."""

    scope: str
    name: str
    limits: dict[str, Any]


@frozen(kw_only=True)
class DemoSettings:
    """The demo market maker."""

    session: str = ""  # "" = no demo flow
    symbols: tuple[str, ...] = ()


@frozen(kw_only=True)
class Settings:
    """A whole system."""

    store: StoreSettings = field(factory=StoreSettings)
    core: CoreSettings = field(factory=CoreSettings)
    edge: EdgeSettings = field(factory=EdgeSettings)
    gateway: GatewaySettings = field(factory=GatewaySettings)
    market_data: MarketDataSettings = field(factory=MarketDataSettings)
    metrics: MetricsSettings = field(factory=MetricsSettings)
    capacity: CapacitySettings = field(factory=CapacitySettings)
    log: LogSettings = field(factory=LogSettings)
    demo: DemoSettings = field(factory=DemoSettings)
    lanes: tuple[LaneSettings, ...] = ()
    firms: tuple[FirmSettings, ...] = ()
    accounts: tuple[AccountSettings, ...] = ()
    segments: tuple[SegmentSettings, ...] = ()
    calendars: tuple[CalendarSettings, ...] = ()
    sessions: tuple[SessionSettings, ...] = ()
    series: tuple[SeriesSettings, ...] = ()
    markets: tuple[MarketSettings, ...] = ()
    operators: tuple[OperatorSettings, ...] = ()
    limits: tuple[LimitSettings, ...] = ()
    admin: AdminSettings = field(factory=AdminSettings)
    audit: AuditSettings = field(factory=AuditSettings)
