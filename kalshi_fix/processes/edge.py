"""The edge process: one event loop, the public ports, metrics and health. Wiring only."""

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Any, Final

import uvloop

from kalshi_fix.adapters.audit.recorder import Recorder, digest_of, open_trail
from kalshi_fix.adapters.audit.records import Kind
from kalshi_fix.adapters.audit.segments import AuditError
from kalshi_fix.adapters.audit.wire import WholeMessages
from kalshi_fix.adapters.config import ConfigError
from kalshi_fix.adapters.edge.credentials import CredentialsError
from kalshi_fix.adapters.edge.gateways import ControlSockets
from kalshi_fix.adapters.edge.listener import Edge, PortError
from kalshi_fix.adapters.edge.meters import Meters
from kalshi_fix.adapters.edge.tls import CertificateError
from kalshi_fix.adapters.host import HostGauges
from kalshi_fix.adapters.logs import Log, open_log
from kalshi_fix.adapters.metrics import Metrics, instance_ports
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.rates import MessageRate
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.processes.exit_codes import CLEAN, refuse

PROCESS: Final = "edge"
PULSE_SECONDS: Final = 0.5
SILENT_SECONDS: Final = 5.0
STOP_TEXT: Final = "EXCHANGE_UNAVAILABLE server is stopping"


def main(reread: Callable[[], Settings], settings: Settings, data: DataDir) -> int:
    """Runs the edge until SIGTERM or SIGINT. 0 = clean stop, 2 = cannot start as configured.

    On SIGHUP it takes up the sessions, credentials and certificates that ``reread`` finds.
    """
    log = open_log(PROCESS, settings.log, data.log_file(PROCESS))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(reread, settings, data, log))
    except (PortError, CredentialsError, CertificateError, AuditError) as error:
        return refuse(f"edge: {error}")
    return CLEAN


async def _serve(
    reread: Callable[[], Settings], settings: Settings, data: DataDir, log: Log
) -> None:
    metrics = Metrics(PROCESS)
    meters = Meters.of(metrics)
    HostGauges(metrics, data.root, settings.capacity.resident_bytes_max)
    gateways = ControlSockets(data, settings.edge.control_seconds, log)
    try:
        trail = open_trail(PROCESS, settings, data, metrics, log, prepare=WholeMessages())
    except OSError as error:
        raise AuditError(str(error)) from error
    edge = Edge(settings, gateways, meters, log, audit=trail)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_counted(meters, log))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    loop.add_signal_handler(signal.SIGHUP, _reload, edge, reread, meters, trail, log)
    try:
        await _run(edge, settings, metrics, stopped, log)
    finally:
        trail.stop()
        metrics.close()
    log.info("edge_stopped")


async def _run(
    edge: Edge, settings: Settings, metrics: Metrics, stopped: asyncio.Event, log: Log
) -> None:
    await edge.start()
    rate = MessageRate(metrics, PROCESS, settings.capacity.edge_messages_per_second)
    pulse = Pulse(asyncio.get_running_loop(), lambda: rate.turn(edge.messages_passed))
    _serve_metrics(settings, metrics, edge, pulse)
    log.info("edge_listening", host=settings.edge.host, ports=list(edge.ports))
    await stopped.wait()
    log.info("edge_stopping")
    await edge.stop(STOP_TEXT)


def _reload(
    edge: Edge, reread: Callable[[], Settings], meters: Meters, audit: Recorder, log: Log
) -> None:
    """All of it or nothing: what cannot be used leaves everything as it was."""
    try:
        settings = reread()
        edge.reload(settings)
        facts = {"configuration": digest_of(settings), "sessions": len(settings.sessions)}
        audit.record(Kind.CONFIGURED, "", "", facts)
    except (ConfigError, CredentialsError) as error:
        meters.reload_failures.inc()
        log.error("not_reloaded", error=str(error))  # noqa: TRY400 - said in one line


def _counted(meters: Meters, log: Log) -> Callable[[asyncio.AbstractEventLoop, Any], None]:
    """What escapes from a callback costs its own connection; it is counted and told."""

    def handle(_loop: asyncio.AbstractEventLoop, context: Any) -> None:
        meters.faults.inc()
        log.error("callback_failed", what=context["message"], exc_info=context.get("exception"))

    return handle


class Pulse:
    """Proof that the event loop turns, for a health check on another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, each_beat: Callable[[], None]) -> None:
        self._loop = loop
        self._each_beat = each_beat
        self._beat()

    def _beat(self) -> None:
        self._last = time.monotonic()
        self._each_beat()
        self._loop.call_later(PULSE_SECONDS, self._beat)

    def check(self) -> str:
        """Empty while it turns, else what is wrong."""
        silent = time.monotonic() - self._last
        return f"the event loop stands still for {silent:.0f} s" if silent > SILENT_SECONDS else ""


def _serve_metrics(settings: Settings, metrics: Metrics, edge: Edge, pulse: Pulse) -> None:
    def ready() -> str:
        return pulse.check() if edge.is_listening else "not every port is open"

    host, ports = settings.metrics.host, instance_ports(settings.metrics.edge)
    try:
        metrics.serve(host, ports, pulse.check, ready)
    except OSError as error:
        raise PortError(f"cannot serve metrics on {host} port {ports[0]}: {error}") from error
