"""The first bytes of a file -> what the file is, in words. Pure."""

from contextlib import suppress
from typing import Final

from imagesync.errors import FormatMismatch
from imagesync.formats.contents import Kind, recognize
from imagesync.formats.inspection import HEAD, RAW, Inspection

_DISKS: Final = {"gpt": "a disk with partitions", "iso": "an iso image"}
_NO_CHECKS: Final = "ova"
"""A container format whose data is not compared with the declared disk format."""


def describe_binary(head: bytes) -> str:
    """``a qcow2 disk``, ``a file of type gzip``, ``binary data``: what data with this head is; empty for text.

    ``head``: the first 64 KiB of a file, or all of it. Text has no byte zero.
    """
    inspection = Inspection(RAW, _NO_CHECKS, is_measured=False)
    with suppress(FormatMismatch):  # an unsafe qcow2 is a qcow2, too
        inspection.feed(head[:HEAD].ljust(HEAD, b"\0"))
    if inspection.recognized != RAW:
        return _DISKS.get(inspection.recognized, f"a {inspection.recognized} disk")
    if (found := recognize(head)) and found.kind is not Kind.TEXT:
        return found.name if " " in found.name else f"a file of type {found.name}"
    is_wide_text = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    return "binary data" if b"\0" in head and not is_wide_text else ""
