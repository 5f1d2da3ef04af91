"""`kalshi-fix admin` as a person and a program use it: output, exit codes, questions."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from kalshi_fix.cli_admin import app

T = "KXTEST-A"
Cli = Callable[..., Result]


@pytest.fixture
def cli(system: Any, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs one command line against the running system."""
    monkeypatch.delenv("KALSHI_FIX_TOKEN", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*args: str, answer: str | None = None) -> Result:
        return CliRunner().invoke(app, ["--data", str(system.data.root), *args], input=answer)

    return run


def test_done_is_exit_code_0_and_says_under_which_request(cli: Cli) -> None:
    result = cli("--as", "op1", "--request-id", "R1", "markets", "pause", T)
    assert (result.exit_code, result.stdout) == (0, "done: markets.pause  request R1\n")


def test_a_refusal_is_exit_code_1_and_its_reason_on_one_line(cli: Cli) -> None:
    result = cli("--as", "op1", "--yes", "accounts", "withdraw", "ALPHA-1", "1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("refused: INSUFFICIENT_BALANCE")
    assert result.stderr.count("\n") == 1


def test_options_may_stand_behind_the_command(cli: Cli, system: Any) -> None:
    result = cli("markets", "pause", T, "--as=op1", "--why", "fat finger", "--request-id", "R1")
    assert result.exit_code == 0
    command = system.commands()[-1]
    assert (command.operator, command.why, command.request_id) == ("op1", "fat finger", "R1")


def test_without_a_request_id_every_call_has_its_own(cli: Cli, system: Any) -> None:
    for _ in range(2):
        assert cli("--as", "op1", "-y", "accounts", "deposit", "ALPHA-1", "5").exit_code == 0
    first, second = system.commands()[-2:]
    assert first.request_id != second.request_id


@pytest.mark.parametrize(
    ("args", "moved"),
    [
        (("accounts", "deposit", "ALPHA-1", "5"), True),
        (("markets", "determine", T, "YES"), True),
        (("markets", "pause", T), False),
        (("kill", "firm", "ALPHA"), False),
    ],
)
def test_a_person_is_asked_only_where_money_moves(
    cli: Cli, system: Any, args: tuple[str, ...], moved: bool
) -> None:
    before = len(system.commands())
    result = cli("--as", "op1", *args, answer="n\n")
    assert ("go ahead?" in result.stderr) == moved
    assert (result.exit_code, len(system.commands()) - before) == ((1, 0) if moved else (0, 1))


def test_yes_typed_by_a_person_moves_the_money(cli: Cli) -> None:
    assert cli("--as", "op1", "accounts", "deposit", "ALPHA-1", "5", answer="y\n").exit_code == 0
    shown = cli("--as", "op1", "--json", "accounts", "show", "ALPHA-1")
    assert json.loads(shown.stdout)[0]["cash"] == "5.00"


def test_where_nobody_can_be_asked_nothing_is_done_and_the_way_out_is_named(
    cli: Cli, system: Any
) -> None:
    before = system.commands()
    result = cli("--as", "op1", "accounts", "deposit", "ALPHA-1", "5", answer="")
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert system.commands() == before


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (("--as", "op1", "--token", "wrong", "status"), "refused: operator or token wrong\n"),
        (("--as", "nobody", "status"), "refused: operator or token wrong\n"),
    ],
)
def test_who_is_not_an_operator_is_refused(cli: Cli, args: tuple[str, ...], line: str) -> None:
    result = cli(*args)
    assert (result.exit_code, result.stderr) == (1, line)


def test_the_token_may_come_from_the_environment(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KALSHI_FIX_TOKEN", "demo-op2")
    assert cli("--as", "op2", "status").exit_code == 0
    assert cli("--as", "op1", "status").exit_code == 1


def test_a_configuration_of_ones_own_has_no_default_token(cli: Cli, tmp_path: Any) -> None:
    result = cli("--as", "op1", "--config", str(tmp_path / "own.toml"), "status")
    assert (result.exit_code, result.stderr) == (
        2,
        "no token: set KALSHI_FIX_TOKEN, or give --token\n",
    )


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("status",), "--as OPERATOR"),
        (("--as", "op1", "markets", "pause"), "name one market, or --exchange for all"),
        (("--as", "op1", "markets", "pause", T, "--exchange"), "name one market"),
        (("--as", "op1", "markets", "pause", "no such"), "symbol: 'no such' is not a symbol"),
        (("--as", "op1", "limits", "set", "firm", "ALPHA", "speed=1"), "no limit 'speed'"),
        (("--as", "op1", "--data", "/nonexistent/x", "status"), "data directory /nonexistent/x"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_one_clear_line(
    cli: Cli, args: tuple[str, ...], says: str
) -> None:
    result = cli(*args)
    assert result.exit_code == 2
    assert says in result.stderr


def test_no_running_service_is_exit_code_2_with_the_way_out(cli: Cli, system: Any) -> None:
    system.service.stop()
    result = cli("--as", "op1", "status")
    assert result.exit_code == 2
    assert "is the system running" in result.stderr
    assert result.stderr.count("\n") == 1
    system.start_service()


def test_a_silent_shard_is_exit_code_2_and_tells_how_to_ask_again(cli: Cli, system: Any) -> None:
    system.cores["s0"].stop()
    result = cli("--as", "op1", "--request-id", "R9", "markets", "pause", T)
    assert result.exit_code == 2
    assert "--request-id R9" in result.stderr


def test_programs_get_rows_for_a_reading_and_the_answer_for_a_change(cli: Cli) -> None:
    rows = json.loads(cli("--as", "op1", "--json", "markets", "list").stdout)
    assert [row["symbol"] for row in rows] == [T]
    answer = json.loads(cli("--as", "op1", "--json", "markets", "pause", T).stdout)
    assert (answer["status"], answer["shards"][0]["shard"]) == ("done", "s0")
    refused = cli("--as", "op1", "--json", "-y", "accounts", "withdraw", "ALPHA-1", "1")
    assert json.loads(refused.stdout)["reason"] == "INSUFFICIENT_BALANCE"
    assert refused.exit_code == 1


def test_people_get_a_table_and_all_facts_of_one_thing(cli: Cli) -> None:
    table = cli("--as", "op1", "markets", "list").stdout
    assert " ".join(table.splitlines()[1].split()) == (
        "symbol status value last volume open interest settles at title"
    )
    assert "KXTEST-A   active" in table
    facts = cli("--as", "op1", "markets", "list", T).stdout
    assert "price ranges" in facts
    assert "0.0100:0.9900:0.0100" in facts


# Every command line there is, in an order in which each can be carried out.
LIFE = [
    "firms define GAMMA --jurisdiction US-NY",
    "accounts define GAMMA-1 GAMMA",
    "accounts deposit GAMMA-1 1000",
    "series define KXNEW --taker-rate 0.05",
    "markets define KXNEW-1 --event KXNEW --series KXNEW --title New --price-range 0.01:0.99:0.01",
    "markets define KXNEW-1 --title Newer",
    "limits set account GAMMA-1 order_size=10 exposure=500 --for 3600",
    "limits show account GAMMA-1",
    "markets pause --exchange",
    "markets resume --exchange",
    "markets pause KXNEW-1",
    "markets resume KXNEW-1",
    "sessions disable ALPHA-RT",
    "sessions enable ALPHA-RT",
    "sessions list",
    "kill session ALPHA-RT",
    "unkill session ALPHA-RT",
    "kill exchange",
    "unkill exchange",
    "firms unlock ALPHA",
    "firms list",
    "markets close KXNEW-1",
    "markets determine KXNEW-1 0.25 --source BLS --evidence https://bls.gov",
    "markets dispute KXNEW-1",
    "markets determine KXNEW-1 YES",
    "accounts withdraw GAMMA-1 1000",
    "accounts show",
    "status",
    "history --rows 5",
]


def test_an_operators_day_from_the_command_line(cli: Cli) -> None:
    for line in LIFE:
        result = cli("--as", "op1", "--yes", *line.split())
        assert result.exit_code == 0, f"{line}: {result.output}"
    confirmed = cli("--as", "op2", "--yes", "markets", "confirm", "KXNEW-1")
    assert confirmed.exit_code == 0, confirmed.output
    rows = json.loads(cli("--as", "op1", "--json", "markets", "list", "KXNEW-1").stdout)
    if rows[0]["status"] != "settled":  # without a timer the confirmation may settle at once
        assert cli("--as", "op1", "--yes", "markets", "settle", "KXNEW-1").exit_code == 0
    corrected = cli("--as", "op1", "--yes", "markets", "settle", "KXNEW-1", "--correct", "NO")
    assert corrected.exit_code == 0, corrected.output
    rows = json.loads(cli("--as", "op1", "--json", "markets", "list", "KXNEW-1").stdout)
    assert (rows[0]["status"], rows[0]["value"]) == ("settled", "0.0000")


@pytest.mark.parametrize("line", ["bust 99", "cancel 99"])
def test_what_does_not_exist_is_refused_by_the_core(cli: Cli, line: str) -> None:
    result = cli("--as", "op1", "--yes", *line.split())
    assert result.exit_code == 1
    assert "NOT_FOUND" in result.stderr
