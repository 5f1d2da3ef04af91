"""Buys ten contracts with simplefix and a socket: what FIX looks like without an engine.

    python simplefix_client.py [PORT]

A real client also answers TestRequests, asks for what it has missed and keeps its numbers; use an
engine for that. KalshiNR starts at 1 with every Logon, which suits a script.
"""

import socket
import sys
from datetime import UTC, datetime

import simplefix

SENDER, TARGET, PASSWORD = "ALPHA-NR", "KalshiNR", "demo-alpha"


class Session:
    """A connection and its sequence number."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.parser = simplefix.FixParser()
        self.number = 0

    def send(self, msg_type, *fields):
        self.number += 1
        message = simplefix.FixMessage()
        message.append_pair(8, "FIX.4.4", header=True)
        message.append_pair(35, msg_type, header=True)
        message.append_pair(49, SENDER, header=True)
        message.append_pair(56, TARGET, header=True)
        message.append_pair(34, self.number, header=True)
        message.append_utc_timestamp(52, datetime.now(UTC), precision=3, header=True)
        for tag, value in fields:
            message.append_pair(tag, value)
        self.socket.sendall(message.encode())

    def receive(self):
        while (message := self.parser.get_message()) is None:
            data = self.socket.recv(4096)
            if not data:
                raise ConnectionError("the venue closed the connection")
            self.parser.append_buffer(data)
        return {int(tag): value.decode() for tag, value in message.pairs}


def now():
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:21]


def main(port):
    session = Session(port)
    session.send("A", (98, 0), (108, 30), (141, "Y"), (553, SENDER), (554, PASSWORD))
    answer = session.receive()
    if answer[35] != "A":
        raise SystemExit(f"logon refused: {answer.get(58)}")

    name = f"example-{datetime.now(UTC):%H%M%S%f}"
    order = ((55, "KXTEST-A"), (54, 1), (38, 10), (40, 2), (44, "0.45"))
    session.send("D", (11, name), *order, (60, now()))
    report = session.receive()
    print(f"order {report[37]}: status {report[39]}, {report[151]} open")

    session.send("F", (11, name + "-c"), (41, name), (55, "KXTEST-A"), (54, 1), (60, now()))
    report = session.receive()
    print(f"order {report[37]}: status {report[39]}, {report[14]} filled")

    session.send("5")
    session.receive()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8228)
