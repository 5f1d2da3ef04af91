import pytest
import typer
from scripted_exchange import ScriptedExchange
from typer.testing import CliRunner, Result

from kalshi_fix.cli_client import client
from kalshi_fix.fix.message import FixMessage

APP = typer.Typer()
APP.command()(client)
ORDER = {1: "ALPHA-1", 37: "7", 38: "10.00", 40: "2", 44: "0.4500", 54: "1", 55: "KXTEST-A", 6: "0"}


def report(message: FixMessage, exec_type: str, status: str, **more: str) -> FixMessage:
    fields = {11: message.get(11), 150: exec_type, 39: status, **ORDER, 14: "0.00", 151: "10.00"}
    if message.msg_type in {"F", "G"}:
        fields[41] = message.get(41)
    fields.update({int(tag[1:]): value for tag, value in more.items()})
    return FixMessage("8", list(fields.items()))


def script(message: FixMessage) -> list[FixMessage]:
    """An exchange on which every order rests, is half filled, and every request succeeds."""
    answers = {
        "D": lambda: [
            report(message, "0", "0"),
            report(message, "F", "1", t32="5.00", t31="0.4500", t14="5.00", t151="5.00"),
        ],
        "F": lambda: [report(message, "4", "4", t151="0.00")],
        "G": lambda: [report(message, "5", "1", t38=message.get(38), t44=message.get(44))],
        "H": lambda: [report(message, "I", "1")],
        "q": lambda: [FixMessage("r", [(11, message.get(11)), (531, "7"), (533, "0")])],
        "AF": lambda: [
            report(message, "I", "1", t584=message.get(584), t11="EARLIER", t911="1", t912="Y")
        ],
        "V": lambda: [full_refresh(message)],
        "AN": lambda: positions(message),
        "BB": lambda: collateral(message),
        "x": lambda: [security_list(message)],
    }
    return answers[message.msg_type]()


def full_refresh(message: FixMessage) -> FixMessage:
    bid = [(269, "0"), (270, "0.4500"), (271, "10.00"), (346, "2")]
    offer = [(269, "1"), (270, "0.4700"), (271, "5.00"), (346, "1")]
    rest = [(269, "2"), (270, "0.4600"), (271, "1.00"), (269, "B"), (271, "77.00")]
    head = [(262, message.get(262)), (55, message.get(55)), (268, "4")]
    return FixMessage("W", [*head, *bid, *offer, *rest])


def security_list(message: FixMessage) -> FixMessage:
    head = [(320, message.get(320)), (560, "0"), (393, "1"), (893, "Y"), (146, "1")]
    return FixMessage("y", [*head, (55, "KXTEST-A"), (107, "A test"), (58, "tick=0.01")])


def positions(message: FixMessage) -> list[FixMessage]:
    """ALPHA-1 is long one market and short another."""
    name = (710, message.get(710))
    if message.get(1) != "ALPHA-1":
        return [FixMessage("AO", [name, (727, "0"), (728, "3"), (729, "2")])]
    held = [((55, "KXTEST-A"), (704, "10.00")), ((55, "KXTEST-B"), (705, "3.00"))]
    rows = [[name, (727, "2"), (1, "ALPHA-1"), *row, (730, "0.4400")] for row in held]
    return [FixMessage("AO", [name, (727, "2"), (728, "0")]), *(FixMessage("AP", r) for r in rows)]


def collateral(message: FixMessage) -> list[FixMessage]:
    name = (909, message.get(909))
    cash = [(912, "Y"), (1, "ALPHA-1"), (899, "9.50"), (900, "14.40"), (901, "10.00")]
    acknowledgement = FixMessage("BG", [name, (945, "2"), (911, "1")])
    return [acknowledgement, FixMessage("BA", [name, *cash])]


def run(typed: str, *options: str, refuse: str = "") -> tuple[Result, list[FixMessage]]:
    with ScriptedExchange(script, refuse) as exchange:
        arguments = ["--as", "ALPHA-RT", "--port", str(exchange.port), *options]
        result = CliRunner().invoke(APP, arguments, input=typed)
    return result, exchange.received


def test_an_order_is_sent_and_its_reports_are_shown() -> None:
    result, received = run("buy KXTEST-A 10 0.45\nquit\n")
    assert result.exit_code == 0, result.output
    logon, order, logout = received
    assert (logon.get(49), logon.get(56), logon.get(553), logon.get(554)) == (
        "ALPHA-RT", "KalshiRT", "ALPHA-RT", "demo-alpha",
    )  # fmt: skip
    sent = [order.get(tag) for tag in (55, 54, 38, 40, 44)]
    assert sent == ["KXTEST-A", "1", "10", "2", "0.45"]
    assert logout.msg_type == "5"
    assert "ExecType=NEW" in result.output
    assert "ExecType=TRADE" in result.output
    assert "demo-alpha" not in result.output


@pytest.mark.parametrize(
    ("typed", "fields"),
    [
        ("sell A 1 0.3 ioc", {54: "2", 59: "3"}),
        ("buy A 1 market fok", {40: "1", 59: "4", 44: ""}),
        ("buy A 1 0.3 post account=ALPHA-2", {18: "6", 1: "ALPHA-2"}),
        ("buy A 1 0.3 gtd=20270101-00:00:00", {59: "6", 126: "20270101-00:00:00"}),
        ("buy A 1 0.3 id=MINE 2964=2", {11: "MINE", 2964: "2"}),
    ],
)
def test_options_become_fields(typed: str, fields: dict[int, str]) -> None:
    _, received = run(typed + "\n")
    assert {tag: received[1].get(tag) for tag in fields} == fields


def test_orders_are_named_by_number_last_or_clordid() -> None:
    typed = ["buy A 10 0.45 id=X1", "status X1", "replace 1 20 0.46", "cancel last"]
    result, received = run("\n".join(typed))
    assert [message.msg_type for message in received[1:-1]] == ["D", "H", "G", "F"]
    assert received[2].get(37) == "7"
    assert [message.get(41) for message in received[3:5]] == ["X1", received[3].get(11)]
    assert "ExecType=CANCELED" in result.output


def test_open_orders_come_as_a_table_and_can_be_cancelled() -> None:
    result, received = run("orders\ncancel 1\ncancel all A\n")
    assert "EARLIER" in result.output
    assert "partly filled" in result.output
    assert received[2].get(41) == "EARLIER"
    assert (received[3].get(530), received[3].get(55)) == ("1", "A")


def test_positions_and_cash_come_as_tables_of_every_account() -> None:
    result, received = run("positions\ncash\npositions BRAVO-1\n")
    assert [message.msg_type for message in received[1:-1]] == ["BB", "AN", "BB", "AN"]
    rows = [line.split() for line in result.output.splitlines() if "ALPHA-1" in line]
    cells = [[word for word in row if word != "│"] for row in rows]
    assert cells[0][:4] == ["ALPHA-1", "KXTEST-A", "YES", "10.00"]
    assert cells[1][:4] == ["ALPHA-1", "KXTEST-B", "NO", "3.00"]
    assert cells[2] == ["ALPHA-1", "9.50", "10.00", "14.40"]
    assert "BRAVO-1 is no account of this session" in result.output


def test_the_book_is_asked_of_the_firms_md_session_and_shown_as_a_ladder() -> None:
    with ScriptedExchange(script) as exchange:
        arguments = ["--as", "ALPHA-MD", "--port", str(exchange.port)]
        result = CliRunner().invoke(APP, arguments, input="book KXTEST-A\nmarkets\nbuy A 1 0.3\n")
    lines = [line for line in result.output.splitlines() if "0.4" in line]
    assert ["0.4700" in line for line in lines[:2]] == [True, False], result.output
    assert "last 1.00 @ 0.4600, volume 77.00" in result.output
    assert "tick=0.01" in result.output
    assert "a MD session cannot send orders" in result.output


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("buy A", "buy SYMBOL QUANTITY PRICE"),
        ("buy A 1 0.3 sideways", "'sideways' is none of day"),
        ("cancel 99", "no order 99 is known here"),
        ("dance", "dance is no command"),
        ("send 11=1", "the message starts with its type"),
        ("help", "buy SYMBOL QUANTITY PRICE"),
    ],
)
def test_what_makes_no_sense_is_explained_and_sends_nothing(typed: str, says: str) -> None:
    result, received = run(typed + "\n")
    assert says in result.output
    assert [message.msg_type for message in received] == ["A", "5"]


def test_a_raw_message_goes_out_as_typed() -> None:
    _, received = run("send 35=D|11=RAW|55=A|54=9\n")
    assert (received[1].get(11), received[1].get(54)) == ("RAW", "9")


def test_full_shows_every_field() -> None:
    result, _ = run("full\nbuy A 10 0.45\n")
    assert any(line.split()[:2] == ["151", "LeavesQty"] for line in result.output.splitlines())


def test_a_refused_logon_says_why() -> None:
    result, _ = run("", refuse="INVALID_CREDENTIALS")
    assert result.exit_code == 1
    assert "cannot log on as ALPHA-RT: the Logon was refused: INVALID_CREDENTIALS" in result.output


def test_nobody_there_says_so() -> None:
    result = CliRunner().invoke(APP, ["--as", "ALPHA-RT", "--port", "1"])
    assert result.exit_code == 1
    assert "Connection refused" in result.output


def test_a_name_without_a_role_is_a_usage_error() -> None:
    result = CliRunner().invoke(APP, ["--as", "ALPHA"])
    assert result.exit_code == 2
    assert "ends in its role" in result.output
