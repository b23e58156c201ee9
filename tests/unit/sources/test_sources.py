"""Sources: one pass, verified before the last chunk, packed or not."""

import bz2
import contextlib
import gzip
import hashlib
import lzma
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from backports import zstd

from imagesync.errors import ChecksumMismatch, FormatMismatch, ManifestError, SourceError
from imagesync.model.catalog import Checksum, Compression, FileSource, Fingerprint, Transfer, UrlSource
from imagesync.sources import SourceStream, identify, open_source
from tests.unit.factories import catalog, spec

DATA = bytes(range(256)) * 20_000
PACK: dict[Compression, Callable[[bytes], bytes]] = {
    Compression.NONE: bytes,
    Compression.GZ: gzip.compress,
    Compression.XZ: lzma.compress,
    Compression.BZ2: bz2.compress,
    Compression.ZST: lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}),
}


def sha256(data: bytes) -> Fingerprint:
    """The fingerprint of published bytes."""
    return Fingerprint((Checksum("sha256", hashlib.sha256(data).hexdigest()),))


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


@pytest.mark.parametrize("compression", [kind for kind in Compression if kind is not Compression.NONE])
def test_a_cut_or_damaged_archive_is_an_error(compression: Compression) -> None:
    """Before the last chunk leaves."""
    packed = PACK[compression](DATA)
    damaged = packed[:20] + b"damage!!" * 4 + packed[52:]
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
        list(SourceStream([b"x" * 70_000], 70_000, Transfer(), Fingerprint(), "qcow2"))


def test_a_bomb_is_stopped_at_the_limit() -> None:
    """max_size bounds what comes out."""
    packed = gzip.compress(bytes(2**24))
    with pytest.raises(SourceError, match="more than the 1048576 bytes allowed"):
        list(SourceStream([packed], len(packed), Transfer(Compression.GZ, max_size=2**20), Fingerprint(), "raw"))


def test_local_files_are_hashed_and_unreadable_ones_reported_together(tmp_path: Path) -> None:
    """All problems in one error; a good set gets digests and sizes."""
    (tmp_path / "a").write_bytes(DATA)
    good = spec("a", source=FileSource(str(tmp_path / "a"), "a"))
    (found,) = identify(catalog(good)).images
    assert found.fingerprint == Fingerprint(sha256(DATA).digests, size=len(DATA))
    bad = [spec(key, source=FileSource(str(tmp_path / key), key)) for key in ("x", "y")]
    with pytest.raises(ManifestError) as caught:
        identify(catalog(good, *bad))
    assert len(caught.value.diagnostics) == 2


class Mirror(BaseHTTPRequestHandler):
    """Answers by path."""

    def do_GET(self) -> None:
        """One answer."""
        self.send_response(404 if self.path.startswith("/missing") else 302 if self.path == "/loop" else 200)
        self.send_header("Content-Type", "text/html" if self.path == "/page" else "application/octet-stream")
        self.send_header("Location", "/loop")
        self.send_header("Content-Length", str(len(DATA) + (self.path == "/short")))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # whoever asked has heard enough
            self.wfile.write(DATA)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def mirror() -> Iterator[str]:
    """The address of a server on loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_mirrors_are_tried_in_order(mirror: str) -> None:
    """The second serves when the first does not."""
    source = UrlSource((f"{mirror}/missing", f"{mirror}/image"))
    with open_source(source, sha256(DATA), disk_format="raw") as stream:
        assert stream.size == len(DATA)
        assert b"".join(stream) == DATA


@pytest.mark.parametrize(
    ("path", "message"),
    [("/missing", "HTTP 404"), ("/page", "HTML page"), ("/loop", "in a circle"), ("/short", "broke|ended after")],
)
def test_a_bad_answer_is_one_line_without_the_query(mirror: str, path: str, message: str) -> None:
    """A signed URL's query never shows."""
    source = UrlSource((f"{mirror}{path}" + ("?sig=secret" if path == "/missing" else ""),))
    with (
        pytest.raises(SourceError, match=message) as caught,
        open_source(source, Fingerprint(), disk_format="raw") as got,
    ):
        list(got)
    assert "secret" not in str(caught.value)
