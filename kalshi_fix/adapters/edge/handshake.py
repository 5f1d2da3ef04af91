"""A connection before its Logon is decided: a deadline, a size, one message, one decision.

Whoever does not send a complete, well-formed Logon in time is closed without a word. Afterwards
the connection is a `Relay`'s, or gone. Knows no engine.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from kalshi_fix.adapters.audit.records import Kind
from kalshi_fix.adapters.edge.admission import ACCEPTED, Answer, Drop, Seated
from kalshi_fix.adapters.edge.frames import NotALogonError, first_frame
from kalshi_fix.adapters.edge.peer import Peer
from kalshi_fix.adapters.edge.relay import Relay
from kalshi_fix.adapters.edge.sides import end_writing
from kalshi_fix.adapters.edge.surroundings import Surroundings
from kalshi_fix.adapters.edge.tls import names_in, tls_facts


class Handshake(asyncio.Protocol):
    """See the module. ``on_done`` is called once, with the relay that took over, if any.

    Events come only once the connection stands, TLS included; ``deadline`` counts from before.
    """

    def __init__(
        self,
        around: Surroundings,
        *,
        port: int,
        connection: str,
        address: str,
        deadline: float,
        on_done: Callable[[Relay | None], None],
        on_end: Callable[[Relay], None],
    ) -> None:
        self.peer = Peer(address)
        self.transport: asyncio.Transport | None = None
        self._around = around
        self._port = port
        self._connection = connection
        self._deadline_at = deadline
        self._on_done = on_done
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._deadline: asyncio.TimerHandle | None = None
        self._deciding: asyncio.Task[None] | None = None
        self._is_done = False
        self._closing = False
        self._relay: Relay | None = None

    # --- asyncio's events

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A stranger who may speak now, and has until the deadline."""
        # uvloop's transports are not of asyncio's class
        self.transport = transport = cast("asyncio.Transport", transport)
        names = names_in(transport.get_extra_info("peercert"))
        self.peer = Peer(self.peer.address, names)
        self._deadline = self._loop.call_at(self._deadline_at, self._drop, "timeout")

    def data_received(self, data: bytes) -> None:
        """Collects the first message; what comes after the decision to close is thrown away."""
        if self._closing or self._deciding is not None:
            return
        assert self.transport is not None
        self._received += data
        received = bytes(self._received)
        try:
            frame = first_frame(received, self._around.settings.logon_bytes)
        except NotALogonError as error:
            self._drop(str(error))
            return
        if frame is not None:
            self.transport.pause_reading()
            self._stop_deadline()
            rest = received[len(frame) :]
            self._deciding = self._loop.create_task(self._decide(frame, rest))

    def eof_received(self) -> bool:
        """A client that only half-closed still gets its Logout; one that has it is let go."""
        assert self.transport is not None
        if self._deciding is None and not self._closing:
            self._drop("gone")
        return self._deciding is not None and not self._closing and self.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Gone. A decision under way goes on: the gateway must hear the end of what it began."""
        self._stop_deadline()
        if self._deciding is None or self._deciding.done():
            if not self._closing:
                self._reject("gone")
            self._done()

    # --- the decision

    async def _decide(self, frame: bytes, rest: bytes) -> None:
        assert self.transport is not None
        try:
            await self._carry_out(frame, rest)
        except Exception:  # one connection's fault must not become everybody's
            self._around.meters.faults.inc()
            self._around.admission.seats.free_all(self._connection)
            self._around.log.exception("logon_failed", connection=self._connection)
            self._drop("fault")
        if self._relay is None and self.transport.is_closing():
            self._done()

    async def _carry_out(self, frame: bytes, rest: bytes) -> None:
        began = self._loop.time()
        outcome = await self._around.admission.decide(
            frame, self._port, self.peer, self._connection
        )
        self._around.meters.logon_seconds.observe(self._loop.time() - began)
        if isinstance(outcome, Drop):
            self._drop(outcome.reason)
        elif isinstance(outcome, Answer):
            self._answer(outcome, frame)
        else:
            self._record(outcome.identity.name, outcome.result, frame)
            await self._hand_over(outcome, rest)

    def _record(self, session: str, result: str, frame: bytes) -> None:
        """Who came, from where, with what Logon, and what was decided."""
        assert self.transport is not None
        audit = self._around.audit
        facts = {
            "result": result,
            "address": self.peer.address,
            "port": self._port,
            "certificate_names": sorted(self.peer.certificate_names),
            **tls_facts(self.transport),
        }
        audit.record(Kind.CONNECTED, session, self._connection, facts)
        audit.record(Kind.IN, session, self._connection, frame)

    def _answer(self, outcome: Answer, frame: bytes) -> None:
        assert self.transport is not None
        self._around.meters.count_logon(outcome.session, outcome.result)
        self._log_refusal(outcome.session, outcome.text)
        self._record(outcome.session, outcome.result, frame)
        if not self.transport.is_closing():
            self.transport.write(outcome.logout)
            self._around.audit.record(Kind.OUT, outcome.session, self._connection, outcome.logout)
        self._around.audit.record(Kind.ENDED, outcome.session, self._connection, None)
        self._close_gently()

    async def _hand_over(self, seated: Seated, rest: bytes) -> None:
        assert self.transport is not None
        around, session = self._around, seated.identity.name
        around.meters.count_logon(session, seated.result)
        if seated.result == ACCEPTED:
            around.log.info(
                "logon_accepted",
                session=session,
                connection=self._connection,
                peer=self.peer.address,
            )
        else:
            self._log_refusal(session, seated.text)
        relay = Relay(
            around,
            seated,
            self.transport,
            peer=self.peer,
            connection=self._connection,
            on_end=self._on_end,
        )
        try:
            await relay.start(rest)
        except OSError as error:  # TimeoutError is one
            around.admission.seats.free(session, self._connection)
            around.log.warning("engine_unreachable", session=session, error=str(error))
            self._drop("engine_unreachable")
            return
        self._relay = relay
        self._done()

    # --- ends

    def _drop(self, reason: str) -> None:
        """Closes without a message."""
        self._reject(reason)
        self._close_gently()

    def _reject(self, reason: str) -> None:
        self._around.meters.rejected(reason).inc()
        if self._around.budget.spend(self._loop.time()):
            facts = {"result": reason, "address": self.peer.address, "port": self._port}
            self._around.audit.record(Kind.CONNECTED, "", self._connection, facts)
            self._around.log.warning(
                "connection_rejected",
                reason=reason,
                peer=self.peer.address,
                port=self._port,
                connection=self._connection,
            )

    def _log_refusal(self, session: str, text: str) -> None:
        if self._around.budget.spend(self._loop.time()):
            self._around.log.warning(
                "logon_refused",
                session=session,
                text=text,
                peer=self.peer.address,
                connection=self._connection,
            )

    def _close_gently(self) -> None:
        """Ends our direction and reads on for a moment: a reset would destroy our last bytes."""
        assert self.transport is not None
        self._closing = True
        self._stop_deadline()
        if self.transport.is_closing():
            return
        self.transport.resume_reading()
        end_writing(self.transport)
        seconds = self._around.settings.linger_seconds
        self._deadline = self._loop.call_later(seconds, self.transport.abort)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()

    def _done(self) -> None:
        if not self._is_done:
            self._is_done = True
            self._on_done(self._relay)
