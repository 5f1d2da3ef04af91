"""The edge process: one event loop, the public ports, metrics and health. Wiring only."""

import asyncio
import signal
from typing import Final

import uvloop

from kalshi_fix.adapters.edge.credentials import CredentialsError
from kalshi_fix.adapters.edge.gateways import ControlSockets
from kalshi_fix.adapters.edge.listener import Edge, PortError
from kalshi_fix.adapters.edge.meters import Meters
from kalshi_fix.adapters.logs import Log, open_log
from kalshi_fix.adapters.metrics import Metrics, instance_ports
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.processes.exit_codes import CLEAN, refuse

PROCESS: Final = "edge"
STOP_TEXT: Final = "EXCHANGE_UNAVAILABLE server is stopping"


def main(settings: Settings, data: DataDir) -> int:
    """Runs the edge until SIGTERM or SIGINT. 0 = clean stop, 2 = cannot start as configured."""
    log = open_log(PROCESS, settings.log, data.log_file(PROCESS))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, data, log))
    except (PortError, CredentialsError) as error:
        return refuse(f"edge: {error}")
    return CLEAN


async def _serve(settings: Settings, data: DataDir, log: Log) -> None:
    metrics = Metrics(PROCESS)
    gateways = ControlSockets(data, settings.edge.control_seconds, log)
    edge = Edge(settings, gateways, Meters.of(metrics), log)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await edge.start()
    _serve_metrics(settings, metrics, edge)
    log.info("edge_listening", host=settings.edge.host, ports=list(edge.ports))
    try:
        await stopped.wait()
        log.info("edge_stopping")
        await edge.stop(STOP_TEXT)
    finally:
        metrics.close()
    log.info("edge_stopped")


def _serve_metrics(settings: Settings, metrics: Metrics, edge: Edge) -> None:
    def ready() -> str:
        return "" if edge.listening else "not every port is open"

    try:
        metrics.serve(
            settings.metrics.host, instance_ports(settings.metrics.edge), lambda: "", ready
        )
    except OSError as error:
        raise PortError(
            f"cannot serve metrics on {settings.metrics.host} port {settings.metrics.edge}: {error}"
        ) from error
