"""Compiles the core with mypyc into build/compiled, for those who want more from one processor.

The pure source stays the truth: it is copied, its attrs classes are written out as plain ones
(mypyc makes C structures of those only), and nothing else is changed. A program uses the compiled
core if build/compiled comes first on PYTHONPATH. At the end both take the quick bench: the events
must be the same, byte for byte. Run: tools/compile_core.py
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
BUILD: Final = ROOT / "build" / "compiled"
LEFT_ALONE: Final = {"__init__.py", "config.py"}  # nothing in them is ever in a hurry
SETUP: Final = """
import sys
from mypyc.build import mypycify
from setuptools import setup

setup(
    name="compiled-core",
    packages=[],
    ext_modules=mypycify(["--ignore-missing-imports", *sys.argv.pop().split(":")], opt_level="3"),
)
"""


class PlainClasses(ast.NodeTransformer):
    """Writes the ``__init__`` that attrs would have made."""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        """A class; others than attrs' only lose their ``__slots__``."""
        node.body = [each for each in node.body if not _is_slots(each)]
        decorators = [ast.unparse(each) for each in node.decorator_list]
        if not any(each.startswith("define(") for each in decorators):
            return node
        fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
        rest = [each for each in node.body if not isinstance(each, ast.AnnAssign)]
        node.decorator_list = []
        node.body = [*rest[:1], _initialiser(fields), *rest[1:]]
        return node


def _is_slots(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__slots__"


def _initialiser(fields: list[ast.AnnAssign]) -> ast.stmt:
    parameters = ["self"]
    body: list[str] = []
    for field in fields:
        name, kind = ast.unparse(field.target), ast.unparse(field.annotation)
        made = _made(field.value)
        if made:
            parameters.append(f"{name}: {kind} | None = None")
            body.append(f"self.{name}: {kind} = {made} if {name} is None else {name}")
        else:
            default = f" = {ast.unparse(field.value)}" if field.value else ""
            parameters.append(f"{name}: {kind}{default}")
            body.append(f"self.{name}: {kind} = {name}")
    lines = "\n    ".join(body)
    return ast.parse(f"def __init__({', '.join(parameters)}) -> None:\n    {lines}").body[0]


def _made(value: ast.expr | None) -> str:
    """The expression of a ``Factory``, "" for anything else."""
    if not isinstance(value, ast.Call) or ast.unparse(value.func) != "Factory":
        return ""
    factory = value.args[0]
    return ast.unparse(factory.body) if isinstance(factory, ast.Lambda) else f"{factory.id}()"  # type: ignore[attr-defined]


def main() -> None:
    """Copies, rewrites, compiles."""
    shutil.rmtree(BUILD, ignore_errors=True)
    shutil.copytree(ROOT / "kalshi_fix", BUILD / "kalshi_fix")
    sources: list[str] = []
    for path in sorted((BUILD / "kalshi_fix" / "core").glob("*.py")):
        if path.name not in LEFT_ALONE:
            tree = PlainClasses().visit(ast.parse(path.read_text(encoding="utf-8")))
            path.write_text(ast.unparse(ast.fix_missing_locations(tree)), encoding="utf-8")
            sources.append(str(path.relative_to(BUILD)))
    (BUILD / "setup.py").write_text(SETUP, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(BUILD)}
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace", ":".join(sources)]
    subprocess.run(command, cwd=BUILD, env=environment, check=True)
    print(f"compiled: PYTHONPATH={BUILD}")
    compare()


def compare() -> None:
    """Runs the quick bench on both cores; ends with 1 where one event differs."""
    figures = {name: _figures(where) for name, where in (("pure", ROOT), ("compiled", BUILD))}
    for name, (digest, rate) in figures.items():
        print(f"{name:10}{rate:>10,} commands/s   events {digest}")
    (pure, slow), (compiled, fast) = figures.values()
    if pure != compiled:
        sys.exit("the compiled core makes other events: do not use it")
    print(f"the same events, {fast / slow:.1f} times as fast")


def _figures(where: Path) -> tuple[str, int]:
    """Event digest and commands per second of the whole core."""
    told = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "bench_core.py"), "--quick"],
        env=os.environ | {"PYTHONPATH": str(where)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    digest = re.search(r"^event digest (\w+)$", told, re.MULTILINE)
    rate = re.search(r"^core with risk, fees, events\s+([\d,]+)", told, re.MULTILINE)
    if digest is None or rate is None:
        sys.exit(f"the bench printed something else:\n{told}")
    return digest[1], int(rate[1].replace(",", ""))


if __name__ == "__main__":
    main()
