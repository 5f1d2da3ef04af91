"""What a person sees of ``kalshi-fix run``: progress, the table of sessions and ports, READY.

Writes to standard output and decides nothing.
"""

import sys
from collections.abc import Iterable
from typing import Final, TextIO

from rich.console import Console
from rich.table import Table

from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.settings import SessionSettings, Settings

PLAIN_WIDTH: Final = 110  # where there is no terminal to ask
_LOAD_ROWS_MAX: Final = 3  # more numbered sessions of a firm are shown as one row


class Screen:
    """Standard output."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        width = None if stream.isatty() else PLAIN_WIDTH
        self._console = Console(file=stream, width=width, highlight=False, soft_wrap=False)

    def progress(self, text: str) -> None:
        """One line about what happens now."""
        self._console.print(text, markup=False)
        self._console.file.flush()

    def ready(self, settings: Settings, data: DataDir) -> None:
        """The table, and the line that starts with READY."""
        self._console.print(_sessions_table(settings))
        metrics = settings.metrics
        self.progress(
            f"health and metrics on {metrics.host}: supervisor {metrics.supervisor}, core "
            f"{metrics.core}, gateway {metrics.gateway}, market data {metrics.marketdata}, "
            f"edge {metrics.edge}"
        )
        self.progress(f"data: {data.root}   logs: {data.logs}   Ctrl-C stops everything")
        ports = sorted({(_port(settings, one), one.role) for one in settings.sessions})
        named = ", ".join(f"{role} {port}" for port, role in ports)
        self.progress(f"READY on {settings.edge.host}: {named}")


def _port(settings: Settings, session: SessionSettings) -> int:
    return session.port or settings.edge.ports[session.role]


def _sessions_table(settings: Settings) -> Table:
    table = Table(title="FIX 4.4 sessions", title_justify="left")
    for heading in ("SenderCompID", "TargetCompID", "Port", "Firm", "Accounts", "Lane"):
        table.add_column(heading, no_wrap=True)
    for sessions in _folded(settings.sessions):
        first, last = sessions[0], sessions[-1]
        several = len(sessions) > 1
        accounts = first.accounts[:1] + last.accounts[:1] if several else first.accounts
        table.add_row(
            f"{first.sender_comp_id} .. {last.sender_comp_id}" if several else first.sender_comp_id,
            first.target_comp_id,
            str(_port(settings, first)),
            first.firm,
            (" .. " if several else ", ").join(accounts) or "-",
            ", ".join(sorted({session.lane for session in sessions})),
        )
    return table


def _folded(sessions: Iterable[SessionSettings]) -> list[list[SessionSettings]]:
    """Runs of sessions that differ in a number and their lane, as one row where there are many."""
    groups: list[list[SessionSettings]] = []
    for session in sessions:
        if groups and _alike(groups[-1][-1], session):
            groups[-1].append(session)
        else:
            groups.append([session])
    rows = []
    for group in groups:
        rows.extend([group] if len(group) > _LOAD_ROWS_MAX else [[one] for one in group])
    return rows


def _alike(one: SessionSettings, other: SessionSettings) -> bool:
    def shape(session: SessionSettings) -> tuple[str, ...]:
        letters = "".join("#" if c.isdigit() else c for c in session.sender_comp_id)
        return letters, session.target_comp_id, session.firm, str(session.port)

    return shape(one) == shape(other)
