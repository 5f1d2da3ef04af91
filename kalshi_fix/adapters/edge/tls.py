"""Certificates of the public ports: loaded, watched, replaced without a restart.

New connections use what the files held when they were last looked at; a file that cannot be used
changes nothing and is told. TLS 1.2 or later, forward secrecy only, no resumption: what a client
certificate proves is proved anew at every connection. Knows no FIX.
"""

import asyncio
import ssl
import stat
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from kalshi_fix.adapters.settings import TlsSettings

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; those of 1.3 are all good
_OTHERS: Final = stat.S_IRWXO | stat.S_IWGRP

Stamp = tuple[tuple[int, int, int], ...]


class CertificateError(ValueError):
    """A certificate, key or authority cannot be used; one line, with the file."""


class Certificates:
    """The context for the next connection. Use from one thread."""

    def __init__(self, settings: TlsSettings) -> None:
        self._settings = settings
        self._stamp = self._look()
        self.context, self.expires_at = load(settings)

    def renew(self, settings: TlsSettings | None = None) -> bool:
        """Loads what has changed, the settings themselves included. False: nothing has.

        Raises:
            CertificateError: what is there now cannot be used; the last good one stays in use. The
                same files are not tried again until they change.
        """
        settings = settings or self._settings
        stamp = self._look(settings)
        if stamp == self._stamp and settings == self._settings:
            return False
        self._stamp = stamp
        self.context, self.expires_at = load(settings)
        self._settings = settings
        return True

    def _look(self, settings: TlsSettings | None = None) -> Stamp:
        stamps = []
        for name in _files(settings or self._settings):
            try:
                found = Path(name).stat()
                stamps.append((found.st_ino, found.st_mtime_ns, found.st_size))
            except OSError:  # `load` says so
                stamps.append((0, 0, 0))
        return tuple(stamps)


def _files(settings: TlsSettings) -> list[str]:
    names = (settings.certificate, settings.key, settings.client_ca, settings.client_revoked)
    return [name for name in names if name]


def load(settings: TlsSettings) -> tuple[ssl.SSLContext, float]:
    """A server's context, and when its certificate expires (seconds since 1970).

    Raises:
        CertificateError: see there.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0
    _check_private(settings.key)
    try:
        context.load_cert_chain(settings.certificate, settings.key, password=_no_password)
        expires_at = _expiry(Path(settings.certificate))
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise CertificateError(
            f"edge.tls: {settings.certificate} and {settings.key} cannot be used: {_why(error)}"
        ) from error
    if settings.client_ca:
        _trust(context, settings)
    return context, expires_at


def _trust(context: ssl.SSLContext, settings: TlsSettings) -> None:
    try:
        context.load_verify_locations(settings.client_ca)
    except OSError as error:
        raise CertificateError(
            f"edge.tls: {settings.client_ca} cannot be used: {_why(error)}"
        ) from error
    if settings.client_revoked:
        _revoke(context, Path(settings.client_revoked))
    required = settings.client_certificates == "required"
    context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL


def _revoke(context: ssl.SSLContext, revoked: Path) -> None:
    try:
        x509.load_pem_x509_crl(revoked.read_bytes())  # the library takes any file for an empty list
        context.load_verify_locations(revoked)
    except (OSError, ValueError) as error:
        raise CertificateError(f"edge.tls: {revoked} cannot be used: {_why(error)}") from error
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _no_password() -> str:
    raise ValueError("the key is encrypted; allowed is one that needs no password")


def _check_private(key: str) -> None:
    try:
        mode = Path(key).stat().st_mode
    except OSError as error:
        raise CertificateError(f"edge.tls: {key}: {error.strerror}") from error
    if mode & _OTHERS:
        raise CertificateError(f"edge.tls: {key} can be read by others; allowed is mode 0600")


def tls_facts(transport: asyncio.BaseTransport) -> dict[str, str]:
    """What the audit trail keeps of a connection's TLS; nothing of a plain one."""
    tls = transport.get_extra_info("ssl_object")
    if tls is None:
        return {}
    shown = tls.getpeercert(binary_form=True)
    return {
        "tls": tls.version() or "",
        "certificate_sha256": sha256(shown).hexdigest() if shown else "",
    }


def _expiry(certificate: Path) -> float:
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc.timestamp()


def _why(error: Exception) -> str:
    return str(getattr(error, "reason", "") or getattr(error, "strerror", "") or error)


def names_in(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """The subject's common names and the DNS names of a client certificate, as `ssl` tells it."""
    if not certificate:
        return frozenset()
    subject: Sequence[Sequence[tuple[str, str]]] = certificate.get("subject", ())
    common = {value for part in subject for kind, value in part if kind == "commonName"}
    others = {value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"}
    return frozenset(common | others)
