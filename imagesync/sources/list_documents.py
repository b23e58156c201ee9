"""A checksum list in JSON -> its entries. Pure.

An entry is any object that has a digest in a field with the name of its algorithm (or ``checksum``, ``digest``, ``hash``)
and beside it the name, path or URL of a file. This covers Fedora, openSUSE, the streams of CoreOS and simplestreams, and the
assets of releases on GitHub.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from imagesync.errors import SourceError
from imagesync.secrets import show_key
from imagesync.sources.entries import LENGTHS, AlgorithmHint, Entry, find_file_names, make_entry, read_algorithm

MAX_MARKS: Final = 500_000
"""Commas, colons and brackets of a document; they limit the memory of its values."""
MIN_CHARS: Final = min(LENGTHS)
_NAMES: Final = (
    *(
        "path",
        "file_path",
        "filepath",
        "url",
        "uri",
        "href",
        "link",
        "location",
        "download_url",
        "browser_download_url",
    ),
    *(
        "download",
        "download_link",
        "image_url",
        "filename",
        "file_name",
        "file",
        "image",
        "image_name",
        "name",
        "asset",
    ),
    *("artifact", "key", "ref", "src", "target"),
)
"""Fields that hold the name of a file, the most specific first."""
_DIGESTS: Final = frozenset(
    (
        *("checksum", "checksums", "digest", "digests", "hash", "hashes", "sum", "sums", "hashsum"),
        *("hashsums", "value", "content", "hex", "checksum_value", "hash_value"),
    )
)
_ALGORITHMS: Final = (
    *(
        "algorithm",
        "alg",
        "algo",
        "type",
        "method",
        "checksum_type",
        "checksum_algorithm",
        "hash_type",
        "hash_algorithm",
    ),
    *("hash_algo", "digest_algorithm", "digest_type", "function"),
)
MAX_HEADING_BYTES: Final = 256
_HEADING: Final = re.compile(rb"\[[A-Za-z][A-Za-z0-9 _-]{0,80}\][ \t\r]*\n")
_LABELLED: Final = re.compile(r"(?:([A-Za-z][A-Za-z0-9/_-]{1,31})[:=-])?([0-9A-Fa-f]{32,128})")
_AROUND: Final = re.compile(r"^(?:checksum|hash|digest)_|_(?:checksum|hash|digest|sum|hex)$")


def is_document(content: bytes) -> bool:
    """Whether a list is JSON; a heading in brackets (``[SHA256]``) is not."""
    start = content[:MAX_HEADING_BYTES].lstrip()
    return start.startswith((b"{", b"[")) and not _HEADING.match(start)


def read_document(content: bytes) -> list[Entry]:
    """The entries of a JSON document; SourceError if it is not JSON, or has too many values."""
    if sum(map(content.count, (b",", b":", b"[", b"{"))) > MAX_MARKS:
        raise SourceError(
            f"it is JSON with too many values; the limit is {MAX_MARKS:,}",
            "name a list in another form, or declare the checksum",
        )
    try:
        document = json.loads(content, object_pairs_hook=_make_object)
    except (ValueError, RecursionError) as error:
        raise SourceError("it begins like JSON but is not valid JSON", "correct checksum_url") from error
    return list(_walk(document))


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object; SourceError if one name has two values, because parsers differ in which one they keep."""
    made = dict(pairs)
    if len(made) < len(pairs):
        for name, value in pairs:
            if made[name] != value:
                message = f"it is JSON with two different values of {show_key(name)} in one object"
                raise SourceError(message, "declare the checksum itself")
    return made


def _walk(document: Any) -> Iterator[Entry]:
    """The entries of all objects; without recursion, because the nesting may be deep."""
    waiting: list[tuple[str, Any, AlgorithmHint | None]] = [("", document, None)]
    while waiting:
        key, node, hint = waiting.pop()
        if isinstance(node, list):
            waiting += (("", item, hint) for item in reversed(node))
        elif isinstance(node, dict):
            hint = _find_hint(node, key) or hint
            is_read = _can_have_digests(node)
            if is_read:
                yield from _read_object(node, _find_names(node, key), hint)
            is_read = is_read and bool(_find_names(node, ""))
            waiting += (
                (name, item, _find_hint({}, name) or hint)
                for name, item in reversed(node.items())
                if isinstance(item, dict | list) and not (is_read and _simplify(name) in _DIGESTS)
            )


def _can_have_digests(node: Mapping[str, Any]) -> bool:
    """Whether an object may have digests; most objects of a long document have none."""
    return any(
        len(value) >= MIN_CHARS
        if isinstance(value, str)
        else isinstance(value, dict | list) and _simplify(name) in _DIGESTS
        for name, value in node.items()
    )


def _find_names(node: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The names of an object's file; the object's own key comes last, if it is like a file name."""
    fields = {_simplify(name): value for name, value in node.items() if isinstance(value, str)}
    names = [fields[name] for name in _NAMES if fields.get(name) and not _LABELLED.fullmatch(fields[name])]
    if not names:  # a field with another name, if no other one has the name of an image
        others = [value for value in fields.values() if find_file_names(value) == [value]]
        names = others if len(others) == 1 else []
    return tuple(dict.fromkeys([*names, key] if "." in key else names))


def _find_hint(node: Mapping[str, Any], key: str) -> AlgorithmHint | None:
    """The algorithm that an object, or its key, names for its content."""
    algorithm = read_algorithm(key) or _find_algorithm_beside(node)
    return (
        AlgorithmHint(algorithm, f"its field {key[:32]}" if read_algorithm(key) else "a field beside it")
        if algorithm
        else None
    )


def _find_algorithm_beside(node: Mapping[str, Any]) -> str | None:
    """The algorithm in a field beside a digest: a field for algorithms, else the only algorithm in any other field."""
    named = next((found for name in _ALGORITHMS if (found := _read_algorithm_field(node, name))), None)
    if named:
        return named
    others = {found for value in node.values() if isinstance(value, str) and (found := read_algorithm(value))}
    return others.pop() if len(others) == 1 else None


def _read_object(node: Mapping[str, Any], names: tuple[str, ...], hint: AlgorithmHint | None = None) -> Iterator[Entry]:
    """The digests of one object, and of the objects in fields such as ``checksums`` and ``hashes``."""
    beside = _find_algorithm_beside(node)
    for key, value in node.items():
        name = _simplify(key)
        if isinstance(value, str):
            algorithm = read_algorithm(_AROUND.sub("", name))
            if algorithm or name in _DIGESTS:
                yield from _make_entries(names, value, algorithm or beside, key, hint)
            elif "." in key:  # a mapping of names to digests
                yield from _make_entries((key,), value, None, key, hint)
        elif names and name in _DIGESTS and isinstance(value, dict | list):
            for inner in value if isinstance(value, list) else [value]:
                if isinstance(inner, dict):
                    yield from _read_object(inner, names, hint)
                elif isinstance(inner, str):
                    yield from _make_entries(names, inner, None, key, hint)


def _make_entries(
    names: tuple[str, ...], value: str, algorithm: str | None, key: str, hint: AlgorithmHint | None
) -> Iterator[Entry]:
    found = _LABELLED.fullmatch(value.strip())
    if not found or not (found[1] or algorithm or hint or len(found[2]) in LENGTHS):
        return
    label = found[1] or algorithm
    if found[1] and not read_algorithm(found[1]):
        return
    if entry := make_entry(names, found[2], label, hint, f"its field {key[:32]}"):
        yield entry


def _read_algorithm_field(node: Mapping[str, Any], wanted: str) -> str | None:
    """The algorithm in a field of this name; None if its value is not an algorithm."""
    values = (value for name, value in node.items() if _simplify(name) == wanted)
    return next((read_algorithm(value) for value in values if isinstance(value, str)), None)


@lru_cache(maxsize=1024)
def _simplify(name: str) -> str:
    """One spelling of a field: ``downloadUrl``, ``Download-URL`` and ``download_url`` are the same."""
    if len(name) > 64:
        return ""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).replace("-", "_").replace(" ", "_").lower()
