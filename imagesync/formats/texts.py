"""The first bytes of data -> the text that they are, in whatever coding, and what people call it. Pure.

No disk begins with so many characters and not one control character. Where no mark names the coding, the characters must be
usual ones, too: a pattern that fills an empty disk is no text.
"""

import codecs
import re
import unicodedata
from typing import Final

MAX_TEXT: Final = 4096
"""Bytes of a head that are looked at."""
MIN_PADDED: Final = 100
"""Bytes of a text that zeros may follow: a sector holds a short one. Fewer may begin a disk."""
MIN_CHARACTERS: Final = 8
MIN_ASCII, MIN_SPACE = 1 / 20, 1 / 256
"""The least length, and the least shares of ASCII characters and of white space, of a text whose coding is guessed."""
LFS_POINTER: Final = "a Git LFS pointer"
VMDK_DESCRIPTOR: Final = "a vmdk descriptor"


def is_page(head: bytes) -> bool:
    """Whether data is a page for people: the answer of a portal that wants a log-in, say."""
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
    """What people call the text that data with this head is; empty if it is none. ``is_whole``: there is no more data."""
    if is_page(head):
        return PAGE
    if head.startswith(_DESCRIPTOR):  # however short it is, and whatever follows: tools pad it with zeros
        return VMDK_DESCRIPTOR
    if is_whole and len(text_bytes := head.rstrip(b"\0")) >= MIN_PADDED:
        head = text_bytes
    text = _read_text(head[:MAX_TEXT])
    if is_page(text.encode("utf-8", "replace")):  # in another coding
        return PAGE
    return next((name for begin, name in _NAMES.items() if text.startswith(begin)), "text") if text else ""


def _read_text(head: bytes) -> str:
    """The text that a head is, without white space before it; empty if it is none."""
    marked = next((coding for mark, coding in _MARKS.items() if head.startswith(mark)), "utf-8")
    guesses = (_decode(head, coding) for coding in _UNMARKED)
    text = _decode(head, marked) or next(filter(_is_usual, guesses), "")
    return text.removeprefix("\ufeff").lstrip() or "white space" if text else ""


def _decode(head: bytes, coding: str) -> str:
    """The text; empty if it is not in this coding, or has control characters that no terminal is sent."""
    try:
        text = codecs.getincrementaldecoder(coding)().decode(head)
    except UnicodeDecodeError:
        return ""
    is_code_page = coding == "latin-1"  # most code pages have letters where this one has further control characters
    return text if all(_is_shown(one, is_code_page=is_code_page) for one in text) else ""


def _is_shown(one: str, *, is_code_page: bool) -> bool:
    if ord(one) & 0xFFFE == 0xFFFE:  # no character: bytes of all ones
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
"""Byte-order marks. Texts in UTF-32 are recognized without theirs."""
_UNMARKED: Final = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "latin-1")
"""Codings without a mark. The last one stands for every code page of one byte a character."""
_NAMES: Final = {
    "version https://git-lfs.github.com/spec/": LFS_POINTER,
    "# Disk DescriptorFile": VMDK_DESCRIPTOR,
    "-----BEGIN PGP ": "PGP data",
    "<": "XML",
    "{": "JSON",
    "[": "JSON",
}
"""How a text begins, and what it is then."""
