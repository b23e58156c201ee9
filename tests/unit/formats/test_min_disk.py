"""A disk and its declared min_disk."""

import pytest

from imagesync.errors import FormatMismatch
from imagesync.formats.min_disk import GIB, check_disk_fits


@pytest.mark.parametrize("min_disk", [0, 1, 5])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_disk_may_be_as_large_as_its_min_disk(min_disk: int, more: int) -> None:
    """Exactly; 0 means that none is declared. The hint has the least number that is right."""
    assert GIB == 2**30
    needed = min_disk * GIB + more
    if not min_disk or more <= 0:
        check_disk_fits(min_disk, max(needed, 0))
        return
    with pytest.raises(FormatMismatch) as caught:
        check_disk_fits(min_disk, needed)
    assert f"min_disk is {min_disk} GB, but the image's virtual size is at least {needed} bytes" in str(caught.value)
    assert caught.value.hint == f"declare min_disk: {min_disk + 1} or more, or auto"


@pytest.mark.parametrize(("needed", "least"), [(2 * GIB, 2), (2 * GIB + 1, 3), (3 * GIB - 1, 3)])
def test_the_hint_is_rounded_up(needed: int, least: int) -> None:
    """To whole gigabytes."""
    with pytest.raises(FormatMismatch) as caught:
        check_disk_fits(1, needed)
    assert f"min_disk: {least} or more" in caught.value.hint
