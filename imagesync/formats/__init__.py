"""The bytes of an image -> what they are, whether they are whole, and safe. Pure: bytes in, a verdict out.

``inspection`` holds data against its declared format, as the image service does; ``plausibility`` refuses what no
machine boots.
"""

from imagesync.formats.inspection import HEAD, RAW, Inspection, check_not_disguised
from imagesync.formats.min_disk import GIB, check_disk_fits
from imagesync.formats.plausibility import COMPRESSED, Plausibility
from imagesync.formats.texts import is_page

__all__ = [
    "COMPRESSED",
    "GIB",
    "HEAD",
    "RAW",
    "Inspection",
    "Plausibility",
    "check_disk_fits",
    "check_not_disguised",
    "is_page",
]
