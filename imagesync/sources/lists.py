"""A list of digests, as upstreams publish it beside their images -> the digests of one file. Pure.

Read are lines of GNU coreutils (``HEX  NAME``), BSD and OpenSSL (``SHA256 (NAME) = HEX``) and bare digests, also inside
an OpenPGP clear-signed text; everything else in it is passed over.
"""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, urlsplit

from imagesync.errors import SourceError
from imagesync.model.catalog import HEX_LENGTHS, Checksum

_GNU: Final = re.compile(r"\\?([0-9A-Fa-f]{32,128})[ \t]+\*?(\S.*)")
_BSD: Final = re.compile(r"(MD5|SHA-?1|SHA(?:2-|-)?(?:256|384|512)) ?\((.+)\) ?= ?([0-9A-Fa-f]{32,128})")
_BARE: Final = re.compile(r"[0-9A-Fa-f]{32,128}")
_LENGTHS: Final = {length: name for name, length in HEX_LENGTHS.items()}
_BEGIN: Final = "-----BEGIN PGP SIGNED MESSAGE-----"


def text_of(content: bytes) -> str:
    """The text of a list, taken out of a clear signature (RFC 9580, section 7) where there is one."""
    text = content.decode("utf-8", errors="replace").replace("\r\n", "\n")
    if not text.lstrip().startswith(_BEGIN):
        return text
    body = text.partition(_BEGIN)[2].partition("\n\n")[2].partition("\n-----BEGIN PGP SIGNATURE-----")[0]
    return "\n".join(line.removeprefix("- ") for line in body.split("\n"))


def find_digests(text: str, place: str) -> tuple[Checksum, ...]:
    """The digests, strongest first, that a list has for the file of a URL or path.

    Of several files of that name the one counts whose folders fit best. SourceError where there is none, or where one
    algorithm has two digests for it.
    """
    wanted = _split_path(urlsplit(place).path if "://" in place else place)
    entries = list(_parse_entries(text))
    fits = [(_count_common_parts(_split_path(name), wanted), digest) for name, digest in entries if name]
    if not fits:
        fits = [(1, digest) for _, digest in entries]
    best = max((fit for fit, _ in fits), default=0)
    found = {digest for fit, digest in fits if fit == best and best}
    if not found:
        raise SourceError(f"the list has no digest for {wanted[-1]}", "correct checksum_url, or the source")
    by_algorithm = {digest.algorithm: digest for digest in found}
    if len(by_algorithm) < len(found):
        raise SourceError(f"the list has two different digests for {wanted[-1]}", "declare the checksum itself")
    return tuple(sorted(by_algorithm.values(), key=lambda digest: -HEX_LENGTHS[digest.algorithm]))


def _parse_entries(text: str) -> Iterator[tuple[str, Checksum]]:
    """Name (empty for a bare digest) and digest of every line that has one."""
    for line in map(str.strip, text.splitlines()):
        if found := _BSD.fullmatch(line):
            algorithm, name, value = (
                found[1].replace("SHA2-", "SHA").replace("-", "").lower(),
                found[2],
                found[3].lower(),
            )
        elif found := _GNU.fullmatch(line):
            algorithm, name, value = _LENGTHS.get(len(found[1]), ""), found[2], found[1].lower()
            name = "" if name == "-" else name  # standard input
        elif _BARE.fullmatch(line):
            algorithm, name, value = _LENGTHS.get(len(line), ""), "", line.lower()
        else:
            continue
        if HEX_LENGTHS.get(algorithm) == len(value):
            yield name, Checksum(algorithm, value)


def _split_path(path: str) -> list[str]:
    return [part for part in unquote(path).split("/") if part not in ("", ".")] or [""]


def _count_common_parts(name: list[str], wanted: list[str]) -> int:
    """How many of the last parts of two paths are the same."""
    count = 0
    for one, other in zip(reversed(name), reversed(wanted), strict=False):
        if one != other:
            break
        count += 1
    return count
