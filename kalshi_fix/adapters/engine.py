"""The FIX session layer as the rest of a gateway sees it: what it is told, asks and can do.

Interfaces and settings only; `adapters.acceptor` is the one thing behind them. Nothing here knows
which engine that is.
"""

from pathlib import Path
from typing import Protocol

from attrs import frozen

from kalshi_fix.adapters.engine_sockets import Wire
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.session_rules import SessionFault
from kalshi_fix.fix.wire import BEGIN_STRING


class EngineConfigError(Exception):
    """The engine refuses its settings: a session, its store directory or the dictionary."""


@frozen(kw_only=True)
class EngineSession:
    """One FIX identity as the engine sees it: the server is the sender."""

    name: str
    sender_comp_id: str
    target_comp_id: str
    microseconds: bool = False
    keeps_sequence: bool = True  # False: no history, a gap from the client ends the session
    reset_on_logon: bool = False

    @property
    def store_name(self) -> str:
        """Stem of its files in the store directory."""
        return f"{BEGIN_STRING}-{self.sender_comp_id}-{self.target_comp_id}"


@frozen(kw_only=True)
class EngineSettings:
    """What all sessions of an engine share."""

    store: Path
    dictionary: Path
    max_latency_seconds: int = 120
    send_buffer_bytes: int = 262_144


class EngineEvents(Protocol):
    """Who decides. Called on the session's own thread; must not block on the exchange."""

    def logon_refusal(self, session: str, logon: FixMessage) -> str:
        """The text of the refusing Logout; empty lets the Logon pass."""
        ...

    def on_logon(self, session: str) -> None:
        """The session is up."""
        ...

    def on_logout(self, session: str) -> None:
        """The session is down. The engine holds the session's lock: only hand on, never wait."""
        ...

    def on_admin(self, session: str, message: FixMessage) -> str:
        """An administrative message came in; a text ends the session at once, with this Logout."""
        ...

    def admin_fault(
        self, session: str, message: FixMessage, expected: int, next_outgoing: int
    ) -> SessionFault | None:
        """What is wrong with an administrative message; asked before `on_admin`.

        ``expected`` and ``next_outgoing`` are the engine's next numbers in and out.
        """
        ...

    def on_application(self, session: str, text: str) -> None:
        """An application message came in, its number as expected, valid by the dictionary."""
        ...

    def on_admin_sent(self, session: str, msg_type: str, *, ends: bool = False) -> None:
        """The engine sends an administrative message; ``ends``: and closes the connection."""
        ...


class Engine(Protocol):
    """The session layer as the rest of a gateway sees it."""

    def send(self, session: str, message: FixMessage) -> bool:
        """Numbers, stores and, if the session is up, sends. False: nothing was stored."""
        ...

    def expect_incoming(self, session: str, number: int) -> int:
        """Lowers the number expected next, so that the client sends again; returns what it was."""
        ...

    def set_numbers(self, session: str, incoming: int, outgoing: int) -> None:
        """Sets the next numbers of a session nobody is connected to; 0 leaves one as it is."""
        ...

    def admit(self, session: str, seconds: float) -> None:
        """Lets the next Logon of a session in; without it the session is shut."""
        ...

    def log_out(self, session: str, text: str) -> None:
        """Ends a session politely."""
        ...

    def is_connected(self, session: str) -> bool:
        """Whether a connection, even one that is just closing, still owns the session."""
        ...

    def wire(self, session: str) -> Wire | None:
        """The session's socket; None while that cannot be told. The caller closes it."""
        ...

    def cut(self, session: str, writer_thread_id: int) -> bool:
        """Ends the connection a blocked writer thread sends on. False: it does not send."""
        ...
