"""Settings of a cloud, and errors of the OpenStack libraries about them -> messages in the terms of clouds.yaml. No I/O.

The libraries name arguments of their own functions, and accept an empty or misspelled setting until a request fails.
"""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Final

from imagesync.backends.glance.failures import clean
from imagesync.text import redact

KNOWN_TYPES: Final = (
    *("password", "v3password", "token", "v3token", "v3applicationcredential", "v3totp", "v3oidcpassword"),
    *("v3oidcclientcredentials", "v3oidcaccesstoken", "v3multifactor", "admin_token", "none", "http_basic"),
)
"""Common values of ``auth_type``."""
KNOWN_SETTINGS: Final = (
    *(
        "auth_url",
        "username",
        "user_id",
        "password",
        "user_domain_name",
        "user_domain_id",
        "project_name",
        "project_id",
    ),
    *("project_domain_name", "project_domain_id", "domain_name", "domain_id", "system_scope", "token", "passcode"),
    *(
        "application_credential_id",
        "application_credential_name",
        "application_credential_secret",
        "trust_id",
        "endpoint",
    ),
)
"""Common keys of ``auth``."""
_PASSWORD_TYPES: Final = ("password", "v3password", None)

Found = tuple[str, str] | None
"""What is wrong (to follow the name of the cloud) and what to do; None if no problem is known."""


def find_setting_problem(settings: Mapping[str, object], *, of_environment: bool = False) -> Found:
    """What is missing or misspelled in the settings of a cloud, which the libraries have read but not used yet.

    ``of_environment``: the settings are ``OS_*`` variables.
    """
    auth = settings.get("auth")
    values = dict(auth) if isinstance(auth, Mapping) else {}
    kind = settings.get("auth_type")
    if (url := values.get("auth_url")) is not None and (problem := _find_address_problem(str(url))):
        return problem
    if kind not in _PASSWORD_TYPES or not values or "token" in values:
        return None
    for wanted in (("auth_url",), ("username", "user_id"), ("password",)):
        if not any(values.get(name) for name in wanted):
            message, hint = _describe_missing(wanted[0], values)
            return message, f"set OS_{wanted[0].upper()}" if of_environment else hint
    return None


def _find_address_problem(url: str) -> Found:
    if re.match(r"https?://", url, re.IGNORECASE):
        has_space = any(char.isspace() for char in url)
        return ("auth_url contains a space", "remove the space") if has_space else None
    return "auth_url does not begin with http:// or https://", "write the complete address of the identity service"


def _describe_missing(name: str, values: Mapping[str, object]) -> tuple[str, str]:
    """The problem of a missing setting, which may be there under a misspelled name."""
    others = [key for key in values if key not in KNOWN_SETTINGS]
    close = get_close_matches(name, others, 1, 0.75)
    if close:
        return f"{name} is missing, and {close[0]} is not a known setting", f"write {name} instead of {close[0]}"
    return f"{name} is missing", _ADD.get(name, f"write {name} below auth of this cloud")


_ADD: Final = {
    "password": "write password below auth of this cloud, or in secure.yaml in the same folder",
    "application_credential_secret": "write it below auth of this cloud, or in secure.yaml in the same folder",
}

_MEANINGS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], tuple[str, str]]], ...]] = (
    (re.compile(r"^(\w+) is a required attribute"), lambda found: _describe_missing(found[1], {})),
    (re.compile(r"parameters which were not given: (\w+)"), lambda found: _describe_missing(found[1], {})),
    (
        re.compile(r"missing \d+ required (?:[\w-]+ )*arguments?: '(\w+)'"),
        lambda found: _describe_missing(found[1], {}),
    ),
    (re.compile("You must provide an auth secret"), lambda _: _describe_missing("application_credential_secret", {})),
    (re.compile(r"unexpected keyword argument '(\w+)'"), lambda found: _describe_unknown(found[1])),
    (re.compile(r"The plugin (\S+) could not be found"), lambda found: _describe_type(found[1])),
    (
        re.compile(r"Configuration file (\S+) is empty or not a valid mapping"),
        lambda found: (
            f"{found[1]} is empty or not a mapping",
            "write clouds: in its first line, and the clouds below it",
        ),
    ),
    (
        re.compile(r"'NoneType' object has no attribute 'split'"),
        lambda _: ("region_name is empty", "write the name of a region, or remove region_name"),
    ),
    (
        re.compile(r"object has no attribute 'get'|dictionary update sequence"),
        lambda _: (
            "its settings are not a mapping",
            "write auth, region_name and its other settings below the name of the cloud, each on its own line",
        ),
    ),
)
"""Parts of messages of the libraries, and what each means."""


def _describe_unknown(name: str) -> tuple[str, str]:
    close = get_close_matches(name, KNOWN_SETTINGS, 1)
    remedy = f"write {close[0]} instead" if close else f"remove {name} from auth of this cloud"
    return f"its auth_type has no setting {name}", remedy


def _describe_type(name: str) -> tuple[str, str]:
    close = get_close_matches(name, KNOWN_TYPES, 1)
    remedy = f"write {close[0]} instead" if close else f"use one of {', '.join(KNOWN_TYPES[:5])}"
    return f"auth_type {name} does not exist", remedy


def explain_error(error: BaseException) -> tuple[str, str]:
    """What an error of a library means and what to do; the error's own text, without a remedy, if it is unknown."""
    text = str(error)
    for pattern, describe in _MEANINGS:
        if found := pattern.search(text):
            return describe(found)
    return clean(redact(text)), ""
