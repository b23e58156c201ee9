"""What ``doctor`` says about the folder of a store."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from imagesync.backends.local.checkup import MIN_FREE_BYTES, examine_store, open_to_read
from imagesync.errors import BackendError
from imagesync.model.diagnosis import Check, Grade
from tests.unit.backends.local.helpers import add_queued
from tests.unit.backends.local.hostile import make_store, run_sql


@pytest.mark.parametrize(
    ("left", "grade"),
    [(-1, Grade.PROBLEM), (0, Grade.WARNING), (MIN_FREE_BYTES - 1, Grade.WARNING), (MIN_FREE_BYTES, Grade.OK)],
)
@pytest.mark.parametrize("needed", [0, 5 * MIN_FREE_BYTES])
def test_the_free_space_after_the_next_apply_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needed: int, left: int, grade: Grade
) -> None:
    """What the files of the catalog need is no longer free."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed + left))
    (check,) = [one for one in examine_store(tmp_path / "store", needed) if one.name == "disk"]
    assert check.grade is grade


MORE = "free some space before images are uploaded"


@pytest.fixture(autouse=True)
def disk(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A disk with 3 GiB of free space; the folders for which it is asked."""
    paths: list[Path] = []

    def measure(path: Path) -> SimpleNamespace:
        paths.append(path)
        return SimpleNamespace(free=3 * 2**30)

    monkeypatch.setattr(shutil, "disk_usage", measure)
    return paths


def examine(folder: Path, needed: int = 2**30) -> list[Check]:
    """All checks of a folder."""
    return list(examine_store(folder, needed))


DISK = Check("disk", Grade.OK, "3.0 GiB free; the next apply needs at least 1.0 GiB")
WRITE = Check("write", Grade.OK, "allowed")


def test_all_checks_of_a_store(tmp_path: Path, disk: list[Path]) -> None:
    """It is only read: what a killed process left stays there."""
    make_store(tmp_path / "s")
    (tmp_path / "s" / "content" / "x").write_bytes(b"x")
    assert examine(tmp_path / "s") == [
        Check("store", Grade.OK, f"{tmp_path}/s exists"),
        Check("store version", Grade.OK, "version 1, readable"),
        WRITE,
        DISK,
    ]
    assert disk == [tmp_path / "s"]


def test_all_checks_of_a_folder_without_a_store(tmp_path: Path, disk: list[Path]) -> None:
    """Also if it does not exist yet: then the folder above it counts; nothing is created."""
    new = tmp_path / "a\x1b" / "b"
    assert examine(new) == [
        Check("store", Grade.OK, f"{tmp_path}/a\\x1b/b has no store yet; imagesync apply creates it"),
        WRITE,
        DISK,
    ]
    assert examine(tmp_path)[0] == Check("store", Grade.OK, f"{tmp_path} has no store yet; imagesync apply creates it")
    assert disk == [tmp_path, tmp_path]
    assert os.listdir(tmp_path) == []


def test_the_path_of_a_store_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: list[Path]) -> None:
    """The folder above it is then found from the working directory."""
    monkeypatch.chdir(tmp_path)
    assert examine(Path("new/store"))[0].found == "new/store has no store yet; imagesync apply creates it"
    assert disk == [tmp_path]


def test_a_file_instead_of_a_folder_ends_the_checks(tmp_path: Path) -> None:
    """Also above the folder."""
    (tmp_path / "f").write_text("x")
    wrong = Check("store", Grade.PROBLEM, f"{tmp_path}/f is not a folder", "use the path of a folder: --store DIR")
    assert examine(tmp_path / "f") == examine(tmp_path / "f" / "s") == [wrong]


def test_a_damaged_store_is_a_problem(tmp_path: Path) -> None:
    """With the message of the error; the other checks follow."""
    run_sql(make_store(tmp_path), "PRAGMA user_version = 9")
    checks = examine(tmp_path)
    assert [one.name for one in checks] == ["store", "store version", "write", "disk"]
    assert checks[1] == Check(
        "store version",
        Grade.PROBLEM,
        f"store {tmp_path} has version 9; this imagesync supports version 1",
        "update imagesync, or use another folder",
    )


@pytest.mark.parametrize("name", ["", "store.db", "content"])
def test_what_is_read_only_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The folder, the database, or the data."""
    make_store(tmp_path)
    may = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: may(path, mode) and not (mode == os.W_OK and path == tmp_path / name)
    )
    (found,) = [one for one in examine(tmp_path) if one.name == "write"]
    assert found == Check(
        "write",
        Grade.PROBLEM,
        f"{tmp_path / name} is read-only",
        "make it writable for this user, or use another folder",
    )


@pytest.mark.parametrize(
    ("needed", "grade", "text", "fix"),
    [
        (2 * 2**30, Grade.OK, "2.0 GiB", ""),
        (2 * 2**30 + 1, Grade.WARNING, "2.0 GiB", MORE),
        (3 * 2**30, Grade.WARNING, "3.0 GiB", MORE),
        (4 * 2**30, Grade.PROBLEM, "4.0 GiB", "free some space, or use a folder on another disk"),
    ],
)
def test_the_check_of_the_free_space(tmp_path: Path, needed: int, grade: Grade, text: str, fix: str) -> None:
    """It shows both numbers, and what to do; less than a GiB afterwards is a warning."""
    assert MIN_FREE_BYTES == 2**30
    assert examine(tmp_path, needed)[-1] == Check(
        "disk", grade, f"3.0 GiB free; the next apply needs at least {text}", fix
    )


def test_a_store_that_is_opened_to_read_is_not_changed(tmp_path: Path) -> None:
    """Its label is its path."""
    make_store(tmp_path, images=2)
    with open_to_read(tmp_path) as backend:
        assert len(backend.images()) == 2
        assert backend.identity().label == str(tmp_path)
        with pytest.raises(BackendError, match="is read-only"):
            add_queued(backend)
    with pytest.raises(BackendError, match="cannot be created"):
        open_to_read(tmp_path / "new")
