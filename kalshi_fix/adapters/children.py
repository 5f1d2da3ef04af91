"""Child processes that cannot outlive their parent.

The kernel kills a child when the thread that started it dies (PR_SET_PDEATHSIG), so even a
``kill -9`` of the supervisor leaves nothing behind. Start children from the main thread only. Knows
nothing about what the children do.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_libc: Final = ctypes.CDLL(None, use_errno=True)  # loaded here: not after a fork


def spawn(
    command: Sequence[str],
    *,
    dies_by: signal.Signals = signal.SIGKILL,
    keep_open: Sequence[int] = (),
    stderr: int | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a child in its own session, so that Ctrl-C reaches only the parent.

    Raises:
        OSError: it cannot be started.
    """
    return subprocess.Popen(  # noqa: S603 - our own programs, no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if stderr is not None else None,
        stderr=stderr,
        start_new_session=True,
        pass_fds=tuple(keep_open),
        preexec_fn=_die_with(os.getpid(), dies_by),  # noqa: PLW1509 - nothing is locked here
    )


def _die_with(parent: int, by: signal.Signals) -> Callable[[], None]:
    def before_exec() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(by))
        if os.getppid() != parent:  # it died before the line above
            os.kill(os.getpid(), by)

    return before_exec


def own_command(*arguments: str) -> list[str]:
    """Command line that runs this program: ``.../python .../kalshi-fix core --shard s0``."""
    script = Path(sys.executable).with_name("kalshi-fix")
    if not script.exists():
        script = Path(sys.argv[0]).absolute()
    return [sys.executable, str(script), *arguments]


def stop(child: subprocess.Popen[bytes], seconds: float) -> bool:
    """SIGTERM, then SIGKILL after ``seconds``. Returns whether the first was enough."""
    if child.poll() is not None:
        return True
    child.terminate()
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return False
    return True
