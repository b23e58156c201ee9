"""Paths of places: how they are shown, and that no link of a checkout chooses them."""

from pathlib import Path

import pytest

from imagesync.cli.options import Options
from imagesync.cli.targets import check_links, shorten_path
from imagesync.errors import UsageError


@pytest.mark.parametrize(
    ("path", "expected"),
    [("here/store", "store"), ("here/a/b", "a/b"), ("here", "."), ("store", None), ("here-too/store", None)],
)
def test_a_path_below_the_working_directory_is_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, expected: str | None
) -> None:
    """Any other one stays as it is."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    whole = str(tmp_path / path)
    assert shorten_path(whole) == (whole if expected is None else expected)
    assert shorten_path(None) is None


@pytest.mark.parametrize("option", ["store", "clouds_file"])
def test_no_link_of_a_checkout_chooses_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    """Neither the store nor the file with the addresses of clouds; the option that permits it is named."""
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "here/link").symlink_to("../there")
    monkeypatch.chdir(tmp_path / "here")
    given = {option: Path("link/x")}
    with pytest.raises(UsageError) as caught:
        check_links(Options(**given), option="--allow-outside")  # type: ignore[arg-type]
    assert "outside the working directory" in caught.value.message
    assert caught.value.hint.endswith(", or pass --allow-outside")
    check_links(Options(**given, allow_outside=True))  # type: ignore[arg-type]
    check_links(Options(**{option: tmp_path / "here/link/x"}))  # type: ignore[arg-type]
