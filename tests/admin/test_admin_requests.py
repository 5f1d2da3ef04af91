"""Requests to commands: one row per operation, and everything a request can get wrong."""

from typing import Any

import pytest

from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.services.admin import (
    InvalidRequestError,
    RefusedError,
    Request,
    ShardAnswer,
    Stamp,
    Status,
    combine,
    to_command,
)
from kalshi_fix.services.admin_operations import OPERATIONS, Reach
from kalshi_fix.services.admin_view import ShardView

HEAD = ("R1", "op1", "because", 7)
T = "KXTEST-A"


def command_of(operation: str, args: dict[str, Any], view: ShardView | None = None) -> Any:
    request = Request(operation=operation, args=args, request_id="R1", why="because")
    return to_command(request, Stamp(*HEAD), view or ShardView())


NEW_MARKET = {"symbol": T, "event_ticker": "KXTEST", "series": "KXTEST", "title": "Test A"}
TABLE = [
    ("markets.pause", {"symbol": T}, c.SetMarketStatus(*HEAD, T, "paused")),
    ("markets.resume", {"symbol": T}, c.SetMarketStatus(*HEAD, T, "active")),
    ("markets.close", {"symbol": T}, c.SetMarketStatus(*HEAD, T, "closed")),
    (
        "markets.determine",
        {"symbol": T, "value": "yes", "source": "BLS", "evidence": "https://bls.gov"},
        c.Determine(*HEAD, T, 10_000, "BLS", "https://bls.gov", automatic=False),
    ),
    (
        "markets.determine",
        {"symbol": T, "value": "0.25", "source": "op1"},
        c.Determine(*HEAD, T, 2_500, "op1", "", automatic=False),
    ),
    ("markets.confirm", {"symbol": T}, c.Confirm(*HEAD, T)),
    ("markets.dispute", {"symbol": T}, c.Dispute(*HEAD, T)),
    ("markets.settle", {"symbol": T}, c.Settle(*HEAD, T)),
    (
        "markets.correct",
        {"symbol": T, "value": "NO", "source": "BLS"},
        c.Settle(*HEAD, T, correction=True, value=0, source="BLS", evidence=""),
    ),
    ("markets.define", NEW_MARKET, c.DefineMarket(*HEAD, T, "KXTEST", "KXTEST", "Test A")),
    (
        "markets.define",
        {
            **NEW_MARKET,
            "price_ranges": ["0.001:0.1:0.001", "0.1:0.9:0.01"],
            "close_at": "1970-01-01T00:00:02Z",
            "settlement_timer": "3600",
            "position_limit": "25000",
            "jurisdictions_excluded": ["US-NV"],
            "status": "initialized",
        },
        c.DefineMarket(
            *HEAD, T, "KXTEST", "KXTEST", "Test A",
            price_ranges=((10, 1_000, 10), (1_000, 9_000, 100)),
            close_at=2_000_000_000,
            settlement_timer=3_600_000_000_000,
            position_limit=2_500_000,
            jurisdictions_excluded=("US-NV",),
            status="initialized",
        ),
    ),
    ("exchange.pause", {}, c.SetExchangeStatus(*HEAD, paused=True)),
    ("exchange.resume", {}, c.SetExchangeStatus(*HEAD, paused=False)),
    (
        "accounts.define",
        {"account": "A-3", "firm": "ALPHA", "jurisdiction": "US-NY"},
        c.DefineAccount(*HEAD, "A-3", "ALPHA", "US-NY"),
    ),
    (
        "accounts.deposit",
        {"account": "A-1", "amount": "100.5"},
        c.Deposit(*HEAD, "A-1", 100_500_000),
    ),
    (
        "accounts.withdraw",
        {"account": "A-1", "amount": "0.000001"},
        c.Withdraw(*HEAD, "A-1", 1),
    ),
    (
        "firms.define",
        {"firm": "GAMMA", "roles": ["NR", "DC"]},
        c.DefineFirm(*HEAD, "GAMMA", "", ("NR", "DC")),
    ),
    (
        "segments.define",
        {
            "segment": "S", "message_types": ["D"], "markets": ["KX*"],
            "limits": {"open_orders": "9"},
        },
        c.DefineSegment(*HEAD, "S", ("D",), ("KX*",), read_only=False, limits={"open_orders": 9}),
    ),
    (
        "sessions.add",
        {
            "session": "N", "sender_comp_id": "N", "target_comp_id": "KalshiNR", "role": "NR",
            "firm": "ALPHA", "accounts": ["A-1"], "cancel_on_disconnect": True,
            "cancel_scope": "firm", "max_order_age": "5",
        },
        c.DefineSession(
            *HEAD, "N", "N", "KalshiNR", "NR", "ALPHA", ("A-1",), cancel_on_disconnect=True,
            cancel_scope="firm", max_order_age=5_000_000_000,
        ),
    ),
    (
        "sessions.logout",
        {"session": "N", "text": "BYE"},
        c.ManageSession(*HEAD, "N", "logout", text="BYE"),
    ),
    (
        "maintenance.announce",
        {"starts_at": "1970-01-01T00:00:03Z", "ends_at": "1970-01-01T00:00:04Z", "text": "new"},
        c.AnnounceMaintenance(*HEAD, 3_000_000_000, 4_000_000_000, "new"),
    ),
    ("maintenance.withdraw", {}, c.AnnounceMaintenance(*HEAD, 0, 0)),
    ("sessions.reset", {"session": "N"}, c.ManageSession(*HEAD, "N", "reset")),
    (
        "sessions.set-numbers",
        {"session": "N", "next_incoming": "5", "next_outgoing": "7"},
        c.ManageSession(*HEAD, "N", "set-numbers", 5, 7),
    ),
    ("firms.unlock", {"firm": "ALPHA"}, c.UnlockFirm(*HEAD, "ALPHA")),
    (
        "series.define",
        {"series": "KXFED", "maker_rate": "-0.0025", "multiplier": "0.5"},
        c.DefineSeries(*HEAD, "KXFED", 70_000, -2_500, 50),
    ),
    (
        "limits.set",
        {
            "scope": "account",
            "name": "A-1",
            "limits": {
                "order_size": "100",
                "order_value": "50",
                "open_orders": "9",
                "position": "1.5",
                "exposure": "1000",
                "price_distance": "0.1",
            },
            "expires_at": "1970-01-01T00:00:03Z",
        },
        c.SetLimits(
            *HEAD, "account", "A-1",
            {
                "order_size": 10_000,
                "order_value": 50_000_000,
                "open_orders": 9,
                "position": 150,
                "exposure": 1_000_000_000,
                "price_distance": 1_000,
            },
            3_000_000_000,
        ),
    ),
    ("kill", {"scope": "firm", "name": "ALPHA"}, c.KillSwitch(*HEAD, "firm", "ALPHA", killed=True)),
    ("kill", {"scope": "exchange"}, c.KillSwitch(*HEAD, "exchange", "", killed=True)),
    (
        "unkill",
        {"scope": "session", "name": "ALPHA-RT"},
        c.KillSwitch(*HEAD, "session", "ALPHA-RT", killed=False),
    ),
    ("bust", {"trade_id": "12"}, c.BustTrade(*HEAD, 12)),
    ("cancel", {"order_id": "34"}, c.CancelByOperator(*HEAD, 34)),
    ("drain", {"grace": "2.5", "stops": False, "text": "soon"},
     c.Drain(*HEAD, 2_500_000_000, 300_000_000_000, False, "soon")),
    ("quarantine", {"entry_id": "17-0", "index": "3"}, c.Quarantine(*HEAD, "17-0", 3)),
    ("quarantine", {"entry_id": "17-0", "index": "-1"}, c.Quarantine(*HEAD, "17-0", -1)),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "args", "command"), TABLE)
def test_an_operation_is_its_command(operation: str, args: Any, command: object) -> None:
    assert command_of(operation, args) == command


def test_every_operation_stands_in_the_table_above() -> None:
    # these change a session that exists: tested below
    verbs = ("enable", "disable", "remove", "credentials", "throttle", "calendar", "change")
    tested = {row[0] for row in TABLE} | {f"sessions.{verb}" for verb in verbs}
    assert tested == set(OPERATIONS)


def test_an_operator_can_never_be_the_oracle_that_needs_no_second_one() -> None:
    args = {"symbol": T, "value": "YES", "source": "x", "automatic": "true"}
    with pytest.raises(InvalidRequestError, match="no field 'automatic'"):
        command_of("markets.determine", args)


@pytest.mark.parametrize(
    ("operation", "args", "says"),
    [
        ("markets.explode", {}, "no operation 'markets.explode'"),
        ("markets.pause", {}, "symbol is missing"),
        ("markets.pause", {"symbol": "kx test"}, "symbol: 'kx test' is not a symbol"),
        ("markets.pause", {"symbol": 5}, "symbol: 5 is not a symbol"),
        ("markets.pause", {"symbol": T, "x": "1"}, "no field 'x' here; the fields are: symbol"),
        ("exchange.pause", {"x": "1"}, "the fields are: none"),
        (
            "accounts.deposit",
            {"account": "A-1", "amount": 5},
            'amount: 5 must be text, like "1.25"',
        ),
        ("accounts.deposit", {"account": "A-1", "amount": "0"}, "amount: '0' is too small"),
        ("accounts.deposit", {"account": "A-1", "amount": "-5"}, "amount: '-5' is negative"),
        ("accounts.deposit", {"account": "A 1", "amount": "5"}, "account: 'A 1' is not a name"),
        ("markets.determine", {"symbol": T, "value": "MAYBE"}, "value: 'MAYBE' is not a decimal"),
        ("markets.define", {"symbol": T}, "event_ticker is missing"),
        ("markets.define", {**NEW_MARKET, "title": "a\nb"}, "title: text is at most"),
        (
            "markets.define",
            {**NEW_MARKET, "status": "settled"},
            "is not one of initialized, active",
        ),
        ("markets.define", {**NEW_MARKET, "price_ranges": []}, "price_ranges: "),
        ("markets.define", {**NEW_MARKET, "price_ranges": ["0:0.5:0.1"]}, "inside 0..1"),
        (
            "markets.define",
            {**NEW_MARKET, "price_ranges": ["0.1:0.2:0.1", "0.3:0.4:0.1"]},
            "starts where the one before ends",
        ),
        (
            "limits.set",
            {"scope": "firm", "name": "A", "limits": {"speed": "1"}},
            "no limit 'speed'",
        ),
        ("limits.set", {"scope": "market", "name": "A", "limits": {}}, "scope: 'market' is not"),
        ("kill", {"scope": "firm"}, "name: a session or a firm is named"),
        ("kill", {"scope": "exchange", "name": "ALPHA"}, "the exchange is not"),
        ("bust", {"trade_id": "0"}, "trade_id: '0' is too small"),
        ("quarantine", {"entry_id": "abc"}, "entry_id: 'abc' is not an entry"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(operation: str, args: Any, says: str) -> None:
    with pytest.raises(InvalidRequestError) as error:
        command_of(operation, args)
    assert says in str(error.value)


@pytest.mark.parametrize("request_id", ["", "x" * 65, "a\nb"])
def test_a_request_needs_an_identity_that_can_be_logged(request_id: str) -> None:
    request = Request(operation="exchange.pause", request_id=request_id)
    with pytest.raises(InvalidRequestError, match="request_id"):
        to_command(request, Stamp(*HEAD), ShardView())


def test_a_reason_cannot_forge_a_line_of_the_log() -> None:
    request = Request(operation="exchange.pause", request_id="R1", why="ok\n{}")
    with pytest.raises(InvalidRequestError, match="why"):
        to_command(request, Stamp(*HEAD), ShardView())


def view_with(*events: e.Event) -> ShardView:
    view = ShardView()
    for event in events:
        view.apply(event)
    return view


SESSION = e.SessionDefined(
    1, 5, "ALPHA-RT", "ALPHA", "ALPHA-RT", "KalshiRT", "RT", ("A-1", "A-2"),
    enabled=True, killed=False, cancel_on_disconnect=True, max_order_age=99,
)  # fmt: skip


@pytest.mark.parametrize(
    ("verb", "enabled"),
    [("enable", True), ("disable", False), ("remove", False), ("credentials", True)],
)
def test_a_session_switch_leaves_the_rest_of_the_session_alone(verb: str, enabled: bool) -> None:
    command = command_of(f"sessions.{verb}", {"session": "ALPHA-RT"}, view_with(SESSION))
    assert command == c.DefineSession(
        *HEAD, "ALPHA-RT", "ALPHA-RT", "KalshiRT", "RT", "ALPHA", ("A-1", "A-2"),
        enabled=enabled, cancel_on_disconnect=True, max_order_age=99,
    )  # fmt: skip


def test_a_change_of_a_session_keeps_what_is_not_named() -> None:
    args = {"session": "ALPHA-RT", "segment": "S", "read_only": "yes", "markets": []}
    command = command_of("sessions.change", args, view_with(SESSION))
    assert command == c.DefineSession(
        *HEAD, "ALPHA-RT", "ALPHA-RT", "KalshiRT", "RT", "ALPHA", ("A-1", "A-2"), enabled=True,
        cancel_on_disconnect=True, max_order_age=99, segment="S", read_only=True,
    )  # fmt: skip


def test_a_session_that_does_not_exist_cannot_be_switched() -> None:
    with pytest.raises(RefusedError, match="SESSION_NOT_FOUND"):
        command_of("sessions.disable", {"session": "NOBODY"})


def test_redefining_a_market_changes_only_what_is_named() -> None:
    market = e.MarketChanged(
        1, 5, T, 1, "active", "EV", "SE", "Title", ((10, 9990, 10),), 1, 2, 3, -1, "", "",
        ("US-NV",), settlement_timer=4, position_limit=5, price_band=6, halt_band=7,
        halt_window=8, halt_time=9,
    )  # fmt: skip
    command = command_of("markets.define", {"symbol": T, "title": "New"}, view_with(market))
    assert command == c.DefineMarket(
        *HEAD, T, "EV", "SE", "New", ((10, 9990, 10),), 1, 2, 3, 4, 5, 6, 7, 8, 9, ("US-NV",),
    )  # fmt: skip


def test_money_is_confirmed_by_a_person_exactly_where_it_moves() -> None:
    assert {name for name, operation in OPERATIONS.items() if operation.moves_money} == {
        "accounts.deposit", "accounts.withdraw", "markets.determine", "markets.confirm",
        "markets.settle", "markets.correct", "bust",
    }  # fmt: skip


def test_reference_data_kill_switch_limits_and_pauses_reach_every_shard() -> None:
    every = {name for name, operation in OPERATIONS.items() if operation.reach is Reach.EVERY}
    assert every == {
        "exchange.pause", "exchange.resume", "accounts.define", "firms.define", "firms.unlock",
        "series.define", "segments.define", "limits.set", "kill", "unkill", "sessions.enable",
        "sessions.disable", "sessions.add", "sessions.remove", "sessions.change",
        "maintenance.announce", "maintenance.withdraw", "sessions.credentials", "sessions.logout",
        "sessions.reset", "sessions.set-numbers", "sessions.throttle", "drain",
        "sessions.calendar",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("statuses", "status", "detail"),
    [
        (("done", "done"), Status.DONE, ""),
        (("done", "unconfirmed"), Status.UNCONFIRMED, "shard s1: late"),
        (("unreachable", "unconfirmed"), Status.UNREACHABLE, "shard s0: late"),
        (("refused", "unconfirmed"), Status.REFUSED, "shard s0: late"),
        (("unconfirmed", "unconfirmed"), Status.UNCONFIRMED, "shard s0, s1: late"),
    ],
)
def test_the_answer_names_the_shards_that_did_not_do_it(
    statuses: tuple[str, ...], status: Status, detail: str
) -> None:
    shards = [
        ShardAnswer(shard=f"s{n}", status=state, detail="" if state == "done" else "late")
        for n, state in enumerate(statuses)
    ]
    answer = combine("R1", shards)
    assert (answer.status, answer.detail) == (status, detail)
