"""Every Logon decision, on the client's bytes and before the engine sees them.

Who is it, is the message right, are the credentials, is the seat free, does the gateway agree:
in that order. A refusal that may start at 34=1 is answered here; any other goes through the
engine as a verdict, so that it uses and stores the session's next number, which stock clients
count. Knows no sockets.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Final

from attrs import frozen

from kalshi_fix.adapters.control import (
    CONNECTION_TAG,
    SECRET_TAG,
    VERDICT_TAG,
    OpenAnswer,
    OpenRequest,
)
from kalshi_fix.adapters.edge.credentials import Credentials
from kalshi_fix.adapters.edge.directory import Directory, Identity
from kalshi_fix.adapters.edge.frames import encode, split
from kalshi_fix.adapters.edge.gateways import Gateways
from kalshi_fix.adapters.edge.peer import Peer
from kalshi_fix.adapters.edge.rates import Rate
from kalshi_fix.adapters.edge.seats import Seats
from kalshi_fix.fix.logon import Logon, LogonReason, Refusal, asks_for_reset, judge
from kalshi_fix.fix.time_text import utc_text

# No session gets this far: the engine takes a verdict whatever number it expects.
_VERDICT_SEQUENCE: Final = "999999999"
_VERDICT_HEARTBEAT: Final = "30"
_HANDOVER_STEP_SECONDS: Final = 0.02
ACCEPTED: Final = "accepted"
OTHER_REFUSAL: Final = "refused_by_gateway"

Fields = list[tuple[int, str]]


@frozen
class Drop:
    """Close without a message."""

    reason: str  # from a closed list


@frozen
class Answer:
    """Send ``logout``, then close; no engine knows of this Logon."""

    session: str
    result: str
    text: str
    logout: bytes


@frozen
class Seated:
    """Connect to the engine at ``port``, send it ``first``, then pump. The seat is taken.

    ``result`` is `ACCEPTED`, or why the engine is to refuse.
    """

    identity: Identity
    port: int
    secret: str
    first: bytes
    result: str
    text: str = ""


class Admission:
    """Decides Logons. Use from one event loop."""

    def __init__(
        self,
        directory: Directory,
        credentials: Credentials,
        gateways: Gateways,
        clock: Callable[[], int],
        *,
        handover_seconds: float,
        failures: Rate,
    ) -> None:
        self._directory = directory
        self._credentials = credentials
        self._gateways = gateways
        self._clock = clock
        self._handover_seconds = handover_seconds
        self._failures = failures  # refused Logons, by address and session
        self.seats = Seats()

    def renew(self, directory: Directory) -> None:
        """From now on these sessions may log on; live ones are not disturbed."""
        self._directory = directory

    async def decide(
        self, frame: bytes, port: int, peer: Peer, connection: str
    ) -> Drop | Answer | Seated:
        """Decides the first message of a connection, a well-framed Logon."""
        fields = split(frame)
        if fields is None:
            return Drop("malformed")
        first = dict(reversed(fields))
        identity = self._directory.find(port, first.get(49, ""), first.get(56, ""))
        if identity is None:
            return Drop("unknown_identity")
        turned_away = self._at_once(identity, peer, reset=asks_for_reset(fields))
        if turned_away is not None:
            return turned_away
        if not await self.seats.is_free(identity.name, self._handover_seconds):
            return Drop("already_connected")
        logon = await self._prove(identity, fields, peer)
        if isinstance(logon, Logon):
            return await self._open(identity, logon, connection)
        return await self._refuse(identity, logon, connection, reset=asks_for_reset(fields))

    def _at_once(self, identity: Identity, peer: Peer, *, reset: bool) -> Drop | Answer | None:
        """What costs nothing to refuse: no password is worked out, no engine asked."""
        if not identity.may_come_from(peer.address):
            return Drop("address_not_allowed")  # from there nobody knows this identity
        wait_seconds = self._failures.wait_seconds(peer.claiming(identity.name), _now())
        if not wait_seconds:
            return None
        reason = LogonReason.LOGON_RATE_LIMIT
        if not reset:
            return Drop(f"unsaid_{reason}")
        text = f"{reason} retry_after_ms={math.ceil(wait_seconds * 1_000)}"
        return Answer(identity.name, reason, text, self._logout(identity, text))

    async def decide_again(
        self, identity: Identity, frame: bytes, peer: Peer, connection: str, secret: str
    ) -> tuple[str, bytes]:
        """Decides a Logon inside a session: only one that resets the numbers may pass.

        Returns:
            `ACCEPTED` or why not, and what the engine gets instead of the client's message.
        """
        fields = split(frame)
        if fields is None or not asks_for_reset(fields):
            refusal = Refusal(LogonReason.ALREADY_LOGGED_ON, "a Logon in the session needs 141=Y")
            return refusal.reason, self.verdict_logout(identity, secret, refusal.text)
        first = dict(reversed(fields))
        if (first.get(49), first.get(56)) != identity.comp_ids:
            refusal = Refusal(LogonReason.COMP_ID_PROBLEM, "another identity inside the session")
            return refusal.reason, self.verdict_logout(identity, secret, refusal.text)
        logon = await self._prove(identity, fields, peer)
        if isinstance(logon, Refusal):
            return logon.reason, self.verdict_logout(identity, secret, logon.text)
        answer = await self._gateways.ask(
            identity.session.lane, _request(identity, logon, connection)
        )
        if answer.reason or answer.live:
            reason = answer.reason or LogonReason.ALREADY_LOGGED_ON
            return _result(reason), self.verdict_logout(identity, secret, reason)
        return ACCEPTED, _for_engine(logon, answer.secret, connection)

    async def _prove(self, identity: Identity, fields: Fields, peer: Peer) -> Logon | Refusal:
        logon = judge(fields, identity.rules, self._clock())
        if isinstance(logon, Logon):
            reason = await self._credentials.refusal(identity.session, logon, peer)
            if reason is None or reason is LogonReason.LOGON_SERVICE_BUSY:
                return logon if reason is None else Refusal(reason)
            logon = Refusal(reason)
        self._failures.spend(peer.claiming(identity.name), _now())
        return logon

    async def _open(
        self, identity: Identity, logon: Logon, connection: str
    ) -> Drop | Answer | Seated:
        if not self.seats.take(identity.name, connection):
            return Drop("already_connected")
        answer = await self._ask(identity, _request(identity, logon, connection))
        if not answer.live and not answer.reason:
            first = _for_engine(logon, answer.secret, connection)
            return Seated(identity, answer.port, answer.secret, first, ACCEPTED)
        self.seats.free(identity.name, connection)
        if answer.live:
            return Drop("already_connected")
        return await self._refuse(identity, answer.reason, connection, reset=logon.reset)

    async def _refuse(
        self, identity: Identity, refusal: Refusal | str, connection: str, *, reset: bool
    ) -> Drop | Answer | Seated:
        text = refusal if isinstance(refusal, str) else refusal.text
        result = _result(text.partition(" ")[0])
        if reset or identity.session.reset_on_logon:
            logout = self._logout(identity, text)
            return Answer(identity.name, result, text, logout)
        if result == LogonReason.LOGON_SERVICE_BUSY:
            return Drop(f"unsaid_{result}")  # nothing was proved: no number is used for it
        if not self.seats.take(identity.name, connection):
            return Drop("already_connected")
        request = OpenRequest(
            session=identity.name, connection=connection, reset=False, verdict=text
        )
        answer = await self._ask(identity, request)
        if answer.reason or answer.live:
            # A Logout without the session's next number would lock a stock client out.
            self.seats.free(identity.name, connection)
            return Drop("already_connected" if answer.live else f"unsaid_{result}")
        first = self._verdict_logon(identity, answer.secret, connection, text)
        return Seated(identity, answer.port, answer.secret, first, result, text)

    async def _ask(self, identity: Identity, request: OpenRequest) -> OpenAnswer:
        """Asks, and again for a while if the engine has not yet let go of the last connection."""
        until = asyncio.get_running_loop().time() + self._handover_seconds
        while True:
            answer = await self._gateways.ask(identity.session.lane, request)
            if not answer.live or asyncio.get_running_loop().time() >= until:
                return answer
            await asyncio.sleep(_HANDOVER_STEP_SECONDS)

    def _logout(self, identity: Identity, text: str) -> bytes:
        sender, target = identity.comp_ids
        now = utc_text(self._clock(), microseconds=identity.session.microseconds)
        return encode("5", [(34, "1"), (49, target), (52, now), (56, sender), (58, text)])

    def _verdict_logon(self, identity: Identity, secret: str, connection: str, text: str) -> bytes:
        body = [(98, "0"), (108, _VERDICT_HEARTBEAT), (CONNECTION_TAG, connection)]
        return self._verdict(identity, "A", secret, text, body)

    def verdict_logout(self, identity: Identity, secret: str, text: str) -> bytes:
        """Makes the engine end a live session with this text and the session's next number.

        The engine reads a Logout whatever its number, so this never disturbs the sequence.
        """
        return self._verdict(identity, "5", secret, text, [])

    def _verdict(
        self, identity: Identity, msg_type: str, secret: str, text: str, body: Fields
    ) -> bytes:
        sender, target = identity.comp_ids
        now = utc_text(self._clock())
        header = [(34, _VERDICT_SEQUENCE), (49, sender), (52, now), (56, target)]
        return encode(msg_type, [*header, *body, (SECRET_TAG, secret), (VERDICT_TAG, text)])


def _now() -> float:
    return asyncio.get_running_loop().time()


def _request(identity: Identity, logon: Logon, connection: str) -> OpenRequest:
    return OpenRequest(
        session=identity.name,
        connection=connection,
        reset=logon.reset or identity.session.reset_on_logon,
        cancel_on_disconnect=logon.cancel_on_disconnect,
        listener=logon.listener,
        venue_tags=logon.venue_tags,
        settlement_reports=logon.settlement_reports,
        signed_at=logon.sent_at if logon.raw_data else 0,
        replay=logon.replay,
    )


def _for_engine(logon: Logon, secret: str, connection: str) -> bytes:
    """The Logon rebuilt from what was decided on: no credentials, nothing unread."""
    return encode("A", [*logon.for_engine, (SECRET_TAG, secret), (CONNECTION_TAG, connection)])


def _result(reason: str) -> str:
    """Label of a metric: a gateway's reason only if it is in the closed list."""
    return reason if reason in LogonReason.__members__ else OTHER_REFUSAL
