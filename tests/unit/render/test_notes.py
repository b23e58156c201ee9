"""``imagesync.render.notes``: one sentence for several images that have the same note."""

from collections.abc import Callable

import pytest

from imagesync.render.blocks import MIN_SHARING
from imagesync.render.notes import MIN_WITHOUT_IDS, group_notes

UUID = "0d9a3e58-1111-4f3c-9b0a-0000000000{:02}"
DIGEST = "sha256:{:064x}"


def test_notes_that_differ_in_their_key_are_joined_at_the_first_of_them() -> None:
    """From three on; others stay in their order, each alone, also one without a key."""
    notes = ["b: is old", "x: is new", "all is well", "a: is old", "y: is new", "c: is old: very", "c: is old"]
    assert group_notes(notes, whole=False) == [
        "b, a, c: is old",
        "x: is new",
        "y: is new",
        "all is well",
        "c: is old: very",
    ]
    assert group_notes(iter(notes), whole=True) == notes
    assert group_notes(iter(notes[:2]), whole=False) == notes[:2]
    assert group_notes([], whole=False) == []


def test_a_note_without_a_key_is_not_joined_with_one_that_has_it() -> None:
    """It is about the whole plan."""
    notes = ["is old", "a: is old", "b: is old"]
    assert group_notes(notes, whole=False) == notes
    assert group_notes([*notes, "c: is old"], whole=False) == ["is old", "a, b, c: is old"]
    assert group_notes(["all is well"] * MIN_SHARING, whole=False) == ["all is well"] * MIN_SHARING


@pytest.mark.parametrize(
    "make",
    [
        lambda at: UUID.format(at),
        lambda at: DIGEST.format(at),
        lambda at: f"md5:{at:032x}",
        lambda at: f"sha512:{at:0128x}",
    ],
    ids=["uuid", "sha256", "md5", "sha512"],
)
@pytest.mark.parametrize("number", [MIN_WITHOUT_IDS - 1, MIN_WITHOUT_IDS])
def test_many_notes_about_ids_and_digests_lose_them(make: Callable[[int], str], number: int) -> None:
    """Few keep them: a reader can still look for each."""
    notes = [f"k{at}: the image {make(at)} is old" for at in range(number)]
    joined = [f"{', '.join(f'k{at}' for at in range(number))}: the image … is old"]
    assert group_notes(notes, whole=False) == (joined if number == MIN_WITHOUT_IDS else notes)
    assert group_notes(notes, whole=True) == notes


@pytest.mark.parametrize(
    "make", [lambda at: f"{at:032x}", lambda at: f"md5:{at:031x}", lambda at: f"x{UUID.format(at)}"]
)
def test_what_is_no_id_makes_a_difference(make: Callable[[int], str]) -> None:
    """However many notes there are."""
    notes = [f"k{at}: the image {make(at)} is old" for at in range(MIN_WITHOUT_IDS)]
    assert group_notes(notes, whole=False) == notes


@pytest.mark.parametrize("whole", [False, True])
def test_a_note_cannot_command_a_terminal(*, whole: bool) -> None:
    """Joined or not."""
    for number in (1, MIN_SHARING):
        assert all(text.isprintable() for text in group_notes(["k\x1b: a\x1b"] * number, whole=whole))
    assert group_notes(["k\x1b: a\x1b"], whole=whole) == ["k\\x1b: a\\x1b"]
