"""The table of what operators may do: operation name -> command, its fields, the shards it goes to.

Adding an operation is adding a row. Nothing here decides whether the exchange carries a command
out, and nothing here reads a request: `services.admin` does.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final

from attrs import field, frozen

from kalshi_fix.messages import commands as c
from kalshi_fix.model import NANOS, MarketStatus, Role, Scope
from kalshi_fix.services import admin_fields as f
from kalshi_fix.services.admin_fields import Field
from kalshi_fix.services.admin_view import ShardView


class Reach(StrEnum):
    """Which shards a command goes to."""

    EVERY = "every"  # reference data, kill switch, limits, pauses of all
    MARKET = "market"  # the shard of the market named
    IDENTITY = "identity"  # the shard that gave the order or the trade its number
    ONE = "one"  # the shard the operator names; where there is only one, that
    # (accounts are funded per shard; entry ids are a shard's own)


Base = Callable[[ShardView, str], Mapping[str, Any] | None]


@frozen(kw_only=True)
class Operation:
    """An operation and its command.

    ``fixed`` are the fields the operation decides itself. ``base`` looks up what the first field
    names: what exists stands for every field not given. Where it finds nothing the operation is
    refused with ``absent``, unless that is "": then the operation creates it.
    """

    command: type[Any]
    reach: Reach
    fields: tuple[Field, ...] = ()
    fixed: Mapping[str, Any] = field(factory=dict)
    base: Base | None = None
    absent: str = ""
    moves_money: bool = False


_SYMBOL: Final = Field("symbol", f.symbol)
_EVIDENCE: Final = (Field("source", f.text), Field("evidence", f.text, ""))
_TRANSFER: Final = (Field("account", f.name), Field("amount", f.money))

_MARKET: Final = (
    _SYMBOL,
    Field("event_ticker", f.symbol),
    Field("series", f.symbol),
    Field("title", f.text),
    Field("price_ranges", f.price_ranges, ((100, 9900, 100),)),
    Field("open_at", f.instant, 0),
    Field("close_at", f.instant, 0),
    Field("expected_expiry_at", f.instant, 0),
    Field("settlement_timer", f.seconds, 0),
    Field("position_limit", f.quantity, 0),
    Field("price_band", f.price, 0),
    Field("halt_band", f.price, 0),
    Field("halt_window", f.seconds, 0),
    Field("halt_time", f.seconds, 0),
    Field("jurisdictions_excluded", f.jurisdictions, ()),
    Field("status", f.one_of(MarketStatus.INITIALIZED, MarketStatus.ACTIVE), "active"),
)


def _on_market(
    command: type[Any], *fields: Field, moves_money: bool = False, **fixed: object
) -> Operation:
    return Operation(
        command=command,
        reach=Reach.MARKET,
        fields=(_SYMBOL, *fields),
        fixed=fixed,
        moves_money=moves_money,
    )


def _on_every_shard(command: type[Any], *fields: Field, **fixed: object) -> Operation:
    return Operation(command=command, reach=Reach.EVERY, fields=fields, fixed=fixed)


def _on_one_shard(command: type[Any], *fields: Field, moves_money: bool = False) -> Operation:
    return Operation(command=command, reach=Reach.ONE, fields=fields, moves_money=moves_money)


def _on_its_shard(command: type[Any], identity: str, *, moves_money: bool = False) -> Operation:
    fields = (Field(identity, f.identity),)
    return Operation(command=command, reach=Reach.IDENTITY, fields=fields, moves_money=moves_money)


_PERMISSIONS: Final = (
    Field("message_types", f.msg_types, ()),
    Field("markets", f.symbols, ()),
    Field("read_only", f.flag, default=False),
)
SESSION_TERMS: Final = (
    Field("accounts", f.names, ()),
    Field("segment", f.optional_name, ""),
    *_PERMISSIONS,
    Field("cancel_on_disconnect", f.flag, default=False),
    Field("cancel_scope", f.one_of(Scope.SESSION, Scope.FIRM), Scope.SESSION.value),
    Field("cancel_keeps_gtc", f.flag, default=False),
    Field("max_order_age", f.seconds, 30 * NANOS),
)


def _session_record(*terms: Field) -> Operation:
    """Changes of a session that exists. Without terms it changes nothing: it is their record."""
    return Operation(
        command=c.DefineSession,
        reach=Reach.EVERY,
        fields=(Field("session", f.name), *terms),
        base=lambda view, name: view.session_definition(name),
        absent="SESSION_NOT_FOUND",
    )


def _session_switch(*, enabled: bool) -> Operation:
    return Operation(
        command=c.DefineSession,
        reach=Reach.EVERY,
        fields=(Field("session", f.name),),
        fixed={"enabled": enabled},
        base=lambda view, name: view.session_definition(name),
        absent="SESSION_NOT_FOUND",
    )


def _managed(action: str, *fields: Field) -> Operation:
    return _on_every_shard(c.ManageSession, Field("session", f.name), *fields, action=action)


def _kill_switch(*, killed: bool) -> Operation:
    scope = f.one_of(Scope.SESSION, Scope.FIRM, Scope.EXCHANGE)
    return _on_every_shard(
        c.KillSwitch, Field("scope", scope), Field("name", f.name, ""), killed=killed
    )


_OUTCOME: Final = (Field("value", f.outcome), *_EVIDENCE)

OPERATIONS: Final[dict[str, Operation]] = {
    "markets.define": Operation(
        command=c.DefineMarket,
        reach=Reach.MARKET,
        fields=_MARKET,
        base=lambda view, symbol: view.market_definition(symbol),
    ),
    "markets.pause": _on_market(c.SetMarketStatus, status="paused"),
    "markets.resume": _on_market(c.SetMarketStatus, status="active"),
    "markets.close": _on_market(c.SetMarketStatus, status="closed"),
    # an operator is never an oracle: what is determined here waits for a second operator
    "markets.determine": _on_market(c.Determine, *_OUTCOME, moves_money=True, automatic=False),
    "markets.confirm": _on_market(c.Confirm, moves_money=True),
    "markets.dispute": _on_market(c.Dispute),
    "markets.settle": _on_market(c.Settle, moves_money=True),
    "markets.correct": _on_market(c.Settle, *_OUTCOME, moves_money=True, correction=True),
    "exchange.pause": _on_every_shard(c.SetExchangeStatus, paused=True),
    "exchange.resume": _on_every_shard(c.SetExchangeStatus, paused=False),
    "accounts.define": Operation(
        command=c.DefineAccount,
        reach=Reach.EVERY,
        fields=(
            Field("account", f.name),
            Field("firm", f.name),
            Field("jurisdiction", f.jurisdiction, ""),
        ),
        base=lambda view, name: view.account_definition(name),
    ),
    "accounts.deposit": _on_one_shard(c.Deposit, *_TRANSFER, moves_money=True),
    "accounts.withdraw": _on_one_shard(c.Withdraw, *_TRANSFER, moves_money=True),
    "firms.define": Operation(
        command=c.DefineFirm,
        reach=Reach.EVERY,
        fields=(
            Field("firm", f.name),
            Field("jurisdiction", f.jurisdiction, ""),
            Field("roles", f.roles, ()),
        ),
        base=lambda view, name: view.firm_definition(name),
    ),
    "firms.unlock": _on_every_shard(c.UnlockFirm, Field("firm", f.name)),
    "series.define": _on_every_shard(
        c.DefineSeries,
        Field("series", f.symbol),
        Field("taker_rate", f.rate, 70_000),
        Field("maker_rate", f.rate_or_rebate, 0),
        Field("multiplier", f.multiplier, 100),
    ),
    "segments.define": Operation(
        command=c.DefineSegment,
        reach=Reach.EVERY,
        fields=(Field("segment", f.name), *_PERMISSIONS, Field("limits", f.limits, {})),
        base=lambda view, name: view.segment_definition(name),
    ),
    "sessions.change": _session_record(*SESSION_TERMS),
    "sessions.add": Operation(
        command=c.DefineSession,
        reach=Reach.EVERY,
        fields=(
            Field("session", f.name),
            Field("sender_comp_id", f.name),
            Field("target_comp_id", f.name),
            Field("role", f.one_of(*Role)),
            Field("firm", f.name),
            *SESSION_TERMS,
        ),
        fixed={"enabled": True},
    ),
    "sessions.remove": _session_switch(enabled=False),
    "sessions.credentials": _session_record(),
    "sessions.calendar": _session_record(),  # its gateway takes it from the roster, and likewise
    "sessions.throttle": _session_record(),
    "sessions.logout": _managed("logout", Field("text", f.text, "")),
    "sessions.reset": _managed("reset"),
    "sessions.set-numbers": _managed(
        "set-numbers", Field("next_incoming", f.count, 0), Field("next_outgoing", f.count, 0)
    ),
    "maintenance.announce": _on_every_shard(
        c.AnnounceMaintenance,
        Field("starts_at", f.instant),
        Field("ends_at", f.instant),
        Field("text", f.text, ""),
    ),
    "maintenance.withdraw": _on_every_shard(c.AnnounceMaintenance, starts_at=0, ends_at=0),
    "drain": _on_every_shard(
        c.Drain,
        Field("grace", f.seconds, 10 * NANOS),
        Field("lasts", f.seconds, 300 * NANOS),
        Field("stops", f.flag, default=True),
        Field("text", f.text, ""),
    ),
    "sessions.enable": _session_switch(enabled=True),
    "sessions.disable": _session_switch(enabled=False),
    "limits.set": _on_every_shard(
        c.SetLimits,
        Field("scope", f.one_of(Scope.FIRM, Scope.ACCOUNT, Scope.SESSION)),
        Field("name", f.name),
        Field("limits", f.limits),
        Field("expires_at", f.instant, 0),
        Field("lasts", f.seconds, 0),
    ),
    "kill": _kill_switch(killed=True),
    "unkill": _kill_switch(killed=False),
    "bust": _on_its_shard(c.BustTrade, "trade_id", moves_money=True),
    "cancel": _on_its_shard(c.CancelByOperator, "order_id"),
    "quarantine": _on_one_shard(
        c.Quarantine, Field("entry_id", f.entry_id), Field("index", f.place)
    ),
}
