"""A file or URL -> the checksum list beside it that has its digest. Files, network.

Upstreams give their lists usual names. A list counts only if it names the file, or if it is named after the file; then its
digest is the one that a plan reads from it.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

from imagesync.errors import SourceError
from imagesync.formats import is_page
from imagesync.model.catalog import Checksum
from imagesync.model.urls import find_url_problem
from imagesync.sources.access import Deadline, SourceAccess
from imagesync.sources.checking import try_each
from imagesync.sources.lists import read_list
from imagesync.sources.local_files import open_regular_file
from imagesync.sources.matching import Wanted
from imagesync.sources.web import MAX_DOCUMENT_BYTES, fetch

STRONG: Final = frozenset({"sha256", "sha384", "sha512"})
"""A list with other digests only is not used."""
OWN_ENDINGS: Final = (
    *(".sha256", ".sha512", ".sha256sum", ".sha512sum", ".SHA256", ".SHA512", ".SHA256SUM", ".SHA512SUM"),
    *(".sha256.txt", ".sha512.txt", ".CHECKSUM", ".checksum", ".sha384"),
)
"""Of lists that are named after the file."""
SHARED_NAMES: Final = (
    *("SHA256SUMS", "SHA512SUMS", "CHECKSUM", "SHA256SUM", "SHA512SUM", "CHECKSUMS", "CHECKSUM.SHA256"),
    *("CHECKSUM.SHA512", "sha256sum.txt", "sha512sum.txt", "sha256sums.txt", "SHA256SUMS.txt", "checksums.txt"),
    *("sha256sums", "sha512sums", "sha256sum", "CHECKSUMS.txt", "SHA256", "SHA512"),
)
SIGNATURE_ENDINGS: Final = (".gpg", ".sign", ".asc", ".sig")
_LINK: Final = re.compile(rb"""href\s*=\s*["']?([^"'\s>?#]+)""", re.IGNORECASE)
_LIST_NAME: Final = re.compile(r"checksum|sha(256|384|512)", re.IGNORECASE)
MAX_LINKS: Final = 8
"""Lists in the index of a folder that are read."""
JOBS: Final = 8


@dataclass(frozen=True, slots=True)
class FoundList:
    """A list that has the digest of a file. ``place``: its URL or its path. ``entry``: the name of the file in it, if needed."""

    place: str
    digests: tuple[Checksum, ...]
    content: bytes
    entry: str = ""


def find_list_of_url(url: str, access: SourceAccess) -> FoundList | None:
    """The first list with a usual name, or in the index of the folder, that has the digest of the file at this URL."""
    with access.spend_check_time() as deadline:
        names = _list_names(urlsplit(url).path.rpartition("/")[2])
        if found := _find_first(url, [urljoin(url, name) for name in names], access, deadline):
            return found
        return _find_first(url, list(_read_index(url, access, deadline)), access, deadline)


def find_list_of_file(path: Path) -> FoundList | None:
    """The first list with a usual name in the folder of a file that has its digest."""
    for place in (path.parent / name for name in _list_names(path.name)):
        try:
            with open_regular_file(str(place)) as file:
                content = file.read(MAX_DOCUMENT_BYTES)
        except OSError:
            continue
        if found := _judge(str(path), str(place), content):
            return found
    return None


def find_signature(listed: FoundList, verify: Callable[[bytes | None], object], access: SourceAccess) -> str:
    """The URL of the signature of a list: of the list itself if it is clear-signed. SourceError if no signature is valid.

    ``verify`` gets a detached signature, or None, and raises SourceError for a wrong one.
    """
    if b"-----BEGIN PGP SIGNED MESSAGE-----" in listed.content:
        verify(None)
        return listed.place
    with access.spend_check_time() as deadline:
        urls = [f"{listed.place}{ending}" for ending in SIGNATURE_ENDINGS]
        fetched = try_each(partial(fetch, access=access, deadline=deadline, pauses=(0.0,)), urls, JOBS, deadline)
    for url, content in zip(urls, fetched, strict=True):
        if isinstance(content, bytes) and not is_page(content):
            verify(content)
            return url
    raise SourceError("no signature of the list was found", f"tried {', '.join(SIGNATURE_ENDINGS)}; omit --keyring")


def _list_names(name: str) -> Iterator[str]:
    stem = re.sub(r"\.(gz|xz|bz2|zst)$", "", name)
    yield from (f"{name}{ending}" for ending in OWN_ENDINGS)
    yield from (f"{stem}{ending}" for ending in OWN_ENDINGS[:2] if stem != name)
    yield from SHARED_NAMES


def _find_first(url: str, places: list[str], access: SourceAccess, deadline: Deadline) -> FoundList | None:
    """The first of these lists that has the digest; all are fetched, some at a time."""

    def read(place: str) -> FoundList | None:
        return _judge(url, place, fetch(place, access, deadline, pauses=(0.0,)))

    results = try_each(read, places, JOBS, deadline)
    return next((found for found in results if isinstance(found, FoundList)), None)


def _judge(place: str, list_place: str, content: bytes) -> FoundList | None:
    """The list if it has a strong digest of the file."""
    file_name, list_name = (_read_name(text) for text in (place, list_place))
    plain, named = Wanted(place), Wanted(place, entry=file_name)
    try:
        found = read_list(content, {plain, named}, list_place)
    except SourceError:
        return None
    by_name, by_rules = found[named], found[plain]
    if not isinstance(by_name, SourceError):
        entry = "" if by_rules == by_name else file_name
        return _make_found(list_place, by_name, content, entry)
    is_own = list_name.lower().startswith(file_name.lower())
    return _make_found(list_place, by_rules, content) if is_own and not isinstance(by_rules, SourceError) else None


def _make_found(place: str, digests: tuple[Checksum, ...], content: bytes, entry: str = "") -> FoundList | None:
    is_strong = any(digest.algorithm in STRONG for digest in digests)
    return FoundList(place, digests, content, entry) if is_strong else None


def _read_name(place: str) -> str:
    return unquote(urlsplit(place).path).rpartition("/")[2] if "://" in place else place.rpartition("/")[2]


def _read_index(url: str, access: SourceAccess, deadline: Deadline) -> Iterable[str]:
    """The URLs of lists in the page of the file's folder; none if there is no page."""
    folder = urljoin(url, ".")
    try:
        page = fetch(folder, access, deadline, pauses=(0.0,))
    except SourceError:
        return []
    links = (urljoin(folder, match[1].decode("utf-8", "replace")) for match in _LINK.finditer(page))
    beside = [link for link in dict.fromkeys(links) if link.rpartition("/")[0] == folder.rstrip("/")]
    lists = [link for link in beside if _LIST_NAME.search(_read_name(link)) and find_url_problem(link) is None]
    return [link for link in lists if not link.lower().endswith(SIGNATURE_ENDINGS)][:MAX_LINKS]
