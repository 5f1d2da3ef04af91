from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import fields

from kalshi_fix.adapters.config import (
    ConfigError,
    demo_settings,
    from_document,
    load,
    with_port_offset,
)
from kalshi_fix.adapters.config_rules import _RANGES
from kalshi_fix.adapters.passwords import hash_password, verify_password
from kalshi_fix.adapters.settings import SessionSettings

CONFIG = Path(__file__).parents[2] / "config"
HASH = hash_password("secret", n=2)


def base(**changes: Any) -> dict[str, Any]:
    """A small configuration that is fine, with changes."""
    document: dict[str, Any] = {
        "edge": {"plain": True},
        "lanes": [{"name": "gw1"}],
        "firms": [{"name": "ALPHA"}, {"name": "BRAVO"}],
        "accounts": [{"name": "ALPHA-1", "firm": "ALPHA", "deposit": "12.5"}],
        "series": [{"name": "KX"}],
        "markets": [market()],
        "sessions": [session()],
    }
    return document | changes


def session(**changes: Any) -> dict[str, Any]:
    return {
        "sender_comp_id": "ALPHA-RT",
        "role": "RT",
        "firm": "ALPHA",
        "lane": "gw1",
        "password_scrypt": HASH,
        "accounts": ["ALPHA-1"],
    } | changes


def tls(**changes: Any) -> dict[str, Any]:
    return {"certificate": "edge.pem", "key": "edge.key"} | changes


def market(**changes: Any) -> dict[str, Any]:
    return {
        "symbol": "KX-A",
        "event_ticker": "KX",
        "series": "KX",
        "title": "A market",
    } | changes


def fault(document: Mapping[str, Any]) -> str:
    with pytest.raises(ConfigError) as refusal:
        from_document(document, "kx.toml")
    line = str(refusal.value)
    assert "\n" not in line
    assert line.startswith("kx.toml: ")
    return line.removeprefix("kx.toml: ")


def test_the_small_configuration_is_fine() -> None:
    settings = from_document(base(), "kx.toml")
    assert settings.accounts[0].deposit == 12_500_000
    assert settings.sessions[0].name == "ALPHA-RT"
    assert settings.sessions[0].username == "ALPHA-RT"
    assert settings.sessions[0].target_comp_id == "KalshiRT"


@pytest.mark.parametrize(
    ("document", "line"),
    [
        ({"stor": {}}, "stor: unknown key; allowed are accounts, "),
        ({"store": {"urls": ""}}, "store.urls: unknown key; allowed are appendfsync, "),
        ({"store": 3}, "store: allowed is a table, not 3"),
        ({"store": {"url": 3}}, "store.url: allowed is text in quotes, not 3"),
        ({"store": {"appendfsync": "everysec"}}, "store.appendfsync: 'everysec' loses"),
        ({"store": {"appendfsync": "often"}}, "store.appendfsync: 'often' is not one of always"),
        ({"core": {"shards": "s0"}}, "core.shards: allowed is a list, not 's0'"),
        ({"core": {"shards": []}}, "core.shards: allowed is at least one name"),
        ({"core": {"shards": ["s0", "s0"]}}, "core.shards: 's0' stands there 2 times"),
        ({"core": {"shards": ["S 0"]}}, "core.shards: 'S 0' is not a name"),
        ({"core": {"lease_ms": 10}}, "core.lease_ms: 10 is not within 200..60000"),
        ({"core": {"lease_ms": True}}, "core.lease_ms: allowed is a whole number, not True"),
        ({"edge": {"heartbeat_min": 9, "heartbeat_max": 8}}, "edge.heartbeat_min: allowed is at"),
        ({"edge": {"ports": {"XX": 1}}}, "edge.ports: 'XX' is not one of DC, MD, NR, PT, RT"),
        ({"edge": {"ports": {"RT": 0}}}, "edge.ports.RT: 0 is not within 1..65535"),
        ({"edge": {}}, "edge.tls.certificate: is missing; allowed without TLS only with edge.pl"),
        ({"edge": {"plain": True, "tls": tls()}}, "edge.plain: allowed is either plain = true or"),
        ({"edge": {"tls": tls(key="")}}, "edge.tls.key: is missing"),
        (
            {"edge": {"tls": tls(client_certificates="maybe")}},
            "edge.tls.client_certificates: 'maybe' is not one of optional, required",
        ),
        (
            {"edge": {"tls": tls(client_certificates="required")}},
            "edge.tls.client_certificates: 'required' is allowed only with edge.tls.client_ca",
        ),
        ({"edge": {"tls": tls(check_seconds=0)}}, "edge.tls.check_seconds: 0.0 is not within 0.1"),
        ({"edge": {"tls": "on"}}, "edge.tls: allowed is a table, not 'on'"),
        (
            {"edge": {"plain": True, "proxies": ["lb1"]}},
            "edge.proxies: 'lb1' is not an address or a network",
        ),
        ({"sessions": [session(addresses=["10.0.0.1/8"])]}, "sessions[0].addresses: '10.0.0.1/8'"),
        (
            {"sessions": [session(certificate_required=True)]},
            "sessions[0].certificate_required: allowed only with edge.tls.client_ca",
        ),
        ({"metrics": {"core": 8230}}, "metrics.core: 8230 is also edge.ports.RT"),
        ({"log": {"level": "loud"}}, "log.level: 'loud' is not one of critical, debug, error"),
        ({"lanes": [{"name": "GW 1"}]}, "lanes[0].name: 'GW 1' is not 1 to 24 lower-case"),
        ({"accounts": [{"name": "A"}]}, "accounts[0].firm: is missing"),
        (
            {"accounts": [{"name": "A", "firm": "NONE"}]},
            "accounts[0].firm: 'NONE' is not one of ALPHA, BRAVO",
        ),
        (
            {"accounts": [{"name": "A", "firm": "ALPHA", "deposit": 1.5}]},
            "accounts[0].deposit: allowed is an amount in dollars as decimal text in quotes",
        ),
        (
            {"accounts": [{"name": "A", "firm": "ALPHA", "deposit": "0.0000001"}]},
            "accounts[0].deposit: allowed is an amount in dollars with at most 6 decimals",
        ),
        ({"sessions": [session(role="RX")]}, "sessions[0].role: 'RX' is not one of DC, MD"),
        ({"sessions": [session(lane="gw9")]}, "sessions[0].lane: 'gw9' is not one of gw1"),
        ({"sessions": [session(firm="BRAVO")]}, "sessions[0].accounts: 'ALPHA-1' is not one of"),
        ({"sessions": [session(), session()]}, "sessions.name: 'ALPHA-RT' stands there 2 times"),
        ({"sessions": [session(sender_comp_id="A B")]}, "sessions[0].sender_comp_id: allowed"),
        ({"sessions": [session(password_scrypt="")]}, "sessions[0]: allowed is password_scrypt"),
        ({"sessions": [session(password_scrypt="x")]}, "sessions[0].password_scrypt: allowed"),
        ({"sessions": [session(port=70_000)]}, "sessions[0].port: 70000 is not within 0..65535"),
        (
            {"edge": {"host": "192.0.2.1"}, "sessions": [session(open_on_loopback=True)]},
            "sessions[0].open_on_loopback: allowed only where edge.host is a loopback address",
        ),
        ({"markets": [market(symbol="kx a")]}, "markets[0].symbol: 'kx a' is not of A-Z"),
        ({"markets": [market(series="NO")]}, "markets[0].series: 'NO' is not one of KX"),
        ({"markets": [market(shard="s9")]}, "markets[0].shard: 's9' is not one of s0"),
        (
            {"markets": [market(price_ranges=[["0.01", "0.99"]])]},
            "markets[0].price_ranges: allowed is a list of [start, end, step]",
        ),
        (
            {"markets": [market(price_ranges=[["0.01", "0.5", "0.01"], ["0.6", "0.9", "0.1"]])]},
            "markets[0].price_ranges: allowed is every range starts where the one before ends",
        ),
        (
            {"markets": [market(close_at="2026-12-31T00:00:00")]},
            "markets[0].close_at: allowed is a date and time with its zone",
        ),
        (
            {"limits": [{"scope": "firm", "name": "ALPHA", "limits": {"size": "1"}}]},
            "limits[0].limits: allowed is size is not a limit; allowed are order_size",
        ),
        (
            {"limits": [{"scope": "firm", "name": "NONE", "limits": {}}]},
            "limits[0].name: 'NONE' is not one of ALPHA, BRAVO",
        ),
        ({"operators": [{"name": "op", "token_scrypt": "x"}]}, "operators[0].token_scrypt: allow"),
        ({"demo": {"session": "NOBODY"}}, "demo.session: 'NOBODY' is not one of ALPHA-RT"),
    ],
)
def test_what_is_wrong_is_one_line_with_key_and_what_is_allowed(
    document: dict[str, Any], line: str
) -> None:
    assert fault(base(**document)).startswith(line)


def test_every_number_of_every_process_has_its_range() -> None:
    settings = demo_settings()
    parts = (
        *("store", "core", "edge", "gateway", "market_data", "log", "admin", "audit"),
        "capacity",
    )
    numbers = {
        (part, one.name)
        for part in parts
        for one in fields(type(getattr(settings, part)))
        if one.type in {int, float}
    }
    assert numbers == set(_RANGES)


def test_a_file_that_is_missing_or_not_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = \n")
    with pytest.raises(ConfigError, match=r"bad\.toml: not TOML"):
        load(tmp_path / "bad.toml")


def test_certificates_are_found_beside_the_configuration(tmp_path: Path) -> None:
    text = (CONFIG / "demo.toml").read_text()
    tls_table = '[edge.tls]\ncertificate = "edge.pem"\nkey = "/keys/edge.key"\n\n[metrics]'
    text = text.replace("plain = true", "plain = false").replace("[metrics]", tls_table, 1)
    (tmp_path / "tls.toml").write_text(text)
    found = load(tmp_path / "tls.toml").edge.tls
    assert (found.certificate, found.key) == (str(tmp_path / "edge.pem"), "/keys/edge.key")
    assert found.client_ca == ""


def test_values_are_read_in_the_units_people_write() -> None:
    settings = from_document(
        base(
            series=[{"name": "KX", "taker_rate": "0.07", "maker_rate": "-0.0025"}],
            markets=[
                market(
                    price_ranges=[["0.001", "0.1", "0.001"], ["0.1", "0.9", "0.01"]],
                    close_at="2026-12-31T23:59:59.5-05:00",
                    position_limit="25000",
                    price_band="0.2",
                )
            ],
            limits=[
                {
                    "scope": "firm",
                    "name": "ALPHA",
                    "limits": {"order_size": "1.5", "order_value": "10", "open_orders": 3},
                }
            ],
        ),
        "kx.toml",
    )
    (series,), (one,), (limit,) = settings.series, settings.markets, settings.limits
    assert (series.taker_rate, series.maker_rate) == (70_000, -2_500)
    assert one.price_ranges == ((10, 1_000, 10), (1_000, 9_000, 100))
    assert one.close_at == 1_798_779_599_500_000_000
    assert (one.position_limit, one.price_band) == (2_500_000, 2_000)
    assert limit.limits == {"order_size": 150, "order_value": 10_000_000, "open_orders": 3}


# --- the files that are shipped


def test_the_demo_system_is_what_the_contract_says() -> None:
    settings = demo_settings()
    by_name = {one.sender_comp_id: one for one in settings.sessions}
    demo = {
        f"{firm}-{role}" for firm in ("ALPHA", "BRAVO") for role in ("NR", "RT", "DC", "PT", "MD")
    }
    load_sessions = {f"LOAD{n:02}-RT" for n in range(1, 17)}
    assert demo | load_sessions | {"DEMO-MM"} == set(by_name)
    assert settings.edge.ports == {"NR": 8228, "DC": 8229, "RT": 8230, "PT": 8231, "MD": 8233}
    assert settings.edge.host == "127.0.0.1"
    funds = {one.name: one.deposit for one in settings.accounts}
    assert funds["BRAVO-2"] == 1_000_000 * 1_000_000
    assert funds["LOAD-16"] == 1_000_000_000 * 1_000_000
    assert all(by_name[name].throttle.tokens_per_second == 10_000 for name in demo)
    assert all(by_name[name].throttle.tokens_per_second == 0 for name in load_sessions)
    assert not any(by_name[name].cancel_on_disconnect for name in demo | load_sessions)
    symbols = {one.symbol for one in settings.markets}
    assert {f"KXTEST-{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"} < symbols
    assert len(symbols) == 30
    assert not any(symbol.startswith("KXTEST") for symbol in settings.demo.symbols)


@pytest.mark.parametrize("name", ["ALPHA-RT", "BRAVO-MD", "LOAD16-RT"])
def test_demo_passwords_are_the_firm_in_lower_case(name: str) -> None:
    (one,) = (s for s in demo_settings().sessions if s.sender_comp_id == name)
    assert one.username == name
    assert verify_password(f"demo-{one.firm.lower()}", one.password_scrypt)
    assert not verify_password("demo", one.password_scrypt)


def test_demo_operators_have_the_published_tokens() -> None:
    for operator in demo_settings().operators:
        assert verify_password(f"demo-{operator.name}", operator.token_scrypt)


def test_the_conformance_profile_is_what_the_contract_says() -> None:
    def facts(one: SessionSettings) -> tuple[object, ...]:
        return (one.target_comp_id, one.port, one.open_on_loopback, one.reset_on_logon)

    settings = load(CONFIG / "conformance.toml")
    sessions = {one.sender_comp_id: one for one in settings.sessions}
    assert {"TW44", "TW"} <= set(sessions)
    for name, one in sessions.items():
        assert facts(one) == ("ISLD", 8299, True, name.startswith("TW"))
        assert not one.microseconds
        assert one.role in {"NR", "RT"}


def test_an_offset_moves_every_port() -> None:
    moved = with_port_offset(load(CONFIG / "conformance.toml"), 1_000)
    assert moved.edge.ports["RT"] == 9230
    assert moved.metrics.supervisor == 10_305
    assert {one.port for one in moved.sessions} == {9299}


def test_an_offset_that_leaves_the_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--port-offset 60000: edge.ports.NR"):
        with_port_offset(demo_settings(), 60_000)
