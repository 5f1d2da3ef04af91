"""A lane on a memory bus with a small core, and a client that speaks to its engine directly."""

import fcntl
import io
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kalshi_fix.adapters.bus import BusDownError, Entry, Offset
from kalshi_fix.adapters.control import (
    CONNECTION_TAG,
    SECRET_TAG,
    VERDICT_TAG,
    OpenAnswer,
    OpenRequest,
    from_line,
    to_line,
)
from kalshi_fix.adapters.logs import open_log
from kalshi_fix.adapters.memory_bus import MemoryBus, MemoryStore
from kalshi_fix.adapters.metrics import Metrics
from kalshi_fix.adapters.paths import DataDir, next_boot
from kalshi_fix.adapters.settings import (
    GatewaySettings,
    LaneSettings,
    LogSettings,
    MarketSettings,
    SessionSettings,
    Settings,
    ThrottleSettings,
)
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.time_text import utc_text
from kalshi_fix.fix.wire import frame, split_frames, unframe
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.messages.batch import CommandBatch, EventEntry
from kalshi_fix.processes.gateway_lane import Lane, Surroundings

LANE = "gw1"
PATIENCE_SECONDS = 10.0
OUT_OF_REACH = 700
LONG_AGO = "20260101-00:00:00"


def wait_until(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found or time.monotonic() > deadline:
            assert found, "the condition did not come true in time"
            return found
        time.sleep(0.005)


def session(name: str, role: str, **more: Any) -> SessionSettings:
    return SessionSettings(
        sender_comp_id=name,
        role=role,
        firm=name.partition("-")[0],
        lane=LANE,
        name=name,
        target_comp_id=f"Kalshi{role}",
        accounts=("A-1",),
        throttle=ThrottleSettings(tokens_per_second=0),
        **more,
    )


def settings(**gateway: Any) -> Settings:
    return Settings(
        gateway=GatewaySettings(**{"handover_seconds": 0.5, **gateway}),
        lanes=(LaneSettings(name=LANE),),
        sessions=(
            session("ALPHA-RT", "RT"),
            session("ALPHA-NR", "NR"),
            session("ALPHA-DC", "DC"),
            session("BRAVO-RT", "RT"),
            session("CHARLIE-RT", "RT", reset_on_logon=True, microseconds=True),
        ),
        markets=(MarketSettings(symbol="M", event_ticker="E", series="S", title="t"),),
        log=LogSettings(level="debug", stderr_level="debug"),
    )


class SmallCore:
    """Numbers, epochs and high-water marks as the real one; every order rests, every F cancels."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.bus: MemoryBus = store.connect("s0")
        self.seen: list[c.Command] = []  # executed
        self.repeats: list[c.Command] = []
        self.number = 0
        self.epochs: dict[str, int] = {}
        self.marks: dict[str, int] = {}
        self.confirmed: dict[str, tuple[int, int]] = {}
        self.refuse_opening = ""
        self.orders: dict[str, e.OrderTerms] = {}
        self._paused = threading.Event()
        self._is_idle = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(2)

    def pause(self) -> None:
        self._is_idle.clear()
        self._paused.set()
        assert self._is_idle.wait(2)

    def resume(self) -> None:
        self._paused.clear()

    def executed(self, kind: type) -> list[Any]:
        return [command for command in self.seen if isinstance(command, kind)]

    def _run(self) -> None:
        state = self.bus.acquire("core", 1_000)
        assert state is not None
        self._offset, self._token = state.offset, state.token
        clock = 0.0
        while not self._stop.is_set():
            if self._paused.is_set():
                self._is_idle.set()
                time.sleep(0.01)
                continue
            try:
                if time.monotonic() - clock > 0.05:
                    clock = time.monotonic()
                    tick = CommandBatch("core", {}, [c.AdvanceTime(time.time_ns())])
                    self.bus.append_commands(tick.pack())
                for entry in self.bus.read_commands(self._offset.entry_id, 100, 20):
                    self._commit(entry)
            except BusDownError:
                time.sleep(0.02)

    def _commit(self, entry: Entry) -> None:
        events = self._apply(CommandBatch.unpack(entry.payload))
        found = []
        if events:
            payload = EventEntry.from_events(b"", events).pack()
            found = [Entry(f"{events[-1].number}-0", payload)]
        after = Offset(entry.id)
        self.bus.commit(self._token, self._offset, after, found, 1_000)
        self._offset = after

    def _apply(self, batch: CommandBatch) -> list[e.Event]:
        for name, (epoch, number) in batch.confirmed.items():
            if self.epochs.get(name) == epoch and number > self.confirmed.get(name, (0, 0))[1]:
                self.confirmed[name] = (epoch, number)
        return [event for command in batch.commands for event in self._one(command)]

    def _next(self) -> int:
        self.number += 1
        return self.number

    def _one(self, command: Any) -> list[e.Event]:
        if isinstance(command, c.SessionOpened):
            return [self._opened(command)]
        if isinstance(command, c.AdvanceTime):
            return []
        if not isinstance(command, c.SessionLost | c.GatewayAlive):
            if command.epoch != self.epochs.get(command.session):
                return []
            if command.seq <= self.marks.get(command.session, 0):
                self.repeats.append(command)
                return []
            self.marks[command.session] = command.seq
        self.seen.append(command)
        return self._reports(command)

    def _reports(self, command: Any) -> list[e.Event]:
        if isinstance(command, c.NewOrder):
            terms = self.orders[command.cl_ord_id] = terms_of(command, len(self.orders) + 1)
            return [execution(self._next(), terms, command.cl_ord_id, "0")]
        if isinstance(command, c.CancelOrder) and command.orig_cl_ord_id in self.orders:
            terms = self.orders[command.orig_cl_ord_id]
            return [execution(self._next(), terms, command.cl_ord_id, "4", command.orig_cl_ord_id)]
        return []

    def _opened(self, command: c.SessionOpened) -> e.SessionChanged:
        name = command.session
        if not self.refuse_opening and (command.reset or name not in self.epochs):
            self.epochs[name] = self.epochs.get(name, 0) + 1
            self.marks[name] = 0
            self.confirmed.pop(name, None)
        return e.SessionChanged(
            self._next(),
            command.at,
            name.partition("-")[0],
            name,
            command.process,
            command.counter,
            command.connection,
            is_open=True,
            epoch=self.epochs.get(name, 0),
            confirmed=self.confirmed.get(name, (0, 0))[1],
            high_water=self.marks.get(name, 0),
            cancel_on_disconnect=False,
            listener=command.listener,
            venue_tags=command.venue_tags,
            settlement_reports=command.settlement_reports,
            signed_at=0,
            reason=self.refuse_opening,
            replay=command.replay,
        )


def terms_of(order: c.NewOrder, order_id: int) -> e.OrderTerms:
    return e.OrderTerms(
        order_id, order.session, order.session.partition("-")[0], "A-1", order.symbol, order.side,
        order.ord_type, order.order_qty, order.price, order.time_in_force, 0, 0, 1, "", False, 0,
    )  # fmt: skip


def execution(
    number: int, terms: e.OrderTerms, cl_ord_id: str, exec_type: str, orig: str = ""
) -> e.Execution:
    return e.Execution(
        number, 1_790_000_000_000_000_000 + number, terms.firm, exec_type, exec_type, terms,
        cl_ord_id, orig, 0, terms.order_qty if exec_type == "0" else 0, 0, "", 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, "",
    )  # fmt: skip


def own_socket(family: int) -> socket.socket:
    """A client's socket, under a number no connection of the engine in this process has had.

    Whoever takes the number of one that has just ended loses it: see `engine_sockets.Ended`.
    """
    with socket.socket(family) as low:
        number = fcntl.fcntl(low.fileno(), fcntl.F_DUPFD_CLOEXEC, OUT_OF_REACH)
    return socket.socket(fileno=number)


def ask(data: DataDir, request: OpenRequest) -> OpenAnswer:
    """The edge's question."""
    with own_socket(socket.AF_UNIX) as peer:
        peer.settimeout(PATIENCE_SECONDS)
        peer.connect(str(data.control_socket(LANE)))
        peer.sendall(to_line(request))
        return from_line(OpenAnswer, peer.makefile("rb").readline())


class Rig:
    """A store, a core and one gateway lane that can be killed and started again."""

    def __init__(self, root: Path, **gateway: Any) -> None:
        self.data = DataDir.create(root)
        self.settings = settings(**gateway)
        self.store = MemoryStore()
        self.clients: list[Client] = []
        self.log = sys.stderr if os.environ.get("GATEWAY_TEST_LOG") else io.StringIO()
        self.core = SmallCore(self.store)
        self.lane = self.start_lane()

    def start_lane(self) -> Lane:
        self.metrics = Metrics("gateway")
        self.lane = Lane(
            Surroundings(
                name=LANE,
                boot=next_boot(self.data.lane_boot(LANE)),
                settings=self.settings,
                data=self.data,
                connect=self.store.connect,
                metrics=self.metrics,
                log=open_log("gateway", self.settings.log, stderr=self.log),
            )
        )
        self.lane.recover()
        self.lane.start()
        return self.lane

    def ask(self, request: OpenRequest) -> OpenAnswer:
        return ask(self.data, request)

    def client(self, name: str, role: str = "RT") -> "Client":
        made = Client(self, name, f"Kalshi{role}")
        self.clients.append(made)
        return made

    def metric(self, line: str) -> float:
        for row in self.metrics.render().decode().splitlines():
            if row.startswith(f"{line} "):
                return float(row.rpartition(" ")[2])
        return 0.0

    def stop(self) -> None:
        for client in self.clients:
            client.drop()
        self.lane.stop()
        self.core.stop()


_connections = iter(range(1, 1_000_000))


class Client:
    """One FIX client, numbers kept by hand; plays the edge's part at Logon."""

    def __init__(self, rig: Rig, name: str, target: str) -> None:
        self.rig = rig
        self.name = name
        self.target = target
        self.out = 1
        self.answer = OpenAnswer()
        self.receive_bytes = 0  # 0 = the system's
        self._socket: socket.socket | None = None
        self._buffer = b""
        self._frames: list[bytes] = []

    def log_on(
        self, *, reset: bool = False, replay: bool = False, verdict: str = "", heartbeat: int = 30
    ) -> FixMessage:
        connection = f"c{next(_connections)}"
        request = OpenRequest(
            session=self.name, connection=connection, reset=reset, verdict=verdict, replay=replay
        )
        self.answer = self.rig.ask(request)
        assert not self.answer.reason, self.answer.reason
        assert not self.answer.live
        self.connect()
        if reset:
            self.out = 1
        fields = [(98, "0"), (108, str(heartbeat)), (SECRET_TAG, self.answer.secret)]
        fields += [(141, "Y")] if reset else []
        fields += [(20902, "Y")] if replay else []
        fields += [(VERDICT_TAG, verdict)] if verdict else [(CONNECTION_TAG, connection)]
        self.send("A", *fields)
        return self.receive()

    def connect(self) -> None:
        self.drop()
        self._buffer, self._frames = b"", []
        self._socket = own_socket(socket.AF_INET)
        if self.receive_bytes:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_bytes)
        self._socket.settimeout(PATIENCE_SECONDS)
        self._socket.connect(("127.0.0.1", self.answer.port))

    def send(self, msg_type: str, *fields: tuple[int, str], number: int = 0) -> int:
        """Sends with the next number, or with one given (which is then not counted)."""
        assert self._socket is not None
        used = number or self.out
        now = utc_text(time.time_ns(), microseconds=False)
        message = FixMessage(msg_type, fields)
        self._socket.sendall(frame(message, self.name, self.target, used, now))
        if not number:
            self.out += 1
        return used

    def order(self, cl_ord_id: str, *more: tuple[int, str], number: int = 0) -> int:
        now = utc_text(time.time_ns(), microseconds=False)
        return self.send(
            "D", *more, (11, cl_ord_id), (55, "M"), (54, "1"), (60, now), (38, "10"), (40, "2"),
            (44, "0.50"), number=number,
        )  # fmt: skip

    def cancel(self, cl_ord_id: str, orig: str, *more: tuple[int, str], number: int = 0) -> int:
        return self.send(
            "F", *more, (11, cl_ord_id), (41, orig), (55, "M"), (54, "1"), (60, LONG_AGO),
            number=number,
        )  # fmt: skip

    def receive(self) -> FixMessage:
        assert self._socket is not None
        while not self._frames:
            data = self._socket.recv(65_536)
            if not data:
                raise EOFError
            self._frames, self._buffer = split_frames(self._buffer + data)
        return unframe(self._frames.pop(0))

    def receive_until(self, msg_type: str) -> FixMessage:
        while True:
            message = self.receive()
            if message.msg_type == msg_type:
                return message

    def is_closed(self) -> bool:
        try:
            while True:
                self.receive()
        except EOFError:
            return True

    def drop(self) -> None:
        """The connection breaks."""
        if self._socket is not None:
            self._socket.close()

    def log_out(self) -> None:
        self.send("5")
        assert self.receive_until("5")
        assert self.is_closed()
        self.drop()


@contextmanager
def rig(root: Path, **gateway: Any) -> Iterator[Rig]:
    made = Rig(root, **gateway)
    try:
        yield made
    finally:
        made.stop()
