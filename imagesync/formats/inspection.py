"""The bytes of an image -> FormatMismatch if they are not of the declared format, or unsafe. Pure.

The inspectors of oslo.utils, which the image service also uses, recognize the formats, and the rules are those of the
service (``glance.location``). Data that passes here is therefore accepted there. The image of rejected data cannot be used
again, so the checks are done as early as possible.
"""

from collections.abc import Mapping
from typing import Any, Final

from imagesync.errors import FormatMismatch
from imagesync.formats.extents import Extent

HEAD: Final = 2**16
"""Bytes in which every format can be recognized. The service also inspects pieces of this size."""
RAW: Final = "raw"
PLOOP: Final = "ploop"
"""The service does not recognize this format: it accepts any data."""
RECOGNIZABLE: Final = frozenset({"qcow2", "vmdk", "vhd", "vhdx", "vdi", "iso"})
"""Disk formats that can be recognized. Data of other formats must not look like one of them."""
DISGUISED: Final = frozenset({"qcow2", "vmdk", "vhd", "vhdx", "vdi", "qed"})
"""Formats that contain a disk. Declared as raw, the service accepts them, and a machine would boot the file itself."""
ALWAYS_UNSAFE: Final = frozenset({"qcow2", "vmdk", "qed"})
"""Formats that may refer to other files; they are checked in every container format."""


class Inspection:
    """Checks the data of one image, chunk by chunk.

    The service checks only ``bare`` images: an ova contains an archive, an aki a kernel. ``is_measured``: also refuse data
    that is cut short, which the service accepts.
    """

    def __init__(
        self, disk_format: str | None, container_format: str | None = "bare", *, is_measured: bool = True
    ) -> None:
        self._is_measured = is_measured
        self._format, self._bare = disk_format, container_format in ("bare", None)
        self._inspectors: dict[str, Any] = {}
        self._broken: set[str] = set()
        self._head = bytearray()
        self._seen = 0
        self._settled = False
        self._safe = False
        self._extent: Extent | None = None
        if disk_format is not None:
            from oslo_utils.imageutils import format_inspector

            kinds: Mapping[str, Any] = format_inspector.ALL_FORMATS
            self._inspectors = {name: kind() for name, kind in kinds.items() if name != RAW}

    @property
    def recognized(self) -> str:
        """The format by the data, ``raw`` if it is none that can be recognized. Known after the first 64 KiB."""
        return next(iter(self._inspectors), RAW)

    @property
    def least_size(self) -> int:
        """The size of the disk in bytes, as far as it is known; of raw data, the bytes read so far."""
        if self._settled and self._format in self._inspectors:
            return int(self._inspectors[self._format].virtual_size)
        return self._seen if self._format == RAW else 0

    def feed(self, chunk: bytes) -> None:
        """Read the next bytes; FormatMismatch as soon as they show another format or are not safe."""
        self._seen += len(chunk)
        if not self._settled:
            self._head += chunk
            if len(self._head) < HEAD:
                return
            chunk = self._settle()
        if self._extent:
            self._extent.feed(chunk)
        if self._safe:
            return
        for start in range(0, len(chunk), HEAD):
            self._inspect(chunk[start : start + HEAD])
        if all(one.complete for one in self._inspectors.values()):
            self._check_safety()

    def finish(self) -> int:
        """To be called after the last byte: the size of the disk in bytes; FormatMismatch as for ``feed``."""
        if not self._settled:
            self._inspect(self._settle())
        if self._extent:
            self._extent.finish()
        if not self._safe:
            for one in self._inspectors.values():
                one.finish()
            self._check_safety()
        return self.least_size or self._seen

    def _inspect(self, piece: bytes) -> None:
        for name, one in self._inspectors.items():
            if name in self._broken or not piece:
                continue
            try:
                one.eat_chunk(piece)
            except Exception:  # an inspector raises any error of its parser, and is not used again
                self._broken.add(name)

    def _settle(self) -> bytes:
        """Check the first 64 KiB; return the bytes after them, which are not inspected yet."""
        head, rest = bytes(self._head[:HEAD]), bytes(self._head[HEAD:])
        self._head.clear()
        self._inspect(head)
        self._inspectors = {name: one for name, one in self._inspectors.items() if one.format_match}
        if self._inspectors.keys() == {"iso", "gpt"} and self._format != RAW:
            del self._inspectors["gpt"]  # an iso that also boots from a USB stick; the service rejects it as raw
        self._settled = True
        if self._format is not None and self._bare:
            self._check_format(self._format)
            if self._is_measured and (self._format != RAW or self.recognized not in DISGUISED):
                self._extent = Extent(PLOOP if self._format == PLOOP else self.recognized)
                self._extent.feed(head)
        return rest

    def _check_format(self, wanted: str) -> None:
        found = sorted(self._inspectors)
        if len(found) > 1:
            hint = "declare disk_format: iso" if found == ["gpt", "iso"] else "build the image again"
            raise FormatMismatch(f"the data is both {' and '.join(found)}", hint)
        expected = wanted if wanted in RECOGNIZABLE else RAW
        if wanted != RAW and expected != self.recognized:
            name = "".join(found)
            description = {"": "looks like raw", "gpt": "is a raw disk with partitions"}.get(name, f"is {name}")
            raise FormatMismatch(f"the data {description}, not {wanted}", _advise(wanted, self.recognized))

    def _check_safety(self) -> None:
        self._safe = True
        for name, one in self._inspectors.items():
            if not self._bare and name not in ALWAYS_UNSAFE:
                continue
            try:
                one.safety_check()
            except Exception as error:
                raise _unsafe_error(name, error) from error


def check_not_disguised(disk_format: str | None, recognized: str) -> None:
    """FormatMismatch for data that contains a disk but is declared as raw: the service accepts it, but it cannot boot."""
    if disk_format == RAW and recognized in DISGUISED:
        message = f"the data is {recognized}, not raw: a machine would boot the {recognized} file itself"
        raise FormatMismatch(message, f"declare disk_format: {recognized}, or correct the source")


def _advise(wanted: str, recognized: str) -> str:
    """The remedy for another format. A fixed VHD has only a footer, and the image service does not recognize it."""
    if wanted == "vhd" and recognized in (RAW, "gpt"):
        return "declare disk_format: raw for a fixed vhd, or convert it: qemu-img convert -O vpc"
    return "correct disk_format or the source"


def _unsafe_error(name: str, error: Exception) -> FormatMismatch:
    failures = getattr(error, "failures", None)
    why = "; ".join(map(str, failures.values())) if failures else str(error)
    if name == "gpt":
        message = f"the first sector ends with 55 AA but has no valid partition table: {why}"
        return FormatMismatch(message, "repair the partition table, because the image service rejects such a disk")
    can_refer_to_files = name in ("qcow2", "vmdk")
    hint = (
        "flatten the image with qemu-img convert"
        if can_refer_to_files
        else "convert the image to another format, because the image service rejects it"
    )
    return FormatMismatch(f"the {name} data is not safe to boot: {why}", hint)
