"""The bytes of an image -> whether they are what they are said to be, and safe. Pure: bytes in, a verdict out.

Formats are recognised by oslo.utils' inspectors, the ones that the image service itself uses, and judged by its rules
(``glance.location``): what passes here passes there. A service that refuses data which it has read spoils the record, so
the verdict comes first, as early as the data allows.
"""

from collections.abc import Mapping
from typing import Any, Final

from imagesync.errors import FormatMismatch
from imagesync.formats.extents import Extent

HEAD: Final = 2**16
"""Bytes by which every format is recognised; the service looks at pieces of this size too."""
RAW: Final = "raw"
PLOOP: Final = "ploop"
"""The service recognizes no such disk: it takes any data."""
RECOGNISABLE: Final = frozenset({"qcow2", "vmdk", "vhd", "vhdx", "vdi", "iso"})
"""Disk formats that the data itself shows; data of the others must not look like one of these."""
DISGUISED: Final = frozenset({"qcow2", "vmdk", "vhd", "vhdx", "vdi", "qed"})
"""Formats of a file around a disk: declared raw, a machine would boot the file itself. The service would take them."""
ALWAYS_UNSAFE: Final = frozenset({"qcow2", "vmdk", "qed"})
"""Formats that may point at other files, so that they are judged in whatever container."""


class Inspection:
    """Looks at the data of one image as it streams by.

    The service judges the data of ``bare`` images only: in an ova is an archive, in an aki a kernel. ``is_measured``:
    whether data that is cut short is refused, too, which the service takes.
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
    def recognised(self) -> str:
        """The format by its bytes, ``raw`` for any other; after the first 64 KiB."""
        return next(iter(self._inspectors), RAW)

    @property
    def least_size(self) -> int:
        """Bytes that a machine sees of the disk, as far as the data has told; for raw data those seen so far."""
        if self._settled and self._format in self._inspectors:
            return int(self._inspectors[self._format].virtual_size)
        return self._seen if self._format == RAW else 0

    def feed(self, chunk: bytes) -> None:
        """The next bytes; FormatMismatch as soon as they tell that the image is another or not safe."""
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
            self._look(chunk[start : start + HEAD])
        if all(one.complete for one in self._inspectors.values()):
            self._check_safety()

    def finish(self) -> int:
        """After the last byte: the bytes that a machine sees of the disk; FormatMismatch as for ``feed``."""
        if not self._settled:
            self._look(self._settle())
        if self._extent:
            self._extent.finish()
        if not self._safe:
            for one in self._inspectors.values():
                one.finish()
            self._check_safety()
        return self.least_size or self._seen

    def _look(self, piece: bytes) -> None:
        for name, one in self._inspectors.items():
            if name in self._broken or not piece:
                continue
            try:
                one.eat_chunk(piece)
            except Exception:  # an inspector raises whatever its parser met: then it has seen enough
                self._broken.add(name)

    def _settle(self) -> bytes:
        """Judge the first bytes; those after them, not yet looked at."""
        head, rest = bytes(self._head[:HEAD]), bytes(self._head[HEAD:])
        self._head.clear()
        self._look(head)
        self._inspectors = {name: one for name, one in self._inspectors.items() if one.format_match}
        if self._inspectors.keys() == {"iso", "gpt"} and self._format != RAW:
            del self._inspectors["gpt"]  # an iso that boots from a stick, too; the service refuses it as raw
        self._settled = True
        if self._format is not None and self._bare:
            self._check_format(self._format)
            if self._is_measured and (self._format != RAW or self.recognised not in DISGUISED):
                self._extent = Extent(PLOOP if self._format == PLOOP else self.recognised)
                self._extent.feed(head)
        return rest

    def _check_format(self, wanted: str) -> None:
        found = sorted(self._inspectors)
        if len(found) > 1:
            hint = "declare disk_format: iso" if found == ["gpt", "iso"] else "rebuild the image"
            raise FormatMismatch(f"the data is {' and '.join(found)} at once", hint)
        expected = wanted if wanted in RECOGNISABLE else RAW
        if wanted != RAW and expected != self.recognised:
            display = {"": "looks like raw", "gpt": "is a raw disk with partitions"}.get(
                name := "".join(found), f"is {name}"
            )
            raise FormatMismatch(f"the data {display}, not {wanted}", _advise(wanted, self.recognised))

    def _check_safety(self) -> None:
        self._safe = True
        for name, one in self._inspectors.items():
            if not self._bare and name not in ALWAYS_UNSAFE:
                continue
            try:
                one.safety_check()
            except Exception as error:
                raise _unsafe_error(name, error) from error


def check_not_disguised(disk_format: str | None, recognised: str) -> None:
    """FormatMismatch for a file around a disk that is declared raw, which the service takes and no machine boots."""
    if disk_format == RAW and recognised in DISGUISED:
        message = f"the data is {recognised}, not raw: a machine would boot the {recognised} file itself"
        raise FormatMismatch(message, f"declare disk_format: {recognised}, or correct the source")


def _advise(wanted: str, recognised: str) -> str:
    """A fixed VHD has nothing but a footer, which nobody sees before all data came, and the image service never."""
    if wanted == "vhd" and recognised in (RAW, "gpt"):
        return "correct the source; a fixed vhd must be declared raw, or converted: qemu-img convert -O vpc"
    return "correct disk_format, or the source"


def _unsafe_error(name: str, error: Exception) -> FormatMismatch:
    failures = getattr(error, "failures", None)
    why = "; ".join(map(str, failures.values())) if failures else str(error)
    if name == "gpt":
        message = f"the first sector ends in 55 AA but has no sane partition table: {why}"
        return FormatMismatch(message, "mend the partition table: the image service refuses such a disk")
    points_elsewhere = name in ("qcow2", "vmdk")
    hint = "flatten the image with qemu-img convert" if points_elsewhere else "the image service refuses it: convert it"
    return FormatMismatch(f"the {name} data is not safe to boot: {why}", hint)
