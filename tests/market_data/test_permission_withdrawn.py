"""A subscription lives as long as the permission it was made under; its end is told at once."""

from market_data_parts import AT, SYMBOL, System, request, text, view

from kalshi_fix.messages.events import SessionDefined
from kalshi_fix.processes.gateway_link import apply_definition

SESSION = "ALPHA-MD"
TIME = "60=20261122-10:30:00.123"


def a_system() -> System:
    system = System()
    for symbol in ("KXTEST-A", "KXTEST-B"):
        system.tape.market(symbol)
    system.flow()
    return system


def change(system: System, **permissions: object) -> list[str]:
    """An operator's change of the session; returns what it is told."""
    event = SessionDefined(
        9, AT, SESSION, "ALPHA", SESSION, "KalshiMD", "MD", (), True, False, False, 0, **permissions
    )  # fmt: skip
    told = system.service.on_event(event)
    assert {session for session, _ in told} <= {SESSION}
    return [text(message) for _, message in told]


def test_a_market_withdrawn_ends_the_subscriptions_that_name_it_and_no_other() -> None:
    system = a_system()
    system.ask(request("BOTH", symbols=("KXTEST-A", "KXTEST-B")))
    system.ask(request("ONE", symbols=("KXTEST-B",)))
    assert change(system, markets=("KXTEST-B",)) == ["Y 262=BOTH 281=3 58=NOT_ENTITLED"]
    system.tape.level(1, 4000, 100, "KXTEST-A")
    system.tape.level(1, 4000, 100, "KXTEST-B")
    assert [message.get(262) for message in system.flow()] == ["ONE"]


def test_a_segment_counts_as_much_as_the_session_itself() -> None:
    system = a_system()
    system.ask(request("R1"))
    assert change(system, segment_markets=("KXFED*",)) == ["Y 262=R1 281=3 58=NOT_ENTITLED"]
    assert change(system, segment_markets=("KXFED*",)) == [], "told once"
    assert system.service.subscription_count == 0


def test_a_request_id_may_be_used_again_once_the_market_is_back() -> None:
    system = a_system()
    system.ask(request("R1"))
    change(system, markets=("KXFED*",))
    change(system)
    assert [message.msg_type for message in system.ask(request("R1"))] == ["W"]


def test_messages_withdrawn_end_what_they_asked_for() -> None:
    system = a_system()
    system.ask(request("R1"))
    system.ask("35=x|320=L1|559=4|263=1")
    system.ask(f"35=e|324=S1|55={SYMBOL}|263=1")
    assert change(system, message_types=("V", "x", "e")) == []
    told = change(system, message_types=("UTQ",))
    assert told[0] == "Y 262=R1 281=3 58=NOT_ENTITLED"
    assert told[1].endswith("560=3 393=0 893=Y")
    assert told[2] == f"f 324=S1 55={SYMBOL} 325=Y 326=20 {TIME} 58=NOT_ENTITLED"
    system.tape.market("KXTEST-C")
    system.tape.market(SYMBOL, status="paused")
    assert system.flow() == []


def test_a_list_goes_on_without_the_markets_it_lost() -> None:
    system, session = a_system(), view(SESSION)
    system.ask("35=x|320=L1|559=4|263=1", session)
    event = SessionDefined(
        9, AT, SESSION, "ALPHA", SESSION, "KalshiMD", "MD", (), True, False, False, 0,
        markets=("KXTEST-*",),
    )  # fmt: skip
    apply_definition(session, event)
    assert system.service.on_event(event) == []
    system.tape.market("KXFED-1")
    system.tape.market("KXTEST-C")
    assert [message.get(55) for message in system.flow()] == ["KXTEST-C"]
