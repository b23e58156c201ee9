"""The bytes of an image -> what they are, whether they are whole, and safe. Pure: bytes in, a verdict out.

``inspection`` looks at the data as it streams by and asks the other modules.
"""

from imagesync.formats.inspection import HEAD, RAW, Inspection, check_not_disguised

__all__ = ["HEAD", "RAW", "Inspection", "check_not_disguised"]
