"""The FIX session layer: QuickFIX behind a small interface, and the only file that imports it.

Sequence numbers, heartbeats, resends and dictionary validation are the engine's; every other
decision is asked of `EngineEvents`. No message or session object of the engine outlives its
callback, and nothing is ever raised into it but what it knows as an answer (`_ANSWERS`): any other
exception there would leave a process that looks alive and serves nobody.
"""

import ctypes
import functools
import os
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

import quickfix as fix

from kalshi_fix.adapters.engine import (
    EngineConfigError,
    EngineEvents,
    EngineSession,
    EngineSettings,
)
from kalshi_fix.adapters.engine_doors import Doors
from kalshi_fix.adapters.engine_own_messages import OwnMessages
from kalshi_fix.adapters.engine_sockets import (
    LOOPBACK,
    Ended,
    Wire,
    connections_on,
    descriptor_in_use,
    listening_everywhere,
    move_to_loopback,
    shut_down,
)
from kalshi_fix.adapters.fix_store import set_creation_time
from kalshi_fix.adapters.logs import Log
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.session_rules import SessionFault, is_counted_anyway, is_gap_fill
from kalshi_fix.fix.wire import BEGIN_STRING, SOH, decode, encode

if TYPE_CHECKING:
    from kalshi_fix.fix.refusal import Refusal

EXIT_ENGINE_FAILURE: Final = 70  # the supervisor restarts; the session stores survive a kill
P = ParamSpec("P")
R = TypeVar("R")

# Messages without a repeating group of several entries: parsed without the dictionary, which
# costs half. In all others the dictionary keeps a group's fields together.
FLAT: Final = frozenset({"0", "3", "5", "8", "9", "f", "j", "r"})
_TWO_AMOUNTS: Final = f"{SOH}1703=2{SOH}"  # the one report that is not flat: a position closed
# What a callback may raise: the engine answers with a Logout, or with a Reject that names a tag.
_ANSWERS: Final = (fix.RejectLogon, fix.IncorrectTagValue)


def _guarded(
    callback: Callable[Concatenate["_Application", P], R],
) -> Callable[Concatenate["_Application", P], R]:
    """Nothing escapes into the engine but its own answers; anything else ends the process."""

    @functools.wraps(callback)
    def guarded(self: "_Application", *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return callback(self, *args, **kwargs)
        except _ANSWERS as answer:
            # the bindings never let go of it: at least it does not keep what these frames hold
            raise answer.with_traceback(None) from None
        except BaseException as error:
            self.fail(callback.__name__, error)
            raise  # not reached: the process is gone

    return guarded  # type: ignore[return-value]  # functools hides that self is positional


class _Application(fix.Application):  # type: ignore[misc]
    """The engine's callbacks, translated to `EngineEvents` and names."""

    def __init__(
        self,
        events: EngineEvents,
        sessions: Sequence[EngineSession],
        count_failure: Callable[[str], None],
        log: Log,
    ) -> None:
        super().__init__()
        self._events = events
        self._count_failure = count_failure
        self._log = log
        self._sessions = {_session_id(session).toString(): session for session in sessions}
        self._names: dict[int, str] = {}  # by address of the engine's identity object
        self.threads: dict[str, int] = {}  # of logged-on sessions
        self.sending: set[int] = set()  # threads that send a Reject of ours
        self.doors = Doors({})
        self._own = OwnMessages()
        self._faults: dict[int, Refusal] = {}  # by thread: of the Reject it is about to send

    def fail(self, callback: str, error: BaseException) -> None:
        """The shell itself is broken: say so and end, the supervisor starts afresh."""
        try:
            self._count_failure(callback)
            self._log.critical("engine_callback_failed", callback=callback, exc_info=error)
        finally:
            os._exit(EXIT_ENGINE_FAILURE)

    def onCreate(self, session_id: Any) -> None:  # noqa: N802 - the engine's name
        """A session exists; nothing to do."""

    @_guarded
    def onLogon(self, session_id: Any) -> None:  # noqa: N802
        """Pins this thread's Python state: the engine would make a new one at every callback."""
        name = self._sessions[session_id.toString()].name
        thread = threading.get_native_id()
        if self.threads.get(name) != thread:
            self.threads[name] = thread
            ctypes.pythonapi.PyGILState_Ensure()
        self.doors.entered(name)
        self._own.logged_on(name)
        self._events.on_logon(name)

    @_guarded
    def onLogout(self, session_id: Any) -> None:  # noqa: N802
        """Hands on; the session is shut until its next Logon is announced."""
        name = self._sessions[session_id.toString()].name
        self.threads.pop(name, None)
        self.doors.left(name)
        self._events.on_logout(name)

    @_guarded
    def fromAdmin(self, message: Any, session_id: Any) -> None:  # noqa: N802
        """Asks about a Logon, hands on the rest."""
        name = self._sessions[session_id.toString()].name
        decoded = decode(message.toString())
        if decoded.msg_type == "A":
            refusal = self._events.logon_refusal(name, decoded)
            if refusal:
                self.doors.refused(name)
                raise fix.RejectLogon(refusal)
        session = fix.Session.lookupSession(session_id)
        expected = session.getExpectedTargetNum()
        fault = self._events.admin_fault(name, decoded, expected, session.getExpectedSenderNum())
        if fault is not None:
            self._refuse(session, decoded, fault)
        text = self._events.on_admin(name, decoded)
        if text:
            raise fix.RejectLogon(text)
        if is_counted_anyway(decoded, expected):
            session.setNextTargetMsgSeqNum(expected - 1)

    def _refuse(self, session: Any, message: FixMessage, fault: SessionFault) -> None:
        """Has the engine reject the message before it takes effect, and end the session."""
        if fault.refusal is None:
            raise fix.RejectLogon(fault.logout)
        if fault.logout:
            session.logout(fault.logout)  # said as soon as the Reject has been sent
        if is_gap_fill(message):  # the engine counts every rejected message but this one
            session.setNextTargetMsgSeqNum(session.getExpectedTargetNum() + 1)
        self._faults[threading.get_ident()] = fault.refusal
        raise fix.IncorrectTagValue(fault.refusal.tag)

    @_guarded
    def fromApp(self, message: Any, session_id: Any) -> None:  # noqa: N802
        """Text in; the message stays with the engine."""
        address = int(session_id.this)  # the session's own object: it lives as long as the engine
        if address not in self._names:  # asked once: the call gives the interpreter away
            self._names[address] = self._sessions[session_id.toString()].name
        self._events.on_application(self._names[address], message.toString())

    @_guarded
    def toAdmin(self, message: Any, session_id: Any) -> None:  # noqa: N802
        """Puts the engine's own messages into the venue's form."""
        session = self._sessions[session_id.toString()]
        engine_session = fix.Session.lookupSession(session_id)
        sent = self._own.form(
            session.name,
            message,
            engine_session.getExpectedTargetNum,
            self._faults.pop(threading.get_ident(), None),
            is_ours=threading.get_ident() in self.sending,
            keeps_sequence=session.keeps_sequence,
        )
        if sent.log_out:
            engine_session.logout(sent.log_out)  # said as soon as this has been sent
        self._events.on_admin_sent(session.name, sent.msg_type, ends=sent.ends)

    def toApp(self, message: Any, session_id: Any) -> None:  # noqa: N802
        """Application messages go out as they were made."""


def fill(outgoing: Any, message: FixMessage, dictionary: Any) -> None:
    """Makes an engine message of ours, its groups in order."""
    text = encode(message)
    is_flat = message.msg_type in FLAT and _TWO_AMOUNTS not in text
    outgoing.setString(text, False, *(() if is_flat else (dictionary, dictionary)))


def _session_id(session: EngineSession) -> Any:
    return fix.SessionID(BEGIN_STRING, session.sender_comp_id, session.target_comp_id)


def _yes(*, flag: bool) -> str:
    return "Y" if flag else "N"


class Acceptor:
    """One engine: a listener on loopback, one store directory, a fixed set of sessions."""

    def __init__(
        self,
        sessions: Sequence[EngineSession],
        settings: EngineSettings,
        events: EngineEvents,
        count_failure: Callable[[str], None],
        log: Log,
    ) -> None:
        assert sessions, "an engine needs a session"
        self.port = 0
        self._application = _Application(events, sessions, count_failure, log)
        configuration = _configuration(sessions, settings, datetime.now(UTC))
        self._factory = fix.FileStoreFactory(configuration)
        try:
            self._engine = fix.ThreadedSocketAcceptor(
                self._application, self._factory, configuration
            )
            self._dictionary = fix.DataDictionary(str(settings.dictionary))
        except fix.ConfigError as error:
            raise EngineConfigError(str(error)) from error
        self._sessions = {
            session.name: fix.Session.lookupSession(_session_id(session)) for session in sessions
        }
        for session in self._sessions.values():
            session.setIsNonStopSession(True)
            session.setCheckCompId(False)  # judged by `EngineEvents`, whose Reject names the tag
        self._ids = {session.name: _session_id(session) for session in sessions}
        self._doors = self._application.doors = Doors(self._sessions)
        self._thread = threading.local()
        self._wires: dict[str, Wire] = {}  # the last one of each session
        self._ended = Ended()

    def start(self) -> int:
        """Accepts connections on loopback; returns the port.

        For a moment the engine listens everywhere: it hears only loopback, and no session is open.
        """
        before = listening_everywhere()
        self._engine.start()
        (listener,) = listening_everywhere() - before
        self.port = move_to_loopback(listener)
        return self.port

    def admit(self, session: str, seconds: float) -> None:
        """Lets the next Logon of a session in, if it comes in time."""
        self._doors.admit(session, seconds)

    def stop(self) -> None:
        """Logs everybody out, waits a moment for the answers, closes the connections."""
        self._doors.close()
        self._engine.stop()

    def close(self) -> None:
        """Frees the engine and its session names; after `stop`, when no thread sends any more."""
        self._ended.close()
        self._sessions.clear()
        self._engine = None

    def send(self, session: str, message: FixMessage) -> bool:
        """Numbers, stores and, if the session is up, sends. One engine message per thread."""
        try:
            outgoing = self._thread.message
        except AttributeError:
            outgoing = self._thread.message = fix.Message()
        fill(outgoing, message, self._dictionary)
        if message.msg_type != "3":
            return bool(self._sessions[session].send(outgoing))
        thread = threading.get_ident()
        self._application.sending.add(thread)
        try:
            return bool(self._sessions[session].send(outgoing))
        finally:
            self._application.sending.discard(thread)

    def expect_incoming(self, session: str, number: int) -> int:
        """Lowers the number expected next, never raises it; returns what it was."""
        engine_session = self._sessions[session]
        before = int(engine_session.getExpectedTargetNum())
        if number < before:
            engine_session.setNextTargetMsgSeqNum(number)
        return before

    def expected_incoming(self, session: str) -> int:
        """The number expected next."""
        return int(self._sessions[session].getExpectedTargetNum())

    def set_numbers(self, session: str, incoming: int, outgoing: int) -> None:
        """Sets the next numbers of a session nobody is connected to; 1 and 1 forget its history."""
        engine_session = self._sessions[session]
        if incoming == outgoing == 1:
            engine_session.reset()
            return
        if incoming:
            engine_session.setNextTargetMsgSeqNum(incoming)
        if outgoing:
            engine_session.setNextSenderMsgSeqNum(outgoing)

    def log_out(self, session: str, text: str) -> None:
        """The engine sends Logout at its next turn and may be used again after the disconnect."""
        self._sessions[session].logout(text)

    def is_connected(self, session: str) -> bool:
        """Whether a connection still owns the session: a new one would have to wait for it."""
        return bool(fix.Session.isSessionRegistered(self._ids[session]))

    def wire(self, session: str) -> Wire | None:
        """The one connection that no other session has; None where there is more than one."""
        known = {
            wire.number
            for name, wire in self._wires.items()
            if name != session and not wire.is_over
        }
        found = connections_on(self.port) - known
        if len(found) != 1:
            return None
        wire = self._wires[session] = Wire(found.pop(), self._ended)
        return wire

    def cut(self, session: str, writer_thread_id: int) -> bool:  # noqa: ARG002 - part of the port
        """Shuts the socket a blocked send works on; nothing else gets past the engine's lock."""
        descriptor = descriptor_in_use(writer_thread_id, self.port)
        if descriptor is None:
            return False
        shut_down(descriptor)
        return True


def _configuration(
    sessions: Sequence[EngineSession], settings: EngineSettings, now: datetime
) -> Any:
    """The engine's settings.

    A session's constructor resets a store that is not of the present session time, whatever
    NonStopSession says, and would lose every number at the first start of a UTC day. So the
    session time is made to begin half a day away, and the stores are made to look new.
    """
    begin = now + timedelta(hours=12)
    for session in sessions:
        set_creation_time(settings.store, session.store_name, now.strftime("%Y%m%d-%H:%M:%S"))
    configuration = fix.SessionSettings()
    configuration.set(
        _dictionary(
            ConnectionType="acceptor",
            SocketAcceptPort="0",
            AllowedRemoteAddresses=LOOPBACK,
            SocketReuseAddress="Y",
            SocketNodelay="Y",
            SocketSendBufferSize=str(settings.send_buffer_bytes),
            StartTime=begin.strftime("%H:%M:%S"),
            EndTime=(begin - timedelta(seconds=1)).strftime("%H:%M:%S"),
            LogonTime=begin.strftime("%H:%M:%S"),
            LogoutTime=begin.strftime("%H:%M:%S"),
            UseDataDictionary="Y",
            DataDictionary=str(settings.dictionary),
            ValidateUserDefinedFields="Y",
            ValidateFieldsOutOfOrder="Y",
            ValidateLengthAndChecksum="Y",
            FileStorePath=str(settings.store),
            ResetOnLogout="N",
            ResetOnDisconnect="N",
            SendRedundantResendRequests="N",
            CheckLatency="Y",
            MaxLatency=str(settings.max_latency_seconds),
            LogonTimeout="10",
            # never: the edge ends a connection on which a Logout is not answered
            LogoutTimeout="3600",
        )
    )
    for session in sessions:
        configuration.set(
            _session_id(session),
            _dictionary(
                BeginString=BEGIN_STRING,
                SenderCompID=session.sender_comp_id,
                TargetCompID=session.target_comp_id,
                TimestampPrecision="6" if session.microseconds else "3",
                PersistMessages=_yes(flag=session.keeps_sequence),
                ResetOnLogon=_yes(flag=session.reset_on_logon),
            ),
        )
    return configuration


def _dictionary(**values: str) -> Any:
    made = fix.Dictionary()
    for key, value in values.items():
        made.setString(key, value)
    return made
