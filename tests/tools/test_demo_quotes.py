import pytest

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.model import NANOS
from kalshi_fix.processes.demo_quotes import LEVELS, REFUSED_PAUSE, STEP_EVERY, Quotes

AT = 1_795_343_400 * NANOS


def quoting(quotes: Quotes, at: int, most: int = 500) -> list[FixMessage]:
    """Messages until the book is as wanted, each answered at once by an agreeable exchange."""
    sent = []
    while (message := quotes.next_message(at)) is not None:
        sent.append(message)
        assert len(sent) < most, "the maker does not come to rest"
        if message.msg_type == "F":
            report = [(11, message.get(11)), (41, message.get(41)), (150, "4"), (39, "4")]
            quotes.on_message(FixMessage("8", report), at)
    return sent


@pytest.fixture
def quotes() -> Quotes:
    return Quotes(("A", "B"), "MM-1")


def test_both_sides_are_quoted_on_every_market(quotes: Quotes) -> None:
    sent = quoting(quotes, AT)
    assert {message.msg_type for message in sent} == {"D"}
    assert len(sent) == 2 * 2 * LEVELS
    for symbol in "AB":
        bids = [m.get(44) for m in sent if m.get(55) == symbol and m.get(54) == "1"]
        offers = [m.get(44) for m in sent if m.get(55) == symbol and m.get(54) == "2"]
        assert max(bids) < min(offers)


def test_ids_are_never_used_twice(quotes: Quotes) -> None:
    sent = quoting(quotes, AT) + quoting(quotes, AT + 20 * NANOS)
    ids = [message.get(11) for message in sent]
    assert len(ids) == len(set(ids))


def test_what_is_filled_is_put_back(quotes: Quotes) -> None:
    first = quoting(quotes, AT)[0]
    fill = FixMessage("8", [(11, first.get(11)), (150, "F"), (39, "2")])
    quotes.on_message(fill, AT)
    (again,) = quoting(quotes, AT)
    assert (again.get(55), again.get(54), again.get(44)) == (
        first.get(55), first.get(54), first.get(44)
    )  # fmt: skip


def test_a_partly_filled_order_stays(quotes: Quotes) -> None:
    first = quoting(quotes, AT)[0]
    quotes.on_message(FixMessage("8", [(11, first.get(11)), (150, "F"), (39, "1")]), AT)
    assert quotes.next_message(AT) is None


def test_the_book_follows_the_middle_and_never_crosses_itself(quotes: Quotes) -> None:
    quoting(quotes, AT)
    at = AT
    for _ in range(200):
        at += STEP_EVERY
        quoting(quotes, at)
        for symbol in "AB":
            bids = [p.price for p in quotes.live if (p.symbol, p.side) == (symbol, 1)]
            offers = [p.price for p in quotes.live if (p.symbol, p.side) == (symbol, 2)]
            assert max(bids) < min(offers)
            assert min(bids) > 0
            assert max(offers) < 10_000


def test_a_refused_level_is_tried_again_only_after_a_pause(quotes: Quotes) -> None:
    first = quoting(quotes, AT)[0]
    quotes.on_message(FixMessage("8", [(11, first.get(11)), (150, "8"), (39, "8")]), AT)
    assert quotes.next_message(AT) is None
    quotes._step_at = AT + 100 * NANOS  # the middle stays
    assert quotes.next_message(AT + REFUSED_PAUSE) is not None


def test_the_same_seed_wanders_the_same_way() -> None:
    walks = []
    for _ in range(2):
        quotes = Quotes(("A", "B", "C"), "MM-1", seed=7)
        for step in range(50):
            quotes.next_message(AT + step * STEP_EVERY)
        walks.append(dict(quotes.middles))
    assert walks[0] == walks[1]
