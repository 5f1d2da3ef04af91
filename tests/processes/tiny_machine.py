"""A tiny exchange: says as many events as it is told, and remembers everything it was told."""

from typing import Any

from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e


class TinyMachine:
    """Deposit(amount=n, account=text) leads to n events that carry text; the rest to none."""

    def __init__(self, index: int = 0) -> None:
        self.index = index
        self.told: list[str] = []
        self.number = 0
        self.confirmed: dict[str, tuple[int, int]] = {}

    def apply(self, command: c.Command) -> list[e.Event]:
        self.told.append(type(command).__name__)
        if isinstance(command, c.StartTradingDay):
            self.number += 1
            return [e.ExchangeChanged(self.number, command.at, False, False, command.date, 0)]
        if not isinstance(command, c.Deposit):
            return []
        assert command.account != "poison"
        found: list[e.Event] = []
        for _ in range(command.amount):
            self.number += 1
            found.append(
                e.BalanceChanged(self.number, 0, "F", command.account, 1, self.number, "deposit")
            )
        return found

    def confirm(self, session: str, epoch: int, seq: int) -> None:
        self.confirmed[session] = (epoch, seq)

    def snapshot(self) -> Any:
        return [self.index, list(self.told), self.number]

    def check(self) -> None:
        assert self.told.count("Dispute") == 0, "a test's broken invariant"

    @classmethod
    def restore(cls, plain: Any) -> "TinyMachine":
        machine = cls(plain[0])
        machine.told, machine.number = list(plain[1]), plain[2]
        return machine


def deposit(events: int, text: str = "x") -> c.Deposit:
    return c.Deposit("r", "op1", "why", 1, text, events)
