"""A cloud's name -> an authenticated connection to its image service. Reads clouds.yaml and ``OS_*``; requests a token.

No settings are read from the working directory. It is often a checkout, and an attacker who adds a file there could
direct the credentials to another address.

The image service is not discovered: its address is that of the service catalog, or of the region's
``image_endpoint_override``, and the API is v2.
"""

import logging
import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from imagesync.backends import ENVIRONMENT_CLOUD
from imagesync.backends.glance.failures import clean, translate_errors
from imagesync.backends.glance.regions import choose_region, find_regions, settle_region
from imagesync.backends.glance.settings import explain_error, find_setting_problem
from imagesync.errors import ImagesyncError, UndefinedCloud, UsageError
from imagesync.model.image import Identity
from imagesync.model.urls import redact_host, redact_url
from imagesync.retry import Pace
from imagesync.uptime import read_uptime
from imagesync.version import __version__

if TYPE_CHECKING:
    from keystoneauth1.access import AccessInfo
    from keystoneauth1.session import Session
    from openstack.config import OpenStackConfig
    from openstack.config.cloud_region import CloudRegion

CONNECTIONS: Final = 72
"""Connections kept to one host: one for each of at most 64 steps (``--jobs``), others for the lease and for reads."""

READ_TIMEOUT: Final = 120.0
LOGIN_TIMEOUT: Final = 30.0
"""Seconds for a request to the identity service; the library has no limit."""
LOGIN_PACE: Final = Pace(tries=4)
"""For authentication: a user who mistyped an address waits only some seconds."""

SETTLING_TIME: Final = 2.5
"""Seconds. After a database deadlock, Glance repeats a PATCH every 0.5 s, from the image that it read before."""
MAX_SETTLING_TIME: Final = 60.0

NAME_OF_NONE: Final = "defaults"
"""The name that the library gives to the only cloud of a configuration without clouds."""
WHERE: Final = "write it to clouds.yaml in ~/.config/openstack or /etc/openstack, or pass --clouds-file FILE"
OR_VARIABLES: Final = (
    "write clouds.yaml in ~/.config/openstack or /etc/openstack, pass --clouds-file, or set OS_* variables"
)
NAMED_FILES: Final = ("OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE")
SKIPPED: Final = "Skipping config file "
"""The beginning of the library's log message about a file that it cannot parse."""
_QUOTED: Final = re.compile(r"'(?!\\.')[^']{2,}'")
"""A part of a file that an error of the YAML parser quotes, which may be a password; not a character such as ``'\\t'``."""
SUFFIXES: Final = (".yaml", ".yml", ".json")
"""Suffixes of the files that the library reads."""
_DEPRECATIONS: Final = ("ignore", None, PendingDeprecationWarning, re.compile(r"openstack\."), 0)
"""An entry of ``warnings.filters``."""
_profiles: Final = threading.Lock()
"""Held while the library's table of profiles is filled."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A keystoneauth session and the addresses of its services.

    ``url`` is the image service's and ends in /v2. ``identity_url`` is the identity service's and ends in /v3; None if
    there is no identity service (``auth_type: none``). ``read_timeout`` and ``settling_time`` are in seconds.

    ``issued`` is the time of the first token by the identity service's clock; None if the token may be an old one from a
    cache. ``connected`` is the same time as ``read_uptime`` gives it. ``roles`` are the user's roles in the project.
    """

    session: "Session"
    url: str
    identity: Identity
    identity_url: str | None = None
    read_timeout: float = READ_TIMEOUT
    settling_time: float = SETTLING_TIME
    issued: datetime | None = None
    connected: float = 0.0
    roles: tuple[str, ...] = ()


def connect(cloud: str | None, pace: Pace = LOGIN_PACE, *, clouds_file: str | None = None) -> Connection:
    """Read the configuration, authenticate, and find the image endpoint.

    ``clouds_file`` replaces the user's and the system's clouds.yaml. UsageError if the cloud does not exist, its settings
    are incomplete or there is no image endpoint; Unauthorized if the service rejects the credentials; else Unavailable.
    """
    settings = read_settings(cloud, clouds_file)
    return make_connection(settings, log_in(settings, pace))


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one cloud, read but not used yet. ``file`` is the clouds.yaml they are from; empty for ``OS_*``."""

    cloud: str | None
    region: "CloudRegion"
    file: str

    @property
    def label(self) -> str:
        """The cloud, for messages."""
        return f"cloud {self.cloud or self.region.name}"


@dataclass(frozen=True, slots=True)
class Login:
    """A successful authentication: the image endpoint, if there is one, the token, and the regions that have one."""

    url: str | None
    access: "AccessInfo | None"
    regions: tuple[str, ...]


def read_settings(cloud: str | None, clouds_file: str | None = None) -> Settings:
    """The settings of a cloud; arguments and errors as for ``connect``. It sends no request."""
    with _collect_warnings() as records:
        return _read_region(cloud, records, clouds_file)


def log_in(settings: Settings, pace: Pace = LOGIN_PACE, *, seconds: float = LOGIN_TIMEOUT) -> Login:
    """Authenticate; each request ends after ``seconds``, unless the settings have ``api_timeout``."""
    region = settings.region
    with _collect_warnings(), _translate_setting_errors(settings.label, region):
        what = f"{settings.label}{_describe_address(region)}"
        with translate_errors(what, is_first=True):
            session = region.get_session()
        prepare(session, seconds)
        url, access = pace.retry(partial(_authenticate, session, region, what))
        return Login(url, access, tuple(find_regions(region, access)))


def make_connection(settings: Settings, login: Login) -> Connection:
    """The connection to the image service; UsageError if the settings select no region that has one."""
    with _collect_warnings(), _translate_setting_errors(settings.label, settings.region):
        name = settle_region(settings.label, settings.region, login.url, login.regions)
    try:
        url = add_version(login.url or "")
    except ValueError as error:
        text = f"{settings.label}: the address of its image service is not valid: {clean(str(error))}"
        raise UsageError(text, "correct image_endpoint_override of this cloud in clouds.yaml") from error
    return _make_connection(settings.cloud, settings.region, login.access, url, name)


def _authenticate(session: "Session", region: "CloudRegion", what: str) -> "tuple[str | None, AccessInfo | None]":
    """The image endpoint and the content of the token; safe to repeat, because only the session's token changes."""
    with translate_errors(what, is_first=True):
        url = region.get_endpoint("image") or _find_endpoint(session, region)
        session.get_auth_headers()
        return url, get_access(session)


def _find_endpoint(session: "Session", region: "CloudRegion") -> str | None:
    from keystoneauth1.exceptions import EndpointNotFound

    try:
        return session.get_endpoint(
            service_type=region.get_service_type("image"),
            service_name=region.get_service_name("image"),
            interface=region.get_interface("image"),
            region_name=region.get_region_name("image"),
            skip_discovery=True,
        )
    except EndpointNotFound:
        return None


def _describe_address(region: "CloudRegion") -> str:
    """The host of the identity service, for messages; empty if the settings have no valid auth_url."""
    settings = region.config.get("auth")
    url = settings.get("auth_url") if isinstance(settings, dict) else None
    return f" at {redact_host(url)}" if isinstance(url, str) and "://" in url else ""


@contextmanager
def _translate_setting_errors(label: str, region: "CloudRegion") -> Iterator[None]:
    """Raise errors of the libraries about the settings as UsageError; the password ``no`` is a plain Exception there."""
    try:
        yield
    except ImagesyncError:
        raise
    except Exception as error:
        message, hint = explain_error(error)
        auth_type = region.config.get("auth_type")
        hint = hint or "correct the settings of this cloud in clouds.yaml or OS_*"
        raise UsageError(f"{label}: {message} (auth_type {auth_type})", hint) from error


def _read_region(cloud: str | None, records: list[logging.LogRecord], clouds_file: str | None) -> Settings:
    """The settings of a cloud; UsageError, in one line, for every error of the library."""
    config = None
    try:
        config = _read_config(clouds_file)
        _load_profiles()
        found = config.get_one(cloud=cloud)
        chosen = choose_region(config, cloud)
        region = found if chosen is None else config.get_one(cloud=cloud, region_name=chosen)
    except UsageError:
        raise
    except Exception as error:  # the library raises AttributeError, TypeError, … for a clouds.yaml of another shape
        raise _make_setting_error(config, cloud, records, error) from error
    if problem := find_setting_problem(region.config, of_environment=region.name == ENVIRONMENT_CLOUD):
        where = f" in {config.config_filename}" if cloud and config.config_filename else ""
        raise UsageError(f"cloud {cloud or region.name}{where}: {problem[0]}", problem[1])
    return Settings(cloud, region, "" if region.name == "envvars" else config.config_filename or "")


def _make_setting_error(
    config: "OpenStackConfig | None", cloud: str | None, records: list[logging.LogRecord], error: Exception
) -> UsageError:
    """The error for settings of a cloud that the library cannot read."""
    skipped = [clean(record.getMessage()) for record in records]
    if skipped and skipped[0].startswith(SKIPPED):
        text = _QUOTED.sub("'…'", skipped[0].removeprefix(SKIPPED))
        hint = "indent with spaces, not with tabs" if "'\\t'" in text else "correct the file"
        return UsageError(f"the file with clouds is not valid YAML: {text}", hint)
    message, hint = explain_error(error)
    label = f"cloud {cloud or 'of the environment'}"
    if config is not None and cloud is not None and cloud not in config.get_cloud_names():
        used = config.config_filename
        where = f" in {used}" if used is not None else ", because no clouds.yaml exists"
        return UndefinedCloud(f"cloud {cloud} is not defined{where}", _suggest_remedy(config, cloud))
    where = f" in {config.config_filename}" if config is not None and config.config_filename and hint else ""
    return UsageError("; ".join([*skipped, f"{label}{where}: {message}"]), hint or _suggest_remedy(config, cloud))


def _read_config(clouds_file: str | None = None) -> "OpenStackConfig":
    """The settings of all clouds, from ``clouds_file``, or from the files of the user and the system.

    The library reads the working directory first by default; the paths given here replace its default. It also reads
    ``OS_CLIENT_CONFIG_FILE`` and ``OS_CLIENT_SECURE_FILE``, which the user sets. The settings of a vendor may contain an
    address, so their files are read from the same folders only.
    """
    from openstack.config import OpenStackConfig, loader

    if clouds_file is not None and (why := _explain_unreadable(clouds_file)):
        raise UsageError(f"--clouds-file: file {clouds_file} {why}", "correct the path")
    for variable in NAMED_FILES if clouds_file is None else ():
        if (path := os.environ.get(variable)) and (why := _explain_unreadable(path)):
            raise UsageError(f"{variable}: {path} {why}", f"correct the variable, or run: unset {variable}")
    folders = loader.CONFIG_SEARCH_PATH[1:]
    clouds, secure, vendors = (
        [os.path.join(folder, name + suffix) for folder in folders for suffix in SUFFIXES]
        for name in ("clouds", "secure", "clouds-public")
    )
    config = OpenStackConfig(
        config_files=clouds if clouds_file is None else [clouds_file], secure_files=secure, vendor_files=vendors
    )
    if clouds_file is not None and config.config_filename not in (clouds_file, None):  # None: its YAML is not valid
        text = f"OS_CLIENT_CONFIG_FILE is set to a file other than --clouds-file {clouds_file}"
        raise UsageError(text, "remove --clouds-file, or run: unset OS_CLIENT_CONFIG_FILE")
    return config


def _load_profiles() -> None:
    """Fill the library's table of vendors' profiles, which takes milliseconds.

    The library fills it without a lock at the first use: another thread would find a part of it, and no profile.
    """
    from openstack.config import vendors

    with _profiles:
        vendors.profiles()


def _explain_unreadable(path: str) -> str:
    """Why a file with settings cannot be read; empty if it can. The library ignores such a file without a warning."""
    if not os.path.exists(path):
        return "does not exist"
    if os.path.isdir(path):
        return "is a folder, not a file"
    return "" if os.access(path, os.R_OK) else "cannot be read: permission denied"


def list_clouds() -> list[str]:
    """The names of the clouds of clouds.yaml, sorted; none if it cannot be read."""
    with _collect_warnings():
        try:
            names = _read_config().get_cloud_names()
        except Exception:  # as in _read_region: the library raises many types for a file of another shape
            return []
    return sorted(set(names) - {NAME_OF_NONE})


def _suggest_remedy(config: "OpenStackConfig | None", cloud: str | None) -> str:
    """What to do about a cloud that cannot be used."""
    names = sorted(config.get_cloud_names()) if config is not None and config.config_filename is not None else []
    used = config.config_filename if config is not None else None
    here = _find_file_here()
    if (
        cloud is not None
        and cloud not in names
        and here
        and not (used and os.path.realpath(used) == os.path.realpath(here))
    ):
        return f"pass --clouds-file {here} if you trust it; imagesync does not read it from the working directory by itself"
    if config is None or config.config_filename is None:
        return OR_VARIABLES if cloud in (None, ENVIRONMENT_CLOUD) else WHERE
    if cloud in names:
        return f"correct it in {config.config_filename}"
    close = get_close_matches(cloud, names, 1) if cloud is not None else []
    guess = f"did you mean {close[0]}? " if close else "correct the name, or add the cloud; "
    return f"{guess}{config.config_filename} has these clouds: {', '.join(names) or 'none'}"


def _find_file_here() -> str:
    """The name of a file with clouds in the working directory, which is not opened; empty if there is none."""
    return next((name for name in ("clouds" + suffix for suffix in SUFFIXES) if os.path.isfile(name)), "")


def _make_connection(
    cloud: str | None, region: "CloudRegion", access: "AccessInfo | None", url: str, region_name: str
) -> Connection:
    session = region.get_session()
    auth_url = getattr(session.auth, "auth_url", None)
    location = public_address(auth_url or url)
    if auth_url and region.get_endpoint("image"):  # of the settings, not of the service catalog
        location = f"{location}, image endpoint {public_address(url)}"
    identity = Identity(
        "glance",
        location,
        str((access.project_id if access else None) or ""),
        str((access.project_name if access else None) or ""),
        region_name,
        cloud or region.name or "",
    )
    identity_url = f"{strip_version(auth_url)}/v3" if auth_url else None
    read_timeout = float(region.config.get("api_timeout") or READ_TIMEOUT)
    return Connection(
        session,
        url,
        identity,
        identity_url,
        read_timeout,
        _read_settling_time(region, cloud),
        access.issued if access and region.skip_auth_cache() else None,
        read_uptime(),
        tuple(sorted(map(str, access.role_names or ()))) if access else (),
    )


def _read_settling_time(region: "CloudRegion", cloud: str | None) -> float:
    """``imagesync_settling_time`` of the cloud; the library may return a number of clouds.yaml as text."""
    value = region.config.get("imagesync_settling_time", SETTLING_TIME)
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds <= MAX_SETTLING_TIME:
        where = f"cloud {cloud or region.name}: imagesync_settling_time"
        text = f"{where} is {value!r}; it must be 0 to {MAX_SETTLING_TIME:.0f} seconds"
        raise UsageError(text, "correct it in clouds.yaml")
    return seconds


def get_access(session: "Session") -> "AccessInfo | None":
    """The content of the token (project, domains, service catalog); None without an identity service."""
    from keystoneauth1.identity.base import BaseIdentityPlugin

    return session.auth.get_access(session) if isinstance(session.auth, BaseIdentityPlugin) else None


def prepare(session: "Session", seconds: float = LOGIN_TIMEOUT) -> None:
    """Set the user agent, the number of connections, and the limits of size and time for responses."""
    from keystoneauth1.session import TCPKeepAliveAdapter

    from imagesync.backends.glance.response_limits import guard_answer
    from imagesync.deadlines import apply_deadlines

    session.user_agent = f"imagesync/{__version__}"
    session.timeout = session.timeout or seconds
    session.session.hooks["response"].append(guard_answer)
    for scheme in ("http://", "https://"):
        adapter = TCPKeepAliveAdapter(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS)
        apply_deadlines(adapter)
        session.session.mount(scheme, adapter)


def add_version(url: str) -> str:
    """An image endpoint that ends with /v2, in place of the version (and project) of the service catalog."""
    return f"{strip_version(url)}/v2"


def strip_version(url: str) -> str:
    """The address of a service without version, query and trailing slash."""
    parts = urlsplit(url)
    path = re.sub(r"/v\d+(\.\d+)?(/(AUTH_)?[0-9a-f-]{32,36})?$", "", parts.path.rstrip("/"))
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def public_address(url: str) -> str:
    """The address of a service without secrets and without a trailing slash."""
    return redact_url(url).rstrip("/")


def _ignore_deprecations() -> None:
    """Ignore what the library will remove some day, as Python does by default; it warns about that of each cloud.

    The filter stays: Python has one list of filters for all threads, and no thread may restore an earlier one.
    """
    if _DEPRECATIONS not in warnings.filters:
        warnings.filterwarnings("ignore", category=PendingDeprecationWarning, module=_DEPRECATIONS[3].pattern)


class _Collector(logging.Handler):
    """Collects the warnings of one thread: another thread may connect to another target at the same time."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record of this thread, for the log file only: the error of the settings has its text."""
        if threading.get_ident() == self._thread:
            record.is_shown = True
            self.records.append(record)


@contextmanager
def _collect_warnings() -> Iterator[list[logging.LogRecord]]:
    """The warnings that the libraries log while this thread reads the configuration, such as a skipped file, for messages."""
    collector = _Collector()
    loggers = [logging.getLogger(name) for name in ("openstack", "keystoneauth")]
    _ignore_deprecations()
    for logger in loggers:
        logger.addHandler(collector)
    try:
        yield collector.records
    finally:
        for logger in loggers:
            logger.removeHandler(collector)
