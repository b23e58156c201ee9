"""Starts, resets and stops the real services on loopback, and sends them plain HTTP requests. Runs processes, writes files."""

import contextlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from tests.cloud import bootstrap, configuration
from tests.cloud.databases import Database, MariaDb, Sqlite
from tests.cloud.install import HERE, prepare_environment
from tests.cloud.neighbors import OTHERS, Neighbors, exclude_neighbors, is_neighbor

THREADS = 96
"""Of each service: a kept connection occupies one, and a run of several targets keeps some connections for each."""
TABLES = ("image_locations", "image_members", "image_properties", "image_tags", "task_info", "tasks", "images")


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the image service; ``length`` is the declared size of its body, ``seconds`` the time until the response."""

    method: str
    path: str
    query: str
    agent: str
    length: str
    status: int
    seconds: float


def find_free_port() -> int:
    """A port on which no program listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The complete state of the image service: the rows of each table, the content of each file in its stores."""

    rows: dict[str, list[tuple[Any, ...]]]
    files: dict[Path, bytes]


class Http:
    """Plain requests to the image service as one user: they check what imagesync did without using its code."""

    def __init__(self, url: str, token: str) -> None:
        self.url = f"{url}/v2"
        self.session = requests.Session()
        self.session.headers["X-Auth-Token"] = token

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request below /v2; any response is returned."""
        return self.session.request(method, f"{self.url}{path}", timeout=120, **options)

    def get(self, path: str) -> Any:
        """The JSON of a GET that must succeed."""
        answer = self.send("GET", path)
        answer.raise_for_status()
        return answer.json()

    def images(self, query: str = "") -> list[dict[str, Any]]:
        """Every image by name, also hidden ones, without lease records."""
        return [image for image in self.everything(query) if image.get("imagesync_role") != "lease"]

    def leases(self) -> list[dict[str, Any]]:
        """The lease records."""
        return [image for image in self.everything() if image.get("imagesync_role") == "lease"]

    def everything(self, query: str = "") -> list[dict[str, Any]]:
        """Every image that this user can see, by name, without the neighbors.

        Images that the service is deleting are left out: between its two transactions it lists them, without properties.
        """
        found: dict[str, dict[str, Any]] = {}
        for hidden in ("true", "false"):
            page = self.get(f"/images?limit=1000&os_hidden={hidden}&{OTHERS}&{query}")
            found |= {image["id"]: image for image in page["images"]}
            while "next" in page:
                page = self.get(page["next"].removeprefix("/v2"))
                found |= {image["id"]: image for image in page["images"]}
        assert not any(map(is_neighbor, found))
        listed = [image for image in found.values() if image["status"] != "deleted"]
        return sorted(listed, key=lambda image: (str(image["name"]), image["id"]))

    def patch(self, image_id: str, *operations: dict[str, object]) -> requests.Response:
        """One JSON patch."""
        kind = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        return self.send("PATCH", f"/images/{image_id}", data=json.dumps(operations), headers=kind)


class Cloud:
    """A running Keystone and Glance, the latter on SQLite or on MariaDB; a context manager."""

    def __init__(self, *, mariadb: bool = False) -> None:
        self.venv = prepare_environment()
        self.folder = Path(tempfile.mkdtemp(prefix="imagesync-cloud-"))
        self.state = self.folder / "state"
        self.database: Database = (
            MariaDb(self.folder / "mariadb") if mariadb else Sqlite(self.state / configuration.DATABASE)
        )
        ports = [find_free_port() for _ in range(3)]
        self.auth_url = f"http://127.0.0.1:{ports[0]}/v3"
        self.image_url = f"http://127.0.0.1:{ports[1]}"
        self.limited_url = f"http://127.0.0.1:{ports[2]}"
        self.clouds_yaml = self.folder / "clouds.yaml"
        # with SQLite, one process has enough threads, and each process takes five seconds to load
        self._processes_of_glance = 2 if mariadb else 1
        self._processes: list[subprocess.Popen[bytes]] = []
        self._tokens: dict[str, str] = {}
        self._http: dict[str, Http] = {}
        self._mark = self._watched = 0
        self._neighbors = Neighbors(self.database, self.state / "stores")

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        template = self._template()
        shutil.copytree(template, self.state)
        bootstrap.place_endpoints(self.state / "keystone.db", self.auth_url, self.image_url)
        configuration.write_keystone(self.folder / "keystone", self.state)
        etc = self.venv / "etc" / "glance"
        configuration.write_glance(self.folder / "glance", self.state, self.database.url, self.auth_url, etc, None)
        self.database.start()
        if self.database.is_new:
            self._make_tables()
        configuration.write_clouds(self.clouds_yaml, self.auth_url, self.limited_url)
        self._run("keystone", "cloud_keystone:application", self.auth_url, 1)
        self._run("glance", "cloud_glance:application", self.image_url, self._processes_of_glance)
        self._wait(self.auth_url)
        self._wait(f"{self.image_url}/versions")

    def start_limited(self) -> None:
        """Start a second Glance on the same database, which enforces the limits of Keystone (cloud ``limited``)."""
        if (self.folder / "limited").exists():
            return
        endpoint = self.identity("GET", "/endpoints?interface=public&service_id=" + self._service())["endpoints"][0][
            "id"
        ]
        etc = self.venv / "etc" / "glance"
        limited = self.folder / "limited"
        configuration.write_glance(limited, self.state, self.database.url, self.auth_url, etc, endpoint)
        self._run("limited", "cloud_glance:application", self.limited_url, 1)
        self._wait(f"{self.limited_url}/versions")

    def set_limits(self, project: str, **limits: int) -> None:
        """Set limits of one project by name (image_count_total, image_size_total in MiB, …) in Keystone."""
        project_id = self.project_id(project)
        for found in self.identity("GET", f"/limits?project_id={project_id}")["limits"]:
            self.identity("DELETE", f"/limits/{found['id']}")
        service = self._service()
        wanted = [
            {
                "service_id": service,
                "region_id": "RegionOne",
                "project_id": project_id,
                "resource_name": name,
                "resource_limit": value,
            }
            for name, value in limits.items()
        ]
        if wanted:
            self.identity("POST", "/limits", {"limits": wanted})

    def _service(self) -> str:
        return str(self.identity("GET", "/services?type=image")["services"][0]["id"])

    def identity(self, method: str, path: str, body: object = None, *, token: str | None = None) -> Any:
        """Send a request to Keystone, as admin unless ``token`` is given."""
        headers = {"X-Auth-Token": token or self.token("admin")}
        answer = requests.request(method, f"{self.auth_url}{path}", json=body, headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def project_id(self, name: str) -> str:
        """The id of a project by name."""
        return str(self.identity("GET", f"/projects?name={name}")["projects"][0]["id"])

    def token(self, user: str) -> str:
        """A token of one user, which is kept."""
        if user not in self._tokens:
            project = "admin" if user == "admin" else bootstrap.USERS[user][0]
            self._tokens[user] = bootstrap.request_token(self.auth_url, user, project)
        return self._tokens[user]

    def http(self, user: str = "operator") -> Http:
        """Plain requests to Glance as one user."""
        if user not in self._http:
            self._http[user] = Http(self.image_url, self.token(user))
        return self._http[user]

    def expire_tokens(self) -> None:
        """Make Glance reject every token issued until now. Tokens have whole seconds, so this waits for the next one."""
        limit = int(time.time()) + 1
        while time.time() < limit:
            time.sleep(0.02)
        (self.state / "expired").write_text(str(limit))
        self._tokens.clear()
        self._http.clear()

    def requests(self) -> list[Request]:
        """The requests to the image service since ``forget_requests``."""
        return self._logged_from(self._mark)

    def _logged_from(self, mark: int) -> list[Request]:
        with (self.state / "requests.log").open("rb") as log:
            log.seek(mark)
            return [Request(**json.loads(line)) for line in log]

    def _log_size(self) -> int:
        log = self.state / "requests.log"
        return log.stat().st_size if log.exists() else 0

    def forget_requests(self) -> None:
        """Count requests from now on."""
        self._mark = self._log_size()

    def settle_neighbors(self) -> None:
        """Create the images of other projects (``tests.cloud.neighbors``), unless they exist."""
        if not self._neighbors.is_planted:
            self._neighbors.plant(self.project_id("images"))

    def harm_done(self) -> list[str]:
        """The changes to neighbors, and the write requests for them, since the last call; they are then restored."""
        found = self._neighbors.list_changes()
        for one in self._logged_from(self._watched):
            if any(map(is_neighbor, one.path.split("/"))) and one.method not in ("GET", "HEAD"):
                found.append(f"{one.method} {one.path}: {one.status}")
        self._watched = self._log_size()
        if found:
            self._neighbors.plant(self.project_id("images"))
        return found

    def reset(self) -> None:
        """Delete all images of tests and all traces of them; every id can be used again."""
        with self.database.open() as tables:
            for table in TABLES:
                tables.write(f"delete from {table} where {exclude_neighbors(table)}")
        for store in (self.state / "stores").iterdir():
            for data in store.iterdir():
                if is_neighbor(data.name):
                    continue
                with contextlib.suppress(OSError):
                    data.unlink()
        (self.state / "expired").unlink(missing_ok=True)
        self.forget_requests()

    def snapshot(self) -> Snapshot:
        """The present state, for ``restore``."""
        with self.database.open() as tables:
            rows = {table: tables.read(f"select * from {table} where {exclude_neighbors(table)}") for table in TABLES}
        files = [path for path in (self.state / "stores").glob("*/*") if path.is_file() and not is_neighbor(path.name)]
        return Snapshot(rows, {path: path.read_bytes() for path in files})

    def restore(self, snapshot: Snapshot) -> None:
        """As it was, deleted images and burnt ids included."""
        self.reset()
        for path, content in snapshot.files.items():
            path.write_bytes(content)
        with self.database.open() as tables:
            for table in reversed(TABLES):
                for row in snapshot.rows[table]:
                    tables.write(f"insert into {table} values ({','.join('?' * len(row))})", [row])

    def foreign(self, number: int, name: str = "foreign") -> None:
        """That many public images of project ``other``, written straight into the database."""
        owner, stamp = self.project_id("other"), "2026-01-01 00:00:00.000000"
        columns = (
            "id, name, size, status, created_at, updated_at, deleted, owner, min_disk, min_ram, protected, visibility"
        )
        rows = (
            (
                f"f0000000-0000-4000-8000-{index:012x}",
                f"{name}-{index}",
                1,
                "active",
                stamp,
                stamp,
                0,
                owner,
                0,
                0,
                0,
                "public",
            )
            for index in range(number)
        )
        marks = ", ".join("?" * 12)
        with self.database.open() as tables:
            tables.write(f"insert into images ({columns}, os_hidden) values ({marks}, 0)", rows)

    def stop(self) -> None:
        """End the processes and remove their folder."""
        for process in self._processes:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, 9)
            process.wait()
        self._processes.clear()
        self.database.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _template(self) -> Path:
        """Databases, keys and users, created once for an installation by the tools of the services."""
        kept = self.venv / "template"
        if kept.exists():
            return kept
        making = Path(tempfile.mkdtemp(dir=self.venv))
        configuration.write_keystone(self.folder / "keystone", making)
        etc = self.venv / "etc" / "glance"
        database = Sqlite(making / configuration.DATABASE)
        configuration.write_glance(self.folder / "glance", making, database.url, self.auth_url, etc, None)
        user = ["--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid())]
        keystone = [f"--config-file={self.folder}/keystone/keystone.conf"]
        self._tool("keystone-manage", *keystone, "db_sync")
        self._tool("keystone-manage", *keystone, "fernet_setup", *user)
        self._tool("keystone-manage", *keystone, "credential_setup", *user)
        urls = [f"--bootstrap-{kind}-url={self.auth_url}" for kind in ("admin", "public", "internal")]
        names = ["--bootstrap-password", bootstrap.PASSWORD, "--bootstrap-region-id", "RegionOne"]
        self._tool("keystone-manage", *keystone, "bootstrap", *names, *urls)
        self._make_tables()
        self._run("keystone", "keystone.wsgi.api:application", self.auth_url, 1)
        self._wait(self.auth_url)
        bootstrap.populate(self.auth_url)
        process = self._processes.pop()
        os.killpg(process.pid, 9)
        process.wait()
        for name in (configuration.DATABASE, "keystone.db"):
            sqlite3.connect(making / name).execute("pragma journal_mode=wal").connection.close()
        with contextlib.suppress(OSError):
            making.rename(kept)
        return kept

    def _make_tables(self) -> None:
        """Create the tables with the image service's own tool, in the database of its configuration."""
        self._tool("glance-manage", f"--config-file={self.folder}/glance/glance-api.conf", "db", "sync")

    def _tool(self, name: str, *arguments: str) -> None:
        done = subprocess.run([self.venv / "bin" / name, *arguments], check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{name} {arguments[-1]} failed: {done.stderr[-2000:]}")

    def _run(self, name: str, module: str, url: str, processes: int) -> None:
        """Start one service under uWSGI, in a process group that ends with this process."""
        address = url.removeprefix("http://").split("/")[0]
        options = f"--http11-socket={address} --master --need-app --lazy-apps --enable-threads --die-on-term"
        limits = "--socket-timeout=30 --buffer-size=65535 --no-orphans --disable-logging --listen=128"
        command = [str(self.venv / "bin" / "uwsgi"), *options.split(), *limits.split()]
        command += [
            f"--processes={processes}",
            f"--threads={THREADS}",
            f"--module={module}",
            f"--pythonpath={HERE / 'wsgi'}",
        ]
        env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("OS_")},
            "OS_GLANCE_CONFIG_DIR": str(self.folder / name),
            "OS_KEYSTONE_CONFIG_DIR": str(self.folder / name),
            "CLOUD_STATE": str(self.state),
            "CLOUD_DATABASE": self.database.url,
            "PYTHONWARNINGS": "ignore",
            "EVENTLET_NO_GREENDNS": "yes",  # not used, and a quarter of the time to load the service
        }
        guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with (self.folder / f"{name}.uwsgi.log").open("ab") as log:
            process = subprocess.Popen([*guard, *command], env=env, stdout=log, stderr=log, start_new_session=True)
        self._processes.append(process)

    def _wait(self, url: str, seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(requests.RequestException):
                if requests.get(url, timeout=30).status_code < 500:
                    return
            if any(process.poll() is not None for process in self._processes):
                break
            time.sleep(0.05)
        raise RuntimeError(f"no service at {url}: {self._logs()}")

    def _logs(self) -> str:
        logs: Iterator[Path] = self.folder.glob("*.uwsgi.log")
        return " | ".join(f"{log.name}: {log.read_text(errors='replace')[-1500:]}" for log in logs)
