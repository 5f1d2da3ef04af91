"""Finding an order among many, with and without indexes; looking after old segments."""

import json
from pathlib import Path

import pytest
from audit_chains import message, write_chain

from kalshi_fix.adapters.audit import key_index, search
from kalshi_fix.adapters.audit.records import Kind, Record, Row, pack
from kalshi_fix.adapters.audit.segments import segments_of
from kalshi_fix.adapters.audit.verify import verify
from kalshi_fix.adapters.audit.wire import WholeMessages, as_text, messages_in
from kalshi_fix.adapters.audit.writer import ChainWriter
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.processes.audit_export import rows_of
from kalshi_fix.processes.audit_tend import pending, tend

RECORDS = 20_000
NANOS_PER_DAY = 86_400 * 10**9


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_chain(tmp_path / "audit" / "edge", RECORDS, segment_bytes=500_000)
    return tmp_path


@pytest.mark.parametrize("number", [1, 2, RECORDS // 2, RECORDS - 1, RECORDS])
def test_an_order_is_found_with_and_without_an_index_and_nothing_else_is(
    root: Path, number: int
) -> None:
    chain = root / "audit" / "edge"
    without = list(search.find(chain, [f"ORDER-{number}"]))
    tend(root, keep_days=0)
    assert key_index.index_of(segments_of(chain)[0]).exists()
    assert list(search.find(chain, [f"ORDER-{number}"])) == without
    assert [record.data for record in without] == [message(number)]


def test_what_stands_in_one_record_with_the_order_asked_for_is_not_shown() -> None:
    several = Record("edge", 1, Kind.OUT, 0, "S", "c", b"".join(map(message, (7, 8, 9))))
    assert len(list(rows_of(several, {}))) == 3
    assert [row["cl_ord_id"] for row in rows_of(several, {}, {"ORDER-8"})] == ["ORDER-8"]


def test_what_is_no_message_is_a_row_with_its_facts() -> None:
    """A shard's entries have a name that is a text, as a message of the engine is."""
    hashed = Record("core-s0", 1, Kind.COMMANDS, 0, "", "", "1795375848156-0", [b"\x07\xff", 40])
    (row,) = rows_of(hashed, {})
    assert (row["kind"], row["direction"], row["msg_type"]) == ("commands", "", "")
    assert json.loads(row["raw"]) == {"data": "1795375848156-0", "more": ["07ff", 40]}


def test_with_an_index_only_the_blocks_named_are_read(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = root / "audit" / "edge"
    tend(root, keep_days=0)
    read: list[int] = []
    block_at = search.block_at
    monkeypatch.setattr(
        search, "block_at", lambda path, place: read.append(place) or block_at(path, place)
    )
    monkeypatch.setattr(
        search, "read_blocks", lambda path: pytest.fail(f"{path} is read") if path in sealed else []
    )
    sealed = set(segments_of(chain)[:-1])
    assert len(list(search.find(chain, ["ORDER-77"]))) == 1
    assert len(read) == 1


def test_a_chain_is_indexed_once_and_a_damaged_segment_not_at_all(root: Path) -> None:
    assert pending(root, 0)
    assert tend(root, keep_days=0).indexed > 3
    assert not pending(root, 0)
    assert tend(root, keep_days=0).indexed == 0
    first = segments_of(root / "audit" / "edge")[0]
    key_index.index_of(first).unlink()
    first.chmod(0o600)
    first.write_bytes(first.read_bytes().replace(b"ORDER-9", b"ORDER-8"))
    with pytest.raises(Exception, match="are not what was written"):
        tend(root, keep_days=0)


def test_segments_older_than_kept_are_removed_and_the_rest_is_still_whole(tmp_path: Path) -> None:
    chain = tmp_path / "audit" / "edge"
    chain.mkdir(parents=True)
    writer = ChainWriter(chain, "edge", 4_096)
    writer.open()
    for day in range(10):
        for number in range(30):
            row = (Kind.IN, day * NANOS_PER_DAY, "A", "c", message(number), None)
            writer.append(pack([row]), 1, day * NANOS_PER_DAY, number)
    writer.close()
    before = len(segments_of(chain))
    assert tend(tmp_path, keep_days=0).removed == 0
    done = tend(tmp_path, keep_days=5, now=9 * NANOS_PER_DAY)
    assert 0 < done.removed < before
    report = verify(chain)
    assert not report.faults
    assert "removed as older" in report.notes[0]
    kept = [record.at // NANOS_PER_DAY for record in search.records(chain)]
    assert set(range(4, 10)) <= set(kept)
    assert min(kept) >= 3  # the segment in which the fourth day begins
    segments_of(chain)[0].unlink()  # more than was recorded as removed
    assert verify(chain).faults


def out(data: bytes, connection: str = "c") -> Row:
    return (int(Kind.OUT), 5, "A", connection, data, None)


@pytest.mark.parametrize("cut", range(1, 120, 7))
def test_messages_the_socket_cut_are_whole_in_the_record(cut: int) -> None:
    stream = message(1) + message(2) + message(3)
    whole = WholeMessages()
    rows = whole([out(stream[:cut]), out(b"8=other", "d")]) + whole([out(stream[cut:])])
    assert b"".join(row[4] for row in rows if row[3] == "c") == stream
    for row in rows:
        assert row[4].endswith(b"\x0110=000\x01")
    assert [text for row in rows for text in messages_in(row[4])] == [
        message(number).decode() for number in (1, 2, 3)
    ]


def test_what_a_connection_left_unfinished_is_kept_and_marked() -> None:
    whole = WholeMessages()
    assert whole([out(message(1)[:30])]) == []
    rows = whole([(int(Kind.ENDED), 6, "A", "c", None, None)])
    assert rows[0] == (*out(message(1)[:30])[:5], "cut")
    assert [row[0] for row in rows] == [Kind.OUT, Kind.ENDED]


def test_a_gateways_messages_become_text() -> None:
    made = as_text([(int(Kind.OUT), 1, "A", "c", FixMessage("8", [(37, "1"), (11, "X")]), (0, 7))])
    assert made == [(Kind.OUT, 1, "A", "c", "35=8\x0137=1\x0111=X\x01", (0, 7))]


def test_a_prefix_of_a_name_is_another_name(tmp_path: Path) -> None:
    write_chain(tmp_path / "edge", 200)
    found = list(search.find(tmp_path / "edge", ["ORDER-1"]))
    assert [record.data for record in found] == [message(1)]
