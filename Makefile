# One line per verb. Everything needs only python3.11+ (headers, venv), gcc and g++; no root.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup run test lint format sim audit bench compiled mutations docs torture outage conformance fuzz hostile clean

setup: .venv/.ready
.venv/.ready: pyproject.toml constraints.txt tools/setup.sh
	@PYTHON=$(PYTHON) tools/setup.sh

run: setup
	@exec $(BIN)/kalshi-fix run

test: setup
	@$(BIN)/python -m pytest

lint: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/test_tidy.py

format: setup
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

sim: setup
	@$(BIN)/kalshi-fix simulate --count 10000

bench: setup
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@$(BIN)/python tools/bench.py
	@$(BIN)/python tools/bench_core.py
	@$(BIN)/python tools/bench_edge.py
	@$(BIN)/python tools/bench_metrics.py

audit: setup
	@$(BIN)/python tools/audit.py
compiled: setup
	@$(BIN)/python tools/compile_core.py

mutations: setup
	@$(BIN)/python tools/mutations.py

torture: setup
	@$(BIN)/python tools/torture.py

conformance: setup
	@$(BIN)/python tools/conformance.py

outage: setup
	@OUTAGE_SECONDS=60 $(BIN)/python -m pytest -s tests/acceptance/test_cancel_on_disconnect.py

hostile: setup
	@HOSTILE_SECONDS=4 $(BIN)/python -m pytest -q -s tests/security/test_hostile_clients.py

fuzz: setup
	@$(BIN)/python tools/fuzz.py

docs: setup
	@$(BIN)/python tools/dictionary.py
	@$(BIN)/python tools/conformance.py --document
	@$(BIN)/python tools/metrics_document.py
	@$(BIN)/python tools/monitoring.py

clean:
	rm -rf .venv build var
