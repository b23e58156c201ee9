"""A strict double of the parts of the REST APIs of GitHub and GitLab that imagesync uses, on loopback. Does I/O.

In a test: ``with ForgeDouble() as forge``, then ``forge.github`` and ``forge.gitlab`` are the states as plain values, and
``forge.make_github_env(…)`` and ``forge.make_gitlab_env(…)`` the variables of a job. From a shell:

    python -m tests.forge --port-file FILE [--state STATE.json] &
    curl -s http://127.0.0.1:$(cat FILE)/state > STATE.json        # read everything, also the requests
    curl -s -X PUT --data @STATE.json http://127.0.0.1:$(cat FILE)/state

GITHUB_API_URL is ``http://127.0.0.1:PORT/github`` and CI_API_V4_URL ``http://127.0.0.1:PORT/gitlab``. Artifacts of GitHub are
stored on another host (``localhost``, another port), which records whether it got a token.

A fault is ``{"match": REGEX, "status": N, "headers": {…}, "body": TEXT, "times": N}``: the next ``times`` requests that match
``METHOD /path`` get this answer. With ``"cut": true`` the request is done and the connection is closed without an answer;
with ``"stall": true`` no answer ever comes.
"""

import argparse
import base64
import http.server
import io
import json
import re
import sys
import tempfile
import threading
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from imagesync.forges.base import Forge
from imagesync.forges.environment import read_runner
from imagesync.forges.github import GitHub
from imagesync.forges.gitlab import GitLab
from imagesync.forges.wire import Client
from imagesync.retry import Pace
from tests import forge_github, forge_gitlab
from tests.forge_calls import ForgeAnswer, ForgeCall, Refusal, State

AnyClient = TypeVar("AnyClient", bound=Forge | Client)
SHA = "1234567890abcdef1234567890abcdef12345678"
"""The last commit of the request of ``add_pull`` and ``add_merge_request``, if a test names no other one."""
MERGE = "fedcba0987654321fedcba0987654321fedcba09"
"""The commit that merges it."""


class ForgeDouble:
    """Both doubles while they listen; a context manager. ``state`` is what ``GET /state`` shows."""

    def __init__(self) -> None:
        self.state: State = {
            "github": forge_github.make_state(),
            "gitlab": forge_gitlab.make_state(),
            "requests": [],
            "faults": [],
        }
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._folder = tempfile.TemporaryDirectory(prefix="imagesync-forge-")
        self._clients: list[Forge | Client] = []
        self._servers = [
            _Server(("127.0.0.1", 0), type(name, (kind,), {"double": self}))
            for name, kind in (("Api", _ApiHandler), ("Store", _StoreHandler))
        ]
        self.port, self._store_port = (server.server_port for server in self._servers)
        self.url, self.elsewhere = f"http://127.0.0.1:{self.port}", f"http://localhost:{self._store_port}"

    def __enter__(self) -> Self:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for client in self._clients:
            client.close()
        self._folder.cleanup()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    @property
    def github(self) -> State:
        """The state of GitHub."""
        found: State = self.state["github"]
        return found

    @property
    def gitlab(self) -> State:
        """The state of GitLab."""
        found: State = self.state["gitlab"]
        return found

    @property
    def requests(self) -> list[str]:
        """``METHOD /path`` of each request to the APIs, in order, without queries."""
        return [f"{one['method']} {one['path']}" for one in self.state["requests"] if one["host"] == "api"]

    @property
    def writes(self) -> list[str]:
        """Those that change something."""
        return [line for line in self.requests if not line.startswith("GET ")]

    def add_fault(self, match: str, status: int, times: int = 1, **more: Any) -> None:
        """The next requests that match get this answer."""
        self.state["faults"].append({"match": match, "status": status, "times": times, **more})

    def answer_json(self, match: str, body: object) -> None:
        """The next request that matches gets this answer, as from a server that filters less."""
        self.add_fault(match, 200, body=json.dumps(body))

    def add_pull(self, number: int, **more: Any) -> None:
        """A pull request of the branch ``new``, open, with the last commit SHA."""
        self.github["pulls"].append({"number": number, "state": "open", "branch": "new", "sha": SHA, **more})

    def merge_pull(self, number: int, sha: str = MERGE) -> None:
        """Merge a pull request as this commit."""
        pull = next(one for one in self.github["pulls"] if one["number"] == number)
        pull.update(state="closed", merged_at="2026-01-02T03:04:05Z", merge_commit_sha=sha)

    def add_run(self, run: int, files: Mapping[str, bytes] | None = None, **more: Any) -> None:
        """A successful run for SHA; with ``files``, an artifact ``imagesync-plan`` that has them."""
        plain = {"id": run, "head_sha": SHA, "event": "pull_request", "conclusion": "success"}
        self.github["runs"].append({**plain, **more})
        if files is not None:
            self.add_artifact(run, files)

    def add_artifact(self, run: int, files: Mapping[str, bytes], name: str = "imagesync-plan", **more: Any) -> None:
        """An artifact of a run."""
        number = len(self.github["artifacts"]) + 1
        content = base64.b64encode(make_zip(files.items())).decode()
        self.github["artifacts"].append(
            {"id": number, "run": run, "name": name, "expired": False, "content": content, **more}
        )

    def add_merge_request(self, iid: int, **more: Any) -> None:
        """An open merge request with the last commit SHA."""
        self.gitlab["merge_requests"].append({"iid": iid, "state": "opened", "sha": SHA, **more})

    def merge_merge_request(self, iid: int, **made: Any) -> None:
        """Merge it, as the merge commit MERGE or as ``made`` says."""
        one = next(one for one in self.gitlab["merge_requests"] if one["iid"] == iid)
        one.update(state="merged", **(made or {"merge_commit_sha": MERGE}))

    def add_pipeline(self, pipeline: int, iid: int, files: Mapping[str, str] | None = None, **more: Any) -> None:
        """A pipeline of a merge request for SHA; with ``files``, a successful job ``imagesync-plan`` that has them."""
        self.gitlab["pipelines"].append({"id": pipeline, "request": iid, "sha": SHA, **more})
        if files is not None:
            job = {"id": 1000 + pipeline, "pipeline": pipeline, "name": "imagesync-plan", "status": "success"}
            self.gitlab["jobs"].append({**job, "files": dict(files)})

    def make_github_env(self, event: Path | None = None, /, **more: str) -> dict[str, str]:
        """The variables of a job of GitHub Actions, for the commit MERGE on main. ``event``: its file."""
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_TOKEN": "ghs_actions",
            "GITHUB_API_URL": f"{self.url}/github",
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_REPOSITORY": self.github["repository"],
            "GITHUB_SHA": MERGE,
            "GITHUB_REF_NAME": "main",
            "GITHUB_RUN_ID": "5",
            **({"GITHUB_EVENT_PATH": str(event)} if event else {}),
            **more,
        }

    def make_gitlab_env(self, iid: int | None = None, /, **more: str) -> dict[str, str]:
        """The variables of a job of GitLab CI; of a merge request, or for the commit MERGE on main."""
        request = {"CI_COMMIT_SHA": MERGE, "CI_COMMIT_BRANCH": "main"}
        if iid is not None:
            request = {"CI_COMMIT_SHA": SHA, "CI_MERGE_REQUEST_IID": str(iid)}
        return {
            "GITLAB_CI": "true",
            "GITLAB_TOKEN": "glpat-project",
            "CI_API_V4_URL": f"{self.url}/gitlab",
            "CI_PROJECT_ID": str(self.gitlab["project"]),
            "CI_PROJECT_URL": "https://gitlab.example/acme/images",
            "CI_JOB_URL": "https://gitlab.example/acme/images/-/jobs/6",
            **request,
            **more,
        }

    def open_github(self, event: object = None, pace: Pace | None = None, /, **more: str) -> GitHub:
        """The client of imagesync in such a job. ``event``: the content of its file."""
        path = None
        if event is not None:
            path = Path(self._folder.name, "event.json")
            path.write_text(json.dumps(event))
        return self.keep(GitHub(read_runner(self.make_github_env(path, **more)), pace))

    def open_gitlab(self, iid: int | None = None, pace: Pace | None = None, /, **more: str) -> GitLab:
        """The client of imagesync in such a job."""
        return self.keep(GitLab(read_runner(self.make_gitlab_env(iid, **more)), pace))

    def keep(self, client: AnyClient) -> AnyClient:
        """Close a client at the end."""
        self._clients.append(client)
        return client

    def handle(self, call: ForgeCall, prefix: str) -> ForgeAnswer | None:
        """The answer of a double, or of a fault; None: close the connection. The request is recorded."""
        with self._lock:
            fault = self._take_fault(f"{call.method} /{prefix}{call.path}")
        if fault and fault.get("stall"):
            self._ended.wait()
            return None
        with self._lock:
            if fault and not fault.get("cut"):
                body = fault.get("body", "{}").encode()
                answer = ForgeAnswer(fault["status"], body, fault.get("headers", {}))
            else:
                answer = self._answer(call, prefix)
            self._record("api", call.method, f"/{prefix}{call.path}", call.headers, answer.status, call.query)
            return None if fault and fault.get("cut") else answer

    def _answer(self, call: ForgeCall, prefix: str) -> ForgeAnswer:
        answer = {"github": forge_github.answer, "gitlab": forge_gitlab.answer}[prefix]
        try:
            return answer(call, self.state[prefix])
        except Refusal as refusal:
            return refusal.answer

    def _take_fault(self, line: str) -> State | None:
        for fault in self.state["faults"]:
            if fault["times"] and re.search(fault["match"], line):
                fault["times"] -= 1
                return dict(fault)
        return None

    def _record(
        self,
        host: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        status: int,
        query: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        has_token = any(name in headers for name in ("authorization", "private-token"))
        entry: State = {"host": host, "method": method, "path": path, "query": dict(query), "status": status}
        entry["has_token"] = has_token
        self.state["requests"].append(entry)

    def read_stored(self, path: str, headers: Mapping[str, str]) -> bytes | None:
        """A file of the other host; None if it has none."""
        forge, number, *rest = path.strip("/").split("/")
        with self._lock:
            self._record("store", "GET", path, headers, 200)
            if forge == "github":
                found = (one for one in self.github["artifacts"] if one["id"] == int(number))
                return next((base64.b64decode(one["content"]) for one in found), None)
            found = (one for one in self.gitlab["jobs"] if one["id"] == int(number))
            return next((one["files"][rest[0]].encode() for one in found), None)


def make_run_event(
    branch: str = "new", repo: str = "acme/images", sha: str = SHA, event: str = "pull_request"
) -> State:
    """The event ``workflow_run`` after a run for this branch of this repository."""
    home = {"full_name": repo, "owner": {"login": repo.partition("/")[0]}}
    return {"workflow_run": {"id": 8, "event": event, "head_sha": sha, "head_branch": branch, "head_repository": home}}


def make_pull_event(number: int, repo: str = "acme/images", sha: str = SHA) -> State:
    """The event ``pull_request``."""
    return {"pull_request": {"number": number, "head": {"sha": sha, "repo": {"full_name": repo}}}}


def make_zip(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A zip file; a name may be there twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that closes the connection is not an error of the double."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler, ABC):
    protocol_version = "HTTP/1.1"
    double: ForgeDouble

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        """Any method."""
        self._handle()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names in http.server

    @abstractmethod
    def _handle(self) -> None:
        """Answer a request of any method."""

    def _headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _send(self, answer: ForgeAnswer) -> None:
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)


class _ApiHandler(_Handler):
    def _handle(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        if parts.path == "/state":
            if self.command == "PUT":
                self.double.state = json.loads(content)
            self._send(ForgeAnswer(200, self.double.state))
            return
        prefix, _, rest = parts.path.strip("/").partition("/")
        if prefix not in ("github", "gitlab"):
            self._send(ForgeAnswer(404, {"message": "no such forge"}))
            return
        call = ForgeCall(
            self.command,
            "/" + "/".join(unquote(part).replace("/", "%2F") for part in rest.split("/")),
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            self._headers(),
            json.loads(content) if content else None,
            f"{self.double.url}/{prefix}",
            self.double.elsewhere,
        )
        answer = self.double.handle(call, prefix)
        if answer is None:
            self.close_connection = True
            return
        self._send(answer)


class _StoreHandler(_Handler):
    def _handle(self) -> None:
        content = self.double.read_stored(urlsplit(self.path).path, self._headers())
        self._send(ForgeAnswer(404, b"") if content is None else ForgeAnswer(200, content))


def main() -> None:
    """Listen until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m tests.forge", description="Doubles of GitHub and GitLab.")
    parser.add_argument("--port-file", type=Path, required=True, help="where the port is written, when it listens")
    parser.add_argument("--state", type=Path, help="the state to begin with")
    given = parser.parse_args()
    with ForgeDouble() as double:
        if given.state:
            double.state = json.loads(given.state.read_text())
        given.port_file.write_text(f"{double.port}\n")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
