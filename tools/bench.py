"""`make bench`: the whole system under load from outside, and a yardstick on the same machine.

Starts `kalshi-fix run` on a temporary directory, once per fsync policy, drives it with
`bench_client` and prints orders per second, latency, and what an order costs in each process. In
the same run a bare QuickFIX executor (`bench_yardstick`) takes the same flow: on a noisy machine
the ratio says more than either number.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import frozen
from rich.console import Console
from rich.table import Table
from running_system import DEMO_CONFIG, RunningSystem, free_offset

TOOLS: Final = Path(__file__).parent
CLIENT_SECONDS: Final = 120.0
YARDSTICK_PORT: Final = 8230
TARGET_ORDERS_PER_SECOND: Final = 5_000
TARGET_P50_MS: Final = 1.0
TICKS: Final = os.sysconf("SC_CLK_TCK")
# Role shown in the command line -> its row in the table.
ROLES: Final = {
    "valkey-server": "store",
    "kalshi-fix core": "core",
    "kalshi-fix edge": "edge",
    "kalshi-fix gateway": "gateways",
    "kalshi-fix marketdata": "market data",
}


@frozen(kw_only=True)
class Measured:
    """One system under the same flow: pipelined, then one order at a time."""

    name: str
    pipelined: dict[str, Any]
    single: dict[str, Any]
    cpu_micros: dict[str, float]  # role -> CPU microseconds per order and its cancel


def client(port: int, arguments: list[str]) -> dict[str, Any]:
    """Runs the load client and returns its result.

    Raises:
        SystemExit: it failed; shows why.
    """
    command = [sys.executable, str(TOOLS / "bench_client.py"), "--port", str(port), *arguments]
    finished = subprocess.run(
        command, capture_output=True, text=True, timeout=CLIENT_SECONDS, check=False
    )
    if finished.returncode:
        raise SystemExit(f"bench: the client failed\n{finished.stderr}")
    result: dict[str, Any] = json.loads(finished.stdout)
    return result


def cpu_seconds(pid: int) -> float:
    """CPU time a process has used, user and system, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(
    name: str, port: int, cpu: Callable[[], dict[str, float]], options: argparse.Namespace
) -> Measured:
    """Warms up, then measures both ways."""
    load = ["--sessions", str(options.sessions), "--window", str(options.window)]
    client(port, [*load, "--pairs", str(max(200, options.pairs // 10))])
    before = cpu()
    pipelined = client(port, [*load, "--pairs", str(options.pairs)])
    after = cpu()
    single = client(port, ["--sessions", "1", "--one-at-a-time", "--pairs", str(options.single)])
    used = {role: after[role] - before[role] for role in after}
    used["client"] = pipelined["client_cpu_seconds"]
    per_order = {role: seconds / pipelined["orders"] * 1e6 for role, seconds in used.items()}
    return Measured(name=name, pipelined=pipelined, single=single, cpu_micros=per_order)


@contextmanager
def product(appendfsync: str) -> Iterator[RunningSystem]:
    """The demo system on a fresh directory with one fsync policy."""
    with tempfile.TemporaryDirectory(prefix="kalshi-fix-bench-") as directory:
        config = Path(directory) / "bench.toml"
        store = f'[store]\nappendfsync = "{appendfsync}"\n\n'
        config.write_text(store + DEMO_CONFIG.read_text())
        system = RunningSystem(Path(directory) / "data", config)
        try:
            system.start()
            yield system
            system.stop()
        finally:
            system.kill()


def product_cpu(system: RunningSystem) -> Callable[[], dict[str, float]]:
    """CPU seconds by role of a running system, when called."""
    pids = {row: system.processes(role) for role, row in ROLES.items()}
    return lambda: {row: sum(map(cpu_seconds, found)) for row, found in pids.items()}


@contextmanager
def yardstick(port: int, sessions: int) -> Iterator["subprocess.Popen[str]"]:
    """The bare executor, ready."""
    script = str(TOOLS / "bench_yardstick.py")
    with subprocess.Popen(
        [sys.executable, script, "--port", str(port), "--sessions", str(sessions)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        if process.stdout.readline() != "READY\n":
            raise SystemExit("bench: the yardstick did not start")
        try:
            yield process
        finally:
            process.stdin.close()
            process.wait(10)


def run_all(options: argparse.Namespace, console: Console) -> list[Measured]:
    """The product with each fsync policy, then the yardstick."""
    results = []
    for policy in options.fsync:
        console.print(f"bench: whole system, appendfsync {policy} ...")
        with product(policy) as system:
            name = f"kalshi-fix, fsync {policy}"
            results.append(measure(name, system.port("RT"), product_cpu(system), options))
    console.print("bench: yardstick ...")
    port = YARDSTICK_PORT + free_offset()
    with yardstick(port, options.sessions) as process:
        pid = process.pid
        name = "bare QuickFIX executor"
        results.append(measure(name, port, lambda: {"executor": cpu_seconds(pid)}, options))
    return results


def rates(results: list[Measured]) -> Table:
    """Throughput and latency, one row per system, with the ratio to the yardstick.

    Requests are orders and cancels. "Loaded" is the wait in a full window, the rest is one order at
    a time.
    """
    table = Table(title="Orders acknowledged (each order is cancelled as well)")
    headings = ("system", "orders/s", "requests/s", "of yardstick", "p50 ms loaded")
    for heading in (*headings, "p50 ms", "p99 ms"):
        table.add_column(heading, justify="left" if heading == "system" else "right")
    reference = results[-1].pipelined["orders_per_second"]
    for result in results:
        rate = result.pipelined["orders_per_second"]
        table.add_row(
            result.name,
            f"{rate:,.0f}",
            f"{2 * rate:,.0f}",
            f"{rate / reference:.2f}",
            f"{result.pipelined['p50'] * 1e3:.1f}",
            f"{result.single['p50'] * 1e3:.3f}",
            f"{result.single['p99'] * 1e3:.3f}",
        )
    return table


def costs(results: list[Measured]) -> Table:
    """CPU microseconds per order and its cancel, by process."""
    table = Table(title="CPU microseconds per order (with its cancel)")
    table.add_column("process")
    for result in results:
        table.add_column(result.name, justify="right")
    rows = dict.fromkeys(role for result in results for role in result.cpu_micros)
    for role in rows:
        cells = [result.cpu_micros.get(role) for result in results]
        table.add_row(role, *("" if cell is None else f"{cell:.1f}" for cell in cells))
    totals = [sum(v for k, v in r.cpu_micros.items() if k != "client") for r in results]
    table.add_row("all but the client", *(f"{total:.1f}" for total in totals))
    return table


def main() -> None:
    """Runs everything and prints two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=8_000, help="orders per session")
    parser.add_argument("--single", type=int, default=1_500, help="orders one at a time")
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--window", type=int, default=200, help="unanswered messages per session")
    parser.add_argument("--fsync", nargs="*", default=["no", "always"], help="store policies")
    parser.add_argument("--json", type=Path, help="also write the results here")
    options = parser.parse_args()
    console = Console()
    console.print(f"bench: {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} before the start")
    results = run_all(options, console)
    console.print(rates(results), costs(results))
    best = results[0]
    console.print(
        f"target: {TARGET_ORDERS_PER_SECOND:,} orders/s with fsync no, p50 below {TARGET_P50_MS} ms"
        f" one at a time; here {best.pipelined['orders_per_second']:,.0f} orders/s and"
        f" {best.single['p50'] * 1e3:.3f} ms"
    )
    if options.json:
        rows = [
            {"name": r.name, **r.pipelined, "single": r.single, "cpu_micros": r.cpu_micros}
            for r in results
        ]
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
