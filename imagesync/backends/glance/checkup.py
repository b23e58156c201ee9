"""A cloud's name -> the checks of ``doctor`` on its settings, its identity service and its image service. Only reads.

Each check is independent. Each request is sent once and ends after ``SECONDS``; after a request without any response, no
further one is sent to that service.
"""

import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from imagesync.backends.glance.api import Answer, Api
from imagesync.backends.glance.backend import Glance
from imagesync.backends.glance.connect import (
    Connection,
    Login,
    Settings,
    log_in,
    make_connection,
    public_address,
    read_settings,
    strip_version,
)
from imagesync.backends.glance.failures import clean, suggest_for_certificate
from imagesync.backends.glance.judgments import (
    judge_certificate,
    judge_clocks,
    judge_plain_address,
    judge_token,
    judge_version,
)
from imagesync.errors import ImagesyncError, Unauthorized, Unavailable, UsageError
from imagesync.model.diagnosis import Check, Grade
from imagesync.model.image import Capabilities
from imagesync.retry import Pace, parse_http_date

if TYPE_CHECKING:
    from openstack.config.cloud_region import CloudRegion

T = TypeVar("T")

SECONDS: Final = 20.0
ONCE: Final = Pace(tries=1)
TLS_SECONDS: Final = 10.0


@dataclass(slots=True)
class Examination:
    """The checks up to now, and what later ones need: ``glance`` if there is a connection."""

    checks: list[Check] = field(default_factory=list)
    glance: Glance | None = None
    roles: tuple[str, ...] | None = None
    able: Capabilities | None = None
    is_listing_allowed: bool = False

    def add(self, name: str, grade: Grade, found: str, fix: str = "") -> None:
        """Add a check."""
        self.checks.append(Check(name, grade, found, fix))

    def attempt(self, name: str, action: Callable[[], T]) -> T | None:
        """The result of ``action``; its error is a problem with this name, and the result None."""
        try:
            return action()
        except ImagesyncError as error:
            self.add(name, Grade.PROBLEM, error.message, error.hint)
            return None


def examine_cloud(cloud: str | None, clouds_file: str | None) -> Examination:
    """The checks of the settings, the credentials and the endpoint; close ``glance`` after use."""
    found = Examination()
    settings = found.attempt("settings", lambda: read_settings(cloud, clouds_file))
    if settings is None:
        return found
    found.add("settings", Grade.OK, f"{settings.label}, from {settings.file or 'OS_* variables'}")
    _check_encryption(found, "identity address", _find_auth_url(settings.region), settings.region)
    login = found.attempt("credentials", lambda: log_in(settings, ONCE, seconds=SECONDS))
    if login is None:
        return found
    _describe_credentials(found, settings, login)
    connection = found.attempt("region", lambda: make_connection(settings, login))
    if connection is None:
        return found
    found.roles = connection.roles if login.access is not None else None
    _describe_region(found, connection, login)
    _check_encryption(found, "image address", connection.url, settings.region)
    limited = replace(connection, read_timeout=min(connection.read_timeout, SECONDS))
    found.glance = Glance(limited, ONCE)
    _examine_service(found, limited)
    return found


def _find_auth_url(region: "CloudRegion") -> str:
    settings = region.config.get("auth")
    return str(settings.get("auth_url") or "") if isinstance(settings, dict) else ""


def _describe_credentials(found: Examination, settings: Settings, login: Login) -> None:
    access = login.access
    if access is None:
        kind = settings.region.config.get("auth_type")
        found.add("credentials", Grade.OK, f"no identity service (auth_type {kind}): no user, no project, no roles")
        return
    user = clean(str(access.username or access.user_id))
    number = clean(str(access.project_id)) if access.project_id else ""
    project = f"{clean(str(access.project_name or access.project_id))} ({number})" if number else "none"
    found.add("credentials", Grade.OK, f"user {user}, project {project}")
    names = ", ".join(sorted(map(clean, access.role_names or ())))
    if names:
        found.add("roles", Grade.OK, names)
    else:
        fix = "ask an administrator of the cloud for the role member in this project"
        found.add("roles", Grade.PROBLEM, "the token has no role in this project", fix)
    if access.expires is not None:
        kind = settings.region.config.get("auth_type")
        found.checks.append(judge_token(access.expires, datetime.now(UTC), kind))


def _describe_region(found: Examination, connection: Connection, login: Login) -> None:
    here = connection.identity.region
    others = [clean(name) for name in login.regions if name != here]
    name = f"region {clean(here)}" if here else "no region name"
    text = f"{name}, image service at {public_address(connection.url)}"
    found.add("region", Grade.OK, f"{text}; other regions: {', '.join(others)}" if others else text)
    if login.regions and here not in login.regions:
        fix = "check region_name, or image_endpoint_override, of this cloud"
        listed = ", ".join(map(clean, login.regions))
        found.add("region", Grade.WARNING, f"the service catalog has no region {clean(here)}; it has {listed}", fix)


def _check_encryption(found: Examination, name: str, url: str, region: "CloudRegion") -> None:
    """Whether the address is encrypted, and until when its certificate is valid; nothing for an address without a host."""
    with suppress(ValueError):  # the address is not valid, which is the error of the first request
        parts = urlsplit(url) if "://" in url else None
        if parts is None or not parts.hostname:
            return
        where = public_address(url)
        if parts.scheme != "https":
            found.checks.append(judge_plain_address(name, where, parts.hostname))
            return
        verify, _ = region.get_requests_verify_args()
        if verify is False:
            text = f"{where}: its certificate is not verified (verify: false)"
            found.add(name, Grade.WARNING, text, "remove verify: false, and set cacert if the authority is private")
            return
        _check_certificate(found, name, where, (parts.hostname, parts.port or 443), verify)


def _check_certificate(
    found: Examination, name: str, where: str, address: tuple[str, int], verify: bool | str | None
) -> None:
    """Read the certificate by a connection of its own; the error of a connection is that of the login, not of this check."""
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    authorities = verify if isinstance(verify, str) else named or DEFAULT_CA_BUNDLE_PATH
    try:
        context = ssl.create_default_context(cafile=authorities)
        with (
            socket.create_connection(address, TLS_SECONDS) as raw,
            context.wrap_socket(raw, server_hostname=address[0]) as secured,
        ):
            certificate = secured.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        reason = clean(error.verify_message)
        text = f"{where}: its certificate is not trusted: {reason}"
        found.add(name, Grade.PROBLEM, text, suggest_for_certificate(reason))
        return
    except OSError:
        return
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate.get("notAfter"))), UTC)
    found.checks.append(judge_certificate(name, where, ends, datetime.now(UTC)))


def _examine_service(found: Examination, connection: Connection) -> None:
    """The checks of the image service; the first request without a response ends them."""
    glance = found.glance
    if glance is None:
        return
    root = _make_api(connection, strip_version(connection.url))
    try:
        _check_version(found, root)
        if (answer := _list_one(found, connection)) is None:
            return
        _check_clock(found, glance, answer)
        found.able = glance.capabilities()
    except (Unavailable, UsageError) as error:
        found.add("image service", Grade.PROBLEM, error.message, error.hint)
        glance.close()
        found.glance = None
    except ImagesyncError as error:
        found.add("capabilities", Grade.PROBLEM, error.message, error.hint)


def _list_one(found: Examination, connection: Connection) -> Answer | None:
    """List one image; None if the service refuses that."""
    try:
        answer = _make_api(connection, connection.url).request("GET", "/images?limit=1")
    except Unauthorized as error:
        fix = (
            "this service requires a token: set auth_type and auth of this cloud" if found.roles is None else error.hint
        )
        found.add("list images", Grade.PROBLEM, error.message, fix)
        return None
    except Unavailable:
        raise
    except ImagesyncError as error:
        fix = error.hint or "check the user, the project and the image endpoint of this cloud"
        found.add("list images", Grade.PROBLEM, error.message, fix)
        return None
    found.add("list images", Grade.OK, "allowed")
    found.is_listing_allowed = True
    return answer


def _make_api(connection: Connection, url: str) -> Api:
    return Api(
        connection.session,
        url,
        "image service",
        pace=ONCE,
        read_timeout=connection.read_timeout,
        roles=connection.roles,
    )


def _check_version(found: Examination, root: Api) -> None:
    """The newest version that the service reports; unavailable services raise, other errors leave it unknown."""
    try:
        document = root.get("/versions")
    except (Unavailable, UsageError):
        raise
    except ImagesyncError as error:
        found.add("API version", Grade.WARNING, f"unknown: {error.message}", "ask the cloud's operator; 2.7 is needed")
        return
    found.checks.append(judge_version(document))


def _check_clock(found: Examination, glance: Glance, answer: Answer) -> None:
    """This host's clock beside those of the services, as far as they show it."""
    now, times = datetime.now(UTC), dict(glance.times())
    with suppress(ValueError):
        times["the image service"] = parse_http_date(str(answer.headers.get("Date")))
    found.checks.append(judge_clocks(now, times))
