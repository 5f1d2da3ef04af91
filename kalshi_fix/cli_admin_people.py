"""`kalshi-fix admin firms|segments|sessions`: who takes part, and what they may do.

Command lines only; what a change means is decided in the admin service and in the core.
"""

from pathlib import Path
from typing import Annotated

import typer

from kalshi_fix.adapters.passwords import hash_password
from kalshi_fix.cli_admin_session import ask

ALL = "all"  # in a list option: no restriction any more

Jurisdiction = Annotated[str | None, typer.Option(help="For example US or US-NY.")]
MessageTypes = Annotated[
    list[str] | None, typer.Option("--message-type", help="Only these; repeat it; all = any.")
]
Markets = Annotated[
    list[str] | None,
    typer.Option("--market", help="Only these symbols or PREFIX*; repeat it; all = any."),
]
ReadOnly = Annotated[bool | None, typer.Option(help="Listener: sees, never changes.")]

firms = typer.Typer(no_args_is_help=True, help="Firms and their locks.")
segments = typer.Typer(no_args_is_help=True, help="User segments: shared permissions and limits.")
sessions = typer.Typer(no_args_is_help=True, help="FIX sessions.")
maintenance = typer.Typer(no_args_is_help=True, help="Windows in which nobody is connected.")


def given(values: list[str] | None) -> list[str] | None:
    """A list option: None where it was not given, [] for ``all``."""
    return None if not values else [value for value in values if value != ALL]


@firms.command("list")
def firms_list(ctx: typer.Context) -> None:
    """Firms, and which are locked or killed."""
    ask(ctx, "firms.list")


@firms.command("define")
def firms_define(
    ctx: typer.Context,
    firm: str,
    jurisdiction: Jurisdiction = None,
    role: Annotated[list[str] | None, typer.Option(help="Only these; repeat it.")] = None,
) -> None:
    """Create or change a firm."""
    ask(ctx, "firms.define", firm=firm, jurisdiction=jurisdiction, roles=given(role))


@firms.command("unlock")
def firms_unlock(ctx: typer.Context, firm: str) -> None:
    """Lift the lock a firm put on itself (q with 20903=LOCK)."""
    ask(ctx, "firms.unlock", firm=firm)


@segments.command("list")
def segments_list(ctx: typer.Context) -> None:
    """Segments and what they permit."""
    ask(ctx, "segments.list")


@segments.command("define")
def segments_define(
    ctx: typer.Context,
    *,
    segment: str,
    message_type: MessageTypes = None,
    market: Markets = None,
    read_only: ReadOnly = None,
    limit: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, for each session of it; repeat it.")
    ] = None,
) -> None:
    """Create or change a segment; its sessions obey at their next order."""
    ask(
        ctx,
        "segments.define",
        segment=segment,
        message_types=given(message_type),
        markets=given(market),
        read_only=read_only,
        limits=dict(item.partition("=")[::2] for item in limit) if limit else None,
    )


@sessions.command("list")
def sessions_list(
    ctx: typer.Context, firm: Annotated[str | None, typer.Option(help="Only this firm's.")] = None
) -> None:
    """Sessions: who is up, on which gateway, in which epoch."""
    ask(ctx, "sessions.list", firm=firm)


@sessions.command("enable")
def sessions_enable(ctx: typer.Context, session: str) -> None:
    """Let a session trade again."""
    ask(ctx, "sessions.enable", session=session)


@sessions.command("disable")
def sessions_disable(ctx: typer.Context, session: str) -> None:
    """Refuse a session's Logon and orders."""
    ask(ctx, "sessions.disable", session=session)


SessionCredentials = Annotated[
    str | None, typer.Option(help="From `kalshi-fix hash-password`; otherwise it is asked for.")
]
KeyFile = Annotated[Path | None, typer.Option(help="Public key (PEM) instead of a password.")]


def _credentials(password_scrypt: str | None, public_key: Path | None) -> dict[str, str | None]:
    """Only a hash or a public key leaves this program."""
    if public_key is not None:
        return {"public_key": public_key.read_text()}
    if password_scrypt is None:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        password_scrypt = hash_password(password)
    return {"password_scrypt": password_scrypt}


@sessions.command("add")
def sessions_add(
    ctx: typer.Context,
    *,
    session: str,
    firm: str,
    role: Annotated[str, typer.Argument(help="NR, RT, DC, PT or MD.")],
    account: Annotated[list[str] | None, typer.Option(help="Its accounts; repeat it.")] = None,
    segment: Annotated[str | None, typer.Option(help="Its segment.")] = None,
    sender_comp_id: Annotated[str | None, typer.Option(help="Default: its name.")] = None,
    username: Annotated[str | None, typer.Option(help="Default: its SenderCompID.")] = None,
    address: Annotated[list[str] | None, typer.Option(help="Networks; repeat it.")] = None,
    message_type: MessageTypes = None,
    market: Markets = None,
    read_only: ReadOnly = None,
    cancel_on_disconnect: Annotated[bool | None, typer.Option(help="Default of 8013.")] = None,
    password_scrypt: SessionCredentials = None,
    public_key: KeyFile = None,
) -> None:
    """Add a session with a lane of its own; nobody else notices."""
    ask(
        ctx,
        "sessions.add",
        session=session,
        firm=firm,
        role=role,
        accounts=account or None,
        segment=segment,
        sender_comp_id=sender_comp_id,
        username=username,
        addresses=address or None,
        message_types=given(message_type),
        markets=given(market),
        read_only=read_only,
        cancel_on_disconnect=cancel_on_disconnect,
        **_credentials(password_scrypt, public_key),
    )


@sessions.command("remove")
def sessions_remove(ctx: typer.Context, session: str) -> None:
    """Log a session out for good: its orders are cancelled, its identity is unknown."""
    ask(ctx, "sessions.remove", session=session)


@sessions.command("credentials")
def sessions_credentials(
    ctx: typer.Context,
    *,
    session: str,
    password_scrypt: SessionCredentials = None,
    public_key: KeyFile = None,
    keep_old: Annotated[
        str | None, typer.Option(help="Seconds for which the old ones stay good as well.")
    ] = None,
) -> None:
    """Change a session's password or key; who is connected stays."""
    credentials = _credentials(password_scrypt, public_key)
    ask(ctx, "sessions.credentials", session=session, keep_old=keep_old, **credentials)


@sessions.command("access")
def sessions_access(ctx: typer.Context) -> None:
    """How sessions prove who they are, from where they may come, their calendars and throttles."""
    ask(ctx, "sessions.access")


@sessions.command("calendar")
def sessions_calendar(
    ctx: typer.Context,
    session: str,
    calendar: Annotated[
        str, typer.Argument(help='Of the configuration; "none"; "" = its role\'s.')
    ],
) -> None:
    """Change when a session closes; it begins with the next close."""
    ask(ctx, "sessions.calendar", session=session, calendar=calendar)


@sessions.command("throttle")
def sessions_throttle(
    ctx: typer.Context,
    *,
    session: str,
    tokens: Annotated[str | None, typer.Option(help="A second; 0 = no throttle.")] = None,
    burst: Annotated[str | None, typer.Option(help="Tokens at once.")] = None,
    cancel_tokens: Annotated[str | None, typer.Option(help="A second, for cancels.")] = None,
    violations: Annotated[str | None, typer.Option(help="Before its Logout.")] = None,
) -> None:
    """Change a session's throttle; its next message obeys."""
    ask(
        ctx,
        "sessions.throttle",
        session=session,
        tokens_per_second=tokens,
        burst_tokens=burst,
        cancel_tokens_per_second=cancel_tokens,
        violations_before_logout=violations,
    )


@sessions.command("logout")
def sessions_logout(
    ctx: typer.Context,
    session: str,
    text: Annotated[str | None, typer.Option(help="What its Logout says.")] = None,
) -> None:
    """Log a session out; it may come back."""
    ask(ctx, "sessions.logout", session=session, text=text)


@sessions.command("reset")
def sessions_reset(ctx: typer.Context, session: str) -> None:
    """Both sides start at 1; the session must be logged out."""
    ask(ctx, "sessions.reset", session=session)


@sessions.command("set-numbers")
def sessions_set_numbers(
    ctx: typer.Context,
    session: str,
    incoming: Annotated[str | None, typer.Option(help="Next number expected.")] = None,
    outgoing: Annotated[str | None, typer.Option(help="Next number sent.")] = None,
) -> None:
    """Set a logged-out session's next numbers."""
    ask(
        ctx,
        "sessions.set-numbers",
        session=session,
        next_incoming=incoming,
        next_outgoing=outgoing,
    )


@sessions.command("change")
def sessions_change(
    ctx: typer.Context,
    *,
    session: str,
    account: Annotated[list[str] | None, typer.Option(help="Its accounts; repeat it.")] = None,
    segment: Annotated[str | None, typer.Option(help='Its segment; "" = none.')] = None,
    message_type: MessageTypes = None,
    market: Markets = None,
    read_only: ReadOnly = None,
    cancel_on_disconnect: Annotated[bool | None, typer.Option(help="Default of 8013.")] = None,
    cancel_scope: Annotated[str | None, typer.Option(help="session or firm.")] = None,
    cancel_keeps_gtc: Annotated[bool | None, typer.Option(help="GTC orders stay.")] = None,
    max_order_age: Annotated[str | None, typer.Option(help="Seconds.")] = None,
) -> None:
    """Change what a session may do; its next order obeys."""
    ask(
        ctx,
        "sessions.change",
        session=session,
        accounts=account or None,
        segment=segment,
        message_types=given(message_type),
        markets=given(market),
        read_only=read_only,
        cancel_on_disconnect=cancel_on_disconnect,
        cancel_scope=cancel_scope,
        cancel_keeps_gtc=cancel_keeps_gtc,
        max_order_age=max_order_age,
    )


@maintenance.command("announce")
def maintenance_announce(
    ctx: typer.Context,
    starts_at: Annotated[str, typer.Argument(help="Like 2026-12-16T19:00:00Z.")],
    ends_at: Annotated[str, typer.Argument(help="Like 2026-12-16T19:30:00Z.")],
    text: Annotated[str | None, typer.Option(help="What clients read in the News.")] = None,
) -> None:
    """Tell every session now (News), log all out at the start, refuse Logons until the end."""
    ask(ctx, "maintenance.announce", starts_at=starts_at, ends_at=ends_at, text=text)


@maintenance.command("withdraw")
def maintenance_withdraw(ctx: typer.Context) -> None:
    """Take the announcement back, or end the window."""
    ask(ctx, "maintenance.withdraw")
