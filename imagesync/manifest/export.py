"""Live images -> a manifest that adopts them as they are. Pure.

The manifest is minimal: it leaves out defaults of the service and values that the service computes, and values that all
images share are in ``defaults``. Adopting it changes nothing.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from imagesync.manifest.entries import REFERRING, Entry, Surroundings, make_entry, properties_of
from imagesync.manifest.files import MAX_FILE_BYTES
from imagesync.manifest.skeleton import MODELINE, SCHEMA_FILE
from imagesync.manifest.texts import MAX_PROPERTIES, find_text_problems
from imagesync.manifest.yaml_reader import MAX_KEYS, MAX_VALUES
from imagesync.manifest.yaml_writer import Data, yaml_text
from imagesync.model.catalog import Catalog, Status
from imagesync.model.fields import collect_declared_fields, read_live_field
from imagesync.model.image import LiveImage, MemberState
from imagesync.model.record import PREFIX, read
from imagesync.model.references import resolve_references
from imagesync.text import make_printable

HEADER: Final = (
    f'{MODELINE}# Written by imagesync export; "imagesync schema > {SCHEMA_FILE}" gives editors the schema beside it.\n'
)
KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FILLED: Final = (Status.ACTIVE, Status.DEACTIVATED)
_MAX_KEY_CHARS: Final = 64
_HEAD_BYTES: Final = 2**18
_HEAD_VALUES: Final = 16
"""More values than a manifest has beside its images."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A manifest as text, the image of each key in it, and a sentence for everything that could not be written."""

    text: str
    images: Mapping[str, LiveImage]
    problems: tuple[str, ...] = ()


def export_manifest(
    catalog: str,
    images: Sequence[LiveImage],
    members: Mapping[str, tuple[MemberState, ...]],
    *,
    project: str,
    read_only: frozenset[str] = frozenset(),
    max_values: int = MAX_VALUES,
    header: str = HEADER,
    places: str = "",
) -> Exported:
    """The manifest of these images; ``members`` by image id, of the images whose members are known.

    ``max_values``: the limit of values in a manifest. ``header``: the comments at its beginning. ``places``: its lines
    about targets.
    """
    problems = [_describe_problem(image, why) for image in images if (why := _explain_exclusion(image))]
    writable = [image for image in images if not _explain_exclusion(image)]
    namesakes = _find_namesakes(writable)
    problems += _report_namesakes(namesakes)
    twins = {image.id for group in namesakes for image in group}
    keyed = assign_keys([image for image in writable if image.id not in twins])
    kept = {key: keyed[key] for key in sorted(keyed)}
    entries, lines_of_text = _make_entries(kept, project, members, read_only)
    if excess := _find_excess(entries, max_values):
        why = _explain_excess(max_values)
        problems += [_describe_problem(kept.pop(key), why) for key in excess]
        entries, lines_of_text = _make_entries(kept, project, members, read_only)
    text = _write_shortest(f"{header}{yaml_text({'version': 1, 'catalog': catalog})}{places}", entries)
    return Exported(text, kept, tuple(sorted([*problems, *lines_of_text])))


def _make_entries(
    kept: Mapping[str, LiveImage],
    project: str,
    members: Mapping[str, tuple[MemberState, ...]],
    read_only: frozenset[str],
) -> tuple[dict[str, Entry], list[str]]:
    """The entry of each key, and a sentence for everything that could not be written."""
    referred = {image.id: key for key, image in kept.items() if not any(name in image.properties for name in REFERRING)}
    around = Surroundings(project, members, read_only, referred)
    entries: dict[str, Entry] = {}
    problems: list[str] = []
    for key, image in kept.items():
        entries[key], lines_of_text = make_entry(key, image, around)
        problems += [_describe_problem(image, why) for why in lines_of_text]
    return entries, problems


def _explain_excess(max_values: int) -> str:
    limits = f"{MAX_FILE_BYTES // 2**20} MiB, {max_values} values or {MAX_KEYS} images"
    return f"left out: with it the manifest has more than {limits}; export it into a separate file with --name"


def _find_excess(entries: Mapping[str, Entry], max_values: int) -> list[str]:
    """The keys of the largest entries; without them, the manifest is within the limits."""
    sizes = {key: (len(yaml_text({key: entry}).encode()), _count_values(entry)) for key, entry in entries.items()}
    size, values = _HEAD_BYTES, _HEAD_VALUES
    for number, (added, more) in enumerate(sorted(sizes.values())):
        size, values = size + added + 2 * more, values + more
        if size > MAX_FILE_BYTES or values > max_values or number >= MAX_KEYS:
            return sorted(sizes, key=lambda name: (sizes[name], name))[number:]
    return []


def _count_values(data: Data) -> int:
    if isinstance(data, Mapping):
        return 1 + sum(map(_count_values, data.values()))
    return 1 if isinstance(data, str | int | bool) else 1 + len(data)


def _describe_problem(image: LiveImage, why: str) -> str:
    name = f" ({make_printable(image.name)})" if image.name else ""
    return f"image {image.id}{name}: {why}"


def _explain_exclusion(image: LiveImage) -> str:
    """Why an image cannot be in a manifest; empty if it can."""
    if not image.name:
        return "left out: it has no name; give it one"
    if image.status not in (*_FILLED, Status.QUEUED):
        return f"left out: it is {image.status.value}; export it once it is active"
    foreign = [name for name in image.properties if not name.startswith(PREFIX)]
    if len(foreign) > MAX_PROPERTIES:
        return f"left out: {len(foreign)} properties, an owned image has room for {MAX_PROPERTIES}; remove some of them"
    return next(
        (f"left out: its name {message}; rename it" for _, message, _ in find_text_problems({"name": image.name})), ""
    )


def _find_namesakes(images: Sequence[LiveImage]) -> list[list[LiveImage]]:
    """Groups of visible images with the same name and owner."""
    groups: dict[tuple[str | None, str | None], list[LiveImage]] = {}
    for image in images:
        if not image.hidden:
            groups.setdefault((image.name, image.owner), []).append(image)
    return [group for group in groups.values() if len(group) > 1]


def _report_namesakes(namesakes: Sequence[Sequence[LiveImage]]) -> Iterator[str]:
    for group in namesakes:
        ids = sorted(image.id for image in group)
        for image in group:
            others = ", ".join(other for other in ids if other != image.id)
            yield _describe_problem(
                image, f"left out: visible image {others} has its name too; rename or hide all but one"
            )


def assign_keys(images: Sequence[LiveImage]) -> dict[str, LiveImage]:
    """A key for each image, made from its name; an owned image keeps its key.

    If names of several images give the same key, the oldest image gets it and the others get a part of their id: keys
    do not change when images are added.
    """
    found: dict[str, LiveImage] = {}
    taken: set[str] = set()
    for image in sorted(images, key=lambda image: (read(image) is None, image.created_at, image.id)):
        base = _key_of(image)
        tail = slug(image.id)
        choices = (base, *(f"{base[: _MAX_KEY_CHARS - 1 - len(part)]}-{part}" for part in (tail[:8], tail)))
        key = next(choice for choice in choices if choice.lower() not in taken)
        taken.add(key.lower())
        found[key] = image
    return found


def _key_of(image: LiveImage) -> str:
    record = read(image)
    for text in (record.key if record else "", image.name or ""):
        if KEY.fullmatch(text):
            return text
    return slug(image.name or "") or f"image-{slug(image.id)[:8]}"


def slug(text: str) -> str:
    """``Ubuntu 24.04 (Noble)`` as ``ubuntu-24.04-noble``; letters lose their accents, other scripts give nothing."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9._]+", "-", plain).strip("-._")[:_MAX_KEY_CHARS].rstrip("-._")


def _write_shortest(head: str, entries: Mapping[str, Entry]) -> str:
    """The text with or without common values in ``defaults``, whichever is shorter; one image has nothing in common."""
    if len(entries) < 2:
        return _write_manifest(head, {}, entries)
    defaults = _find_common_values(list(entries.values()))
    plain = _write_manifest(head, {}, entries)
    lifted = _write_manifest(head, defaults, {key: _remove_defaults(entry, defaults) for key, entry in entries.items()})
    return min(plain, lifted, key=len)


def _write_manifest(head: str, defaults: Entry, entries: Mapping[str, Entry]) -> str:
    common = yaml_text({"defaults": defaults}) if defaults else ""
    return f"{head}{common}{yaml_text({'images': entries})}"


def _find_common_values(entries: Sequence[Entry]) -> Entry:
    """Values for ``defaults``: only fields that every image declares, so no image gets a value that it does not have.

    Formats and visibility that most images have; tags and properties that are the same in all (a list is replaced as a
    whole, properties are merged).
    """
    found: Entry = {}
    for name in ("disk_format", "container_format", "visibility"):
        counts = Counter(str(entry[name]) for entry in entries if name in entry)
        (value, times), *_ = sorted(counts.items(), key=lambda item: (-item[1], item[0])) or [("", 0)]
        if counts.total() == len(entries) and 2 * times > len(entries):
            found[name] = value
    if entries and "tags" in entries[0] and all(entry.get("tags") == entries[0]["tags"] for entry in entries):
        found["tags"] = entries[0]["tags"]
    shared = [set(properties_of(entry).items()) for entry in entries]
    same = dict(sorted(set.intersection(*shared))) if shared else {}
    return {**found, "properties": same} if same else found


def _remove_defaults(entry: Entry, defaults: Entry) -> Entry:
    left = {name: value for name, value in entry.items() if name == "properties" or defaults.get(name) != value}
    lifted = properties_of(defaults)
    own = {name: value for name, value in properties_of(entry).items() if name not in lifted}
    return {**left, "properties": own} if own else {name: value for name, value in left.items() if name != "properties"}


def find_differences(made: Exported, catalog: Catalog) -> list[str]:
    """Where the manifest, read back, does not say what the images are: nothing, or export has a bug."""
    ids = {key: image.id for key, image in made.images.items()}
    found = [f"{key} is missing" for key in made.images if key not in catalog.keys]
    for spec in catalog.images:
        image = made.images[spec.key]
        found += [
            f"{spec.key}.{name}"
            for name, value in collect_declared_fields(spec).items()
            if value != read_live_field(image, name) or spec.adopt != image.id
        ]
        values = {name: resolve_references(value, ids) for name, value in spec.properties.items()}
        found += [
            f"{spec.key}.properties.{name}" for name, value in values.items() if image.properties.get(name) != value
        ]
        found += [f"{spec.key}.tags" for tag in spec.tags if tag not in image.tags]
    return found
