"""The stream: what is handed on and when, whatever goes wrong, and nothing left of its threads."""

import gzip
import hashlib
import itertools
import socket
import tarfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesync.errors import ChecksumMismatch, FormatMismatch, SourceError
from imagesync.formats.inspection import HEAD
from imagesync.model.catalog import Checksum, Compression, FileSource, Fingerprint, Method, Transfer, UrlSource
from imagesync.sources import SourceStream, open_source
from imagesync.sources.stream import make_plausibility
from tests.fault.mirror import File, mirror
from tests.samples import DISGUISED, GIB, REFUSED, TAKEN, qcow2
from tests.silent import silent_server
from tests.unit.sources.packed import DATA, PACK, PACKED, sha256

BLOCK = bytes(range(256)) * 400


def digest(data: bytes, algorithm: str = "sha256") -> Checksum:
    """The declared digest of some bytes."""
    return Checksum(algorithm, hashlib.new(algorithm, data, usedforsecurity=False).hexdigest())


def stream(
    blocks: Iterable[bytes],
    *declared: Checksum,
    size: int | None = None,
    disk_format: str = "raw",
    container_format: str = "bare",
    compression: Compression = Compression.NONE,
) -> SourceStream:
    """A stream of these blocks."""
    return SourceStream(blocks, size, Transfer(compression), Fingerprint(declared), disk_format, container_format)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Whatever a test does, no stage outlives its stream."""
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("imagesync-")] == []


@settings(max_examples=60, deadline=None)
@given(data=st.data(), packed=st.sampled_from([Compression.NONE, Compression.GZ, Compression.XZ]))
def test_any_cut_of_the_data_gives_the_same_bytes_and_digests(data: st.DataObject, packed: Compression) -> None:
    """And the same virtual size."""
    plain = (bytes(4) + data.draw(st.binary(max_size=3000))) * data.draw(st.integers(1, 60))
    published = PACK[packed](plain)
    cuts = data.draw(st.lists(st.integers(0, len(published)), max_size=8))
    edges = sorted({0, *cuts, len(published)})
    blocks = [published[start:end] for start, end in itertools.pairwise(edges)]
    found = stream(blocks, digest(published), size=len(published), compression=packed)
    assert b"".join(found) == plain
    assert found.digests["sha512"] == hashlib.sha512(plain).hexdigest()
    assert (found.sent, found.virtual_size) == (len(plain), len(plain))


@pytest.mark.parametrize(
    ("declared", "computed"),
    [
        ((), {"sha256", "sha512"}),
        (("sha256",), {"sha256", "sha512"}),
        (("sha512",), {"sha256", "sha512"}),
        (("md5",), {"md5", "sha256"}),
        (("sha1", "sha512"), {"sha1", "sha256", "sha512"}),
    ],
)
def test_each_digest_is_computed_once(declared: tuple[str, ...], computed: set[str]) -> None:
    """What is declared, sha256, and one that the service has too."""
    found = stream([BLOCK], *(digest(BLOCK, name) for name in declared))
    assert b"".join(found) == BLOCK
    assert found.digests == {name: digest(BLOCK, name).value for name in computed}


def test_of_packed_data_the_digest_is_of_what_is_stored() -> None:
    """The declared one is of the file."""
    packed = gzip.compress(BLOCK)
    found = stream([packed], digest(packed, "sha512"), compression=Compression.GZ)
    assert b"".join(found) == BLOCK
    assert found.digests == {"sha512": hashlib.sha512(BLOCK).hexdigest()}


@pytest.mark.parametrize("algorithm", ["md5", "sha256", "sha512"])
def test_a_digest_of_what_is_inside_packed_data_is_recognized(algorithm: str) -> None:
    """A common mistake: the message gives the right one, and the last chunk is not handed on."""
    packed, given_out = gzip.compress(BLOCK), list[bytes]()
    with pytest.raises(ChecksumMismatch) as caught:
        given_out.extend(stream([packed], digest(BLOCK, algorithm), compression=Compression.GZ))
    assert caught.value.message.startswith(f"the declared {algorithm} is of the unpacked data")
    assert caught.value.hint == f"write {digest(packed, algorithm)}"
    assert sum(map(len, given_out)) < len(BLOCK)


def test_a_wrong_digest_is_reported_before_damage_that_it_explains() -> None:
    """Of a packed file that was cut or changed: it is not the declared one."""
    for packed in (gzip.compress(BLOCK)[:-9], gzip.compress(BLOCK) + b"x"):
        with pytest.raises(
            ChecksumMismatch, match=r"the data has sha256:.*, not the declared sha256:0000.*that of the packed file"
        ):
            list(stream([packed], Checksum("sha256", "0" * 64), compression=Compression.GZ))
    with pytest.raises(ChecksumMismatch, match=r"the data has sha256:.*, not the declared sha256:0000"):
        list(stream([BLOCK], Checksum("sha256", "0" * 64)))


@pytest.mark.parametrize("case", [*REFUSED, *DISGUISED])
def test_wrong_data_is_never_handed_on_whole(case: str) -> None:
    """However it comes; an error in the first 64 KiB hands nothing on at all."""
    disk_format, container_format, data = {**DISGUISED, **{name: one[:3] for name, one in REFUSED.items()}}[case]
    for step in (1000, 2**16, 2**20):
        given_out: list[bytes] = []
        blocks = [data[start : start + step] for start in range(0, len(data), step)]
        with pytest.raises(FormatMismatch):
            given_out.extend(stream(blocks, disk_format=disk_format, container_format=container_format))
        assert sum(map(len, given_out)) < max(len(data), 1)
        if case not in ("another footer", "cut vhdx"):
            assert given_out == []


@pytest.mark.parametrize("kind", ["qcow2", "vmdk", "vhd", "vdi"])
@pytest.mark.parametrize("size", [20_000, HEAD - 1, HEAD])
def test_a_small_file_of_another_format_is_refused_too(kind: str, size: int) -> None:
    """Although it ends before the format of a larger one is judged."""
    disk_format, container_format, data = DISGUISED[f"raw that is {kind}"]
    small = data[:size]
    for blocks in ([small], [small[:5000], small[5000:]]):
        with pytest.raises(FormatMismatch, match=f"the data is {kind}, not raw"):
            next(iter(stream(blocks, disk_format=disk_format, container_format=container_format)))


def test_a_wrong_format_is_seen_before_the_rest_is_read() -> None:
    """Not after four gibibytes."""
    read: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            read.append(1)
            yield bytes(2**20)

    with pytest.raises(FormatMismatch, match="not qcow2"):
        next(iter(stream(endless(), disk_format="qcow2")))
    assert len(read) < 20


@pytest.mark.parametrize("case", TAKEN)
def test_good_data_comes_out_as_it_went_in(case: str) -> None:
    """Of every format."""
    disk_format, container_format, data = TAKEN[case]
    blocks = [data[start : start + 10_000] for start in range(0, len(data), 10_000)]
    found = stream(blocks, digest(data), disk_format=disk_format, container_format=container_format)
    assert b"".join(found) == data


def test_the_virtual_size_is_known_with_the_first_chunk() -> None:
    """min_disk can be checked before anything is sent."""
    found = stream([qcow2(5 * GIB), BLOCK], disk_format="qcow2")
    next(chunks := iter(found))
    assert found.virtual_size == 5 * GIB
    chunks.close()  # type: ignore[attr-defined]  # it is a generator


def test_the_size_of_a_raw_file_is_its_virtual_size_from_the_beginning() -> None:
    """Nothing of a disk too large for its min_disk need be sent."""
    found = stream([BLOCK, BLOCK], size=2 * len(BLOCK))
    next(chunks := iter(found))
    assert found.virtual_size == 2 * len(BLOCK)
    chunks.close()  # type: ignore[attr-defined]  # it is a generator


@pytest.mark.parametrize(
    ("blocks", "size", "message"),
    [([BLOCK], len(BLOCK) + 1, "ended after"), ([BLOCK, b"more"], len(BLOCK), "has more than")],
)
def test_a_length_other_than_announced_keeps_the_last_chunk_back(blocks: list[bytes], size: int, message: str) -> None:
    """A file that grows or shrinks while it is read."""
    given_out: list[bytes] = []
    with pytest.raises(SourceError, match=message):
        given_out.extend(stream(blocks, size=size))
    assert given_out == []


@pytest.mark.parametrize("compression", [Compression.NONE, Compression.GZ])
@pytest.mark.parametrize("error", [ValueError("bug"), SourceError("the connection was lost"), OSError(5, "no disk")])
def test_an_error_of_the_blocks_comes_out_as_itself(compression: Compression, error: Exception) -> None:
    """From the first thread to the last."""

    def broken() -> Iterator[bytes]:
        yield gzip.compress(BLOCK * 50)[:200]
        raise error

    with pytest.raises(type(error)) as caught:
        list(stream(broken(), compression=compression))
    assert caught.value is error


def begun_and_left(source: FileSource | UrlSource, error: BaseException) -> None:
    """A consumer that takes one chunk and ends."""
    with open_source(source, Fingerprint(), disk_format="raw") as found:
        next(kept := iter(found))
        assert kept is not None
        raise error


@pytest.mark.parametrize("compression", [Compression.NONE, Compression.GZ])
def test_a_consumer_that_stops_leaves_nothing_running(tmp_path: Path, compression: Compression) -> None:
    """An upload that is refused, however the consumer ends."""
    data = BLOCK * 200
    (tmp_path / "x").write_bytes(gzip.compress(data, 1) if compression is Compression.GZ else data)
    source = FileSource(str(tmp_path / "x"), "x", transfer=Transfer(compression))
    for error in (ValueError("refused"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught:
            begun_and_left(source, error)
        assert caught.value is error


def test_a_source_that_was_opened_and_not_read_leaves_nothing(tmp_path: Path) -> None:
    """Threads begin with the first chunk."""
    (tmp_path / "x").write_bytes(BLOCK)
    with open_source(FileSource(str(tmp_path / "x"), "x"), Fingerprint(), disk_format="raw") as found:
        assert found.size == len(BLOCK)


def test_a_silent_server_is_not_waited_for() -> None:
    """The service refused the upload while the source keeps still: the wait for it ends at once."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 9000000\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(head + bytes(2 * 2**20))
                done.wait(50)

        thread = threading.Thread(target=serve)
        thread.start()
        source = UrlSource((f"http://127.0.0.1:{server.getsockname()[1]}/x",))
        with pytest.raises(ValueError, match="refused"):
            begun_and_left(source, ValueError("refused"))
        assert not done.is_set()
        done.set()
        thread.join()


def test_a_wrong_digest_of_a_small_file_hands_nothing_on() -> None:
    """The last chunk is the only one."""
    with pytest.raises(ChecksumMismatch, match="not the declared"):
        next(iter(stream([BLOCK[:1000]], digest(b"other"))))


@pytest.mark.parametrize("compression", list(Compression))
def test_what_comes_out_is_the_unpacked_data(tmp_path: Path, compression: Compression) -> None:
    """The declared digest is of the published bytes, the others of the stored ones; two members in a row are one file."""
    packed = PACK[compression](DATA) + PACK[compression](DATA)
    (tmp_path / "x").write_bytes(packed)
    source = FileSource(str(tmp_path / "x"), "x", transfer=Transfer(compression))
    with open_source(source, sha256(packed), disk_format="raw") as stream:
        assert b"".join(stream) == DATA * 2
    assert stream.digests["sha512"] == hashlib.sha512(DATA * 2).hexdigest()
    assert stream.sent == len(DATA) * 2


@pytest.mark.parametrize("compression", PACKED)
def test_a_cut_or_damaged_archive_is_an_error(compression: Compression) -> None:
    """Before the last chunk leaves."""
    packed = PACK[compression](DATA)
    damaged = packed[:20] + b"damage!\0" * 4 + packed[52:]
    for broken in (packed[: len(packed) - 9], damaged):
        with pytest.raises(SourceError):
            list(SourceStream([broken], len(broken), Transfer(compression), Fingerprint(), "raw"))


def test_a_wrong_digest_keeps_the_last_chunk_back() -> None:
    """What was handed on is never the whole."""
    first, last = bytes(70_000), b"b"
    chunks = iter(SourceStream([first, last], 70_001, Transfer(), sha256(b"x"), "raw"))
    assert next(chunks) == first
    with pytest.raises(ChecksumMismatch, match="not the declared"):
        next(chunks)


def test_data_of_another_format_is_refused() -> None:
    """Before the service sees it: there a rejected upload poisons the record."""
    with pytest.raises(FormatMismatch, match="not qcow2"):
        list(SourceStream([b"\xf8" * 70_000], 70_000, Transfer(), Fingerprint(), "qcow2"))


def test_a_bomb_is_stopped_at_the_limit() -> None:
    """max_size bounds what comes out."""
    packed = gzip.compress(bytes(2**24))
    with pytest.raises(SourceError, match="more than the allowed 1048576 bytes"):
        list(SourceStream([packed], len(packed), Transfer(Compression.GZ, max_size=2**20), Fingerprint(), "raw"))


def test_data_that_is_cut_short_is_refused_unless_the_manifest_knows_better() -> None:
    """The last chunk is never handed on; what is not safe to boot is refused in any case."""
    data = qcow2() + bytes(2**20)
    cut = data[: 2**16 + 100]
    given: list[bytes] = []
    with pytest.raises(FormatMismatch, match="the qcow2 data is cut short"):
        given += stream([cut], disk_format="qcow2")
    assert sum(map(len, given)) < len(cut)
    known = Transfer(inspect=False)
    assert b"".join(SourceStream([cut], None, known, Fingerprint(), "qcow2")) == cut
    with pytest.raises(FormatMismatch, match="backing file"):
        list(SourceStream([qcow2(backing=b"/etc/shadow")], None, known, Fingerprint(), "qcow2"))


@pytest.mark.parametrize("packed", [Compression.NONE, Compression.GZ])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_the_announced_length_is_exact(packed: Compression, more: int) -> None:
    """One byte more or less is another file; nothing of it is complete."""
    published = PACK[packed](BLOCK)
    given_out: list[bytes] = []
    found = stream([published], size=len(published) + more, compression=packed)
    if more:
        with pytest.raises(SourceError, match="ended after" if more > 0 else "has more than the announced"):
            given_out.extend(found)
        assert sum(map(len, given_out)) < len(BLOCK)
    else:
        assert b"".join(found) == BLOCK
        assert found.read == len(published)


@pytest.mark.parametrize("compression", [Compression.NONE, Compression.GZ])
@pytest.mark.parametrize("wrong", ["md5", "sha256", "sha512"])
def test_each_of_several_declared_digests_must_be_right(compression: Compression, wrong: str) -> None:
    """Not only the first, nor the strongest."""
    published = PACK[compression](BLOCK)
    declared = [
        digest(published if name != wrong else b"other", name) for name in ("md5", "sha1", "sha256", "sha384", "sha512")
    ]
    assert b"".join(stream([published], *(one for one in declared if one.algorithm != wrong), compression=compression))
    with pytest.raises(ChecksumMismatch, match=f"the data has {wrong}:.*, not the declared {wrong}:"):
        list(stream([published], *declared, compression=compression))


@pytest.mark.parametrize("size", [20, 2**16 - 1, 2**16, 2**16 + 1])
@pytest.mark.parametrize("compression", [Compression.NONE, Compression.GZ])
def test_a_page_of_any_size_is_refused(size: int, compression: Compression) -> None:
    """Also one that is shorter than the bytes that are checked; and a source without data."""
    page, given_out = b"<!DOCTYPE html>".ljust(size), list[bytes]()
    with pytest.raises(FormatMismatch, match="HTML page"):
        given_out.extend(stream([PACK[compression](page)], compression=compression))
    assert given_out == []
    with pytest.raises(FormatMismatch, match="0 bytes"):
        list(stream([PACK[compression](b"")], compression=compression))


def test_the_size_of_a_raw_disk_is_announced_before_its_data_has_arrived() -> None:
    """Of a larger disk than was announced, the bytes that have arrived count. Of another format, its header counts."""
    may_end = threading.Event()

    def blocks(*parts: bytes) -> Iterator[bytes]:
        yield from parts
        may_end.wait(60)

    big = bytes(2**17)
    for found, size in (
        (stream(blocks(big, big), size=10**9), 10**9),
        (stream(blocks(big, big)), 2**18),
        (stream(blocks(qcow2(5 * GIB).ljust(2**17, b"\0"), big), size=10**9, disk_format="qcow2"), 5 * GIB),
    ):
        chunks = iter(found)
        next(chunks)
        assert found.virtual_size == size
        threading.Timer(0.01, may_end.set).start()
        found.close()
        may_end.clear()


@pytest.mark.parametrize(("container_format", "is_taken"), [("ova", True), ("bare", False), (None, False)])
def test_an_archive_is_right_only_in_a_container_that_is_one(
    tmp_path: Path, container_format: str | None, is_taken: bool
) -> None:
    """The declared container format is that of the check."""
    with tarfile.open(tmp_path / "x", "w") as archive:
        archive.add(__file__, "disk.vmdk")
    source = FileSource(str(tmp_path / "x"), "x")
    with open_source(source, Fingerprint(), disk_format="raw", container_format=container_format) as found:
        if is_taken:
            assert b"".join(found) == (tmp_path / "x").read_bytes()
        else:
            with pytest.raises(FormatMismatch, match="a tar archive"):
                list(found)


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("is_stored", [True, False])
@pytest.mark.parametrize("inspect", [True, False])
def test_what_a_service_may_still_unpack_is_not_refused_before_it_is_stored(
    method: Method, is_stored: bool, inspect: bool
) -> None:
    """Only with glance-direct, and only while it is sent; with ``inspect: none`` all data is accepted."""
    transfer = Transfer(method=method, inspect=inspect)
    check = make_plausibility(transfer, "raw", "bare", is_stored=is_stored)
    check.feed(gzip.compress(b"x" * 100))
    if not inspect or (method is Method.GLANCE_DIRECT and not is_stored):
        check.finish()
    else:
        with pytest.raises(FormatMismatch, match="gzip"):
            check.finish()


def test_further_digests_may_be_requested() -> None:
    """Of the published and of the unpacked bytes."""
    packed = gzip.compress(BLOCK)
    for data, compression in ((BLOCK, Compression.NONE), (packed, Compression.GZ)):
        found = SourceStream([data], None, Transfer(compression), Fingerprint(), "raw", algorithms=["sha384"])
        assert b"".join(found) == BLOCK
        assert found.published_digests["sha384"] == digest(data, "sha384").value
        assert found.digests["sha384"] == digest(BLOCK, "sha384").value


def test_the_wait_for_a_silent_server_ends_when_the_check_fails() -> None:
    """The lease is lost, say: the run must end."""

    def check() -> None:
        if server.queries.is_set():
            raise LookupError("the lease is lost")

    with silent_server(bytes(2**20), 100) as server:
        source = UrlSource((f"{server.address}/x",))
        with (
            pytest.raises(LookupError, match="the lease is lost"),
            open_source(source, Fingerprint(), disk_format="raw", check=check) as found,
        ):
            list(found)


@pytest.mark.parametrize("declared", [True, False])
def test_only_a_digest_allows_two_responses_to_be_joined(declared: bool) -> None:
    """Without one, the second response may be of another file."""
    data = bytes(range(256)) * 1000
    with mirror() as web:
        url = web.publish("/x", File(data, cuts=[100_000], ranges=False))
        fingerprint = sha256(data) if declared else Fingerprint()
        with open_source(UrlSource((url,)), fingerprint, disk_format="raw", pauses=(0.0,) * 3) as found:
            if declared:
                assert b"".join(found) == data
            else:
                with pytest.raises(SourceError, match="the connection was lost"):
                    list(found)


def test_a_file_that_cannot_be_opened_or_read_is_one_line(tmp_path: Path) -> None:
    """With its name in the manifest."""
    for path in (tmp_path / "missing", tmp_path):
        with (
            pytest.raises(
                SourceError, match=r"^images/x: (No such file|Is a directory).*; check the path and its perm"
            ),
            open_source(FileSource(str(path), "images/x"), Fingerprint(), disk_format="raw") as found,
        ):
            list(found)
