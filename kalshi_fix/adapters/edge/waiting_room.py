"""Connections before their Logon is decided: counted, by address and in all, and capped.

The newest is turned away; whoever waits is never pushed out by somebody else. Knows no sockets.
"""

from collections import Counter

from attrs import define, field


@define(slots=True)
class WaitingRoom:
    """Use from one event loop."""

    waiting_max: int
    per_address_max: int
    _waiting: int = 0
    _by_address: Counter[str] = field(factory=Counter)

    def __len__(self) -> int:
        return self._waiting

    def enter(self) -> bool:
        """One more; False: there are too many."""
        if self._waiting >= self.waiting_max:
            return False
        self._waiting += 1
        return True

    def name(self, address: str) -> bool:
        """Says where one who has entered comes from; False: too many come from there."""
        if self._by_address[address] >= self.per_address_max:
            return False
        self._by_address[address] += 1
        return True

    def leave(self, address: str) -> None:
        """One less; ``address`` only if it was named with success, else ""."""
        self._waiting -= 1
        if address:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
