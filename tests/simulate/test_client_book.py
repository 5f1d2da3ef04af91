"""The simulated client's own book: what it believes about an order after trouble."""

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.simulate.book import Book

OPEN = ("0", "0.00", "5.00")
CANCELLED = ("4", "0.00", "0.00")


def report(exec_type: str, state: tuple[str, str, str], *more: tuple[int, str]) -> FixMessage:
    status, filled, left = state
    return FixMessage(
        "8",
        [
            (55, "M"),
            (37, "47"),
            (150, exec_type),
            (39, status),
            (14, filled),
            (151, left),
            (11, "A-1"),
            *more,
        ],
    )


def answer(state: tuple[str, str, str]) -> FixMessage:
    return report("I", state, (17, "0"), (790, "A-1"))


def test_a_report_that_follows_the_answer_to_a_question_is_believed() -> None:
    book = Book("A")
    book.told(answer(OPEN), 1)
    assert book.asked == {"A-1": OPEN}
    book.told(report("4", CANCELLED, (17, "1;379")), 1)
    assert book.asked == {"A-1": CANCELLED}


def test_a_client_that_lost_its_history_has_no_answers_either() -> None:
    book = Book("A")
    book.told(answer(OPEN), 1)
    book.forget_status()
    book.told(report("4", CANCELLED, (17, "1;379")), 1)
    assert book.asked == {}
