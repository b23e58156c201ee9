"""The first bytes of data and its declared formats -> FormatMismatch if no machine can boot from it. Pure.

The image service accepts any data as ``raw``. In other containers than ``bare``, an archive or a packed kernel is valid; an
HTML page is never valid.
"""

from typing import Final

from imagesync.errors import FormatMismatch
from imagesync.formats.contents import PACKING_ARCHIVES, PARALLELS, Finding, Kind, recognize
from imagesync.formats.inspection import HEAD, PLOOP, RECOGNIZABLE
from imagesync.formats.texts import LFS_POINTER, VMDK_DESCRIPTOR, is_page

COMPRESSED: Final = "compressed"
"""The container format for packed disks."""
_KERNELS: Final = frozenset({"aki", "ari", "ami"})


class Plausibility:
    """Checks the head of the data of one image.

    Nothing is refused if ``disk_format`` is None. ``unpacked``: imagesync has unpacked the data. ``is_staged``: the service
    may still unpack or convert the data before it stores it.
    """

    def __init__(
        self, disk_format: str | None, container_format: str | None, *, unpacked: bool, is_staged: bool = False
    ) -> None:
        self._format, self._unpacked, self._is_staged = disk_format, unpacked, is_staged
        self._is_disk = container_format in ("bare", None) and disk_format not in (None, *_KERNELS)
        self._is_packed = container_format == COMPRESSED
        self._head = bytearray()
        self.is_judged = False
        """Whether the head is complete and was checked."""

    def feed(self, chunk: bytes) -> None:
        """Read the next bytes; FormatMismatch as soon as they show that no machine can boot from the data."""
        if self.is_judged:
            return
        self._head += chunk[: HEAD - len(self._head)]
        if len(self._head) == HEAD:
            self.finish()

    def finish(self) -> None:
        """To be called after the last byte; FormatMismatch as for ``feed``."""
        if self.is_judged:
            return
        self.is_judged, head = True, bytes(self._head)
        self._head.clear()
        if self._is_disk:
            self._check_disk(head)
        elif self._is_packed:
            _check_packed(head)
        elif self._format is not None and is_page(head):
            raise FormatMismatch("the data is an HTML page", _PAGE_HINT)

    def _check_disk(self, head: bytes) -> None:
        if not head:
            raise FormatMismatch("there is no data: the source has 0 bytes", "correct the source")
        found = recognize(head)
        if found and not self._is_right(found):
            state = "even after unpacking, the data is" if self._unpacked else "the data is"
            is_final = self._format in RECOGNIZABLE or found.name == VMDK_DESCRIPTOR
            advice = self._advise(found) if is_final else f"{self._advise(found)}; {_IGNORE_HINT}"
            raise FormatMismatch(f"{state} {found.name}, not {self._format}", advice)

    def _is_right(self, found: Finding) -> bool:
        """Whether the service may still make a disk of the data, or the data is of the declared format."""
        if self._is_staged and found.kind not in (Kind.TEXT, Kind.OTHER):
            return True
        return found.name == PARALLELS and self._format == PLOOP

    def _advise(self, found: Finding) -> str:
        if found.kind is Kind.ARCHIVE:
            return "extract the disk and use it as the source"
        if found.kind is Kind.DISK_FILE:
            return "convert it to a format of the image service: qemu-img convert -O qcow2"
        if found.kind is Kind.PACKED and found.compression and not self._unpacked:
            return f"declare compression: {found.compression} {_BY_NAME}"
        if found.kind is Kind.PACKED:
            return "unpack it and use the unpacked file as the source"
        return _ADVICE.get(found.name, _PAGE_HINT if found.kind is Kind.TEXT else "correct the source")


_BY_NAME: Final = "under source (without it, only a name that ends with .gz, .xz, .bz2 or .zst is unpacked)"
_PAGE_HINT: Final = "correct the source; it may require a log-in"
_IGNORE_HINT: Final = "if the data is correct, declare source.inspect: none"
"""A remedy if the image service accepts any data, as for raw."""
_ADVICE: Final = {
    LFS_POINTER: "get the file to which it points: git lfs pull",
    VMDK_DESCRIPTOR: "convert the disk that it describes to a single file: qemu-img convert -O vmdk, and use that file",
}


def _check_packed(head: bytes) -> None:
    found = recognize(head)
    if found is None or not (found.kind is Kind.PACKED or found.name in PACKING_ARCHIVES):
        what = found.name if found else "not packed" if head else "empty"
        message = f"container_format is {COMPRESSED}, but the data is {what}"
        advice = f"use the packed file as the source, or declare container_format: bare; {_IGNORE_HINT}"
        raise FormatMismatch(message, advice)
