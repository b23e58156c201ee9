"""A web server on loopback whose files can be interrupted, have a false length, or change. Does I/O."""

import http.server
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class File:
    """A file at one path.

    ``cuts``: after how many bytes the first responses are interrupted, one number for each response. ``ranges``:
    whether the server supports range requests. ``announced``: a false Content-Length. ``tags``: the entity tag of each
    answer, if it changes. ``head``: the status of the response to a request for the first bytes only. ``login``: the
    Authorization header that is required.
    """

    data: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    announced: int | None = None
    tags: list[str] = field(default_factory=list)
    head: int | None = None
    login: str | None = None


class Mirror:
    """The files by path, and what the server received: the requests as ``METHOD PATH``, with the start of a range; the
    logins, also unrequested ones; and the status of each answer."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.files: dict[str, File] = {}
        self.queries: list[str] = []
        self.logins: list[str] = []
        self.answered: list[int] = []

    def publish(self, path: str, file: File | bytes) -> str:
        """Add a file; its URL."""
        self.files[path] = File(file) if isinstance(file, bytes) else file
        return f"{self.address}{path}"


class MirrorHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    mirror: Mirror

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        is_head = wanted is not None and bool(wanted[2])
        part = f" from {wanted[1]}{f' to {wanted[2]}' * is_head}" if wanted else ""
        self.mirror.queries.append(f"{self.command} {path}{part}")
        self.mirror.logins += [login] if (login := self.headers.get("Authorization")) else []
        file = self.mirror.files.get(path, File(b"gone", 404))
        if file.login is not None and self.headers.get("Authorization") != file.login:
            file = File(b"", 401)
        if is_head and file.head is not None:
            file = File(b"", file.head)
        if file.tags:
            file.headers["ETag"] = file.tags.pop(0)
        data = file.data
        start = int(wanted[1]) if wanted and self._gives_parts(file) else None
        end = int(wanted[2]) + 1 if wanted and is_head and start is not None else len(data)
        body = data[start or 0 : end]
        self.mirror.answered.append(206 if start is not None else file.status)
        self.send_response(self.mirror.answered[-1])
        for name, value in {"Content-Type": "application/octet-stream", **file.headers}.items():
            self.send_header(name, value)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{min(end, len(data)) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(body) if file.announced is None else file.announced))
        self.end_headers()
        if self.command == "HEAD":
            return
        if file.cuts and not is_head:
            self.wfile.write(body[: file.cuts.pop(0)])
            self.close_connection = True
            return
        self.wfile.write(body)
        if file.announced is not None:
            self.close_connection = True

    def _gives_parts(self, file: File) -> bool:
        condition = self.headers.get("If-Range")
        is_same = condition is None or condition in (file.headers.get("ETag"), file.headers.get("Last-Modified"))
        return file.ranges and file.status == 200 and is_same

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class MirrorServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that disconnects is not reported."""


@contextmanager
def mirror(address: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None) -> Iterator[Mirror]:
    """A running server on loopback; with ``tls`` its URLs are https."""
    handler = type("Handler", (MirrorHandler,), {})
    with MirrorServer((address, 0), handler) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True) if tls else server.socket
        scheme = "https" if tls else "http"
        handler.mirror = found = Mirror(f"{scheme}://{address}:{server.server_port}")  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield found
        finally:
            server.shutdown()
