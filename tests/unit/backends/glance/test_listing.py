"""Names as conditions of a listing."""

from imagesync.backends.glance.listing import MAX_CONDITION_BYTES, name_conditions


def test_many_names_are_asked_for_at_once() -> None:
    """A quote breaks the list: such a name is asked for alone."""
    assert sorted(name_conditions(["b", "a:x", 'q"', "a:x"])) == ['eq:q"', 'in:"a:x","b"']
    assert list(name_conditions([])) == []


def test_a_list_of_names_stays_within_a_url() -> None:
    """As long as URLs may be, counted as they are sent."""
    names = [f"ü{number:04}" for number in range(2000)]
    conditions = list(name_conditions(names))
    assert sum(condition.count("ü") for condition in conditions) == 2000
    assert 3 < len(conditions) < 12
    assert all(len(condition.encode()) < MAX_CONDITION_BYTES for condition in conditions)
