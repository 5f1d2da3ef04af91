"""A firm's day as tables: what it starts the day with, and the statement of how it ended.

Columns have FIX's names and values are written as on the wire, so a row and the report it stands
for can be compared as text. The statement adds up: opening + trades - fees + settlements +
transfers = closing, or there is none. Pure; knows no file.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from attrs import define, frozen

from kalshi_fix.fix.decimal_text import average_price, money_text, price_text, quantity_text
from kalshi_fix.fix.outbound import Reports
from kalshi_fix.fix.outbound_answers import settlement_id
from kalshi_fix.fix.time_text import utc_text
from kalshi_fix.messages.events import Execution, PositionSettled
from kalshi_fix.model import ExecType, OrdType
from kalshi_fix.services.statement_books import BooksError, Day, Movement, Standing

Row = tuple[str, ...]
_ROWS_SHOWN_MAX: Final = 500  # of a table, on the page of text
_MONEY: Final = ("Opening", "Trades", "Fees", "Settlements", "Transfers", "Closing")
_SETTLED: Final = frozenset({"SETTLEMENT", "CORRECTION"})


@frozen
class Table:
    """Rows of text under FIX's names."""

    name: str
    columns: Row
    rows: tuple[Row, ...]

    def records(self) -> list[dict[str, str]]:
        """The rows, each by its columns' names."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@define
class ShardDay:
    """One shard's part of a firm's day."""

    shard: int
    day: Day


def start_of_day(before: Sequence[ShardDay]) -> list[Table]:
    """What a firm begins a day with, from the day before it; trades and fees are that day's."""
    closing = [(part.shard, part.day.closing) for part in before]
    return [
        _open_orders(closing), _positions(closing), _balances(closing), _trades(before),
        _fees(before),
    ]  # fmt: skip


def end_of_day(parts: Sequence[ShardDay]) -> list[Table]:
    """The statement of a day that is over.

    Raises:
        BooksError: an account's day does not add up.
    """
    closing = [(part.shard, part.day.closing) for part in parts]
    return [
        _summary(parts), _trades(parts), _fees(parts), _movements(parts), _open_orders(closing),
        _positions(closing), _balances(closing), _drop_copy(parts),
    ]  # fmt: skip


# --- how the firm stands --------------------------------------------------------------------------


def _open_orders(parts: Iterable[tuple[int, Standing]]) -> Table:
    columns = (
        "Shard", "Account", "Session", "OrderID", "ClOrdID", "Symbol", "Side", "OrdType",
        "OrderQty", "CumQty", "LeavesQty", "Price", "AvgPx", "TimeInForce", "ExpireTime",
        "OrdStatus", "Held",
    )  # fmt: skip
    rows = [
        _order_row(shard, order)
        for shard, standing in parts
        for _, order in sorted(standing.orders.items())
    ]
    return Table("open_orders", columns, tuple(rows))


def _order_row(shard: int, order: Execution) -> Row:
    terms = order.terms
    return (
        str(shard),
        terms.account,
        terms.session,
        str(terms.order_id),
        order.cl_ord_id,
        terms.symbol,
        str(terms.side),
        str(terms.ord_type),
        quantity_text(terms.order_qty),
        quantity_text(order.cum_qty),
        quantity_text(order.leaves_qty),
        price_text(terms.price) if terms.ord_type == OrdType.LIMIT else "",
        price_text(average_price(order.notional, order.cum_qty)),
        str(terms.time_in_force),
        utc_text(terms.expire_at, microseconds=False) if terms.expire_at else "",
        order.ord_status,
        money_text(order.hold),
    )


def _positions(parts: Iterable[tuple[int, Standing]]) -> Table:
    rows = [
        (str(shard), account, symbol, *_long_and_short(position))
        for shard, standing in parts
        for (account, symbol), position in sorted(standing.positions.items())
    ]
    return Table("positions", ("Shard", "Account", "Symbol", "LongQty", "ShortQty"), tuple(rows))


def _long_and_short(position: int) -> Row:
    return quantity_text(max(0, position)), quantity_text(max(0, -position))


def _balances(parts: Iterable[tuple[int, Standing]]) -> Table:
    rows = [
        (
            str(shard),
            account,
            money_text(balance.cash - balance.held),
            money_text(balance.held),
            money_text(balance.cash),
        )
        for shard, standing in parts
        for account, balance in sorted(standing.balances.items())
    ]
    return Table("balances", ("Shard", "Account", "Free", "Held", "Cash"), tuple(rows))


# --- what happened --------------------------------------------------------------------------------


def _trades(parts: Iterable[ShardDay]) -> Table:
    columns = (
        "Shard", "ExecID", "ExecType", "ExecRefID", "TransactTime", "Account", "Session", "OrderID",
        "ClOrdID", "Symbol", "Side", "LastQty", "LastPx", "SecondaryExecID", "LastLiquidityInd",
        "MiscFeeAmt", "CashChange", "LongQty", "ShortQty", "TradeDate",
    )  # fmt: skip
    rows = [_trade_row(part.shard, fill) for part in parts for fill in part.day.fills]
    return Table("trades", columns, tuple(rows))


def _trade_row(shard: int, fill: Execution) -> Row:
    terms, reports = fill.terms, Reports(shard)
    return (
        str(shard),
        reports.exec_id(fill.at, fill.number),
        fill.exec_type,
        reports.exec_id(fill.ref_at, fill.ref_number) if fill.ref_number else "",
        utc_text(fill.at, microseconds=False),
        terms.account,
        terms.session,
        str(terms.order_id),
        fill.cl_ord_id,
        terms.symbol,
        str(terms.side),
        quantity_text(fill.last_qty),
        price_text(fill.last_px),
        str(fill.trade_id),
        str(fill.liquidity),
        money_text(fill.fee),
        money_text(fill.cash_change),
        *_long_and_short(fill.position),
        str(fill.trading_day),
    )


def _fees(parts: Iterable[ShardDay]) -> Table:
    columns = ("Shard", "Account", "Symbol", "Trades", "Busts", "Quantity", "MiscFeeAmt")
    rows: list[Row] = []
    for part in parts:
        groups: dict[tuple[str, str], list[Execution]] = defaultdict(list)
        for fill in part.day.fills:
            groups[fill.terms.account, fill.terms.symbol].append(fill)
        for (account, symbol), fills in sorted(groups.items()):
            busts = sum(fill.exec_type == ExecType.TRADE_CANCEL for fill in fills)
            traded = sum(f.last_qty for f in fills if f.exec_type == ExecType.TRADE)
            rows.append((
                str(part.shard), account, symbol, str(len(fills) - busts), str(busts),
                quantity_text(traded), money_text(sum(fill.fee for fill in fills)),
            ))  # fmt: skip
    return Table("fees", columns, tuple(rows))


def _movements(parts: Iterable[ShardDay]) -> Table:
    columns = (
        "Shard", "TransactTime", "Account", "Kind", "Amount", "PosMaintRptID", "Symbol",
        "SettlPrice", "LongQty", "ShortQty", "Text",
    )  # fmt: skip
    rows = [_movement_row(part.shard, each) for part in parts for each in part.day.movements]
    return Table("movements", columns, tuple(rows))


def _movement_row(shard: int, movement: Movement) -> Row:
    event = movement.event
    head = (
        str(shard),
        utc_text(event.at, microseconds=False),
        movement.account,
        movement.kind,
        money_text(movement.amount),
    )
    if not isinstance(event, PositionSettled):
        return (*head, "", "", "", "", "", event.why)
    suffix = f";{shard}" if shard else ""
    corrects = f"CORRECTS {settlement_id(event.corrects, suffix)}" if event.corrects else ""
    return (
        *head,
        settlement_id(event.number, suffix),
        event.symbol,
        price_text(event.value),
        *_long_and_short(event.position),
        corrects,
    )


# --- the sums -------------------------------------------------------------------------------------


def _summary(parts: Iterable[ShardDay]) -> Table:
    rows = [
        (str(part.shard), account, *(money_text(amount) for amount in _sums(part.day, account)))
        for part in parts
        for account in sorted(part.day.closing.balances)
    ]
    return Table("summary", ("Shard", "Account", *_MONEY), tuple(rows))


def _sums(day: Day, account: str) -> tuple[int, ...]:
    fills = [fill for fill in day.fills if fill.terms.account == account]
    moved = [movement for movement in day.movements if movement.account == account]
    opening = day.opening.balances[account].cash if account in day.opening.balances else 0
    fees = sum(fill.fee for fill in fills)
    trades = sum(fill.cash_change for fill in fills) + fees
    settled = sum(each.amount for each in moved if each.kind in _SETTLED)
    transfers = sum(each.amount for each in moved) - settled
    closing = day.closing.balances[account].cash
    if opening + trades - fees + settled + transfers != closing:
        raise BooksError(f"account {account}: day {day.date} does not add up")
    return opening, trades, -fees, settled, transfers, closing


def _drop_copy(parts: Iterable[ShardDay]) -> Table:
    """What a drop copy session heard in the day: how many reports of each kind, from which on."""
    columns = ("Shard", "ExecType", "Reports", "FirstExecID", "LastExecID")
    rows: list[Row] = []
    for part in parts:
        day, reports = part.day, Reports(part.shard)
        ends = [
            reports.exec_id(report.at, report.number)
            for report in (day.first_report, day.last_report)
            if report is not None
        ]
        counted = Counter(day.reports)
        rows += [(str(part.shard), kind, str(counted[kind]), "", "") for kind in sorted(counted)]
        rows += [(str(part.shard), "all", str(counted.total()), *ends)] if ends else []
    return Table("drop_copy", columns, tuple(rows))


def as_text(title: str, tables: Sequence[Table]) -> str:
    """The tables as a person reads them."""
    return "\n".join([title, "=" * len(title), "", *(_table_text(table) for table in tables)])


def _table_text(table: Table) -> str:
    if not table.rows:
        return f"{table.name}: none\n"
    shown = table.rows[:_ROWS_SHOWN_MAX]
    widths = [max(map(len, column)) for column in zip(table.columns, *shown, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (table.columns, tuple("-" * width for width in widths), *shown)
    ]
    if len(shown) < len(table.rows):
        lines.append(f"... {len(table.rows)} rows in all: {table.name}.csv")
    return "\n".join([table.name, *lines, ""])
