"""The lines on superseded images that stay."""

from imagesync.model.catalog import Status
from imagesync.render.text import plan_text
from tests.unit.factories import candidate, catalog, inventory, live, plan, retired, spec


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
