"""A URL -> the answer of its server. Does I/O.

This module decides what one URL can make the run do: which hosts are contacted, where a redirect may lead, which host
gets credentials.

* Credentials come from the URL, or from the entry of exactly its host in the user's netrc file. After a redirect to
  another host no host gets any.
* A redirect never leads from a public address to an internal one, and link-local addresses are never asked. Judged is
  the address that was connected to, before a byte is sent: a name can mean another address each time it is looked up.
  Behind a proxy only addresses that are written in a URL can be judged.
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
"""Seconds for a connection, and for the head of an answer or each further piece of it."""
MAX_REDIRECTS: Final = 10
_PASSING: Final = frozenset({408, 425, 429})
"""Answers that may be another one at the next try, beside all of 5xx."""
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
        """Where the last ``ask`` was led to."""

    def __enter__(self) -> "WebSession":
        return self

    def __exit__(self, *_error: object) -> None:
        self._session.close()

    def ask(self, url: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> "requests.Response":
        """A success (200, or 206 for a range), body unread; redirects are followed. SourceError for all else."""
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
        """SourceError for a host that may not be contacted, as far as its name shows; ``redirects`` led to it."""
        host = read_host(place)
        if not self._access.is_allowed(host):
            where = f"{redact_url(url)}: " + (f"redirects to {host}, which" if redirects else f"{host}")
            raise SourceError(f"{where} is not named by --source-hosts", f"add --source-hosts {host} if it is trusted")
        self._is_led_inside = came_from_public and not self._access.can_be_internal(host)
        with suppress(ValueError):
            self._judge(host, str(ip_address(host)))
        if self._is_led_inside and Reach.INTERNAL in self._reached[host]:  # over a connection that is kept
            raise _inside_error(host)

    def _judge(self, host: str, address: str) -> None:
        """SourceError for an address that may not be asked now."""
        reach = self._access.classify(address)
        if reach is Reach.LINK_LOCAL:
            raise SourceError(f"{host} has a link-local address, which is never asked", "correct the URL")
        if reach is not Reach.PUBLIC and self._is_led_inside:
            raise _inside_error(host)
        self._reached[host].add(reach)

    def _is_public(self, place: str) -> bool:
        """Whether a request went to a public server; one that was asked through a proxy counts as such."""
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
        """One request; what goes wrong with it as a SourceError about ``url``."""
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
                message = f"{display}: the address begins with https://, and the server speaks plain HTTP"
                raise SourceError(message, "write http:// if that is right") from error
            if not any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _list_causes(error)):
                raise PassingError(f"{display}: the TLS connection failed", "try again later") from error
            hint = "check the server's name, or name its authority in REQUESTS_CA_BUNDLE"
            raise SourceError(f"{display}: the TLS certificate is not accepted", hint) from error
        except requests.Timeout as error:
            is_connected = not isinstance(error, requests.ConnectTimeout)
            lack = f"no answer in {read:.0f} s" if is_connected else f"no connection in {connect:.0f} s"
            raise PassingError(f"{display}: {lack}", "try again later") from error
        except requests.exceptions.ProxyError as error:
            raise PassingError(f"{display}: the proxy does not answer", "check the *_proxy variables") from error
        except requests.ConnectionError as error:
            if is_tls_server(_list_causes(error)):
                message = f"{display}: the address begins with http://, and the server wants TLS"
                raise SourceError(message, "write https://") from error
            raise PassingError(f"{display}: no connection", "check the address and the network") from error
        except (requests.RequestException, ValueError) as error:
            raise SourceError(f"{display}: cannot be fetched", "correct the URL") from error


def _list_causes(error: BaseException) -> Iterator[BaseException]:
    """An exception, what led to it, and what the HTTP libraries wrap in their own as an argument."""
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
    return SourceError(message, f"add --source-hosts {host} if it is yours, or name its own URL")


def _drop_redirect_body(answer: "requests.Response", *_: object, **_given: object) -> None:
    """A hook of requests, which would read the whole page of a redirect, however large."""
    if answer.is_redirect:
        answer.close()
        answer.raw = io.BytesIO()


def _resolve_redirect(place: str, target: str, url: str) -> str:
    """The URL that a redirect leads to, in the one form that all programs read alike."""
    from requests.utils import requote_uri

    with suppress(ValueError):
        # the library hands headers on as Latin-1, servers write UTF-8
        there = requote_uri(urljoin(place, target.encode("latin-1", "replace").decode("utf-8", "replace")))
        there = there.partition("#")[0]
        if find_url_problem(there) is None and "@" not in urlsplit(there).netloc:
            return there
    raise SourceError(f"{redact_url(url)}: redirects to a URL that is not http or https", "correct the URL")


def _is_same_server(one: str, other: str) -> bool:
    """Whether a log-in for one URL may go to another: the same server, not worse protected."""
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
    """Name and password for a URL: its own, or those of its very host in the netrc file."""
    if "@" in (netloc := urlsplit(url).netloc):
        name, _, password = netloc.rpartition("@")[0].partition(":")
        return unquote(name), unquote(password)
    return _find_netrc_login(read_host(url))


def _find_netrc_login(host: str) -> tuple[str, str] | None:
    """The entry of one host. The file's ``default`` entry, which is for every host, is never used."""
    import netrc

    named = os.environ.get("NETRC")
    for path in [named] if named else ["~/.netrc", "~/_netrc"]:
        with suppress(netrc.NetrcParseError, OSError, UnicodeDecodeError):
            found = netrc.netrc(os.path.expanduser(path)).hosts.get(host)
            return (found[0] or "", found[2] or "") if found and host != "default" else None
    return None


def _make_auth(login: tuple[str, str] | None) -> Any:
    """What makes the library ask no one else for a log-in."""
    from requests.auth import HTTPBasicAuth

    return HTTPBasicAuth(*(part.encode() for part in login)) if login else lambda request: request
