"""The lines on superseded images that stay."""

from imagesync.render.text import plan_text
from tests.unit.factories import catalog, inventory, live, plan, retired, spec


def test_many_retired_images_are_told_in_groups() -> None:
    """The text does not shout; the document has each."""
    keys = [f"k{number:02}" for number in range(12)]
    images = [live(spec(key), f"{key}-now", generation=2) for key in keys]
    images += [retired(spec(key, "b"), f"{key}-old") for key in keys]
    made = plan(catalog(*map(spec, keys)), inventory(*images))
    assert "  12 images kept for good (keep 1): k00, k01, k02 and 9 more" in plan_text(made)
    assert len(made.kept) == 12
