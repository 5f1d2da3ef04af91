"""One demo system for the security tests, with a hostile firm and an honest one of its own."""

from collections.abc import Iterator

import pytest
from running_system import DEMO_CONFIG, RunningSystem

OPEN = "open_on_loopback = true\nthrottle = { tokens_per_second = 0 }\n"


def firm(name: str) -> str:
    """A firm with an open RT and an open MD session."""
    accounts = f'accounts = ["{name}-1"]\n'
    session = f'[[sessions]]\nfirm = "{name}"\n'
    return (
        f'[[firms]]\nname = "{name}"\n'
        f'[[accounts]]\nname = "{name}-1"\nfirm = "{name}"\ndeposit = "1000000.00"\n'
        f'{session}sender_comp_id = "{name}-RT"\nrole = "RT"\nlane = "gw1"\n{accounts}{OPEN}'
        f'{session}sender_comp_id = "{name}-MD"\nrole = "MD"\nlane = "md1"\n{OPEN}'
    )


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A system that hostile clients may have."""
    directory = tmp_path_factory.mktemp("siege")
    config = directory / "siege.toml"
    # everybody comes from one address here: the honest client must not share the strangers' caps
    # and what is measured is what comes after the burst of wrong passwords
    limits = "connections_per_second = 10000\nconnection_burst = 10000\nwrong_password_burst = 1"
    text = DEMO_CONFIG.read_text().replace("plain = true", f"plain = true\n{limits}")
    config.write_text("\n".join([text, firm("HONEST"), firm("HOSTILE")]))
    with RunningSystem(directory / "data", config).running() as system:
        yield system
        assert system.returncode is None, system.story()
        assert system.stop() == 0, system.story()
