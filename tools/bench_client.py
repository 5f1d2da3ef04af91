"""Load from outside: FIX clients on raw sockets, one process, cheap enough not to be the limit.

Every frame is rendered before the clock starts and acknowledgements are counted, not parsed, so
this process costs a few microseconds per order. It knows the wire, not the venue: the same client
drives the product and the yardstick. Prints one line of JSON.
"""

import argparse
import json
import selectors
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from typing import Final

from attrs import asdict, define, field

NEW: Final = b"\x01150=0\x01"
CANCELED: Final = b"\x01150=4\x01"
REFUSALS: Final = (b"\x0135=j\x01", b"\x0135=9\x01", b"\x0135=3\x01", b"\x01150=8\x01")
LOGON_HEARTBEAT_SECONDS: Final = 60
SOCKET_TIMEOUT_SECONDS: Final = 20.0
RECEIVE_BYTES: Final = 262_144
PRICES: Final = [f"0.{cents:02d}" for cents in range(10, 50)]


def utc_now() -> str:
    """A UTCTimestamp of now."""
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:21]


def frame(content: str) -> bytes:
    """A whole message from its ``35=...`` fields, written with ``|``."""
    body = content.replace("|", "\x01").encode() + b"\x01"
    data = b"8=FIX.4.4\x019=%d\x01%s" % (len(body), body)
    return b"%s10=%03d\x01" % (data, sum(data) % 256)


@define
class Session:
    """One client connection: what it will send, and how far it has got."""

    sender: str
    target: str
    address: tuple[str, int]
    symbol: str
    sequence: int = 1
    frames: bytes = b""
    ends: list[int] = field(factory=lambda: [0])  # where each frame ends in ``frames``
    sent: int = 0
    acknowledged: int = 0
    sent_at: list[float] = field(factory=list)  # per frame
    latencies: list[float] = field(factory=list)  # sampled: the last order of each read
    connection: socket.socket = field(init=False)
    _tail: bytes = b""

    def logon(self) -> None:
        """Connects and logs on with fresh numbers.

        Raises:
            ConnectionError: the venue refuses.
        """
        self.connection = socket.create_connection(self.address, timeout=SOCKET_TIMEOUT_SECONDS)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        firm = self.sender.split("-", maxsplit=1)[0].rstrip("0123456789").lower()
        credentials = f"553={self.sender}|554=demo-{firm}"
        self.connection.sendall(
            self.message("A", f"98=0|108={LOGON_HEARTBEAT_SECONDS}|141=Y|{credentials}")
        )
        answer = self.connection.recv(RECEIVE_BYTES)
        if b"\x0135=A\x01" not in answer:
            raise ConnectionError(f"{self.sender}: no Logon but {answer!r}")

    def render(self, pairs: int, run: str) -> None:
        """Renders so many pairs of an order and its cancel."""
        rendered = list(self._pairs(pairs, run))
        self.frames = b"".join(rendered)
        self.ends = list(accumulate(map(len, rendered), initial=0))
        self.sent = self.acknowledged = 0
        self.sent_at = [0.0] * len(rendered)

    def _pairs(self, pairs: int, run: str) -> Iterator[bytes]:
        for number in range(pairs):
            order = f"{run}{number}"
            price = PRICES[number % len(PRICES)]
            at = utc_now()
            yield self.message(
                "D", f"11={order}|55={self.symbol}|54=1|38=10|40=2|44={price}|60={at}"
            )
            yield self.message("F", f"11={order}c|41={order}|55={self.symbol}|54=1|60={at}")

    def message(self, msg_type: str, body: str) -> bytes:
        """A message of this session, with its next number."""
        header = f"35={msg_type}|49={self.sender}|56={self.target}|34={self.sequence}"
        self.sequence += 1
        return frame(f"{header}|52={utc_now()}|{body}")

    @property
    def done(self) -> bool:
        """Whether every frame has been answered."""
        return self.acknowledged >= len(self.ends) - 1

    def push(self, window: int) -> None:
        """Fills the window of unanswered messages again once a quarter of it is free."""
        until = min(self.acknowledged + window, len(self.ends) - 1)
        if until - self.sent >= window // 4 or until == len(self.ends) - 1 > self.sent:
            now = time.perf_counter()
            self.sent_at[self.sent : until] = [now] * (until - self.sent)
            self.connection.sendall(self.frames[self.ends[self.sent] : self.ends[until]])
            self.sent = until

    def pull(self) -> None:
        """Reads what is there and counts the answers in it.

        Raises:
            ConnectionError: the venue closed the connection, or refused something.
        """
        data = self.connection.recv(RECEIVE_BYTES)
        if not data:
            raise ConnectionError(f"{self.sender}: closed after {self.acknowledged} answers")
        seen = self._tail + data
        answers = seen.count(NEW) + seen.count(CANCELED)
        self.acknowledged += answers
        self._tail = seen[-len(NEW) + 1 :]
        if answers:
            now = time.perf_counter()
            self.latencies.append(now - self.sent_at[self.acknowledged - 1])
        elif any(refusal in data for refusal in REFUSALS):
            raise ConnectionError(f"{self.sender}: refused: {data[-600:]!r}")


@define
class Result:
    """What one run measured. Times in seconds."""

    orders: int
    seconds: float
    orders_per_second: float
    p50: float
    p99: float
    client_cpu_seconds: float


def percentile(values: list[float], share: float) -> float:
    """A percentile of a sample; 0 of an empty one."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def pipelined(sessions: list[Session], window: int) -> Result:
    """All sessions at once, each with a window of unanswered messages."""
    with selectors.DefaultSelector() as selector:
        for session in sessions:
            selector.register(session.connection, selectors.EVENT_READ, session)
        started, cpu = time.perf_counter(), time.process_time()
        for session in sessions:
            session.push(window)
        while not all(session.done for session in sessions):
            ready = selector.select(SOCKET_TIMEOUT_SECONDS)
            if not ready:
                raise TimeoutError(f"no answer for {SOCKET_TIMEOUT_SECONDS} s")
            for key, _ in ready:
                key.data.pull()
                key.data.push(window)
        seconds = time.perf_counter() - started
    orders = sum(len(session.ends) // 2 for session in sessions)
    latencies = [latency for session in sessions for latency in session.latencies]
    return Result(
        orders=orders,
        seconds=seconds,
        orders_per_second=orders / seconds,
        p50=percentile(latencies, 0.50),
        p99=percentile(latencies, 0.99),
        client_cpu_seconds=time.process_time() - cpu,
    )


def one_at_a_time(session: Session) -> Result:
    """One order, its answer, its cancel, its answer, and so on: the latency of a quiet system."""
    latencies = []
    started, cpu = time.perf_counter(), time.process_time()
    for number, (start, end) in enumerate(pairwise(session.ends)):
        sent_at = time.perf_counter()
        session.connection.sendall(session.frames[start:end])
        session.sent_at[number] = sent_at
        while session.acknowledged <= number:
            session.pull()
        if number % 2 == 0:
            latencies.append(time.perf_counter() - sent_at)
    seconds = time.perf_counter() - started
    return Result(
        orders=len(latencies),
        seconds=seconds,
        orders_per_second=len(latencies) / seconds,
        p50=percentile(latencies, 0.50),
        p99=percentile(latencies, 0.99),
        client_cpu_seconds=time.process_time() - cpu,
    )


def main() -> None:
    """Logs the sessions on, runs, prints the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=10_000, help="per session")
    parser.add_argument("--window", type=int, default=200, help="unanswered messages per session")
    parser.add_argument("--one-at-a-time", action="store_true")
    arguments = parser.parse_args()
    sessions = [
        Session(
            sender=f"LOAD{number:02d}-RT",
            target="KalshiRT",
            address=("127.0.0.1", arguments.port),
            symbol=f"KXTEST-{chr(ord('A') + number - 1)}",
        )
        for number in range(1, arguments.sessions + 1)
    ]
    run = format(time.time_ns() // 1_000_000 % 10**9, "x")
    for session in sessions:
        session.logon()
        session.render(arguments.pairs, f"{run}-{session.sender[4:6]}-")
    if arguments.one_at_a_time:
        result = one_at_a_time(sessions[0])
    else:
        result = pipelined(sessions, arguments.window)
    print(json.dumps(asdict(result)))


if __name__ == "__main__":
    main()
