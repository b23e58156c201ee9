"""Texts of a checksum list -> entries, algorithms and file names. Pure."""

import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from imagesync.model.catalog import HEX_LENGTHS

LENGTHS: Final = {length: name for name, length in HEX_LENGTHS.items()}
OTHER_LENGTHS: Final = frozenset({56})
"""Lengths of digests that imagesync recognizes and cannot verify: SHA224."""
MAX_LABEL_CHARS: Final = 32
MAX_QUERY_CHARS: Final = 4096
MAX_NAME_CHARS: Final = 255
"""Of the name of a list, counted from its end."""
_SHA2: Final = re.compile(r"sha[-_ ]?(?:2[-_ ])?(224|256|384|512)")
_SHA1: Final = re.compile(r"sha[-_ ]?1")
_OTHERS: Final = re.compile(
    r"sha[-_ ]?3(?:[-_ ]?\d+)?|sha[-_ ]?512[-_/t]+(?:224|256)|b2|b3|b2sp?|blake\d?[a-z]{0,2}(?:[-_]?\d+)?|k12|"
    r"(?:md|mdc|has|sm)[-_]?\d+|(?:tiger|skein|haval|keccak|shake)[-_]?\d*(?:[-_/]\d+)?|rmd[-_]?\d+|"
    r"ripe-?md[-_]?\d*|whirlpool|gost\d*|stree?bog[-_]?\d*|mactripledes|crc[-_]?\d*c?|cksum|adler[-_]?\d*|xxh(?:ash)?\d*"
)
_COMMON_ENDING: Final = re.compile(r"[-_ ]?(?:hash|check)?sums?$|[-_ ]?(?:hash(?:es)?|digests?)$")
_BEFORE_ENDING: Final = re.compile(r"(?:\.(?:txt|text|asc|gpg|sig|sign|pgp|json|lst|list|md|csv))+$")
AFTER_NAME: Final = frozenset({"download", "raw", "content", "file", "view", "latest"})
"""What follows a file's name in the URLs of download sites."""
MAX_NAMES_OF_LINE: Final = 4
_FILE_ENDINGS: Final = frozenset(
    (
        *("qcow2", "qcow", "img", "raw", "vmdk", "vhd", "vhdx", "vdi", "iso", "ova", "ami"),
        *("tar", "gz", "xz", "bz2", "zst", "zip", "7z", "tgz", "txz", "squashfs"),
    )
)
_WORD: Final = re.compile(r"[^\s\"'`()\[\]<>|,;=]+")
_NAME_PART: Final = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")


class Entry(NamedTuple):
    """One digest of a list, and its file.

    ``names``: names of one file, as written, the most specific first; empty if the list has no name. ``algorithm``: a hashlib
    name in lower case, or an algorithm that imagesync cannot verify in upper case. ``value``: lower-case hexadecimal.
    ``sized``: the file's name if the word before it is a size. ``problem``: why the digest is ambiguous. ``is_mention``: not an
    entry, but a word of an ambiguous line that could be the name of this file. ``about``: the file that a line without a
    digest names; a digest without a name may belong to that file.
    """

    names: tuple[str, ...]
    algorithm: str = ""
    value: str = ""
    sized: str = ""
    problem: str = ""
    is_mention: bool = False
    about: str = ""


class AlgorithmHint(NamedTuple):
    """The algorithm of the digests that follow, and the place that names it: ``the heading in line 3``, ``the list's name``."""

    algorithm: str
    where: str


def read_algorithm(label: str) -> str | None:
    """The algorithm of a label such as ``SHA2-256``, ``sha512sum`` or ``B2``, as in ``Entry``; None if there is none."""
    label = label.strip()
    return _read_short_label(label.lower()) if 0 < len(label) <= MAX_LABEL_CHARS else None


@lru_cache(maxsize=256)
def _read_short_label(text: str) -> str | None:
    for spelling in (text, _COMMON_ENDING.sub("", text)):
        if spelling == "md5":
            return "md5"
        if _SHA1.fullmatch(spelling):
            return "sha1"
        if found := _SHA2.fullmatch(spelling):
            return f"sha{found[1]}" if f"sha{found[1]}" in HEX_LENGTHS else f"SHA{found[1]}"
        if _OTHERS.fullmatch(spelling):
            return {"B2": "BLAKE2B", "B3": "BLAKE3"}.get(spelling.upper(), spelling.upper())
    return None


def is_verified(algorithm: str) -> bool:
    """Whether imagesync can verify digests of this algorithm."""
    return algorithm in HEX_LENGTHS


def find_algorithm_of_list(url: str) -> AlgorithmHint | None:
    """The algorithm in the name of a list: ``SHA256SUMS``, ``disk.img.sha512``, ``CHECKSUM.SHA256``, ``b2sums.txt``.

    The name may be in the query (``?file=B2SUMS``), or before ``/download``.
    """
    parts = urlsplit(url)
    names = [part for part in unquote(parts.path).split("/") if part][-2:][::-1] or [""]
    names = names if names[0].lower() in AFTER_NAME else names[:1]
    names += [value.rpartition("/")[2] for _, value in parse_qsl(parts.query[:MAX_QUERY_CHARS])]
    found = next(filter(None, map(_find_algorithm_in_name, names)), None)
    return AlgorithmHint(found, "the list's name") if found else None


def _find_algorithm_in_name(name: str) -> str | None:
    """The end of the name is read before its beginning; the rest may be the name of the image."""
    name = _BEFORE_ENDING.sub("", name[-MAX_NAME_CHARS:].lower())
    whole = [found for piece in name.split(".") for found in _NAME_PART.findall(piece)] or [""]
    ends = [part for part in (*_split_name(whole[-1])[::-1], *_split_name(whole[0])[:1]) if any(map(str.isdigit, part))]
    return next(filter(None, map(read_algorithm, (whole[-1], *ends))), None)


def find_file_names(text: str) -> list[str]:
    """The words of a text that end like the name of an image or an archive."""
    words = (word.rstrip(".:!?*") for word in _WORD.findall(text) if "." in word)
    return [word for word in words if word.rpartition(".")[2].lower() in _FILE_ENDINGS][:MAX_NAMES_OF_LINE]


def _split_name(text: str) -> list[str]:
    return re.split("[-_]", text)


def make_entry(
    names: tuple[str, ...], value: str, label: str | None, hint: AlgorithmHint | None, where: str, sized: str = ""
) -> Entry | None:
    """An entry; its label, the hint or the length gives the algorithm, in this order. None if nothing gives it."""
    algorithm = read_algorithm(label) or label.upper() if label else hint.algorithm if hint else LENGTHS.get(len(value))
    if algorithm is None:
        algorithm = "SHA224" if len(value) in OTHER_LENGTHS else None
    if algorithm is None:
        return None
    if is_verified(algorithm) and HEX_LENGTHS[algorithm] != len(value):
        source = "its label" if label else hint.where if hint else ""
        return Entry(
            names,
            sized=sized,
            problem=f"{where}: {len(value)} digits, but {source} names {algorithm}, which has {HEX_LENGTHS[algorithm]}",
        )
    return Entry(names, algorithm, value.lower(), sized)
