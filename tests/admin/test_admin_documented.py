"""docs/operating.md is true: it names every command, and its lines for programs work as written."""

import json
import re
import socket
from pathlib import Path
from typing import Any

import typer

from kalshi_fix.cli_admin import app

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()


def commands() -> list[str]:
    """Every command line of the program, like ``markets pause``."""
    found = []
    groups: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in groups.items():
        inner = getattr(command, "commands", None)
        found += [f"{name} {verb}" for verb in inner] if inner else [name]
    return found


def test_every_command_stands_on_the_page() -> None:
    assert [name for name in commands() if not re.search(rf"`{name}[ `]", PAGE)] == []


def test_the_page_names_no_command_that_is_not_there() -> None:
    table = PAGE.partition("## Commands")[2].partition("## Operators")[0]
    first_cells = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| `")]
    named = [words for cell in first_cells for words in re.findall(r"`([a-z]+(?: [a-z]+)?)", cell)]
    known = set(commands()) | {name.split()[0] for name in commands()}
    assert [name for name in named if name not in known and name.split()[0] not in known] == []


def test_the_lines_for_programs_are_answered_with_done(system: Any) -> None:
    block = PAGE.partition("```json\n")[2].partition("```")[0]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(system.data.admin_socket))
        connection.sendall(block.encode())
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as received:
            answers = [json.loads(line) for line in received]
    assert [answer["status"] for answer in answers] == ["done"] * len(block.splitlines())
