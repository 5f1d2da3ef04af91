"""Certificates for tests: an authority of their own, made anew every time."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

from attrs import define
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)


@define
class Authority:
    """Signs certificates and writes them as files of a directory."""

    directory: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, directory: Path, name: str = "Test authority") -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        certificate = (
            _builder(subject, subject, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(directory, key, certificate)

    @property
    def file(self) -> Path:
        path = self.directory / f"{_common_name(self.certificate)}.pem"
        if not path.exists():
            path.write_bytes(_pem(self.certificate))
        return path

    def issue(self, stem: str, name: str, *dns: str, lifetime: dt.timedelta = DAY) -> Path:
        """Writes ``stem``.pem and ``stem``.key; returns the path without its suffix."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(other) for other in dns]
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        certificate = (
            _builder(_name(name), self.certificate.subject, key, lifetime)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        path = self.directory / stem
        private = path.with_suffix(".key")
        private.touch(mode=0o600)
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        path.with_suffix(".pem").write_bytes(_pem(certificate))
        return path

    def revoke(self, *pairs: Path) -> Path:
        """Writes the list of what this authority has revoked."""
        now = dt.datetime.now(dt.UTC)
        listed = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - DAY)
            .next_update(now + DAY)
        )
        for pair in pairs:
            certificate = x509.load_pem_x509_certificate(pair.with_suffix(".pem").read_bytes())
            listed = listed.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(certificate.serial_number)
                .revocation_date(now - DAY)
                .build()
            )
        path = self.directory / "revoked.pem"
        fresh = path.with_suffix(".new")
        signed = listed.sign(self.key, hashes.SHA256())
        fresh.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return fresh.replace(path)

    def client(self, pair: Path | None = None) -> ssl.SSLContext:
        """A client that trusts this authority and, with a pair, shows its own certificate."""
        context = ssl.create_default_context(cafile=str(self.file))
        if pair is not None:
            context.load_cert_chain(pair.with_suffix(".pem"), pair.with_suffix(".key"))
        return context


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    lifetime: dt.timedelta = DAY,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + lifetime)
    )
