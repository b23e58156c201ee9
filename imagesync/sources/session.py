"""A URL -> the response of its server. Does I/O.

This module decides which hosts a URL can make the run contact, which redirects are followed, and which host gets credentials.

* Credentials come from the URL, or from the entry of exactly its host in the user's netrc file. After a redirect to
  another host, no host gets any.
* A redirect from a public address to an internal one is refused, and so is a link-local address. The connected address is
  checked before a byte is sent, because a name can resolve to another address each time. Behind a proxy, only addresses
  that are written in a URL can be checked.
"""

import io
import os
import ssl
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urljoin, urlsplit

from imagesync.errors import SourceError
from imagesync.model.urls import find_url_problem, read_host, read_origin, redact_url, remove_login
from imagesync.sources.access import NO_DEADLINE, Deadline, PassingError, Reach, SourceAccess
from imagesync.tls import is_plain_server, is_tls_server

if TYPE_CHECKING:
    import requests

TIMEOUTS: Final = (10.0, 60.0)
"""Seconds for a connection, and for the head of a response or each further piece of it."""
MAX_REDIRECTS: Final = 10
_PASSING: Final = frozenset({408, 425, 429})
"""Status codes that are worth another try, beside all of 5xx."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class RefusedError(Exception):
    """An unsuccessful response."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class WebSession:
    """Connections to web servers under the rules of one ``SourceAccess``; for one thread."""

    def __init__(self, access: SourceAccess, deadline: Deadline = NO_DEADLINE) -> None:
        self._access, self._deadline = access, deadline
        self._session = self._make_session()
        self._is_led_inside = False
        self._reached: defaultdict[str, set[Reach]] = defaultdict(set)
        self.redirects: list[str] = []
        """The URLs of the redirects of the last request."""

    def __enter__(self) -> "WebSession":
        return self

    def __exit__(self, *_error: object) -> None:
        self._session.close()

    def ask(self, url: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> "requests.Response":
        """A successful response (200, or 206 for a range) with its body unread, after redirects; else SourceError."""
        wanted = {"Accept-Encoding": "identity", **(headers or {})}
        login, place, came_from_public = _find_login(url), remove_login(url), False
        self.redirects = []
        for number in range(MAX_REDIRECTS + 1):
            self._check_host(place, url, number, came_from_public=came_from_public)
            answer = self._send(method, place, url, wanted, login)
            target = answer.headers.get("Location") if answer.status_code in _REDIRECTS else None
            if target is None:
                return _check_success(answer, url, wanted)
            answer.close()
            came_from_public = came_from_public or self._is_public(place)
            there = _resolve_redirect(place, target, url)
            login = login if _is_same_server(place, there) else None
            place = there
            self.redirects.append(there)
        raise SourceError(f"{redact_url(url)}: redirected more than {MAX_REDIRECTS} times", "correct the URL")

    def _check_host(self, place: str, url: str, redirects: int, *, came_from_public: bool) -> None:
        """SourceError for a host that may not be contacted, as far as its name shows; ``redirects``: how many led to it."""
        host = read_host(place)
        if not self._access.is_allowed(host):
            where = f"{redact_url(url)}: " + (f"redirects to {host}, which" if redirects else f"{host}")
            raise SourceError(f"{where} is not named by --source-hosts", f"pass --source-hosts {host} if you trust it")
        self._is_led_inside = came_from_public and not self._access.can_be_internal(host)
        with suppress(ValueError):
            self._judge(host, str(ip_address(host)))
        if self._is_led_inside and Reach.INTERNAL in self._reached[host]:  # the connection may be a kept one
            raise _inside_error(host)

    def _judge(self, host: str, address: str) -> None:
        """SourceError for an address that may not be contacted now."""
        reach = self._access.classify(address)
        if reach is Reach.LINK_LOCAL:
            raise SourceError(f"{host} has a link-local address, which imagesync never contacts", "correct the URL")
        if reach is not Reach.PUBLIC and self._is_led_inside:
            raise _inside_error(host)
        self._reached[host].add(reach)

    def _is_public(self, place: str) -> bool:
        """Whether a request reached a public server; a server behind a proxy counts as public."""
        reached = self._reached[read_host(place)]
        return not reached or Reach.PUBLIC in reached

    def _make_session(self) -> "requests.Session":
        import requests

        from imagesync.deadlines import apply_deadlines
        from imagesync.version import __version__

        session = requests.Session()
        session.hooks["response"].append(_drop_redirect_body)
        for scheme in ("http://", "https://"):
            adapter = requests.adapters.HTTPAdapter()
            apply_deadlines(adapter, judge=lambda host, address: self._judge(host.lower(), address))
            session.mount(scheme, adapter)
        session.headers["User-Agent"] = f"imagesync/{__version__}"
        return session

    def _send(
        self, method: str, place: str, url: str, headers: Mapping[str, str], login: tuple[str, str] | None
    ) -> "requests.Response":
        """The response to one request; SourceError about ``url`` for each failure."""
        import requests

        display, (connect, read) = redact_url(url), map(self._deadline.limit, TIMEOUTS)
        try:
            return self._session.request(
                method,
                place,
                stream=True,
                timeout=(connect, read),
                headers=dict(headers),
                allow_redirects=False,
                auth=_make_auth(login),
            )
        except SourceError as error:
            raise SourceError(f"{display}: {error.message}", error.hint) from error
        except requests.exceptions.SSLError as error:
            if is_plain_server(_list_causes(error)):
                message = f"{display}: the URL begins with https://, but the server speaks plain HTTP"
                raise SourceError(message, "write http:// if plain HTTP is right") from error
            if not any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _list_causes(error)):
                raise PassingError(f"{display}: the TLS connection failed", "try again later") from error
            hint = "check the server's name, or set REQUESTS_CA_BUNDLE to a file with its authority"
            raise SourceError(f"{display}: the TLS certificate is not accepted", hint) from error
        except requests.Timeout as error:
            is_connected = not isinstance(error, requests.ConnectTimeout)
            lack = f"no response within {read:.0f} s" if is_connected else f"no connection within {connect:.0f} s"
            raise PassingError(f"{display}: {lack}", "try again later") from error
        except requests.exceptions.ProxyError as error:
            raise PassingError(
                f"{display}: no connection to the proxy", "check the *_proxy environment variables"
            ) from error
        except requests.ConnectionError as error:
            if is_tls_server(_list_causes(error)):
                message = f"{display}: the URL begins with http://, but the server requires TLS"
                raise SourceError(message, "write https://") from error
            raise PassingError(f"{display}: no connection", "check the address and the network") from error
        except (requests.RequestException, ValueError) as error:
            raise SourceError(f"{display}: cannot be fetched", "correct the URL") from error


def _list_causes(error: BaseException) -> Iterator[BaseException]:
    """An exception, its causes, and the exceptions that the HTTP libraries wrap as arguments."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        item = waiting.pop()
        if isinstance(item, BaseException) and id(item) not in seen:
            seen.add(id(item))
            yield item
            waiting += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]


def _inside_error(host: str) -> SourceError:
    message = f"a redirect leads from a public server to {host}, which has a private address"
    return SourceError(message, f"pass --source-hosts {host} if you trust it, or declare the URL of that server")


def _drop_redirect_body(answer: "requests.Response", *_: object, **_given: object) -> None:
    """A hook: without it, requests reads the whole body of a redirect, of any size."""
    if answer.is_redirect:
        answer.close()
        answer.raw = io.BytesIO()


def _resolve_redirect(place: str, target: str, url: str) -> str:
    """The URL of a redirect, in a form that all programs read in the same way."""
    from requests.utils import requote_uri

    with suppress(ValueError):
        # the library decodes headers as Latin-1, but servers write UTF-8
        there = requote_uri(urljoin(place, target.encode("latin-1", "replace").decode("utf-8", "replace")))
        there = there.partition("#")[0]
        if find_url_problem(there) is None and "@" not in urlsplit(there).netloc:
            return there
    raise SourceError(f"{redact_url(url)}: redirects to a URL that is not http or https", "correct the URL")


def _is_same_server(one: str, other: str) -> bool:
    """Whether another URL may get the login of a URL: it has the same server and the same or better protection."""
    (scheme, *place), (other_scheme, *other_place) = read_origin(one), read_origin(other)
    upgraded = (scheme, other_scheme) == ("http", "https") and place[0] == other_place[0]
    return (scheme == other_scheme and place == other_place) or (upgraded and (place[1], other_place[1]) == (80, 443))


def _check_success(answer: "requests.Response", url: str, wanted: Mapping[str, str]) -> "requests.Response":
    if answer.status_code not in ((206,) if "Range" in wanted else ()) + (200,):
        answer.close()
        is_passing = answer.status_code in _PASSING or answer.status_code >= 500
        kind, hint = (PassingError, "try again later") if is_passing else (SourceError, "correct the URL")
        raise kind(f"{redact_url(url)}: HTTP {answer.status_code}", hint) from RefusedError(answer.status_code)
    return answer


def _find_login(url: str) -> tuple[str, str] | None:
    """Name and password for a URL: from the URL, or from the entry of exactly its host in the netrc file."""
    if "@" in (netloc := urlsplit(url).netloc):
        name, _, password = netloc.rpartition("@")[0].partition(":")
        return unquote(name), unquote(password)
    return _find_netrc_login(read_host(url))


def _find_netrc_login(host: str) -> tuple[str, str] | None:
    """The entry of one host. The ``default`` entry of the file is never used, because it is for every host."""
    import netrc

    named = os.environ.get("NETRC")
    for path in [named] if named else ["~/.netrc", "~/_netrc"]:
        with suppress(netrc.NetrcParseError, OSError, UnicodeDecodeError):
            found = netrc.netrc(os.path.expanduser(path)).hosts.get(host)
            return (found[0] or "", found[2] or "") if found and host != "default" else None
    return None


def _make_auth(login: tuple[str, str] | None) -> Any:
    """The authentication for requests; without it, the library would read the netrc file itself."""
    from requests.auth import HTTPBasicAuth

    return HTTPBasicAuth(*(part.encode() for part in login)) if login else lambda request: request
