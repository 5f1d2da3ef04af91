"""Buys ten contracts with QuickFIX, then cancels what has not traded.

    python quickfix_client.py quickfix_client.cfg

Everything here is stock QuickFIX. The two things a venue needs from you are the credentials in
`toAdmin`, and sequence numbers both sides agree on (ResetOnLogon=Y in the settings).
"""

import queue
import sys
from datetime import UTC, datetime

import quickfix as fix

MARKET = "KXTEST-A"


class Client(fix.Application):
    """Puts what arrives into a queue; the program below does the talking."""

    def __init__(self, settings: fix.SessionSettings) -> None:
        super().__init__()
        self.settings = settings
        self.received: queue.Queue[dict[str, str]] = queue.Queue()
        self.logged_on: queue.Queue[fix.SessionID] = queue.Queue()

    def onCreate(self, session_id):
        pass

    def onLogon(self, session_id):
        text = session_id.toString()  # never keep a callback's own objects
        self.logged_on.put(text)

    def onLogout(self, session_id):
        print("logged out")

    def toAdmin(self, message, session_id):
        kind = fix.MsgType()
        message.getHeader().getField(kind)
        if kind.getValue() == fix.MsgType_Logon:
            values = self.settings.get(session_id)
            message.setField(553, values.getString("Username"))
            message.setField(554, values.getString("Password"))
        if kind.getValue() == fix.MsgType_Reject:
            print("this client rejected a message:", readable(message))

    def fromAdmin(self, message, session_id):
        text = readable(message)
        if text.get("35") in {"3", "5"}:
            print("venue says:", text)

    def toApp(self, message, session_id):
        pass

    def fromApp(self, message, session_id):
        self.received.put(readable(message))


def readable(message):
    """A message as a dictionary of tags."""
    return dict(part.split("=", 1) for part in message.toString().split("\x01") if part)


def now():
    """TransactTime with milliseconds."""
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:21]


def order(cl_ord_id):
    """A limit order to buy ten contracts at 45 cents."""
    message = fix.Message()
    message.getHeader().setField(35, "D")
    for tag, value in ((11, cl_ord_id), (55, MARKET), (54, "1"), (38, "10"), (40, "2")):
        message.setField(tag, value)
    message.setField(44, "0.45")
    message.setField(59, "1")
    message.setField(60, now())
    return message


def cancel(cl_ord_id, orig_cl_ord_id):
    """A cancel of it."""
    message = fix.Message()
    message.getHeader().setField(35, "F")
    for tag, value in ((11, cl_ord_id), (41, orig_cl_ord_id), (55, MARKET), (54, "1")):
        message.setField(tag, value)
    message.setField(60, now())
    return message


def main(path):
    settings = fix.SessionSettings(path)
    client = Client(settings)
    initiator = fix.SocketInitiator(client, fix.FileStoreFactory(settings), settings)
    initiator.start()
    try:
        trade(client)
    finally:
        initiator.stop()
    return 0


def trade(client):
    """One order and its cancel."""
    client.logged_on.get(timeout=20)
    session_id = fix.SessionID("FIX.4.4", "ALPHA-RT", "KalshiRT")

    name = f"example-{datetime.now(UTC):%H%M%S%f}"
    fix.Session.sendToTarget(order(name), session_id)
    report = client.received.get(timeout=10)
    print(f"order {report['37']}: status {report['39']}, {report['151']} open")

    fix.Session.sendToTarget(cancel(name + "-c", name), session_id)
    report = client.received.get(timeout=10)
    print(f"order {report['37']}: status {report['39']}, {report['14']} filled")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
