"""URLs: mirrors in order, and responses that are not an image."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from imagesync.errors import SourceError
from imagesync.model.catalog import Fingerprint, UrlSource
from imagesync.sources import open_source
from tests.unit.sources.packed import DATA, sha256


class TwoPathHandler(BaseHTTPRequestHandler):
    """Answers by path."""

    def do_GET(self) -> None:
        """One answer."""
        self.send_response(404 if self.path.startswith("/missing") else 302 if self.path == "/loop" else 200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Location", "/loop")
        self.send_header("Content-Length", str(len(DATA) + (self.path == "/short")))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the client has read enough
            self.wfile.write(DATA)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def mirror() -> Iterator[str]:
    """The address of a server on loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), TwoPathHandler) as server:
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
    [
        ("/missing", "HTTP 404"),
        ("/loop", "redirected more than 10 times"),
        ("/short", "was lost|ended after"),
    ],
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
