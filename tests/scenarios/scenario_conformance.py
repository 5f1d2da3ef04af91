"""Runs session scenarios: a client that does nothing by itself, byte for byte as the file says.

No heartbeats, no answers, no sequence logic but counting: what an ``I`` line gives (8, 9, 34, 49,
52, 56, 10) goes out as given, the rest is made right. Every message the venue sends must be
expected, session-layer messages included. Every byte either way is kept as evidence.
"""

import itertools
import re
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

import simplefix
from attrs import define, field, frozen
from clients.fix_socket import PATIENCE_SECONDS, Message
from scenarios.scenario_format import (
    ABSENT,
    Advance,
    Connect,
    Expect,
    ExpectClosed,
    Fields,
    Interrupt,
    Scenario,
    Send,
    SendBytes,
    Step,
)
from scenarios.scenario_in_process import ScenarioFailedError
from scenarios.scenario_matching import Vocabulary, utc_text
from waiting import wait_for_time

TARGET: Final = "ISLD"
MARKET: Final = "KXTEST-A"
CLIENT: Final = "TW44"  # who logs on in nearly every file
QUIET_SECONDS: Final = 0.5
CLOSE_SECONDS: Final = 12.0  # the longest the venue may take to close
SOH: Final = "\x01"


def checksum(text: str) -> str:
    """CheckSum (10) of all bytes before it."""
    return f"{sum(text.encode('latin-1')) % 256:03d}"


@frozen
class Line:
    """One thing that happened on a connection: sent, received or closed."""

    seconds: float  # since the scenario began
    connection: str
    what: str
    text: str


@define
class Evidence:
    """Everything that went over the wire, in order."""

    lines: list[Line] = field(factory=list)
    _began: float = field(factory=time.monotonic)

    def add(self, connection: str, what: str, text: str = "") -> None:
        """Notes it, with ``|`` for SOH."""
        seconds = round(time.monotonic() - self._began, 3)
        self.lines.append(Line(seconds, connection, what, text.replace(SOH, "|")))


class RawClient:
    """A socket, a number and a parser."""

    def __init__(
        self, address: tuple[str, int], name: str, connection: str, evidence: Evidence
    ) -> None:
        self.socket = socket.create_connection(address, timeout=PATIENCE_SECONDS)
        self.name = name
        self._note = lambda what, text="": evidence.add(connection, what, text)
        self._note("connected")
        self.numbers = itertools.count(1)
        self._parser = simplefix.FixParser()

    def send(self, fields: Fields) -> None:
        """Sends a message; header and trailer fields given are taken as they are."""
        given = dict(fields)
        header = {8: "FIX.4.4", 9: "", 35: given[35], 49: self.name, 56: TARGET}
        header[34] = given.get(34) or str(next(self.numbers))
        header[52] = utc_text(time.time_ns())
        header |= {tag: given[tag] for tag in (8, 9, 49, 52, 56) if tag in given}
        body = [f for f in fields if f[0] not in header and f[0] != 10]
        inner = [(t, v) for t, v in (*header.items(), *body) if t not in {8, 9} and v != ABSENT]
        text = "".join(f"{tag}={value}{SOH}" for tag, value in inner)
        length = header[9] or str(len(text))
        text = f"8={header[8]}{SOH}9={length}{SOH}{text}"
        self._send(f"{text}10={given.get(10) or checksum(text)}{SOH}")

    def send_text(self, text: str) -> None:
        """Sends bytes, ``|`` for SOH; ``<sum>`` is the checksum of what stands before it."""
        while (place := text.find("10=<sum>")) >= 0:
            before = text[:place].rpartition("8=FIX")
            start = (before[1] + before[2]).replace("|", SOH)
            text = text.replace("<sum>", checksum(start), 1)
        self._send(text.replace("|", SOH))

    def _send(self, text: str) -> None:
        self._note("sent", text)
        self.socket.sendall(text.encode("latin-1"))

    def receive(self, seconds: float = PATIENCE_SECONDS) -> Message | None:
        """The next message; None where the venue has closed the connection.

        Raises:
            TimeoutError: nothing came in time.
        """
        self.socket.settimeout(seconds)
        while (parsed := self._parser.get_message()) is None:
            try:
                data = self.socket.recv(65_536)
            except ConnectionError:
                data = b""
            if not data:
                self._note("closed")
                return None
            self._parser.append_buffer(data)
        pairs = ((int(tag), value.decode("latin-1")) for tag, value in parsed.pairs)
        message = Message(tuple(pairs))
        self._note("received", f"{message}|")
        return message


class ConformanceRun:
    """One session scenario against a system with the conformance profile."""

    def __init__(
        self,
        scenario: Scenario,
        port: int,
        *,
        names: Mapping[str, str] | None = None,
        interrupt: Callable[[bool], None] | None = None,
    ) -> None:
        """Prepares it.

        Args:
            scenario: What to play.
            port: Of the profile's sessions.
            names: CompIDs of the file -> those to use; all others stand for themselves.
            interrupt: Stops the exchange (False) or lets it go on (True).
        """
        self.evidence = Evidence()
        self._scenario = scenario
        self._address = ("127.0.0.1", port)
        self._names = dict(names or {})
        self._interrupt = interrupt
        began = time.time_ns()
        bound = {"market": MARKET, "sum": "<sum>", "seconds": utc_text(began)[:17]}
        bound["client"] = self._names.get(CLIENT, CLIENT)
        self._vocabulary = Vocabulary(f"{began:x}-", time.time_ns, bound)
        self._clients: dict[str, RawClient] = {}
        self._opened: list[RawClient] = []

    def run(self) -> None:
        """Plays every step.

        Raises:
            ScenarioFailedError: names the line and every difference.
        """
        try:
            for step in self._scenario.steps:
                self._play(step)
        finally:
            for client in self._opened:
                client.socket.close()

    def _play(self, step: Step) -> None:
        match step:
            case Connect():
                name = step.session.partition("/")[0]  # A/2 is a second connection of A
                used = self._names.get(name, name)
                client = RawClient(self._address, used, step.session, self.evidence)
                self._clients[step.session] = client
                self._opened.append(client)
            case Send():
                self._clients[step.session].send(tuple(self._vocabulary.outgoing(step.fields)))
            case SendBytes():
                text = self._vocabulary.text(self._renamed(step.text))
                self._clients[step.session].send_text(text)
            case Expect():
                self._expect(step)
            case ExpectClosed():
                self._expect_closed(step)
            case Advance():
                wait_for_time(step.seconds)
            case Interrupt():
                assert self._interrupt is not None, "this scenario needs a system of its own"
                self._interrupt(step.running)
            case _:
                raise ScenarioFailedError(f"{self._where(step)}: not for session scenarios")

    def _renamed(self, text: str) -> str:
        """Bytes of a file's own making, with the CompIDs that are used."""
        return re.sub(r"\w+", lambda word: self._names.get(word[0], word[0]), text)

    def _where(self, step: Step) -> str:
        return self._scenario.where(step.line)

    def _expect(self, step: Expect) -> None:
        client = self._clients[step.session]
        try:
            message = client.receive(PATIENCE_SECONDS if step.fields else QUIET_SECONDS)
        except TimeoutError:
            if not step.fields:
                return
            raise ScenarioFailedError(f"{self._where(step)}: nothing came") from None
        if message is None or not step.fields:
            what = message or "the end of the connection"
            raise ScenarioFailedError(f"{self._where(step)}: received {what}")
        wrong = self._vocabulary.mismatches(step.fields, message.fields)
        if wrong:
            lines = [f"{self._where(step)}:", *wrong, f"received {message}"]
            raise ScenarioFailedError("\n  ".join(lines))

    def _expect_closed(self, step: ExpectClosed) -> None:
        try:
            message = self._clients[step.session].receive(CLOSE_SECONDS)
        except TimeoutError:
            raise ScenarioFailedError(f"{self._where(step)}: still open") from None
        if message is not None:
            raise ScenarioFailedError(f"{self._where(step)}: not closed but {message}")
