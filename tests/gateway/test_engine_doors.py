"""The engine's own port, reached without the edge: nobody logs on, nothing is reset."""

import socket
import time
from pathlib import Path

import pytest
from gateway_support import Client, Rig, rig, wait_until

from kalshi_fix.adapters.control import SECRET_TAG, OpenRequest
from kalshi_fix.adapters.engine_doors import Doors


def store_of(system: Rig) -> bytes:
    (numbers,) = Path(system.data.fix_store("gw1")).glob("*ALPHA-RT.seqnums")
    return numbers.read_bytes()


def with_a_history(system: Rig) -> Client:
    """A session that has used some numbers, and is gone."""
    client = system.client("ALPHA-RT")
    client.log_on(reset=True)
    client.log_out()
    client.drop()
    wait_until(lambda: not system.metric('fixgw_session_up{session="ALPHA-RT"}'))
    return client


def intrude(client: Client, *more: tuple[int, str]) -> Client:
    """Someone of this machine finds the engine's port and speaks to it as ALPHA-RT."""
    client.connect()
    client.send("A", (98, "0"), (108, "30"), *more, number=1)
    return client


@pytest.mark.parametrize("secret", [(), ((SECRET_TAG, "guessed"),)])
def test_a_logon_without_the_edge_resets_nothing_and_gets_no_answer(
    tmp_path: Path, secret: tuple[tuple[int, str], ...]
) -> None:
    with rig(tmp_path) as system:
        client = with_a_history(system)
        before = store_of(system)
        intrude(client, (141, "Y"), *secret)
        assert client.is_closed()
        assert store_of(system) == before
        assert client.log_on().get(34) == "3"  # the numbers go on as if nothing had happened


def test_after_the_announced_logon_the_session_is_shut_again(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = with_a_history(system)
        client.log_on(verdict="INVALID_CREDENTIALS")
        assert client.is_closed()
        before = store_of(system)
        intrude(client, (141, "Y"))
        assert client.is_closed()
        assert store_of(system) == before


def test_an_announced_logon_that_never_comes_shuts_the_session_in_time(tmp_path: Path) -> None:
    with rig(tmp_path, logon_hold_seconds=0.3) as system:
        client = with_a_history(system)
        request = OpenRequest(session="ALPHA-RT", connection="lost", reset=False)
        client.answer = system.ask(request)
        before = store_of(system)
        until = time.monotonic() + 0.6
        wait_until(lambda: time.monotonic() > until)
        intrude(client, (141, "Y"))
        assert client.is_closed()
        assert store_of(system) == before


def test_nothing_of_the_engine_listens_beyond_loopback(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        name = socket.gethostbyname(socket.gethostname())
        if name.startswith("127."):
            name = "127.0.0.2"  # another address of this machine: the listener has only one
        with pytest.raises(OSError), socket.create_connection((name, client.answer.port), 2):  # noqa: PT011 - refused or unreachable
            pass


class Session:
    def __init__(self) -> None:
        self.enabled = True

    def logon(self) -> None:
        self.enabled = True

    def logout(self) -> None:
        self.enabled = False

    def isLoggedOn(self) -> bool:  # noqa: N802 - the engine's name
        return False


def test_a_session_is_open_from_its_announcement_to_its_end() -> None:
    session = Session()
    doors = Doors({"A": session})
    assert not session.enabled
    doors.admit("A", 60)
    assert session.enabled
    doors.entered("A")
    doors.left("A")
    assert not session.enabled
    doors.admit("A", 60)  # the next Logon is announced before the last connection is gone
    doors.left("A")
    assert session.enabled
    doors.refused("A")
    assert not session.enabled
    doors.admit("A", 0.05)
    wait_until(lambda: not session.enabled)
    doors.close()
