"""The bytes of an image -> FormatMismatch if it has fewer bytes than its headers and tables refer to. Pure.

One pass over the data reads headers and tables, in pieces, and skips everything else. A table that lies before the
reference to it cannot be read: only its own end counts, and for qcow2 also the refcounts.

Sources of the rules: qemu's ``docs/interop/qcow2.txt`` and ``block/{vmdk,vpc,vdi,parallels}.c``, the VMDK 5.0, VHD and VHDX
specifications, ECMA-119 (ISO 9660), UEFI section 5.3 (GPT), the LUKS on-disk format 1.2.3.
"""

from typing import Final

from imagesync.errors import FormatMismatch
from imagesync.formats.parsers.base import Parser
from imagesync.formats.parsers.parallels import Parallels
from imagesync.formats.parsers.qcow2 import Qcow2
from imagesync.formats.parsers.reader import SECTOR, Reader
from imagesync.formats.parsers.vdi import Vdi
from imagesync.formats.parsers.vhd import Vhd, read_fixed_size
from imagesync.formats.parsers.vhdx import Vhdx
from imagesync.formats.parsers.vmdk import Vmdk
from imagesync.formats.parsers.volumes import Gpt, Iso, Luks


class Extent:
    """Compares the size that an image needs by its headers and tables with the size of the data.

    Args:
        kind: The recognized format: qcow2, vmdk, vhd, vhdx, vdi, iso, gpt, luks; ploop if that is declared. Raw data has
            a known size only if it has the footer of a fixed vhd.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._reader = Reader()
        parser = _PARSERS.get(kind)
        self._parser = parser(self._reader) if parser else None

    def feed(self, chunk: bytes) -> None:
        """Read the next bytes; the first call has the first bytes of the file."""
        self._reader.feed(chunk)

    def finish(self) -> None:
        """To be called after the last byte: FormatMismatch if the file has fewer bytes than it needs."""
        self._reader.finish()
        if self._kind in _RAW:
            self._check_fixed_vhd()
        missing = self._parser.find_missing() if self._parser else None
        needed, size = self._reader.needed, self._reader.size
        if needed > size:
            missing = f"its tables refer to bytes up to {needed}; the file has {size} bytes"
        if missing:
            raise FormatMismatch(f"the {self._kind} data is cut short: {missing}", "fetch the file again")

    def _check_fixed_vhd(self) -> None:
        """A fixed VHD is a raw disk and a footer, so the image service recognizes and boots it as raw."""
        announced, found = read_fixed_size(self._reader.last), self._reader.size - SECTOR
        if announced is not None and announced != found:
            message = (
                f"the data ends with the footer of a fixed vhd of {announced} bytes, but {found} bytes are before it"
            )
            raise FormatMismatch(message, "fetch the file again; if it is correct, declare source.inspect: none")


_RAW: Final = frozenset({"raw", "gpt", "luks"})
_PARSERS: Final[dict[str, type[Parser]]] = {
    "qcow2": Qcow2,
    "vmdk": Vmdk,
    "vhd": Vhd,
    "vhdx": Vhdx,
    "vdi": Vdi,
    "iso": Iso,
    "gpt": Gpt,
    "luks": Luks,
    "ploop": Parallels,
}
