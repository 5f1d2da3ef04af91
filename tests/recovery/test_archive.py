from pathlib import Path

import pytest

from kalshi_fix.adapters.archive import ArchiveError, StreamArchive
from kalshi_fix.adapters.bus import Entry

SEGMENT_BYTES = 400
HEAD_BYTES = 10


def entries(first: int, last: int) -> list[Entry]:
    return [Entry(f"{number}-0", b"entry %d " % number * 3) for number in range(first, last + 1)]


def archive(directory: Path) -> StreamArchive:
    found = StreamArchive(directory, "cmd", SEGMENT_BYTES)
    found.open()
    return found


def written(directory: Path, last: int = 40) -> StreamArchive:
    found = archive(directory)
    found.append(entries(1, last))
    found.close()
    return found


def test_what_is_archived_is_read_in_order_over_all_segments(tmp_path: Path) -> None:
    found = written(tmp_path)
    assert len(found.segments()) > 2
    assert list(found.read()) == entries(1, 40)


def test_a_new_start_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    written(tmp_path, 3)
    again = archive(tmp_path)
    assert again.last_id == "3-0"
    assert again.ends_with(entries(3, 3)[0])
    assert not again.ends_with(Entry("3-0", b"another"))
    again.append(entries(4, 20))
    again.close()
    assert list(again.read()) == entries(1, 20)


@pytest.mark.parametrize("kept", range(1, 60, 7))
def test_a_torn_end_is_cut_off_and_written_again(tmp_path: Path, kept: int) -> None:
    found = written(tmp_path, 2)
    (path,) = found.segments()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - kept])
    again = archive(tmp_path)
    done = int(again.last_id.partition("-")[0]) if again.last_id else 0
    assert done < 2
    again.append(entries(done + 1, 5))
    again.close()
    assert list(again.read()) == entries(1, 5)


def test_a_seal_that_is_torn_is_written_again(tmp_path: Path) -> None:
    found = written(tmp_path)
    for later in found.segments()[1:]:
        later.unlink()
    (path,) = found.segments()
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    again = archive(tmp_path)
    last = int(again.last_id.partition("-")[0])
    again.append(entries(last + 1, last + 3))
    again.close()
    assert list(again.read()) == entries(1, last + 3)


@pytest.mark.parametrize("at", [0, 30, 120, -3])
def test_a_flipped_bit_is_refused_and_left_as_it_is(tmp_path: Path, at: int) -> None:
    found = written(tmp_path)
    path = found.segments()[0]
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=str(path)):
        list(found.read())
    assert path.read_bytes() == content


def test_a_damaged_last_segment_stops_the_writer_before_it_writes(tmp_path: Path) -> None:
    found = written(tmp_path, 5)
    (path,) = found.segments()
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match="damaged at byte"):
        found.check()
    with pytest.raises(ArchiveError, match="damaged at byte"):
        archive(tmp_path)


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    found = written(tmp_path)
    path = found.segments()[0]
    content = bytearray(path.read_bytes())
    content[8] = 2
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match="version 2, this program reads 1"):
        found.check()
