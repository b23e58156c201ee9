"""How often and how long a service is asked again that does not answer, or not now. Sleeps."""

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
    """At most ``tries`` requests and ``longest`` seconds of waiting in all."""

    tries: int = 5
    longest: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random

    def choose_delay(self, attempt: int, asked: float) -> float:
        """Seconds before the next try: what the service asks for, else 1, 2, 4, … less up to a half."""
        return max(asked, 2.0 ** (attempt - 1) * (0.5 + self.random() / 2))

    def retry(self, ask: Callable[[], T]) -> T:
        """What ``ask`` returns, which does no harm when it is done again: as it is while it raises Unavailable."""
        patience = Patience(self)
        while True:
            try:
                return ask()
            except Unavailable as error:
                if not patience.can_retry(error.retry_after):
                    raise
                why = error.message
            patience.wait(why)


class Patience:
    """What is left of a pace for one request that failed."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._attempt, self._waited, self._next = 1, 0.0, 0.0

    def can_retry(self, asked: float) -> bool:
        """Whether there is to be another try, where the service asks for so many seconds."""
        self._next = self._pace.choose_delay(self._attempt, asked)
        return self._attempt < self._pace.tries and self._waited + self._next <= self._pace.longest

    def wait(self, why: str) -> None:
        """Until that try."""
        log.info("%s; trying again in %.1f s", why, self._next)
        self._pace.sleep(self._next)
        self._attempt, self._waited = self._attempt + 1, self._waited + self._next


def parse_retry_after(retry_after: str | None) -> float:
    """``Retry-After`` in seconds, given as a number or as a date (RFC 9110, 10.2.3); 0 for none and for nonsense."""
    if not retry_after:
        return 0.0
    if retry_after.isascii() and retry_after.strip().isdigit():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 0.0
