"""The rules of engagement as a page: a template's words, and tables from what the gateway uses.

Every ``{{name}}`` of the template is one table. Nothing here is a rule of its own.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from xml.etree import ElementTree as ET

from kalshi_fix.adapters.settings import EdgeSettings
from kalshi_fix.fix import tables
from kalshi_fix.fix.dictionary import Dictionary
from kalshi_fix.fix.logon import LogonReason
from kalshi_fix.model import Reason, Role
from kalshi_fix.services.policy import ALLOWED
from kalshi_fix.services.throttle import CANCELS, COSTS

Rows = Iterable[Iterable[str]]
_PLACE = re.compile(r"\{\{[\w ]+\}\}")
_ROLES: Mapping[Role, str] = {
    Role.NR: "Order entry, no retransmission",
    Role.DC: "Drop copy",
    Role.RT: "Order entry with retransmission",
    Role.PT: "Post trade",
    Role.MD: "Market data",
}


def table(head: Iterable[str], rows: Rows) -> str:
    """A Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


class Document:
    """Fills the template in."""

    def __init__(self, client_xml: str, overlay: ET.Element) -> None:
        """``client_xml`` is the published dictionary."""
        self._dictionary = Dictionary(client_xml)
        self._overlay = overlay
        self._rules = {item.get("msgtype", ""): item for item in overlay.iterfind("rules/message")}
        self._tables: dict[str, Callable[[], str]] = {
            "sessions": self._sessions,
            "logon reasons": _logon_reasons,
            "permissions": self._permissions,
            "changing": lambda: self._names(tables.CHANGING_MESSAGES),
            "order rejects": lambda: self._codes("103", "OrdRejReason", _order_rejects()),
            "cancel rejects": lambda: self._codes(
                "102", "CxlRejReason", tables.CANCEL_REJECT_CODES, tables.OTHER
            ),
            "business rejects": lambda: self._codes(
                "380",
                "BusinessRejectReason",
                tables.BUSINESS_REJECT_CODES,
                tables.BUSINESS_OTHER,
            ),
            "replay rejects": lambda: self._codes(
                "21004", "EventResendRejectReason", tables.REPLAY_REJECT_CODES
            ),
            "costs": self._costs,
            "venue tags": self._venue_tags,
        }

    def fill(self, template: str) -> str:
        """The finished page. Raises KeyError for a table nobody can make."""
        return _PLACE.sub(lambda found: self._table(found[0][2:-2]), template)

    def _table(self, name: str) -> str:
        if name.startswith("message "):
            return self._message(name.removeprefix("message "))
        return self._tables[name]()

    def _message(self, msg_type: str) -> str:
        rules = self._rules[msg_type]
        name = self._dictionary.messages[msg_type].name
        arrow = {"in": "you send", "out": "you receive"}.get(
            rules.get("direction", ""), "both ways"
        )
        rows = [
            (tag, self._dictionary.name(int(tag)), rule.get("required", ""), rule.text or "")
            for rule in rules
            if (tag := rule.get("tag", ""))
        ]
        return f"**{name} ({msg_type})**, {arrow}\n\n" + table(
            ("Tag", "Name", "Required", "Rule"), rows
        )

    def _sessions(self) -> str:
        ports = EdgeSettings().ports
        rows = [
            (
                role.value,
                words,
                str(ports[role.value]),
                f"`Kalshi{role.value}`",
                "kept until you send 141=Y" if role.keeps_sequence else "141=Y at every Logon",
            )
            for role, words in _ROLES.items()
        ]
        return table(("Role", "For", "Port", "TargetCompID", "Sequence numbers"), rows)

    def _permissions(self) -> str:
        rows = [
            (role.value, self._names(ALLOWED[role]) or "nothing but administrative messages")
            for role in _ROLES
        ]
        note = "Any other message of FIX 4.4: j with 380=3. An unknown MsgType: 3 with 373=11."
        return f"{table(('Role', 'Messages'), rows)}\n\n{note}"

    def _names(self, msg_types: Iterable[str]) -> str:
        order = [msg_type for msg_type in self._rules if msg_type in msg_types]
        return ", ".join(f"{self._dictionary.messages[item].name} ({item})" for item in order)

    def _codes(self, tag: str, name: str, codes: Mapping[str, str], other: str = "") -> str:
        by_code: dict[str, list[str]] = {}
        for reason, code in codes.items():
            by_code.setdefault(code, []).append(f"`{reason}`")
        if other:
            by_code.setdefault(other, []).append("every other reason")
        rows = [(code, ", ".join(by_code[code])) for code in sorted(by_code, key=int)]
        return table((f"{name} ({tag})", "Text (58)"), rows)

    def _costs(self) -> str:
        rows = [(self._names([msg_type]), str(cost)) for msg_type, cost in COSTS.items()]
        rows += [("every other message", "1")]
        once = (
            "OrderMassCancelRequest (q): once a second. One OrderMassStatusRequest (AF) at a time."
        )
        free = f"{self._names([tables.THROTTLE_REQUEST])}: free."
        reserve = f"On the cancels' reserve: {self._names(CANCELS)}."
        return f"{table(('Message', 'Tokens'), rows)}\n\n{once} {reserve} {free}"

    def _venue_tags(self) -> str:
        rows = []
        for field in self._overlay.iterfind("fields/field"):
            values = [f"{item.get('enum')} {item.get('description', '')}" for item in field]
            words = "; ".join(values).replace("_", " ").lower()
            number, name, kind = (field.get(key, "") for key in ("number", "name", "type"))
            rows.append((number, name, kind, words))
        return table(("Tag", "Name", "Type", "Values"), rows)


def _logon_reasons() -> str:
    """What the edge refuses, and what the exchange itself refuses when a session opens."""
    own = [Reason.UNKNOWN_SESSION, Reason.SESSION_DISABLED, Reason.LOGON_REPLAYED]
    return ", ".join(f"`{reason}`" for reason in dict.fromkeys([*map(str, LogonReason), *own]))


def _order_rejects() -> dict[str, str]:
    """Reasons of new orders; 103=5 belongs to status answers."""
    return {reason: code for reason, code in tables.ORDER_REJECT_CODES.items() if code != "5"}
