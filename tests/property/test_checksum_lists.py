"""Generated checksum lists: the reader finds each written entry and no other, and no input breaks it."""

import json
import random
import string
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesync.errors import SourceError
from imagesync.model.catalog import HEX_LENGTHS
from imagesync.sources.lists import read_list
from imagesync.sources.matching import Wanted

ALGORITHMS = sorted(HEX_LENGTHS)
WORDS = st.text(alphabet=string.ascii_letters + string.digits + "._-+()=:,#*~@ ", min_size=1, max_size=30)
NAMES = WORDS.map(lambda word: f"d{word.strip(' .')}.img".replace("..", "."))
DIGESTS = st.sampled_from(ALGORITHMS).flatmap(
    lambda name: st.tuples(
        st.just(name), st.text("0123456789abcdef", min_size=HEX_LENGTHS[name], max_size=HEX_LENGTHS[name])
    )
)
FORMS: dict[str, Callable[[str, str, str], str]] = {
    "gnu": lambda name, _, digits: f"{digits}  {name}",
    "binary": lambda name, _, digits: f"{digits} *{name}",
    "bsd": lambda name, algorithm, digits: f"{algorithm.upper()} ({name}) = {digits}",
    "openssl": lambda name, algorithm, digits: f"{algorithm}({name})= {digits.upper()}",
    "label": lambda name, algorithm, digits: f"{algorithm}: {digits}  {name}",
    "prefix": lambda name, algorithm, digits: f"{algorithm}:{digits}  {name}",
    "table": lambda name, algorithm, digits: f"{algorithm.upper():16}{digits.upper()}       D:\\out\\{name}",
}


def find(content: bytes, name: str) -> tuple[str, ...] | SourceError:
    """The digest that a list has for a file beside it."""
    wanted = Wanted(f"/images/{name}")
    found = read_list(content, [wanted], "https://m.example/LIST")[wanted]
    return tuple(map(str, found)) if isinstance(found, tuple) else found


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(entries=st.dictionaries(NAMES, DIGESTS, min_size=2, max_size=5), coding=st.sampled_from(["utf-8", "utf-16"]))
def test_written_entries_are_read(form: str, entries: dict[str, tuple[str, str]], coding: str) -> None:
    """Names may have brackets, equals signs, spaces and texts that look like labels. Each file has its own digest."""
    lines = "".join(f"{FORMS[form](name, *digest)}\n" for name, digest in entries.items())
    for name, digest in entries.items():
        assert find(lines.encode(coding), name) == (":".join(digest),)


@settings(deadline=None)
@given(entries=st.dictionaries(NAMES, DIGESTS, min_size=2, max_size=5))
def test_json_that_is_written_is_read(entries: dict[str, tuple[str, str]]) -> None:
    """The digest is a field beside the name."""
    document = [{"name": name, algorithm: digits} for name, (algorithm, digits) in entries.items()]
    for name, digest in entries.items():
        assert find(json.dumps(document).encode(), name) == (":".join(digest),)


PIECES = (
    *("a.img", "gtk/a.img", "./a.img", "*a.img", "a.img:", "(a.img)", "=", ":", "-", "*", "|", ",", "#", "\\", '"'),
    *(
        "0" * 64,
        "1" * 64,
        "2" * 128,
        "3" * 32,
        "4" * 40,
        "5" * 56,
        "ABCD EF01",
        "12345",
        "sha256",
        "SHA512:",
        "BLAKE2B",
    ),
    *("http://", "https://[", "file://x/", "%41", "%2F", "%", "..", "../", "/", "D:", '{"name": "a.img", "sha256": "'),
    *("# MD5 HASH\n", "SHA1SUMS\n", "Algorithm : SHA256\n", "Hash : ", "Path : a.img\n", "sha256:", "SHA256 (", ") = "),
    *(" ", "  ", "\t", "\n", "\r\n", "\n\n", "- ", "{", "}", "[", "]", "\0", "\ufeff", "\U0001f600", "-----BEGIN PGP "),
    *("-----BEGIN PGP SIGNED MESSAGE-----\n", "\n-----BEGIN PGP SIGNATURE-----", "<html>", "SHA256 hash of a.img:\n"),
)


@settings(deadline=None)
@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=40),
    coding=st.sampled_from(["utf-8", "utf-16", "utf-16-le", "utf-32"]),
)
def test_no_text_breaks_the_reader(pieces: list[str], coding: str) -> None:
    """Parts of all forms in any order lead to a digest in the text, or to an error of one line."""
    text = "".join(pieces)
    try:
        found = find(text.encode(coding, "surrogatepass"), "a.img")
    except SourceError as error:
        found = error
    if isinstance(found, SourceError):
        assert "\n" not in str(found)
        return
    digits = "".join(text.lower().split())
    for digest in found:
        assert digest.partition(":")[2] in digits


@settings(deadline=None)
@given(content=st.binary(max_size=2000))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    """Bytes that are not text do not break it, either."""
    with suppress(SourceError):
        read_list(content, [Wanted("https://m.example/a.img")], "https://m.example/LIST")


def test_the_order_of_lines_does_not_matter() -> None:
    """The result does not depend on it."""
    lines = [f"{number % 16:x}" * 64 + f"  {folder}/{name}\n" for number, (folder, name) in enumerate(PATHS)]
    seen = set()
    for seed in range(20):
        random.Random(seed).shuffle(lines)
        seen.add(str([find("".join(lines).encode(), f"{folder}/{name}") for folder, name in PATHS]))
    assert len(seen) == 1


PATHS = [(folder, name) for folder in ("a", "b", "a/b") for name in ("x.img", "y.img")]
