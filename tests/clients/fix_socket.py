"""A FIX 4.4 client on a plain socket, for tests: simplefix for the bytes, sequence numbers by hand.

It does what a correct client does (heartbeats, resend requests, gap fills) and lets a test do what
a correct client would not: choose numbers, times and bytes. One reader thread per connection; what
arrives for the application waits in order in ``inbox``.
"""

import contextlib
import queue
import socket
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import simplefix
from attrs import frozen

Field = tuple[int, str]
ADMIN: Final = ("0", "1", "2", "3", "4", "5", "A")
HEADER: Final = (34, 52, 43, 97, 122)  # header tags a test may choose itself
PATIENCE_SECONDS: Final = 15.0  # far above anything seen; a wait that fails costs this once


@frozen
class Message:
    """A received message: all its fields, in order."""

    fields: tuple[Field, ...]

    @property
    def msg_type(self) -> str:
        """MsgType (35)."""
        return self.get(35)

    def get(self, tag: int) -> str:
        """The first value of a tag, "" where it is absent."""
        return next((value for found, value in self.fields if found == tag), "")

    def __contains__(self, tag: int) -> bool:
        return any(found == tag for found, _ in self.fields)

    def __str__(self) -> str:
        return "|".join(f"{tag}={value}" for tag, value in self.fields)


class ConnectionClosedError(Exception):
    """The venue closed the connection."""


def utc_now() -> str:
    """SendingTime of now."""
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:21]


class FixSocket:
    """One FIX identity. Numbers survive reconnects, as a client's store would keep them."""

    def __init__(self, port: int, sender: str, target: str, password: str = "") -> None:
        self.address = ("127.0.0.1", port)
        self.sender, self.target = sender, target
        self.password = (
            password or "demo-" + sender.split("-", maxsplit=1)[0].rstrip("0123456789").lower()
        )
        self.next_out = 1
        self.next_in = 1
        self.inbox: queue.Queue[Message | None] = queue.Queue()
        self.heartbeat = 30
        self.muted = False  # a client that has died without closing its connection
        self._socket: socket.socket | None = None
        self._lock = threading.RLock()
        self._done = threading.Event()
        self._recovering = False
        self._kept: dict[int, tuple[Field, ...]] = {}  # application messages, for resends
        self._reader: threading.Thread | None = None
        self.left_over: list[Message] = []  # taken from ended connections, read by nobody yet

    # --- connection

    @property
    def connected(self) -> bool:
        """Whether a connection is open as far as this side knows."""
        return self._socket is not None and not self._done.is_set()

    def connect(self) -> None:
        """Opens the connection; nothing is sent.

        What the last connection brought and nobody read goes to ``left_over``: its numbers are
        counted as received, so the venue will not send it again.
        """
        self.close()
        if self._reader is not None:
            self._reader.join(PATIENCE_SECONDS)
        while not self.inbox.empty():
            unread = self.inbox.get()
            if unread is not None:
                self.left_over.append(unread)
        self._recovering = False
        self.inbox = queue.Queue()
        self._done = threading.Event()
        self._socket = socket.create_connection(self.address, timeout=PATIENCE_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(self.heartbeat)
        arguments = (self._socket, self.inbox, self._done)
        self._reader = threading.Thread(target=self._read, args=arguments, daemon=True)
        self._reader.start()

    def close(self) -> None:
        """Breaks the connection, without a Logout."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None
            self._done.set()

    def wait_closed(self, timeout: float = PATIENCE_SECONDS) -> bool:
        """Whether the venue closes the connection in time."""
        return self._done.wait(timeout)

    # --- session

    def logon(
        self,
        flags: Iterable[Field] = (),
        *,
        reset: bool = False,
        without: Sequence[int] = (),
        heartbeat: int = 30,
    ) -> Message:
        """Connects, sends a Logon and returns the first answer, Logon or Logout.

        Raises:
            ConnectionClosedError: the venue closed without a word.
        """
        self.connect()
        self.heartbeat = heartbeat
        if reset:
            self.next_out = self.next_in = 1
            self._kept = {}
        chosen = dict(flags)
        fields = {98: "0", 108: str(heartbeat), 553: self.sender, 554: self.password}
        fields |= {141: "Y"} if reset else {}
        fields |= chosen
        self.send([(35, "A"), *((t, v) for t, v in fields.items() if t not in without)])
        return self.receive()

    def logout(self) -> None:
        """An orderly end: Logout, its answer, close."""
        self.send([(35, "5")])
        self.wait_closed()
        self.close()

    def send(self, fields: Iterable[Field]) -> None:
        """Sends a message; ``fields`` start with 35 and may choose 34, 52, 43, 97 and 122."""
        (_, msg_type), *body = fields
        chosen = {tag: value for tag, value in body if tag in HEADER}
        with self._lock:
            message = simplefix.FixMessage()
            message.append_pair(8, "FIX.4.4", header=True)
            message.append_pair(35, msg_type, header=True)
            message.append_pair(49, self.sender, header=True)
            message.append_pair(56, self.target, header=True)
            message.append_pair(34, chosen.get(34, self.next_out), header=True)
            message.append_pair(52, chosen.get(52, utc_now()), header=True)
            for tag in (43, 97, 122):
                if tag in chosen:
                    message.append_pair(tag, chosen[tag], header=True)
            for tag, value in body:
                if tag not in HEADER:
                    message.append_pair(tag, value)
            if 34 not in chosen:
                if msg_type not in ADMIN:
                    self._kept[self.next_out] = ((35, msg_type), *body)
                self.next_out += 1
            self.send_bytes(message.encode())

    def send_bytes(self, data: bytes) -> None:
        """Sends bytes as they are."""
        if self._socket is None:
            raise ConnectionClosedError(self.sender)
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise ConnectionClosedError(self.sender) from error

    def receive(self, timeout: float = PATIENCE_SECONDS) -> Message:
        """The next message that is not a heartbeat or the like.

        Raises:
            TimeoutError: nothing came in time.
            ConnectionClosedError: the venue closed the connection.
        """
        try:
            message = self.inbox.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError(f"{self.sender} received nothing within {timeout} s") from None
        if message is None:
            self.inbox.put(None)
            raise ConnectionClosedError(self.sender)
        return message

    # --- the reader thread

    def _read(
        self, sock: socket.socket, inbox: "queue.Queue[Message | None]", done: threading.Event
    ) -> None:
        parser = simplefix.FixParser()
        while True:
            try:
                data = sock.recv(65_536)
            except TimeoutError:
                self._quietly([(35, "0")])
                continue
            except OSError:
                break
            if not data:
                break
            parser.append_buffer(data)
            while (parsed := parser.get_message()) is not None:
                pairs = ((int(t), v.decode("latin-1")) for t, v in parsed.pairs)
                self._take(Message(tuple(pairs)), inbox)
        sock.close()
        done.set()
        inbox.put(None)

    def _take(self, message: Message, inbox: "queue.Queue[Message | None]") -> None:
        with self._lock:
            if message.msg_type == "4":  # SequenceReset: the numbers go on from NewSeqNo
                self.next_in = max(self.next_in, int(message.get(36)))
                self._recovering = False
                return
            number = int(message.get(34))
            if message.msg_type == "2":
                self._resend(int(message.get(7)))
            if number > self.next_in and message.msg_type not in {"A", "5"}:
                self._request_resend()
                return
            if number > self.next_in and message.msg_type == "A":
                inbox.put(message)
                self._request_resend()
                return
            if number < self.next_in and message.get(43) == "Y":
                return
            if number == self.next_in:
                self.next_in += 1
                self._recovering = False
        if message.msg_type == "1":
            self._quietly([(35, "0"), (112, message.get(112))])
        elif message.msg_type not in {"0", "2"}:
            inbox.put(message)

    def _request_resend(self) -> None:
        if not self._recovering:
            self._recovering = True
            self._quietly([(35, "2"), (7, str(self.next_in)), (16, "0")])

    def _resend(self, begin: int) -> None:
        """Answers a ResendRequest: application messages again, gap fills for the rest."""
        until = self.next_out
        number = begin
        while number < until:
            kept = self._kept.get(number)
            if kept is None:
                following = min((n for n in self._kept if n > number), default=until)
                fill = [(35, "4"), (34, str(number)), (43, "Y"), (122, utc_now()), (123, "Y")]
                self._quietly([*fill, (36, str(following))])
                number = following
            else:
                head = [kept[0], (34, str(number)), (43, "Y"), (122, utc_now())]
                self._quietly([*head, *(f for f in kept[1:] if f[0] not in HEADER)])
                number += 1

    def _quietly(self, fields: list[Field]) -> None:
        """Sends, unless the connection has just ended: then the reader ends as well."""
        if self.muted:
            return
        with contextlib.suppress(ConnectionClosedError):
            self.send(fields)
