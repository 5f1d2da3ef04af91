"""What the edge and a lane's gateway say to each other: one JSON line each way per question.

The gateway listens on a unix socket in the data directory; the edge asks before it passes a Logon
on. The answer carries the engine's port and the per-start secret the engine demands. Both sides
use these classes, so the format exists once.
"""

import hmac
import json
from typing import Any, Final, TypeVar

from attrs import asdict, frozen

T = TypeVar("T")

# Tags the edge adds for the engine; never on the public wire, never in a published dictionary. A
# Logon carries the secret and the connection; with a verdict it is already refused, and the engine
# says so (RejectLogon). A Logout with secret and verdict is the edge's too: the engine ends the
# session it arrives on with that text (RejectLogon again). It has no number of the client's: the
# number expected next must not move, or the client's next Logon would be "too low".
SECRET_TAG: Final = 20998
VERDICT_TAG: Final = 20999  # text of a refusal that must use the session's next number
CONNECTION_TAG: Final = 20997
# In the header of a message of the client's that the edge judged: the gateway is to reject it, when
# its number is due, with the SessionRejectReason and RefTagID of the mark.
FAULT_TAG: Final = 20996


def fault_mark(secret: str, code: int, tag: int) -> str:
    """Value of `FAULT_TAG`; only with the engine's secret it is the edge's."""
    return f"{secret};{code};{tag}"


def read_fault_mark(mark: str, secret: str) -> tuple[int, int] | None:
    """(code, tag) of a mark; None where it is not the edge's."""
    given, _, rest = mark.partition(";")
    code, _, tag = rest.partition(";")
    if not hmac.compare_digest(given.encode(), secret.encode()):
        return None
    return (int(code), int(tag)) if code.isdecimal() and tag.isdecimal() else None


@frozen(kw_only=True)
class OpenRequest:
    """May this Logon proceed? On success SessionOpened is durable and the epoch known.

    ``verdict`` != "" asks only for the engine's address: the Logon is already refused and the
    engine is to say so with the session's next number; nothing is appended to the bus.

    A request from the very ``connection`` that is live is a Logon with 141=Y inside the session:
    the numbers are reset (``reset``), the session stays connected, ``live`` is not the answer.
    """

    session: str
    connection: str
    reset: bool
    cancel_on_disconnect: int = -1
    listener: bool = False
    venue_tags: bool = False
    settlement_reports: bool = False
    signed_at: int = 0
    verdict: str = ""
    replay: bool = False  # with ``reset``: 20902=Y


@frozen(kw_only=True)
class OpenAnswer:
    """``reason`` != "" refuses; otherwise connect to ``port`` with ``secret``.

    ``live`` says the session is already connected: close without a message (1S.b).
    """

    reason: str = ""
    live: bool = False
    port: int = 0
    secret: str = ""


def to_line(message: OpenRequest | OpenAnswer) -> bytes:
    """One JSON line."""
    return json.dumps(asdict(message), separators=(",", ":")).encode() + b"\n"


def from_line(cls: type[T], line: bytes) -> T:
    """The message of a line. Raises ValueError or TypeError on anything else."""
    row: dict[str, Any] = json.loads(line)
    return cls(**row)
