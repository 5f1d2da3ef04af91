"""What must hold for the public ports: TLS or plain, networks, and certificates' terms.

Faults are ``key: what is allowed``, as in `config_rules`. Reads no file: whether a certificate can
be used is seen where it is loaded.
"""

from collections.abc import Iterator
from ipaddress import ip_network

from kalshi_fix.adapters.settings import Settings, TlsSettings

CLIENT_CERTIFICATES = ("optional", "required")
CHECK_SECONDS = (0.1, 3_600)


def edge_faults(settings: Settings) -> Iterator[str]:
    """The faults of ``[edge]`` and of what sessions say about connections."""
    edge = settings.edge
    if edge.plain and edge.tls.certificate:
        yield "edge.plain: allowed is either plain = true or edge.tls, not both"
    if not edge.plain and not edge.tls.certificate:
        yield "edge.tls.certificate: is missing; allowed without TLS only with edge.plain = true"
    yield from _tls(edge.tls)
    yield from _networks("edge.proxies", edge.proxies)
    for index, session in enumerate(settings.sessions):
        key = f"sessions[{index}]"
        yield from _networks(f"{key}.addresses", session.addresses)
        if session.certificate_required and not edge.tls.client_ca:
            yield f"{key}.certificate_required: allowed only with edge.tls.client_ca"


def _tls(tls: TlsSettings) -> Iterator[str]:
    if tls.certificate and not tls.key:
        yield "edge.tls.key: is missing"
    if tls.client_certificates not in CLIENT_CERTIFICATES:
        allowed = ", ".join(CLIENT_CERTIFICATES)
        yield f"edge.tls.client_certificates: {tls.client_certificates!r} is not one of {allowed}"
    elif tls.client_certificates == "required" and not tls.client_ca:
        yield "edge.tls.client_certificates: 'required' is allowed only with edge.tls.client_ca"
    if tls.client_revoked and not tls.client_ca:
        yield "edge.tls.client_revoked: allowed only with edge.tls.client_ca"
    low, high = CHECK_SECONDS
    if not low <= tls.check_seconds <= high:
        yield f"edge.tls.check_seconds: {tls.check_seconds} is not within {low}..{high}"


def _networks(key: str, networks: tuple[str, ...]) -> Iterator[str]:
    for network in networks:
        try:
            ip_network(network)
        except ValueError:
            yield f'{key}: {network!r} is not an address or a network like "10.1.2.0/24"'
