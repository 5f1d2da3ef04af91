import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from scripted_exchange import ScriptedExchange

from kalshi_fix.adapters.fix_session import Identity
from kalshi_fix.adapters.logs import open_log
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.settings import DemoSettings, LogSettings, Settings
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.processes import demo_maker
from kalshi_fix.processes.demo_maker import DemoMaker
from kalshi_fix.processes.demo_quotes import Quotes

ME = Identity(sender_comp_id="DEMO-MM", target_comp_id="KalshiRT", logon_fields=((8013, "Y"),))
LOG = open_log("test", LogSettings(level="critical"))


def script(message: FixMessage) -> list[FixMessage]:
    if message.msg_type == "q":
        return [FixMessage("r", [(11, message.get(11)), (531, "7")])]
    return [FixMessage("8", [(11, message.get(11)), (150, "0"), (39, "0")])]


def wait_for(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not check():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_maker, "MESSAGE_SECONDS", 0.01)
    monkeypatch.setattr(demo_maker, "BACKOFF_SECONDS", (0.01,))


def test_it_cleans_up_quotes_and_takes_everything_back_when_it_stops() -> None:
    stop = threading.Event()
    with ScriptedExchange(script) as exchange:
        maker = DemoMaker(("127.0.0.1", exchange.port), ME, Quotes(("A",), "MM"), LOG)
        thread = threading.Thread(target=maker.run, args=(stop,))
        thread.start()
        wait_for(lambda: len(exchange.received) >= 10)
        stop.set()
        thread.join(5)
    kinds = [message.msg_type for message in exchange.received]
    assert kinds[:3] == ["A", "q", "D"]
    assert kinds[-2:] == ["q", "5"]
    assert exchange.received[0].get(8013) == "Y"


def test_it_comes_back_when_the_exchange_was_away() -> None:
    stop = threading.Event()
    with ScriptedExchange(script, refuse="EXCHANGE_UNAVAILABLE") as exchange:
        maker = DemoMaker(("127.0.0.1", exchange.port), ME, Quotes(("A",), "MM"), LOG)
        thread = threading.Thread(target=maker.run, args=(stop,))
        thread.start()
        wait_for(lambda: len(exchange.received) >= 2)
        exchange.accepts_again()
        wait_for(lambda: any(message.msg_type == "D" for message in exchange.received))
        stop.set()
        thread.join(5)


def test_without_a_configured_session_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = DataDir.create(tmp_path)
    assert demo_maker.main(Settings(demo=DemoSettings()), data) == 2
    assert "demo.session and demo.symbols" in capsys.readouterr().err
