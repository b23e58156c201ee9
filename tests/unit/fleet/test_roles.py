"""The certificate of a process has its role and its targets."""

import os
from pathlib import Path
from typing import Any

import pytest

from imagesync.errors import UsageError
from imagesync.fleet.roles import GUIDE, Role, check_certificate, read_role, read_targets
from tests.fleet.certificates import Authority


def make_subject(*units: str) -> dict[str, Any]:
    """A certificate as ``ssl`` decodes it."""
    parts = [(("organizationName", "imagesync fleet"),), *((("organizationalUnitName", unit),) for unit in units)]
    return {"subject": (*parts, (("commonName", "host"),))}


@pytest.mark.parametrize("role", list(Role))
def test_the_unit_of_the_subject_is_the_role(role: Role) -> None:
    """One of three."""
    assert read_role(make_subject(role.value)) is role


@pytest.mark.parametrize(
    "certificate",
    [None, {}, make_subject(), make_subject("admin"), make_subject("Worker"), make_subject("client", "worker")],
    ids=["none", "empty", "no unit", "another", "case", "two"],
)
def test_any_other_subject_has_no_role(certificate: dict[str, Any] | None) -> None:
    """Also with two units: each of them could be meant."""
    assert read_role(certificate) is None


def test_the_targets_are_alternative_names() -> None:
    """Without any, all targets may be offered."""
    names = (
        ("DNS", "imagesync-target:x"),
        ("URI", "https://eu"),
        ("URI", "imagesync-target:eu"),
        ("URI", "imagesync-target:us"),
    )
    assert read_targets({"subjectAltName": names}) == frozenset({"eu", "us"})
    assert read_targets({"subjectAltName": names[:2]}) is None
    assert read_targets(None) is None


def test_a_process_does_not_start_with_a_certificate_that_no_peer_would_accept(tmp_path: Path) -> None:
    """The message says what it is, and what to do."""
    authority = Authority(tmp_path)
    check_certificate(authority.issue("worker"), Role.WORKER)
    for file, words in (
        (authority.issue("client"), "is the certificate of a client, and this process is a worker"),
        (authority.issue("worker", name="old", days=-1), "is not valid now, but from"),
        (authority.issue("worker", name="bare", unit=""), "is a certificate without a role"),
        (tmp_path / "missing.pem", "No such file or directory"),
    ):
        with pytest.raises(UsageError, match=words):
            check_certificate(file, Role.WORKER)
    (tmp_path / "text.pem").write_text("text")
    with pytest.raises(UsageError, match="does not begin with a certificate"):
        check_certificate(tmp_path / "text.pem", Role.WORKER)


@pytest.mark.parametrize(("days", "delay"), [(-1, 0), (9, 5)], ids=["expired", "not yet valid"])
def test_a_certificate_outside_of_its_time_has_its_days_in_the_message(tmp_path: Path, days: int, delay: int) -> None:
    """The first and the last one; the hint is to renew it."""
    file = Authority(tmp_path).issue("worker", days=days, delay=delay)
    from cryptography import x509

    found = x509.load_pem_x509_certificate(file.read_bytes())
    first, last = (f"{one:%Y-%m-%d}" for one in (found.not_valid_before_utc, found.not_valid_after_utc))
    with pytest.raises(UsageError) as caught:
        check_certificate(file, Role.WORKER)
    assert caught.value.message == f"{file} is not valid now, but from {first} to {last}"
    assert caught.value.hint == "renew it as docs/fleet.md says"


def test_what_is_wrong_with_a_certificate(tmp_path: Path) -> None:
    """Its role comes before its time; the hint is the guide."""
    authority = Authority(tmp_path)
    (tmp_path / "text\x1b.pem").write_text("text")
    for file, words in (
        (authority.issue("client", days=-1), "is the certificate of a client, and this process is a scheduler"),
        (
            authority.issue("scheduler", unit="admin"),
            "is a certificate without a role (OU in its subject), and this process is a scheduler",
        ),
    ):
        with pytest.raises(UsageError) as caught:
            check_certificate(file, Role.SCHEDULER)
        assert (caught.value.message, caught.value.hint) == (f"{file} {words}", GUIDE)
    for name, words in (
        (r"text\x1b.pem", "it does not begin with a certificate in PEM form"),
        ("no.pem", os.strerror(2)),
    ):
        with pytest.raises(UsageError) as caught:
            check_certificate(tmp_path / name.replace(r"\x1b", "\x1b"), Role.SCHEDULER)
        assert (caught.value.message, caught.value.hint) == (f"{tmp_path}/{name}: {words}", GUIDE)
