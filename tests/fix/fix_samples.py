"""Sample messages and events of the translation tests: one of each, to be varied with evolve."""

import sys
from functools import cache
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from kalshi_fix.fix.dictionary import Dictionary
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.time_text import parse_utc
from kalshi_fix.messages.commands import NewOrder, ReplaceOrder
from kalshi_fix.messages.events import (
    CancelRejected,
    CollateralReported,
    Execution,
    MassCanceled,
    OrderGroupChanged,
    OrderRejected,
    OrderTerms,
    PositionSettled,
    PositionsReported,
    StatusReported,
)
from kalshi_fix.services.service import SessionView

ROOT = Path(__file__).parents[2]
STOCK = Path(sys.prefix) / "share" / "quickfix" / "FIX44.xml"
SERVER = ROOT / "specs" / "FIX44-server.xml"
CLIENT = ROOT / "specs" / "FIX44-kalshi.xml"
TIME = "20261122-14:30:00.250"
AT = parse_utc(TIME) or 0
ALPHA = SessionView("ALPHA-RT", "ALPHA-RT", "KalshiRT", "RT", "ALPHA", ("ALPHA-1",), epoch=3)

HEADER = {34: "7", 49: "ALPHA-RT", 52: TIME, 56: "KalshiRT"}
ORDER = {11: "a1", 55: "KXTEST-A", 54: "1", 60: TIME, 38: "10", 40: "2", 44: "0.55"}
BODIES: dict[str, dict[int, str]] = {
    "D": ORDER,
    "F": {11: "a2", 41: "a1", 55: "KXTEST-A", 54: "1", 60: TIME},
    "G": {**ORDER, 11: "a2", 41: "a1"},
    "q": {11: "q1", 530: "7", 60: TIME},
    "H": {11: "a1", 55: "KXTEST-A", 54: "1"},
    "AF": {584: "s1", 585: "7"},
    "AN": {710: "p1", 724: "0", 1: "ALPHA-1", 581: "1", 715: "20261122", 60: TIME},
    "BB": {909: "c1"},
    "UOG": {20131: "1", 20132: "100"},
}


def request(msg_type: str, changes: dict[int, str | None] | None = None) -> FixMessage:
    """A correct message of that type with some fields changed, added, or (None) left out."""
    fields: dict[int, str | None] = {**HEADER, **BODIES[msg_type], **(changes or {})}
    return FixMessage(msg_type, [(tag, text) for tag, text in fields.items() if text is not None])


@cache
def dictionary(path: Path) -> Dictionary:
    return Dictionary(path.read_text(encoding="utf-8"))


TERMS = OrderTerms(
    order_id=17, session="ALPHA-RT", firm="ALPHA", account="ALPHA-1", symbol="KXTEST-A", side=1,
    ord_type=2, order_qty=1_000, price=5_500, time_in_force=1, expire_at=0, exec_inst=0,
    self_trade=1, group_id="", cancel_on_pause=False, max_cost=0,
)  # fmt: skip
NEW = Execution(
    number=42, at=AT, firm="ALPHA", exec_type="0", ord_status="0", terms=TERMS, cl_ord_id="a1",
    orig_cl_ord_id="", cum_qty=0, leaves_qty=1_000, notional=0, reason="", last_qty=0, last_px=0,
    trade_id=0, liquidity=0, fee=0, trading_day=20261122, position=0, cash_change=0, payout=0,
    hold=5_500_000, ref_number=0, ref_at=0, requester="",
)  # fmt: skip
TRADE = replace(
    NEW, exec_type="F", ord_status="1", cum_qty=400, leaves_qty=600, notional=2_100_000,
    last_qty=400, last_px=5_250, trade_id=9, liquidity=2, fee=34_700, position=400,
    cash_change=-2_134_700,
)  # fmt: skip
BUST = replace(
    TRADE, exec_type="H", ord_status="0", cum_qty=0, notional=0, fee=-34_700, position=0,
    ref_number=42, ref_at=AT, reason="TRADE_BUSTED",
)  # fmt: skip
REJECTED = OrderRejected(
    number=43, at=AT, firm="ALPHA", session="ALPHA-RT", cl_ord_id="a1", symbol="KXTEST-A", side=1,
    reason="INVALID_PRICE", as_sent=("", "10", "2", "1.5", ""),
)  # fmt: skip
CANCEL_REJECTED = CancelRejected(
    number=44, at=AT, firm="ALPHA", session="ALPHA-RT", cl_ord_id="a2", orig_cl_ord_id="a1",
    order_id=0, ord_status="8", response_to="1", reason="UNKNOWN_ORDER",
)  # fmt: skip
MASS_CANCELED = MassCanceled(
    number=45, at=AT, firm="ALPHA", session="ALPHA-RT", cl_ord_id="q1", request_type="7",
    symbol="", count=3, reason="",
)  # fmt: skip
STATUS = StatusReported(
    number=46, at=AT, firm="ALPHA", session="ALPHA-RT", mass=False, request_id="r1",
    cl_ord_id="a1", symbol="KXTEST-A", side=1, total=0, last=False, reason="", terms=TERMS,
    ord_status="0", cum_qty=0, leaves_qty=1_000, notional=0,
)  # fmt: skip
UNKNOWN = replace(STATUS, terms=None, reason="UNKNOWN_ORDER", ord_status="8", leaves_qty=0)
NO_ORDERS = replace(
    UNKNOWN, mass=True, cl_ord_id="", symbol="", side=0, last=True, reason="NO_OPEN_ORDERS"
)
GROUP = OrderGroupChanged(
    number=47, at=AT, firm="ALPHA", session="ALPHA-RT", seq=7, action=1, group_id="G1",
    account="ALPHA-1", limit=10_000, triggered=False, reason="",
)  # fmt: skip
POSITIONS = PositionsReported(
    number=48, at=AT, firm="ALPHA", session="ALPHA-RT", request_id="p1", account="ALPHA-1",
    trading_day=20261122, permitted=True,
    rows=(("KXTEST-A", 400, 5_250, 5_000, True), ("KXTEST-B", -200, 1_000, 0, True)),
)  # fmt: skip
COLLATERAL = CollateralReported(
    number=49, at=AT, firm="ALPHA", session="ALPHA-RT", request_id="c1", reason="",
    rows=(("ALPHA-1", 900_000_000, 5_500_000, 2_100_000), ("ALPHA-2", 1_000_000_000, 0, 0)),
)  # fmt: skip
SETTLED = PositionSettled(
    number=50, at=AT, firm="ALPHA", account="ALPHA-1", symbol="KXTEST-A", position=400,
    value=10_000, previous_value=0, payout=4_000_000, cash=904_000_000, trading_day=20261122,
    corrects=0,
)  # fmt: skip


def fields(message: FixMessage) -> dict[int, str]:
    """Tag -> value of a message in which no tag stands twice."""
    found = dict(message.fields)
    assert len(found) == len(message.fields), "a tag stands twice"
    return found


def new_order(command: Any) -> NewOrder:
    assert isinstance(command, NewOrder), command
    return command


def replace_order(command: Any) -> ReplaceOrder:
    assert isinstance(command, ReplaceOrder), command
    return command
