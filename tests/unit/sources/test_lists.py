"""Lists of digests as upstreams publish them -> the digests of one file."""

import pytest

from imagesync.errors import SourceError
from imagesync.model.catalog import Checksum
from imagesync.sources.lists import MAX_LINE_BYTES, read_list

A, B = "a" * 64, "b" * 64
LONG = "c" * 128


def find_digests(text: str, place: str) -> tuple[Checksum, ...]:
    """What a list says of one place; raises what it says else."""
    found = read_list(text.encode(), [place])[place]
    if isinstance(found, SourceError):
        raise found
    return found


CLEAR_SIGNED = f"""-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

# Fedora-Cloud: 100 bytes
- -- a line that began with a dash
SHA256 (disk.qcow2) = {A}
-----BEGIN PGP SIGNATURE-----

iQIzBAEBCAAdFiEE{B}
-----END PGP SIGNATURE-----
"""


@pytest.mark.parametrize(
    "text",
    [
        f"{B}  other.img\n{A}  disk.qcow2\n",
        f"{A} *disk.qcow2\r\n{B} *disk.qcow2.manifest\r\n",
        f"{A}  ./disk.qcow2",
        f"SHA256 (disk.qcow2) = {A}\nSHA256 (other) = {B}",
        f"SHA2-256(disk.qcow2)= {A}\nSHA256(disk.qcow2)= {A.upper()}",
        f"{A}\n",
        f"{A}  -\n",
        CLEAR_SIGNED,
        CLEAR_SIGNED.replace("iQIzBAEB", f"{B}  disk.qcow2\niQIzBAEB"),
        CLEAR_SIGNED.replace("Hash: SHA256\n", f"Hash: SHA256\n{B}  disk.qcow2\n"),
        f"{CLEAR_SIGNED}{B}  disk.qcow2\n",
        f"{B}  amd64/disk.qcow2\n{A}  24.04/disk.qcow2\n",
        f"<p>notes</p>\n{A}  disk%2Eqcow2\n",
    ],
)
def test_every_form_is_read(text: str) -> None:
    """GNU, BSD, OpenSSL, bare, within a clear signature; of several folders the one that fits best."""
    (found,) = find_digests(text, "https://mirror.example/24.04/disk.qcow2?token=x")
    assert str(found) == f"sha256:{A}"


def test_several_algorithms_come_strongest_first() -> None:
    """All of them are kept, so that a manifest may go from one to another without an upload."""
    text = f"MD5 (disk) = {'d' * 32}\nSHA256 (disk) = {A}\nSHA512 (disk) = {LONG}\n"
    assert [digest.algorithm for digest in find_digests(text, "/images/disk")] == ["sha512", "sha256", "md5"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{A}  other\n", "the list has no digest for disk"),
        ("<html>log in</html>", "it is an HTML page, and has no digest for disk"),
        ("", "the list has no digest for disk"),
        (f"{A}  disk\n{B}  disk\n", "the list has two different digests for disk"),
        (f"{A}\n{B}\n", "the list has two different digests for disk"),
        (f"{A}  notdisk\n", "the list has no digest for disk"),
        (f"MD5 (disk) = {A}\n", "the list has no digest for disk"),
    ],
)
def test_a_list_that_does_not_decide_is_an_error(text: str, message: str) -> None:
    """No guess is made."""
    with pytest.raises(SourceError, match=message):
        find_digests(text, "https://mirror.example/disk")


def test_one_reading_serves_all_files() -> None:
    """Each file gets its own digests, from the entry whose folders fit best; none where several fit alike."""
    text = f"{A}  24.04/disk\n{B}  22.04/disk\n{'c' * 64}  notes\n"
    places = ["https://mirror.example/24.04/disk", "/images/22.04/disk", "https://mirror.example/20.04/disk", "/none"]
    found = read_list(text.encode(), places)
    digests = [str(entry[0]) if isinstance(entry, tuple) else entry.message for entry in found.values()]
    two, none = "the list has two different digests for disk", "the list has no digest for none"
    assert digests == [f"sha256:{A}", f"sha256:{B}", two, none]


def test_a_line_that_is_no_entry_however_long_is_passed_over() -> None:
    """A name of more than a path's length is nobody's."""
    long = "x" * MAX_LINE_BYTES
    assert find_digests(f"{B}  {long}/disk\n{A}  disk\n", "/images/disk") == (Checksum("sha256", A),)


def test_the_time_is_looked_at_while_a_list_is_read() -> None:
    """Millions of lines take seconds; whoever calls may end the reading."""
    looks: list[None] = []
    read_list(f"{A}  other\n".encode() * 20_000, ["/disk"], lambda: looks.append(None))
    assert len(looks) == 5
