"""The configuration of who may do what: read, checked, and told to the exchange in order."""

import tomllib
from typing import Any

import pytest

from kalshi_fix.adapters.config import DEMO_CONFIG, ConfigError, from_document
from kalshi_fix.messages import commands as c
from kalshi_fix.processes import seeds

SEGMENT = {"name": "retail", "markets": ["KXFED*"], "limits": {"order_size": "10"}}


def document(**changes: Any) -> dict[str, Any]:
    """The demo system with a segment; ``changes`` are of its first session."""
    made = tomllib.loads(DEMO_CONFIG.read_text())
    made["segments"] = [dict(SEGMENT)]
    made["sessions"][0] |= {"segment": "retail", **changes}
    return made


def test_a_segment_is_told_before_the_sessions_that_have_it() -> None:
    settings = from_document(document(cancel_scope="firm", read_only=True), "test")
    told = seeds.pending(settings, "s0", {}, 0).commands
    segments = [each for each in told if isinstance(each, c.DefineSegment)]
    sessions = [each for each in told if isinstance(each, c.DefineSession)]
    assert [each.segment for each in segments] == ["retail"]
    assert segments[0].limits == {"order_size": 1_000}
    assert told.index(segments[0]) < told.index(sessions[0])
    assert (sessions[0].segment, sessions[0].cancel_scope, sessions[0].read_only) == (
        "retail", "firm", True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "fault"),
    [({"segment": "nobody"}, r"sessions\[0\].segment: 'nobody'"),
     ({"cancel_scope": "account"}, r"sessions\[0\].cancel_scope"),
     ({"message_types": ["D", "XX"]}, r"sessions\[0\].message_types: 'XX'"),
     ({"throttle": {"cancel_tokens_per_second": 0}}, "cancel_tokens_per_second")],
)  # fmt: skip
def test_what_a_session_may_not_be_is_one_line(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        from_document(document(**changes), "test")


def test_a_firm_has_only_sessions_of_its_roles() -> None:
    made = document()
    made["firms"][0]["roles"] = ["DC"]
    with pytest.raises(ConfigError, match="ALPHA may have DC, not NR"):
        from_document(made, "test")
    made["firms"][0]["roles"] = ["DD"]
    with pytest.raises(ConfigError, match="'DD' is not one of"):
        from_document(made, "test")


def test_a_segment_stands_there_once() -> None:
    made = document()
    made["segments"] *= 2
    with pytest.raises(ConfigError, match=r"segments\.name: 'retail' stands there 2 times"):
        from_document(made, "test")
