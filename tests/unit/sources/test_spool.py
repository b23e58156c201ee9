"""One download for several targets: who gets which bytes and when, and that no file and no thread is left."""

import errno
import gzip
import os
import resource
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from imagesync.errors import ChecksumMismatch, FormatMismatch, RunStopped, SourceError, UsageError
from imagesync.model.builds import Build
from imagesync.model.catalog import Compression, Fingerprint, Transfer, UrlSource
from imagesync.sources import SharedSources, SourceAccess, SourceStream, SpoolEnded, VerifiedStream
from imagesync.sources.access import PassingError
from imagesync.sources.spool import NoRoom, SpoolFolder
from tests.samples import qcow2
from tests.unit.sources.packed import sha256

MIB = 2**20
DATA = bytes(range(256)) * 4 * 1024 * 5
"""5 MiB."""


class ScriptedOpener:
    """An opener whose streams have real verification. It counts; each may fail or wait.

    ``errors``: of the next streams, at their opening, which waits for ``answers``. ``given``: how many MiB come before
    ``more`` is set.
    """

    def __init__(self, data: bytes = DATA, *, given: int = 100, is_announced: bool = True) -> None:
        self.data, self.given, self.is_announced = data, given, is_announced
        self.errors: list[Exception] = []
        self.more, self.closed, self.answers = threading.Event(), threading.Event(), threading.Event()
        self.answers.set()
        self.opened = 0

    @contextmanager
    def __call__(
        self,
        source: object,
        fingerprint: Fingerprint,
        *,
        disk_format: str | None,
        container_format: str | None,
        access: SourceAccess | None,
        check: Callable[[], None],
    ) -> Iterator[SourceStream]:
        assert isinstance(source, UrlSource)
        self.opened += 1
        self.answers.wait(60)
        if self.errors:
            raise self.errors.pop(0)
        size = len(self.data) if self.is_announced else None
        ways = (source.transfer, fingerprint, disk_format, container_format)
        stream = SourceStream(self._list_blocks(), size, *ways, self.more.set, check=check)
        try:
            yield stream
        finally:
            stream.close()
            self.closed.set()

    def _list_blocks(self) -> Iterable[bytes]:
        for number in range(0, len(self.data), MIB):
            if number >= self.given * MIB:
                self.more.wait(60)
            yield self.data[number : number + MIB]


class Bench:
    """Targets that need one build of ``upstream``."""

    def __init__(
        self,
        folder: Path,
        upstream: ScriptedOpener,
        targets: str,
        *,
        limit: int | None = None,
        packed: bool = False,
        fingerprint: Fingerprint | None = None,
    ) -> None:
        transfer = Transfer(Compression.GZ) if packed else Transfer()
        self.source = UrlSource(("https://example.org/x?token=secret",), transfer=transfer)
        self.fingerprint = fingerprint or sha256(upstream.data)
        self.folder, self.warnings = folder, list[str]()
        self.build = Build.of(self.source, self.fingerprint, "raw", "bare")
        warn = self.warnings.append
        self.shared = SharedSources(targets, folder=folder, limit=limit, opener=upstream, warn=warn)
        for target in targets:
            self.shared.expect(target, {self.build: 1})

    @contextmanager
    def open(
        self,
        target: str,
        check: Callable[[], None] = lambda: None,
        *,
        disk_format: str = "raw",
        container_format: str = "bare",
    ) -> Iterator[VerifiedStream]:
        """What a target gets."""
        with self.shared.open(
            target,
            self.source,
            self.fingerprint,
            disk_format=disk_format,
            container_format=container_format,
            access=None,
            check=check,
        ) as stream:
            yield stream

    def read(self, target: str) -> bytes:
        """All that a target gets."""
        with self.open(target) as stream:
            return b"".join(stream)

    def count_files(self) -> int:
        """Files that this process has open in the folder, and that have no name there."""
        return len(self.measure_files())

    def measure_files(self) -> list[int]:
        """Their sizes."""
        assert os.listdir(self.folder) == []
        links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        return [link.stat().st_size for link in links if os.readlink(link).startswith(f"{self.folder}/")]


def read_and_fail(bench: Bench, target: str, error: BaseException, *, whole: bool = False) -> None:
    """A target that takes one chunk, or all, and ends with an error."""
    with bench.open(target) as stream:
        chunks = iter(stream)
        assert next(chunks)
        if whole:
            list(chunks)
        raise error


def collect(bench: Bench, target: str, given: bytearray) -> None:
    """Add the bytes that a target gets before an error, too."""
    with bench.open(target) as stream:
        for chunk in stream:
            given += chunk


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Whatever a test does, no thread outlives the run."""
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("imagesync-")] == []


def test_targets_that_read_at_the_same_time_get_the_bytes_of_one_stream(tmp_path: Path) -> None:
    """With everything that a transfer and its verification need."""
    upstream = ScriptedOpener()
    bench = Bench(tmp_path, upstream, "abc")
    with bench.shared, ExitStack() as stack:
        streams = [stack.enter_context(bench.open(target)) for target in "abc"]
        chunks = zip(*streams, strict=True)
        assert b"".join(first for first, *others in chunks if others == [first, first]) == DATA
        for found in streams:
            assert (found.size, found.published_size, found.sent, found.read) == (len(DATA),) * 4
            assert found.virtual_size == len(DATA)
            assert found.digests.keys() == found.published_digests.keys() | {"sha512"}
            assert found.published_digests["sha256"] == bench.fingerprint.digests[0].value
    assert upstream.opened == 1


def test_a_slow_target_delays_no_other(tmp_path: Path) -> None:
    """It reads one chunk, and the rest after the others are done."""
    upstream = ScriptedOpener()
    bench = Bench(tmp_path, upstream, "ab")
    with bench.shared, bench.open("a") as slow:
        chunks = iter(slow)
        first = next(chunks)
        assert bench.read("b") == DATA
        assert first + b"".join(chunks) == DATA
    assert upstream.opened == 1


def test_a_late_target_and_a_retry_read_the_finished_file(tmp_path: Path) -> None:
    """The retry begins with the first byte. Of unpacked data, the size is known then."""
    upstream = ScriptedOpener(gzip.compress(DATA), is_announced=False)
    bench = Bench(tmp_path, upstream, "ab", packed=True)
    with bench.shared:
        with pytest.raises(LookupError):
            read_and_fail(bench, "a", LookupError("the service answered 503"), whole=True)
        assert bench.read("a") == DATA
        with bench.open("b") as late:
            assert b"".join(late) == DATA
            assert late.size == late.sent == len(DATA)
            assert late.read == len(upstream.data)
    assert upstream.opened == 1


def test_the_last_chunk_appears_after_verification(tmp_path: Path) -> None:
    """A wrong checksum is an error of every target, and the source is not read again for it."""
    upstream, given = ScriptedOpener(), bytearray()
    bench = Bench(tmp_path, upstream, "abc", fingerprint=sha256(b"other"))
    with bench.shared:
        for target in "abc":
            given.clear()
            with pytest.raises(ChecksumMismatch, match="the data has sha256"):
                collect(bench, target, given)
            assert len(given) < len(DATA)
    assert upstream.opened == 1


def test_wrong_content_is_read_once(tmp_path: Path) -> None:
    """Data of another format: no target sends a byte."""
    upstream = ScriptedOpener(qcow2() + bytes(70_000))
    bench = Bench(tmp_path, upstream, "ab")
    with bench.shared:
        for target in "ab":
            with pytest.raises(FormatMismatch), bench.open(target) as stream:
                next(iter(stream))
    assert upstream.opened == 1


def test_after_a_failure_that_may_pass_the_next_target_tries_again(tmp_path: Path) -> None:
    """The targets that wait for the same download get its error."""
    upstream = ScriptedOpener()
    upstream.errors = [PassingError("no connection", "try again later"), SourceError("404", "")]
    bench = Bench(tmp_path, upstream, "abc")
    with bench.shared:
        for error in (PassingError, SourceError):
            with pytest.raises(error) as caught, bench.open("a"):
                pass
            assert type(caught.value) is error
        assert bench.read("b") == bench.read("c") == DATA
    assert upstream.opened == 3


def test_the_file_is_deleted_when_the_last_target_has_sent_the_build(tmp_path: Path) -> None:
    """Not before, and not only at the end of the run."""
    opener = ScriptedOpener()
    bench = Bench(tmp_path, opener, "ab")
    with bench.shared:
        bench.read("a")
        assert bench.measure_files() == [len(DATA)]
        assert bench.read("another") == DATA  # although it was not expected
        assert bench.count_files() == opener.opened == 1
        bench.read("b")
        assert bench.count_files() == 0


def test_a_target_that_does_not_come_keeps_no_file(tmp_path: Path) -> None:
    """Its run failed, or never began."""
    bench = Bench(tmp_path, ScriptedOpener(), "abc")
    with bench.shared:
        bench.read("a")
        with pytest.raises(LookupError), bench.shared.join("b"):
            read_and_fail(bench, "b", LookupError("the service refused the data"))
        assert bench.count_files() == 1
        bench.shared.leave("c")
        bench.shared.leave("c")
        bench.shared.leave("unknown")
        assert bench.count_files() == 0


def test_a_writer_stops_when_all_targets_have_left(tmp_path: Path) -> None:
    """Although its server is silent."""
    upstream = ScriptedOpener(given=2)
    bench = Bench(tmp_path, upstream, "ab")
    with bench.shared:
        for target in "ab":
            with pytest.raises(RunStopped):
                read_and_fail(bench, target, RunStopped())
        assert not upstream.closed.is_set()
        bench.shared.leave("a")
        assert not upstream.closed.is_set()
        bench.shared.leave("b")
        assert upstream.closed.wait(60)


def test_a_target_that_is_stopped_stops_no_other(tmp_path: Path) -> None:
    """It waits for the silent server; its check ends the wait."""
    upstream = ScriptedOpener(given=2)
    bench = Bench(tmp_path, upstream, "ab")

    def stop() -> None:
        raise RunStopped

    with bench.shared, bench.open("b") as other:
        chunks = iter(other)
        first = next(chunks)
        with pytest.raises(RunStopped), bench.open("a", stop) as stream:
            list(stream)
        bench.shared.leave("a")
        upstream.more.set()
        assert first + b"".join(chunks) == DATA
    assert upstream.opened == 1


def test_an_error_ends_the_download_with_the_run(tmp_path: Path) -> None:
    """Also if no target has left."""
    upstream = ScriptedOpener(given=2)
    bench = Bench(tmp_path, upstream, "ab")
    with pytest.raises(KeyboardInterrupt), bench.shared:
        read_and_fail(bench, "a", KeyboardInterrupt())
    assert upstream.closed.is_set()
    assert bench.count_files() == 0


def test_a_build_that_one_target_needs_is_not_written(tmp_path: Path) -> None:
    """Nor one in another format, nor for the last target that still needs it."""
    upstream = ScriptedOpener()
    bench = Bench(tmp_path, upstream, "ab")
    with bench.shared:
        bench.shared.leave("b")
        for target, disk_format in (("a", "iso"), ("c", "raw"), ("a", "raw")):
            with bench.open(target, disk_format=disk_format) as stream:
                assert isinstance(stream, SourceStream)
                assert bench.count_files() == 0
    assert upstream.opened == 3


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_size_beyond_the_limit_begins_no_file(tmp_path: Path, is_announced: bool) -> None:
    """Whether the plan knows it, or the server reports it. The user is warned once."""
    upstream = ScriptedOpener()
    fingerprint = Fingerprint(sha256(DATA).digests, len(DATA) if is_announced else None)
    bench = Bench(tmp_path, upstream, "abc", limit=4 * MIB, fingerprint=fingerprint)
    with bench.shared:
        assert bench.read("a") == bench.read("b") == bench.read("c") == DATA
    assert upstream.opened == (3 if is_announced else 4)
    assert bench.warnings == [
        "https://example.org/x: each target reads the source by itself, because the temporary files in "
        f"{tmp_path} must not exceed 4.0 MiB together; name a folder with more room (--spool DIR), or raise --spool-limit"
    ]


def test_a_target_that_waits_for_the_size_reads_the_source_by_itself(tmp_path: Path) -> None:
    """The server answers while it waits, and the data is too large to be shared."""
    opener = ScriptedOpener()
    opener.answers.clear()
    bench = Bench(tmp_path, opener, "ab", limit=4 * MIB)
    with bench.shared, bench.open("a", opener.answers.set) as stream:
        assert isinstance(stream, SourceStream)
    assert opener.opened == 2


def read_with_retries(bench: Bench, target: str) -> tuple[bytes, int]:
    """All bytes of a target, and how often it began."""
    for number in range(1, 4):
        try:
            return bench.read(target), number
        except SpoolEnded:
            continue
    raise AssertionError("the shared stream ended again")


def test_a_file_that_grows_beyond_the_limit_is_given_up(tmp_path: Path) -> None:
    """A reader must begin again, alone; room is free again at once."""
    upstream = ScriptedOpener(gzip.compress(DATA), is_announced=False)
    bench = Bench(tmp_path, upstream, "abc", limit=4 * MIB, packed=True)
    with bench.shared:
        assert read_with_retries(bench, "a")[0] == DATA
        assert read_with_retries(bench, "b") == (DATA, 1)
        assert read_with_retries(bench, "c") == (DATA, 1)
    assert upstream.opened == 4
    assert len(bench.warnings) == 1


@contextmanager
def short_files(size: int) -> Iterator[None]:
    """No file of this process can be longer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_cannot_be_written_fails_no_target(tmp_path: Path) -> None:
    """A full disk: a reader behind the writer begins again, alone."""
    upstream = ScriptedOpener(given=2)
    bench = Bench(tmp_path, upstream, "ab")
    with bench.shared, short_files(3 * MIB):
        with bench.open("a") as stream:
            chunks = iter(stream)
            next(chunks)
            upstream.more.set()
            with pytest.raises(SpoolEnded):
                list(chunks)
            assert bench.measure_files() == [0]  # the disk has its space again
        assert bench.read("a") == bench.read("b") == DATA
    assert bench.warnings == [
        "https://example.org/x: each target reads the source by itself, because its temporary file cannot be written: "
        "File too large; name a folder with more room (--spool DIR), or raise --spool-limit"
    ]


def test_a_file_that_cannot_be_read_fails_no_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up, also while it is written: each target begins again, alone."""
    opener = ScriptedOpener(given=3)
    bench = Bench(tmp_path, opener, "ab")

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    with bench.shared:
        monkeypatch.setattr("os.pread", fail)
        with bench.open("a") as stream, pytest.raises(SpoolEnded):
            next(iter(stream))
        opener.more.set()
        assert bench.read("a") == bench.read("b") == DATA
    assert [text.partition(", because ")[2].partition(";")[0] for text in bench.warnings] == [
        "its temporary file cannot be read: Input/output error"
    ]


def test_a_folder_that_cannot_be_used_is_refused_at_once(tmp_path: Path) -> None:
    """With what to do."""
    with pytest.raises(UsageError) as caught:
        Bench(tmp_path / "missing", ScriptedOpener(), "ab")
    assert str(caught.value) == (
        f"no temporary file can be written in {tmp_path}/missing: No such file or directory; pass another folder: "
        "--spool DIR; or let each target read its sources by itself: --spool off"
    )


def test_a_folder_that_disappears_during_the_run_fails_no_target(tmp_path: Path) -> None:
    """So does a default folder that a system does not have."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    bench = Bench(folder, ScriptedOpener(), "ab")
    folder.rmdir()
    with bench.shared:
        assert bench.read("a") == bench.read("b") == DATA
    assert [text.partition(", because ")[2].partition(";")[0] for text in bench.warnings] == [
        f"no temporary file can be made in {folder}: No such file or directory"
    ]


def test_more_than_the_free_space_of_the_disk_begins_no_file(tmp_path: Path) -> None:
    """Although the limit allows it; without a limit, half of the space is left for other programs."""
    size = shutil.disk_usage(tmp_path).total
    with pytest.raises(NoRoom, match="free, the data has"):
        SpoolFolder(tmp_path, 2 * size).open(size)
    with pytest.raises(NoRoom, match=r"must not exceed .* together"):
        SpoolFolder(tmp_path).open(shutil.disk_usage(tmp_path).free * 6 // 10)
    SpoolFolder(tmp_path).open(shutil.disk_usage(tmp_path).free * 4 // 10).close()


def test_files_share_the_limit(tmp_path: Path) -> None:
    """Room is free again when a file is deleted."""
    opener = ScriptedOpener()
    bench = Bench(tmp_path, opener, "ab", limit=8 * MIB, fingerprint=Fingerprint(sha256(DATA).digests, len(DATA)))
    other = Build.of(bench.source, bench.fingerprint, "ami", "ami")
    for target in "ab":
        bench.shared.expect(target, {bench.build: 1, other: 1})

    def open_other(target: str) -> AbstractContextManager[VerifiedStream]:
        return bench.open(target, disk_format="ami", container_format="ami")

    with bench.shared:
        assert bench.read("a") == DATA
        with open_other("a") as stream:
            assert isinstance(stream, SourceStream)
        assert bench.read("b") == DATA
        bench.shared.expect("a", {other: 1})
        with open_other("a") as stream:
            assert not isinstance(stream, SourceStream)
            assert b"".join(stream) == DATA


def test_a_failed_file_gives_its_room_back_once(tmp_path: Path) -> None:
    """At the failure, and not again with the last target that has it open."""
    opener = ScriptedOpener()
    bench = Bench(tmp_path, opener, "ab", limit=8 * MIB)
    formats = ("ami", "ari")
    others = [Build.of(bench.source, bench.fingerprint, name, name) for name in formats]
    for target in "ab":
        bench.shared.expect(target, dict.fromkeys([bench.build, *others], 1))
    with bench.shared, ExitStack() as opened:
        with short_files(3 * MIB), bench.open("a") as stream, pytest.raises(SpoolEnded):
            list(stream)
        assert bench.read("a") == bench.read("b") == DATA
        streams = [opened.enter_context(bench.open("a", disk_format=name, container_format=name)) for name in formats]
        assert [isinstance(stream, SourceStream) for stream in streams] == [False, True]


def test_a_target_that_is_not_planned_may_need_any_build(tmp_path: Path) -> None:
    """The file waits for its plan."""
    opener = ScriptedOpener()
    bench = Bench(tmp_path, opener, "a")
    with SharedSources(["a", "b"], folder=tmp_path, opener=opener) as bench.shared:
        bench.shared.expect("a", {bench.build: 1})
        assert bench.read("a") == DATA
        assert bench.count_files() == 1
        bench.shared.expect("b", {bench.build: 2})
        assert bench.read("b") == DATA
        assert bench.count_files() == 1
        bench.shared.expect("b", {})
        assert bench.count_files() == 0
    assert opener.opened == 1


def test_a_download_without_readers_stops_when_another_begins(tmp_path: Path) -> None:
    """Else a target whose steps all fail at once would start all downloads of a run."""
    opener = ScriptedOpener(given=2)
    bench = Bench(tmp_path, opener, "ab")
    with bench.shared:
        with pytest.raises(LookupError):
            read_and_fail(bench, "a", LookupError("the service refused the data"))
        assert not opener.closed.is_set()
        with bench.open("a", disk_format="ami"):
            assert not opener.closed.is_set()  # no other target needs this
        opener.closed.clear()
        other = Build.of(bench.source, bench.fingerprint, "iso", "bare")
        bench.shared.expect("a", {bench.build: 1, other: 1})
        bench.shared.expect("b", {bench.build: 1, other: 1})
        with bench.open("a", disk_format="iso"):
            assert opener.closed.wait(60)
        opener.more.set()
        assert bench.read("b") == DATA
    assert opener.opened == 4
