"""Passwords and operators' tokens, stored as scrypt hashes.

The stored form names its cost, so old hashes stay readable when the cost is raised. Verifying
takes tens of milliseconds by design: never call it on an event loop or a hot path.
"""

import base64
import hashlib
import hmac
import secrets
from typing import Final

from attrs import frozen

COST: Final = 2**14
BLOCK: Final = 8
PARALLEL: Final = 1
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32
_MEMORY_MAX: Final = 64 * 1024 * 1024


@frozen
class ScryptHash:
    """``scrypt$n$r$p$salt$hash``, salt and hash in URL-safe base64."""

    n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> "ScryptHash":
        """Reads the stored form.

        Raises:
            ValueError: it is not one.
        """
        kind, *numbers = text.split("$")
        if kind != "scrypt" or len(numbers) != 5:
            raise ValueError("allowed is scrypt$n$r$p$salt$hash (see kalshi-fix hash-password)")
        n, r, p = (int(number) for number in numbers[:3])
        if n < 2 or n & (n - 1) or 128 * n * r > _MEMORY_MAX:
            raise ValueError("the scrypt cost n must be a power of two within 64 MB")
        salt, digest = (base64.urlsafe_b64decode(part) for part in numbers[3:])
        return cls(n, r, p, salt, digest)

    def __str__(self) -> str:
        salt, digest = (base64.urlsafe_b64encode(p).decode() for p in (self.salt, self.digest))
        return f"scrypt${self.n}${self.r}${self.p}${salt}${digest}"

    def matches(self, password: str) -> bool:
        """Whether this is the hash of the password; the comparison takes constant time."""
        found = hashlib.scrypt(
            password.encode(),
            salt=self.salt,
            n=self.n,
            r=self.r,
            p=self.p,
            maxmem=2 * _MEMORY_MAX,
            dklen=len(self.digest),
        )
        return hmac.compare_digest(found, self.digest)


def hash_password(password: str, *, n: int = COST) -> str:
    """The form to store."""
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = hashlib.scrypt(
        password.encode(),
        salt=salt,
        n=n,
        r=BLOCK,
        p=PARALLEL,
        maxmem=2 * _MEMORY_MAX,
        dklen=_HASH_BYTES,
    )
    return str(ScryptHash(n, BLOCK, PARALLEL, salt, digest))


def verify_password(password: str, stored: str) -> bool:
    """Whether ``stored`` is the hash of ``password``.

    Raises:
        ValueError: ``stored`` is not a hash.
    """
    return ScryptHash.parse(stored).matches(password)
