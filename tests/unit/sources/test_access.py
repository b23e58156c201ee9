"""The rules for what is fetched: kinds of addresses, named hosts, the time for checks."""

import time

import pytest

from imagesync.errors import SourceError
from imagesync.sources import access as limits
from imagesync.sources.access import Deadline, Reach, SourceAccess, classify_address
from tests.waiting import wait_until


@pytest.mark.parametrize(
    ("address", "reach"),
    [
        ("91.189.91.124", Reach.PUBLIC),
        ("2001:67c:1562::25", Reach.PUBLIC),
        ("::ffff:91.189.91.124", Reach.PUBLIC),
        ("10.1.2.3", Reach.INTERNAL),
        ("172.16.0.1", Reach.INTERNAL),
        ("192.168.1.1", Reach.INTERNAL),
        ("127.0.0.1", Reach.INTERNAL),
        ("0.0.0.0", Reach.INTERNAL),
        ("100.100.100.200", Reach.INTERNAL),
        ("224.0.0.1", Reach.INTERNAL),
        ("255.255.255.255", Reach.INTERNAL),
        ("::1", Reach.INTERNAL),
        ("::", Reach.INTERNAL),
        ("fd00:ec2::254", Reach.INTERNAL),
        ("::ffff:10.0.0.1", Reach.INTERNAL),
        ("64:ff9b::a00:1", Reach.INTERNAL),
        ("2002:a00:1::", Reach.INTERNAL),
        ("169.254.169.254", Reach.LINK_LOCAL),
        ("fe80::1", Reach.LINK_LOCAL),
        ("fe80::1%eth0", Reach.LINK_LOCAL),
        ("::ffff:169.254.169.254", Reach.LINK_LOCAL),
        ("64:ff9b::a9fe:a9fe", Reach.LINK_LOCAL),
    ],
)
def test_an_address_is_public_internal_or_link_local(address: str, reach: Reach) -> None:
    """Whatever form it is written in, or wrapped into."""
    assert classify_address(address) is reach


def test_a_named_host_may_be_internal_and_others_are_not_asked() -> None:
    """Without globs every host may be asked, and none is trusted."""
    named, every = SourceAccess(("*.corp.example",)), SourceAccess()
    assert named.is_allowed("mirror.corp.example")
    assert named.can_be_internal("mirror.corp.example")
    assert not named.is_allowed("evil.example")
    assert every.is_allowed("evil.example")
    assert not every.can_be_internal("evil.example")


def test_the_time_for_checks_is_one_for_the_whole_run() -> None:
    """The time of one check is subtracted for the next; then no time is left."""
    access = SourceAccess(check_seconds=0.05)
    with access.spend_check_time() as deadline:
        assert 0 < deadline.limit(10) <= 0.05
        end = time.monotonic() + 0.05
        wait_until(time.monotonic, lambda now: now > end, "the time for checks is over")
    with access.spend_check_time() as deadline, pytest.raises(SourceError, match="took more than 60 s"):
        deadline.limit(10)
    assert Deadline().limit(7) == 7


def test_checks_at_the_same_time_spend_the_time_once() -> None:
    """Two targets of a run check their sources for the same moment: they have one deadline, and it does not move."""
    access = SourceAccess(check_seconds=1000)
    with access.spend_check_time() as first:
        with access.spend_check_time() as second:
            end = time.monotonic() + 0.05
            wait_until(time.monotonic, lambda now: now > end, "some time is spent")
        with access.spend_check_time() as third:
            pass
    assert first == second == third
    with access.spend_check_time() as later:
        assert later.at >= first.at


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.CHECK_SECONDS == 60
    assert limits.MIN_RATE == 65_536
    assert limits.RATE_SECONDS == 60
