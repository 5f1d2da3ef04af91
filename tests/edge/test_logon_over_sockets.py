"""Logons over real sockets: who is closed without a word, who gets a Logout, with which number."""

import asyncio
import base64
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from edge_rig import (
    PASSWORD,
    SECRET,
    Client,
    Rig,
    edge_settings,
    logon,
    message,
    order,
    rig,
    run,
    session,
    until,
)

from kalshi_fix.adapters.passwords import hash_password
from kalshi_fix.fix.time_text import utc_text

BOTH = (session("A-RT", "RT"), session("A-NR", "NR"))
REJECTED = 'edge_rejected_connections_total{reason="%s"}'
LOGONS = 'edge_logons_total{result="%s"}'


async def refused(found: Rig, role: str, *sent: bytes) -> dict[int, str]:
    """The Logout a Logon is answered with; nothing comes after it."""
    client = await found.client(role)
    client.send(*sent)
    logout = await client.receive()
    assert logout[35] == "5"
    assert await client.end() == b""
    return logout


async def closed(found: Rig, role: str, *sent: bytes) -> None:
    """The connection is closed without a message."""
    client = await found.client(role)
    client.send(*sent)
    assert await client.end() == b""


def test_a_logon_reaches_the_engine_with_the_secret_and_without_credentials() -> None:
    async def test() -> None:
        async with rig(edge_settings(*BOTH)) as found:
            await found.logged_on(t8013="Y", t20900="Y")
            (asked,) = found.gateway.asked
            assert (asked.session, asked.reset, asked.verdict) == ("A-RT", False, "")
            assert (asked.cancel_on_disconnect, asked.venue_tags, asked.listener) == (
                1,
                True,
                False,
            )
            (seen,) = found.engine.of("A")
            assert seen[20998] == SECRET
            assert seen[20997] == asked.connection
            assert seen.keys().isdisjoint({553, 554, 95, 96, 20999})
            assert found.count(LOGONS % "accepted") == 1
            assert PASSWORD not in found.log.getvalue()
            assert SECRET not in found.log.getvalue()

    run(test)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"t554": "wrong"}, "INVALID_CREDENTIALS"),
        ({"t554": None}, "INVALID_CREDENTIALS"),
        ({"t553": "B-RT"}, "INVALID_CREDENTIALS"),
        ({"t553": None}, "INVALID_CREDENTIALS"),
        ({"t96": "AAAA"}, "INVALID_CREDENTIALS"),
        ({"t98": 1}, "INVALID_ENCRYPT_METHOD"),
        ({"t108": -10}, "INVALID_HEART_BT_INT"),
        ({"t108": None}, "INVALID_HEART_BT_INT"),
        ({"t34": None}, "INVALID_MSG_SEQ_NUM"),
        ({"t52": "20010101-00:00:00"}, "SENDING_TIME_OUT_OF_WINDOW"),
        ({"t8013": "1"}, "INVALID_FLAG"),
        ({"t20998": SECRET}, "UNDEFINED_TAG"),
    ],
)
def test_a_refused_logon_is_told_why_and_changes_nothing(
    change: dict[str, Any], reason: str
) -> None:
    async def test() -> None:
        async with rig(edge_settings(*BOTH)) as found:
            # 141=Y: the edge itself, 34=1, and no engine ever hears of it
            logout = await refused(found, "RT", logon(t141="Y", **change))
            assert (logout[34], logout[49], logout[56]) == ("1", "KalshiRT", "A-RT")
            assert logout[58].startswith(reason)
            assert not found.engine.received
            assert not found.gateway.asked
            # without: the engine, with the session's own next number, and nothing is opened
            found.engine.sent = 41
            logout = await refused(found, "RT", logon(**change), order(2))
            assert (logout[34], logout[49], logout[56]) == ("42", "KalshiRT", "A-RT")
            assert logout[58].startswith(reason)
            (asked,) = found.gateway.asked
            assert asked.verdict == logout[58]
            (seen,) = found.engine.received
            assert (seen[35], seen[20998], seen[20999]) == ("A", SECRET, logout[58])
            assert seen.keys().isdisjoint({141, 553, 554, 96})
            assert found.count(LOGONS % reason) == 2
            # and then the right one gets in
            await found.logged_on()

    run(test)


def test_a_role_without_history_needs_141_at_every_logon() -> None:
    async def test() -> None:
        async with rig(edge_settings(*BOTH)) as found:
            logout = await refused(found, "NR", logon("A-NR", "NR"))
            assert logout[58].startswith("RESET_REQUIRED")
            await found.logged_on("A-NR", "NR", t141="Y")
            assert found.gateway.asked[-1].reset

    run(test)


def test_an_unknown_identity_is_closed_without_a_message() -> None:
    async def test() -> None:
        async with rig(edge_settings(*BOTH)) as found:
            await closed(found, "RT", logon("NOBODY"))
            await closed(found, "RT", logon("a-rt"))
            await closed(found, "RT", logon("A-RT", "NR"))  # right port, another's TargetCompID
            await closed(found, "NR", logon("A-RT", "RT"))  # another's port
            await closed(found, "RT", logon(t49=None))
            assert found.count(REJECTED % "unknown_identity") == 5
            assert not found.gateway.asked

    run(test)


def test_a_second_connection_is_closed_and_the_first_untouched() -> None:
    async def test() -> None:
        async with rig(edge_settings(*BOTH)) as found:
            first = await found.logged_on()
            for second in (logon(), logon(t141="Y"), logon(t554="wrong"), logon(t141="Y", t108=1)):
                await closed(found, "RT", second)
            assert found.count(REJECTED % "already_connected") == 4
            first.send(order(2))
            await until(lambda: found.engine.of("D"))
            assert len(found.gateway.asked) == 1
            # once the first is gone, its successor is let in at once
            first.close()
            await found.logged_on()

    run(test)


def test_two_logons_at_the_same_time_give_one_session() -> None:
    async def test() -> None:
        async with rig(edge_settings(*BOTH)) as found:
            both = [await found.client() for _ in range(2)]
            for client in both:
                client.send(logon())
            answers = [await client.reader.read(9) for client in both]
            assert sorted(answers) == [b"", b"8=FIX.4.4"]

    run(test)


def test_a_connection_the_engine_still_holds_is_waited_for_then_refused() -> None:
    async def test() -> None:
        async with rig(edge_settings(*BOTH)) as found:
            found.gateway.live = True
            await closed(found, "RT", logon())
            asyncio.get_running_loop().call_later(0.1, setattr, found.gateway, "live", False)
            await found.logged_on()

    run(test)


def test_an_exchange_that_cannot_take_the_session_says_so() -> None:
    async def test() -> None:
        async with rig(edge_settings(*BOTH)) as found:
            found.gateway.reason = "EXCHANGE_UNAVAILABLE"
            logout = await refused(found, "RT", logon(t141="Y"))
            assert (logout[34], logout[58]) == ("1", "EXCHANGE_UNAVAILABLE")
            logout = await refused(found, "RT", logon())
            assert logout[58] == "EXCHANGE_UNAVAILABLE"
            assert [asked.verdict for asked in found.gateway.asked] == [
                "", "", "EXCHANGE_UNAVAILABLE"
            ]  # fmt: skip
            assert found.engine.of("A")[0][20999] == "EXCHANGE_UNAVAILABLE"

    run(test)


def test_without_a_gateway_only_a_harmless_number_is_used() -> None:
    async def test() -> None:
        async with rig(edge_settings(*BOTH)) as found:
            found.data.control_socket("gw1").unlink()
            logout = await refused(found, "RT", logon(t141="Y"))
            assert (logout[34], logout[58]) == ("1", "EXCHANGE_UNAVAILABLE")
            await closed(found, "RT", logon())  # the session's next number is not known here
            assert found.count(REJECTED % "unsaid_EXCHANGE_UNAVAILABLE") == 1

    run(test)


def test_an_engine_that_cannot_be_reached_frees_the_seat() -> None:
    async def test() -> None:
        async with rig(edge_settings(*BOTH)) as found:
            port, found.gateway.port = found.gateway.port, 1
            await closed(found, "RT", logon())
            assert found.count(REJECTED % "engine_unreachable") == 1
            found.gateway.port = port
            await found.logged_on()

    run(test)


def ed25519() -> tuple[str, Callable[[bytes], bytes]]:
    key = Ed25519PrivateKey.generate()
    return pem_of(key), key.sign


def rsa_pss() -> tuple[str, Callable[[bytes], bytes]]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    return pem_of(key), lambda data: key.sign(data, pss, hashes.SHA256())


def pem_of(key: Any) -> str:
    return str(
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def signed(sign: Callable[[bytes], bytes], **more: Any) -> bytes:
    now = utc_text(time.time_ns())
    text = f"{now}\x01A\x011\x01A-RT\x01KalshiRT"
    raw = base64.b64encode(sign(text.encode())).decode()
    fields = {"t52": now, "t95": len(raw), "t96": raw, "t553": None, "t554": None} | more
    return logon(**fields)


@pytest.mark.parametrize("kind", [ed25519, rsa_pss])
def test_a_signature_over_the_five_fields_is_taken(
    kind: Callable[[], tuple[str, Callable[[bytes], bytes]]],
) -> None:
    pem, sign = kind()
    _, stranger = kind()

    async def test() -> None:
        settings = edge_settings(session("A-RT", "RT", public_key=pem, password_scrypt=""))
        async with rig(settings) as found:
            for good in ({}, {"t95": None}):
                client = await found.client()
                client.send(signed(sign, **good))
                assert (await client.receive())[35] == "A"
                assert found.gateway.asked[-1].signed_at > 0
                client.close()
            for bad in (
                signed(stranger, t141="Y"),
                signed(sign, t34=2, t141="Y"),
                signed(sign, t52=utc_text(time.time_ns() - 10**9), t141="Y"),
                signed(sign, t96="no base64!", t95=None, t141="Y"),
                logon(t141="Y"),
            ):
                await until(lambda: not found.count("edge_connections"))
                logout = await refused(found, "RT", bad)
                assert logout[58] == "INVALID_CREDENTIALS"

    run(test)


def test_an_open_session_needs_no_credentials_on_loopback() -> None:
    async def test() -> None:
        plain = session(
            "TW", "RT", password_scrypt="", open_on_loopback=True, reset_on_logon=True
        )  # fmt: skip
        async with rig(edge_settings(plain)) as found:
            await found.logged_on("TW", t553=None, t554=None)
            assert found.gateway.asked[0].reset  # numbers restart at every Logon, asked or not

    run(test)


def test_numbers_that_restart_anyway_are_refused_with_number_one() -> None:
    async def test() -> None:
        async with rig(edge_settings(session("A-RT", "RT", reset_on_logon=True))) as found:
            assert (await refused(found, "RT", logon(t108=1)))[34] == "1"

    run(test)


def test_unknown_user_and_wrong_password_take_as_long_as_each_other() -> None:
    async def test() -> None:
        no_password = session("B-RT", "RT", password_scrypt="", public_key=ed25519()[0])
        async with rig(edge_settings(*BOTH, no_password)) as found:
            credentials = found.edge._credentials
            assert credentials._nobodys_hash.n == credentials._hashes["A-RT"].n
            hashed: list[str] = []
            submit = credentials._pool.submit

            def counted(matches: Callable[[str], bool], password: str) -> Any:
                hashed.append(password)
                return submit(matches, password)

            credentials._pool.submit = counted  # type: ignore[method-assign]
            for bad in (logon(t554="x"), logon(t553="x"), logon("B-RT")):
                await refused(found, "RT", bad)
            assert hashed == ["x", PASSWORD, PASSWORD]  # the same work each time

    run(test)


def test_passwords_waiting_are_bounded() -> None:
    async def test() -> None:
        async with rig(edge_settings(*BOTH, password_waiting_max=1)) as found:
            first_may_end = threading.Event()
            found.edge._credentials._pool.submit(first_may_end.wait)  # the only thread
            waiting = await found.client("NR")
            waiting.send(logon("A-NR", "NR", t141="Y"))
            await until(lambda: found.edge._credentials._turns._waiting[False] == 1)
            logout = await refused(found, "RT", logon(t141="Y"))
            assert logout[58] == "LOGON_SERVICE_BUSY"
            first_may_end.set()
            assert (await waiting.receive())[35] == "A"

    run(test)


def test_a_held_password_is_worked_out_in_the_end_and_shown_to_operators() -> None:
    async def test() -> None:
        ration = {"wrong_passwords_per_minute": 120, "wrong_password_burst": 1}
        async with rig(edge_settings(session("A-RT", "RT"), **ration)) as found:
            await refused(found, "RT", logon(t554="x", t141="Y"))
            await found.logged_on()
            assert found.count("edge_passwords_held_total") == 1

    run(test)


async def second_logon(client: Client, **fields: Any) -> dict[int, str]:
    client.send(order(2), logon(t34=3, **fields), order(4))
    return await client.receive()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "ALREADY_LOGGED_ON"),
        ({"t20998": SECRET, "t20999": "mine"}, "ALREADY_LOGGED_ON"),
        ({"t141": "Y", "t554": "wrong"}, "INVALID_CREDENTIALS"),
        ({"t141": "Y", "t108": "1"}, "INVALID_HEART_BT_INT"),
        ({"t141": "Y", "t20998": SECRET}, "UNDEFINED_TAG"),
        ({"t141": "Y", "t49": "A-NR"}, "COMP_ID_PROBLEM"),
    ],
)
def test_a_second_logon_in_a_session_ends_it_with_a_reason(
    fields: dict[str, Any], reason: str
) -> None:
    async def test() -> None:
        async with rig(edge_settings(*BOTH)) as found:
            client = await found.logged_on()
            logout = await second_logon(client, **fields)
            assert (logout[35], logout[34]) == ("5", "2")
            assert logout[58].startswith(reason)
            assert await client.end() == b""
            assert [seen[35] for seen in found.engine.received] == ["A", "D", "5"]
            assert found.engine.received[-1][20998] == SECRET

    run(test)


def test_a_reset_inside_a_session_is_opened_on_the_bus_before_the_engine_sees_it() -> None:
    async def test() -> None:
        async with rig(edge_settings(*BOTH)) as found:
            client = await found.logged_on()
            client.send(order(2), logon(t141="Y"), order(2), order(3))
            assert (await client.receive())[35] == "A"
            await until(lambda: len(found.engine.of("D")) == 3)
            assert [seen[35] for seen in found.engine.received] == ["A", "D", "A", "D", "D"]
            again = found.engine.of("A")[1]
            assert (again[141], again[20998]) == ("Y", SECRET)
            assert 554 not in again
            first, second = found.gateway.asked
            assert second.reset
            assert second.connection == first.connection

    run(test)


def test_a_message_without_msg_seq_num_ends_the_session() -> None:
    async def test() -> None:
        async with rig(edge_settings(*BOTH)) as found:
            client = await found.logged_on()
            client.send(message((35, "0"), (49, "A-RT"), (56, "KalshiRT")), order(2))
            assert (await client.receive())[58] == "MsgSeqNum missing"
            assert await client.end() == b""
            assert not found.engine.of("D")

    run(test)


def test_passwords_are_never_worked_out_on_the_event_loop() -> None:
    async def test() -> None:
        costly = session("B-RT", "RT", password_scrypt=hash_password("other", n=2**14))
        async with rig(edge_settings(*BOTH, costly)) as found:
            client = await found.logged_on()
            guessing = [await found.client() for _ in range(8)]
            for guess in guessing:
                guess.send(logon("B-RT", t141="Y"))
            await until(lambda: found.edge._credentials._turns._waiting[False] == len(guessing))
            client.send(message((35, "1"), (34, 2), (49, "A-RT"), (56, "KalshiRT"), (112, "x")))
            assert (await client.receive())[112] == "x"
            assert found.edge._credentials._turns._waiting[False] > 1  # most of them still wait
            for guess in guessing:
                assert (await guess.receive())[58] == "INVALID_CREDENTIALS"

    run(test)


def test_passwords_are_checked_behind_everything_else() -> None:
    async def test() -> None:
        async with rig(edge_settings(*BOTH)) as found:
            before = os.getpriority(os.PRIO_PROCESS, 0)
            pool = found.edge._credentials._pool
            its = pool.submit(os.getpriority, os.PRIO_PROCESS, 0).result()
            assert its == min(before + 15, 19)
            assert os.getpriority(os.PRIO_PROCESS, 0) == before

    run(test)
