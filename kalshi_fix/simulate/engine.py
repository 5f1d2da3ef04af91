"""The FIX engine's place, taken by a model of it: `adapters.acceptor.Acceptor`, simulated.

Sessions follow the real engine's rules (`engine_session`); here are its connections, one task
each, and the calls the gateway makes. The wait for a session that is still in use is the real one.
"""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

from kalshi_fix.fix.wire import WireError, split_frames
from kalshi_fix.model import NANOS
from kalshi_fix.simulate.engine_session import SimulatedSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kalshi_fix.adapters.engine import EngineEvents, EngineSession, EngineSettings
    from kalshi_fix.adapters.logs import Log
    from kalshi_fix.fix.message import FixMessage
    from kalshi_fix.simulate.machine import Machine
    from kalshi_fix.simulate.network import Connection

_TURN_NANOS: Final = NANOS
_TRIES: Final = 5  # seconds a second connection waits for its session
_STOP_NANOS: Final = 2 * NANOS


class Ports:
    """Which engine listens where."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.engines: dict[int, SimulatedEngine] = {}
        self._ports = count(20_001)

    def open(self, engine: SimulatedEngine) -> int:
        """A port for an engine, for as long as its process lives."""
        port = next(self._ports)
        self.engines[port] = engine
        self.machine.process.at_death.append(partial(self.close, port))
        return port

    def close(self, port: int) -> None:
        """Nobody listens there any more."""
        self.engines.pop(port, None)

    def make(
        self,
        sessions: Sequence[EngineSession],
        settings: EngineSettings,
        events: EngineEvents,
        _count_failure: Callable[[str], None],
        _log: Log,
    ) -> SimulatedEngine:
        """Stands where the gateway says ``Acceptor(...)``."""
        return SimulatedEngine(self, sessions, settings, events)


class SimulatedEngine:
    """See the module and `adapters.acceptor.Engine`."""

    def __init__(
        self,
        ports: Ports,
        sessions: Sequence[EngineSession],
        settings: EngineSettings,
        events: EngineEvents,
    ) -> None:
        self.port = 0
        self._ports = ports
        self._machine = ports.machine
        self._process = ports.machine.process
        self._sessions = {
            session.name: SimulatedSession.load(ports.machine, session, settings.store, events)
            for session in sessions
        }
        self._by_identity = {
            (session.sender_comp_id, session.target_comp_id): self._sessions[session.name]
            for session in sessions
        }
        self._connections: dict[Connection, None] = {}
        self._process.at_death.append(self._die)

    # --- what the gateway calls

    def start(self) -> int:
        """See `Acceptor`."""
        self.port = self._ports.open(self)
        return self.port

    def stop(self) -> None:
        """See `Acceptor`."""
        self._ports.close(self.port)
        for session in self._sessions.values():
            session.log_out("")
        deadline = self._machine.now + _STOP_NANOS
        while self._connections and self._machine.now < deadline:
            self._machine.sleep(_TURN_NANOS // 20)
        for session in self._sessions.values():
            session.disconnect()
        self._close_connections()

    def close(self) -> None:
        """See `Acceptor`."""

    def send(self, session: str, message: FixMessage) -> bool:
        """See `Acceptor`."""
        self._sessions[session].send(message)
        return True

    def expect_incoming(self, session: str, number: int) -> int:
        """See `Acceptor`."""
        store = self._sessions[session].store
        before = store.incoming
        if number < before:
            store.expect(number)
        return before

    def expected_incoming(self, session: str) -> int:
        """See `Acceptor`."""
        return self._sessions[session].store.incoming

    def set_numbers(self, session: str, incoming: int, outgoing: int) -> None:
        """See `Acceptor`."""
        store = self._sessions[session].store
        if incoming == outgoing == 1:
            store.reset()
            return
        store.incoming = incoming or store.incoming
        store.outgoing = outgoing or store.outgoing

    def log_out(self, session: str, text: str) -> None:
        """See `Acceptor`."""
        self._sessions[session].log_out(text)

    def admit(self, session: str, seconds: float) -> None:
        """Nobody else is there who could come in."""

    def is_connected(self, session: str) -> bool:
        """See `Acceptor`."""
        return self._sessions[session].owner is not None

    def wire(self, session: str) -> Connection | None:
        """See `Acceptor`."""
        found = self._sessions[session]
        return found.connection if found.is_logged_on else None

    def cut(self, session: str, _writer_thread_id: int) -> bool:
        """See `Acceptor`."""
        connection = self._sessions[session].connection
        if connection is None:
            return False
        connection.shut()
        return True

    # --- connections

    def accept(self, connection: Connection) -> None:
        """A new connection; from the hub or from any task."""
        self._connections[connection] = None
        self._machine.spawn(
            self._process, f"connection {connection.name}", lambda: self._serve(connection)
        )

    def _serve(self, connection: Connection) -> None:
        session: SimulatedSession | None = None
        for frames in self._frames(connection):
            for frame in frames:
                session = session or self._take_over(connection, frame)
                if session is not None and session.connection is connection:
                    session.next(frame.decode("latin-1"))
            if session is not None:
                session.turn()
            if (session is None and frames) or (
                session is not None and session.connection is not connection
            ):
                break
        if session is not None:
            session.disconnect(connection)
            session.owner = None
        connection.close_engine_side()
        self._connections.pop(connection, None)

    def _frames(self, connection: Connection) -> Iterator[list[bytes]]:
        """What arrives, message by message, and at least once a second; until the end."""
        buffer = b""
        while (data := connection.read(_TURN_NANOS)) is not None:
            try:
                frames, buffer = split_frames(buffer + data)
            except WireError:
                return
            yield frames

    def _take_over(self, connection: Connection, frame: bytes) -> SimulatedSession | None:
        """The session of a first message becomes the connection's."""
        session = self._find(frame)
        if session is not None:
            session.owner = connection
            session.connect(connection)
        return session

    def _find(self, frame: bytes) -> SimulatedSession | None:
        """The session a first message names, as soon as it is free."""
        session = SimulatedSession.named_by(frame, self._by_identity)
        if session is None:
            return None
        for _ in range(_TRIES):
            if session.owner is None:
                break
            self._machine.sleep(_TURN_NANOS)
        return session if session.owner is None else None

    def _close_connections(self) -> None:
        for connection in list(self._connections):
            connection.close_engine_side()

    def _die(self) -> None:
        """The operating system closes sockets and files."""
        self._close_connections()
        for session in self._sessions.values():
            session.store.close()
