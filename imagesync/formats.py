"""The first bytes of an image -> whether it is what it is said to be. Pure: bytes in, a verdict out.

Formats are recognised by oslo.utils' inspector, the one that the image service itself uses.
"""

from typing import Any, Final

from imagesync.errors import FormatMismatch

INSPECTED: Final = frozenset({"qcow2", "vmdk", "vhd", "vhdx", "vdi", "iso"})
"""Formats that can be told by their bytes; for the others anything goes."""


class Inspection:
    """Looks at the data of one image as it streams by."""

    def __init__(self, disk_format: str | None) -> None:
        self._format = disk_format if disk_format in INSPECTED else None
        self._inspector: Any = None
        self._seen = 0
        if self._format is not None:
            from oslo_utils.imageutils import format_inspector

            kind = format_inspector.get_inspector(self._format)
            self._inspector = kind() if kind else None

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""
        self._seen += len(chunk)
        if self._inspector is not None:
            self._inspector.eat_chunk(chunk)

    def virtual_size(self) -> int:
        """Bytes that a machine sees of the disk; FormatMismatch for other data, or data that is not safe to boot."""
        if self._inspector is None:
            return self._seen
        if not self._inspector.format_match:
            raise FormatMismatch(f"the data is not {self._format}", "correct disk_format, or the source")
        try:
            self._inspector.safety_check()
        except Exception as error:
            message = f"the {self._format} data is not safe to boot: {error}"
            raise FormatMismatch(message, "flatten the image") from error
        return int(self._inspector.virtual_size) or self._seen
