"""Paths to manifest files: nothing is missed without a word."""

import os
from pathlib import Path

import pytest

from imagesync.errors import ManifestError
from imagesync.manifest.files import MAX_FILE_BYTES
from imagesync.manifest.loader import load
from tests.unit.manifest.one_file import HEAD


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_vanished_folder_is_an_error_not_an_empty_catalogue(tmp_path: Path, name: str) -> None:
    """Nothing found must never look like nothing wanted."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="check the path"):
        load(tmp_path / name)


def test_a_link_to_a_folder_outside_is_refused(tmp_path: Path) -> None:
    """Its images would silently be missing, and a missing image looks removed."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.yaml").write_text(HEAD + "images: {}\n", encoding="utf-8")
    (tmp_path / "set" / "more").symlink_to(tmp_path / "outside")
    with pytest.raises(ManifestError, match="leads out of the catalogue's folder"):
        load(tmp_path / "set")


def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    """A manifest that is gone is no manifest without images."""
    (tmp_path / "a.yaml").write_text(HEAD + "images: {}\n", encoding="utf-8")
    (tmp_path / "b.yaml").symlink_to(tmp_path / "gone.yaml")
    with pytest.raises(ManifestError, match=r"b\.yaml"):
        load(tmp_path)


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    """.github and .gitlab-ci.yml are not manifests."""
    (tmp_path / "a.yaml").write_text(HEAD + "images: {}\n", encoding="utf-8")
    (tmp_path / ".gitlab-ci.yml").write_text("stages: []\n", encoding="utf-8")
    assert list(load(tmp_path).folders) == [str(tmp_path / "a.yaml")]


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """It is not read whole."""
    (tmp_path / "a.yaml").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(ManifestError, match="larger than 8 MiB; split it"):
        load(tmp_path)


def test_what_is_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    """A named pipe might never end."""
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(ManifestError, match="not a regular file"):
        load(tmp_path)
