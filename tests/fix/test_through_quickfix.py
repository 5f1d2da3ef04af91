"""What goes out passes through the engine unharmed: built from our text, groups keep their order,
and a stock engine on the other side has nothing to object to."""

import pytest
import quickfix as fix
from fix.fix_samples import CLIENT, SERVER, STOCK, TIME
from fix.test_stock_validity import everything

from kalshi_fix.adapters.acceptor import fill
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.outbound import Dialect
from kalshi_fix.fix.wire import decode, encode

HEADER = {34: "1", 49: "KalshiRT", 52: TIME, 56: "ALPHA-RT"}


def through_the_engine(message: FixMessage, dictionary: fix.DataDictionary) -> str:
    """What the server's engine would put on the wire."""
    built = fix.Message()
    fill(built, message, dictionary)
    header = built.getHeader()
    for tag, value in HEADER.items():
        header.setField(tag, value)
    return str(built.toString())


@pytest.mark.parametrize(("venue_tags", "client"), [(False, STOCK), (True, CLIENT)])
def test_the_clients_engine_takes_everything_we_send(venue_tags: bool, client: object) -> None:
    server, theirs = fix.DataDictionary(str(SERVER)), fix.DataDictionary(str(client))
    for _, message in everything(Dialect(venue_tags=venue_tags)):
        text = through_the_engine(message, server)
        theirs.validate(fix.Message(text, theirs, True))  # raises where it objects
        received = [field for field in decode(text).fields if field[0] not in HEADER]
        assert sorted(received) == sorted(message.fields)
        assert groups(received) == groups(message.fields)


def groups(fields: object) -> list[tuple[int, str]]:
    """The fields of repeating groups, in the order they stand."""
    tags = {136, 137, 138, 139, 1703, 1704, 1705, 702, 703, 704, 705, 753, 707, 708, 33}
    found = [field for field in fields if field[0] in tags]  # type: ignore[attr-defined]
    outer = sorted({136, 1703, 702, 753, 33} & {tag for tag, _ in found})
    by_group: dict[int, list[tuple[int, str]]] = {tag: [] for tag in outer}
    members = {136: {136, 137, 138, 139}, 1703: {1703, 1704, 1705}, 702: {702, 703, 704, 705},
               753: {753, 707, 708}, 33: {33}}  # fmt: skip
    for tag in outer:
        by_group[tag] = [field for field in found if field[0] in members[tag]]
    return [field for tag in outer for field in by_group[tag]]


def test_an_echo_of_what_is_no_text_cannot_stop_the_engine() -> None:
    fix.Message().setString(encode(FixMessage("j", [(379, "caf\udce9")])), False)
