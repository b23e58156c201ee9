"""Error responses -> errors of one line."""

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
def test_the_message_is_extracted_from_every_kind_of_error_page(body: str, sentence: str) -> None:
    """One printable line: Glance returns HTML or JSON with a general part and a detail, Keystone another JSON."""
    assert extract_message(body) == sentence


def test_no_secret_of_an_address_or_a_token_reaches_a_message() -> None:
    """The query of a URL may contain a signature, its user information a password."""
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
def test_each_status_has_its_error_class(status: int, kind: type[BackendError]) -> None:
    """The message is one line and begins with the request."""
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
            "the image service requires the role member, and this user has only reader: ask an administrator for the role, "
            "or use another user",
        ),
        (
            DENIED.format("download_image"),
            (),
            "the image service requires the role member, and this user does not have it: ask an administrator for the role, "
            "or use another user",
        ),
        (
            DENIED.format("publicize_image"),
            ("reader", "member"),
            "the image service requires the role admin, and this user has only member and reader: ask an administrator for "
            "the role, or use another user",
        ),
        (
            "You are not permitted to create images owned by &#x27;x&#x27;",
            ("member",),
            "the image service requires the role admin, and this user has only member: ask an administrator for the role, "
            "or use another user",
        ),
        (
            DENIED.format("modify_image"),
            ("member",),
            "the image belongs to another project: use a user with the role member in that project, or with admin",
        ),
        ("Image x is protected and cannot be deleted.", ("member",), ""),
    ],
)
def test_the_hint_of_a_refusal_names_the_required_role(body: str, roles: tuple[str, ...], hint: str) -> None:
    """The role is that of the service's default policy; a refusal for another reason names none."""
    assert error_from_answer(403, body, "POST /images", roles).hint == hint
