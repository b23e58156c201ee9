"""Checksum lists beside a file, and what makes one count."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesync.model.catalog import Checksum
from imagesync.sources import list_search as limits
from imagesync.sources.access import SourceAccess
from imagesync.sources.list_search import MAX_LINKS, find_list_of_file, find_list_of_url
from tests.fault.mirror import Mirror, mirror

DATA = b"data"
DIGEST = Checksum("sha256", hashlib.sha256(DATA).hexdigest())


@pytest.fixture
def web() -> Iterator[Mirror]:
    """A web server on loopback."""
    with mirror() as found:
        yield found


def find(url: str) -> tuple[str, str] | None:
    """The URL of the list and the entry, if there is a list."""
    found = find_list_of_url(url, SourceAccess())
    assert found is None or found.digests == (DIGEST,)
    return (found.place, found.entry) if found else None


def test_a_list_of_the_file_itself_is_preferred(web: Mirror) -> None:
    """To one of the whole folder."""
    url = web.publish("/d/a.img", DATA)
    shared = web.publish("/d/SHA256SUMS", f"{DIGEST.value}  a.img\n".encode())
    assert find(url) == (shared, "")
    own = web.publish("/d/a.img.sha256", f"{DIGEST.value}\n".encode())
    assert find(url) == (own, "")


def test_a_digest_without_a_name_counts_only_in_a_list_of_the_file_itself(web: Mirror) -> None:
    """In a list of the whole folder it may be that of another file."""
    url = web.publish("/d/a.img", DATA)
    web.publish("/d/SHA256SUMS", f"{DIGEST.value}\n".encode())
    assert find(url) is None


def test_names_with_encoded_characters(web: Mirror) -> None:
    """A list has the plain name."""
    url = f"{web.address}/d/a%20b%2B.img"
    listed = web.publish("/d/SHA256SUMS", f"{DIGEST.value}  a b+.img\n".encode())
    assert find(url) == (listed, "")


def test_a_list_that_names_the_file_in_several_folders_needs_an_entry_or_is_not_used(web: Mirror) -> None:
    """Two digests for one name are never a choice."""
    url = web.publish("/d/a.img", DATA)
    web.publish("/d/SHA256SUMS", f"{'1' * 64}  x/a.img\n{DIGEST.value}  y/a.img\n".encode())
    assert find(url) is None


def test_links_to_other_places_are_not_followed(web: Mirror) -> None:
    """Of the page of the folder, only files beside the image count, and only a few."""
    url = web.publish("/d/a.img", DATA)
    good = f"{DIGEST.value}  a.img\n".encode()
    with mirror() as other:
        away = other.publish("/d/CHECKSUM-1", good)
        for path in ("/CHECKSUM-2", "/d/e/CHECKSUM-3", "/d/CHECKSUM-4.asc"):
            web.publish(path, good)
        links = [away, "/CHECKSUM-2", "e/CHECKSUM-3", "CHECKSUM-4.asc", "javascript:CHECKSUM", "//CHECKSUM"]
        web.publish("/d/", "".join(f'<a href="{link}">x</a>' for link in links).encode())
        assert find(url) is None
        assert other.queries == []
    assert not {"GET /CHECKSUM-2", "GET /d/e/CHECKSUM-3", "GET /d/CHECKSUM-4.asc"} & set(web.queries)
    web.publish("/d/", "".join(f"<a href=CHECKSUM-{number}>" for number in range(90)).encode())
    assert find(url) is None
    assert sum(query.startswith("GET /d/CHECKSUM-") for query in web.queries) == MAX_LINKS


def test_no_request_leaves_the_allowed_hosts(web: Mirror) -> None:
    """The rules for sources count for lists, too."""
    url = web.publish("/d/a.img", DATA)
    web.publish("/d/SHA256SUMS", f"{DIGEST.value}  a.img\n".encode())
    assert find_list_of_url(url, SourceAccess(hosts=("example.org",))) is None
    assert web.queries == []


def test_lists_of_a_local_file(tmp_path: Path) -> None:
    """In its folder; a list of other files, a folder and a pipe do not count."""
    path = tmp_path / "a.img.xz"
    (tmp_path / "SHA256SUMS").write_text(f"{'1' * 64}  b.img\n")
    (tmp_path / "SHA512SUMS").mkdir()
    assert find_list_of_file(path) is None
    (tmp_path / "sha256sum.txt").write_text(f"{DIGEST.value}  a.img.xz\n")
    found = find_list_of_file(path)
    assert found is not None
    assert (found.place, found.digests) == (str(tmp_path / "sha256sum.txt"), (DIGEST,))


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.MAX_LINKS == 8
    assert limits.JOBS == 8
