"""`kalshi-fix admin markets`: a market's definition and its life, from pause to settlement."""

from typing import Annotated

import typer

from kalshi_fix.cli_admin_session import ask

Symbol = Annotated[str, typer.Argument(help="Market symbol.")]
MarketOrNot = Annotated[str | None, typer.Argument(help="Market symbol.")]
Everything = Annotated[bool, typer.Option("--exchange", help="All markets.")]
Outcome = Annotated[str, typer.Argument(help="YES, NO, or the payout per contract in dollars.")]
Source = Annotated[str | None, typer.Option(help="Who says so (default: you).")]
Evidence = Annotated[str, typer.Option(help="Where it can be checked, for example a URL.")]
Instant = Annotated[str | None, typer.Option(help="Like 2026-12-16T19:00:00Z.")]
Seconds = Annotated[str | None, typer.Option(help="Seconds.")]
Dollars = Annotated[str | None, typer.Option(help="Dollars, at most 4 decimals.")]

markets = typer.Typer(no_args_is_help=True, help="Define markets and lead them through their life.")


@markets.command("list")
def markets_list(
    ctx: typer.Context,
    symbol: Annotated[str | None, typer.Argument(help="One market, with all its facts.")] = None,
    status: Annotated[str | None, typer.Option(help="Only markets in this state.")] = None,
) -> None:
    """Markets with state, last price, volume, open interest."""
    ask(ctx, "markets.list", symbol=symbol, status=status)


@markets.command("define")
def markets_define(
    ctx: typer.Context,
    *,
    symbol: Symbol,
    event_ticker: Annotated[str | None, typer.Option("--event", help="Event ticker.")] = None,
    series: Annotated[str | None, typer.Option(help="Series: the fee schedule.")] = None,
    title: Annotated[str | None, typer.Option(help="What YES means, for people.")] = None,
    price_range: Annotated[
        list[str] | None,
        typer.Option(help="Ticks as START:END:STEP in dollars; again for the next range."),
    ] = None,
    open_at: Instant = None,
    close_at: Instant = None,
    expected_expiry_at: Instant = None,
    settlement_timer: Seconds = None,
    position_limit: Annotated[str | None, typer.Option(help="Contracts per account.")] = None,
    price_band: Dollars = None,
    halt_band: Dollars = None,
    halt_window: Seconds = None,
    halt_time: Seconds = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Jurisdiction excluded.")] = None,
    status: Annotated[str | None, typer.Option(help="initialized or active, if new.")] = None,
) -> None:
    """Create a market, or change what is named of one; new ones need --event --series --title."""
    ask(
        ctx,
        "markets.define",
        symbol=symbol,
        event_ticker=event_ticker,
        series=series,
        title=title,
        price_ranges=price_range or None,
        open_at=open_at,
        close_at=close_at,
        expected_expiry_at=expected_expiry_at,
        settlement_timer=settlement_timer,
        position_limit=position_limit,
        price_band=price_band,
        halt_band=halt_band,
        halt_window=halt_window,
        halt_time=halt_time,
        jurisdictions_excluded=exclude or None,
        status=status,
    )


def _pause(ctx: typer.Context, verb: str, symbol: str | None, *, exchange: bool) -> None:
    if exchange == (symbol is not None):
        raise typer.BadParameter("name one market, or --exchange for all")
    if exchange:
        ask(ctx, f"exchange.{verb}")
    ask(ctx, f"markets.{verb}", symbol=symbol)


@markets.command("pause")
def markets_pause(
    ctx: typer.Context, symbol: MarketOrNot = None, exchange: Everything = False
) -> None:
    """Pause a market, or all of them with --exchange: cancels pass, new orders do not."""
    _pause(ctx, "pause", symbol, exchange=exchange)


@markets.command("resume")
def markets_resume(
    ctx: typer.Context, symbol: MarketOrNot = None, exchange: Everything = False
) -> None:
    """Resume a paused market, or all of them with --exchange."""
    _pause(ctx, "resume", symbol, exchange=exchange)


@markets.command("close")
def markets_close(ctx: typer.Context, symbol: Symbol) -> None:
    """Close a market for good: everything resting is cancelled."""
    ask(ctx, "markets.close", symbol=symbol)


@markets.command("determine")
def markets_determine(
    ctx: typer.Context,
    symbol: Symbol,
    value: Outcome,
    source: Source = None,
    evidence: Evidence = "",
) -> None:
    """State the outcome of a closed market; another operator must confirm it."""
    source = source or ctx.obj.operator
    ask(ctx, "markets.determine", symbol=symbol, value=value, source=source, evidence=evidence)


@markets.command("confirm")
def markets_confirm(ctx: typer.Context, symbol: Symbol) -> None:
    """Confirm another operator's determination; the settlement timer starts."""
    ask(ctx, "markets.confirm", symbol=symbol)


@markets.command("dispute")
def markets_dispute(ctx: typer.Context, symbol: Symbol) -> None:
    """Stop the settlement timer of a determined market."""
    ask(ctx, "markets.dispute", symbol=symbol)


@markets.command("settle")
def markets_settle(
    ctx: typer.Context,
    symbol: Symbol,
    correct: Annotated[
        str | None, typer.Option(help="Correct a settled market: YES, NO or dollars.")
    ] = None,
    source: Source = None,
    evidence: Evidence = "",
) -> None:
    """Pay a confirmed market out now, or with --correct reverse and pay anew."""
    if correct is None:
        ask(ctx, "markets.settle", symbol=symbol)
    source = source or ctx.obj.operator
    ask(ctx, "markets.correct", symbol=symbol, value=correct, source=source, evidence=evidence)
