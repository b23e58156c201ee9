"""The bytes of an image -> FormatMismatch if they are not of the declared format, truncated, or unsafe. Pure.

``inspection`` checks data against its declared format, as the image service does. ``plausibility`` refuses data from which
no machine can boot, such as an HTML page.
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
