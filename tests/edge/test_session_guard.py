"""What the edge marks, byte for byte, and what it does not touch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi_fix.adapters.control import FAULT_TAG, fault_mark, read_fault_mark
from kalshi_fix.adapters.edge.frames import FrameReader, encode, split
from kalshi_fix.adapters.edge.session_guard import GroupOrder, SessionGuard

ORDER = GroupOrder.of_the_venue()
SECRET = "the-secret"
HEAD = [(34, "2"), (49, "A"), (52, "20261120-12:00:00.000"), (56, "X")]
GOOD = encode("D", [*HEAD, (11, "a"), (453, "1"), (448, "p"), (447, "D"), (55, "M")])
BAD = encode("D", [*HEAD, (11, "a"), (453, "1"), (447, "D"), (448, "p"), (55, "M")])
PLAIN = encode("D", [*HEAD, (11, "a"), (55, "M")])


def reader() -> FrameReader:
    return FrameReader(16_384, SessionGuard(ORDER, SECRET, ("A", "X")))


def test_a_message_out_of_order_is_put_right_and_marked_in_its_header() -> None:
    batch = reader().feed(PLAIN + BAD + GOOD)
    assert batch.count == 3
    marked = batch.forward.removeprefix(PLAIN).removesuffix(GOOD)
    assert split(marked)[3:8] == [(FAULT_TAG, f"{SECRET};15;448"), *HEAD]
    assert split(marked)[8:-1] == [(11, "a"), (453, "1"), (448, "p"), (447, "D"), (55, "M")]


def test_bytes_in_order_pass_as_they_are() -> None:
    assert reader().feed(GOOD + PLAIN).forward == GOOD + PLAIN


@pytest.mark.parametrize("mark", ["x", f"{SECRET};15;448", ""])
def test_a_mark_of_the_clients_own_is_taken_away(mark: str) -> None:
    frame = encode("D", [*HEAD, (FAULT_TAG, mark), (11, "a")])
    marked = reader().feed(frame).forward
    marks = [value for tag, value in split(marked) if tag == FAULT_TAG]
    assert marks == [f"{SECRET};0;{FAULT_TAG}"]


@pytest.mark.parametrize(("missing", "named"), [((49,), 49), ((56,), 56), ((49, 56), 49)])
def test_a_message_without_a_comp_id_gets_it_and_is_marked(
    missing: tuple[int, ...], named: int
) -> None:
    fields = [*HEAD, (11, "a"), (55, "M")]
    frame = encode("D", [pair for pair in fields if pair[0] not in missing])
    batch = reader().feed(PLAIN + frame + PLAIN)
    assert batch.count == 3
    marked = split(batch.forward.removeprefix(PLAIN).removesuffix(PLAIN))
    assert marked[3] == (FAULT_TAG, f"{SECRET};1;{named}")
    assert sorted(marked[4:-1]) == sorted(fields)


def test_a_message_cut_into_chunks_is_marked_once_complete() -> None:
    whole = reader()
    parts = [whole.feed(BAD[at : at + 7]).forward for at in range(0, len(BAD), 7)]
    assert parts[:-1] == [b""] * (len(parts) - 1)
    assert split(parts[-1])[3] == (FAULT_TAG, f"{SECRET};15;448")


@given(
    frames=st.lists(st.sampled_from([GOOD, BAD, PLAIN, b"junk", GOOD[:-2] + b"9\x01"]), max_size=8),
    cuts=st.lists(st.integers(1, 60), max_size=20),
)
def test_however_it_is_cut_a_stream_gives_the_same_messages(
    frames: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(frames)
    parts = reader()
    forward, at = b"", 0
    for cut in [*cuts, len(stream)]:
        forward += parts.feed(stream[at : at + cut]).forward
        at += cut
    marked = reader().feed(BAD).forward
    passed = {GOOD: GOOD, PLAIN: PLAIN, BAD: marked}
    assert forward == b"".join(passed.get(frame, b"") for frame in frames)


@pytest.mark.parametrize(
    ("mark", "read"),
    [
        (fault_mark(SECRET, 15, 447), (15, 447)),
        (fault_mark("other", 15, 447), None),
        ("", None),
        (f"{SECRET};x;y", None),
        (SECRET, None),
    ],
)
def test_only_the_edge_can_mark(mark: str, read: tuple[int, int] | None) -> None:
    assert read_fault_mark(mark, SECRET) == read
