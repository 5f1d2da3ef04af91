"""Fixtures shared by every directory of tests; makes helpers of tests/ and tools/ importable."""

import signal
import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

# Whoever starts a program in the background may have it ignore SIGINT, and its children with it;
# what Ctrl-C does to ours is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Wall-clock deadlines judge the machine, not the code.
settings.register_profile("default", deadline=None)
settings.load_profile("default")
