"""141=Y with 20902=Y: numbers begin anew, what was said since the last Logout comes again."""

from pathlib import Path
from typing import Any

from gateway_support import Client, Rig, rig, wait_until

from kalshi_fix.adapters.control import CONNECTION_TAG, SECRET_TAG, OpenRequest


def reports(client: Client, count: int) -> list[tuple[str, str, str]]:
    """ClOrdID, 97 and 43 of the next application messages."""
    found: list[Any] = []
    while len(found) < count:
        message = client.receive()
        if message.msg_type not in "01245A":
            found.append(message)
    return [(m.get(11) or m.get(372), m.get(97), m.get(43)) for m in found]


def told(client: Client) -> list[str]:
    """Everything the client is told up to the answer to an order of now, which is the last."""
    client.order("now")
    found: list[str] = []
    while not found or found[-1] != "now":
        found += [cl_ord_id + possibly for cl_ord_id, possibly, _ in reports(client, 1)]
    return found[:-1]


def sent_and_gone(system: Rig, client: Client, *cl_ord_ids: str, politely: bool = True) -> None:
    """Orders that are carried out only when their client has left."""
    system.core.pause()
    for cl_ord_id in cl_ord_ids:
        client.order(cl_ord_id)
    if politely:
        client.log_out()
    else:
        client.drop()
    wait_until(lambda: system.lane.links[client.name].outbox.is_away)
    before = len(system.core.seen)
    system.core.resume()
    wait_until(lambda: len(system.core.seen) >= before + len(cl_ord_ids))
    wait_until(lambda: system.lane.links[client.name].outbox.is_away)


def test_what_came_after_the_last_logout_comes_as_new_messages(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        client.order("before")
        assert reports(client, 1) == [("before", "", "")]
        sent_and_gone(system, client, "one", "two")
        answer = client.log_on(reset=True, replay=True)
        assert (answer.get(34), answer.get(141)) == ("1", "Y")
        first = client.receive()
        assert (first.get(34), first.get(11), first.get(97), first.get(43)) == ("2", "one", "Y", "")
        assert first.get(122) == ""
        assert told(client) == ["twoY"]


def test_without_the_flag_history_is_given_up(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        sent_and_gone(system, client, "one")
        client.log_on(reset=True)
        assert told(client) == []


def test_a_connection_that_broke_was_no_logout(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        client.order("first")
        reports(client, 1)
        client.log_out()
        client.log_on()
        client.order("read?")
        reports(client, 1)
        sent_and_gone(system, client, "away", politely=False)
        client.log_on(reset=True, replay=True)
        assert told(client) == ["read?Y", "awayY"]


def test_a_refused_logon_is_no_logout(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        sent_and_gone(system, client, "one")
        assert client.log_on(verdict="INVALID_CREDENTIALS").msg_type == "5"
        client.log_on(reset=True, replay=True)
        assert told(client) == ["oneY"]


def test_what_was_told_again_is_history_of_the_new_numbers(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        sent_and_gone(system, client, "one")
        client.log_on(reset=True, replay=True)
        assert reports(client, 1) == [("one", "Y", "")]
        client.send("2", (7, "1"), (16, "0"))
        assert reports(client, 1) == [("one", "Y", "Y")]
        client.drop()
        client.log_on(reset=True, replay=True)
        assert told(client) == ["oneY"]
        client.log_out()
        client.log_on(reset=True, replay=True)
        client.order("later")
        assert reports(client, 1) == [("later", "", "")]


def test_a_restart_of_the_gateway_changes_nothing(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        client.order("before")
        reports(client, 1)
        sent_and_gone(system, client, "one")
        system.lane.stop()
        system.start_lane()
        client.log_on(reset=True, replay=True)
        assert told(client) == ["oneY"]


def test_inside_a_session_too(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        client.order("one")
        reports(client, 1)
        connection = system.lane.links[client.name].outbox.connection
        request = OpenRequest(session=client.name, connection=connection, reset=True, replay=True)
        secret = system.ask(request).secret
        client.out = 1
        client.send(
            "A", (98, "0"), (108, "30"), (141, "Y"), (SECRET_TAG, secret),
            (CONNECTION_TAG, connection),
        )  # fmt: skip
        assert client.receive().get(34) == "1"
        assert told(client) == ["oneY"]


def test_a_drop_copy_gets_its_firms_reports_again(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        copy, trader = system.client("ALPHA-DC", "DC"), system.client("ALPHA-RT")
        trader.log_on(reset=True)
        copy.log_on(reset=True)
        trader.order("seen")
        assert reports(copy, 1) == [("seen", "", "")]
        copy.log_out()
        trader.order("missed")
        reports(trader, 2)
        copy.log_on(reset=True, replay=True)
        assert reports(copy, 1) == [("missed", "Y", "")]


def test_on_a_session_without_history_the_flag_says_nothing(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-NR", "NR")
        client.log_on(reset=True)
        sent_and_gone(system, client, "one")
        client.log_on(reset=True, replay=True)
        assert told(client) == []


def test_a_refusal_comes_again_without_the_number_it_answered(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        client.send("R", (131, "q"), (146, "1"), (55, "M"))
        assert client.receive_until("j").get(45) == "2"
        client.drop()
        client.log_on(reset=True, replay=True)
        again = client.receive()
        assert (again.msg_type, again.get(97), again.get(45)) == ("j", "Y", "")
        assert told(client) == []


def test_what_may_be_asked_for_again_is_limited(tmp_path: Path) -> None:
    with rig(tmp_path, resend_messages_max=2, resend_messages_per_minute=1) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        sent_and_gone(system, client, "one", "two")
        client.log_on(reset=True, replay=True)
        reports(client, 2)
        client.drop()
        wait_until(lambda: system.lane.links["ALPHA-RT"].outbox.is_away)
        request = OpenRequest(session="ALPHA-RT", connection="x", reset=True, replay=True)
        assert system.ask(request).reason == "RESEND_LIMIT"
        client.log_on()  # a plain resend would have it all
