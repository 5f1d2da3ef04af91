"""The demo market maker: a FIX client like any other, so that a newcomer's first order can fill.

Quotes the configured markets at a modest, bounded rate, takes its orders back when it stops, and
comes back by itself when the exchange was away. What it quotes is decided in ``demo_quotes``.
"""

import os
import threading
import time
from typing import Final

from kalshi_fix.adapters.fix_client import FixClient
from kalshi_fix.adapters.fix_session import Identity, SessionError
from kalshi_fix.adapters.logs import Log, open_log
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.processes.demo_quotes import Quotes
from kalshi_fix.processes.exit_codes import CLEAN, refuse
from kalshi_fix.processes.stopping import stop_event

PROCESS: Final = "demo-maker"
PASSWORD_VARIABLE: Final = "KALSHI_FIX_DEMO_PASSWORD"  # noqa: S105 - a name, not a password
MESSAGE_SECONDS: Final = 0.1
BACKOFF_SECONDS: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
STOP_SECONDS: Final = 2.0
HEARTBEAT_SECONDS: Final = 10


def main(settings: Settings, data: DataDir) -> int:
    """Quotes until SIGTERM or SIGINT. 0 = clean stop, 2 = no session is configured for it."""
    name = settings.demo.session
    session = next((s for s in settings.sessions if (s.name or s.sender_comp_id) == name), None)
    if session is None or not settings.demo.symbols:
        return refuse("demo.session and demo.symbols must name a session and its markets")
    identity = Identity(
        sender_comp_id=session.sender_comp_id,
        target_comp_id=session.target_comp_id or f"Kalshi{session.role}",
        username=session.username or session.sender_comp_id,
        password=os.environ.get(PASSWORD_VARIABLE) or f"demo-{session.firm.lower()}",
        heartbeat_seconds=HEARTBEAT_SECONDS,
        logon_fields=((8013, "Y"),),  # its orders must not outlive it
    )
    address = (settings.edge.host, session.port or settings.edge.ports[session.role])
    log = open_log(PROCESS, settings.log, data.log_file(PROCESS))
    stop = stop_event()
    quotes = Quotes(settings.demo.symbols, f"MM-{time.time_ns() // 1_000_000:x}")
    DemoMaker(address, identity, quotes, log).run(stop)
    return CLEAN


class DemoMaker:
    """Connects, quotes, reconnects."""

    def __init__(
        self, address: tuple[str, int], identity: Identity, quotes: Quotes, log: Log
    ) -> None:
        self._address = address
        self._identity = identity
        self._quotes = quotes
        self._log = log
        self._attempts = 0

    def run(self, stop: threading.Event) -> None:
        """Until ``stop``; whatever ends a connection, the next one follows after a pause."""
        while not stop.is_set():
            try:
                self._connect_and_quote(stop)
            except (OSError, SessionError) as error:
                pause = BACKOFF_SECONDS[min(self._attempts, len(BACKOFF_SECONDS) - 1)]
                self._attempts += 1
                self._log.warning("demo_flow_interrupted", error=str(error), again_seconds=pause)
                stop.wait(pause)

    def _connect_and_quote(self, stop: threading.Event) -> None:
        client = FixClient.open(*self._address, self._identity)
        try:
            client.send(self._quotes.cancel_everything(time.time_ns()))
            self._log.info("demo_flow_started", symbols=list(self._quotes.symbols))
            self._attempts = 0
            while not stop.is_set():
                self._round(client)
            self._leave(client)
        finally:
            client.close()

    def _round(self, client: FixClient) -> None:
        """At most one message out, then what came in, for a tenth of a second."""
        message = self._quotes.next_message(time.time_ns())
        if message is not None:
            client.send(message)
        until = time.monotonic() + MESSAGE_SECONDS
        while (remaining := until - time.monotonic()) > 0:
            self._receive(client, remaining)

    def _receive(self, client: FixClient, seconds: float) -> None:
        for message in client.receive(seconds):
            self._quotes.on_message(message, time.time_ns())
        if not client.is_active:
            raise SessionError(client.end_text or "logged out")

    def _leave(self, client: FixClient) -> None:
        """Takes the orders back and logs out; waits a moment for both, not for ever."""
        client.send(self._quotes.cancel_everything(time.time_ns()))
        client.log_out()
        client.wait_closed(STOP_SECONDS)
        self._log.info("demo_flow_stopped")
