from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from kalshi_fix.cli_decode import decode

APP = typer.Typer()
APP.command()(decode)
LOGON = "8=FIX.4.4|9=90|35=A|49=ALPHA-RT|56=KalshiRT|34=1|98=0|108=30|553=ALPHA-RT|554=demo|10=001|"
ORDER = "8=FIX.4.4|9=90|35=D|49=ALPHA-RT|56=KalshiRT|34=2|11=A1|55=KXTEST-A|54=1|40=2|10=002|"
BEAT = "8=FIX.4.4|9=90|35=0|49=ALPHA-RT|56=KalshiRT|34=3|10=003|"


def shown(text: str, *options: str) -> str:
    result = CliRunner().invoke(APP, [*options], input=text)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("separator", ["|", "\x01", "^A"])
def test_fields_and_values_are_named_whatever_separates_them(separator: str) -> None:
    output = shown(ORDER.replace("|", separator) + "\n")
    assert "NewOrderSingle (D)" in output
    assert any(line.split() == ["54", "Side", "1", "(BUY)"] for line in output.splitlines())


def test_secrets_are_masked() -> None:
    output = shown(LOGON)
    assert "Password" in output
    assert "demo" not in output


def test_what_stands_before_a_message_is_kept() -> None:
    assert "10:30:00 IN" in shown(f"10:30:00 IN {ORDER}\n")


def test_messages_without_line_ends_are_told_apart() -> None:
    output = shown((LOGON + ORDER + ORDER).replace("|", "\x01"), "--short")
    assert output.count("NewOrderSingle") == 2
    assert output.count("Logon") == 1


def test_heartbeats_are_hidden_unless_asked_for() -> None:
    assert "Heartbeat" not in shown(BEAT + "\n" + ORDER)
    assert "Heartbeat" in shown(BEAT + "\n" + ORDER, "--heartbeats")


def test_where_picks_messages_by_field() -> None:
    output = shown(f"{LOGON}\n{ORDER}\n", "--where", "35=D", "--where", "11=A1")
    assert "NewOrderSingle" in output
    assert "Logon" not in output


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "fix.log"
    path.write_bytes(b"\xff\xfe noise\n" + ORDER.encode())
    assert "NewOrderSingle" in shown("", str(path))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--where", "35=Z"], 1, "nothing to show in 1 FIX messages"),
        (["--where", "Z"], 2, "not TAG=VALUE"),
        (["/does/not/exist"], 2, "/does/not/exist: No such file or directory"),
    ],
)
def test_what_cannot_be_done_says_why(arguments: list[str], code: int, says: str) -> None:
    result = CliRunner().invoke(APP, arguments, input=ORDER)
    assert result.exit_code == code
    assert says in result.output
