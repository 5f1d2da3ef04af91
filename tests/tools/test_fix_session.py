"""Two ends of a session joined in memory: no socket, no clock."""

import pytest
from attrs import define, field

from kalshi_fix.adapters.fix_session import FixSession, Identity, SessionError, State
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.wire import frame, split_frames, unframe
from kalshi_fix.model import NANOS

AT = 1_795_343_400 * NANOS
TIME = "20261122-10:30:00.000"
ME = Identity(sender_comp_id="ALPHA-RT", target_comp_id="KalshiRT", username="ALPHA-RT",
              password="demo-alpha")  # fmt: skip


@define
class Peer:
    """The other side, written by hand: sends what a test says, reads what the session sends."""

    session: FixSession = field(factory=lambda: FixSession(ME))

    def says(self, msg_type: str, sequence: int, *fields: tuple[int, str]) -> list[FixMessage]:
        message = FixMessage(msg_type, list(fields))
        return self.session.receive(frame(message, "KalshiRT", "ALPHA-RT", sequence, TIME), AT)

    def hears(self) -> list[str]:
        """What the session has sent: type, number and body."""
        frames, rest = split_frames(self.session.take_out())
        assert rest == b""
        messages = [unframe(part) for part in frames]
        header = {49, 56, 34, 52}
        return [
            " ".join([m.msg_type, m.get(34), *(f"{t}={v}" for t, v in m.fields if t not in header)])
            for m in messages
        ]


@pytest.fixture
def peer() -> Peer:
    """Logged on."""
    peer = Peer()
    peer.session.logon(AT)
    peer.hears()
    peer.says("A", 1, (98, "0"), (108, "30"), (141, "Y"))
    assert peer.session.state is State.ACTIVE
    return peer


def test_logon_carries_reset_and_credentials() -> None:
    peer = Peer()
    peer.session.logon(AT)
    assert peer.hears() == ["A 1 98=0 108=30 141=Y 553=ALPHA-RT 554=demo-alpha"]


def test_the_password_is_not_printed() -> None:
    assert "demo-alpha" not in repr(ME)


def test_a_refused_logon_ends_the_session_with_its_text() -> None:
    peer = Peer()
    peer.session.logon(AT)
    (logout,) = peer.says("5", 1, (58, "INVALID_CREDENTIALS"))
    assert (logout.msg_type, peer.session.state) == ("5", State.CLOSED)
    assert peer.session.end_text == "INVALID_CREDENTIALS"


def test_a_test_request_is_answered_with_its_id(peer: Peer) -> None:
    peer.says("1", 2, (112, "abc"))
    assert peer.hears() == ["0 2 112=abc"]


def test_messages_after_a_gap_wait_until_it_is_filled(peer: Peer) -> None:
    assert peer.says("8", 4, (11, "third")) == []
    assert peer.hears() == ["2 2 7=2 16=0"]
    assert peer.says("8", 5, (11, "fourth")) == []
    assert peer.hears() == []  # asked once
    dup = ((43, "Y"), (122, TIME))
    (first,) = peer.says("8", 2, *dup, (11, "first"))
    assert first.get(11) == "first"
    filled = peer.says("4", 3, *dup, (123, "Y"), (36, "4"))
    assert [message.get(11) for message in filled] == ["third", "fourth"]


def test_a_sequence_reset_moves_the_expected_number(peer: Peer) -> None:
    peer.says("4", 2, (36, "100"))
    assert len(peer.says("8", 100, (11, "a"))) == 1


def test_a_resend_request_is_gap_filled_and_no_order_is_sent_twice(peer: Peer) -> None:
    peer.session.send(FixMessage("D", [(11, "a")]), AT)
    peer.hears()
    peer.says("2", 2, (7, "1"), (16, "0"))
    assert peer.hears() == [f"4 1 43=Y 122={TIME} 123=Y 36=3"]
    assert peer.session.next_out == 3


def test_a_number_that_went_backwards_ends_the_session(peer: Peer) -> None:
    peer.says("8", 2, (11, "a"))
    with pytest.raises(SessionError, match="MsgSeqNum 2, expected 3"):
        peer.says("8", 2, (11, "a"))
    assert peer.session.state is State.CLOSED


def test_an_old_repeat_is_passed_over(peer: Peer) -> None:
    peer.says("8", 2, (11, "a"))
    assert peer.says("8", 2, (43, "Y"), (122, TIME), (11, "a")) == []


def test_silence_is_tested_and_then_the_end(peer: Peer) -> None:
    peer.session.tick(AT + 30 * NANOS)
    assert peer.hears() == ["0 2"]
    peer.session.tick(AT + 46 * NANOS)
    assert [heard[:3] for heard in peer.hears()] == ["1 3"]
    with pytest.raises(SessionError, match="no heartbeat"):
        peer.session.tick(AT + 77 * NANOS)


def test_logout_is_answered(peer: Peer) -> None:
    peer.says("5", 2, (58, "good bye"))
    assert peer.hears() == ["5 2"]
    with pytest.raises(SessionError, match="not logged on"):
        peer.session.send(FixMessage("D", []), AT)


def test_our_logout_ends_with_the_answer(peer: Peer) -> None:
    peer.session.logout(AT)
    assert peer.hears() == ["5 2"]
    peer.says("5", 2)
    assert (peer.session.state, peer.hears()) == (State.CLOSED, [])


def test_bytes_may_come_in_any_pieces(peer: Peer) -> None:
    data = frame(FixMessage("8", [(11, "a")]), "KalshiRT", "ALPHA-RT", 2, TIME)
    found = [message for byte in data for message in peer.session.receive(bytes([byte]), AT)]
    assert [message.get(11) for message in found] == ["a"]


def test_what_is_not_fix_ends_the_session(peer: Peer) -> None:
    with pytest.raises(SessionError, match="not FIX"):
        peer.session.receive(b"HTTP/1.1 200 OK\r\n", AT)
