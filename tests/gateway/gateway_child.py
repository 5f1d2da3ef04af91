"""Runs the gateway of the tests' lane as a process of its own: ``gateway_child.py DATA``."""

import sys
from pathlib import Path

from attrs import evolve
from gateway_support import LANE, settings

from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.settings import MetricsSettings
from kalshi_fix.processes.gateway import main

if __name__ == "__main__":
    configured = evolve(settings(), metrics=MetricsSettings(gateway=0))
    sys.exit(main(LANE, configured, DataDir.create(Path(sys.argv[1]))))
