"""What passes to the engine: every complete, correct frame, however it is cut; nothing else."""

from contextlib import suppress
from itertools import pairwise

import pytest
from edge_rig import wrong_checksum
from hypothesis import given
from hypothesis import strategies as st

from kalshi_fix.adapters.edge.frames import (
    Batch,
    FrameReader,
    Garbled,
    Halt,
    NotALogonError,
    checksum,
    encode,
    first_frame,
    split,
)
from kalshi_fix.fix.wire import seal

LIMIT = 16_384
VALUE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=400)
FRAME = st.builds(
    lambda kind, number, text: encode(kind, [(34, str(number)), (49, "A"), (58, text)]),
    st.sampled_from("D0158FGqV"),
    st.integers(1, 10**9),
    VALUE,
)


def order(number: int = 2, *more: tuple[int, str]) -> bytes:
    return encode("D", [(34, str(number)), (49, "A"), (56, "B"), (52, "20261122-09:00:00"), *more])


def fed(chunks: list[bytes], limit: int = LIMIT) -> tuple[bytes, int, list[Batch]]:
    reader = FrameReader(limit)
    batches = [reader.feed(chunk) for chunk in chunks]
    forward = b"".join(batch.forward for batch in batches)
    return forward, sum(batch.count for batch in batches), batches


@given(st.binary(max_size=2_000))
def test_checksum_is_the_sum_of_the_bytes(data: bytes) -> None:
    assert checksum(data, 0, len(data)) == sum(data) % 256


@given(st.lists(FRAME, max_size=8), st.lists(st.integers(0, 4_000), max_size=12))
def test_good_frames_pass_unchanged_wherever_the_stream_is_cut(
    frames: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(frames)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunks = [stream[a:b] for a, b in pairwise(places)]
    forward, count, batches = fed(chunks)
    assert forward == stream
    assert count == len(frames)
    assert not any(batch.garbled or batch.halt for batch in batches)


def test_a_stream_byte_by_byte_gives_the_same_frames() -> None:
    stream = order(2) + order(3, (58, "x" * 600))
    assert fed([bytes((byte,)) for byte in stream])[:2] == (stream, 2)


@given(FRAME, st.data())
def test_a_frame_with_one_byte_changed_never_passes_as_it_is(
    frame: bytes, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(frame) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != frame[at]))
    changed = frame[:at] + bytes((byte,)) + frame[at + 1 :]
    forward, _, _ = fed([changed + b"\x01" * LIMIT])
    assert changed not in forward


@given(st.lists(st.one_of(st.binary(max_size=300), FRAME), max_size=10))
def test_whatever_comes_only_correct_frames_pass(chunks: list[bytes]) -> None:
    forward, count, _ = fed(chunks)
    again, same, batches = fed([forward])
    assert (again, same) == (forward, count)
    assert not any(batch.garbled or batch.halt for batch in batches)


def with_length(frame: bytes, difference: int) -> bytes:
    length = int(frame[12 : frame.index(b"\x01", 12)])
    return frame.replace(b"9=%d\x01" % length, b"9=%d\x01" % (length + difference), 1)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (wrong_checksum(order(3)), Garbled.CHECKSUM),
        (order(3)[:-4] + b"0\x01", Garbled.LENGTH),
        (with_length(order(3), -5), Garbled.LENGTH),
        (with_length(order(3), +3), Garbled.LENGTH),
        (seal(b"49=A\x0135=D\x0134=3\x0156=B\x01" + b"58=x\x01" * 9), Garbled.HEADER),
        (b"8=FIX.4.4\x0135=D\x019=60\x0134=3\x01" + b"58=x\x01" * 9, Garbled.HEADER),
        (b"8=FIX.4.4\x019=+12\x0135=D\x0134=3\x01" + b"58=x\x01" * 9, Garbled.HEADER),
        (b"this is not FIX at all\r\n", Garbled.START),
        (order(3, (58, "a\nb")), Garbled.CONTROL),
        (order(3, (11, "a\x7fb")), Garbled.CONTROL),
        (encode("1", [(34, "3"), (43, "Y"), (112, "a\nb"), (49, "A" * 20)]), Garbled.CONTROL),
        (encode("3", [(34, "3"), (58, "a\x00b"), (49, "A" * 20)]), Garbled.CONTROL),
        (encode("\n", [(34, "3"), (43, "Y"), (49, "A" * 20)]), Garbled.CONTROL),
        (order(3, (95, "5"), (96, "four")), Garbled.DATA),
        (order(3, (95, "4"), (58, "four")), Garbled.DATA),
        (order(3, (96, "four"), (95, "4")), Garbled.DATA),
        (order(3, (354, "x"), (355, "four")), Garbled.DATA),
        (order(3, (354, "9999"), (355, "four")), Garbled.DATA),
        (order(3, (95, "9"), (96, "four\x0158=z")), Garbled.DATA),
        (order(3, (35, "A")), Garbled.MSG_TYPE),
    ],
)
def test_a_garbled_message_is_left_out_and_the_next_one_passes(bad: bytes, reason: Garbled) -> None:
    good, later = order(2), order(4)
    # what follows a wrong length may be swallowed as far as that length reaches, as FIX engines do
    forward, count, batches = fed([good + bad + b"\x01" * 3 + later])
    assert forward == good + later
    assert count == 2
    assert batches[0].garbled[0] == reason


def test_a_length_that_fits_its_data_passes() -> None:
    frame = order(2, (95, "4"), (96, "four"), (354, "3"), (355, "=x="))
    assert fed([frame])[:2] == (frame, 1)


def test_bytes_above_ascii_pass_for_the_gateway_to_reject() -> None:
    frame = order(2, (58, "caf\xe9"))
    assert fed([frame])[:2] == (frame, 1)


def test_control_bytes_pass_once_the_client_sends_them_again_for_the_gateway_to_reject() -> None:
    again = order(2, (43, "Y"), (58, "a\nb"))
    assert fed([order(2, (58, "a\nb"))])[1] == 0
    assert fed([again])[:2] == (again, 1)


def test_the_stream_stops_at_another_begin_string() -> None:
    frame = order(3).replace(b"FIX.4.4", b"FIX.4.2")
    frame = frame[:-7] + b"10=%03d\x01" % (sum(frame[:-7]) % 256)
    batch = FrameReader(LIMIT).feed(order(2) + frame)
    assert (batch.forward, batch.halt) == (order(2), Halt.BEGIN_STRING)


def test_the_stream_stops_at_a_logon_and_goes_on_after_it() -> None:
    logon = encode("A", [(34, "3"), (49, "A")])
    reader = FrameReader(LIMIT)
    batch = reader.feed(order(2) + logon + order(4) + order(5)[:20])
    assert (batch.forward, batch.count, batch.halt) == (order(2), 1, Halt.LOGON)
    assert batch.frame == logon
    assert reader.feed(b"").forward == order(4)
    assert reader.feed(order(5)[20:]).forward == order(5)


def test_the_stream_stops_at_a_message_without_msg_seq_num() -> None:
    batch = FrameReader(LIMIT).feed(order(2) + encode("0", [(49, "A"), (56, "B")]))
    assert (batch.forward, batch.halt) == (order(2), Halt.NO_MSG_SEQ_NUM)


@pytest.mark.parametrize(
    "data",
    [b"8=FIX.4.4\x019=16385\x0135=D\x01", b"8=FIX.4.4\x019=999999\x0135=D\x01", b"x" * 20_000],
)
def test_a_frame_above_the_limit_or_as_much_junk_ends_the_stream(data: bytes) -> None:
    assert FrameReader(LIMIT).feed(order(2) + data).halt == Halt.UNFRAMEABLE


def test_a_frame_of_exactly_the_limit_passes() -> None:
    frame = order(2, (58, "x" * 900))
    assert fed([frame], limit=len(frame))[:2] == (frame, 1)
    assert FrameReader(len(frame) - 1).feed(frame).halt == Halt.UNFRAMEABLE


def test_memory_is_bounded_by_the_limit_whatever_a_client_declares() -> None:
    reader = FrameReader(LIMIT)
    reader.feed(b"8=FIX.4.4\x019=16000\x0135=D\x01")
    for _ in range(1_000):
        batch = reader.feed(b"y" * 100)
        if batch.halt:
            break
        assert len(reader._kept) <= LIMIT
    assert batch.halt == Halt.UNFRAMEABLE


LOGON = encode("A", [(34, "1"), (49, "A"), (56, "B"), (98, "0"), (108, "30")])


@given(st.integers(0, len(LOGON) - 1))
def test_the_first_message_is_waited_for(cut: int) -> None:
    assert first_frame(LOGON[:cut], 4_096) is None


def test_the_first_message_may_have_others_behind_it() -> None:
    assert first_frame(LOGON + order(2), 4_096) == LOGON


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"GET / HTTP/1.1\r\n", "not_fix44"),
        (b"\x16\x03\x01\x02", "not_fix44"),
        (LOGON.replace(b"FIX.4.4", b"FIX.4.2"), "not_fix44"),
        (order(1), "not_logon"),
        (encode("0", [(49, "A")]), "not_logon"),
        (wrong_checksum(LOGON), "garbled"),
        (with_length(LOGON, -1), "garbled"),
        (encode("A", [(34, "1"), (58, "a\nb"), (49, "A" * 40)]), "garbled"),
        (encode("A", [(34, "1"), (95, "9"), (96, "short")]), "garbled"),
        (encode("A", [(34, "1"), (35, "D"), (49, "A" * 40)]), "garbled"),
        (b"8=FIX.4.4\x019=5000\x0135=A\x01", "too_large"),
        (encode("A", [(34, "1"), (58, "x" * 4_096)]), "too_large"),
        (b"8=FIX.4.4\x019=" + b"1" * 60, "garbled"),
    ],
)
def test_what_can_never_become_a_logon_is_known_at_once(data: bytes, why: str) -> None:
    with pytest.raises(NotALogonError, match=f"^{why}$"):
        first_frame(data, 4_096)


@given(st.lists(st.tuples(st.integers(1, 21_999), VALUE), max_size=20))
def test_a_frame_splits_into_the_fields_it_was_made_of(fields: list[tuple[int, str]]) -> None:
    found = split(encode("A", fields))
    assert found is not None
    assert found[2:-1] == [(35, "A"), *fields]


@pytest.mark.parametrize("part", [b"58", b"=x", b"a=x", b"-1=x", b"01=x", b"+1=x"])
def test_a_part_that_is_no_field_makes_the_frame_no_message(part: bytes) -> None:
    assert split(seal(b"35=A\x01" + part + b"\x01")) is None


@given(st.binary(max_size=500), st.integers(0, len(LOGON)))
def test_hostile_first_bytes_are_refused_or_waited_for_never_an_error(
    data: bytes, kept: int
) -> None:
    with suppress(NotALogonError):
        first_frame(LOGON[:kept] + data, 4_096)


def test_a_length_of_thousands_of_digits_is_just_wrong() -> None:
    for length in ("9" * 8_000, "0" * 8_000 + "4"):
        batch = FrameReader(LIMIT).feed(order(2, (95, length), (96, "four")))
        assert batch.garbled == (() if length[0] == "0" else (Garbled.DATA,))
