from attrs import evolve

from kalshi_fix.adapters.config import demo_settings
from kalshi_fix.adapters.memory_bus import MemoryStore
from kalshi_fix.adapters.settings import (
    AccountSettings,
    CoreSettings,
    FirmSettings,
    LimitSettings,
    MarketSettings,
    SeriesSettings,
    Settings,
)
from kalshi_fix.adapters.trading_day import trading_day
from kalshi_fix.core.exchange import Exchange
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.messages.batch import CommandBatch
from kalshi_fix.processes import seeds

AT = 1_795_339_569_000_000_000
NANOS = 1_000_000_000


def told(*configurations: Settings, shard: str = "s0") -> list[list[c.Command]]:
    """What each start in turn appends."""
    store = MemoryStore()
    bus = store.connect(shard)
    after, found = "0-0", []
    for number, settings in enumerate(configurations):
        seeds.append(bus, settings, AT + number)
        entries = bus.read_commands(after, 100, 0)
        after = entries[-1].id if entries else after
        batches = [CommandBatch.unpack(entry.payload).commands for entry in entries]
        found.append([command for batch in batches for command in batch])
    return found


def firm(jurisdiction: str = "") -> Settings:
    return Settings(firms=(FirmSettings(name="F", jurisdiction=jurisdiction),))


def test_time_and_trading_day_come_before_what_needs_them() -> None:
    ((clock, day, define),) = told(firm())
    assert clock == c.AdvanceTime(AT)
    assert isinstance(day, c.StartTradingDay)
    assert (day.date, day.ends_at) == (trading_day(AT).date, trading_day(AT).ends_at)
    assert isinstance(define, c.DefineFirm)


def test_an_unchanged_configuration_is_told_once() -> None:
    assert [len(one) for one in told(firm(), firm(), firm())] == [3, 0, 0]


def test_only_what_changed_is_told_again() -> None:
    two = Settings(firms=(FirmSettings(name="F"), FirmSettings(name="G")))
    changed = Settings(firms=(FirmSettings(name="F"), FirmSettings(name="G", jurisdiction="US")))
    _, again = told(two, changed)
    assert [type(command).__name__ for command in again[2:]] == ["DefineFirm"]
    assert again[2].firm == "G"  # type: ignore[union-attr]


def test_a_change_back_is_a_change_with_a_request_id_of_its_own() -> None:
    starts = told(firm(), firm("US"), firm(), firm("US"), firm("US"))
    ids = [start[-1].request_id for start in starts if start]  # type: ignore[union-attr]
    assert len(ids) == len(set(ids)) == 4


def test_the_first_request_id_depends_on_the_content_alone() -> None:
    assert told(firm())[0][-1].request_id == told(firm())[0][-1].request_id  # type: ignore[union-attr]
    assert told(firm())[0][-1].request_id != told(firm("US"))[0][-1].request_id  # type: ignore[union-attr]


def account(deposit: int) -> Settings:
    return evolve(firm(), accounts=(AccountSettings(name="A", firm="F", deposit=deposit),))


def test_an_account_is_funded_once_whatever_the_configuration_says_later() -> None:
    first, second = told(account(5), account(7))
    assert [x.amount for x in first if isinstance(x, c.Deposit)] == [5]
    assert [x for x in second if isinstance(x, c.Deposit)] == []


def test_two_shards_share_the_funds_and_each_has_its_markets() -> None:
    market = MarketSettings(symbol="KX-A", event_ticker="KX", series="KX", title="A")
    settings = evolve(
        account(7),
        core=CoreSettings(shards=("s0", "s1")),
        series=(SeriesSettings(name="KX"),),
        markets=(market, evolve(market, symbol="KX-B", shard="s1")),
    )
    for shard, amount, symbol in (("s0", 4, "KX-A"), ("s1", 3, "KX-B")):
        (commands,) = told(settings, shard=shard)
        assert [x.amount for x in commands if isinstance(x, c.Deposit)] == [amount]
        assert [x.symbol for x in commands if isinstance(x, c.DefineMarket)] == [symbol]
        assert sum(isinstance(x, c.DefineSeries | c.DefineFirm) for x in commands) == 2


def test_durations_become_nanoseconds_and_limits_are_set() -> None:
    settings = evolve(
        firm(),
        series=(SeriesSettings(name="KX"),),
        markets=(
            MarketSettings(
                symbol="KX-A",
                event_ticker="KX",
                series="KX",
                title="A",
                settlement_timer_seconds=60,
                halt_window_seconds=5,
                halt_seconds=30,
                halt_band=500,
            ),
        ),
        limits=(LimitSettings(scope="firm", name="F", limits={"order_size": 100}),),
    )
    ((*_, market, limits),) = told(settings)
    assert isinstance(market, c.DefineMarket)
    assert (market.settlement_timer, market.halt_window) == (60 * NANOS, 5 * NANOS)
    assert (market.halt_time, market.halt_band) == (30 * NANOS, 500)
    assert isinstance(limits, c.SetLimits)
    assert limits.limits == {"order_size": 100}


def test_the_exchange_accepts_everything_the_demo_system_tells_it() -> None:
    exchange = Exchange()
    ((*commands,),) = told(demo_settings())
    events = [event for command in commands for event in exchange.apply(command)]
    answers = [event for event in events if isinstance(event, e.AdminAnswered)]
    assert [answer for answer in answers if answer.reason] == []
    assert sum(isinstance(event, e.MarketChanged) for event in events) == 30
    assert exchange.state.date == trading_day(AT).date
    exchange.check()
