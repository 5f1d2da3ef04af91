"""What an operator's command is answered: a reason, "" when it was carried out, and a detail.

The reasons are stable words of the admin service; they never reach a FIX client.
"""

from enum import StrEnum
from typing import Final


class AdminReason(StrEnum):
    """Why an operator's command was refused. A closed list."""

    UNKNOWN_NAME = "UNKNOWN_NAME"
    INVALID_VALUE = "INVALID_VALUE"
    WRONG_STATE = "WRONG_STATE"
    SAME_OPERATOR = "SAME_OPERATOR"
    NOT_CONFIRMED = "NOT_CONFIRMED"
    INSUFFICIENT_BALANCE = "INSUFFICIENT_BALANCE"
    TRADE_NOT_FOUND = "TRADE_NOT_FOUND"
    ORDER_NOT_FOUND = "ORDER_NOT_FOUND"
    OFF_GRID = "OFF_GRID"
    REQUEST_TOO_OLD = "REQUEST_TOO_OLD"
    REQUEST_ID_USED = "REQUEST_ID_USED"


Answer = tuple[str, str]
DONE: Final[Answer] = ("", "")
