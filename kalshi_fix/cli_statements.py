"""``kalshi-fix statements``: each firm's start-of-day files and end-of-day statements.

To be run after midnight in New York, by a timer or by hand; it publishes every day that is not
published yet, and running it again changes nothing. It needs the archive, and the store for the
newest events.
"""

from pathlib import Path
from typing import Annotated

import typer

from kalshi_fix.adapters.archive import ArchiveError
from kalshi_fix.adapters.bus import BusError
from kalshi_fix.adapters.config import DEMO_CONFIG, ConfigError, load
from kalshi_fix.adapters.paths import DataDir, DataDirError
from kalshi_fix.adapters.redis_url import StoreUrlError
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.adapters.store import Store
from kalshi_fix.processes.core_archive import Archive
from kalshi_fix.processes.event_history import HistoryError, ShardHistory
from kalshi_fix.processes.exit_codes import refuse
from kalshi_fix.processes.statements import Publisher
from kalshi_fix.services.statement_books import BooksError


def statements(
    data: Annotated[Path, typer.Option(help="Data directory of the system.")] = Path("var"),
    config: Annotated[
        Path, typer.Option(help="Configuration file.", show_default="the demo system")
    ] = DEMO_CONFIG,
    out: Annotated[
        Path | None, typer.Option(help="Where to.", show_default="statements in the data directory")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Begin with the first event, not the last midnight.")
    ] = False,
) -> None:
    """Publish start-of-day files and end-of-day statements of every firm (CSV, JSON, text)."""
    try:
        directory = DataDir.find(data)
        histories = _histories(load(config), directory)
    except (ConfigError, DataDirError, StoreUrlError) as error:
        raise typer.Exit(refuse(str(error))) from error
    try:
        publisher = Publisher(out or directory.root / "statements", histories, again=again)
        publisher.run()
    except (ArchiveError, BooksError, BusError, HistoryError, OSError) as error:
        raise typer.Exit(refuse(f"statements: {error}")) from error
    finally:
        for history in histories:
            history.close()
    for path in publisher.published:
        typer.echo(path)
    typer.echo(f"{len(publisher.published)} published; the exchange is in {publisher.current}")


def _histories(settings: Settings, data: DataDir) -> list[ShardHistory]:
    store = Store.of(settings.store, data)
    return [
        ShardHistory(store.bus(shard), Archive(data.archive(shard)).events)
        for shard in settings.core.shards
    ]
