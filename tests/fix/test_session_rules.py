"""Session rules as tables: what the engine would let pass."""

import pytest

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.session_rules import Budget, admin_fault, message_fault, resend_cost
from kalshi_fix.model import NANOS

EXPECTED, NEXT_OUTGOING = 7, 5
NOW, EARLIER = "20261120-12:00:00.000", "20261120-11:59:00.000"
Row = tuple[tuple[int, str], ...]


def header(*more: tuple[int, str], sender: str = "A", target: str = "X") -> Row:
    return ((34, "7"), (49, sender), (52, NOW), (56, target), *more)


@pytest.mark.parametrize(
    ("begin", "end", "tag"),
    [
        ("1", "0", 0),
        ("4", "4", 0),
        ("1", "999999999", 0),
        ("01", "04", 0),
        ("0", "0", 7),
        ("5", "0", 7),
        ("1000", "0", 7),
        ("3", "2", 16),
        ("1" * 5_000, "0", 7),
    ],
)
def test_a_resend_request_asks_for_what_was_sent(begin: str, end: str, tag: int) -> None:
    request = FixMessage("2", header((7, begin), (16, end)))
    fault = admin_fault(request, EXPECTED, NEXT_OUTGOING)
    assert (fault.tag if fault else 0) == tag
    assert fault is None or fault.code == "5"


@pytest.mark.parametrize(
    ("gap_fill", "new", "is_good"),
    [
        ("Y", "8", True),
        ("Y", "7", False),
        ("Y", "1", False),
        ("N", "8", True),
        ("N", "7", True),
        ("N", "6", False),
        ("N", "9" * 30, False),
    ],
)
def test_a_sequence_reset_never_goes_back(gap_fill: str, new: str, is_good: bool) -> None:
    reset = FixMessage("4", header((123, gap_fill), (36, new)))
    fault = admin_fault(reset, EXPECTED, NEXT_OUTGOING)
    assert (fault is None) is is_good
    assert fault is None or (fault.tag, fault.code) == (36, "5")


@pytest.mark.parametrize(
    ("fields", "answer", "ends"),
    [
        (header(), None, False),
        (header(sender="B"), (49, "9"), True),
        (header(target="Y"), (56, "9"), True),
        (header((43, "Y"), (122, EARLIER)), None, False),
        (header((43, "Y"), (122, NOW)), None, False),
        (header((43, "Y")), (122, "1"), False),
        (header((43, "Y"), (122, "20261120-12:00:00.001")), (122, "10"), False),
        (header((43, "N"), (122, "20261120-12:00:00.001")), None, False),
    ],
)
def test_identity_and_repeats(fields: Row, answer: tuple[int, str] | None, ends: bool) -> None:
    fault = message_fault(FixMessage("0", fields), "A", "X")
    found = (fault.refusal.tag, fault.refusal.code) if fault and fault.refusal else None
    assert found == answer
    assert bool(fault and fault.logout) is ends


def test_a_sequence_reset_may_repeat_without_its_original_time() -> None:
    assert message_fault(FixMessage("4", header((43, "Y"))), "A", "X") is None


@pytest.mark.parametrize(
    ("begin", "end", "cost"),
    [(1, 0, 1_000), (1, 999_999_999, 1_000), (501, 600, 100), (1_000, 0, 10), (7, 7, 10)],
)
def test_a_resend_request_costs_what_its_answer_holds(begin: int, end: int, cost: int) -> None:
    request = FixMessage("2", [(7, str(begin)), (16, str(end))])
    assert resend_cost(request, 1_001) == cost


def test_everything_can_be_had_once_and_again_only_when_the_debt_is_paid() -> None:
    budget = Budget(units_max=100, units_per_minute=600)
    assert budget.spend(1_000, NANOS)  # leaves a debt of 900
    assert not budget.spend(1, NANOS + 1)
    assert not budget.spend(1, 91 * NANOS)
    assert budget.spend(1, 91 * NANOS + NANOS // 10)


def test_a_budget_is_spent_to_the_last_unit() -> None:
    budget = Budget(units_max=3, units_per_minute=1)
    assert [budget.spend(1, NANOS) for _ in range(4)] == [True, True, True, False]


def test_a_budget_never_grows_beyond_its_size() -> None:
    budget = Budget(units_max=2, units_per_minute=60)
    assert budget.spend(1, NANOS)
    late = 10_000 * NANOS
    assert [budget.spend(1, late) for _ in range(3)] == [True, True, False]
