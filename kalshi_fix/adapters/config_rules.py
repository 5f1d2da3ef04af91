"""What must hold between the parts of a configuration, as a table of small rules.

Each rule yields faults, ``key: what is allowed``; the first one is the answer. Also fills in what
follows from the rest (names, CompIDs). Reads no file.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from typing import Final

from attrs import asdict, evolve

from kalshi_fix.adapters.config_rules_edge import edge_faults
from kalshi_fix.adapters.config_rules_people import people_faults
from kalshi_fix.adapters.logs import LEVELS
from kalshi_fix.adapters.passwords import ScryptHash
from kalshi_fix.adapters.paths import LANE_NAME_MAX
from kalshi_fix.adapters.settings import SessionSettings, Settings
from kalshi_fix.model import Role, Scope

LANE_SESSIONS_MAX: Final = 50
ROLES: Final = tuple(role.value for role in Role)
_NAME: Final = re.compile(rf"[a-z0-9][a-z0-9-]{{0,{LANE_NAME_MAX - 1}}}")
_SYMBOL: Final = re.compile(r"[A-Z0-9.-]{1,64}")
_COMP_ID: Final = re.compile(r"[!-~]{1,64}")  # printable, no space
_TOKENS_PER_ORDER: Final = 10
_THROTTLE_LEAST: Final = {
    "tokens_per_second": 0,
    "burst_tokens": 0,
    "cancel_tokens_per_second": 2,  # one F
    "violations_before_logout": 1,
    "mass_cancels_per_second": 1,
    "inquiries_per_second": 1,
}

Faults = Iterator[str]


def complete(settings: Settings) -> Settings:
    """Fills in what is left out because it follows: session names, CompIDs, user names."""
    return evolve(settings, sessions=tuple(_complete(session) for session in settings.sessions))


def _complete(session: SessionSettings) -> SessionSettings:
    return evolve(
        session,
        name=session.name or session.sender_comp_id,
        target_comp_id=session.target_comp_id or f"Kalshi{session.role}",
        username=session.username or session.sender_comp_id,
    )


def check(settings: Settings) -> str:
    """The first thing that does not fit, as ``key: what is allowed``; "" if everything does."""
    for rule in _RULES:
        for fault in rule(settings):
            return fault
    return ""


def _one_of(key: str, value: str, allowed: Iterable[str]) -> Faults:
    allowed = sorted(allowed)
    if value not in allowed:
        yield f"{key}: {value!r} is not one of {', '.join(allowed) or '(none defined)'}"


def _unique(key: str, names: Iterable[str]) -> Faults:
    for name, times in Counter(names).items():
        if times > 1:
            yield f"{key}: {name!r} stands there {times} times; allowed is once"


def _within(key: str, value: float, low: float, high: float) -> Faults:
    if not low <= value <= high:
        yield f"{key}: {value} is not within {low}..{high}"


_RANGES: Final = {  # part of Settings, key -> lowest and highest value
    ("store", "replicas"): (0, 5),
    ("store", "connect_timeout_ms"): (10, 60_000),
    ("store", "socket_timeout_ms"): (1_000, 120_000),
    ("core", "lease_ms"): (200, 60_000),
    ("core", "clock_ms"): (5, 1_000),
    ("core", "batch_max_commands"): (1, 10_000),
    ("core", "spacing_us"): (0, 100_000),
    ("core", "spacing_from_commands"): (2, 10_000),
    ("core", "snapshot_seconds"): (1, 86_400),
    ("core", "snapshot_commands"): (1_000, 1_000_000_000),
    ("core", "archive_seconds"): (0.1, 3_600),
    ("core", "archive_segment_bytes"): (4_096, 17_179_869_184),
    ("edge", "logon_seconds"): (0.1, 60),
    ("edge", "logon_bytes"): (256, 65_536),
    ("edge", "message_bytes"): (1_024, 1_048_576),
    ("edge", "clock_seconds"): (0.1, 3_600),
    ("edge", "slow_reader_seconds"): (0.1, 600),
    ("edge", "slow_reader_bytes"): (65_536, 1_073_741_824),
    ("edge", "market_data_unsent_bytes"): (4_096, 1_073_741_824),
    ("edge", "heartbeat_min"): (1, 3_600),
    ("edge", "heartbeat_max"): (1, 3_600),
    ("edge", "unauthenticated_max"): (1, 100_000),
    ("edge", "unauthenticated_per_address_max"): (1, 100_000),
    ("edge", "control_seconds"): (0.1, 60),
    ("edge", "handover_seconds"): (0, 60),
    ("edge", "logout_answer_seconds"): (0.1, 60),
    ("edge", "logout_seconds"): (0.1, 60),
    ("edge", "linger_seconds"): (0, 60),
    ("edge", "password_threads"): (1, 64),
    ("edge", "password_waiting_max"): (1, 100_000),
    ("edge", "refusal_log_lines_per_second"): (1, 100_000),
    ("edge", "connections_per_second"): (1, 1_000_000),
    ("edge", "connection_burst"): (1, 1_000_000),
    ("edge", "failed_logons_per_minute"): (1, 1_000_000),
    ("edge", "failed_logon_burst"): (1, 1_000_000),
    ("edge", "wrong_passwords_per_minute"): (1, 1_000_000),
    ("edge", "wrong_password_burst"): (1, 1_000_000),
    ("edge", "rates_kept_max"): (100, 10_000_000),
    ("gateway", "outbound_queue_max"): (10, 10_000_000),
    ("gateway", "inbound_queue_max"): (10, 10_000_000),
    ("gateway", "max_latency_seconds"): (1, 86_400),
    ("gateway", "batch_max_commands"): (1, 10_000),
    ("gateway", "stalled_core_ms"): (100, 60_000),
    ("gateway", "session_open_seconds"): (0.1, 60),
    ("gateway", "batch_max_bytes"): (4_096, 1_048_576),
    ("gateway", "outbound_unsent_bytes_max"): (4_096, 1_073_741_824),
    ("gateway", "outbound_stall_seconds"): (0.1, 600),
    ("gateway", "logon_hold_seconds"): (0.1, 60),
    ("gateway", "handover_seconds"): (0, 60),
    ("gateway", "control_connections_max"): (1, 65_536),
    ("gateway", "store_tail_seconds"): (1, 86_400),
    ("gateway", "store_tail_messages"): (1, 100_000_000),
    ("gateway", "arrival_seconds"): (0.1, 60),
    ("gateway", "end_seconds"): (0.01, 10),
    ("gateway", "lane_silent_seconds"): (1, 3_600),
    ("gateway", "lane_raise"): (1_000, 10_000_000),
    ("gateway", "lane_repeat_seconds"): (1, 86_400),
    ("gateway", "quiet_after_ms"): (0, 60_000),
    ("gateway", "quiet_spacing_us"): (0, 100_000),
    ("gateway", "resend_messages_max"): (1, 1_000_000_000),
    ("gateway", "resend_messages_per_minute"): (1, 1_000_000_000),
    ("gateway", "admin_faults_max"): (1, 1_000_000),
    ("gateway", "admin_faults_per_minute"): (1, 1_000_000),
    ("gateway", "replay_reports_per_second"): (1, 1_000_000),
    ("gateway", "replay_cpu_percent"): (1, 100),
    ("gateway", "replay_waiting_max"): (1, 1_000_000),
    ("gateway", "unacked_orders_max"): (1, 100_000_000),
    ("market_data", "stream_max_entries"): (100, 100_000_000),
    ("market_data", "snapshot_interval_ms"): (1, 60_000),
    ("market_data", "conflate_after_messages"): (1, 1_000_000),
    ("market_data", "symbols_per_request_max"): (1, 100_000),
    ("market_data", "subscriptions_per_session_max"): (1, 1_000_000),
    ("market_data", "entries_per_message_max"): (1, 10_000),
    ("market_data", "markets_per_message_max"): (1, 10_000),
    ("market_data", "pending_changes_max"): (1, 10_000_000),
    ("market_data", "ask_depth_seconds"): (0.1, 600),
    ("market_data", "spacing_ms"): (0, 1_000),
    ("admin", "answer_seconds"): (0.1, 300),
    ("admin", "idle_seconds"): (1, 3_600),
    ("admin", "connections_max"): (1, 1_000),
    ("admin", "line_bytes"): (1_024, 1_048_576),
    ("admin", "failed_login_seconds"): (0, 60),
    ("admin", "view_save_seconds"): (0.1, 3_600),
    ("audit", "queue_max"): (1_000, 10_000_000),
    ("audit", "flush_ms"): (1, 10_000),
    ("audit", "sync_seconds"): (0.01, 3_600),
    ("audit", "publish_seconds"): (0.1, 3_600),
    ("audit", "segment_bytes"): (4_096, 1_073_741_824),
    ("audit", "halt_seconds"): (0, 3_600),
    ("audit", "keep_days"): (0, 36_500),
    ("capacity", "gateway_messages_per_second"): (1, 10_000_000),
    ("capacity", "core_commands_per_second"): (1, 10_000_000),
    ("capacity", "edge_messages_per_second"): (1, 10_000_000),
    ("capacity", "resident_bytes_max"): (10_000_000, 10_000_000_000_000),
    ("log", "file_max_bytes"): (10_000, 10_000_000_000),
    ("log", "files_kept"): (1, 1_000),
}


def _numbers(settings: Settings) -> Faults:
    for (part, key), (low, high) in _RANGES.items():
        yield from _within(f"{part}.{key}", getattr(getattr(settings, part), key), low, high)
    if settings.edge.heartbeat_min > settings.edge.heartbeat_max:
        yield "edge.heartbeat_min: allowed is at most edge.heartbeat_max"
    yield from _one_of("audit.when_full", settings.audit.when_full, ("continue", "halt"))
    for level in ("level", "stderr_level"):
        yield from _one_of(f"log.{level}", getattr(settings.log, level), LEVELS)


def _store(settings: Settings) -> Faults:
    if settings.store.appendfsync == "everysec":
        yield "store.appendfsync: 'everysec' loses acknowledged orders; allowed are always, no"
    yield from _one_of("store.appendfsync", settings.store.appendfsync, ("always", "no"))


def _ports(settings: Settings) -> Faults:
    for role in settings.edge.ports:
        yield from _one_of("edge.ports", role, ROLES)
    used: dict[str, int] = {f"edge.ports.{role}": p for role, p in settings.edge.ports.items()}
    metrics = asdict(settings.metrics)
    del metrics["host"]
    used |= {f"metrics.{name}": port for name, port in metrics.items()}
    for key, port in used.items():
        yield from _within(key, port, 1, 65_535)
    for index, session in enumerate(settings.sessions):
        yield from _within(f"sessions[{index}].port", session.port, 0, 65_535)
    owners: dict[int, str] = {}
    for key, port in used.items():
        if port in owners:
            yield f"{key}: {port} is also {owners[port]}; allowed is a port of its own"
        owners[port] = key


def _reference_data(settings: Settings) -> Faults:
    shards = settings.core.shards
    if not shards:
        yield "core.shards: allowed is at least one name"
    for shard in shards:
        if not _NAME.fullmatch(shard):
            yield f"core.shards: {shard!r} is not a name of lower-case letters, digits and -"
    yield from _unique("core.shards", shards)
    yield from _unique("firms.name", (firm.name for firm in settings.firms))
    yield from _unique("accounts.name", (account.name for account in settings.accounts))
    yield from _unique("series.name", (series.name for series in settings.series))
    yield from _unique("markets.symbol", (market.symbol for market in settings.markets))
    yield from _unique("operators.name", (operator.name for operator in settings.operators))
    firms = {firm.name for firm in settings.firms}
    for index, account in enumerate(settings.accounts):
        yield from _one_of(f"accounts[{index}].firm", account.firm, firms)
        if account.deposit < 0:
            yield f"accounts[{index}].deposit: allowed is 0 or more"
    series = {item.name for item in settings.series}
    for index, market in enumerate(settings.markets):
        if not _SYMBOL.fullmatch(market.symbol):
            yield f"markets[{index}].symbol: {market.symbol!r} is not of A-Z 0-9 . - (1 to 64)"
        yield from _one_of(f"markets[{index}].series", market.series, series)
        if market.shard:
            yield from _one_of(f"markets[{index}].shard", market.shard, shards)


def _lanes(settings: Settings) -> Faults:
    yield from _unique("lanes.name", (lane.name for lane in settings.lanes))
    for index, lane in enumerate(settings.lanes):
        if not _NAME.fullmatch(lane.name):
            yield (
                f"lanes[{index}].name: {lane.name!r} is not 1 to {LANE_NAME_MAX} lower-case "
                "letters, digits and -"
            )
    for lane_name, sessions in Counter(session.lane for session in settings.sessions).items():
        if sessions > LANE_SESSIONS_MAX:
            yield f"lanes: {lane_name!r} has {sessions} sessions; allowed are {LANE_SESSIONS_MAX}"


def _sessions(settings: Settings) -> Faults:
    yield from _unique("sessions.name", (session.name for session in settings.sessions))
    firms = {firm.name for firm in settings.firms}
    lanes = {lane.name for lane in settings.lanes}
    owner = {account.name: account.firm for account in settings.accounts}
    identities: set[tuple[str, str, int]] = set()
    for index, session in enumerate(settings.sessions):
        key = f"sessions[{index}]"
        yield from _one_of(f"{key}.role", session.role, ROLES)
        yield from _one_of(f"{key}.lane", session.lane, lanes)
        if not session.at_run_time:  # else the exchange may know firms and accounts not named here
            yield from _one_of(f"{key}.firm", session.firm, firms)
        own = [name for name, firm in owner.items() if firm == session.firm]
        for account in session.accounts:
            if account in owner or not session.at_run_time:
                yield from _one_of(f"{key}.accounts", account, own)
        for part in ("sender_comp_id", "target_comp_id", "name"):
            if not _COMP_ID.fullmatch(getattr(session, part)):
                yield f"{key}.{part}: allowed are 1 to 64 printable characters without spaces"
        port = session.port or settings.edge.ports.get(session.role, 0)
        if not port:
            yield f"{key}.port: edge.ports has none for {session.role}; allowed is one here"
        identity = (session.sender_comp_id, session.target_comp_id, port)
        if identity in identities:
            yield f"{key}: {session.sender_comp_id} -> {session.target_comp_id} stands there twice"
        identities.add(identity)
        yield from _credentials(key, session, settings.edge.host)


def _credentials(key: str, session: SessionSettings, host: str) -> Faults:
    throttle = session.throttle
    for name, least in _THROTTLE_LEAST.items():
        yield from _within(f"{key}.throttle.{name}", getattr(throttle, name), least, 1_000_000_000)
    if throttle.tokens_per_second and throttle.burst_tokens < _TOKENS_PER_ORDER:
        yield f"{key}.throttle.burst_tokens: allowed is at least one order, {_TOKENS_PER_ORDER}"
    if session.open_on_loopback:
        if not _is_loopback(host):
            yield f"{key}.open_on_loopback: allowed only where edge.host is a loopback address"
    elif not session.password_scrypt and not session.public_key:
        yield f"{key}: allowed is password_scrypt, public_key or (on loopback) open_on_loopback"
    for name in ("password_scrypt", "old_password_scrypt"):
        if getattr(session, name):
            yield from _hash(f"{key}.{name}", getattr(session, name))


def _hash(key: str, stored: str) -> Faults:
    try:
        ScryptHash.parse(stored)
    except ValueError as error:
        yield f"{key}: {error}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _rest(settings: Settings) -> Faults:
    for index, operator in enumerate(settings.operators):
        yield from _hash(f"operators[{index}].token_scrypt", operator.token_scrypt)
    names = {
        Scope.SESSION: {session.name for session in settings.sessions},
        Scope.ACCOUNT: {account.name for account in settings.accounts},
        Scope.FIRM: {firm.name for firm in settings.firms},
    }
    for index, limit in enumerate(settings.limits):
        yield from _one_of(f"limits[{index}].scope", limit.scope, (scope.value for scope in names))
        yield from _one_of(f"limits[{index}].name", limit.name, names[Scope(limit.scope)])
    if settings.demo.session:
        sessions = {session.name for session in settings.sessions}
        yield from _one_of("demo.session", settings.demo.session, sessions)
        symbols = {market.symbol for market in settings.markets}
        for symbol in settings.demo.symbols:
            yield from _one_of("demo.symbols", symbol, symbols)


_RULES: Final[tuple[Callable[[Settings], Faults], ...]] = (
    _numbers,
    _store,
    _ports,
    _reference_data,
    _lanes,
    _sessions,
    edge_faults,
    people_faults,
    _rest,
)
