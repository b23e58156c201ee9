"""Which servers may be asked for sources, how patiently, and for how long in all. No I/O; reads the clock.

A pull request chooses the URLs, and the runner is in an internal network: a server of the internet must not be able to
send the run to an address there.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from imagesync.errors import SourceError
from imagesync.model.urls import is_host_named

CHECK_SECONDS: Final = 60.0
"""For all lists of digests, signatures and sizes of one run together."""
MIN_RATE: Final = 64 * 1024
"""Bytes a second: what gives less for a whole minute is a mirror to give up."""
RATE_SECONDS: Final = 60.0
_EMBEDDING: Final = IPv6Network("64:ff9b::/96")
"""Addresses of NAT64 (RFC 6052), whose last four bytes are an IPv4 address."""


class Reach(Enum):
    """From where an address can be reached. ``INTERNAL``: private, shared or loopback ones, and all that cannot be a
    host's.
    """

    PUBLIC = "public"
    INTERNAL = "private"
    LINK_LOCAL = "link-local"


def classify_address(address: str) -> Reach:
    """What kind of address this is; ValueError if it is none."""
    found = _unwrap(ip_address(address.partition("%")[0]))
    if found.is_link_local:
        return Reach.LINK_LOCAL
    return Reach.PUBLIC if found.is_global and not found.is_multicast else Reach.INTERNAL


def _unwrap(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that is meant by an IPv6 address which contains one."""
    if isinstance(address, IPv4Address):
        return address
    if address in _EMBEDDING:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address


class PassingError(SourceError):
    """A failure that the next try may not have."""


@dataclass(slots=True)
class SourceAccess:
    """The rules of one run for what it fetches.

    ``hosts``: globs, one of which must name each host (none: every host may be asked); a host that is named so may be
    internal. ``min_rate`` in bytes a second; 0: however slow. ``check_seconds``: what is left for the checks of the run.
    ``asks_sources``: whether URLs of images are asked when a plan is made. ``classify``: what kind an address is, as ``classify_address``.
    """

    hosts: tuple[str, ...] = ()
    min_rate: int = MIN_RATE
    check_seconds: float = CHECK_SECONDS
    rate_seconds: float = RATE_SECONDS
    asks_sources: bool = True
    classify: Callable[[str], Reach] = field(default=classify_address)

    def is_allowed(self, host: str) -> bool:
        """Whether a host may be asked at all."""
        return not self.hosts or is_host_named(host, self.hosts)

    def can_be_internal(self, host: str) -> bool:
        """Whether --source-hosts permits a host to be internal."""
        return bool(self.hosts) and is_host_named(host, self.hosts)

    @contextmanager
    def spend_check_time(self) -> "Iterator[Deadline]":
        """The end of the time for checks; the time that the block takes is subtracted from it."""
        begun = time.monotonic()
        try:
            yield Deadline(begun + self.check_seconds)
        finally:
            self.check_seconds = max(0.0, self.check_seconds - (time.monotonic() - begun))


@dataclass(frozen=True, slots=True)
class Deadline:
    """When something must be over, by ``time.monotonic``."""

    at: float = float("inf")

    def limit(self, seconds: float) -> float:
        """At most ``seconds``, and no more than are left; SourceError if none are."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise self.make_error()
        return min(seconds, left)

    def make_error(self) -> PassingError:
        """The error of a check that was not done in time."""
        message = f"not checked: the sources of a run are checked for {CHECK_SECONDS:.0f} s in all"
        return PassingError(message, "find the server that is slow, or give a digest instead of a list")


NO_DEADLINE: Final = Deadline()
