"""What a command reports of its run."""

from pathlib import Path

import pytest

from imagesync.cli.options import Options
from imagesync.cli.runs import make_unlock_command

TOKEN = "gAAAAABmabcdefghijklmnopqrstuvwxyz-_0123456789=="


@pytest.mark.parametrize(
    ("pair", "display"),
    [
        ("STREAM=noble", "STREAM=noble"),
        ("TOKEN=s3cr3t-Pa55", "TOKEN=VALUE"),
        (f"WHERE={TOKEN}", "WHERE=VALUE"),
        ("URL=https://user:s3cr3t@mirror.example/a", "URL=VALUE"),
        ("EMPTY=", "EMPTY="),
    ],
)
def test_the_unlock_command_contains_no_secret(pair: str, display: str) -> None:
    """Logs of pipelines keep it."""
    command = make_unlock_command(Path("images"), Options(cloud="eu", set_values=[pair]))
    assert command == f"imagesync unlock images --cloud eu --set {display}"
