"""The record of a lease: written and read as properties of an image, and the rules of who may take it when."""

from dataclasses import replace
from uuid import uuid4

import pytest

from imagesync.lease.record import (
    BEAT,
    HOLDER,
    NUMBER,
    STATE,
    USUAL,
    Holder,
    Lease,
    LeaseHeld,
    Sighting,
    State,
    Times,
    can_follow,
    find_end,
    is_lease,
    lease_id,
    read_lease,
    update_sighting,
)
from imagesync.model.image import LiveImage
from imagesync.model.record import LEASE, ROLE

PROJECT = "project-1"
HERE = Holder("a", "boot-a", "1", "10", "2026-11-23 12:00:00 UTC")
HELD = Lease("base", 4, "nonce", HERE, "17")


def stored(lease: Lease, **attrs: object) -> LiveImage:
    """The record of a lease as the service shows it."""
    image = LiveImage(
        lease_id(PROJECT, lease.catalog, lease.number), owner=PROJECT, hidden=True, properties=lease.properties()
    )
    return replace(image, **attrs)  # type: ignore[arg-type]


def damaged(**changes: str) -> LiveImage:
    """The record of ``HELD`` with other properties."""
    return stored(HELD, properties={**HELD.properties(), **changes})


def never(holder: Holder) -> bool:
    """No process is known to be gone."""
    return False


@pytest.mark.parametrize("lease", [HELD, replace(HELD, state=State.FREE, holder=Holder())])
def test_a_lease_is_read_as_it_was_written(lease: Lease) -> None:
    assert read_lease(stored(lease), PROJECT, "base") == lease


def test_the_record_of_0_1_0_is_read() -> None:
    """Literal text: runs of two versions keep apart only if each reads the other's record."""
    image = LiveImage(
        "b1801677-bd6d-5216-a870-486380dea9ba",
        owner=PROJECT,
        properties={
            "imagesync_lease": "base",
            "imagesync_role": "lease",
            "imagesync_lease_number": "4",
            "imagesync_lease_nonce": "nonce",
            "imagesync_lease_heartbeat": "17",
            "imagesync_lease_state": "held",
            "imagesync_lease_holder": '{"boot":"boot-a","host":"a","pid":"1","since":"2026-11-23 12:00:00 UTC","start":"10"}',
        },
    )
    assert read_lease(image, PROJECT, "base") == HELD
    assert HELD.properties() == image.properties
    assert lease_id(PROJECT, "base", 4) == image.id


def test_a_record_of_another_project_or_chain_is_no_lease() -> None:
    """Its id is made from project, catalog and number; whoever copies the properties has another id or owner."""
    assert read_lease(stored(HELD, owner="another"), PROJECT, "base") is None
    assert read_lease(stored(HELD), PROJECT, "other") is None
    for image_id in (str(uuid4()), lease_id("another", "base", 4), "no-uuid"):
        assert read_lease(stored(HELD, id=image_id), PROJECT, "base") is None


@pytest.mark.parametrize("number", ["5", "x", "", "9" * 200, "\u0664"])
def test_the_id_says_the_number_whatever_the_property_says(number: str) -> None:
    found = read_lease(damaged(**{NUMBER: number}), PROJECT, "base")
    assert found == HELD


@pytest.mark.parametrize("holder", ["", "[", "3", "[]", '{"host": 3}', "[" * 100_000])
def test_a_damaged_holder_is_an_unknown_one(holder: str) -> None:
    """It is followed once its heartbeat has not moved for the time of a dead holder."""
    found = read_lease(damaged(**{HOLDER: holder}), PROJECT, "base")
    assert found == replace(HELD, holder=Holder())
    assert str(Holder()) == "somebody who left no name"


def test_a_damaged_state_counts_as_held() -> None:
    assert read_lease(damaged(**{STATE: "?"}), PROJECT, "base") == HELD


def test_what_a_record_says_cannot_move_a_cursor() -> None:
    """Whoever wrote it: control characters are escaped, and a name has at most 100 characters."""
    found = read_lease(damaged(**{HOLDER: '{"host": "\\u001b[2Jx", "pid": 3}'}), PROJECT, "base")
    assert found is not None
    assert str(found.holder) == "host \\x1b[2Jx, pid , since "
    found = read_lease(damaged(**{HOLDER: f'{{"host": "{"h" * 1000}"}}'}), PROJECT, "base")
    assert found is not None
    assert found.holder.host == "h" * 99 + "…"


def test_a_record_is_told_from_images() -> None:
    """By its mark, its role and its owner."""
    assert is_lease(stored(HELD), PROJECT)
    assert not is_lease(stored(HELD), "another")
    assert not is_lease(damaged(**{ROLE: "current"}), PROJECT)
    unmarked = {name: value for name, value in HELD.properties().items() if name != LEASE}
    assert not is_lease(stored(HELD, properties=unmarked), PROJECT)


def test_the_highest_number_is_the_end_of_the_chain() -> None:
    assert find_end([replace(HELD, number=number) for number in (3, 10, 9)]) == replace(HELD, number=10)
    assert find_end([]) is None


@pytest.mark.parametrize("moved", [{"beat": "18"}, {"nonce": "other"}, {"number": 5}, {"state": State.FREE}])
def test_whatever_moves_in_a_record_is_a_sign_of_life(moved: dict[str, object]) -> None:
    """The time is counted from the first look that saw it so."""
    before = Sighting(HELD, 10.0)
    assert update_sighting(None, HELD, 10.0) == before
    assert update_sighting(before, HELD, 50.0) == before
    after = replace(HELD, **moved)  # type: ignore[arg-type]
    assert update_sighting(before, after, 50.0) == Sighting(after, 50.0)


def test_a_lease_may_be_followed_once_it_is_free_or_its_holder_is_gone_or_silent() -> None:
    """Silent: not moved for the expiry, as of the moment when the last look began."""
    seen, end = Sighting(HELD, 100.0), 100.0 + USUAL.expiry
    assert not can_follow(seen, 100.0, USUAL, never)
    assert not can_follow(seen, end - 0.1, USUAL, never)
    assert can_follow(seen, end, USUAL, never)
    assert can_follow(seen, 100.0, USUAL, lambda holder: holder == HERE)
    assert can_follow(Sighting(replace(HELD, state=State.FREE), 100.0), 100.0, USUAL, never)


def test_a_holder_gives_up_before_anybody_may_follow() -> None:
    """A heartbeat that is under way when it gives up has ended by then, too."""
    assert Times().confirm + Times().beat <= Times().expiry


def test_a_heartbeat_changes_one_property() -> None:
    after = replace(HELD, beat="18").properties()
    assert {name for name, value in after.items() if HELD.properties()[name] != value} == {BEAT}


def test_the_error_names_the_holder_and_the_ways_out_in_one_line() -> None:
    text = str(LeaseHeld(HELD, 30, USUAL))
    for part in ("base", "host a, pid 1, since 2026", "waited 30 s", "--lock-timeout", "imagesync unlock"):
        assert part in text
    assert "\n" not in text
