import pytest
from tiny_machine import TinyMachine, deposit

from kalshi_fix.adapters.bus import Entry, Offset
from kalshi_fix.messages import commands as c
from kalshi_fix.messages.batch import CommandBatch, EventEntry, VersionError
from kalshi_fix.messages.codec import pack_rows
from kalshi_fix.processes.core_commits import Commit, Tail, plan
from kalshi_fix.processes.core_replica import (
    PIECE_EVENTS_MAX,
    Applied,
    PoisonError,
    Replica,
    quarantines,
)

START = Tail(Offset(), 0, b"")


def entry(number: int, *commands: c.Command) -> Entry:
    return Entry(f"{number}-0", CommandBatch("test", {}, list(commands)).pack())


def run(entries: list[Entry], *, per_commit: int) -> tuple[Replica, list[Commit]]:
    """Applies entries, so many per commit."""
    replica, tail = Replica(TinyMachine()), START
    commits: list[Commit] = []
    for at in range(0, len(entries), per_commit):
        applied = [replica.apply(one) for one in entries[at : at + per_commit]]
        commits += plan(applied, tail)
        if commits:
            tail = Tail(commits[-1].after, commits[-1].last_event, commits[-1].state_hash)
    return replica, commits


def event_numbers(commits: list[Commit]) -> list[int]:
    written = [EventEntry.unpack(one.payload) for commit in commits for one in commit.entries]
    return [event.number for one in written for event in one.events()]


def test_hash_and_events_do_not_depend_on_how_entries_are_batched() -> None:
    entries = [entry(n, deposit(n % 4, f"a{n}"), c.AdvanceTime(n)) for n in range(1, 30)]
    runs = [run(entries, per_commit=size) for size in (1, 3, 29)]
    assert len({replica.state_hash for replica, _ in runs}) == 1
    assert len({commits[-1].state_hash for _, commits in runs}) == 1
    assert all(event_numbers(c) == event_numbers(runs[0][1]) for _, c in runs)


def test_another_history_has_another_hash() -> None:
    one, _ = run([entry(1, deposit(1, "a"))], per_commit=1)
    other, _ = run([entry(1, deposit(1, "b"))], per_commit=1)
    assert one.state_hash != other.state_hash


def test_the_hash_covers_all_that_went_before() -> None:
    last = entry(2, deposit(1, "same"))
    one, _ = run([entry(1, deposit(1, "a")), last], per_commit=1)
    other, _ = run([entry(1, deposit(1, "b")), last], per_commit=1)
    assert one.state_hash != other.state_hash


def test_small_entries_share_one_commit_with_one_event_entry() -> None:
    _, commits = run([entry(n, deposit(2)) for n in range(1, 11)], per_commit=10)
    (commit,) = commits
    assert (commit.before, commit.after) == (Offset(), Offset("10-0"))
    assert [one.id for one in commit.entries] == ["20-0"]


def test_entries_without_events_only_move_the_offset() -> None:
    _, commits = run([entry(1, c.AdvanceTime(1)), entry(2, c.AdvanceTime(2))], per_commit=2)
    assert [(one.after, one.entries, one.last_event) for one in commits] == [(Offset("2-0"), [], 0)]


def test_large_output_of_one_entry_is_committed_in_counted_chunks() -> None:
    entries = [entry(1, deposit(1)), entry(2, deposit(1_200)), entry(3, deposit(1))]
    _, commits = run(entries, per_commit=3)
    assert [commit.after for commit in commits] == [
        Offset("1-0", 0),
        Offset("1-0", 1),
        Offset("1-0", 2),
        Offset("3-0", 0),
    ]
    assert event_numbers(commits) == list(range(1, 1_203))
    for commit in commits:
        (one,) = commit.entries
        assert len(EventEntry.unpack(one.payload).events()) <= PIECE_EVENTS_MAX


def test_a_chunk_is_bounded_in_bytes_too() -> None:
    _, commits = run([entry(1, deposit(100, "y" * 5_000))], per_commit=1)
    assert len(commits) > 5
    assert max(len(commit.entries[0].payload) for commit in commits) < 70_000


@pytest.mark.parametrize("written", [1, 2])
def test_a_new_leader_writes_only_the_chunks_that_are_missing(written: int) -> None:
    entries = [entry(1, deposit(1)), entry(2, deposit(1_200))]
    _, whole = run(entries, per_commit=1)
    replica = Replica(TinyMachine())
    replica.apply(entries[0])
    applied = replica.apply(entries[1])
    there = applied.pieces[written - 1]
    rest = plan([applied], Tail(Offset("1-0", written), there.last, there.state_hash))
    assert rest == whole[1 + written :]


def test_only_the_first_entry_s_chunks_can_be_there_already() -> None:
    entries = [entry(1, deposit(1_200)), entry(2, deposit(1_200))]
    _, whole = run(entries, per_commit=2)
    replica = Replica(TinyMachine())
    applied = [replica.apply(one) for one in entries]
    there = applied[0].pieces[1]
    rest = plan(applied, Tail(Offset("0-0", 2), there.last, there.state_hash))
    assert event_numbers(rest) == list(range(1_001, 2_401))
    assert rest[-1] == whole[-1]


def test_blocks_are_what_packing_the_events_together_gives() -> None:
    _, commits = run([entry(1, deposit(3, "a")), entry(2, deposit(2, "b"))], per_commit=2)
    written = EventEntry.unpack(commits[0].entries[0].payload)
    assert written.firms == [("F", pack_rows(written.events()))]
    assert (written.first, written.last) == (1, 5)


def test_confirmed_numbers_reach_the_exchange_before_the_commands() -> None:
    machine = TinyMachine()
    payload = CommandBatch("gw", {"ALPHA-RT": (2, 17)}, []).pack()
    Replica(machine).apply(Entry("1-0", payload))
    assert machine.confirmed == {"ALPHA-RT": (2, 17)}


def test_the_trading_day_is_known_without_asking_the_exchange() -> None:
    replica = Replica(TinyMachine())
    replica.apply(entry(1, c.StartTradingDay("r", "op", "why", 1, 20261122, 2)))
    assert replica.trading_day == 20261122


def test_a_failure_names_its_place() -> None:
    with pytest.raises(PoisonError) as failure:
        Replica(TinyMachine()).apply(entry(7, deposit(1), deposit(1, "poison")))
    assert failure.value.place == ("7-0", 1)


def test_a_quarantined_command_is_skipped_and_the_rest_of_its_entry_is_not() -> None:
    poisoned = entry(7, deposit(1), deposit(1, "poison"), deposit(1))
    found = quarantines([poisoned, entry(8, c.Quarantine("q", "op1", "bug", 1, "7-0", 1))])
    assert found == {("7-0", 1)}
    replica = Replica(TinyMachine(), found)
    assert replica.apply(poisoned).pieces[-1].last == 2


def test_an_entry_nobody_can_read_is_a_failure_at_the_entry_itself() -> None:
    with pytest.raises(PoisonError) as failure:
        Replica(TinyMachine()).apply(Entry("9-0", b"\xc1 not msgpack"))
    assert failure.value.place == ("9-0", -1)
    assert Replica(TinyMachine(), [("9-0", -1)]).apply(Entry("9-0", b"\xc1")) == Applied(
        "9-0", [], 0
    )


def test_an_entry_of_a_newer_version_is_not_a_failure_of_the_exchange() -> None:
    payload = CommandBatch("gw", {}, []).pack().replace(b"\x94\x01", b"\x94\x63", 1)
    with pytest.raises(VersionError):
        Replica(TinyMachine()).apply(Entry("1-0", payload))


def test_a_gap_in_event_numbers_stops_the_process() -> None:
    machine = TinyMachine()
    machine.number = 5
    with pytest.raises(PoisonError):
        Replica(machine).apply(entry(1, deposit(1)))
