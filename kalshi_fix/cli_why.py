"""`kalshi-fix why CLORDID`: an order's whole life on one page.

Who sent it, which checks it passed, what it traded with, what each side was told, and when. All of
it is read from the audit trail and the archive; the system may run or not.
"""

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from kalshi_fix.adapters.archive import ArchiveError
from kalshi_fix.adapters.audit.segments import AuditError
from kalshi_fix.adapters.audit.wire import fields_of
from kalshi_fix.adapters.config import ConfigError
from kalshi_fix.adapters.dictionaries import client_dictionary
from kalshi_fix.fix.decimal_text import money_text, price_text, quantity_text
from kalshi_fix.fix.dictionary import Dictionary
from kalshi_fix.fix.readable import shown
from kalshi_fix.model import NANOS
from kalshi_fix.processes.audit_life import Biographer, Fill, Life, Step
from kalshi_fix.processes.audit_system import WIRE, System
from kalshi_fix.processes.audit_words import terms_text

WIDTH: Final = 180  # where the output is no terminal
_TELLING: Final = (150, 39, 17, 32, 31, 434, 102, 380, 58)
_STYLES: Final = {"edge": "cyan", "gateway": "blue", "store": "yellow", "core": "green"}


def why(
    cl_ord_id: Annotated[str, typer.Argument(help="ClOrdID (11), any it ever had.")],
    *,
    data: Annotated[Path, typer.Option(help="Data directory of the system.")] = Path("var"),
    config: Annotated[Path | None, typer.Option(help="Configuration of the system.")] = None,
    firm: Annotated[str, typer.Option(help="Only this firm's order of that name.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Tells an order's whole life."""
    try:
        system = System.find(data, config)
        histories, notes = system.histories()
        found = Biographer(histories, system.chains(*WIRE), system.firms).lives(cl_ord_id)
    except (AuditError, ArchiveError, ConfigError, OSError) as error:
        typer.echo(f"kalshi-fix: {error}", err=True)
        raise typer.Exit(2) from error
    for life in found:
        unknown = "not known: the store does not run" if notes else "never reached the exchange"
        life.outcome = life.outcome or unknown
    lives = [life for life in found if firm in {"", life.firm}]
    for note in notes:
        typer.echo(note, err=True)
    if not lives:
        typer.echo(f"no order has the ClOrdID {cl_ord_id}", err=True)
        raise typer.Exit(1)
    if as_json:
        typer.echo(json.dumps([_plain(life) for life in lives], indent=2))
        return
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    dictionary = client_dictionary()
    for life in lives:
        console.print(_page(life, dictionary))


def utc_text(at: int) -> str:
    """A time to the microsecond, UTC."""
    moment = datetime.fromtimestamp(at // NANOS, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{at % NANOS // 1_000:06d}"


# --- the page ------------------------------------------------------------------------------------


def _page(life: Life, dictionary: Dictionary) -> Group:
    order = f"OrderID {', '.join(sorted(life.orders))}" if life.orders else "no OrderID"
    head = Text()
    head.append(f"{life.cl_ord_id}", style="bold")
    head.append(f"  {life.session or 'nobody'} of {life.firm}  {order}\n")
    if life.terms is not None:
        head.append(f"{terms_text(life.terms)}\n")
    others = sorted(life.ids - {life.cl_ord_id})
    if others:
        head.append(f"also known as {', '.join(others)}\n")
    head.append(life.outcome, style="bold")
    parts: list[Any] = [head, _timeline(life.steps, dictionary)]
    if life.fills:
        parts.append(_fills(life.fills))
    return Group(*parts)


def _timeline(steps: list[Step], dictionary: Dictionary) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("UTC", no_wrap=True)
    table.add_column("+ms", justify="right", no_wrap=True)
    table.add_column("where", no_wrap=True)
    table.add_column("what", overflow="fold")
    before = steps[0].at if steps else 0
    day = ""
    for step in steps:
        date, _, clock = utc_text(step.at).partition(" ")
        if date != day:
            table.add_row(f"[dim]{date}[/]", "", "", "")
            day = date
        style = _STYLES.get(step.where.partition(" ")[0], "")
        text = step.what + (f": {_message(step.fix, dictionary)}" if step.fix else "")
        table.add_row(clock, f"{(step.at - before) / 1e6:.3f}", Text(step.where, style), Text(text))
        before = step.at
    return table


def _message(text: str, dictionary: Dictionary) -> str:
    """A message's name and what it says."""
    fields = fields_of(text)
    known = dictionary.messages.get(fields.get(35, ""))
    parts = [known.name if known is not None else f"message {fields.get(35, '?')}"]
    for tag in _TELLING:
        if tag in fields:
            meaning = dictionary.meaning(tag, fields[tag]) if tag in {150, 39} else ""
            parts.append(f"{dictionary.name(tag)}={meaning or shown(tag, fields[tag])}")
    return " ".join(parts)


def _fills(fills: Iterable[Fill]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="traded with", title_justify="left")
    for name in ("trade", "quantity", "price", "fee", "as", "other side", "its order"):
        table.add_column(name, no_wrap=True)
    for fill in fills:
        other = fill.other
        table.add_row(
            str(fill.trade_id),
            quantity_text(fill.event.last_qty),
            price_text(fill.event.last_px),
            f"${money_text(fill.event.fee)}",
            "maker" if fill.event.liquidity == 1 else "taker",
            f"{other.terms.session} of {other.firm}" if other else "",
            f"{other.terms.order_id} ({other.cl_ord_id})" if other else "",
        )
    return table


# --- for programs --------------------------------------------------------------------------------


def _plain(life: Life) -> dict[str, Any]:
    return {
        "cl_ord_id": life.cl_ord_id,
        "firm": life.firm,
        "session": life.session,
        "cl_ord_ids": sorted(life.ids),
        "order_ids": sorted(life.orders),
        "order": terms_text(life.terms) if life.terms else "",
        "outcome": life.outcome,
        "steps": [_plain_step(step) for step in life.steps],
        "fills": [_plain_fill(fill) for fill in life.fills],
    }


def _plain_step(step: Step) -> dict[str, Any]:
    row = {"at": utc_text(step.at), "at_ns": step.at, "where": step.where, "what": step.what}
    if step.session:
        row["session"] = step.session
    if step.fix:
        row["fix"] = step.fix.replace("\x01", "|")
    return row


def _plain_fill(fill: Fill) -> dict[str, Any]:
    row: dict[str, Any] = {
        "trade_id": fill.trade_id,
        "at": utc_text(fill.at),
        "quantity": quantity_text(fill.event.last_qty),
        "price": price_text(fill.event.last_px),
        "fee": money_text(fill.event.fee),
    }
    if fill.other is not None:
        row["other_session"] = fill.other.terms.session
        row["other_order_id"] = fill.other.terms.order_id
        row["other_cl_ord_id"] = fill.other.cl_ord_id
    return row
