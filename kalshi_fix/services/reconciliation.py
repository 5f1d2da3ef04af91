"""An end-of-day statement against the reports a client has on record: the same, or what differs.

The statement says which ExecIDs its day has; the client's record is whatever its drop copy (or any
log of it) was told. Values are compared as text, because a statement is written as the wire is.
Pure; knows no file.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import define, field

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.model import ExecType, OrdStatus

Record = Mapping[str, str]
# Column of the table ``trades`` -> tag of the report.
_TRADE_TAGS: Final = {
    "ExecType": 150, "ExecRefID": 19, "TransactTime": 60, "Account": 1, "OrderID": 37,
    "ClOrdID": 11, "Symbol": 55, "Side": 54, "LastQty": 32, "LastPx": 31, "SecondaryExecID": 527,
    "MiscFeeAmt": 137,
}  # fmt: skip
_TAGS: Final = {  # by ExecType: a bust does not say who was the maker
    ExecType.TRADE: {**_TRADE_TAGS, "LastLiquidityInd": 851},
    ExecType.TRADE_CANCEL: _TRADE_TAGS,
}
_ORDER_TAGS: Final = {"OrdStatus": 39, "CumQty": 14, "LeavesQty": 151, "AvgPx": 6, "OrderQty": 38}
_FILLS: Final = frozenset({ExecType.TRADE, ExecType.TRADE_CANCEL})
_OPEN: Final = frozenset({OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED})
_NEVER: Final = frozenset({"", "0"})  # ExecIDs of answers, which are no reports


@define
class Result:
    """What was compared, and what differs, in words."""

    reports: int = 0
    trades: int = 0
    orders: int = 0
    differences: list[str] = field(factory=list)


def reconcile(statement: Mapping[str, Any], record: Iterable[FixMessage]) -> Result:
    """Compares; ``statement`` as in ``end-of-day.json``, ``record`` in the order it was told."""
    result = Result()
    ranges = {
        row["Shard"]: (_number(row["FirstExecID"]), _number(row["LastExecID"]))
        for row in statement["drop_copy"]
        if row["ExecType"] == "all"
    }
    day: dict[str, FixMessage] = {}
    until: dict[tuple[str, str], FixMessage] = {}  # the last report of each order by the day's end
    for report in record:
        exec_id = report.get(17)
        if report.msg_type != "8" or exec_id in _NEVER or exec_id.startswith("R;"):
            continue
        shard, number = _shard(exec_id), _number(exec_id)
        first, last = ranges.get(shard, (0, 0))
        if number <= last:
            place = (shard, report.get(37))
            if number >= _number(until[place].get(17) if place in until else "0;0"):
                until[place] = report
            if number >= first:
                day[exec_id] = report
    _compare_counts(statement["drop_copy"], day, result)
    _compare_trades(statement["trades"], day, result)
    _compare_orders(statement["open_orders"], until, result)
    return result


def _shard(exec_id: str) -> str:
    parts = exec_id.split(";")
    return parts[2] if len(parts) > 2 else "0"


def _number(exec_id: str) -> int:
    return int(exec_id.split(";")[1])


def _compare_counts(rows: Sequence[Record], day: Mapping[str, FixMessage], result: Result) -> None:
    """As many reports of each kind as drop copy carried."""
    result.reports = len(day)
    counted = Counter((_shard(exec_id), report.get(150)) for exec_id, report in day.items())
    for row in rows:
        if row["ExecType"] == "all":
            continue
        found = counted.pop((row["Shard"], row["ExecType"]), 0)
        if found != int(row["Reports"]):
            result.differences.append(
                f"shard {row['Shard']}: {row['Reports']} reports with 150={row['ExecType']}, "
                f"{found} on record"
            )
    for (shard, kind), found in counted.items():
        result.differences.append(f"shard {shard}: no report with 150={kind}, {found} on record")


def _compare_trades(rows: Sequence[Record], day: Mapping[str, FixMessage], result: Result) -> None:
    """Each fill and bust of the statement is on record as it is there, and the other way round."""
    fills = {exec_id: report for exec_id, report in day.items() if report.get(150) in _FILLS}
    for row in rows:
        result.trades += 1
        report = fills.pop(row["ExecID"], None)
        if report is None:
            result.differences.append(f"trade {row['ExecID']} is not on record")
        else:
            tags = _TAGS[ExecType(report.get(150))]
            _compare(f"trade {row['ExecID']}", row, report, tags, result)
    for exec_id in fills:
        result.differences.append(f"trade {exec_id} is on record and not in the statement")


def _compare_orders(
    rows: Sequence[Record], until: Mapping[tuple[str, str], FixMessage], result: Result
) -> None:
    """Orders the record knows are open or not as the statement says; older ones are not judged."""
    listed = set()
    for row in rows:
        place = (row["Shard"], row["OrderID"])
        listed.add(place)
        if place in until:
            result.orders += 1
            _compare(f"order {row['OrderID']}", row, until[place], _ORDER_TAGS, result)
    for place, report in until.items():
        if place not in listed and report.get(39) in _OPEN:
            result.differences.append(f"order {place[1]} is open on record, not in the statement")


def _compare(
    what: str, row: Record, report: FixMessage, tags: Mapping[str, int], result: Result
) -> None:
    for name, tag in tags.items():
        told = report.get(tag)
        # microseconds on the wire are the statement's milliseconds and more
        same = told.startswith(row[name]) if name == "TransactTime" else told == row[name]
        if not same:
            result.differences.append(f"{what}: {name} {row[name] or '-'}, on record {told or '-'}")
