"""The zip file of an artifact -> one member of it, within limits. Pure.

The author of a pull request may have written the archive: only the named member is read, nothing is extracted, and
neither its size nor the number of its members is trusted.
"""

import io
import lzma
import zipfile
import zlib
from typing import Final

from imagesync.errors import ForgeError

MAX_ARCHIVE_BYTES: Final = 64 * 2**20
MAX_MEMBER_BYTES: Final = 256 * 2**20
"""As much as imagesync reads of a saved plan."""
MAX_MEMBERS: Final = 1_000
_ENTRY: Final = b"PK\x01\x02"
"""Each entry of the directory of a zip file begins with these bytes (APPNOTE.TXT, 4.3.12)."""


def read_member(archive: bytes, name: str, where: str, *, max_bytes: int = MAX_MEMBER_BYTES) -> bytes:
    """The member of this name; ForgeError if it is not there once, or if the archive is damaged or too large.

    ``where``: the artifact, for messages.
    """
    if archive.count(_ENTRY) > MAX_MEMBERS:
        raise _refuse(where, f"has more than {MAX_MEMBERS:,} files")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            same = [member for member in opened.infolist() if member.filename == name]
            if len(same) != 1:
                raise _refuse(where, f"has {'no file' if not same else f'{len(same)} files with the name'} {name}")
            with opened.open(same[0]) as member:
                content = member.read(max_bytes + 1)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise _refuse(where, "is not a zip file that can be read") from error
    if len(content) > max_bytes:
        raise _refuse(where, f"has a {name} that is larger than {max_bytes // 2**20} MiB, the limit")
    return content


def _refuse(where: str, what: str) -> ForgeError:
    return ForgeError(
        f"{where} {what}", "let the job of the plan keep the file that imagesync plan -o plan.json writes"
    )
