"""A session asks for its throttle: what it may use, what is left, when an order would be taken."""

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.model import NANOS
from kalshi_fix.services.policy import Policy
from kalshi_fix.services.service import SessionView
from kalshi_fix.services.throttle import Throttle, ThrottleLimits

AT = 1_000 * NANOS
LIMITS = ThrottleLimits(tokens_per_second=10, burst_tokens=20, cancel_tokens_per_second=4)


def session(role: str = "RT") -> SessionView:
    return SessionView("S", "S", f"Kalshi{role}", role, "ALPHA", ("A",))


def message(msg_type: str, *fields: tuple[int, str]) -> FixMessage:
    return FixMessage(msg_type, [(35, msg_type), (34, "2"), *fields])


def ask(policy: Policy, at: int = AT) -> dict[int, str]:
    answer = policy.admit(session(), message("UTQ", (20910, "t1")), at)
    assert answer is not None
    assert answer.msg_type == "UTR", answer
    return dict(answer.fields)


def test_a_fresh_session_has_everything_left() -> None:
    assert ask(Policy(Throttle({"S": LIMITS}))) == {
        20910: "t1", 20911: "10", 20912: "20", 20913: "20", 20914: "4", 20915: "4",
        20916: "0", 20917: "1000", 20918: "0",
    }  # fmt: skip


def test_what_was_used_is_told_and_when_the_next_order_is_taken() -> None:
    policy = Policy(Throttle({"S": LIMITS}))
    for msg_type in ("D", "D", "D", "F"):
        policy.judge(session(), message(msg_type), AT)
    told = ask(policy, AT + NANOS // 10)
    assert (told[20913], told[20915], told[20916], told[20918]) == ("1", "2", "1", "900")


def test_asking_costs_no_token_but_has_a_rate_of_its_own() -> None:
    policy = Policy(Throttle({"S": LIMITS}))
    for _ in range(LIMITS.inquiries_per_second):
        assert ask(policy)[20913] == "20"
    refusal = policy.admit(session(), message("UTQ"), AT)
    assert refusal is not None
    assert (refusal.msg_type, refusal.get(58)) == ("j", "THROTTLED retry_after_ms=200")


def test_a_session_without_a_throttle_is_told_a_rate_of_0() -> None:
    assert ask(Policy(Throttle({}))) == {20910: "t1", 20911: "0"}


def test_only_sessions_that_may_send_something_may_ask() -> None:
    refusal = Policy(Throttle({})).admit(session("DC"), message("UTQ"), AT)
    assert refusal is not None
    assert (refusal.msg_type, refusal.get(380)) == ("j", "3")


def test_warning_at_80_percent_then_reject_then_logout() -> None:
    limits = ThrottleLimits(tokens_per_second=10, burst_tokens=100, violations_before_logout=3)
    policy = Policy(Throttle({"S": limits}))
    verdicts = [policy.judge(session(), message("D"), AT) for _ in range(13)]
    assert [place for place, each in enumerate(verdicts, 1) if each.notice is not None] == [9]
    refused = [each.refusal.get(58) for each in verdicts if each.refusal is not None]
    assert refused == ["THROTTLED retry_after_ms=1000"] * 3
    assert [each.logout for each in verdicts if each.logout] == ["THROTTLED"]
