"""Positional msgpack form of commands and events: ``[kind, field, field, ...]``.

Kinds are fixed numbers: a journal outlives the code that wrote it, so a kind is never reused and
fields are only ever appended. Nothing here knows about streams, sockets or time.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, Final

import msgpack
from attrs import fields

from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e

Message = c.Command | e.Event

COMMAND_KINDS: Final[dict[int, type[c.Command]]] = {
    1: c.NewOrder,
    2: c.CancelOrder,
    3: c.ReplaceOrder,
    4: c.MassCancel,
    5: c.QueryOrder,
    6: c.QueryOrders,
    7: c.ManageOrderGroup,
    8: c.QueryPositions,
    9: c.QueryCollateral,
    20: c.SessionOpened,
    21: c.SessionLost,
    22: c.GatewayAlive,
    23: c.PublishDepth,
    24: c.AdvanceTime,
    40: c.DefineFirm,
    41: c.DefineAccount,
    42: c.DefineSession,
    43: c.DefineSeries,
    44: c.DefineMarket,
    45: c.SetMarketStatus,
    46: c.SetExchangeStatus,
    47: c.Determine,
    48: c.Confirm,
    49: c.Dispute,
    50: c.Settle,
    51: c.BustTrade,
    52: c.Deposit,
    53: c.Withdraw,
    54: c.SetLimits,
    55: c.KillSwitch,
    56: c.UnlockFirm,
    57: c.CancelByOperator,
    58: c.StartTradingDay,
    59: c.Quarantine,
    60: c.DefineSegment,
    61: c.ManageSession,
    62: c.AnnounceMaintenance,
    63: c.Drain,
}

EVENT_KINDS: Final[dict[int, type[e.Event]]] = {
    101: e.Execution,
    102: e.OrderRejected,
    103: e.CancelRejected,
    104: e.MassCanceled,
    105: e.StatusReported,
    106: e.OrderGroupChanged,
    107: e.PositionsReported,
    108: e.CollateralReported,
    109: e.BalanceChanged,
    110: e.PositionSettled,
    111: e.SessionChanged,
    112: e.SessionManaged,
    130: e.FirmChanged,
    131: e.AccountChanged,
    132: e.SessionDefined,
    133: e.ExchangeChanged,
    134: e.LimitsChanged,
    135: e.AdminAnswered,
    136: e.SegmentChanged,
    137: e.MaintenanceChanged,
    138: e.SeriesChanged,
    160: e.MarketChanged,
    161: e.LevelChanged,
    162: e.Traded,
    163: e.TradeBusted,
    164: e.OpenInterestChanged,
    165: e.DepthPublished,
}


class UnknownKindError(ValueError):
    """A row names a kind this version does not know: written by a newer one."""


def _names(cls: type[Any]) -> tuple[str, ...]:
    return tuple(attribute.name for attribute in fields(cls))


_packer: Final = msgpack.Packer()  # only for headers: it keeps no state between calls
_terms_row: Final = attrgetter(*_names(e.OrderTerms))


def _to_plain(value: object) -> object:
    """What msgpack cannot write by itself: the one nested message."""
    if isinstance(value, e.OrderTerms):
        return _terms_row(value)
    raise TypeError(f"cannot pack {type(value).__name__}")


_getters: Final[dict[type[Any], tuple[int, Callable[[Any], tuple[Any, ...]]]]] = {
    cls: (kind, attrgetter(*_names(cls)))
    for kind, cls in (*COMMAND_KINDS.items(), *EVENT_KINDS.items())
}


def to_row(message: Message) -> tuple[Any, ...]:
    """The positional form of a command or event, not yet packed."""
    kind, getter = _getters[type(message)]
    values = getter(message)
    # attrgetter of a single name returns the bare value (AdvanceTime)
    return (kind, *values) if isinstance(values, tuple) else (kind, values)


def pack_row(message: Message) -> bytes:
    """One packed row; `join_rows` makes a block of several without packing them again."""
    packed: bytes = msgpack.packb(to_row(message), default=_to_plain)
    return packed


class RowPacker:
    """`pack_row` for one thread that packs many: keeps its buffer."""

    def __init__(self) -> None:
        self._pack: Callable[[tuple[Any, ...]], bytes] = msgpack.Packer(default=_to_plain).pack

    def __call__(self, message: Message) -> bytes:
        """One packed row."""
        return self._pack(to_row(message))


def join_rows(rows: Sequence[bytes]) -> bytes:
    """The block `pack_rows` would make of the messages these rows were packed from."""
    header: bytes = _packer.pack_array_header(len(rows))
    return header + b"".join(rows)


def pack_rows(messages: Iterable[Message]) -> bytes:
    """Packs messages as one msgpack array of rows."""
    packed: bytes = msgpack.packb([to_row(m) for m in messages], default=_to_plain)
    return packed


_TERMS_AT: Final = {  # index of the nested OrderTerms in a row
    kind: _names(cls).index("terms") + 1
    for kind, cls in EVENT_KINDS.items()
    if "terms" in _names(cls)
}


def from_row(row: Sequence[Any]) -> Message:
    """The command or event a row stands for.

    Raises:
        UnknownKindError: the kind is not known to this version.
    """
    kind = row[0]
    cls: Callable[..., Message] | None = COMMAND_KINDS.get(kind) or EVENT_KINDS.get(kind)
    if cls is None:
        raise UnknownKindError(f"unknown message kind {kind}: written by a newer version?")
    terms_at = _TERMS_AT.get(kind)
    if terms_at is not None and row[terms_at] is not None:
        row = [*row]
        row[terms_at] = e.OrderTerms(*row[terms_at])
    return cls(*row[1:])


def unpack_rows(block: bytes) -> list[Message]:
    """The messages of a block, in order. Arrays come back as tuples, as they were written."""
    rows = msgpack.unpackb(block, use_list=False, strict_map_key=False)
    return [from_row(row) for row in rows]
