"""Chains to look at, made as the product makes them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
