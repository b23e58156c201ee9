"""Names -> conditions of a listing."""

from imagesync.backends.glance.listing import MAX_CONDITION_BYTES, make_name_conditions


def test_one_condition_has_many_names() -> None:
    """A name with a quote cannot be in a list, and has its own condition."""
    assert sorted(make_name_conditions(["b", "a:x", 'q"', "a:x"])) == ['eq:q"', 'in:"a:x","b"']
    assert list(make_name_conditions([])) == []


def test_a_list_of_names_stays_within_a_url() -> None:
    """Its length is counted percent-encoded, as it is sent."""
    names = [f"ü{number:04}" for number in range(2000)]
    conditions = list(make_name_conditions(names))
    assert sum(condition.count("ü") for condition in conditions) == 2000
    assert 3 < len(conditions) < 12
    assert all(len(condition.encode()) < MAX_CONDITION_BYTES for condition in conditions)
