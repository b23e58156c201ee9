"""``source`` of one image, as plain data -> a ``Source``, and a diagnostic for each problem. Reads symbolic links only."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote, urljoin, urlsplit

from imagesync.errors import Diagnostic
from imagesync.formats import COMPRESSED
from imagesync.manifest.merging import Merged
from imagesync.manifest.validation import format_path, locate
from imagesync.manifest.yaml_reader import Node
from imagesync.model.catalog import (
    Checksum,
    Compression,
    Content,
    FileSource,
    KnownContent,
    Method,
    Place,
    Signature,
    Source,
    Transfer,
    UrlSource,
)
from imagesync.model.urls import find_url_problem, has_secret, is_address_without_scheme, redact_url
from imagesync.paths import MOVE, find_place_problem

_SUFFIXES: Final = {".gz": Compression.GZ, ".xz": Compression.XZ, ".bz2": Compression.BZ2, ".zst": Compression.ZST}


@dataclass(frozen=True, slots=True)
class Setting:
    """What all images of a catalog share: the folders of relative paths, and the list of problems."""

    base: str
    folders: Mapping[str, str]
    problems: list[Diagnostic]
    allow_outside: bool = False

    def find_place_problem(self, path: str) -> str | None:
        """Why a file may not be read; None if it may."""
        return None if self.allow_outside else find_place_problem(path, self.base)


@dataclass(frozen=True, slots=True)
class Draft:
    """One image while its spec is made: the places of its values, and its problems."""

    key: str
    merged: Merged
    setting: Setting
    container_format: str | None

    @property
    def node(self) -> Node:
        """The tree of the image, with places."""
        return self.merged.node

    def complain(self, path: tuple[str | int, ...], message: str, hint: str = "") -> None:
        """Report a problem of a value."""
        while path and locate(self.node, path) is locate(self.node, path[:-1]):
            path = path[:-1]  # the short form of a source has no such part
        node = locate(self.node, path)
        self.setting.problems.append(node.problem(format_path(("images", self.key, *path)), message, hint))

    def place(self, *path: str | int) -> Place:
        """The place of a value."""
        return locate(self.node, path).place

    def make_absolute(self, written: str) -> str:
        """The absolute path of a path in the source, relative to the file that declares the source."""
        folder = self.setting.folders.get(self.merged.find_file("source"), self.setting.base)
        return os.path.normpath(os.path.join(folder, written))

    def show(self, path: str) -> str:
        """A path for plans and messages: relative to the catalog's folder."""
        return os.path.relpath(path, self.setting.base)


def make_source(value: Any, image: Draft) -> Source | None:
    """The ``Source``; None if the value is unusable, which is then reported."""
    if value is None:
        return Content.UNMANAGED
    if value == "none":
        return Content.NO_DATA
    data: Mapping[str, Any] = value if isinstance(value, dict) else _expand_short_form(value)
    if "path" in data and "url" in data:
        image.complain(("source",), "has both path and url", "keep one")
        return None
    checksum = Checksum.parse(data["checksum"]) if "checksum" in data else None
    if problem := _find_check_problem(data):
        image.complain(("source", problem[0]), *problem[1:])
        return None
    if "path" in data:
        return _make_file_source(data, checksum, image)
    if "url" in data:
        return _make_url_source(data, checksum, image)
    if checksum and set(data) == {"checksum"}:
        return KnownContent(checksum)
    image.complain(("source",), "has neither path nor url", "give one, or a checksum alone")
    return None


def _make_file_source(data: Mapping[str, Any], checksum: Checksum | None, image: Draft) -> FileSource | None:
    path = image.make_absolute(data["path"])
    if "\0" in path:  # file:a%00b
        image.complain(("source", "path"), "has a NUL character", "remove it")
        return None
    if problem := image.setting.find_place_problem(path):
        image.complain(("source", "path"), problem, MOVE)
        return None
    checks = checksum, data.get("checksum_url"), data.get("checksum_entry"), _make_signature(data, image)
    if data.get("method") == Method.WEB_DOWNLOAD:
        hint = "give a url, or use method: upload or glance-direct"
        image.complain(("source", "method"), "web-download needs a url: the service cannot read a file here", hint)
    return FileSource(path, image.show(path), *checks, _make_transfer(data, data["path"], image))


def _make_url_source(data: Mapping[str, Any], checksum: Checksum | None, image: Draft) -> UrlSource | None:
    urls = (data["url"],) if isinstance(data["url"], str) else tuple(data["url"])
    for url in urls:
        if problem := find_url_problem(url):
            image.complain(("source", "url"), *problem)
            return None
    if "compression" not in data and (other := _find_other_packing(urls)):
        image.complain(("source", "url"), other, "name mirrors of one file, or declare its compression")
    transfer = _make_transfer(data, urlsplit(urls[0]).path, image)
    if transfer.method is Method.WEB_DOWNLOAD and transfer.compression is not Compression.NONE:
        transfer = _keep_packed(transfer, image)
    checks = checksum, data.get("checksum_url"), data.get("checksum_entry"), _make_signature(data, image)
    return UrlSource(urls, *checks, transfer)


def _keep_packed(transfer: Transfer, image: Draft) -> Transfer:
    """Report packed data with web-download: the service does not unpack, so container_format: compressed must be declared."""
    message = f"web-download stores {transfer.compression.value} data as it is: the service does not unpack"
    hint = "use method: upload or glance-direct, or declare container_format: compressed"
    image.complain(("source", "method"), message, hint)
    return replace(transfer, compression=Compression.NONE)


def _find_other_packing(urls: Sequence[str]) -> str:
    """A message about a mirror whose name has another packing than the first one; empty if there is none."""
    if len(urls) == 1:
        return ""
    first, *others = (read_suffix(urlsplit(url).path) for url in urls)
    for url, packing in zip(urls[1:], others, strict=True):
        if packing is not first:
            ways = [one.value if one is not Compression.NONE else "not packed" for one in (first, packing)]
            return f"by their names the mirrors differ: the first one is {ways[0]}, {redact_url(url)} is {ways[1]}"
    return ""


def _find_check_problem(data: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """A problem of the fields about the digest: key, message, hint."""
    if "checksum" in data and "checksum_url" in data:
        return (
            "checksum_url",
            "is declared together with checksum",
            "keep one: a digest, or the list that it is taken from",
        )
    if "signature" in data and "checksum_url" not in data:
        return "signature", "needs checksum_url, the list that it signs", "name the list"
    if "checksum_entry" in data and "checksum_url" not in data:
        return "checksum_entry", "needs checksum_url, the list that has the entry", "name the list"
    if "verify" in data and data.get("method") != Method.WEB_DOWNLOAD:
        return (
            "verify",
            "has an effect only with method: web-download; other data is verified while it is sent",
            "remove it",
        )
    if "verify" in data and not {"checksum", "checksum_url"} & set(data):
        return "verify", "has no digest to compare with", "declare checksum or checksum_url"
    for name, url in (("checksum_url", data.get("checksum_url")), ("signature", data.get("signature", {}).get("url"))):
        if url is not None and (problem := find_url_problem(url)):
            message, hint = problem
            return name, message, _suggest_list(url, data) or hint
    return None


def _suggest_list(name: str, data: Mapping[str, Any]) -> str:
    """The hint for a checksum list that is declared as a file name: its likely URL."""
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)*", name) or is_address_without_scheme(name):
        return ""
    first = data["url"] if isinstance(data.get("url"), str) else next(iter(data.get("url", ())), "")
    if first and find_url_problem(first) is None and not has_secret(first):
        return f"write its whole URL: {urljoin(first, name)}"
    return "a list must be a URL; or copy the digest of the file into checksum"


def _make_signature(data: Mapping[str, Any], image: Draft) -> Signature | None:
    if "signature" not in data:
        return None
    written = data["signature"]["keyring"]
    keyring = image.make_absolute(written)
    if problem := image.setting.find_place_problem(keyring):
        image.complain(("source", "signature", "keyring"), problem, MOVE)
    return Signature(data["signature"]["url"], keyring, image.show(keyring))


def _expand_short_form(text: str) -> dict[str, str]:
    if re.match(r"(?!file:)[a-z][a-z0-9+.-]*://", text, re.IGNORECASE):
        return {"url": text}
    return {"path": unquote(text.removeprefix("file://").removeprefix("file:")) if text.startswith("file:") else text}


def read_suffix(name: str) -> Compression:
    """The packing that the name of a file or the path of a URL shows, if ``compression`` is not declared."""
    return _SUFFIXES.get(os.path.splitext(name)[1].lower(), Compression.NONE)


def _make_transfer(data: Mapping[str, Any], name: str, image: Draft) -> Transfer:
    """The ``Transfer``; with ``container_format: compressed`` the data stays packed."""
    packing = Compression(data["compression"]) if "compression" in data else read_suffix(name)
    stores = data.get("stores", ())
    return _share_transfer(
        compression=Compression.NONE if image.container_format == COMPRESSED else packing,
        method=Method(data.get("method", Method.UPLOAD)),
        stores=() if stores == "all" else tuple(dict.fromkeys(stores)),
        all_stores=stores == "all",
        verify=data.get("verify") != "none",
        inspect=data.get("inspect") != "none",
        max_size=data.get("max_size"),
        max_ratio=data.get("max_ratio"),
    )


_share_transfer: Final = lru_cache(64)(Transfer)
"""Most images of a catalog have equal transfers, so they share one object."""
