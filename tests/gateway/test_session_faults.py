"""Session-layer faults answered by the gateway's engine, over sockets."""

from pathlib import Path

import pytest
from gateway_support import rig

from kalshi_fix.adapters.control import FAULT_TAG, SECRET_TAG, VERDICT_TAG
from kalshi_fix.messages import commands as c

Fields = tuple[tuple[int, str], ...]


def test_a_rejected_gap_fill_has_used_its_number(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        client.send("4", (123, "Y"), (36, "2"))
        reject = client.receive()
        assert [reject.get(tag) for tag in (45, 371, 372, 373)] == ["2", "36", "4", "5"]
        client.send("1", (112, "next"))
        assert client.receive().get(112) == "next"


def test_a_marked_order_is_rejected_and_never_an_order(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        number = client.order("bad", (FAULT_TAG, f"{client.answer.secret};15;447"))
        reject = client.receive()
        assert [reject.get(tag) for tag in (45, 371, 372, 373)] == [str(number), "447", "D", "15"]
        client.order("good")
        assert client.receive().get(11) == "good"
        assert [order.cl_ord_id for order in system.core.executed(c.NewOrder)] == ["good"]


def test_a_mark_without_the_secret_is_an_undefined_tag(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        client.order("bad", (FAULT_TAG, "guess;15;447"))
        reject = client.receive()
        assert (reject.get(371), reject.get(373)) == (str(FAULT_TAG), "0")


def test_a_verdict_logout_does_not_count_as_a_message_of_the_client(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        verdict: Fields = ((SECRET_TAG, client.answer.secret), (VERDICT_TAG, "MsgSeqNum missing"))
        client.send("5", *verdict, number=999_999)
        assert client.receive().get(58) == "MsgSeqNum missing"
        assert client.is_closed()
        assert client.log_on().msg_type == "A"  # with the number after its last own message
        client.order("one")
        assert client.receive().get(11) == "one"


def test_asking_for_everything_over_and_over_ends_the_session(tmp_path: Path) -> None:
    with rig(tmp_path, resend_messages_max=30, resend_messages_per_minute=1) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        answers = []
        while not answers or answers[-1].msg_type != "5":
            client.send("2", (7, "1"), (16, "0"))
            answers.append(client.receive())
            assert len(answers) < 8  # each costs ten, however little there is
        assert {answer.msg_type for answer in answers[:3]} == {"4"}
        assert answers[-1].get(58).startswith("RESEND_LIMIT")
        assert client.is_closed()


@pytest.mark.parametrize("faults", [1, 3])
def test_faulty_administrative_messages_end_the_session_in_time(
    tmp_path: Path, faults: int
) -> None:
    with rig(tmp_path, admin_faults_max=faults, admin_faults_per_minute=1) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        for _ in range(faults):
            client.send("2", (7, "0"), (16, "0"))
            assert client.receive().get(371) == "7"
        client.send("2", (7, "0"), (16, "0"))
        assert client.receive().get(58).startswith("FAULT_LIMIT")
        assert client.is_closed()
