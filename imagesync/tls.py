"""An error of a connection -> whether one side speaks TLS and the other plain HTTP. Pure."""

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
"""Reasons that OpenSSL reports if the answer is not TLS; they depend on its version."""
_ALERTS: Final = ("\\x15\\x03", "\x15\x03")
"""How a server that wants TLS begins its answer to plain HTTP: as ``http.client`` quotes it, and as it is."""
_WANTS_TLS: Final = ("HTTPS port", "HTTP request to an HTTPS server", "speaking plain HTTP to an SSL-enabled")
"""Words of web servers (nginx, Go, Apache) for the same."""


def is_plain_server(causes: Iterable[BaseException]) -> bool:
    """Whether an https:// address leads to a server that speaks plain HTTP."""
    return any(isinstance(cause, ssl.SSLError) and getattr(cause, "reason", None) in _NO_TLS for cause in causes)


def is_tls_server(causes: Iterable[BaseException]) -> bool:
    """Whether an http:// address leads to a server that wants TLS."""
    texts = [str(cause) for cause in causes]
    return any(sign in text for text in texts for sign in (*_ALERTS, *_WANTS_TLS))
