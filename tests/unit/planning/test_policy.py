"""The limits of a plan."""

from imagesync.model.catalog import (
    Policy,
)
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
