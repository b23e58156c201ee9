"""The text of a URL -> what is shown, which host is asked, or why it is refused. Pure.

One grammar decides what a URL means, for the reader of a plan and for the request. It is that of RFC 3986, without
everything that programs read differently: a backslash, characters of control, a second ``@``, odd spellings of a number
as a host. A URL that passes means the same host to every parser.
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
"""Of a host's name: the limit of the DNS (RFC 1035)."""
MAX_PORT: Final = 65_535
WHY_DIGEST: Final = (
    "a URL with a log-in or a query needs a digest: no hash of a secret is kept, so nothing else distinguishes builds"
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
"""What nearly all URLs are: nothing in it would be taken off."""
_SCHEMES: Final = frozenset(
    {"file", "ftp", "ftps", "sftp", "ssh", "s3", "gs", "swift", "rsync", "nfs", "oci", "docker", "data"}
)
_HOST_FIRST: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}(?::[0-9]{1,5})?/", re.IGNORECASE)
"""How an address begins whose scheme was left out."""
MAX_WRITTEN_CHARS: Final = 120
"""Of a URL that a hint writes out."""
_NO_URL: Final = ("is not a URL", "write http://HOST/PATH or https://HOST/PATH")


def find_url_problem(url: str) -> tuple[str, str] | None:
    """What is wrong with the URL of a source, and what to do; None if nothing is."""
    scheme = _SCHEME.match(url)
    if not scheme or scheme[1].lower() not in ("http", "https"):
        return _find_scheme_problem(url)
    if "\\" in url or " " in url or not url.isprintable():  # no other white space is printable
        return _find_character_problem(url, next(n for n, char in enumerate(url) if not _is_written_plainly(char)))
    if "#" in url:
        return "holds a #: what follows it is never sent to a server", "take it out, or write %23 for the character"
    found = _URL.fullmatch(url)
    if found is None:
        return _find_authority_problem(url)
    if found["port"] and not 0 < int(found["port"]) <= MAX_PORT:
        return f"the port {found['port']} does not exist", f"1 to {MAX_PORT}"
    return None if _is_host(found["host"]) else (f"{show_key(found['host'])} is not a host", _NO_URL[1])


def _find_scheme_problem(url: str) -> tuple[str, str]:
    """A scheme that is known is named; any other text before a colon may be a part of a secret."""
    scheme = _SCHEME.match(url)
    if scheme and scheme[1].lower() in _SCHEMES:
        return f"{scheme[1]} is not http or https", "use one of them, or path for a file"
    if scheme and "://" in url:
        return "the scheme is not http or https", "use one of them, or path for a file"
    is_shown = not re.search("[?@]", url) and not is_secret(url)
    message = f"{quote_value(url) if is_shown else 'this'} is not a URL, which begins with http:// or https://"
    is_written = is_shown and _HOST_FIRST.match(url) is not None and len(url) <= MAX_WRITTEN_CHARS
    return message, f"write https://{url}" if is_written else "write the whole address"


def _is_written_plainly(char: str) -> bool:
    return char != "\\" and char.isprintable() and not char.isspace()


def _find_character_problem(url: str, place: int) -> tuple[str, str]:
    """A character that programs read differently, and how it is written."""
    char = url[place]
    names = {" ": "a space", "\\": "a backslash"}
    message = f"holds {names.get(char, 'a character of control')} (character {place + 1})"
    if url != url.strip():
        return message, "remove the characters before or after the URL"
    encoded = "".join(char if _is_written_plainly(char) else quote(char) for char in url)
    is_whole = _URL.fullmatch(encoded) is not None and not re.search("[?@]", encoded)
    is_shown = is_whole and not is_secret(url) and len(encoded) <= MAX_WRITTEN_CHARS
    return message, f"write it percent-encoded: {encoded if is_shown else quote(char)}"


def _find_authority_problem(url: str) -> tuple[str, str]:
    """What is wrong between ``//`` and the path."""
    authority = re.split("[/?]", url.partition("://")[2], maxsplit=1)[0]
    host = authority.rpartition("@")[2]
    if not host.isascii():
        return "the host has letters that look like others", "write its ASCII form: xn--…"
    if "@" in authority:
        return "the log-in before @ holds a character that must be encoded", "percent-encode it (@ is %40)"
    return _NO_URL


def _is_host(host: str) -> bool:
    """Whether all programs read this host alike: a name, four decimal numbers, or an IPv6 address in brackets."""
    try:
        if host.startswith("["):
            return bool(IPv6Address(host[1:-1]))
        labels = host.split(".")
        if _NUMBER.fullmatch(labels[-1]):  # some read 127.1, 0x7f000001 and 017700000001 as an address
            return bool(IPv4Address(host))
    except AddressValueError:
        return False
    return len(host) <= MAX_HOST_CHARS and all(map(_LABEL.fullmatch, labels))


def read_host(url: str) -> str:
    """The host that a URL without problem asks, in lower case; an IPv6 address without its brackets."""
    return (urlsplit(url).hostname or "").lower()


def read_origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL without problem."""
    parts = urlsplit(url)
    return parts.scheme, read_host(url), parts.port or (443 if parts.scheme == "https" else 80)


def is_host_named(host: str, globs: Sequence[str]) -> bool:
    """Whether one of the globs names this host; upper and lower case are the same."""
    return any(fnmatchcase(host.lower(), pattern.lower()) for pattern in globs)


def is_address_without_scheme(text: str) -> bool:
    """Whether a text looks like ``HOST.TLD/PATH``."""
    return _HOST_FIRST.match(text) is not None


def has_secret(url: str) -> bool:
    """Whether a URL has a log-in, or a query, which may be a signature: it is never shown or kept, nor is a hash of it."""
    if "@" not in url:
        return "?" in url
    return "@" in urlsplit(url).netloc or "?" in url


def redact_url(url: str) -> str:
    """A URL that may be shown and kept: without log-in, query and fragment. ValueError if it is not a URL."""
    if _PUBLIC.fullmatch(url):
        return url
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, _strip_login(parts.netloc), parts.path, "", ""))


def redact_host(url: str) -> str:
    """Host and port of a URL, without log-in. ValueError if it is not a URL."""
    return _strip_login(urlsplit(url).netloc)


def remove_login(url: str) -> str:
    """The URL as it is sent to a server: what is before ``@`` is sent in a header."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, _strip_login(parts.netloc), parts.path, parts.query, ""))


def _strip_login(netloc: str) -> str:
    return netloc.rpartition("@")[2]


def identify_url(url: str) -> str | None:
    """The identity of a URL in a record: its sha256 in hexadecimal; None for one with a secret."""
    return None if has_secret(url) else hashlib.sha256(url.encode()).hexdigest()
