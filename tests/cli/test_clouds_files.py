"""A user who may write into the working directory cannot send the credentials of a cloud to another address.

openstacksdk looks for settings in the working directory first, and merges what it finds into those of the user.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests import command
from tests.command import Result
from tests.forked import ForkedRuns

PASSWORD = "canary-password"
MANIFEST = "version: 1\ncatalog: c\nimages: {a: {source: none}}\n"
REFUSED = "the service rejected the credentials"
SUFFIXES = ("yaml", "yml", "json")


class Identity:
    """An identity service that refuses every user, at once: ``heard`` is all that was sent to it."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                service.messages.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                self.send_error(401)

            def do_GET(self) -> None:
                service.messages.append(self.path.encode())
                self.send_error(404)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v3"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def evil() -> Iterator[Identity]:
    """The attacker's."""
    found = Identity()
    yield found
    found.stop()


@pytest.fixture
def own() -> Iterator[Identity]:
    """That of the user's cloud."""
    found = Identity()
    yield found
    found.stop()


class Checkout:
    """A checkout with a manifest, and a user whose own clouds.yaml names the cloud ``prod``, which refuses him."""

    def __init__(self, folder: Path, own: Identity, runs: ForkedRuns, home: Path) -> None:
        self.folder, self.home, self._runs = folder / "checkout", home, runs
        config = self.home / ".config" / "openstack"
        config.mkdir(parents=True, exist_ok=True)
        (self.folder / "images").mkdir(parents=True)
        (self.folder / "images" / "base.yaml").write_text(MANIFEST)
        self.clouds = config / "clouds.yaml"
        self.clouds.write_text(json.dumps({"clouds": {"prod": self.entry(own.url, profile="vendor")}}))

    def entry(self, auth_url: str, **more: str) -> dict[str, object]:
        """A cloud with the canary's password."""
        scope = {"user_domain_id": "default", "project_domain_id": "default", "project_name": "p"}
        return {
            "auth": {"auth_url": auth_url, "username": "u", "password": PASSWORD, **scope},
            "region_name": "r",
            **more,
        }

    def run(self, *words: str, **env: str) -> Result:
        """Run a command in the checkout; it fails, because it is refused."""
        result = self._runs.run(words, self.folder, self._around(env), command.TIMEOUT)
        return self._judge(result)

    def run_in_process(self, *words: str, **env: str) -> Result:
        """The same in a process of its own, with its HOME and folder from its start: the library reads both when imported."""
        return self._judge(command.run(*words, folder=self.folder, env=self._around(env), code=None))

    def _around(self, env: dict[str, str]) -> dict[str, str]:
        return command.minimal_environment(**{"HOME": str(self.home), **env})

    def _judge(self, result: Result) -> Result:
        assert result.code != 0
        assert "Traceback" not in result.stderr
        assert PASSWORD not in result.output
        return result


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's home, in which each test writes its own clouds.yaml."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Iterator[ForkedRuns]:
    """The command, loaded once with that home."""
    with ForkedRuns(tmp_path_factory.mktemp("runs"), HOME=str(home)) as found:
        yield found


@pytest.fixture
def checkout(tmp_path: Path, own: Identity, runs: ForkedRuns, home: Path) -> Checkout:
    return Checkout(tmp_path, own, runs, home)


def files(checkout: Checkout, evil: Identity) -> dict[str, object]:
    """By name and content what a pull request may commit."""
    moved: object = {"clouds": {"prod": {"auth": {"auth_url": evil.url}}}}
    whole = {"clouds": {"prod": checkout.entry(evil.url)}}
    vendor = {"public-clouds": {"vendor": {"auth": {"auth_url": evil.url}}}}
    named: dict[str, object] = {f"secure.{suffix}": moved for suffix in SUFFIXES} | {
        f"clouds.{suffix}": whole for suffix in SUFFIXES
    }
    return {**named, **{f"clouds-public.{suffix}": vendor for suffix in SUFFIXES}}


@pytest.mark.parametrize(
    "name", [f"{part}.{suffix}" for part in ("secure", "clouds", "clouds-public") for suffix in SUFFIXES]
)
def test_no_settings_are_read_from_the_working_directory(
    checkout: Checkout, own: Identity, evil: Identity, name: str
) -> None:
    """Each of the files that the library reads there; the cloud is that of the user's own file.

    In a process of its own: the library takes the folder in which it is imported for the working directory.
    """
    (checkout.folder / name).write_text(json.dumps(files(checkout, evil)[name]))
    assert REFUSED in checkout.run_in_process("plan", "images", "--cloud", "prod").stderr
    assert any(PASSWORD.encode() in text for text in own.messages)
    entry = checkout.entry("", profile="vendor")
    checkout.clouds.write_text(
        json.dumps({"clouds": {"prod": {**entry, "auth": {"username": "u", "password": PASSWORD}}}})
    )
    assert "auth_url" in checkout.run_in_process("plan", "images", "--cloud", "prod").stderr
    assert evil.messages == []


def test_an_ignored_cloud_of_the_working_directory_is_reported(checkout: Checkout, evil: Identity) -> None:
    """With the option to use it; the file itself is not opened."""
    for name in ("clouds.yaml", "secure.yaml"):
        (checkout.folder / name).write_text("{not yaml at all")
    for home in (checkout.home, checkout.folder):
        result = checkout.run_in_process("plan", "images", "--cloud", "lab", HOME=str(home))
        assert "pass --clouds-file clouds.yaml if you trust it" in result.stderr
        assert result.code == 64


def test_a_clouds_file_that_is_named_is_the_only_one(checkout: Checkout, own: Identity, evil: Identity) -> None:
    """It replaces the user's; a secure.yaml beside it is not read."""
    (checkout.folder / "mine.yaml").write_text(json.dumps({"clouds": {"lab": checkout.entry(own.url)}}))
    (checkout.folder / "secure.yaml").write_text(json.dumps({"clouds": {"lab": {"auth": {"auth_url": evil.url}}}}))
    for words in (
        ("plan", "images"),
        ("list",),
        ("export",),
        ("apply", "--yes", "images"),
        ("unlock", "--yes", "images"),
    ):
        own.messages.clear()
        assert REFUSED in checkout.run(*words, "--clouds-file", "mine.yaml", "--cloud", "lab").stderr
        assert any(PASSWORD.encode() in text for text in own.messages)
    assert evil.messages == []
    result = checkout.run("plan", "images", "--clouds-file", "mine.yaml", "--cloud", "prod")
    assert "mine.yaml has these clouds: lab" in result.stderr


@pytest.mark.parametrize(
    ("words", "env", "message"),
    [
        (("--clouds-file", "none.yaml"), {}, "--clouds-file: file none.yaml does not exist; correct the path"),
        (("--clouds-file", "mine.yaml"), {"OS_CLIENT_CONFIG_FILE": "/else.yaml"}, "run: unset OS_CLIENT_CONFIG_FILE"),
        (("--clouds-file", "mine.yaml", "--store", "s"), {}, "cannot be used with a store"),
    ],
)
def test_a_clouds_file_that_cannot_be_meant_is_a_usage_error(
    checkout: Checkout, tmp_path: Path, words: tuple[str, ...], env: dict[str, str], message: str
) -> None:
    (checkout.folder / "mine.yaml").write_text(json.dumps({"clouds": {}}))
    elsewhere = {name: str(tmp_path / value.lstrip("/")) for name, value in env.items()}
    for value in elsewhere.values():
        Path(value).write_text(json.dumps({"clouds": {"prod": {}}}))
    cloud = () if "--store" in words else ("--cloud", "prod")
    result = checkout.run("plan", "images", *cloud, *words, **elsewhere)
    assert (result.code, message in result.stderr) == (64, True), result.stderr


@pytest.mark.parametrize("variable", ["OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE"])
@pytest.mark.parametrize(("path", "why"), [("none.yaml", "does not exist"), ("images", "is a folder, not a file")])
def test_a_file_that_a_variable_names_must_be_there(checkout: Checkout, variable: str, path: str, why: str) -> None:
    """The library would read the next file, and the cloud of another one could be meant."""
    for words in (("list",), ("plan", "images"), ("apply", "images", "--yes")):
        result = checkout.run(*words, "--cloud", "prod", **{variable: path})
        assert result.code == 64
        expected = f"imagesync: {variable}: {path} {why}; correct the variable, or run: unset {variable}\n"
        assert (result.stdout, result.stderr) == ("", expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "clouds:\n  lab:\n    auth: {auth_url: 'http://127.0.0.1:9/v3', username: u}\n",
            "cloud lab in c.yaml: password is missing; "
            "write password below auth of this cloud, or in secure.yaml in the same folder",
        ),
        (
            "clouds:\n  lab:\n    auth: {auth_url: 'http://127.0.0.1:9/v3', username: u, pasword: x}\n",
            "cloud lab in c.yaml: its auth_type has no setting pasword; write password instead",
        ),
        (
            "clouds:\n  lab:\n    auth: {auth_url: '127.0.0.1:9/v3', username: u, password: x}\n",
            "cloud lab in c.yaml: auth_url does not begin with http:// or https://; "
            "write the complete address of the identity service",
        ),
        (
            "clouds:\n  lab: x\n",
            "cloud lab in c.yaml: its settings are not a mapping; "
            "write auth, region_name and its other settings below the name of the cloud, each on its own line",
        ),
        (
            "- a\n",
            "cloud lab: c.yaml is empty or not a mapping; write clouds: in its first line, and the clouds below it",
        ),
        (
            "clouds: {eu: {}}\n",
            "cloud lab is not defined in c.yaml; correct the name, or add the cloud; c.yaml has these clouds: eu",
        ),
    ],
)
def test_what_is_wrong_with_the_settings_of_a_cloud(checkout: Checkout, text: str, expected: str) -> None:
    """One line: the file, what it lacks, what to write."""
    (checkout.folder / "c.yaml").write_text(text)
    result = checkout.run("list", "--cloud", "lab", OS_CLIENT_CONFIG_FILE="c.yaml")
    assert (result.code, result.stdout) == (64, "")
    assert result.stderr == f"imagesync: {expected}\n"


def test_tabs_in_a_file_with_clouds_are_named(checkout: Checkout) -> None:
    """The parser only says that the character cannot start any token."""
    (checkout.folder / "c.yaml").write_text("clouds:\n  lab:\n\tauth: {}\n")
    result = checkout.run("list", "--cloud", "lab", OS_CLIENT_CONFIG_FILE="c.yaml")
    assert result.code == 64
    assert result.stderr.startswith("imagesync: the file with clouds is not valid YAML: c.yaml: ")
    assert result.stderr.endswith("line 3, column 1; indent with spaces, not with tabs\n")
