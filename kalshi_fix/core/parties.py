"""Who trades: firms, accounts, sessions, positions, and the gateway processes sessions hang on.

Plain records. Who may do what is decided in ``risk``, money moves only in ``ledger``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import Factory, define

from kalshi_fix.model import Scope

if TYPE_CHECKING:
    from kalshi_fix.core.groups import Group
    from kalshi_fix.core.limits import Limits
    from kalshi_fix.core.market import Market
    from kalshi_fix.core.order import Order


@define(slots=True, eq=False)
class Firm:
    """Owns accounts and sessions; ClOrdIDs are unique within it."""

    name: str
    jurisdiction: str
    limits: Limits
    locked: bool = False
    killed: bool = False
    roles: tuple[str, ...] = ()  # its sessions may have; () = any
    open_orders: int = 0
    ids: dict[str, Order] = Factory(dict)  # every visible ClOrdID
    accounts: dict[str, Account] = Factory(dict)
    sessions: dict[str, Session] = Factory(dict)


@define(slots=True, eq=False)
class Account:
    """Free cash, cash held for open orders, positions.

    ``gross`` is |position| + open quantity over all markets, in hundredths of a contract.
    """

    name: str
    firm: Firm
    own_jurisdiction: str  # "" = the firm's
    limits: Limits
    cash: int = 0
    held: int = 0
    gross: int = 0
    open_orders: int = 0
    positions: dict[str, Position] = Factory(dict)
    groups: dict[str, Group] = Factory(dict)

    @property
    def jurisdiction(self) -> str:
        """Where the account's owner is."""
        return self.own_jurisdiction or self.firm.jurisdiction


@define(slots=True, eq=False, weakref_slot=False)
class Position:
    """An account in a market. ``quantity`` is signed YES contracts, in hundredths.

    ``locked`` is the part of it that covers open orders on the closing side; ``covered`` holds
    those orders by order id.
    """

    account: Account
    market: Market
    quantity: int = 0
    open_buy: int = 0
    open_sell: int = 0
    locked: int = 0
    covered: dict[int, Order] | None = None
    known: bool = False  # in the books of its account and market


@define(slots=True, eq=False)
class Desk:
    """A session trading for one account: the account, and the tightest of the limits on both.

    Worked out at the first order and thrown away when a definition or a limit changes.
    ``refusal`` says why the session may not trade for it at all.
    """

    refusal: str
    account: Account | None
    markets: tuple[tuple[str, ...], ...] = ()  # every set must hold the market
    limited: bool = False
    order_size: int = 0
    order_value: int = 0
    price_distance: int = 0


@define(slots=True, eq=False)
class Segment:
    """Permissions and limits that sessions share; the one without a name permits everything."""

    name: str
    message_types: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()
    read_only: bool = False
    limits: dict[str, int] = Factory(dict)


NO_SEGMENT = Segment("")


@define(slots=True, eq=False)
class Session:
    """One FIX identity: its definition, its connection, its place in the command stream."""

    name: str
    sender_comp_id: str
    target_comp_id: str
    role: str
    firm: Firm
    accounts: tuple[str, ...]
    limits: Limits
    # what every command looks at stands together: a cache line is worth several lookups
    max_order_age: int = 0
    epoch: int = 0  # of the command stream
    high_water: int = 0
    confirmed: int = 0
    open: dict[int, Order] = Factory(dict)  # orders entered here, by order id
    ended: dict[int, Order] = Factory(dict)  # in this trading day
    ended_before: dict[int, Order] = Factory(dict)  # in the one before
    desks: dict[str, Desk] = Factory(dict)  # derived
    # the rest of its definition
    enabled: bool = True
    killed: bool = False
    cancel_on_disconnect_default: bool = False
    message_types: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()
    read_only: bool = False
    cancel_scope: str = Scope.SESSION.value
    cancel_keeps_gtc: bool = False
    segment: Segment = NO_SEGMENT
    # the connection
    process: str = ""
    boot: int = 0
    connection: str = ""
    is_open: bool = False
    cancel_on_disconnect: bool = False
    listener: bool = False
    venue_tags: bool = False
    settlement_reports: bool = False
    signed_at: int = 0
    asked: tuple[str, int, int] = ("", 0, 0)  # the last SessionOpened: process, boot, counter
    answer: str = ""  # to it: "" or why it was refused

    @property
    def default_account(self) -> str:
        """The account of a request that names none."""
        return self.accounts[0] if self.accounts else ""


@define(slots=True, eq=False)
class Gateway:
    """A process that writes commands.

    ``recent`` has bit n set if counter ``top - n`` was seen.
    """

    name: str
    boot: int = 0
    top: int = 0
    recent: int = 0
    alive_at: int = 0  # exchange clock
    is_silent: bool = False  # its sessions were lost for it; not asked again until it speaks
