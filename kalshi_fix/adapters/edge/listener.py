"""The edge as a whole: the public ports, who is logged on, and an orderly end.

Every connection is an arrival at a `Doorway`, a `Handshake`, then a `Relay`. Certificates, keys,
passwords and addresses can be replaced while it runs. Knows no FIX.
"""

import asyncio
import secrets
import socket
import time
from collections.abc import Callable
from itertools import count

from kalshi_fix.adapters.audit.recorder import UNRECORDED, Recorder
from kalshi_fix.adapters.edge.admission import Admission
from kalshi_fix.adapters.edge.credentials import Credentials
from kalshi_fix.adapters.edge.directory import Directory
from kalshi_fix.adapters.edge.doorway import Arrival, Doorway, Threshold
from kalshi_fix.adapters.edge.gateways import Gateways
from kalshi_fix.adapters.edge.handshake import Handshake
from kalshi_fix.adapters.edge.meters import Meters
from kalshi_fix.adapters.edge.peer import Networks
from kalshi_fix.adapters.edge.rates import Rate
from kalshi_fix.adapters.edge.relay import Relay
from kalshi_fix.adapters.edge.session_guard import GroupOrder
from kalshi_fix.adapters.edge.surroundings import LogBudget, Surroundings
from kalshi_fix.adapters.edge.tls import CertificateError, Certificates
from kalshi_fix.adapters.edge.waiting_room import WaitingRoom
from kalshi_fix.adapters.logs import Log
from kalshi_fix.adapters.settings import EdgeSettings, Settings, TlsSettings


class PortError(OSError):
    """A public port cannot be opened; the message is one line."""


class Edge:
    """One edge process. Use from one event loop."""

    def __init__(
        self,
        settings: Settings,
        gateways: Gateways,
        meters: Meters,
        log: Log,
        clock: Callable[[], int] = time.time_ns,
        *,
        audit: Recorder = UNRECORDED,
    ) -> None:
        edge = self._settings = settings.edge
        self._directory = Directory.of(settings)
        self._credentials = Credentials(settings, meters.passwords_held.inc)
        failures = Rate(
            edge.failed_logons_per_minute / 60, edge.failed_logon_burst, edge.rates_kept_max
        )
        admission = Admission(
            self._directory,
            self._credentials,
            gateways,
            clock,
            handover_seconds=edge.handover_seconds,
            failures=failures,
        )
        meters.show_sessions(session.name for session in settings.sessions)
        budget = LogBudget(edge.refusal_log_lines_per_second)
        groups = GroupOrder.of_the_venue()
        self._around = Surroundings(edge, admission, meters, log, budget, groups, audit)
        self._certificates = _certificates(edge)
        self._room = WaitingRoom(edge.unauthenticated_max, edge.unauthenticated_per_address_max)
        self._doorways: list[Doorway] = []
        self._relays: set[Relay] = set()
        self._empty = asyncio.Event()
        self._watch: asyncio.TimerHandle | None = None
        # unique for ever: the gateway tells connections apart by it
        self._numbers = (f"{secrets.token_hex(4)}-{number}" for number in count(1))

    @property
    def ports(self) -> tuple[int, ...]:
        """The public ports."""
        return self._directory.ports

    @property
    def is_listening(self) -> bool:
        """Whether every port is open."""
        return len(self._doorways) == len(self.ports) and all(d.is_open for d in self._doorways)

    async def start(self) -> None:
        """Opens every port, or none.

        Raises:
            PortError: one cannot be opened.
        """
        threshold = Threshold(
            around=self._around,
            room=self._room,
            rate=Rate(
                self._settings.connections_per_second,
                self._settings.connection_burst,
                self._settings.rates_kept_max,
            ),
            proxies=Networks.of(self._settings.proxies),
            certificates=self._certificates,
            handshake=self._handshake,
            on_change=self._count,
        )
        host = self._settings.host
        for port in self.ports:
            try:
                listener = _listen(host, port, self._settings.unauthenticated_max)
            except OSError as error:
                for doorway in self._doorways:
                    doorway.close()
                raise PortError(f"cannot listen on {host} port {port}: {error}") from error
            self._doorways.append(Doorway(port, listener, threshold))
            self._doorways[-1].open()
        self._count()
        self._tell_expiry()
        self._look_at_certificates()

    def _handshake(self, port: int, arrival: Arrival, leave: Callable[[], None]) -> Handshake:
        def decided(relay: Relay | None) -> None:
            if relay is not None and not relay.is_over:
                self._relays.add(relay)
            leave()

        return Handshake(
            self._around,
            port=port,
            connection=next(self._numbers),
            address=arrival.address,
            deadline=arrival.deadline,
            on_done=decided,
            on_end=self._ended,
        )

    def _ended(self, relay: Relay) -> None:
        self._relays.discard(relay)
        self._count()

    @property
    def messages_passed(self) -> int:
        """Of all clients, since the start."""
        return self._around.meters.messages_passed

    def _count(self) -> None:
        meters, waiting = self._around.meters, len(self._room)
        meters.unauthenticated.set(waiting)
        meters.connections.set(waiting + len(self._relays))
        if waiting or self._relays:
            self._empty.clear()
        else:
            self._empty.set()

    # --- what changes while it runs

    def reload(self, settings: Settings) -> None:
        """Takes up sessions, credentials, addresses and certificates; nobody is disturbed.

        Ports and limits stay as they were at the start. A session on a port that is not open
        cannot be reached, which is told.

        Raises:
            CredentialsError: a key or hash cannot be used; nothing has changed.
        """
        directory = Directory.of(settings)
        self._credentials.renew(settings)
        self._around.admission.renew(directory)
        self._around.meters.show_sessions(session.name for session in settings.sessions)
        closed = sorted(set(directory.ports) - set(self.ports))
        if closed:
            self._around.log.warning("ports_need_a_restart", ports=closed)
        self._around.log.info("credentials_reloaded", sessions=len(settings.sessions))
        self._renew_certificates(settings.edge.tls)

    def _look_at_certificates(self) -> None:
        """Again and again: a file that has changed is taken up by itself."""
        if self._certificates is None:
            return
        self._renew_certificates()
        seconds = self._settings.tls.check_seconds
        self._watch = asyncio.get_running_loop().call_later(seconds, self._look_at_certificates)

    def _renew_certificates(self, settings: TlsSettings | None = None) -> None:
        if self._certificates is None:
            return
        try:
            is_new = self._certificates.renew(settings)
        except CertificateError as error:
            self._around.meters.certificate_failures.inc()
            self._around.log.error("certificate_not_taken", error=str(error))  # noqa: TRY400 - said in one line
            return
        if is_new:
            self._tell_expiry()
            self._around.log.info("certificate_taken", expires_at=self._certificates.expires_at)

    def _tell_expiry(self) -> None:
        if self._certificates is not None:
            self._around.meters.certificate_expiry.set(self._certificates.expires_at)

    # --- the end

    async def stop(self, text: str) -> None:
        """Accepts no more, has every session logged out with this text, and closes everything."""
        if self._watch is not None:
            self._watch.cancel()
        for doorway in self._doorways:
            doorway.close()
        for relay in list(self._relays):
            relay.log_out(text)
        self._count()
        try:
            async with asyncio.timeout(self._settings.logout_seconds):
                await self._empty.wait()
        except TimeoutError:
            self._around.log.warning("clients_cut_at_stop", count=len(self._relays))
        for relay in list(self._relays):
            relay.cut("stop")
        self._credentials.close()


def _certificates(edge: EdgeSettings) -> Certificates | None:
    if edge.plain:
        return None
    if not edge.tls.certificate:
        raise CertificateError("edge.tls.certificate: is missing, and edge.plain is not true")
    return Certificates(edge.tls)


def _listen(host: str, port: int, backlog: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=backlog)
    listener.setblocking(False)
    return listener
