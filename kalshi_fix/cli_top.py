"""``kalshi-fix top``: sessions, rates, latency and books of a running system, live in a terminal.

Reads /metrics of every process and the book snapshots in the store; changes nothing. With
``--once`` it prints one look and ends.
"""

import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.live import Live

from kalshi_fix.adapters.bus import BusError
from kalshi_fix.adapters.config import DEMO_CONFIG, ConfigError, load, with_port_offset
from kalshi_fix.adapters.paths import DataDir, DataDirError
from kalshi_fix.adapters.redis_bus import RedisBus
from kalshi_fix.adapters.redis_url import StoreUrlError
from kalshi_fix.adapters.roster import Roster
from kalshi_fix.adapters.scrape import Change, Look, look
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.adapters.store import Store
from kalshi_fix.cli_top_view import Picture, render
from kalshi_fix.processes.exit_codes import refuse
from kalshi_fix.processes.programs import programs
from kalshi_fix.services.depth import Depth
from kalshi_fix.services.market_data_format import INDEX_KEY, unpack_book, unpack_index

BOOKS: Final = 4  # shown where none are named
SUPERVISOR: Final = "supervisor"


def top(
    data: Annotated[Path, typer.Option(help="Data directory of the system.")] = Path("var"),
    config: Annotated[
        Path | None, typer.Option(help="Its configuration.", show_default="as it was started with")
    ] = None,
    port_offset: Annotated[
        int | None, typer.Option(help="Added to every port.", show_default="as it was started with")
    ] = None,
    market: Annotated[
        list[str] | None, typer.Option("--market", "-m", help="Show this book. Repeatable.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.2, help="Between two looks.")] = 1.0,
    *,
    once: Annotated[bool, typer.Option("--once", help="Print one look and end.")] = False,
) -> None:
    """Watch a running exchange."""
    try:
        directory = DataDir.find(data)
        started_config, started_offset = directory.started_with()
        offset = started_offset if port_offset is None else port_offset
        loaded = with_port_offset(load(config or started_config or DEMO_CONFIG), offset)
        settings = Roster.load(directory.roster).apply(loaded)
        viewer = Viewer(settings, Store.of(settings.store, directory), market or [])
    except (ConfigError, DataDirError, StoreUrlError) as error:
        raise typer.Exit(refuse(str(error))) from error
    console = Console()
    viewer.turn()
    time.sleep(seconds)
    if once:
        picture = viewer.turn()
        console.print(render(picture))
        raise typer.Exit(1 if picture.is_dead else 0)
    with Live(render(viewer.turn()), console=console, screen=True, auto_refresh=False) as live:
        while True:
            try:
                time.sleep(seconds)
            except KeyboardInterrupt:
                return
            live.update(render(viewer.turn()), refresh=True)


class Viewer:
    """Looks at a system again and again."""

    def __init__(self, settings: Settings, store: Store, symbols: list[str]) -> None:
        self._settings = settings
        self._symbols = symbols
        self._ports = {
            program.name: program.port
            for program in programs(settings, (), demo_flow=False)
            if program.port
        }
        self._ports[SUPERVISOR] = settings.metrics.supervisor
        self._buses = [store.bus(shard) for shard in settings.core.shards]
        self._before: dict[str, Look] = {}

    def turn(self) -> Picture:
        """One look at everything."""
        host = self._settings.metrics.host
        after = {name: look(host, port) for name, port in self._ports.items()}
        before, self._before = self._before or after, after
        changes = {name: Change(before[name], now) for name, now in after.items()}
        books: list[Depth] = []
        fault = ""
        for bus in self._buses:
            try:
                books.extend(self._books(bus))
            except BusError as error:
                fault = str(error)
        return Picture(self._settings, changes, self._chosen(books), fault)

    def _books(self, bus: RedisBus) -> list[Depth]:
        symbols = self._symbols or unpack_index(bus.get_books([INDEX_KEY]).get(INDEX_KEY))
        return [unpack_book(packed) for packed in bus.get_books(symbols).values()]

    def _chosen(self, books: list[Depth]) -> list[Depth]:
        """Those named, else those with the latest trade or the most levels."""
        if self._symbols:
            return books
        busy = sorted(books, key=lambda book: (-book.volume, -len(book.bids.levels), book.symbol))
        return busy[:BOOKS]
