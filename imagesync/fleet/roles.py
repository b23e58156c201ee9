"""The certificate of a process -> its role in the fleet, and the targets that it may offer. Reads certificate files.

The subject of a certificate has the role as its organizational unit (OU): scheduler, worker or client. The alternative
names of a worker's certificate may have its targets, as URIs. ``distributed`` has no such roles: to it, all certificates
of one authority are equal.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from imagesync.errors import UsageError
from imagesync.text import make_printable

TARGET_URI: Final = "imagesync-target:"
"""The beginning of an alternative name with a target that a worker may offer."""
GUIDE: Final = "make it as docs/fleet.md says"


class Role(StrEnum):
    """What a process does in a fleet."""

    SCHEDULER = "scheduler"
    WORKER = "worker"
    CLIENT = "client"


def read_role(certificate: Mapping[str, Any] | None) -> Role | None:
    """The role of a peer, from its certificate as ``ssl`` decodes it; None without exactly one organizational unit."""
    parts = (certificate or {}).get("subject", ())
    return find_role(value for part in parts for name, value in part if name == "organizationalUnitName")


def read_targets(certificate: Mapping[str, Any] | None) -> frozenset[str] | None:
    """The targets that a worker may offer, from its certificate as ``ssl`` decodes it; None: any."""
    names = (certificate or {}).get("subjectAltName", ())
    found = [value.removeprefix(TARGET_URI) for kind, value in names if kind == "URI" and value.startswith(TARGET_URI)]
    return frozenset(found) if found else None


def find_role(units: Iterable[str]) -> Role | None:
    """The role that the organizational units of a subject name."""
    match list(units):
        case [Role.SCHEDULER | Role.WORKER | Role.CLIENT as unit]:
            return Role(unit)
        case _:
            return None


def check_certificate(file: Path, role: Role) -> None:
    """UsageError if the first certificate of a PEM file is not valid now, or is that of another role."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    name = make_printable(str(file))
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it does not begin with a certificate in PEM form"
        raise UsageError(f"{name}: {reason}", GUIDE) from error
    found = find_role(
        str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    )
    if found is not role:
        what = f"the certificate of a {found}" if found else "a certificate without a role (OU in its subject)"
        raise UsageError(f"{name} is {what}, and this process is a {role}", GUIDE)
    if not certificate.not_valid_before_utc <= datetime.now(UTC) <= certificate.not_valid_after_utc:
        period = f"{certificate.not_valid_before_utc:%Y-%m-%d} to {certificate.not_valid_after_utc:%Y-%m-%d}"
        raise UsageError(f"{name} is not valid now, but from {period}", "renew it as docs/fleet.md says")
