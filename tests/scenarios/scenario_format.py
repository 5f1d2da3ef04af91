"""The scenario format: text to steps. docs/scenarios.md is its description.

Parsing only: no runner, no clock, no venue. Two runners execute the steps, one in process and one
over TCP, so nothing here may depend on where a scenario runs.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from attrs import field, frozen

SCENARIOS: Final = Path(__file__).parents[2] / "specs" / "scenarios"
ABSENT: Final = "!"  # value of an expected field whose tag must not be there

Fields = tuple[tuple[int, str], ...]


class ScenarioError(Exception):
    """A line is not written in the format."""


@frozen
class Logon:
    """The session logs on with these flags."""

    line: int
    session: str
    flags: Fields


@frozen
class Leave:
    """The session ends: by a Logout (``orderly``) or by a broken connection."""

    line: int
    session: str
    orderly: bool


@frozen
class Send:
    """A client sends a message."""

    line: int
    session: str
    fields: Fields


@frozen
class Expect:
    """A client receives a message that matches; no fields = it receives nothing."""

    line: int
    session: str
    fields: Fields


@frozen
class Connect:
    """A client connects and says nothing yet (session scenarios)."""

    line: int
    session: str


@frozen
class SendBytes:
    """A client sends bytes of its own making (session scenarios)."""

    line: int
    session: str
    text: str


@frozen
class ExpectClosed:
    """The venue closes the client's connection, without another message (session scenarios)."""

    line: int
    session: str


@frozen
class Advance:
    """Time passes."""

    line: int
    seconds: float


@frozen
class Operate:
    """An operator acts."""

    line: int
    operator: str
    words: tuple[str, ...]


@frozen
class Interrupt:
    """The exchange behind the gateway stands still, or goes on (session scenarios)."""

    line: int
    running: bool


Step = (
    Interrupt
    | Logon
    | Leave
    | Send
    | Expect
    | Advance
    | Operate
    | Connect
    | SendBytes
    | ExpectClosed
)
PLACES: Final = ("process", "tcp", "conformance")


@frozen
class Market:
    """A market the scenario has to itself. ``terms`` are ``key=value`` of its definition."""

    name: str
    terms: dict[str, str] = field(factory=dict)


@frozen
class Scenario:
    """One file. ``rule`` is its opening comment; ``only`` is one of `PLACES`, "" = everywhere.

    ``cases`` are what it proves of a list kept elsewhere (specs/session-cases.toml).
    """

    name: str
    rule: str
    only: str
    markets: tuple[Market, ...]
    steps: tuple[Step, ...]
    cases: tuple[str, ...] = ()

    def where(self, line: int) -> str:
        """The rule and the place, for a failure's first lines."""
        return f"{self.rule}\n  {self.name}:{line}"

    @property
    def sessions(self) -> tuple[str, ...]:
        """Every session that logs on, in order of first appearance."""
        return tuple(dict.fromkeys(s.session for s in self.steps if isinstance(s, Logon)))


def parse_fields(text: str, separator: str = "|") -> Fields:
    """``35=8|!44|11=A1`` as (tag, value) in order.

    Raises:
        ScenarioError: a field is not ``tag=value`` or ``!tag``.
    """
    found: list[tuple[int, str]] = []
    for part in text.split(separator):
        if part.startswith("!") and part[1:].isdigit():
            found.append((int(part[1:]), ABSENT))
            continue
        tag, equals, value = part.partition("=")
        if not (tag.isdigit() and equals):
            raise ScenarioError(f"not a field: {part!r}")
        found.append((int(tag), value))
    return tuple(found)


def _logon(line: int, rest: str) -> Step:
    session, *flags = rest.split()
    return Logon(line, session, parse_fields(" ".join(flags), " ") if flags else ())


def _send(line: int, rest: str) -> Step:
    session, _, message = rest.partition(" ")
    fields = parse_fields(message)
    if fields[0][0] != 35:
        raise ScenarioError("a message starts with its MsgType (35)")
    return Send(line, session, fields)


def _expect(line: int, rest: str) -> Step:
    session, _, message = rest.partition(" ")
    if message == "closed":
        return ExpectClosed(line, session)
    return Expect(line, session, () if message == "nothing" else parse_fields(message))


def _operate(line: int, rest: str) -> Step:
    operator, *words = rest.split()
    return Operate(line, operator, tuple(words))


_STEPS: Final[dict[str, Callable[[int, str], Step]]] = {
    "logon": _logon,
    "logout": lambda line, rest: Leave(line, rest, orderly=True),
    "disconnect": lambda line, rest: Leave(line, rest, orderly=False),
    "connect": Connect,
    "I": _send,
    "B": lambda line, rest: SendBytes(line, *rest.split(" ", 1)),
    "E": _expect,
    "advance": lambda line, rest: Advance(line, float(rest)),
    "core": lambda line, rest: Interrupt(line, {"stop": False, "go": True}[rest]),
    "admin": _operate,
}


def _market(rest: str) -> Market:
    name, *terms = rest.split()
    if not re.fullmatch(r"<[a-z]+>", name):
        raise ScenarioError(f"a market is named like <other>, not {name!r}")
    return Market(name[1:-1], dict(term.split("=", 1) for term in terms))


def parse(name: str, text: str) -> Scenario:
    """Reads a scenario.

    Raises:
        ScenarioError: names file and line.
    """
    rule: list[str] = []
    only = ""
    cases: tuple[str, ...] = ()
    markets = {"market": Market("market")}
    steps: list[Step] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        try:
            if line.startswith("#"):
                rule += [] if steps else [line.lstrip("# ")]
            elif word == "only" and rest in PLACES:
                only = rest
            elif word == "case":
                cases = tuple(rest.split(", "))
            elif word == "market":
                market = _market(rest)
                markets[market.name] = market
            elif line:
                steps.append(_STEPS[word](number, rest))
        except KeyError:
            raise ScenarioError(f"{name}:{number}: unknown line {line!r}") from None
        except (ScenarioError, ValueError) as error:
            raise ScenarioError(f"{name}:{number}: {error}") from error
    if not rule:
        raise ScenarioError(f"{name}: the first comment names the rule")
    return Scenario(name, " ".join(rule), only, tuple(markets.values()), tuple(steps), cases)


def load_all(directory: Path = SCENARIOS) -> list[Scenario]:
    """Every scenario, ordered by name (its path without suffix)."""
    paths = sorted(directory.rglob("*.fix"))
    return [
        parse(path.relative_to(directory).with_suffix("").as_posix(), path.read_text("ascii"))
        for path in paths
    ]
