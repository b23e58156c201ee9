"""What a worker gets for one task: plain values and texts, encoded as JSON. Pure.

It has no credentials: a worker reads them from its own ``clouds.yaml``.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from imagesync.model.policy import Limit, Policy
from imagesync.targets.messages import Task, Verb

BEGUN: Final = "begun"
"""The first message of each attempt."""
TOPIC: Final = "imagesync-"
"""The beginning of the topics of runs."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits and permissions of the command line; None: those of the manifest."""

    max_delete: Limit | None = None
    max_update: Limit | None = None
    allow_protected: bool = False
    allow_destroy: bool = False
    reactivate: bool = False
    drift_only: bool = False

    def apply(self, declared: Policy) -> Policy:
        """The manifest's policy with these limits and permissions."""
        return replace(
            declared,
            max_delete=self.max_delete or declared.max_delete,
            max_update=self.max_update or declared.max_update,
            allow_protected=self.allow_protected,
            allow_destroy=self.allow_destroy,
            reactivate=self.reactivate,
            drift_only=self.drift_only,
        )


@dataclass(frozen=True, slots=True)
class ManifestTexts:
    """The manifests of a run as texts, and how to read them.

    ``files``: the text of each manifest and keyring, by its path relative to the catalog's folder. ``path``: the manifest
    or folder that the user named, relative to it. ``folder``: the absolute path of that folder at the user's, and
    ``display``: the beginning of the paths in messages. ``out``: the folder of the file for the plans, at the user's.
    """

    files: Mapping[str, str]
    path: str
    folder: str
    display: str
    out: str
    values: Mapping[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    strict: bool = False
    hosts: tuple[str, ...] = ()
    min_rate: int = 0
    asks_sources: bool = True
    allow_outside: bool = False


@dataclass(frozen=True, slots=True)
class FleetOrder:
    """What a run asks of each target.

    ``version``: of imagesync, which must be the worker's. ``run``: the id of the run. ``accepts_changes``: whether a target
    is applied although another plan was shown. ``creates_stores``: whether a store that does not exist is created.
    """

    version: str
    run: str
    texts: ManifestTexts
    limits: Limits = Limits()
    jobs: int = 8
    lock_timeout: float = 120.0
    accepts_changes: bool = False
    creates_stores: bool = False


@dataclass(frozen=True, slots=True)
class Assignment:
    """A task of a run. ``approved``: the document of the plan that was shown, for an apply.

    ``reviewed``: the document of the plan that must have every change. ``unlock``: the command that breaks the lease of the
    target, for messages.
    """

    task: Task
    order: FleetOrder
    unlock: str
    approved: Mapping[str, Any] | None = None
    reviewed: Mapping[str, Any] | None = None

    def encode(self) -> str:
        """The text that travels."""
        return json.dumps(asdict(self))


def decode(text: str) -> Assignment:
    """The assignment of a text that ``encode`` made with this version. ValueError or KeyError for another text."""
    document = json.loads(text)
    task, order = document["task"], document["order"]
    texts, limits = order["texts"], order["limits"]
    return Assignment(
        Task(task["target"], Verb(task["verb"]), tuple(task["peers"])),
        FleetOrder(
            **{
                **order,
                "texts": ManifestTexts(**{**texts, "only": tuple(texts["only"]), "hosts": tuple(texts["hosts"])}),
                "limits": Limits(
                    **{**limits, **{name: _decode_limit(limits[name]) for name in ("max_delete", "max_update")}}
                ),
            }
        ),
        str(document["unlock"]),
        document["approved"],
        document["reviewed"],
    )


def _decode_limit(document: Mapping[str, Any] | None) -> Limit | None:
    return Limit(**document) if document is not None else None


def make_topic(run: str, target: str) -> str:
    """Where the messages about a target of a run are published. ``run``: its id, hexadecimal digits."""
    return f"{TOPIC}{run}-{target}"


def find_target(topic: str) -> str | None:
    """The target of a topic; None if it is not one of a run."""
    found = re.fullmatch(rf"{TOPIC}[0-9a-f]+-(.+)", topic, re.DOTALL)
    return found[1] if found else None
