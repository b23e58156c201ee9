"""Failed requests -> when they are repeated."""

import time
from datetime import UTC, datetime

import pytest

from imagesync.errors import BackendError, Unauthorized, Unavailable
from imagesync.retry import Pace, parse_http_date, parse_retry_after


def test_delays_grow_and_respect_retry_after() -> None:
    """1, 2, 4 seconds, reduced by up to a half; longer if Retry-After requires it, in seconds or as a date."""
    pace = Pace(random=lambda: 0.0)
    assert [pace.choose_delay(attempt, 0.0) for attempt in (1, 2, 3)] == [0.5, 1.0, 2.0]
    assert pace.choose_delay(1, 7.0) == 7.0
    assert pace.choose_delay(4, 0.1) == 4.0
    assert Pace(random=lambda: 0.5).choose_delay(4, 0.1) == 6.0
    assert parse_retry_after("7") == 7.0
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert parse_retry_after("Wed, 21 Oct 2099 07:28:00 GMT") > 1e6
    assert [parse_retry_after(nonsense) for nonsense in (None, "", "soon", "-1")] == [0.0] * 4


def test_patience_ends_with_the_tries_and_with_the_time() -> None:
    """Only temporary errors are followed by another try; the last error is raised."""
    waits: list[float] = []
    requests: list[float] = []

    def answer_next(answers: list[float | BackendError]) -> float:
        answer = answers[len(requests)]
        requests.append(0)
        if isinstance(answer, BackendError):
            raise answer
        return answer

    def retry(*answers: float | BackendError, pace: Pace) -> float:
        waits.clear()
        requests.clear()
        return pace.retry(lambda: answer_next(list(answers)))

    pace = Pace(tries=3, longest=10.0, sleep=waits.append, random=lambda: 1.0)
    gone, busy = Unavailable("gone"), Unavailable("busy", retry_after=8.0)
    assert (retry(gone, gone, 5.0, pace=pace), waits) == (5.0, [1.0, 2.0])
    assert (retry(busy, 5.0, pace=pace), waits) == (5.0, [8.0])
    for answers, waited in (
        ((gone, gone, busy, 5.0), [1.0, 2.0]),
        ((busy, busy, 5.0), [8.0]),
        ((gone, Unauthorized("no")), [1.0]),
    ):
        with pytest.raises(BackendError) as caught:
            retry(*answers, pace=pace)
        assert (caught.value, waits) == (answers[len(waited)], waited)


@pytest.mark.parametrize("tries", [1, 2, 5])
def test_there_are_so_many_tries_and_no_more(tries: int) -> None:
    """The error is that of the last one; without a limit of its own, a pace has five tries in a minute."""
    assert (Pace().tries, Pace().longest) == (5, 60.0)
    requests: list[Unavailable] = []

    def fail() -> None:
        requests.append(Unavailable(str(len(requests))))
        raise requests[-1]

    with pytest.raises(Unavailable) as caught:
        Pace(tries=tries, sleep=lambda _: None).retry(fail)
    assert caught.value is requests[-1]
    assert len(requests) == tries


@pytest.mark.parametrize(
    ("longest", "waited"), [(0.9, []), (1.0, [1.0]), (2.9, [1.0]), (3.0, [1.0, 2.0]), (7.0, [1.0, 2.0, 4.0])]
)
def test_the_waits_together_are_limited(longest: float, waited: list[float]) -> None:
    """Exactly the limit is allowed."""
    waits: list[float] = []
    pace = Pace(tries=9, longest=longest, sleep=waits.append, random=lambda: 1.0)

    def fail() -> None:
        raise Unavailable("busy")

    with pytest.raises(Unavailable):
        pace.retry(fail)
    assert waits == waited


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0.0), (" 5 ", 5.0), ("120", 120.0), ("1.5", 0.0), ("\u0665", 0.0), ("Wed, 99 Oct 2099 07:28:00 GMT", 0.0)],
)
def test_retry_after_is_a_number_of_seconds_or_a_date(text: str, seconds: float) -> None:
    """Anything else counts as nothing."""
    assert parse_retry_after(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 -0000",
        "Sun, 06 Nov 1994 09:49:37 +0100",
    ],
)
def test_a_date_of_a_header(text: str) -> None:
    """The three forms of HTTP, one of which has no zone, and those of mail."""
    assert parse_http_date(text) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        *("", "None", "soon", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 +9999"),
        f"Sun, 06 Nov {'9' * 30} 08:49:37 GMT",
    ],
)
def test_a_header_that_is_not_a_date(text: str) -> None:
    """One kind of error."""
    with pytest.raises(ValueError):
        parse_http_date(text)


def test_a_date_without_a_zone_is_a_time_to_wait() -> None:
    """An older form of HTTP dates has none."""
    assert parse_retry_after("Wed Oct 21 07:28:00 2099") > 1e6


@pytest.mark.parametrize("zone", ["UTC", "EST5"])
def test_a_date_without_a_zone_is_utc_wherever_the_host_is(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    """Read as the time of the host, a wait of a minute would be hours, or nothing."""
    with monkeypatch.context() as there:
        there.setenv("TZ", zone)
        time.tzset()
        found = parse_http_date("Sun Nov  6 08:49:37 1994")
    time.tzset()
    assert found == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
