"""A system as its audit trail shows it: chains, sessions and their firms, shards.

What it runs with stands in the operators' chain, so only the data directory is needed; a
configuration is needed only where the store asks for a password. The store is read where it can be
reached, for what is not archived yet.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from kalshi_fix.adapters.audit.records import Kind
from kalshi_fix.adapters.audit.search import records
from kalshi_fix.adapters.audit.segments import AuditError
from kalshi_fix.adapters.bus import Bus, BusError
from kalshi_fix.adapters.config import load
from kalshi_fix.adapters.paths import DataDir, DataDirError
from kalshi_fix.adapters.roster import Roster
from kalshi_fix.adapters.settings import Settings, StoreSettings
from kalshi_fix.adapters.store import Store
from kalshi_fix.processes.audit_check import chains_in
from kalshi_fix.processes.audit_history import History

OPERATORS: Final = "admin"
WIRE: Final = ("edge", "gateway-")  # chains that hold messages begin with this


@frozen
class System:
    """See the module."""

    data: DataDir
    firms: dict[str, str]  # by session
    shards: tuple[str, ...]
    store: StoreSettings
    notes: tuple[str, ...] = ()

    @classmethod
    def find(cls, data: Path, config: Path | None = None) -> "System":
        """The system that was started in a directory.

        Raises:
            AuditError: there is none.
            ConfigError: ``config`` cannot be used.
        """
        try:
            directory = DataDir.find(data)
        except DataDirError as error:
            raise AuditError(str(error)) from error
        if config is not None:
            return cls._of_settings(directory, Roster.load(directory.roster).apply(load(config)))
        facts = _configured(directory)
        if facts is None:
            raise AuditError(
                f"{directory.root}: nothing says what the system runs with; name it with --config"
            )
        firms = {session["name"]: session["firm"] for session in facts["sessions"]}
        store = StoreSettings(url=facts["store"]["url"])
        return cls(directory, firms, tuple(facts["core"]["shards"]), store)

    @classmethod
    def _of_settings(cls, directory: DataDir, settings: Settings) -> "System":
        firms = {session.name: session.firm for session in settings.sessions}
        return cls(directory, firms, settings.core.shards, settings.store)

    def chains(self, *beginnings: str) -> list[Path]:
        """Directories of the chains whose names begin with one of these; all without any."""
        found = chains_in(self.data.root / "audit")
        return [path for path in found if not beginnings or path.name.startswith(beginnings)]

    def histories(self) -> tuple[list[History], list[str]]:
        """Every shard's history, and what could not be reached of them."""
        made: list[History] = []
        notes: list[str] = []
        for shard in self.shards:
            directory = self.data.archive(shard)
            connect = self._connect(shard)
            if isinstance(connect, str):
                notes.append(connect)
                made.append(History(shard, directory))
            else:
                made.append(History(shard, directory, connect))
        return made, notes

    def _connect(self, shard: str) -> Callable[[], Bus] | str:
        """How to reach a shard's streams, or why they cannot be reached."""
        store = Store.of(self.store, self.data)
        bus = store.bus(shard)
        try:
            bus.state()
        except BusError as error:
            return f"shard {shard}: what is not archived yet is not shown: {error}"
        finally:
            bus.close()
        return partial(store.bus, shard)


def _configured(directory: DataDir) -> dict[str, Any] | None:
    """The latest configuration on record."""
    found = None
    for record in records(directory.root / "audit" / OPERATORS):
        if record.kind == Kind.CONFIGURED:
            found = record.data
    return found
