"""Every command of every runbook, against a running system; at last the planned restart itself.

A page's ``console`` blocks run in order in one bash. A line that begins with ``$ `` is a command,
the lines under it must be found in what it prints, in this order; ``...`` stands for anything.
``(exit N)`` is the exit code where it is not 0.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import define, field
from clients.fix_socket import ConnectionClosedError, FixSocket, Message, utc_now
from running_system import KALSHI_FIX, ROOT, RunningSystem
from waiting import wait_until

pytestmark = pytest.mark.acceptance
PAGES = sorted((ROOT / "docs" / "runbooks").glob("[a-z]*.md"))
MARKET = "KXTEST-A"
COMMAND_SECONDS = 30
SHELL_SECONDS = 300
MARK = "=== command "
PORTS = re.compile(r"(?<=:)(8228|8229|8230|8231|8233|93\d\d)\b")


@define
class Step:
    """One command of a page, and what it must print."""

    command: str
    expected: list[str] = field(factory=list)
    exit_code: int = 0


def steps_of(page: str) -> list[Step]:
    """The commands of a page's console blocks."""
    steps: list[Step] = []
    for block in re.findall(r"^```console\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        continues = False
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append(Step(line[2:]))
            elif continues:
                steps[-1].command += "\n" + line
            elif code := re.fullmatch(r"\(exit (\d+)\)", line):
                steps[-1].exit_code = int(code[1])
            elif line.strip():
                steps[-1].expected.append(line)
            continues = steps[-1].command.endswith("\\") and not steps[-1].expected
    return steps


def missing_from(output: str, expected: list[str]) -> str:
    """The first expected line that is not there, in order; "" if all are."""
    lines = [" ".join(line.split()) for line in output.splitlines()]
    place = 0
    for line in expected:
        parts = (re.escape(part) for part in " ".join(line.split()).split("..."))
        pattern = re.compile(".*".join(parts))
        while place < len(lines) and not pattern.search(lines[place]):
            place += 1
        if place == len(lines):
            return line
        place += 1
    return ""


def run_page(page: str, system: RunningSystem, directory: Path) -> None:
    """Runs a page's commands; the first that does otherwise than the page says fails."""
    steps = steps_of(page)
    script = ["set -o pipefail"]
    for number, step in enumerate(steps):
        command = PORTS.sub(lambda port: str(int(port[0]) + system.offset), step.command)
        script += [f"{{ {command}\n}} 2>&1", f"printf '\\n{MARK}{number} %d\\n' $?"]
    (directory / "var").symlink_to(system.data)
    path = f"{KALSHI_FIX.parent}:{os.environ['PATH']}"
    finished = subprocess.run(
        ["bash", "-c", "\n".join(script)], cwd=directory, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        timeout=SHELL_SECONDS, env=os.environ | {"PATH": path, "COLUMNS": "200"},
    )  # fmt: skip
    rest = finished.stdout
    for number, step in enumerate(steps):
        output, mark, rest = rest.partition(f"{MARK}{number} ")
        assert mark, f"no end of: {step.command}\n{output}"
        code, _, rest = rest.partition("\n")
        assert int(code) == step.exit_code, f"exit {code}: {step.command}\n{output}"
        absent = missing_from(output, step.expected)
        assert not absent, f"{step.command}\nshould have printed: {absent}\nit printed:\n{output}"


class Trader(FixSocket):
    """A session that enters orders and waits for what comes of them."""

    def order(self, name: str, side: str, quantity: str, price: str) -> None:
        terms = [(55, MARKET), (54, side), (38, quantity), (40, "2"), (44, price), (60, utc_now())]
        self.send([(35, "D"), (11, name), *terms])

    def until(self, tag: int, value: str) -> Message:
        while True:
            message = self.receive()
            if message.get(tag) == value:
                return message


@define
class World:
    """What every page finds: two sessions, an order that rests, a fresh trade."""

    system: RunningSystem
    alpha: Trader
    bravo: Trader
    trades: int = 0

    def prepare(self) -> None:
        """Logs on who was logged out, rests the order if it is gone, trades."""
        wait_until(self._is_prepared, "the two sessions to trade")

    def _is_prepared(self) -> bool:
        try:
            self._trade()
        except ConnectionClosedError:  # the page before ended it only just now
            return False
        return True

    def _trade(self) -> None:
        for trader in (self.alpha, self.bravo):
            wait_until(lambda who=trader: self._is_on(who), f"a Logon of {trader.sender}")
        self.trades += 1
        number = self.trades
        wait_until(lambda: self._cancels_all(f"q{number}"), "a mass cancel that is not throttled")
        self.alpha.order(f"rest-{number}", "1", "5", "0.40")
        self.alpha.until(11, f"rest-{number}")
        self.bravo.order(f"sell-{number}", "2", "10", "0.60")
        self.bravo.until(11, f"sell-{number}")
        self.alpha.order(f"buy-{number}", "1", "10", "0.60")
        while self.alpha.until(11, f"buy-{number}").get(150) != "F":
            pass

    def _cancels_all(self, name: str) -> bool:
        """One a second is allowed; a short page is quicker."""
        self.alpha.send([(35, "q"), (11, name), (530, "7"), (60, utc_now())])
        while True:
            answer = self.alpha.receive()
            if answer.msg_type in {"r", "j"}:
                return answer.msg_type == "r"

    def _is_on(self, trader: Trader) -> bool:
        if trader.connected:
            return True
        try:
            return trader.logon(reset=True).msg_type == "A"
        except (ConnectionClosedError, OSError):
            return False


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with RunningSystem(tmp_path_factory.mktemp("runbooks") / "data").running() as running:
        traders = [
            Trader(running.port("RT"), name, "KalshiRT") for name in ("ALPHA-RT", "BRAVO-RT")
        ]
        yield World(running, *traders)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_does_what_it_says(page: Path, world: World, tmp_path: Path) -> None:
    world.prepare()
    try:
        run_page(page.read_text(), world.system, tmp_path)
    except AssertionError as error:
        raise AssertionError(f"{page.name}: {error}\n{world.system.logs(3)}") from None


def test_a_page_that_is_wrong_fails() -> None:
    page = "```console\n$ echo one; echo two\none\nthree\n$ false\n(exit 1)\n```\n"
    assert steps_of(page) == [Step("echo one; echo two", ["one", "three"]), Step("false", [], 1)]
    assert missing_from("one\ntwo\n", ["one", "three"]) == "three"
    assert missing_from("done:  x  request 17\nlast", ["done: ... request", "last"]) == ""
    assert missing_from("b\na", ["a", "b"]) == "b"


def test_a_planned_restart_tells_everybody_loses_nothing_and_goes_on(world: World) -> None:
    world.prepare()
    alpha, bravo, system = world.alpha, world.bravo, world.system
    drain = subprocess.Popen(
        [str(KALSHI_FIX), "admin", "--as", "op1", "--data", str(system.data), "drain",
         "--grace", "3", "--text", "release 7"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert "release 7" in alpha.until(35, "B").get(58)
    alpha.order("late", "1", "1", "0.10")
    refused = alpha.until(11, "late")
    assert (refused.get(150), refused.get(58)) == ("8", "MAINTENANCE")
    late = Trader(system.port("RT"), "LOAD03-RT", "KalshiRT")
    assert late.logon(reset=True).get(58) == "MAINTENANCE"
    for trader in (alpha, bravo):
        assert trader.until(35, "5").get(58).startswith("MAINTENANCE until ")
        assert trader.wait_closed()
    told = drain.communicate(timeout=COMMAND_SECONDS)[0]
    assert drain.returncode == 0
    assert told.startswith("done: drain: nobody is connected any more; the system stops")
    assert system.wait_exit() == 0, system.story()
    system.start()
    wait_until(lambda: alpha.logon().msg_type == "A", "a Logon after the restart")
    alpha.send([(35, "AF"), (584, "s"), (585, "7")])
    assert alpha.until(584, "s").get(911) == "1"  # the order rested through it
    alpha.order("new", "1", "1", "0.10")
    assert alpha.until(11, "new").get(150) == "0"
    alpha.logout()
    assert system.stop() == 0
