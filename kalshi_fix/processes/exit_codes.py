"""What a process's exit code says to its supervisor."""

import sys
from typing import Final

CLEAN: Final = 0
CRASHED: Final = 1  # start it again
CONFIGURATION: Final = 2  # starting it again will not help: stop everything
GAVE_WAY: Final = 3  # another instance took over: start it again, as a standby


def refuse(line: str) -> int:
    """Tells the person who started the process, in one line, why it cannot run."""
    sys.stderr.write(f"kalshi-fix: {line}\n")
    return CONFIGURATION
