"""Which sessions of a firm hear of what concerns it, found once and kept until a session changes.

Looking through all sessions for every event cost more than printing some of the reports. Every
shard's reader may ask at the same time.
"""

from collections.abc import Callable, Mapping
from typing import Final

from attrs import define, field

from kalshi_fix.messages import events as e
from kalshi_fix.services.service import SessionView

# What changes a session's view; the gateway has put it into the view before services hear of it.
SESSION_EVENTS: Final = frozenset({e.SessionChanged, e.SessionDefined})


@define(slots=True, eq=False)
class Audience:
    """The sessions that ``hears`` picks, by firm."""

    sessions: Mapping[str, SessionView]
    hears: Callable[[SessionView], bool]
    _of_firm: dict[str, tuple[SessionView, ...]] = field(factory=dict)

    def of(self, firm: str) -> tuple[SessionView, ...]:
        """Those of a firm, in the order of the configuration."""
        known = self._of_firm  # as it is now: what is found out late goes into a dropped one
        found = known.get(firm)
        if found is None:
            views = self.sessions.values()
            found = tuple(view for view in views if view.firm == firm and self.hears(view))
            known[firm] = found
        return found

    def changed(self) -> None:
        """A session's view is another one now."""
        self._of_firm = {}
