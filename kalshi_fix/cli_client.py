"""`kalshi-fix client`: a FIX client for a person. Type an order, see what the exchange says.

Reads commands from the terminal or from a pipe, waits for each answer, prints what arrives. What
is typed becomes a message in ``cli_client_requests``, what is shown in ``cli_client_screen``.
"""

import contextlib
import ssl
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from attrs import frozen

from kalshi_fix.adapters.dictionaries import client_dictionary
from kalshi_fix.adapters.fix_session import Identity, SessionError
from kalshi_fix.adapters.settings import EdgeSettings
from kalshi_fix.cli_client_link import Link
from kalshi_fix.cli_client_requests import (
    Requests,
    UsageError,
    are_all_positions,
    are_all_reports,
    parse_raw,
)
from kalshi_fix.cli_client_screen import Screen
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.model import Role

PASSWORD_VARIABLE: Final = "KALSHI_FIX_PASSWORD"  # noqa: S105 - a name, not a password
ANSWER_SECONDS: Final = 5.0
QUIET_SECONDS: Final = 0.3  # at the end of a pipe: reports that follow an answer
BOOK_SECONDS: Final = 0.1  # market data follows a report a few milliseconds later
LOGOUT_SECONDS: Final = 2.0
HEARTBEAT_SECONDS: Final = 30

_SHOWN_OTHERWISE: Final = frozenset({"A", "W", "y", "AP", "BA"})
_WHEN_LEAVING: Final = _SHOWN_OTHERWISE | {"5"}

HELP: Final = """\
buy SYMBOL QUANTITY PRICE [...]   buy YES; PRICE in dollars, or 'market'
sell SYMBOL QUANTITY PRICE [...]  sell YES = buy NO at 1 - PRICE
    [...]: day gtc ioc fok gtd=60s post reduce account=NAME id=CLORDID TAG=VALUE
cancel ORDER | cancel all [SYMBOL]
replace ORDER QUANTITY PRICE      new total quantity and price
status ORDER                      ORDER: its number, its ClOrdID, or 'last'
orders                            open orders, asked of the exchange
positions [ACCOUNT]               positions and their value; of every account
cash [ACCOUNT]                    free cash, all of it, and the worth with positions
book SYMBOL [LEVELS]              the book as a ladder
watch SYMBOL, unwatch SYMBOL      every change of a book
markets                           what can be traded
send 35=...|...                   any message, as typed
full, brief                       all fields of every message, or one line
help, quit"""


@frozen(kw_only=True)
class Target:
    """Where to connect, and as whom."""

    session: str
    role: Role
    host: str
    port: int
    password: str
    shift: int  # of all ports against the default ones
    tls: ssl.SSLContext | None

    def identity(self, role: Role) -> Identity:
        """Who logs on for a role: the same firm's session of that role."""
        name = self.session if role is self.role else f"{self.session.rpartition('-')[0]}-{role}"
        return Identity(
            sender_comp_id=name,
            target_comp_id=f"Kalshi{role}",
            username=name,
            password=self.password,
            heartbeat_seconds=HEARTBEAT_SECONDS,
        )

    def port_of(self, role: Role) -> int:
        """The port of a role's sessions."""
        return self.port if role is self.role else EdgeSettings().ports[role] + self.shift


def client(
    session: Annotated[str, typer.Option("--as", help="SenderCompID, for example ALPHA-RT.")],
    *,
    host: Annotated[str, typer.Option(help="Where the exchange listens.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(help="Port of the session's role; default: the standard one.")
    ] = None,
    password: Annotated[
        str | None,
        typer.Option(envvar=PASSWORD_VARIABLE, help="Default: that of the demo firms."),
    ] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Connect with TLS.")] = False,
    ca: Annotated[
        Path | None, typer.Option(help="Whose certificates to trust; default: the system's.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="Client certificate in PEM, with its key.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Its key, if in a file of its own.")] = None,
) -> None:
    """An interactive FIX client: logon, buy, sell, cancel, replace, status, book."""
    context = _tls(ca, certificate, key) if tls or ca or certificate else None
    target = _target(session, host, port, password, context)
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    shell = Shell(target, Screen(client_dictionary(), interactive=interactive))
    raise typer.Exit(shell.run(_typed(shell.screen, session) if interactive else sys.stdin))


def _tls(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except OSError as error:
        raise typer.BadParameter(str(error), param_hint="--ca, --certificate, --key") from error
    return context


def _target(
    session: str, host: str, port: int | None, password: str | None, tls: ssl.SSLContext | None
) -> Target:
    firm, _, suffix = session.rpartition("-")
    if suffix not in set(Role) or not firm:
        raise typer.BadParameter(
            f"{session}: a session's name ends in its role, for example {session}-RT",
            param_hint="--as",
        )
    role = Role(suffix)
    standard = EdgeSettings().ports[role]
    return Target(
        session=session,
        role=role,
        host=host,
        port=port if port is not None else standard,
        password=password or f"demo-{firm.rstrip('0123456789').lower()}",
        shift=(port if port is not None else standard) - standard,
        tls=tls,
    )


def _typed(screen: Screen, session: str) -> Iterator[str]:
    """Lines from the terminal, with history where the platform has it."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401, PLC0415 - gives input() a history
    while True:
        screen.prompt = f"{session}> "  # written again after what comes in while a person types
        try:
            line = input(screen.prompt)
        except (EOFError, KeyboardInterrupt):
            line = "quit"
            screen.say("")
        screen.prompt = ""
        yield line


class Shell:
    """Carries out commands. 0 = ended by the person, 1 = never logged on or thrown out."""

    def __init__(self, target: Target, screen: Screen) -> None:
        self.screen = screen
        self._target = target
        self._requests = Requests(f"C{time.time_ns() // 1_000_000:x}")
        self._links: dict[Role, Link] = {}
        self._watched: dict[str, FixMessage] = {}
        self._leaving = False
        self._commands: dict[str, Callable[[list[str]], None]] = {
            "buy": lambda words: self._order("buy", words),
            "sell": lambda words: self._order("sell", words),
            "cancel": self._cancel,
            "replace": self._replace,
            "status": self._status,
            "orders": self._orders,
            "positions": self._positions,
            "cash": self._cash,
            "book": self._book,
            "watch": self._watch,
            "unwatch": self._unwatch,
            "markets": self._markets,
            "send": self._send_raw,
            "full": lambda _: self._set_full(full=True),
            "brief": lambda _: self._set_full(full=False),
            "help": lambda _: self.screen.say(HELP),
        }

    def run(self, lines: Iterable[str]) -> int:
        """Logs on, then one command per line until the lines end or one says quit."""
        try:
            self._link(self._target.role)
        except (OSError, SessionError) as error:
            self.screen.say(f"cannot log on as {self._target.session}: {error}", "red")
            return 1
        self.screen.say(f"logged on as {self._target.session}; 'help' shows the commands")
        try:
            return self._carry_out_all(lines)
        finally:
            self._leaving = True
            for link in self._links.values():
                link.close(LOGOUT_SECONDS)

    def _carry_out_all(self, lines: Iterable[str]) -> int:
        for line in lines:
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if words[0] in {"quit", "exit"}:
                break
            if not self._carry_out(words):
                return 1
        self._wait_until_quiet(QUIET_SECONDS)
        return 0

    def _carry_out(self, words: list[str]) -> bool:
        """One command; False when the session is over."""
        command = self._commands.get(words[0].lower())
        if command is None:
            self.screen.say(f"{words[0]} is no command; 'help' shows them", "red")
            return True
        try:
            command(words[1:])
        except UsageError as error:
            self.screen.say(str(error), "red")
        except (OSError, SessionError) as error:
            self.screen.say(f"{words[0]}: {error}", "red")
            main = self._links.get(self._target.role)
            return main is not None and not main.ended
        return True

    def _wait_until_quiet(self, seconds: float) -> None:
        """A pipe goes on at once; what follows a report comes a moment later."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while (now := time.monotonic()) < deadline:
            last = max(link.last_at for link in self._links.values())
            if now - last >= seconds:
                return
            time.sleep(last + seconds - now)

    # --- connections

    def _link(self, role: Role) -> Link:
        link = self._links.get(role)
        if link is None or link.ended:
            target = self._target
            link = self._links[role] = Link.open(
                target.host, target.port_of(role), target.identity(role), self._arrived, target.tls
            )
        return link

    def _orders_link(self) -> Link:
        if not self._target.role.enters_orders:
            raise UsageError(f"a {self._target.role} session cannot send orders")
        return self._link(self._target.role)

    def _arrived(self, message: FixMessage) -> None:
        """Called on a link's thread."""
        if message.msg_type == "8":
            self._requests.take(message)
        if message.msg_type == "X":
            self.screen.changes(message)
        elif message.msg_type not in (_WHEN_LEAVING if self._leaving else _SHOWN_OTHERWISE):
            self.screen.message(message)

    def _ask(
        self,
        link: Link,
        message: FixMessage,
        id_tag: int = 11,
        is_whole: Callable[[Sequence[FixMessage]], bool] = lambda _: True,
    ) -> list[FixMessage]:
        self.screen.message(message, outgoing=True)
        answers = link.ask(message, message.get(id_tag), ANSWER_SECONDS, is_whole)
        if not answers:
            self.screen.say(f"no answer within {ANSWER_SECONDS:.0f} seconds", "red")
        return answers

    # --- commands

    def _order(self, verb: str, words: list[str]) -> None:
        message = self._requests.order(verb, words, time.time_ns())
        self._ask(self._orders_link(), message)

    def _cancel(self, words: list[str]) -> None:
        if not words:
            raise UsageError("cancel ORDER, or cancel all [SYMBOL]")
        if words[0] == "all":
            symbol = words[1] if len(words) > 1 else ""
            message = self._requests.cancel_all(symbol, time.time_ns())
        else:
            message = self._requests.cancel(self._requests.find(words[0]), time.time_ns())
        self._ask(self._orders_link(), message)

    def _replace(self, words: list[str]) -> None:
        if len(words) != 3:
            raise UsageError("replace ORDER QUANTITY PRICE")
        order = self._requests.find(words[0])
        message = self._requests.replace(order, words[1], words[2], time.time_ns())
        self._ask(self._orders_link(), message)

    def _status(self, words: list[str]) -> None:
        if len(words) != 1:
            raise UsageError("status ORDER")
        self._ask(self._orders_link(), self._requests.status(self._requests.find(words[0])))

    def _orders(self, _words: list[str]) -> None:
        message = self._requests.all_orders()
        answers = self._ask(
            self._orders_link(), message, 584, lambda found: found[-1].get(912) == "Y"
        )
        found = [self._requests.take(answer) for answer in answers if answer.msg_type == "8"]
        self.screen.orders([order for order in found if order is not None])

    def _positions(self, words: list[str]) -> None:
        """Asked account by account, as FIX has it."""
        accounts = words[:1] or [report.get(1) for report in self._collateral("")]
        reports = []
        for account in accounts:
            message = self._requests.positions(account, time.time_ns())
            answers = self._ask(self._orders_link(), message, 710, are_all_positions)
            if answers and answers[0].get(728) == "3":
                raise UsageError(f"{account} is no account of this session")
            reports += [answer for answer in answers if answer.msg_type == "AP"]
        self.screen.positions(reports)

    def _cash(self, words: list[str]) -> None:
        self.screen.cash(self._collateral(words[0] if words else ""))

    def _collateral(self, account: str) -> list[FixMessage]:
        message = self._requests.collateral(account)
        answers = self._ask(self._orders_link(), message, 909, are_all_reports)
        if answers and answers[0].get(945) == "4":
            raise UsageError(f"{account} is no account of this session")
        return [answer for answer in answers if answer.msg_type == "BA"]

    def _book(self, words: list[str]) -> None:
        if not words:
            raise UsageError("book SYMBOL [LEVELS]")
        self._wait_until_quiet(BOOK_SECONDS)
        levels = words[1] if len(words) > 1 else "10"
        message = self._requests.snapshot(words[0], levels)
        for answer in self._ask(self._link(Role.MD), message, 262):
            if answer.msg_type == "W":
                self.screen.book(answer)

    def _watch(self, words: list[str]) -> None:
        if len(words) != 1:
            raise UsageError("watch SYMBOL")
        message = self._requests.watch(words[0])
        for answer in self._ask(self._link(Role.MD), message, 262):
            if answer.msg_type == "W":
                self._watched[words[0]] = message
                self.screen.book(answer)

    def _unwatch(self, words: list[str]) -> None:
        asked = self._watched.pop(words[0], None) if words else None
        if asked is None:
            raise UsageError(f"unwatch SYMBOL; watched: {', '.join(self._watched) or 'none'}")
        self._link(Role.MD).send(self._requests.unwatch(asked))

    def _markets(self, _words: list[str]) -> None:
        message = self._requests.markets()
        answers = self._ask(
            self._link(Role.MD), message, 320, lambda found: found[-1].get(893) == "Y"
        )
        self.screen.markets([answer for answer in answers if answer.msg_type == "y"])

    def _send_raw(self, words: list[str]) -> None:
        message = parse_raw(" ".join(words))
        self.screen.message(message, outgoing=True)
        self._link(self._target.role).ask(message, message.get(11), 1.0)

    def _set_full(self, *, full: bool) -> None:
        self.screen.full = full
