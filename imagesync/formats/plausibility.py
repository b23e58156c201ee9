"""The first bytes of data, its formats -> whether a machine could boot it at all. Pure: bytes in, a verdict out.

The image service stores as ``raw`` whatever it is given. In containers other than ``bare`` an archive is right, and so is
a packed kernel; a page for people is right nowhere.
"""

from typing import Final

from imagesync.errors import FormatMismatch
from imagesync.formats.contents import LFS_POINTER, TAR, Finding, Kind, is_page, recognize
from imagesync.formats.inspection import HEAD

COMPRESSED: Final = "compressed"
"""The container format of packed disks."""
_KERNELS: Final = frozenset({"aki", "ari", "ami"})


class Plausibility:
    """Looks at the head of the data of one image.

    ``unpacked``: imagesync unpacked it on the way. ``is_staged``: the service may unpack it, or convert it otherwise, before
    it stores it.
    """

    def __init__(
        self, disk_format: str | None, container_format: str | None, *, unpacked: bool, is_staged: bool = False
    ) -> None:
        self._format, self._unpacked, self._is_staged = disk_format, unpacked, is_staged
        self._is_disk = container_format in ("bare", None) and disk_format not in (None, *_KERNELS)
        self._is_packed = container_format == COMPRESSED
        self._head = bytearray()
        self.is_judged = False
        """Whether enough came to tell."""

    def feed(self, chunk: bytes) -> None:
        """The next bytes; FormatMismatch as soon as enough came to tell that they are nothing to boot from."""
        if self.is_judged:
            return
        self._head += chunk[: HEAD - len(self._head)]
        if len(self._head) == HEAD:
            self.finish()

    def finish(self) -> None:
        """After the last byte; FormatMismatch as for ``feed``."""
        if self.is_judged:
            return
        self.is_judged, head = True, bytes(self._head)
        self._head.clear()
        if self._is_disk:
            self._check_disk(head)
        elif self._is_packed:
            _check_packed(head)
        elif is_page(head):
            raise FormatMismatch("the data is an HTML page", _PAGE_HINT)

    def _check_disk(self, head: bytes) -> None:
        if not head:
            raise FormatMismatch("there is no data: the source has 0 bytes", "correct the source")
        found = recognize(head)
        if found and not (self._is_staged and found.kind is not Kind.TEXT):
            state = "even after unpacking, the data is" if self._unpacked else "the data is"
            raise FormatMismatch(f"{state} {found.name}, not {self._format}", self._advise(found))

    def _advise(self, found: Finding) -> str:
        if found.kind is Kind.ARCHIVE:
            advice = "publish the disk inside it"
        elif found.kind is Kind.PACKED and found.compression and not self._unpacked:
            advice = f"declare compression: {found.compression}"
        elif found.kind is Kind.PACKED:
            advice = "unpack it and publish what is inside"
        elif found.name == LFS_POINTER:
            advice = "fetch the file that it stands for (git lfs pull)"
        else:
            advice = _PAGE_HINT
        return f"{advice}; if it is right as it is, declare source.inspect: none"


_PAGE_HINT: Final = "correct the source; it may want a log-in"


def _check_packed(head: bytes) -> None:
    found = recognize(head)
    if found is None or found.kind is Kind.TEXT or found.name == TAR:
        what = found.name if found else "not packed" if head else "empty"
        message = f"container_format is {COMPRESSED}, and the data is {what}"
        raise FormatMismatch(message, "publish the packed file, or declare container_format: bare")
