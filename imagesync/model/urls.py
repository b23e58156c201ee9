"""The text of a URL -> its problem, its host, its identity, or the form that may be shown. Pure.

The reader of a plan and the request must understand a URL alike. So the grammar is that of RFC 3986 without the parts
that programs interpret differently: a backslash, control characters, a second ``@``, unusual spellings of an IP
address. Every parser finds the same host in a URL without problem.
"""

import hashlib
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from imagesync.secrets import is_secret, quote_value, show_key

MAX_HOST_CHARS: Final = 253
"""Characters of a host's name: the limit of the DNS (RFC 1035)."""
MAX_PORT: Final = 65_535
WHY_DIGEST: Final = (
    "a URL with a log-in or a query needs a digest: no hash of a secret is stored, so nothing else distinguishes builds"
)
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_URL: Final = re.compile(
    r"""(?ix) https?://
    (?: (?P<login> (?: [a-z0-9._~!$&'()*+,;=:-] | %[0-9a-f]{2} )* ) @ )?
    (?P<host> \[ [0-9a-f:.]+ \] | [a-z0-9_.-]+ )
    (?: : (?P<port> [0-9]{1,5} ) )?
    (?P<rest> [/?] [^\#]* )?"""
)
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)
_PUBLIC: Final = re.compile(r"https?://[A-Za-z0-9._-]+(:[0-9]+)?(/[A-Za-z0-9._~!$&'()*+,;=:%/-]*)?")
"""The form of nearly all URLs, which have nothing to hide."""
_SCHEMES: Final = frozenset(
    {"file", "ftp", "ftps", "sftp", "ssh", "s3", "gs", "swift", "rsync", "nfs", "oci", "docker", "data"}
)
_HOST_FIRST: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}(?::[0-9]{1,5})?/", re.IGNORECASE)
"""The start of an address without a scheme."""
MAX_WRITTEN_CHARS: Final = 120
"""Characters of a URL in a hint; a longer one is not repeated."""
_NO_URL: Final = ("is not a URL", "write http://HOST/PATH or https://HOST/PATH")


def find_url_problem(url: str) -> tuple[str, str] | None:
    """What is wrong with the URL of a source, and what to do; None if nothing is."""
    scheme = _SCHEME.match(url)
    if not scheme or scheme[1].lower() not in ("http", "https"):
        return _find_scheme_problem(url)
    if "\\" in url or " " in url or not url.isprintable():  # no other white space is printable
        return _find_character_problem(url, next(n for n, char in enumerate(url) if not _is_written_plainly(char)))
    if "#" in url:
        return "holds a #: the text after it is never sent to a server", "remove it, or write %23 for the character"
    found = _URL.fullmatch(url)
    if found is None:
        return _find_authority_problem(url)
    if found["port"] and not 0 < int(found["port"]) <= MAX_PORT:
        return f"the port {found['port']} is not valid", f"use a port from 1 to {MAX_PORT}"
    return None if _is_host(found["host"]) else (f"{show_key(found['host'])} is not a host", _NO_URL[1])


def _find_scheme_problem(url: str) -> tuple[str, str]:
    """The problem of a URL without http or https; an unknown scheme is not repeated, because it may be a secret."""
    scheme = _SCHEME.match(url)
    if scheme and scheme[1].lower() in _SCHEMES:
        return f"{scheme[1]} is not http or https", "use http or https, or path for a local file"
    if scheme and "://" in url:
        return "the scheme is not http or https", "use http or https, or path for a local file"
    is_shown = not re.search("[?@]", url) and not is_secret(url)
    message = f"{quote_value(url) if is_shown else 'this'} is not a URL, which begins with http:// or https://"
    is_written = is_shown and _HOST_FIRST.match(url) is not None and len(url) <= MAX_WRITTEN_CHARS
    return message, f"write https://{url}" if is_written else "write the whole address"


def _is_written_plainly(char: str) -> bool:
    return char != "\\" and char.isprintable() and not char.isspace()


def _find_character_problem(url: str, place: int) -> tuple[str, str]:
    """The problem of a character that programs interpret differently, and how to write it."""
    char = url[place]
    names = {" ": "a space", "\\": "a backslash"}
    message = f"holds {names.get(char, 'a control character')} (character {place + 1})"
    if url != url.strip():
        return message, "remove the characters before or after the URL"
    encoded = "".join(char if _is_written_plainly(char) else quote(char) for char in url)
    is_whole = _URL.fullmatch(encoded) is not None and not re.search("[?@]", encoded)
    is_shown = is_whole and not is_secret(url) and len(encoded) <= MAX_WRITTEN_CHARS
    return message, f"write it percent-encoded: {encoded if is_shown else quote(char)}"


def _find_authority_problem(url: str) -> tuple[str, str]:
    """The problem of the part between ``//`` and the path."""
    authority = re.split("[/?]", url.partition("://")[2], maxsplit=1)[0]
    host = authority.rpartition("@")[2]
    if not host.isascii():
        return "the host has letters that are not ASCII and may look like others", "write its ASCII form: xn--…"
    if "@" in authority:
        return "the log-in before @ has a character that must be encoded", "percent-encode it (@ is %40)"
    return _NO_URL


def _is_host(host: str) -> bool:
    """Whether all programs interpret this host alike: a name, four decimal numbers, or an IPv6 address in brackets."""
    try:
        if host.startswith("["):
            return bool(IPv6Address(host[1:-1]))
        labels = host.split(".")
        if _NUMBER.fullmatch(labels[-1]):  # some programs accept 127.1, 0x7f000001 and 017700000001 as an address
            return bool(IPv4Address(host))
    except AddressValueError:
        return False
    return len(host) <= MAX_HOST_CHARS and all(map(_LABEL.fullmatch, labels))


def read_host(url: str) -> str:
    """The host of a URL without problem, in lower case; an IPv6 address without its brackets."""
    return (urlsplit(url).hostname or "").lower()


def read_origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL without problem."""
    parts = urlsplit(url)
    return parts.scheme, read_host(url), parts.port or (443 if parts.scheme == "https" else 80)


def is_host_named(host: str, globs: Sequence[str]) -> bool:
    """Whether one of the globs matches this host, ignoring case."""
    return any(fnmatchcase(host.lower(), pattern.lower()) for pattern in globs)


def is_address_without_scheme(text: str) -> bool:
    """Whether a text looks like ``HOST.TLD/PATH``."""
    return _HOST_FIRST.match(text) is not None


def has_secret(url: str) -> bool:
    """Whether a URL has a log-in, or a query, which may be a signature: it is never shown or stored, nor its hash."""
    if "@" not in url:
        return "?" in url
    return "@" in urlsplit(url).netloc or "?" in url


def redact_url(url: str) -> str:
    """The URL without log-in, query and fragment, which may be shown and stored. ValueError if it is not a URL."""
    if _PUBLIC.fullmatch(url):
        return url
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, _strip_login(parts.netloc), parts.path, "", ""))


def redact_host(url: str) -> str:
    """The host and port of a URL, without log-in. ValueError if it is not a URL."""
    return _strip_login(urlsplit(url).netloc)


def remove_login(url: str) -> str:
    """The URL without log-in, which a request sends in a header instead."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, _strip_login(parts.netloc), parts.path, parts.query, ""))


def _strip_login(netloc: str) -> str:
    return netloc.rpartition("@")[2]


def identify_url(url: str) -> str | None:
    """The identity of a URL in a record: its sha256 in hexadecimal; None for one with a secret."""
    return None if has_secret(url) else hashlib.sha256(url.encode()).hexdigest()
