"""Fixtures shared by every directory of tests; makes helpers of tests/ and tools/ importable."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
