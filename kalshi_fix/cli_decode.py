"""`kalshi-fix decode`: FIX logs as people read them. Reads files or stdin, line by line.

Everything about FIX is in ``fix.readable``; secrets never get through it.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from kalshi_fix.adapters.dictionaries import client_dictionary
from kalshi_fix.adapters.file_tail import follow_files
from kalshi_fix.fix import readable
from kalshi_fix.fix.dictionary import Dictionary
from kalshi_fix.fix.lives import Lives
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.readable import Line

# After a message's end: 10=nnn between two separators of the same kind.
_BETWEEN: Final = re.compile(r"(?<=\x0110=\d{3}\x01)|(?<=\|10=\d{3}\|)|(?<=\^A10=\d{3}\^A)")
_QUIET: Final = frozenset({"0", "1"})  # heartbeats and their requests


def decode(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Logs to read; stdin where left out or '-'."),
    ] = None,
    *,
    short: Annotated[
        bool, typer.Option("--short", "-s", help="One line per message, its telling fields.")
    ] = False,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", "-w", help="Only messages with this field: 35=8, 11=ORDER1. Repeatable."
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is added, until Ctrl-C.")
    ] = False,
    orders: Annotated[
        bool, typer.Option("--orders", "-o", help="One line per order's life.")
    ] = False,
    heartbeats: Annotated[
        bool, typer.Option("--heartbeats", help="Show heartbeats and test requests too.")
    ] = False,
    color: Annotated[
        bool | None, typer.Option("--color/--no-color", help="Default: where it is a terminal.")
    ] = None,
) -> None:
    """Shows the FIX messages of a log with names and meanings.

    Fields may be separated by SOH, | or ^A; whatever stands before 8= is kept as it is.
    Passwords and signatures are masked.
    """
    wanted = [_condition(text) for text in where or ()]
    if follow and orders:
        raise typer.BadParameter("--orders tells whole lives: it needs an end, not --follow")
    dictionary = client_dictionary()
    lives = Lives()
    seen = shown = 0
    try:
        for line in _messages(_lines(files or [], follow=follow)):
            seen += 1
            if orders:
                lives.take(FixMessage(line.msg_type, line.fields))
                continue
            quiet = line.msg_type in _QUIET and not (wanted or heartbeats)
            if not quiet and all(condition in line.fields for condition in wanted):
                shown += 1
                _show(line, dictionary, short=short, color=color)
    except KeyboardInterrupt:
        return
    for life in lives.told(wanted):
        shown += 1
        typer.echo(life.line(dictionary), color=color)
    if not shown:
        typer.echo(f"nothing to show in {seen} FIX messages", err=True)
        raise typer.Exit(1)


def _condition(text: str) -> tuple[int, str]:
    tag, _, value = text.partition("=")
    if not tag.isdigit() or not value:
        raise typer.BadParameter(f"{text!r} is not TAG=VALUE")
    return int(tag), value


def _lines(files: list[Path], *, follow: bool) -> Iterator[str]:
    """Lines of the files or of stdin; bytes that are not text stay visible."""
    if follow and files:
        yield from follow_files(files)
        return
    for file in files or [Path("-")]:
        yield from _lines_of(file)


def _lines_of(file: Path) -> Iterator[str]:
    if str(file) == "-":
        if sys.stdin.isatty():
            typer.echo("reading from the terminal; end with Ctrl-D", err=True)
        stdin = sys.stdin
        if hasattr(stdin, "reconfigure"):
            stdin.reconfigure(errors="backslashreplace")
        yield from stdin
        return
    try:
        with file.open(encoding="utf-8", errors="backslashreplace") as opened:
            yield from opened
    except OSError as error:
        typer.echo(f"{file}: {error.strerror}", err=True)
        raise typer.Exit(2) from error


def _messages(lines: Iterable[str]) -> Iterator[Line]:
    """Every message, also where several stand in one line, as on a recorded socket."""
    for text in lines:
        for part in _BETWEEN.split(text):
            line = readable.find(part)
            if line is not None:
                yield line


def _show(line: Line, dictionary: Dictionary, *, short: bool, color: bool | None) -> None:
    fields = dict(reversed(line.fields))
    if line.prefix:
        typer.echo(typer.style(line.prefix, dim=True), color=color)
    if short:
        head = f"{fields.get(52, '')} {fields.get(49, '?')}->{fields.get(56, '?')}"
        text = readable.summary(FixMessage(line.msg_type, line.fields), dictionary)
        typer.echo(f"{typer.style(head.strip(), dim=True)} {text}", color=color)
        return
    title = readable.title(line.msg_type, dictionary)
    rows = list(readable.rows(line.msg_type, line.fields, dictionary))
    head, *body = readable.table(title, rows)
    typer.echo(typer.style(head, bold=True), color=color)
    typer.echo("\n".join(body) + "\n", color=color)
