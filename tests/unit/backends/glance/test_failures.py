"""What the service and the libraries say -> one line; addresses, conditions and waiting of the image service."""

import pytest

from imagesync.backends.glance.body import PIECE, Body, BrokenOff
from imagesync.backends.glance.connect import bare, unversioned, versioned
from imagesync.backends.glance.failures import clean, failure, said
from imagesync.backends.glance.listing import LONGEST_CONDITION, name_conditions
from imagesync.backends.glance.retry import Pace, seconds_asked
from imagesync.errors import (
    BackendError,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    SourceError,
    Unauthorized,
    Unavailable,
)

PAGE = """<html>
 <head>
  <title>403 Forbidden</title>
 </head>
 <body>
  <h1>403 Forbidden</h1>
  {}<br /><br />
{}


 </body>
</html>"""


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (PAGE.format("You may not &#x27;publicize&#x27;.", ""), "You may not 'publicize'"),
        (PAGE.format("There was a conflict.", "Property nope\n does not exist."), "Property nope does not exist"),
        ('{"message": "General.<br /><br />\\nNo image x.\\n", "code": "404 Not Found"}', "No image x"),
        ('{"error": {"message": "cut", "code": 400}', "cut"),
        ('{"error": {"message": "Expecting to find domain", "code": 400}}', "Expecting to find domain"),
        ('{"other": 1}', '{"other": 1}'),
        ("plain\x1b[31m words\r\n", "plain [31m words"),
        ("", "no reason given"),
        ("[" * 30_000, "[" * 400),
    ],
)
def test_the_reason_is_taken_out_of_whatever_page_carries_it(body: str, sentence: str) -> None:
    """One printable line: Glance answers HTML or JSON with a general part and a detail, Keystone JSON of its own."""
    assert said(body) == sentence


def test_no_secret_of_an_address_or_a_token_reaches_a_message() -> None:
    """Queries sign URLs; user information is a password."""
    text = clean("GET http://user:pw@h/x?sig=abc (see 'https://h/y?token=1') gAAAAAB" + "k" * 60)
    assert text == "GET http://h/x (see 'https://h/y') (a token)"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, BackendError),
        (400, InvalidRequest),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (410, Conflict),
        (413, QuotaExceeded),
        (415, InvalidRequest),
        (418, BackendError),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
def test_a_status_is_an_error_of_ours(status: int, kind: type[BackendError]) -> None:
    """The table of DESIGN: where, what, and the way out in one line."""
    error = failure(status, "because", "GET /images/x")
    assert type(error) is kind
    assert str(error).startswith("GET /images/x: ")
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://h:9292",
        "http://h:9292/",
        "http://h:9292/v2",
        "http://h:9292/v2.17/",
        "http://h:9292/v1",
        "http://h:9292/v2/94d2588abdbf4f1b82023c3d6afce4c3",
        "http://h:9292/v2/AUTH_94d2588abdbf4f1b82023c3d6afce4c3",
    ],
)
def test_an_endpoint_gets_exactly_one_version(endpoint: str) -> None:
    """Whatever the catalogue says, without asking for versions."""
    assert versioned(endpoint) == "http://h:9292/v2"


def test_a_path_before_the_version_is_kept() -> None:
    """Many clouds serve everything on one host."""
    assert versioned("https://h/image") == "https://h/image/v2"
    assert versioned("https://h/v1/image/v2/") == "https://h/v1/image/v2"
    assert unversioned("https://h/identity/v3") == "https://h/identity"


def test_an_address_is_shown_without_secrets() -> None:
    """It is kept in plan files."""
    assert bare("https://u:p@h:5000/v3/?x=1") == "https://h:5000/v3"


def test_many_names_are_asked_for_at_once() -> None:
    """A quote breaks the list: such a name is asked for alone."""
    assert sorted(name_conditions(["b", "a:x", 'q"', "a:x"])) == ['eq:q"', 'in:"a:x","b"']
    assert list(name_conditions([])) == []


def test_a_list_of_names_stays_within_a_url() -> None:
    """As long as URLs may be, counted as they are sent."""
    names = [f"ü{number:04}" for number in range(2000)]
    conditions = list(name_conditions(names))
    assert sum(condition.count("ü") for condition in conditions) == 2000
    assert 3 < len(conditions) < 12
    assert all(len(condition.encode()) < LONGEST_CONDITION for condition in conditions)


def test_waiting_grows_and_heeds_the_service() -> None:
    """1, 2, 4 seconds less up to a half; more where Retry-After says so, as seconds or as a date."""
    pace = Pace(random=lambda: 0.0)
    assert [pace.delay(attempt, 0.0) for attempt in (1, 2, 3)] == [0.5, 1.0, 2.0]
    assert pace.delay(1, 7.0) == 7.0
    assert seconds_asked("7") == 7.0
    assert seconds_asked("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert seconds_asked("Wed, 21 Oct 2099 07:28:00 GMT") > 1e6
    assert [seconds_asked(nonsense) for nonsense in (None, "", "soon", "-1")] == [0.0] * 4


def test_patience_ends_with_the_tries_and_with_the_time() -> None:
    """Only what may pass is asked again; the last error is told."""
    waits: list[float] = []
    asked: list[float] = []

    def ask(answers: list[float | BackendError]) -> float:
        answer = answers[len(asked)]
        asked.append(0)
        if isinstance(answer, BackendError):
            raise answer
        return answer

    def tried(*answers: float | BackendError, pace: Pace) -> float:
        waits.clear()
        asked.clear()
        return pace.patiently(lambda: ask(list(answers)))

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


@pytest.mark.parametrize("chunks", [[b"ab"], [b"ab", b"c", b"d"], []])
def test_a_body_of_another_length_than_announced_breaks_off(chunks: list[bytes]) -> None:
    """Too few bytes would make the service wait for ever, too many would be taken for the next request."""
    body = Body(chunks, 3)
    with pytest.raises(BrokenOff):
        list(body)
    assert isinstance(body.error, SourceError)
    assert body.sent <= 3
    assert not body.complete


def test_a_body_of_unknown_length_is_sent_in_pieces_that_servers_take() -> None:
    """uWSGI refuses a chunk of 1 MiB."""
    body = Body([b"x" * (PIECE + 1)], None)
    assert [len(piece) for piece in body] == [PIECE, 1]
    assert (body.sent, body.complete) == (PIECE + 1, True)
