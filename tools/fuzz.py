"""`make fuzz`: framed mutants over TCP against a whole running system; 0 crashes, 0 hangs.

Several sessions send mutants made from rules (`fuzz_mutants`) in bursts, each followed by a
TestRequest. A session that is logged out, or that mutants have brought to a stand, starts again
(the latter are counted); what may never happen is that a process ends, that a Logon is not answered
for long, or that memory grows. The seed repeats a run.
"""

import argparse
import os
import select
import socket
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import Final

from attrs import define, field
from fuzz_mutants import Body, Mutants, framed
from running_system import RunningSystem, free_offset

from kalshi_fix.fix.time_text import utc_text

BURST: Final = 40
PATIENCE_SECONDS: Final = 10.0  # what answers nothing for so long hangs
SLOW_SECONDS: Final = 1.0  # told, not failed: the machine may be busy
GROWTH_MAX_BYTES: Final = 150_000_000
LANES: Final = {"RT": "gw1", "MD": "md1"}
_STORY_BYTES: Final = 6_000
_RESEND_REQUEST: Final = b"\x0135=2\x01"
_LOGOUT: Final = b"\x0135=5\x01"
MD_TYPES: Final = "V x e 0 1 2 3 4 j D"


def configuration(clients: int) -> str:
    """A system of open sessions, order entry and market data in turn."""
    parts = [
        "[edge]\nplain = true\nconnections_per_second = 100000\nconnection_burst = 100000\n",
        *(f'[[lanes]]\nname = "{lane}"\n' for lane in LANES.values()),
        '[[firms]]\nname = "FUZZ"\n',
        '[[accounts]]\nname = "FUZZ-1"\nfirm = "FUZZ"\ndeposit = "1000000000.00"\n',
        '[[series]]\nname = "KXFUZZ"\n',
        '[[markets]]\nsymbol = "KXFUZZ-A"\nevent_ticker = "KXFUZZ"\n',
        'series = "KXFUZZ"\ntitle = "Fuzz"\n',
    ]
    for number in range(clients):
        role = role_of(number)
        parts.append(
            f'[[sessions]]\nsender_comp_id = "{name_of(number)}"\nrole = "{role}"\n'
            f'firm = "FUZZ"\nlane = "{LANES[role]}"\nopen_on_loopback = true\n'
            'accounts = ["FUZZ-1"]\nthrottle = { tokens_per_second = 0 }\n'
        )
    return "\n".join(parts)


def role_of(number: int) -> str:
    """Every fourth session asks for market data."""
    return "MD" if number % 4 == 3 else "RT"


def name_of(number: int) -> str:
    """SenderCompID."""
    return f"FUZZ{number:02d}"


class HangError(Exception):
    """Nothing came for too long."""


@define
class Tally:
    """What one client has seen."""

    sent: int = 0
    logons: int = 0
    answers: int = 0
    slowest_seconds: float = 0
    stuck: list[str] = field(factory=list)  # how sessions were brought to a stand
    fault: str = ""


@define
class FuzzClient:
    """One hostile session. `run` until its count or the time is reached."""

    port: int
    number: int
    mutants: Mutants
    tally: Tally = field(factory=Tally)
    _socket: socket.socket | None = None
    _buffer: bytes = b""
    _next: int = 1
    _tests: int = 0
    _sent: deque[bytes] = field(factory=lambda: deque(maxlen=4))

    def run(self, count: int, deadline: float) -> None:
        """Sends at least ``count`` mutants, unless the time is over before."""
        try:
            while self.tally.sent < count and time.monotonic() < deadline:
                if self._socket is None and not self._log_on():
                    continue
                try:
                    self._burst()
                except HangError as error:  # its own session alone, if a Logon is answered
                    self.tally.stuck.append(self._story(error))
                    self._drop()
        except (HangError, OSError) as error:
            self.tally.fault = f"{name_of(self.number)}: {type(error).__name__} {error}"
        finally:
            self._drop()

    def _story(self, error: Exception) -> str:
        """What was sent and received last, readable."""
        sent = b"".join(self._sent)[-_STORY_BYTES:]
        lines = (sent, self._buffer[-_STORY_BYTES:])
        texts = [line.replace(b"\x01", b"|").decode("latin-1") for line in lines]
        return f"{name_of(self.number)} {error}\n    sent {texts[0]}\n    received {texts[1]}"

    # --- sending

    def _header(self) -> Body:
        number, self._next = self._next, self._next + 1
        me, venue = name_of(self.number), f"Kalshi{role_of(self.number)}"
        now = utc_text(time.time_ns())
        return [(34, str(number)), (49, me), (52, now), (56, venue)]

    def _log_on(self) -> bool:
        self._drop()
        self._next, self._buffer = 1, b""
        self._socket = socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS)
        self._socket.setblocking(False)
        self.tally.logons += 1
        self._write(framed("A", self._header(), [(98, "0"), (108, "30"), (141, "Y")]))
        return self._read_until(b"\x0135=A\x01")

    def _burst(self) -> None:
        frames = []
        for _ in range(BURST):
            msg_type, body = self.mutants.one()
            header = self._header()
            if self.mutants.spoils_header():
                header = self.mutants.header(header)
            frames.append(framed(msg_type, header, body))
        self.tally.sent += BURST
        self._tests += 1
        frames.append(self._test_request())
        self._write(b"".join(frames))
        self._read_until(f"\x01112=fuzz-{self._tests}\x01".encode())

    def _test_request(self) -> bytes:
        return framed("1", self._header(), [(112, f"fuzz-{self._tests}")])

    def _write(self, data: bytes) -> None:
        """Sends everything, reading meanwhile; a closed connection is noticed when reading."""
        self._sent.append(data)
        while data and self._socket is not None:
            readable, writable, _ = select.select([self._socket], [self._socket], [], 5)
            if not readable and not writable:
                raise HangError("nothing is read and nothing comes")
            if writable:
                try:
                    data = data[self._socket.send(data) :]
                except (BrokenPipeError, ConnectionResetError):
                    return
            if readable and not self._receive():
                return

    # --- receiving

    def _read_until(self, what: bytes) -> bool:
        """False: the session has ended, which a mutant may well deserve."""
        began = time.monotonic()
        while self._socket is not None:
            at = self._buffer.find(what)
            if at >= 0:
                self._buffer = self._buffer[at:]
                self._took(time.monotonic() - began)
                return True
            if _LOGOUT in self._buffer:
                self._drop()
                return False
            if self._answer_gap():
                continue  # what is waited for may have come while this was sent
            if not select.select([self._socket], [], [], PATIENCE_SECONDS)[0]:
                raise HangError(f"no {what!r} within {PATIENCE_SECONDS:.0f} s")
            self._receive()
            if time.monotonic() - began > PATIENCE_SECONDS:
                self._drop()  # it talks, but not of this: a number is missing for good
                return False
        return False

    def _took(self, seconds: float) -> None:
        self.tally.slowest_seconds = max(self.tally.slowest_seconds, seconds)

    def _receive(self) -> bool:
        assert self._socket is not None
        try:
            data = self._socket.recv(262_144)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            data = b""
        self.tally.answers += data.count(b"\x0110=")
        self._buffer = (self._buffer + data)[-1_000_000:]
        if not data:
            self._drop()
        return bool(data)

    def _answer_gap(self) -> bool:
        """A garbled mutant is missing: the numbers are put right, nothing is sent again.

        A reset, not a gap fill: a mutant may have moved the number expected meanwhile, and a gap
        fill would then be too low. Returns whether there was one.
        """
        if _RESEND_REQUEST not in self._buffer:
            return False
        self._buffer = self._buffer.replace(_RESEND_REQUEST, b"")
        header = self._header()
        reset = framed("4", header, [(36, str(self._next))])
        self._write(reset + self._test_request())
        return True

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@define
class Result:
    """Of a whole run."""

    sent: int
    logons: int
    answers: int
    seconds: float
    slowest_seconds: float
    growth_bytes: int
    faults: list[str]


def memory(system: RunningSystem) -> dict[int, int]:
    """Resident bytes by process."""
    page = os.sysconf("SC_PAGE_SIZE")
    pids = [pid for role in ("kalshi-fix", "valkey-server") for pid in system.processes(role)]
    return {
        pid: int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page
        for pid in pids
        if Path(f"/proc/{pid}/statm").exists()
    }


def fuzz(system: RunningSystem, clients: int, count: int, seconds: float, seed: int) -> Result:
    """Fuzzes a running system with ``clients`` sessions at once."""
    before = memory(system)
    deadline = time.monotonic() + seconds
    began = time.monotonic()
    crew = []
    for number in range(clients):
        types = MD_TYPES if role_of(number) == "MD" else ""
        mutants = Mutants(seed * 1_000 + number, types)
        crew.append(FuzzClient(system.port(role_of(number)), number, mutants))
    each = -(-count // clients)
    threads = [threading.Thread(target=c.run, args=(each, deadline), daemon=True) for c in crew]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 2 * PATIENCE_SECONDS)
    after = memory(system)
    faults = [client.tally.fault for client in crew if client.tally.fault]
    faults += [f"process {pid} is gone" for pid in before.keys() - after.keys()]
    faults += [f"{thread.name} never ended" for thread in threads if thread.is_alive()]
    faults += [f"a session is stuck: {story}" for client in crew for story in client.tally.stuck]
    growth = max((after[pid] - before[pid] for pid in before.keys() & after.keys()), default=0)
    if growth > GROWTH_MAX_BYTES:
        faults.append(f"a process grew by {growth:,} bytes")
    tallies = [client.tally for client in crew]
    return Result(
        sent=sum(t.sent for t in tallies),
        logons=sum(t.logons for t in tallies),
        answers=sum(t.answers for t in tallies),
        seconds=time.monotonic() - began,
        slowest_seconds=max(t.slowest_seconds for t in tallies),
        growth_bytes=growth,
        faults=faults,
    )


def report(result: Result, seed: int) -> str:
    """One line for people."""
    return (
        f"fuzz: seed {seed}: {result.sent:,} mutants in {result.seconds:.0f} s "
        f"({result.sent / result.seconds:,.0f}/s), {result.answers:,} answers, "
        f"{result.logons:,} logons, slowest answer {result.slowest_seconds:.2f} s, "
        f"memory +{result.growth_bytes / 1e6:.0f} MB, "
        f"{len(result.faults)} faults"
    )


def main() -> None:
    """Starts a system, fuzzes it, exits 1 on any fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="mutants in all")
    parser.add_argument("--seconds", type=float, default=3_600.0, help="at most so long")
    parser.add_argument("--clients", type=int, default=8, help="sessions at once")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="repeats a run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kalshi-fix-fuzz-") as directory:
        config = Path(directory) / "fuzz.toml"
        config.write_text(configuration(options.clients))
        system = RunningSystem(Path(directory) / "data", config, free_offset())
        try:
            system.start()
            result = fuzz(system, options.clients, options.count, options.seconds, options.seed)
            print(report(result, options.seed))
            for fault in result.faults:
                print(f"  {fault}")
            if result.faults:
                print(system.logs(5, "critical"))
                sys.exit(1)
            system.stop()
        finally:
            system.kill()


if __name__ == "__main__":
    main()
