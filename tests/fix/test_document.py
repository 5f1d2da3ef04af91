"""The rules of engagement say what the code does: same tags, same codes, same requirements."""

from xml.etree import ElementTree as ET

import pytest
from fix.fix_samples import BODIES, CLIENT, GROUP, ROOT, SETTLED, dictionary
from fix.test_stock_validity import everything

from kalshi_fix.adapters import control
from kalshi_fix.fix import outbound_answers as answers
from kalshi_fix.fix import tables
from kalshi_fix.fix.outbound import Dialect
from kalshi_fix.model import Reason

OVERLAY = ET.fromstring(  # noqa: S314 - a file of the product
    (ROOT / "specs" / "overlay.xml").read_bytes()
)
RULES = {
    item.get("msgtype", ""): {int(rule.get("tag", "")): rule for rule in item}
    for item in OVERLAY.iterfind("rules/message")
}
DOCUMENT = (ROOT / "docs" / "rules-of-engagement.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("msg_type", RULES)
def test_every_tag_with_a_rule_may_stand_in_its_message(msg_type: str) -> None:
    allowed = dictionary(CLIENT).messages[msg_type].members.all_tags()
    assert set(RULES[msg_type]) <= allowed


def test_every_tag_we_send_has_a_rule() -> None:
    own = [
        ("UOH", answers.order_group_response(GROUP)),
        ("UMS", answers.settlement_report(SETTLED)),
    ]
    for name, message in [*everything(Dialect()), *everything(Dialect(venue_tags=True)), *own]:
        assert {tag for tag, _ in message.fields} <= set(RULES[message.msg_type]), name


def test_every_tag_that_is_always_there_is_always_sent() -> None:
    answers_without_an_order = {"8 NO_OPEN_ORDERS", "8 UNKNOWN_ORDER", "8 rejected", "8 here"}
    for name, message in everything(Dialect()):
        if name not in answers_without_an_order:
            rules = RULES[message.msg_type]
            required = {tag for tag, rule in rules.items() if rule.get("required") == "Y"}
            assert required <= {tag for tag, _ in message.fields}, name


@pytest.mark.parametrize("msg_type", BODIES)
def test_required_on_the_page_is_required_by_the_code(msg_type: str) -> None:
    on_page = {tag for tag, rule in RULES[msg_type].items() if rule.get("required") == "Y"}
    judged_in_the_core_or_by_the_kind_of_order = {38, 44, 55, 909}
    assert set(tables.REQUIRED[msg_type]) <= on_page
    assert on_page - set(tables.REQUIRED[msg_type]) <= judged_in_the_core_or_by_the_kind_of_order


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_on_the_page(reason: Reason) -> None:
    assert reason in DOCUMENT


def test_internal_tags_are_those_of_edge_and_engine_and_not_on_the_page() -> None:
    internal = {int(item.get("number", "")) for item in OVERLAY.iterfind("internal/field")}
    edge_tags = {control.SECRET_TAG, control.VERDICT_TAG, control.CONNECTION_TAG}
    assert internal == edge_tags | {control.FAULT_TAG}
    assert not any(str(tag) in DOCUMENT for tag in internal)


def test_no_place_of_the_template_is_left_open() -> None:
    assert "{{" not in DOCUMENT
