"""Writes the dictionaries and the rules of engagement from the stock FIX44.xml and our overlay.

``python tools/dictionary.py`` writes ``specs/FIX44-server.xml`` (the engine's),
``specs/FIX44-kalshi.xml`` (for clients) and ``docs/rules-of-engagement.md``; ``--check`` only
says, by its exit code, whether they are what it would write.
"""

import argparse
import copy
import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

from dictionary_document import Document

ROOT = Path(__file__).resolve().parent.parent
STOCK = Path(sys.prefix) / "share" / "quickfix" / "FIX44.xml"
OVERLAY = ROOT / "specs" / "overlay.xml"
SERVER = ROOT / "specs" / "FIX44-server.xml"
CLIENT = ROOT / "specs" / "FIX44-kalshi.xml"
TEMPLATE = ROOT / "specs" / "rules-of-engagement.template.md"
DOCUMENT = ROOT / "docs" / "rules-of-engagement.md"

Element = ET.Element


def read(path: Path) -> Element:
    """The root of an XML file of our own or of the QuickFIX distribution."""
    return ET.parse(path).getroot()  # noqa: S314 - trusted, part of the product


def child(parent: Element, name: str) -> Element:
    """The one child of that name. Raises LookupError where there is none."""
    found = parent.find(name)
    if found is None:
        raise LookupError(f"<{parent.tag}> has no <{name}>")
    return found


def merged(stock: Element, overlay: Element, *, internal: bool) -> Element:
    """FIX 4.4 with the venue's fields, types and messages, with or without internal tags."""
    dictionary = copy.deepcopy(stock)
    fields, messages = child(dictionary, "fields"), child(dictionary, "messages")
    by_type = {message.get("msgtype"): message for message in messages}
    _add_fields(fields, child(overlay, "fields"))
    (msg_type,) = (field for field in fields if field.get("number") == "35")
    for message in child(overlay, "messages"):
        messages.append(copy.deepcopy(message))
        value = {"enum": message.get("msgtype", ""), "description": _constant(message)}
        ET.SubElement(msg_type, "value", value)
    additions = [*child(overlay, "additions")]
    if internal:
        _add_fields(fields, child(overlay, "internal"))
        additions += child(overlay, "internal").findall("add")
        header = child(child(overlay, "internal"), "header")
        child(dictionary, "header").extend(copy.deepcopy(list(header)))
    for addition in additions:
        by_type[addition.get("msgtype")].extend(copy.deepcopy(list(addition)))
    types = {rule.get("from"): rule.get("to", "") for rule in child(overlay, "types")}
    for field in fields:
        field.set("type", types.get(field.get("type"), field.get("type", "")))
    return dictionary


def _constant(message: Element) -> str:
    """The message's name as enumerations spell it: OrderGroupRequest, ORDER_GROUP_REQUEST."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", message.get("name", "")).upper()


def _add_fields(fields: Element, added: Element) -> None:
    known = {field.get("number") for field in fields} | {field.get("name") for field in fields}
    for field in added.findall("field"):
        if {field.get("number"), field.get("name")} & known:
            raise ValueError(f"field {field.get('number')} {field.get('name')} exists already")
        fields.append(copy.deepcopy(field))
    fields[:] = sorted(fields, key=lambda field: int(field.get("number", "0")))


def to_text(dictionary: Element) -> str:
    """The XML, indented, the same on every machine."""
    ET.indent(dictionary, " ")
    return ET.tostring(dictionary, encoding="unicode") + "\n"


def generated() -> dict[Path, str]:
    """What every generated file has to contain."""
    stock, overlay = read(STOCK), read(OVERLAY)
    client = to_text(merged(stock, overlay, internal=False))
    template = TEMPLATE.read_text(encoding="utf-8")
    return {
        SERVER: to_text(merged(stock, overlay, internal=True)),
        CLIENT: client,
        DOCUMENT: Document(client, overlay).fill(template),
    }


def main() -> int:
    """Writes or checks; 1 where a file is not up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    checks_only = parser.parse_args().check
    stale = 0
    for path, text in generated().items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if not checks_only:
            path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {'out of date' if checks_only else 'written'}")
    return 1 if stale and checks_only else 0


if __name__ == "__main__":
    sys.exit(main())
