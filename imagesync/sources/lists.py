"""A checksum list, as upstreams publish it beside their images -> the digests of some files. Pure.

Forms: text (``list_lines``) and JSON (``list_documents``), in UTF-8, UTF-16 or UTF-32, with or without a byte order mark. Of a
clear-signed text (RFC 9580, section 7) only the signed part is read. A list is read once for all its files, and only their
entries are kept.
"""

import codecs
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final, TypeVar

from imagesync.errors import SourceError
from imagesync.formats import is_page
from imagesync.model.catalog import Checksum
from imagesync.secrets import quote_value, show_key
from imagesync.sources.entries import Entry, find_algorithm_of_list
from imagesync.sources.list_documents import is_document, read_document
from imagesync.sources.list_lines import LineReader
from imagesync.sources.matching import Matches, Wanted

T = TypeVar("T")

MAX_LINE_BYTES: Final = 8192
"""Longer lines are skipped: a path has at most 4,096 bytes."""
MAX_LINES: Final = 1_000_000
LINES_BETWEEN_CHECKS: Final = 4096
HEAD: Final = 8192
NEWLINE: Final = b"\n"
_BEGIN: Final = re.compile(rb"^-----BEGIN PGP SIGNED MESSAGE-----[ \t\r]*$", re.MULTILINE)
_END: Final = b"\n-----BEGIN PGP SIGNATURE-----"
_END_OF_HEAD: Final = re.compile(rb"\n[ \t\r]*\n")
_LINE: Final = re.compile(rb"([^\n]*)\n?")
_WIDE: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PIECE: Final = 2**20


def read_list(
    content: bytes, wanted: Collection[Wanted], url: str = "", check_time: Callable[[], object] = lambda: None
) -> dict[Wanted, tuple[Checksum, ...] | SourceError]:
    """For each file the digests that a list has for it, strongest first; or why it has none.

    ``url`` of the list: its name may name the algorithm, and names in the list are relative to its folder. ``matching.Matches``
    chooses the entry. SourceError for a document that is not a list. ``check_time`` is called regularly and may raise.
    """
    text = _decode(content)
    if is_page(text[:HEAD]):
        about = {place.name for place in wanted}
        what = f", and has no digest for {show_key(about.pop())}" if len(about) == 1 else ", not a checksum list"
        raise SourceError(f"it is an HTML page{what}", "correct checksum_url; it may require a login")
    matches = Matches(wanted, url)
    for entry in _read_entries(text, url, check_time):
        matches.add(entry)
    if not matches.has_entries:
        raise _unreadable_error(text, matches.problem)
    return {place: matches.choose(place) for place in wanted}


def _read_entries(text: bytes, url: str, check_time: Callable[[], object]) -> Iterable[Entry]:
    if is_document(text):
        return _watch_time(read_document(text), check_time)
    if text.count(b"\n") > MAX_LINES:
        raise SourceError(f"it has more than {MAX_LINES:,} lines, so it is not a checksum list", "correct checksum_url")
    return LineReader(find_algorithm_of_list(url)).read(_watch_time(_read_lines(text), check_time))


def _watch_time(items: Iterable[T], check_time: Callable[[], object]) -> Iterator[T]:
    """The same items, with a check of the time; lines without an entry take time as well."""
    for number, item in enumerate(items):
        if not number % LINES_BETWEEN_CHECKS:
            check_time()
        yield item


def _unreadable_error(text: bytes, problem: str) -> SourceError:
    """The error for a list without entries; its first line usually shows what the document is."""
    hint = "correct checksum_url"
    if not (start := text[:HEAD].strip()):
        return SourceError("it is empty", hint)
    if _BEGIN.match(start):
        return SourceError("nothing in its signed text can be read as a checksum", hint)
    what = (
        problem or f"its first line is {quote_value(start.partition(NEWLINE)[0].decode('utf-8', 'replace').rstrip())}"
    )
    return SourceError(f"nothing in it can be read as a checksum: {what}", hint)


def _decode(content: bytes) -> bytes:
    """The list as UTF-8 with Unix line ends; decoded in pieces, so a long list is in memory once."""
    coding = next((name for mark, name in _WIDE if content.startswith(mark)), _guess_wide_coding(content[:64]))
    if coding:
        decoder, pieces = codecs.getincrementaldecoder(coding)("replace"), range(0, len(content), _PIECE)
        content = b"".join(decoder.decode(content[at : at + _PIECE]).encode("utf-8", "replace") for at in pieces)
    content = content.removeprefix(codecs.BOM_UTF8)
    return content.replace(b"\r", b"\n") if b"\r" in content[:HEAD] and b"\n" not in content else content


def _guess_wide_coding(head: bytes) -> str:
    """UTF-16 without a mark: every other byte of plain text is zero."""
    if len(head) < 4 or len(head) % 2:
        head = head[:-1]
    zeros = [set(head[start::2]) == {0} for start in (0, 1)]
    return "utf-16-be" if zeros == [True, False] else "utf-16-le" if zeros == [False, True] else ""


def _read_lines(content: bytes) -> Iterator[str]:
    """The lines, of a clear-signed text the signed ones; lines of more than ``MAX_LINE_BYTES`` are skipped."""
    start, end, begin = 0, len(content), _BEGIN.search(content)
    if begin:
        head = _END_OF_HEAD.search(content, begin.end() - 1)
        start = head.end() if head else end
        end = found if (found := content.find(_END, max(0, start - 1))) >= 0 else end
    for match in _LINE.finditer(content, start, end):
        if len(match[1]) <= MAX_LINE_BYTES:
            yield match[1].decode("utf-8", errors="replace").rstrip()
