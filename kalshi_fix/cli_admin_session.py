"""One `kalshi-fix admin` invocation: who asks, how the service is found, how an answer ends.

Options of ``admin`` may stand before or after the command. Exit codes: 0 done, 1 refused (the
reason on one line), 2 wrong usage or no certain answer (one line with the way out). What commands
there are is not known here.
"""

import json
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

import typer
from attrs import asdict, define
from typer.core import TyperGroup

from kalshi_fix.adapters.admin_socket import AdminClient, AdminUnreachableError, Login
from kalshi_fix.adapters.config import DEMO_CONFIG
from kalshi_fix.adapters.paths import DataDir, DataDirError
from kalshi_fix.cli_admin_tables import show_rows
from kalshi_fix.services.admin import Answer, Request, Status
from kalshi_fix.services.admin_checks import FAULT
from kalshi_fix.services.admin_operations import OPERATIONS
from kalshi_fix.services.admin_reads import CHECK, READINGS

TOKEN_VARIABLE: Final = "KALSHI_FIX_TOKEN"  # noqa: S105 - the name of a variable, not a token
ANSWER_SECONDS: Final = 60.0  # the service answers long before; this is for one that hangs
REFUSED: Final = 1
NO_ANSWER: Final = 2

_EXIT: Final = {Status.DONE: 0, Status.REFUSED: REFUSED}
_TAKE_VALUE: Final = frozenset(
    ("--as", "--token", "--data", "--config", "--why", "--request-id", "--shard")
)
_FLAGS: Final = frozenset(("--json", "--yes", "-y"))


class OptionsAnywhere(TyperGroup):
    """A group whose own options may also stand after the command: they are moved to the front."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses with the group's options first."""
        return super().parse_args(ctx, _own_first(args))


def _own_first(args: list[str]) -> list[str]:
    own: list[str] = []
    rest: list[str] = []
    waiting = iter(args)
    for arg in waiting:
        if arg == "--":
            rest += [arg, *waiting]
        elif arg in _TAKE_VALUE:
            own += [arg, *[value for value in (next(waiting, None),) if value is not None]]
        elif arg in _FLAGS or arg.partition("=")[0] in _TAKE_VALUE:
            own.append(arg)
        else:
            rest.append(arg)
    return own + rest


@define
class AdminSession:
    """The options of this invocation, and the way to ask."""

    operator: str
    token: str
    data: Path
    config: Path | None
    why: str
    request_id: str
    shard: str
    json: bool
    yes: bool

    def ask(self, operation: str, **args: object) -> None:
        """Asks the service, prints the answer and ends the program.

        Arguments that are None were not given.
        """
        if not self.operator:
            _stop("who are you? --as OPERATOR")
        request = Request(
            operation=operation,
            args={name: value for name, value in args.items() if value is not None},
            request_id=self.request_id or str(uuid.uuid4()),
            why=self.why,
            shard=self.shard,
        )
        self._confirm(request)
        try:
            answer = self._send(request)
        except AdminUnreachableError as error:
            answer = Answer(
                status=Status.UNREACHABLE, reason=str(error), request_id=request.request_id
            )
        self._end(request, answer)

    # --- sending

    def _send(self, request: Request) -> Answer:
        try:
            path = DataDir.find(self.data).admin_socket
        except DataDirError as error:
            raise AdminUnreachableError(str(error)) from error
        refused: Answer | None = None
        for token in self._tokens():
            with AdminClient(path, ANSWER_SECONDS) as client:
                refused = client.ask(Login(operator=self.operator, token=token))
                if refused.status == Status.DONE:
                    return client.ask(request)
        if refused is None:
            _stop(f"no token: set {TOKEN_VARIABLE}, or give --token")
        return refused

    def _tokens(self) -> Iterator[str]:
        """The token given; else what the demo's operators have; else what a person types."""
        given = self.token or os.environ.get(TOKEN_VARIABLE, "")
        if given:
            yield given
            return
        if self.config is None or self.config.resolve() == DEMO_CONFIG:
            yield f"demo-{self.operator}"
        if sys.stdin.isatty():
            yield typer.prompt(f"Token of {self.operator}", hide_input=True, err=True)

    def _confirm(self, request: Request) -> None:
        """Where money moves a person says yes once more."""
        operation = OPERATIONS.get(request.operation)
        if operation is None or not operation.moves_money or self.yes:
            return
        what = " ".join(f"{name}={value}" for name, value in request.args.items() if value)
        try:
            agreed = typer.confirm(f"{request.operation} {what}: go ahead?", err=True)
        except typer.Abort:
            typer.echo(err=True)
            _stop("nothing was done: this moves money and nobody said yes (--yes says it)")
        if not agreed:
            typer.echo("nothing was done", err=True)
            raise typer.Exit(REFUSED)

    # --- answering

    def _end(self, request: Request, answer: Answer) -> NoReturn:
        reading = request.operation in READINGS or bool(answer.rows)
        if self.json:
            done = reading and answer.status == Status.DONE
            typer.echo(json.dumps(list(answer.rows) if done else _plain(answer)))
        if answer.status != Status.DONE:
            typer.echo(_line(answer), err=True)
        elif reading and not self.json:
            show_rows(request.operation, answer.rows, single=bool(request.args))
        elif not self.json:
            typer.echo(_done(request, answer))
        if request.operation == CHECK and any(row["result"] == FAULT for row in answer.rows):
            raise typer.Exit(REFUSED)
        raise typer.Exit(_EXIT.get(Status(answer.status), NO_ANSWER))


def ask(ctx: typer.Context, operation: str, **args: object) -> None:
    """Asks with the options of this invocation; see `AdminSession.ask`."""
    session: AdminSession = ctx.obj
    session.ask(operation, **args)


def _plain(answer: Answer) -> dict[str, Any]:
    row = asdict(answer)
    del row["rows"]
    return row


def _done(request: Request, answer: Answer) -> str:
    again = " (it had been done before)" if any(s.repeated for s in answer.shards) else ""
    detail = f": {answer.detail}" if answer.detail else ""
    return f"done: {request.operation}{detail}{again}  request {answer.request_id}"


def _line(answer: Answer) -> str:
    """What went wrong, on one line, with the way out where there is one."""
    text = answer.reason + (f" ({answer.detail})" if answer.detail else "")
    if answer.status == Status.UNCONFIRMED:
        text += f"; ask again with --request-id {answer.request_id}, which does nothing twice"
    return f"{answer.status}: {text}"


def _stop(line: str) -> NoReturn:
    typer.echo(line, err=True)
    raise typer.Exit(NO_ANSWER)
