"""TLS on the public ports: versions, client certificates, rotation, and its own ways to be slow."""

import asyncio
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from certificates import DAY, Authority
from edge_rig import (
    Client,
    Rig,
    edge_settings,
    logon,
    order,
    rig,
    run,
    session,
    until,
)

from kalshi_fix.adapters.edge.tls import CertificateError, Certificates
from kalshi_fix.adapters.settings import Settings, TlsSettings

REJECTED = 'edge_rejected_connections_total{reason="%s"}'


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path)


def with_tls(authority: Authority, *sessions: Any, **more: Any) -> Settings:
    pair = authority.issue("edge", "edge", "localhost")
    edge = {name: more.pop(name) for name in ("logon_seconds",) if name in more}
    tls = TlsSettings(
        certificate=f"{pair}.pem", key=f"{pair}.key", client_ca=str(authority.file), **more
    )
    return edge_settings(*(sessions or (session("A-RT", "RT"),)), plain=False, tls=tls, **edge)


async def connect(found: Rig, context: ssl.SSLContext) -> Client:
    client = await Client.connect(found.port(), ssl=context, server_hostname="127.0.0.1")
    found.clients.append(client)
    return client


async def logged_on(found: Rig, context: ssl.SSLContext, sender: str = "A-RT") -> Client:
    client = await connect(found, context)
    client.send(logon(sender))
    assert (await client.receive())[35] == "A"
    return client


async def gets_nothing(found: Rig, context: ssl.SSLContext) -> None:
    """TLS 1.3 refuses a client certificate only after the client thinks all is well."""

    async def answer() -> bytes:
        client = await connect(found, context)
        client.send(logon())
        return await client.reader.readexactly(1)

    with pytest.raises((OSError, EOFError)):
        await answer()


def certificate_of(client: Client) -> bytes:
    shown: bytes = client.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return shown


def test_a_session_over_tls_works_both_ways_and_ends_politely(authority: Authority) -> None:
    async def test() -> None:
        async with rig(with_tls(authority)) as found:
            client = await logged_on(found, authority.client())
            orders = [order(number) for number in range(2, 300)]
            client.send(*orders)
            await until(lambda: len(found.engine.of("D")) == len(orders))
            client.send(order(300, t35=5))
            assert (await client.receive())[35] == "5"
            assert await client.end() == b""

    run(test)


def test_a_refused_logon_is_told_over_tls_too(authority: Authority) -> None:
    async def test() -> None:
        async with rig(with_tls(authority)) as found:
            client = await connect(found, authority.client())
            client.send(logon(t554="wrong", t141="Y"))
            assert (await client.receive())[58] == "INVALID_CREDENTIALS"
            assert await client.end() == b""

    run(test)


def test_plain_fix_and_old_versions_get_nothing_on_a_tls_port(authority: Authority) -> None:
    async def test() -> None:
        async with rig(with_tls(authority)) as found:
            plain = await found.client()
            plain.send(logon())
            assert b"8=FIX" not in await plain.end()
            assert found.count(REJECTED % "tls") == 1
            old = authority.client()
            old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            with pytest.warns(DeprecationWarning, match="TLS"):
                old.maximum_version = ssl.TLSVersion.TLSv1_1
            with pytest.raises(OSError):  # noqa: PT011 - of OpenSSL's many
                await connect(found, old)
            assert not found.engine.received
            await until(lambda: not found.count("edge_connections"))

    run(test)


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01"])
def test_a_tls_handshake_has_the_deadline_and_the_place_of_a_logon(
    authority: Authority, sent: bytes
) -> None:
    async def test() -> None:
        async with rig(with_tls(authority, logon_seconds=0.3)) as found:
            slow = await found.client()
            slow.send(sent)
            began = time.monotonic()
            await until(lambda: found.count("edge_unauthenticated_connections") == 1)
            await slow.end(2)
            assert time.monotonic() - began < 4
            await until(lambda: not found.count("edge_unauthenticated_connections"))

    run(test)


def test_a_client_certificate_logs_on_as_the_session_it_names_and_as_no_other(
    authority: Authority,
) -> None:
    sessions = (
        session("A-RT", "RT", certificate_required=True),
        session("B-RT", "RT"),
        session("C-RT", "RT", certificate_names=("desk.example",)),
    )
    firm_a = authority.issue("firm-a", "A-RT")
    desk = authority.issue("desk", "desk", "desk.example")

    async def answer(found: Rig, context: ssl.SSLContext, sender: str) -> str:
        client = await connect(found, context)
        client.send(logon(sender, t141="Y"))
        answered = await client.receive()
        client.close()
        await until(lambda: not found.count("edge_connections"))
        return answered.get(58, "accepted") if answered[35] in "A5" else ""

    async def test() -> None:
        async with rig(with_tls(authority, *sessions)) as found:
            mine, theirs, none = (authority.client(p) for p in (firm_a, desk, None))
            assert await answer(found, mine, "A-RT") == "accepted"
            assert await answer(found, theirs, "C-RT") == "accepted"
            assert await answer(found, none, "B-RT") == "accepted"
            for context, sender in ((mine, "B-RT"), (none, "A-RT"), (theirs, "A-RT")):
                assert await answer(found, context, sender) == "INVALID_CREDENTIALS"

    run(test)


def test_a_certificate_of_a_strange_authority_gets_no_connection(
    authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority.make(tmp_path, "Somebody else").issue("stranger", "A-RT")
    context = authority.client(stranger)

    async def test() -> None:
        async with rig(with_tls(authority)) as found:
            await gets_nothing(found, context)
            assert not found.engine.received

    run(test)


def test_a_revoked_certificate_gets_no_connection_from_the_moment_the_list_says_so(
    authority: Authority,
) -> None:
    lost = authority.client(authority.issue("lost", "A-RT"))
    good = authority.client(authority.issue("good", "A-RT"))
    settings = with_tls(authority, client_revoked=str(authority.revoke()), check_seconds=0.1)

    async def test() -> None:
        async with rig(settings) as found:
            live = await logged_on(found, lost)
            authority.revoke(authority.directory / "lost")
            await until(lambda: "certificate_taken" in found.log.getvalue())
            await gets_nothing(found, lost)
            live.send(order(2))  # who is connected stays until an operator ends it
            await until(lambda: found.engine.of("D"))
            live.close()
            await until(lambda: not found.count("edge_connections"))
            await logged_on(found, good)

    run(test)


def test_a_list_of_revoked_certificates_that_is_none_is_refused(authority: Authority) -> None:
    settings = with_tls(authority, client_revoked=str(authority.file)).edge.tls
    with pytest.raises(CertificateError, match="cannot be used"):
        Certificates(settings)


def test_where_every_connection_needs_a_certificate_none_comes_in_without(
    authority: Authority,
) -> None:
    async def test() -> None:
        async with rig(with_tls(authority, client_certificates="required")) as found:
            await gets_nothing(found, authority.client())
            assert not found.gateway.asked

    run(test)


def test_a_new_certificate_serves_the_next_connection_and_leaves_the_live_one(
    authority: Authority,
) -> None:
    async def test() -> None:
        async with rig(with_tls(authority, check_seconds=0.1)) as found:
            first = await logged_on(found, authority.client())
            before = found.count("edge_certificate_expires_timestamp_seconds")
            authority.issue("edge", "edge renewed", lifetime=9 * DAY)
            await until(lambda: found.count("edge_certificate_expires_timestamp_seconds") > before)
            second = await connect(found, authority.client())
            assert certificate_of(second) != certificate_of(first)
            first.send(order(2))
            await until(lambda: found.engine.of("D"))

    run(test)


def spoil(certificate: Path) -> None:
    certificate.write_text("not a certificate")


def test_a_broken_new_certificate_is_told_and_the_old_one_goes_on(authority: Authority) -> None:
    settings = with_tls(authority, check_seconds=0.1)
    certificate = Path(settings.edge.tls.certificate)

    async def test() -> None:
        async with rig(settings) as found:
            spoil(certificate)
            await until(lambda: found.count("edge_certificate_failures_total") == 1)
            await logged_on(found, authority.client())
            assert "certificate_not_taken" in found.log.getvalue()
            await asyncio.sleep(0.3)  # the same files are not tried, and told, again and again
            assert found.count("edge_certificate_failures_total") == 1
            authority.issue("edge", "edge repaired", "localhost")
            await until(lambda: "certificate_taken" in found.log.getvalue())

    run(test)


def test_a_key_that_others_can_read_is_refused(authority: Authority) -> None:
    settings = with_tls(authority).edge.tls
    Path(settings.key).chmod(0o644)
    with pytest.raises(CertificateError, match="can be read by others"):
        Certificates(settings)


def test_a_key_of_another_certificate_is_refused(authority: Authority) -> None:
    other = authority.issue("other", "other")
    certificate = with_tls(authority).edge.tls.certificate
    with pytest.raises(CertificateError, match="cannot be used"):
        Certificates(TlsSettings(certificate=certificate, key=f"{other}.key"))


def test_a_slow_reader_is_cut_over_tls_too(authority: Authority) -> None:
    async def test() -> None:
        settings = with_tls(authority)
        async with rig(settings) as found:
            client = await logged_on(found, authority.client())
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            (engine,) = found.engine.writers
            engine.write(b"x" * (settings.edge.slow_reader_bytes * 4))
            await until(lambda: found.count("edge_slow_reader_disconnects_total") == 1)

    run(test)
