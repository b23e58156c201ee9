"""Digests of local files are kept: what has not changed is not read again, what has is."""

import hashlib
import os
import sqlite3
import time
from contextlib import closing
from io import BufferedReader
from pathlib import Path

import pytest

from imagesync.model.catalog import FileSource
from imagesync.sources import DigestCache, identify
from imagesync.sources import cache as limits
from tests.unit.factories import catalog, spec

OLD = time.time_ns() - 3600 * 10**9


class Counted(BufferedReader):
    """A file that knows whether it was read."""

    was_read = False

    def readinto(self, buffer: object) -> int:
        self.was_read = True
        return super().readinto(buffer)  # type: ignore[arg-type]  # a buffer


def opened(path: Path) -> Counted:
    """The file, counted."""
    return Counted(open(path, "rb", buffering=0))


def settled_now() -> int:
    """A clock that is an hour ahead: files changed now have settled."""
    return time.time_ns() + 3600 * 10**9


def digest(cache: DigestCache, path: Path, algorithm: str = "sha256") -> tuple[str, bool]:
    """The digest that the cache gives, and whether the file was read for it."""
    with opened(path) as file:
        found = cache.read_digest(file, str(path), algorithm)
        assert found.algorithm == algorithm
        return found.value, file.was_read


def sha256(content: bytes) -> str:
    """The hexadecimal digest."""
    return hashlib.sha256(content).hexdigest()


def test_a_file_is_read_once(tmp_path: Path) -> None:
    """In this run and the next."""
    (tmp_path / "disk").write_bytes(b"one")
    for expected in (True, False, False):
        cache = DigestCache(tmp_path / "cache" / "digests.db", settled_now)
        assert digest(cache, tmp_path / "disk") == (sha256(b"one"), expected)


def test_each_algorithm_is_kept_for_itself(tmp_path: Path) -> None:
    """One does not take the place of another."""
    (tmp_path / "disk").write_bytes(b"one")
    cache = DigestCache(tmp_path / "digests.db", settled_now)
    for is_read in (True, False):
        for algorithm in ("sha256", "md5", "sha512"):
            expected = hashlib.new(algorithm, b"one").hexdigest()
            assert digest(cache, tmp_path / "disk", algorithm) == (expected, is_read)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """Also one of the same size whose time was reset: the inode's own time shows it."""
    path = tmp_path / "disk"
    path.write_bytes(b"one")
    os.utime(path, ns=(OLD, OLD))
    cache = DigestCache(tmp_path / "digests.db", settled_now)
    assert digest(cache, path) == (sha256(b"one"), True)
    path.write_bytes(b"two")
    os.utime(path, ns=(OLD, OLD))
    assert digest(cache, path) == (sha256(b"two"), True)
    (tmp_path / "new").write_bytes(b"six")
    os.replace(tmp_path / "new", path)
    assert digest(cache, path) == (sha256(b"six"), True)


def test_a_file_that_may_still_change_within_its_time_is_not_kept(tmp_path: Path) -> None:
    """Two changes within the clock's grain look like one."""
    (tmp_path / "disk").write_bytes(b"one")
    cache = DigestCache(tmp_path / "digests.db")
    assert digest(cache, tmp_path / "disk") == (sha256(b"one"), True)
    assert digest(cache, tmp_path / "disk") == (sha256(b"one"), True)


@pytest.mark.parametrize("damage", ["nonsense", "folder", "table", "digest", "schema", "parent"])
def test_a_damaged_cache_is_no_error(tmp_path: Path, damage: str) -> None:
    """The file is hashed again."""
    (tmp_path / "disk").write_bytes(b"one")
    place = tmp_path / "digests.db"
    if damage == "nonsense":
        place.write_bytes(b"nonsens\0" * 1000)
    elif damage == "folder":
        place.mkdir()
    elif damage == "digest":
        assert digest(DigestCache(place, settled_now), tmp_path / "disk") == (sha256(b"one"), True)
        with closing(sqlite3.connect(place)) as database, database:
            database.execute("UPDATE file_digests SET digest = 'none of ours'")
    elif damage == "schema":
        assert digest(DigestCache(place, settled_now), tmp_path / "disk") == (sha256(b"one"), True)
        place.write_bytes(place.read_bytes().replace(b"CREATE TABLE file_digests", b"\xff" * 20))
    elif damage == "parent":
        place = tmp_path / "disk" / "digests.db"
    else:
        sqlite3.connect(place).execute("CREATE TABLE file_digests (other TEXT)").connection.close()
    assert digest(DigestCache(place, settled_now), tmp_path / "disk") == (sha256(b"one"), True)


def test_a_catalog_that_is_known_is_not_read(tmp_path: Path) -> None:
    """identify gives the digests of big files from the cache: a changed entry of the cache shows it."""
    (tmp_path / "disk").write_bytes(b"one")
    wanted = catalog(spec("a", source=FileSource(str(tmp_path / "disk"), "disk")))
    cache = DigestCache(tmp_path / "digests.db", settled_now)
    first = identify(wanted, cache=cache)
    assert identify(wanted, cache=cache) == first
    with sqlite3.connect(tmp_path / "digests.db") as database:
        database.execute("UPDATE file_digests SET digest = ?", ("0" * 64,))
    database.close()
    assert identify(wanted, cache=cache).images[0].fingerprint.digests[0].value == "0" * 64


@pytest.mark.parametrize(
    "wrong", ["", "a" * 63, "a" * 65, "a" * 32, "A" * 64, "g" * 64, "a" * 63 + "\n", b"a" * 64, 3, None]
)
def test_an_entry_that_is_no_digest_is_not_used(tmp_path: Path, wrong: object) -> None:
    """Another program may have written it."""
    (tmp_path / "disk").write_bytes(b"one")
    cache = DigestCache(tmp_path / "digests.db", settled_now)
    digest(cache, tmp_path / "disk")
    with closing(sqlite3.connect(tmp_path / "digests.db")) as database, database:
        database.execute("UPDATE file_digests SET digest = ?", (wrong,))
    assert digest(cache, tmp_path / "disk") == (sha256(b"one"), True)


@pytest.mark.parametrize(("seconds", "is_kept"), [(1.9, False), (2.1, True)])
def test_a_digest_is_kept_two_seconds_after_the_last_change(tmp_path: Path, seconds: float, is_kept: bool) -> None:
    """Of its content or of its inode: within them, a further change may not show in the times."""
    path = tmp_path / "disk"
    path.write_bytes(b"one")
    os.utime(path, ns=(OLD, OLD))
    changed = path.stat().st_ctime_ns
    cache = DigestCache(tmp_path / "digests.db", lambda: changed + int(seconds * 10**9))
    assert digest(cache, path)[1]
    assert digest(cache, path)[1] is not is_kept
    os.utime(path, ns=(changed + 10**12, changed + 10**12))
    assert digest(cache, path)[1]
    assert digest(cache, path)[1]


@pytest.mark.parametrize(("days", "is_kept"), [(179, True), (180, True), (181, False)])
def test_old_entries_are_removed(tmp_path: Path, days: int, is_kept: bool) -> None:
    """Half a year after they were made, when another one is written."""
    day = 86_400 * 10**9
    start = (settled_now() // day + 1) * day
    for name, now in (("old", start), ("new", start + days * day)):
        (tmp_path / name).write_bytes(b"one")
        digest(DigestCache(tmp_path / "digests.db", lambda now=now: now), tmp_path / name)  # type: ignore[misc]
    with closing(sqlite3.connect(tmp_path / "digests.db")) as database:
        paths = {Path(path).name for (path,) in database.execute("SELECT path FROM file_digests")}
    assert paths == ({"old", "new"} if is_kept else {"new"})


def test_the_same_digest_of_two_paths_is_kept_for_each(tmp_path: Path) -> None:
    """One file with two names is read once for each; a cache without a file keeps nothing."""
    (tmp_path / "one").write_bytes(b"one")
    os.link(tmp_path / "one", tmp_path / "two")
    cache = DigestCache(tmp_path / "digests.db", settled_now)
    assert [digest(cache, tmp_path / name)[1] for name in ("one", "two", "one", "two")] == [True, True, False, False]
    assert [digest(DigestCache(None, settled_now), tmp_path / "one")[1] for _ in range(2)] == [True, True]


class Changing(BufferedReader):
    """A file that another program changes while it is read."""

    def readinto(self, buffer: object) -> int:
        os.utime(self.fileno(), ns=(OLD, OLD))
        return super().readinto(buffer)  # type: ignore[arg-type]  # a buffer


def test_the_digest_of_a_file_that_changes_while_it_is_read_is_not_kept(tmp_path: Path) -> None:
    """It may be of neither content, although the change is long past when the reading ends."""
    path, kept = tmp_path / "disk", tmp_path / "cache.db"
    path.write_bytes(b"x")
    cache = DigestCache(kept, settled_now)
    with Changing(open(path, "rb", buffering=0)) as file:
        cache.read_digest(file, str(path))
    assert not kept.exists()
    with opened(path) as same:
        cache.read_digest(same, str(path))
    assert kept.exists()


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.ALGORITHM == "sha256"
    assert limits.SETTLED == 2_000_000_000
    assert limits.KEPT_DAYS == 180


def test_only_the_user_can_read_a_new_folder_of_the_cache(tmp_path: Path) -> None:
    """It has the paths of all files that were hashed."""
    (tmp_path / "file").write_bytes(b"data")
    place = tmp_path / "new" / "digests.db"
    digest(DigestCache(place, settled_now), tmp_path / "file")
    assert place.exists()
    assert place.parent.stat().st_mode & 0o777 == 0o700
