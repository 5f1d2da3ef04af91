"""What the edge costs: CPU per message and added latency, on loopback, with an echoing engine.

The edge runs as a process of its own with the checks it always does; client and engine are this
process. ``python tools/edge_cost.py`` prints one line per load.
"""

import asyncio
import multiprocessing
import os
import resource
import socket
import statistics
import time
from typing import Any, Final

import uvloop
from attrs import frozen

from kalshi_fix.adapters.control import OpenAnswer, OpenRequest
from kalshi_fix.adapters.edge.frames import encode
from kalshi_fix.adapters.edge.listener import Edge
from kalshi_fix.adapters.edge.meters import Meters
from kalshi_fix.adapters.logs import open_log
from kalshi_fix.adapters.metrics import Metrics
from kalshi_fix.adapters.settings import EdgeSettings, LogSettings, SessionSettings, Settings
from kalshi_fix.fix.time_text import utc_text

MESSAGES: Final = 100_000
PINGS: Final = 5_000
_HEADER: Final = [(49, "A-RT"), (52, utc_text(time.time_ns())), (56, "KalshiRT")]
LOGON: Final = encode("A", [(34, "1"), *_HEADER, (98, "0"), (108, "30")])
_TERMS: Final = [(54, "1"), (38, "10.00"), (40, "2"), (44, "0.4500"), (59, "1")]
ORDER: Final = encode(
    "D", [(34, "2"), *_HEADER, (11, "ORD-00000001"), (1, "ALPHA-1"), (55, "KXTEST-A"), *_TERMS]
)
REPORT: Final = encode("8", [(34, "7"), (37, "order"), (11, "x" * 20), (58, "y" * 190)])


def settings_on(port: int) -> Settings:
    """One session without credentials."""
    one = SessionSettings(
        sender_comp_id="A-RT", role="RT", firm="A", lane="gw1", name="A-RT", open_on_loopback=True
    )
    return Settings(edge=EdgeSettings(ports={"RT": port}, plain=True), sessions=(one,))


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


async def measure(settings: Settings, port: Any, usage: Any) -> None:
    """Prints the table."""
    loop = asyncio.get_running_loop()
    engine = await loop.create_server(Echo, "127.0.0.1", 0)
    engine_port = engine.sockets[0].getsockname()[1]
    port.send(engine_port)
    await loop.run_in_executor(None, usage.recv)

    def cpu() -> float:
        usage.send(None)
        return float(usage.recv())

    _, client = await loop.create_connection(Loader, "127.0.0.1", settings.edge.ports["RT"])
    client.transport.write(LOGON)
    await client.answers(1)
    for window, burst in ((1_000, 100), (100, 10), (20, 1)):
        before = cpu()
        seconds = await load(client, window, burst)
        micros = (cpu() - before) / MESSAGES * 1e6
        print(f"bursts of {burst:3}: {MESSAGES / seconds:8.0f} order+report/s, "
              f"edge {micros:5.1f} us CPU per order+report")  # fmt: skip
    _, direct = await loop.create_connection(Loader, "127.0.0.1", engine_port)
    for name, side in (("direct", direct), ("through the edge", client)):
        trips = await pings(side)
        print(f"one at a time, {name:17}: p50 {statistics.median(trips):6.1f} us, "
              f"p99 {trips[len(trips) * 99 // 100]:6.1f} us")  # fmt: skip


def main() -> None:
    """Starts the edge's process and measures."""
    context = multiprocessing.get_context("spawn")
    with socket.create_server(("127.0.0.1", 0)) as free:
        settings = settings_on(free.getsockname()[1])
    ours, its = context.Pipe()
    ports, port = context.Pipe()
    process = context.Process(target=_child, args=(settings, port, its), daemon=True)
    process.start()
    its.close()
    uvloop.run(measure(settings, ports, ours))
    ours.close()
    process.join(5)


def _child(settings: Settings, port: Any, usage: Any) -> None:
    run_edge(settings, port.recv(), usage)


if __name__ == "__main__":
    main()
