"""What every command and event is made of: a record that knows its packed form.

msgspec builds, compares and packs such a record in C, several times faster than a Python class
could; the exchange makes three of them per order. They refer to nothing that refers back to them,
so the garbage collector need not know them.
"""

from msgspec import Struct


class Message(Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    """A record packed as ``[tag, field, field, ...]``; one without a tag as its fields alone.

    The tag is the kind's fixed number: a journal outlives the code that wrote it, so a number is
    never given to another kind, and fields are only ever appended, with a default.
    """
