"""Printable text -> Markdown that shows it unchanged and interprets nothing of it. Pure.

A backslash or a character reference keeps Markdown away from a character, but not the services: GitHub and GitLab look
for ``@user``, ``#12``, ``:smile:``, commits and addresses in the text of the finished page. They skip ``code`` elements
there. So all text is code, except words that have only letters, and numbers. Therefore no list of dangerous characters
is needed.
"""

import hashlib
import re
from typing import Final
from urllib.parse import quote

MAX_MARKER_CHARS: Final = 96
"""A longer name is abbreviated in the hidden marker, with its digest."""
_UNSAFE_IN_SPAN: Final = re.compile(r"([`|]+)")
"""A code span ends at a backtick, and a cell of a table ends at a bar; parsers differ on escapes of both."""
_WORD: Final = re.compile(
    r"""\(? (?: [^\W\d_]+ (?: ['’-] [^\W\d_]+ )* | [0-9]{1,6} (?: \.[0-9]{1,3} )? | [0-9]{4}-[0-9]{2}-[0-9]{2}
    | [0-9]{2}:[0-9]{2}(?!\)?:) ) \)? [.,;:?]? | (?: → | … | %\)? ) [.,;:?]?""",
    re.VERBOSE,
)
"""A word of a sentence that no service interprets: letters, perhaps joined by a hyphen, a number, a date or a time; with punctuation.

A colon after a time would make an emoji.
"""
_PUNCTUATION: Final = ").,;:?"
_NAME: Final = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")
_OUTER_UNDERSCORE: Final = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""It would begin or end emphasis if a service shows a comment of HTML as text."""
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


def mark_html_name(text: str) -> str:
    """A name as code, for a line that is HTML; empty unless it is plain.

    GitHub and GitLab read such a line as HTML. Bitbucket shows its tags, and reads the rest as Markdown. No escape of a
    name like ``@user`` is right for both.
    """
    return f"<code>{text}</code>" if _NAME.fullmatch(text) and not _AUTHORITY.match(text) else ""


def mark_sentence(text: str) -> str:
    """A sentence in which everything but plain words is code, without spaces at its ends."""
    words = enumerate(text.strip(" ").split(" "))
    return " ".join(word if _is_plain(word, is_first=at == 0) else _mark_word(word) for at, word in words)


def has_only_plain_words(text: str) -> bool:
    """Whether a sentence needs no code; then it is the same in Markdown and in HTML."""
    return all(_is_plain(word, is_first=True) for word in text.split(" "))


def _mark_word(word: str) -> str:
    """A word as code; an opening parenthesis before it and punctuation after it stay outside."""
    core = word.removeprefix("(").rstrip(_PUNCTUATION)
    if not core:
        return mark_code(word)
    before, _, after = word.partition(core)
    return f"{before}{mark_code(core)}{after}"


def _is_plain(word: str, *, is_first: bool) -> bool:
    """Whether a word can be shown without a code element; a number at the start may begin a list."""
    if _WORD.fullmatch(word) is None or _COMMIT.fullmatch(word) or _AUTHORITY.match(word):
        return False
    return not (is_first and _START_OF_LIST.match(word))


def choose_fence(text: str) -> str:
    """The fence of a block of code for one line that begins with ``text``: not one that the line itself would end."""
    return "~~~" if text.lstrip(" ").startswith("`") else "```"


def format_marker(catalog: str, target: str | None) -> str:
    """The comment by which a program finds the text about a catalog and a target again; ``-`` for a name that is unknown.

    None means a run of several targets, whichever they are: its ``*`` is the same for a plan, an apply and a failure. No
    target has this marker, because ``*`` in a name is encoded. Names can neither end the comment nor be mistaken for each
    other: other characters than letters, digits, ``.``, single hyphens, and ``_`` in a word are percent-encoded.
    """
    return f"<!-- imagesync {_encode_name(catalog)} {'*' if target is None else _encode_name(target)} -->"


_MARKER: Final = re.compile(
    r"<!-- imagesync (?P<catalog>[A-Za-z0-9._~%-]{1,96}) (?P<target>\*|[A-Za-z0-9._~%-]{1,96}) -->"
)


def read_marker(text: str) -> tuple[str, str, str] | None:
    """The marker in the first line of a text, with the encoded names of the catalog and the target; None without one."""
    found = _MARKER.fullmatch(text.partition("\n")[0].rstrip("\r"))
    return (found[0], found["catalog"], found["target"]) if found else None


def _encode_name(name: str) -> str:
    if name == "-":
        return "%2D"
    encoded = quote(name, safe="", errors="surrogatepass").replace("~", "%7E")
    encoded = _OUTER_UNDERSCORE.sub("%5F", re.sub(r"(?<=-)-", "%2D", encoded))
    if len(encoded) > MAX_MARKER_CHARS:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        encoded = f"{encoded[: MAX_MARKER_CHARS - 17]}~{digest}"
    return encoded or "-"
