"""One merged image definition -> an ``ImageSpec``; what only a person could have got wrong becomes a diagnostic. Pure."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from imagesync.loader import Entry
from imagesync.model import (
    Auto,
    Checksum,
    Compression,
    Content,
    FileSource,
    ImageSpec,
    KnownContent,
    Method,
    NamedProject,
    OnExpire,
    OnReplace,
    Signature,
    Source,
    Status,
    Transfer,
    UrlSource,
    Visibility,
)

Complain = Callable[..., None]

OWN_FIELDS: Final = frozenset(
    {
        "id",
        "name",
        "status",
        "visibility",
        "owner",
        "disk_format",
        "container_format",
        "min_disk",
        "min_ram",
        "protected",
    }
    | {
        "os_hidden",
        "tags",
        "size",
        "virtual_size",
        "checksum",
        "os_hash_algo",
        "os_hash_value",
        "created_at",
        "updated_at",
    }
    | {"file", "self", "schema", "direct_url", "locations", "location", "stores", "deleted", "deleted_at"}
)
MOST_PROPERTIES: Final = 122
MOST_BYTES: Final = 65_535
_SUFFIXES: Final = {".gz": Compression.GZ, ".xz": Compression.XZ, ".bz2": Compression.BZ2, ".zst": Compression.ZST}
_DAYS: Final = {"d": 1, "w": 7}


def make_spec(
    key: str, data: Mapping[str, Any], entry: Entry, base: str, complain: Complain, *, allow_outside: bool
) -> ImageSpec | None:
    """The typed value of one image; None when its source cannot be made."""
    where = f"images.{key}"
    _check_texts(data, entry, where, complain)
    source = _source(data.get("source"), entry, base, where, complain, allow_outside=allow_outside)
    if source is None:
        return None
    min_disk = data.get("min_disk")
    return ImageSpec(
        key=key,
        name=data.get("name", key),
        source=source,
        id=data.get("id"),
        owner=data.get("owner"),
        disk_format=data.get("disk_format"),
        container_format=data.get("container_format"),
        visibility=Visibility(data["visibility"]) if "visibility" in data else None,
        min_disk=Auto.AUTO if min_disk == "auto" else min_disk,
        min_ram=data.get("min_ram"),
        status=Status(data["status"]) if "status" in data else None,
        protected=data.get("protected"),
        hidden=data.get("hidden"),
        tags=frozenset(data.get("tags", ())),
        members=frozenset(map(_member, data.get("members", ()))),
        members_declared="members" in data,
        properties=dict(sorted(data.get("properties", {}).items())),
        ignore=tuple(data.get("ignore", ())),
        adopt=data.get("adopt", False),
        expires=data.get("expires"),
        on_expire=OnExpire(data["on_expire"]) if "on_expire" in data else None,
        on_replace=make_on_replace(data.get("on_replace", {})),
        place=entry.place(),
    )


def _member(value: str | Mapping[str, str]) -> str | NamedProject:
    return value if isinstance(value, str) else NamedProject(value["project"], value.get("domain", "Default"))


def make_on_replace(data: Mapping[str, Any]) -> OnReplace:
    """``on_replace`` as a value; ``90d`` and ``2w`` in days."""
    after, changes = data.get("delete_after"), data.get("set", {})
    return OnReplace(
        keep=data.get("keep", 1),
        delete_after=int(after[:-1]) * _DAYS[after[-1]] if after else None,
        hide=data.get("hide", True),
        deactivate=data.get("deactivate", False),
        rename=data.get("rename") or None,
        set_properties=tuple(sorted(changes.get("properties", {}).items())),
        set_tags=tuple(sorted(changes.get("tags", ()))),
        unset=tuple(data.get("unset", ())),
    )


def _check_texts(data: Mapping[str, Any], entry: Entry, where: str, complain: Complain) -> None:
    """What the service refuses or would hide: reserved names, control characters, characters beyond the basic plane."""
    properties = data.get("properties", {})
    replaced = data.get("on_replace", {})
    named = {f"{where}.properties.{name!a}": name for name in properties}
    named |= {f"{where}.on_replace.set.properties.{n!a}": n for n in replaced.get("set", {}).get("properties", {})}
    named |= {f"{where}.on_replace.unset.{n!a}": n.removeprefix("properties.") for n in replaced.get("unset", ())}
    for place, name in named.items():
        if name.startswith(("imagesync_", "os_glance")) or name in OWN_FIELDS:
            complain(entry, place, "this name is reserved", "choose another")
    if len(properties) > MOST_PROPERTIES:
        complain(entry, f"{where}.properties", f"{len(properties)} properties, the limit is {MOST_PROPERTIES}", "")
    for name, value in properties.items():
        if (size := len(value.encode())) > MOST_BYTES:
            complain(
                entry, f"{where}.properties.{name!a}", f"{size} bytes long, the limit is {MOST_BYTES}", "shorten it"
            )
    texts = {f"{where}.name": str(data.get("name", ""))}
    texts |= {f"{where}.tags": "".join(data.get("tags", ()))}
    texts |= {f"{where}.properties.{name!a}": name + value for name, value in properties.items()}
    for place, text in texts.items():
        if any(ord(char) > 0xFFFF for char in text):
            complain(entry, place, "holds a character beyond the basic plane, which the service refuses", "take it out")
        if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text):
            complain(entry, place, "holds a control character", "take it out")


def _source(
    value: Any, entry: Entry, base: str, where: str, complain: Complain, *, allow_outside: bool
) -> Source | None:
    if value is None:
        return Content.UNMANAGED
    if value == "none":
        return Content.NO_DATA
    data: Mapping[str, Any] = value if isinstance(value, dict) else _short_form(value)
    try:
        checksum = Checksum.parse(data["checksum"]) if "checksum" in data else None
    except ValueError as error:
        complain(entry, f"{where}.source.checksum", str(error), "correct it")
        return None
    if "path" in data and "url" in data:
        complain(entry, f"{where}.source", "has both path and url", "keep one")
        return None
    if "path" in data:
        path = os.path.normpath(os.path.join(entry.folder, data["path"]))
        if not allow_outside and not _inside(path, base):
            complain(
                entry, f"{where}.source", "lies outside the catalogue's folder", "move it, or pass --allow-outside"
            )
            return None
        return FileSource(path, data["path"], checksum, data.get("checksum_url"), _transfer(data, data["path"]))
    if "url" in data:
        urls = (data["url"],) if isinstance(data["url"], str) else tuple(data["url"])
        if wrong := [url for url in urls if urlsplit(url).scheme not in ("http", "https")]:
            complain(entry, f"{where}.source.url", f"{urlsplit(wrong[0]).scheme or 'no scheme'} is not http or https")
            return None
        signature = Signature(**data["signature"]) if "signature" in data else None
        transfer = _transfer(data, urlsplit(urls[0]).path)
        return UrlSource(urls, checksum, data.get("checksum_url"), signature, transfer)
    if checksum:
        return KnownContent(checksum)
    complain(entry, f"{where}.source", "has neither path, url nor checksum", "give one")
    return None


def _inside(path: str, base: str) -> bool:
    real, root = os.path.realpath(path), os.path.realpath(base)
    return real.startswith(root + os.sep)


def _short_form(text: str) -> dict[str, str]:
    if text.startswith(("http://", "https://")):
        return {"url": text}
    return {"path": unquote(urlsplit(text).path) if text.startswith("file:") else text}


def _transfer(data: Mapping[str, Any], name: str) -> Transfer:
    by_suffix = _SUFFIXES.get(os.path.splitext(name)[1].lower(), Compression.NONE)
    made = Transfer(
        compression=Compression(data["compression"]) if "compression" in data else by_suffix,
        method=Method(data.get("method", Method.UPLOAD)),
        stores=tuple(data.get("stores", ())),
        verify_download=data.get("verify") == "download",
    )
    return replace(made, max_size=data.get("max_size"), max_ratio=data.get("max_ratio"))
