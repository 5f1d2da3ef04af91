"""When sessions are closed and their numbers begin anew: times of the day or week in one time zone.

A session is closed from one of its `closes` to the next of its `opens`; without `opens` it may log
on again at once. The numbers begin at 1 at every close. Takes the time and the zone as arguments:
no clock is read and no zone is looked up here.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from attrs import frozen

from kalshi_fix.model import NANOS

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY: Final = -1
_TIME: Final = re.compile(r"(?:([a-z]{3}) )?([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_DAYS_AROUND: Final = range(-8, 9)  # a week and a day: the last and the next are always in there


@frozen
class LocalTime:
    """A time of every day, or of one day of the week."""

    weekday: int  # 0 = Monday; EVERY_DAY
    at: time

    @classmethod
    def parse(cls, text: str) -> "LocalTime":
        """From ``17:00`` or ``fri 17:00``, with seconds if wanted.

        Raises:
            ValueError: it is neither; says what is allowed.
        """
        found = _TIME.fullmatch(text)
        if found is None or (found[1] and found[1] not in WEEKDAYS):
            raise ValueError(f"{text!r} is not a time like 17:00 or fri 17:00")
        weekday = WEEKDAYS.index(found[1]) if found[1] else EVERY_DAY
        return cls(weekday, time(int(found[2]), int(found[3]), int(found[4] or 0)))


@frozen
class Window:
    """Where an instant lies; all in ns UTC, and the same for every instant before ``until``."""

    closed_at: int  # the last close: the numbers began anew then
    opens_at: int  # after it
    closes_at: int  # the next close
    is_closed: bool
    until: int


@frozen
class Calendar:
    """See the module."""

    closes: tuple[LocalTime, ...]
    opens: tuple[LocalTime, ...]
    zone: tzinfo
    warning: int = 0  # ns before a close

    @classmethod
    def of(
        cls, closes: Iterable[str], opens: Iterable[str], zone: tzinfo, warning: int
    ) -> "Calendar":
        """From text.

        Raises:
            ValueError: a time cannot be read, or the session would never close.
        """
        times = tuple(map(LocalTime.parse, closes)), tuple(map(LocalTime.parse, opens))
        if not times[0]:
            raise ValueError("there is no time at which it closes")
        return cls(*times, zone, warning)

    def window(self, at: int) -> Window:
        """Where an instant lies, in ns UTC."""
        closes = sorted(self._instants(self.closes, at))
        closed_at = max(instant for instant in closes if instant <= at)
        closes_at = min(instant for instant in closes if instant > at)
        if not self.opens:
            return Window(closed_at, closed_at, closes_at, is_closed=False, until=closes_at)
        opens_at = min(i for i in self._instants(self.opens, closed_at) if i >= closed_at)
        is_closed = at < opens_at
        until = min(closes_at, opens_at) if is_closed else closes_at
        return Window(closed_at, opens_at, closes_at, is_closed, until)

    def _instants(self, times: tuple[LocalTime, ...], at: int) -> Iterator[int]:
        today = datetime.fromtimestamp(at // NANOS, UTC).astimezone(self.zone).date()
        for offset in _DAYS_AROUND:
            day = today + timedelta(days=offset)
            for local in times:
                if local.weekday in {EVERY_DAY, day.weekday()}:
                    yield self._instant(day, local)

    def _instant(self, day: date, local: LocalTime) -> int:
        """A time that a clock change skips comes as much later; a doubled one comes once, first."""
        return int(datetime.combine(day, local.at, self.zone).timestamp()) * NANOS
