"""``imagesync.render.summary``: sentences about a whole plan."""

from dataclasses import replace

import pytest

from imagesync.errors import Diagnostic
from imagesync.model.plan import PlanError
from imagesync.render.summary import describe_errors, format_headings, note_copies
from tests.unit.factories import catalog, inventory, live, plan, spec


@pytest.mark.parametrize(("number", "words"), [(1, "1 image"), (2, "2 images")])
def test_errors_are_followed_by_their_effect(number: int, words: str) -> None:
    """A reader of the plan must know that apply does the rest, and fails."""
    errors = tuple(PlanError(f"k{at}", Diagnostic("a.yaml", at + 1, 1, "images", "gone")) for at in range(number))
    *named, effect = describe_errors(replace(plan(catalog(), inventory()), errors=errors))
    assert named == [f"Error: a.yaml:{at + 1}:1: images: gone" for at in range(number)]
    assert effect == f"Apply skips {words} with an error, and exits with code 1 even if all other steps succeed."


def test_without_errors_and_copies_there_is_no_sentence() -> None:
    """The plan has only its counts."""
    assert list(describe_errors(plan(catalog(), inventory()))) == []
    assert note_copies(()) == []


def test_the_heading_counts_declared_and_owned_keys() -> None:
    """They may differ: an owned key may be removed from the manifest."""
    made = plan(catalog(spec("a"), spec("b")), inventory(live(spec("a")), live(spec("y")), live(spec("z"))))
    assert format_headings([made])[0].endswith(": 2 images declared, 3 owned")
