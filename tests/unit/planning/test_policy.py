"""The limits of a plan."""

import pytest

from imagesync.model.policy import Limit, Policy
from imagesync.planning.policy import check
from tests.unit.factories import catalog, inventory, live, plan, spec


def test_policy_refuses_too_many_removals_in_one_sentence() -> None:
    """Number, limit and way out."""
    keep = [spec(f"k{number}") for number in range(5)]
    found = inventory(*map(live, keep), *(live(spec(f"g{number}")) for number in range(5)))
    made = plan(catalog(*keep), found)
    (sentence,) = check(made, Policy())
    assert sentence == "would delete 5 of 10 owned images (50 %), the limit is 30 %; pass --max-delete 5 to allow"


def test_an_empty_catalogue_is_refused_whatever_the_limits_say() -> None:
    """A catalogue that names none of the keys it owns needs --destroy."""
    made = plan(catalog(), inventory(live(spec("a"))), Policy())
    assert "--destroy" in check(made, Policy())[0]
    assert not check(made, Policy(allow_destroy=True))


@pytest.mark.parametrize(
    ("limit", "keys", "is_refused"),
    [(Limit(25), 4, False), (Limit(24), 4, True), (Limit(0), 3, False), (Limit(0, percent=False), 3, True)],
)
def test_a_limit_in_per_cent_counts_from_four_keys_up(limit: Limit, keys: int, is_refused: bool) -> None:
    """Rounded down; one as a number always counts."""
    names = "abcd"[:keys]
    made = plan(catalog(*(spec(key) for key in names[1:])), inventory(*(live(spec(key)) for key in names)))
    assert bool(check(made, Policy(max_delete=limit))) == is_refused
