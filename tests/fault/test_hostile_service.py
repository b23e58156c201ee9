"""A service that lies, never ends, or leads to another host: one clear line, limited memory, and no secret is sent to
another host."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import command, forked
from tests.command import RunCommand, cloud_environment
from tests.fault.scripted import Say, Server, image, listening
from tests.trials import note

PASSWORD, TOKEN = "the-password", "gAAAAA-the-token"
MANIFEST = {"version": 1, "catalog": "base", "images": {"a": {"source": "none", "properties": {"p": "1"}}}}


class Keystone:
    """An identity service on loopback that accepts any login, unless its ``say`` gives another answer."""

    def __init__(self) -> None:
        self.image_url = ""
        self.say: Callable[[str], Say | None] = lambda path: None
        self.server = Server(self._answer)

    def _answer(self, path: str) -> Say:
        if (odd := self.say(path)) is not None:
            return odd
        if path.endswith("/auth/tokens"):
            return Say(201, token(self.image_url), {"X-Subject-Token": TOKEN})
        return Say(404, b"")


def token(image_url: str) -> dict[str, Any]:
    """The token of a project, whose catalog has one service."""
    endpoint = {"interface": "public", "region": "r", "region_id": "r", "url": image_url, "id": "e"}
    project = {"id": "p1", "name": "images", "domain": {"id": "default", "name": "Default"}}
    user = {"id": "u", "name": "alice", "domain": {"id": "default", "name": "Default"}}
    times = {"issued_at": "2020-01-01T00:00:00.000000Z", "expires_at": "2999-01-01T00:00:00.000000Z"}
    catalog = [{"type": "image", "name": "glance", "id": "s", "endpoints": [endpoint]}]
    return {
        "token": {**times, "methods": ["password"], "user": user, "project": project, "catalog": catalog, "roles": []}
    }


class HostileCloud:
    """A manifest, an identity service, an image service, another host, and the command."""

    def __init__(self, folder: Path, keystone: Keystone, auth_url: str, glance: Server, other: Server) -> None:
        self.folder, self.keystone, self.glance, self.other = folder, keystone, glance, other
        self.answer: Callable[[str], Say] = lambda path: Say(body={"images": []})
        self.run_command: RunCommand = forked.run
        self.settings = {"auth_url": auth_url, "username": "alice", "password": PASSWORD, "project_name": "images"}
        domains = {"project_domain_id": "default", "user_domain_id": "default"}
        self.config: dict[str, Any] = {"auth": {**self.settings, **domains}, "region_name": "r", "api_timeout": 2}

    def run(self, *words: str) -> tuple[int, str, str]:
        """Run ``imagesync WORDS --cloud c``: the exit code and both streams, which never contain a secret or a
        traceback."""
        (self.folder / "base.yaml").write_text(json.dumps(MANIFEST))
        (self.folder / ".clouds.yaml").write_text(json.dumps({"clouds": {"c": self.config}}))
        env = cloud_environment(self.folder / ".clouds.yaml", TMPDIR=str(self.folder))
        done = self.run_command(*words, "--cloud", "c", folder=self.folder, env=env, code=None)
        assert list(self.folder.glob("imagesync-*.log")) == [], next(self.folder.glob("imagesync-*.log")).read_text()
        for secret in (PASSWORD, TOKEN):
            assert secret not in done.output
        assert all(line.isprintable() for line in done.output.split("\n"))
        return done.code, done.stdout, done.stderr

    def failing(self, *words: str) -> str:
        """Run a command that fails; its only line of output."""
        code, _, output = self.run(*words)
        assert code in (1, 64), output
        assert len(output.splitlines()) == 1, output
        return output


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[HostileCloud]:
    """Services that answer correctly."""
    keystone, other = Keystone(), Server(lambda path: Say(201, token(""), {"X-Subject-Token": "stolen"}))
    found: list[HostileCloud] = []
    glance = Server(lambda path: found[0].answer(path))
    with listening(keystone.server) as auth_url, listening(glance) as image_url, listening(other) as other_url:
        keystone.image_url = image_url
        found.append(HostileCloud(tmp_path, keystone, f"{auth_url}/v3", glance, other))
        other.address = other_url  # type: ignore[attr-defined]
        yield found[0]


def elsewhere(hostile: HostileCloud, path: str = "/v3/auth/tokens") -> dict[str, str]:
    """A header that leads to the other host, which also has another name."""
    address: str = hostile.other.address  # type: ignore[attr-defined]
    return {"Location": address.replace("127.0.0.1", "localhost") + path}


def test_correct_answers_lead_to_a_plan(hostile: HostileCloud) -> None:
    """The services themselves work, so a failure of another test has its own reason."""
    for run_command in (forked.run, command.run):
        hostile.run_command = run_command
        code, output, _ = hostile.run("plan")
        assert (code, "Plan: 1 to create" in output) == (0, True), hostile.run("plan")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_password_follows_no_redirect(hostile: HostileCloud, status: int) -> None:
    """The HTTP library would send the password again, to the host that the answer names."""
    hostile.keystone.say = lambda path: Say(status, b"", elsewhere(hostile)) if path.endswith("tokens") else None
    assert "redirect" in hostile.failing("plan")
    assert hostile.other.queries == []
    note("redirect of the login to another host", "one line, not followed")


def test_the_versions_are_not_requested_from_another_host(hostile: HostileCloud) -> None:
    """If auth_url has no version, the versions are requested first. A host that answers this request could choose where
    the password is sent."""
    hostile.config["auth"]["auth_url"] = hostile.settings["auth_url"].removesuffix("/v3")
    hostile.keystone.say = lambda path: Say(302, b"", elsewhere(hostile, "/v3/")) if "tokens" not in path else None
    assert "redirect" in hostile.failing("plan")
    assert hostile.other.queries == []


@pytest.mark.parametrize("version", ["/v3", ""])
def test_an_identity_service_that_does_not_list_its_versions(hostile: HostileCloud, version: str) -> None:
    """If auth_url has the version, the list is not needed; otherwise it is one line. The library alone would wait for
    itself."""
    hostile.config["auth"]["auth_url"] = hostile.settings["auth_url"].removesuffix("/v3") + version
    hostile.keystone.say = lambda path: None if path.endswith("tokens") else Say(401, {"error": {"message": "no"}})
    if version:
        assert hostile.run("plan")[0] == 0
    else:
        assert "auth_url" in hostile.failing("plan")


LOGINS = {
    "html": Say(201, b"<html>Welcome</html>", {"X-Subject-Token": TOKEN}),
    "empty": Say(201, b"", {"X-Subject-Token": TOKEN}),
    "no token": Say(201, {"token": {}}, {"X-Subject-Token": TOKEN}),
    "no header": Say(201, token("http://127.0.0.1:9")),
    "number": Say(201, {"token": 3}, {"X-Subject-Token": TOKEN}),
    "list": Say(201, [], {"X-Subject-Token": TOKEN}),
    "catalog of text": Say(201, {"token": {**token("")["token"], "catalog": "x"}}, {"X-Subject-Token": TOKEN}),
    "times": Say(201, {"token": {**token("")["token"], "expires_at": "soon"}}, {"X-Subject-Token": TOKEN}),
    "escapes": Say(400, {"error": {"message": "\x1b[2J\u009b" + PASSWORD[:3], "code": 400}}),
    "page": Say(503, b"<html>\x1b]0;owned\x07maintenance</html>"),
    "too large": Say(201, b" " * (9 * 2**20), {"X-Subject-Token": TOKEN}),
}


@pytest.mark.parametrize("kind", LOGINS)
def test_an_identity_service_that_makes_no_sense_is_one_line(hostile: HostileCloud, kind: str) -> None:
    """A login page of a proxy, or a token of another shape."""
    hostile.keystone.say = lambda path: LOGINS[kind]
    hostile.failing("plan")
    note("invalid answer to a login", "one line")


@pytest.mark.parametrize("words", [("plan",), ("apply", "--yes"), ("export",)])
def test_each_command_reports_it_in_one_line(hostile: HostileCloud, words: tuple[str, ...]) -> None:
    """Exit code 1, no traceback, and no log of a bug. Each command runs in its own process."""
    hostile.run_command = command.run
    hostile.answer = lambda path: Say(body={"images": [image(imagesync_catalog="base", owner={"x": "\x1b[2J"})]})
    hostile.failing(*words)
    note("wrong type in a field of an image, through a command", "one line")


def test_a_list_names_what_it_cannot_read(hostile: HostileCloud) -> None:
    """Once; it shows all other images. The image may belong to another project."""
    hostile.answer = lambda path: Say(body={"images": [image(owner={"x": "\x1b[2J"})]})
    code, _, output = hostile.run("list")
    assert (code, output.count("not listed: ")) == (0, 1), output


@pytest.mark.parametrize("words", [("list",), ("plan",), ("export", "--managed")])
def test_no_command_shows_a_character_that_moves_the_cursor(hostile: HostileCloud, words: tuple[str, ...]) -> None:
    """In any text of an image."""
    odd = "x\x1b[2J\u009b\u202e"
    names = ("name", "checksum", "imagesync_key", "imagesync_digest", "imagesync_role", "p")
    listed = {**image(owner="p1", imagesync_catalog="base", tags=[odd]), **dict.fromkeys(names, odd)}
    hostile.answer = lambda path: Say(body={"images": [listed]})
    assert hostile.run(*words)[0] in (0, 1)
