import pytest

from kalshi_fix.adapters.redis_url import Address, StoreUrl, StoreUrlError, Topology, parse
from kalshi_fix.adapters.store import _slot


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "unix:///run/store.sock?db=2",
            StoreUrl(
                topology=Topology.SINGLE, addresses=(Address(path="/run/store.sock"),), database=2
            ),
        ),
        (
            "redis://localhost",
            StoreUrl(topology=Topology.SINGLE, addresses=(Address(host="localhost", port=6379),)),
        ),
        (
            "rediss://core:p%40ss@db.example:7000/3",
            StoreUrl(
                topology=Topology.SINGLE,
                addresses=(Address(host="db.example", port=7000),),
                tls=True,
                username="core",
                password="p@ss",
                database=3,
            ),
        ),
        (
            "redis+sentinel://a,b:26380/main",
            StoreUrl(
                topology=Topology.SENTINEL,
                addresses=(Address(host="a", port=26379), Address(host="b", port=26380)),
                master="main",
            ),
        ),
        (
            "redis+cluster://:pw@a:7000,b:7001",
            StoreUrl(
                topology=Topology.CLUSTER,
                addresses=(Address(host="a", port=7000), Address(host="b", port=7001)),
                password="pw",
            ),
        ),
    ],
)
def test_every_form_of_url(url: str, expected: StoreUrl) -> None:
    assert parse(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "http://localhost",
        "redis://",
        "redis://h:port",
        "redis://h/name",
        "redis://a,b",
        "unix://relative",
        "redis+sentinel://a",
    ],
)
def test_anything_else_is_refused_with_what_is_allowed(url: str) -> None:
    with pytest.raises(StoreUrlError, match="allowed are unix:///path"):
        parse(url)


def test_a_refusal_does_not_show_the_password() -> None:
    with pytest.raises(StoreUrlError) as refusal:
        parse("redis://user:hunter2@host:port/0")
    assert "hunter2" not in str(refusal.value)


def test_slots_are_redis_cluster_s() -> None:
    assert _slot(b"123456789") == 0x31C3  # the check value of CRC16/XMODEM
    assert _slot(b"s0") == 11097 % 16384
