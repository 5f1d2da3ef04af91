"""docs/SECURITY.md names tests; each of them exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "SECURITY.md").read_text()
REFERENCE = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`(?: \(((?:`\w+`(?:, )?)+)\))?")


def test_every_test_the_page_names_exists() -> None:
    found = REFERENCE.findall(PAGE)
    assert len(found) > 40
    for file, name, _ in found:
        text = (ROOT / file).read_text()
        assert not name or f"def {name}(" in text, f"{file}::{name}"


def test_every_attack_the_page_names_is_run() -> None:
    attacks = (ROOT / "tests" / "security" / "hostile.py").read_text()
    named = {name for *_, names in REFERENCE.findall(PAGE) for name in re.findall(r"\w+", names)}
    run = set(re.findall(r"^    (\w+),$", attacks, re.MULTILINE))
    assert named == run


def test_every_threat_has_a_test() -> None:
    rows = [row for row in PAGE.splitlines() if re.match(r"\| [STRIDE] \|", row)]
    assert {row[2] for row in rows} == set("STRIDE")
    for row in rows:
        assert any(name or attacks for _, name, attacks in REFERENCE.findall(row)), row
