"""Data files of a store: which of them are deleted, and how they are written."""

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagesync.backends.local.content import Content, parse_image_id
from imagesync.errors import BackendError
from tests.unit.backends.local.helpers import count_open

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
    path, checked = put(content, IMAGE_ID), list[bool]()
    assert content.delete_unused(PART, frozenset({IMAGE_ID} if is_used else ()), lambda: checked.append(path.exists()))
    assert path.exists() is is_used
    assert checked == ([] if is_used else [True])


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


@pytest.mark.parametrize(
    ("name", "image_id"),
    [
        (IMAGE_ID, IMAGE_ID),
        (IMAGE_ID.upper(), IMAGE_ID.upper()),
        (PART, IMAGE_ID),
        (f"{IMAGE_ID}.{'0' * 31}.part", None),
        (f"{IMAGE_ID}.{'F' * 32}.part", None),
        (f"{IMAGE_ID}.part", None),
        (f"{PART}~", None),
        (f"{IMAGE_ID}\n", None),
        (f"x{IMAGE_ID}", None),
        (IMAGE_ID[1:], None),
        (IMAGE_ID.replace("-", ""), None),
        ("lost+found", None),
    ],
)
def test_the_image_of_a_file(name: str, image_id: str | None) -> None:
    """Any other file is not one of the store, which deletes only its own."""
    assert parse_image_id(name) == image_id


def test_the_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    """It is created with its parents, once; its names are sorted."""
    content = Content(tmp_path / "a" / "b")
    assert content.list_names() == []
    before = os.umask(0)
    try:
        content.make()
        content.make()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a" / "b" / "content").stat().st_mode) == 0o700
    for name in ("c", "a", "b"):
        put(content, name)
    assert content.list_names() == ["a", "b", "c"]
    assert content.data("a") == tmp_path / "a" / "b" / "content" / "a"


def test_a_missing_file_is_damage_unless_the_image_has_no_data(content: Content) -> None:
    """A queued image needs no file; a link is not followed."""
    assert content.find_damage({"id": "x", "size": 4}) == content.find_damage({"id": "x", "size": 0}) == "is missing"
    assert content.find_damage({"id": "x", "size": None}) == ""
    put(content, "y")
    assert content.find_damage({"id": "y", "size": None}) == ""
    content.data("link").symlink_to(content.data("y"))
    assert content.find_damage({"id": "link", "size": 4}).endswith("the record has 4")
    put(content, "empty").write_bytes(b"")
    assert content.find_damage({"id": "empty", "size": 0}) == ""


def test_data_is_removed_as_well_as_possible(content: Content) -> None:
    """What cannot be removed now is removed by the next opening of the store; other data stays."""
    kept, gone = put(content, "kept"), put(content, "gone")
    content.data("folder").mkdir()
    for name in ("gone", "gone", "folder"):
        content.remove(name)
    assert (kept.exists(), gone.exists(), content.data("folder").exists()) == (True, False, True)


def test_data_is_opened_without_waiting_and_without_links(content: Content) -> None:
    """An attacker may have put a pipe in its place, whose other end no process opens."""
    put(content, "data")
    with content.open_data("data") as file:
        assert not os.get_blocking(file.fileno())
        assert not os.get_inheritable(file.fileno())
        assert file.read() == b"data"
    content.data("link").symlink_to(content.data("data"))
    with pytest.raises(OSError, match="symbolic links"):
        content.open_data("link")


def test_a_part_file_is_locked_until_its_block_ends(content: Content, tmp_path: Path) -> None:
    """It is deleted unless it was kept, whatever happens; no file stays open."""
    for error in (None, LookupError("x"), KeyboardInterrupt()):
        try:
            with content.part(IMAGE_ID) as part:
                part.write(b"data")
                (name,) = content.list_names()
                assert parse_image_id(name) == IMAGE_ID
                assert name != IMAGE_ID
                assert stat.S_IMODE(content.data(name).stat().st_mode) == 0o600
                assert not content.delete_unused(name, frozenset(), lambda: None)
                if error is not None:
                    raise error
        except (LookupError, KeyboardInterrupt) as raised:
            assert raised is error  # noqa: PT017
        assert (content.list_names(), count_open(tmp_path)) == ([], 0)


def test_a_kept_file_is_locked_until_its_block_ends(content: Content, tmp_path: Path) -> None:
    """Its record is written in the meantime; then another process may judge the file."""
    with content.part(IMAGE_ID) as part:
        part.write(b"da")
        part.write(b"")
        part.write(b"ta")
        part.keep()
        assert content.list_names() == [IMAGE_ID]
        assert not content.delete_unused(IMAGE_ID, frozenset(), lambda: None)
    assert (content.data(IMAGE_ID).read_bytes(), count_open(tmp_path)) == (b"data", 0)
    assert content.delete_unused(IMAGE_ID, frozenset(), lambda: None)
    assert content.list_names() == []


def test_a_disk_that_takes_few_bytes_at_a_time_gets_all(content: Content, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write may end early."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:3]))
    with content.part(IMAGE_ID) as part:
        part.write(b"0123456789")
        part.keep()
    assert content.data(IMAGE_ID).read_bytes() == b"0123456789"


def test_a_part_file_that_was_deleted_before_its_lock_is_made_again(
    content: Content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process took it for a leftover."""
    lock, names = fcntl.flock, list[str]()

    def delete_first(handle: int, kind: int) -> None:
        names.extend(content.list_names())
        if len(names) == 1:
            content.data(names[0]).unlink()
        lock(handle, kind)

    monkeypatch.setattr(fcntl, "flock", delete_first)
    with content.part(IMAGE_ID) as part:
        assert count_open(tmp_path) == 1
        part.write(b"data")
        part.keep()
    assert len(names) == 2
    assert content.data(IMAGE_ID).read_bytes() == b"data"


def write_data(content: Content) -> None:
    """Write and keep the data of an image."""
    with content.part(IMAGE_ID) as part:
        part.write(b"data")
        part.keep()


def test_an_error_of_the_disk_names_the_store(
    content: Content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a part file is created, written or kept."""

    def fail(*_words: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    for name in ("fsync", "write", "open"):
        with monkeypatch.context() as patched:
            patched.setattr(os, name, fail)
            with pytest.raises(BackendError, match=f"^store {tmp_path}: input/output error"):
                write_data(content)
        assert (content.list_names(), count_open(tmp_path)) == ([], 0)
