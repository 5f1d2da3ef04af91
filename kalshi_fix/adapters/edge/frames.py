"""Bytes to FIX frames and back: what may pass to the engine, decided byte by byte, without I/O.

A frame passes when 8, 9 and 35 come first, BodyLength and CheckSum are right, every length field
fits its data and no value holds a control byte. Garbled ones are counted and left out, as FIX 2.d
demands. What a field means is not known here, except Logon and MsgSeqNum, which the relay must see,
and PossDupFlag, which proves that odd bytes are meant.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final, Protocol
from zlib import adler32

from attrs import define, field, frozen

from kalshi_fix.fix.wire import SOH, seal

HEADER_BYTES_MAX: Final = 48
_TRAILER_BYTES: Final = 7
_START: Final = b"8=FIX"
BEGIN_STRING: Final = b"FIX.4.4"
_HEADER: Final = re.compile(rb"8=(FIX[!-~]{1,12})\x019=([0-9]{1,6})\x0135=([^\x01]{0,16})\x01")
_TRAILER: Final = re.compile(rb"10=([0-9]{3})\x01")
_ADLER_BYTES: Final = 256  # 256 * 255 stays below Adler-32's modulus: its low half is exact

# Length field -> its data field, of FIX 4.4.
_DATA_FIELD: Final = {
    90: 91, 93: 89, 95: 96, 212: 213, 348: 349, 350: 351, 352: 353, 354: 355, 356: 357, 358: 359,
    360: 361, 362: 363, 364: 365, 445: 446, 618: 619, 621: 622,
}  # fmt: skip
_LENGTH_FIELD: Final = re.compile(
    rb"\x01(?:%s)=" % b"|".join(str(tag).encode() for tag in _DATA_FIELD)
)
_ENGINE_TYPES: Final = frozenset((b"0", b"1", b"2", b"3", b"4", b"5", b"A"))
_VISIBLE: Final = bytes((1, *range(0x20, 0x7F), *range(0x80, 0x100)))


class Garbled(StrEnum):
    """Why a frame is left out."""

    START = "start"  # bytes that belong to no frame
    HEADER = "header"  # 8, 9, 35 not first, or not of their form
    LENGTH = "length"  # no CheckSum where BodyLength says
    CHECKSUM = "checksum"
    CONTROL = "control"  # a byte below 0x20, or 0x7F
    DATA = "data"  # a length field that does not fit its data field
    MSG_TYPE = "msg_type"  # a second MsgType


class Halt(StrEnum):
    """Why the stream stops: the relay has something to decide first."""

    PARTIAL = "partial"  # of the reader's own: the rest has not arrived
    LOGON = "logon"
    NO_MSG_SEQ_NUM = "no_msg_seq_num"
    BEGIN_STRING = "begin_string"  # another version of FIX
    UNFRAMEABLE = "unframeable"  # a frame above the limit, or as much junk


@frozen(slots=True)
class Batch:
    """What one chunk gave: the bytes to pass on, how many frames they are, what was left out.

    With ``halt``, ``frame`` is what halted the stream; what follows it waits in the reader.
    """

    forward: bytes = b""
    count: int = 0
    garbled: tuple[Garbled, ...] = ()
    halt: Halt | None = None
    frame: bytes = b""


_NOTHING: Final = Batch()


class Guard(Protocol):
    """Has the last word on good frames.

    Asked only about bytes it finds worth a look, and about frames without a CompID.
    """

    def is_worth_a_look(self, data: bytes) -> bool:
        """Whether any frame in these bytes may be one for `marked`."""
        ...

    def marked(self, frame: bytes) -> bytes | None:
        """What is passed on instead of a frame; None = the frame itself."""
        ...


def checksum(data: bytes, start: int, end: int) -> int:
    """CheckSum (10) of a part of ``data``.

    Adler-32's low half is one plus the sum of the bytes, at a tenth of the price of `sum`.
    """
    if end - start <= _ADLER_BYTES:
        return (adler32(data[start:end]) - 1) & 0xFF
    total = 0
    for at in range(start, end, _ADLER_BYTES):
        total += (adler32(data[at : min(at + _ADLER_BYTES, end)]) - 1) & 0xFFFF
    return total & 0xFF


def encode(msg_type: str, fields: Iterable[tuple[int, str]]) -> bytes:
    """A complete frame."""
    body = "".join(f"{tag}={value}{SOH}" for tag, value in fields)
    return seal(f"35={msg_type}{SOH}{body}".encode("latin-1"))


def split(frame: bytes) -> list[tuple[int, str]] | None:
    """Every field in order, 8 and 10 included; None where something is not tag=value."""
    fields: list[tuple[int, str]] = []
    for part in frame.decode("latin-1")[:-1].split(SOH):
        tag, mark, value = part.partition("=")
        if not mark or not tag.isascii() or not tag.isdigit() or len(tag) > 9 or tag[0] == "0":
            return None
        fields.append((int(tag), value))
    return fields


def data_fields_fit(frame: bytes) -> bool:
    """Whether each length field is followed by its data field, of that many bytes.

    Data are text here: SOH inside them would end the field, so the length does not fit then.
    """
    fields = frame.split(b"\x01")
    for at, part in enumerate(fields):
        tag, _, length = part.partition(b"=")
        data_tag = _DATA_FIELD.get(int(tag)) if tag.isdigit() and len(tag) < 4 else None
        if data_tag is None:
            continue
        found, _, data = fields[at + 1].partition(b"=")
        # compared as text: a number of ten thousand digits must not be worked out
        if found != b"%d" % data_tag or (length.lstrip(b"0") or b"0") != b"%d" % len(data):
            return False
    return True


@define(slots=True)
class FrameReader:
    """The client's stream after its Logon. Feed it chunks as they come."""

    limit: int  # bytes of one frame
    guard: Guard | None = None
    _kept: bytearray = field(factory=bytearray)  # the beginning of a frame
    _needed: int = 0  # bytes before it is worth looking again
    _junk: int = 0  # bytes left out since the last good frame

    def feed(self, data: bytes) -> Batch:
        """Everything that can be decided now. ``b""`` goes on after a halt."""
        if self._kept:
            self._kept += data
            if len(self._kept) < self._needed:
                return _NOTHING
            data = bytes(self._kept)
            self._kept.clear()
            self._needed = 0
        return self._read(data) if data else _NOTHING

    def _read(self, data: bytes) -> Batch:
        strict = _LENGTH_FIELD.search(data) is not None or bool(data.translate(None, _VISIBLE))
        guard = self.guard if self.guard and self.guard.is_worth_a_look(data) else None
        at = count = 0
        good_from = 0
        pieces: list[bytes] = []
        garbled: list[Garbled] = []
        halt: Halt | None = None
        frame = b""
        while at < len(data):
            found, end = _look(data, at, self.limit, strict=strict)
            if found is None:
                count += 1
                self._junk = 0
                judge = guard or (self.guard if _lacks_comp_id(data, at, end) else None)
                instead = judge.marked(data[at:end]) if judge else None
                if instead is not None:
                    pieces += (data[good_from:at], instead)
                    good_from = end
                at = end
            elif isinstance(found, Garbled):
                pieces.append(data[good_from:at])
                garbled.append(found)
                good_from = _next_start(data, end)
                self._junk += good_from - at
                at = good_from
            elif found is Halt.PARTIAL:
                self._needed = end - at
                break
            else:
                halt, frame = found, data[at:end]
                break
        if self._junk > self.limit:
            halt = Halt.UNFRAMEABLE
        self._kept += data[at + len(frame) :]
        good = data[good_from:at]
        forward = b"".join((*pieces, good)) if pieces else good
        return Batch(forward, count, tuple(garbled), halt, frame)


def _look(data: bytes, at: int, limit: int, *, strict: bool) -> tuple[Garbled | Halt | None, int]:
    """What begins at ``at``, and where it ends: None = a frame that may pass.

    Of a partial frame the end is where it will be; of a garbled one, from where to look for the
    next: BodyLength is believed where it could be read. ``strict``: ``data`` holds rare bytes.
    """
    header = _HEADER.match(data, at)
    if header is None:
        return _look_at_start(data, at)
    body_end = header.end(2) + 1 + int(header[2])
    end = body_end + _TRAILER_BYTES
    if end - at > limit:
        return Halt.UNFRAMEABLE, at
    if end > len(data):
        return Halt.PARTIAL, end
    trailer = _TRAILER.match(data, body_end)
    if trailer is None or body_end < header.end() or data[body_end - 1] != 1:
        return Garbled.LENGTH, max(body_end, at + 1)
    if int(trailer[1]) != checksum(data, at, body_end):
        return Garbled.CHECKSUM, end
    fault = _rare_fault(data[at:end], header[3]) if strict else None
    return fault or _look_inside(data, header, body_end), end


def _look_at_start(data: bytes, at: int) -> tuple[Garbled | Halt, int]:
    """No header can be read here: not yet, or never."""
    if not _START.startswith(data[at : at + len(_START)]):
        return Garbled.START, at + 1
    if len(data) - at < HEADER_BYTES_MAX:
        return Halt.PARTIAL, at
    return Garbled.HEADER, at + 1


def _look_inside(data: bytes, header: re.Match[bytes], body_end: int) -> Garbled | Halt | None:
    after_msg_type = header.end() - 1
    if data.find(b"\x0135=", after_msg_type, body_end) >= 0:
        return Garbled.MSG_TYPE
    if header[1] != BEGIN_STRING:
        return Halt.BEGIN_STRING
    if header[3] == b"A":
        return Halt.LOGON
    if data.find(b"\x0134=", after_msg_type, body_end) < 0:
        return Halt.NO_MSG_SEQ_NUM
    return None


def _lacks_comp_id(data: bytes, at: int, end: int) -> bool:
    """Whether a good frame does not say who it is from, or for whom."""
    return data.find(b"\x0149=", at, end) < 0 or data.find(b"\x0156=", at, end) < 0


def _rare_fault(frame: bytes, msg_type: bytes) -> Garbled | None:
    if frame.translate(None, _VISIBLE) and not _is_sent_again(frame, msg_type):
        return Garbled.CONTROL
    if not data_fields_fit(frame):
        return Garbled.DATA
    return None


def _is_sent_again(frame: bytes, msg_type: bytes) -> bool:
    """Whether control bytes come a second time: then no line garbled them, the client means them.

    Left out again, the engine would ask for the message for ever; the gateway rejects it (3,
    373=6). Administrative messages are never sent again.
    """
    is_application = msg_type.isalnum() and msg_type not in _ENGINE_TYPES
    return is_application and b"\x0143=Y\x01" in frame


def _next_start(data: bytes, at: int) -> int:
    """Where the next frame may start; what the end of the chunk leaves open is kept."""
    start = data.find(_START, at)
    if start >= 0:
        return start
    for start in range(max(at, len(data) - len(_START) + 1), len(data)):
        if _START.startswith(data[start:]):
            return start
    return len(data)


class NotALogonError(ValueError):
    """The first bytes can never become a Logon; the text says why, in one word for a metric."""


def first_frame(data: bytes, limit: int) -> bytes | None:
    """The complete first frame; None while it has not all arrived.

    Raises:
        NotALogonError: it is not, or cannot become, a Logon of FIX.4.4 within ``limit`` bytes.
    """
    opening = b"8=FIX.4.4\x019="
    if not data.startswith(opening[: len(data)]):
        raise NotALogonError("not_fix44")
    found, end = _look(data, 0, limit, strict=True)
    if found is Halt.LOGON:
        return data[:end]
    if found is Halt.UNFRAMEABLE or len(data) >= limit:
        raise NotALogonError("too_large")
    if isinstance(found, Garbled):
        raise NotALogonError("garbled")
    if found is not Halt.PARTIAL:
        raise NotALogonError("not_logon")
    return None
