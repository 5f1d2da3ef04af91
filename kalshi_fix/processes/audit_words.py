"""Commands and events in words, for people who want to know what became of an order."""

from collections.abc import Callable
from typing import Any, Final

from kalshi_fix.core.risk import PRECEDENCE
from kalshi_fix.fix.decimal_text import average_price, money_text, price_text, quantity_text
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.model import ExecType, Liquidity, OrdStatus, OrdType, Side, TimeInForce

# The groups of `PRECEDENCE`, in the order in which they are judged.
CHECKS: Final = (
    "session and entitlement",
    "ClOrdID and age",
    "the order it names",
    "market and its state",
    "order type and instructions",
    "price",
    "quantity",
    "limits",
    "balance",
)
_OF_NEW_ORDER: Final = tuple(check for check in CHECKS if check != "the order it names")
_GROUPS: Final = sorted(set(PRECEDENCE.values()))


def checks_passed(reason: str) -> tuple[list[str], str]:
    """The checks a new order passed, and the one that refused it ("" = none)."""
    if not reason or reason not in PRECEDENCE:
        return list(_OF_NEW_ORDER), "" if not reason else "the exchange itself"
    failed = CHECKS[_GROUPS.index(PRECEDENCE[reason])]
    passed = _OF_NEW_ORDER[: _OF_NEW_ORDER.index(failed)] if failed in _OF_NEW_ORDER else ()
    return list(passed), failed


def terms_text(terms: e.OrderTerms) -> str:
    """What an order is: ``buy 10.00 KXTEST-A at 0.5500 GTC for ALPHA-1``."""
    price = f" at {price_text(terms.price)}" if terms.ord_type == OrdType.LIMIT else " at market"
    return (
        f"{Side(terms.side).name.lower()} {quantity_text(terms.order_qty)} {terms.symbol}{price} "
        f"{TimeInForce(terms.time_in_force).name} for {terms.account}"
    )


def outcome_text(event: e.Execution) -> str:
    """Where an order stands after an event."""
    status = OrdStatus(event.ord_status).name.lower().replace("_", " ")
    text = f"{status}, {quantity_text(event.cum_qty)} of {quantity_text(event.terms.order_qty)}"
    if event.cum_qty:
        text += f" at {price_text(average_price(event.notional, event.cum_qty))} on average"
    if event.leaves_qty:
        text += f", {quantity_text(event.leaves_qty)} open"
    return f"{text} ({event.reason})" if event.reason else text


def command_text(command: c.Command) -> str:
    """What was asked of the exchange."""
    text = type(command).__name__
    for label, name in (("ClOrdID", "cl_ord_id"), ("for", "orig_cl_ord_id")):
        value = getattr(command, name, "")
        text += f" {label} {value}" if value else ""
    faults = getattr(command, "faults", ())
    return f"{text}, translation found {', '.join(faults)}" if faults else text


def _execution(event: e.Execution) -> str:
    kind = ExecType(event.exec_type)
    if kind is ExecType.NEW:
        return f"accepted as order {event.terms.order_id}: {terms_text(event.terms)}"
    if kind in {ExecType.TRADE, ExecType.TRADE_CANCEL}:
        what = "trade" if kind is ExecType.TRADE else "bust of trade"
        role = Liquidity(event.liquidity).name.lower()
        return (
            f"{what} {event.trade_id}: {quantity_text(event.last_qty)} at "
            f"{price_text(event.last_px)} as {role}, fee ${money_text(event.fee)}; "
            f"{outcome_text(event)}"
        )
    word = kind.name.lower()
    if kind is ExecType.REPLACED:
        return f"{word}: {terms_text(event.terms)}; {outcome_text(event)}"
    return f"{word}: {outcome_text(event)}"


def _refused(event: e.OrderRejected) -> str:
    passed, failed = checks_passed(event.reason)
    before = f"after {', '.join(passed)}: " if passed else ""
    return f"refused {event.reason} ({before}{failed})"


def _cancel_refused(event: e.CancelRejected) -> str:
    what = "cancel" if event.response_to == "1" else "replace"
    return f"{what} {event.cl_ord_id} of {event.orig_cl_ord_id} refused {event.reason}"


def _status(event: e.StatusReported) -> str:
    return f"status asked: {event.reason or OrdStatus(event.ord_status).name.lower()}"


def _balance(event: e.BalanceChanged) -> str:
    return f"holds ${money_text(event.hold)} from now on ({event.why})"


_WORDS: Final[dict[type[Any], Callable[[Any], str]]] = {
    e.Execution: _execution,
    e.OrderRejected: _refused,
    e.CancelRejected: _cancel_refused,
    e.StatusReported: _status,
    e.BalanceChanged: _balance,
}


def event_text(event: e.Event) -> str:
    """What happened."""
    words = _WORDS.get(type(event))
    return words(event) if words is not None else type(event).__name__
