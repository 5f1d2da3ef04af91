"""Audit records as rows of a table: one per message, and one per record that is no message.

The columns are those of a front-end audit trail (docs/audit.md says which rule asks for which);
what a message does not hold is empty. Order: of the chain. Writing files is the caller's.
"""

import json
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from kalshi_fix.adapters.audit.records import Kind, Record
from kalshi_fix.adapters.audit.search import is_about, records
from kalshi_fix.adapters.audit.wire import fields_of, messages_in
from kalshi_fix.model import NANOS

Row = dict[str, Any]

# column -> FIX tag, of those that are copied
_FIELDS: Final = {
    "msg_type": 35,
    "msg_seq_num": 34,
    "poss_dup": 43,
    "poss_resend": 97,
    "sending_time": 52,
    "transact_time": 60,
    "cl_ord_id": 11,
    "orig_cl_ord_id": 41,
    "order_id": 37,
    "exec_id": 17,
    "trade_id": 527,
    "account": 1,
    "operator_id": 50,
    "manual_indicator": 1028,
    "customer_type": 9702,
    "symbol": 55,
    "side": 54,
    "order_qty": 38,
    "ord_type": 40,
    "price": 44,
    "time_in_force": 59,
    "self_trade_prevention": 2964,
    "exec_type": 150,
    "ord_status": 39,
    "last_qty": 32,
    "last_px": 31,
    "cum_qty": 14,
    "leaves_qty": 151,
    "avg_px": 6,
    "ref_seq_num": 45,
    "ref_msg_type": 372,
    "text": 58,
}
_REASONS: Final = (103, 102, 380, 373, 532)
COLUMNS: Final = (
    "chain", "sequence", "at", "at_ns", "kind", "direction", "session", "firm", "connection",
    *_FIELDS, "reason_code", "order_flow_id", "shard", "event_number", "raw",
)  # fmt: skip
_DIRECTIONS: Final = {Kind.IN: "to exchange", Kind.OUT: "from exchange"}


def rows(
    directories: Iterable[Path], firms: dict[str, str], since: int = 0, until: int = 0
) -> Iterator[Row]:
    """The rows of these chains between two times (ns; 0 = open)."""
    for directory in directories:
        for record in records(directory, since, until):
            yield from rows_of(record, firms)


def rows_of(
    record: Record, firms: dict[str, str], orders: AbstractSet[str] = frozenset()
) -> Iterator[Row]:
    """The rows of one record, which may hold many messages; only those about ``orders``, if any."""
    head: Row = {
        "chain": record.chain,
        "sequence": record.sequence,
        "at": utc_nanoseconds(record.at),
        "at_ns": record.at,
        "kind": Kind(record.kind).name.lower(),
        "session": record.session,
        "firm": firms.get(record.session, ""),
        "connection": record.connection,
    }
    is_message = False
    texts = messages_in(record.data) if record.kind in _DIRECTIONS else ()
    for text in texts:
        is_message = True
        if not orders or is_about(text, orders):
            yield {**_EMPTY, **head, **_message(record, text)}
    if not is_message:
        facts = {"data": record.data} if record.more is None else {
            "data": record.data, "more": record.more,
        }  # fmt: skip
        yield {**_EMPTY, **head, "raw": json.dumps(facts, default=_plain, sort_keys=True)}


def _message(record: Record, text: str) -> Row:
    fields = fields_of(text)
    found: Row = {name: fields[tag] for name, tag in _FIELDS.items() if tag in fields}
    found["direction"] = _DIRECTIONS.get(Kind(record.kind), "")
    found["reason_code"] = next((fields[tag] for tag in _REASONS if tag in fields), "")
    found["order_flow_id"] = fields.get(37, "")
    if isinstance(record.more, tuple | list) and record.more[0] >= 0:
        found["shard"], found["event_number"] = (str(part) for part in record.more)
    found["raw"] = text.replace("\x01", "|")
    return found


_EMPTY: Final[Row] = dict.fromkeys(COLUMNS, "")


def utc_nanoseconds(at: int) -> str:
    """ISO 8601 with nine decimals."""
    return f"{datetime.fromtimestamp(at // NANOS, UTC):%Y-%m-%dT%H:%M:%S}.{at % NANOS:09d}Z"


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
