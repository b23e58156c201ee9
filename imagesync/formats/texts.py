"""The first bytes of data -> the common name of the text that they are, in any coding; empty if they are not text. Pure.

No disk begins with that many characters without a control character. Without a byte-order mark, the characters must also
be usual ones, because a pattern that fills an empty disk is not text.
"""

import codecs
import re
import unicodedata
from typing import Final

MAX_TEXT: Final = 4096
"""Bytes of a head that are checked."""
MIN_PADDED: Final = 100
"""Bytes of a text that is followed by zeros to the end of its sector; a disk may begin with fewer."""
MIN_CHARACTERS: Final = 8
MIN_ASCII, MIN_SPACE = 1 / 20, 1 / 256
"""Minimum length, and minimum shares of ASCII characters and of white space, of a text whose coding is guessed."""
LFS_POINTER: Final = "a Git LFS pointer"
VMDK_DESCRIPTOR: Final = "a vmdk descriptor"


def is_page(head: bytes) -> bool:
    """Whether data is an HTML page, such as that of a portal that requires a log-in."""
    head = head.removeprefix(codecs.BOM_UTF8)
    place = _skip_space(head, 0)
    while head.startswith(b"<!--", place):
        end = head.find(b"-->", place)
        place = _skip_space(head, end + 3) if end >= 0 else len(head)
    return head[place : place + 14].lower().startswith((b"<!doctype html", b"<html"))


def _skip_space(text: bytes, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def name_text(head: bytes, *, is_whole: bool = False) -> str:
    """The common name of the text with this head; empty if it is not text. ``is_whole``: there is no more data."""
    if is_page(head):
        return PAGE
    if head.startswith(_DESCRIPTOR):  # also a short one; programs fill it with zeros
        return VMDK_DESCRIPTOR
    if is_whole and len(text_bytes := head.rstrip(b"\0")) >= MIN_PADDED:
        head = text_bytes
    text = _read_text(head[:MAX_TEXT])
    if is_page(text.encode("utf-8", "replace")):  # in another coding
        return PAGE
    return next((name for begin, name in _NAMES.items() if text.startswith(begin)), "text") if text else ""


def _read_text(head: bytes) -> str:
    """The text of a head without leading white space; empty if it is not text."""
    marked = next((coding for mark, coding in _MARKS.items() if head.startswith(mark)), "utf-8")
    guesses = (_decode(head, coding) for coding in _UNMARKED)
    text = _decode(head, marked) or next(filter(_is_usual, guesses), "")
    return text.removeprefix("\ufeff").lstrip() or "white space" if text else ""


def _decode(head: bytes, coding: str) -> str:
    """The text; empty if it is not in this coding, or has control characters that text does not have."""
    try:
        text = codecs.getincrementaldecoder(coding)().decode(head)
    except UnicodeDecodeError:
        return ""
    is_code_page = coding == "latin-1"  # most code pages have letters in the place of its upper control characters
    return text if all(_is_of_text(one, is_code_page=is_code_page) for one in text) else ""


def _is_of_text(one: str, *, is_code_page: bool) -> bool:
    if ord(one) & 0xFFFE == 0xFFFE:  # not a character: bytes of all ones
        return False
    return one in "\a\b\t\n\v\f\r\x1b" or unicodedata.category(one) != "Cc" or (is_code_page and one > "\x7f")


def _is_usual(text: str) -> bool:
    ascii_count, space_count = sum(one < "\x80" for one in text), sum(one.isspace() for one in text)
    return len(text) >= MIN_CHARACTERS and ascii_count >= MIN_ASCII * len(text) and space_count >= MIN_SPACE * len(text)


PAGE: Final = "an HTML page"

_DESCRIPTOR: Final = b"# Disk DescriptorFile"
_SPACE: Final = re.compile(rb"\s*")
_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte-order marks. Texts in UTF-32 are recognized without their mark."""
_UNMARKED: Final = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "latin-1")
"""Codings without a mark. The last one represents every code page with one byte for each character."""
_NAMES: Final = {
    "version https://git-lfs.github.com/spec/": LFS_POINTER,
    "# Disk DescriptorFile": VMDK_DESCRIPTOR,
    "-----BEGIN PGP ": "PGP data",
    "<": "XML",
    "{": "JSON",
    "[": "JSON",
}
"""The names of texts, by their first characters."""
