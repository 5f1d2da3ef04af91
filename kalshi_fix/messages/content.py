"""What an operator's command asks for, as a short fingerprint: two with the same one are a repeat.

Who asks and what for count; the request id, the reason and the writer's clock do not: a repeat is
made at another moment, and often with another reason. Core and admin service compare the same way.
"""

from hashlib import blake2b
from typing import Final

import msgpack

from kalshi_fix.messages import codec
from kalshi_fix.messages.admin_commands import AdminCommand

DIGEST_BYTES: Final = 12


def content_of(command: AdminCommand) -> str:
    """Fingerprint of a command's content, in hexadecimal."""
    kind, _request_id, operator, _why, _at, *values = codec.to_row(command)
    plain = [sorted(value.items()) if isinstance(value, dict) else value for value in values]
    packed = msgpack.packb([kind, operator, plain])
    return blake2b(packed, digest_size=DIGEST_BYTES).hexdigest()
