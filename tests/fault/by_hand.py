"""Changes images by hand, as a user does, just before chosen requests of an apply. Does I/O.

The changes are sent directly to the image service. The apply runs through the proxy of ``proxied_workspace``: when one
of its requests that writes to an image reaches the proxy, the image is changed first, and then the request continues.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.cloud.service import Cloud, Http, Request, Snapshot
from tests.command import Result
from tests.fault.proxied_workspace import ProxiedWorkspace
from tests.fault.proxy import UUID, Call

Spot = tuple[str, int]
"""The n-th request, from 0, that writes to an image; the image is written as ``KEY``, ``KEY (new)`` or ``KEY
(retired)``."""

SPOTS: Final[dict[str, tuple[Spot, ...]]] = {
    "first": (
        ("created", 0),
        ("deactivated", 0),
        ("reactivated", 0),
        ("removed", 0),
        ("replaced (new)", 0),
        ("shared", 0),
        ("switched-off", 0),
        ("updated", 0),
    ),
    "second": (
        ("created", 1),
        ("deactivated", 1),
        ("removed", 1),
        ("replaced (new)", 1),
        ("shared", 1),
        ("switched-off", 1),
    ),
    "publish": (
        ("created", 2),
        ("replaced (new)", 2),
        ("shared", 2),
        ("switched-off", 2),
    ),
    "retire": (("replaced", 0), ("replaced (retired)", 0)),
    "delete": (("replaced (retired)", 1),),
}
"""Every request of the apply of ``scenario`` that writes to an image, in sets whose changes do not disturb each other."""


def _remove(names: Callable[[str], bool]) -> Callable[[Cloud, dict[str, Any]], object]:
    def remove(cloud: Cloud, image: dict[str, Any]) -> object:
        found: list[dict[str, object]] = [{"op": "remove", "path": f"/{name}"} for name in image if names(name)]
        return cloud.http().patch(image["id"], *found)

    return remove


def _replace(path: str, value: Callable[[Cloud, dict[str, Any]], object]) -> Callable[[Cloud, dict[str, Any]], object]:
    def replace(cloud: Cloud, image: dict[str, Any]) -> object:
        return cloud.http("admin").patch(image["id"], {"op": "add", "path": f"/{path}", "value": value(cloud, image)})

    return replace


def _deactivate(cloud: Cloud, image: dict[str, Any]) -> object:
    return cloud.http().send("POST", f"/images/{image['id']}/actions/deactivate")


def _delete(cloud: Cloud, image: dict[str, Any]) -> object:
    return cloud.http().send("DELETE", f"/images/{image['id']}")


def _share(cloud: Cloud, image: dict[str, Any]) -> object:
    return cloud.http().send("POST", f"/images/{image['id']}/members", json={"member": "theirs"})


def _turn(image: dict[str, Any]) -> str:
    return "private" if image["visibility"] in ("public", "shared") else "public"


def _turn_role(image: dict[str, Any]) -> str:
    return "retired" if image["imagesync_role"] == "current" else "current"


CHANGES: Final[dict[str, Callable[[Cloud, dict[str, Any]], object]]] = {
    "whole marker removed": _remove(lambda name: name.startswith("imagesync_")),
    "catalog removed": _remove(lambda name: name == "imagesync_catalog"),
    "id removed": _remove(lambda name: name == "imagesync_id"),
    "given to another project": _replace("owner", lambda cloud, _: cloud.project_id("other")),
    "renamed": _replace("name", lambda _, image: f"theirs {image['id'][:8]}"),
    "protected": _replace("protected", lambda _, __: True),
    "published or unpublished": _replace("visibility", lambda _, image: _turn(image)),
    "hidden or shown": _replace("os_hidden", lambda _, image: not image["os_hidden"]),
    "given another role": _replace("imagesync_role", lambda _, image: _turn_role(image)),
    "deactivated": _deactivate,
    "deleted": _delete,
    "given a property": _replace("theirs", lambda _, __: "1"),
    "given a tag": _replace("tags", lambda _, image: [*image["tags"], "theirs"]),
    "given a member": _share,
}
DISOWNING: Final = ("whole marker removed", "catalog removed", "id removed", "given to another project")
"""Changes after which an image has lost its marker."""


@dataclass(frozen=True)
class Hit:
    """One change before one request: which request it was, and the image right after the change."""

    spot: Spot
    call: Call
    image_id: str
    changed: dict[str, Any] | None


@dataclass
class Disturbed:
    """An apply, the changes that were made by hand during it, and the writes of imagesync that the service saved after
    each change."""

    result: Result
    hits: list[Hit] = field(default_factory=list)
    saved: dict[str, list[str]] = field(default_factory=dict)


def read(http: Http, image_id: str) -> dict[str, Any] | None:
    """An image, with its members; None if it was deleted."""
    answer = http.send("GET", f"/images/{image_id}")
    if answer.status_code == 404:
        return None
    image: dict[str, Any] = answer.json()
    members = http.send("GET", f"/images/{image_id}/members")
    found = members.json()["members"] if members.status_code == 200 else []
    return {**image, "tags": sorted(image["tags"]), "members": sorted(one["member_id"] for one in found)}


class Hand:
    """Changes images at these spots of one apply."""

    def __init__(self, workspace: ProxiedWorkspace, beginning: Snapshot, change: str, spots: Collection[Spot]) -> None:
        self._workspace, self._beginning, self._change, self._spots = workspace, beginning, change, spots
        self._admin = workspace.cloud.http("admin")
        self._labels: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._marks: dict[str, int] = {}
        self.hits: list[Hit] = []

    def apply(self) -> Disturbed:
        """Start from the first state, and run an apply with the changes."""
        cloud, proxy = self._workspace.cloud, self._workspace.proxy
        cloud.restore(self._beginning)
        for image in self._workspace.live():
            retired = image["imagesync_role"] == "retired"
            self._labels[image["id"]] = f"{image['imagesync_key']}{' (retired)' * retired}"
        proxy.forget()
        proxy.fault = self._come
        result = self._workspace.apply()
        proxy.forget()
        log = cloud.requests()
        saved = {image_id: list_saved(log[mark:], image_id) for image_id, mark in self._marks.items()}
        return Disturbed(result, self.hits, saved)

    def _come(self, call: Call) -> None:
        found = UUID.search(call.path)
        if call.method == "GET" or found is None:
            return
        image_id = found[0]
        image = read(self._admin, image_id)
        if image is None or image.get("imagesync_role") == "lease":
            return
        if image_id not in self._labels:
            self._labels[image_id] = self._name(image)
        label = self._labels[image_id]
        spot = label, self._counts.get(image_id, 0)
        self._counts[image_id] = spot[1] + 1
        if spot in self._spots and image_id not in self._marks:
            CHANGES[self._change](self._workspace.cloud, image)
            self._marks[image_id] = len(self._workspace.cloud.requests())
            self.hits.append(Hit(spot, call, image_id, read(self._admin, image_id)))

    def _name(self, image: Mapping[str, Any]) -> str:
        key = str(image["imagesync_key"])
        return f"{key} (new)" if key in self._labels.values() else key


def list_saved(log: list[Request], image_id: str) -> list[str]:
    """The requests of imagesync that wrote to an image and that the service saved."""
    ours = [one for one in log if one.agent.startswith("imagesync/") and image_id in one.path and one.method != "GET"]
    return [f"{one.method} {UUID.sub('ID', one.path)}" for one in ours if one.status < 300]
