"""The start-of-day checks: what the shards' events tell, and what store, processes and disk say.

Always answers: what cannot be asked is a fault of its own. Changes nothing.
"""

import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from kalshi_fix.adapters.bus import BusError
from kalshi_fix.adapters.trading_day import trading_day
from kalshi_fix.processes.admin_shard import ShardLink
from kalshi_fix.processes.admin_status import status_row
from kalshi_fix.services.admin_checks import FAULT, OK, WARN, check_row, checks_of
from kalshi_fix.services.admin_reads import Row, collapse

LAG_ENTRIES_MAX: Final = 1_000
DISK_WARN_PERCENT: Final = 15  # free
DISK_FAULT_PERCENT: Final = 5


def check_rows(
    links: Iterable[ShardLink], ready: Callable[[], str], disk: Path, seconds: float
) -> list[Row]:
    """Every check of a system; ``ready`` says what is not ready, ``seconds`` bounds each wait."""
    here = [_processes(ready()), _disk(disk)]
    shards = {link.shard: _shard(link, seconds) for link in links}
    return [{**row, "shard": ""} for row in here] + collapse(shards)


def _processes(waiting_for: str) -> Row:
    return check_row("processes", FAULT if waiting_for else OK, waiting_for or "all ready")


def _disk(path: Path) -> Row:
    usage = shutil.disk_usage(path)
    percent = usage.free * 100 // usage.total
    detail = f"{percent} % free"
    if percent < DISK_FAULT_PERCENT:
        return check_row("disk", FAULT, detail)
    return check_row("disk", WARN if percent < DISK_WARN_PERCENT else OK, detail)


def _shard(link: ShardLink, seconds: float) -> list[Row]:
    try:
        if not link.catch_up(seconds):
            return [check_row("events", FAULT, "still reading history, ask again")]
    except BusError as error:
        return [check_row("store", FAULT, str(error))]
    now = time.time_ns()
    day = trading_day(now)
    seen = link.look(lambda view: checks_of(view, now, day.date, day.ends_at))
    return [*_store(status_row(link, seconds)), *seen]


def _store(status: dict[str, Any]) -> list[Row]:
    core = str(status["core"])
    rows = [check_row("core", OK if core == "moving" else FAULT, core)]
    lag: dict[str, int] = status.get("lag", {})
    late = [f"{name} {entries}" for name, entries in lag.items() if entries > LAG_ENTRIES_MAX]
    rows.append(
        check_row("readers", WARN if late else OK, ", ".join(late) or f"{len(lag)} current")
    )
    return rows
