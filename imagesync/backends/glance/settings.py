"""What the OpenStack libraries say of a cloud's settings -> what is wrong with them, in the words of clouds.yaml. No I/O.

The libraries name arguments of their own functions, and let an empty or misspelt setting pass until a request fails.
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
"""Values of ``auth_type`` that people use."""
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
"""Keys of ``auth``, as far as people use them."""
_PASSWORD_TYPES: Final = ("password", "v3password", None)

Found = tuple[str, str] | None
"""What is wrong, after the name of the cloud, and what to do; None: nothing that is known."""


def find_setting_problem(settings: Mapping[str, object], *, of_environment: bool = False) -> Found:
    """What is missing or misspelt in the settings of one cloud that the libraries have read, before they are used.

    ``of_environment``: they come from ``OS_*`` variables.
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
        return ("its auth_url holds a space", "take it out") if has_space else None
    return "its auth_url has no http:// or https:// at its beginning", "write the whole address of the identity service"


def _describe_missing(name: str, values: Mapping[str, object]) -> tuple[str, str]:
    """A setting that is not there, or that is there under another name."""
    others = [key for key in values if key not in KNOWN_SETTINGS]
    close = get_close_matches(name, others, 1, 0.75)
    if close:
        return f"it has no {name}, and {close[0]} is no setting", f"write {name} for {close[0]}"
    return f"it has no {name}", _ADD.get(name, f"write {name} below its auth")


_ADD: Final = {
    "password": "write password below its auth, or in a secure.yaml in the same place",
    "application_credential_secret": "write it below its auth, or in a secure.yaml in the same place",
}

_WORDED: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], tuple[str, str]]], ...]] = (
    (re.compile(r"^(\w+) is a required attribute"), lambda found: _describe_missing(found[1], {})),
    (re.compile(r"parameters which were not given: (\w+)"), lambda found: _describe_missing(found[1], {})),
    (re.compile(r"missing \d+ required (?:\w+ )*arguments?: '(\w+)'"), lambda found: _describe_missing(found[1], {})),
    (re.compile("You must provide an auth secret"), lambda _: _describe_missing("application_credential_secret", {})),
    (re.compile(r"unexpected keyword argument '(\w+)'"), lambda found: _describe_unknown(found[1])),
    (re.compile(r"The plugin (\S+) could not be found"), lambda found: _describe_type(found[1])),
    (
        re.compile(r"Configuration file (\S+) is empty or not a valid mapping"),
        lambda found: (
            f"{found[1]} is empty or no mapping",
            "write clouds: in its first line, and the clouds below it",
        ),
    ),
    (
        re.compile(r"object has no attribute 'get'|dictionary update sequence"),
        lambda _: ("its settings are no mapping", "write auth, region_name and so on below its name, each on a line"),
    ),
)
"""What the libraries say, in part, and what it means."""


def _describe_unknown(name: str) -> tuple[str, str]:
    close = get_close_matches(name, KNOWN_SETTINGS, 1)
    return f"{name} is no setting of its auth_type", f"write {close[0]}" if close else "take it out of its auth"


def _describe_type(name: str) -> tuple[str, str]:
    close = get_close_matches(name, KNOWN_TYPES, 1)
    return f"there is no auth_type {name}", f"write {close[0]}" if close else f"use one of {', '.join(KNOWN_TYPES[:5])}"


def explain_error(error: BaseException) -> tuple[str, str]:
    """What a library's error means, and what to do; its own words if it is none that is known."""
    text = str(error)
    for pattern, describe in _WORDED:
        if found := pattern.search(text):
            return describe(found)
    return clean(redact(text)), ""
