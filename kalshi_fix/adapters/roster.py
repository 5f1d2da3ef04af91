"""The sessions operators added, changed or removed: a small file on top of the configuration.

The TOML file is where a system starts from; what was changed at run time stays in the data
directory and survives a restart. Credentials stand here, and nowhere on the bus, as scrypt hashes
and public keys, in a file only its owner may read. Which session may trade is the core's to know.
"""

import json
import os
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Final

from attrs import define, evolve, field, frozen

from kalshi_fix.adapters import units
from kalshi_fix.adapters.config import ConfigError, structure_session
from kalshi_fix.adapters.config_rules import check, complete
from kalshi_fix.adapters.settings import LaneSettings, SessionSettings, Settings

VERSION: Final = 1
_PRIVATE: Final = 0o600
# what a process that runs takes up
CHANGEABLE: Final = frozenset(
    {
        "username", "password_scrypt", "public_key", "old_password_scrypt", "old_public_key",
        "old_credentials_until", "throttle", "calendar",
    }
)  # fmt: skip


@frozen(kw_only=True)
class Entry:
    """One session: added with ``row``, changed in the fields of ``row``, or removed."""

    kind: str  # "add", "change" or "remove"
    row: dict[str, Any] = field(factory=dict)
    slot: int = -1  # of an added session's lane: which metrics port


@define
class Roster:
    """The file's content. Not for several threads at once."""

    path: Path
    entries: dict[str, Entry] = field(factory=dict)

    @classmethod
    def load(cls, path: Path) -> "Roster":
        """Reads the file; nothing was ever changed where there is none.

        Raises:
            ConfigError: the file is damaged.
        """
        if not path.exists():
            return cls(path)
        try:
            document = json.loads(path.read_text())
            if document["version"] != VERSION:
                raise ConfigError(f"{path}: version {document['version']}, this is {VERSION}")
            entries = {name: Entry(**row) for name, row in document["sessions"].items()}
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ConfigError(f"{path}: cannot be read: {error}") from error
        return cls(path, entries)

    def apply(self, settings: Settings) -> Settings:
        """The configuration with what was changed.

        Raises:
            ConfigError: together they are not allowed.
        """
        sessions = [self._changed(session) for session in settings.sessions]
        kept = [session for session in sessions if session is not None]
        lanes = _lanes_left(settings, {session.lane for session in kept})
        for name, entry in self.entries.items():
            if entry.kind == "add":
                session = structure_session({**entry.row, "name": name}, str(self.path))
                kept.append(evolve(session, at_run_time=True))
                lanes.append(LaneSettings(name=session.lane, slot=entry.slot))
        made = complete(evolve(settings, sessions=tuple(kept), lanes=tuple(lanes)))
        fault = check(made)
        if fault:
            raise ConfigError(f"{self.path}: {fault}")
        return made

    def _changed(self, session: SessionSettings) -> SessionSettings | None:
        entry = self.entries.get(session.name)
        if entry is not None and entry.kind != "change":
            return None
        return self.session(session)

    def session(self, session: SessionSettings) -> SessionSettings:
        """A session as it is now, of what it was at the start of the process that asks.

        Raises:
            ConfigError: a value cannot be used.
        """
        entry = self.entries.get(session.name)
        if entry is None or entry.kind == "remove":
            return session
        row = dict(entry.row)
        try:
            if "throttle" in row:
                row["throttle"] = evolve(session.throttle, **row["throttle"])
            if "old_credentials_until" in row:
                row["old_credentials_until"] = units.instant(row["old_credentials_until"])
            if entry.kind == "add":  # who it is does not change any more
                row = {name: value for name, value in row.items() if name in CHANGEABLE}
            return evolve(session, **row)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{self.path}: {session.name}: {error}") from error

    # --- changing: a new roster each time, so that one which is not allowed is simply forgotten

    def adding(self, name: str, row: Mapping[str, Any], settings: Settings) -> "Roster":
        """With one session more, in a lane of its own, so that nobody else is disturbed."""
        taken = set(lane_slots(self.apply(settings)).values())
        slot = next(n for n in range(len(settings.lanes), 10_000) if n not in taken)
        entry = Entry(kind="add", row={**row, "lane": lane_name(name)}, slot=slot)
        return evolve(self, entries={**self.entries, name: entry})

    def changing(self, name: str, row: Mapping[str, Any]) -> "Roster":
        """With other values of a session."""
        before = self.entries.get(name, Entry(kind="change"))
        merged = {**before.row, **row}
        if "throttle" in row:
            merged["throttle"] = {**before.row.get("throttle", {}), **row["throttle"]}
        return evolve(self, entries={**self.entries, name: evolve(before, row=merged)})

    def removing(self, name: str) -> "Roster":
        """Without a session."""
        entries = {**self.entries, name: Entry(kind="remove")}
        if name in self.entries and self.entries[name].kind == "add":
            del entries[name]
        return evolve(self, entries=entries)

    def save(self) -> None:
        """Writes the file, durably and whole."""
        fresh = self.path.with_suffix(".new")
        document = {
            "version": VERSION,
            "sessions": {
                name: {"kind": entry.kind, "row": entry.row, "slot": entry.slot}
                for name, entry in self.entries.items()
            },
        }
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _PRIVATE)
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)


def _lanes_left(settings: Settings, used: AbstractSet[str]) -> list[LaneSettings]:
    """The configured lanes without those whose last session was removed; ports do not shift."""
    slots = lane_slots(settings)
    emptied = {session.lane for session in settings.sessions} - used
    return [
        evolve(lane, slot=slots[lane.name]) for lane in settings.lanes if lane.name not in emptied
    ]


def lane_name(session: str) -> str:
    """The lane of a session added at run time."""
    letters = "".join(letter if letter.isalnum() else "-" for letter in session.lower())
    return letters.strip("-")


def lane_slots(settings: Settings) -> dict[str, int]:
    """Lane -> which of the gateways' metrics ports is its own."""
    return {
        lane.name: index if lane.slot < 0 else lane.slot
        for index, lane in enumerate(settings.lanes)
    }
