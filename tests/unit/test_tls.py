"""One side of a connection uses TLS, the other does not."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from imagesync.backends.glance.failures import translate_errors
from imagesync.errors import SourceError, Unavailable, UsageError
from imagesync.sources.access import SourceAccess
from imagesync.sources.web import fetch
from imagesync.tls import is_plain_server, is_tls_server


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """The address of a server that answers every request with these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


PLAIN = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
ALERT = b"\x15\x03\x03\x00\x02\x02\x46"
"""What a server that wants TLS answers to plain HTTP: an alert (RFC 8446, section 6)."""


def test_an_https_address_of_a_plain_server_is_explained() -> None:
    """For cloud services and for sources: the error is neither a wrong certificate nor a broken network."""
    with answering(PLAIN) as host:
        with (
            pytest.raises(UsageError, match="the address begins with https://, but the server uses plain HTTP"),
            translate_errors("identity", is_first=True),
        ):
            requests.get(f"https://{host}/v3", timeout=10)
        with pytest.raises(SourceError, match="the URL begins with https://, but the server speaks plain HTTP"):
            fetch(f"https://{host}/x", SourceAccess(), max_bytes=100)


def test_an_http_address_of_a_tls_server_is_explained() -> None:
    """By the TLS alert in its answer."""
    with answering(ALERT) as host:
        with (
            pytest.raises(UsageError, match="the address begins with http://, but the server requires TLS"),
            translate_errors("identity", is_first=True),
        ):
            requests.get(f"http://{host}/v3", timeout=10)
        with pytest.raises(SourceError, match="the URL begins with http://, but the server requires TLS"):
            fetch(f"http://{host}/x", SourceAccess(), max_bytes=100)


@pytest.mark.parametrize(("scheme", "answer"), [("https", PLAIN), ("http", ALERT)])
def test_after_the_first_request_the_result_of_a_write_is_unknown(scheme: str, answer: bytes) -> None:
    """The address cannot have changed during a run: the answer to a write was lost, and the image is read back."""
    with answering(answer) as host, pytest.raises(Unavailable, match=r"TLS|plain HTTP"), translate_errors("service"):
        requests.get(f"{scheme}://{host}/v2", timeout=10)


def test_other_errors_are_not_explained_by_tls() -> None:
    """For example an untrusted certificate or a broken connection."""
    wrong = ssl.SSLCertVerificationError("certificate verify failed")
    assert not is_plain_server([wrong])
    assert not is_tls_server([wrong, ConnectionResetError("reset")])
    assert is_tls_server([Exception("400: The plain HTTP request was sent to HTTPS port")])


@pytest.mark.parametrize(
    ("reason", "is_plain"),
    [
        ("WRONG_VERSION_NUMBER", True),
        ("UNKNOWN_PROTOCOL", True),
        ("HTTP_REQUEST", True),
        ("PACKET_LENGTH_TOO_LONG", True),
        ("RECORD_LAYER_FAILURE", True),
        ("CERTIFICATE_VERIFY_FAILED", False),
        ("TLSV1_ALERT_PROTOCOL_VERSION", False),
        (None, False),
    ],
)
def test_the_reasons_of_openssl(reason: str | None, is_plain: bool) -> None:
    """They depend on its version; only those of an error of TLS count, wherever it is in the chain."""
    error, other = ssl.SSLError(1, "x"), OSError("x")
    error.reason = reason  # type: ignore[assignment]
    other.reason = reason  # type: ignore[attr-defined]
    assert is_plain_server([ValueError("first"), error, OSError("last")]) is is_plain
    assert not is_plain_server([other])
    assert not is_plain_server([])


@pytest.mark.parametrize(
    ("text", "is_tls"),
    [
        ("BadStatusLine('\\x15\\x03\\x03')", True),
        ("\x15\x03\x03\x00\x02", True),
        ("The plain HTTP request was sent to HTTPS port", True),
        ("Client sent an HTTP request to an HTTPS server.", True),
        ("You're speaking plain HTTP to an SSL-enabled server port.", True),
        ("Connection reset by peer", False),
        ("", False),
    ],
)
def test_the_messages_of_servers_that_require_tls(text: str, is_tls: bool) -> None:
    """Of nginx, Go and Apache, and an alert, wherever it is in the chain."""
    assert is_tls_server([ValueError("first"), Exception(text), OSError("last")]) is is_tls
    assert is_tls_server([Exception(text)]) is is_tls


@pytest.mark.parametrize(
    ("reason", "is_plain"),
    [
        *(
            (reason, True)
            for reason in (
                *("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"),
                "RECORD_LAYER_FAILURE",
            )
        ),
        ("CERTIFICATE_VERIFY_FAILED", False),
        ("", False),
    ],
)
def test_each_reason_of_openssl_is_known(reason: str, *, is_plain: bool) -> None:
    """Versions of the library name the same thing differently; the cause may be any of the chain."""
    error = ssl.SSLError(1, "x")
    error.reason = reason
    assert is_plain_server([ValueError("x"), error]) is is_plain
    other = ValueError("x")
    other.reason = reason  # type: ignore[attr-defined]
    assert not is_plain_server([other])
    assert not is_plain_server([])


@pytest.mark.parametrize(
    ("text", "is_tls"),
    [
        ("BadStatusLine('\\x15\\x03\\x03')", True),
        ("BadStatusLine: \x15\x03\x01", True),
        ("400 The plain HTTP request was sent to HTTPS port", True),
        ("Client sent an HTTP request to an HTTPS server.", True),
        ("Reason: You're speaking plain HTTP to an SSL-enabled server port.", True),
        ("connection refused", False),
        ("https://x", False),
    ],
)
def test_each_sign_of_a_server_that_wants_tls_is_known(text: str, *, is_tls: bool) -> None:
    """In the text of any cause of the chain."""
    assert is_tls_server([ValueError("x"), ValueError(text), ValueError("y")]) is is_tls
