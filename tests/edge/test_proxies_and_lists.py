"""Who may connect: PROXY headers, address lists, rates; all decided before any engine is asked."""

import asyncio
import ssl
import struct
import time
from ipaddress import ip_address
from pathlib import Path

import pytest
from certificates import Authority
from edge_rig import Client, Rig, edge_settings, logon, rig, run, session, until
from hypothesis import given
from hypothesis import strategies as st

from kalshi_fix.adapters.edge.proxy import SIGNATURE, ProxyError, parse_fixed, parse_source
from kalshi_fix.adapters.settings import TlsSettings

REJECTED = 'edge_rejected_connections_total{reason="%s"}'
PROXIED, LOCAL = 0x21, 0x20


def header(source: str, command: int = PROXIED, more: bytes = b"") -> bytes:
    """A PROXY header of version 2, as a load balancer sends it."""
    found = ip_address(source)
    family = 0x11 if found.version == 4 else 0x21
    ports = struct.pack("!HH", 40_000, 8_230)
    rest = found.packed + found.packed + ports + more
    return SIGNATURE + struct.pack("!BBH", command, family, len(rest)) + rest


async def sent(found: Rig, *data: bytes) -> Client:
    client = await found.client()
    client.send(*data)
    return client


async def is_closed_without_a_word(found: Rig, reason: str, *data: bytes) -> None:
    before = found.count(REJECTED % reason)
    assert await (await sent(found, *data)).end() == b""
    assert found.count(REJECTED % reason) == before + 1


@pytest.mark.parametrize("source", ["203.0.113.7", "2001:db8::7"])
def test_behind_a_proxy_the_clients_own_address_counts(source: str) -> None:
    mine = session("A-RT", "RT", addresses=(source,))

    async def test() -> None:
        async with rig(edge_settings(mine, proxies=("127.0.0.1",))) as found:
            client = await sent(found, header(source, more=b"\x04\x00\x01x"), logon())
            assert (await client.receive())[35] == "A"
            assert f'"peer": "{source}"' in found.log.getvalue()
            stranger = header("203.0.113.8")
            await is_closed_without_a_word(found, "address_not_allowed", stranger, logon())

    run(test)


def test_a_proxy_header_may_arrive_byte_by_byte() -> None:
    async def test() -> None:
        async with rig(edge_settings(session("A-RT", "RT"), proxies=("127.0.0.1",))) as found:
            client = await found.client()
            for byte in header("203.0.113.7"):
                client.send(bytes((byte,)))
                await asyncio.sleep(0.001)
            client.send(logon())
            assert (await client.receive())[35] == "A"

    run(test)


def test_a_health_check_of_the_proxy_itself_is_let_in() -> None:
    async def test() -> None:
        async with rig(edge_settings(session("A-RT", "RT"), proxies=("127.0.0.1",))) as found:
            client = await sent(found, header("203.0.113.7", command=LOCAL), logon())
            assert (await client.receive())[35] == "A"

    run(test)


def test_whoever_is_no_proxy_or_sends_no_header_is_closed() -> None:
    async def test() -> None:
        one = session("A-RT", "RT")
        async with rig(edge_settings(one, proxies=("127.0.0.1",))) as found:
            await is_closed_without_a_word(found, "proxy_header", logon())
            await is_closed_without_a_word(found, "proxy_header", b"PROXY TCP4 1.2.3.4 " * 2)
        async with rig(edge_settings(one, proxies=("192.0.2.1",))) as found:
            await is_closed_without_a_word(found, "not_a_proxy", header("203.0.113.7"), logon())
            assert not found.gateway.asked

    run(test)


def test_half_a_proxy_header_has_the_deadline_of_a_logon() -> None:
    async def test() -> None:
        settings = edge_settings(session("A-RT", "RT"), proxies=("127.0.0.1",), logon_seconds=0.2)
        async with rig(settings) as found:
            began = time.monotonic()
            await is_closed_without_a_word(found, "timeout", header("203.0.113.7")[:20])
            assert time.monotonic() - began < 4
            assert not found.count("edge_connections")

    run(test)


def test_tls_begins_right_behind_a_proxy_header(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path)
    pair = authority.issue("edge", "edge")
    tls = TlsSettings(certificate=f"{pair}.pem", key=f"{pair}.key")
    context = authority.client()
    context.check_hostname = False

    async def test() -> None:
        settings = edge_settings(
            session("A-RT", "RT"), proxies=("127.0.0.1",), plain=False, tls=tls
        )
        async with rig(settings) as found:
            reader, writer = await asyncio.open_connection("127.0.0.1", found.port())
            writer.write(header("203.0.113.7"))
            await writer.start_tls(context)
            client = Client(reader, writer)
            found.clients.append(client)
            client.send(logon())
            assert (await client.receive())[35] == "A"
            assert isinstance(writer.get_extra_info("ssl_object"), ssl.SSLObject)

    run(test)


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=64))
def test_any_bytes_as_a_proxy_header_are_an_address_or_an_error(head: bytes, rest: bytes) -> None:
    for start in (head, SIGNATURE + head[12:]):
        try:
            _, command, family = parse_fixed(start)
            source = parse_source(command, family, rest)
        except ProxyError:
            continue
        assert source == "" or ip_address(source)


def test_a_session_has_its_networks_and_nobody_else_learns_that_it_exists() -> None:
    listed = session("A-RT", "RT", addresses=("192.0.2.0/24",))

    async def test() -> None:
        async with rig(edge_settings(listed, session("B-RT", "RT"))) as found:
            for flags in ({}, {"t141": "Y"}, {"t554": "wrong"}):
                await is_closed_without_a_word(found, "address_not_allowed", logon(**flags))
            assert not found.gateway.asked  # nothing reached a gateway, let alone an engine
            await found.logged_on("B-RT")

    run(test)


def test_connections_of_one_address_are_limited_per_second() -> None:
    async def test() -> None:
        limits = {"connections_per_second": 5, "connection_burst": 3}
        async with rig(edge_settings(session("A-RT", "RT"), **limits)) as found:
            for _ in range(3):
                (await found.client()).close()
            await until(lambda: found.count(REJECTED % "gone") == 3)
            await is_closed_without_a_word(found, "connection_rate", logon())
            await asyncio.sleep(0.3)
            await found.logged_on()

    run(test)


def test_failed_logons_are_limited_then_told_when_to_come_back() -> None:
    async def test() -> None:
        limits = {"failed_logons_per_minute": 1, "failed_logon_burst": 2}
        async with rig(edge_settings(session("A-RT", "RT"), **limits)) as found:
            bad, good = logon(t554="wrong", t141="Y"), logon(t141="Y")
            for data in (bad, bad, good):  # the third is right, and too late
                client = await sent(found, data)
                text = (await client.receive())[58]
            assert text.startswith("LOGON_RATE_LIMIT retry_after_ms=")
            assert 50_000 < int(text.partition("=")[2]) <= 60_000
            assert not found.gateway.asked
            # without 141=Y the answer would use a number of the session: a stranger must not
            reason = "unsaid_LOGON_RATE_LIMIT"
            await is_closed_without_a_word(found, reason, logon(t554="wrong"))

    run(test)


def test_failures_at_one_address_do_not_lock_the_session_out_elsewhere() -> None:
    async def test() -> None:
        limits = {"failed_logons_per_minute": 1, "failed_logon_burst": 1}
        settings = edge_settings(session("A-RT", "RT"), proxies=("127.0.0.1",), **limits)
        async with rig(settings) as found:
            attacker = header("203.0.113.66")
            for _ in range(2):
                client = await sent(found, attacker, logon(t554="wrong", t141="Y"))
                text = (await client.receive())[58]
            assert text.startswith("LOGON_RATE_LIMIT")
            client = await sent(found, header("203.0.113.7"), logon())
            assert (await client.receive())[35] == "A"

    run(test)


def test_guesses_from_many_addresses_keep_no_engine_out_that_logged_on_before() -> None:
    async def test() -> None:
        ration = {"wrong_passwords_per_minute": 1, "wrong_password_burst": 3}
        settings = edge_settings(session("A-RT", "RT"), proxies=("127.0.0.1",), **ration)
        async with rig(settings) as found:
            home = header("203.0.113.7")
            first = await sent(found, home, logon())
            assert (await first.receive())[35] == "A"
            first.send(logon(t35="5", t34=2))
            assert (await first.receive())[35] == "5"
            texts = []
            for number in range(4):
                guess = await sent(
                    found, header(f"203.0.113.{100 + number}"), logon(t554="x", t141="Y")
                )
                texts.append((await guess.receive())[58])
            assert texts == ["INVALID_CREDENTIALS"] * 3 + ["LOGON_SERVICE_BUSY"]
            # without 141=Y the answer would use a number of the session: a stranger must not
            asked = len(found.gateway.asked)
            reason = "unsaid_LOGON_SERVICE_BUSY"
            await is_closed_without_a_word(found, reason, header("203.0.113.99"), logon(t554="x"))
            assert len(found.gateway.asked) == asked
            again = await sent(found, home, logon())
            assert (await again.receive())[35] == "A"

    run(test)


def test_waiting_connections_are_capped_by_the_address_behind_the_proxy() -> None:
    async def test() -> None:
        settings = edge_settings(
            session("A-RT", "RT"), proxies=("127.0.0.1",), unauthenticated_per_address_max=2
        )
        async with rig(settings) as found:
            for _ in range(2):
                await sent(found, header("203.0.113.7"))
            await until(lambda: found.count("edge_unauthenticated_connections") == 2)
            reason = "too_many_from_address"
            await is_closed_without_a_word(found, reason, header("203.0.113.7"))
            client = await sent(found, header("203.0.113.8"), logon())
            assert (await client.receive())[35] == "A"

    run(test)
