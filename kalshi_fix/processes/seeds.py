"""The configuration as commands: what a shard is told at start, once.

Every configured thing has a name (``firm:ALPHA``) under which the store remembers the request id it
was last told with. The id is a hash of the content and of the id before, so an unchanged
configuration appends nothing, and a changed one appends what changed, also when it changes back.
"""

from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from typing import Final

from attrs import asdict, define, field
from msgspec.structs import replace

from kalshi_fix.adapters.bus import Bus
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.adapters.trading_day import trading_day
from kalshi_fix.messages import commands as c
from kalshi_fix.messages.batch import CommandBatch
from kalshi_fix.messages.codec import pack_row
from kalshi_fix.model import NANOS

OPERATOR: Final = "config"
WHY: Final = "configuration"
Make = Callable[[str, int], c.AdminCommand]  # request id, at -> command


@define
class Seeding:
    """What remains to be told: the commands, and the record to keep with them."""

    commands: list[c.Command] = field(factory=list)
    before: dict[str, str] = field(factory=dict)
    after: dict[str, str] = field(factory=dict)


def pending(settings: Settings, shard: str, known: Mapping[str, str], at: int) -> Seeding:
    """What the shard has not been told yet; ``known`` is `Bus.seeds`, ``at`` in ns UTC."""
    seeding = Seeding()
    for name, once, command in _wanted(settings, shard):
        before = known.get(name, "")
        if before and once:
            continue
        request_id = _request_id(command, previous="")
        if before:
            changed = _content(before) != _content(request_id)
            if not changed:
                continue
            request_id = _request_id(command, previous=before)
        seeding.commands.append(replace(command, request_id=request_id, at=at))
        seeding.before[name] = before
        seeding.after[name] = request_id
    return seeding


def append(bus: Bus, settings: Settings, at: int) -> str:
    """Tells the bus's shard what it has not been told. Returns the entry's id, "" if nothing.

    Raises:
        BusError: the store; trying again is harmless.
    """
    while True:
        seeding = pending(settings, bus.shard, bus.seeds(), at)
        if not seeding.commands:
            return ""
        day = trading_day(at)
        start = c.StartTradingDay(
            day_request_id(day.date), OPERATOR, "calendar", at, day.date, day.ends_at
        )
        commands: list[c.Command] = [c.AdvanceTime(at), start, *seeding.commands]
        payload = CommandBatch(f"core:{bus.shard}", {}, commands).pack()
        entry_id = bus.append_seed(payload, seeding.before, seeding.after)
        if entry_id:
            return entry_id


def day_request_id(date: int) -> str:
    """Request id of a date's StartTradingDay: whoever appends it, it happens once."""
    return f"trading-day-{date}"


def _request_id(command: c.AdminCommand, previous: str) -> str:
    """``seed-<hash of the content>-<hash of both>``: tells content apart, and each change of it."""
    content = blake2b(pack_row(command), digest_size=12).hexdigest()
    chain = blake2b(f"{previous} {content}".encode(), digest_size=6).hexdigest()
    return f"seed-{content}-{chain}"


def _content(request_id: str) -> str:
    return request_id.split("-")[1]


def _wanted(settings: Settings, shard: str) -> Iterator[tuple[str, bool, c.AdminCommand]]:
    """(name, only once ever, command without request id and time), in an order that resolves."""
    head = ("", OPERATOR, WHY, 0)
    for firm in settings.firms:
        yield (
            f"firm:{firm.name}",
            False,
            c.DefineFirm(*head, firm.name, firm.jurisdiction, firm.roles),
        )
    for account in settings.accounts:
        define_account = c.DefineAccount(*head, account.name, account.firm, account.jurisdiction)
        yield f"account:{account.name}", False, define_account
    for series in settings.series:
        rates = (series.taker_rate, series.maker_rate, series.multiplier)
        yield f"series:{series.name}", False, c.DefineSeries(*head, series.name, *rates)
    yield from _markets(settings, shard, head)
    for segment in settings.segments:
        terms = (segment.message_types, segment.markets, segment.read_only, dict(segment.limits))
        yield f"segment:{segment.name}", False, c.DefineSegment(*head, segment.name, *terms)
    for session in settings.sessions:
        if session.at_run_time:
            continue
        yield (
            f"session:{session.name}",
            False,
            c.DefineSession(
                *head,
                session=session.name,
                sender_comp_id=session.sender_comp_id,
                target_comp_id=session.target_comp_id,
                role=session.role,
                firm=session.firm,
                accounts=session.accounts,
                cancel_on_disconnect=session.cancel_on_disconnect,
                max_order_age=session.max_order_age_seconds * NANOS,
                segment=session.segment,
                message_types=session.message_types,
                markets=session.markets,
                read_only=session.read_only,
                cancel_scope=session.cancel_scope,
                cancel_keeps_gtc=session.cancel_keeps_gtc,
            ),
        )
    for account in settings.accounts:
        amount = _share(account.deposit, shard, settings.core.shards)
        if amount:
            yield f"deposit:{account.name}", True, c.Deposit(*head, account.name, amount)
    for limit in settings.limits:
        name = f"limit:{limit.scope}:{limit.name}"
        yield name, False, c.SetLimits(*head, limit.scope, limit.name, dict(limit.limits))


def _markets(
    settings: Settings, shard: str, head: tuple[str, str, str, int]
) -> Iterator[tuple[str, bool, c.AdminCommand]]:
    """A market lives in exactly one shard."""
    for market in settings.markets:
        if (market.shard or settings.core.shards[0]) != shard:
            continue
        values = asdict(market, recurse=False)
        del values["shard"]
        for name, nanoseconds in (
            ("settlement_timer_seconds", "settlement_timer"),
            ("halt_window_seconds", "halt_window"),
            ("halt_seconds", "halt_time"),
        ):
            values[nanoseconds] = values.pop(name) * NANOS
        yield f"market:{market.symbol}", False, c.DefineMarket(*head, **values)


def _share(amount: int, shard: str, shards: tuple[str, ...]) -> int:
    """Accounts are funded per shard: each gets an equal part, the first the rest."""
    part, rest = divmod(amount, len(shards))
    return part + rest if shard == shards[0] else part
