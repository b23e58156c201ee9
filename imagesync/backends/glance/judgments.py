"""What ``doctor`` read from a cloud, and the time -> a check with its grade. Pure; ``checkup.py`` reads."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from imagesync.model.diagnosis import Check, Grade

MIN_VERSION: Final = (2, 7)
"""The Image API version that imagesync needs: os_hidden (Glance 18, Rocky)."""
MAX_DIFFERENCE: Final = timedelta(minutes=10)
"""As ``planning.clock.MAX_DIFFERENCE``."""
SOON: Final = timedelta(days=14)
"""A certificate that expires within this time is a warning."""
SHORT: Final = timedelta(minutes=10)
"""A token that cannot be renewed and expires within this time is a warning."""
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_RENEWABLE: Final = frozenset({None, "password", "v3password", "v3applicationcredential", "v3oidcpassword"})


def judge_token(expires: datetime, now: datetime, auth_type: str | None) -> Check:
    """Whether a run may take longer than a token is valid. ``auth_type``: of the settings; None: the usual one."""
    text = f"expires at {expires:%Y-%m-%d %H:%M} UTC"
    if auth_type in _RENEWABLE:
        return Check("token", Grade.OK, f"{text}; imagesync renews it")
    if expires - now < SHORT:
        fix = "request a new token before a long apply"
        return Check("token", Grade.WARNING, f"{text} and cannot be renewed", fix)
    return Check("token", Grade.OK, f"{text}; a run that takes longer fails, because it cannot be renewed")


def judge_plain_address(name: str, where: str, host: str) -> Check:
    """An address without TLS; ``where`` is its text."""
    if host in _LOOPBACK:
        return Check(name, Grade.OK, f"{where} (this host, without TLS)")
    text = f"{where} has no TLS: the network can read the password and the token"
    return Check(name, Grade.WARNING, text, "use an https:// address, or ask the cloud's operator for one")


def judge_certificate(name: str, where: str, ends: datetime, now: datetime) -> Check:
    """A certificate that is trusted, and valid until ``ends``."""
    text = f"{where}, TLS, certificate valid until {ends:%Y-%m-%d}"
    if ends - now < SOON:
        return Check(name, Grade.WARNING, text, "ask the cloud's operator to renew the certificate")
    return Check(name, Grade.OK, text)


def judge_version(document: object) -> Check:
    """The newest of the versions that the service lists; ``document`` is its response to ``GET /versions``."""
    versions = sorted(_read_versions(document))
    wanted = _show_version(MIN_VERSION)
    if not versions:
        fix = "check the image endpoint of this cloud"
        return Check("API version", Grade.WARNING, "unknown: the service lists no version", fix)
    newest = _show_version(versions[-1])
    if versions[-1] < MIN_VERSION:
        fix = "ask the cloud's operator for a newer image service"
        return Check("API version", Grade.PROBLEM, f"{newest}; imagesync needs {wanted} or later", fix)
    return Check("API version", Grade.OK, f"{newest} ({wanted} or later is needed)")


def _read_versions(document: object) -> Iterator[tuple[int, ...]]:
    listed = document.get("versions") if isinstance(document, dict) else None
    for item in listed if isinstance(listed, list) else ():
        text = item.get("id") if isinstance(item, dict) else None
        with suppress(ValueError):
            yield tuple(int(part) for part in str(text).removeprefix("v").split("."))


def _show_version(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


def judge_clocks(now: datetime, times: Mapping[str, datetime]) -> Check:
    """This host's clock (``now``) beside that of the service that differs most; ``times``: those of services, by name."""
    if not times:
        return Check("clock", Grade.OK, "no service shows its time; only this host's clock is used")
    name, differ = max(((name, time - now) for name, time in times.items()), key=lambda item: abs(item[1]))
    seconds = abs(differ.total_seconds())
    if abs(differ) <= MAX_DIFFERENCE:
        return Check("clock", Grade.OK, f"{seconds:.0f} s from that of {name}")
    text = f"{seconds / 60:.0f} minutes {'behind' if differ > timedelta() else 'ahead of'} that of {name}"
    fix = "correct the clock that is wrong; until then nothing is deleted because of its age"
    return Check("clock", Grade.WARNING, text, fix)
