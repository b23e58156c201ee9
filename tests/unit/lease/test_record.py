"""The record of a lease as properties of an image, and the rules that decide when a run may take it."""

from dataclasses import replace
from uuid import uuid4

import pytest

from imagesync.lease.record import (
    AFTER,
    BEAT,
    HOLDER,
    KEYS,
    MAX_HOLDERS,
    NEXT,
    NUMBER,
    STATE,
    USUAL,
    Holder,
    Lease,
    LeaseHeld,
    LeaseUnsettled,
    Sighting,
    State,
    Times,
    describe_end,
    find_end,
    is_lease,
    is_live,
    read_lease,
    update_sightings,
    write_keys,
)
from imagesync.model.catalog import Status, Visibility
from imagesync.model.image import MAX_PROPERTY_BYTES, LiveImage
from imagesync.model.record import ID, LEASE, ROLE

PROJECT = "project-1"
HERE = Holder("a", "boot-a", "1", "10", "2026-11-23 12:00:00 UTC")
OWN, NEXT_ID = "b1801677-bd6d-4216-a870-486380dea9ba", "0a4d55a8-d778-4c4f-9b32-b8bd1ecd6d41"
HELD = Lease(OWN, "base", 4, NEXT_ID, "nonce", HERE, "17")


def stored(lease: Lease, **attrs: object) -> LiveImage:
    """The record of a lease as the service shows it."""
    image = LiveImage(
        lease.id, owner=PROJECT, visibility=Visibility.PRIVATE, hidden=True, properties=lease.properties()
    )
    return replace(image, **attrs)  # type: ignore[arg-type]


def damaged(**changes: str) -> LiveImage:
    """The record of ``HELD`` with other properties."""
    return stored(HELD, properties={**HELD.properties(), **changes})


def never(holder: Holder) -> bool:
    """No process has ended."""
    return False


@pytest.mark.parametrize(
    "lease",
    [
        HELD,
        replace(HELD, state=State.FREE, holder=Holder()),
        replace(HELD, state=State.UNSETTLED, next=""),
        replace(HELD, state=State.BROKEN),
        replace(HELD, after=(Holder("z", "boot-z"), Holder("y"))),
        replace(HELD, after=(Holder(),)),
        replace(HELD, keys=frozenset()),
        replace(HELD, keys=frozenset({"00c0ffee", "12345678"})),
    ],
)
def test_a_lease_is_read_as_it_was_written(lease: Lease) -> None:
    assert read_lease(stored(lease), PROJECT, "base") == lease


@pytest.mark.parametrize("text", ["", "1", "2:AAAA", "1:AAAA", "1:not base64", "1:AMD/7g"])
def test_damaged_keys_are_unknown(text: str) -> None:
    """As in the records of earlier versions, which have none."""
    found = read_lease(damaged(**{KEYS: text}), PROJECT, "base")
    assert found is not None
    assert found.keys is None


def test_too_many_keys_are_not_recorded() -> None:
    """The service keeps 65,535 bytes of a property."""
    assert len(write_keys(f"{number:08x}" for number in range(12_000))) <= MAX_PROPERTY_BYTES
    assert write_keys(f"{number:08x}" for number in range(13_000)) == ""


def test_only_eight_earlier_holders_are_read() -> None:
    """A user who may write to the record could add any number of them."""
    named = replace(HELD, after=tuple(Holder(f"h{number}") for number in range(MAX_HOLDERS + 1)))
    found = read_lease(stored(named), PROJECT, "base")
    assert found == replace(named, after=named.after[:MAX_HOLDERS])


def test_the_record_of_0_1_0_is_read() -> None:
    """Literal text: two versions of imagesync must read each other's records."""
    image = LiveImage(
        "b1801677-bd6d-4216-a870-486380dea9ba",
        owner=PROJECT,
        visibility=Visibility.PRIVATE,
        properties={
            "imagesync_id": "b1801677-bd6d-4216-a870-486380dea9ba",
            "imagesync_lease": "base",
            "imagesync_role": "lease",
            "imagesync_lease_number": "4",
            "imagesync_lease_next": "0a4d55a8-d778-4c4f-9b32-b8bd1ecd6d41",
            "imagesync_lease_nonce": "nonce",
            "imagesync_lease_heartbeat": "17",
            "imagesync_lease_state": "held",
            "imagesync_lease_holder": '{"boot":"boot-a","host":"a","pid":"1","since":"2026-11-23 12:00:00 UTC","start":"10"}',
        },
    )
    assert read_lease(image, PROJECT, "base") == HELD
    assert HELD.properties() == image.properties


@pytest.mark.parametrize(
    "attrs",
    [
        {"owner": "another"},
        {"id": str(uuid4())},
        *({"visibility": each} for each in Visibility if each is not Visibility.PRIVATE),
    ],
)
def test_only_a_private_record_of_our_project_about_itself_counts(attrs: dict[str, object]) -> None:
    """Users of other projects may copy the properties of an image and share the copy."""
    assert read_lease(stored(HELD, **attrs), PROJECT, "base") is None


@pytest.mark.parametrize("changes", [{LEASE: "Base"}, {LEASE: "base "}, {ROLE: "current"}, {ID: "another"}])
def test_a_record_of_another_catalog_or_role_is_not_a_lease(changes: dict[str, str]) -> None:
    """Names are compared exactly: a database may return ``Base`` for ``base``."""
    assert read_lease(damaged(**changes), PROJECT, "base") is None


@pytest.mark.parametrize(
    ("number", "expected"),
    [("x", 0), ("", 0), ("\u0664", 0), ("9" * 200, 0), ("9" * 30, 0), (str(2**53), 0), (str(2**53 - 1), 2**53 - 1)],
)
def test_a_damaged_number_is_read_as_0(number: str, expected: int) -> None:
    """So is one that is too large: all later records would have the same number, and the end would be unknown."""
    found = read_lease(damaged(**{NUMBER: number}), PROJECT, "base")
    assert found == replace(HELD, number=expected)


@pytest.mark.parametrize("following", ["", "x", "../tasks", NEXT_ID.upper(), f"{{{NEXT_ID}}}"])
def test_a_successor_that_is_not_an_id_is_ignored(following: str) -> None:
    """Its text would become a part of a request's path."""
    found = read_lease(damaged(**{NEXT: following}), PROJECT, "base")
    assert found == replace(HELD, next="")


@pytest.mark.parametrize("holder", ["", "[", "3", "[]", '{"host": 3}', "[" * 100_000])
def test_a_damaged_holder_is_an_unknown_one(holder: str) -> None:
    """Its lease expires like that of a dead run."""
    found = read_lease(damaged(**{HOLDER: holder}), PROJECT, "base")
    assert found == replace(HELD, holder=Holder())
    assert str(Holder()) == "an unknown run"


def test_a_damaged_state_counts_as_held() -> None:
    assert read_lease(damaged(**{STATE: "?"}), PROJECT, "base") == HELD


def test_control_characters_of_a_record_are_escaped() -> None:
    """A name is cut after 100 characters."""
    found = read_lease(damaged(**{HOLDER: '{"host": "\\u001b[2Jx", "pid": 3}'}), PROJECT, "base")
    assert found is not None
    assert str(found.holder) == "host \\x1b[2Jx, pid , since "
    found = read_lease(damaged(**{HOLDER: f'{{"host": "{"h" * 1000}"}}'}), PROJECT, "base")
    assert found is not None
    assert found.holder.host == "h" * 99 + "…"


def test_a_lease_record_is_distinguished_from_images() -> None:
    """By its marker, its role and its own id: a copied record is an ordinary image.

    A user of another project cannot hide an image from an administrator by such properties.
    """
    assert is_lease(stored(HELD), PROJECT)
    assert is_lease(stored(HELD), "another")
    for output in ({"name": "x"}, {"hidden": False}, {"status": Status.ACTIVE}, {"visibility": Visibility.PUBLIC}):
        assert not is_lease(stored(HELD, **output), "another")
        assert is_lease(stored(HELD, **output), PROJECT)
    assert not is_lease(stored(HELD, id=str(uuid4())), PROJECT)
    assert not is_lease(damaged(**{ROLE: "current"}), PROJECT)
    unmarked = {name: value for name, value in HELD.properties().items() if name != LEASE}
    assert not is_lease(stored(HELD, properties=unmarked), PROJECT)


def test_the_highest_number_with_the_smallest_id_is_the_end_of_the_chain() -> None:
    numbered = [replace(HELD, number=number) for number in (3, 10, 9)]
    other = replace(HELD, number=10, id=NEXT_ID)
    assert find_end(numbered) == replace(HELD, number=10)
    assert find_end([*numbered, other]) == find_end([other, *numbered]) == other
    assert find_end([]) is None


@pytest.mark.parametrize("moved", [{"beat": "18"}, {"nonce": "other"}, {"number": 5}, {"state": State.FREE}])
def test_each_change_of_a_record_restarts_its_expiry(moved: dict[str, object]) -> None:
    """The time counts from the first listing that shows the change; a record that is no longer listed is forgotten."""
    before = {OWN: Sighting(HELD, 10.0)}
    assert update_sightings({}, [HELD], 10.0) == before
    assert update_sightings(before, [HELD], 50.0) == before
    after = replace(HELD, **moved)  # type: ignore[arg-type]
    assert update_sightings(before, [after], 50.0) == {OWN: Sighting(after, 50.0)}
    assert update_sightings(before, [], 50.0) == {}


def test_a_lease_is_live_until_release_end_of_the_process_or_expiry() -> None:
    """The expiry counts until the moment at which the last listing was requested."""
    seen, end = Sighting(HELD, 100.0), 100.0 + USUAL.expiry
    assert is_live(seen, 100.0, USUAL, never)
    assert is_live(seen, end - 0.1, USUAL, never)
    assert not is_live(seen, end, USUAL, never)
    assert not is_live(seen, 100.0, USUAL, lambda holder: holder == HERE)
    for state in (State.FREE, State.UNSETTLED, State.BROKEN):
        assert not is_live(Sighting(replace(HELD, state=state), 100.0), 100.0, USUAL, never)


def test_a_holder_gives_up_before_another_run_may_follow() -> None:
    """A heartbeat that is running at that moment also ends before."""
    assert Times().confirm + Times().beat <= Times().expiry


def test_a_heartbeat_changes_one_property() -> None:
    after = replace(HELD, beat="18").properties()
    assert {name for name, value in after.items() if HELD.properties()[name] != value} == {BEAT}


def test_the_error_names_the_holder_and_the_command_in_one_line() -> None:
    text = str(LeaseHeld(HELD, 30, USUAL, "imagesync unlock images/ --cloud eu"))
    for part in (
        "catalog base is locked by another run: host a, pid 1, since 2026-11-23 12:00:00 UTC",
        "waited 30 s",
        "--lock-timeout",
        "break the lease: imagesync unlock images/ --cloud eu",
    ):
        assert part in text
    assert "\n" not in text


def test_the_end_of_an_unreleased_lease_is_described() -> None:
    """With its holder, and with the time that its requests may need to arrive."""
    assert describe_end(HELD) == f"its last run did not release the lease ({HERE})"
    assert describe_end(replace(HELD, state=State.UNSETTLED)) == f"its last run got no answer to a request ({HERE})"
    assert describe_end(replace(HELD, state=State.BROKEN)) == (
        f"the lease was broken, and its run may still be running ({HERE})"
    )
    text = str(LeaseUnsettled(HELD, 3, USUAL, 10))
    for part in (
        "did not release the lease (host a, pid 1",
        "may arrive for 10 s",
        "3 s were left",
        "--lock-timeout 70 or more",
    ):
        assert part in text


def test_the_durations_of_the_protocol() -> None:
    """Those of the documentation; all hosts must have the same ones."""
    assert Times(expiry=60.0, beat=15.0, confirm=45.0, poll=2.0, lag=1.0, settling=10.0) == USUAL


def test_the_errors_say_how_long_to_wait() -> None:
    """The whole message; no negative number."""
    times = Times(expiry=60, settling=25)
    assert str(LeaseHeld(HELD, 30.4, times)) == (
        f"catalog base is locked by another run: {HERE}; waited 30 s; nothing was changed; wait longer with "
        "--lock-timeout (the lease of a dead run is free after 85 s), or, if that run is dead, break the lease: "
        "imagesync unlock PATH"
    )
    for left, waited, display, needed in ((3.2, 0.0, 3, 72), (-4, 100.0, 0, 112)):
        assert str(LeaseUnsettled(HELD, left, times, 12, waited)) == (
            f"catalog base: its last run did not release the lease ({HERE}); its requests may arrive for 12 s; "
            f"nothing was changed; only {display} s were left to wait; run again with --lock-timeout {needed} or more"
        )


def test_keys_are_written_in_one_order() -> None:
    """Whatever the order of a set is: the same keys need no write."""
    keys = [f"{number:08x}" for number in range(50)]
    assert write_keys(reversed(keys)) == write_keys(keys)


@pytest.mark.parametrize("text", ["{}", "1", "x", "[" * 100_000, '"a"'])
def test_damaged_earlier_holders_are_one_that_may_be_running(text: str) -> None:
    """The run waits for it; an empty text is none."""
    for value, after in ((text, (Holder(),)), ("", ())):
        found = read_lease(damaged(**{AFTER: value}), PROJECT, "base")
        assert found is not None
        assert found.after == after


def test_the_time_of_the_last_change_is_no_change() -> None:
    """The service sets it; the clock of the waiting run counts."""
    later = replace(HELD, updated="2026-11-23T12:00:00Z")
    before = {OWN: Sighting(HELD, 10.0)}
    assert update_sightings(before, [later], 50.0) == before
    assert read_lease(stored(HELD, updated_at="2026-11-23T12:00:00Z"), PROJECT, "base") == HELD
