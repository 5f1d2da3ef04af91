"""Finding the store: from URL and topology to a connection to the server that holds a shard.

The order is ``REDIS_URL``, ``store.url`` in the configuration, the embedded server. A server whose
settings lose acknowledged orders is refused. What goes over a connection is not known here.
"""

import os
from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve

from kalshi_fix.adapters.bus import BusDownError, BusError
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.redis_bus import RedisBus
from kalshi_fix.adapters.redis_connection import Connection, ServerError
from kalshi_fix.adapters.redis_url import Address, StoreUrl, Topology, parse
from kalshi_fix.adapters.settings import StoreSettings

VERSION_MIN: Final = (6, 2)


class StoreUnsafeError(BusError):
    """The server's settings would lose acknowledged orders; the message is one line."""


def external_url(settings: StoreSettings, environ: Mapping[str, str] = os.environ) -> str:
    """URL of the external store, "" where the embedded one is used."""
    return environ.get("REDIS_URL", "") or settings.url


def store_url(
    settings: StoreSettings, data: DataDir, environ: Mapping[str, str] = os.environ
) -> StoreUrl:
    """The store's URL, parsed.

    Raises:
        StoreUrlError: it is not a URL of a store.
    """
    url = external_url(settings, environ)
    if url:
        return parse(url)
    return StoreUrl(topology=Topology.SINGLE, addresses=(Address(path=str(data.store_socket)),))


class Store:
    """Makes connections. ``store.bus("s0")`` is a new `Bus`, connected at its first call."""

    def __init__(self, settings: StoreSettings, url: StoreUrl) -> None:
        self._settings = settings
        self.url = url

    @classmethod
    def of(cls, settings: StoreSettings, data: DataDir) -> "Store":
        """The store of a running system.

        Raises:
            StoreUrlError: the configured URL is not one.
        """
        return cls(settings, store_url(settings, data))

    def impatient(self, milliseconds: int) -> "Store":
        """The same, for whoever must not wait longer than that for an answer."""
        patience = min(milliseconds, self._settings.socket_timeout_ms)
        connecting = min(milliseconds, self._settings.connect_timeout_ms)
        changed = evolve(self._settings, socket_timeout_ms=patience, connect_timeout_ms=connecting)
        return Store(changed, self.url)

    def bus(self, shard: str) -> RedisBus:
        """A bus for one thread."""
        return RedisBus(
            self.connect,
            shard,
            replicas=self._settings.replicas,
            replicas_wait_ms=self._settings.socket_timeout_ms // 2,
        )

    def connect(self, shard: str) -> Connection:
        """A connection to the server that holds the shard now.

        Raises:
            BusDownError: no such server can be reached.
        """
        if self.url.topology is Topology.SENTINEL:
            return self._master()
        if self.url.topology is Topology.CLUSTER:
            return self._slot_owner(shard)
        return self._open(self.url.addresses[0])

    def check(self, shard: str) -> str:
        """Refuses a server that is too old or would lose orders; returns what it is.

        Raises:
            BusDownError: it cannot be reached.
            StoreUnsafeError: it must not be used as it is.
        """
        connection = self.connect(shard)
        try:
            found = _text_of(connection.call("INFO", "server"))
            wrong = _version_fault(found) or self._settings_fault(connection)
        finally:
            connection.close()
        if wrong:
            raise StoreUnsafeError(f"store {connection.address}: {wrong}")
        return f"{connection.address} ({_software(found)})"

    def _open(self, address: Address) -> Connection:
        settings = self._settings
        return Connection(
            address, self.url, settings.connect_timeout_ms, settings.socket_timeout_ms
        )

    def _first_answer(self, *request: str) -> tuple[Address, list[Any]]:
        """The first of the URL's servers that gives an answer, and the answer."""
        fault = "no address"
        for address in self.url.addresses:
            try:
                connection = self._open(address)
            except BusDownError as error:
                fault = str(error)
                continue
            try:
                answer: list[Any] | None = connection.call(*request)
            except BusError as error:
                fault = str(error)
                continue
            finally:
                connection.close()
            if answer:
                return address, answer
            fault = f"store {address}: knows no {request[-1]}"
        raise BusDownError(fault)

    def _master(self) -> Connection:
        request = ("SENTINEL", "get-master-addr-by-name", self.url.master)
        _, (host, port) = self._first_answer(*request)
        connection = self._open(Address(host=host.decode(), port=int(port)))
        role = connection.call("ROLE")[0]
        if role != b"master":
            connection.close()
            raise BusDownError(f"store {connection.address}: is a {role.decode()}, not the master")
        return connection

    def _slot_owner(self, shard: str) -> Connection:
        slot = _slot(shard.encode())
        asked, ranges = self._first_answer("CLUSTER", "SLOTS")
        for first, last, owner, *_ in ranges:
            if first <= slot <= last:
                host = owner[0].decode() if owner[0] else asked.host  # none: where it was asked
                return self._open(Address(host=host, port=int(owner[1])))
        raise BusDownError(f"store {self.url}: no server holds slot {slot} of shard {shard}")

    def _settings_fault(self, connection: Connection) -> str:
        """Why the server's settings lose acknowledged orders, "" if they do not."""
        try:
            names = ("appendonly", "appendfsync", "maxmemory-policy")
            answers = connection.call_many([("CONFIG", "GET", name) for name in names])
        except ServerError:
            return ""  # a managed server hides CONFIG; its operator vouches for it
        appendonly, appendfsync, policy = (
            answer[1].decode() if answer else "" for answer in answers
        )
        if appendfsync == "everysec":
            return "appendfsync everysec loses acknowledged orders; set it to always or no"
        if appendonly == "no" and not self._settings.replicas:
            return "appendonly no loses acknowledged orders; set it to yes"
        if policy not in {"noeviction", ""}:
            return f"maxmemory-policy {policy} evicts acknowledged orders; set it to noeviction"
        return ""


def _text_of(info: bytes) -> str:
    return info.decode(errors="replace")


def _info(text: str, key: str) -> str:
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return value
    return ""


def _version_fault(info: str) -> str:
    version = _info(info, "redis_version")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < VERSION_MIN:
        return f"version {version or 'unknown'} is too old; 6.2 or newer is needed"
    return ""


def _software(info: str) -> str:
    valkey = _info(info, "valkey_version")
    return f"Valkey {valkey}" if valkey else f"Redis {_info(info, 'redis_version')}"


def _slot(tag: bytes) -> int:
    """Redis Cluster's hash slot: CRC16 (XMODEM) of the hash tag, modulo 16,384."""
    crc = 0
    for byte in tag:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
        crc &= 0xFFFF
    return crc % 16_384
