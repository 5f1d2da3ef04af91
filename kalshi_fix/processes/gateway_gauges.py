"""What a lane shows of its sessions and of how far behind it is, looked at when somebody asks.

Runs on the scraper's thread, before a scrape, so that nothing on the way of an order pays for it.
Reads what others own and changes nothing.
"""

import time
from collections.abc import Mapping, Sequence

from kalshi_fix.adapters.bus import Bus, BusError
from kalshi_fix.adapters.metrics import Metrics
from kalshi_fix.processes.gateway_acks import AckTimes
from kalshi_fix.processes.gateway_link import Link
from kalshi_fix.processes.gateway_reader import EventReader


class LaneGauges:
    """The gauges of one lane."""

    def __init__(
        self,
        metrics: Metrics,
        links: Mapping[str, Link],
        acks: AckTimes,
        readers: Sequence[EventReader],
        buses: Sequence[Bus],
    ) -> None:
        """``buses``: a connection per shard of their own."""
        self._links = links
        self._acks = acks
        self._readers = readers
        self._buses = buses
        session = ["session"]
        self._up = metrics.gauges(
            "fixgw_session_up", "1 while the session is logged on [1 where expected]", session
        )
        self._expected = metrics.gauges(
            "fixgw_session_expected",
            "1 while the session should be logged on, by what it is worth if it is not [= up]",
            ["session", "severity"],
        )
        self._heard = metrics.gauges(
            "fixgw_session_last_rx_timestamp_seconds",
            "When its last message came, 0 = never [younger than 1.5 heartbeats]",
            session,
        )
        self._queue = metrics.gauges(
            "fixgw_outbound_queue_messages", "Reports waiting for a session [near 0]", session
        )
        self._unsent = metrics.gauges(
            "fixgw_outbound_queue_bytes",
            "Bytes before them in the kernel, which the edge has not taken yet [near 0]",
            session,
        )
        self._unacked = metrics.gauge(
            "fixgw_unacked_orders", "D, F and G taken and not yet reported on [returns to 0]"
        )
        self._oldest = metrics.gauge(
            "fixgw_oldest_unacked_seconds", "Age of the oldest of them [< 1]"
        )
        self._lag = metrics.gauges(
            "fixgw_stream_lag_events", "Events of the core not yet read here [< 1000]", ["shard"]
        )
        self._store_up = metrics.gauges(
            "fixgw_store_up", "1 while this process reaches the shard's store [1]", ["shard"]
        )
        metrics.before_scrape(self.look)

    def look(self) -> None:
        """Before a scrape."""
        for link in self._links.values():
            self._up(link.name).set(link.outbox.is_here)
            self._heard(link.name).set(link.heard_at)
            self._queue(link.name).set(link.outbox.backlog())
            self._unsent(link.name).set(link.outbox.wires.unsent_bytes())
            severity = link.settings.expected
            if severity:
                is_due = link.view.enabled and not link.is_closed
                self._expected(link.name, severity).set(is_due)
        self._unacked.set(len(self._acks))
        self._oldest.set(self._acks.oldest_seconds(time.monotonic()))
        for bus, reader in zip(self._buses, self._readers, strict=True):
            self._look_behind(bus, reader)

    def close(self) -> None:
        """Closes the connections."""
        for bus in self._buses:
            bus.close()

    def _look_behind(self, bus: Bus, reader: EventReader) -> None:
        try:
            newest = bus.last_event()
        except BusError:
            self._store_up(bus.shard).set(0)
            return
        self._store_up(bus.shard).set(1)
        number = int(newest.id.partition("-")[0]) if newest else 0
        self._lag(bus.shard).set(max(0, number - reader.done))
