"""When a failed request is sent again, and after how long."""

import pytest

from imagesync.backends.glance.retry import Pace, parse_retry_after
from imagesync.errors import BackendError, Unauthorized, Unavailable


def test_waiting_grows_and_heeds_the_service() -> None:
    """1, 2, 4 seconds less up to a half; more where Retry-After says so, as seconds or as a date."""
    pace = Pace(random=lambda: 0.0)
    assert [pace.choose_delay(attempt, 0.0) for attempt in (1, 2, 3)] == [0.5, 1.0, 2.0]
    assert pace.choose_delay(1, 7.0) == 7.0
    assert parse_retry_after("7") == 7.0
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert parse_retry_after("Wed, 21 Oct 2099 07:28:00 GMT") > 1e6
    assert [parse_retry_after(nonsense) for nonsense in (None, "", "soon", "-1")] == [0.0] * 4


def test_patience_ends_with_the_tries_and_with_the_time() -> None:
    """Only what may pass is asked again; the last error is told."""
    waits: list[float] = []
    requests: list[float] = []

    def ask(answers: list[float | BackendError]) -> float:
        answer = answers[len(requests)]
        requests.append(0)
        if isinstance(answer, BackendError):
            raise answer
        return answer

    def tried(*answers: float | BackendError, pace: Pace) -> float:
        waits.clear()
        requests.clear()
        return pace.retry(lambda: ask(list(answers)))

    pace = Pace(tries=3, longest=10.0, sleep=waits.append, random=lambda: 1.0)
    gone, busy = Unavailable("gone"), Unavailable("busy", retry_after=8.0)
    assert (tried(gone, gone, 5.0, pace=pace), waits) == (5.0, [1.0, 2.0])
    assert (tried(busy, 5.0, pace=pace), waits) == (5.0, [8.0])
    for answers, waited in (
        ((gone, gone, busy, 5.0), [1.0, 2.0]),
        ((busy, busy, 5.0), [8.0]),
        ((gone, Unauthorized("no")), [1.0]),
    ):
        with pytest.raises(BackendError) as caught:
            tried(*answers, pace=pace)
        assert (caught.value, waits) == (answers[len(waited)], waited)
