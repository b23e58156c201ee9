"""A page of the documentation and a real cloud -> the page with the present output. Runs processes, writes files.

The page is typed in an empty folder beside a copy of ``examples/``, with a clouds.yaml that has the cloud ``mycloud``.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import yaml

from tests.cloud.old_project import create_old_project
from tests.cloud.service import Cloud
from tests.command import ROOT, cloud_environment
from tests.pages import DOCS, Typist

CLOUDS: Final = "clouds.yaml"
PREPARATIONS: Final[Mapping[str, Callable[[Cloud], None]]] = MappingProxyType({"take-over": create_old_project})
"""By page: what creates the images that the cloud has before."""


def type_page(name: str, folder: Path, cloud: Cloud) -> str:
    """The page of ``docs/`` with the present output of its commands."""
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("lab-store"))
    clouds = write_clouds(folder, cloud)
    PREPARATIONS.get(name, lambda _: None)(cloud)
    samples = {
        cloud.auth_url.removesuffix("/v3"): "http://identity.example.com",
        cloud.auth_url.removeprefix("http://").removesuffix("/v3"): "identity.example.com",
        cloud.image_url: "http://images.example.com",
        str(clouds): "/etc/openstack/clouds.yaml",
    }
    env = cloud_environment(clouds, OS_CLOUD="mycloud")
    typist = Typist(folder, env, samples=samples, programs=cloud.venv / "bin")
    return typist.play((DOCS / f"{name}.md").read_text(encoding="utf-8"))


def write_clouds(folder: Path, cloud: Cloud) -> Path:
    """The path of a new clouds.yaml with the cloud of the pages."""
    clouds = yaml.safe_load(cloud.clouds_yaml.read_text())["clouds"]
    path = folder / CLOUDS
    path.write_text(yaml.safe_dump({"clouds": {"mycloud": clouds["operator"]}}))
    return path
