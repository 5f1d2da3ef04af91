"""Framed mutants made from rules: in process on our own parsers, and over TCP on a whole system."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from fuzz import configuration, fuzz, report
from fuzz_mutants import BASES, NOW, Mutants, framed
from hypothesis import given, settings
from hypothesis import strategies as st
from running_system import RunningSystem

from kalshi_fix.adapters.control import OpenAnswer, from_line
from kalshi_fix.adapters.edge.frames import (
    FrameReader,
    Halt,
    NotALogonError,
    checksum,
    first_frame,
    split,
)
from kalshi_fix.fix.logon import Logon, LogonRules, Refusal, judge
from kalshi_fix.fix.wire import WireError, decode
from kalshi_fix.model import NANOS

LIMIT = 16_384
CLIENTS = 8
COUNT = 12_000
SECONDS = 40.0
SEED = 20_261_122
HEADER = [(34, "2"), (49, "A-RT"), (52, NOW), (56, "KalshiRT")]
RULES = LogonRules(heartbeat_min=2, heartbeat_max=60, clock_window=30 * NANOS, reset_required=False)
seeds = st.integers(0, 2**32)


def frame_of(seed: int) -> bytes:
    mutants = Mutants(seed)
    msg_type, body = mutants.one()
    return framed(msg_type, mutants.header(HEADER) if seed % 3 else HEADER, body)


@given(seeds)
@settings(max_examples=1_500)
def test_a_framed_mutant_passes_whole_or_not_at_all_and_is_a_message_or_refused(seed: int) -> None:
    frame = frame_of(seed)
    batch = FrameReader(LIMIT).feed(frame)
    assert batch.forward in (b"", frame)
    if batch.forward:
        assert int(frame[-4:-1]) == checksum(frame, 0, len(frame) - 7)
        with suppress(WireError):  # the one way in which it may not be a message
            assert decode(frame.decode("latin-1")).msg_type


@given(seeds, st.randoms(use_true_random=False))
@settings(max_examples=400)
def test_a_mutant_with_bytes_changed_never_passes_as_something_else(
    seed: int, random: Random
) -> None:
    frame = frame_of(seed)
    bad = bytearray(frame)
    bad[random.randrange(len(bad))] ^= random.randrange(1, 256)
    batch = FrameReader(LIMIT).feed(bytes(bad))
    assert batch.halt is None or isinstance(batch.halt, Halt)
    assert batch.forward == b""


@given(seeds)
@settings(max_examples=600)
def test_a_mutant_of_a_logon_is_judged_never_an_error(seed: int) -> None:
    mutants = Mutants(seed)
    body = [(98, "0"), (108, "30"), (141, "Y"), (553, "A"), (554, "b")]
    frame = framed("A", mutants.header(HEADER), mutants.header(body))
    try:
        first = first_frame(frame, 4_096)
    except NotALogonError:
        return
    fields = split(first) if first else None
    if fields is not None:
        assert isinstance(judge(fields, RULES, 1_795_000_000 * NANOS), Logon | Refusal)


@given(st.binary(max_size=200))
def test_any_line_on_the_control_socket_is_an_answer_or_a_plain_error(line: bytes) -> None:
    try:
        answer = from_line(OpenAnswer, line)
    except (ValueError, TypeError):
        return
    assert isinstance(answer, OpenAnswer)


def test_the_same_seed_gives_the_same_mutants() -> None:
    one, other = Mutants(7), Mutants(7)
    assert [one.one() for _ in range(200)] == [other.one() for _ in range(200)]
    assert {msg_type for msg_type, _ in (one.one() for _ in range(2_000))} >= BASES.keys()


@pytest.fixture
def fuzzed(tmp_path: Path) -> Iterator[RunningSystem]:
    config = tmp_path / "fuzz.toml"
    config.write_text(configuration(CLIENTS))
    with RunningSystem(tmp_path / "data", config).running() as system:
        yield system


@pytest.mark.acceptance
def test_mutants_over_tcp_crash_nothing_and_hang_nothing(fuzzed: RunningSystem) -> None:
    result = fuzz(fuzzed, CLIENTS, COUNT, SECONDS, SEED)
    print(report(result, SEED))  # noqa: T201 - shown with -s
    assert result.faults == [], fuzzed.story()
    assert result.sent >= COUNT // 10  # a slow machine may not get through all in the time
    assert fuzzed.stop() == 0
