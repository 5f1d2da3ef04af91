"""U1 by ExecID against a lane with a real engine: from the stream and from sealed segments."""

from pathlib import Path

from gateway.gateway_support import Client, Rig, rig, wait_until

from kalshi_fix.adapters.archive import StreamArchive
from kalshi_fix.adapters.bus import Entry
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.messages.batch import EventEntry

AT_MS = 1_790_000_000_000  # of every report the small core makes
SEGMENT_BYTES = 1_000


def exec_id(number: int) -> str:
    return f"{AT_MS};{number}"


def traded(system: Rig, orders: int, *, firm: str = "ALPHA") -> tuple[Client, Client]:
    """A firm's trader with so many orders, each reported, and its drop copy, not logged on yet."""
    trader = system.client(f"{firm}-RT")
    trader.log_on(reset=True)
    for number in range(orders):
        trader.order(f"{firm}{number}")
        trader.receive_until("8")  # one at a time: an entry of the stream each
    return trader, system.client("ALPHA-DC", "DC")


def replayed(client: Client, begin: str, end: str = "") -> tuple[list[FixMessage], FixMessage]:
    """The copies a U1 brings, and what ends them; live reports stay out."""
    number = client.send("U1", (21001, begin), *([(21002, end)] if end else []))
    copies: list[FixMessage] = []
    while (message := client.receive()).msg_type not in {"U2", "U3"}:
        if message.get(97) == "Y":
            copies.append(message)
    assert message.get(45) == str(number)
    return copies, message


def archived(system: Rig, last: int) -> StreamArchive:
    """Moves events up to a number from the stream to the archive, as the core does."""
    bus = system.store.connect("s0")
    archive = StreamArchive(system.data.archive("s0"), "evt", SEGMENT_BYTES)
    archive.open()
    archive.append(
        [e for e in bus.read_events(0, 10_000, 0) if int(e.id.partition("-")[0]) <= last]
    )
    archive.close()
    bus.trim("0-0", last + 1)
    return archive


def ids(messages: list[FixMessage]) -> list[str]:
    return [message.get(11) for message in messages]


def test_reports_come_again_as_they_were(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        trader, copy = traded(system, 1)
        copy.log_on(reset=True)
        for number in range(5):
            trader.order(f"live{number}")
        first = [copy.receive_until("8") for _ in range(5)]
        copies, end = replayed(copy, first[1].get(17), first[3].get(17))
        assert (end.msg_type, end.get(21003)) == ("U2", "3")
        for live, again in zip(first[1:4], copies, strict=True):
            assert [again.get(tag) for tag in (17, 60, 11, 37, 150)] == [
                live.get(tag) for tag in (17, 60, 11, 37, 150)
            ]
            assert int(again.get(34)) > int(live.get(34))


def test_what_the_store_has_trimmed_comes_from_sealed_segments(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        _, copy = traded(system, 60)
        archive = archived(system, system.core.number - 10)
        assert len(archive.segments()) > 2
        copy.log_on(reset=True)
        copies, end = replayed(copy, "0")
        assert end.get(21003) == "60"
        assert ids(copies) == [f"ALPHA{n}" for n in range(60)]
        middle, end = replayed(copy, copies[20].get(17))
        assert ids(middle) == ids(copies[20:])


def test_only_the_firms_own_reports_come(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        traded(system, 7, firm="BRAVO")
        foreign = system.core.number
        _, copy = traded(system, 3)
        copy.log_on(reset=True)
        copies, _ = replayed(copy, "0;0")
        assert ids(copies) == ["ALPHA0", "ALPHA1", "ALPHA2"]
        refused = [replayed(copy, begin)[1] for begin in (exec_id(foreign), "1;1", "x", "0;0;1")]
        assert [message.get(21004) for message in refused] == ["3"] * 4
        assert refused[0].get(58) == "UNKNOWN_BEGIN_EXEC_ID"


def test_a_hole_in_history_is_said_not_passed_over(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        _, copy = traded(system, 20)
        system.store.connect("s0").trim("0-0", system.core.number - 5)
        copy.log_on(reset=True)
        copies, end = replayed(copy, "0")
        assert copies == []
        assert (end.msg_type, end.get(21004), end.get(58)) == ("U3", "2", "REPLAY_FAILED")


def test_one_replay_at_a_time_and_live_reports_do_not_wait_for_it(tmp_path: Path) -> None:
    with rig(tmp_path, replay_reports_per_second=20) as system:
        trader, copy = traded(system, 30)
        copy.log_on(reset=True)
        copy.send("U1", (21001, "0"))
        assert copy.receive_until("8").get(97) == "Y"
        again = copy.send("U1", (21001, "0"))
        trader.order("live")
        seen: list[FixMessage] = []
        while not seen or seen[-1].msg_type != "U2":
            seen.append(copy.receive())
        refused = next(message for message in seen if message.msg_type == "U3")
        assert [refused.get(tag) for tag in (45, 21004, 58)] == [
            str(again), "1", "REPLAY_IN_PROGRESS",
        ]  # fmt: skip
        live = next(n for n, m in enumerate(seen) if m.get(11) == "live" and m.get(97) != "Y")
        assert live < len(seen) - 5, "it came between the copies"
        assert sum(message.get(97) == "Y" for message in seen) == 29


def test_a_replay_ends_with_its_connection_and_the_next_logon_says_so(tmp_path: Path) -> None:
    with rig(tmp_path, replay_reports_per_second=20) as system:
        _, copy = traded(system, 60)
        copy.log_on(reset=True)
        number = copy.send("U1", (21001, "0"))
        before = copy.receive_until("8")
        copy.drop()
        wait_until(lambda: system.metric('fixgw_replays_total{result="REPLAY_INTERRUPTED"}') == 1)
        answer = copy.log_on()
        copy.send("2", (7, str(int(before.get(34)) + 1)), (16, "0"))
        told = answer if answer.msg_type == "U3" else copy.receive_until("U3")
        assert [told.get(tag) for tag in (45, 58)] == [str(number), "REPLAY_INTERRUPTED"]
        assert replayed(copy, exec_id(system.core.number - 70), "")[1].msg_type in {"U2", "U3"}


def test_the_answer_settles_the_request(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        _, copy = traded(system, 3)
        copy.log_on(reset=True)
        replayed(copy, "0")
        link = system.lane.links["ALPHA-DC"]
        wait_until(link.progress.is_settled)


def test_a_report_just_told_can_be_asked_for_at_once(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        trader, copy = traded(system, 1)
        copy.log_on(reset=True)
        system.core.pause()
        for number in range(400):
            trader.order(f"batch{number}")
        wait_until(
            lambda: system.metric('fixgw_messages_total{direction="in",msg_type="D"}') == 401
        )
        system.core.resume()  # all of them in one entry: the first is told long before the last
        first = copy.receive_until("8")
        copies, end = replayed(copy, first.get(17), first.get(17))
        assert (ids(copies), end.msg_type) == ([first.get(11)], "U2")


def test_an_event_that_cannot_be_read_ends_its_replay_and_not_the_lane(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        trader, copy = traded(system, 3)
        copy.log_on(reset=True)
        entry = EventEntry(b"", 1, system.core.number, [("ALPHA", b"\xc1")], b"")
        archive = StreamArchive(system.data.archive("s0"), "evt", SEGMENT_BYTES)
        archive.open()
        archive.append([Entry(f"{system.core.number}-0", entry.pack())])
        archive.close()
        system.store.connect("s0").trim("0-0", system.core.number + 1)
        assert replayed(copy, "0")[1].get(58) == "REPLAY_FAILED"
        trader.order("after it")
        assert copy.receive_until("8").get(11) == "after it"


def test_the_end_of_a_replay_is_not_told_again_to_who_began_its_numbers_anew(
    tmp_path: Path,
) -> None:
    with rig(tmp_path) as system:
        trader, copy = traded(system, 2)
        copy.log_on(reset=True)
        replayed(copy, "0")
        copy.drop()
        wait_until(lambda: system.lane.links["ALPHA-DC"].outbox.is_away)
        copy.log_on(reset=True, replay=True)
        trader.order("after it")
        kinds = []
        while True:
            message = copy.receive()
            kinds.append(message.msg_type)
            if message.get(11) == "after it" and message.get(97) != "Y":
                break
        assert set(kinds) == {"8"}
