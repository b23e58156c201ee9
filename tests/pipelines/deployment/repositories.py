"""A git repository with manifests, as the examples of pipelines clone it. Writes files, runs git."""

import subprocess
from pathlib import Path
from typing import Final

CATALOG: Final = """version: 1
catalog: base
targets: {prod: {cloud: prod}}
defaults: {disk_format: raw, container_format: bare}
images: {web: {name: Web, source: web.raw, min_ram: 64}}
"""


def commit(folder: Path) -> None:
    """Make ``folder`` a repository whose branch main has a catalog of one image for the target prod."""
    images = folder / "images"
    images.mkdir(parents=True)
    (images / "catalog.yaml").write_text(CATALOG)
    (images / "web.raw").write_bytes(b"\xe1" * 4096)
    who = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    for words in (["init", "--quiet", "--initial-branch=main"], ["add", "."], [*who, "commit", "--quiet", "-mx"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
