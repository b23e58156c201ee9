"""The size of a disk and a declared min_disk -> whether the disk fits. Pure."""

from typing import Final

from imagesync.errors import FormatMismatch

GIB: Final = 2**30


def check_disk_fits(min_disk: int, needed: int) -> None:
    """Raise FormatMismatch if a declared min_disk (GB; 0: none is declared) is less than the ``needed`` bytes."""
    if min_disk and needed > min_disk * GIB:
        message = f"min_disk is {min_disk} GB, but the image's virtual size is at least {needed} bytes"
        raise FormatMismatch(message, f"declare min_disk: {-(-needed // GIB)} or more, or auto")
