"""The checks of ``doctor``: at which time, version and address the grade changes, and what the operator reads."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from imagesync.backends.glance import judgments
from imagesync.backends.glance.judgments import (
    judge_certificate,
    judge_clocks,
    judge_plain_address,
    judge_token,
    judge_version,
)
from imagesync.model.diagnosis import Check, Grade
from imagesync.planning import clock

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
MINUTE, SECOND, DAY = timedelta(minutes=1), timedelta(seconds=1), timedelta(days=1)
OK, WARNING, PROBLEM = Grade.OK, Grade.WARNING, Grade.PROBLEM


@pytest.mark.parametrize(
    ("kind", "left", "grade", "ending"),
    [
        (None, -MINUTE, OK, "renews it"),
        ("password", MINUTE, OK, "renews it"),
        ("v3password", MINUTE, OK, "renews it"),
        ("v3applicationcredential", MINUTE, OK, "renews it"),
        ("v3oidcpassword", MINUTE, OK, "renews it"),
        ("token", 10 * MINUTE - SECOND, WARNING, "and cannot be renewed"),
        ("v3token", -MINUTE, WARNING, "and cannot be renewed"),
        ("token", 10 * MINUTE, OK, "a run that takes longer fails, because it cannot be renewed"),
    ],
)
def test_how_long_a_token_is_valid(kind: str | None, left: timedelta, grade: Grade, ending: str) -> None:
    """Only a token without the means to request another one limits a run."""
    check = judge_token(NOW + left, NOW, kind)
    assert (check.name, check.grade, bool(check.fix)) == ("token", grade, grade is WARNING)
    assert check.found.startswith(f"expires at {NOW + left:%Y-%m-%d %H:%M} UTC")
    assert check.found.endswith(ending)


@pytest.mark.parametrize(
    ("host", "grade"),
    [("localhost", OK), ("127.0.0.1", OK), ("::1", OK), ("192.0.2.1", WARNING), ("localhost.example.org", WARNING)],
)
def test_an_address_without_tls(host: str, grade: Grade) -> None:
    """Between two processes of this host there is no network."""
    check = judge_plain_address("image address", f"http://{host}:9292", host)
    assert (check.name, check.grade, "the password" in check.found) == ("image address", grade, grade is WARNING)
    assert ("https://" in check.fix) == (grade is WARNING)
    assert f"http://{host}:9292" in check.found


@pytest.mark.parametrize(("left", "grade"), [(14 * DAY, OK), (14 * DAY - SECOND, WARNING), (-DAY, WARNING)])
def test_how_long_a_certificate_is_valid(left: timedelta, grade: Grade) -> None:
    """Two weeks before its end there is still time to renew it."""
    check = judge_certificate("identity address", "https://keystone", NOW + left, NOW)
    assert (check.name, check.grade) == ("identity address", grade)
    assert check.found == f"https://keystone, TLS, certificate valid until {NOW + left:%Y-%m-%d}"
    assert ("renew" in check.fix) == (grade is WARNING)


@pytest.mark.parametrize(
    ("names", "grade", "found"),
    [
        (["v2.6", "v2.5"], PROBLEM, "2.6; imagesync needs 2.7 or later"),
        (["v2.7"], OK, "2.7 (2.7 or later is needed)"),
        (["v2.9", "v2.15", "v2.2"], OK, "2.15 (2.7 or later is needed)"),
        (["latest", None, "v2.16"], OK, "2.16 (2.7 or later is needed)"),
        (["v1.1"], PROBLEM, "1.1; imagesync needs 2.7 or later"),
        ([], WARNING, "unknown: the service lists no version"),
    ],
)
def test_the_newest_version_counts(names: list[str | None], grade: Grade, found: str) -> None:
    """In any order; 2.15 is newer than 2.9, and what is not a version is left out."""
    check = judge_version({"versions": [{"id": name} for name in names]})
    assert (check.name, check.grade, check.found) == ("API version", grade, found)
    assert bool(check.fix) == (grade is not OK)


@pytest.mark.parametrize("document", [None, [], {}, {"versions": 3}, {"versions": ["v2.9"]}, "text"])
def test_a_document_of_another_form_has_no_version(document: Any) -> None:
    """The endpoint may lead to another service."""
    assert judge_version(document).grade is WARNING


@pytest.mark.parametrize(
    ("differences", "grade", "found"),
    [
        ({}, OK, "no service shows its time; only this host's clock is used"),
        ({"a": 3 * SECOND}, OK, "3 s from that of a"),
        ({"a": 3 * SECOND, "b": -9 * SECOND}, OK, "9 s from that of b"),
        ({"a": 10 * MINUTE}, OK, "600 s from that of a"),
        ({"a": 20 * MINUTE, "b": SECOND}, WARNING, "20 minutes behind that of a"),
        ({"a": SECOND, "b": -20 * MINUTE}, WARNING, "20 minutes ahead of that of b"),
        ({"a": -10 * MINUTE - SECOND}, WARNING, "10 minutes ahead of that of a"),
    ],
)
def test_the_clock_that_differs_most_counts(differences: dict[str, timedelta], grade: Grade, found: str) -> None:
    """The sentence says which way this host's clock is wrong, if it is that one."""
    check = judge_clocks(NOW, {name: NOW + difference for name, difference in differences.items()})
    assert (check.name, check.grade, check.found) == ("clock", grade, found)
    assert ("nothing is deleted" in check.fix) == (grade is WARNING)


def test_doctor_and_plan_know_the_same_limit() -> None:
    """Else doctor would not warn of what stops deletions."""
    assert judgments.MAX_DIFFERENCE == clock.MAX_DIFFERENCE


@pytest.mark.parametrize(
    ("check", "name", "grade", "text", "fix"),
    [
        (
            judge_token(NOW + MINUTE, NOW, "v3password"),
            "token",
            OK,
            "expires at 2026-11-27 12:01 UTC; imagesync renews it",
            "",
        ),
        (
            judge_token(NOW + MINUTE, NOW, "v3totp"),
            "token",
            WARNING,
            "expires at 2026-11-27 12:01 UTC and cannot be renewed",
            "request a new token before a long apply",
        ),
        (
            judge_token(NOW + DAY, NOW, "v3token"),
            "token",
            OK,
            "expires at 2026-11-28 12:00 UTC; a run that takes longer fails, because it cannot be renewed",
            "",
        ),
        (
            judge_plain_address("a", "http://localhost", "localhost"),
            "a",
            OK,
            "http://localhost (this host, without TLS)",
            "",
        ),
        (
            judge_plain_address("a", "http://h", "h"),
            "a",
            WARNING,
            "http://h has no TLS: the network can read the password and the token",
            "use an https:// address, or ask the cloud's operator for one",
        ),
        (
            judge_certificate("a", "https://h", NOW + DAY, NOW),
            "a",
            WARNING,
            "https://h, TLS, certificate valid until 2026-11-28",
            "ask the cloud's operator to renew the certificate",
        ),
        (
            judge_certificate("a", "https://h", NOW + 99 * DAY, NOW),
            "a",
            OK,
            "https://h, TLS, certificate valid until 2027-03-06",
            "",
        ),
        (
            judge_version({}),
            "API version",
            WARNING,
            "unknown: the service lists no version",
            "check the image endpoint of this cloud",
        ),
        (
            judge_version({"versions": [{"id": "v2.6"}]}),
            "API version",
            PROBLEM,
            "2.6; imagesync needs 2.7 or later",
            "ask the cloud's operator for a newer image service",
        ),
        (judge_version({"versions": [{"id": "v3"}]}), "API version", OK, "3 (2.7 or later is needed)", ""),
        (judge_clocks(NOW, {"a": NOW}), "clock", OK, "0 s from that of a", ""),
        (
            judge_clocks(NOW, {"b": NOW - DAY, "a": NOW + 2 * DAY}),
            "clock",
            WARNING,
            "2880 minutes behind that of a",
            "correct the clock that is wrong; until then nothing is deleted because of its age",
        ),
    ],
)
def test_a_whole_check(check: Check, name: str, grade: Grade, text: str, fix: str) -> None:
    """Its name, what was found, and what to do; a good one asks for nothing."""
    assert check == Check(name, grade, text, fix)
