"""`make bench` measures what it says; with numbers this small only its workings are proved."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from running_system import ROOT

pytestmark = pytest.mark.acceptance
BENCH_SECONDS = 100


def test_the_bench_measures_system_and_yardstick(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    sizes = ["--pairs", "100", "--single", "30", "--sessions", "2", "--fsync", "no"]
    finished = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "bench.py"), *sizes, "--json", str(results)],
        capture_output=True,
        text=True,
        timeout=BENCH_SECONDS,
        check=False,
    )
    assert finished.returncode == 0, finished
    assert "Orders acknowledged" in finished.stdout
    product, yardstick = json.loads(results.read_text())
    for measured in (product, yardstick):
        assert measured["orders"] == 200
        assert measured["orders_per_second"] > 0
        assert 0 < measured["single"]["p50"] <= measured["single"]["p99"]
    assert set(product["cpu_micros"]) == {
        "store", "core", "gateways", "edge", "market data", "client",
    }  # fmt: skip
