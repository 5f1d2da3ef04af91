"""Who is at the other end of a connection, as far as the connection itself proves it."""

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final

from attrs import frozen

NO_CERTIFICATE: Final[frozenset[str]] = frozenset()


@frozen
class Peer:
    """An address, and the names in its client certificate (none = it has shown none)."""

    address: str
    certificate_names: frozenset[str] = NO_CERTIFICATE

    def claiming(self, session: str) -> str:
        """What Logons of a session from this address are counted by."""
        return f"{self.address} {session}"

    @property
    def has_certificate(self) -> bool:
        """Whether a certificate of a trusted authority was shown."""
        return bool(self.certificate_names)


@frozen
class Networks:
    """A set of networks; the empty one holds nobody."""

    networks: tuple[Any, ...]  # of ip_network, version 4 or 6

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Networks":
        """From addresses and networks as text; checked when the configuration was read."""
        return cls(tuple(ip_network(text) for text in texts))

    def __bool__(self) -> bool:
        return bool(self.networks)

    def __contains__(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self.networks)


def plain_address(address: str) -> str:
    """One form per address: version 4 where it is one, no scope."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(found)
