"""The saved view: a start goes on from it, and never trusts one that is not of this stream."""

from pathlib import Path
from typing import Any

import pytest

from kalshi_fix.adapters.bus import Entry
from kalshi_fix.adapters.memory_bus import MemoryBus
from kalshi_fix.messages import commands as c
from kalshi_fix.services.admin_saved import VERSION, UnreadableViewError, pack, unpack
from kalshi_fix.services.admin_view import ShardView

T = "KXTEST-A"


@pytest.fixture
def read_from(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where reads of events began that found some."""
    starts: list[int] = []
    original = MemoryBus.read_events

    def read_events(self: MemoryBus, after: int, count: int, block_ms: int) -> list[Entry]:
        found = original(self, after, count, block_ms)
        if found:
            starts.append(after)
        return found

    monkeypatch.setattr(MemoryBus, "read_events", read_events)
    return starts


def saved(system: Any) -> Path:
    return system.data.shard("s0") / "admin.view"


def everything(system: Any) -> list[Any]:
    names = ("markets.list", "accounts.show", "firms.list", "sessions.list", "history")
    return [system.ask(name).rows for name in names]


def test_a_restart_reads_on_from_the_saved_view(system: Any, read_from: list[int]) -> None:
    assert system.ask("accounts.deposit", account="ALPHA-1", amount="5").status == "done"
    before = everything(system)
    system.service.stop()
    assert saved(system).exists()
    read_from.clear()
    system.start_service()
    assert everything(system) == before
    assert min(read_from) > 1


@pytest.mark.parametrize("damage", [b"", b"rubbish", b"\0" * 100])
def test_a_damaged_file_means_reading_the_history(system: Any, damage: bytes) -> None:
    before = everything(system)
    system.service.stop()
    saved(system).write_bytes(damage)
    system.start_service()
    assert everything(system) == before


def test_a_flipped_bit_is_seen(system: Any) -> None:
    before = everything(system)
    system.service.stop()
    raw = bytearray(saved(system).read_bytes())
    raw[len(raw) // 2] ^= 1
    saved(system).write_bytes(raw)
    system.start_service()
    assert everything(system) == before


def test_a_view_of_another_stream_is_not_believed(system: Any, make_system: Any) -> None:
    system.service.stop()
    other = make_system()  # the same data directory, another store
    head = ("op0", "set-up", 1)
    for number in range(20):
        other.append(c.DefineFirm(f"f{number}", *head, firm=f"OTHER{number}"))
    other.service.stop()
    saved(other).write_bytes(saved(system).read_bytes())
    other.start_service()
    firms = {row["firm"] for row in other.ask("firms.list").rows}
    assert "ALPHA" not in firms
    assert "OTHER0" in firms


def test_a_view_of_another_version_is_not_guessed_at() -> None:
    packed = bytearray(pack(ShardView()))
    assert packed[1] == VERSION
    packed[1] = VERSION + 1
    with pytest.raises(UnreadableViewError, match=f"version {VERSION + 1}, this is {VERSION}"):
        unpack(bytes(packed))
