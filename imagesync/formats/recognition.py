"""The first bytes of an image -> the formats to declare for it; FormatMismatch if it is not a disk. Pure."""

from dataclasses import dataclass
from typing import Any, Final

from imagesync.errors import FormatMismatch
from imagesync.formats.contents import PARALLELS, TAR, recognize
from imagesync.formats.inspection import DISGUISED, HEAD, PLOOP, RAW, RECOGNIZABLE
from imagesync.formats.plausibility import Plausibility

BARE: Final = "bare"
OVA: Final = "ova"
_NAME_BYTES: Final = 100
"""The name of the first file in a tar archive (POSIX ustar)."""


@dataclass(frozen=True, slots=True)
class Formats:
    """The values of ``disk_format`` and ``container_format``."""

    disk: str
    container: str = BARE

    @property
    def has_known_size(self) -> bool:
        """Whether the size of the disk is known from the data; that of a disk in an archive is not."""
        return self.container == BARE


def recognize_formats(head: bytes, *, is_unpacked: bool) -> Formats:
    """The formats of an image with this head (its first 64 KiB, unpacked, or all of it).

    Data that is not recognized is ``raw``. An ova archive begins with its descriptor (DMTF DSP0243, 5.3); its disks are
    vmdk files. ``is_unpacked``: imagesync unpacked the data, for the message of FormatMismatch.
    """
    found = recognize(head)
    if found and found.name == PARALLELS:
        return Formats(PLOOP)
    if found and found.name == TAR and head[:_NAME_BYTES].rstrip(b"\0").lower().endswith(b".ovf"):
        return Formats("vmdk", OVA)
    plausibility = Plausibility(RAW, BARE, unpacked=is_unpacked)
    plausibility.feed(head)
    plausibility.finish()
    names = _list_formats(head[:HEAD])
    if others := (names & DISGUISED) - RECOGNIZABLE:
        name = min(others)
        raise FormatMismatch(f"the data is {name}, which the image service does not accept", _CONVERT)
    disks = names & RECOGNIZABLE
    if len(disks) > 1:
        raise FormatMismatch(f"the data is both {' and '.join(sorted(disks))}", "build the image again")
    return Formats(min(disks, default=RAW))


_CONVERT: Final = "convert it: qemu-img convert -O qcow2"


def _list_formats(head: bytes) -> set[str]:
    """The formats whose inspector of oslo.utils recognizes the data."""
    from oslo_utils.imageutils import format_inspector

    kinds: dict[str, Any] = format_inspector.ALL_FORMATS
    return {name for name, kind in kinds.items() if name != RAW and _is_recognized(kind(), head)}


def _is_recognized(inspector: Any, head: bytes) -> bool:
    try:
        inspector.eat_chunk(head)
    except Exception:  # an inspector raises any error of its parser
        return False
    return bool(inspector.format_match)
