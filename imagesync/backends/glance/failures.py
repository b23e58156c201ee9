"""Exceptions of the HTTP libraries and error responses of services -> one error of ``imagesync.errors``. No I/O.

Each message is one line. Its URLs have no query, which may contain a signature, and no user information.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from html import unescape
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

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
from imagesync.retry import parse_retry_after
from imagesync.text import join_lines, remove_secrets
from imagesync.tls import is_plain_server, is_tls_server

if TYPE_CHECKING:
    from keystoneauth1.exceptions import HttpError

PASSING: Final = frozenset({429, 500, 502, 503, 504})
"""Statuses of temporary errors."""

MAX_MESSAGE_CHARS: Final = 400

_KINDS: Final = MappingProxyType(
    {
        400: (InvalidRequest, ""),
        401: (Unauthorized, "check that the user, the secret and the project of this cloud are still valid"),
        403: (Forbidden, ""),
        404: (NotFound, ""),
        409: (Conflict, ""),
        410: (Conflict, ""),
        413: (QuotaExceeded, "delete images that are not needed, or ask the cloud's operator for a larger quota"),
        415: (InvalidRequest, ""),
    }
)


def error_from_answer(status: int, body: str, what: str, roles: Sequence[str] = ()) -> BackendError:
    """The error for a response that is not a success, with the service's message.

    The statuses are those of the Image API reference. 409 is always a Conflict: the caller knows what it means for a
    DELETE. ``roles`` are the roles of the session's user in its project, as far as known.
    """
    if 300 <= status < 400:
        hint = "correct the image endpoint of the service catalog, or set image_endpoint_override in clouds.yaml"
        return BackendError(
            f"{what}: the service returned a redirect (HTTP {status}), which imagesync does not follow", hint
        )
    text = f"{what}: HTTP {status}: {'the service rejected the token' if status == 401 else extract_message(body)}"
    if status in PASSING:
        return Unavailable(text, "try again later", status=status)
    kind, hint = _KINDS.get(status, (BackendError, ""))
    return kind(text, _explain_refusal(text, roles) if status == 403 else hint)


_DENIED: Final = re.compile(
    r"not authorized to complete (?P<action>\w+)|not permitted to create images owned|by non admin"
)
_ADMINS_ACTIONS: Final = frozenset({"publicize_image", "copy_image", ""})
"""What only administrators can do by the service's default policy; empty: create an image of another owner."""


def _explain_refusal(text: str, roles: Sequence[str]) -> str:
    """Which role the service's default policy requires for the request; empty if another reason led to the refusal."""
    found = _DENIED.search(text)
    if found is None:
        return ""
    wanted = "admin" if (found["action"] or "") in _ADMINS_ACTIONS else "member"
    if wanted == "member" and {"member", "admin"} & set(roles):
        return "the image belongs to another project: use a user with the role member in that project, or with admin"
    have = f"this user has only {' and '.join(sorted(roles))}" if roles else "this user does not have it"
    return f"the image service requires the role {wanted}, and {have}: ask an administrator for the role, or use another user"


def extract_message(body: str) -> str:
    """The message of an error response: Glance returns HTML, plain text or JSON; proxies may return anything.

    Glance writes GENERAL<br /><br />DETAIL; one of the two may be empty.
    """
    text = _extract_json_message(body[:20_000])
    text = re.sub(r"(?is)<(head|h1|title|style|script)\b.*?</\1>", " ", text)
    general, *detail = re.split(r"(?i)(?:<br\s*/?>\s*){2,}", text, maxsplit=1)
    return _strip_tags("".join(detail)) or _strip_tags(general) or "no reason given"


def _strip_tags(html: str) -> str:
    return clean(unescape(re.sub(r"<[^>]*>", " ", html)))


def _extract_json_message(body: str) -> str:
    """The text of ``{"message": …}`` (Glance) or ``{"error": {"message": …}}`` (Keystone); else the body."""
    document: object = None
    for end in ("", "}"):  # the last byte of an error response may be unread
        with suppress(ValueError, RecursionError):
            document = document or json.loads(body + end)
    if isinstance(document, dict) and isinstance(document.get("error"), dict):
        document = document["error"]
    message = document.get("message") if isinstance(document, dict) else None
    return message if isinstance(message, str) else body


def clean(text: str) -> str:
    """One printable line of at most ``MAX_MESSAGE_CHARS``; its URLs have no query and no user information."""
    return join_lines(remove_secrets(text), MAX_MESSAGE_CHARS).rstrip(" .;")


@contextmanager
def translate_errors(what: str, *, is_first: bool = False) -> Iterator[None]:
    """Raise errors of keystoneauth and requests as ``imagesync.errors``; ``what`` names the service or the cloud.

    Unavailable if a retry may help, Unauthorized if the service rejects the credentials, UsageError if the configuration
    is wrong. ``is_first``: no request was sent yet. Later, a response that is not HTTP is Unavailable, because the service
    may have executed the write.
    """
    from keystoneauth1 import exceptions
    from requests import RequestException

    try:
        yield
    except exceptions.Unauthorized as error:
        hint = "check the user, the project and the secret in clouds.yaml, secure.yaml or OS_*"
        raise Unauthorized(
            f"{what}: the service rejected the credentials and answered: {clean(str(error))}", hint
        ) from error
    except exceptions.HttpError as error:
        raise _status_error(what, error) from error
    except (exceptions.ConnectionError, exceptions.DiscoveryFailure, RequestException) as error:
        raise _connection_error(what, error, is_first=is_first) from error
    except exceptions.CatalogException as error:
        hint = "check project, region_name and interface of this cloud in clouds.yaml or OS_*"
        raise UsageError(f"{what}: {clean(str(error))}", hint) from error
    except (exceptions.ClientException, OSError, ValueError) as error:
        raise UsageError(f"{what}: {clean(str(error))}", "correct this cloud in clouds.yaml or OS_*") from error


def _status_error(what: str, error: "HttpError") -> BackendError | UsageError:
    """The error for an error status of the identity service in response to a request for a token."""
    text = f"{what}: {clean(str(error))}"
    if error.http_status == 404 and "application credential" in str(error).lower():
        # the answer itself would be taken for a secret in the formats for machines
        text = f"{what}: the identity service does not know the application credential of this cloud (HTTP 404)"
        return Unauthorized(text, "it was deleted, or its id is wrong: create a new one")
    if is_tls_server([error]):
        return UsageError(f"{what}: the address begins with http://, but the server requires TLS", _WRITE_HTTPS)
    if error.http_status in PASSING:
        headers = getattr(error.response, "headers", {})
        return Unavailable(text, "try again later", retry_after=parse_retry_after(headers.get("Retry-After")))
    if error.http_status == 403:
        return Forbidden(text, "check the user and the project of this cloud, and the network's access rules")
    return UsageError(text, "check auth_url, project and domains in clouds.yaml or OS_*")


def _connection_error(what: str, error: BaseException, *, is_first: bool) -> BackendError | UsageError:
    from keystoneauth1 import exceptions

    chain = tuple(list_causes(error))
    reason = _find_reason(chain)
    if any(type(cause).__name__ == "SSLCertVerificationError" for cause in chain):
        return UsageError(f"{what}: its certificate is not trusted: {reason}", suggest_for_certificate(reason))
    kind = UsageError if is_first else Unavailable
    if is_plain_server(chain):
        return kind(f"{what}: the address begins with https://, but the server uses plain HTTP", _WRITE_HTTP)
    if is_tls_server(chain):
        return kind(f"{what}: the address begins with http://, but the server requires TLS", _WRITE_HTTPS)
    refused = next((cause for cause in chain if isinstance(cause, exceptions.HttpError)), None)
    if refused is not None and refused.http_status in PASSING:
        return _status_error(what, refused)
    if isinstance(error, exceptions.DiscoveryFailure) and not any(
        isinstance(cause, exceptions.ConnectionError) for cause in chain
    ):
        text = f"{what}: the identity service was not found at this address: {clean(str(error))}"
        return UsageError(text, "correct auth_url in clouds.yaml or OS_AUTH_URL")
    is_reset = any(isinstance(cause, ConnectionResetError) for cause in chain)  # a server that requires TLS may do that
    hint = (
        "check the address (https:// if the server uses TLS) and the network"
        if is_reset
        else "check the address and the network"
    )
    return Unavailable(f"{what}: no connection: {reason}", hint)


def suggest_for_certificate(reason: str) -> str:
    """What to do about a certificate that is not trusted, by the reason that OpenSSL gives."""
    if "expired" in reason or "not yet valid" in reason:
        return "ask the cloud's operator to renew it, or correct the clock of this host"
    if "mismatch" in reason:
        return "write the host name that the certificate has into the address"
    return "set cacert of this cloud in clouds.yaml to the certificate file of the certificate authority"


_WRITE_HTTP: Final = (
    "write http:// in auth_url or in the endpoint of that service, or ask the operator to enable TLS on the server"
)
_WRITE_HTTPS: Final = "write https:// in auth_url or in the endpoint of that service"


def list_causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and its causes, the innermost last."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def _find_reason(chain: tuple[BaseException, ...]) -> str:
    """The message of the innermost cause, such as "Connection refused", without those of the layers around it."""
    inner = next((cause for cause in reversed(chain) if isinstance(cause, OSError) and cause.strerror), chain[-1])
    strerror = getattr(inner, "strerror", None)
    return clean(str(strerror or inner)) or type(inner).__name__


def is_never_sent(error: BaseException) -> bool:
    """Whether the request certainly did not reach the service; then every request is safe to repeat."""
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    return any(isinstance(cause, NewConnectionError | ConnectTimeoutError) for cause in list_causes(error))
