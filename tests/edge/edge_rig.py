"""An edge on real sockets, with a gateway and an engine of the test's own behind it."""

import asyncio
import io
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import simplefix
import uvloop
from attrs import define, evolve, field
from free_ports import free_ports

from kalshi_fix.adapters.control import OpenAnswer, OpenRequest, from_line, to_line
from kalshi_fix.adapters.edge.frames import encode
from kalshi_fix.adapters.edge.gateways import ControlSockets
from kalshi_fix.adapters.edge.listener import Edge
from kalshi_fix.adapters.edge.meters import Meters
from kalshi_fix.adapters.logs import open_log
from kalshi_fix.adapters.metrics import Metrics
from kalshi_fix.adapters.passwords import hash_password
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.settings import EdgeSettings, LogSettings, SessionSettings, Settings
from kalshi_fix.fix.time_text import utc_text

SECRET = "the-engines-secret"
PASSWORD = "right"
WAIT_SECONDS = 20
HASH = hash_password(PASSWORD, n=2**10)


def session(sender: str, role: str, **more: Any) -> SessionSettings:
    return SessionSettings(
        sender_comp_id=sender, role=role, firm="ALPHA", lane="gw1", name=sender,
        target_comp_id=f"Kalshi{role}", username=sender, password_scrypt=HASH,
    ) if not more else evolve(session(sender, role), **more)  # fmt: skip


def edge_settings(*sessions: SessionSettings, **edge: Any) -> Settings:
    ports = dict(zip(("NR", "RT", "MD"), free_ports(3), strict=True))
    quick = {"handover_seconds": 0.3, "linger_seconds": 0.3, "control_seconds": 1.0} | edge
    return Settings(edge=EdgeSettings(ports=ports, **({"plain": True} | quick)), sessions=sessions)


def message(*pairs: tuple[int, Any]) -> bytes:
    made = simplefix.FixMessage()
    made.append_pair(8, "FIX.4.4")
    for tag, value in pairs:
        made.append_pair(tag, value)
    return bytes(made.encode())


def logon(sender: str = "A-RT", role: str = "RT", **fields: Any) -> bytes:
    """A good Logon of ``sender``; t34=None leaves a field out, t108=5 sets or adds one."""
    pairs: dict[int, Any] = {
        35: "A", 34: 1, 49: sender, 52: utc_text(time.time_ns()), 56: f"Kalshi{role}", 98: 0,
        108: 30, 553: sender, 554: PASSWORD,
    }  # fmt: skip
    pairs |= {int(name[1:]): value for name, value in fields.items()}
    return message(*((tag, value) for tag, value in pairs.items() if value is not None))


def order(number: int, sender: str = "A-RT", **fields: Any) -> bytes:
    pairs: dict[int, Any] = {
        35: "D", 34: number, 49: sender, 52: utc_text(time.time_ns()), 56: "KalshiRT",
        11: f"id-{number}", 55: "KXTEST-A", 54: 1, 38: "1.00", 40: 2, 44: "0.5000",
    }  # fmt: skip
    pairs |= {int(name[1:]): value for name, value in fields.items()}
    return message(*((tag, value) for tag, value in pairs.items() if value is not None))


def wrong_checksum(message: bytes) -> bytes:
    """The message with a CheckSum (10) that is not its own."""
    return message[:-4] + b"%03d\x01" % ((int(message[-4:-1]) + 1) % 256)


class Client:
    """One TCP connection with a parser."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._parser = simplefix.FixParser()

    @classmethod
    async def connect(cls, port: int, **options: Any) -> "Client":
        return cls(*await asyncio.open_connection("127.0.0.1", port, **options))

    def send(self, *data: bytes) -> None:
        self.writer.write(b"".join(data))

    async def receive(self) -> dict[int, str]:
        async with asyncio.timeout(WAIT_SECONDS):
            while (found := self._parser.get_message()) is None:
                data = await self.reader.read(65_536)
                if not data:
                    raise EOFError("closed before a message came")
                self._parser.append_buffer(data)
        return {int(tag): value.decode() for tag, value in found.pairs}

    async def end(self, seconds: float = WAIT_SECONDS) -> bytes:
        """What comes until the connection is closed; TimeoutError if it is not."""
        async with asyncio.timeout(seconds):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    def close(self) -> None:
        self.writer.close()


@define
class Engine:
    """Answers Logon and Logout as a session layer would, echoes orders as heartbeats."""

    received: list[dict[int, str]] = field(factory=list)
    raw: bytearray = field(factory=bytearray)
    writers: list[asyncio.StreamWriter] = field(factory=list)
    silent: bool = False
    sent: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        parser = simplefix.FixParser()
        try:
            while data := await reader.read(65_536):
                self.raw += data
                parser.append_buffer(data)
                while (found := parser.get_message()) is not None:
                    fields = {int(tag): value.decode() for tag, value in found.pairs}
                    self.received.append(fields)
                    if not self.silent and not self.answer(writer, fields):
                        return
        except ConnectionResetError:
            pass
        finally:
            writer.close()

    def answer(self, writer: asyncio.StreamWriter, fields: dict[int, str]) -> bool:
        """False = the engine ends the connection."""
        verdict = fields.get(20999)
        if verdict is not None:
            self.send(writer, fields, "5", (58, verdict))
            return False
        if fields[35] == "A":
            self.send(writer, fields, "A", (98, "0"), (108, fields[108]))
        elif fields[35] == "5":
            self.send(writer, fields, "5")
            return False
        elif fields[35] == "1":
            self.send(writer, fields, "0", (112, fields[112]))
        return True

    def send(
        self, writer: asyncio.StreamWriter, to: dict[int, str], kind: str, *body: tuple[int, str]
    ) -> None:
        self.sent += 1
        header = [(34, str(self.sent)), (49, to[56]), (52, utc_text(time.time_ns())), (56, to[49])]
        writer.write(encode(kind, [*header, *body]))

    def of(self, msg_type: str) -> list[dict[int, str]]:
        return [fields for fields in self.received if fields[35] == msg_type]


@define
class Gateway:
    """Answers the edge's questions."""

    port: int
    asked: list[OpenRequest] = field(factory=list)
    reason: str = ""
    live: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = from_line(OpenRequest, await reader.readline())
        self.asked.append(request)
        refused = self.reason if not request.verdict else ""
        writer.write(
            to_line(OpenAnswer(reason=refused, live=self.live, port=self.port, secret=SECRET))
        )
        writer.close()


@define
class Rig:
    edge: Edge
    settings: Settings
    gateway: Gateway
    engine: Engine
    metrics: Metrics
    log: io.StringIO
    data: DataDir
    clients: list[Client] = field(factory=list)

    def port(self, role: str = "RT") -> int:
        return self.settings.edge.ports[role]

    async def client(self, role: str = "RT", **options: Any) -> Client:
        self.clients.append(await Client.connect(self.port(role), **options))
        return self.clients[-1]

    async def logged_on(self, sender: str = "A-RT", role: str = "RT", **fields: Any) -> Client:
        client = await self.client(role)
        client.send(logon(sender, role, **fields))
        assert (await client.receive())[35] == "A"
        return client

    def count(self, metric: str) -> float:
        """The value of a metric, ``name`` or ``name{label="x"}``."""
        for line in self.metrics.render().decode().splitlines():
            if line.startswith(metric + " "):
                return float(line.split(" ")[-1])
        return 0


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - the condition is the product's, it has no event
            await asyncio.sleep(0.005)


@asynccontextmanager
async def rig(settings: Settings) -> AsyncIterator[Rig]:
    """A running edge for a test; everything is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="edge-") as root:  # short: unix sockets live in it
        async with _rig(DataDir.create(Path(root)), settings) as made:
            yield made


@asynccontextmanager
async def _rig(data: DataDir, settings: Settings) -> AsyncIterator[Rig]:
    engine = Engine()
    engine_server = await asyncio.start_server(engine.serve, "127.0.0.1", 0)
    gateway = Gateway(engine_server.sockets[0].getsockname()[1])
    control = await asyncio.start_unix_server(gateway.serve, data.control_socket("gw1"))
    metrics = Metrics("edge")
    written = io.StringIO()
    log = open_log("edge", LogSettings(level="debug", stderr_level="debug"), None, written)
    sockets = ControlSockets(data, settings.edge.control_seconds, log)
    edge = Edge(settings, sockets, Meters.of(metrics), log)
    made = Rig(edge, settings, gateway, engine, metrics, written, data)
    try:
        await edge.start()
        yield made
    finally:
        try:
            for writer in (*(client.writer for client in made.clients), *engine.writers):
                writer.transport.abort()
            await edge.stop("test over")
        finally:  # uvloop waits without end at its closing for a server that is still open
            control.close()
            engine_server.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Runs a test's coroutine on the loop the product uses."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test())  # type: ignore[arg-type]
