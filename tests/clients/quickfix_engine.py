"""A stock QuickFIX initiator: its own FIX44.xml, default validation, nothing of ours.

What the venue sends must satisfy it. ``complaints`` collects everything a stock engine says when
something is wrong: Rejects, BusinessMessageRejects, ResendRequests and Logouts of its own accord.
"""
# ruff: noqa: ARG002, N802 - QuickFIX names its callbacks and their arguments

import queue
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, Self

import quickfix as fix
from clients.fix_socket import PATIENCE_SECONDS, Field, Message

DICTIONARY: Final = Path(sys.prefix) / "share" / "quickfix" / "FIX44.xml"
SETTINGS: Final = """[DEFAULT]
ConnectionType=initiator
SocketConnectHost=127.0.0.1
SocketConnectPort={port}
BeginString=FIX.4.4
SenderCompID={sender}
TargetCompID={target}
HeartBtInt=30
ReconnectInterval=1
StartTime=00:00:00
EndTime=00:00:00
UseDataDictionary=Y
DataDictionary={dictionary}
FileStorePath={store}
FileLogPath={store}
ResetOnLogon={reset}
[SESSION]
"""
COMPLAINTS: Final = ("3", "j", "2")


def parse(text: str) -> Message:
    """A message from QuickFIX's text."""
    pairs = (part.split("=", 1) for part in text.split("\x01") if part)
    return Message(tuple((int(tag), value) for tag, value in pairs))


class QuickFixClient(fix.Application):  # type: ignore[misc]
    """One initiator with one session. Use as a context manager."""

    def __init__(
        self,
        port: int,
        sender: str,
        target: str,
        *,
        reset: bool = True,
        flags: Iterable[Field] = (),
        store: Path | None = None,
    ) -> None:
        super().__init__()
        self.inbox: queue.Queue[Message] = queue.Queue()
        self.admin: queue.Queue[Message] = queue.Queue()  # Logout and Reject of the venue
        self.complaints: list[Message] = []
        self.logons: queue.Queue[str] = queue.Queue()
        self._flags = dict(flags)
        self._stopped = False
        self._firm = sender.split("-", maxsplit=1)[0].rstrip("0123456789").lower()
        self._sender = sender
        self._own_store = tempfile.TemporaryDirectory() if store is None else None
        directory = Path(self._own_store.name) if self._own_store else store
        assert directory is not None
        config = directory / "initiator.cfg"
        config.write_text(
            SETTINGS.format(
                port=port,
                sender=sender,
                target=target,
                dictionary=DICTIONARY,
                store=directory,
                reset="Y" if reset else "N",
            )
        )
        settings = fix.SessionSettings(str(config))
        self._dictionary = fix.DataDictionary(str(DICTIONARY))
        self._session_id = fix.SessionID("FIX.4.4", sender, target)
        self._keep = (settings, fix.FileStoreFactory(settings), fix.FileLogFactory(settings))
        self._initiator = fix.SocketInitiator(self, self._keep[1], settings, self._keep[2])

    def __enter__(self) -> Self:
        self._initiator.start()
        return self

    def stop(self) -> None:
        """Logs out; takes about a second, and happens once."""
        if not self._stopped:
            self._stopped = True
            self._initiator.stop()

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._own_store:
            self._own_store.cleanup()

    # --- for tests

    def wait_logon(self, timeout: float = PATIENCE_SECONDS) -> None:
        """Waits for the venue's Logon."""
        self.logons.get(timeout=timeout)

    def send(self, fields: Iterable[Field]) -> None:
        """Sends a message, repeating groups in the order given."""
        body = "".join(f"{tag}={value}\x01" for tag, value in fields)
        text = f"8=FIX.4.4\x019=0\x01{body}10=000\x01"
        message = fix.Message(text, self._dictionary, False)
        assert fix.Session.sendToTarget(message, self._session_id)

    def expect(
        self,
        msg_type: str,
        matches: Callable[[Message], bool] = lambda _: True,
        timeout: float = PATIENCE_SECONDS,
    ) -> Message:
        """The next application message, which must be of this type and match."""
        message = self.inbox.get(timeout=timeout)
        assert message.msg_type == msg_type, message
        assert matches(message), message
        return message

    def await_type(self, msg_type: str) -> Message:
        """The next message of this type; others before it are dropped."""
        while True:
            message = self.inbox.get(timeout=PATIENCE_SECONDS)
            if message.msg_type == msg_type:
                return message

    # --- QuickFIX's callbacks; they must never raise

    def onCreate(self, session_id: Any) -> None:
        """Nothing."""

    def onLogon(self, session_id: Any) -> None:
        self.logons.put(session_id.toString())

    def onLogout(self, session_id: Any) -> None:
        """Nothing."""

    def toAdmin(self, message: Any, session_id: Any) -> None:
        parsed = parse(message.toString())
        if parsed.msg_type == "A":
            values = {553: self._sender, 554: f"demo-{self._firm}"} | self._flags
            for tag, value in values.items():
                message.setField(tag, value)
        elif parsed.msg_type in COMPLAINTS:
            self.complaints.append(parsed)

    def fromAdmin(self, message: Any, session_id: Any) -> None:
        parsed = parse(message.toString())
        if parsed.msg_type in {"3", "5"}:
            self.admin.put(parsed)

    def toApp(self, message: Any, session_id: Any) -> None:
        parsed = parse(message.toString())
        if parsed.msg_type in COMPLAINTS:
            self.complaints.append(parsed)

    def fromApp(self, message: Any, session_id: Any) -> None:
        self.inbox.put(parse(message.toString()))
