"""A list of digests, as upstreams publish it beside their images -> the digests of the files that are wanted. Pure.

Read are lines of GNU coreutils (``HEX  NAME``), BSD and OpenSSL (``SHA256 (NAME) = HEX``) and bare digests, also inside
an OpenPGP clear-signed text; everything else in it is passed over. A list is read once, line by line, for all its files:
only what is wanted of it is kept, however long it is.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from typing import Final, TypeAlias
from urllib.parse import unquote, urlsplit

from imagesync.errors import SourceError
from imagesync.formats import is_page
from imagesync.model.catalog import HEX_LENGTHS, Checksum

MAX_LINE_BYTES: Final = 8192
"""Of a line that is looked at: a path has at most 4,096 bytes."""
MIN_DIGEST_CHARS: Final = min(HEX_LENGTHS.values())
LINES_BETWEEN_CHECKS: Final = 4096
MAX_COMPARED_PARTS: Final = 16
"""Of two paths, from their ends: the file's name and the folders that hold it."""
_GNU: Final = re.compile(r"\\?([0-9A-Fa-f]{32,128})[ \t]+\*?(\S.*)")
_BSD: Final = re.compile(r"(MD5|SHA-?1|SHA(?:2-|-)?(?:256|384|512)) ?\((.+)\) ?= ?([0-9A-Fa-f]{32,128})")
_BARE: Final = re.compile(r"[0-9A-Fa-f]{32,128}")
_LENGTHS: Final = {length: name for name, length in HEX_LENGTHS.items()}
_BEGIN: Final = b"-----BEGIN PGP SIGNED MESSAGE-----"
_END: Final = b"\n-----BEGIN PGP SIGNATURE-----"
_END_OF_HEAD: Final = re.compile(rb"\n[ \t\r]*\n")
_LINE: Final = re.compile(rb"^[^\n]{%d,%d}$" % (MIN_DIGEST_CHARS, MAX_LINE_BYTES), re.MULTILINE)

Tail: TypeAlias = tuple[str, ...]
"""The last parts of a path."""


def read_list(
    content: bytes, places: Collection[str], check_time: Callable[[], object] = lambda: None
) -> dict[str, tuple[Checksum, ...] | SourceError]:
    """For each URL or path the digests, strongest first, that a list has for its file; or why it has none.

    Of several files of that name the one counts whose folders fit best. A list without any name is of one file, and is
    taken at its word. It is an error if one algorithm has two digests for a file. ``check_time`` is called now and then,
    and may raise.
    """
    paths = {place: _split_path(urlsplit(place).path if "://" in place else place) for place in places}
    found = _Found(
        {tail for path in paths.values() for tail in _list_tails(path)}, is_page=is_page(content[:MAX_LINE_BYTES])
    )
    for number, line in enumerate(_read_lines(content)):
        if not number % LINES_BETWEEN_CHECKS:
            check_time()
        if entry := _parse_entry(line):
            found.add(*entry)
    return {place: found.choose(path) for place, path in paths.items()}


class _Found:
    """The digests of a list by the tails of paths that are wanted; bare ones under the empty tail."""

    def __init__(self, wanted: Collection[Tail], *, is_page: bool) -> None:
        self._is_page = is_page
        self._names = {tail[-1] for tail in wanted}
        self._digests: dict[Tail, dict[str, str | None]] = defaultdict(dict, {tail: {} for tail in wanted})
        self._wanted = frozenset(wanted)
        self._has_names = False

    def add(self, name: str, digest: Checksum) -> None:
        """One entry."""
        if not name:
            self._note((), digest)
            return
        self._has_names = True
        if unquote(name.rpartition("/")[2]) in self._names:
            for tail in _list_tails(_split_path(name)):
                if tail in self._wanted:
                    self._note(tail, digest)

    def _note(self, tail: Tail, digest: Checksum) -> None:
        """None stands for two different digests of one algorithm."""
        known = self._digests[tail]
        known[digest.algorithm] = digest.value if known.get(digest.algorithm, digest.value) == digest.value else None

    def choose(self, path: list[str]) -> tuple[Checksum, ...] | SourceError:
        """The digests of the entry whose path fits best."""
        tails = list(_list_tails(path)) if self._has_names else [()]
        digests = next((self._digests[tail] for tail in reversed(tails) if self._digests[tail]), {})
        if not digests and self._is_page:
            message = f"it is an HTML page, and has no digest for {path[-1]}"
            return SourceError(message, "correct checksum_url; it may want a log-in")
        if not digests:
            return SourceError(f"the list has no digest for {path[-1]}", "correct checksum_url, or the source")
        if None in digests.values():
            return SourceError(f"the list has two different digests for {path[-1]}", "declare the checksum itself")
        chosen = (Checksum(name, value) for name, value in digests.items() if value is not None)
        return tuple(sorted(chosen, key=lambda digest: -HEX_LENGTHS[digest.algorithm]))


def _parse_entry(line: str) -> tuple[str, Checksum] | None:
    """Name (empty for a bare digest) and digest of a line; None if it has none."""
    if found := _BSD.fullmatch(line):
        algorithm = found[1].replace("SHA2-", "SHA").replace("-", "").lower()
        name, value = found[2], found[3].lower()
    elif found := _GNU.fullmatch(line):
        algorithm, name, value = _LENGTHS.get(len(found[1]), ""), found[2], found[1].lower()
        name = "" if name == "-" else name  # standard input
    elif _BARE.fullmatch(line):
        algorithm, name, value = _LENGTHS.get(len(line), ""), "", line.lower()
    else:
        return None
    return (name, Checksum(algorithm, value)) if HEX_LENGTHS.get(algorithm) == len(value) else None


def _read_lines(content: bytes) -> Iterator[str]:
    """The lines that are long enough for a digest; of a clear-signed text (RFC 9580, section 7) those that are signed."""
    start, end = 0, len(content)
    is_signed = content[:MAX_LINE_BYTES].lstrip().startswith(_BEGIN)
    if is_signed and (head := _END_OF_HEAD.search(content, content.index(_BEGIN))):
        start = head.end()
        end = found if (found := content.find(_END, start)) >= 0 else end
    for match in _LINE.finditer(content, start, end):
        yield match[0].decode("utf-8", errors="replace").removeprefix("- " if is_signed else "").strip()


def _split_path(path: str) -> list[str]:
    return [part for part in unquote(path).split("/") if part not in ("", ".")] or [""]


def _list_tails(path: list[str]) -> Iterator[Tail]:
    """The last part of a path, the last two, and so on."""
    for length in range(1, min(len(path), MAX_COMPARED_PARTS) + 1):
        yield tuple(path[-length:])
