"""Reads what the FIX engine wrote into a session's store: what was sent, and the next numbers.

The store is the single truth for "already sent". Files are the engine's: ``.header`` holds
``number,offset,size`` triples into ``.body``, ``.seqnums`` the next numbers, ``.session`` the
creation time. Knows no engine object and never writes but the creation time.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from attrs import frozen

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.wire import SOH, WireError, decode

# Standard header and trailer fields: never part of what a message says.
SESSION_TAGS: Final = frozenset(
    {8, 9, 10, 34, 35, 43, 49, 50, 52, 56, 57, 89, 90, 91, 93, 97, 115, 116, 122, 128, 129, 142}
    | {143, 144, 145, 212, 213, 347, 369, 627, 628, 629, 630}
)
_TRIPLE: Final = re.compile(rb"(\d+),(\d+),(\d+) ")
_CHUNK_BYTES: Final = 262_144
_TRIPLE_BYTES_MAX: Final = 64


@frozen(slots=True)
class NextNumbers:
    """MsgSeqNum the engine sends next, and expects next."""

    outgoing: int
    incoming: int


@frozen(slots=True)
class Sent:
    """One message of the store."""

    number: int
    message: FixMessage


def next_numbers(store: Path, stem: str) -> NextNumbers:
    """The session's next numbers; (1, 1) where there is no store yet."""
    path = store / f"{stem}.seqnums"
    if not path.exists():
        return NextNumbers(1, 1)
    outgoing, _, incoming = path.read_text().partition(":")
    return NextNumbers(int(outgoing or 1), int(incoming or 1))


def sent_newest_first(store: Path, stem: str) -> Iterator[Sent]:
    """What was sent, newest first."""
    for number, data in stored_newest_first(store, stem):
        try:
            yield Sent(number, decode(data.decode("latin-1")))
        except WireError:
            return  # torn by a machine crash: nothing before it is known to be sent


def stored_newest_first(store: Path, stem: str) -> Iterator[tuple[int, bytes]]:
    """Numbers and bytes of what was sent, newest first.

    An entry whose number is not below the next outgoing one was stored but never sent (the
    process died in between); of a number that stands twice only the later entry counts.
    """
    header, body = store / f"{stem}.header", store / f"{stem}.body"
    if not header.exists() or not body.exists():
        return
    below = next_numbers(store, stem).outgoing
    with body.open("rb") as bodies:
        for number, offset, size in _triples_newest_first(header):
            if number >= below:
                continue
            below = number
            bodies.seek(offset)
            yield number, bodies.read(size)


def _triples_newest_first(header: Path) -> Iterator[tuple[int, int, int]]:
    with header.open("rb") as file:
        end = file.seek(0, 2)
        rest = b""
        while end > 0:
            start = max(0, end - _CHUNK_BYTES)
            file.seek(start)
            chunk = file.read(end - start) + rest
            cut = 0 if start == 0 else chunk.find(b" ") + 1
            rest, whole = chunk[:cut], chunk[cut:]
            for match in reversed(list(_TRIPLE.finditer(whole))):
                yield int(match[1]), int(match[2]), int(match[3])
            end = start


def tail(store: Path, stem: str, since: str, at_least: int) -> list[Sent]:
    """What was sent since a SendingTime (and at least so many), oldest first."""
    found: list[Sent] = []
    for sent in sent_newest_first(store, stem):
        if len(found) >= at_least and sent.message.get(52) < since:
            break
        found.append(sent)
    found.reverse()
    return found


def content(message: FixMessage) -> str:
    """What a message says, header and trailer aside, whatever the order of its fields."""
    body = sorted(field for field in message.fields if field[0] not in SESSION_TAGS)
    return message.msg_type + SOH + SOH.join(f"{tag}={value}" for tag, value in body)


def refused_numbers(sent: Iterable[Sent]) -> set[int]:
    """Incoming numbers that a refusal, or the end of a replay, answered for good (45)."""
    return {
        int(refusal.message.get(45))
        for refusal in sent
        if refusal.message.msg_type in {"3", "j", "U2", "U3"} and refusal.message.get(45).isdigit()
    }


def refused_ids(sent: Iterable[Sent]) -> set[str]:
    """ClOrdIDs that the gateway itself refused with an ExecutionReport (17=R;...)."""
    return {
        refusal.message.get(11)
        for refusal in sent
        if refusal.message.msg_type == "8" and refusal.message.get(17).startswith("R;")
    }


def reported_ids(sent: Iterable[Sent]) -> set[str]:
    """ClOrdIDs of requests that the exchange's reports answered."""
    return {
        report.message.get(11)
        for report in sent
        if report.message.msg_type in {"8", "9", "r"} and report.message.get(11)
    }


def msg_type_of(data: bytes) -> str:
    """MsgType of a stored message; "" of a torn one."""
    parts = data.split(b"\x01", 3)
    return parts[2][3:].decode("latin-1") if len(parts) == 4 else ""


def first_stored(store: Path, stem: str) -> str:
    """A text that is another one once the engine has begun the store anew; "" of an empty one."""
    header, body = store / f"{stem}.header", store / f"{stem}.body"
    if not header.exists() or not body.exists():
        return ""
    with header.open("rb") as file:
        match = _TRIPLE.match(file.read(_TRIPLE_BYTES_MAX))
    if match is None:
        return ""
    with body.open("rb") as bodies:
        bodies.seek(int(match[2]))
        return bodies.read(int(match[3])).decode("latin-1")


def set_creation_time(store: Path, stem: str, text: str) -> None:
    """Says the store was made now; the engine resets one it believes to be of another day."""
    (store / f"{stem}.session").write_text(text)
