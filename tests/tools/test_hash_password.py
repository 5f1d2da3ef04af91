"""`kalshi-fix hash-password`: what it prints goes into a configuration, or into a command."""

import subprocess

from running_system import KALSHI_FIX

from kalshi_fix.adapters.passwords import ScryptHash


def test_only_the_hash_is_printed_so_that_a_shell_can_pass_it_on() -> None:
    done = subprocess.run(
        [str(KALSHI_FIX), "hash-password"],
        input="correct horse\ncorrect horse\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (line,) = done.stdout.splitlines()
    assert ScryptHash.parse(line).matches("correct horse")
    assert "correct horse" not in done.stdout + done.stderr
