"""A web server on loopback whose files stop in the middle, or before their first byte, until the test releases them."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.waiting import wait_until

SIZE = 3 * 2**20


@dataclass
class Source:
    """The files: each path ``/NAME.raw`` has its own data. ``requests``: what was requested, as ``METHOD PATH``.

    ``held``: the paths whose data stops in the middle; ``silent``: those that are not answered at all.
    """

    address: str
    requests: list[str] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    waiting: list[str] = field(default_factory=list)

    def hold(self, *names: str) -> None:
        """From now on, stop the data of these files in the middle."""
        self.held |= {f"/{name}.raw" for name in names}

    def silence(self, *names: str) -> None:
        """From now on, do not answer requests for these files."""
        self.silent |= {f"/{name}.raw" for name in names}

    def release(self) -> None:
        """Send everything."""
        self.held.clear()
        self.silent.clear()

    def count_downloads(self, name: str) -> int:
        """How often a file was requested as a whole, or from some byte on."""
        return self.requests.count(f"GET /{name}.raw")

    def wait_for(self, name: str, number: int = 1, *, seconds: float = 60.0) -> None:
        """Wait until the data of a file stopped ``number`` times."""
        what = f"{name} stops, time {number}"
        wait_until(lambda: self.waiting.count(f"/{name}.raw"), lambda n: n >= number, what, seconds=seconds)


def make_data(name: str) -> bytes:
    """The data of a file."""
    return hashlib.sha256(name.encode()).digest() * (SIZE // 32)


def make_checksum(name: str) -> str:
    """The checksum of a file, as in a manifest."""
    return f"sha256:{hashlib.sha256(make_data(name)).hexdigest()}"


class _SlowHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    source: Source

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        source, path, data = self.source, self.path, make_data(self.path[1:].removesuffix(".raw"))
        start, _, end = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
        part = data[int(start or 0) : int(end) + 1 if end else len(data)]
        is_whole = self.command == "GET" and not end
        source.requests.append(f"{self.command} {path}{'' if is_whole else ' head'}")
        self._stop(path, source.silent)
        self.send_response(206 if start else 200)
        if start:
            last = int(start) + len(part) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.send_header("ETag", '"one"')
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(part[: len(part) // 2])
        if is_whole:
            self._stop(path, source.held)
        self.wfile.write(part[len(part) // 2 :])

    def _stop(self, path: str, stopped: set[str]) -> None:
        if path in stopped:
            self.source.waiting.append(path)
            wait_until(lambda: path in stopped, lambda is_in: not is_in, f"{path} is released", seconds=250, pause=0.05)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class _SlowServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is not reported."""


@contextmanager
def open_source_server() -> Iterator[Source]:
    """A running server; it releases all files at the end."""
    handler = type("Handler", (_SlowHandler,), {})
    with _SlowServer(("127.0.0.1", 0), handler) as server:
        handler.source = source = Source(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield source
        finally:
            source.release()
            server.shutdown()
            thread.join()
