"""Data files of a store: which of them are deleted, and how they are written."""

import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagesync.backends.local.content import Content
from imagesync.errors import BackendError

IMAGE_ID = "0a4d55a8-d778-4c4f-9b32-b8bd1ecd6d41"
PART = f"{IMAGE_ID}.{'0' * 32}.part"


@pytest.fixture
def content(tmp_path: Path) -> Content:
    """An empty folder for data."""
    made = Content(tmp_path)
    made.make()
    return made


def put(content: Content, name: str) -> Path:
    """Write a file with data; return its path."""
    path = content.data(name)
    path.write_bytes(b"data")
    return path


@pytest.mark.parametrize("name", [IMAGE_ID, PART])
def test_an_unused_file_is_deleted(content: Content, name: str) -> None:
    """The database is checked before."""
    path, checked = put(content, name), list[bool]()
    assert content.delete_unused(name, frozenset(), lambda: checked.append(path.exists()))
    assert (path.exists(), checked) == (False, [True])


def test_nothing_is_deleted_if_the_database_is_damaged(content: Content) -> None:
    """A damaged database may not list every used file."""

    def fail() -> None:
        raise BackendError("damaged")

    path = put(content, PART)
    with pytest.raises(BackendError, match="damaged"):
        content.delete_unused(PART, frozenset(), fail)
    assert path.exists()


@pytest.mark.parametrize("is_used", [True, False])
def test_a_part_file_that_was_renamed_is_deleted_only_if_its_new_name_is_unused(
    content: Content, is_used: bool
) -> None:
    """The image may have its data in the meantime."""
    path = put(content, IMAGE_ID)
    assert content.delete_unused(PART, frozenset({IMAGE_ID} if is_used else ()), lambda: None)
    assert path.exists() is is_used


@pytest.mark.parametrize("place", [IMAGE_ID, PART])
def test_a_file_that_an_upload_has_locked_is_kept(content: Content, place: str) -> None:
    """The upload may have renamed it already."""
    path = put(content, place)
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not content.delete_unused(PART, frozenset(), lambda: None)
    assert path.exists()


def test_a_file_that_does_not_exist_counts_as_deleted(content: Content) -> None:
    """Another process has deleted it."""
    assert content.delete_unused(PART, frozenset(), lambda: None)


def test_data_is_on_the_disk_before_it_has_its_final_name(content: Content, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is on the disk before the upload returns; after a crash of the host, each active image has its data."""
    calls = list[str]()

    def note(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any) -> Any:
            is_folder = name == "fsync" and stat.S_ISDIR(os.fstat(words[0]).st_mode)
            calls.append(f"{name} of the folder" if is_folder else name)
            return function(*words)

        return call

    for name in ("write", "fsync", "replace"):
        monkeypatch.setattr(os, name, note(name, getattr(os, name)))
    with content.part(IMAGE_ID) as part:
        part.write(b"data")
        part.keep()
    assert calls == ["write", "fsync", "replace", "fsync of the folder"]
    assert content.data(IMAGE_ID).read_bytes() == b"data"
    assert stat.S_IMODE(content.data(IMAGE_ID).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("size", "damage"), [(4, ""), (3, "has 3 bytes; the record has 4"), (5, "has 5 bytes; the record has 4")]
)
def test_a_file_of_another_size_is_damaged(tmp_path: Path, size: int, damage: str) -> None:
    """A shorter file and a longer one are both damaged."""
    content = Content(tmp_path)
    content.make()
    content.data("image").write_bytes(bytes(size))
    assert content.find_damage({"id": "image", "size": 4}) == damage
