"""What every session role is: messages in, replies and commands out; events in, messages out.

The gateway's shell is written once against `Service`. A service is pure: time is an argument,
nothing is sent or stored here.
"""

from typing import Protocol

from attrs import define, field

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.replays import ReplayRange
from kalshi_fix.messages.commands import Command
from kalshi_fix.messages.events import Event


@define(slots=True)
class SessionView:
    """What services know of one session: configuration plus the flags of its last Logon.

    Definition and permissions follow ``SessionDefined`` events; epoch and flags follow
    ``SessionChanged``.
    """

    name: str
    sender_comp_id: str
    target_comp_id: str
    role: str
    firm: str
    accounts: tuple[str, ...]
    enabled: bool = True
    epoch: int = 0
    is_open: bool = False
    listener: bool = False
    venue_tags: bool = False
    settlement_reports: bool = False
    microseconds: bool = False  # times with 6 decimals instead of 3
    read_only: bool = False
    message_types: tuple[str, ...] = ()  # () = all of the role
    markets: tuple[tuple[str, ...], ...] = ()  # to trade or to see: every set must hold it


@define(slots=True)
class Reaction:
    """What a client's message leads to: messages back to it, and commands for the bus.

    ``logout`` != "" ends the session with that text, after the replies. ``replay`` is history the
    client is to have again; whoever can read it answers then.
    """

    replies: list[FixMessage] = field(factory=list)
    commands: list[Command] = field(factory=list)
    logout: str = ""
    replay: ReplayRange | None = None


class Service(Protocol):
    """One session role (NR/RT, DC, PT, MD)."""

    def on_message(self, session: SessionView, message: FixMessage, at: int) -> Reaction:
        """A client's application message; ``at`` is the gateway's clock, ns UTC."""
        ...

    def on_event(self, event: Event) -> list[tuple[str, FixMessage]]:
        """(session name, message) for every session this event concerns, in order."""
        ...
