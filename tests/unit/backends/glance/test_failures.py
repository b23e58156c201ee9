"""Error responses and exceptions of the libraries -> errors of one line."""

import re
import ssl

import pytest
import requests
from keystoneauth1 import exceptions
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, ReadTimeoutError

from imagesync.backends.glance.failures import (
    MAX_MESSAGE_CHARS,
    clean,
    error_from_answer,
    extract_message,
    is_never_sent,
    list_causes,
    suggest_for_certificate,
    translate_errors,
)
from imagesync.errors import (
    BackendError,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    Unauthorized,
    Unavailable,
    UsageError,
)
from imagesync.secrets import hide_secrets

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
        (" <p> . ; </p> ", "no reason given"),
        ("<STYLE>\nb {}\n</STYLE><Script type='x'>\nrun()\n</Script><h1>Oops</h1><P>Both\nlines;</P>", "Both lines"),
        ("<header>kept</header>", "kept"),
        ("general<BR /> \n<br/><br>detail<br>more", "detail more"),
        ("one<br>two", "one two"),
        ("first<br><br>second<br><br>third", "second third"),
        ("&lt;name&gt; &amp;lt; is wrong", "<name> &lt; is wrong"),
        ('{"message": 7}', '{"message": 7}'),
        ('{"error": "denied", "message": "why"}', "why"),
        ('{"error": {"title": "x"}, "message": "why"}', '{"error": {"title": "x"}, "message": "why"}'),
        ('["message"]', '["message"]'),
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
        (299, BackendError),
        (300, BackendError),
        (302, BackendError),
        (399, BackendError),
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
        (501, BackendError),
        (502, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
        (505, BackendError),
    ],
)
def test_each_status_has_its_error_class(status: int, kind: type[BackendError]) -> None:
    """The message is one line and begins with the request."""
    error = error_from_answer(status, "because", "GET /images/x")
    assert type(error) is kind
    assert ("the service returned a redirect" in error.message) is (300 <= status < 400)
    assert ("because" in error.message) is (status != 401 and not 300 <= status < 400)
    assert ("ask the cloud's operator for a larger quota" in error.hint) is (status == 413)
    assert (error.hint == "try again later") is (kind is Unavailable)
    assert str(error).startswith("GET /images/x: ")
    assert "\n" not in str(error)
    assert getattr(error, "status", status) == status


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (
            302,
            "the service returned a redirect (HTTP 302), which imagesync does not follow; correct the image endpoint of the "
            "service catalog, or set image_endpoint_override in clouds.yaml",
        ),
        (400, "HTTP 400: because"),
        (
            401,
            "HTTP 401: the service rejected the token; check that the user, the secret and the project of this cloud are "
            "still valid",
        ),
        (403, "HTTP 403: because"),
        (404, "HTTP 404: because"),
        (409, "HTTP 409: because"),
        (410, "HTTP 410: because"),
        (
            413,
            "HTTP 413: because; delete images that are not needed, or ask the cloud's operator for a larger quota",
        ),
        (415, "HTTP 415: because"),
        (418, "HTTP 418: because"),
        (429, "HTTP 429: because; try again later"),
        (500, "HTTP 500: because; try again later"),
    ],
)
def test_the_whole_message_of_each_status(status: int, text: str) -> None:
    """The request, the status, the service's reason, and what to do."""
    assert str(error_from_answer(status, "<b>because</b>.", "GET /images/x", ("reader",))) == f"GET /images/x: {text}"


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
        (
            DENIED.format("modify_image"),
            ("admin",),
            "the image belongs to another project: use a user with the role member in that project, or with admin",
        ),
        (
            DENIED.format("copy_image"),
            ("member",),
            "the image service requires the role admin, and this user has only member: ask an administrator for the role, "
            "or use another user",
        ),
        (
            "Changing the owner by non admin is not allowed",
            ("member",),
            "the image service requires the role admin, and this user has only member: ask an administrator for the role, "
            "or use another user",
        ),
        (
            DENIED.format("modify_image"),
            ("reader", "auditor"),
            "the image service requires the role member, and this user has only auditor and reader: ask an administrator "
            "for the role, or use another user",
        ),
        ("Image x is protected and cannot be deleted.", ("member",), ""),
        ("Image x is protected and cannot be deleted.", (), ""),
    ],
)
def test_the_hint_of_a_refusal_names_the_required_role(body: str, roles: tuple[str, ...], hint: str) -> None:
    """The role is that of the service's default policy; a refusal for another reason names none."""
    assert error_from_answer(403, body, "POST /images", roles).hint == hint


@pytest.mark.parametrize(
    "secret", ["https://me:S3CRET@h/x", "https://h/x?signature=S3CRET", "/x?a=S3CRET", "gAAAAABS3CRET" + "x" * 40]
)
@pytest.mark.parametrize("status", [400, 403, 404, 409, 418, 503])
def test_no_error_shows_a_secret_of_a_page(status: int, secret: str) -> None:
    """In plain text, HTML and JSON."""
    for body in (f"see {secret} there", f"<b>see</b> {secret}", f'{{"message": "see {secret}"}}'):
        text = str(error_from_answer(status, body, "GET /x"))
        assert "S3CRET" not in text
        assert "see" in text


@pytest.mark.parametrize("size", [MAX_MESSAGE_CHARS - 1, MAX_MESSAGE_CHARS, MAX_MESSAGE_CHARS + 1, 30_000])
def test_a_message_has_at_most_400_characters(size: int) -> None:
    """Of a long page only the beginning is read."""
    assert MAX_MESSAGE_CHARS == 400
    text = clean("x" * size)
    assert text == ("x" * size if size <= 400 else "x" * 399 + "…")
    assert extract_message("<i></i>" * 2857 + " late") == "no reason given"
    assert extract_message("<i></i>" * 2800 + " early") == "early"


def caused(error: BaseException, *causes: BaseException) -> BaseException:
    """An exception with a chain of causes."""
    for one, cause in zip((error, *causes), causes, strict=False):
        one.__cause__ = cause
    return error


def translate(error: BaseException, *, is_first: bool = False) -> Exception:
    """What an exception becomes."""
    with pytest.raises(Exception) as caught, translate_errors("cloud c", is_first=is_first):
        raise error
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("cloud c: ")
    return caught.value


def http_error(status: int, **headers: str) -> exceptions.HttpError:
    """An error response of the identity service."""
    response = requests.Response()
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return exceptions.HttpError("no?secret=S3CRET", response=response, http_status=status)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            exceptions.Unauthorized("no"),
            Unauthorized,
            "the service rejected the credentials and answered: no .* check the user",
        ),
        (http_error(403), Forbidden, "no .HTTP ....; check the user and the project of this cloud"),
        (http_error(404), UsageError, "no .HTTP ....; check auth_url, project and domains"),
        (
            exceptions.NotFound("Could not find Application Credential: 7."),
            Unauthorized,
            "does not know the application credential of this cloud .HTTP 404.; it was deleted",
        ),
        (http_error(429), Unavailable, "no .HTTP ....; try again later"),
        (http_error(500), Unavailable, "no .HTTP ....; try again later"),
        (http_error(502), Unavailable, "no .HTTP ....; try again later"),
        (http_error(503), Unavailable, "no .HTTP ....; try again later"),
        (http_error(504), Unavailable, "no .HTTP ....; try again later"),
        (http_error(501), UsageError, "no .HTTP ....; check auth_url"),
        (exceptions.EndpointNotFound("none"), UsageError, "none; check project, region_name and interface"),
        (exceptions.ClientException("odd"), UsageError, "odd; correct this cloud in clouds.yaml"),
        (OSError("odd"), UsageError, "odd; correct this cloud"),
        (ValueError("odd"), UsageError, "odd; correct this cloud"),
        (exceptions.ConnectFailure("lost"), Unavailable, "no connection: lost; check the address and the network"),
        (requests.ConnectionError("lost"), Unavailable, "no connection: lost; check the address and the network"),
        (requests.ReadTimeout("slow"), Unavailable, "no connection: slow"),
        (
            caused(exceptions.ConnectFailure("lost"), ConnectionResetError(104, "Connection reset by peer")),
            Unavailable,
            "no connection: Connection reset by peer; check the address .https:// if the server uses TLS. and the network",
        ),
        (
            caused(requests.ConnectionError("Max retries"), OSError(111, "Connection refused"), ValueError("inner")),
            Unavailable,
            "no connection: Connection refused; check the address and the network",
        ),
        (
            exceptions.DiscoveryFailure("nothing"),
            UsageError,
            "the identity service was not found at this address: nothing",
        ),
        (
            caused(exceptions.DiscoveryFailure("nothing"), exceptions.ConnectFailure("lost")),
            Unavailable,
            "no connection: lost",
        ),
        (
            caused(exceptions.DiscoveryFailure("nothing"), http_error(503)),
            Unavailable,
            "no .HTTP ....; try again later",
        ),
        (caused(exceptions.DiscoveryFailure("nothing"), http_error(404)), UsageError, "was not found at this address"),
        (
            caused(requests.exceptions.SSLError("x"), ssl.SSLCertVerificationError("self-signed")),
            UsageError,
            "its certificate is not trusted: .*self-signed.* set cacert of this cloud",
        ),
    ],
)
def test_each_exception_of_the_libraries_has_its_error_class(error: BaseException, kind: type, message: str) -> None:
    """The message has the innermost reason, and what to do, and no secret."""
    found = translate(error)
    assert type(found) is kind
    assert "S3CRET" not in str(found)
    assert re.search(message, str(found)), str(found)


CHECK = "check the address and the network"
CORRECT = "correct this cloud in clouds.yaml or OS_*"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            exceptions.Unauthorized("no"),
            "the service rejected the credentials and answered: no (HTTP 401); check the user, the project and the secret "
            "in clouds.yaml, secure.yaml or OS_*",
        ),
        (
            exceptions.Forbidden("no"),
            "no (HTTP 403); check the user and the project of this cloud, and the network's access rules",
        ),
        (
            exceptions.NotFound("no"),
            "no (HTTP 404); check auth_url, project and domains in clouds.yaml or OS_*",
        ),
        (
            exceptions.NotFound("Could not find Application Credential: 7."),
            "the identity service does not know the application credential of this cloud (HTTP 404); it was deleted, or "
            "its id is wrong: create a new one",
        ),
        (
            exceptions.BadRequest("no application credential"),
            "no application credential (HTTP 400); check auth_url, project and domains in clouds.yaml or OS_*",
        ),
        (exceptions.ServiceUnavailable("no"), "no (HTTP 503); try again later"),
        (
            exceptions.EndpointNotFound("none"),
            "none; check project, region_name and interface of this cloud in clouds.yaml or OS_*",
        ),
        (exceptions.ClientException("odd"), f"odd; {CORRECT}"),
        (OSError("odd"), f"odd; {CORRECT}"),
        (
            exceptions.DiscoveryFailure("nothing at https://me:S3CRET@h/x?s=S3CRET"),
            "the identity service was not found at this address: nothing at https://h/x; correct auth_url in clouds.yaml or "
            "OS_AUTH_URL",
        ),
        (
            caused(exceptions.DiscoveryFailure("nothing"), exceptions.ConnectFailure("lost")),
            f"no connection: lost; {CHECK}",
        ),
        (
            caused(
                requests.ConnectionError("Max"), OSError(111, "outer"), OSError(113, "inner"), OSError("without text")
            ),
            f"no connection: inner; {CHECK}",
        ),
        (requests.ConnectionError(), f"no connection: ConnectionError; {CHECK}"),
        (caused(requests.ConnectionError("x"), LookupError("the last.")), f"no connection: the last; {CHECK}"),
        (
            caused(requests.exceptions.SSLError("x"), ssl.SSLCertVerificationError(1, "certificate has expired")),
            "its certificate is not trusted: certificate has expired; ask the cloud's operator to renew it, or correct the "
            "clock of this host",
        ),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_the_whole_message_of_each_exception(error: BaseException, text: str, is_first: bool) -> None:
    """Also before the first request: only a wrong scheme depends on that."""
    found = translate(error, is_first=is_first)
    assert str(found) == f"cloud c: {text}"
    assert found.__cause__ is error


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("certificate has expired", "ask the cloud's operator to renew it, or correct the clock of this host"),
        ("certificate is not yet valid", "ask the cloud's operator to renew it, or correct the clock of this host"),
        ("Hostname mismatch, it is for 'h'", "write the host name that the certificate has into the address"),
        (
            "self-signed certificate",
            "set cacert of this cloud in clouds.yaml to the certificate file of the certificate authority",
        ),
    ],
)
def test_what_to_do_about_a_certificate(reason: str, hint: str) -> None:
    """A new authority does not help against a wrong name or an old certificate."""
    assert suggest_for_certificate(reason) == hint


def test_an_error_is_that_of_a_later_request_unless_it_is_said() -> None:
    """A wrong scheme may then be a proxy's error, and the write may have been executed."""
    with pytest.raises(Unavailable, match="the server requires TLS"), translate_errors("cloud c"):
        raise requests.ConnectionError("\x15\x03\x01")


@pytest.mark.parametrize("error", [KeyError("x"), TypeError("x"), KeyboardInterrupt(), MemoryError()])
def test_a_defect_is_not_taken_for_a_wrong_setting(error: BaseException) -> None:
    """Only errors of the libraries and of the system are translated."""
    with pytest.raises(type(error)) as caught, translate_errors("cloud c"):
        raise error
    assert caught.value is error


def test_the_answer_to_wrong_credentials_is_not_taken_for_a_secret() -> None:
    """After ``credentials:`` the first word would be hidden in the formats for reviewers and machines."""
    found = translate(exceptions.Unauthorized("The request you have made requires authentication."))
    assert hide_secrets(str(found)) == str(found)


@pytest.mark.parametrize("seconds", [0.0, 7.0])
def test_the_identity_service_says_how_long_to_wait(seconds: float) -> None:
    """``Retry-After`` of its response, if there is one."""
    error = translate(http_error(503, Retry_After="7") if seconds else http_error(503))
    assert isinstance(error, Unavailable)
    assert error.retry_after == seconds


def tls_error(reason: str) -> ssl.SSLError:
    """An error of OpenSSL."""
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


@pytest.mark.parametrize(("is_first", "kind"), [(True, UsageError), (False, Unavailable)])
def test_a_wrong_scheme_is_a_wrong_setting_only_before_the_first_request(is_first: bool, kind: type) -> None:
    """Later, the service may have executed the write."""
    plain = caused(requests.exceptions.SSLError("x"), tls_error("WRONG_VERSION_NUMBER"))
    for error, message in (
        (plain, "begins with https://, but the server uses plain HTTP; write http://"),
        (requests.ConnectionError("\x15\x03\x01"), "begins with http://, but the server requires TLS; write https://"),
    ):
        found = translate(error, is_first=is_first)
        assert type(found) is kind
        assert message in str(found)
    wants = exceptions.BadRequest("The plain HTTP request was sent to HTTPS port")
    assert "the server requires TLS; write https://" in str(translate(wants))


def test_an_error_of_our_own_passes_unchanged() -> None:
    """It has its message already."""
    error = Conflict("it exists", "do that")
    with pytest.raises(Conflict) as caught, translate_errors("cloud c"):
        raise error
    assert caught.value is error


def test_the_causes_of_an_error_end() -> None:
    """Also if they form a circle; a context counts if there is no cause."""
    one, two, three = ValueError("1"), ValueError("2"), ValueError("3")
    one.__cause__, two.__context__, three.__cause__ = two, three, one
    one.__context__ = KeyError("context")
    assert list(list_causes(one)) == [one, two, three]


@pytest.mark.parametrize(
    ("cause", "is_safe"),
    [
        (NewConnectionError(None, "refused"), True),  # type: ignore[arg-type]
        (ConnectTimeoutError(), True),
        (ReadTimeoutError(None, "/", "slow"), False),  # type: ignore[arg-type]
        (ConnectionResetError(), False),
        (MaxRetryError(None, "/"), False),  # type: ignore[arg-type]
    ],
)
def test_a_request_that_was_never_sent_is_safe_to_repeat(cause: Exception, is_safe: bool) -> None:
    """No connection was opened for it."""
    assert is_never_sent(caused(requests.ConnectionError("x"), ValueError("between"), cause)) is is_safe
    assert is_never_sent(cause) is is_safe
