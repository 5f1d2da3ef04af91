"""What is shown of text and of values that hold secrets."""

import pytest
from attrs import asdict

from kalshi_fix.adapters.logs import mask_text, masked
from kalshi_fix.adapters.settings import StoreSettings


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("35=A\x01554=hush\x0134=1", "35=A\x01554=***\x0134=1"),
        ("35=A|96=c2ln|34=1", "35=A|96=***|34=1"),
        ("redis://fix:hush@store:6379/0", "redis://fix:***@store:6379/0"),
        ("rediss://:hu:sh@one,two:6379", "rediss://:***@one,two:6379"),
        (
            "cannot reach redis://a:h@u@host/1: refused",
            "cannot reach redis://a:***@host/1: refused",
        ),
        ("redis://store:6379/0", "redis://store:6379/0"),
        ("see 1554=x and mail a@b", "see 1554=x and mail a@b"),
    ],
)
def test_passwords_are_masked_in_messages_and_in_addresses(text: str, shown: str) -> None:
    assert mask_text(text) == shown


def test_a_recorded_configuration_does_not_hold_the_store_s_password() -> None:
    settings = StoreSettings(url="redis://fix:hush@store:6379/0")
    assert "hush" not in repr(masked("store", asdict(settings)))
