"""A store's folder with links, wrong kinds of files, or journals that name other files: it is refused and not changed."""

import os
import shutil
from pathlib import Path

import pytest

from imagesync.backends import open_backend
from imagesync.backends.local.places import check_places, has_database
from imagesync.errors import BackendError, ImagesyncError
from tests.unit.backends.local.helpers import add_queued
from tests.unit.backends.local.hostile import make_store, run_sql, write_journal

ID = "01234567-89ab-cdef-0123-456789abcdef"


def read_files(folder: Path) -> dict[str, bytes]:
    """The content of every file below a folder, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """A store with an image that has data, and with the file of a deleted image, which opening the store would delete."""
    folder = tmp_path / "real"
    with open_backend(store=folder) as backend:
        kept, gone = add_queued(backend), add_queued(backend)
        backend.upload(kept.id, [b"data"], 4)
        backend.delete_image(gone)
    (folder / "content" / gone.id).write_bytes(b"left over")
    return folder


def refuse(folder: Path) -> str:
    """The message of the error when the store is opened."""
    with pytest.raises(BackendError) as caught:
        open_backend(store=folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["content", "store.db", "store.db-wal", "store.db-shm", "store.db-journal"])
def test_a_store_with_a_link_is_refused_and_its_target_is_not_changed(tmp_path: Path, real: Path, name: str) -> None:
    """With a link ``content``, imagesync would delete files of the real store; with a link ``store.db``, write to it."""
    store = tmp_path / "committed"
    shutil.copytree(real, store)
    if (store / name).is_dir():
        shutil.rmtree(store / name)
    else:
        (store / name).unlink(missing_ok=True)
    victim = real / name
    if not victim.exists():
        victim.write_bytes(b"mine")
    (store / name).symlink_to(victim)
    before = read_files(real), read_files(store)
    message = refuse(store)
    assert f"store {store}: {name} is a link; imagesync changed nothing" in message
    assert (read_files(real), read_files(store)) == before


def test_a_broken_link_is_refused(tmp_path: Path) -> None:
    """Otherwise SQLite would create the file."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "store.db").symlink_to(tmp_path / "new")
    assert "store.db is a link" in refuse(tmp_path / "store")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", [ID, f"{ID}.{'0' * 32}.part", "notes.txt"])
def test_data_that_is_a_link_is_refused(real: Path, tmp_path: Path, name: str) -> None:
    """Otherwise its target would be downloaded as an image."""
    (tmp_path / "secret").write_text("secret")
    (real / "content" / name).symlink_to(tmp_path / "secret")
    before = read_files(real)
    assert f"content/{name} is a link" in refuse(real)
    assert read_files(real) == before


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        (f"content/{ID}", os.mkfifo, "is not a regular file"),
        (f"content/{ID}", os.mkdir, "is not a regular file"),
        ("store.db-wal", os.mkfifo, "is not a regular file"),
        ("store.db-journal", os.mkdir, "is not a regular file"),
    ],
)
def test_a_pipe_or_a_folder_instead_of_a_file_is_refused(real: Path, name: str, make: object, message: str) -> None:
    """Opening a pipe would wait without end."""
    make(real / name)  # type: ignore[operator]
    assert f"{name} {message}" in refuse(real)


def test_a_content_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "content").write_text("x")
    assert "content is not a folder" in refuse(tmp_path)


def test_a_foreign_folder_in_content_is_kept(real: Path) -> None:
    """An example is ``lost+found``, if content is a separate disk."""
    (real / "content" / "lost+found").mkdir()
    assert len(open_backend(store=real).images()) == 1


def test_the_path_of_a_store_may_be_a_link(tmp_path: Path, real: Path) -> None:
    """The user has selected this path."""
    (tmp_path / "link").symlink_to(real)
    assert len(open_backend(store=tmp_path / "link").images()) == 1


def test_data_that_becomes_a_link_later_is_not_read(tmp_path: Path) -> None:
    """imagesync opens data without following links, and an image whose data file is a link is damaged."""
    (tmp_path / "secret").write_text("data")
    with open_backend(store=tmp_path / "s") as backend:
        image = add_queued(backend)
        backend.upload(image.id, [b"data"], 4)
        path = tmp_path / "s" / "content" / image.id
        path.unlink()
        path.symlink_to(tmp_path / "secret")
        with pytest.raises(BackendError, match="too many levels of symbolic links"):
            list(backend.download(image.id))
        assert backend.images(image.id)[0].status.value == "killed"
        backend.delete_image(image.id)
    assert (tmp_path / "secret").read_text() == "data"


def test_a_journal_that_names_a_file_is_refused(tmp_path: Path) -> None:
    """SQLite would delete that file."""
    database, victim = make_store(tmp_path / "s"), tmp_path / "victim"
    victim.write_text("precious")
    journal = write_journal(database, victim)
    before = journal.read_bytes()
    assert "store.db-journal names a super-journal, a file that SQLite would delete" in refuse(tmp_path / "s")
    assert (victim.read_text(), journal.read_bytes()) == ("precious", before)
    run_sql(database, "SELECT count(*) FROM images")
    assert not victim.exists()


def test_a_journal_without_a_super_journal_is_rolled_back(tmp_path: Path) -> None:
    """A process that was killed while it created the store has left it."""
    database = make_store(tmp_path / "s", images=2)
    journal = write_journal(database, tmp_path / "none")
    journal.write_bytes(journal.read_bytes()[:512])
    assert len(open_backend(store=tmp_path / "s").images()) == 2
    assert not journal.exists()


@pytest.mark.parametrize("image_id", ["../../victim", "/VICTIM", "..", "", "a\x1b[2J"])
def test_a_record_whose_id_is_a_path_is_damage(tmp_path: Path, image_id: str) -> None:
    """The id is the name of a file, which imagesync would read, offer for download and delete."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    image_id = image_id.replace("/VICTIM", str(victim))
    database = make_store(tmp_path / "s", images=1)
    quoted = image_id.replace("'", "''")
    run_sql(
        database,
        f"UPDATE images SET id = '{quoted}', document = json_set(document, '$.id', '{quoted}', '$.size', 8)",
        f"INSERT INTO given_out VALUES ('{quoted}')",
    )
    message = refuse(tmp_path / "s")
    assert "is damaged: an image has the invalid id" in message
    assert message.isprintable()
    with pytest.raises(ImagesyncError):
        open_backend(store=tmp_path / "s").delete_image(image_id)
    assert victim.read_text() == "precious"


@pytest.mark.parametrize(("size", "is_refused"), [(8, False), (15, False), (16, True), (17, True)])
def test_a_short_journal_names_no_file(tmp_path: Path, size: int, is_refused: bool) -> None:
    """A name, however short, takes sixteen bytes at its end."""
    journal = tmp_path / "store.db-journal"
    journal.write_bytes(bytes.fromhex("d9d505f920a163d7").rjust(size, b"x"))
    if not is_refused:
        check_places(tmp_path)
        return
    with pytest.raises(BackendError) as caught:
        check_places(tmp_path)
    assert str(caught.value) == (
        f"store {tmp_path}: store.db-journal names a super-journal, a file that SQLite would delete; imagesync changed "
        "nothing; use another store, or remove store.db-journal, which imagesync did not write"
    )


@pytest.mark.parametrize("content", [b"", b"x" * 99, bytes.fromhex("d9d505f920a163d7") + b"x" * 99])
def test_another_journal_is_accepted(tmp_path: Path, content: bytes) -> None:
    """Every journal begins with the same bytes."""
    (tmp_path / "store.db-journal").write_bytes(content)
    check_places(tmp_path)


@pytest.mark.parametrize("name", ["store.db", "store.db-wal", "store.db-shm", "store.db-journal"])
def test_the_whole_message_about_a_wrong_file(tmp_path: Path, name: str) -> None:
    """The first one is named; a name of others is escaped."""
    hint = "; imagesync changed nothing; remove it, or use another store"
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "a\x1b[2J").symlink_to("x")
    assert refuse(tmp_path) == f"store {tmp_path}: content/a\\x1b[2J is a link{hint}"
    (tmp_path / name).mkdir()
    assert refuse(tmp_path) == f"store {tmp_path}: {name} is not a regular file{hint}"


def test_a_file_in_the_path_of_a_store(tmp_path: Path) -> None:
    """Or above it; the message names that file."""
    (tmp_path / "file").write_text("x")
    hint = "pass the folder of a store, or a path that does not exist yet"
    for path, text in (
        (tmp_path / "file", f"store {tmp_path}/file is not a folder; {hint}"),
        (tmp_path / "file" / "a" / "b", f"store {tmp_path}/file/a/b: {tmp_path}/file is not a folder; {hint}"),
    ):
        with pytest.raises(BackendError) as caught:
            check_places(path)
        assert str(caught.value) == text
    check_places(tmp_path / "new" / "store")


def test_a_folder_has_a_database(tmp_path: Path) -> None:
    """Also if that is a broken link, which opening the store refuses."""
    assert not has_database(tmp_path)
    (tmp_path / "store.db").symlink_to("nowhere")
    assert has_database(str(tmp_path))
    assert not has_database(tmp_path / "other")
