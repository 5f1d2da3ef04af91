"""Hostile FIX messages made from rules: right framing, wrong everything else.

Every mutant starts as a good message of some type and is changed by a few operators; BodyLength and
CheckSum are then right again, or most would end at the first check. A seed gives the same mutants
always; nothing hostile is stored anywhere. Knows no socket and no exchange.
"""

import random
from collections.abc import Callable, Iterator
from typing import Final

from kalshi_fix.adapters.edge.frames import encode

Field = tuple[int, str]
Body = list[Field]

NOW: Final = "20261122-10:00:00.000"
_ORDER: Final[Body] = [
    (11, "F-1"), (1, "FUZZ-1"), (55, "KXFUZZ-A"), (54, "1"), (60, NOW), (38, "1.00"), (40, "2"),
    (44, "0.5000"), (59, "1"),
]  # fmt: skip
BASES: Final[dict[str, Body]] = {
    "D": _ORDER,
    "F": [(41, "F-1"), (11, "F-2"), (55, "KXFUZZ-A"), (54, "1"), (60, NOW)],
    "G": [(41, "F-1"), *_ORDER],
    "q": [(11, "F-3"), (530, "7"), (60, NOW)],
    "H": [(11, "F-1"), (55, "KXFUZZ-A"), (54, "1")],
    "AF": [(584, "m-1"), (585, "7")],
    "AN": [(710, "p-1"), (724, "0"), (1, "FUZZ-1"), (581, "1"), (715, "20261122"), (60, NOW)],
    "BB": [(909, "c-1"), (895, "0"), (60, NOW)],
    "V": [(262, "v-1"), (263, "1"), (264, "0"), (265, "1"), (267, "2"), (269, "0"), (269, "1"),
          (146, "1"), (55, "KXFUZZ-A")],
    "x": [(320, "x-1"), (559, "4")],
    "e": [(324, "e-1"), (263, "0"), (55, "KXFUZZ-A")],
    "UOG": [(11, "g-1"), (20130, "group"), (60, NOW)],
    "0": [],
    "1": [(112, "t")],
    "2": [(7, "1"), (16, "0")],
    "3": [(45, "1"), (58, "no")],
    "4": [(123, "Y"), (36, "2")],
    "j": [(45, "1"), (372, "8"), (380, "0")],
}  # fmt: skip
TAGS: Final = (
    1, 6, 7, 11, 14, 16, 18, 34, 36, 37, 38, 40, 41, 43, 44, 45, 49, 50, 52, 54, 55, 56, 57, 58, 59,
    60, 78, 79, 80, 89, 90, 91, 93, 95, 96, 97, 98, 108, 112, 115, 122, 123, 126, 128, 141, 146,
    212, 213, 262, 263, 264, 265, 267, 269, 347, 348, 349, 354, 355, 369, 384, 385, 453, 447, 448,
    452, 526, 530, 553, 554, 584, 585, 627, 628, 711, 802, 1703, 2964, 5000, 20126, 20127, 20900,
    20901, 20996, 20997, 20998, 20999, 21006, 21009, 99999, 2147483647,
)  # fmt: skip
Value = Callable[[random.Random], str]
VALUES: Final[tuple[Value, ...]] = (
    lambda r: str(r.randint(-2, 3)),
    lambda r: str(
        r.choice((2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 10**20)) * r.choice((1, -1))
    ),
    lambda r: f"{r.random() * 10 ** r.randint(-6, 12):.{r.randint(0, 12)}f}",
    lambda r: r.choice(("nan", "inf", "1e5", "+1", "0x1", " 1", "1 ", ".", "-", "--1", "1.2.3")),
    lambda r: r.choice(
        ("", "Y", "N", "YES", "A", "\x7f", "\t", "\n{}", "%s%n", "../../x", "[N/A]")
    ),
    lambda r: "".join(chr(r.randint(0x20, 0xFF)) for _ in range(r.randint(1, 40))),
    lambda r: r.choice("A0 =|") * r.choice((64, 65, 256, 257, 4_000)),
    lambda r: r.choice((NOW, "20261122", "99999999-99:99:99", "20261122-10:00:60.999999999", "0")),
    lambda r: "=".join(str(r.choice(TAGS)) for _ in range(3)),
    lambda r: r.choice(("9" * 400, "0" * 400 + "1", "1" + "0" * 300)),
)


def _drop(body: Body, r: random.Random) -> None:
    if body:
        del body[r.randrange(len(body))]


def _twice(body: Body, r: random.Random) -> None:
    if body:
        body.insert(r.randrange(len(body) + 1), r.choice(body))


def _other_value(body: Body, r: random.Random) -> None:
    if body:
        at = r.randrange(len(body))
        body[at] = (body[at][0], r.choice(VALUES)(r))


def _other_tag(body: Body, r: random.Random) -> None:
    if body:
        at = r.randrange(len(body))
        body[at] = (r.choice(TAGS), body[at][1])


def _one_more(body: Body, r: random.Random) -> None:
    body.insert(r.randrange(len(body) + 1), (r.choice(TAGS), r.choice(VALUES)(r)))


def _other_order(body: Body, r: random.Random) -> None:
    r.shuffle(body)


def _group(body: Body, r: random.Random) -> None:
    """A repeating group whose count and entries need not agree."""
    count, members = r.choice(((453, (448, 447, 452)), (146, (55,)), (267, (269,)), (78, (79, 80))))
    body.append((count, str(r.choice((0, 1, 2, 3, 1_000_000, -1)))))
    for _ in range(r.randint(0, 4)):
        body += [(tag, r.choice(VALUES)(r)) for tag in members if r.random() < 0.8]


def _data(body: Body, r: random.Random) -> None:
    """A length field and its data, which need not fit."""
    length, data = r.choice(((95, 96), (90, 91), (348, 349), (354, 355), (212, 213)))
    text = "d" * r.randint(0, 50)
    body += [(length, str(len(text) + r.choice((0, 0, 0, 1, -1, 10**9)))), (data, text)]


_OPERATORS: Final = (
    _other_value, _other_value, _other_value, _drop, _twice, _other_tag, _one_more, _other_order,
    _group, _data,
)  # fmt: skip
Operator = Callable[[Body, random.Random], None]


class Mutants:
    """An endless stream of messages for one session, the same for the same seed."""

    def __init__(self, seed: int, msg_types: str = "") -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret: the same seed, the same mutants
        self._types = tuple(msg_types.split()) or tuple(BASES)

    def __iter__(self) -> Iterator[tuple[str, Body]]:
        while True:
            yield self.one()

    def one(self) -> tuple[str, Body]:
        """MsgType and body of the next mutant."""
        r = self._random
        msg_type = r.choice(self._types)
        body = list(BASES[msg_type])
        for _ in range(r.choice((0, 1, 1, 1, 2, 3, 6))):
            r.choice(_OPERATORS)(body, r)
        if r.random() < 0.02:
            msg_type = r.choice(VALUES)(r)[:16].replace("\x01", "") or "ZZ"
        return msg_type, body

    def spoils_header(self) -> bool:
        """Whether the next mutant's header is hostile as well: rarely, for it ends sessions."""
        return self._random.random() < 0.01

    def header(self, fields: Body) -> Body:
        """A hostile header made of a good one."""
        header = list(fields)
        self._random.choice(_OPERATORS)(header, self._random)
        return header


def framed(msg_type: str, header: Body, body: Body) -> bytes:
    """The bytes, with BodyLength and CheckSum as they should be."""
    return encode(msg_type, [*header, *body])
