"""Whether the machine went down under a lane: then its session stores may have lost their ends.

The engine does not sync its files, so what survives a killed process need not survive a power cut.
A small file says on which boot of the machine the lane last ran, and whether it stopped cleanly.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from kalshi_fix.adapters.engine import Engine
from kalshi_fix.adapters.fix_store import next_numbers
from kalshi_fix.processes.gateway_link import Link

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
NUMBERS_RAISED_BY: Final = 10_000  # more than a session sends between two writes of the disk


def raise_numbers(engine: Engine, links: Iterable[Link], store: Path) -> None:
    """What a client has seen may be missing in its store: no number is given out twice."""
    for link in links:
        if link.engine.keeps_sequence:
            outgoing = next_numbers(store, link.engine.store_name).outgoing
            engine.set_numbers(link.name, 0, outgoing + NUMBERS_RAISED_BY)


class LaneMachine:
    """The file; ``boot_id`` names this boot of the machine."""

    def __init__(self, path: Path, boot_id: str) -> None:
        self._path = path
        self._boot_id = boot_id

    @classmethod
    def of(cls, path: Path) -> "LaneMachine":
        """On this machine; one that has no boot id never counts as restarted."""
        return cls(path, BOOT_ID.read_text().strip() if BOOT_ID.exists() else "")

    def went_down(self) -> bool:
        """Whether the machine restarted since the lane last ran, and it had not stopped cleanly.

        A file that cannot be read counts as a restart: it was being written when the power failed.
        """
        if not self._path.exists():
            return False
        try:
            found = json.loads(self._path.read_text())
            return not found["clean"] and found["boot_id"] != self._boot_id
        except (ValueError, KeyError, TypeError):
            return True

    def running(self) -> None:
        """The lane runs on this boot."""
        self._write(clean=False)

    def stopped(self) -> None:
        """The lane stopped cleanly; what it stored is synced by whoever stops a machine cleanly."""
        self._write(clean=True)

    def _write(self, *, clean: bool) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("w") as file:
            json.dump({"boot_id": self._boot_id, "clean": clean}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
