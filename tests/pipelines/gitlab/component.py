"""The component of ``templates/`` -> its inputs, and its jobs as GitLab reads them. Reads files."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml

from tests.command import ROOT

TEMPLATE: Final = ROOT / "templates" / "imagesync.yml"
EXAMPLES: Final = ROOT / "examples" / "pipelines" / "gitlab"
IMAGE: Final = f"registry.example.com/imagesync@sha256:{'0' * 64}"
"""A value for the one input that has no default."""
INPUT: Final = re.compile(r"\$\[\[ inputs\.(\w+) \]\]")
"""Where GitLab puts the value of an input."""
SCRIPTS: Final = ("before_script", "script", "after_script")


@dataclass(frozen=True)
class Component:
    """The two documents of a component, as text."""

    head: str
    body: str

    @cached_property
    def inputs(self) -> dict[str, dict[str, Any]]:
        """Each input with its description, default, type, regex and options."""
        inputs: dict[str, dict[str, Any]] = yaml.safe_load(self.head)["spec"]["inputs"]
        return inputs

    def expand(self, **values: object) -> dict[str, dict[str, Any]]:
        """The jobs, also the hidden ones, with these values of inputs; keys of ``extends`` are merged as GitLab does."""
        defaults = {name: one["default"] for name, one in self.inputs.items() if "default" in one}
        raw = _replace(yaml.safe_load(self.body), {**defaults, "image": IMAGE, **values})
        return {name: _extend(raw, name) for name in raw}


def read_component(path: Path = TEMPLATE) -> Component:
    """The component in a file."""
    head, body = path.read_text(encoding="utf-8").split("\n---\n")
    return Component(head, body)


def list_jobs(jobs: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The jobs that are not hidden."""
    return {name: job for name, job in jobs.items() if not name.startswith(".")}


def list_lines(job: Mapping[str, Any], *kinds: str) -> Iterator[str]:
    """The entries of the scripts of a job, in the order in which one shell runs them."""
    return (line for kind in kinds or SCRIPTS for line in job.get(kind, ()))


def _replace(node: Any, values: Mapping[str, object]) -> Any:
    """Replace inputs. A text that is only an input becomes a value of its type, as in GitLab."""
    if isinstance(node, dict):
        return {_replace(key, values): _replace(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [_replace(one, values) for one in node]
    if not isinstance(node, str):
        return node
    whole = INPUT.fullmatch(node)
    return values[whole[1]] if whole else INPUT.sub(lambda found: _show(values[found[1]]), node)


def _show(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _extend(jobs: Mapping[str, dict[str, Any]], name: str) -> dict[str, Any]:
    job = jobs[name]
    return _merge(_extend(jobs, job["extends"]), job) if "extends" in job else job


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are merged; anything else of ``above`` replaces what is below."""
    both = {key: _merge(below[key], above[key]) for key in below.keys() & above.keys() if isinstance(above[key], dict)}
    return {**below, **above, **both}
