"""One merged image -> an ``ImageSpec``, and a diagnostic for each problem that the schema cannot express. Pure."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

from imagesync.manifest.merging import Merged
from imagesync.manifest.sources import Draft, Setting, make_source
from imagesync.manifest.texts import find_alike_names, find_text_problems
from imagesync.model.alike import DIFFERENCE
from imagesync.model.catalog import Auto, ImageSpec, Member, NamedProject, OnExpire, Place, Status, Visibility
from imagesync.model.policy import OnReplace
from imagesync.secrets import quote_value

_DAYS: Final = {"d": 1, "w": 7}
_NAMING: Final = ("disk_format", "container_format", "id", "name", "adopt", "properties", "tags", "min_disk", "min_ram")
_RETIRED_FIELDS: Final = ("visibility", "protected", "min_disk", "min_ram")


def make_spec(key: str, data: Mapping[str, Any], merged: Merged, setting: Setting) -> ImageSpec | None:
    """The ``ImageSpec`` of one image; None if it has no usable source. ``data``: the filled data of ``merged``."""
    image = Draft(key, merged, setting, data.get("container_format"))
    for path, message, hint in find_text_problems(data, key):
        image.complain(path, message, hint)
    _complain_of_alike_names(image, data)
    if (expires := data.get("expires")) and not _is_date(expires):
        image.complain(("expires",), f"{quote_value(expires)} is not a date of the calendar", "write YYYY-MM-DD")
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
        moved_from=_read_former_keys(data.get("moved", {})),
        expires=expires,
        on_expire=OnExpire(data["on_expire"]) if "on_expire" in data else None,
        on_replace=make_on_replace(data.get("on_replace", {})),
        places=_Places(image),
    )


def _complain_of_alike_names(image: Draft, data: Mapping[str, Any]) -> None:
    for path, first_path, first in find_alike_names(data):
        place = image.place(*first_path)
        message = f"differs from {quote_value(first)} ({place.file}:{place.line}) {DIFFERENCE}"
        image.complain(path, message, "keep one of them: most image services cannot store both")


class _Places(Mapping[str, Place]):
    """``ImageSpec.places``, found on demand."""

    __slots__ = ("_found", "_image")

    def __init__(self, image: Draft) -> None:
        self._image = image
        self._found: dict[str, Place] | None = None

    def _find_all(self) -> dict[str, Place]:
        if self._found is None:
            self._found = _find_places(self._image)
        return self._found

    def __getitem__(self, name: str) -> Place:
        return self._find_all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._find_all())

    def __len__(self) -> int:
        return len(self._find_all())


def _find_places(image: Draft) -> dict[str, Place]:
    """The places of the image, its source, and the declared fields that identify image and content."""
    written = image.node.items()
    paths: list[tuple[str, ...]] = [(name,) for name in _NAMING if name in written]
    if "source" in written and (source := written["source"].items()):
        paths += [("source", name) for name in ("checksum", "checksum_url", "url", "path") if name in source]
    properties = written["properties"].items() if "properties" in written else {}
    own = {f"properties.{name}": image.place("properties", name) for name in properties}
    return (
        own
        | {"image": image.place(), "source": image.place("source")}
        | {path[-1]: image.place(*path) for path in paths}
    )


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


def _read_former_keys(moved: Mapping[str, Any]) -> tuple[str, ...]:
    former = moved.get("from", ())
    return (former,) if isinstance(former, str) else tuple(former)


USUAL: Final = OnReplace()
"""The fate of a superseded image if nothing is declared."""


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
