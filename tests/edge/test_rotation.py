"""Credentials changed while sessions run: the next Logon needs the new ones."""

import time
from typing import Any

import pytest
from attrs import evolve
from edge_rig import Rig, edge_settings, logon, order, rig, run, session, until
from test_logon_over_sockets import ed25519, refused, signed

from kalshi_fix.adapters.edge import credentials
from kalshi_fix.adapters.edge.credentials import CredentialsError
from kalshi_fix.adapters.passwords import hash_password
from kalshi_fix.adapters.settings import SessionSettings, Settings
from kalshi_fix.model import NANOS

NEW_HASH = hash_password("new", n=2**10)


def with_sessions(settings: Settings, *sessions: SessionSettings) -> Settings:
    return evolve(settings, sessions=sessions)


async def outcome(found: Rig, data: bytes) -> str:
    """Text of the Logout, or ``accepted``."""
    client = await found.client()
    client.send(data)
    answer = await client.receive()
    client.close()
    await until(lambda: "A-RT" not in found.edge._around.admission.seats._held)
    return answer.get(58, "accepted")


def test_a_new_password_counts_from_the_next_logon_and_the_live_session_goes_on() -> None:
    settings = edge_settings(session("A-RT", "RT"), session("B-RT", "RT"))

    async def test() -> None:
        async with rig(settings) as found:
            live = await found.logged_on("B-RT")
            changed = [session(name, "RT", password_scrypt=NEW_HASH) for name in ("A-RT", "B-RT")]
            found.edge.reload(with_sessions(settings, *changed))
            assert await outcome(found, logon(t141="Y")) == "INVALID_CREDENTIALS"
            client = await found.client()
            client.send(logon(t554="new"))
            assert (await client.receive())[35] == "A"
            live.send(order(2, "B-RT"))
            await until(lambda: found.engine.of("D"))

    run(test)


def test_a_new_key_replaces_the_old_one() -> None:
    (old_pem, old_sign), (new_pem, new_sign) = ed25519(), ed25519()

    def keyed(pem: str) -> SessionSettings:
        return session("A-RT", "RT", public_key=pem, password_scrypt="")

    settings = edge_settings(keyed(old_pem))

    async def test() -> None:
        async with rig(settings) as found:
            assert await outcome(found, signed(old_sign)) == "accepted"
            found.edge.reload(with_sessions(settings, keyed(new_pem)))
            assert await outcome(found, signed(old_sign, t141="Y")) == "INVALID_CREDENTIALS"
            assert await outcome(found, signed(new_sign)) == "accepted"

    run(test)


def test_old_credentials_are_good_beside_the_new_ones_until_their_time() -> None:
    (old_pem, old_sign), (new_pem, new_sign) = ed25519(), ed25519()
    settings = edge_settings(session("A-RT", "RT"))
    old_hash = settings.sessions[0].password_scrypt

    def rotated(until: int) -> SessionSettings:
        return session(
            "A-RT",
            "RT",
            password_scrypt=NEW_HASH,
            public_key=new_pem,
            old_password_scrypt=old_hash,
            old_public_key=old_pem,
            old_credentials_until=until,
        )

    async def test() -> None:
        async with rig(settings) as found:
            later = time.time_ns() + 3_600 * NANOS
            found.edge.reload(with_sessions(settings, rotated(later)))
            for good in (logon(), logon(t554="new"), signed(old_sign), signed(new_sign)):
                assert await outcome(found, good) == "accepted"
            assert await outcome(found, logon(t554="none", t141="Y")) == "INVALID_CREDENTIALS"
            found.edge.reload(with_sessions(settings, rotated(time.time_ns() - 1)))
            for gone in (logon(t141="Y"), signed(old_sign, t141="Y")):
                assert await outcome(found, gone) == "INVALID_CREDENTIALS"
            assert await outcome(found, logon(t554="new")) == "accepted"
            assert await outcome(found, signed(new_sign)) == "accepted"

    run(test)


def test_credentials_that_cannot_be_used_change_nothing() -> None:
    settings = edge_settings(session("A-RT", "RT"))

    async def test() -> None:
        async with rig(settings) as found:
            broken = session("A-RT", "RT", public_key="no key", password_scrypt=NEW_HASH)
            with pytest.raises(CredentialsError):
                found.edge.reload(with_sessions(settings, broken))
            await found.logged_on()

    run(test)


def test_sessions_come_and_go_without_a_restart() -> None:
    settings = edge_settings(session("A-RT", "RT"))

    async def test() -> None:
        async with rig(settings) as found:
            live = await found.logged_on()
            found.edge.reload(with_sessions(settings, session("N-RT", "RT")))
            await found.logged_on("N-RT")
            live.send(order(2))  # removed, but its connection is the gateway's to end
            await until(lambda: found.engine.of("D"))
            live.close()
            await until(lambda: "A-RT" not in found.edge._around.admission.seats._held)
            client = await found.client()
            client.send(logon())
            assert await client.end() == b""

    run(test)


def test_new_addresses_count_from_the_next_connection() -> None:
    settings = edge_settings(session("A-RT", "RT"))

    async def test() -> None:
        async with rig(settings) as found:
            listed = session("A-RT", "RT", addresses=("192.0.2.1",))
            found.edge.reload(with_sessions(settings, listed))
            client = await found.client()
            client.send(logon())
            assert await client.end() == b""

    run(test)


def test_an_unknown_key_and_a_bad_signature_are_the_same_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pem, _ = ed25519()
    _, stranger = ed25519()
    keyed: dict[str, Any] = {"public_key": pem, "password_scrypt": ""}
    settings = edge_settings(session("A-RT", "RT", **keyed), session("P-RT", "RT"))
    checked: list[bool] = []
    verify = credentials.verify_signature

    def counting(key: credentials.PublicKey, raw_data: str, signed_text: str) -> bool:
        checked.append(verify(key, raw_data, signed_text))
        return checked[-1]

    async def checks(found: Rig, **who: str) -> list[bool]:
        checked.clear()
        logout = await refused(found, "RT", signed(stranger, t141="Y", **who))
        assert logout[58] == "INVALID_CREDENTIALS"
        return [*checked]

    async def test() -> None:
        async with rig(settings) as found:
            assert await checks(found) == await checks(found, t49="P-RT") == [False]

    monkeypatch.setattr(credentials, "verify_signature", counting)
    run(test)
