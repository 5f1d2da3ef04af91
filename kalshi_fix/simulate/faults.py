"""What goes wrong in a run, drawn from its seed: which kinds at all, how often, and when.

Swarm: each seed switches a random part of the kinds off, because faults that are always on hide
what only a few of them together bring out. Counts what was hit. Knows rates and names; what a fault
does is done where it happens.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Final

from attrs import define, field

# kind -> how often while it is on: per request for the store's network, else per simulated second
STORE_KINDS: Final = {
    "append_lost": 0.02,
    "append_late": 0.02,
    "append_answer_lost": 0.03,
    "append_refused": 0.02,
    "commit_lost": 0.01,
    "commit_late": 0.01,
    "commit_answer_lost": 0.02,
    "commit_refused": 0.01,
    "other_answer_lost": 0.01,
    "read_fails": 0.005,
    "killed_in_doubt": 0.15,  # of writes whose outcome the writer does not know
}
EVENT_KINDS: Final = {
    "gateway_killed": 0.25,
    "gateway_stopped": 0.06,
    "lane_taken_over": 0.08,
    "leader_killed": 0.15,
    "standby_killed": 0.10,
    "leader_frozen": 0.12,
    "gateway_frozen": 0.06,
    "store_crashed": 0.12,
    "clock_stepped": 0.10,
    "connection_cut": 0.50,
    "connection_cut_in_message": 0.30,
    "connection_silent": 0.06,
    "reader_slow": 0.12,
    "reconnect_storm": 0.06,
    "numbers_reset": 0.12,
    "logged_out": 0.12,
}
CLIENT_KINDS: Final = {  # per message of a client
    "sent_again_as_repeat": 0.02,
    "sent_again_as_resend": 0.02,
}
KINDS: Final = (*STORE_KINDS, *EVENT_KINDS, *CLIENT_KINDS)
_STRESS: Final = 4.0
_ON: Final = 0.6  # the share of kinds a seed has on
_KIND_OF: Final = {"append": "append", "append_seed": "append", "commit": "commit"}


def faults_random(seed: int) -> Random:
    """What decides the faults of a seed, apart from everything else in it."""
    return Random(seed ^ 0xFA17)  # noqa: S311 - a seed is the point


@define(eq=False)
class Faults:
    """The faults of one run. ``rates`` holds the kinds that are on."""

    random: Random
    rates: dict[str, float] = field(factory=dict)
    hit: Counter[str] = field(factory=Counter)
    are_over: bool = False

    @classmethod
    def draw(cls, random: Random, *, calm: bool = False) -> Faults:
        """Which kinds are on, and how strong; ``calm`` = none."""
        rates: dict[str, float] = {}
        for kind, rate in (STORE_KINDS | EVENT_KINDS | CLIENT_KINDS).items():
            is_on = random.random() < _ON
            strength = random.choice((0.5, 1.0, 2.0))
            if is_on and not calm:
                rates[kind] = rate * strength
        return cls(random, rates)

    def intensify(self, kinds: tuple[str, ...]) -> None:
        """Makes some of the kinds that are on come much more often."""
        for kind in kinds:
            if kind in self.rates:
                self.rates[kind] *= _STRESS

    def happens(self, kind: str, share: float = 1.0) -> bool:
        """Whether a fault hits now; ``share`` of a second for those counted by time."""
        rate = self.rates.get(kind, 0.0)
        if self.are_over or not rate or self.random.random() >= rate * share:
            return False
        self.hit[kind] += 1
        return True

    # --- the store's network

    def of_write(self, kind: str) -> str:
        """``asked`` (as usual), ``down`` (never sent), ``lost`` on the way, or ``late``."""
        family = _KIND_OF.get(kind)
        if family is not None:
            if self.happens(f"{family}_refused"):
                return "down"
            if self.happens(f"{family}_lost"):
                return "lost"
            if self.happens(f"{family}_late"):
                return "late"
        return "asked"

    def answer_lost(self, kind: str) -> bool:
        """Whether the answer to a request that was carried out is lost."""
        return self.happens(f"{_KIND_OF.get(kind, 'other')}_answer_lost")

    def read_fails(self) -> bool:
        """Whether a read finds its connection broken."""
        return self.happens("read_fails")
