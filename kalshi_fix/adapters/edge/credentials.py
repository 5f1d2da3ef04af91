"""Whether a Logon is who it says: password (scrypt, in a bounded pool) or signature (96).

A client certificate comes on top: where one is shown it must name the session.
Whatever is wrong, and wherever nothing is registered, the same work is done and the same answer
given, so that neither text nor time tells which. Nothing here is ever logged.
"""

import asyncio
import base64
import binascii
import hmac
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from attrs import evolve
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from kalshi_fix.adapters.edge.directory import is_loopback
from kalshi_fix.adapters.edge.peer import Peer
from kalshi_fix.adapters.edge.rates import Rate
from kalshi_fix.adapters.edge.turns import Turns
from kalshi_fix.adapters.passwords import COST, ScryptHash, hash_password
from kalshi_fix.adapters.settings import EdgeSettings, SessionSettings, Settings
from kalshi_fix.fix.logon import Logon, LogonReason

T = TypeVar("T")
PublicKey = Ed25519PublicKey | RSAPublicKey

_PASSWORD_NICENESS = 15  # added to the process's own
_NICENESS_MAX = 19
_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)


class CredentialsError(ValueError):
    """A session's registered key or hash cannot be used; the message names the session."""


class Credentials:
    """The registered passwords, keys and names of every session. Use from one event loop."""

    def __init__(self, settings: Settings, held: Callable[[], None] = lambda: None) -> None:
        """``held`` is told of each password that waits because too many others were wrong."""
        self._edge: EdgeSettings = settings.edge
        self._hashes: dict[str, ScryptHash] = {}
        self._keys: dict[str, PublicKey] = {}
        self._old_until: dict[str, int] = {}  # sessions under rotation, ns UTC
        self._old_hashes: dict[str, ScryptHash] = {}
        self._old_keys: dict[str, PublicKey] = {}
        self._nobodys_key = Ed25519PrivateKey.generate().public_key()
        self._nobodys_hash = _hash_of_nobody(COST)
        self.renew(settings)
        self._pool = ThreadPoolExecutor(
            self._edge.password_threads, thread_name_prefix="scrypt", initializer=_give_way
        )
        self._turns = _turns(self._edge, held)

    def renew(self, settings: Settings) -> None:
        """From now on these credentials are the good ones. All of them are read, or none.

        Raises:
            CredentialsError: one cannot be used; nothing has changed.
        """
        hashes: dict[str, ScryptHash] = {}
        keys: dict[str, PublicKey] = {}
        old_hashes: dict[str, ScryptHash] = {}
        old_keys: dict[str, PublicKey] = {}
        for session in settings.sessions:
            self._register(session, hashes, keys)
            if session.old_credentials_until:
                old = evolve(
                    session,
                    password_scrypt=session.old_password_scrypt,
                    public_key=session.old_public_key,
                )
                self._register(old, old_hashes, old_keys)
        cost = max((known.n for known in hashes.values()), default=COST)
        if cost != self._nobodys_hash.n:
            self._nobodys_hash = _hash_of_nobody(cost)
        self._hashes, self._keys = hashes, keys
        self._old_hashes, self._old_keys = old_hashes, old_keys
        self._old_until = {
            session.name: session.old_credentials_until
            for session in settings.sessions
            if session.old_credentials_until
        }

    def _register(
        self,
        session: SessionSettings,
        hashes: dict[str, ScryptHash],
        keys: dict[str, PublicKey],
    ) -> None:
        try:
            if session.password_scrypt:
                hashes[session.name] = ScryptHash.parse(session.password_scrypt)
            if session.public_key:
                keys[session.name] = read_public_key(session.public_key)
        except ValueError as error:
            raise CredentialsError(f"session {session.name}: {error}") from error
        if session.open_on_loopback and not is_loopback(self._edge.host):
            raise CredentialsError(
                f"session {session.name}: open_on_loopback is allowed only where edge.host is a "
                f"loopback address, not {self._edge.host}"
            )

    async def refusal(
        self, session: SessionSettings, logon: Logon, peer: Peer
    ) -> LogonReason | None:
        """None if the Logon is who it says.

        ``LOGON_SERVICE_BUSY`` where as many passwords wait as may (try again), otherwise
        ``INVALID_CREDENTIALS``, whatever is wrong.
        """
        if session.open_on_loopback and is_loopback(peer.address):
            return None
        if logon.raw_data:
            good = self._signed(session, logon)
        else:
            who = peer.claiming(session.name)
            answer = await self._turns.take(who, lambda: self._password(session, logon))
            if answer is None:
                return LogonReason.LOGON_SERVICE_BUSY
            good = answer
        named = certificate_fits(session, peer)
        return None if good and named else LogonReason.INVALID_CREDENTIALS

    def _signed(self, session: SessionSettings, logon: Logon) -> bool:
        found = [self._keys]
        if self._is_any_old_good():  # asked of every session then: time tells nothing
            found.append(self._old_keys if self._is_old_good(session) else {})
        results = [
            verify_signature(
                _of(keys, session, self._nobodys_key), logon.raw_data, logon.signed_text
            )
            and session.name in keys
            for keys in found
        ]
        return any(results)

    async def _password(self, session: SessionSettings, logon: Logon) -> bool:
        right = await self._matches(self._hashes, session, logon)
        if not right and self._is_any_old_good():  # asked of every session, as above
            old = self._old_hashes if self._is_old_good(session) else {}
            right = await self._matches(old, session, logon)
        username = session.username or session.sender_comp_id
        named = hmac.compare_digest(logon.username.encode(), username.encode())
        return right and named

    async def _matches(
        self, hashes: Mapping[str, ScryptHash], session: SessionSettings, logon: Logon
    ) -> bool:
        known = _of(hashes, session, self._nobodys_hash)
        loop = asyncio.get_running_loop()
        right = await loop.run_in_executor(self._pool, known.matches, logon.password)
        return right and session.name in hashes

    def _is_old_good(self, session: SessionSettings) -> bool:
        return time.time_ns() < self._old_until.get(session.name, 0)

    def _is_any_old_good(self) -> bool:
        return time.time_ns() < max(self._old_until.values(), default=0)

    def close(self) -> None:
        """Ends the pool's threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _turns(edge: EdgeSettings, held: Callable[[], None]) -> Turns:
    wrong = Rate(
        edge.wrong_passwords_per_minute / 60, edge.wrong_password_burst, edge.rates_kept_max
    )
    return Turns(
        wrong,
        at_once=edge.password_threads,
        waiting_max=edge.password_waiting_max,
        patience_seconds=edge.logon_seconds,
        held=held,
    )


def _give_way() -> None:
    """This thread takes no processor from who trades: wrong passwords may come in crowds."""
    niceness = os.getpriority(os.PRIO_PROCESS, 0) + _PASSWORD_NICENESS
    os.setpriority(os.PRIO_PROCESS, 0, min(niceness, _NICENESS_MAX))


def certificate_fits(session: SessionSettings, peer: Peer) -> bool:
    """Whether the client certificate, if one is shown or needed, names this session."""
    if not peer.has_certificate:
        return not session.certificate_required
    names = session.certificate_names or (session.sender_comp_id,)
    return not peer.certificate_names.isdisjoint(names)


def _hash_of_nobody(cost: int) -> ScryptHash:
    return ScryptHash.parse(hash_password("nobody has this password", n=cost))


def _of(registered: Mapping[str, T], session: SessionSettings, nobodys: T) -> T:
    return registered.get(session.name, nobodys)


def read_public_key(pem: str) -> PublicKey:
    """An Ed25519 or RSA public key.

    Raises:
        ValueError: not PEM, or another kind of key.
    """
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("public_key: allowed is an Ed25519 or RSA public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey | RSAPublicKey):
        raise ValueError("public_key: allowed is an Ed25519 or RSA public key")  # noqa: TRY004 - a value of the configuration, not a programmer's type error
    return key


def verify_signature(key: PublicKey, raw_data: str, signed_text: str) -> bool:
    """Whether RawData (96), base64, signs the text: Ed25519, or RSA-PSS SHA-256 with salt 32."""
    message = signed_text.encode("latin-1")
    try:
        signature = base64.b64decode(raw_data, validate=True)
        if isinstance(key, RSAPublicKey):
            key.verify(signature, message, _PSS, hashes.SHA256())
        else:
            key.verify(signature, message)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
