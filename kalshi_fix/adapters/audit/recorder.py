"""What a process needs to know of the audit trail: where to record, and how to begin.

`Recorder` is the interface its parts are given; `open_trail` makes the real one, which says with
what configuration the process runs.
"""

import os
import signal
from hashlib import sha256
from typing import Any, Final, Protocol

import msgpack
from attrs import asdict

from kalshi_fix.adapters.audit.records import Kind
from kalshi_fix.adapters.audit.trail import AuditTrail, Prepare, TrailMetrics
from kalshi_fix.adapters.logs import Log, masked
from kalshi_fix.adapters.metrics import Metrics
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.settings import Settings


class Recorder(Protocol):
    """Takes records; never waits, never fails."""

    def record(self, kind: int, session: str, connection: str, data: Any, more: Any = None) -> None:
        """One record, with the time of now. ``data`` must not be changed afterwards."""
        ...


class _Unrecorded:
    """For parts on their own, in tests and tools."""

    def record(self, kind: int, session: str, connection: str, data: Any, more: Any = None) -> None:
        """Nothing."""


UNRECORDED: Final[Recorder] = _Unrecorded()


def open_trail(
    process: str,
    settings: Settings,
    data: DataDir,
    metrics: Metrics,
    log: Log,
    *,
    prepare: Prepare = list,
    **facts: Any,
) -> AuditTrail:
    """Starts the trail of a process; ``facts`` stand in its first record.

    Where the configuration says that nobody trades without a trail the process is asked to stop
    when its trail cannot be written.

    Raises:
        AuditError: another process writes it, or a newer version wrote it.
        OSError: it cannot be written, and nobody may trade without it.
    """
    trail = AuditTrail(
        data.audit(process),
        process,
        settings.audit,
        metrics=TrailMetrics.of(metrics),
        log=log,
        prepare=prepare,
        halt=_stop_this_process,
    )
    trail.start({"configuration": digest_of(settings), **facts})
    return trail


class OperatorsTrail:
    """The trail of what operators do; it takes records before it is begun."""

    def __init__(self, settings: Settings, data: DataDir, metrics: Metrics, log: Log) -> None:
        self._settings = settings
        self._trail = AuditTrail(
            data.audit("admin"), "admin", settings.audit, metrics=TrailMetrics.of(metrics), log=log
        )
        self.record = self._trail.record
        self.stop = self._trail.stop

    def begin(self) -> None:
        """Writes from now on, the whole configuration first.

        Raises:
            AuditError: another process writes it, or a newer version wrote it.
            OSError: it cannot be written, and nobody may act without it.
        """
        self._trail.start({"configuration": digest_of(self._settings)})
        self.configured(self._settings)

    def configured(self, settings: Settings) -> None:
        """Records what the system runs with from now on."""
        self.record(Kind.CONFIGURED, "", "", _shown(settings))


def digest_of(settings: Settings) -> str:
    """Tells two configurations apart, credentials included, and tells neither."""
    return sha256(msgpack.packb(asdict(settings))).hexdigest()


def _shown(settings: Settings) -> dict[str, Any]:
    """A whole configuration without its secrets, for the record."""
    made: dict[str, Any] = masked("", asdict(settings))
    return made


def _stop_this_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
