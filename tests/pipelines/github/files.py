"""action.yml and the workflows of examples/pipelines/github -> their parsed YAML, and a repository as the guide makes it."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from tests.command import ROOT

ACTION: Final = ROOT / "action.yml"
SCRIPTS: Final = ROOT / "action"
EXAMPLES: Final = ROOT / "examples" / "pipelines" / "github"
PLACEHOLDER: Final = "OWNER/imagesync@COMMIT"
PINNED: Final = f"example/imagesync@{'5eed' * 10}"
"""What a user writes instead of the placeholder: a repository, and the full id of a commit."""


def list_workflows() -> list[Path]:
    """The example workflows, by name."""
    return sorted(EXAMPLES.glob("*.yml"))


class _Loader(yaml.SafeLoader):
    """YAML 1.2, as GitHub reads it: ``on`` is a word, and only true and false are booleans."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))


def read_yaml(path: Path) -> Any:
    """The content of a workflow or an action."""
    return parse_yaml(path.read_text(encoding="utf-8"))


def parse_yaml(text: str) -> Any:
    """The content of a text, as GitHub reads it."""
    return yaml.load(text, _Loader)


def list_steps(document: Any) -> Iterator[dict[str, Any]]:
    """Each step of all jobs of a workflow, or of an action."""
    if "runs" in document:
        yield from document["runs"]["steps"]
    for job in document.get("jobs", {}).values():
        yield from job["steps"]


def make_repository(folder: Path) -> Path:
    """A folder with the workflows and the action, after the replacement of the guide."""
    workflows = folder / ".github" / "workflows"
    workflows.mkdir(parents=True)
    for path in list_workflows():
        (workflows / path.name).write_text(path.read_text(encoding="utf-8").replace(PLACEHOLDER, PINNED))
    shutil.copy(ACTION, folder)
    shutil.copytree(SCRIPTS, folder / SCRIPTS.name)
    return folder
