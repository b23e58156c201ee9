"""imagesync's memory in the cloud: properties of every owned image <-> a ``Record`` and a ``Revision``. No I/O.

Property names and meanings are fixed, because images in clouds carry them: the image's own id, catalog, key, role,
digests of the content, digest of the wanted state, and what is managed. What is managed is kept as ``{name hash: value
hash}`` of eight hexadecimal digits each: the three-way merge then knows which properties, tags, members and fields
imagesync set, and a drifted value from a changed manifest.

A record counts only on the image whose id it names. Compute services copy all properties of an image into the snapshots
of its servers, and any user may copy those of a public image. The catalog does not own an image because of such a copy.

The revision is the guard of every write: a property whose *name* ends in a counter. A PATCH removes the name that it
has read and adds the next one; the service refuses to remove a property that is not there, and then saves nothing.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from imagesync.model.alike import fold_name
from imagesync.model.catalog import Checksum, Role
from imagesync.model.image import CATALOG as CATALOG
from imagesync.model.image import OWN_FIELDS, LiveImage

PREFIX: Final = "imagesync_"
RESERVED: Final = OWN_FIELDS | {"location", "deleted", "deleted_at"}
"""Names of the service's own fields, which no property can have: in this case of letters only. ``Name`` is a property like
any other (tried on Glance 33)."""
_RESERVED_PREFIXES: Final = (fold_name(PREFIX), fold_name("os_glance"))
"""What names cannot begin with, folded: our record's, and those that the service keeps for itself."""
ID: Final = "imagesync_id"
"""Holds the id of the image that the record is about."""
REVISION: Final = "imagesync_rev_"
"""How the name of the guard property begins; the counter follows, its value is the nonce of the run that wrote it."""
KEY: Final = "imagesync_key"
ROLE: Final = "imagesync_role"
DIGEST: Final = "imagesync_digest"
SPEC: Final = "imagesync_spec"
MANAGED: Final = "imagesync_managed"
DECLARED: Final = "declared:"
"""The prefix of a digest that was not computed from the data: the manifest declares it."""
LEASE: Final = "imagesync_lease"
"""Names the catalog on the record of its lease, which belongs to no catalog itself."""


_ROLES: Final = {role.value: role for role in Role}
MAX_GENERATION: Final = 2**31 - 1
"""The highest number of a build that a record may hold; a higher one reads as 1."""


MAX_REMEMBERED_CHARS: Final = 64
"""Of a text whose hash is kept for the next time: names and values of properties are the same in most images."""


def is_reserved(name: str) -> bool:
    """Whether a property of this name is not a manifest's to set, be it read from YAML or from a saved plan."""
    return name in RESERVED or fold_name(name).startswith(_RESERVED_PREFIXES)


def hash_name(name: str) -> str:
    """What a record keeps of a name: eight hexadecimal digits."""
    return _hash_again(name) if len(name) <= MAX_REMEMBERED_CHARS else _hash(name)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


_hash_again: Final = lru_cache(2**14)(_hash)


def hash_value(value: object) -> str:
    """What a record keeps of a value that imagesync set: eight hexadecimal digits of its JSON."""
    return hash_name(_TEXT_AS_JSON(value) if type(value) is str else json.dumps(value))


_TEXT_AS_JSON: Final = json.JSONEncoder().encode
"""What ``json.dumps`` makes of a text, without looking for options."""


def hash_values(values: Mapping[str, object]) -> dict[str, str]:
    """``{name: value}`` as ``{hash of name: hash of value}``, sorted."""
    return dict(sorted((hash_name(name), hash_value(value)) for name, value in values.items()))


def hash_names(names: Iterable[str]) -> tuple[str, ...]:
    """Names as their sorted hashes."""
    return tuple(sorted(map(hash_name, names)))


@lru_cache(2**10)
def hash_all(names: tuple[str, ...]) -> frozenset[str]:
    """Names as a set of hashes; most images have the same ones."""
    return frozenset(map(hash_name, names))


@dataclass(frozen=True, slots=True)
class Managed:
    """What imagesync set on an image, and the history that planning needs.

    ``fields`` by plain name, ``properties`` by hashed name, both to the hash of the value that was set; ``tags`` and
    ``members`` as hashed names. ``generation`` numbers the builds of a key from 1 (``created_at`` has whole seconds and
    cannot order them). ``origin`` is where the bytes came from, without a query; ``retired`` the ISO time of
    retirement, which was that of number ``retirement`` of its key (0: not known, before those that have one); ``before``
    the fields that ``on_replace`` changed, as they were (to undo at a rollback).
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    generation: int = 1
    origin: str | None = None
    retired: str | None = None
    before: Mapping[str, object] = field(default_factory=dict)
    retirement: int = 0

    def names(self) -> tuple[frozenset[str], ...]:
        """The names alone: they decide whether the record itself must be written again."""
        return frozenset(self.fields), frozenset(self.properties), frozenset(self.tags), frozenset(self.members)


@dataclass(frozen=True, slots=True)
class Record:
    """The marker of an image, as a value.

    ``digests`` are of the published bytes: computed from them, or compared with a digest that was. ``declared`` are the
    manifest's, taken on trust. Content without any is identified by ``url``, the sha256 of its first URL in hexadecimal
    (the URL itself may hold a secret). ``nonce`` identifies a POST whose answer was lost. ``unverified``: a staged
    image that the service fills by itself: its status active proves nothing. ``converted``: the service converted the
    verified bytes (another format, unpacked): its own hash differs from the declared one.
    """

    catalog: str
    key: str
    role: Role
    digests: tuple[Checksum, ...] = ()
    url: str | None = None
    spec: str = ""
    managed: Managed = Managed()
    nonce: str | None = None
    unverified: bool = False
    converted: bool = False
    declared: tuple[Checksum, ...] = ()

    @property
    def known(self) -> dict[str, str]:
        """Algorithm to hexadecimal digits of the content; what was computed wins over what was declared."""
        return _index(self.declared, self.digests)

    def properties(self, image_id: str) -> dict[str, str]:
        """The record as properties of the image with this id."""
        content = [*map(str, self.digests), *(f"{DECLARED}{digest}" for digest in self.declared)]
        content += [f"url:{self.url}"] if self.url else []
        return {
            ID: image_id,
            CATALOG: self.catalog,
            KEY: self.key,
            ROLE: self.role.value,
            DIGEST: " ".join(content),
            SPEC: self.spec,
            MANAGED: _encode(self),
        }


def _encode(record: Record) -> str:
    managed = record.managed
    parts = {
        "f": dict(managed.fields),
        "p": dict(managed.properties),
        "t": list(managed.tags),
        "m": list(managed.members),
        "g": managed.generation,
        "o": managed.origin,
        "r": managed.retired,
        "b": dict(managed.before),
        "q": managed.retirement,
        "n": record.nonce,
        "u": record.unverified,
        "c": record.converted,
    }
    kept = {name: value for name, value in parts.items() if value}
    return json.dumps(kept, separators=(",", ":"), sort_keys=True, ensure_ascii=True)


@dataclass(frozen=True, slots=True)
class Revision:
    """The guard of an image: its counter from 1, and the nonce of the run that wrote it."""

    number: int
    nonce: str

    @property
    def name(self) -> str:
        """The name of the property."""
        return f"{REVISION}{self.number}"


MAX_REVISION_DIGITS: Final = 15
_REVISION: Final = re.compile(rf"{REVISION}([1-9][0-9]{{0,{MAX_REVISION_DIGITS - 1}}})")


def read_revisions(image: LiveImage) -> tuple[Revision, ...]:
    """The guards of an image by counter. Exactly one is right; several are left by writes that overlapped."""
    found = ((_REVISION.fullmatch(name), value) for name, value in image.properties.items())
    revisions = (Revision(int(match[1]), value) for match, value in found if match)
    return tuple(sorted(revisions, key=lambda revision: revision.number))


def is_marked(image: LiveImage, catalog: str) -> bool:
    """Whether an image carries the mark of a catalog, be it its own or a copied one."""
    return image.properties.get(CATALOG) == catalog


def is_bound(image: LiveImage) -> bool:
    """Whether the record of an image, if it has one, is its own: it names this image's id."""
    return image.properties.get(ID) == image.id


MAX_KEPT_CHARS: Final = 2**12
"""Of a record that is kept with its image once it was read: those of other projects may be of any size."""


def read(image: LiveImage) -> Record | None:
    """The record of an image; None if it has no catalog mark, or the record is a copied one. Damaged parts are empty."""
    if CATALOG not in image.properties or not is_bound(image):
        return None
    known = image.parsed.get(PREFIX)
    if isinstance(known, Record):
        return known
    record = _read_bound(image.properties)
    if len(image.properties.get(MANAGED, "")) <= MAX_KEPT_CHARS:
        image.parsed[PREFIX] = record
    return record


def _read_bound(properties: Mapping[str, str]) -> Record:
    digests, declared, url = _read_content(properties.get(DIGEST, ""))
    parts = _load_parts(properties.get(MANAGED, ""))
    role = properties.get(ROLE, "")
    return Record(
        catalog=properties[CATALOG],
        key=properties.get(KEY, ""),
        role=_ROLES.get(role, Role.CURRENT),
        digests=digests,
        url=url,
        spec=properties.get(SPEC, ""),
        managed=_decode(parts),
        nonce=_read_text(parts.get("n")),
        unverified=parts.get("u") is True,
        converted=parts.get("c") is True,
        declared=declared,
    )


def read_digests(text: str) -> dict[str, str]:
    """Algorithm to hexadecimal digits of the property ``imagesync_digest``, as ``Record.known``."""
    digests, declared, _ = _read_content(text)
    return _index(declared, digests)


def _index(declared: Iterable[Checksum], digests: Iterable[Checksum]) -> dict[str, str]:
    return {item.algorithm: item.value for item in (*declared, *digests)}


def _read_content(text: str) -> tuple[tuple[Checksum, ...], tuple[Checksum, ...], str | None]:
    """Digests, declared digests and the URL's identity; unknown words are ignored."""
    digests: list[Checksum] = []
    declared: list[Checksum] = []
    url = None
    for word in text.split():
        if word.startswith("url:"):
            url = word.removeprefix("url:")
            continue
        with contextlib.suppress(ValueError):
            kind = declared if word.startswith(DECLARED) else digests
            kind.append(Checksum.parse(word.removeprefix(DECLARED)))
    return tuple(digests), tuple(declared), url


def _load_parts(text: str) -> dict[str, object]:
    try:
        return _read_mapping(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _decode(parts: Mapping[str, object]) -> Managed:
    return Managed(
        fields=_read_texts(parts.get("f")),
        properties=_read_texts(parts.get("p")),
        tags=_read_words(parts.get("t")),
        members=_read_words(parts.get("m")),
        generation=_read_number(parts.get("g")) or 1,
        origin=_read_text(parts.get("o")),
        retired=_read_text(parts.get("r")),
        before=_read_mapping(parts.get("b")),
        retirement=_read_number(parts.get("q")),
    )


def _read_number(value: object) -> int:
    return value if type(value) is int and 0 < value <= MAX_GENERATION else 0


def _read_text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _read_words(value: object) -> tuple[str, ...]:
    return tuple(sorted(word for word in value if isinstance(word, str))) if isinstance(value, list) else ()


def _read_mapping(value: object) -> dict[str, object]:
    """A JSON object, whose names are texts."""
    return value if isinstance(value, dict) else {}


def _read_texts(value: object) -> dict[str, str]:
    return {name: item for name, item in sorted(_read_mapping(value).items()) if isinstance(item, str)}
