"""docs/METRICS.md is what the processes register."""

import re

import pytest
from metrics_document import DOCUMENT, registered, render, split

from kalshi_fix.adapters.config import DEMO_CONFIG, load
from kalshi_fix.adapters.metrics import Registered

SETTINGS = load(DEMO_CONFIG)
ROWS = [row for rows in registered(SETTINGS).values() for row in rows]
PREFIXES = ("fixgw_", "core_", "md_", "edge_", "store_", "audit_", "clock_", "dropcopy_")


def test_the_page_is_current() -> None:
    assert DOCUMENT.read_text() == render(SETTINGS), "run `make docs`"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_metric_has_a_healthy_value_and_a_name_by_the_rules(row: Registered) -> None:
    split(row.text)
    assert row.name.startswith(PREFIXES)
    assert re.fullmatch(r"[a-z0-9_]+", row.name)
    assert row.name.endswith("_total") == (row.kind == "counter")
    assert not re.search(r"_(milli|micro)seconds", row.name)


def test_a_text_without_its_healthy_value_is_refused() -> None:
    with pytest.raises(ValueError, match="healthy value"):
        split("What it is")
