"""The scenario format itself: what parses, what does not, what matches."""

import pytest
from scenarios.scenario_format import (
    Advance,
    Connect,
    Expect,
    ExpectClosed,
    Leave,
    Logon,
    Market,
    Operate,
    ScenarioError,
    Send,
    SendBytes,
    load_all,
    parse,
)
from scenarios.scenario_matching import Vocabulary

NOON = 1_795_176_000_000_000_000  # 2026-11-20 12:00:00 UTC


def vocabulary() -> Vocabulary:
    return Vocabulary("r1-", lambda: NOON)


def test_every_line_becomes_its_step() -> None:
    text = """
    # the rule
    # in two lines
    market <other> tick=0.001
    only process
    logon A 8013=Y 20900=Y
    I A 35=D|11=1|44=0.45
    # why this is expected
    E A 35=8|!44|17=<exec>
    E A nothing
    advance 1.5
    admin op1 markets pause <market>
    disconnect A
    logout A
    connect A
    B A 8=FIX.4.4|9=5
    E A closed
    """
    scenario = parse("name", text)
    assert scenario.rule == "the rule in two lines"
    assert scenario.only == "process"
    assert scenario.markets == (Market("market"), Market("other", {"tick": "0.001"}))
    assert scenario.steps == (
        Logon(6, "A", ((8013, "Y"), (20900, "Y"))),
        Send(7, "A", ((35, "D"), (11, "1"), (44, "0.45"))),
        Expect(9, "A", ((35, "8"), (44, "!"), (17, "<exec>"))),
        Expect(10, "A", ()),
        Advance(11, 1.5),
        Operate(12, "op1", ("markets", "pause", "<market>")),
        Leave(13, "A", orderly=False),
        Leave(14, "A", orderly=True),
        Connect(15, "A"),
        SendBytes(16, "A", "8=FIX.4.4|9=5"),
        ExpectClosed(17, "A"),
    )


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("X A 35=D", "unknown line"),
        ("I A 11=1|35=D", "starts with its MsgType"),
        ("E A 35=8|nonsense", "not a field"),
        ("E A 35=8|x=1", "not a field"),
        ("advance soon", "could not convert"),
        ("market other", "a market is named like"),
        ("only here", "unknown line"),
    ],
)
def test_a_wrong_line_is_named(line: str, complaint: str) -> None:
    with pytest.raises(ScenarioError, match=f"name:2: .*{complaint}"):
        parse("name", f"# rule\n{line}\n")


def test_a_scenario_without_a_rule_is_refused() -> None:
    with pytest.raises(ScenarioError, match="the first comment names the rule"):
        parse("name", "logon A\n")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("<now>", "20261120-12:00:00.000"),
        ("<now-60>", "20261120-11:59:00.000"),
        ("<now+0.5>", "20261120-12:00:00.500"),
        ("<now+1us>", "20261120-12:00:01.000000"),
        ("<run>X", "r1-X"),
        (r"a\x07b", "a\x07b"),
    ],
)
def test_placeholders_are_filled_in(template: str, text: str) -> None:
    assert vocabulary().text(template) == text


def test_client_order_ids_get_the_prefix_of_the_run_both_ways() -> None:
    words = vocabulary()
    assert words.outgoing(((35, "F"), (11, "A2"), (41, "A1"))) == [
        (35, "F"),
        (11, "r1-A2"),
        (41, "r1-A1"),
    ]
    assert words.mismatches(((11, "A2"),), [(11, "r1-A2")]) == []
    assert words.mismatches(((11, "A2"),), [(11, "A2")]) != []


@pytest.mark.parametrize(
    ("pattern", "actual", "matches"),
    [
        ("0.45", "0.45", True),
        ("0.45", "0.450", False),
        ("0.45", None, False),
        ("*", "anything", True),
        ("*", "", False),
        ("*", None, False),
        (r"/\d+;\d+/", "1;2", True),
        (r"/\d+;\d+/", "1;2;3", False),
        ("!", None, True),
        ("!", "there", False),
    ],
)
def test_patterns_match_whole_values(pattern: str, actual: str | None, matches: bool) -> None:
    received = [] if actual is None else [(44, actual)]
    assert (vocabulary().mismatches(((44, pattern),), received) == []) is matches


def test_a_name_binds_at_first_and_must_match_afterwards() -> None:
    words = vocabulary()
    assert words.mismatches(((37, "<order>"),), [(37, "7")]) == []
    assert words.mismatches(((37, "<order>"),), [(37, "7")]) == []
    assert words.mismatches(((37, "<order>"),), [(37, "8")]) != []
    assert words.text("<order>") == "7"
    with pytest.raises(ScenarioError, match="before anything bound it"):
        words.text("<other>")


def test_a_tag_listed_twice_means_its_second_occurrence() -> None:
    received = [(269, "0"), (270, "0.45"), (269, "1"), (270, "0.47")]
    words = vocabulary()
    assert words.mismatches(((269, "0"), (270, "0.45"), (269, "1"), (270, "0.47")), received) == []
    assert words.mismatches(((270, "0.45"), (270, "0.45")), received) != []
    assert words.mismatches(((269, "0"), (269, "1"), (269, "2")), received) != []


def test_every_scenario_of_the_project_parses_and_logs_its_sessions_on() -> None:
    scenarios = load_all()
    assert len(scenarios) >= 60
    for scenario in scenarios:
        known = {step.session for step in scenario.steps if isinstance(step, Logon | Connect)}
        used = {step.session for step in scenario.steps if isinstance(step, Send | Expect)}
        assert used <= known, scenario.name
