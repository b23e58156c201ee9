"""What the HTTP libraries raise and what a service answers -> one clear error of ours. No I/O.

Texts are one line, without the query of any URL (it may sign the URL) and without user information.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from html import unescape
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from imagesync.backends.glance.retry import parse_retry_after
from imagesync.errors import (
    BackendError,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    Unauthorized,
    Unavailable,
    UsageError,
)
from imagesync.text import one_line, remove_secrets
from imagesync.tls import is_plain_server, is_tls_server

if TYPE_CHECKING:
    from keystoneauth1.exceptions import HttpError

PASSING: Final = frozenset({429, 500, 502, 503, 504})
"""Statuses that may be gone at the next try."""

MAX_MESSAGE_CHARS: Final = 400

_KINDS: Final = MappingProxyType(
    {
        400: (InvalidRequest, ""),
        401: (Unauthorized, "check that user, secret and project of this cloud are still valid"),
        403: (Forbidden, ""),
        404: (NotFound, ""),
        409: (Conflict, ""),
        410: (Conflict, ""),
        413: (QuotaExceeded, "free something of the project's quota, or ask for a larger one"),
        415: (InvalidRequest, ""),
    }
)


def error_from_answer(status: int, body: str, what: str, roles: Sequence[str] = ()) -> BackendError:
    """The error of an answer that is not a success, in the service's own words.

    The statuses are those of the Image API reference; 409 of a DELETE is for the caller to tell apart. ``roles``: those of
    the session's user in its project, as far as known.
    """
    if 300 <= status < 400:
        hint = "correct the image endpoint in the cloud's catalog, or set image_endpoint_override"
        return BackendError(f"{what}: the service redirects (HTTP {status}), which is not followed", hint)
    text = f"{what}: HTTP {status}: {'the token is not accepted' if status == 401 else extract_message(body)}"
    if status in PASSING:
        return Unavailable(text, "try again later", status=status)
    kind, hint = _KINDS.get(status, (BackendError, ""))
    return kind(text, _explain_refusal(text, roles) if status == 403 else hint)


_DENIED: Final = re.compile(
    r"not authorized to complete (?P<action>\w+)|not permitted to create images owned|by non admin"
)
_ADMINS_ACTIONS: Final = frozenset({"publicize_image", "copy_image", ""})
"""What the service's default policy lets only administrators do; without a name of the action: another owner."""


def _explain_refusal(text: str, roles: Sequence[str]) -> str:
    """Which role the service's default policy wants for what it refused; empty if it refused for another reason."""
    found = _DENIED.search(text)
    if found is None:
        return ""
    wanted = "admin" if (found["action"] or "") in _ADMINS_ACTIONS else "member"
    if wanted == "member" and {"member", "admin"} & set(roles):
        return "the image belongs to another project: use a user with the role member there, or with admin"
    have = f"this user has the role {' and '.join(sorted(roles))}" if roles else "this user has another role"
    return f"the image service wants the role {wanted} for that, and {have}: ask for it, or use another user"


def extract_message(body: str) -> str:
    """The sentence in an error page: Glance answers HTML, plain text or JSON, proxies anything.

    Glance words a refusal as GENERAL<br /><br />DETAIL, where one of the two may be empty.
    """
    text = _extract_json_message(body[:20_000])
    text = re.sub(r"(?is)<(head|h1|title|style|script)\b.*?</\1>", " ", text)
    general, _, detail = re.sub(r"(?i)(<br\s*/?>\s*){2,}", "\0", text).partition("\0")
    return _strip_tags(detail) or _strip_tags(general) or "no reason given"


def _strip_tags(html: str) -> str:
    return clean(unescape(re.sub(r"<[^>]*>", " ", html)))


def _extract_json_message(body: str) -> str:
    """``{"message": …}`` (Glance) or ``{"error": {"message": …}}`` (Keystone); anything else stays as it is."""
    document: object = None
    for end in ("", "}"):  # the last byte of a refusal may not have been read
        with suppress(ValueError, RecursionError):
            document = document or json.loads(body + end)
    if isinstance(document, dict) and isinstance(document.get("error"), dict):
        document = document["error"]
    message = document.get("message") if isinstance(document, dict) else None
    return message if isinstance(message, str) else body


def clean(text: str) -> str:
    """One printable line of bounded length, URLs without query and user information."""
    return one_line(remove_secrets(text), MAX_MESSAGE_CHARS).rstrip(" .;")


@contextmanager
def translate_errors(what: str, *, is_first: bool = False) -> Iterator[None]:
    """Errors of keystoneauth and requests as ours; ``what`` names the service or the cloud.

    Unavailable where trying again may help, Unauthorized for refused credentials, UsageError where the configuration is
    wrong. ``is_first``: before anything was asked of the cloud; whatever comes in the place of an answer later leaves open
    whether a write was carried out, and is Unavailable.
    """
    from keystoneauth1 import exceptions
    from requests import RequestException

    try:
        yield
    except exceptions.Unauthorized as error:
        hint = "check user, project and secret in clouds.yaml, secure.yaml or OS_*"
        raise Unauthorized(f"{what}: the credentials are not accepted: {clean(str(error))}", hint) from error
    except exceptions.HttpError as error:
        raise _status_error(what, error) from error
    except (exceptions.ConnectionError, exceptions.DiscoveryFailure, RequestException) as error:
        raise _connection_error(what, error, is_first=is_first) from error
    except exceptions.CatalogException as error:
        raise UsageError(f"{what}: {clean(str(error))}", "check project, region_name and interface") from error
    except (exceptions.ClientException, OSError, ValueError) as error:
        raise UsageError(f"{what}: {clean(str(error))}", "correct this cloud in clouds.yaml or OS_*") from error


def _status_error(what: str, error: "HttpError") -> BackendError | UsageError:
    """An error status of the identity service while a token was asked for."""
    text = f"{what}: {clean(str(error))}"
    if is_tls_server([error]):
        return UsageError(f"{what}: the address begins with http://, and the server wants TLS", _WRITE_HTTPS)
    if error.http_status in PASSING:
        headers = getattr(error.response, "headers", {})
        return Unavailable(text, "try again later", retry_after=parse_retry_after(headers.get("Retry-After")))
    if error.http_status == 403:
        return Forbidden(text)
    return UsageError(text, "check auth_url, project and domains in clouds.yaml or OS_*")


def _connection_error(what: str, error: BaseException, *, is_first: bool) -> BackendError | UsageError:
    from keystoneauth1 import exceptions

    chain = tuple(causes(error))
    reason = _find_reason(chain)
    if any(type(cause).__name__ == "SSLCertVerificationError" for cause in chain):
        hint = "name the authority's certificate as cacert of this cloud in clouds.yaml"
        return UsageError(f"{what}: its certificate is not trusted: {reason}", hint)
    kind = UsageError if is_first else Unavailable
    if is_plain_server(chain):
        return kind(f"{what}: the address begins with https://, and the server speaks plain HTTP", _WRITE_HTTP)
    if is_tls_server(chain):
        return kind(f"{what}: the address begins with http://, and the server wants TLS", _WRITE_HTTPS)
    refused = next((cause for cause in chain if isinstance(cause, exceptions.HttpError)), None)
    if refused is not None and refused.http_status in PASSING:
        return _status_error(what, refused)
    if isinstance(error, exceptions.DiscoveryFailure) and not any(
        isinstance(cause, exceptions.ConnectionError) for cause in chain
    ):
        return UsageError(f"{what}: there is no identity service: {clean(str(error))}", "correct auth_url")
    cut = any(isinstance(cause, ConnectionResetError) for cause in chain)  # what a server that wants TLS may do, too
    hint = (
        "check the address (https:// if the server uses TLS) and the network"
        if cut
        else "check the address and the network"
    )
    return Unavailable(f"{what}: no connection: {reason}", hint)


_WRITE_HTTP: Final = (
    "write http:// in auth_url, or in the endpoint of that service, if that is right; else ask its operator"
)
_WRITE_HTTPS: Final = "write https:// in auth_url, or in the endpoint of that service"


def causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what led to it, from the outside to the inside."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def _find_reason(chain: tuple[BaseException, ...]) -> str:
    """The innermost cause: "Connection refused", not the names of the layers around it."""
    inner = next((cause for cause in reversed(chain) if isinstance(cause, OSError) and cause.strerror), chain[-1])
    strerror = getattr(inner, "strerror", None)
    return clean(str(strerror or inner)) or type(inner).__name__


def is_never_sent(error: BaseException) -> bool:
    """Whether the request certainly did not reach the service, so that any request may be repeated."""
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    return any(isinstance(cause, NewConnectionError | ConnectTimeoutError) for cause in causes(error))
