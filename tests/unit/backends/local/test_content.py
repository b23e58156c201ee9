"""The files of data: which of them nobody uses."""

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
    """An empty folder."""
    made = Content(tmp_path)
    made.make()
    return made


def put(content: Content, name: str) -> Path:
    """A file with data."""
    path = content.data(name)
    path.write_bytes(b"data")
    return path


@pytest.mark.parametrize("name", [IMAGE_ID, PART])
def test_a_file_that_nobody_uses_is_deleted(content: Content, name: str) -> None:
    """Once the database was looked at."""
    path, checked = put(content, name), list[bool]()
    assert content.delete_unused(name, frozenset(), lambda: checked.append(path.exists()))
    assert (path.exists(), checked) == (False, [True])


def test_nothing_is_deleted_if_the_database_is_damaged(content: Content) -> None:
    """It may be wrong about what is used."""

    def fail() -> None:
        raise BackendError("damaged")

    path = put(content, PART)
    with pytest.raises(BackendError, match="damaged"):
        content.delete_unused(PART, frozenset(), fail)
    assert path.exists()


@pytest.mark.parametrize("is_used", [True, False])
def test_a_part_that_was_renamed_meanwhile_is_judged_by_its_new_name(content: Content, is_used: bool) -> None:
    """Its image may have it by now."""
    path = put(content, IMAGE_ID)
    assert content.delete_unused(PART, frozenset({IMAGE_ID} if is_used else ()), lambda: None)
    assert path.exists() is is_used


@pytest.mark.parametrize("place", [IMAGE_ID, PART])
def test_what_an_upload_has_locked_is_left_alone(content: Content, place: str) -> None:
    """Be it renamed already."""
    path = put(content, place)
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not content.delete_unused(PART, frozenset(), lambda: None)
    assert path.exists()


def test_a_file_that_is_gone_needs_no_deletion(content: Content) -> None:
    """Another process did it."""
    assert content.delete_unused(PART, frozenset(), lambda: None)


def test_data_is_on_the_disk_before_it_gets_its_name(content: Content, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the name is on the disk before anybody is told: a crash of the host leaves no image without its data."""
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


@pytest.mark.parametrize(("held", "found"), [(4, ""), (3, "has 3 bytes, not 4"), (5, "has 5 bytes, not 4")])
def test_a_file_of_another_size_is_damaged(tmp_path: Path, held: int, found: str) -> None:
    """A shorter one and a longer one: neither is what was stored."""
    content = Content(tmp_path)
    content.make()
    content.data("image").write_bytes(bytes(held))
    assert content.find_damage({"id": "image", "size": 4}) == found
