"""The yardstick: the quickest honest executor one can write on QuickFIX from Python, and no more.

It answers every NewOrderSingle with New and every OrderCancelRequest with Canceled, straight from
the callback: no book, no store but QuickFIX's own, no risk, no recovery. ``toString`` in, one
reused message out, thread state pinned, FileStore and dictionary on. What the product costs above
it is what an exchange costs.
"""

import argparse
import ctypes
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

import quickfix as fix

DICTIONARY: Final = Path(sys.prefix) / "share" / "quickfix" / "FIX44.xml"
SETTINGS: Final = """[DEFAULT]
ConnectionType=acceptor
SocketAcceptPort={port}
SocketReuseAddress=Y
SocketNodelay=Y
StartTime=00:00:00
EndTime=00:00:00
UseDataDictionary=Y
DataDictionary={dictionary}
ValidateUserDefinedFields=N
FileStorePath={store}
TimestampPrecision=3
{sessions}"""
SESSION: Final = """[SESSION]
BeginString=FIX.4.4
SenderCompID=KalshiRT
TargetCompID=LOAD{number:02d}-RT
"""
REPORT: Final = (
    "8=FIX.4.4\x019=0\x0135=8\x01"
    "37={number}\x0111={cl_ord_id}\x0117={number}\x01150={state}\x0139={state}\x0155={symbol}\x01"
    "54={side}\x0138=10.00\x0140=2\x0144=0.4500\x0159=1\x01151=10.00\x0114=0.00\x016=0.0000\x01"
    "60={at}\x0110=000\x01"
)


class Executor(fix.Application):  # type: ignore[misc]
    """Answers from inside the callback, which is the quickest place there is."""

    def __init__(self) -> None:
        super().__init__()
        self._pinned: set[int] = set()
        self._sessions: dict[str, Any] = {}
        self._reports: dict[int, Any] = {}
        self._number = 0

    def onCreate(self, session_id: Any) -> None:  # noqa: N802 - QuickFIX names it
        """Nothing."""

    def onLogon(self, session_id: Any) -> None:  # noqa: N802 - QuickFIX names it
        """Pins the thread's Python state, so that callbacks do not make a new one each."""
        thread = threading.get_native_id()
        if thread not in self._pinned:
            self._pinned.add(thread)
            ctypes.pythonapi.PyGILState_Ensure()
        name = session_id.toString()
        if name not in self._sessions:
            parts = (session_id.getSenderCompID().getValue(),)
            target = session_id.getTargetCompID().getValue()
            self._sessions[name] = fix.SessionID("FIX.4.4", *parts, target)

    def onLogout(self, session_id: Any) -> None:  # noqa: N802 - QuickFIX names it
        """Nothing."""

    def toAdmin(self, message: Any, session_id: Any) -> None:  # noqa: N802 - QuickFIX names it
        """Nothing."""

    def fromAdmin(self, message: Any, session_id: Any) -> None:  # noqa: N802 - QuickFIX names it
        """Nothing: everybody may log on."""

    def toApp(self, message: Any, session_id: Any) -> None:  # noqa: N802 - QuickFIX names it
        """Nothing."""

    def fromApp(self, message: Any, session_id: Any) -> None:  # noqa: N802 - QuickFIX names it
        """D: New. F: Canceled."""
        parts = message.toString().split("\x01")
        fields = dict([part.split("=", 1) for part in parts if part])
        self._number += 1
        text = REPORT.format(
            number=self._number,
            cl_ord_id=fields["11"],
            state="0" if fields["35"] == "D" else "4",
            symbol=fields["55"],
            side=fields["54"],
            at=fields["60"],
        )
        thread = threading.get_native_id()
        report = self._reports.get(thread)
        if report is None:
            report = self._reports[thread] = fix.Message()
        report.setString(text, False)
        fix.Session.sendToTarget(report, self._sessions[session_id.toString()])


def main() -> None:
    """Serves until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sessions", type=int, default=4)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        text = SETTINGS.format(
            port=arguments.port,
            dictionary=DICTIONARY,
            store=directory,
            sessions="".join(SESSION.format(number=n + 1) for n in range(arguments.sessions)),
        )
        config = Path(directory) / "executor.cfg"
        config.write_text(text)
        settings = fix.SessionSettings(str(config))
        application = Executor()
        store = fix.FileStoreFactory(settings)
        acceptor = fix.SocketAcceptor(application, store, settings)
        acceptor.start()
        print("READY", flush=True)
        sys.stdin.read()
        sys.stdout.flush()
        os._exit(0)  # QuickFIX's stop() waits for clients that are gone


if __name__ == "__main__":
    main()
