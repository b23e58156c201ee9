"""A client of yaml-language-server: the text of a manifest -> what an editor shows. Runs the real server over its pipes.

The protocol is the Language Server Protocol 3.17: JSON-RPC messages with a ``Content-Length`` header.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

SETTINGS: Final = {
    "validate": True,
    "hover": True,
    "completion": True,
    "schemaStore": {"enable": False},
    "kubernetesCRDStore": {"enable": False},
}
"""What an editor has by default, without the stores of schemas in the network."""


class Place(NamedTuple):
    """A document, and a position in it: line and character, both from 0."""

    uri: str
    line: int
    character: int


class LanguageServer:
    """A running server in a folder; a context manager. Each question opens a new document in the folder."""

    def __init__(self, command: list[str], folder: Path, settings: Mapping[str, Any] = {}) -> None:
        """``settings``: the user's settings below ``yaml``, beside ``SETTINGS``."""
        self._command, self.folder = command, folder
        self._settings = {"yaml": {**SETTINGS, **settings}}
        self._ids, self._names = count(1), count(1)
        self._reports: dict[str, list[str]] = {}
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [*self._command, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=self.folder
        )
        text_document = {
            "completion": {
                "completionItem": {"documentationFormat": ["markdown", "plaintext"], "snippetSupport": True}
            },
            "hover": {"contentFormat": ["markdown"]},
            "publishDiagnostics": {},
        }
        self.request(
            "initialize",
            {"processId": None, "rootUri": self.folder.as_uri(), "capabilities": {"textDocument": text_document}},
        )
        self._notify("initialized", {})
        self._notify("workspace/didChangeConfiguration", {"settings": self._settings})
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def open(self, text: str, uri: str | None = None) -> Place:
        """Open a new document; the position is that of the mark ``|`` in it, else its beginning."""
        uri = uri or (self.folder / f"{next(self._names)}.yaml").as_uri()
        before, mark, after = text.partition("|")
        content = before + after if mark else text
        line, character = (before.count("\n"), len(before.rpartition("\n")[2])) if mark else (0, 0)
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": content}
        self._notify("textDocument/didOpen", {"textDocument": document})
        return Place(uri, line, character)

    def complete(self, text: str) -> dict[str, str]:
        """The suggestions at the mark: each label with its documentation."""
        found = self._ask("textDocument/completion", self.open(text))
        return {item["label"]: _read_markup(item.get("documentation")) for item in found["items"]}

    def hover(self, text: str) -> str:
        """What is shown at the mark, as Markdown."""
        found = self._ask("textDocument/hover", self.open(text))
        return _read_markup(found["contents"]) if found else ""

    def diagnose(self, text: str, uri: str | None = None) -> list[str]:
        """The problems of a text, of a new document or that of ``uri``, each as ``LINE: message`` with lines from 1."""
        uri = self.open(text, uri).uri
        while uri not in self._reports:
            self._receive()
        return self._reports[uri]

    def request(self, method: str, params: Mapping[str, Any]) -> Any:
        """The result of a request; what arrives before it is answered or kept."""
        number = next(self._ids)
        self._send({"id": number, "method": method, "params": params})
        while (message := self._receive()).get("id") != number or "method" in message:
            pass
        assert "error" not in message, message["error"]
        return message["result"]

    def _ask(self, method: str, place: Place) -> Any:
        position = {"line": place.line, "character": place.character}
        return self.request(method, {"textDocument": {"uri": place.uri}, "position": position})

    def _notify(self, method: str, params: Mapping[str, Any]) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: Mapping[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        """The next message; a request of the server is answered, a report of problems is kept."""
        message = self._read()
        method, params = message.get("method"), message.get("params", {})
        if method == "textDocument/publishDiagnostics":
            self._reports[params["uri"]] = list(_read_problems(params["diagnostics"]))
        elif method == "workspace/configuration":
            self._send(
                {"id": message["id"], "result": [self._settings.get(item["section"]) for item in params["items"]]}
            )
        elif method and "id" in message:
            self._send({"id": message["id"], "result": None})
        return message

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        length = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        assert length, "the language server ended"
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return message


def _read_markup(content: Any) -> str:
    return content["value"] if isinstance(content, dict) else content or ""


def _read_problems(found: list[dict[str, Any]]) -> Iterator[str]:
    for problem in found:
        yield f"{problem['range']['start']['line'] + 1}: {problem['message']}"
