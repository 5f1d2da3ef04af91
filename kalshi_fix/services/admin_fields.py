"""How each field of an operator's request is read: names, texts, lists, decimal numbers.

Requests come as JSON; numbers travel as text, because a JSON number may have passed through a
float. A reader returns the value in ``kalshi_fix.model`` units or raises ``InvalidValueError``.
It must not know which operation it reads for.
"""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

from attrs import frozen

from kalshi_fix.model import PRICE_UNIT, Role
from kalshi_fix.services import admin_values as v
from kalshi_fix.services.admin_values import InvalidValueError

Reader = Callable[[object], Any]

TEXT_MAX: Final = 1_000  # characters of a reason, a title, a piece of evidence
REQUIRED: Final = object()
MULTIPLIER_PLACES: Final = 2


@frozen
class Field:
    """One field of a command: how it is read, and what it is when not given."""

    name: str
    read: Reader
    default: object = REQUIRED


# --- readers made of a rule -----------------------------------------------------------------------


def matching(pattern: str, what: str) -> Reader:
    """Text of the form given, called ``what`` in the error."""
    form = re.compile(pattern)

    def read(value: object) -> str:
        if not isinstance(value, str) or not form.fullmatch(value):
            raise InvalidValueError(f"{value!r} is not {what}")
        return value

    return read


def one_of(*allowed: str) -> Reader:
    """One of the words given."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise InvalidValueError(f"{value!r} is not one of {', '.join(allowed)}")
        return value

    return read


def number(parse: Callable[[str], int], least: int = 0) -> Reader:
    """Text read by ``parse``, at least ``least`` afterwards."""

    def read(value: object) -> int:
        if not isinstance(value, str):
            raise InvalidValueError(f'{value!r} must be text, like "1.25"')
        found = parse(value)
        if found < least:
            raise InvalidValueError(f"{value!r} is too small")
        return found

    return read


def listed(read_item: Reader, example: str) -> Reader:
    """A list of what ``read_item`` reads."""

    def read(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise InvalidValueError(f"{value!r} is not a list like {example}")
        return tuple(read_item(item) for item in value)

    return read


# --- the readers ----------------------------------------------------------------------------------


def text(value: object) -> str:
    """Printable text; control characters would forge lines in logs."""
    if not isinstance(value, str) or not value.isprintable() or len(value) > TEXT_MAX:
        raise InvalidValueError(f"text is at most {TEXT_MAX} printable characters")
    return value


def truth(value: object) -> bool:
    """Yes or no, as a JSON truth value or a word."""
    found = value if isinstance(value, bool) else {"yes": True, "no": False}.get(str(value))
    if found is None:
        raise InvalidValueError(f"{value!r} is not yes or no")
    return found


def _outcome(written: str) -> int:
    """YES, NO, or a partial payout per contract in dollars."""
    named = {"YES": PRICE_UNIT, "NO": 0}.get(written.upper())
    return v.parse_price(written) if named is None else named


def price_ranges(value: object) -> tuple[tuple[int, int, int], ...]:
    """Ticks as a list of ``START:END:STEP``: ascending, touching, inside 0..1 dollar."""
    if not isinstance(value, list | tuple) or not value:
        raise InvalidValueError(f"{value!r} is not a list like ['0.01:0.99:0.01']")
    ranges = tuple(v.parse_price_range(text(item)) for item in value)
    if not all(0 < start < end < PRICE_UNIT for start, end, _ in ranges):
        raise InvalidValueError("a price range lies inside 0..1 dollar")
    if any(before[1] != after[0] for before, after in pairwise(ranges)):
        raise InvalidValueError("every price range starts where the one before ends")
    return ranges


name: Final = matching(r"[!-~]{1,64}", "a name (1 to 64 printable characters, no space)")
optional_name: Final = matching(r"[!-~]{0,64}", "a name, or nothing")
symbol: Final = matching(r"[A-Z0-9.-]{1,64}", "a symbol ([A-Z0-9.-], at most 64)")
jurisdiction: Final = matching(r"[A-Z0-9-]{0,16}", "a jurisdiction like US or US-NY")
entry_id: Final = matching(
    r"[0-9]{1,20}-[0-9]{1,20}", "an entry of the command stream like 1765900000000-0"
)
flag: Final = truth
pem: Final = matching(r"[\x20-\x7e\n]{1,4000}", "a public key in PEM")
msg_types: Final = listed(matching(r"[A-Za-z0-9]{1,3}", "a MsgType like D or AF"), "['D', 'F']")
symbols: Final = listed(
    matching(r"[A-Z0-9.-]{1,64}\*?", "a symbol or a prefix with * behind it"), "['KXFED*']"
)
names: Final = listed(name, "['ALPHA-1']")
roles: Final = listed(one_of(*Role), "['NR', 'DC']")
price: Final = number(v.parse_price)
quantity: Final = number(v.parse_quantity)
money: Final = number(v.parse_money, least=1)
seconds: Final = number(v.parse_seconds)
instant: Final = number(v.parse_time)
count: Final = number(v.parse_count)
place: Final = number(  # of a command in its entry; -1 = the whole entry cannot be read
    lambda written: -1 if written == "-1" else v.parse_count(written), least=-1
)
identity: Final = number(v.parse_identity, least=1)
outcome: Final = number(_outcome)
rate: Final = number(lambda written: v.parse_decimal(written, v.RATE_PLACES))
rate_or_rebate: Final = number(
    lambda written: v.parse_decimal(written, v.RATE_PLACES), least=-(10**v.RATE_PLACES)
)
multiplier: Final = number(lambda written: v.parse_decimal(written, MULTIPLIER_PLACES))
jurisdictions: Final = listed(jurisdiction, "['US-NY']")

LIMIT_VALUES: Final[dict[str, tuple[Callable[[str], int], Callable[[int], str]]]] = {
    "order_size": (v.parse_quantity, v.format_quantity),
    "order_value": (v.parse_money, v.format_money),
    "open_orders": (v.parse_count, str),
    "position": (v.parse_quantity, v.format_quantity),
    "exposure": (v.parse_money, v.format_money),
    "price_distance": (v.parse_price, v.format_price),
}


def limits(value: object) -> dict[str, int]:
    """A table of limits by name, as ``SetLimits`` wants them; "0" takes one off."""
    if not isinstance(value, dict) or not value:
        raise InvalidValueError("limits is a table like {'order_size': '100'}")
    unknown = sorted(str(key) for key in value if key not in LIMIT_VALUES)
    if unknown:
        raise InvalidValueError(f"no limit {unknown[0]!r}; there are {', '.join(LIMIT_VALUES)}")
    return {key: LIMIT_VALUES[key][0](text(amount)) for key, amount in value.items()}
