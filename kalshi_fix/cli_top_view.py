"""How `kalshi-fix top` looks: processes, flow, latency, sessions and books as tables.

Pure rendering of what was read; knows the names of metrics, not where they come from.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import frozen
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kalshi_fix.adapters.scrape import Change
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.fix.decimal_text import price_text, quantity_text
from kalshi_fix.services.depth import Depth

LEVELS: Final = 5  # of a side
SESSIONS_MAX: Final = 30
_ORDERS: Final = ("D", "F", "G")
_STAGES: Final = ("translate", "append", "exchange", "report")
_MEGA: Final = 1e6


@frozen
class Picture:
    """Everything that is shown."""

    settings: Settings
    changes: Mapping[str, Change]  # by process
    books: list[Depth]
    store_fault: str = ""

    @property
    def is_dead(self) -> bool:
        """Whether no process answers."""
        return all(change.after.fault for change in self.changes.values())

    @property
    def gateways(self) -> list[Change]:
        """Those that answer."""
        return self._of("gateway")

    @property
    def cores(self) -> list[Change]:
        """Those that answer."""
        return self._of("core")

    def _of(self, kind: str) -> list[Change]:
        found = [change for name, change in self.changes.items() if name.startswith(f"{kind}-")]
        return [change for change in found if not change.after.fault]


def render(picture: Picture) -> RenderableType:
    """The whole screen."""
    top = Columns([_processes(picture), _flow(picture), _latency(picture)], padding=(0, 2))
    parts: list[RenderableType] = [_headline(picture), top, _sessions(picture)]
    if picture.store_fault:
        parts.append(Text(f"books: {picture.store_fault}", "red"))
    elif picture.books:
        parts.append(Columns([_ladder(book) for book in picture.books], padding=(0, 2)))
    return Group(*parts)


def _headline(picture: Picture) -> Text:
    """What must be so: red where it is not."""
    text = Text()
    imbalance = sum(one.after.value("core_ledger_imbalance_cents") for one in picture.cores)
    oldest = max(
        (one.after.value("fixgw_oldest_unacked_seconds") for one in picture.gateways), default=0.0
    )
    stalled = any(one.after.value("fixgw_core_stalled") for one in picture.gateways)
    unacked = sum(one.after.value("fixgw_unacked_orders") for one in picture.gateways)
    signs = [
        ("store answers" if not picture.store_fault else "store away", not picture.store_fault)
    ]
    if picture.cores:
        signs.append((f"ledger imbalance {imbalance:g}", imbalance == 0))
    else:
        signs.append(("no core answers", False))
    if picture.gateways:
        signs.append((f"unanswered {unacked:.0f}, oldest {oldest:.1f} s", oldest < 1))
        signs.append(("core stalled" if stalled else "core moves", not stalled))
    else:
        signs.append(("no gateway answers", False))
    for words, is_good in signs:
        text.append(f" {words} ", "green" if is_good else "bold white on red")
        text.append("  ")
    return text


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right", no_wrap=True)
    return table


def _processes(picture: Picture) -> Table:
    table = _table("processes", "process", "cpu", "memory", "load")
    for name, change in picture.changes.items():
        after = change.after
        if after.fault:
            table.add_row(name, Text(after.fault, "red"), "", "")
            continue
        cpu = change.rate("process_cpu_seconds_total")
        memory = after.value("process_resident_memory_bytes") / _MEGA
        used = after.value("fixgw_capacity_used_ratio")
        table.add_row(name, f"{cpu:.0%}", f"{memory:.0f} MB", f"{used:.0%}")
    return table


def _flow(picture: Picture) -> Table:
    table = _table("flow, per second", "", "now")
    gateways = picture.gateways

    def total(name: str, **labels: str) -> float:
        return sum(one.rate(name, **labels) for one in gateways)

    rows = {
        "messages in/s": total("fixgw_messages_total", direction="in"),
        "messages out/s": total("fixgw_messages_total", direction="out"),
        "orders/s": total("fixgw_messages_total", direction="in", msg_type="D"),
        "rejected/s": total("fixgw_orders_total", result="rejected"),
        "errors/s": total("fixgw_orders_total", result="error"),
        "commands/s": sum(one.rate("core_commands_total") for one in picture.cores),
        "events/s": sum(one.rate("core_last_sequence") for one in picture.cores),
    }
    for name, value in rows.items():
        style = "bold red" if name == "errors/s" and value else ""
        table.add_row(name, Text(f"{value:,.0f}", style))
    resting = sum(one.after.value("core_orders_open") for one in picture.cores)
    table.add_row("orders resting", f"{resting:,.0f}")
    return table


def _latency(picture: Picture) -> Table:
    """Worst gateway of each."""
    table = _table("latency, gateway in to out", "", "p50", "p99", "mean")
    name = "fixgw_order_ack_seconds"
    for msg_type in _ORDERS:
        found = _worst(picture.gateways, name, msg_type=msg_type)
        table.add_row(msg_type, *map(_seconds, found))
    table.add_section()
    for stage in _STAGES:
        found = _worst(picture.gateways, "fixgw_stage_seconds", stage=stage)
        table.add_row(stage, *map(_seconds, found))
    return table


def _worst(changes: list[Change], name: str, **labels: str) -> tuple[float, float, float]:
    p50 = max((one.quantile(0.5, name, **labels) for one in changes), default=0.0)
    p99 = max((one.quantile(0.99, name, **labels) for one in changes), default=0.0)
    return p50, p99, max((one.mean(name, **labels) for one in changes), default=0.0)


def _seconds(value: float) -> str:
    if value == 0:
        return "-"
    if value == float("inf"):
        return "> 0.3 s"
    return f"{value * 1e3:.2f} ms"


def _sessions(picture: Picture) -> Table:
    """Those that are up or should be."""
    table = _table("sessions", "session", "role", "firm", "state", "waiting", "asked again")
    known = {session.name: session for session in picture.settings.sessions}
    total = shown = 0
    for change in picture.gateways:
        after = change.after
        queues = after.by("fixgw_outbound_queue_messages", "session")
        again = after.by("fixgw_resend_requests_total", "session", direction="in")
        expected = after.by("fixgw_session_expected", "session")
        for name, is_up in sorted(after.by("fixgw_session_up", "session").items()):
            total += 1
            session = known.get(name)
            if session is None or not (is_up or expected.get(name)) or shown >= SESSIONS_MAX:
                continue
            shown += 1
            state = Text("up", "green") if is_up else Text("missing", "bold red")
            counts = (f"{queues.get(name, 0):.0f}", f"{again.get(name, 0):.0f}")
            table.add_row(name, session.role, session.firm, state, *counts)
    table.caption = f"{shown} of {total} sessions are up, expected, and shown"
    return table


def _ladder(book: Depth) -> Table:
    """Best prices in the middle."""
    table = _table(f"{book.symbol} ({book.status})", "buy YES", "price", "sell YES")
    for level in reversed(book.offers.levels[:LEVELS]):
        quantity = Text(quantity_text(level.quantity), "red")
        table.add_row("", price_text(level.price), quantity)
    table.add_section()
    for level in book.bids.levels[:LEVELS]:
        table.add_row(Text(quantity_text(level.quantity), "green"), price_text(level.price), "")
    if not (book.bids.levels or book.offers.levels):
        table.add_row("", "empty", "")
    last = price_text(book.last_trade.price) if book.last_trade else "none"
    table.caption = _caption((("last", last), ("volume", quantity_text(book.volume))))
    return table


def _caption(pairs: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {value}" for name, value in pairs)
