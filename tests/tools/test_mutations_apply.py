"""The seeded bugs of ``make mutations`` still apply to the code they were written for."""

from pathlib import Path

import mutations
import pytest

CORE = Path(__file__).parents[2] / "kalshi_fix" / "core"


@pytest.mark.parametrize("mutation", mutations.MUTATIONS, ids=lambda mutation: mutation.what)
def test_a_mutation_applies_in_exactly_one_place(mutation: mutations.Mutation) -> None:
    assert (CORE / mutation.file).read_text().count(mutation.old) == 1


def test_there_are_enough_of_them() -> None:
    assert len({mutation.what for mutation in mutations.MUTATIONS}) >= 36
