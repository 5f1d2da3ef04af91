"""Where the dictionaries of the product are. Reading them costs some milliseconds; do it once."""

from pathlib import Path
from typing import Final

from kalshi_fix.fix.dictionary import Dictionary

SPECS: Final = Path(__file__).parents[2] / "specs"
CLIENT_DICTIONARY: Final = SPECS / "FIX44-kalshi.xml"  # the one clients may download


def client_dictionary() -> Dictionary:
    """FIX 4.4 with the venue's tags and messages, as clients may know it."""
    return Dictionary(CLIENT_DICTIONARY.read_text(encoding="utf-8"))
