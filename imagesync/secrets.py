"""Values from files -> text for messages: short, printable, without anything that looks like a secret. Pure.

A manifest may be a link to a token file, or hold a password by mistake, and many people can read the logs of a run.
Hiding too much costs little: the reader opens the file at the line that the message names. Hiding too little leaks a
secret.
"""

import re
from dataclasses import replace
from itertools import pairwise
from typing import Final

from imagesync.errors import Diagnostic
from imagesync.text import make_printable, shorten

MAX_SHOWN_CHARS: Final = 80
"""Characters of one value in a message."""
MAX_JUDGED_CHARS: Final = 1024
"""Characters of a value that are searched for secrets: a message never shows what follows."""
MIN_RUN: Final = 20
"""Characters of the shortest run of letters and digits that may be hidden because it looks random."""

_PREFIXES: Final = (
    *("gh[opusr]_", "github_pat_", "gl(?:pat|dt|rt|ft|cbt|ptt|imt|agent|soat|ffct)-", "xox[a-z]-", "xapp-", "gAAAA"),
    *(
        "(?:AKIA|ASIA|ABIA|ACCA)(?=[A-Z0-9]{12})",
        "hv[bsr]\\.",
        "sk-",
        "sk_live_",
        "rk_live_",
        "npm_",
        "pypi-",
        "dckr_pat_",
    ),
    *("eyJ", "AIza", "ya29\\.", "SG\\.", "dop_v1_", "shp(?:at|ca|pa|ss)_", "glsa_", "hf_", "tskey-", "AGE-SECRET-KEY-"),
)
_SENSITIVE: Final = (
    r"(?:pass(?:word|wd|wort|code|phrase)|pwd|secret|token|credential|authori[sz]ation|bearer|"
    r"api[_-]?key|access[_-]?key|private[_-]?key|signature)"
)
_PATTERNS: Final = (
    r"-----BEGIN\b.{0,4096}",
    rf"(?<![A-Za-z0-9])(?:{'|'.join(_PREFIXES)})[\w.~+/=-]{{6,512}}",
    r"\$(?:apr1|argon2\w*|y|gy|scrypt|pbkdf2[\w-]*|[0-9][a-z]?)\$[^\s:]{1,512}",
    r"\{S?SHA[0-9]*\}\S{1,512}",
    r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,20}://[^\s/@]{0,512}@\S{0,512}",
    r"(?<![\w.@/-])[^\s/:@'\"]{1,64}:[^\s/@'\"]{3,256}@[\w.-]{1,256}",
    rf"[?&;][\w.-]{{0,64}}(?:{_SENSITIVE}|sig|key|expires)[\w.-]{{0,64}}=[^\s&]{{1,512}}",
    rf"{_SENSITIVE}[\w.-]{{0,64}}[\"']?\s{{0,8}}[:=]\s{{0,8}}(?!\(|[0-9]{{1,5}}\b)(?:(?:basic|bearer|digest)\s{{1,8}})?[^\s(][^\s,;]{{0,512}}",
    r"\b(?:basic|bearer)\s{1,8}(?=[\w.~+/=-]{0,64}[0-9A-Z=])[\w.~+/=-]{8,512}",
)
_SURE: Final = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS), re.IGNORECASE | re.DOTALL)
_LOOSE: Final = re.compile(rf"{_SENSITIVE}\w*[\"']?\s+\S", re.IGNORECASE)
"""``password WORD``, as in a .netrc file; for values only, because sentences of imagesync have it too."""
_SENSITIVE_NAME: Final = re.compile(rf"{_SENSITIVE}|(?:^|[_.-])(?:auth|key|pass|pin|salt)s?$", re.IGNORECASE)
_DIGESTS: Final = "|".join(
    rf"{name} [0-9a-fA-F]{{{length}}}"
    for name, length in (("md5", 32), ("sha1", 40), ("sha224", 56), ("sha256", 64), ("sha384", 96), ("sha512", 128))
)
"""``sha256 HEX``: after a blank, the number of digits must be that of the algorithm."""
_HARMLESS: Final = re.compile(
    r"(?i)\b(?:md5|sha1|sha224|sha256|sha384|sha512)(?::|\s*=\s*)[0-9a-fA-F]{32,128}\b"
    rf"|\b(?:{_DIGESTS})\b"
    r"|(?<![0-9a-fA-F-])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![0-9a-fA-F-])"
)
_RUN: Final = re.compile(rf"[A-Za-z0-9+/_=.~-]{{{MIN_RUN},}}")
_WORD: Final = re.compile(rf"[A-Za-z0-9+=]{{{MIN_RUN},}}")
_HEX: Final = re.compile(r"[0-9a-f]+|[0-9A-F]+")


def quote_value(value: object) -> str:
    """A value in quotes, cut after 80 characters; for a value that looks like a secret, only its length.

    A list or a mapping is only named as such: a secret in it may be recognizable by its key alone.
    """
    if value is None or isinstance(value, bool):
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    text = str(value)
    if is_secret(text):
        return _describe(text)
    return shorten(
        make_printable(repr(value if len(text) <= MAX_SHOWN_CHARS else text[:MAX_SHOWN_CHARS])), MAX_SHOWN_CHARS
    )


def show_key(name: str) -> str:
    """A key or another name as in ``quote_value``, without quotes."""
    return _describe(name) if is_secret(name) else shorten(make_printable(name), MAX_SHOWN_CHARS)


def is_secret(text: str) -> bool:
    """Whether a value looks like a secret, or a part of it does."""
    text = text[:MAX_JUDGED_CHARS]
    return bool(_SURE.search(text) or _LOOSE.search(text)) or any(
        map(_is_random, _RUN.findall(_HARMLESS.sub(" ", text)))
    )


def is_secret_name(name: str) -> bool:
    """Whether a key of this name holds a secret, whatever its value looks like."""
    return _SENSITIVE_NAME.search(name) is not None


def hide_secrets(message: str) -> str:
    """A whole message without anything that looks like a secret; for text that was not built with ``quote_value``."""
    message = _SURE.sub(lambda found: _describe(found[0]), message)
    kept = iter(_HARMLESS.findall(message))
    parts = [
        _RUN.sub(lambda found: _describe(found[0]) if _is_random(found[0]) else found[0], part)
        for part in _HARMLESS.split(message)
    ]
    return parts[0] + "".join(harmless + part for harmless, part in zip(kept, parts[1:], strict=True))


def clean_diagnostic(problem: Diagnostic) -> Diagnostic:
    """A problem without anything that looks like a secret; the name of its file is kept."""
    where, message, hint = map(hide_secrets, (problem.where, problem.message, problem.hint))
    excerpt = "" if is_secret(problem.excerpt) else problem.excerpt
    return replace(problem, where=where, message=message, hint=hint, excerpt=excerpt)


def _describe(text: str) -> str:
    return f"({len(text)} characters, not shown: looks like a secret)"


def _is_random(run: str) -> bool:
    """Whether a run of letters and digits looks random: in names, several characters of one kind follow each other."""
    if any(map(_is_random_word, _WORD.findall(run))):
        return True
    letters = [char for char in run if char.isalnum()]
    kinds = {_classify(char) for char in letters}
    return len(kinds) == 3 and len(letters) >= MIN_RUN and _count_changes(letters) >= 0.45 * len(letters)


def _is_random_word(word: str) -> bool:
    kinds = {_classify(char) for char in word}
    if len(kinds) < 2:
        return False
    if _HEX.fullmatch(word):
        return True
    return _count_changes(word) >= (0.35 if len(kinds) == 2 else 0.3) * len(word)


def _classify(char: str) -> str:
    return "digit" if char.isdigit() else "upper" if char.isupper() else "lower"


def _count_changes(chars: "list[str] | str") -> int:
    kinds = [_classify(char) for char in chars]
    return sum(one != other for one, other in pairwise(kinds))
