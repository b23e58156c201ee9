"""What the service answers -> an error of one line."""

import pytest

from imagesync.backends.glance.failures import clean, error_from_answer, extract_message
from imagesync.errors import (
    BackendError,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
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
        ("plain\x1b[31m words\r\n", "plain\\x1b[31m words"),
        ("", "no reason given"),
        ("[" * 30_000, "[" * 399 + "…"),
    ],
)
def test_the_reason_is_taken_out_of_whatever_page_carries_it(body: str, sentence: str) -> None:
    """One printable line: Glance answers HTML or JSON with a general part and a detail, Keystone JSON of its own."""
    assert extract_message(body) == sentence


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
    error = error_from_answer(status, "because", "GET /images/x")
    assert type(error) is kind
    assert str(error).startswith("GET /images/x: ")
    assert "\n" not in str(error)
    assert getattr(error, "status", status) == status


DENIED = "You are not authorized to complete {} action."


@pytest.mark.parametrize(
    ("body", "roles", "hint"),
    [
        (
            DENIED.format("add_image"),
            ("reader",),
            "the image service wants the role member for that, and this user has the role reader: ask for it, or use another "
            "user",
        ),
        (
            DENIED.format("download_image"),
            (),
            "the image service wants the role member for that, and this user has another role: ask for it, or use another user",
        ),
        (
            DENIED.format("publicize_image"),
            ("reader", "member"),
            "the image service wants the role admin for that, and this user has the role member and reader: ask for it, or use "
            "another user",
        ),
        (
            "You are not permitted to create images owned by &#x27;x&#x27;",
            ("member",),
            "the image service wants the role admin for that, and this user has the role member: ask for it, or use another user",
        ),
        (
            DENIED.format("modify_image"),
            ("member",),
            "the image belongs to another project: use a user with the role member there, or with admin",
        ),
        ("Image x is protected and cannot be deleted.", ("member",), ""),
    ],
)
def test_a_refusal_says_which_role_is_needed(body: str, roles: tuple[str, ...], hint: str) -> None:
    """By the service's default policy; what is refused for another reason needs no role."""
    assert error_from_answer(403, body, "POST /images", roles).hint == hint
