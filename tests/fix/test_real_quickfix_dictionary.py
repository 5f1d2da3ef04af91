"""The generated dictionaries in the engine that will use them, and are they up to date?"""

from pathlib import Path

import dictionary as tool
import pytest
import quickfix as fix
from fix.fix_samples import BODIES, CLIENT, SERVER, STOCK, TIME, request

from kalshi_fix.adapters import control
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.wire import encode


@pytest.fixture(scope="module")
def server() -> fix.DataDictionary:
    return fix.DataDictionary(str(SERVER))


def verdict(dictionary: fix.DataDictionary, message: FixMessage) -> str:
    """ "" where the engine takes the message, else the name of its objection."""
    try:
        dictionary.validate(fix.Message(encode(message), dictionary, False))
    except fix.FIXException as error:
        return type(error).__name__
    return ""


def test_generated_files_are_up_to_date() -> None:
    for path, text in tool.generated().items():
        assert path.read_text(encoding="utf-8") == text, f"run tools/dictionary.py: {path.name}"


@pytest.mark.parametrize("msg_type", BODIES)
def test_the_engine_takes_every_request_we_support(
    server: fix.DataDictionary, msg_type: str
) -> None:
    assert verdict(server, request(msg_type)) == ""


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ({2964: "1", 21006: "Y", 21009: "1.50", 526: "G1"}, ""),
        ({2964: "4"}, "IncorrectTagValue"),
        ({21006: "X"}, "IncorrectDataFormat"),
        ({29999: "1"}, "InvalidTagNumber"),
        ({20130: "G1"}, "TagNotDefinedForMessage"),
        ({54: "Z"}, "IncorrectTagValue"),
        ({38: "ten"}, "IncorrectDataFormat"),
        ({54: None}, "RequiredTagMissing"),
        ({38: None, 44: None, 55: None}, ""),
        ({control.SECRET_TAG: "x"}, "TagNotDefinedForMessage"),
    ],
)
def test_the_engine_judges_the_form_of_a_new_order(
    server: fix.DataDictionary, change: dict[int, str | None], objection: str
) -> None:
    assert verdict(server, request("D", change)) == objection


def test_a_stock_message_we_do_not_support_still_parses(server: fix.DataDictionary) -> None:
    quote = FixMessage("R", [*_header(), (131, "q1"), (146, "1"), (55, "KXTEST-A")])
    assert verdict(server, quote) == ""


def test_a_message_of_nobody_does_not_parse(server: fix.DataDictionary) -> None:
    assert verdict(server, FixMessage("ZZ", _header())) == "InvalidMessageType"


def test_a_logon_carries_the_flags_and_for_the_engine_the_internal_tags(
    server: fix.DataDictionary,
) -> None:
    flags = [(98, "0"), (108, "30"), (8013, "Y"), (20126, "N"), (20127, "N"), (20900, "Y")]
    internal = [
        (control.SECRET_TAG, "s"),
        (control.CONNECTION_TAG, "c"),
        (control.VERDICT_TAG, "v"),
    ]
    logon = FixMessage("A", [*_header(), *flags, (20902, "Y"), (21011, "Y"), *internal])
    assert verdict(server, logon) == ""
    published = fix.DataDictionary(str(CLIENT))
    assert verdict(published, logon) == "InvalidTagNumber"


def test_a_signature_needs_no_length_field(server: fix.DataDictionary) -> None:
    logon = FixMessage("A", [*_header(), (98, "0"), (108, "30"), (96, "YWJj")])
    assert verdict(server, logon) == ""


@pytest.mark.parametrize("path", [SERVER, CLIENT], ids=lambda path: path.name)
def test_no_field_is_read_by_a_length_a_stranger_wrote(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert 'type="DATA"' not in text
    assert 'type="XMLDATA"' not in text


def test_every_stock_message_is_still_there() -> None:
    stock, server = tool.read(STOCK), tool.read(SERVER)
    ours = {message.get("msgtype") for message in tool.child(server, "messages")}
    assert {message.get("msgtype") for message in tool.child(stock, "messages")} < ours


def _header() -> list[tuple[int, str]]:
    return [(34, "1"), (49, "A"), (52, TIME), (56, "B")]
