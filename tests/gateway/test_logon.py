import os
import socket
from pathlib import Path
from typing import Any

import pytest
from gateway_support import Rig, own_socket, rig, wait_until

from kalshi_fix.adapters.control import CONNECTION_TAG, SECRET_TAG, VERDICT_TAG, OpenRequest
from kalshi_fix.messages import commands as c


def without_header(message: Any) -> list[tuple[int, str]]:
    return [field for field in message.fields if field[0] not in {49, 52, 56}]


def test_the_answer_carries_98_108_and_141_only_if_it_was_sent(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        assert without_header(client.log_on(reset=True, heartbeat=17)) == [
            (34, "1"), (98, "0"), (108, "17"), (141, "Y"),
        ]  # fmt: skip
        client.log_out()
        assert without_header(client.log_on()) == [(34, "3"), (98, "0"), (108, "30")]
        opened = [row for row in system.core.epochs.items() if row[0] == "ALPHA-RT"]
        assert opened == [("ALPHA-RT", 1)]


def test_times_have_the_decimals_of_the_session(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        assert len(system.client("ALPHA-RT").log_on(reset=True).get(52)) == len(
            "20260101-00:00:00.000"
        )
        assert len(system.client("CHARLIE-RT").log_on().get(52)) == len("20260101-00:00:00.000000")


def test_the_engine_listens_on_loopback_only(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        port = system.ask(
            OpenRequest(session="ALPHA-RT", connection="x", reset=False, verdict="?")
        ).port
        listening = Path("/proc/net/tcp").read_text().splitlines()
        addresses = {row.split()[1] for row in listening if row.split()[3] == "0A"}
        assert f"0100007F:{port:04X}" in addresses
        assert f"00000000:{port:04X}" not in addresses


def test_a_logon_without_the_secret_is_refused_whatever_it_says(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.answer = system.ask(
            OpenRequest(session="ALPHA-RT", connection="x", reset=False, verdict="?")
        )
        client.connect()
        client.send("A", (98, "0"), (108, "30"), (SECRET_TAG, "guess"), (CONNECTION_TAG, "x"))
        assert client.receive().get(58) == "Logon refused"
        assert client.is_closed()
        assert system.metric('fixgw_logons_total{result="bad_secret"}') == 1


def test_a_verdict_is_said_with_the_sessions_next_number_and_stored(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        client.log_out()
        refusal = client.log_on(verdict="INVALID_CREDENTIALS")
        assert (refusal.msg_type, refusal.get(34), refusal.get(58)) == (
            "5", "3", "INVALID_CREDENTIALS",
        )  # fmt: skip
        assert client.is_closed()
        assert client.log_on().get(34) == "4"
        assert system.core.epochs["ALPHA-RT"] == 1


def test_a_verdict_on_a_live_session_ends_it_with_its_text(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        client.send(
            "5", (SECRET_TAG, client.answer.secret), (VERDICT_TAG, "MsgSeqNum missing"),
            number=999_999,
        )  # fmt: skip
        assert client.receive().get(58) == "MsgSeqNum missing"
        assert client.is_closed()
        assert client.log_on().get(34) == "3"


def test_a_second_logon_is_told_that_the_first_is_alive_and_leaves_it_alone(
    tmp_path: Path,
) -> None:
    with rig(tmp_path, handover_seconds=0.1) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        answer = system.ask(OpenRequest(session="ALPHA-RT", connection="other", reset=True))
        assert (answer.live, answer.port, answer.secret) == (True, 0, "")
        client.order("one")
        assert client.receive().get(11) == "one"


def test_two_logons_at_once_let_one_in(tmp_path: Path) -> None:
    with rig(tmp_path, handover_seconds=0.1) as system:
        first = system.ask(OpenRequest(session="ALPHA-RT", connection="a", reset=True))
        second = system.ask(OpenRequest(session="ALPHA-RT", connection="b", reset=True))
        assert (first.live, second.live) == (False, True)


def test_a_client_that_reconnects_at_once_is_let_in(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        for _ in range(5):
            client.drop()
            assert client.log_on().msg_type == "A"


def test_what_the_core_refuses_is_refused_with_its_reason(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        system.core.refuse_opening = "SESSION_DISABLED"
        request = OpenRequest(session="ALPHA-RT", connection="a", reset=True)
        assert system.ask(request).reason == "SESSION_DISABLED"
        system.core.refuse_opening = ""
        assert system.client("ALPHA-RT").log_on(reset=True).msg_type == "A"


def test_a_core_that_does_not_answer_refuses_and_the_session_does_not_stay_open(
    tmp_path: Path,
) -> None:
    with rig(tmp_path, session_open_seconds=0.2) as system:
        system.core.pause()
        request = OpenRequest(session="ALPHA-RT", connection="a", reset=True)
        assert system.ask(request).reason == "EXCHANGE_UNAVAILABLE"
        system.core.resume()
        lost = wait_until(lambda: system.core.executed(c.SessionLost))
        assert (lost[0].session, lost[0].connection) == ("ALPHA-RT", "a")
        assert system.client("ALPHA-RT").log_on(reset=True).msg_type == "A"


def test_a_store_that_is_away_refuses_at_once(tmp_path: Path) -> None:
    with rig(tmp_path, session_open_seconds=30) as system:
        system.store.down = True
        request = OpenRequest(session="ALPHA-RT", connection="a", reset=True)
        assert system.ask(request).reason == "EXCHANGE_UNAVAILABLE"


def test_a_logon_the_core_did_not_open_does_not_get_in(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.answer = system.ask(
            OpenRequest(session="ALPHA-RT", connection="x", reset=False, verdict="?")
        )
        client.connect()
        secret = client.answer.secret
        client.send("A", (98, "0"), (108, "30"), (SECRET_TAG, secret), (CONNECTION_TAG, "x"))
        assert client.receive().get(58) == "EXCHANGE_UNAVAILABLE"


def test_a_logon_that_never_comes_sets_the_session_free(tmp_path: Path) -> None:
    with rig(tmp_path, logon_hold_seconds=0.4, handover_seconds=3.0) as system:
        assert not system.ask(OpenRequest(session="ALPHA-RT", connection="a", reset=True)).reason
        assert system.client("ALPHA-RT").log_on(reset=True).msg_type == "A"


def test_a_reset_inside_a_session_starts_the_numbers_and_the_epoch_anew(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        client.order("one")
        client.receive()
        answer = log_on_again(system, client)
        assert without_header(answer) == [(34, "1"), (98, "0"), (108, "30"), (141, "Y")]
        client.order("two")
        assert (report := client.receive()).get(11) == "two"
        assert report.get(34) == "2"
        assert [(o.epoch, o.seq) for o in system.core.executed(c.NewOrder)] == [(1, 2), (2, 2)]


def log_on_again(system: Rig, client: Any) -> Any:
    connection = system.lane.links[client.name].outbox.connection
    answer = system.ask(OpenRequest(session=client.name, connection=connection, reset=True))
    assert not answer.reason
    assert not answer.live
    client.out = 1
    client.send(
        "A", (98, "0"), (108, "30"), (141, "Y"), (SECRET_TAG, answer.secret),
        (CONNECTION_TAG, connection),
    )  # fmt: skip
    return client.receive()


def test_a_session_that_resets_at_every_logon_has_a_new_epoch_each_time(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        for epoch in (1, 2):
            client = system.client("CHARLIE-RT")
            assert client.log_on().get(34) == "1"
            assert system.core.epochs["CHARLIE-RT"] == epoch
            client.order("one")
            assert client.receive().get(34) == "2"
            client.drop()
            wait_until(lambda: system.lane.links["CHARLIE-RT"].outbox.is_away)


@pytest.mark.parametrize(("polite", "cause"), [(True, "logout"), (False, "socket")])
def test_the_core_is_told_of_every_connection_that_ends(
    tmp_path: Path, polite: bool, cause: str
) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        connection = system.lane.links["ALPHA-RT"].outbox.connection
        client.log_out() if polite else client.drop()
        (lost,) = wait_until(lambda: system.core.executed(c.SessionLost))
        assert (lost.session, lost.connection, lost.cause) == ("ALPHA-RT", connection, cause)
        assert system.metric('fixgw_session_up{session="ALPHA-RT"}') == 0


def test_the_gateway_says_every_second_that_it_lives(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        alive = wait_until(lambda: system.core.executed(c.GatewayAlive))
        assert (alive[0].process, alive[0].boot) == ("gateway:gw1", 1)


def test_rubbish_on_the_control_socket_is_hung_up_on(tmp_path: Path) -> None:
    with rig(tmp_path) as system, own_socket(socket.AF_UNIX) as peer:
        path = system.data.control_socket("gw1")
        assert os.stat(path).st_mode & 0o777 == 0o600  # noqa: PTH116
        peer.settimeout(2)
        peer.connect(str(path))
        peer.sendall(b'{"session": 1, "rm": "-rf"}\n')
        assert peer.recv(100) == b""
