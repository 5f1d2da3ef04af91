"""Whatever is done to a chain is found."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from audit_chains import Forgery, write_chain

from kalshi_fix.adapters.audit.segments import segments_of
from kalshi_fix.adapters.audit.verify import Published, verify

RECORDS = 20_000


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("audit") / "edge"
    write_chain(directory, RECORDS, segment_bytes=700_000)
    return directory


@pytest.fixture
def copy(chain: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(chain, tmp_path / "edge"))


def test_an_untouched_chain_has_no_fault(chain: Path) -> None:
    report = verify(chain)
    assert (report.faults, report.records, report.last) == ([], RECORDS, RECORDS)
    assert report.segments > 3


def test_any_single_removal_change_or_swap_is_found(chain: Path) -> None:
    random = Random(11)  # noqa: S311 - repeatable, not secret
    paths = segments_of(chain)
    for trial in range(150):
        path = random.choice(paths)
        forgery = Forgery(path)
        block = random.randrange(len(forgery.blocks))
        _tamper(forgery.blocks[block], random, trial % 3)
        forgery.write(block, rehash=trial % 2 == 0)
        try:
            assert verify(chain).faults, f"trial {trial}: block {block} of {path.name}"
        finally:
            path.write_bytes(forgery.segment.data)
    assert not verify(chain).faults  # it was the forgeries that were found


def _tamper(rows: list[tuple[object, ...]], random: Random, how: int) -> None:
    at = random.randrange(len(rows) - 1)
    if how == 0:
        del rows[at]
    elif how == 1:
        kind, when, session, connection, data, more = rows[at]
        assert isinstance(data, bytes)
        changed = data.replace(b"38=10.00", b"38=10.01")
        assert changed != data
        rows[at] = (kind, when, session, connection, changed, more)
    else:
        rows[at], rows[at + 1] = rows[at + 1], rows[at]


def _cut_last(directory: Path) -> None:
    segments_of(directory)[-1].unlink()


def _cut_middle(directory: Path) -> None:
    segments_of(directory)[1].unlink()


def _swap_files(directory: Path) -> None:
    first, second = segments_of(directory)[:2]
    spare = directory / "spare"
    first.rename(spare)
    second.rename(first)
    spare.rename(second)


def _break_seal(directory: Path) -> None:
    path = segments_of(directory)[0]
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-5])


@pytest.mark.parametrize("harm", [_cut_middle, _swap_files, _break_seal])
def test_segments_cannot_be_taken_out_moved_or_opened(
    copy: Path, harm: Callable[[Path], None]
) -> None:
    harm(copy)
    assert verify(copy).faults


def test_a_chain_put_under_another_name_is_found(copy: Path) -> None:
    moved = copy.rename(copy.with_name("gateway-gw1"))
    assert "belongs to the chain 'edge'" in verify(moved).faults[0]


def test_a_chain_written_anew_is_told_by_what_was_published(copy: Path) -> None:
    report = verify(copy)
    published = [Published("edge", report.last, report.head, "edge.log:7")]
    assert verify(copy, published).published == 1
    forgery = Forgery(segments_of(copy)[-1])
    kind, when, session, connection, _, more = forgery.blocks[-1][0]
    forgery.blocks[-1][0] = (kind, when, session, connection, b"never sent", more)
    forgery.write_all()
    assert not verify(copy).faults  # in itself it is right
    assert "written anew" in verify(copy, published).faults[0]


def test_a_chain_written_anew_in_other_blocks_is_told_as_well(copy: Path) -> None:
    forgery = Forgery(segments_of(copy)[-1])
    inner = forgery.found[-3]
    published = [Published("edge", inner.last, inner.head, "edge.log:7")]
    assert verify(copy, published).published == 1
    forgery.blocks[-3] += forgery.blocks.pop(-2)
    del forgery.found[-2]
    forgery.write_all()
    assert not verify(copy).faults
    assert "written anew" in verify(copy, published).faults[0]


def test_an_end_cut_off_is_told_by_what_was_published(copy: Path) -> None:
    report = verify(copy)
    published = [Published("edge", report.last, report.head, "edge.log:7")]
    _cut_last(copy)
    assert not verify(copy).faults
    assert "the end is missing" in verify(copy, published).faults[0]
