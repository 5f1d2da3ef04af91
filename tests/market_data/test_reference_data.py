import pytest
from market_data_parts import AT, SYMBOL, System, text, view

from kalshi_fix.messages import events as e
from kalshi_fix.services.market_data import MarketDataLimits

TIME = "60=20261122-10:30:00.123"


@pytest.fixture
def system() -> System:
    system = System(MarketDataLimits(markets_per_message_max=2))
    for symbol in ("KXTEST-C", "KXTEST-A", "KXTEST-B"):
        system.tape.market(symbol, close_at=AT)
    system.flow()
    return system


def test_a_market_is_listed_with_title_tick_state_and_tickers(system: System) -> None:
    (answer,) = system.ask("35=x|320=L1|559=0|55=KXTEST-A")
    assert text(answer) == (
        "y 320=L1 322=1795343400123-1 560=0 393=1 893=Y 146=1 55=KXTEST-A 107=A test market 15=USD"
        " 58=tick=0.01;status=active;close=20261122-10:30:00.123;event=KXTEST;series=KX"
    )


def test_a_tick_that_depends_on_the_price_is_listed_by_range() -> None:
    system = System()
    system.tape.market(price_ranges=((10, 100, 10), (100, 9900, 100)))
    system.flow()
    (answer,) = system.ask("35=x|320=L1|559=4")
    assert answer.get(58).startswith("tick=0.001@0.001-0.01,0.01@0.01-0.99;status=active;event=")


def test_a_long_list_comes_in_fragments_and_the_last_says_so(system: System) -> None:
    answers = system.ask("35=x|320=L1|559=4")
    assert [(a.get(393), a.get(893), a.get(146)) for a in answers] == [
        ("3", "N", "2"),
        ("3", "Y", "1"),
    ]
    listed = [value for a in answers for tag, value in a.fields if tag == 55]
    assert listed == ["KXTEST-A", "KXTEST-B", "KXTEST-C"]


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("559=0|55=KXNONE", "560=2 393=0 893=Y"),
        ("559=2", "560=1 393=0 893=Y"),
    ],
)
def test_nothing_found_says_why(system: System, asked: str, answer: str) -> None:
    (message,) = system.ask(f"35=x|320=L1|{asked}")
    assert text(message) == f"y 320=L1 322=1795343400123-1 {answer}"


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("35=x|34=2|320=L1", "3 45=2 371=559 372=x 373=1 58=REQUIRED_TAG_MISSING"),
        ("35=x|34=2|320=L1|559=9", "3 45=2 371=559 372=x 373=5 58=VALUE_IS_INCORRECT"),
        (
            "35=x|34=2|320=L1|559=0",
            "j 45=2 372=x 379=L1 380=5 58=CONDITIONALLY_REQUIRED_TAG_MISSING tag=55",
        ),
        ("35=e|34=2|324=S1|55=A", "3 45=2 371=263 372=e 373=1 58=REQUIRED_TAG_MISSING"),
        (
            "35=e|34=2|324=S1|263=0",
            "j 45=2 372=e 379=S1 380=5 58=CONDITIONALLY_REQUIRED_TAG_MISSING tag=55",
        ),
        (
            "35=e|34=2|324=S1|55=KXTEST-A|263=7",
            "3 45=2 371=263 372=e 373=5 58=VALUE_IS_INCORRECT",
        ),
    ],
)
def test_a_malformed_request_is_refused(system: System, asked: str, answer: str) -> None:
    assert [text(message) for message in system.ask(asked)] == [answer]


def test_who_subscribed_to_the_list_hears_of_new_markets(system: System) -> None:
    system.ask("35=x|320=L1|559=4|263=1")
    system.tape.market("KXTEST-D")
    (message,) = system.flow()
    assert (message.msg_type, message.get(320), message.get(55)) == ("y", "L1", "KXTEST-D")
    system.tape.market("KXTEST-D", status="paused")
    assert system.flow() == []  # not new any more
    system.ask("35=x|320=L1|559=4|263=2")
    system.tape.market("KXTEST-E")
    assert system.flow() == []


def test_a_session_sees_only_the_markets_it_may_see(system: System) -> None:
    session = view("ALPHA-MD")
    session.markets = (("KXTEST-A", "KXNEW*"),)
    answers = system.ask("35=x|320=L1|559=4|263=1", session)
    assert [answer.get(55) for answer in answers] == ["KXTEST-A"]
    system.tape.market("KXTEST-D")
    assert system.flow() == []
    system.tape.market("KXNEW-1")
    assert [message.get(55) for message in system.flow()] == ["KXNEW-1"]


STATES = [
    ("initialized", "18"),
    ("active", "17"),
    ("paused", "2"),
    ("closed", "18"),
    ("determined", "18"),
    ("disputed", "18"),
    ("settled", "18"),
]


@pytest.mark.parametrize(("status", "code"), STATES)
def test_every_state_has_its_trading_status(status: str, code: str) -> None:
    system = System()
    system.tape.market(status=status)
    system.flow()
    (answer,) = system.ask("35=e|324=S1|55=KXTEST-A|263=0")
    assert text(answer) == f"f 324=S1 55=KXTEST-A 325=N 326={code} {TIME} 58={status}"


def test_an_unknown_market_has_an_unknown_state(system: System) -> None:
    (answer,) = system.ask("35=e|324=S1|55=KXNONE|263=1")
    assert text(answer) == f"f 324=S1 55=KXNONE 325=N 326=20 {TIME} 58=MARKET_NOT_FOUND"


def test_who_subscribed_to_a_state_hears_of_pause_and_resume(system: System) -> None:
    system.ask("35=e|324=S1|55=KXTEST-A|263=1")
    for status, code in (("paused", "2"), ("active", "3"), ("closed", "18")):
        system.tape.market(status=status)
        (message,) = system.flow()
        assert text(message) == f"f 324=S1 55=KXTEST-A 325=Y 326={code} {TIME} 58={status}"
    system.ask("35=e|324=S1|55=KXTEST-A|263=2")
    system.tape.market(status="determined")
    assert system.flow() == []


def test_a_pause_of_the_exchange_halts_what_would_trade(system: System) -> None:
    system.ask(f"35=e|324=S1|55={SYMBOL}|263=1")
    paused = e.ExchangeChanged(9, AT, paused=True, killed=False, trading_day=0, day_ends_at=0)
    resumed = e.ExchangeChanged(10, AT, paused=False, killed=False, trading_day=0, day_ends_at=0)
    ((_, told),) = system.service.on_event(paused)
    assert told.get(326) == "2"
    assert system.ask(f"35=e|324=S2|55={SYMBOL}|263=0")[0].get(326) == "2"
    ((_, told),) = system.service.on_event(resumed)
    assert told.get(326) == "3"
    assert system.service.on_event(resumed) == []
