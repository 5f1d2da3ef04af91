"""The processes of a system as a table: command line, start order, health port.

What runs is derived from the configuration alone; nothing is started here.
"""

from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

from attrs import frozen

from kalshi_fix.adapters.children import own_command
from kalshi_fix.adapters.metrics import instance_ports
from kalshi_fix.adapters.roster import lane_slots
from kalshi_fix.adapters.settings import Settings


class Phase(IntEnum):
    """Start order; every phase waits until the one before is ready. Stopped the other way round."""

    STORE = 0
    CORE = 1
    GATEWAY = 2
    EDGE = 3
    DEMO = 4


STOP_SECONDS = {
    Phase.STORE: 15.0,
    Phase.CORE: 30.0,  # it may write a snapshot
    Phase.GATEWAY: 10.0,
    Phase.EDGE: 5.0,
    Phase.DEMO: 3.0,
}


@frozen
class Program:
    """One process. ``port`` answers /readyz; 0 = it has none and is ready when it runs.

    ``spare`` are the ports it takes where a standby started by hand has its own.
    """

    name: str
    phase: Phase
    command: tuple[str, ...]
    port: int = 0
    spare: tuple[int, ...] = ()


def programs(
    settings: Settings, common: tuple[str, ...], *, demo_flow: bool = True
) -> Iterator[Program]:
    """Everything but the store; ``common`` are the options every process gets.

    ``settings`` has the port offset applied.
    """
    metrics = settings.metrics

    def program(name: str, phase: Phase, ports: tuple[int, ...], *arguments: str) -> Program:
        command = tuple(own_command(*arguments, *common))
        return Program(name, phase, command, ports[0], ports[1:])

    shards = settings.core.shards
    for index, shard in enumerate(shards):
        ports = instance_ports(metrics.core, index, len(shards))
        yield program(f"core-{shard}", Phase.CORE, ports, "core", "--shard", shard)
    slots = lane_slots(settings)
    for lane in settings.lanes:
        ports = instance_ports(metrics.gateway, slots[lane.name], max(slots.values()) + 1)
        yield program(f"gateway-{lane.name}", Phase.GATEWAY, ports, "gateway", "--name", lane.name)
    yield program("marketdata", Phase.GATEWAY, (metrics.marketdata,), "marketdata")
    yield program("edge", Phase.EDGE, (metrics.edge,), "edge")
    if demo_flow and settings.demo.session:
        yield program("demo-maker", Phase.DEMO, (0,), "demo-maker")


def common_options(config: Path, data: Path, port_offset: int) -> tuple[str, ...]:
    """Options that make a process part of this system."""
    return ("--config", str(config), "--data", str(data), "--port-offset", str(port_offset))


def wanted_ports(settings: Settings, running: list[Program]) -> dict[int, str]:
    """Every port the system will listen on, with its host."""
    ports = dict.fromkeys(settings.edge.ports.values(), settings.edge.host)
    ports |= {session.port: settings.edge.host for session in settings.sessions if session.port}
    ports |= {program.port: settings.metrics.host for program in running if program.port}
    ports[settings.metrics.supervisor] = settings.metrics.host
    return ports
