"""`kalshi-fix audit`: verify the audit trail, show an order, export, replay, look after it.

Reads files; only `replay` and `show` also ask the store, for what is not archived yet, and only
`tend` writes.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kalshi_fix.adapters.archive import ArchiveError
from kalshi_fix.adapters.audit.search import find
from kalshi_fix.adapters.audit.segments import AuditError
from kalshi_fix.adapters.audit.verify import Report
from kalshi_fix.adapters.bus import BusError
from kalshi_fix.adapters.config import ConfigError
from kalshi_fix.adapters.units import instant
from kalshi_fix.cli_audit_files import WRITERS, write
from kalshi_fix.processes.audit_check import check, published_by
from kalshi_fix.processes.audit_export import rows, rows_of
from kalshi_fix.processes.audit_replay import replay
from kalshi_fix.processes.audit_system import WIRE, System
from kalshi_fix.processes.audit_tend import tend

if TYPE_CHECKING:
    from kalshi_fix.adapters.audit.records import Record

LOWEST: Final = 19  # priority
FAULT: Final = 1
UNUSABLE: Final = 2

app = typer.Typer(no_args_is_help=True, help="The audit trail: verify, show, export, replay.")

Data = Annotated[Path, typer.Option(help="Data directory of the system.")]
Config = Annotated[Path | None, typer.Option(help="Configuration of the system.")]
Chain = Annotated[list[str] | None, typer.Option(help="Only this chain. Repeatable.")]
DEFAULT_DATA: Final = Path("var")


def _system(data: Path, config: Path | None) -> System:
    try:
        return System.find(data, config)
    except (AuditError, ConfigError) as error:
        raise _unusable(error) from error


def _unusable(error: Exception) -> typer.Exit:
    typer.echo(f"kalshi-fix: {error}", err=True)
    return typer.Exit(UNUSABLE)


def _chosen(system: System, names: list[str] | None, *otherwise: str) -> list[Path]:
    found = system.chains(*(() if names else otherwise))
    if not names:
        return found
    unknown = sorted(set(names) - {path.name for path in found})
    if unknown:
        there = ", ".join(path.name for path in found)
        raise _unusable(AuditError(f"no chain is called {unknown[0]}; there are {there}"))
    return [path for path in found if path.name in names]


@app.command("verify")
def verify_command(
    *,
    data: Data = DEFAULT_DATA,
    config: Config = None,
    chain: Chain = None,
    heads: Annotated[
        list[Path] | None,
        typer.Option(help="Log files kept elsewhere, with published heads. Repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Verify every hash, number, seal and published head; exit code 1 if anything was changed."""
    system = _system(data, config)
    root = system.data.root
    try:
        published = published_by(root, heads or ())
        reports = [check(root, path, published) for path in _chosen(system, chain)]
    except OSError as error:
        raise _unusable(error) from error
    if as_json:
        typer.echo(json.dumps([_plain(report) for report in reports], indent=2))
    else:
        for report in reports:
            _show(report)
    if not reports or any(report.faults for report in reports):
        raise typer.Exit(FAULT)


def _show(report: Report) -> None:
    state = "DAMAGED" if report.faults else "good"
    typer.echo(
        f"{report.chain}: {state}, {report.records:,} records in {report.segments} segments, "
        f"{report.published} published heads agree, head {report.head.hex()[:16]}"
    )
    for fault in report.faults:
        typer.echo(f"  FAULT {fault}")
    for note in report.notes:
        typer.echo(f"  note  {note}")


def _plain(report: Report) -> dict[str, Any]:
    return {
        "chain": report.chain,
        "good": not report.faults,
        "records": report.records,
        "segments": report.segments,
        "last": report.last,
        "head": report.head.hex(),
        "published": report.published,
        "faults": report.faults,
        "notes": report.notes,
    }


@app.command()
def show(
    *,
    order: Annotated[str, typer.Option(help="ClOrdID or OrderID.")],
    data: Data = DEFAULT_DATA,
    config: Config = None,
    chain: Chain = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per message.")] = False,
) -> None:
    """Show every message that names an order, both directions, in the order of time."""
    system = _system(data, config)
    chains = _chosen(system, chain, *WIRE)
    try:
        found: list[Record] = [record for path in chains for record in find(path, [order])]
    except (AuditError, OSError) as error:
        raise _unusable(error) from error
    found.sort(key=lambda record: record.at)
    if not found:
        typer.echo(f"no message names {order}", err=True)
        raise typer.Exit(FAULT)
    for record in found:
        for row in rows_of(record, system.firms, {order}):
            if as_json:
                typer.echo(json.dumps(row))
            else:
                arrow = "->" if row["direction"] == "to exchange" else "<-"
                typer.echo(
                    f"{row['at']} {row['chain']} #{row['sequence']} {row['session']} {arrow} "
                    f"{row['raw']}"
                )


@app.command()
def export(
    *,
    out: Annotated[Path, typer.Option(help="File to write; must not be there yet.")],
    form: Annotated[str, typer.Option("--format", help="jsonl, csv or parquet.")] = "jsonl",
    data: Data = DEFAULT_DATA,
    config: Config = None,
    chain: Chain = None,
    since: Annotated[str, typer.Option(help="Like 2026-12-16T00:00:00Z.")] = "",
    until: Annotated[str, typer.Option(help="The first moment not to be exported.")] = "",
) -> None:
    """Write messages and all other records as a table; all chains unless some are named."""
    if form not in WRITERS:
        raise typer.BadParameter(
            f"{form} is not one of {', '.join(WRITERS)}", param_hint="--format"
        )
    system = _system(data, config)
    try:
        times = [instant(text) if text else 0 for text in (since, until)]
        count = write(form, out, rows(_chosen(system, chain), system.firms, *times))
    except (AuditError, ValueError, OSError) as error:
        raise _unusable(error) from error
    typer.echo(f"{count:,} rows in {out}")


@app.command("replay")
def replay_command(*, data: Data = DEFAULT_DATA, config: Config = None) -> None:
    """Rebuild the exchange from its commands and compare every hash with what was said then."""
    system = _system(data, config)
    histories, notes = system.histories()
    for note in notes:
        typer.echo(note, err=True)
    failed = False
    for index, history in enumerate(histories):
        try:
            result = replay(history, index)
        except (ArchiveError, BusError, OSError) as error:
            raise _unusable(error) from error
        failed = failed or bool(result.fault)
        typer.echo(
            f"{result.shard}: {result.commands:,} commands, {result.events:,} events, "
            f"{result.compared:,} hashes compared, state {result.state_hash.hex()}: "
            f"{result.fault or 'the same'}"
        )
    if failed:
        raise typer.Exit(FAULT)


@app.command("tend")
def tend_command(
    *,
    data: Data = DEFAULT_DATA,
    keep_days: Annotated[
        int, typer.Option(min=0, help="Remove sealed wire segments older than this; 0 = none.")
    ] = 0,
) -> None:
    """Index what is complete, so that an order is found at once, and remove what is too old."""
    os.nice(LOWEST)
    try:
        done = tend(data, keep_days)
    except (AuditError, ArchiveError, OSError) as error:
        raise _unusable(error) from error
    if done.indexed or done.removed:
        typer.echo(f"{done.indexed} segments indexed, {done.removed} removed")
