"""Which entry of a list is meant by a file: a name alone may be another file's."""

import pytest

from imagesync.errors import SourceError
from imagesync.sources import matching as limits
from imagesync.sources.lists import read_list
from imagesync.sources.matching import NotListedError, Wanted

A, B, C = "a" * 64, "b" * 64, "c" * 64
LIST = "https://m.example/images/SHA256SUMS"


def choose(text: str, place: str, entry: str = "", url: str = LIST) -> str:
    """The first letter of the digest that is chosen; else the message."""
    wanted = Wanted(place, entry)
    found = read_list(text.encode(), [wanted], url)[wanted]
    return found.message if isinstance(found, SourceError) else "".join(digest.value[0] for digest in found)


@pytest.mark.parametrize(
    ("text", "place", "chosen"),
    [
        (f"{B}  ./gtk/mini.img\n{A}  ./mini.img\n", "/images/mini.img", "a"),
        (f"{B}  ./gtk/mini.img\n{A}  ./mini.img\n", "/images/gtk/mini.img", "b"),
        (f"{B}  images/mini.img\n{A}  mini.img\n", "/images/mini.img", "a"),
        (f"{B}  gtk/mini.img\n{A}  xen/mini.img\n", "/images/xen/mini.img", "a"),
        (f"{A}  ../other/mini.img\n{B}  mini.img\n", "/other/mini.img", "a"),
        (f"{A}  ../other/mini.img\n{B}  other/mini.img\n", "/other/mini.img", "a"),
        (f"{A}  ../images/mini.img\n{B}  gtk/mini.img\n", "/images/mini.img", "a"),
        (f"{A}  /images/mini.img\n{B}  /images/gtk/mini.img\n", "/images/mini.img", "a"),
        (f"{A}  https://m.example/images/mini.img\n{B}  https://m.example/old/mini.img\n", "/images/mini.img", "a"),
        (f"{A}  mini.img\n{B}  other.img\n", "/images/today/mini.img", "a"),
        (f"\\{A}  one\\nimage.img\n{B}  other.img\n", "/images/one%0Aimage.img", "a"),
        (f"{A}  dist/mini.img\n{B}  dist/other.img\n", "/images/mini.img", "a"),
        (f"{A}  D:\\out\\mini.img\n{B}  D:\\out\\other.img\n", "/images/mini.img", "a"),
        (f"{A}  /build/gtk/mini.img\n{B}  /build/xen/mini.img\n", "/images/gtk/mini.img", "a"),
    ],
)
def test_a_path_is_seen_from_the_list(text: str, place: str, chosen: str) -> None:
    """In the list's folder or below it; a folder that all entries share is that of the author of the list."""
    assert choose(text, f"https://m.example{place}") == chosen


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"{B}  ./gtk/mini.img\n{A}  ./other.img\n", "/images/mini.img"),
        (f"{B}  ./gtk/mini.img\n{A}  ./mini.img\n", "/images/xen/mini.img"),
        (f"{B}  amd64/mini.img\n", "/images/arm64/mini.img"),
        (f"{B}  amd64/mini.img\n{A}  amd64/other.img\n", "/images/arm64/mini.img"),
        (f"{B}  old/gtk/mini.img\n{A}  other.img\n", "/images/gtk/mini.img"),
        (f"\\{B}  old\\\\mini.img\n{A}  other.img\n", "/images/mini.img"),
        (f"{B}  /build/gtk/mini.img\n{A}  /build/xen/other.img\n", "/images/mini.img"),
        (f"{B}  /dist/mini.img\n{A}  dist/other.img\n", "/images/mini.img"),
    ],
)
def test_a_file_of_the_same_name_in_another_folder_is_another_file(text: str, place: str) -> None:
    """Its digest would be a wrong one, or let a server give the other file."""
    assert "the checksum list has mini.img in other folders only (e.g. " in choose(text, f"https://m.example{place}")


@pytest.mark.parametrize(
    ("text", "place", "chosen"),
    [
        (f"{B}  amd64/mini.img\n{A}  arm64/mini.img\n", "/v1/arm64/mini.img", "a"),
        (f"{B}  v1/arm64/mini.img\n{A}  v2/arm64/mini.img\n", "/mirror/v2/arm64/mini.img", "a"),
        (f"{A}  /pub/v2/mini.img\n{B}  /pub/v1/mini.img\n", "/mirror/v2/mini.img", "a"),
        (f"{B}  gtk/mini.img\n{A}  mini.img\n", "/anything/mini.img", "a"),
    ],
)
def test_of_a_list_elsewhere_the_longest_common_end_of_the_paths_counts(text: str, place: str, chosen: str) -> None:
    """On another server, or for a file here, the place of the list's folder is unknown."""
    assert choose(text, f"https://other.example{place}") == chosen
    assert choose(text, place) == chosen


def test_two_dots_lead_from_the_folder_of_the_list() -> None:
    """Each pair one folder up."""
    text = f"{A}  ../other/mini.img\n{B}  ../../other/mini.img\n"
    for place, chosen in (("/pub/other/mini.img", "a"), ("/other/mini.img", "b")):
        assert choose(text, f"https://m.example{place}", url="https://m.example/pub/images/SUMS") == chosen


@pytest.mark.parametrize(
    ("place", "chosen"),
    [
        ("https://m.example/p/mini.img/download", "a"),
        ("https://m.example/get?id=7&file=mini.img", "a"),
        ("https://m.example/get?path=%2Fgtk%2Fmini.img", "b"),
        (
            "https://m.example/get?file=mini.img&from=other.img",
            "the checksum list has no clear digest for get: the list",
        ),
        ("https://m.example/get?file=none.img", "get is not in the checksum list (3 entries"),
        ("https://m.example/other.img?file=mini.img", "c"),
    ],
)
def test_a_url_has_more_names_than_the_last_part_of_its_path(place: str, chosen: str) -> None:
    """Download sites put something behind the name, or the name into the query; two that are both listed are none."""
    text = f"{A}  mini.img\n{B}  gtk/mini.img\n{C}  other.img\n"
    assert choose(text, place, url="https://sums.example/SUMS").startswith(chosen)


@pytest.mark.parametrize(
    ("place", "entry", "is_taken"),
    [
        ("latest.qcow2", "disk-1.2.3-Build4.qcow2", True),
        ("latest", "disk-1.2.3.qcow2", True),
        ("disk.qcow2", "commit", False),
        ("latest", "disk", True),
        ("latest.qcow2", "disk-1.2.3.qcow2.xz", False),
        ("latest.qcow2", "disk-1.2.3.iso", False),
        ("latest.qcow2", "latest.qcow2.asc", False),
        ("latest.qcow2", "NOTES.txt", False),
    ],
)
def test_the_only_file_of_a_list_is_meant_unless_it_is_something_else(place: str, entry: str, is_taken: bool) -> None:
    """In one algorithm or in several; not if its ending says that it is another kind of file."""
    text = f"SHA256 ({entry}) = {A}\nSHA512 ({entry}) = {'d' * 128}\n"
    found = choose(text, f"https://m.example/images/{place}")
    assert (found == "da") is is_taken
    assert is_taken or f"{place} is not in the checksum list (2 entries, e.g. {entry})" in found
    two = f"{text}SHA256 (another) = {B}\n"
    assert f"{place} is not in the checksum list" in choose(two, f"https://m.example/images/{place}")


@pytest.mark.parametrize(
    ("entry", "chosen"),
    [
        ("mini.img", "a"),
        ("./mini.img", "a"),
        ("gtk/mini.img", "b"),
        ("gtk\\mini.img", "b"),
        ("deep/other.img", "c"),
        ("mini.im", "mini.im is not in the checksum list (4 entries, e.g. mini.img, "),
        ("xen/mini.img", "the checksum list has xen/mini.img in other folders only"),
        ("two.img", "two.img is not in the checksum list"),
    ],
)
def test_a_declared_entry_counts_alone(entry: str, chosen: str) -> None:
    """``source.checksum_entry``: a name as it is in the list, or the end of a path; the URL's own name counts no more."""
    text = f"{A}  mini.img\n{B}  gtk/mini.img\n{C}  very/deep/other.img\n{C}  x.img\n"
    assert choose(text, "https://m.example/images/x.img", entry).startswith(chosen)


def test_a_digest_that_has_no_name_is_not_the_only_file() -> None:
    """Beside one that has: either could be meant."""
    for text in (f"disk.raw: {A}\nsha256: {B}\n", f"{A}  disk.raw\n{A}\n"):
        assert "latest.raw is not in the checksum list" in choose(text, "https://m.example/images/latest.raw")


def test_a_declared_entry_that_several_files_have_is_none() -> None:
    """And a list without names, or of another file only, has no such entry."""
    place = "https://m.example/images/x.img"
    text = f"{A}  gtk/mini.img\n{B}  xen/mini.img\n"
    assert "two different sha256 digests for mini.img" in choose(text, place, "mini.img")
    assert "mini.img is not in the checksum list (without names)" in choose(f"{A}\n", place, "mini.img")
    assert "mini.img is not in the checksum list (1 entry, e.g. x.img)" in choose(f"{A}  x.img\n", place, "mini.img")


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        (f"{A} *mini.img\n{B}  other\n", "a"),
        (f"{B}  *mini.img\n{A}  mini.img\n", "a"),
        (f"{B}  *mini.img\n{B}  other\n", "mini.img is not in the checksum list (2 entries, e.g. *mini.img, other)"),
        (f"{B}  a mini.img\n{B}  other\n", "mini.img is not in"),
        (f"{B}  2 mini.img\n{B}  other\n", "mini.img is not in the checksum list (2 entries, e.g. 2 mini.img, other)"),
        (f"{B}  2 mini.img\n{A}  mini.img\n", "a"),
        (f"{A}  200 mini.img\n{B}  2 other\n", "a"),
        (f"{B}  mini.img 2\n{B}  other\n", "mini.img is not in"),
        (f"mini.img.sig  {B}\nmini.img  {A}\n", "a"),
        (f"{A}  mini.img\n{A.upper()}  mini.img\n", "a"),
        (f"{A}  mini.img\n{B}  ./mini.img\n", "the checksum list has two different sha256 digests for mini.img"),
    ],
)
def test_a_name_is_the_whole_name(text: str, chosen: str) -> None:
    """With spaces, a star of its own, a number before or behind it: a size is one only where every line has one."""
    assert choose(text, "https://m.example/images/mini.img").startswith(chosen)


def test_lines_that_decide_nothing_in_several_folders_say_why() -> None:
    """The reason of one of them is enough."""
    text = f"{A} {B} x/mini.img\n{A} {B} x/y/mini.img of today\n{C}  z.img\n"
    assert "has no clear digest for mini.img: line " in choose(text, "/v1/mini.img", "mini.img")


def test_only_what_is_missing_is_called_missing() -> None:
    """A server may be asked what a URL leads to only for such a file."""
    wanted = [Wanted("https://m.example/images/a"), Wanted("https://m.example/images/b")]
    found = read_list(f"{A}  a\n{B}  a\n{C}  c\n".encode(), wanted, LIST)
    assert [isinstance(what, NotListedError) for what in found.values()] == [False, True]


def test_another_name_of_a_url_is_never_the_only_file_of_a_list() -> None:
    """What a redirect leads to must be named."""
    wanted = Wanted("https://m.example/images/a", is_other_name=True)
    assert isinstance(read_list(f"{A}  c\n".encode(), [wanted], LIST)[wanted], NotListedError)


@pytest.mark.parametrize("url", [LIST, "https://other.example/SHA256SUMS"])
@pytest.mark.parametrize("entry", ["", "x/mini.img"])
def test_a_relative_and_a_whole_path_that_differ_are_two_digests(entry: str, url: str) -> None:
    """Both end as the wanted path does: neither the first one of the list nor one of the two kinds is preferred."""
    place = "https://m.example/pub/x/mini.img"
    lines = [f"{A}  deep/x/mini.img", f"{B}  /far/x/mini.img", f"{C}  other/z.img"]
    for text in ("\n".join(lines), "\n".join(reversed(lines))):
        found = choose(f"{text}\n", place, entry, url)
        assert "two different sha256 digests" in found


def test_a_declared_entry_is_never_a_digest_without_a_name() -> None:
    """Nor the only file of the list: the manifest names another one."""
    place = "https://m.example/images/x.img"
    for text in (f"{A}\n", f"{A}  disk.img\n"):
        assert choose(text, place) == "a"
        assert "other.img is not in the checksum list" in choose(text, place, "other.img")


@pytest.mark.parametrize(
    ("place", "chosen"),
    [
        ("https://sums.example/images/24.04/disk.img", "a"),
        ("https://me:secret@SUMS.example/images/24.04/disk.img", "a"),
        ("https://other.example/images/24.04/disk.img", "b"),
        ("/images/24.04/disk.img", "b"),
    ],
)
def test_a_path_is_relative_to_the_list_only_on_its_own_server(place: str, chosen: str) -> None:
    """On another server, and for a local file, the longest common end of the paths counts."""
    text = f"{A}  24.04/disk.img\n{B}  images/24.04/disk.img\n{C}  notes\n"
    assert choose(text, place, url="https://sums.example/images/SUMS") == chosen


def test_names_of_a_url_that_have_different_digests_decide_nothing() -> None:
    """The list has both; one of the two is not the file."""
    text = f"{A}  one.img\n{B}  two.img\n"
    place = "https://m.example/get?file=one.img&name=two.img"
    assert "the list has several of the names in its URL" in choose(text, place)
    assert choose(f"{A}  one.img\n{A}  two.img\n", place) == "a"
    assert choose(text, "https://m.example/get?file=one.img&name=three.img") == "a"


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        (f"{A}  d/x.img\n{A}  /srv/d/x.img\n", "a"),
        (f"{A}  d/x.img\n{B}  d/x.img\n", "the checksum list has two different sha256 digests for x.img"),
        (f"{B}  d/x.img\n{A}  d/x.img\n{A}  d/x.img\n", "the checksum list has two different sha256"),
        (f"{A}  d/x.img\n{A}  d/x.img\n{B}  d/x.img\n", "the checksum list has two different sha256"),
        (f"{A}  d/x.img\n{A.upper()}  d/x.img\n", "a"),
    ],
)
def test_two_digests_of_one_file_are_never_a_choice(text: str, chosen: str) -> None:
    """Neither the first nor the last counts, however often one is repeated."""
    assert choose(text, "https://m.example/d/x.img", url="https://m.example/SUMS").startswith(chosen)


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.MAX_COMPARED_PARTS == 16
    assert limits.MAX_KEPT_NAMES == 2000
    assert limits.MAX_EXPLAINED == 200
    assert limits.MAX_DEPTH == 64
