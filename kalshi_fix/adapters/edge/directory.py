"""Who may connect where: (port, SenderCompID, TargetCompID) to a session, from the configuration.

Built once per configuration and never changed; what a Logon must contain follows from the
session's role.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

from attrs import frozen

from kalshi_fix.adapters.edge.peer import Networks
from kalshi_fix.adapters.settings import EdgeSettings, SessionSettings, Settings
from kalshi_fix.fix.logon import LogonRules
from kalshi_fix.model import NANOS, Role

_RESET_ROLES: Final = frozenset((Role.NR.value, Role.MD.value))


@frozen
class Identity:
    """One session as the edge knows it."""

    session: SessionSettings
    rules: LogonRules
    addresses: Networks  # it may come from; none = any

    def may_come_from(self, address: str) -> bool:
        """Whether the session's networks, if it has any, hold this address."""
        return not self.addresses or address in self.addresses

    @property
    def name(self) -> str:
        """Name of the session."""
        return self.session.name

    @property
    def comp_ids(self) -> tuple[str, str]:
        """SenderCompID and TargetCompID as the client sends them."""
        session = self.session
        return session.sender_comp_id, session.target_comp_id or f"Kalshi{session.role}"


@frozen
class Directory:
    """Every identity, and the ports they come in by."""

    identities: Mapping[tuple[int, str, str], Identity]
    ports: tuple[int, ...]

    @classmethod
    def of(cls, settings: Settings) -> "Directory":
        """The directory of a configuration."""
        edge = settings.edge
        identities: dict[tuple[int, str, str], Identity] = {}
        for session in settings.sessions:
            port = session.port or edge.ports.get(session.role, 0)
            identity = Identity(session, _rules(edge, session), Networks.of(session.addresses))
            identities[port, *identity.comp_ids] = identity
        ports = {*edge.ports.values(), *(port for port, _, _ in identities)} - {0}
        return cls(identities, tuple(sorted(ports)))

    def find(self, port: int, sender: str, target: str) -> Identity | None:
        """The identity of a Logon with these CompIDs on this port."""
        return self.identities.get((port, sender, target))


def _rules(edge: EdgeSettings, session: SessionSettings) -> LogonRules:
    return LogonRules(
        heartbeat_min=edge.heartbeat_min,
        heartbeat_max=edge.heartbeat_max,
        clock_window=round(edge.clock_seconds * NANOS),
        reset_required=session.role in _RESET_ROLES and not session.reset_on_logon,
    )


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own; no name but localhost is."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
