"""One merged image definition -> an ``ImageSpec``; what only a person could have got wrong becomes a diagnostic. Pure."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final, TypeAlias
from urllib.parse import unquote, urlsplit

from imagesync.errors import Diagnostic
from imagesync.manifest.files import is_within
from imagesync.manifest.validation import dotted, locate
from imagesync.manifest.yaml_reader import Node
from imagesync.model.catalog import (
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
    Place,
    Signature,
    Source,
    Status,
    Transfer,
    UrlSource,
    Visibility,
)
from imagesync.model.image import OWN_FIELDS

RESERVED: Final = OWN_FIELDS | {"location", "deleted", "deleted_at"}
MOST_PROPERTIES: Final = 122
MOST_BYTES: Final = 65_535
_SUFFIXES: Final = {".gz": Compression.GZ, ".xz": Compression.XZ, ".bz2": Compression.BZ2, ".zst": Compression.ZST}
_BEYOND: Final = re.compile("[\U00010000-\U0010ffff\ud800-\udfff]")
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
OUTSIDE: Final = ("lies outside the catalogue's folder", "move it, or pass --allow-outside")
_DAYS: Final = {"d": 1, "w": 7}
_RETIRED_FIELDS: Final = ("visibility", "protected", "min_disk", "min_ram")


@dataclass(frozen=True, slots=True)
class Setting:
    """Where the images of one catalogue are made: folders to be relative to, and the list that problems go to."""

    base: str
    folders: Mapping[str, str]
    problems: list[Diagnostic]
    allow_outside: bool = False

    def contains(self, path: str) -> bool:
        """Whether a file may be read: links included, it lies in the catalogue's folder."""
        return self.allow_outside or is_within(os.path.realpath(path), os.path.realpath(self.base))


@dataclass(frozen=True, slots=True)
class _Image:
    """One image being made."""

    key: str
    node: Node
    setting: Setting
    container_format: str | None

    def complain(self, path: tuple[str | int, ...], message: str, hint: str = "") -> None:
        """A problem of one of its values."""
        while path and locate(self.node, path) is locate(self.node, path[:-1]):
            path = path[:-1]  # the short form has no such part
        node = locate(self.node, path)
        self.setting.problems.append(node.problem(dotted(("images", self.key, *path)), message, hint))

    def place(self, *path: str) -> Place:
        """Where one of its values stands."""
        node = locate(self.node, path)
        return Place(node.file, node.key_line or node.line, node.key_column or node.column)

    def absolute(self, path: tuple[str | int, ...], written: str) -> str:
        """A path as the file means it that writes it."""
        folder = self.setting.folders.get(locate(self.node, path).file, self.setting.base)
        return os.path.normpath(os.path.join(folder, written))


def make_spec(key: str, data: Mapping[str, Any], node: Node, setting: Setting) -> ImageSpec | None:
    """The typed value of one image (``data``: its plain data, ``node``: where it stands); None when it has no usable source."""
    image = _Image(key, node, setting, data.get("container_format"))
    for path, message, hint in text_problems(data):
        image.complain(path, message, hint)
    if (expires := data.get("expires")) and not _is_date(expires):
        image.complain(("expires",), f"{expires!r} is not a day of the calendar", "write YYYY-MM-DD")
    source = _source(data.get("source"), image)
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
        expires=expires,
        on_expire=OnExpire(data["on_expire"]) if "on_expire" in data else None,
        on_replace=make_on_replace(data.get("on_replace", {})),
        place=image.place(),
        source_place=image.place("source"),
        lines=_lines(image),
    )


def _lines(image: _Image) -> dict[str, Place]:
    """Where the parts stand that name the content, as far as they are written."""
    written = image.node.items()
    paths: list[tuple[str, ...]] = [(name,) for name in ("disk_format", "container_format", "id") if name in written]
    if "source" in written and (source := written["source"].items()):
        paths += [("source", name) for name in ("checksum", "checksum_url", "url", "path") if name in source]
    return {path[-1]: image.place(*path) for path in paths}


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _member(value: str | Mapping[str, str]) -> str | NamedProject:
    return value if isinstance(value, str) else NamedProject(value["project"], value.get("domain", "Default"))


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


Problem: TypeAlias = tuple[tuple[str | int, ...], str, str]


def text_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """What the service refuses or would hide: reserved names, control characters, characters beyond the basic plane."""
    properties, replaced = data.get("properties", {}), data.get("on_replace", {})
    places: list[tuple[tuple[str | int, ...], str]] = [(("properties", name), name) for name in properties]
    for place, name in (*places, *(_names_replaced(replaced) if replaced else ())):
        if name.startswith(("imagesync_", "os_glance")) or name in RESERVED:
            yield place, "this name is reserved", "choose another"
    if len(properties) > MOST_PROPERTIES:
        yield ("properties",), f"{len(properties)} properties, the limit is {MOST_PROPERTIES}", "take some out"
    for name, value in properties.items():
        if len(value) * 4 > MOST_BYTES and (size := len(value.encode())) > MOST_BYTES:
            yield ("properties", name), f"{size} bytes long, the limit is {MOST_BYTES}", "shorten it"
        if not _is_simple(name + value):
            yield from _unfit(("properties", name), name + value)
    if not _is_simple(name := data.get("name", "")):
        yield from _unfit(("name",), name)
    for index, tag in enumerate(data.get("tags", ())):
        if not _is_simple(tag):
            yield from _unfit(("tags", index), tag)


def _names_replaced(replaced: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for name in replaced.get("set", {}).get("properties", {}):
        yield ("on_replace", "set", "properties", name), name
    for index, path in enumerate(replaced.get("unset", ())):
        yield ("on_replace", "unset", index), path.removeprefix("properties.")


def _is_simple(text: str) -> bool:
    """What nearly every text is, and fits."""
    return text.isascii() and text.isprintable()


def _unfit(place: tuple[str | int, ...], text: str) -> Iterator[Problem]:
    if _BEYOND.search(text):
        yield place, "holds a character beyond the basic plane, which the service refuses", "take it out"
    if _CONTROL.search(text):
        yield place, "holds a control character", "take it out"


def _source(value: Any, image: _Image) -> Source | None:
    if value is None:
        return Content.UNMANAGED
    if value == "none":
        return Content.NO_DATA
    data: Mapping[str, Any] = value if isinstance(value, dict) else _short_form(value)
    if "path" in data and "url" in data:
        image.complain(("source",), "has both path and url", "keep one")
        return None
    checksum = Checksum.parse(data["checksum"]) if "checksum" in data else None
    if problem := _check_problem(data):
        image.complain(("source", problem[0]), *problem[1:])
        return None
    if "path" in data:
        return _file_source(data, checksum, image)
    if "url" in data:
        return _url_source(data, checksum, image)
    if checksum and set(data) == {"checksum"}:
        return KnownContent(checksum)
    image.complain(("source",), "has neither path nor url", "give one, or a checksum alone")
    return None


def _file_source(data: Mapping[str, Any], checksum: Checksum | None, image: _Image) -> FileSource | None:
    path = image.absolute(("source", "path"), data["path"])
    if "\0" in path:  # file:a%00b
        image.complain(("source", "path"), "holds a NUL character", "take it out")
        return None
    if not image.setting.contains(path):
        image.complain(("source", "path"), *OUTSIDE)
        return None
    checks = checksum, data.get("checksum_url"), _signature(data, image)
    if data.get("method") == Method.WEB_DOWNLOAD:
        hint = "give a url, or use method: upload or glance-direct"
        image.complain(("source", "method"), "web-download needs a url: the service cannot read a file here", hint)
    return FileSource(path, data["path"], *checks, _transfer(data, data["path"]))


def _url_source(data: Mapping[str, Any], checksum: Checksum | None, image: _Image) -> UrlSource | None:
    urls = (data["url"],) if isinstance(data["url"], str) else tuple(data["url"])
    for url in urls:
        if problem := _url_problem(url):
            image.complain(("source", "url"), *problem)
            return None
    transfer = _transfer(data, urlsplit(urls[0]).path)
    if transfer.method is Method.WEB_DOWNLOAD and transfer.compression is not Compression.NONE:
        transfer = _fetched_packed(transfer, image)
    return UrlSource(urls, checksum, data.get("checksum_url"), _signature(data, image), transfer)


def _fetched_packed(transfer: Transfer, image: _Image) -> Transfer:
    """The service stores what it fetches as it is: packed data is right only where that is declared."""
    if image.container_format != "compressed":
        message = f"web-download stores {transfer.compression.value} data as it is: the service does not unpack"
        hint = "use method: upload or glance-direct, or declare container_format: compressed"
        image.complain(("source", "method"), message, hint)
    return replace(transfer, compression=Compression.NONE)


def _check_problem(data: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """What is wrong with how the digest is declared: key, message, hint."""
    if "checksum" in data and "checksum_url" in data:
        return "checksum_url", "stands beside a checksum", "keep one: a digest, or the list that it is taken from"
    if "signature" in data and "checksum_url" not in data:
        return "signature", "signs a list of digests, and there is no checksum_url", "name the list"
    if "verify" in data and data.get("method") != Method.WEB_DOWNLOAD:
        return "verify", "is for method: web-download; all else is verified while it is sent", "take it out"
    if "verify" in data and not {"checksum", "checksum_url"} & set(data):
        return "verify", "has no digest to compare with", "declare checksum or checksum_url"
    for name, url in (("checksum_url", data.get("checksum_url")), ("signature", data.get("signature", {}).get("url"))):
        if url is not None and (problem := _url_problem(url)):
            return name, *problem
    return None


def _signature(data: Mapping[str, Any], image: _Image) -> Signature | None:
    if "signature" not in data:
        return None
    written = data["signature"]["keyring"]
    keyring = image.absolute(("source", "signature", "keyring"), written)
    if not image.setting.contains(keyring):
        image.complain(("source", "signature", "keyring"), *OUTSIDE)
    return Signature(data["signature"]["url"], keyring, written)


def _url_problem(url: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL", "write http://HOST/PATH or https://HOST/PATH"
    if parts.scheme not in ("http", "https"):
        return f"{dotted((parts.scheme,)) or 'no scheme'} is not http or https", "use one of them, or path for a file"
    if not host or any(char.isspace() or not char.isprintable() for char in url):
        return "is not a URL", "write http://HOST/PATH or https://HOST/PATH"
    return None


def _short_form(text: str) -> dict[str, str]:
    if re.match(r"https?://", text, re.IGNORECASE):
        return {"url": text}
    return {"path": unquote(text.removeprefix("file://").removeprefix("file:")) if text.startswith("file:") else text}


def _transfer(data: Mapping[str, Any], name: str) -> Transfer:
    by_suffix = _SUFFIXES.get(os.path.splitext(name)[1].lower(), Compression.NONE)
    stores = data.get("stores", ())
    made = Transfer(
        compression=Compression(data["compression"]) if "compression" in data else by_suffix,
        method=Method(data.get("method", Method.UPLOAD)),
        stores=() if stores == "all" else tuple(dict.fromkeys(stores)),
        all_stores=stores == "all",
        verify_download=data.get("verify") == "download",
    )
    return replace(made, max_size=data.get("max_size"), max_ratio=data.get("max_ratio"))
