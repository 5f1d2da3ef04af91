import threading
from pathlib import Path

from kalshi_fix.processes.gateway_state import LaneState, Opening


def opening(number: int) -> Opening:
    flags = {"listener": False, "venue_tags": False, "settlement_reports": False}
    return Opening(number=number, epoch=number, is_reset=True, **flags)


def test_the_readers_of_two_shards_record_openings_at_the_same_time(tmp_path: Path) -> None:
    state = LaneState.load(tmp_path / "sessions.json")
    failures: list[Exception] = []

    def record(shard: str) -> None:
        try:
            for number in range(1, 60):
                state.add(shard, f"S{number % 5}", opening(number), number - 1)
        except Exception as error:  # noqa: BLE001 - the test's thread reports it
            failures.append(error)

    threads = [threading.Thread(target=record, args=(shard,)) for shard in ("s0", "s1")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    again = LaneState.load(tmp_path / "sessions.json")
    assert again == state
    assert {again.resets(shard, "S4")[0].number for shard in ("s0", "s1")} == {59}
