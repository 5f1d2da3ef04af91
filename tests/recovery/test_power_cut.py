"""The engine's files are not synced: after a power cut their ends may be missing."""

import json
import shutil
from pathlib import Path

import pytest
from recovery.conftest import Start
from recovery.recovery_parts import accepted, client, configuration, log_on, report, system_of
from running_system import RunningSystem

from kalshi_fix.processes.gateway_machine import NUMBERS_RAISED_BY, LaneMachine


def lane_on(path: Path, boot_id: str) -> LaneMachine:
    return LaneMachine(path / "machine.json", boot_id)


def test_a_lane_that_never_ran_or_ran_on_this_boot_lost_nothing(tmp_path: Path) -> None:
    assert not lane_on(tmp_path, "one").went_down()
    lane_on(tmp_path, "one").running()
    assert not lane_on(tmp_path, "one").went_down()


def test_a_lane_that_ran_when_the_machine_went_down_knows_it(tmp_path: Path) -> None:
    lane_on(tmp_path, "one").running()
    assert lane_on(tmp_path, "two").went_down()


def test_after_a_clean_stop_a_restart_of_the_machine_is_nothing(tmp_path: Path) -> None:
    lane_on(tmp_path, "one").running()
    lane_on(tmp_path, "one").stopped()
    assert not lane_on(tmp_path, "two").went_down()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_torn_file_counts_as_a_restart(tmp_path: Path, content: str) -> None:
    (tmp_path / "machine.json").write_text(content)
    assert lane_on(tmp_path, "one").went_down()


def position(system: RunningSystem) -> int:
    """From where the gateway delivered again."""
    rows = (system.data / "logs" / "gateway-gw1.log").read_text().splitlines()
    return [json.loads(row)["position"] for row in rows if '"recovered"' in row][-1]


@pytest.mark.acceptance
@pytest.mark.timeout(120)
def test_after_a_power_cut_no_number_is_given_out_twice_and_every_report_arrives(
    start: Start, tmp_path: Path
) -> None:
    system = start("system")
    session = client(system, "ONE-RT")
    accepted(session)
    lane = system.data / "lanes" / "gw1"
    shutil.copytree(lane / "fix", tmp_path / "older")  # what the disk has when the power fails
    orders = [accepted(session) for _ in range(3)]
    told = session.next_in
    system.kill()
    session.close()
    shutil.rmtree(lane / "fix")
    shutil.copytree(tmp_path / "older", lane / "fix")
    machine = lane / "machine.json"
    machine.write_text(json.dumps({**json.loads(machine.read_text()), "boot_id": "another"}))

    again = system_of(tmp_path / "system", configuration())
    again.offset = system.offset
    try:
        again.start()
        log_on(session)
        for order in orders:
            if int(order.get(17).split(";")[1]) > position(again):
                assert report(session, lambda m, o=order: m.get(17) == o.get(17)).get(97) == "Y"
        fresh = accepted(session)
        assert int(fresh.get(34)) > told + NUMBERS_RAISED_BY / 2
        assert fresh.get(97) == ""
        session.close()
    finally:
        again.kill()
