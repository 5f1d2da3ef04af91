"""What a gateway keeps per session: its view, its way out, which numbers are settled.

No order state: any gateway can serve any session after a restart. Made once at start from the
configuration, then kept up to date by the events of the core.
"""

from attrs import define, field

from kalshi_fix.adapters.engine import EngineSession
from kalshi_fix.adapters.settings import SessionSettings
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.session_rules import Budget
from kalshi_fix.messages.entitlement import common
from kalshi_fix.messages.events import SessionChanged, SessionDefined
from kalshi_fix.model import Role
from kalshi_fix.processes.gateway_outbox import Outbox
from kalshi_fix.processes.gateway_progress import Progress
from kalshi_fix.processes.gateway_relogon import SessionReplays
from kalshi_fix.services.service import SessionView


@define(slots=True, eq=False)
class Link:
    """One session of the lane."""

    settings: SessionSettings
    view: SessionView
    engine: EngineSession
    outbox: Outbox
    resend_budget: Budget  # messages
    fault_budget: Budget  # faulty administrative messages
    replays: SessionReplays | None = None  # None: the session keeps no history
    progress: Progress = field(factory=Progress)
    high_waters: tuple[
        int, ...
    ] = ()  # at the last Logon, by shard: lower ones are taken or never will be
    in_doubt_below: int = (
        -1
    )  # an earlier process may have had these and passed them on; -1 = not known
    reported_ids: set[str] = field(factory=set)  # ClOrdIDs answered before the first Logon here
    refused_numbers: set[int] = field(factory=set)  # before this process started
    refused_ids: set[str] = field(factory=set)
    was_opened: bool = False  # since this process started
    saw_logout: bool = False  # on the present connection
    said_logout: bool = False  # the client, on the present connection
    past_is_unknown: bool = False  # the lane came from a machine whose refusals nobody knows
    asked_from: int = 0  # then the client sends everything again from here; 0 = what is in doubt
    is_asked: bool = False  # by a TestRequest, and has not answered yet
    ends_itself: bool = False  # the engine is about to close the connection of its own accord
    received_at: float = 0.0  # its last application message, monotonic
    heard_at: float = 0.0  # its last message of any kind, seconds UTC
    logged_on_at: float = 0.0  # monotonic
    is_closed: bool = False  # by its calendar: nobody is to be logged on

    @property
    def name(self) -> str:
        """The session's name."""
        return self.settings.name

    def is_answered(self, number: int, message: FixMessage) -> bool:
        """Whether a message that comes again was taken or refused for good before."""
        if message.get(43) != "Y":
            return False
        if number in self.refused_numbers:
            return True
        return message.msg_type == "D" and message.get(11) in self.refused_ids

    def is_passed(self, number: int, shard: int) -> bool:
        """Whether a shard has carried out a later number: it will not look at this one."""
        return shard < len(self.high_waters) and number <= self.high_waters[shard]

    def logged_on(self, number: int) -> None:
        """The number of a Logon; what the client sent before the first may be anywhere."""
        if self.in_doubt_below < 0:
            self.in_doubt_below = number

    def is_in_doubt(self, number: int, message: FixMessage) -> bool:
        """Whether the process before this one may have passed it on: it is never refused then."""
        return message.get(43) == "Y" and number < self.in_doubt_below

    def is_unknowable(self, number: int, message: FixMessage) -> bool:
        """Whether it may have been refused before the lane moved: it must never be taken then."""
        return self.past_is_unknown and self.is_in_doubt(number, message)

    def is_stranger(self) -> bool:
        """Whether there may still come what the machine before has refused."""
        if not self.past_is_unknown:
            return False
        return self.in_doubt_below < 0 or self.progress.confirmed() < self.in_doubt_below - 1

    def start_epoch(
        self, epochs: tuple[int, ...], confirmed: int, high_waters: tuple[int, ...], *, is_new: bool
    ) -> None:
        """After SessionOpened: a new epoch (``is_new``) has no past.

        What the stores showed as refused at start is of the epoch that goes on.
        """
        if epochs != self.progress.epochs:
            self.progress = Progress(epochs, confirmed)
        if is_new:
            self.in_doubt_below = 0
            self.refused_numbers.clear()
            self.refused_ids.clear()
            self.reported_ids.clear()
        self.progress.skip_to(confirmed + 1)
        self.high_waters = high_waters


def engine_session(settings: SessionSettings) -> EngineSession:
    """A configured session as the engine sees it."""
    return EngineSession(
        name=settings.name,
        sender_comp_id=settings.target_comp_id,
        target_comp_id=settings.sender_comp_id,
        microseconds=settings.microseconds,
        keeps_sequence=Role(settings.role).keeps_sequence,
        reset_on_logon=settings.reset_on_logon,
    )


def session_view(settings: SessionSettings) -> SessionView:
    """A configured session as services see it, until events say otherwise."""
    return SessionView(
        name=settings.name,
        sender_comp_id=settings.sender_comp_id,
        target_comp_id=settings.target_comp_id,
        role=settings.role,
        firm=settings.firm,
        accounts=settings.accounts,
        microseconds=settings.microseconds,
    )


def apply_definition(view: SessionView, event: SessionDefined) -> None:
    """What operators changed."""
    view.firm = event.owner
    view.accounts = event.accounts
    view.enabled = event.enabled and not event.killed
    view.read_only = event.read_only or event.segment_read_only
    view.message_types = common(event.message_types, event.segment_message_types)
    view.markets = tuple(each for each in (event.markets, event.segment_markets) if each)


def apply_change(view: SessionView, event: SessionChanged) -> None:
    """What a Logon asked for, or that the session is gone."""
    view.is_open = event.is_open
    if event.is_open:
        view.epoch = event.epoch
        view.listener = event.listener
        view.venue_tags = event.venue_tags
        view.settlement_reports = event.settlement_reports


def has_told(link: Link | None, cl_ord_id: str) -> bool:
    """Whether a request has been answered; a session of another lane is answered there."""
    return link is None or cl_ord_id in link.reported_ids
