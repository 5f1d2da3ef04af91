"""What the exchange says about maintenance, as a lane's clients hear it: News before, then Logout.

Only who is connected is told; who comes later is told by the exchange again.
"""

from collections.abc import Mapping
from typing import Final

from kalshi_fix.fix.outbound_answers import news
from kalshi_fix.fix.time_text import utc_text
from kalshi_fix.messages.events import MaintenanceChanged
from kalshi_fix.processes.gateway_link import Link
from kalshi_fix.processes.gateway_outgoing import Outgoing

HEADLINE: Final = "MAINTENANCE"
_NEWS: Final = {
    "announced": "announced",
    "withdrawn": "withdrawn",
    "draining": "no new orders and no Logons now, Logout to come",
}


def tell_of_maintenance(links: Mapping[str, Link], event: MaintenanceChanged) -> None:
    """Acts on one event for every session it concerns."""
    until = utc_text(event.ends_at, microseconds=False)
    if event.phase == "begun":
        for link in links.values():
            if link.outbox.is_here:  # behind every report that waits: nothing is cut off
                line = f"{HEADLINE} until {until} {event.text}".rstrip()
                link.outbox.put(Outgoing(news(HEADLINE, line), then_log_out=line))
    elif event.phase in _NEWS:
        since = utc_text(event.starts_at, microseconds=False)
        line = f"{_NEWS[event.phase]}: from {since} until {until} {event.text}".rstrip()
        for link in links.values():
            if link.name == event.session or (not event.session and link.outbox.is_here):
                link.outbox.put(Outgoing(news(HEADLINE, line)))
