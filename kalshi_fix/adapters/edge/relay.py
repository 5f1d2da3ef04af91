"""One session's bytes between client and engine, both ways, until either is gone.

Client to engine: only frames that pass, in batches. Engine to client: everything, at once; a
client that stays behind is cut. The engine is always read, so that nothing ever waits for a client,
except market data: there it must feel the client's pace, because the gateway merges what waits.
The last Logout reaches the client before its connection closes. Order of ends: whoever goes
first, the other is told, flushed and given a bounded time.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from kalshi_fix.adapters.audit.records import Kind
from kalshi_fix.adapters.edge.admission import ACCEPTED, Seated
from kalshi_fix.adapters.edge.backlog import Backlog
from kalshi_fix.adapters.edge.frames import Batch, FrameReader, Halt
from kalshi_fix.adapters.edge.peer import Peer
from kalshi_fix.adapters.edge.session_guard import SessionGuard
from kalshi_fix.adapters.edge.sides import ClientSide, EngineSide, end_writing
from kalshi_fix.adapters.edge.surroundings import Surroundings
from kalshi_fix.adapters.logs import Log
from kalshi_fix.model import Role

_WATCH_SECONDS: Final = 0.5
_MARKET_DATA_KERNEL_BYTES: Final = 262_144
_CHECKSUM_FIELD: Final = b"\x0110="
_LOGOUT: Final = b"\x0135=5\x01"
_TAIL_BYTES: Final = len(_LOGOUT) - 1


class Relay:
    """See the module. ``on_end`` is called once, when both sides are gone."""

    def __init__(
        self,
        around: Surroundings,
        seated: Seated,
        client: asyncio.Transport,
        *,
        peer: Peer,
        connection: str,
        on_end: Callable[["Relay"], None],
    ) -> None:
        self.client = client
        self.connection = connection
        self._engine: asyncio.Transport | None = None
        self._around = around
        self._audit = around.audit
        self._session = seated.identity.name
        self._limits = around.settings
        self._seated = seated
        self._peer = peer
        self._on_end = on_end
        session = seated.identity.session
        comp_ids = (session.sender_comp_id, session.target_comp_id)
        guard = SessionGuard(around.groups, seated.secret, comp_ids)
        self._reader = FrameReader(around.settings.message_bytes, guard)
        self._loop = asyncio.get_running_loop()
        self._backlog = Backlog()
        self._written = 0  # bytes to the client
        self._tail = b""  # the last bytes to the client, where a message may be cut in two
        self._watch: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._deciding: asyncio.Task[None] | None = None
        self._engine_full = False
        self._engine_waits = False  # it is not read just now
        self._is_conflated = seated.identity.session.role == Role.MD
        self._closing = False  # nothing of the client's is passed on any more
        self._mute = False  # nothing is sent to the client any more
        self._client_gone = False
        self._cause = ""

    @property
    def is_over(self) -> bool:
        """Whether both sides are gone."""
        return self._client_gone and self._engine is None

    # --- start

    async def start(self, rest: bytes) -> None:
        """Connects to the engine, passes the Logon and what came behind it.

        Raises:
            OSError: the engine cannot be reached; nothing has been sent to anybody.
        """
        async with asyncio.timeout(self._limits.control_seconds):
            await self._loop.create_connection(
                lambda: EngineSide(self, rest), "127.0.0.1", self._seated.port
            )

    def engine_found(self, engine: asyncio.Transport, rest: bytes) -> None:
        """The engine's connection stands: from here on both sides' events come to this object."""
        self._engine = engine
        engine.write(self._seated.first)
        if self.client.is_closing():
            self.client_lost("client")  # the engine learns of the Logon and of its end
            return
        # with 0, TLS would call every write one that could not be sent
        self.client.set_write_buffer_limits(high=1, low=0)
        if self._is_conflated:  # what the kernel keeps cannot be merged any more
            client = self.client.get_extra_info("socket")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MARKET_DATA_KERNEL_BYTES)
        self.client.set_protocol(ClientSide(self))
        if self._seated.result == ACCEPTED:
            self._pass(rest)
        else:
            self._await_logout(self._seated.result)
        self._set_reading()

    # --- client to engine

    def from_client(self, data: bytes) -> None:
        """A chunk of the client's stream."""
        if not self._closing:
            self._pass(data)

    def _pass(self, data: bytes) -> None:
        batch = self._reader.feed(data)
        if batch.count:
            assert self._engine is not None, "nothing is passed on before the engine is there"
            self._audit.record(Kind.IN, self._session, self.connection, batch.forward)
            self._engine.write(batch.forward)
            self._around.meters.count_in(batch.count, len(batch.forward))
        if batch.garbled:
            self._left_out(batch)
        if batch.halt is not None:
            self._halted(batch)

    def _left_out(self, batch: Batch) -> None:
        self._audit.record(Kind.GARBLED, self._session, self.connection, list(batch.garbled))
        for reason in batch.garbled:
            self._around.meters.garbled(reason).inc()
        if self._around.budget.spend(self._loop.time()):
            self._log().warning("garbled_ignored", reasons=sorted(set(batch.garbled)))

    def _halted(self, batch: Batch) -> None:
        if batch.halt is Halt.LOGON:
            self._deciding = self._loop.create_task(self._logon_again(batch.frame))
            self._set_reading()
        elif batch.halt is Halt.NO_MSG_SEQ_NUM:
            self.log_out("MsgSeqNum missing")
        elif batch.halt is Halt.BEGIN_STRING:
            self.log_out("Incorrect BeginString")
        else:
            self.cut("unframeable")

    async def _logon_again(self, frame: bytes) -> None:
        try:
            await self._decide_again(frame)
        except Exception:  # noqa: BLE001 - one session's fault must not become everybody's
            self._around.meters.faults.inc()
            self._log().exception("logon_in_session_failed")
            self.cut("fault")

    async def _decide_again(self, frame: bytes) -> None:
        admission, seated = self._around.admission, self._seated
        result, message = await admission.decide_again(
            seated.identity, frame, self._peer, self.connection, seated.secret
        )
        self._around.meters.count_logon(self._seated.identity.name, result)
        self._log().info("logon_in_session", result=result)
        self._audit.record(Kind.IN, self._session, self.connection, frame, {"result": result})
        self._deciding = None
        if self._closing or self._engine is None:
            return
        self._engine.write(message)
        if result == ACCEPTED:
            self._pass(b"")
        else:
            self._await_logout(result)
        self._set_reading()

    def log_out(self, text: str) -> None:
        """Makes the engine end the session with this text; bounded, whatever the engine does."""
        if self._closing or self._engine is None:
            return
        admission, seated = self._around.admission, self._seated
        self._engine.write(admission.verdict_logout(seated.identity, seated.secret, text))
        self._await_logout("logged_out")

    def _await_logout(self, cause: str) -> None:
        self._end(cause)
        self._within(self._limits.logout_seconds)

    def engine_full(self, full: bool) -> None:
        """The engine does not read (or does again): its own client waits, nobody else."""
        self._engine_full = full
        self._set_reading()

    def _set_reading(self) -> None:
        if self.client.is_closing():
            return
        if (self._engine_full or self._deciding is not None) and not self._closing:
            self.client.pause_reading()
        else:  # also when closing: what is read is thrown away, so that our last byte arrives
            self.client.resume_reading()

    # --- engine to client

    def from_engine(self, data: bytes) -> None:
        """A chunk of the engine's stream: passed on as it is."""
        if self._mute:
            return
        self._audit.record(Kind.OUT, self._session, self.connection, data)
        self.client.write(data)
        self._written += len(data)
        seen = self._tail + data
        not_counted = max(0, len(self._tail) - len(_CHECKSUM_FIELD) + 1)
        self._tail = seen[-_TAIL_BYTES:]
        self._around.meters.messages_out.inc(seen.count(_CHECKSUM_FIELD, not_counted))
        if _LOGOUT in seen and self._deadline is None:  # whether the client answers it or not
            self._within(self._limits.logout_answer_seconds)
        self._around.meters.bytes_out.inc(len(data))
        unsent = self.client.get_write_buffer_size()
        if unsent > self._limits.slow_reader_bytes:
            self._cut_slow("bytes")
        elif self._is_conflated and unsent > self._limits.market_data_unsent_bytes:
            self._read_engine(on=False)

    def _read_engine(self, *, on: bool) -> None:
        """Market data alone may wait here: then the gateway merges changes instead of sending."""
        if self._engine is None or self._engine.is_closing() or on is not self._engine_waits:
            return
        self._engine_waits = not on
        if on:
            self._engine.resume_reading()
        else:
            self._engine.pause_reading()

    def client_caught_up(self) -> None:
        """Everything has been sent."""
        self._read_engine(on=True)

    def client_behind(self) -> None:
        """Some bytes could not be sent at once: watches until they are."""
        if self._watch is None and not self._mute:
            self._look()

    def _look(self) -> None:
        self._watch = None
        if self._mute:
            return
        unsent = self.client.get_write_buffer_size()
        age = self._backlog.oldest_seconds(self._loop.time(), self._written, unsent)
        if age >= self._limits.slow_reader_seconds:
            self._cut_slow("seconds")
        elif unsent:
            self._watch = self._loop.call_later(_WATCH_SECONDS, self._look)

    def _cut_slow(self, limit: str) -> None:
        self._around.meters.slow_readers.inc()
        unsent = self.client.get_write_buffer_size()
        self._log().warning("slow_reader_cut", limit=limit, unsent_bytes=unsent)
        self.cut("slow_reader")

    # --- ends

    def cut(self, cause: str) -> None:
        """Ends the client's connection at once, whatever is unsent."""
        self._end(cause)
        self._mute = True
        self.client.abort()

    def client_finished(self) -> None:
        """The client sends nothing more but may still read: the engine learns it and answers."""
        if self._engine is None:
            self.client.close()
        elif not self._closing:
            self._end("client")
            self._engine.write_eof()
            self._within(self._limits.logout_seconds)

    def client_lost(self, cause: str) -> None:
        """The client's connection is gone: the engine gets the rest, then the end."""
        self._client_gone = self._mute = True
        self._end(cause)
        if self._engine is None:
            self._ended()
        else:
            self._engine.close()
            self._within(self._limits.logout_seconds)

    def engine_lost(self) -> None:
        """The engine's connection is gone: the client gets the rest, then the end."""
        self._engine = None
        self._around.admission.seats.free(self._seated.identity.name, self.connection)
        self._end("engine")
        if self._client_gone:
            self._ended()
            return
        if not self.client.is_closing():
            self._set_reading()
            end_writing(self.client)
        self._mute = True
        self._within(self._limits.linger_seconds)

    def _end(self, cause: str) -> None:
        """Passes nothing more on; a reconnecting client may wait for the seat from now on."""
        self._closing = True
        self._cause = self._cause or cause
        self._around.admission.seats.leave(self._seated.identity.name, self.connection)

    def _within(self, seconds: float) -> None:
        """The side that is left must be done by then."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._loop.call_later(seconds, self._out_of_time)

    def _out_of_time(self) -> None:
        if self._engine is not None:
            self._engine.abort()
        elif self.client.get_write_buffer_size() and self._is_within_patience():
            self._within(self._limits.linger_seconds or _WATCH_SECONDS)
        else:
            self.client.abort()

    def _is_within_patience(self) -> bool:
        unsent = self.client.get_write_buffer_size()
        age = self._backlog.oldest_seconds(self._loop.time(), self._written, unsent)
        return age < self._limits.slow_reader_seconds

    def _ended(self) -> None:
        for timer in (self._deadline, self._watch):
            if timer is not None:
                timer.cancel()
        if self._deciding is not None:
            self._deciding.cancel()
        self._around.meters.ended(self._cause).inc()
        self._log().info("session_ended", cause=self._cause, bytes_out=self._written)
        facts = {"cause": self._cause, "bytes_out": self._written}
        self._audit.record(Kind.ENDED, self._session, self.connection, facts)
        self._on_end(self)

    def _log(self) -> Log:
        log: Log = self._around.log.bind(
            session=self._seated.identity.name, connection=self.connection
        )
        return log
