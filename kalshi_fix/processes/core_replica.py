"""One shard's exchange together with the running hash of everything it has said.

Applies stream entries in order and cuts what they lead to into pieces, always at the same places,
whoever does it and however the entries are batched: leader, standby and replay agree byte for
byte. Writes nothing and knows no store.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, Final, Protocol

from attrs import define, field

from kalshi_fix.adapters.bus import Entry
from kalshi_fix.messages import events as e
from kalshi_fix.messages.batch import CommandBatch, EventEntry, VersionError
from kalshi_fix.messages.codec import UnknownKindError, join_rows, pack_row
from kalshi_fix.messages.commands import Command, Quarantine

# Part of the format, not configuration: every replay must cut where the first run did.
PIECE_EVENTS_MAX: Final = 500
PIECE_BYTES_MAX: Final = 64_000
HASH_BYTES: Final = 16

_MARKET: Final = frozenset(
    {
        e.MarketChanged,
        e.LevelChanged,
        e.Traded,
        e.TradeBusted,
        e.OpenInterestChanged,
        e.DepthPublished,
    }
)
Place = tuple[str, int]  # entry id, index of a command in it; -1 = the entry itself


class Machine(Protocol):
    """What this needs of the exchange."""

    def apply(self, command: Command) -> list[e.Event]:
        """Carries a command out."""
        ...

    def confirm(self, session: str, epoch: int, seq: int) -> None:
        """Takes what a gateway knows to be durable or answered."""
        ...

    def snapshot(self) -> Any:
        """The whole state as plain values."""
        ...

    def check(self) -> None:
        """Asserts every invariant from scratch."""
        ...


class PoisonError(Exception):
    """The exchange failed on a command: a bug. ``place`` is where."""

    def __init__(self, place: Place) -> None:
        super().__init__(f"the exchange failed on command {place[1]} of entry {place[0]}")
        self.place = place


@define
class Piece:
    """A run of events of one entry, packed by reader; at most one commit holds it."""

    first: int
    last: int = 0
    size: int = 0
    state_hash: bytes = b""  # after it
    firms: dict[str, list[bytes]] = field(factory=dict)
    market: list[bytes] = field(factory=list)
    rows: list[bytes] = field(factory=list)


@define
class Applied:
    """What one entry led to."""

    entry_id: str
    pieces: list[Piece]
    commands: int


class Replica:
    """The state of a shard after ``entry_id``."""

    def __init__(self, machine: Machine, quarantined: Iterable[Place] = ()) -> None:
        self.machine = machine
        self.entry_id = "0-0"
        self.state_hash = b""
        self.last_event = 0
        self.trading_day = 0
        self.quarantined = set(quarantined)

    def apply(self, entry: Entry) -> Applied:
        """Carries out an entry's commands.

        Raises:
            VersionError, UnknownKindError: a newer version wrote it.
            PoisonError: the exchange failed; this replica is in no defined state any more.
        """
        batch = self._unpack(entry)
        pieces: list[Piece] = []
        commands: Sequence[Command] = batch.commands if batch else ()
        for index, command in enumerate(commands):
            if (entry.id, index) in self.quarantined:
                continue
            try:
                self._collect(self.machine.apply(command), pieces)
            except Exception as error:
                raise PoisonError((entry.id, index)) from error
        if pieces:
            self._seal(pieces[-1])
        self.entry_id = entry.id
        return Applied(entry.id, pieces, len(commands))

    def _unpack(self, entry: Entry) -> CommandBatch | None:
        if (entry.id, -1) in self.quarantined:
            return None
        try:
            batch = CommandBatch.unpack(entry.payload)
            for session, (epoch, seq) in batch.confirmed.items():
                self.machine.confirm(session, epoch, seq)
        except (VersionError, UnknownKindError):
            raise
        except Exception as error:
            raise PoisonError((entry.id, -1)) from error
        return batch

    def _collect(self, events: list[e.Event], pieces: list[Piece]) -> None:
        """Adds events to the last piece, or to a new one where it would grow too large."""
        for event in events:
            row = pack_row(event)
            piece = pieces[-1] if pieces else None
            if piece is None or (
                len(piece.rows) >= PIECE_EVENTS_MAX or piece.size + len(row) > PIECE_BYTES_MAX
            ):
                if piece is not None:
                    self._seal(piece)
                piece = Piece(first=event.number)
                pieces.append(piece)
            assert event.number == self.last_event + 1, "event numbers have no gaps"
            self.last_event = piece.last = event.number
            piece.size += len(row)
            piece.rows.append(row)
            if type(event) in _MARKET:
                piece.market.append(row)
            else:
                firm = getattr(event, "firm", "")
                piece.firms.setdefault(firm, []).append(row)
                if not firm and type(event) is e.ExchangeChanged:
                    self.trading_day = event.trading_day

    def _seal(self, piece: Piece) -> None:
        rows = b"".join(piece.rows)
        self.state_hash = blake2b(self.state_hash + rows, digest_size=HASH_BYTES).digest()
        piece.state_hash = self.state_hash


def quarantines(entries: Iterable[Entry]) -> set[Place]:
    """The places that operators have recorded to be skipped, among these entries."""
    found: set[Place] = set()
    for entry in entries:
        for command in CommandBatch.unpack(entry.payload).commands:
            if isinstance(command, Quarantine):
                found.add((command.entry_id, command.index))
    return found


def merged_payload(pieces: Sequence[Piece]) -> bytes:
    """The stream entry of consecutive pieces; its id is the last event's number."""
    firms: dict[str, list[bytes]] = {}
    market: list[bytes] = []
    for piece in pieces:
        for firm, rows in piece.firms.items():
            firms.setdefault(firm, []).extend(rows)
        market.extend(piece.market)
    return EventEntry(
        state_hash=pieces[-1].state_hash,
        first=pieces[0].first,
        last=pieces[-1].last,
        firms=[(firm, join_rows(rows)) for firm, rows in firms.items()],
        market_data=join_rows(market) if market else b"",
    ).pack()
