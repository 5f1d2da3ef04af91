"""A small exchange in memory with the real core and the real admin service on a real socket."""

import threading
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve, field

from kalshi_fix.adapters.admin_socket import AdminClient, Login
from kalshi_fix.adapters.bus import BusDownError, Entry, LaneHolder, Offset, OutcomeUnknownError
from kalshi_fix.adapters.logs import open_log
from kalshi_fix.adapters.memory_bus import MemoryBus, MemoryStore
from kalshi_fix.adapters.passwords import hash_password
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.settings import (
    AdminSettings,
    CoreSettings,
    LogSettings,
    OperatorSettings,
    Settings,
)
from kalshi_fix.core.exchange import Exchange
from kalshi_fix.messages import commands as c
from kalshi_fix.messages.batch import CommandBatch, EventEntry
from kalshi_fix.processes.admin import AdminService
from kalshi_fix.services.admin import Answer, Request

WAIT_SECONDS = 5.0
TOKENS = {"op1": "demo-op1", "op2": "demo-op2"}
CHEAP = 2**4  # cost of a hash in tests
SETTINGS = Settings(
    operators=tuple(
        OperatorSettings(name=name, token_scrypt=hash_password(token, n=CHEAP))
        for name, token in TOKENS.items()
    ),
    admin=AdminSettings(answer_seconds=1.0, idle_seconds=5.0, failed_login_seconds=0.01),
    log=LogSettings(level="critical"),
)


class CoreThread(threading.Thread):
    """A shard's core as its bus sees it: reads commands, applies, commits events."""

    def __init__(self, store: MemoryStore, shard: str, index: int) -> None:
        super().__init__(daemon=True)
        self.exchange = Exchange(index)
        self.bus = store.connect(shard)
        self.stopping = threading.Event()
        self.state_hash = b""

    def run(self) -> None:
        state = self.bus.acquire("core-1", 60_000)
        assert state is not None
        self.token, self.offset = state.token, state.offset
        while not self.stopping.is_set():
            try:
                for entry in self.bus.read_commands(self.offset.entry_id, 1, 50):
                    self.take(entry)
            except BusDownError:
                self.stopping.wait(0.01)

    def take(self, entry: Entry) -> None:
        events = [
            event
            for command in CommandBatch.unpack(entry.payload).commands
            for event in self.exchange.apply(command)
        ]
        after = Offset(entry.id)
        self.state_hash = blake2b(self.state_hash + entry.payload, digest_size=16).digest()
        written = EventEntry.from_events(self.state_hash, events) if events else None
        entries = [Entry(f"{written.last}-0", written.pack())] if written else []
        self.bus.commit(self.token, self.offset, after, entries, 60_000)
        self.offset = after

    def stop(self) -> None:
        self.stopping.set()
        self.join()


class FlakyBus(MemoryBus):
    """A connection that loses the answer of its next appends, after writing or before."""

    lose_after_writing = 0
    lose_before_writing = 0

    def append_commands(self, payload: bytes, lane: LaneHolder | None = None) -> str:
        if self.lose_before_writing:
            self.lose_before_writing -= 1
            raise OutcomeUnknownError("no answer in time")
        entry_id = super().append_commands(payload, lane)
        if self.lose_after_writing:
            self.lose_after_writing -= 1
            raise OutcomeUnknownError("no answer in time")
        return entry_id


@define
class System:
    """Store, cores and admin service of a test; ``ask`` is one operator's connection."""

    data: DataDir
    settings: Settings
    store: MemoryStore = field(factory=MemoryStore)
    cores: dict[str, CoreThread] = field(factory=dict)
    buses: list[FlakyBus] = field(factory=list)
    service: AdminService | None = None

    def connect(self, shard: str) -> FlakyBus:
        bus = FlakyBus(self.store, shard)
        self.buses.append(bus)
        return bus

    def start_core(self, shard: str) -> None:
        index = self.settings.core.shards.index(shard)
        self.cores[shard] = CoreThread(self.store, shard, index)
        self.cores[shard].start()

    def start_service(self) -> AdminService:
        log = open_log("admin", self.settings.log)
        self.service = AdminService(self.settings, self.data, self.connect, log=log)
        self.service.start()
        return self.service

    def stop(self) -> None:
        if self.service is not None:
            self.service.stop()
        for core in self.cores.values():
            core.stop()

    def append(self, *commands: c.Command, shard: str = "s0") -> None:
        """Commands of somebody else than the admin service."""
        self.store.connect(shard).append_commands(CommandBatch("test", {}, [*commands]).pack())

    def commands(self, shard: str = "s0") -> list[Any]:
        """Everything ever written to a shard."""
        entries = self.store.connect(shard).read_commands("0-0", 1_000, 0)
        return [x for entry in entries for x in CommandBatch.unpack(entry.payload).commands]

    def client(self) -> AdminClient:
        return AdminClient(self.data.admin_socket, WAIT_SECONDS)

    def ask(
        self,
        operation: str,
        /,
        *,
        operator: str = "op1",
        request_id: str = "",
        why: str = "",
        shard: str = "",
        **args: Any,
    ) -> Answer:
        number = len(self.commands()) + 1
        request = Request(
            operation=operation,
            args=args,
            request_id=request_id or f"{operation}-{number}",
            why=why,
            shard=shard,
        )
        with self.client() as client:
            welcome = client.ask(Login(operator=operator, token=TOKENS[operator]))
            assert welcome.status == "done", welcome
            return client.ask(request)


SystemMaker = Callable[..., System]


@pytest.fixture
def make_system(tmp_path: Path) -> Iterator[SystemMaker]:
    """``make_system(shards=..., silent=...)``: a running system; silent shards have no core."""
    made: list[System] = []

    def make(shards: tuple[str, ...] = ("s0",), silent: tuple[str, ...] = ()) -> System:
        settings = evolve(SETTINGS, core=CoreSettings(shards=shards))
        system = System(DataDir.create(tmp_path / "data"), settings)
        made.append(system)
        for shard in shards:
            if shard not in silent:
                system.start_core(shard)
        system.start_service()
        return system

    yield make
    for system in made:
        system.stop()


@pytest.fixture
def system(make_system: SystemMaker) -> System:
    """One shard with a firm, an account, a session, and an active market."""
    made = make_system()
    head = ("op0", "set-up", 1)
    made.append(
        c.AdvanceTime(1_000_000_000),
        c.DefineFirm("f1", *head, firm="ALPHA"),
        c.DefineAccount("a1", *head, account="ALPHA-1", firm="ALPHA"),
        c.DefineSeries("s1", *head, series="KXTEST"),
        c.DefineMarket("m1", *head, "KXTEST-A", "KXTEST", "KXTEST", "Test A"),
        c.DefineSession(
            "x1", *head, "ALPHA-RT", "ALPHA-RT", "KalshiRT", "RT", "ALPHA", ("ALPHA-1",)
        ),
    )
    return made
