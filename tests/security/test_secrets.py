"""Canaries: passwords, keys and signatures that were used are in nothing the system has written."""

import base64
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients.fix_socket import FixSocket, Message, utc_now
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from running_system import DEMO_CONFIG, METRICS_PORTS, RunningSystem
from waiting import wait_until

from kalshi_fix.adapters.passwords import hash_password

pytestmark = pytest.mark.acceptance

PASSWORD = "canary-right-3f7a"
WRONG = "canary-wrong-9c1e"
KEY = Ed25519PrivateKey.generate()
HASH = hash_password(PASSWORD, n=2**10)
MASKED = b"\x01554=***\x01"


def public_pem() -> str:
    encoding, shape = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return KEY.public_key().public_bytes(encoding, shape).decode()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    directory = tmp_path_factory.mktemp("canary")
    config = directory / "canary.toml"
    common = 'role = "RT"\nfirm = "ALPHA"\nlane = "gw1"\naccounts = ["ALPHA-1"]\n'
    config.write_text(
        '[log]\nlevel = "debug"\n\n'
        # a wide window: it must not be the clock that refuses a replay
        + DEMO_CONFIG.read_text().replace("plain = true", "plain = true\nclock_seconds = 300.0")
        + f'[[sessions]]\nsender_comp_id = "CANARY"\n{common}password_scrypt = "{HASH}"\n'
        + f'[[sessions]]\nsender_comp_id = "SIGNED"\n{common}public_key = """\n{public_pem()}"""\n'
    )
    with RunningSystem(directory / "data", config).running() as running:
        yield running


def signed(
    session: FixSocket, at: str, number: int, *, reset: bool = False
) -> list[tuple[int, str]]:
    """Flags of a Logon that is signed for this time and number."""
    text = "\x01".join((at, "A", str(1 if reset else number), session.sender, session.target))
    return [(52, at), (96, base64.b64encode(KEY.sign(text.encode())).decode())]


def attempt(session: FixSocket, flags: list[tuple[int, str]], *, reset: bool = False) -> Message:
    return session.logon(flags, reset=reset, without=(553, 554))


def test_no_secret_that_was_used_stands_in_anything_the_system_wrote(system: RunningSystem) -> None:
    client = FixSocket(system.port("RT"), "CANARY", "KalshiRT", WRONG)
    assert client.logon(reset=True).get(58) == "INVALID_CREDENTIALS"
    assert client.logon().get(58) == "INVALID_CREDENTIALS"  # this one goes by the engine
    client.password = PASSWORD
    assert client.logon(reset=True).msg_type == "A"
    client.send([(35, "A"), (98, "0"), (108, "30"), (553, "CANARY"), (554, WRONG), (141, "Y")])
    assert client.receive().msg_type == "5"  # a Logon inside the session, with a secret in it
    client.close()
    strays = FixSocket(system.port("RT"), "NOBODY", "KalshiRT", WRONG)
    strays.connect()
    strays.send(
        [(35, "A"), (98, "0"), (108, "30"), (553, "x"), (554, WRONG), (58, "\n554=" + WRONG)]
    )
    assert strays.wait_closed()
    signer = FixSocket(system.port("RT"), "SIGNED", "KalshiRT", WRONG)
    flags = signed(signer, utc_now(), 1, reset=True)
    assert attempt(signer, flags, reset=True).msg_type == "A"
    signer.logout()
    canaries = {PASSWORD.encode(), WRONG.encode(), flags[1][1].encode()}
    wait_until(lambda: "SIGNED" in (system.data / "logs" / "edge.log").read_text(), "the log")
    # the Logons are there, without their passwords
    wait_until(lambda: kept_by_the_edge(system).count(MASKED) >= 3, "the trail")
    wait_until(lambda: kept_by_the_edge(system).count(b"\x0196=***\x01") == 1, "the signature")
    looked_at = 0
    for where, data in everything_written(system):
        looked_at += len(data)
        for canary in canaries:
            assert canary not in data, f"{where} holds {canary!r}"
    assert looked_at > 100_000
    assert b"CANARY" in (system.data / "logs" / "edge.log").read_bytes()  # the search does find


def kept_by_the_edge(system: RunningSystem) -> bytes:
    """Its audit trail, which it writes a moment after what it tells of."""
    return b"".join(path.read_bytes() for path in (system.data / "audit" / "edge").iterdir())


def everything_written(system: RunningSystem) -> Iterator[tuple[str, bytes]]:
    """Files, metrics, command lines and environments of every process."""
    for path in system.data.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()
    for name, port in METRICS_PORTS.items():
        url = f"http://127.0.0.1:{port + system.offset}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            yield f"metrics of {name}", answer.read()
    for pid in system.processes(""):
        for part in ("cmdline", "environ"):
            yield f"{part} of {pid}", (Path("/proc") / str(pid) / part).read_bytes()
    yield "what it printed", "\n".join(system.lines).encode()


def test_what_the_system_writes_is_readable_by_its_owner_alone(system: RunningSystem) -> None:
    assert system.data.stat().st_mode & 0o077 == 0
    audited = list((system.data / "audit").rglob("*"))
    assert {path.name for path in audited} >= {"edge", "admin", "gateway-gw1"}
    assert not [path for path in audited if path.stat().st_mode & 0o077]


def test_a_signed_logon_is_good_once_on_any_connection_and_after_a_restart(
    system: RunningSystem,
) -> None:
    signer = FixSocket(system.port("RT"), "SIGNED", "KalshiRT", WRONG)
    first = signed(signer, utc_now(), 1, reset=True)
    assert attempt(signer, first, reset=True).msg_type == "A"
    signer.logout()
    eavesdropper = FixSocket(system.port("RT"), "SIGNED", "KalshiRT", WRONG)
    assert attempt(eavesdropper, first, reset=True).get(58) == "LOGON_REPLAYED"
    assert system.stop() == 0
    system.start()
    assert attempt(eavesdropper, first, reset=True).get(58) == "LOGON_REPLAYED"
    fresh = signed(signer, utc_now(), 1, reset=True)
    assert attempt(signer, fresh, reset=True).msg_type == "A"
    signer.close()
