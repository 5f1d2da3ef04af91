"""Events about who and what there is: definitions, switches, limits, operators' answers.

They concern every process. Field order is the wire order on the bus: append new fields at the end,
with a default.
"""

from kalshi_fix.messages.message import Message


class FirmChanged(Message, tag=130):
    """A firm was defined, locked or unlocked, killed or un-killed. Public."""

    number: int
    at: int
    name: str
    jurisdiction: str
    locked: bool
    killed: bool
    roles: tuple[str, ...] = ()


class AccountChanged(Message, tag=131):
    """An account was defined. Public among our processes."""

    number: int
    at: int
    name: str
    owner: str  # firm
    jurisdiction: str


class SessionDefined(Message, tag=132):
    """A session was defined, enabled, disabled, killed or un-killed, or its segment changed.

    ``message_types``, ``markets`` and ``read_only`` are its own, the ``segment_...`` ones come on
    top.
    """

    number: int
    at: int
    name: str
    owner: str  # firm
    sender_comp_id: str
    target_comp_id: str
    role: str
    accounts: tuple[str, ...]
    enabled: bool
    killed: bool
    cancel_on_disconnect: bool
    max_order_age: int
    segment: str = ""
    message_types: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()
    read_only: bool = False
    cancel_scope: str = "session"
    cancel_keeps_gtc: bool = False
    segment_message_types: tuple[str, ...] = ()
    segment_markets: tuple[str, ...] = ()
    segment_read_only: bool = False


class SegmentChanged(Message, tag=136):
    """A user segment was defined."""

    number: int
    at: int
    name: str
    message_types: tuple[str, ...]
    markets: tuple[str, ...]
    read_only: bool
    limits: dict[str, int]


class MaintenanceChanged(Message, tag=137):
    """A maintenance window: "announced" or "draining", "begun", "over", "withdrawn". Times in ns.

    While "draining" no Logon and no new order is taken, and cancels still are.

    ``session`` "" = for all; else for one that came after the announcement.
    """

    number: int
    at: int
    phase: str
    starts_at: int
    ends_at: int
    text: str
    session: str = ""


class ExchangeChanged(Message, tag=133):
    """Exchange-wide pause, kill, or a new trading day."""

    number: int
    at: int
    paused: bool
    killed: bool
    trading_day: int
    day_ends_at: int


class LimitsChanged(Message, tag=134):
    """Limits of a scope after a change."""

    number: int
    at: int
    scope: str
    name: str
    limits: dict[str, int]
    expires_at: int


class AdminAnswered(Message, tag=135):
    """The outcome of an operator's command; ``reason`` is "" when it was carried out."""

    number: int
    at: int
    request_id: str
    operator: str
    command: str  # class name of the command
    why: str
    reason: str
    detail: str
    content: str = ""  # fingerprint of what was asked for, see ``content``


class SeriesChanged(Message, tag=138):
    """A series' fee schedule was defined. Units as in ``DefineSeries``."""

    number: int
    at: int
    name: str
    taker_rate: int
    maker_rate: int
    multiplier: int


SharedEvent = (
    FirmChanged
    | AccountChanged
    | SessionDefined
    | SegmentChanged
    | MaintenanceChanged
    | ExchangeChanged
    | LimitsChanged
    | AdminAnswered
    | SeriesChanged
)
