"""Hostile clients, each a rule for how to be a nuisance, bounded in connections and in rate.

An attack runs in a process of its own until it is stopped, at the lowest priority: an attacker's
processor is not the exchange's. It never minds being refused, closed or cut: that is what should
happen to it.
"""

import contextlib
import multiprocessing
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from waiting import wait_for_time, wait_until

from kalshi_fix.adapters.edge.frames import encode
from kalshi_fix.fix.time_text import utc_text

Attack = Callable[["Attacker"], None]
STEP_SECONDS: Final = 0.01
LORIS_COUNT: Final = 40
GAP: Final = 999_999
Field = tuple[int, str]


class Attacker:
    """What an attack may use. Everything of it is closed at the end."""

    def __init__(
        self, ports: dict[str, int], name: str, markets: list[str], stopped: Any, count: Any
    ) -> None:
        self.ports = ports
        self.name = name
        self.markets = markets
        self.stopped = stopped  # an event, and a number, of two processes
        self._count = count
        self._sockets: list[socket.socket] = []

    def connect(
        self, role: str = "RT", receive_bytes: int = 0, source: str = "127.0.0.1"
    ) -> socket.socket:
        """One more connection; ``source`` is an address of loopback."""
        self._count.value += 1
        connection = socket.socket()
        if receive_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.settimeout(2)
        connection.bind((source, 0))
        connection.connect(("127.0.0.1", self.ports[role]))
        self._sockets.append(connection)
        return connection

    @property
    def tries(self) -> int:
        """Connections so far."""
        return int(self._count.value)

    def message(self, msg_type: str, number: int, *body: Field, role: str = "RT") -> bytes:
        """A message of the attacker's own session."""
        head = [(34, str(number)), (49, f"{self.name}-{role}"), (52, utc_text(time.time_ns()))]
        return encode(msg_type, [*head, (56, f"Kalshi{role}"), *body])

    def log_on(self, role: str = "RT", receive_bytes: int = 0) -> socket.socket:
        """A session, numbers from 1."""
        connection = self.connect(role, receive_bytes)
        flags = [(98, "0"), (108, "30"), (141, "Y")]
        connection.sendall(self.message("A", 1, *flags, role=role))
        connection.recv(4_096)
        return connection

    def pause(self, seconds: float = STEP_SECONDS) -> None:
        """Between two steps, so that the attack is bounded."""
        self.stopped.wait(seconds)

    def drain(self, connection: socket.socket) -> None:
        """Reads what is there."""
        connection.settimeout(0.001)
        with contextlib.suppress(TimeoutError):
            while connection.recv(262_144):
                pass
        connection.settimeout(2)

    def close(self, connection: socket.socket) -> None:
        """Closes one."""
        self._sockets.remove(connection)
        connection.close()

    def close_all(self) -> None:
        for connection in self._sockets:
            connection.close()


@contextmanager
def under(
    attack: Attack, ports: dict[str, int], name: str, markets: list[str]
) -> Iterator[Callable[[], int]]:
    """Runs an attack while the body runs; yields what tells how many connections it has made."""
    context = multiprocessing.get_context("spawn")
    stopped, count = context.Event(), context.Value("q", 0)
    process = context.Process(
        target=_go, args=(attack, ports, name, markets, stopped, count), daemon=True
    )
    process.start()
    try:
        wait_until(lambda: count.value > 0, "the attack")
        wait_for_time(0.3)  # it is under way
        yield lambda: int(count.value)
    finally:
        stopped.set()
        process.join(10)
        assert not process.is_alive()


def _go(  # noqa: PLR0917 - what a process is given
    attack: Attack, ports: dict[str, int], name: str, markets: list[str], stopped: Any, count: Any
) -> None:
    os.nice(19)
    attacker = Attacker(ports, name, markets, stopped, count)
    while not stopped.is_set():
        with contextlib.suppress(OSError):
            attack(attacker)
        attacker.pause()
    attacker.close_all()


def slow_loris(attacker: Attacker) -> None:
    logon = attacker.message("A", 1, (98, "0"), (108, "30"))
    crew = [attacker.connect() for _ in range(LORIS_COUNT)]
    for byte in logon[:-1]:
        for connection in crew:
            connection.send(bytes((byte,)))
        attacker.pause(0.05)
        if attacker.stopped.is_set():
            return


def half_messages(attacker: Attacker) -> None:
    logon = attacker.message("A", 1, (98, "0"), (108, "30"))
    connection = attacker.connect()
    connection.sendall(logon[: 1 + attacker.tries % (len(logon) - 1)])
    attacker.close(connection)


def connection_flood(attacker: Attacker) -> None:
    for _ in range(20):
        attacker.close(attacker.connect())


def oversized_declarations(attacker: Attacker) -> None:
    stranger = attacker.connect()
    stranger.sendall(b"8=FIX.4.4\x019=999999\x0135=A\x01" + b"x" * 65_536)
    attacker.close(stranger)
    member = attacker.log_on()
    member.sendall(b"8=FIX.4.4\x019=999999\x0135=D\x01" + b"x" * 65_536)
    attacker.drain(member)
    attacker.close(member)


def resend_storm(attacker: Attacker) -> None:
    member, number = attacker.log_on(), 2
    for _ in range(100):
        order = [(11, f"s{time.time_ns()}"), (55, attacker.markets[1]), (54, "1"), (38, "1")]
        limit = [(40, "2"), (44, "0.01"), (59, "3"), (60, utc_text(time.time_ns()))]
        member.sendall(attacker.message("D", number, *order, *limit))
        number += 1
    while not attacker.stopped.is_set():
        member.sendall(attacker.message("2", number, (7, "1"), (16, "0")))
        number += 1
        attacker.drain(member)
        attacker.pause()


def sequence_abuse(attacker: Attacker) -> None:
    for number, body in (
        (2**31, ("0",)),
        (2**63 - 1, ("0",)),
        (2, ("4", (123, "N"), (36, str(2**63 - 1)))),
        (2, ("4", (123, "N"), (36, "1"))),
        (GAP, ("4", (123, "Y"), (36, "1"))),
        (10**18, ("2", (7, "1"), (16, str(2**63)))),
    ):
        member = attacker.log_on()
        msg_type, *fields = body
        member.sendall(attacker.message(str(msg_type), number, *fields))  # type: ignore[arg-type]
        member.sendall(attacker.message("1", 3, (112, "x")))
        attacker.drain(member)
        attacker.close(member)
        attacker.pause()


def reader_that_never_reads(attacker: Attacker) -> None:
    member, number = attacker.log_on(receive_bytes=4_096), 2
    while not attacker.stopped.is_set():
        requests = []
        for _ in range(50):
            requests.append(attacker.message("1", number, (112, "x" * 200)))
            number += 1
        member.sendall(b"".join(requests))
        attacker.pause(0.05)


def subscription_bombs(attacker: Attacker) -> None:
    member, number = attacker.log_on("MD"), 2
    all_markets = [(55, market) for market in attacker.markets * 40][:1_000]
    while not attacker.stopped.is_set():
        for count, markets in ((len(all_markets), all_markets), (1_000_000, all_markets[:3])):
            kind = [(262, f"b{number}"), (263, "1"), (264, "0"), (265, "1"), (267, "1"), (269, "0")]
            request = attacker.message("V", number, *kind, (146, str(count)), *markets, role="MD")
            member.sendall(request)
            number += 1
            attacker.drain(member)
        attacker.pause(0.02)


def reconnect_storm(attacker: Attacker) -> None:
    member = attacker.log_on()
    attacker.close(member)


def wrong_passwords(attacker: Attacker, source: str = "127.0.0.1") -> None:
    connection = attacker.connect(source=source)
    guess = [(98, "0"), (108, "30"), (141, "Y"), (553, "ALPHA-RT"), (554, f"g{attacker.tries}")]
    logon = attacker.message("A", 1, *guess).replace(f"{attacker.name}-RT".encode(), b"ALPHA-RT")
    connection.sendall(encode("A", _fields(logon)))
    connection.recv(4_096)
    attacker.close(connection)


def wrong_passwords_from_everywhere(attacker: Attacker) -> None:
    number = attacker.tries
    wrong_passwords(attacker, f"127.0.{2 + number // 250 % 250}.{1 + number % 250}")


def _fields(frame: bytes) -> list[Field]:
    pairs = (part.split("=", 1) for part in frame.decode().split("\x01")[:-1])
    return [(int(tag), value) for tag, value in pairs if tag not in {"8", "9", "35", "10"}]


ATTACKS: Final[tuple[Attack, ...]] = (
    slow_loris,
    half_messages,
    connection_flood,
    oversized_declarations,
    resend_storm,
    sequence_abuse,
    reader_that_never_reads,
    subscription_bombs,
    reconnect_storm,
    wrong_passwords,
    wrong_passwords_from_everywhere,
)
