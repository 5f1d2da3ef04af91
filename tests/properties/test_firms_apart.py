"""A firm never sees a byte of another's: random flow of three firms, every message looked through.

Every name a firm has (accounts, sessions, ClOrdIDs) carries the firm's name, and every message of
every service is searched for the other firms' names, and for their order ids.
"""

import re
from typing import Any

from core.core_venue import Venue
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.services.drop_copy import DropCopy
from kalshi_fix.services.order_entry import OrderEntry
from kalshi_fix.services.policy import Policy
from kalshi_fix.services.post_trade import PostTrade
from kalshi_fix.services.service import SessionView
from kalshi_fix.services.throttle import Throttle

FIRMS = ("ALPHA", "BRAVO", "CHARLIE")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(FIRMS),
        st.sampled_from(["order", "order", "order", "cancel", "firm", "positions", "mass"]),
        st.sampled_from(["buy", "sell"]),
        st.sampled_from([49, 50, 51]),
        st.sampled_from(FIRMS),
    ),
    min_size=5,
    max_size=25,
)


def views() -> dict[str, SessionView]:
    """Of every firm: order entry, a listener, drop copy and post trade."""
    made: dict[str, SessionView] = {}
    for firm in FIRMS:
        for name, role in ((firm, "RT"), (f"{firm}-L", "RT"), (f"{firm}-DC", "DC"),
                           (f"{firm}-PT", "PT")):  # fmt: skip
            made[name] = SessionView(name, name, f"Kalshi{role}", role, firm, (firm,))
            made[name].venue_tags = made[name].settlement_reports = True
            made[name].listener = name.endswith("-L")
    return made


def commands(venue: Venue, number: int, step: tuple[Any, ...]) -> list[e.Event]:
    firm, what, side, price, other = step
    name = f"{firm}.{number}"
    if what == "order":
        return getattr(venue, side)(firm, name, 2, price)  # type: ignore[no-any-return]
    if what == "cancel":  # perhaps somebody else's
        return venue.cancel(firm, name, f"{other}.{number - 1}", side)
    if what == "firm":
        return venue.cancel(firm, name, f"{other}.{number - 1}", side, firm_scope=True)
    if what == "positions":
        return venue.apply(c.QueryPositions(*venue.head(firm, {}), name, firm, ""))
    return venue.apply(c.MassCancel(*venue.head(firm, {}), name, "7", "", 0, "", True, False))


def faults(view: SessionView, message: FixMessage, owners: dict[int, str]) -> list[str]:
    # OrigClOrdID of a 9 is the request's own, given back
    echoed = {41} if message.msg_type == "9" else set()
    text = "|".join(value for tag, value in message.fields if tag not in echoed)
    found = [firm for firm in FIRMS if firm != view.firm and re.search(rf"\b{firm}", text)]
    order_id = message.get(37)
    if order_id.isdigit() and owners.get(int(order_id), view.firm) != view.firm:
        found.append(f"order {order_id}")
    return found


@settings(max_examples=30, deadline=None)
@given(STEPS)
def test_no_message_names_another_firm(steps: list[tuple[Any, ...]]) -> None:
    venue = Venue()
    sessions = views()
    policy = Policy(Throttle({}))
    services = (
        OrderEntry(sessions, policy, "gw"), DropCopy(sessions, policy), PostTrade(sessions, policy)
    )  # fmt: skip
    owners: dict[int, str] = {}
    events: list[e.Event] = []
    for number, step in enumerate(steps):
        events += commands(venue, number, step)
    events += venue.admin(c.SetMarketStatus, "M", "closed")
    events += venue.admin(c.Determine, "M", 10_000, "test", "", automatic=True)
    events += venue.admin(c.Settle, "M")
    seen = 0
    for event in events:
        if isinstance(event, e.Execution):
            owners[event.terms.order_id] = event.firm
        for service in services:
            for name, message in service.on_event(event):
                seen += 1
                assert faults(sessions[name], message, owners) == [], (name, message)
    assert seen or all(step[1] != "order" for step in steps)
