"""Events to ExecutionReports (8): a walk along tables of (tag, how to print it).

An order's own fields are printed once per order and replace and kept in a bounded cache; what
happened is printed per report. Pure: the same event always gives the same message, which is what
makes a repeat after a restart recognisable. Knows no session but its `Dialect`.
"""

from typing import Final

from attrs import frozen

from kalshi_fix.fix import tables
from kalshi_fix.fix.decimal_text import average_price, money_text, price_text, quantity_text
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.time_text import utc_text
from kalshi_fix.messages.events import Execution, OrderRejected, OrderTerms, StatusReported
from kalshi_fix.model import NANOS_PER_MS, ExecType, Liquidity, OrdType

Field = tuple[int, str]
NO_ORDER: Final = "NONE"
_ZERO_QTY: Final = "0.00"
_ZERO_PRICE: Final = "0.0000"
_NO_SYMBOL: Final = "[N/A]"
_STATUS_EXEC_ID: Final = "0"
_CACHED_ORDERS_MAX: Final = 50_000
_YES: Final = {True: "Y", False: "N"}


@frozen(slots=True)
class Dialect:
    """What a session asked for: venue tags, six decimals of a second."""

    venue_tags: bool = False
    microseconds: bool = False

    def utc(self, at: int) -> str:
        """A timestamp as this dialect prints it."""
        return utc_text(at, microseconds=self.microseconds)


# --- an order's own fields: printed once ---------------------------------------------------------


def _terms_fields(terms: OrderTerms, dialect: Dialect) -> list[Field]:
    """Every report about an order carries these, in this order."""
    fields = [
        (37, str(terms.order_id)),
        (1, terms.account),
        (55, terms.symbol),
        (54, str(terms.side)),
        (38, quantity_text(terms.order_qty)),
        (40, str(terms.ord_type)),
    ]
    if terms.ord_type == OrdType.LIMIT:
        fields.append((44, price_text(terms.price)))
    fields.append((59, str(terms.time_in_force)))
    if terms.expire_at:
        fields.append((126, dialect.utc(terms.expire_at)))
    if dialect.venue_tags:
        fields.append((2964, str(terms.self_trade)))
    return fields


# --- what happened: printed per report -----------------------------------------------------------


def _position(event: Execution) -> Field:
    """Position after, on its own side only; flat is 704=0.00."""
    if event.position < 0:
        return 705, quantity_text(-event.position)
    return 704, quantity_text(event.position)


def _collateral(event: Execution) -> list[Field]:
    """NoCollateralAmountChanges (1703): cash that moved, and what closing a position returned."""
    amounts = [(event.cash_change, "BALANCE")]
    if event.payout:
        amounts.append((event.payout, "PAYOUT"))
    fields = [(1703, str(len(amounts)))]
    for amount, kind in amounts:
        fields += [(1704, money_text(amount)), (1705, kind)]
    return fields


def _fill_fields(event: Execution) -> list[Field]:
    """What a trade and its bust have in common."""
    return [
        (32, quantity_text(event.last_qty)),
        (31, price_text(event.last_px)),
        (527, str(event.trade_id)),
        (136, "1"),
        (137, money_text(event.fee)),
        (138, "USD"),
        (139, "4"),
    ]


def _venue_fields(event: Execution) -> list[Field]:
    """A trade as sessions with VenueTags see it."""
    return [
        _position(event),
        (880, str(event.trade_id)),
        (1057, _YES[event.liquidity == Liquidity.TAKER]),
        (715, str(event.trading_day)),
        *_collateral(event),
    ]


class Reports:
    """Renders the ExecutionReports of one shard."""

    def __init__(self, shard: int = 0, cached_orders_max: int = _CACHED_ORDERS_MAX) -> None:
        """``shard`` is its index: it stands in ExecIDs (unless 0) and in LastMkt (30)."""
        self.suffix = f";{shard}" if shard else ""
        self._last_market = str(shard)
        self._cached_orders_max = cached_orders_max
        self._terms: dict[tuple[object, ...], list[Field]] = {}

    def exec_id(self, at: int, number: int) -> str:
        """ExecID (17) of an event: ``<effective time in ms>;<event number>[;shard]``."""
        return f"{at // NANOS_PER_MS};{number}{self.suffix}"

    def execution(self, event: Execution, dialect: Dialect) -> FixMessage:
        """A report of something that happened to an order."""
        exec_type = event.exec_type
        fields = [
            *self._terms_of(event.terms, dialect),
            (11, event.cl_ord_id),
            (17, self.exec_id(event.at, event.number)),
            (150, exec_type),
            (39, event.ord_status),
            (151, quantity_text(event.leaves_qty)),
            (14, quantity_text(event.cum_qty)),
            (6, price_text(average_price(event.notional, event.cum_qty))),
            (60, dialect.utc(event.at)),
        ]
        if event.orig_cl_ord_id:
            fields.append((41, event.orig_cl_ord_id))
        if event.reason:
            fields.append((58, event.reason))
        if exec_type == ExecType.TRADE:
            fields += _fill_fields(event)
            fields += [
                (30, self._last_market),
                (851, str(event.liquidity)),
                (75, str(event.trading_day)),
            ]
            if dialect.venue_tags:
                fields += _venue_fields(event)
        elif exec_type == ExecType.TRADE_CANCEL:
            fields.append((19, self.exec_id(event.ref_at, event.ref_number)))
            fields += _fill_fields(event)
            if dialect.venue_tags:
                fields += [_position(event), *_collateral(event)]
        return FixMessage("8", fields)

    def rejection(self, event: OrderRejected, dialect: Dialect) -> FixMessage:
        """A new order the core refused: what the client wrote comes back as it was written."""
        fields = [
            (37, NO_ORDER),
            (11, event.cl_ord_id),
            (17, self.exec_id(event.at, event.number)),
            (150, "8"),
            (39, "8"),
            (55, event.symbol),
            (54, tables.SIDE_TEXTS[event.side]),
            *zip((1, 38, 40, 44, 59), event.as_sent, strict=True),
            (151, _ZERO_QTY),
            (14, _ZERO_QTY),
            (6, _ZERO_PRICE),
            (103, tables.ORDER_REJECT_CODES.get(event.reason, tables.OTHER)),
            (58, event.reason),
            (60, dialect.utc(event.at)),
        ]
        return FixMessage("8", [field for field in fields if field[1]])

    def status(self, event: StatusReported, dialect: Dialect) -> FixMessage:
        """An answer to H, or one line of the answer to AF."""
        if event.mass:
            request = [
                (584, event.request_id),
                (911, str(event.total)),
                (912, _YES[event.last]),
            ]
        else:
            request = [(790, event.request_id)]
        terms = event.terms
        if terms is None:
            order = self._no_order(event)
        else:
            order = [
                *self._terms_of(terms, dialect),
                (39, event.ord_status),
                (151, quantity_text(event.leaves_qty)),
                (14, quantity_text(event.cum_qty)),
                (6, price_text(average_price(event.notional, event.cum_qty))),
                (58, event.reason),
            ]
        fields = [
            *order,
            (11, event.cl_ord_id),
            (17, _STATUS_EXEC_ID),
            (150, ExecType.ORDER_STATUS),
            *request,
            (60, dialect.utc(event.at)),
        ]
        return FixMessage("8", [field for field in fields if field[1]])

    def _no_order(self, event: StatusReported) -> list[Field]:
        """There is no such order: FIX still wants a symbol and a side."""
        return [
            (37, NO_ORDER),
            (39, "8"),
            (55, event.symbol if not event.mass else _NO_SYMBOL),
            (54, tables.SIDE_TEXTS[event.side] if not event.mass else tables.SIDE_UNDISCLOSED),
            (151, _ZERO_QTY),
            (14, _ZERO_QTY),
            (6, _ZERO_PRICE),
            (103, tables.ORDER_REJECT_CODES.get(event.reason, tables.OTHER)),
            (58, event.reason),
        ]

    def _terms_of(self, terms: OrderTerms, dialect: Dialect) -> list[Field]:
        """The order's own fields, from the cache where they stand already.

        The key holds everything a replace can change, because every event brings its own copy.
        """
        key = (
            terms.order_id,
            terms.order_qty,
            terms.price,
            terms.time_in_force,
            terms.expire_at,
            dialect.venue_tags,
            dialect.microseconds,
        )
        found = self._terms.get(key)
        if found is None:
            if len(self._terms) >= self._cached_orders_max:
                self._terms.clear()  # cheaper than an order of use, and rare
            found = self._terms[key] = _terms_fields(terms, dialect)
        return found
