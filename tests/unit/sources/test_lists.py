"""Lists of digests as upstreams publish them -> the digests of one file."""

import hashlib
import json
import random

import pytest

from imagesync.errors import SourceError
from imagesync.model.catalog import Checksum
from imagesync.sources import lists as limits
from imagesync.sources.entries import read_algorithm
from imagesync.sources.lists import MAX_LINE_BYTES, MAX_LINES, read_list
from imagesync.sources.matching import Wanted

A, B = "a" * 64, "b" * 64
LONG = "c" * 128
DATA = b"a disk"
HEX = {name: hashlib.new(name, DATA).hexdigest() for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")}
BLAKE2B = hashlib.blake2b(DATA).hexdigest()
S256, S512 = HEX["sha256"], HEX["sha512"]
PLACE = "https://mirror.example/24.04/disk.qcow2?token=x"


def find_digests(content: str | bytes, place: str, url: str = "", entry: str = "") -> tuple[Checksum, ...]:
    """What a list says of one place; raises what it says else."""
    wanted = Wanted(place, entry)
    found = read_list(content if isinstance(content, bytes) else content.encode(), [wanted], url)[wanted]
    if isinstance(found, SourceError):
        raise found
    return found


def explain(content: str | bytes, url: str = "", place: str = PLACE) -> str:
    """The error of a list that does not decide."""
    with pytest.raises(SourceError) as caught:
        find_digests(content, place, url)
    return str(caught.value)


def group(digits: str, size: int = 8) -> str:
    """Digits as ``gpg --print-md`` writes them."""
    return " ".join(digits.upper()[at : at + size] for at in range(0, len(digits), size))


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
        f"{A}  disk.qcow2\r{B}  other\r",
        f"{A}  ./disk.qcow2",
        f"SHA256 (disk.qcow2) = {A}\nSHA256 (other) = {B}",
        f"SHA2-256(disk.qcow2)= {A}\nSHA256(disk.qcow2)= {A.upper()}",
        f"sha256 (disk.qcow2) = {A}\nSha-256 (other (1).img) = {B}",
        f"{A}\n",
        f"{A}  -\n",
        CLEAR_SIGNED,
        CLEAR_SIGNED.replace("iQIzBAEB", f"{B}  disk.qcow2\niQIzBAEB"),
        CLEAR_SIGNED.replace("Hash: SHA256\n", f"Hash: SHA256\n{B}  disk.qcow2\n"),
        f"{CLEAR_SIGNED}{B}  disk.qcow2\n",
        f"{B}  disk.qcow2\n{CLEAR_SIGNED}",
        f"{CLEAR_SIGNED}{CLEAR_SIGNED.replace(A, B)}",
        f"{B}  amd64/disk.qcow2\n{A}  24.04/disk.qcow2\n",
        f"<p>notes</p>\n{A}  disk%2Eqcow2\n",
        f"sha256: {A}  disk.qcow2\nsha256: {B}  other\n",
        f"sha256:{A}  disk.qcow2\n",
        f"SHA256 {A} disk.qcow2\n",
        f"sha256:{A}\n",
        f"SHA256: {A}\n",
        f"SHA256 = {A}\n",
        f"sha256sum: {A}\n",
        f"Checksum: {A}\n",
        f"checksum: sha256:{A}\n",
        f"disk.qcow2  {A}\nother  {B}\n",
        f"disk.qcow2: {A}\nother: {B}\n",
        f"disk.qcow2 = {A}\nother = {B}\n",
        f"disk.qcow2\t{A}\n",
        f"disk.qcow2: sha256:{A}\n",
        f"disk.qcow2: SHA256 = {A}\n",
        f"disk.qcow2:\n{A}\nother:\n{B}\n",
        f"other.qcow2\n{B}\n\ndisk.qcow2\nsha256: {A}\n",
        f"{A} 12345 disk.qcow2\n{B} 6 other\n",
        f" {A}            12345 24.04/disk.qcow2\n {B}  6 24.04/other\n",
        f"12345 {A} disk.qcow2\n6 {B} other\n",
        f"disk.qcow2 12345 {A}\nother 6 {B}\n",
        f"disk.qcow2 {A} 12345\nother {B} 6\n",
        f"| File | SHA256 |\n|---|---|\n| disk.qcow2 | `{A}` |\n| other | {B} | 6 |\n",
        f"disk.qcow2 | 123456 | {A}\nother | 6 | {B}\n",
        f"{A},disk.qcow2\n{B},other\n",
        f'"Algorithm","Hash","Path"\r\n"SHA256","{A.upper()}","D:\\out\\disk.qcow2"\r\n',
        f"\\{B}  out\\\\disk.qcow2\n{A}  disk.qcow2\n",
        f"[SHA256]\n{A}  disk.qcow2\n",
        f"* sha256: {A}\n",
        f"{B}  http://[/other.qcow2\n{A}  disk.qcow2\n",
        f"{A}  sha256\n{HEX['md5']}  (sha512/256)\n",
        f"disk.qcow2 (SHA256): {A}\nother (SHA256): {B}\n",
        f"# SHA256 HASH\nnote: feed beef\n{A}  disk-9.qcow2\n",
        f"disk.qcow2: {'abcd ' * 6}abcdabcd\n{A}  disk.qcow2\n",
        f"- sha256: {A}  disk.qcow2\n- md5:\n",
        f"# {B}  disk.qcow2\n// {B}  disk.qcow2\n; {B}  disk.qcow2\n{A}  disk.qcow2\n",
        f"# {B}\n// {B}\n; {B}\n{A}\n",
        f"{B}  my disk.qcow2\n{A}  disk.qcow2\n{B}  disk.qcow2 (1)\n",
    ],
)
def test_every_form_is_read(text: str) -> None:
    """As published, also within a clear signature; of several folders the one that fits best."""
    (found,) = find_digests(text, PLACE)
    assert str(found) == f"sha256:{A}"


GPG_ALL = f"""\
disk.qcow2:    MD5 = {group(HEX["md5"][:16], 2)}  {group(HEX["md5"][16:], 2)}
disk.qcow2:   SHA1 = {group(HEX["sha1"][:20], 4)}  {group(HEX["sha1"][20:], 4)}
disk.qcow2: RMD160 = {group(HEX["sha1"], 4)}
disk.qcow2: SHA224 = {group(HEX["sha224"])}
disk.qcow2: SHA256 = {group(S256[:56])}
                     {group(S256[56:])}
disk.qcow2: SHA512 = {group(S512[:56])}
                     {group(S512[56:112])}
                     {group(S512[112:])}
"""
GPG_LONG = f"""\
disk.qcow2:\x20
   MD5 = {group(HEX["md5"], 2)}
disk.qcow2:\x20
RMD160 = {group(HEX["sha1"], 4)}
disk.qcow2:\x20
SHA512 = {group(S512[:80])}
         {group(S512[80:])}
"""


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (f"disk.qcow2: {group(S256)}\nother: {group(B)}\n", ["sha256"]),
        (f"disk.qcow2: {group(S512[:64])}\n            {group(S512[64:])}\nother: {group(B)}\n", ["sha512"]),
        (f"disk.qcow2: \n{group(S512[:80])}\n {group(S512[80:])}\n", ["sha512"]),
        (f"{group(S512[:80])}\n {group(S512[80:])}\n", ["sha512"]),
        (f"{group(S256)}\n", ["sha256"]),
        (GPG_ALL, ["sha512", "sha256", "sha1", "md5"]),
        (GPG_LONG, ["sha512", "md5"]),
    ],
)
def test_groups_of_gnupg_are_put_together(text: str, names: list[str]) -> None:
    """``--print-md``, ``--print-mds``, of a short name, of a long one, and of standard input."""
    expected = tuple(Checksum(name, HEX[name]) for name in names)
    assert find_digests(text, PLACE) == expected


FILE_HASH_TABLE = f"""
Algorithm       Hash                                                                   Path
---------       ----                                                                   ----
SHA256          {S256.upper()}       D:\\my builds\\disk.qcow2
SHA256          {B.upper()}       D:\\my builds\\other.qcow2

"""
FILE_HASH_LIST = f"""

Algorithm : SHA512
Hash      : {S512[:104].upper()}
            {S512[104:].upper()}
Path      : D:\\my builds\\disk.qcow2

Algorithm : SHA256
Hash      : {B.upper()}
Path      : D:\\my builds\\a very long folder\\
            other.qcow2

"""
CERTUTIL = f"""SHA256 hash of file disk.qcow2:
{group(S256, 2).lower()}
CertUtil: -hashfile command completed successfully.
"""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (FILE_HASH_TABLE, "sha256"),
        (FILE_HASH_LIST, "sha512"),
        (CERTUTIL, "sha256"),
        (CERTUTIL.replace(" of file ", " of ").replace(group(S256, 2).lower(), S256), "sha256"),
        (f"{S256.upper()} *out\\disk.qcow2\n", "sha256"),
        (f"{S256} *out\\disk.qcow2\n{B} *out\\other.qcow2\n", "sha256"),
        (f"{S256.upper()}\n", "sha256"),
    ],
)
@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_lists_made_on_windows_are_read(text: str, name: str, coding: str) -> None:
    """``Get-FileHash`` as a table and as a list, ``certutil``, backslashes; in all codings that its programs write."""
    content = text.replace("\n", "\r\n").encode(coding)
    assert find_digests(content, PLACE) == (Checksum(name, HEX[name]),)


@pytest.mark.parametrize(
    "text",
    [
        f"# BLAKE2B HASH\n{BLAKE2B}  disk.qcow2\n# SHA512 HASH\n{S512}  disk.qcow2\n",
        f"# SHA512 HASH\n{S512}  disk.qcow2\n# WHIRLPOOL HASH\n{BLAKE2B}  disk.qcow2\n",
        f"# UNHEARD HASH\n{BLAKE2B}  disk.qcow2\n## SHA-512 checksums:\n{S512}  disk.qcow2\n",
        f"BLAKE2b (disk.qcow2) = {BLAKE2B}\nSHA512 (disk.qcow2) = {S512}\n",
        f"blake2b: {BLAKE2B}  disk.qcow2\nsha512: {S512}  disk.qcow2\n",
        f"blake2b:{BLAKE2B}  disk.qcow2\nsha512:{S512}  disk.qcow2\n",
        f"BLAKE2b:\n{BLAKE2B}  disk.qcow2\nSHA512:\n{S512}  disk.qcow2\n",
        f"# MD5 HASH\n{HEX['md5']}  other\n# SHA256 and SHA512 hashes\n{S512}  disk.qcow2\n",
        f"SHA3-512 (disk.qcow2) = {BLAKE2B}\nSHA512 (disk.qcow2) = {S512}\n",
    ],
)
def test_what_a_list_says_of_an_algorithm_counts_before_its_length(text: str) -> None:
    """Headings, tags and labels; BLAKE2b and Whirlpool have 128 digits, too."""
    assert find_digests(text, PLACE, "https://mirror.example/24.04/DIGESTS") == (Checksum("sha512", S512),)


@pytest.mark.parametrize(
    ("text", "name", "algorithm"),
    [
        (f"{BLAKE2B}  disk.qcow2\n", "B2SUMS", "BLAKE2B"),
        (f"{BLAKE2B}  disk.qcow2\n", "b2sums.txt", "BLAKE2B"),
        (f"{BLAKE2B}\n", "disk.qcow2.b2", "BLAKE2B"),
        (f"{BLAKE2B}\n", "get?file=lists/B2SUMS", "BLAKE2B"),
        (f"{BLAKE2B}  disk.qcow2\n", "x-blake2b-CHECKSUM", "BLAKE2B"),
        (f"{BLAKE2B}  disk.qcow2\n", "disk.qcow2.whirlpool.asc", "WHIRLPOOL"),
        (f"{S256}  disk.qcow2\n", "SHA3-256SUMS", "SHA3-256"),
        (f"| disk.qcow2 | blake2b:{BLAKE2B} |\n", "CHECKSUM", "BLAKE2B"),
        (f"BLAKE2B,{BLAKE2B},disk.qcow2\n", "CHECKSUM", "BLAKE2B"),
        (f"SHA512/256 (disk.qcow2) = {S256}\n", "CHECKSUM", "SHA512/256"),
        (f"# TIGER HASH\n{S256}  disk.qcow2\n", "CHECKSUM", "TIGER"),
        (f"HMAC-SHA256(disk.qcow2)= {S256}\n", "CHECKSUM", "HMAC-SHA256"),
        (f"{HEX['sha224']}  disk.qcow2\n", "CHECKSUM", "SHA224"),
        (json.dumps({"name": "disk.qcow2", "blake2b": BLAKE2B}), "x.json", "BLAKE2B"),
    ],
)
def test_an_algorithm_that_cannot_be_verified_is_refused_by_name(text: str, name: str, algorithm: str) -> None:
    """The same length does not make it a digest of another algorithm, nor the file a changed one."""
    message = explain(text, f"https://mirror.example/24.04/{name}")
    assert (
        f"the checksum list has only {algorithm} digests for disk.qcow2; imagesync verifies md5, sha1, sha256"
        in message
    )


@pytest.mark.parametrize(
    "name",
    ["SHA512SUMS", "disk.qcow2.sha512", "CHECKSUM.SHA512", "sha512sum.txt", "x-sha512-CHECKSUM", "sums", "x.sha"],
)
def test_the_name_of_a_list_may_name_its_algorithm(name: str) -> None:
    """Or nothing; then the length does."""
    assert find_digests(f"{S512}  disk.qcow2\n", PLACE, f"https://m.example/{name}") == (Checksum("sha512", S512),)


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (f"{S512}  disk.qcow2\n", "SHA256SUMS", "line 1: 128 digits, but the list's name names sha256, which has 64"),
        (
            f"\n# MD5 HASH\n{S512}  disk.qcow2\n",
            "X",
            "line 3: 128 digits, but the heading in line 2 names md5, which has 32",
        ),
        (f"SHA256 (disk.qcow2) = {HEX['sha1']}\n", "X", "line 1: 40 digits, but its label names sha256, which has 64"),
        (f"{A} {B} disk.qcow2\n", "X", "line 1 has more than one digest"),
        (f"{A}  disk.qcow2 {B}\n", "X", "line 1 has more than one digest"),
        (f"| disk.qcow2 | {HEX['md5']} | {A} |\n", "X", "line 1 has more than one digest"),
        (f"| disk.qcow2 | the new one | {A} |\n", "X", "line 1 has more than one cell that could be the name"),
        (f"\ndisk.qcow2 {A} of today\n", "X", "line 2 has text on both sides of its digest"),
        (f"File name: other.qcow2\nSHA256: {A}\n", "X", "line 1 names a file in an unknown form"),
        (f"file: other.qcow2\nsha256: {A}\n", "X", "line 1 names a file in an unknown form"),
        (f"- name: other\n  md5: {HEX['md5']}\n- sha256: {A}\n", "X", "line 1 names a file in an unknown form"),
        (
            f"SHA256: {HEX['md5']}\nMD5: {HEX['md5']}\n",
            "X",
            "line 1: 32 digits, but its label names sha256, which has 64",
        ),
    ],
)
def test_a_line_that_is_ambiguous_is_refused(text: str, name: str, message: str) -> None:
    """No guess is made; the message says which line and why."""
    output = explain(text, f"https://mirror.example/24.04/{name}")
    assert output == f"the checksum list has no clear digest for disk.qcow2: {message}; declare the checksum itself"
    clear = f"{text}SHA256 (disk.qcow2) = {S256}\n"
    assert find_digests(clear, PLACE, f"https://m.example/{name}") == (Checksum("sha256", S256),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        (" \r\n\n", "it is empty"),
        ("Not found\nat all", "nothing in it can be read as a checksum: its first line is 'Not found'"),
        (
            "\n\n<?xml version='1.0'?>\n",
            "nothing in it can be read as a checksum: its first line is \"<?xml version='1.0'?>\"",
        ),
        ("{}", "nothing in it can be read as a checksum: its first line is '{}'"),
        (f"{A}  {B}\n", "nothing in it can be read as a checksum: line 1 has more than one digest"),
        ("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n", "nothing in its signed text can be read as a checksum"),
        ("x" * 9000, f"nothing in it can be read as a checksum: its first line is '{'x' * 78}…"),
        ("password: hunter2hunter2\n", "characters, not shown: looks like a secret"),
        ('{"a": ', "it begins like JSON but is not valid JSON"),
        ("[" * 100_000, "it begins like JSON but is not valid JSON"),
        ("[" + "0," * 600_000 + "0]", "it is JSON with too many values"),
        ("<html>log in</html>", "it is an HTML page, and has no digest for disk.qcow2"),
        (f"<!DOCTYPE html>\n<pre>\n{A}  disk.qcow2\n</pre>\n", "it is an HTML page, and has no digest for disk.qcow2"),
        ("a\n" * (MAX_LINES + 1), "it has more than 1,000,000 lines, so it is not a checksum list"),
        (
            f"{A}  disk.qcow2.xz\n{B}  notes\n",
            "disk.qcow2 is not in the checksum list (2 entries, e.g. disk.qcow2.xz, notes)",
        ),
        (
            f"{A}  notes.txt\n",
            "disk.qcow2 is not in the checksum list (1 entry, e.g. notes.txt); check the name or set",
        ),
        (f"{A}  disk.qcow2\n{B}  disk.qcow2\n", "the checksum list has two different sha256 digests for disk.qcow2"),
        (f"{A}\n{B}\n", "the checksum list has two different sha256 digests for disk.qcow2"),
        (f"{group(A)}\n{group(B)}\n", "the checksum list has two different sha256 digests for disk.qcow2"),
        (f"{A}  notdisk.qcow2\n{B}  other\n", "disk.qcow2 is not in the checksum list"),
    ],
)
def test_a_list_that_does_not_decide_is_an_error(text: str, message: str) -> None:
    """Nothing in it can be read, or it lacks the file: two different things to do."""
    assert message in explain(text)


def test_the_nearest_names_are_shown() -> None:
    """Three of them, however many there are: what is equal at the beginning and at the end counts."""
    names = [f"disk-{number}-arm64.raw" for number in range(50)] + ["disk-7-amd64.qcow2", "x-8-amd64.qcow2"]
    random.Random(1).shuffle(names)
    text = "".join(f"{number:064x}  {name}\n" for number, name in enumerate(names))
    assert "(52 entries, e.g. disk-7-amd64.qcow2, " in explain(text, place="https://mirror.example/disk-8-amd64.qcow2")


def test_several_algorithms_come_strongest_first() -> None:
    """All of them are kept, so a manifest may change from one to another without an upload."""
    text = f"MD5 (disk) = {'d' * 32}\nSHA256 (disk) = {A}\nSHA512 (disk) = {LONG}\n"
    assert [digest.algorithm for digest in find_digests(text, "/images/disk")] == ["sha512", "sha256", "md5"]


def test_one_reading_serves_all_files() -> None:
    """Each file gets its own digests, from the entry whose folders fit best; none where none of them does."""
    text = f"{A}  24.04/disk\n{B}  22.04/disk\n{'c' * 64}  notes\n"
    places = ["https://mirror.example/24.04/disk", "/images/22.04/disk", "https://mirror.example/20.04/disk", "/none"]
    found = read_list(text.encode(), list(map(Wanted, places)))
    digests = [str(entry[0]) if isinstance(entry, tuple) else entry.message for entry in found.values()]
    assert digests[:2] == [f"sha256:{A}", f"sha256:{B}"]
    assert digests[2].startswith("the checksum list has disk in other folders only (e.g. 24.04/disk, 22.04/disk")
    assert digests[3].startswith("none is not in the checksum list (3 entries, e.g. ")


def test_a_line_that_is_no_entry_however_long_is_passed_over() -> None:
    """A name longer than a path belongs to no file."""
    long = "x" * MAX_LINE_BYTES
    assert find_digests(f"{B}  {long}/disk\n{A}  disk\n", "/images/disk") == (Checksum("sha256", A),)


def test_the_time_is_looked_at_while_a_list_is_read() -> None:
    """Millions of lines take seconds; the caller may end the reading."""
    looks: list[None] = []
    read_list(f"{A}  other\n".encode() * 20_000, [Wanted("/disk")], "", lambda: looks.append(None))
    assert len(looks) == 5
    with pytest.raises(SourceError):
        read_list(b"no entry\n" * 20_000, [Wanted("/disk")], "", lambda: looks.append(None))
    assert len(looks) == 10


@pytest.mark.parametrize(
    "text",
    [
        f"{S256}\ndisk.qcow2\n{B}\nother.qcow2\n",
        f"SHA256: {S256}\ndisk.qcow2\nSHA256: {B}\nother.qcow2\n",
        f"{S256}\ndisk.qcow2:\n{B}\nother.qcow2:\n",
        f"{group(S256)}\ndisk.qcow2:\n{B}\nother.qcow2:\n",
        f"other.qcow2\ndisk.qcow2\n{B}\n{S256}\n",
    ],
)
def test_a_name_below_its_digest_never_gets_the_next_files_digest(text: str) -> None:
    """Which of its neighbors is a name's digest is unknown, if the list begins with a digest, or with two names."""
    assert "has no clear digest for disk.qcow2" in explain(text) or "two different" in explain(text)


def test_a_name_keeps_the_digests_of_several_algorithms_below_it() -> None:
    """Up to the next line without a digest."""
    text = f"disk.qcow2\nMD5: {HEX['md5']}\nSHA256: {S256}\nother.qcow2\nMD5: {'0' * 32}\nSHA256: {B}\n"
    expected = (Checksum("sha256", S256), Checksum("md5", HEX["md5"]))
    assert find_digests(text, PLACE) == expected
    assert find_digests(text.replace("other.qcow2", S512), PLACE) == expected  # without a label it belongs to no file


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        "iso: {0}\nsha256: {1}\n",
        "download: https://x.example/{0}\nsha256: {1}\n",
        'image-of-this-build = "{0}"\nsha256 = "{1}"\n',
        "### {0}\n\nSHA256: {1}\n",
        "{0}\n=====\nSHA256: {1}\n",
        "{0}\n\nSHA256: {1}\n",
        "The SHA256 of {0} follows\n{1}\n",
        "{1}\n{0}\n",
    ],
)
def test_a_digest_without_a_name_is_not_of_a_file_that_the_list_names_elsewhere(text: str, *, ours: bool) -> None:
    """Fields of any name, headings, prose; the wanted file's own name does no harm."""
    if ours:
        assert find_digests(text.format("disk.qcow2", S256), PLACE) == (Checksum("sha256", S256),)
    else:
        message = explain(text.format("other.iso", B))
        assert "no clear digest for disk.qcow2: line " in message
        assert "names a file in an unknown form" in message


@pytest.mark.parametrize(
    "heading",
    [
        "BLAKE2b checksums of release 1.2:",
        "# The following are BLAKE2b hashes",
        "# generated with b2sum 9.4",
        "# verify with: b2sum -c FILE",
        "<!-- blake2b -->",
    ],
)
def test_prose_that_mentions_an_algorithm_of_the_same_length_is_no_sha512(heading: str) -> None:
    """A heading of its own, a label, or the list's name says more."""
    text = f"{heading}\n{BLAKE2B}  disk.qcow2\n"
    assert "the checksum list has only BLAKE2B digests for disk.qcow2" in explain(text)
    for clear in (f"{text}# SHA512 HASH\n{S512}  disk.qcow2\n", f"{heading}\nSHA512 (disk.qcow2) = {S512}\n"):
        assert find_digests(clear, PLACE) == (Checksum("sha512", S512),)
    assert find_digests(f"{heading}\n{S512}  disk.qcow2\n", PLACE, "https://m.example/SHA512SUMS")[0].value == S512


def test_a_heading_of_two_algorithms_of_the_same_length_decides_nothing() -> None:
    """Neither is taken for the other."""
    text = f"# SHA512 and BLAKE2B hashes\n{BLAKE2B}  disk.qcow2\n"
    assert "the checksum list has only BLAKE2B or sha512 digests for disk.qcow2" in explain(text)


@pytest.mark.parametrize("url", ["https://m.example/get?file=B2SUMS", "https://m.example/B2SUMS/download"])
def test_the_name_of_a_list_in_its_query_or_before_download_names_its_algorithm(url: str) -> None:
    """As sites for downloads have it."""
    assert "has only BLAKE2B digests" in explain(f"{BLAKE2B}  disk.qcow2\n", url)


def test_objects_of_get_filehash_in_another_order_keep_their_own_digests() -> None:
    """``Select-Object Path, Algorithm, Hash``, also without the empty lines between."""
    text = f"Path : other.qcow2\nAlgorithm : SHA256\nHash : {B}\nPath : disk.qcow2\nAlgorithm : SHA256\nHash : {S256}\n"
    assert find_digests(text, PLACE) == (Checksum("sha256", S256),)


def test_a_digest_within_the_name_of_a_line_makes_it_ambiguous() -> None:
    """Two entries that were run together."""
    assert "has more than one digest" in explain(f"SHA256 (other) = {B} (disk.qcow2) = {B}\n")


@pytest.mark.parametrize("between", ["12345", "2026-05-01", "12345 2026-05-01 12:00", "12345 2026-05-01T12:00:00Z"])
def test_a_size_and_a_date_between_digest_and_name_are_passed_over(between: str) -> None:
    """As listings of folders have them."""
    text = f"{S256}  {between}  disk.qcow2\n{B}  {between}  other.qcow2\n"
    assert find_digests(text, PLACE) == (Checksum("sha256", S256),)


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_line_has_at_most_8_kib(more: int) -> None:
    """Exactly that much is read."""
    assert MAX_LINE_BYTES == 8192
    folder = "x" * (MAX_LINE_BYTES + more - len(f"{A}  /disk"))
    text = f"{A}  {folder}/disk\n{B}  {folder}/other\n"
    if more <= 0:
        assert find_digests(text, f"/{folder}/disk") == (Checksum("sha256", A),)
    else:
        assert "nothing in it can be read as a checksum" in explain(text, place="/images/disk")


@pytest.mark.parametrize("more", [0, 1])
def test_a_list_has_at_most_a_million_lines(more: int) -> None:
    """A longer document is something else; it is not read."""
    assert MAX_LINES == 1_000_000
    text = f"{A}  disk\n{B}  other\n".encode() + b"\n" * (MAX_LINES - 2 + more)
    if more:
        assert "it has more than 1,000,000 lines, so it is not a checksum list" in explain(text, place="/disk")
    else:  # the reading has begun

        def check() -> None:
            raise TimeoutError

        with pytest.raises(TimeoutError):
            read_list(text, [Wanted("/disk")], "", check)


@pytest.mark.parametrize("number", [1, 4095, 4096, 8191, 8192])
def test_the_time_is_checked_every_4096_lines(number: int) -> None:
    """Also before the first; a check that fails ends the reading."""
    times: list[int] = []
    text = f"{A}  disk\n{B}  other\n" + "#\n" * (number - 2) if number > 1 else f"{A}  disk\n"

    def check() -> None:
        times.append(1)
        if len(times) == 3:
            raise TimeoutError

    if number == 8192:  # and the empty line at the end
        with pytest.raises(TimeoutError):
            read_list(text.encode(), [Wanted("/disk")], "", check)
    else:
        read_list(text.encode(), [Wanted("/disk")], "", check)
        assert len(times) == 1 + number // 4096


def test_lines_in_the_header_of_a_signed_text_are_not_signed() -> None:
    """They are between its first line and the first empty one; lines after the signature are not read either."""
    header = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n{B}  disk\n{B}  new\n\n"
    text = f"{header}{A}  disk\n{A}  other\n-----BEGIN PGP SIGNATURE-----\n\nx\n{B}  new\n-----END PGP SIGNATURE-----\n{B}  new\n"
    assert find_digests(text, "/disk") == (Checksum("sha256", A),)
    assert "new is not in the checksum list (2 entries" in explain(text, place="/new")
    empty = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n{B}  disk\n"
    assert "nothing in its signed text can be read as a checksum" in explain(empty, place="/disk")


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("more", [-2, -1, 1, 2])
def test_a_digest_of_another_length_than_its_algorithm_is_refused(name: str, more: int) -> None:
    """Shorter or longer; it is never cut or completed."""
    digits = (HEX[name] + "ab")[: len(HEX[name]) + more]
    text = f"{name.upper()} (disk) = {digits}\n{name.upper()} (other) = {HEX[name]}\n"
    text += f"{name.upper()} (more) = {HEX[name]}\n"
    assert find_digests(text, "/other")[0].value == HEX[name]
    with pytest.raises(SourceError):
        find_digests(text, "/disk")


def test_objects_of_get_filehash_are_complete_and_end_with_the_next_one() -> None:
    """A field that is there already begins the next object; only an indented line continues a value."""
    text = (
        f"Path : other.qcow2\nAlgorithm : SHA256\nHash : {B}\n"
        f"Path : disk.qcow2\nAlgorithm : SHA256\nHash : {S256}\nmade today\n"
        f"Algorithm : SHA256\nHash : {A}\nPath : third.qcow2\nmade today\n"
    )
    for name, value in (("other.qcow2", B), ("disk.qcow2", S256), ("third.qcow2", A)):
        assert find_digests(text, f"/{name}") == (Checksum("sha256", value),)
    assert "is not in the checksum list" in explain(f"Path : disk.qcow2\nHash : {S256}\n\n{A}  other\n")


def test_the_label_of_a_digest_counts_before_that_of_its_name() -> None:
    """A name with an algorithm, and a digest of another one below it."""
    text = f"SHA256 hash of file disk.qcow2:\nSHA512: {S512}\n"
    assert find_digests(text, PLACE) == (Checksum("sha512", S512),)


def test_after_a_digest_without_a_label_no_other_belongs_to_its_name() -> None:
    """It may be of the next file, whose own name is read as before."""
    text = f"disk.qcow2\n{S256}\nMD5: {HEX['md5']}\n"
    assert find_digests(text, PLACE) == (Checksum("sha256", S256),)
    text = f"disk.qcow2\nMD5: {HEX['md5']}\nother.qcow2\n{B}\n"
    assert find_digests(text, "/other.qcow2") == (Checksum("sha256", B),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{A} {B} other.img disk.qcow2\n{S256}  third.img\n", "line 1 has more than one digest"),
        (f"{A} {B} one two three four five disk.qcow2\n{S256}  third.img\n", "line 1 has more than one digest"),
        (f"| disk.qcow2 | SHA256 | SHA512 | {A} |\n", "line 1 has more than one cell that could be the name"),
        (f"\nother.iso\nsome words\n{B}\n", "line 2 names a file in an unknown form"),
        (f"commit:{B}  disk.qcow2\n", "nothing in it can be read as a checksum"),
        (f"other.img: NOTE = {group(S256)}\n{A}\n", "line 1 names a file in an unknown form"),
    ],
)
def test_why_a_line_is_ambiguous(text: str, message: str) -> None:
    """Its number, and the reason; each of its words may be the name."""
    assert message in explain(text)


def test_a_name_with_a_dot_is_no_heading() -> None:
    """Although its parts are words of headings."""
    for line in ("SHA512.sum", "file.sha512", "checksum.md5.file"):
        assert find_digests(f"{line}\n{S256}  disk.qcow2\n", PLACE) == (Checksum("sha256", S256),)


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.MAX_LINE_BYTES == 8192
    assert limits.MAX_LINES == 1_000_000
    assert limits.LINES_BETWEEN_CHECKS == 4096


@pytest.mark.parametrize("size", [2, 4, 8, 16])
def test_digits_in_groups_of_each_usual_length_are_joined(size: int) -> None:
    """As several programs print them; groups of other lengths are not read."""
    digits = hashlib.sha256(b"x").hexdigest()
    groups = " ".join(digits[at : at + size] for at in range(0, 64, size))
    assert find_digests(f"disk.img: {groups}\n", "disk.img") == (Checksum("sha256", digits),)


@pytest.mark.parametrize(
    ("label", "algorithm"),
    [
        *(("sha1", "sha1"), ("SHA-1", "sha1"), ("sha1sum", "sha1"), ("sha1x", None), ("sha12", None)),
        *(("SHA2-256", "sha256"), ("sha224", "SHA224"), ("md5sums", "md5"), ("md55", "MD55"), ("", None)),
        *((f"{'sha256':>40}", "sha256"), ("x" * 33, None), ("B2", "BLAKE2B"), ("b3sum", "BLAKE3")),
    ],
)
def test_a_label_is_read_as_a_whole(label: str, algorithm: str | None) -> None:
    """A word that only begins like an algorithm is none."""
    assert read_algorithm(label) == algorithm
