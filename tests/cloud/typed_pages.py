"""A page of the documentation and a real cloud -> the page with the present output. Runs processes, writes files.

The page is typed in an empty folder beside a copy of ``examples/``, with a clouds.yaml that has the cloud ``mycloud``.
"""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import yaml

from tests.cloud.old_project import create_old_project
from tests.cloud.service import Cloud
from tests.command import ROOT, cloud_environment
from tests.pages import DOCS, Typist, read_blocks

CLOUDS: Final = "clouds.yaml"
IDENTITY: Final = "identity.example.com"
"""The host of the identity service on the pages."""


def type_page(name: str, folder: Path, cloud: Cloud) -> str:
    """The page of ``docs/`` with the present output of its commands."""
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("lab-store"))
    clouds = write_clouds(folder, cloud)
    page = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    if name in PREPARATIONS:
        PREPARATIONS[name](cloud, folder, page)
    samples = {cloud.auth_url.removeprefix("http://").removesuffix("/v3"): IDENTITY}
    env = cloud_environment(clouds, OS_CLOUD="mycloud")
    return Typist(folder, env, samples=samples, programs=cloud.venv / "bin").play(page)


def write_clouds(folder: Path, cloud: Cloud) -> Path:
    """The path of a new clouds.yaml with the cloud of the pages."""
    clouds = yaml.safe_load(cloud.clouds_yaml.read_text())["clouds"]
    path = folder / CLOUDS
    path.write_text(yaml.safe_dump({"clouds": {"mycloud": clouds["operator"]}}))
    return path


def create_credentials(cloud: Cloud, folder: Path, page: str) -> None:
    """Run the commands of the page that create application credentials, and write each into the file that it shows.

    ``images-plan`` is written to ``plan.yaml``. A credential that an earlier run created is deleted first.
    """
    blocks = read_blocks(page)
    (template,) = (block.text for block in blocks if "application_credential_id: ID" in block.text)
    lines = [line for block in blocks if block.kind == "sh" for line in block.text.splitlines()]
    for line in lines:
        *words, name = shlex.split(line.partition(" --role")[0])
        _run_client(cloud, folder, *words[1:-1], "delete", name, check=False)
        made = json.loads(_run_client(cloud, folder, *shlex.split(line)[1:], "-f", "json"))
        found = {key.lower(): value for key, value in made.items()}
        text = template.replace("https://identity.example.com/v3", cloud.auth_url)
        text = text.replace(": ID\n", f": {found['id']}\n").replace(": SECRET\n", f": {found['secret']}\n")
        (folder / f"{name.removeprefix('images-')}.yaml").write_text(text)


def _run_client(cloud: Cloud, folder: Path, *words: str, check: bool = True) -> str:
    """What OpenStack's own client prints; CalledProcessError if it fails."""
    env = {**cloud_environment(folder / CLOUDS, OS_CLOUD="mycloud"), "PATH": os.environ["PATH"]}
    client = str(cloud.venv / "bin" / "openstack")
    return subprocess.run([client, *words], env=env, check=check, capture_output=True, text=True).stdout


PREPARATIONS: Final[Mapping[str, Callable[[Cloud, Path, str], None]]] = MappingProxyType(
    {"rights": create_credentials, "take-over": lambda cloud, _, __: create_old_project(cloud)}
)
"""By page: what creates that which the page expects in the cloud, or in the folder."""
