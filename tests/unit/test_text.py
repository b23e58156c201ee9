"""What others wrote is shown without what must stay secret, and with the rest."""

import pytest

from imagesync.text import redacted, without_secrets

TOKEN = "gAAAAABmabcdefghijklmnopqrstuvwxyz-_0123456789=="


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET https://m.example/a.img?sig=S3CRET: 403", "GET https://m.example/a.img: 403"),
        ("https://user:S3CRET@m.example/a.img is gone", "https://m.example/a.img is gone"),
        ("proxy http://S3CRET@p:3128/ fails", "proxy http://p:3128/ fails"),
        ("Max retries exceeded with url: /a.img?sig=S3CRET&e=1 (Caused by", "Max retries exceeded with url: /a.img (Caused by"),
        ("'https://m.example/a?sig=S3CRET', retry", "'https://m.example/a', retry"),
        (f"token {TOKEN} expired", "token (a token) expired"),
        ("who is it? nobody. Really?", "who is it? nobody. Really?"),
        ("images.a#b and C# stay", "images.a and C# stay"),
    ],
)  # fmt: skip
def test_messages_of_others(text: str, shown: str) -> None:
    """Log-ins, queries and tokens go; what a person needs stays."""
    assert without_secrets(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "{'X-Auth-Token': 'S3CRET', 'Accept': '*/*'}",
        '{"auth": {"password": "S3CRET and more"}}',
        "Authorization: Basic S3CRET",
        "application_credential_secret=S3CRET, region=r",
        "client_secret: S3CRET",
        "https://m.example/a.img?X-Amz-Signature=S3CRET",
        "KeyError: 'of-the-environment'",
    ],
)
def test_tracebacks(text: str) -> None:
    """Whatever is called a secret, and whatever is known to be one."""
    assert "S3CRET" not in redacted(text, ["of-the-environment", "a"])
    assert "of-the-environment" not in redacted(text, ["of-the-environment", "a"])
    assert redacted("Traceback: a plain line", ["a"]) == "Traceback: a plain line"
