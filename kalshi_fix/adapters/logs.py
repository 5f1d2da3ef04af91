"""Structured logs of one process: JSON lines to its file in the data directory and to stderr.

Secrets never leave: a processor masks them by key and, in text that holds FIX, by tag. A log is an
object handed to whoever writes; there is no global configuration.
"""

import contextlib
import os
import re
import sys
import threading
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final, TextIO

import structlog

from kalshi_fix.adapters.settings import LogSettings

Log = structlog.typing.FilteringBoundLogger

_OPEN_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
MASK: Final = "***"
LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_SECRET_KEY: Final = re.compile(r"password|secret|token|raw_data|credential|private", re.IGNORECASE)
# Password, NewPassword, RawData and the engine secret with any field separator people use
_SECRET_TAG: Final = re.compile(
    r"(?:(?<=^)|(?<=[\x01|\s])|(?<=\^A))(554|925|96|89|20998)=[^\x01|^]*"
)
_URL_PASSWORD: Final = re.compile(r"(?P<before>\w+://[^\s/:@]*:)[^\s/]*@")


def mask_text(text: str) -> str:
    """Text without secrets: FIX values of 554, 925, 96, 89, 20998, and passwords within URLs."""
    shown = _SECRET_TAG.sub(lambda match: f"{match[1]}={MASK}", text)
    return _URL_PASSWORD.sub(rf"\g<before>{MASK}@", shown)


def masked(key: str, value: Any) -> Any:
    """A value as it may be shown, whatever it consists of; ``key`` names it."""
    if _SECRET_KEY.search(key) and not isinstance(value, int):
        return MASK
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, bytes):
        return mask_text(value.decode("latin-1"))
    if isinstance(value, dict):
        return {name: masked(str(name), item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(key, item) for item in value]
    return value


def mask_secrets(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The structlog processor."""
    return {key: masked(key, value) for key, value in event.items()}


class _Sink:
    """Appends lines to the file, which is rotated by size, and important ones to stderr.

    A full disk or a terminal that has gone ends no process: the lines are lost, and how many is the
    first thing the file says when it takes lines again.
    """

    def __init__(self, settings: LogSettings, path: Path | None, stderr: TextIO) -> None:
        self._settings = settings
        self._path = path
        self._stderr = stderr
        self._stderr_level = LEVELS[settings.stderr_level]
        self._lock = threading.Lock()
        self._descriptor = -1
        self._size = 0
        self._lost = 0
        if path is not None:
            self._open(path)

    def _open(self, path: Path) -> None:
        # a bare descriptor: one write per line, nothing buffered when the process is killed
        self._descriptor = os.open(path, _OPEN_FLAGS, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def msg(self, line: str) -> None:
        level, _, text = line.partition(" ")
        with self._lock:
            if self._path is not None:
                self._write(self._path, text)
            if LEVELS[level] >= self._stderr_level:
                # who has closed the terminal reads no line; the file has it
                with contextlib.suppress(OSError, ValueError):
                    self._stderr.write(text + "\n")
                    self._stderr.flush()

    def _write(self, path: Path, text: str) -> None:
        rows = text.encode() + b"\n"
        if self._lost:
            rows = (
                b'{"event": "log_lines_lost", "level": "error", "count": %d}\n' % self._lost + rows
            )
        try:
            if self._size + len(rows) > self._settings.file_max_bytes:
                self._rotate(path)
            self._size += os.write(self._descriptor, rows)
        except OSError:
            self._lost += 1
        else:
            self._lost = 0

    debug = info = warning = error = critical = fatal = exception = msg

    def _rotate(self, path: Path) -> None:
        for number in range(self._settings.files_kept - 1, 0, -1):
            older = path.with_suffix(f".log.{number}")
            if older.exists():
                older.replace(path.with_suffix(f".log.{number + 1}"))
        path.replace(path.with_suffix(".log.1"))
        full = self._descriptor
        self._open(path)
        os.close(full)


def _with_level(
    render: structlog.typing.Processor,
) -> structlog.typing.Processor:
    """Puts the level before the rendered line, for the sink to choose by."""

    def rendered(logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        level = str(event["level"])
        return f"{level} {render(logger, method, event)!s}"

    return rendered


def open_log(
    process: str, settings: LogSettings, path: Path | None = None, stderr: TextIO | None = None
) -> Log:
    """The log of a process.

    Everything from ``settings.level`` goes to the file, from ``settings.stderr_level`` also to
    stderr. Use it as ``log.info("session_up", session="ALPHA-RT")``: an event name in lower case
    with underscores, and facts as keys.
    """
    render: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.json
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask_secrets,
        _with_level(render),
    ]
    log: Log = structlog.wrap_logger(
        _Sink(settings, path, stderr or sys.stderr),
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[settings.level]),
        context_class=dict,
        process=process,
    ).bind()
    return log
