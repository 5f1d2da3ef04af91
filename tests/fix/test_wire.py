"""Framing: what is written can be read, and nothing but WireError ever comes back."""

import pytest
from fix.fix_samples import TIME, request
from hypothesis import example, given
from hypothesis import strategies as st

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.wire import (
    SOH,
    WireError,
    checksum,
    decode,
    encode,
    frame,
    seal,
    split_frames,
    unframe,
)  # fmt: skip

TAGS = st.integers(11, 21_099).filter(lambda tag: tag != 35)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1)
MESSAGES = st.builds(
    FixMessage,
    st.sampled_from(["D", "8", "UOG"]),
    st.lists(st.tuples(TAGS, VALUES), max_size=30),
)


@given(MESSAGES)
def test_what_is_encoded_decodes_to_the_same(message: FixMessage) -> None:
    assert decode(encode(message)) == message


@given(MESSAGES, st.randoms())
def test_the_order_of_fields_does_not_matter(message: FixMessage, random: object) -> None:
    unique = FixMessage(message.msg_type, list(message.first().items()))
    shuffled = FixMessage(message.msg_type, list(unique.fields))
    random.shuffle(shuffled.fields)  # type: ignore[attr-defined]
    assert decode(encode(shuffled)).first() == decode(encode(unique)).first()


@given(st.text(st.characters(max_codepoint=0xFF)))
@example(f"8=FIX.4.4{SOH}9=1{SOH}35=D{SOH}+1=a{SOH}10=000{SOH}")
@example(f"8=FIX.4.4{SOH}9=1{SOH}35=D{SOH}²=a{SOH}10=000{SOH}")
def test_no_text_raises_anything_but_wire_error(text: str) -> None:
    for candidate in (text, f"8=FIX.4.4{SOH}9=1{SOH}35=D{SOH}{text}{SOH}10=000{SOH}"):
        try:
            decode(candidate)
        except WireError:
            continue


@pytest.mark.parametrize(
    "text",
    [
        "", "8=FIX.4.2|9=1|35=D|10=000|", "9=1|8=FIX.4.4|35=D|10=000|", "8=FIX.4.4|9=1|35=D|",
        "8=FIX.4.4|9=1|34=1|35=D|10=000|", "8=FIX.4.4|9=1|35=D|10=000", "8=FIX.4.4|9=1|35=|10=000|",
        "8=FIX.4.4|9=1|35=D|11=|10=000|", "8=FIX.4.4|9=1|35=D|11|10=000|",
        "8=FIX.4.4|9=1|35=D|01=a|10=000|", "8=FIX.4.4|9=1|35=D|-1=a|10=000|",
        "8=FIX.4.4|9=1|35=D|1 =a|10=000|", "8=FIX.4.4|9=1|35=D|=a|10=000|",
        "8=FIX.4.4|9=1|35=D|11=a|11=|10=000|",
    ],
)  # fmt: skip
def test_what_is_not_a_message_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        decode(text.replace("|", SOH))


def test_of_a_repeated_tag_the_first_counts_and_order_is_kept() -> None:
    message = decode(f"8=FIX.4.4{SOH}9=1{SOH}35=W{SOH}269=0{SOH}270=1{SOH}269=1{SOH}10=000{SOH}")
    assert message.get(269) == "0"
    assert message.fields == [(269, "0"), (270, "1"), (269, "1")]


def test_a_value_with_soh_is_never_written() -> None:
    with pytest.raises(WireError):
        encode(FixMessage("D", [(58, f"a{SOH}150=F")]))


@pytest.mark.parametrize("text", ["caf\xe9", "caf\udce9", "\u20ac"])
def test_the_session_layer_is_only_ever_given_ascii(text: str) -> None:
    fields = decode(encode(FixMessage("8", [(11, text), (58, "x")]))).first()
    assert fields == {11: text.encode("ascii", "replace").decode(), 58: "x"}


def test_a_frame_of_our_own_may_hold_any_latin_text() -> None:
    data = frame(FixMessage("D", [(58, "caf\xe9")]), "A", "B", 1, TIME)
    assert unframe(data).get(58) == "caf\xe9"


def test_a_frame_has_the_length_and_checksum_of_its_bytes() -> None:
    data = frame(FixMessage("0", []), "A", "B", 2, TIME)
    assert data.startswith(b"8=FIX.4.4\x019=45\x0135=0\x0149=A\x0156=B\x0134=2\x0152=")
    assert data.endswith(b"10=%03d\x01" % checksum(data[:-7]))


@given(st.lists(MESSAGES, min_size=1, max_size=4), st.integers(1, 60))
def test_frames_come_out_of_a_stream_however_it_is_cut(
    messages: list[FixMessage], size: int
) -> None:
    stream = b"".join(frame(message, "A", "B", 1, TIME) for message in messages)
    found, rest = [], b""
    for place in range(0, len(stream), size):
        frames, rest = split_frames(rest + stream[place : place + size])
        found += [unframe(data) for data in frames]
    assert rest == b""
    assert [item.fields[4:] for item in found] == [list(item.fields) for item in messages]


@given(st.data())
def test_a_mutated_frame_is_refused_or_still_a_message(data: st.DataObject) -> None:
    original = frame(request("D"), "A", "B", 1, TIME)
    place = data.draw(st.integers(0, len(original) - 1))
    changed = bytearray(original)
    changed[place] = data.draw(st.integers(0, 255))
    if bytes(changed) != original:
        with pytest.raises(WireError):
            unframe(bytes(changed))


@pytest.mark.parametrize(
    "stream",
    [
        b"GET / HTTP/1.1\r\n", b"8=FIX.4.2\x019=5\x01", b"8=FIX.4.4\x019=x\x01",
        b"8=FIX.4.4\x019=\x01", b"8=FIX.4.4\x019=999999999\x01", b"8=FIX.4.4\x019=70000\x01",
        seal(b"35=0\x01")[:-3] + b"99\x01",
    ],
)  # fmt: skip
def test_a_stream_that_is_not_fix_is_refused_at_once(stream: bytes) -> None:
    with pytest.raises(WireError):
        split_frames(stream)
