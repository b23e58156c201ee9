"""Printable text -> Markdown and HTML that show it unchanged and interpret nothing of it. Pure.

A backslash or a character reference keeps Markdown away from a character, but not the services: GitHub and GitLab look
for ``@user``, ``#12``, ``:smile:``, commits and addresses in the text of the finished page. They skip ``code`` elements
there. So all text is code, except words that have only letters, and numbers. Therefore no list of dangerous characters
is needed.
"""

import hashlib
import html
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

MAX_MARKER_CHARS: Final = 96
"""A longer name is abbreviated in the hidden marker, with its digest."""
_UNSAFE_IN_SPAN: Final = re.compile(r"([`|]+)")
"""A code span ends at a backtick, and a cell of a table ends at a bar; parsers differ on escapes of both."""
_WORD: Final = re.compile(
    r"""\(? (?: [^\W\d_]+ (?: ['’-] [^\W\d_]+ )* | [0-9]{1,6} (?: \.[0-9]{1,3} )? ) \)? [.,;:]? | (?: → | … | % ) [.,;:]?""",
    re.VERBOSE,
)
"""A word of a sentence that no service interprets: letters, perhaps joined by a hyphen, or a number; with punctuation."""
_PUNCTUATION: Final = ").,;:"
_START_OF_LIST: Final = re.compile(r"[0-9]+[.)](?![0-9])")
_COMMIT: Final = re.compile(r"\(?[0-9a-fA-F]{6,}\W*")
"""A word that may be the digest of a commit."""
_AUTHORITY: Final = re.compile(r"(?i)\(?www")


def mark_code(text: str) -> str:
    """A text as code, for a line of Markdown or a cell of a table. Empty for an empty text."""
    parts = _UNSAFE_IN_SPAN.split(text)
    return "".join(_mark_part(part, is_special=bool(at % 2)) for at, part in enumerate(parts) if part)


def _mark_part(part: str, *, is_special: bool) -> str:
    if is_special or part.isspace():  # parsers differ on a span of spaces, too
        return f"<code>{''.join(f'&#{ord(char)};' for char in part)}</code>"
    pad = " " if part[0] == part[-1] == " " else ""  # a parser removes one space at each end
    return f"`{pad}{part}{pad}`"


def mark_html_code(text: str) -> str:
    """A text as code, for a line that is HTML."""
    return f"<code>{html.escape(text)}</code>" if text else ""


def mark_sentence(text: str, mark: Callable[[str], str] = mark_code) -> str:
    """A sentence in which everything but plain words is code, without spaces at its ends.

    ``mark``: ``mark_html_code`` for a line that is HTML.
    """
    words = enumerate(text.strip(" ").split(" "))
    return " ".join(word if _is_plain(word, is_first=at == 0) else _mark_word(word, mark) for at, word in words)


def _mark_word(word: str, mark: Callable[[str], str]) -> str:
    """A word as code; an opening parenthesis before it and punctuation after it stay outside."""
    core = word.removeprefix("(").rstrip(_PUNCTUATION)
    if not core:
        return mark(word)
    before, _, after = word.partition(core)
    return f"{before}{mark(core)}{after}"


def _is_plain(word: str, *, is_first: bool) -> bool:
    """Whether a word can be shown without a code element; a number at the start may begin a list."""
    if _WORD.fullmatch(word) is None or _COMMIT.fullmatch(word) or _AUTHORITY.match(word):
        return False
    return not (is_first and _START_OF_LIST.match(word))


def choose_fence(text: str) -> str:
    """The fence of a block of code for one line that begins with ``text``: not one that the line itself would end."""
    return "~~~" if text.lstrip(" ").startswith("`") else "```"


def format_marker(catalog: str, target: str) -> str:
    """The comment by which a program finds the text about a catalog and a target again; ``-`` for a name that is unknown.

    Names can neither end the comment nor be mistaken for each other: other characters than letters, digits, ``.``, ``_``
    and single hyphens are percent-encoded.
    """
    return f"<!-- imagesync {_encode_name(catalog)} {_encode_name(target)} -->"


def _encode_name(name: str) -> str:
    if name == "-":
        return "%2D"
    encoded = quote(name, safe="", errors="surrogatepass").replace("~", "%7E")
    encoded = re.sub(r"(?<=-)-", "%2D", encoded)
    if len(encoded) > MAX_MARKER_CHARS:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        encoded = f"{encoded[: MAX_MARKER_CHARS - 17]}~{digest}"
    return encoded or "-"
