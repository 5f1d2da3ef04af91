from market_data_parts import BUY, SELL, SYMBOL, BookClient, System, request, text

from kalshi_fix.services.market_data import MarketDataLimits
from kalshi_fix.services.market_data_format import pack_book


def active_system(conflate_after: int = 1_000) -> System:
    system = System(MarketDataLimits(conflate_after_messages=conflate_after))
    system.tape.market()
    system.tape.level(BUY, 4500, 100)
    system.tape.level(SELL, 4700, 100)
    system.flow()
    return system


def actions(message: object) -> list[str]:
    words = text(message).split()  # type: ignore[arg-type]
    return [word for word in words if word[:4] in {"279=", "270=", "271="}]


def test_a_slow_session_gets_the_difference_once_it_has_drained() -> None:
    system = active_system(conflate_after=10)
    system.ask(request())
    system.queued["ALPHA-MD"] = 11
    for quantity in (200, 300, 400):
        system.tape.level(BUY, 4500, quantity)
        system.tape.level(BUY, 4600, quantity)
        assert system.flow() == []
    system.tape.level(BUY, 4600, 0)
    assert system.flow() == []
    system.queued["ALPHA-MD"] = 5
    ((session, message),) = system.service.on_idle()
    assert session == "ALPHA-MD"
    assert actions(message) == ["279=1", "270=0.4500", "271=4.00"]
    system.tape.level(BUY, 4500, 100)
    assert [answer.msg_type for answer in system.flow()] == ["X"]  # live again
    assert system.service.conflating_count == 0


def test_a_slow_session_stays_held_back_until_half_is_drained() -> None:
    system = active_system(conflate_after=10)
    system.ask(request())
    system.queued["ALPHA-MD"] = 11
    system.tape.level(BUY, 4500, 200)
    system.flow()
    system.queued["ALPHA-MD"] = 6
    assert system.service.on_idle() == []
    assert system.service.conflating_count == 1


def test_a_slow_session_holds_nobody_else_back() -> None:
    system = active_system(conflate_after=10)
    system.ask(request(), "ALPHA-MD")
    system.ask(request(), "BRAVO-MD")
    system.queued["ALPHA-MD"] = 11
    system.tape.level(BUY, 4500, 200)
    system.flow()
    assert [session for session, _ in system.sent] == ["BRAVO-MD"]


def test_a_slow_full_refresh_session_gets_one_w_per_changed_market() -> None:
    system = active_system(conflate_after=10)
    system.ask(request(update="0"))
    system.queued["ALPHA-MD"] = 11
    system.tape.level(BUY, 4500, 200)
    system.tape.level(BUY, 4500, 300)
    system.flow()
    system.queued.clear()
    assert [message.msg_type for _, message in system.service.on_idle()] == ["W"]


def test_a_slow_session_hears_the_last_trade_it_missed() -> None:
    system = active_system(conflate_after=10)
    system.ask(request(types="2B"))
    system.queued["ALPHA-MD"] = 11
    system.tape.trade(4700, 100)
    system.tape.trade(4800, 200)
    system.flow()
    system.queued.clear()
    ((_, message),) = system.service.on_idle()
    assert actions(message) == ["279=0", "270=0.4800", "271=2.00", "279=1", "271=3.00"]


def test_a_market_with_a_hole_waits_for_its_book_and_repairs_its_subscribers() -> None:
    system = active_system()
    client = BookClient()
    client.take(system.ask(request())[0])
    system.tape.level(BUY, 4500, 0)
    system.publish()  # this entry is lost
    system.tape.level(BUY, 4400, 900)
    assert system.flow() == []
    assert system.service.follower.wanted("s0") == [SYMBOL]
    assert system.service.follower.needs_reload("s0")
    book = pack_book(system.publication.depths[SYMBOL])
    for _, message in system.service.on_book("s0", book):
        client.take(message)
    assert client.best(SYMBOL, "0") == [("0.4400", "9.00", "1")]
    assert system.service.follower.wanted("s0") == []
    system.tape.level(BUY, 4400, 800)
    assert len(system.flow()) == 1


def test_a_book_that_is_too_old_is_asked_for_again() -> None:
    system = active_system()
    old = pack_book(system.publication.depths[SYMBOL])
    system.tape.level(BUY, 4500, 0)
    system.publish()
    system.tape.level(BUY, 4400, 900)
    system.flow()
    assert system.service.on_book("s0", old) == []
    assert system.service.follower.wanted("s0") == [SYMBOL]


def test_an_entry_that_comes_twice_changes_nothing() -> None:
    system = active_system()
    system.ask(request())
    system.tape.level(BUY, 4400, 900)
    payload = system.publish()
    assert payload is not None
    assert len(system.service.on_feed("s0", payload)) == 1
    assert system.service.on_feed("s0", payload) == []


def test_a_lost_entry_of_other_markets_means_reading_all_books_again() -> None:
    system = active_system()
    system.tape.market("KXTEST-B")
    system.publish()  # lost, and KXTEST-B then stays quiet
    system.tape.level(BUY, 4400, 900)
    system.flow()
    assert system.service.follower.needs_reload("s0")
    system.service.follower.start("s0", system.publication.number)
    assert not system.service.follower.needs_reload("s0")
