"""FIX 4.4 text and bytes to messages and back: framing, nothing else.

`decode` and `encode` speak the session layer's text (it owns header and trailer); `frame`,
`unframe` and `split_frames` speak bytes for tools and clients. Nothing here knows a dictionary or
what a tag means, and nothing raises anything but `WireError`.
"""

from collections.abc import Iterable
from typing import Final

from kalshi_fix.fix.message import FixMessage

SOH: Final = "\x01"
BEGIN_STRING: Final = "FIX.4.4"
_HEAD: Final = f"8={BEGIN_STRING}"
_HEAD_BYTES: Final = f"{_HEAD}{SOH}9=".encode()
_TRAILER_LENGTH: Final = 7  # "10=nnn" and its SOH
_LENGTH_DIGITS_MAX: Final = 8
# Text of every tag in use to its number: quicker than int(), and refuses "+1", "01" and "1_0".
_TAGS: Final = {str(tag): tag for tag in (*range(1, 3_000), *range(8_000, 8_100))} | {
    str(tag): tag for tag in range(20_000, 21_100)
}


class WireError(ValueError):
    """The text or bytes are not a FIX 4.4 message."""


def decode(text: str) -> FixMessage:
    """Reads one message as the session layer prints it, ``8=`` to ``10=nnn`` and SOH.

    Length and checksum are not judged again: the session layer has done so. The fields keep their
    order; 8, 9, 35 and 10 are left out.

    Raises:
        WireError: not of the form ``8=FIX.4.4 9= 35= (tag=value)* 10=``.
    """
    parts = text.split(SOH)
    if (
        len(parts) < 5
        or parts[0] != _HEAD
        or parts[-1]
        or parts[1][:2] != "9="
        or parts[2][:3] != "35="
        or parts[-2][:3] != "10="
    ):
        raise WireError("not a FIX.4.4 message: 8, 9, 35 first and 10 last are needed")
    body = [part.partition("=") for part in parts[3:-2]]
    try:
        fields = [(_TAGS[tag], value) for tag, _, value in body]
    except KeyError:
        fields = [(_tag(tag), value) for tag, _, value in body]
    first = dict(reversed(fields))
    msg_type = parts[2][3:]
    if "" in first.values() or not msg_type or _any_empty(fields, first):
        raise WireError("a field without a value")
    return FixMessage(msg_type, fields, first)


def _any_empty(fields: list[tuple[int, str]], first: dict[int, str]) -> bool:
    """Whether a repeated tag is empty; what stands once has been looked at already."""
    return len(first) != len(fields) and any(not value for _, value in fields)


def _tag(text: str) -> int:
    """A tag of any number. Raises WireError unless it is a plain positive decimal."""
    if not text.isascii() or not text.isdigit() or text[0] == "0" or len(text) > 9:
        raise WireError("a tag must be a positive number followed by '='")
    return int(text)


def encode(message: FixMessage) -> str:
    """The text the session layer reads: no header but MsgType, length and checksum left to it.

    Always ASCII: a character beyond it (only a client's own text can hold one) becomes ``?``,
    because the session layer takes no other text and a client may not stop a gateway by an echo.

    Raises:
        WireError: a value contains SOH.
    """
    text = f"{_HEAD}{SOH}9=0{SOH}35={message.msg_type}{SOH}{_body(message.fields)}10=000{SOH}"
    return text if text.isascii() else text.encode("ascii", "replace").decode("ascii")


def _body(fields: Iterable[tuple[int, str]]) -> str:
    parts = [f"{tag}={value}{SOH}" for tag, value in fields]
    text = "".join(parts)
    if text.count(SOH) != len(parts):
        raise WireError("a value contains SOH")
    return text


def checksum(frame_bytes: bytes) -> int:
    """CheckSum (10) of everything before the trailer."""
    return sum(frame_bytes) % 256


def frame(message: FixMessage, sender: str, target: str, sequence: int, sending_time: str) -> bytes:
    """A complete message of an engine of our own: header, length and checksum.

    Header fields that stand in the message itself (43, 97, 122) follow the header proper.

    Raises:
        WireError: a value contains SOH or is not Latin-1 text.
    """
    header = ((35, message.msg_type), (49, sender), (56, target), (34, str(sequence)))
    text = _body((*header, (52, sending_time), *message.fields))
    try:
        content = text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise WireError("a value is not Latin-1 text") from error
    return seal(content)


def seal(content: bytes) -> bytes:
    """Puts BeginString, BodyLength and CheckSum round a message's ``35=...`` fields."""
    data = b"%s%d\x01%s" % (_HEAD_BYTES, len(content), content)
    return b"%s10=%03d\x01" % (data, checksum(data))


def unframe(data: bytes) -> FixMessage:
    """Reads one complete frame, length and checksum included.

    Raises:
        WireError: not one correct frame.
    """
    length, start = _body_length(data)
    if length is None or len(data) != start + length + _TRAILER_LENGTH:
        raise WireError("BodyLength (9) does not fit the frame")
    _check_trailer(data)
    return decode(data.decode("latin-1"))


def _check_trailer(data: bytes) -> None:
    content, trailer = data[:-_TRAILER_LENGTH], data[-_TRAILER_LENGTH:]
    if content[-1:] != b"\x01" or trailer != b"10=%03d\x01" % checksum(content):
        raise WireError("CheckSum (10) is wrong or not in its place")


def _body_length(data: bytes) -> tuple[int | None, int]:
    """BodyLength and where the body starts; (None, 0) while the number has not arrived."""
    if not data.startswith(_HEAD_BYTES[: len(data)]):
        raise WireError("a frame starts with 8=FIX.4.4 and 9=")
    end = data.find(b"\x01", len(_HEAD_BYTES))
    digits = data[len(_HEAD_BYTES) : end if end > 0 else None]
    if len(digits) > _LENGTH_DIGITS_MAX or (digits and not digits.isdigit()):
        raise WireError("BodyLength (9) is not a number")
    if end < 0:
        return None, 0
    if not digits:
        raise WireError("BodyLength (9) is empty")
    return int(digits), end + 1


def split_frames(buffer: bytes, size_max: int = 65_536) -> tuple[list[bytes], bytes]:
    """Cuts a stream into complete frames; returns them and what is still incomplete.

    Raises:
        WireError: the stream is not FIX 4.4, or a frame is larger than ``size_max``.
    """
    frames: list[bytes] = []
    while buffer:
        length, start = _body_length(buffer)
        if length is None:
            break
        end = start + length + _TRAILER_LENGTH
        if end > size_max:
            raise WireError(f"a frame of more than {size_max} bytes")
        if len(buffer) < end:
            break
        _check_trailer(buffer[:end])
        frames.append(buffer[:end])
        buffer = buffer[end:]
    return frames, buffer
