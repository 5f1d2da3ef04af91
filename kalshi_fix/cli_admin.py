"""`kalshi-fix admin`: every operator's action as a command line.

Each command names an operation of the admin service and passes what was typed on as text; what it
means, and whether it is allowed, is decided there and in the core.
"""

from pathlib import Path
from typing import Annotated

import typer

from kalshi_fix.cli_admin_markets import markets
from kalshi_fix.cli_admin_people import Jurisdiction, firms, maintenance, segments, sessions
from kalshi_fix.cli_admin_session import TOKEN_VARIABLE, AdminSession, OptionsAnywhere, ask
from kalshi_fix.services.admin_fields import LIMIT_VALUES

Money = Annotated[str, typer.Argument(help="Dollars, at most 6 decimals.")]
Scope = Annotated[str, typer.Argument(help="session, firm or exchange.")]
Instant = Annotated[str | None, typer.Option(help="Like 2026-12-16T19:00:00Z.")]

app = typer.Typer(
    cls=OptionsAnywhere,
    no_args_is_help=True,
    help="Operate a running exchange. Options may stand before or after the command.",
)
accounts = typer.Typer(no_args_is_help=True, help="Cash and positions.")
series = typer.Typer(no_args_is_help=True, help="Fee schedules.")
limits = typer.Typer(no_args_is_help=True, help="Limits of firms, accounts and sessions.")
for name, group in (
    ("markets", markets),
    ("accounts", accounts),
    ("firms", firms),
    ("segments", segments),
    ("series", series),
    ("sessions", sessions),
    ("maintenance", maintenance),
    ("limits", limits),
):
    app.add_typer(group, name=name)


@app.callback()
def options(
    ctx: typer.Context,
    *,
    operator: Annotated[str, typer.Option("--as", help="Operator: who you are.")] = "",
    token: Annotated[
        str, typer.Option(help=f"Better: the variable {TOKEN_VARIABLE}, which ps does not show.")
    ] = "",
    data: Annotated[Path, typer.Option(help="Data directory of the system.")] = Path("var"),
    config: Annotated[Path | None, typer.Option(help="Configuration of the system.")] = None,
    why: Annotated[str, typer.Option(help="Reason, kept with the command for ever.")] = "",
    request_id: Annotated[
        str, typer.Option(help="Identity of the request: a repeat does nothing twice.")
    ] = "",
    shard: Annotated[str, typer.Option(help="Shard, where one must be named.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask where money moves.")] = False,
) -> None:
    """Operate a running exchange."""
    ctx.obj = AdminSession(operator, token, data, config, why, request_id, shard, json, yes)


# --- accounts, series -----------------------------------------------------------------------------


@accounts.command("show")
def accounts_show(
    ctx: typer.Context,
    account: Annotated[str | None, typer.Argument(help="One account.")] = None,
    firm: Annotated[str | None, typer.Option(help="Only this firm's.")] = None,
) -> None:
    """Cash, holds, open orders and positions."""
    ask(ctx, "accounts.show", account=account, firm=firm)


@accounts.command("define")
def accounts_define(
    ctx: typer.Context, account: str, firm: str, jurisdiction: Jurisdiction = None
) -> None:
    """Create or change an account of a firm."""
    ask(ctx, "accounts.define", account=account, firm=firm, jurisdiction=jurisdiction)


@accounts.command("deposit")
def accounts_deposit(ctx: typer.Context, account: str, amount: Money) -> None:
    """Credit an account."""
    ask(ctx, "accounts.deposit", account=account, amount=amount)


@accounts.command("withdraw")
def accounts_withdraw(ctx: typer.Context, account: str, amount: Money) -> None:
    """Debit an account's free cash."""
    ask(ctx, "accounts.withdraw", account=account, amount=amount)


@series.command("list")
def series_list(ctx: typer.Context) -> None:
    """Fee schedules."""
    ask(ctx, "series.list")


@series.command("define")
def series_define(
    ctx: typer.Context,
    series: Annotated[str, typer.Argument(help="Name of the series.")],
    taker_rate: Annotated[str | None, typer.Option(help="Default 0.07.")] = None,
    maker_rate: Annotated[str | None, typer.Option(help="Default 0; negative = rebate.")] = None,
    multiplier: Annotated[str | None, typer.Option(help="Default 1.")] = None,
) -> None:
    """Create or replace the fee schedule of a series."""
    rates = {"taker_rate": taker_rate, "maker_rate": maker_rate, "multiplier": multiplier}
    ask(ctx, "series.define", series=series, **rates)


# --- limits and the kill switch -------------------------------------------------------------------


@limits.command("show")
def limits_show(
    ctx: typer.Context,
    scope: Annotated[str | None, typer.Argument(help="firm, account or session.")] = None,
    name: Annotated[str | None, typer.Argument(help="Whose.")] = None,
) -> None:
    """Limits in force."""
    ask(ctx, "limits.show", scope=scope, name=name)


@limits.command("set", help=f"Set limits; the next order obeys. Names: {', '.join(LIMIT_VALUES)}.")
def limits_set(
    ctx: typer.Context,
    *,
    scope: Annotated[str, typer.Argument(help="firm, account or session.")],
    name: Annotated[str, typer.Argument(help="Whose.")],
    limit: Annotated[list[str], typer.Argument(help="NAME=VALUE, for example order_size=100.")],
    expires_at: Instant = None,
    for_seconds: Annotated[
        int | None, typer.Option("--for", help="Seconds until the old values come back.")
    ] = None,
) -> None:
    """Set limits."""
    pairs = dict(item.partition("=")[::2] for item in limit)
    lasts = None if for_seconds is None else str(for_seconds)
    times = {"expires_at": expires_at, "lasts": lasts}
    ask(ctx, "limits.set", scope=scope, name=name, limits=pairs, **times)


@app.command("kill")
def kill(
    ctx: typer.Context,
    scope: Scope,
    name: Annotated[str | None, typer.Argument(help="Which session or firm.")] = None,
) -> None:
    """Cancel everything and refuse new orders; cancels still pass."""
    ask(ctx, "kill", scope=scope, name=name)


@app.command("unkill")
def unkill(
    ctx: typer.Context,
    scope: Scope,
    name: Annotated[str | None, typer.Argument(help="Which session or firm.")] = None,
) -> None:
    """Take the kill switch back."""
    ask(ctx, "unkill", scope=scope, name=name)


# --- single orders, trades, shards ----------------------------------------------------------------


@app.command("bust")
def bust(
    ctx: typer.Context, trade_id: Annotated[str, typer.Argument(help="Trade id, FIX tag 527.")]
) -> None:
    """Take a trade back: ledgers and market data are put right."""
    ask(ctx, "bust", trade_id=trade_id)


@app.command("cancel")
def cancel(
    ctx: typer.Context, order_id: Annotated[str, typer.Argument(help="Order id, FIX tag 37.")]
) -> None:
    """Cancel one resting order (OPERATOR_CANCEL)."""
    ask(ctx, "cancel", order_id=order_id)


@app.command("quarantine")
def quarantine(
    ctx: typer.Context,
    place: Annotated[
        str, typer.Argument(metavar="ID", help="ENTRY:INDEX, as the core says; -1: all of it.")
    ],
) -> None:
    """Skip a command on which the core fails, now and in every replay."""
    entry_id, _, index = place.partition(":")
    ask(ctx, "quarantine", entry_id=entry_id, index=index or "0")


@app.command("drain")
def drain(
    ctx: typer.Context,
    *,
    grace: Annotated[
        str | None, typer.Option(help="Seconds until the Logouts, default 10.")
    ] = None,
    lasts: Annotated[
        str | None, typer.Option(help="Seconds after which it is over anyway, default 300.")
    ] = None,
    stops: Annotated[
        bool | None, typer.Option("--stop/--no-stop", help="Stop the processes then; default yes.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="What clients read.")] = None,
) -> None:
    """Planned restart: News, no new orders or Logons, all reports out, Logouts, a clean stop."""
    ask(ctx, "drain", grace=grace, lasts=lasts, stops=stops, text=text)


@app.command("check")
def check(ctx: typer.Context) -> None:
    """Start-of-day checks: fit to open? Exit code 1 if anything is at fault."""
    ask(ctx, "check")


@app.command("status")
def status(ctx: typer.Context) -> None:
    """Shards, who leads them, readers' lag, counts."""
    ask(ctx, "status")


@app.command("history")
def history(
    ctx: typer.Context,
    operator: Annotated[str | None, typer.Option(help="Only this operator's.")] = None,
    rows: Annotated[str | None, typer.Option(help="How many, default 50.")] = None,
) -> None:
    """What operators did, newest last."""
    ask(ctx, "history", operator=operator, rows=rows)
