"""An error of a connection -> whether one side uses TLS and the other plain HTTP. Pure."""

import ssl
from collections.abc import Iterable
from typing import Final

_NO_TLS: Final = (
    "WRONG_VERSION_NUMBER",
    "UNKNOWN_PROTOCOL",
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
)
"""Reasons that OpenSSL reports if the response is not TLS; they depend on its version."""
_ALERTS: Final = ("\\x15\\x03", "\x15\x03")
"""The start of a TLS server's response to plain HTTP: as ``http.client`` quotes it, and as raw bytes."""
_WANTS_TLS: Final = ("HTTPS port", "HTTP request to an HTTPS server", "speaking plain HTTP to an SSL-enabled")
"""Parts of the messages of web servers (nginx, Go, Apache) that require TLS."""


def is_plain_server(causes: Iterable[BaseException]) -> bool:
    """Whether the server at an https:// address uses plain HTTP."""
    return any(isinstance(cause, ssl.SSLError) and getattr(cause, "reason", None) in _NO_TLS for cause in causes)


def is_tls_server(causes: Iterable[BaseException]) -> bool:
    """Whether the server at an http:// address requires TLS."""
    texts = [str(cause) for cause in causes]
    return any(sign in text for text in texts for sign in (*_ALERTS, *_WANTS_TLS))
