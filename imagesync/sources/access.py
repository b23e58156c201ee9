"""The rules for requests to servers of sources: allowed hosts and addresses, minimum rate, time limits. Reads the clock.

A pull request chooses the URLs, and the runner may be in an internal network. A public server must not be able to redirect
the run to an internal address.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from imagesync.errors import SourceError
from imagesync.model.urls import is_host_named

CHECK_SECONDS: Final = 60.0
"""Time limit for all checksum lists, signatures and size checks of one run."""
MIN_RATE: Final = 64 * 1024
"""Bytes per second: a mirror that is slower for ``RATE_SECONDS`` is given up."""
RATE_SECONDS: Final = 60.0
_EMBEDDING: Final = IPv6Network("64:ff9b::/96")
"""Addresses of NAT64 (RFC 6052), whose last four bytes are an IPv4 address."""


class Reach(Enum):
    """From where an address can be reached. ``INTERNAL``: private, shared, loopback and reserved addresses."""

    PUBLIC = "public"
    INTERNAL = "private"
    LINK_LOCAL = "link-local"


def classify_address(address: str) -> Reach:
    """The reach of an address; ValueError if the text is not an address."""
    found = _unwrap(ip_address(address.partition("%")[0]))
    if found.is_link_local:
        return Reach.LINK_LOCAL
    return Reach.PUBLIC if found.is_global and not found.is_multicast else Reach.INTERNAL


def _unwrap(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address contains; the address itself if it contains none."""
    if isinstance(address, IPv4Address):
        return address
    if address in _EMBEDDING:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address


class PassingError(SourceError):
    """A failure that may pass: the next try may succeed."""


@dataclass(slots=True)
class SourceAccess:
    """The rules of one run for its requests to servers of sources.

    ``hosts``: globs of the allowed hosts, which may be internal; empty: all hosts are allowed. ``min_rate`` in bytes per
    second; 0: no minimum. ``check_seconds``: the time for all checks of the run. ``asks_sources``: whether a plan checks the
    URLs of images. ``classify``: returns the reach of an address. Threads may share it.
    """

    hosts: tuple[str, ...] = ()
    min_rate: int = MIN_RATE
    check_seconds: float = CHECK_SECONDS
    rate_seconds: float = RATE_SECONDS
    asks_sources: bool = True
    classify: Callable[[str], Reach] = field(default=classify_address)
    _check_time: "_CheckTime" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._check_time = _CheckTime(self.check_seconds)

    def is_allowed(self, host: str) -> bool:
        """Whether the run may contact a host."""
        return not self.hosts or is_host_named(host, self.hosts)

    def can_be_internal(self, host: str) -> bool:
        """Whether the operator named this host with --source-hosts, so it may be internal."""
        return bool(self.hosts) and is_host_named(host, self.hosts)

    def spend_check_time(self) -> "AbstractContextManager[Deadline]":
        """The deadline of the checks in this block; the block's time is subtracted from the time for checks.

        Blocks of several threads that are open at the same time have one deadline, and spend the time once.
        """
        return self._check_time.spend()


class _CheckTime:
    """The seconds that are left for the checks of a run."""

    def __init__(self, seconds: float) -> None:
        self._lock = threading.Lock()
        self._left, self._begun, self._open_blocks = seconds, 0.0, 0

    @contextmanager
    def spend(self) -> "Iterator[Deadline]":
        """See ``SourceAccess.spend_check_time``."""
        with self._lock:
            if not self._open_blocks:
                self._begun = time.monotonic()
            self._open_blocks += 1
            deadline = Deadline(self._begun + self._left)
        try:
            yield deadline
        finally:
            with self._lock:
                self._open_blocks -= 1
                if not self._open_blocks:
                    self._left = max(0.0, self._left - (time.monotonic() - self._begun))


@dataclass(frozen=True, slots=True)
class Deadline:
    """The end of a time limit, by ``time.monotonic``."""

    at: float = float("inf")

    def limit(self, seconds: float) -> float:
        """At most ``seconds``, and at most the seconds that are left; SourceError if none are left."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise self.make_error()
        return min(seconds, left)

    def make_error(self) -> PassingError:
        """The error of a check that was not finished in time."""
        message = f"not checked: the checks of all sources took more than {CHECK_SECONDS:.0f} s"
        return PassingError(message, "find the slow server, or declare source.checksum instead of checksum_url")


NO_DEADLINE: Final = Deadline()
