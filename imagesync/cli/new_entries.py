"""What is known about a source -> the entry of its image; and its name. Pure."""

import os
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from imagesync.manifest.entries import Entry, escape_dollars
from imagesync.manifest.sources import read_suffix
from imagesync.model.catalog import Compression, FileSource, UrlSource, Visibility
from imagesync.sources.entries import AFTER_NAME
from imagesync.sources.list_search import FoundList
from imagesync.sources.probing import Kind, Measure

_ENDING: Final = re.compile(r"\.(gz|xz|bz2|zst|qcow2?|img|raw|vmdk|vhdx?|vdi|iso|ova|dd|bin)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is known about a source."""

    source: FileSource | UrlSource
    kind: Kind | None = None
    measure: Measure | None = None
    listed: FoundList | None = None
    signature: str = ""
    keyring: str = ""


def make_entry(sketch: Sketch, *, name: str, visibility: Visibility) -> Entry:
    """The entry in the order in which people write it; without what is not known yet."""
    entry: Entry = {"name": escape_dollars(name), "source": _describe_source(sketch)}
    if sketch.kind:
        entry |= {"disk_format": sketch.kind.formats.disk, "container_format": sketch.kind.formats.container}
        if sketch.measure and sketch.kind.formats.has_known_size:
            entry["min_disk"] = sketch.measure.min_disk or "auto"
    return {**entry, "visibility": visibility.value}


def _describe_source(sketch: Sketch) -> Entry:
    source, listed, digest = sketch.source, sketch.listed, sketch.measure.digest if sketch.measure else None
    if isinstance(source, FileSource):
        made: Entry = {"path": escape_dollars(source.display)}
    else:
        made = {"url": escape_dollars(source.urls[0])}
    if listed:
        made["checksum_url"] = escape_dollars(listed.place)
        made |= {"checksum_entry": escape_dollars(listed.entry)} if listed.entry else {}
    elif digest:
        made["checksum"] = str(digest)
    if sketch.signature:
        made["signature"] = {"url": escape_dollars(sketch.signature), "keyring": escape_dollars(sketch.keyring)}
    if sketch.kind and sketch.kind.compression is not _read_packing(source):
        made["compression"] = sketch.kind.compression.value
    return made


def _read_packing(source: FileSource | UrlSource) -> Compression:
    """The packing that a manifest assumes from the name of the source."""
    return read_suffix(source.path if isinstance(source, FileSource) else urlsplit(source.urls[0]).path)


def read_name(source: str) -> str | None:
    """The name of the file in a path or URL, without the endings of packings and formats; None if it has none."""
    parts = urlsplit(source) if "://" in source else None
    names = [unquote(part) for part in parts.path.split("/")] if parts else [os.path.basename(source)]
    names = [name for name in names if name and name.lower() not in AFTER_NAME]
    if parts:
        names += [value for _, value in parse_qsl(parts.query) if _ENDING.search(value)]
    name = names[-1].rpartition("/")[2] if names else ""
    while (shorter := _ENDING.sub("", name)) and shorter != name:
        name = shorter
    return name if name and name.isprintable() else None
