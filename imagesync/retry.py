"""Failed requests -> whether and when to repeat them. Sleeps."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from imagesync.errors import Unavailable

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """At most ``tries`` requests, and at most ``longest`` seconds of waiting in total."""

    tries: int = 5
    longest: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random

    def choose_delay(self, attempt: int, retry_after: float) -> float:
        """Seconds before the next try: at least ``retry_after``, else 1, 2, 4, … reduced at random by up to a half."""
        return max(retry_after, 2.0 ** (attempt - 1) * (0.5 + self.random() / 2))

    def retry(self, request: Callable[[], T]) -> T:
        """The result of ``request``, which must be safe to repeat; it is repeated after Unavailable."""
        patience = Patience(self)
        while True:
            try:
                return request()
            except Unavailable as error:
                if not patience.can_retry(error.retry_after):
                    raise
                why = error.message
            patience.wait(why)


class Patience:
    """The tries and seconds of a pace that are left for one request."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._attempt, self._waited, self._next = 1, 0.0, 0.0

    def can_retry(self, retry_after: float) -> bool:
        """Whether another try is allowed, at least ``retry_after`` seconds from now."""
        self._next = self._pace.choose_delay(self._attempt, retry_after)
        return self._attempt < self._pace.tries and self._waited + self._next <= self._pace.longest

    def wait(self, why: str) -> None:
        """Wait until the next try."""
        log.info("%s; trying again in %.1f s", why, self._next)
        self._pace.sleep(self._next)
        self._attempt, self._waited = self._attempt + 1, self._waited + self._next


def parse_retry_after(retry_after: str | None) -> float:
    """``Retry-After`` in seconds, from a number or a date (RFC 9110, 10.2.3); 0 if it is missing or invalid."""
    if not retry_after:
        return 0.0
    if retry_after.isascii() and retry_after.strip().isdigit():
        return float(retry_after)
    try:
        return max(0.0, (parse_http_date(retry_after) - datetime.now(UTC)).total_seconds())
    except ValueError:
        return 0.0


def parse_http_date(text: str) -> datetime:
    """The date of a header (RFC 9110, 5.6.7); ValueError if it is none. It is UTC, also in the form without a zone."""
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, OverflowError) as error:
        raise ValueError(f"not a date: {text!r}") from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
