"""No command writes a secret: all outputs are searched, at the highest verbosity, for success and for failure.

The secrets are those of the cloud's account (three ways to log in), of web servers (signed query, URL, netrc), and of a
proxy. The test searches both streams, every file that a run leaves, and what the service then has.
"""

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from tests import command, forked
from tests.cloud.bootstrap import PASSWORD
from tests.cloud.service import Cloud
from tests.command import RunCommand, cloud_environment
from tests.fault.mirror import File, Mirror, mirror
from tests.fault.proxy import Call, Fault, between
from tests.trials import note

SIGNED, IN_URL, IN_NETRC, OF_PROXY, OF_CREDENTIAL, WRONG = (
    f"{name}-that-nobody-may-read" for name in ("signature", "url-login", "netrc", "proxy", "credential", "wrong")
)
SECRETS = (PASSWORD, SIGNED, IN_URL, IN_NETRC, OF_PROXY, OF_CREDENTIAL, WRONG)
TOKEN = re.compile(r"gAAAA[\w-]{40}")
IMAGE = {"disk_format": "raw", "container_format": "bare"}


def find_secrets(text: str) -> list[str]:
    """The secrets that a text contains."""
    return [secret for secret in SECRETS if secret in text] + TOKEN.findall(text)


def make_web_image(url: str, data: bytes = b"", **more: str) -> dict[str, Any]:
    """An image from a URL with a secret; it has the digest that such a URL requires."""
    return {**IMAGE, "source": {"url": url, "checksum": f"sha256:{hashlib.sha256(data).hexdigest()}", **more}}


class SecretsWorkspace:
    """A catalog with secrets, a cloud with an account, and the command, whose output is searched."""

    def __init__(self, cloud: Cloud, web: Mirror, folder: Path) -> None:
        self.cloud, self.web, self.inputs, self.left = cloud, web, folder / "inputs", folder / "left"
        self.catalog = self.inputs / "catalog"
        self.catalog.mkdir(parents=True)
        self.left.mkdir()
        login = "Basic " + base64.b64encode(f"me:{IN_NETRC}".encode()).decode()
        (self.inputs / ".netrc").write_text(f"machine 127.0.0.1 login me password {IN_NETRC}\n")
        (self.inputs / ".netrc").chmod(0o600)
        web.publish("/kept.raw", File(b"\xeb" * 3000, login=login))
        for name in ("signed", "logged", "fetched"):
            web.publish(f"/{name}.raw", f"\0{name}".encode() * 600)
        self.images: dict[str, Any] = {
            "kept": {**IMAGE, "source": f"{web.address}/kept.raw"},
            "signed": make_web_image(f"{web.address}/signed.raw?X-Amz-Signature={SIGNED}", b"\0signed" * 600),
            "logged": make_web_image(f"{web.address.replace('//', f'//me:{IN_URL}@')}/logged.raw", b"\0logged" * 600),
            "fetched": make_web_image(
                f"{web.address}/fetched.raw?sig={SIGNED}", b"\0fetched" * 600, method="web-download"
            ),
        }
        self.entry: dict[str, Any] = {}
        self.more: dict[str, str] = {}
        self.talkative = ("-vv", "--log-file", str(self.left / "run.log"))
        self.run_command: RunCommand = forked.run
        self.log_in_with_password()

    def log_in_with_password(self, password: str = PASSWORD) -> None:
        """Log in with a user and a password, which is in secure.yaml."""
        entry = yaml.safe_load(self.cloud.clouds_yaml.read_text())["clouds"]["operator"]
        del entry["auth"]["password"]
        self._account(entry, {"password": password})

    def log_in_with_credential(self, secret: str | None = None) -> None:
        """Log in with an application credential of that user."""
        token = self.cloud.token("operator")
        user = next(u for u in self.cloud.identity("GET", "/users")["users"] if u["name"] == "operator")["id"]
        wanted = {
            "application_credential": {"name": str(uuid4()), "secret": OF_CREDENTIAL, "roles": [{"name": "admin"}]}
        }
        made = self.cloud.identity("POST", f"/users/{user}/application_credentials", wanted, token=token)
        given = {"auth_url": self.cloud.auth_url, "application_credential_id": made["application_credential"]["id"]}
        entry = {"auth_type": "v3applicationcredential", "auth": given, "region_name": "RegionOne"}
        self._account(entry, {"application_credential_secret": secret or OF_CREDENTIAL})

    def log_in_with_token(self, token: str | None = None) -> None:
        """Log in with a token that another program requested."""
        given = {"auth_url": self.cloud.auth_url, "project_name": "images", "project_domain_id": "default"}
        entry = {"auth_type": "v3token", "auth": given, "region_name": "RegionOne"}
        self._account(entry, {"token": token or self.cloud.token("operator")})

    def _account(self, entry: dict[str, Any], secret: dict[str, str]) -> None:
        (self.inputs / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"c": {**entry, **self.entry}}}))
        (self.inputs / "secure.yaml").write_text(yaml.safe_dump({"clouds": {"c": {"auth": secret}}}))

    def run(self, *words: str) -> tuple[int, str]:
        """Run ``imagesync WORDS``: exit code and both streams, after a search of the streams and of the files that the run left."""
        document = {"version": 1, "catalog": "base", "images": self.images}
        (self.catalog / "base.yaml").write_text(json.dumps(document))
        env = cloud_environment(self.inputs / "clouds.yaml")
        env |= {"HOME": str(self.left), "XDG_CACHE_HOME": str(self.left), "TMPDIR": str(self.left)}
        env |= {"NETRC": str(self.inputs / ".netrc"), "OS_CLIENT_SECURE_FILE": str(self.inputs / "secure.yaml")}
        result = self.run_command(*words, folder=self.left, env={**env, **self.more}, code=None)
        assert find_secrets(result.output) == [], (words, result)
        for path in self.left.rglob("*"):
            if path.is_file():
                assert find_secrets(path.read_bytes().decode("latin-1")) == [], (words, path)
        return result.code, result.output

    def run_on_cloud(self, name: str, *words: str) -> tuple[int, str]:
        """Run a command on the catalog and the cloud with the highest verbosity."""
        return self.run(name, str(self.catalog), "--cloud", "c", *self.talkative, *words)

    def read_service(self) -> str:
        """The images and imports of the project, as every user sees them who can read them."""
        http = self.cloud.http()
        tasks = [http.get(f"/images/{image['id']}/tasks") for image in http.images()]
        output = [{**task, "input": None} for found in tasks for task in found["tasks"]]  # the request, as it was made
        return json.dumps([http.everything(), output])


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> Iterator[SecretsWorkspace]:
    """A workspace that is ready, with nothing applied."""
    with mirror() as web:
        yield SecretsWorkspace(cloud, web, tmp_path)


def test_no_command_prints_a_secret(workspace: SecretsWorkspace) -> None:
    """Every command of a catalog's life runs with every output file; only the owner can read those files."""
    left, cloud = workspace.left, ("--cloud", "c", *workspace.talkative)
    for form in ("text", "json", "markdown"):
        workspace.run_on_cloud("plan", "--format", form)
        workspace.run("validate", str(workspace.catalog), "--format", form)
    assert workspace.run_on_cloud("plan", "-o", str(left / "plan.json"), "--ids", str(left / "ids0.json"))[0] == 0
    assert workspace.run("show", str(left / "plan.json"))[0] == 0
    assert workspace.run("show", str(left / "plan.json"), "--format", "json")[0] == 0
    files = ("--events", str(left / "events.json"), "-o", str(left / "report.json"), "--ids", str(left / "ids.json"))
    workspace.run_command = command.run  # a process of its own has this HOME from its start
    code, output = workspace.run("apply", str(left / "plan.json"), "--yes", "--allow-outside", *cloud, *files)
    assert code == 0, output
    assert workspace.run("list", *cloud)[0] == 0
    workspace.run_command = forked.run
    workspace.web.publish("/signed.raw", b"a newer buil\0" * 99)
    workspace.images["signed"]["source"]["checksum"] = "sha256:" + "0" * 64
    code, output = workspace.run_on_cloud("apply", "--yes", "--stage", *files)
    assert (code, "the data has sha256:" in output) == (1, True), output
    workspace.images["signed"] = make_web_image(
        f"{workspace.web.address}/signed.raw?v=2&a={SIGNED}", b"a newer buil\0" * 99
    )
    assert workspace.run_on_cloud("apply", "--yes", "--format", "json", *files)[0] == 0
    assert workspace.run("rollback", "signed", str(workspace.catalog), "--yes", *cloud, *files)[0] == 0
    assert workspace.run("list", *cloud, "--format", "json")[0] == 0
    assert workspace.run("list", workspace.cloud.http().images()[0]["id"], *cloud)[0] == 0
    assert workspace.run("list", "--members", *cloud)[0] == 0
    assert workspace.run("export", "--managed", *cloud, "-o", str(left / "out.yaml"))[0] == 0
    assert workspace.run("export", "--managed", *cloud)[0] == 0
    workspace.run_on_cloud("adopt", "--yes")
    workspace.run_on_cloud("unlock", "--yes")
    assert workspace.run_on_cloud("apply", "--yes", "--discard-staged")[0] == 0
    assert find_secrets(workspace.read_service()) == []
    for name in ("plan.json", "events.json", "report.json", "ids.json"):
        assert (left / name).stat().st_mode & 0o777 == 0o600, name
    note("secrets in the output of every command, at the highest verbosity", "none")


@pytest.mark.parametrize("account", ["credential", "token"])
def test_no_secret_of_another_account_is_printed(workspace: SecretsWorkspace, account: str) -> None:
    """These are the other ways to log in."""
    getattr(workspace, f"log_in_with_{account}")()
    left = workspace.left
    code, output = workspace.run_on_cloud(
        "apply", "--yes", "--events", str(left / "events"), "-o", str(left / "report.json")
    )
    assert code == 0, output
    assert find_secrets(workspace.read_service()) == []
    note("secrets in the output of every command, at the highest verbosity", "none")


def bad_sources(workspace: SecretsWorkspace) -> None:
    """One image for each: a rejected request, a missing file, a redirect to a signed URL, a checksum list, an unavailable server."""
    web = workspace.web
    web.publish("/refused.raw", File(b"", 403))
    web.publish("/moved.raw", File(b"", 302, {"Location": f"{web.address}/refused.raw?token={SIGNED}"}))
    web.publish("/circle.raw", File(b"", 302, {"Location": f"{web.address}/circle.raw?token={SIGNED}"}))
    web.publish("/SUMS", b"nothing of use\n")
    for name in ("refused", "moved", "circle", "gone"):
        workspace.images[name] = make_web_image(f"{web.address}/{name}.raw?X-Amz-Signature={SIGNED}")
    for name in ("SUMS", "GONE"):
        listed = {"url": f"{web.address}/signed.raw?a={SIGNED}", "checksum_url": f"{web.address}/{name}?sig={SIGNED}"}
        workspace.images[name.lower()] = {**IMAGE, "source": listed}
    nowhere = f"http://me:{IN_URL}@127.0.0.1:9/x.raw?sig={SIGNED}"
    workspace.images["nowhere"] = make_web_image(nowhere, method="web-download")


@pytest.mark.parametrize("which", ["refused", "moved", "circle", "gone", "sums", "nowhere"])
def test_no_failure_of_a_source_prints_a_secret(workspace: SecretsWorkspace, which: str) -> None:
    """The line still has the place and the reason."""
    bad_sources(workspace)
    workspace.images = {which: workspace.images[which]}
    left = workspace.left
    code, output = workspace.run_on_cloud(
        "apply", "--yes", "--events", str(left / "events"), "-o", str(left / "report.json")
    )
    assert code == 1, output
    assert "127.0.0.1" in output
    assert find_secrets(workspace.read_service()) == []
    note("secrets in the output of a run whose source fails", "none")


@pytest.mark.parametrize("account", ["password", "credential", "token"])
def test_no_rejected_account_prints_its_secret(workspace: SecretsWorkspace, account: str) -> None:
    """The line names the service of the cloud."""
    getattr(workspace, f"log_in_with_{account}")(WRONG)
    code, output = workspace.run_on_cloud("plan")
    assert len(output.splitlines()) == 1, output
    assert (code, "127.0.0.1" in output) == (64 if account == "token" else 1, True), output  # Keystone: no such token
    note("secrets in the output of a run whose login is refused", "none")


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_no_password_of_a_proxy_is_printed(workspace: SecretsWorkspace, name: str) -> None:
    """The proxy is used for the services and for the sources."""
    workspace.more = {name: f"http://me:{OF_PROXY}@127.0.0.1:9"}
    code, output = workspace.run_on_cloud("plan")
    *waits, last = output.splitlines()
    assert (code, last.startswith("imagesync: ")) == (1, True), output
    assert all("trying again in" in line for line in waits), output
    code, output = workspace.run(
        "apply", str(workspace.catalog), "--yes", "--store", str(workspace.left / "store"), "-v"
    )
    assert code == 1, output
    note("secrets in the output of a run whose proxy does not exist", "none")


def test_repeated_requests_print_no_secret(workspace: SecretsWorkspace) -> None:
    """Each kind of request fails once, with a page that repeats the request."""
    with between(workspace.cloud.image_url) as proxy:
        workspace.entry = {"image_endpoint_override": proxy.address, "api_timeout": 5}
        workspace.log_in_with_password()
        spoilt: set[str] = set()

        def fault(call: Call) -> Fault | None:
            if call.kind in spoilt or call.kind.endswith("/import"):  # that one is never sent twice
                return None
            spoilt.add(call.kind)
            return Fault(forward=False, status=503, body=f"no: https://me:{IN_URL}@h/?sig={SIGNED}".encode())

        proxy.fault = fault
        code, output = workspace.run_on_cloud("apply", "--yes", "--jobs", "1")
    assert code == 0, output
    assert "trying again" in output


def test_the_log_of_a_bug_has_no_secret(workspace: SecretsWorkspace) -> None:
    """A library fails with a message that has all its arguments: exit code 3, and only the owner can read the log."""
    (workspace.inputs / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def failing(self, method, url, **given):\n"
        "    if os.environ['FAILING'] not in url:\n"
        "        return asked(self, method, url, **given)\n"
        "    raise RuntimeError(f'{method} {url} {self.headers} {given}')\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'keystoneauth1.session':\n"
        "            sys.meta_path.remove(self)\n"
        "            import requests\n"
        "            globals()['asked'], requests.Session.request = requests.Session.request, failing\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    workspace.run_command = command.run
    workspace.more = {"PYTHONPATH": f"{workspace.inputs}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    for account in ("password", "credential", "token"):
        getattr(workspace, f"log_in_with_{account}")()
        workspace.more["FAILING"] = "/auth/tokens"
        code, output = workspace.run_on_cloud("plan")
        assert (code, "POST" in output, len(output.splitlines())) == (64, True, 1), output
        workspace.more["FAILING"] = "/v2/images?"
        code, output = workspace.run_on_cloud("plan")
        assert (code, "imagesync has a bug" in output) == (3, True), output
    logs = list(workspace.left.glob("imagesync-*.log"))
    assert len(logs) == 3
    for log in logs:
        assert log.stat().st_mode & 0o777 == 0o600
        assert "RuntimeError: GET" in log.read_text()
    note("secrets in the log of a bug whose message quotes a login", "none")
