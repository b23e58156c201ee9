"""Commands to paste: they select what the present command selects, and contain no secret."""

from pathlib import Path

import pytest

from imagesync.cli.options import Options
from imagesync.cli.pasting import format_command


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(), ""),
        (Options(target="lab"), " --target lab"),
        (Options(cloud="eu"), " --cloud eu"),
        (Options(cloud="eu", clouds_file=Path("my clouds.yaml")), " --cloud eu --clouds-file 'my clouds.yaml'"),
        (Options(store=Path("lab-store")), " --store lab-store"),
        (Options(set_values=["size=1", "text=a b"]), " --set size=1 --set 'text=a b'"),
        (Options(only=["web-*", "db"]), " --only 'web-*' --only db"),
        (Options(allow_outside=True), " --allow-outside"),
    ],
)
def test_a_command_selects_what_the_present_one_selects(options: Options, words: str) -> None:
    """Each option, all of its values, with and without a path; further words come last."""
    assert format_command("apply", Path("images"), options) == f"imagesync apply images{words}"
    assert format_command("apply", None, options, "--yes") == f"imagesync apply{words} --yes"


@pytest.mark.parametrize("pair", ["password=abc", "db_token=1", "x=https://me:geheim@mirror.example/", "salt=a=b"])
def test_a_value_that_may_be_secret_is_not_in_a_command(pair: str) -> None:
    """Its name or its value shows it; the other values stay."""
    output = format_command("plan", None, Options(set_values=["size=1", pair, "zone=b"]))
    assert output == f"imagesync plan --set size=1 --set {pair.partition('=')[0]}=VALUE --set zone=b"


def test_a_path_is_never_an_option() -> None:
    """A file may begin with a dash."""
    assert format_command("plan", Path("-f"), Options()) == "imagesync plan ./-f"
