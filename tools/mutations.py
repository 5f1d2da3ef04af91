"""Seeds deliberate bugs into a copy of the core and shows that the tests kill every one.

A test-suite that cannot fail proves nothing. Each mutation is one edit of one file; the core's
tests run against the mutated copy and must fail. A mutation that no longer applies is an error:
the list follows the code. Exits 1 if any mutation lives.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from attrs import frozen

ROOT: Final = Path(__file__).parent.parent
TIMEOUT_SECONDS: Final = 90


@frozen
class Mutation:
    """One bug: in a file of the core, ``old`` becomes ``new``."""

    what: str
    file: str
    old: str
    new: str


MUTATIONS: Final = (
    Mutation(
        "a taker trades at its own limit", "matching.py",
        "price = maker.price\n    trade_id", "price = taker.price\n    trade_id",
    ),
    Mutation(
        "orders are put at the head of their queue", "book.py",
        "        tail.next = order\n        order.prev = tail\n    level.tail = order",
        "        head = level.head\n        assert head is not None\n        head.prev = order\n"
        "        order.next = head\n        level.head = order\n"
        "    level.tail = level.tail or order",
    ),
    Mutation(
        "the best level is stale after it empties", "book.py",
        "if side.best is level:", "if side.best is not level:",
    ),
    Mutation(
        "a cancel leaves its quantity in the level", "book.py",
        "    level.quantity -= quantity\n    level.orders -= 1",
        "    level.quantity -= quantity if order.leaves < 300 else 0\n    level.orders -= 1",
    ),
    Mutation(
        "a partial fill does not reduce the level", "matching.py",
        "    level.quantity -= quantity\n", "    level.quantity -= quantity * (not maker.is_buy)\n",
    ),
    Mutation(
        "less quantity at the same price loses priority", "replaces.py",
        "leaves <= order.leaves", "leaves == order.leaves",
    ),
    Mutation(
        "more quantity keeps priority", "replaces.py",
        "keeps_priority = command.price == order.price and leaves <= order.leaves",
        "keeps_priority = command.price == order.price",
    ),
    Mutation(
        "fill-or-kill counts the firm's own orders", "matching.py",
        "            if maker.firm is order.firm:\n                if skips_own:",
        "            if maker.firm is order.firm and skips_own:\n                if skips_own:",
    ),
    Mutation(
        "self-trade is judged per session", "matching.py",
        "if maker.firm is firm:", "if maker.session is order.session:",
    ),
    Mutation(
        "self-trade mode 3 spares the resting order", "matching.py",
        "if mode != plain.CANCEL_INCOMING:", "if mode == plain.CANCEL_RESTING:",
    ),
    Mutation(
        "post-only trades", "orders.py",
        "        and not command.exec_inst & plain.POST_ONLY\n", "",
    ),
    Mutation(
        "post-only is not judged", "orders.py",
        'return Reason.POST_ONLY_CROSS.value if crosses else ""', 'return ""',
    ),
    Mutation(
        "a position covers several orders at once", "ledger.py",
        "return quantity - position.locked if quantity > 0 else 0",
        "return quantity if quantity > 0 else 0",
    ),
    Mutation(
        "a cancelled order keeps its cover", "ending.py",
        "    order.hold = 0\n    if order.lock:", "    order.hold = 0\n    if order.lock > 100:",
    ),
    Mutation(
        "a sale holds the price instead of its complement", "ledger.py",
        "unit = order.price if order.is_buy else plain.PRICE_UNIT - order.price",
        "unit = order.price if order.is_buy else order.price",
    ),
    Mutation(
        "the price improvement is kept", "ledger.py",
        "account.cash += change + released", "account.cash += change + min(released, paid + fee)",
    ),
    Mutation(
        "closing returns the price twice", "ledger.py",
        "payout = (plain.PRICE_UNIT - unit) * closed", "payout = 2 * unit * closed",
    ),
    Mutation(
        "a shrinking position leaves its covers", "ledger.py",
        "    while excess > 0:", "    while excess > 100:",
    ),
    Mutation(
        "fees round down", "fees.py",
        "return -(-exact // EXACT) * STEP", "return exact // EXACT * STEP",
    ),
    Mutation(
        "fees have no cap", "fees.py", "return min(fee, room)", "return min(fee, fee + room)",
    ),
    Mutation(
        "a maker pays the taker's rate", "ledger.py",
        "rate = order.maker_rate if liquidity == plain.MAKER else order.taker_rate",
        "rate = order.taker_rate",
    ),
    Mutation(
        "the worst fee forgets better prices", "fees.py",
        "if (price >= half) == is_buy:", "if price == half:",
    ),
    Mutation(
        "a cost limit forgets the fee", "budget.py",
        "return unit * quantity + fees.charge(order.exact, order.charged, exact)",
        "return unit * quantity + 0 * exact",
    ),
    Mutation(
        "reduce-only trades beyond flat", "matching.py",
        "        if quantity >= room:\n", "        if quantity >= room + 2:\n",
    ),
    Mutation(
        "the group window is sixteen seconds", "groups.py",
        "WINDOW: Final = 15", "WINDOW: Final = 16",
    ),
    Mutation(
        "a group triggers only beyond its limit", "groups.py",
        "self.matched >= self.limit", "self.matched > self.limit",
    ),
    Mutation(
        "open orders do not count toward a position", "risk.py",
        "return position.quantity + position.open_buy", "return position.quantity",
    ),
    Mutation(
        "an order limit allows one too many", "risk.py",
        "if limit and count >= limit:", "if limit and count > limit:",
    ),
    Mutation(
        "the firm's limit is forgotten", "risk.py",
        "return min((values[name] for values in scopes if name in values), default=0)",
        "return min((values[name] for values in scopes[:2] if name in values), default=0)",
    ),
    Mutation(
        "the quantity is checked before the price", "risk.py",
        "    if not reason and command.ord_type == plain.LIMIT:",
        "    if not reason and command.order_qty <= 0:\n        reason = R.INVALID_QUANTITY.value\n"
        "    if not reason and command.ord_type == plain.LIMIT:",
    ),
    Mutation(
        "a refused replace gives up its cover", "replaces.py",
        "        ledger.lock(order, covered)\n        return False",
        "        return False",
    ),
    Mutation(
        "a restored queue is reversed", "restore.py",
        "for order_id in queue:", "for order_id in reversed(queue):",
    ),
    Mutation(
        "an expired change of limits stays", "limits.py",
        "kept = [(end, change) for end, change in self.changes if end > now and change]",
        "kept = [(end, change) for end, change in self.changes if change]",
    ),
    Mutation(
        "a correction pays without taking back", "settlement.py",
        "change = payout - paid.payout\n        account.cash",
        "change = payout\n        account.cash",
    ),
    Mutation(
        "a bust keeps the fee", "busts.py",
        "    change = payout - paid + fee\n    state.ledger.cash",
        "    change = payout - paid\n    state.ledger.cash",
    ),
    Mutation(
        "a bust leaves the last price", "busts.py",
        "market.last_price, market.previous_price = last.price, last.price_before",
        "market.previous_price = last.price_before",
    ),
    Mutation(
        "a bust leaves the volume", "busts.py",
        "    market.volume -= record.quantity\n", "",
    ),
    Mutation(
        "a timer that was taken back still strikes", "clock.py",
        "if entry == lifecycle.next_deadline(market):",
        "if lifecycle.next_deadline(market) and lifecycle.next_deadline(market) <= state.clock:",
    ),
    Mutation(
        "NO is paid what YES is worth", "settlement.py",
        "-quantity * (plain.PRICE_UNIT - value)", "-quantity * value",
    ),
    Mutation(
        "who determined may confirm", "settlement.py",
        "if market.proposer == command.operator:", "if market.proposer == command.why:",
    ),
    Mutation(
        "a dispute lets the timer run", "settlement.py",
        '    market.settle_at = 0\n    market.proposer = ""\n    lifecycle',
        '    market.proposer = ""\n    lifecycle',
    ),
    Mutation(
        "ended orders are forgotten a day early", "lookup.py",
        "order.ended_day < state.day_count - 1", "order.ended_day < state.day_count",
    ),
    Mutation(
        "a replace passes the kill switch", "replaces.py",
        "if not risk.may_trade(state, session):",
        "if not session.enabled:",
    ),
    Mutation(
        "a drain lets orders in", "state.py",
        'return Reason.MAINTENANCE.value if self.draining else ""', 'return ""',
    ),
    Mutation(
        "a deleted group keeps its orders", "groups.py",
        "    group.triggered = True\n    _answer(state, session, command, group)\n"
        "    cancel_all(state, group)\n\n\ndef _trigger_now",
        "    group.triggered = True\n    _answer(state, session, command, group)\n"
        "\n\ndef _trigger_now",
    ),
    Mutation(
        "a request id may be used for something else", "admin.py",
        'if asked not in {"", content}:', 'if asked == "":',
    ),
    Mutation(
        "the effective time goes back", "clock.py",
        "    if at > state.at:", "    if at != state.at:",
    ),
)  # fmt: skip


def killed(mutation: Mutation, workshop: Path) -> bool:
    """Whether the tests notice a mutation.

    Raises:
        ValueError: the mutation does not apply to the code any more.
    """
    path = workshop / "kalshi_fix" / "core" / mutation.file
    original = path.read_text()
    if original.count(mutation.old) != 1:
        raise ValueError(f"{mutation.what}: {mutation.file} has the text "
                         f"{original.count(mutation.old)} times")  # fmt: skip
    path.write_text(original.replace(mutation.old, mutation.new))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider",
             "--hypothesis-profile=no-shrink", "tests/core", "tests/properties"],
            cwd=workshop, capture_output=True, timeout=TIMEOUT_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return True  # an endless loop is noticed, too
    finally:
        path.write_text(original)
    if done.returncode not in {0, 1}:
        raise ValueError(f"{mutation.what}: the tests did not run\n{done.stdout.decode()[-2_000:]}")
    return done.returncode == 1


def main() -> int:
    """Runs all mutations, or those whose text contains the first argument."""
    chosen = [m for m in MUTATIONS if len(sys.argv) < 2 or sys.argv[1] in m.what]
    living = 0
    with tempfile.TemporaryDirectory() as directory:
        workshop = Path(directory)
        for name in ("kalshi_fix", "tests/core", "tests/properties", "tools"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, workshop / name, ignore=ignored)
        for name in ("pyproject.toml", "tests/conftest.py"):
            shutil.copy(ROOT / name, workshop / name)
        for mutation in chosen:
            started = time.monotonic()
            dead = killed(mutation, workshop)
            living += not dead
            verdict = "killed" if dead else "LIVES "
            seconds = time.monotonic() - started
            print(f"{verdict} {seconds:5.1f}s  {mutation.file}: {mutation.what}", flush=True)
    print(f"{len(chosen) - living} of {len(chosen)} mutations killed")
    return 1 if living else 0


if __name__ == "__main__":
    sys.exit(main())
