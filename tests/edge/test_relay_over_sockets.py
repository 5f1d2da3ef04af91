"""Both directions of a session over real sockets: deadlines, garbage, slow readers, every end."""

import asyncio
import socket
import time
from contextlib import suppress

import pytest
from edge_rig import (
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
    wrong_checksum,
)

from kalshi_fix.adapters.edge.backlog import Backlog
from kalshi_fix.adapters.edge.frames import encode
from kalshi_fix.adapters.edge.surroundings import LogBudget

ONE = (session("A-RT", "RT"),)
REJECTED = 'edge_rejected_connections_total{reason="%s"}'
ENDED = 'edge_sessions_ended_total{cause="%s"}'
LOGOUT = message((35, "5"), (34, 2), (49, "A-RT"), (56, "KalshiRT"), (52, "20261122-09:00:00"))


# --- before the Logon


@pytest.mark.parametrize("sent", [b"", b"8=FIX.4.4\x019=", logon()[:-1]])
def test_a_connection_without_a_complete_logon_is_closed_at_the_deadline(sent: bytes) -> None:
    async def test() -> None:
        async with rig(edge_settings(*ONE, logon_seconds=0.2)) as found:
            client = await found.client()
            client.send(sent)
            began = time.monotonic()
            assert await client.end() == b""
            assert 0.1 < time.monotonic() - began < 4
            assert found.count(REJECTED % "timeout") == 1
            await until(lambda: not found.count("edge_connections"))

    run(test)


def test_bytes_dribbled_do_not_move_the_deadline() -> None:
    async def test() -> None:
        async with rig(edge_settings(*ONE, logon_seconds=0.3)) as found:
            client = await found.client()
            began = time.monotonic()
            ended = asyncio.create_task(client.end())
            for byte in logon():
                if ended.done():
                    break
                client.send(bytes((byte,)))
                await asyncio.sleep(0.02)
            assert await ended == b""
            assert time.monotonic() - began < 4

    run(test)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "not_fix44"),
        (b"8=FIX.4.4\x019=999999\x0135=A\x01", "too_large"),
        (logon(t58="x" * 4_096), "too_large"),
        (order(1), "not_logon"),
        (wrong_checksum(logon()), "garbled"),
        (logon(t554="a\nb"), "garbled"),
    ],
)
def test_what_cannot_become_a_logon_is_closed_at_once_without_a_message(
    sent: bytes, why: str
) -> None:
    async def test() -> None:
        async with rig(edge_settings(*ONE)) as found:
            client = await found.client()
            client.send(sent)
            assert await client.end(1) == b""
            assert found.count(REJECTED % why) == 1
            assert not found.gateway.asked

    run(test)


async def is_refused(found: Rig) -> bool:
    client = await found.client()
    return client.reader.at_eof() or await ended_within(client, 0.2)


async def ended_within(client: Client, seconds: float) -> bool:
    try:
        await client.end(seconds)
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("cap", ["unauthenticated_max", "unauthenticated_per_address_max"])
def test_connections_before_their_logon_are_capped_and_the_newest_dropped(cap: str) -> None:
    async def test() -> None:
        async with rig(edge_settings(*ONE, **{cap: 3})) as found:
            await found.logged_on()  # does not count any more
            waiting = [await found.client() for _ in range(3)]
            await until(lambda: found.count("edge_unauthenticated_connections") == 3)
            assert await is_refused(found)
            waiting[0].close()
            await until(lambda: found.count("edge_unauthenticated_connections") == 2)
            assert not await is_refused(found)

    run(test)


# --- client to engine


def test_orders_right_behind_the_logon_are_not_lost() -> None:
    async def test() -> None:
        async with rig(edge_settings(*ONE)) as found:
            client = await found.client()
            orders = [order(number) for number in range(2, 400)]
            client.send(logon(), *orders)
            await until(lambda: len(found.engine.of("D")) == len(orders))
            assert bytes(found.engine.raw).endswith(b"".join(orders))
            assert found.count('edge_messages_total{direction="in"}') == len(orders)

    run(test)


def test_a_garbled_message_never_reaches_the_engine_and_disturbs_nothing() -> None:
    async def test() -> None:
        async with rig(edge_settings(*ONE)) as found:
            client = await found.logged_on()
            wrong = wrong_checksum(order(3))
            client.send(order(2), b"noise", wrong, order(3, t58="a\nb"), order(3))
            await until(lambda: len(found.engine.of("D")) == 2)
            assert [seen[34] for seen in found.engine.of("D")] == ["2", "3"]
            for reason in ("checksum", "start", "control"):
                assert found.count(f'edge_garbled_messages_total{{reason="{reason}"}}') == 1

    run(test)


@pytest.mark.parametrize("sent", [b"8=FIX.4.4\x019=16400\x0135=D\x01", b"z" * 17_000])
def test_a_stream_that_cannot_be_framed_is_cut(sent: bytes) -> None:
    async def test() -> None:
        async with rig(edge_settings(*ONE)) as found:
            client = await found.logged_on()
            client.send(order(2), sent)
            await client.end()
            await until(lambda: found.count(ENDED % "unframeable"))
            assert len(found.engine.of("D")) == 1

    run(test)


def test_an_engine_that_does_not_read_holds_up_its_own_client_only() -> None:
    async def test() -> None:
        two = (session("A-RT", "RT"), session("B-RT", "RT"))
        async with rig(edge_settings(*two)) as found:
            client, other = await found.logged_on(), await found.logged_on("B-RT")
            found.engine.writers[0].transport.pause_reading()
            burst = order(2, t58="x" * 8_000) * 100
            for _ in range(40):
                client.send(burst)
            await until(lambda: any(relay._engine_full for relay in found.edge._relays))
            (held,) = (relay for relay in found.edge._relays if relay._engine_full)
            await asyncio.sleep(0.1)
            assert held._engine is not None
            assert held._engine.get_write_buffer_size() < 2_000_000
            other.send(message((35, "1"), (34, 2), (49, "B-RT"), (56, "KalshiRT"), (112, "x")))
            assert (await other.receive())[112] == "x"

    run(test)


# --- engine to client


def test_everything_the_engine_sends_reaches_the_client_and_is_counted() -> None:
    async def test() -> None:
        async with rig(edge_settings(*ONE)) as found:
            client = await found.logged_on()
            report = encode("8", [(34, "7"), (58, "x" * 50)])
            writer = found.engine.writers[0]
            for piece in (report[:-5], report[-5:-2], report[-2:], report * 500):
                writer.write(piece)
                await asyncio.sleep(0.01)
            for _ in range(501):
                assert (await client.receive())[34] == "7"
            assert found.count('edge_messages_total{direction="out"}') == 502

    run(test)


async def silent_client(found: Rig, sender: str = "A-RT", role: str = "RT") -> Client:
    """Logs on with a small receive buffer, then does not read."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    made.setblocking(False)
    await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", found.port(role)))
    client = Client(*await asyncio.open_connection(sock=made))
    found.clients.append(client)
    client.send(logon(sender, role, t141="Y"))
    assert (await client.receive())[35] == "A"
    client.writer.transport.pause_reading()
    return client


async def flood(writer: asyncio.StreamWriter, size: int) -> None:
    report = encode("8", [(34, "7"), (58, "x" * 900)])
    with suppress(ConnectionResetError):
        for _ in range(size // len(report)):
            writer.write(report)
            await writer.drain()


def test_a_reader_too_far_behind_is_cut_and_the_engine_never_waits() -> None:
    async def test() -> None:
        limit = 1_000_000
        async with rig(edge_settings(*ONE, slow_reader_bytes=limit)) as found:
            await silent_client(found)
            async with asyncio.timeout(5):
                await flood(found.engine.writers[0], 40_000_000)
            await until(lambda: found.count("edge_slow_reader_disconnects_total") == 1)
            await until(lambda: not found.count("edge_connections"))
            assert found.count(ENDED % "slow_reader") == 1

    run(test)


def test_a_reader_that_stays_behind_is_cut_after_the_time_allowed() -> None:
    async def test() -> None:
        async with rig(edge_settings(*ONE, slow_reader_seconds=1.0)) as found:
            await silent_client(found)
            await flood(found.engine.writers[0], 3_500_000)
            began = time.monotonic()
            await until(lambda: found.count("edge_slow_reader_disconnects_total") == 1)
            assert 0.5 < time.monotonic() - began < 8
            await until(lambda: not found.count("edge_connections"))
            await found.logged_on()  # and may come back

    run(test)


def test_market_data_waits_for_a_slow_client_so_that_the_gateway_can_merge_it() -> None:
    async def test() -> None:
        async with rig(edge_settings(session("A-MD", "MD"))) as found:
            client = await silent_client(found, "A-MD", "MD")
            flooding = asyncio.create_task(flood(found.engine.writers[0], 12_000_000))
            (relay,) = found.edge._relays
            await until(lambda: relay._engine_waits)
            await asyncio.sleep(0.1)
            assert not flooding.done()  # the engine feels it
            assert relay.client.get_write_buffer_size() < 1_000_000
            client.writer.transport.resume_reading()
            async with asyncio.timeout(10):
                got = 0
                while got < 11_900_000:
                    got += len(await client.reader.read(1_000_000))
            await flooding
            assert not found.count("edge_slow_reader_disconnects_total")

    run(test)


def test_a_backlog_is_as_old_as_its_oldest_byte() -> None:
    backlog = Backlog()
    assert backlog.oldest_seconds(now=0, written=100, unsent=0) == 0
    assert backlog.oldest_seconds(now=1, written=200, unsent=50) == 0
    assert backlog.oldest_seconds(now=3, written=300, unsent=150) == 2
    # the first 200 have gone: what was written by 3 is the oldest now
    assert backlog.oldest_seconds(now=4, written=400, unsent=150) == 1
    assert backlog.oldest_seconds(now=9, written=400, unsent=0) == 0
    assert backlog.oldest_seconds(now=10, written=500, unsent=10) == 0


# --- ends


def test_the_last_logout_reaches_a_client_that_is_still_sending() -> None:
    async def test() -> None:
        async with rig(edge_settings(*ONE)) as found:
            client = await found.logged_on()
            client.send(LOGOUT, *(order(number) for number in range(3, 2_000)))
            assert (await client.receive())[35] == "5"
            assert await client.end() == b""
            await until(lambda: found.count(ENDED % "engine"))

    run(test)


@pytest.mark.parametrize("cut", [False, True])
def test_a_logout_of_the_engine_ends_the_connection_whether_it_is_answered_or_not(
    cut: bool,
) -> None:
    async def test() -> None:
        async with rig(edge_settings(*ONE, logout_answer_seconds=0.2)) as found:
            client = await found.logged_on()
            logout = encode("5", [(34, "2"), (49, "KalshiRT"), (56, "A-RT"), (58, "enough")])
            writer = found.engine.writers[0]
            half = logout.index(b"35=5") + 2 if cut else len(logout)
            sent = found.count('edge_bytes_total{direction="out"}')
            writer.write(logout[:half])
            await until(lambda: found.count('edge_bytes_total{direction="out"}') == sent + half)
            writer.write(logout[half:])
            assert (await client.receive())[58] == "enough"
            assert await client.end() == b""
            await until(lambda: found.count(ENDED % "engine"))

    run(test)


def test_a_client_that_half_closes_still_gets_its_answer() -> None:
    async def test() -> None:
        async with rig(edge_settings(*ONE)) as found:
            client = await found.logged_on()
            client.send(LOGOUT)
            client.writer.write_eof()
            assert (await client.receive())[35] == "5"
            assert await client.end() == b""
            await until(lambda: not found.count("edge_connections"))

    run(test)


def test_the_death_of_the_engine_closes_the_client() -> None:
    async def test() -> None:
        async with rig(edge_settings(*ONE)) as found:
            client = await found.logged_on()
            found.engine.writers[0].transport.abort()
            assert await client.end(1) == b""
            await until(lambda: not found.count("edge_connections"))
            await found.logged_on()

    run(test)


@pytest.mark.parametrize("reset", [False, True])
def test_the_engine_learns_at_once_that_the_client_is_gone(reset: bool) -> None:
    async def test() -> None:
        async with rig(edge_settings(*ONE)) as found:
            client = await found.logged_on()
            client.send(order(2))
            await until(lambda: found.engine.of("D"))
            if reset:
                client.writer.transport.abort()
            else:
                client.close()
            (engine,) = found.engine.writers
            await until(engine.is_closing)
            await until(lambda: not found.count("edge_connections"))

    run(test)


def test_a_client_that_leaves_during_its_logon_leaves_nothing_behind() -> None:
    async def test() -> None:
        async with rig(edge_settings(*ONE)) as found:
            for _ in range(5):
                client = await found.client()
                client.send(logon())
                await asyncio.sleep(0.001)
                client.writer.transport.abort()
            await until(lambda: not found.count("edge_connections"))
            await found.logged_on()

    run(test)


def test_an_engine_that_never_answers_a_verdict_is_given_up() -> None:
    async def test() -> None:
        async with rig(edge_settings(*ONE, logout_seconds=0.2)) as found:
            client = await found.logged_on()
            found.engine.silent = True
            client.send(logon(t34=2))
            assert await client.end(2) == b""
            await until(lambda: not found.count("edge_connections"))

    run(test)


def test_a_stopping_edge_has_its_sessions_logged_out_and_accepts_no_more() -> None:
    async def test() -> None:
        async with rig(edge_settings(*ONE)) as found:
            stranger, client = await found.client(), await found.logged_on()
            await found.edge.stop("EXCHANGE_UNAVAILABLE server is stopping")
            logout = await client.receive()
            assert (logout[35], logout[34]) == ("5", "2")
            assert logout[58] == "EXCHANGE_UNAVAILABLE server is stopping"
            assert await client.end() == b""
            assert await stranger.end() == b""
            with pytest.raises(ConnectionRefusedError):
                await found.client()

    run(test)


def test_strangers_may_cause_only_so_many_log_lines_per_second() -> None:
    budget = LogBudget(lines_per_second=2)
    assert [budget.spend(0.1), budget.spend(0.2), budget.spend(0.9)] == [True, True, False]
    assert budget.spend(1.0)
