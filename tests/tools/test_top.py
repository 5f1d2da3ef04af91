"""`kalshi-fix top` on what processes say; the running system is in tests/acceptance."""

from pathlib import Path

import pytest
from rich.console import Console
from running_system import free_offset
from typer import Typer
from typer.testing import CliRunner

from kalshi_fix.adapters.config import DEMO_CONFIG, load
from kalshi_fix.adapters.metrics import read_samples
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.scrape import Change, Look
from kalshi_fix.cli_top import top
from kalshi_fix.cli_top_view import Picture, render
from kalshi_fix.services.depth import Depth

APP = Typer()
APP.command()(top)
SETTINGS = load(DEMO_CONFIG)


def gateway(at: float, orders: int, fast: int) -> Look:
    return Look(
        at,
        read_samples(
            f'fixgw_messages_total{{direction="in",msg_type="D"}} {orders}\n'
            f'fixgw_order_ack_seconds_bucket{{msg_type="D",le="0.001"}} {fast}\n'
            f'fixgw_order_ack_seconds_bucket{{msg_type="D",le="0.005"}} {orders}\n'
            f'fixgw_order_ack_seconds_bucket{{msg_type="D",le="+Inf"}} {orders}\n'
            'fixgw_session_up{session="ALPHA-RT"} 1\n'
            'fixgw_session_up{session="BRAVO-RT"} 0\n'
            'fixgw_session_expected{session="ALPHA-PT",severity="page"} 1\n'
            'fixgw_session_up{session="ALPHA-PT"} 0\n'
            "fixgw_oldest_unacked_seconds 7\n"
        ),
    )


def shown(picture: Picture) -> str:
    console = Console(width=160, record=True, file=Path("/dev/null").open("w"))  # noqa: SIM115
    try:
        console.print(render(picture))
        return console.export_text()
    finally:
        console.file.close()


def test_rates_and_quantiles_are_of_the_time_in_between() -> None:
    change = Change(gateway(10.0, 100, 100), gateway(12.0, 300, 200))
    assert change.rate("fixgw_messages_total", direction="in") == 100
    assert change.quantile(0.5, "fixgw_order_ack_seconds", msg_type="D") == 0.001
    assert change.quantile(0.99, "fixgw_order_ack_seconds", msg_type="D") == 0.005


def test_a_process_that_began_anew_counts_from_zero() -> None:
    change = Change(gateway(10.0, 100, 100), gateway(12.0, 20, 20))
    assert change.rate("fixgw_messages_total", direction="in") == 10


def test_who_is_up_or_missing_is_shown_and_a_book_as_a_ladder() -> None:
    book = Depth("KXTEST-A")
    book.bids.set(4_000, 500, 1, 0)
    book.offers.set(4_500, 700, 1, 0)
    change = Change(gateway(10.0, 100, 100), gateway(12.0, 300, 200))
    text = shown(Picture(SETTINGS, {"gateway-gw1": change}, [book]))
    lines = text.splitlines()
    assert any("ALPHA-RT" in line and "up" in line for line in lines)
    assert any("ALPHA-PT" in line and "missing" in line for line in lines)
    assert "BRAVO-RT" not in text
    assert text.index("0.4500") < text.index("0.4000")
    assert "oldest 7.0 s" in text
    assert "no core answers" in text


def test_a_system_that_does_not_run_is_shown_as_such_and_is_exit_code_1(tmp_path: Path) -> None:
    DataDir.create(tmp_path)
    (tmp_path / "run").mkdir(exist_ok=True)
    options = ["--once", "--seconds", "0.2", "--data", str(tmp_path)]
    result = CliRunner().invoke(APP, [*options, "--port-offset", str(free_offset())])
    assert result.exit_code == 1, result.output
    assert "no core answers" in result.output


@pytest.mark.parametrize("options", [["--data", "/nowhere/at/all"], ["--config", "/nowhere.toml"]])
def test_what_cannot_be_found_is_one_line(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    result = CliRunner().invoke(APP, ["--once", "--data", str(tmp_path), *options])
    assert result.exit_code == 2


def test_a_system_is_looked_at_as_it_was_started(tmp_path: Path) -> None:
    config = tmp_path / "own.toml"
    config.write_text("[sessions] is no configuration")
    directory = DataDir.create(tmp_path / "data")
    directory.remember_start(config, 300)
    assert directory.started_with() == (config, 300)
    result = CliRunner().invoke(APP, ["--once", "--data", str(directory.root)])
    assert result.exit_code == 2
    assert "own.toml" in result.output
