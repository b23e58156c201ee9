"""One merged image definition -> an ``ImageSpec``; what only a person could have got wrong becomes a diagnostic. Pure."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from imagesync.manifest.sources import Draft, Setting, make_source
from imagesync.manifest.texts import find_alike_names, find_text_problems
from imagesync.manifest.yaml_reader import Node
from imagesync.model.alike import DIFFERENCE
from imagesync.model.catalog import Auto, ImageSpec, Member, NamedProject, OnExpire, Place, Status, Visibility
from imagesync.model.policy import OnReplace
from imagesync.secrets import quote_value

_DAYS: Final = {"d": 1, "w": 7}
_NAMING: Final = ("disk_format", "container_format", "id", "name", "adopt")
_RETIRED_FIELDS: Final = ("visibility", "protected", "min_disk", "min_ram")


def make_spec(key: str, data: Mapping[str, Any], node: Node, setting: Setting) -> ImageSpec | None:
    """The typed value of one image (``data``: its plain data, ``node``: where it stands); None when it has no usable source."""
    image = Draft(key, node, setting, data.get("container_format"))
    for path, message, hint in find_text_problems(data, key):
        image.complain(path, message, hint)
    _complain_of_alike_names(image, data)
    if (expires := data.get("expires")) and not _is_date(expires):
        image.complain(("expires",), f"{quote_value(expires)} is not a day of the calendar", "write YYYY-MM-DD")
    source = make_source(data.get("source"), image)
    if source is None:
        return None
    min_disk = data.get("min_disk")
    return ImageSpec(
        key=key,
        name=data.get("name", key),
        source=source,
        id=data.get("id"),
        owner=make_project(data["owner"]) if "owner" in data else None,
        disk_format=data.get("disk_format"),
        container_format=data.get("container_format"),
        visibility=Visibility(data["visibility"]) if "visibility" in data else None,
        min_disk=Auto.AUTO if min_disk == "auto" else min_disk,
        min_ram=data.get("min_ram"),
        status=Status(data["status"]) if "status" in data else None,
        protected=data.get("protected"),
        hidden=data.get("hidden"),
        tags=frozenset(data.get("tags", ())),
        members=frozenset(map(make_project, data.get("members", ()))),
        members_declared="members" in data,
        properties=dict(sorted(data.get("properties", {}).items())),
        ignore=tuple(data.get("ignore", ())),
        adopt=data.get("adopt", False),
        expires=expires,
        on_expire=OnExpire(data["on_expire"]) if "on_expire" in data else None,
        on_replace=make_on_replace(data.get("on_replace", {})),
        place=image.place(),
        source_place=image.place("source"),
        lines=_find_lines(image),
    )


def _complain_of_alike_names(image: Draft, data: Mapping[str, Any]) -> None:
    for path, first_path, first in find_alike_names(data):
        place = image.place(*first_path)
        message = f"differs from {quote_value(first)} ({place.file}:{place.line}) {DIFFERENCE}"
        image.complain(path, message, "most image services cannot keep both: write one of them, in one way")


def _find_lines(image: Draft) -> dict[str, Place]:
    """Where the parts stand that name the content or the image, as far as they are written."""
    written = image.node.items()
    paths: list[tuple[str, ...]] = [(name,) for name in _NAMING if name in written]
    if "source" in written and (source := written["source"].items()):
        paths += [("source", name) for name in ("checksum", "checksum_url", "url", "path") if name in source]
    return {path[-1]: image.place(*path) for path in paths}


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def make_project(value: str | Mapping[str, str]) -> Member:
    """A project as a manifest names it: an id, ``{id: …}``, or ``{project: …, domain: …}``."""
    if isinstance(value, str):
        return value
    return value["id"] if "id" in value else NamedProject(value["project"], value.get("domain", "Default"))


USUAL: Final = OnReplace()
"""What becomes of a superseded image where nothing is said of it."""


def make_on_replace(data: Mapping[str, Any]) -> OnReplace:
    """``on_replace`` as a value; ``90d`` and ``2w`` in days."""
    if not data:
        return USUAL
    after, changes = data.get("delete_after"), data.get("set", {})
    return OnReplace(
        keep=data.get("keep", 1),
        delete_after=int(after[:-1]) * _DAYS[after[-1]] if after else None,
        hide=data.get("hide", True),
        deactivate=data.get("deactivate", False),
        rename=data.get("rename") or None,
        set_fields=tuple(sorted((name, changes[name]) for name in _RETIRED_FIELDS if name in changes)),
        set_properties=tuple(sorted(changes.get("properties", {}).items())),
        set_tags=tuple(sorted(changes.get("tags", ()))),
        unset=tuple(data.get("unset", ())),
    )
