"""What the recovery tests share: systems with passwordless sessions, and short words for orders."""

import time
from collections.abc import Callable
from pathlib import Path

from clients.fix_socket import ConnectionClosedError, FixSocket, Message, utc_now
from running_system import RunningSystem
from waiting import wait_until

UNAVAILABLE = "4"  # BusinessRejectReason (380)
PATIENCE_SECONDS = 30.0
RESTING_PRICE = "0.05"


def configuration(*, shards: int = 1, extra: str = "", store: str = "") -> str:
    """TOML: firms ONE and TWO in lanes gw1 and gw2, two markets per shard."""
    names = ", ".join(f'"s{n}"' for n in range(shards))
    parts = [
        f"[core]\nshards = [{names}]\nsnapshot_seconds = 2\narchive_seconds = 0.5\n",
        "[edge]\nplain = true\n[admin]\nview_save_seconds = 1\n",
        f"[store]\n{store}\n",
        '[[series]]\nname = "KXR"\n',
        extra,
    ]
    parts += [
        f'[[markets]]\nsymbol = "KXR-{number}"\nevent_ticker = "KXR"\nseries = "KXR"\n'
        f'title = "Recovery {number}"\nshard = "s{number % shards}"\n'
        for number in range(2 * shards)
    ]
    for lane, firm in (("gw1", "ONE"), ("gw2", "TWO")):
        parts.append(
            f'[[lanes]]\nname = "{lane}"\n[[firms]]\nname = "{firm}"\n'
            f'[[accounts]]\nname = "{firm}-1"\nfirm = "{firm}"\ndeposit = "1000000.00"\n'
        )
        parts += [
            f'[[sessions]]\nsender_comp_id = "{firm}-{role}"\nrole = "{role}"\n'
            f'firm = "{firm}"\nlane = "{lane}"\nopen_on_loopback = true\n'
            f'accounts = ["{firm}-1"]\nthrottle = {{ tokens_per_second = 0 }}\n'
            for role in ("RT", "NR", "DC")
        ]
    return "\n".join(parts)


def system_of(directory: Path, toml: str) -> RunningSystem:
    """A system, not started, with its data below the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "recovery.toml"
    config.write_text(toml)
    return RunningSystem(directory / "data", config)


def client(system: RunningSystem, name: str, *, reset: bool = True) -> FixSocket:
    """A session that is logged on."""
    role = name.rpartition("-")[2]
    session = FixSocket(system.port(role), name, f"Kalshi{role}")
    log_on(session, reset=reset)
    return session


def log_on(
    session: FixSocket, *, reset: bool = False, flags: tuple[tuple[int, str], ...] = ()
) -> None:
    """Until the venue takes the Logon."""

    def attempt() -> bool:
        try:
            return session.logon(flags, reset=reset).msg_type == "A"
        except (ConnectionClosedError, OSError, TimeoutError):
            return False

    wait_until(attempt, f"the Logon of {session.sender}", PATIENCE_SECONDS)


def send_order(
    session: FixSocket,
    symbol: str = "KXR-0",
    side: str = "1",
    price: str = RESTING_PRICE,
    *,
    force: str = "1",
    quantity: str = "10",
    group: str = "",
    name: str = "",
) -> str:
    """A limit order; returns its ClOrdID."""
    name = name or f"o{time.time_ns():x}"
    terms = [(55, symbol), (54, side), (60, utc_now()), (38, quantity), (40, "2"), (44, price)]
    extra = [(526, group)] if group else []
    session.send([(35, "D"), (11, name), *terms, (59, force), *extra])
    return name


def accepted(
    session: FixSocket, symbol: str = "KXR-0", side: str = "1", price: str = RESTING_PRICE
) -> Message:
    """Enters an order, which the venue must accept."""
    found = answer(session, send_order(session, symbol, side, price))
    assert found.get(150) == "0", f"refused: {found}"
    return found


def report(
    session: FixSocket, matches: Callable[[Message], bool], seconds: float = PATIENCE_SECONDS
) -> Message:
    """The next message that matches; others are passed over.

    Raises:
        TimeoutError: none came.
    """
    until = time.monotonic() + seconds
    while True:
        message = session.receive(max(0.01, until - time.monotonic()))
        if matches(message):
            return message


def answer(session: FixSocket, name: str, seconds: float = PATIENCE_SECONDS) -> Message:
    """The first answer to an order: its report, or the j that refuses it."""
    return report(session, lambda m: name in {m.get(11), m.get(379)}, seconds)


def takes_orders(session: FixSocket, symbol: str = "KXR-0") -> bool:
    """Whether a new order is accepted now; see `try_order`."""
    return try_order(session, symbol) is not None


def taken(session: FixSocket) -> Message:
    """The acceptance of an order around a fault: the gateway may refuse one more after taking one.

    It looks every 0.2 s whether the core moves, and what it saw last may have been the fault.
    """
    found = wait_until(lambda: try_order(session), "an order to be taken", PATIENCE_SECONDS)
    assert found is not None, "that is what was waited for"
    return found


def try_order(session: FixSocket, symbol: str = "KXR-0") -> Message | None:
    """The acceptance of a new order, None without; logs on again where the connection is gone.

    One whose outcome is unknown has no answer for a while: then another is tried.
    """
    try:
        if not session.connected:
            log_on(session)
        found = answer(session, send_order(session, symbol), 1.0)
    except (ConnectionClosedError, TimeoutError):
        return None
    return found if found.get(150) == "0" else None


def open_orders(session: FixSocket) -> dict[str, Message]:
    """The session's open orders by OrderID, asked for with AF."""
    name = f"af{time.time_ns():x}"
    session.send([(35, "AF"), (584, name), (585, "7")])
    found: dict[str, Message] = {}
    while True:
        line = report(session, lambda m: m.get(584) == name)
        if line.get(911) == "0":
            return found
        found[line.get(37)] = line
        if line.get(912) == "Y":
            return found
