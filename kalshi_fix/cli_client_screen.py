"""What the interactive client shows: messages in a line or in full, orders, markets and the book.

Several threads print; a line never breaks into what a person is typing. Knows nothing of sessions.
"""

import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.table import Column, Table

from kalshi_fix.cli_client_requests import SIDE_NAMES, KnownOrder
from kalshi_fix.fix import readable
from kalshi_fix.fix.dictionary import Dictionary
from kalshi_fix.fix.message import FixMessage

WIDTH_WITHOUT_TERMINAL: Final = 160
_REFUSALS: Final = frozenset({"3", "9", "j", "Y", "5"})
_HEADER: Final = frozenset({8, 9, 10, 34, 35, 49, 56})
_STATUS: Final = {
    "0": "open",
    "1": "partly filled",
    "2": "filled",
    "4": "cancelled",
    "8": "rejected",
    "C": "expired",
}
_ACTIONS: Final = {"0": "(new)", "1": "", "2": "(gone)"}
_ENTRY_NAMES: Final = {
    "0": "bid",
    "1": "offer",
    "2": "trade",
    "B": "volume",
    "C": "open interest",
}


class Screen:
    """Prints. ``prompt`` is written again after what came in between."""

    def __init__(self, dictionary: Dictionary, *, interactive: bool) -> None:
        self.prompt = ""
        self.full = False
        self._dictionary = dictionary
        self._interactive = interactive
        self._lock = threading.Lock()
        width = None if interactive else WIDTH_WITHOUT_TERMINAL
        self._console = Console(width=width, highlight=False, soft_wrap=True)

    def say(self, text: str, style: str = "") -> None:
        """One line of plain text."""
        self._print(lambda: self._console.print(text, style=style or None, markup=False))

    def message(self, message: FixMessage, *, outgoing: bool = False) -> None:
        """A FIX message: one telling line, or all its fields."""
        arrow = "->" if outgoing else "<-"
        lines = [f"{arrow} {readable.summary(message, self._dictionary)}"]
        if self.full:
            fields = [(tag, value) for tag, value in message.fields if tag not in _HEADER]
            rows = list(readable.rows(message.msg_type, fields, self._dictionary))
            title = f"{arrow} {readable.title(message.msg_type, self._dictionary)}"
            lines = readable.table(title, rows)
        self.say("\n".join(lines), _style(message, outgoing=outgoing))

    def orders(self, orders: Iterable[KnownOrder]) -> None:
        """A table of orders."""
        table = Table(
            "#", "order", "market", "side", "quantity", "price", "filled", "open", "state"
        )
        for order in orders:
            table.add_row(
                str(order.number),
                order.cl_ord_id,
                order.symbol,
                SIDE_NAMES.get(order.side, order.side),
                order.quantity,
                order.price or "market",
                f"{order.filled} @ {order.average}",
                order.open,
                _STATUS.get(order.status, order.status),
            )
        self._print(lambda: self._console.print(table))

    def positions(self, reports: Iterable[FixMessage]) -> None:
        """A table of position reports (AP)."""
        table = Table("account", "market", "holds", "contracts", "price", "value")
        for report in reports:
            short = report.get(705)
            table.add_row(
                report.get(1),
                report.get(55),
                "NO" if short else "YES",
                short or report.get(704),
                report.get(730),
                report.get(708),
            )
        if not table.row_count:
            table.add_row("none")
        self._print(lambda: self._console.print(table))

    def cash(self, reports: Iterable[FixMessage]) -> None:
        """A table of collateral reports (BA)."""
        table = Table("account", "free cash", "cash", "with positions")
        for report in reports:
            table.add_row(*(report.get(tag) for tag in (1, 899, 901, 900)))
        self._print(lambda: self._console.print(table))

    def markets(self, lists: Sequence[FixMessage]) -> None:
        """A table of markets from SecurityList messages."""
        table = Table("market", "title", Column("about", overflow="fold"))
        for message in lists:
            row: dict[int, str] = {}
            for tag, value in message.fields:
                if tag == 55 and row:
                    table.add_row(row.get(55), row.get(107), row.get(58))
                    row = {}
                if tag in {55, 107, 58}:
                    row[tag] = value
            if row:
                table.add_row(row.get(55), row.get(107), row.get(58))
        self._print(lambda: self._console.print(table))

    def book(self, snapshot: FixMessage) -> None:
        """A book as a ladder, best prices in the middle, from a full refresh (W)."""
        entries = _entries(snapshot)
        bids = [entry for entry in entries if entry[269] == "0"]
        offers = [entry for entry in entries if entry[269] == "1"]
        table = Table(title=snapshot.get(55), caption=_totals(entries), title_justify="left")
        for column in ("orders", "buy YES", "price", "sell YES", "orders"):
            table.add_column(column, justify="right")
        for entry in reversed(offers):
            table.add_row("", "", entry[270], f"[red]{entry[271]}[/]", entry.get(346, ""))
        table.add_section()
        for entry in bids:
            table.add_row(entry.get(346, ""), f"[green]{entry[271]}[/]", entry[270], "", "")
        if not bids and not offers:
            table.add_row("", "", "empty", "", "")
        self._print(lambda: self._console.print(table))

    def changes(self, message: FixMessage) -> None:
        """What an incremental refresh (X) changes, a line each."""
        for entry in _entries(message, 279):
            action = _ACTIONS.get(entry[279], entry[279])
            name = _ENTRY_NAMES.get(entry.get(269, ""), entry.get(269, ""))
            price = f" @ {entry[270]}" if 270 in entry else ""
            text = f"<- {entry.get(55, '')} {name} {entry.get(271, '')}{price} {action}"
            self.say(text, "green" if name == "trade" else "dim")

    def _print(self, work: Callable[[], None]) -> None:
        with self._lock:
            if self._interactive and self.prompt:
                sys.stdout.write("\r\x1b[K")
            work()
            if self._interactive and self.prompt:
                sys.stdout.write(self.prompt)
            sys.stdout.flush()


def _style(message: FixMessage, *, outgoing: bool) -> str:
    if outgoing:
        return "dim"
    if message.msg_type in _REFUSALS or message.get(150) == "8":
        return "red"
    return "green" if message.get(150) == "F" else ""


def _entries(message: FixMessage, first_tag: int = 269) -> list[dict[int, str]]:
    found: list[dict[int, str]] = []
    for tag, value in message.fields:
        if tag == first_tag:
            found.append({})
        if found:
            found[-1][tag] = value
    return found


def _totals(entries: list[dict[int, str]]) -> str:
    words = {"2": "last", "B": "volume", "C": "open interest"}
    found = []
    for entry in entries:
        name = words.get(entry[269])
        if name == "last":
            found.append(f"last {entry.get(271, '')} @ {entry[270]}")
        elif name:
            found.append(f"{name} {entry[271]}")
    return ", ".join(found)
