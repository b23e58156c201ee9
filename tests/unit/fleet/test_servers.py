"""The address of a scheduler is one with TLS, and nothing else."""

import pytest

from imagesync.errors import UsageError
from imagesync.fleet.servers import CONNECT, FORGET, LEAVE, TICK, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tls://fleet.example.com", "tls://fleet.example.com:8786"),
        ("tls://fleet.example.com:1", "tls://fleet.example.com:1"),
        ("tls://192.0.2.1:65535", "tls://192.0.2.1:65535"),
        ("tls://[2001:db8::1]", "tls://[2001:db8::1]:8786"),
        ("tls://[2001:db8::1]:9", "tls://[2001:db8::1]:9"),
        ("TLS://Fleet.Example.com:", "tls://fleet.example.com:8786"),
    ],
)
def test_an_address_of_a_scheduler(text: str, address: str) -> None:
    """The port is 8786 if none is given."""
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fleet.example.com",
        "fleet.example.com:8786",
        "tcp://fleet.example.com:8786",
        "https://fleet.example.com:8786",
        "tls://",
        "tls://:8786",
        "tls://fleet.example.com:x",
        "tls://fleet.example.com:65536",
        "tls://fleet.example.com:8786/",
        "tls://fleet.example.com/tls",
        "tls://fleet.example.com?tls=no",
        "tls://user@fleet.example.com",
        "tls://:password@fleet.example.com",
        "tls://@fleet.example.com",
        "tls://fleet.example.com#part",
        "tls://fleet.example.com:0",
    ],
)
def test_any_other_text_is_refused(text: str) -> None:
    """Above all one without TLS; the hint has the form."""
    with pytest.raises(UsageError, match="not the address of a scheduler") as raised:
        parse_address(text)
    assert "write tls://HOST:PORT" in raised.value.hint


def test_the_text_of_an_address_is_printable() -> None:
    """It may come from a variable of a pipeline."""
    with pytest.raises(UsageError) as raised:
        parse_address("\x1b[2J")
    assert "\x1b" not in str(raised.value)


def test_a_worker_ends_before_systemd_kills_it() -> None:
    """After 90 seconds: its steps and its last messages have less together."""
    assert (CONNECT, LEAVE, FORGET, TICK) == (15, 80.0, 5.0, 0.2)
    assert LEAVE + FORGET < 90


@pytest.mark.parametrize(
    ("text", "message"),
    [("tls://x:-1", "tls://x:-1"), ("tls://\n", r"tls://\n"), ("TCP://x", "TCP://x")],
)
def test_the_message_about_an_address_has_it(text: str, message: str) -> None:
    """With the form and the port that most fleets have."""
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    hint = "write tls://HOST:PORT, for example tls://fleet.example.com:8786; TLS is required"
    assert (caught.value.message, caught.value.hint) == (f"{message}: not the address of a scheduler", hint)
