"""Store URLs, parsed: which server, through which kind of topology, as which user.

``unix:///path?db=0``, ``redis://user:pw@host:6379/0``, ``rediss://...``,
``redis+sentinel://h1:26379,h2:26379/master-name`` (``rediss+sentinel`` for TLS) and
``redis+cluster://h1,h2,h3``. Connects to nothing.
"""

from enum import Enum
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from attrs import field, frozen

DEFAULT_PORT: Final = 6379
SENTINEL_PORT: Final = 26379
ALLOWED: Final = (
    "unix:///path, redis://host:port/db, rediss://host:port/db, "
    "redis+sentinel://host:port,host:port/name or redis+cluster://host:port,host:port"
)


class StoreUrlError(ValueError):
    """The URL cannot be used; the message is one line without the password."""


class Topology(Enum):
    """How the server to talk to is found."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@frozen
class Address:
    """One server: a unix socket path, or host and port."""

    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


@frozen(kw_only=True)
class StoreUrl:
    """A parsed URL. With Sentinel and Cluster, ``addresses`` are the ones to ask."""

    topology: Topology
    addresses: tuple[Address, ...]
    tls: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    database: int = 0
    master: str = ""  # Sentinel's name of the master

    def __str__(self) -> str:
        return ",".join(str(address) for address in self.addresses)


_SCHEMES: Final = {
    "redis": (Topology.SINGLE, False),
    "rediss": (Topology.SINGLE, True),
    "redis+sentinel": (Topology.SENTINEL, False),
    "rediss+sentinel": (Topology.SENTINEL, True),
    "redis+cluster": (Topology.CLUSTER, False),
    "rediss+cluster": (Topology.CLUSTER, True),
}


def parse(url: str) -> StoreUrl:
    """The parts of a URL.

    Raises:
        StoreUrlError: it is none of the forms allowed.
    """
    parts = urlsplit(url)
    try:
        if parts.scheme == "unix":
            return _unix(parts.path or parts.netloc, parse_qs(parts.query))
        topology, tls = _SCHEMES[parts.scheme]
        return _network(topology, tls, parts.netloc, parts.path.strip("/"))
    except (KeyError, ValueError) as error:
        shown = f"{parts.scheme}://...@{parts.netloc.rpartition('@')[2]}{parts.path}"
        raise StoreUrlError(f"store URL {shown!r}: allowed are {ALLOWED}") from error


def _unix(path: str, query: dict[str, list[str]]) -> StoreUrl:
    if not path.startswith("/"):
        raise ValueError(path)
    return StoreUrl(
        topology=Topology.SINGLE,
        addresses=(Address(path=unquote(path)),),
        database=int(query.get("db", ["0"])[0]),
        username=query.get("username", [""])[0],
        password=query.get("password", [""])[0],
    )


def _network(topology: Topology, tls: bool, netloc: str, path: str) -> StoreUrl:
    credentials, _, hosts = netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    default = SENTINEL_PORT if topology is Topology.SENTINEL else DEFAULT_PORT
    addresses = tuple(_address(host, default) for host in hosts.split(","))
    if topology is Topology.SENTINEL and not path:
        raise ValueError("the master's name is missing")
    if topology is Topology.SINGLE and len(addresses) > 1:
        raise ValueError("several hosts need a topology")
    return StoreUrl(
        topology=topology,
        addresses=addresses,
        tls=tls,
        username=unquote(username),
        password=unquote(password),
        database=int(path or 0) if topology is Topology.SINGLE else 0,
        master=path if topology is Topology.SENTINEL else "",
    )


def _address(text: str, default_port: int) -> Address:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError(text)
    return Address(host=parts.hostname, port=parts.port or default_port)
