"""Fixtures shared by every directory of tests; makes helpers of tests/ and tools/ importable."""

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

# Wall-clock deadlines judge the machine, not the code.
settings.register_profile("default", deadline=None)
settings.load_profile("default")
