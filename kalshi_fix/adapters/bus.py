"""The bus as its users see it; `redis_bus` and `memory_bus` are its two implementations.

One `Bus` object is one connection to one shard, for one thread. Every call either did what it
says, or raises: `BusDownError` when certainly nothing was written, `OutcomeUnknownError` when the
answer never came. Nothing is ever retried silently.
"""

from typing import Protocol

from attrs import define, frozen


class BusError(Exception):
    """Something about the store; see the subclasses for what may have happened."""


class BusDownError(BusError):
    """The store cannot be reached or refused; certainly nothing was written."""


class OutcomeUnknownError(BusError):
    """The request went out and no answer came: it may or may not have been carried out."""


class FencedError(BusError):
    """Another process has taken the shard, or the lane, over; this one must stop."""


class StaleOffsetError(BusError):
    """The shard's committed offset is not what this core believes; it must recover or stop."""


@frozen(slots=True)
class Entry:
    """One stream entry."""

    id: str
    payload: bytes


@frozen(slots=True)
class Offset:
    """How far the core has committed: the last command entry, and chunks of the next one."""

    entry_id: str = "0-0"
    chunk: int = 0


@frozen(slots=True)
class ShardState:
    """``st``: who may write (token), how often that changed (term), how far it got."""

    token: str
    term: int
    offset: Offset


@define(slots=True)
class Position:
    """A reader's place in ``evt``: event number, and when it was written (ns UTC)."""

    number: int
    at: int


@frozen(slots=True)
class LaneRecord:
    """What a lane keeps in the store: who serves it ("" = nobody), and that one's note."""

    holder: str = ""
    note: bytes = b""


@frozen(slots=True)
class LaneHolder:
    """Who speaks for a lane: its gateway's name as a reader, and the directory that serves it."""

    reader: str
    holder: str


class Bus(Protocol):
    """One connection to one shard."""

    shard: str

    # commands
    def append_commands(self, payload: bytes, lane: LaneHolder | None = None) -> str:
        """Appends one batch to ``cmd``; durable when it returns (and replicated, if so set).

        Raises:
            FencedError: ``lane`` has another holder in this shard; certainly nothing was written.
        """
        ...

    def seeds(self) -> dict[str, str]:
        """What `append_seed` has recorded: name of a configured thing -> request id."""
        ...

    def append_seed(self, payload: bytes, before: dict[str, str], after: dict[str, str]) -> str:
        """Appends a batch and records its seeds, atomically; "" if ``before`` is not so any more.

        ``before`` and ``after`` have the same names; "" in ``before`` = not recorded.
        """
        ...

    def read_commands(self, after: str, count: int, block_ms: int) -> list[Entry]:
        """Entries of ``cmd`` after an id; waits up to ``block_ms`` (0 = do not wait).

        Of ``cmd`` and ``evt`` only what would survive a failover is shown to anybody.
        """
        ...

    # the leading core
    def acquire(self, owner: str, lease_ms: int) -> ShardState | None:
        """Takes the lead if nobody holds the lease; None otherwise. A new token each time."""
        ...

    def renew(self, token: str, lease_ms: int) -> None:
        """Keeps the lease. Raises FencedError if the token is no longer the shard's."""
        ...

    def release(self, token: str) -> None:
        """Gives the lease up at a clean stop, so that a standby need not wait for it."""
        ...

    def commit(
        self, token: str, before: Offset, after: Offset, entries: list[Entry], lease_ms: int
    ) -> None:
        """Atomically: checks token and offset, appends ``evt`` entries, moves the offset.

        Raises:
            FencedError: the token is not the shard's any more.
            StaleOffsetError: ``before`` is not the committed offset.
        """
        ...

    def state(self) -> ShardState:
        """``st`` as it is now."""
        ...

    # events
    def read_events(self, after: int, count: int, block_ms: int) -> list[Entry]:
        """Entries of ``evt`` whose last event number is above ``after``."""
        ...

    def last_event(self) -> Entry | None:
        """The newest entry of ``evt``."""
        ...

    def set_position(
        self, reader: str, number: int, at: int, lane: LaneRecord | None = None
    ) -> None:
        """Records how far a reader got; a gateway's with its lane's record, in one step.

        Raises:
            FencedError: ``lane`` has another holder in the store; nothing was written.
        """
        ...

    def lane(self, reader: str) -> LaneRecord:
        """The record of a gateway's lane."""
        ...

    def take_lane(self, reader: str, before: str, after: str) -> bool:
        """Makes ``after`` the holder; False if it is not ``before`` any more."""
        ...

    def hold_lane(self, lane: LaneHolder) -> None:
        """Makes it the holder here, whoever was: in the other shards, once the first is taken."""
        ...

    def positions(self) -> dict[str, Position]:
        """All readers' places."""
        ...

    def trim(self, commands_below: str, events_below: int) -> None:
        """Drops entries before these; the caller knows what nobody needs any more."""
        ...

    # market data
    def put_books(self, books: dict[str, bytes]) -> None:
        """Writes the latest snapshot of each market named."""
        ...

    def get_books(self, symbols: list[str]) -> dict[str, bytes]:
        """Snapshots of the markets named, those that exist."""
        ...

    def append_market_data(self, payload: bytes, max_entries: int) -> str:
        """Appends numbered changes to ``md``, which keeps about ``max_entries``."""
        ...

    def read_market_data(self, after: str, count: int, block_ms: int) -> list[Entry]:
        """Entries of ``md`` after an id ("$" = from now on)."""
        ...

    def close(self) -> None:
        """Closes the connection; a blocked read of another thread ends with BusDownError."""
        ...
