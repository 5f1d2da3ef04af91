"""What the edge costs: CPU per message and latency, plain and over TLS, against no edge at all.

An edge process of its own between a client that keeps orders under way and an engine that answers
each at once; both are this process. ``python tools/bench_edge.py`` prints a table, part of `make
bench`. The client's own TLS is in the latency, not in the edge's CPU.
"""

import asyncio
import datetime as dt
import multiprocessing
import os
import resource
import ssl
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import uvloop
from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from free_ports import free_port
from rich.console import Console
from rich.table import Table

from kalshi_fix.adapters.control import OpenAnswer, OpenRequest
from kalshi_fix.adapters.edge.frames import encode
from kalshi_fix.adapters.edge.listener import Edge
from kalshi_fix.adapters.edge.meters import Meters
from kalshi_fix.adapters.logs import open_log
from kalshi_fix.adapters.metrics import Metrics
from kalshi_fix.adapters.settings import (
    EdgeSettings,
    LogSettings,
    SessionSettings,
    Settings,
    TlsSettings,
)
from kalshi_fix.fix.time_text import utc_text

MESSAGES: Final = 50_000
PINGS: Final = 5_000
_HEADER: Final = [(49, "A-RT"), (52, utc_text(time.time_ns())), (56, "KalshiRT")]
LOGON: Final = encode("A", [(34, "1"), *_HEADER, (98, "0"), (108, "30")])
_TERMS: Final = [(54, "1"), (38, "10.00"), (40, "2"), (44, "0.4500"), (59, "1")]
ORDER: Final = encode(
    "D", [(34, "2"), *_HEADER, (11, "ORD-00000001"), (1, "ALPHA-1"), (55, "KXTEST-A"), *_TERMS]
)
REPORT: Final = encode("8", [(34, "7"), (37, "order"), (11, "x" * 20), (58, "y" * 190)])


def settings_on(port: int, tls: TlsSettings | None) -> Settings:
    """One session without credentials."""
    one = SessionSettings(
        sender_comp_id="A-RT", role="RT", firm="A", lane="gw1", name="A-RT", open_on_loopback=True
    )
    transport = {"tls": tls} if tls else {"plain": True}
    return Settings(edge=EdgeSettings(ports={"RT": port}, **transport), sessions=(one,))


def certificate(directory: Path) -> TlsSettings:
    """A certificate that only this run trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    shape, open_key = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (directory / "bench.pem").write_bytes(made.public_bytes(encoding))
    (directory / "bench.key").touch(mode=0o600)
    (directory / "bench.key").write_bytes(key.private_bytes(encoding, shape, open_key))
    return TlsSettings(certificate=str(directory / "bench.pem"), key=str(directory / "bench.key"))


@frozen
class OneEngine:
    """Every lane is the engine on one port."""

    port: int

    async def ask(self, lane: str, request: OpenRequest) -> OpenAnswer:  # noqa: ARG002 - a port
        """Always yes."""
        return OpenAnswer(port=self.port)


def run_edge(settings: Settings, engine_port: int, usage: Any) -> None:
    """The edge's process; sends its CPU seconds whenever it is asked."""

    async def serve() -> None:
        log = open_log("edge", LogSettings(stderr_level="error"))
        edge = Edge(settings, OneEngine(engine_port), Meters.of(Metrics("edge")), log)
        await edge.start()
        usage.send(0.0)
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()

        def answer() -> None:
            try:
                usage.recv()
            except EOFError:
                stopped.set()
                return
            used = resource.getrusage(resource.RUSAGE_SELF)
            usage.send(used.ru_utime + used.ru_stime)

        loop.add_reader(usage.fileno(), answer)
        await stopped.wait()
        os._exit(0)

    uvloop.run(serve())


class Echo(asyncio.Protocol):
    """The engine: one report per order."""

    def connection_made(self, transport: Any) -> None:
        """Connected."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Counts orders roughly and answers each."""
        self.transport.write(REPORT * data.count(b"\x0110="))


class Loader(asyncio.Protocol):
    """The client: keeps ``window`` orders under way."""

    def __init__(self) -> None:
        self.answered = 0
        self.arrived = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        """Connected."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Counts answers."""
        self.answered += data.count(b"\x0110=")
        self.arrived.set()

    async def answers(self, count: int) -> None:
        """Waits for so many in all."""
        while self.answered < count:
            self.arrived.clear()
            await asyncio.wait_for(self.arrived.wait(), 30)


async def load(client: Loader, window: int, burst: int) -> float:
    """Sends `MESSAGES` orders in bursts; returns the seconds it took."""
    orders = ORDER * burst
    client.answered = sent = 0
    began = time.perf_counter()
    while sent < MESSAGES:
        client.transport.write(orders)
        sent += burst
        await client.answers(sent - window)
    await client.answers(sent)
    return time.perf_counter() - began


async def pings(client: Loader) -> list[float]:
    """Round trips of one order at a time, in microseconds."""
    trips: list[float] = []
    for _ in range(PINGS):
        before = client.answered
        began = time.perf_counter()
        client.transport.write(ORDER)
        await client.answers(before + 1)
        trips.append((time.perf_counter() - began) * 1e6)
    return sorted(trips)


@frozen(kw_only=True)
class Load:
    """Pipelined orders: how many a second, and what one costs the edge."""

    burst: int
    orders_per_second: float
    cpu_micros: float


@frozen(kw_only=True)
class Cost:
    """One way to the engine. ``loads`` is empty where there is no edge."""

    name: str
    p50_micros: float
    p99_micros: float
    loads: tuple[Load, ...] = ()


async def measure(settings: Settings, name: str, port: Any, usage: Any) -> list[Cost]:
    """Direct, then through the edge."""
    loop = asyncio.get_running_loop()
    engine = await loop.create_server(Echo, "127.0.0.1", 0)
    engine_port = engine.sockets[0].getsockname()[1]
    port.send(engine_port)
    await loop.run_in_executor(None, usage.recv)

    def cpu() -> float:
        usage.send(None)
        return float(usage.recv())

    edge = settings.edge
    trust = None if edge.plain else ssl.create_default_context(cafile=edge.tls.certificate)
    if trust is not None:
        trust.check_hostname = False  # its own certificate, and no other, is trusted
    _, client = await loop.create_connection(Loader, "127.0.0.1", edge.ports["RT"], ssl=trust)
    client.transport.write(LOGON)
    await client.answers(1)
    loads = []
    for window, burst in ((1_000, 100), (100, 10), (20, 1)):
        before = cpu()
        seconds = await load(client, window, burst)
        micros = (cpu() - before) / MESSAGES * 1e6
        rate = MESSAGES / seconds
        loads.append(Load(burst=burst, orders_per_second=rate, cpu_micros=micros))
    _, direct = await loop.create_connection(Loader, "127.0.0.1", engine_port)
    nothing = cost_of("no edge", await pings(direct), ())
    return [nothing, cost_of(name, await pings(client), tuple(loads))]


def cost_of(name: str, trips: list[float], loads: tuple[Load, ...]) -> Cost:
    """From sorted round trips."""
    p50, p99 = statistics.median(trips), trips[len(trips) * 99 // 100]
    return Cost(name=name, p50_micros=p50, p99_micros=p99, loads=loads)


def through(tls: TlsSettings | None) -> list[Cost]:
    """Starts an edge's process and measures it."""
    context = multiprocessing.get_context("spawn")
    settings = settings_on(free_port(), tls)
    ours, its = context.Pipe()
    ports, port = context.Pipe()
    process = context.Process(target=_child, args=(settings, port, its), daemon=True)
    process.start()
    its.close()
    name = "edge, TLS" if tls else "edge, plain"
    measured = uvloop.run(measure(settings, name, ports, ours))
    ours.close()
    process.join(5)
    return measured


def table(costs: list[Cost]) -> Table:
    """One row per way to the engine."""
    shown = Table(title="The edge: one order at a time, and CPU per order with its report")
    for heading in ("way", "p50 us", "p99 us", "us CPU, bursts of 100", "of 10", "single"):
        shown.add_column(heading, justify="left" if heading == "way" else "right")
    for cost in costs:
        cells = [f"{load.cpu_micros:.1f} ({load.orders_per_second:,.0f}/s)" for load in cost.loads]
        shown.add_row(cost.name, f"{cost.p50_micros:.1f}", f"{cost.p99_micros:.1f}", *cells)
    return shown


def main() -> None:
    """Measures both and prints a table."""
    with tempfile.TemporaryDirectory(prefix="kalshi-fix-bench-") as directory:
        plain = through(None)
        tls = through(certificate(Path(directory)))
    Console().print(table([*plain, tls[1]]))


def _child(settings: Settings, port: Any, usage: Any) -> None:
    run_edge(settings, port.recv(), usage)


if __name__ == "__main__":
    main()
