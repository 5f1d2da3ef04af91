"""FIX made readable: any separator, names instead of numbers, and never a secret."""

import pytest
from fix.fix_samples import CLIENT, TIME, dictionary, request
from hypothesis import given
from hypothesis import strategies as st

from kalshi_fix.fix import readable
from kalshi_fix.fix.wire import encode, frame

ORDER = "8=FIX.4.4|9=60|35=D|34=2|11=a1|55=KXTEST-A|54=1|18=6 E|40=2|10=123|"


@pytest.mark.parametrize("separator", ["|", "^A", "\x01", "\\x01"])
@pytest.mark.parametrize("prefix", ["", "2026-11-22T14:30:00 ALPHA-RT in: "])
def test_a_message_is_found_in_a_log_line_whatever_separates_its_fields(
    separator: str, prefix: str
) -> None:
    line = readable.find(prefix + ORDER.replace("|", separator) + "\n")
    assert line is not None
    assert (line.prefix, line.msg_type) == (prefix.rstrip(), "D")
    assert line.fields[-1] == (10, "123")
    assert dict(line.fields)[18] == "6 E"


def test_a_broken_message_is_read_as_far_as_it_goes() -> None:
    line = readable.find("8=FIX.4.4|9=12|35=8|garbage|55=X")
    assert line is not None
    assert line.fields == ((8, "FIX.4.4"), (9, "12"), (35, "8"))


@pytest.mark.parametrize("text", ["", "nothing to see", "9=5|35=0|", "8=FIXED"])
def test_a_line_without_a_message_is_none(text: str) -> None:
    assert readable.find(text) is None


def test_names_and_meanings_come_from_the_dictionary() -> None:
    known = dictionary(CLIENT)
    line = readable.find(ORDER)
    assert line is not None
    found = {row.name: (row.value, row.meaning) for row in readable.rows("D", line.fields, known)}
    assert found["Side"] == ("1", "BUY")
    assert found["MsgType"] == ("D", "NEWORDERSINGLE") or found["MsgType"][1]
    assert found["ExecInst"] == ("6 E", "PARTICIPATE_DO_NOT_INITIATE DO_NOT_INCREASE")
    assert found["Symbol"] == ("KXTEST-A", "")
    assert readable.title("D", known) == "NewOrderSingle (D)"
    assert readable.title("ZZ", known) == "unknown message (ZZ)"


def test_entries_of_groups_are_indented() -> None:
    known = dictionary(CLIENT)
    fields = [(55, "X"), (268, "2"), (269, "0"), (270, "0.1"), (269, "1"), (270, "0.2"), (10, "1")]
    assert [row.depth for row in readable.rows("W", fields, known)] == [0, 0, 1, 1, 1, 1, 0]


@pytest.mark.parametrize("tag", [554, 925, 96, 89])
def test_a_secret_is_never_shown(tag: int) -> None:
    known = dictionary(CLIENT)
    line = readable.find(f"8=FIX.4.4|9=1|35=A|{tag}=hunter2=|10=000|")
    assert line is not None
    shown = readable.table("Logon", list(readable.rows("A", line.fields, known)))
    assert "hunter2" not in "\n".join(shown) + readable.masked(line.fields)
    assert readable.MASK in readable.masked(line.fields)


def test_control_characters_cannot_forge_a_line() -> None:
    assert readable.masked([(58, "a\nb\x1b[31m")]) == "58=a\\x0ab\\x1b[31m|"


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    known = dictionary(CLIENT)
    for candidate in (text, f"8=FIX.4.4|{text}"):
        line = readable.find(candidate)
        if line is not None:
            list(readable.rows(line.msg_type, line.fields, known))


def test_what_we_write_ourselves_is_found() -> None:
    message = request("D")
    for text in (encode(message), frame(message, "A", "B", 1, TIME).decode()):
        line = readable.find(text)
        assert line is not None
        assert dict(line.fields)[11] == "a1"


def test_a_summary_is_one_line_with_meanings() -> None:
    assert readable.summary(request("D"), dictionary(CLIENT)) == (
        "NewOrderSingle (D) ClOrdID=a1 Symbol=KXTEST-A Side=BUY OrderQty=10 Price=0.55"
    )


def test_a_table_has_aligned_columns() -> None:
    rows = [readable.Row(0, 55, "Symbol", "X", ""), readable.Row(1, 270, "MDEntryPx", "0.5", "")]
    assert readable.table("W", rows) == [
        "W", "     55 Symbol      X", "    270   MDEntryPx 0.5",
    ]  # fmt: skip
