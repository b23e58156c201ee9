"""The lines on superseded images that stay."""

import pytest

from imagesync.model.catalog import Status
from imagesync.model.plan import Kept
from imagesync.render.stays import describe_kept
from imagesync.render.text import plan_text
from tests.unit.factories import NOW, candidate, catalog, inventory, live, plan, retired, spec


def test_many_retired_images_are_told_in_groups() -> None:
    """The text does not shout; the document has each."""
    keys = [f"k{number:02}" for number in range(12)]
    images = [live(spec(key), f"{key}-now", generation=2) for key in keys]
    images += [retired(spec(key, "b"), f"{key}-old") for key in keys]
    made = plan(catalog(*map(spec, keys)), inventory(*images))
    assert "  12 images kept for good (keep 1): k00, k01, k02 and 9 more" in plan_text(made)
    assert len(made.kept) == 12


def test_a_rejected_candidate_is_listed_with_nothing_to_do() -> None:
    """No changes, and why."""
    rejected = candidate(spec("a", "b"), status=Status.DEACTIVATED)
    text = plan_text(plan(catalog(spec("a", "b")), inventory(live(spec("a")), rejected)))
    assert "  a  cand  staged 2026-11-01T00:00:00Z, rejected, not published" in text
    assert "Note: a: candidate cand was deactivated" in text
    assert text.endswith("No changes. 0 images match the manifest.")


@pytest.mark.parametrize(
    ("kept", "text"),
    [
        (Kept("a", "i", 1, None), "kept for good (keep 1)"),
        (Kept("a", "i", 0, None), "kept until the next apply (keep 0)"),
        (Kept("a", "i", 0, 90, protected=True), "protected and stays, --allow-protected deletes it"),
        (Kept("a", "i", 2, 90, until="2027-02-21"), "kept until 2027-02-21 (keep 2, 90 days)"),
        (Kept("a", "i", 2, 1, retires=True), "kept until 2026-11-24 (keep 2, 1 day)"),
        (Kept("a", "i", 2, 90), "kept since a day that is not known (keep 2, 90 days)"),
    ],
)
def test_why_and_until_when_an_image_is_kept(kept: Kept, text: str) -> None:
    """Nothing that ends is called for good."""
    assert describe_kept(kept, NOW) == text
