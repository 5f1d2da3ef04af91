"""What the pages name is there: files, headings, tests, make targets, commands and options."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from kalshi_fix.cli import TOOLS, app

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
TARGET = re.compile(r"`make (\w+)`")
COMMAND = re.compile(r"kalshi-fix ([a-z][a-z-]*)([^`\n|;]*)")
OPTION = re.compile(r"(?<=\s)--[a-z][a-z-]*")


def headings(page: Path) -> set[str]:
    """Anchors as the hosting sites make them."""
    lines = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def broken(page: Path) -> Iterator[str]:
    text = page.read_text()
    for target, anchor in LINK.findall(text):
        found = (page.parent / target) if target else page
        if not found.exists():
            yield f"link to {target}"
        elif anchor and found.suffix == ".md" and anchor not in headings(found):
            yield f"heading {target}#{anchor}"
    for path, name in TEST.findall(text):
        if not (ROOT / path).exists():
            yield path
        elif name and f"def {name}(" not in (ROOT / path).read_text():
            yield f"{path}::{name}"
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    yield from (f"make {target}" for target in TARGET.findall(text) if target not in targets)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_points_at_exists(page: Path) -> None:
    assert list(broken(page)) == []


def options_of(command: Any) -> set[str]:
    """Every option of a command and of the commands within it."""
    found = {option for param in command.params for option in [*param.opts, *param.secondary_opts]}
    for inner in getattr(command, "commands", {}).values():
        found |= options_of(inner)
    return found | {"--help"}


def every_command() -> dict[str, Any]:
    """By name, as the program has them."""
    found: dict[str, Any] = dict(get_command(app).commands)  # type: ignore[attr-defined]
    for name, path in TOOLS.items():
        module = importlib.import_module(path)
        tool = getattr(module, "app", None)
        if not isinstance(tool, typer.Typer):
            tool = typer.Typer()
            tool.command()(getattr(module, name))
        found[name] = get_command(tool)
    return found


COMMANDS = every_command()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_that_a_page_names_are_there(page: Path) -> None:
    unknown = []
    for name, rest in COMMAND.findall(page.read_text()):
        if name not in COMMANDS:
            unknown.append(name)
            continue
        known = options_of(COMMANDS[name])
        unknown += [f"{name} {each}" for each in OPTION.findall(rest) if each not in known]
    assert unknown == []
