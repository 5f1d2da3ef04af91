"""Finds Prometheus, or fetches the Debian package and unpacks it without root into a cache.

The package is Debian's own, through apt; nothing of it is run at installation. Where apt cannot
give it, the answer is the reason, and who asked goes on without.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kalshi-fix"
SECONDS: Final = 90
PROGRAMS: Final = ("prometheus", "promtool")


class NoPrometheusError(Exception):
    """It cannot be had here; says why."""


def find() -> Path:
    """Directory that holds ``prometheus`` and ``promtool``.

    Raises:
        NoPrometheusError: it is not installed and cannot be fetched.
    """
    installed = [shutil.which(name) for name in PROGRAMS]
    if all(installed):
        assert installed[0] is not None
        return Path(installed[0]).parent
    directory = CACHE / "prometheus"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "prometheus.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several tests may want it at once
        if not all((directory / "usr/bin" / name).exists() for name in PROGRAMS):
            _fetch(directory)
    return directory / "usr" / "bin"


def _fetch(directory: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        _run(["apt-get", "download", "prometheus"], Path(work))
        package = next(Path(work).glob("prometheus_*.deb"), None)
        if package is None:
            raise NoPrometheusError("apt-get download gave no package")
        unpacked = Path(work) / "unpacked"
        _run(["dpkg", "-x", str(package), str(unpacked)], Path(work))
        shutil.rmtree(directory, ignore_errors=True)
        unpacked.rename(directory)


def _run(command: list[str], work: Path) -> None:
    try:
        subprocess.run(command, cwd=work, check=True, capture_output=True, text=True,
                       timeout=SECONDS)  # fmt: skip
    except FileNotFoundError as error:
        raise NoPrometheusError(f"there is no {command[0]} here") from error
    except subprocess.TimeoutExpired as error:
        raise NoPrometheusError(f"{command[0]} took more than {SECONDS} s") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().splitlines()[-1:] or ["no reason given"]
        raise NoPrometheusError(f"{' '.join(command[:2])}: {last[0]}") from error


if __name__ == "__main__":
    print(find())
