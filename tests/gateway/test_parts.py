"""The small parts, each alone: what is settled, what was sent, what a lane remembers."""

import threading
import time
from pathlib import Path

import pytest
from gateway_support import execution, terms_of, wait_until

from kalshi_fix.adapters.bus import BusDownError, FencedError, LaneHolder, OutcomeUnknownError
from kalshi_fix.adapters.fix_store import (
    Sent,
    content,
    next_numbers,
    refused_ids,
    refused_numbers,
    sent_newest_first,
    tail,
)
from kalshi_fix.adapters.logs import open_log
from kalshi_fix.adapters.memory_bus import MemoryStore
from kalshi_fix.adapters.metrics import Metrics
from kalshi_fix.adapters.settings import LogSettings, Settings
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.wire import frame
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.messages.batch import CommandBatch
from kalshi_fix.model import Reason
from kalshi_fix.processes.gateway_acks import AckTimes, Request, identity_of
from kalshi_fix.processes.gateway_markets import Routes
from kalshi_fix.processes.gateway_metrics import GatewayMetrics
from kalshi_fix.processes.gateway_progress import Progress
from kalshi_fix.processes.gateway_recovery import AlreadySent
from kalshi_fix.processes.gateway_state import LaneState, LaneStateError, Opening
from kalshi_fix.processes.gateway_writer import ShardWriter, Submission, WriterLimits
from kalshi_fix.services.market_data_format import INDEX_KEY, pack_index

# --- progress


def test_confirmed_stands_before_the_first_open_number() -> None:
    progress = Progress((1,))
    for number in (2, 3, 4):
        progress.begin(number)
    progress.settle(3)
    assert progress.confirmed() == 1
    progress.settle(2)
    assert progress.confirmed() == 3
    progress.settle(4)
    assert (progress.confirmed(), progress.is_settled()) == (4, True)


def test_a_number_is_settled_when_all_its_parts_are() -> None:
    progress = Progress((1,))
    progress.begin(5)
    progress.begin(5, 2)
    for _ in range(2):
        progress.settle(5)
        assert progress.confirmed() == 4
    progress.settle(5)
    assert progress.confirmed() == 5


def test_administrative_numbers_need_no_settling_and_never_lower_it() -> None:
    progress = Progress((1,))
    progress.skip_to(10)
    assert progress.confirmed() == 9
    progress.begin(12)
    progress.skip_to(12)
    assert progress.confirmed() == 11


# --- session stores


def write_store(directory: Path, messages: list[tuple[int, FixMessage]], following: int) -> None:
    header, body = b"", b""
    for number, message in messages:
        data = frame(message, "S", "T", number, f"20260101-00:00:{number:02d}.000")
        header += b"%d,%d,%d " % (number, len(body), len(data))
        body += data
    (directory / "x.header").write_bytes(header)
    (directory / "x.body").write_bytes(body)
    (directory / "x.seqnums").write_text(f"{following:020d} : {7:020d}")


def report(cl_ord_id: str) -> FixMessage:
    return FixMessage("8", [(11, cl_ord_id), (17, "1;1"), (150, "0")])


def test_a_store_is_read_newest_first_over_any_number_of_chunks(tmp_path: Path) -> None:
    count = 40_000
    messages = [(number, report(f"o{number}")) for number in range(1, 60)]
    write_store(tmp_path, messages, 60)
    header = (tmp_path / "x.header").read_bytes()
    filler = b"".join(b"%d,0,%d " % (n, 80) for n in range(1, count))
    (tmp_path / "x.header").write_bytes(filler + header)
    found = sent_newest_first(tmp_path, "x")
    assert [next(found).message.get(11) for _ in range(59)] == [
        f"o{number}" for number in range(59, 0, -1)
    ]
    assert next_numbers(tmp_path, "x").incoming == 7


def test_what_was_stored_and_never_sent_does_not_count(tmp_path: Path) -> None:
    # died between storing number 3 and counting it; after the restart 3 was used again
    write_store(tmp_path, [(1, report("a")), (2, report("b")), (3, report("never"))], 3)
    assert [sent.message.get(11) for sent in sent_newest_first(tmp_path, "x")] == ["b", "a"]
    write_store(
        tmp_path,
        [(1, report("a")), (2, report("b")), (3, report("never")), (3, report("c"))],
        4,
    )
    assert [sent.message.get(11) for sent in sent_newest_first(tmp_path, "x")] == ["c", "b", "a"]


def test_no_store_is_an_empty_one(tmp_path: Path) -> None:
    assert list(sent_newest_first(tmp_path, "x")) == []
    assert next_numbers(tmp_path, "x").outgoing == 1


def test_a_tail_reaches_back_in_time_and_in_number(tmp_path: Path) -> None:
    write_store(tmp_path, [(n, report(f"o{n}")) for n in range(1, 11)], 11)
    late = tail(tmp_path, "x", "20260101-00:00:08.000", at_least=1)
    assert [sent.number for sent in late] == [8, 9, 10]
    assert len(tail(tmp_path, "x", "20270101-00:00:00.000", at_least=5)) == 5


def test_content_is_the_same_whatever_the_order_and_the_header() -> None:
    one = FixMessage("8", [(34, "5"), (52, "x"), (97, "Y"), (11, "a"), (150, "0")])
    assert content(one) == content(FixMessage("8", [(150, "0"), (11, "a")]))
    assert content(one) != content(FixMessage("8", [(150, "0"), (11, "b")]))


def test_refusals_are_found_by_number_and_by_id() -> None:
    rows = [
        Sent(1, FixMessage("j", [(45, "7"), (380, "4")])),
        Sent(2, FixMessage("3", [(45, "9"), (373, "5")])),
        Sent(3, FixMessage("8", [(11, "x"), (17, "R;gw1;1"), (150, "8")])),
        Sent(4, report("y")),
    ]
    assert refused_numbers(rows) == {7, 9}
    assert refused_ids(rows) == {"x"}


# --- recovery


def sent(*ids: str) -> list[Sent]:
    return [Sent(number, report(cl_ord_id)) for number, cl_ord_id in enumerate(ids, 1)]


def test_what_stands_in_the_store_is_not_sent_again_and_the_rest_is() -> None:
    recovery = AlreadySent.of({"A": sent("older", "1", "2")}, {})
    found = [recovery.was_sent("A", report(n), number) for number, n in enumerate("123", 10)]
    assert found == [True, True, False]


def test_reports_leave_in_order_so_nothing_after_the_first_missing_one_was_sent() -> None:
    recovery = AlreadySent.of({"A": sent("1", "2")}, {})
    assert not recovery.was_sent("A", report("other"), 10)
    assert not recovery.was_sent("A", report("2"), 11)


def test_sessions_are_compared_each_for_itself() -> None:
    recovery = AlreadySent.of({"A": sent("1"), "B": []}, {})
    assert recovery.was_sent("A", report("1"), 10)
    assert not recovery.was_sent("B", report("1"), 10)
    assert not recovery.was_sent("unknown", report("1"), 10)


def test_history_before_a_new_epoch_is_not_brought_back() -> None:
    recovery = AlreadySent.of({"A": []}, {"A": 100})
    assert recovery.was_sent("A", report("1"), 99)
    assert not recovery.was_sent("A", report("2"), 101)


def test_what_shards_answered_together_is_looked_for_out_of_order() -> None:
    done = FixMessage("UOH", [(20130, "G1")])
    refused = FixMessage("j", [(45, "7"), (372, "UOG")])
    rows = [*sent("1", "2"), Sent(3, done), Sent(4, refused)]
    recovery = AlreadySent.of({"A": rows}, {}, shards=2)
    said = (refused, report("1"), done, report("2"), done)
    assert [recovery.was_sent("A", m, 10) for m in said] == [True, True, True, True, False]


# --- what a lane remembers


def opening(number: int, epoch: int = 1, *, tags: bool = False, reset: bool = False) -> Opening:
    return Opening(number, epoch, listener=False, venue_tags=tags, settlement_reports=False,
                   is_reset=reset)  # fmt: skip


def test_a_lane_knows_the_opening_in_force_at_any_event_since_its_position(
    tmp_path: Path,
) -> None:
    path = tmp_path / "sessions.json"
    state = LaneState.load(path)
    state.add("s0", "A", opening(10, reset=True), 0)
    state.add("s0", "A", opening(20, tags=True), 5)
    again = LaneState.load(path)
    assert again.at("s0", "A", 9) is None
    assert again.at("s0", "A", 19) == opening(10, reset=True)
    assert again.at("s0", "A", 25) == opening(20, tags=True)
    assert again.resets("s0", "A")[0].number == 10
    assert again.at("s1", "A", 25) is None


def test_a_lane_forgets_openings_that_no_event_needs_any_more(tmp_path: Path) -> None:
    state = LaneState.load(tmp_path / "sessions.json")
    state.add("s0", "A", opening(1, reset=True), 0)
    for number in range(10, 100, 10):
        state.add("s0", "A", opening(number), number - 1)
    numbers = [row.number for row in state.openings["s0"]["A"]]
    assert numbers == [1, 80, 90]  # last reset, in force at the position, and after it


def test_a_repeat_of_an_opening_changes_nothing(tmp_path: Path) -> None:
    state = LaneState.load(tmp_path / "sessions.json")
    state.add("s0", "A", opening(10, reset=True), 0)
    state.add("s0", "A", opening(10), 0)
    assert state.resets("s0", "A")[0].number == 10


@pytest.mark.parametrize("text", ["{", "[]", '{"s0": {"A": [{"number": 1}]}}'])
def test_a_damaged_file_is_said_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sessions.json"
    path.write_text(text)
    with pytest.raises(LaneStateError, match=r"sessions\.json is damaged"):
        LaneState.load(path)


# --- routes and times


def test_commands_go_to_the_shard_of_their_market_and_the_rest_to_all() -> None:
    routes = Routes(["s0", "s1"], {"M": "s1", "N": ""})
    assert routes.of(order("a", symbol="M")) == (1,)
    assert routes.of(order("a", symbol="N")) == (0,)
    assert routes.of(order("a", symbol="nobody knows")) == (0,)
    assert routes.of(c.MassCancel("A", 1, 2, 0, "x", "7", "", 0, "", False, False)) == (0, 1)


def order(cl_ord_id: str, *, symbol: str = "M", number: int = 2) -> c.NewOrder:
    return c.NewOrder("A", 1, number, 0, 0, 0, cl_ord_id, symbol, 1, 100, 2, 5000, 1, 0, "", 0, "",
                      1, False, 0)  # fmt: skip


def defined(symbol: str) -> e.MarketChanged:
    return e.MarketChanged(1, 5, symbol, 1, "active", "E", "S", "T", (), 0, 0, 0, -1, "", "", ())


def test_markets_defined_since_are_learned_from_their_shard_and_its_list() -> None:
    routes = Routes(["s0", "s1"], {"M": "s1"})
    assert routes.of(order("one")) == (1,)
    new = order("two", symbol="NEW")
    assert routes.of(new) == (0,), "nobody knows it"
    routes.learn([defined("NEW")], 1)
    assert routes.of(new) == (1,)
    later = Routes(["s0", "s1"], {"M": "s1"})
    store = MemoryStore()
    buses = [store.connect(shard) for shard in ("s0", "s1")]
    later.read(buses)
    assert later.of(new) == (0,)
    buses[1].put_books({INDEX_KEY: pack_index(["M", "NEW"])})
    later.read(buses)
    assert later.of(new) == (1,)


def test_the_first_answer_ends_the_measurement_and_too_many_are_not_measured() -> None:
    acks = AckTimes(1)
    first = Request("D", 1.0)
    acks.received("A", "x", first)
    acks.received("A", "y", Request("D", 2.0))
    event = execution(1, terms_of(order("x"), 1), "x", "0")
    assert acks.oldest_seconds(4.0) == 3.0
    assert acks.answered("A", event) is first
    assert acks.answered("A", event) is None
    assert len(acks) == 0


def test_every_request_that_the_exchange_answers_is_timed_by_what_its_answer_has() -> None:
    def identity(msg_type: str, *fields: tuple[int, str]) -> str:
        return identity_of(FixMessage(msg_type, [(34, "7"), *fields]))

    assert identity("D", (11, "x")) == "x"
    assert identity("H", (11, "x")) == "x"
    assert identity("H", (11, "x"), (790, "asked")) == "asked"
    assert identity("UOG", (20131, "1")) == "7"
    assert not identity("V", (262, "x"))

    acks = AckTimes(5)
    group, status = Request("UOG", 1.0), Request("H", 1.0)
    acks.received("A", "7", group)
    acks.received("A", "x", status)
    changed = e.OrderGroupChanged(1, 0, "F", "A", 7, 1, "g", "A-1", 0, triggered=False, reason="")
    assert acks.answered("A", changed) is group
    reported = e.StatusReported(
        *(2, 0, "F", "A", False, "", "x", "M", 1, 0, True, Reason.UNKNOWN_ORDER.value),
        *(None, 8, 0, 0, 0),
    )
    assert acks.answered("A", reported) is status


# --- the writer


class Tape:
    """A bus that only takes commands, or fails as told; what was taken is kept."""

    shard = "s0"

    def __init__(self, *failures: Exception, takes_anyway: bool = False) -> None:
        self.failures = list(failures)
        self.takes_anyway = takes_anyway
        self.taken: list[list[str]] = []
        self.free = threading.Event()
        self.free.set()

    def append_commands(self, payload: bytes, _lane: LaneHolder | None = None) -> str:
        self.free.wait(5)
        batch = CommandBatch.unpack(payload)
        ids = [getattr(command, "cl_ord_id", "-") for command in batch.commands]
        if self.failures:
            failure = self.failures.pop(0)
            if self.takes_anyway:
                self.taken.append(ids)
            raise failure
        self.taken.append(ids)
        return "1-0"


def writer(bus: Tape, *, is_started: bool = True, **limits: int) -> ShardWriter:
    made = ShardWriter(
        "gateway:gw1",
        bus,  # type: ignore[arg-type]
        WriterLimits(
            **{"queue_max": 100, "batch_max_commands": 10, "batch_max_bytes": 65_536, **limits}
        ),
        confirmed=dict,
        metrics=GatewayMetrics(Metrics("test"), Settings()),
        log=open_log("test", LogSettings(stderr_level="critical")),
    )
    if is_started:
        made.start()
    return made


def submit(to: ShardWriter, refused: list[str], *ids: str) -> None:
    for cl_ord_id in ids:
        assert to.submit(
            Submission(order(cl_ord_id), refused=lambda i=cl_ord_id: refused.append(i))
        )


def test_what_waits_goes_as_one_batch_in_order() -> None:
    bus = Tape()
    bus.free.clear()
    made = writer(bus)
    submit(made, [], *"abcde")
    bus.free.set()
    wait_until(lambda: sum(map(len, bus.taken)) == 5)
    assert [i for ids in bus.taken for i in ids] == list("abcde")
    assert len(bus.taken) <= 2
    made.stop(2)


def test_a_batch_has_at_most_so_many_commands_and_bytes() -> None:
    bus = Tape()
    bus.free.clear()
    made = writer(bus, batch_max_commands=4, batch_max_bytes=130)
    submit(made, [], *"abcdefghij")
    bus.free.set()
    wait_until(lambda: sum(map(len, bus.taken)) == 10)
    assert [i for ids in bus.taken for i in ids] == list("abcdefghij")
    assert max(map(len, bus.taken)) <= 2  # two commands are more than 100 bytes
    made.stop(2)


def test_what_was_certainly_not_taken_is_refused_and_the_next_is_tried() -> None:
    bus = Tape(BusDownError("away"))
    made, refused = writer(bus), list[str]()
    submit(made, refused, "a")
    wait_until(lambda: refused == ["a"])
    assert not made.is_available
    submit(made, refused, "b")
    wait_until(lambda: bus.taken == [["b"]])
    assert (refused, made.is_available) == (["a"], True)
    made.stop(2)


@pytest.mark.parametrize("takes_anyway", [True, False])
def test_what_may_have_been_taken_is_sent_again_until_it_is_known(takes_anyway: bool) -> None:
    bus = Tape(OutcomeUnknownError("?"), BusDownError("away"), BusDownError("away"),
               takes_anyway=takes_anyway)  # fmt: skip
    bus.free.clear()
    made, refused = writer(bus), list[str]()
    submit(made, refused, "a")
    bus.free.set()
    wait_until(lambda: bus.taken and made.is_available and bus.taken[-1] == ["a"])
    wait_until(lambda: not bus.failures)
    assert refused == []
    made.stop(2)


def test_behind_a_batch_in_doubt_everything_is_refused_and_nothing_overtakes() -> None:
    failures: list[Exception] = [OutcomeUnknownError("?")]
    failures += [BusDownError("away") for _ in range(3)]
    bus = Tape(*failures)
    made, refused = writer(bus), list[str]()
    submit(made, refused, "a")
    wait_until(lambda: not made.is_available)
    submit(made, refused, "b")
    wait_until(lambda: bus.taken == [["a"]] or refused)
    wait_until(lambda: bus.taken and bus.taken[0] == ["a"])
    assert refused in (["b"], [])
    assert [i for ids in bus.taken for i in ids] in (["a"], ["a", "b"])
    made.stop(2)


def test_what_must_not_be_lost_goes_first_when_the_store_is_back() -> None:
    bus = Tape(BusDownError("away"))
    made = writer(bus)
    lost = c.SessionLost("gateway:gw1", 1, 1, 0, "A", "c1", "socket")
    made.submit(Submission(lost, is_kept=True))
    wait_until(lambda: not bus.failures)
    submit(made, [], "a")
    wait_until(lambda: bus.taken == [["-", "a"]])
    made.stop(2)


def test_a_full_queue_takes_nothing_but_what_must_not_be_lost() -> None:
    bus = Tape()
    bus.free.clear()
    made = writer(bus, queue_max=2)
    submit(made, [], "a", "b")
    assert not made.submit(Submission(order("c")))
    assert not made.submit_now(Submission(order("d")))
    lost = c.SessionLost("gateway:gw1", 1, 1, 0, "A", "c1", "socket")
    assert made.submit(Submission(lost, is_kept=True))
    bus.free.set()
    made.stop(2)
    assert [i for ids in bus.taken for i in ids] == ["a", "b", "-"]


def test_where_nothing_waits_the_caller_appends_itself() -> None:
    bus, refused = Tape(), list[str]()
    made = writer(bus)
    made.submit_now(Submission(order("a")))
    assert bus.taken == [["a"]]
    bus.failures = [BusDownError("away")]
    made.submit_now(Submission(order("b"), refused=lambda: refused.append("b")))
    assert refused == ["b"]
    bus.failures = [OutcomeUnknownError("?")]
    made.submit_now(Submission(order("c"), refused=lambda: refused.append("c")))
    wait_until(lambda: bus.taken == [["a"], ["c"]])
    assert refused == ["b"]
    made.stop(2)


def test_a_number_is_settled_once_its_command_is_durable() -> None:
    bus = Tape()
    bus.free.clear()
    made, progress = writer(bus), Progress((1,))
    progress.begin(2)
    made.submit(Submission(order("a"), progress, 2))
    time.sleep(0.02)
    assert progress.confirmed() == 1
    bus.free.set()
    wait_until(lambda: progress.confirmed() == 2)
    made.stop(2)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_writer_whose_lane_has_moved_ends_and_tells_nobody_anything(at_once: bool) -> None:
    lost = FencedError("the lane's holder is elsewhere")
    bus, refused = Tape(lost, lost), list[str]()
    made = writer(bus, is_started=False)
    submission = Submission(order("A"), refused=lambda: refused.append("A"))
    assert (made.submit_now if at_once else made.submit)(submission)
    with pytest.raises(FencedError):
        made._run()  # in its thread this ends the process
    assert (bus.taken, refused) == ([], [])
