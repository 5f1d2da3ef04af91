"""What makes each alert fire: causes brought about in a running system, and mended again.

A cause is a context manager: it begins on entry, is over on exit, and yields what goes on with it
meanwhile. Knows nothing of Prometheus.
"""

import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Final, Self

from attrs import define, field
from bench_client import Session
from clients.fix_socket import ConnectionClosedError, FixSocket, utc_now
from kernel_limits import limited
from running_system import RunningSystem

from kalshi_fix.adapters.redis_connection import Connection

EXPECTED_SESSION: Final = "ALPHA-PT"
# logged on from the beginning: one that should be, and enough of them to be missed
FROM_THE_BEGINNING: Final = (
    *(EXPECTED_SESSION, "ALPHA-NR", "ALPHA-RT", "ALPHA-DC", "ALPHA-MD"),
    *("BRAVO-NR", "BRAVO-DC", "BRAVO-MD"),
)
SHARD: Final = "s0"
ROUNDS_PER_LOOK: Final = 10
Goes = AbstractContextManager[Callable[[], object]]


def nothing() -> None:
    """The cause goes on by itself."""


@define(slots=True)
class Stage:
    """A running system and its clients; whatever is open ends with it."""

    system: RunningSystem
    clients: dict[str, FixSocket] = field(factory=dict)
    _opened: ExitStack = field(factory=ExitStack)

    def __enter__(self) -> Self:
        for sender in FROM_THE_BEGINNING:
            self.clients[sender] = self.client(sender)
            assert self.clients[sender].logon(reset=True).msg_type == "A"
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def client(self, sender: str, password: str = "") -> FixSocket:
        """One that has not yet connected."""
        role = sender.partition("-")[2]
        made = FixSocket(self.system.port(role), sender, f"Kalshi{role}", password)
        self._opened.callback(made.close)
        return made

    def process(self, role: str) -> int:
        """The one process of a role."""
        (found,) = self.system.processes(role)
        return found

    @contextmanager
    def store(self) -> Iterator[Connection]:
        """A connection of our own to the store."""
        connection = self.system.store().connect(SHARD)
        try:
            yield connection
        finally:
            connection.close()


# --- clients


@contextmanager
def an_expected_session_goes(stage: Stage) -> Iterator[Callable[[], object]]:
    """And does not come back."""
    stage.clients[EXPECTED_SESSION].close()
    yield nothing


@contextmanager
def strangers_try_to_log_on(stage: Stage) -> Iterator[Callable[[], object]]:
    """One with a wrong password for a session that exists, many that say nothing."""
    stranger = stage.client("BRAVO-RT", "wrong")

    def go_on() -> None:
        with suppress(ConnectionClosedError, OSError):  # refused, whichever way
            stranger.logon(reset=True)
        for _ in range(ROUNDS_PER_LOOK):
            with suppress(OSError):
                socket.create_connection(stranger.address, timeout=5).close()

    yield go_on


@contextmanager
def a_client_asks_again_and_again(stage: Stage) -> Iterator[Callable[[], object]]:
    """For what it was sent; long after its Logon, so it says that something was lost."""
    client = stage.clients["ALPHA-RT"]
    yield lambda: [client.send([(35, "2"), (7, "1"), (16, "1")]) for _ in range(ROUNDS_PER_LOOK)]


@contextmanager
def a_client_sends_nonsense(stage: Stage) -> Iterator[Callable[[], object]]:
    """Orders whose side does not exist."""
    client = stage.clients["BRAVO-NR"]

    def go_on() -> None:
        for _ in range(5 * ROUNDS_PER_LOOK):
            client.send([*limit_order("n")[:3], (54, "x"), *limit_order("n")[4:]])

    yield go_on


@contextmanager
def a_client_does_not_read(stage: Stage) -> Iterator[Callable[[], object]]:
    """It trades, asks for all of it again and again, and never looks."""
    session = Session("LOAD03-RT", "KalshiRT", ("127.0.0.1", stage.system.port("RT")), "KXTEST-D")
    session.logon()
    with session.connection as connection:
        session.render(400, "slow")
        connection.sendall(session.frames)

        def go_on() -> None:
            with suppress(OSError):  # cut, as it should be
                for _ in range(ROUNDS_PER_LOOK):
                    connection.sendall(session.message("2", "7=1|16=0"))

        yield go_on


def limit_order(cl_ord_id: str) -> list[tuple[int, str]]:
    """One that rests."""
    return [
        *((35, "D"), (11, cl_ord_id), (55, "KXTEST-C"), (54, "1"), (38, "10"), (40, "2")),
        *((44, "0.40"), (60, utc_now())),
    ]


# --- processes


@contextmanager
def standing_still(*processes: int) -> Iterator[None]:
    """They go on afterwards, whatever happens."""
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def stands_still(role: str) -> Callable[[Stage], Goes]:
    """A process that neither works nor ends."""

    @contextmanager
    def cause(stage: Stage) -> Iterator[Callable[[], object]]:
        with standing_still(stage.process(role)):
            yield nothing

    return cause


@contextmanager
def the_core_stands_still(stage: Stage) -> Iterator[Callable[[], object]]:
    """While a client trades: first its orders wait, then they are refused."""
    client = stage.clients["ALPHA-NR"]
    numbers = iter(range(1_000_000))

    def go_on() -> None:
        for _ in range(ROUNDS_PER_LOOK):
            client.send(limit_order(f"stalled{next(numbers)}"))

    with standing_still(stage.process("kalshi-fix core")):
        yield go_on


def ends(role: str) -> Callable[[Stage], Goes]:
    """A process that is killed; the supervisor starts it again."""

    @contextmanager
    def cause(stage: Stage) -> Iterator[Callable[[], object]]:
        os.kill(stage.process(role), signal.SIGKILL)
        yield nothing

    return cause


@contextmanager
def files_run_out(stage: Stage) -> Iterator[Callable[[], object]]:
    """The gateway may open hardly more of them than it has."""
    process = stage.process("kalshi-fix gateway --name md1")
    opened = len(os.listdir(f"/proc/{process}/fd"))  # noqa: PTH208 - only how many
    with limited(process, resource.RLIMIT_NOFILE, opened + 8):
        yield nothing


@contextmanager
def the_disk_is_full(stage: Stage) -> Iterator[Callable[[], object]]:
    """No file of core and edge may grow: neither archive nor audit trail can be written."""
    core, edge = stage.process("kalshi-fix core"), stage.process("kalshi-fix edge")
    with (
        limited(core, resource.RLIMIT_FSIZE, 0),
        limited(edge, resource.RLIMIT_FSIZE, 0),
    ):
        yield the_market_moves(stage)


def the_market_moves(stage: Stage) -> Callable[[], object]:
    """An order that comes and one that goes."""
    client = stage.clients["ALPHA-RT"]
    numbers = iter(range(1_000_000))

    def go_on() -> None:
        client.send(limit_order(f"{id(numbers)}-{next(numbers)}"))

    return go_on


# --- the store


@contextmanager
def the_store_nears_its_limit(stage: Stage) -> Iterator[Callable[[], object]]:
    """It may have hardly more memory than it uses."""
    with stage.store() as store:
        used = store.call("INFO", "memory").split(b"used_memory:")[1].split()[0]
        store.call("CONFIG", "SET", "maxmemory", int(int(used) * 1.2), writes=True)
        try:
            yield nothing
        finally:
            store.call("CONFIG", "SET", "maxmemory", 0, writes=True)


@contextmanager
def the_store_refuses_market_data(stage: Stage) -> Iterator[Callable[[], object]]:
    """Something else has the stream's name."""
    with stage.store() as store:
        key = f"md:{{{SHARD}}}"
        store.call("DEL", key, writes=True)
        store.call("SET", key, "not a stream", writes=True)
        try:
            yield the_market_moves(stage)
        finally:
            store.call("DEL", key, writes=True)


@contextmanager
def somebody_writes_into_the_commands(stage: Stage) -> Iterator[Callable[[], object]]:
    """What no core can read; it stays there, so this is the last of all causes."""
    with stage.store() as store:
        rows = store.call("XREVRANGE", f"cmd:{{{SHARD}}}", "+", "-", "COUNT", 1)
        name = rows[0][1][0]
        store.call("XADD", f"cmd:{{{SHARD}}}", "*", name, b"\xff not a command", writes=True)
    yield nothing


# --- which alert comes of which; those of a line are brought about at once

CAUSES: Final[tuple[dict[Callable[[Stage], Goes], tuple[str, ...]], ...]] = (
    {
        an_expected_session_goes: ("SessionDownInHours",),
        strangers_try_to_log_on: ("BadCredentials", "LogonFailures", "LogonFailuresSevere"),
        a_client_asks_again_and_again: ("ResendStorm", "ResendStormSevere", "SequenceGap"),
        a_client_sends_nonsense: ("RejectRatio",),
        a_client_does_not_read: ("SlowConsumer",),
        files_run_out: ("DescriptorsHigh",),
        the_store_nears_its_limit: ("StoreMemory",),
    },
    {
        the_core_stands_still: (
            *("CoreStalled", "OrdersUnacknowledged", "OrderErrorBudgetFast"),
            *("OrderErrorBudgetMedium", "OrderErrorBudgetSlow"),
        )
    },
    {the_disk_is_full: ("StoreNotWriting", "AuditFailing")},
    {the_store_refuses_market_data: ("MarketDataStale",)},
    {stands_still("kalshi-fix gateway --name gw2"): ("GatewayDown",)},
    {stands_still("kalshi-fix edge"): ("ProcessDown",)},
    {stands_still("valkey-server"): ("StoreDown",)},
    {ends("kalshi-fix edge"): ("ProcessRestarted", "AllSessionsDropped")},
    {somebody_writes_into_the_commands: ("CoreStopped",)},
)
