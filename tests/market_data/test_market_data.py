import pytest
from market_data_parts import AT, BUY, SELL, SYMBOL, System, request, text, view

from kalshi_fix.messages import events as e
from kalshi_fix.services.market_data import MarketDataLimits

TIMES = "272=20261122 273=10:30:00.123"


@pytest.fixture
def system() -> System:
    """One active market with two bids and one offer."""
    system = System()
    system.tape.market()
    system.tape.level(BUY, 4400, 1000)
    system.tape.level(BUY, 4500, 250)
    system.tape.level(SELL, 4700, 500)
    system.flow()
    return system


def test_snapshot_holds_levels_best_first(system: System) -> None:
    (answer,) = system.ask(request(kind="0"))
    assert text(answer) == (
        f"W 262=R1 55=KXTEST-A 268=3 269=0 270=0.4500 271=2.50 {TIMES} 346=1"
        f" 269=0 270=0.4400 271=10.00 {TIMES} 346=1 269=1 270=0.4700 271=5.00 {TIMES} 346=1"
    )


def test_snapshot_of_an_empty_book_is_268_0() -> None:
    system = System()
    system.tape.market()
    system.flow()
    assert text(system.ask(request(kind="0"))[0]) == "W 262=R1 55=KXTEST-A 268=0"


def test_snapshot_holds_last_trade_and_totals_when_asked_for(system: System) -> None:
    system.tape.trade(4600, 300)
    system.flow()
    (answer,) = system.ask(request(kind="0", types="2BC"))
    assert text(answer) == (
        f"W 262=R1 55=KXTEST-A 268=3 269=2 270=0.4600 271=3.00 {TIMES}"
        f" 269=B 271=3.00 {TIMES} 269=C 271=3.00 {TIMES}"
    )


def test_snapshot_only_is_not_a_subscription(system: System) -> None:
    system.ask(request(kind="0"))
    system.tape.level(BUY, 4500, 300)
    assert system.flow() == []


def test_level_changes_are_sent_with_absolute_sizes(system: System) -> None:
    system.ask(request())
    system.tape.level(BUY, 4600, 100)
    system.tape.level(BUY, 4500, 2300)
    system.tape.level(SELL, 4700, 0)
    (message,) = system.flow()
    assert text(message) == (
        f"X 262=R1 268=3 279=0 269=0 55=KXTEST-A 270=0.4600 271=1.00 {TIMES} 346=1"
        f" 279=1 269=0 55=KXTEST-A 270=0.4500 271=23.00 {TIMES} 346=3"
        f" 279=2 269=1 55=KXTEST-A 270=0.4700 271=0.00 {TIMES} 346=0"
    )


def test_trade_is_new_with_its_trade_id_and_totals_change(system: System) -> None:
    system.ask(request(types="2BC"))
    system.tape.trade(4700, 500)
    (message,) = system.flow()
    assert text(message) == (
        f"X 262=R1 268=3 279=0 269=2 278=7005 55=KXTEST-A 270=0.4700 271=5.00 {TIMES}"
        f" 279=1 269=B 55=KXTEST-A 271=5.00 {TIMES} 279=1 269=C 55=KXTEST-A 271=5.00 {TIMES}"
    )


def test_busted_trade_is_deleted_by_its_trade_id(system: System) -> None:
    system.tape.trade(4700, 500)
    system.flow()
    system.ask(request(types="2B"))
    head = system.tape.head(SYMBOL)
    system.tape.pending.append(e.TradeBusted(*head, 7005, 4700, 500, 0, 0))
    (message,) = system.flow()
    assert text(message) == (
        f"X 262=R1 268=2 279=2 269=2 278=7005 55=KXTEST-A 270=0.4700 271=5.00 {TIMES}"
        f" 279=1 269=B 55=KXTEST-A 271=0.00 {TIMES}"
    )


def test_after_a_bust_a_snapshot_holds_the_last_trade_that_stands(system: System) -> None:
    system.tape.trade(4600, 200)
    system.tape.trade(4700, 500)
    system.flow()
    head = system.tape.head(SYMBOL)
    system.tape.pending.append(
        e.TradeBusted(*head, 7006, 4700, 500, 200, 200, 4600, 7005, 200, head[1])
    )
    system.flow()
    assert "269=2 270=0.4600 271=2.00" in text(system.ask(request(types="2"))[0])
    head = system.tape.head(SYMBOL)
    system.tape.pending.append(e.TradeBusted(*head, 7005, 4600, 200, 0, 0, 0))
    system.flow()
    assert "268=0" in text(system.ask(request(request_id="R2", types="2"))[0])


def test_top_of_book_follows_the_best_level_only(system: System) -> None:
    system.ask(request(depth=1, types="0"))
    system.tape.level(BUY, 4300, 100)  # below the best: nothing to say
    assert system.flow() == []
    system.tape.level(BUY, 4600, 100)
    (message,) = system.flow()
    assert [entry for entry in text(message).split() if entry[:4] in {"279=", "270="}] == [
        "279=2", "270=0.4500", "279=0", "270=0.4600",
    ]  # fmt: skip
    system.tape.level(BUY, 4600, 0)
    (message,) = system.flow()
    assert [entry for entry in text(message).split() if entry[:4] in {"279=", "270="}] == [
        "279=2", "270=0.4600", "279=0", "270=0.4500",
    ]  # fmt: skip


def test_full_refresh_subscription_gets_a_w_per_change(system: System) -> None:
    system.ask(request(update="0", depth=1, types="0"))
    system.tape.level(BUY, 4600, 100)
    system.tape.level(BUY, 4600, 200)
    (message,) = system.flow()
    expected = f"W 262=R1 55=KXTEST-A 268=1 269=0 270=0.4600 271=2.00 {TIMES} 346=1"
    assert text(message) == expected


def test_unsubscribe_stops_the_changes_and_frees_the_id(system: System) -> None:
    system.ask(request())
    assert system.ask(request(kind="2")) == []
    system.tape.level(BUY, 4500, 300)
    assert system.flow() == []
    assert [answer.msg_type for answer in system.ask(request())] == ["W"]


def session_changed(epoch: int, *, is_open: bool) -> e.SessionChanged:
    flags = dict.fromkeys(
        ("cancel_on_disconnect", "listener", "venue_tags", "settlement_reports"), False
    )
    return e.SessionChanged(
        number=9, at=AT, firm="ALPHA", session="ALPHA-MD", process="gateway:md1", counter=1,
        connection="c", is_open=is_open, epoch=epoch, confirmed=0, high_water=0, signed_at=0,
        reason="", **flags,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("epoch", "is_open", "kept"),
    [
        (0, False, False),  # logged out
        (1, True, False),  # logged on anew
        (0, True, True),  # the news of this very Logon, come late
    ],
)
def test_a_subscription_lives_as_long_as_its_logon(
    system: System, epoch: int, is_open: bool, kept: bool
) -> None:
    system.ask(request())
    system.service.on_event(session_changed(epoch, is_open=is_open))
    system.tape.level(BUY, 4500, 300)
    assert bool(system.flow()) is kept


def test_the_end_of_an_older_logon_leaves_the_present_one_alone(system: System) -> None:
    system.service.on_event(session_changed(1, is_open=True))
    session = view("ALPHA-MD")
    session.epoch = 1
    system.ask(request(), session)
    system.service.on_event(session_changed(0, is_open=False))
    system.tape.level(BUY, 4500, 300)
    assert len(system.flow()) == 1


REFUSED = [
    (request(symbols=("KXTEST-A", "KXNONE")), "Y 262=R1 281=0 58=MARKET_NOT_FOUND 55=KXNONE"),
    (request("HELD"), "Y 262=HELD 281=1 58=DUPLICATE_MD_REQ_ID"),
    (request(kind="3"), "Y 262=R1 281=4 58=UNSUPPORTED_SUBSCRIPTION 263=3"),
    (request(kind="2"), "Y 262=R1 281=4 58=UNKNOWN_MD_REQ_ID"),
    (request(depth=-1), "Y 262=R1 281=5 58=UNSUPPORTED_DEPTH 264=-1"),
    (request(update="2"), "Y 262=R1 281=6 58=UNSUPPORTED_UPDATE_TYPE 265=2"),
    (request() + "|266=N", "Y 262=R1 281=7 58=UNSUPPORTED_AGGREGATION 266=N"),
    (request(types="017"), "Y 262=R1 281=8 58=UNSUPPORTED_ENTRY_TYPE 269=7"),
    (
        request(symbols=[f"M{n}" for n in range(1001)]),
        "Y 262=R1 281=2 58=TOO_MANY_SYMBOLS max=1000",
    ),
    (
        request().replace("|265=1", "|34=7"),
        "j 45=7 372=V 379=R1 380=5 58=CONDITIONALLY_REQUIRED_TAG_MISSING tag=265",
    ),
    ("35=V|34=7|263=1|264=0", "3 45=7 371=262 372=V 373=1 58=REQUIRED_TAG_MISSING"),
    ("35=D|34=7|11=A", "j 45=7 372=D 379=A 380=3 58=MESSAGE_NOT_SUPPORTED"),
]


@pytest.mark.parametrize(("asked", "answer"), REFUSED, ids=[row[1][:40] for row in REFUSED])
def test_a_refused_request_says_why_and_subscribes_nothing(
    system: System, asked: str, answer: str
) -> None:
    system.ask(request("HELD", types="B"))
    assert [text(message) for message in system.ask(asked)] == [answer]
    system.tape.level(BUY, 4500, 300)
    assert system.flow() == []


def test_a_session_may_hold_only_so_many_subscriptions() -> None:
    system = System(MarketDataLimits(subscriptions_per_session_max=1))
    system.tape.market()
    system.flow()
    system.ask(request("R1"))
    answer = system.ask(request("R2"))[0]
    assert text(answer) == "Y 262=R2 281=2 58=TOO_MANY_SUBSCRIPTIONS max=1"
    assert system.ask(request("R3", kind="0"))[0].msg_type == "W"


def test_entries_of_a_batch_are_split_over_messages(system: System) -> None:
    system.service.limits = MarketDataLimits(entries_per_message_max=2)
    system.ask(request())
    for quantity in (100, 200, 300):
        system.tape.level(BUY, 4500, quantity)
    assert [message.get(268) for message in system.flow()] == ["2", "1"]


def test_times_have_six_decimals_where_the_session_wants_them(system: System) -> None:
    session = view("ALPHA-MD")
    session.microseconds = True
    (answer,) = system.ask(request(kind="0"), session)
    assert answer.get(273) == "10:30:00.123456"
