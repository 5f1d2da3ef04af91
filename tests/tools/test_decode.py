import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from running_system import KALSHI_FIX
from typer.testing import CliRunner

from kalshi_fix.adapters.file_tail import follow_files
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


# --- lives of orders

HEAD = "8=FIX.4.4|9=90|35={}|49={}|56={}|34=2|52=20261122-10:00:0{}.000|{}|10=002|"
LIFE = [
    HEAD.format("D", "A", "V", 0, "11=one|55=M|54=1|38=10|40=2|44=0.40"),
    HEAD.format("8", "V", "A", 1, "37=7|11=one|17=e1|150=0|39=0|55=M|54=1|38=10|44=0.40|14=0"),
    HEAD.format("G", "A", "V", 2, "11=two|41=one|55=M|54=1|38=12|40=2|44=0.41"),
    HEAD.format("8", "V", "A", 3, "37=7|11=two|41=one|17=e2|150=5|39=0|55=M|54=1|38=12|44=0.41"),
    HEAD.format("8", "V", "A", 4, "37=7|11=two|17=e3|150=F|39=1|55=M|54=1|38=12|32=5|31=0.41|14=5"),
    HEAD.format("8", "V", "COPY", 4, "37=7|11=two|17=e3|150=F|39=1|32=5|31=0.41|14=5"),
    HEAD.format("F", "A", "V", 5, "11=three|41=two|55=M|54=1"),
    HEAD.format("8", "V", "A", 6, "37=7|11=three|41=two|17=e4|150=4|39=4|55=M|54=1|38=12|14=5"),
    HEAD.format("D", "A", "V", 7, "11=other|55=M|54=2|38=1|40=2|44=0.99"),
    HEAD.format("8", "V", "A", 8, "37=NONE|11=other|17=e5|150=8|39=8|55=M|54=2|58=NO_FUNDS"),
]


def test_orders_are_told_one_line_each_through_replace_fill_and_cancel() -> None:
    one, other = shown("\n".join(LIFE), "--orders").splitlines()
    assert one == (
        "20261122-10:00:00.000 one > two > three #7 BUY 12 M @ 0.41: "
        "new ack replace? replaced fill 5@0.41 cancel? cancelled => CANCELED filled 5 in 1 "
        "20261122-10:00:06.000"
    )
    assert "other SELL 1 M @ 0.99: new rejected => REJECTED (NO_FUNDS)" in other


def test_an_order_is_found_by_any_of_its_fields() -> None:
    output = shown("\n".join(LIFE), "--orders", "--where", "11=three")
    assert output.count("\n") == 1
    assert "one > two > three" in output


def test_an_order_without_an_answer_shows() -> None:
    assert "=> no answer" in shown(LIFE[0], "--orders")


def test_several_files_are_one_log(tmp_path: Path) -> None:
    for name, lines in (("1", LIFE[:3]), ("2", LIFE[3:8])):
        (tmp_path / name).write_text("\n".join(lines))
    output = shown("", "--orders", str(tmp_path / "1"), str(tmp_path / "2"))
    assert "=> CANCELED" in output


# --- following


def test_a_file_is_followed_over_growth_rotation_and_truncation(tmp_path: Path) -> None:
    log = tmp_path / "fix.log"
    log.write_text("one\nhal")
    steps = iter(
        [
            lambda: log.write_text("one\nhalf\ntwo\n"),
            lambda: (log.rename(tmp_path / "old"), log.write_text("three\n")),
            lambda: log.write_text("4\n"),
        ]
    )
    lines = follow_files([log], wait=lambda _seconds: next(steps)())
    assert [next(lines) for _ in range(5)] == ["one", "half", "two", "three", "4"]
    lines.close()


# Whoever started the tests may ignore or hold back SIGINT; a terminal does neither.
FROM_A_TERMINAL = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_follow_shows_what_is_added_and_wanted(tmp_path: Path) -> None:
    log = tmp_path / "fix.log"
    log.write_text(LOGON + "\n")
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            FROM_A_TERMINAL,
            KALSHI_FIX,
            "decode",
            "-f",
            "--short",
            "--where",
            "11=A1",
            str(log),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        with log.open("a") as file:
            file.write(BEAT + "\n" + ORDER + "\n")
        assert process.stdout is not None
        with process.stdout:
            assert "NewOrderSingle" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
