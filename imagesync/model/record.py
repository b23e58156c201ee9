"""The ``imagesync_*`` properties of an owned image <-> a ``Record`` and a ``Revision``. No I/O.

Property names and meanings must not change, because images in clouds have them: the image's own id, catalog, key, role,
digests of the content, digest of the declared state, and the managed values. Those are stored as ``{name hash: value
hash}``, eight hexadecimal digits each. From them the three-way merge knows which properties, tags, members and fields
imagesync set, and distinguishes drift from a change of the manifest.

A record counts only on the image whose id it names. Compute services copy all properties of an image into the snapshots
of its servers, and any user may copy those of a public image. Such a copy does not make an image owned.

The revision is the guard of every write: a property whose *name* ends in a counter. A PATCH removes the name that it
read and adds the next one. If that property no longer exists, the service refuses the whole PATCH.
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
from imagesync.model.image import KEY as KEY
from imagesync.model.image import OWN_FIELDS, LiveImage
from imagesync.model.image import ROLE as ROLE

PREFIX: Final = "imagesync_"
RESERVED: Final = OWN_FIELDS | {"location", "deleted", "deleted_at"}
"""Names of the service's own fields, which no property can have. Case counts: ``Name`` is an ordinary property (Glance
33)."""
_RESERVED_PREFIXES: Final = (fold_name(PREFIX), fold_name("os_glance"))
"""Folded prefixes that property names of a manifest cannot have: those of the record and of the service."""
ID: Final = "imagesync_id"
"""The property with the id of the image that the record belongs to."""
REVISION: Final = "imagesync_rev_"
"""The prefix of the guard property's name, before the counter; its value is the nonce of the run that wrote it."""
DIGEST: Final = "imagesync_digest"
SPEC: Final = "imagesync_spec"
MANAGED: Final = "imagesync_managed"
DECLARED: Final = "declared:"
"""The prefix of a digest that the manifest declares and that was not verified."""
LEASE: Final = "imagesync_lease"
"""The property of a lease record with the name of its catalog; a lease record has no ``imagesync_catalog``."""


_ROLES: Final = {role.value: role for role in Role}
MAX_GENERATION: Final = 2**31 - 1
"""The highest generation in a record; a higher one is read as 1."""


MAX_REMEMBERED_CHARS: Final = 64
"""Characters of a text whose hash is cached: most images have the same names and values of properties."""


def is_reserved(name: str) -> bool:
    """Whether a manifest, or a saved plan, must not set a property of this name."""
    return name in RESERVED or fold_name(name).startswith(_RESERVED_PREFIXES)


def hash_name(name: str) -> str:
    """The hash of a name in a record: eight hexadecimal digits."""
    return _hash_again(name) if len(name) <= MAX_REMEMBERED_CHARS else _hash(name)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


_hash_again: Final = lru_cache(2**14)(_hash)


def hash_value(value: object) -> str:
    """The hash of a value in a record: eight hexadecimal digits, of its JSON."""
    return hash_name(_TEXT_AS_JSON(value) if type(value) is str else json.dumps(value))


_TEXT_AS_JSON: Final = json.JSONEncoder().encode
"""The JSON of a text, as ``json.dumps`` returns it but faster, because the encoder is made once."""


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
    """The values that imagesync set on an image, and the history that planning needs.

    ``fields`` maps plain names, ``properties`` hashed names, to the hash of the value; ``tags`` and ``members`` are
    hashed names. ``generation`` numbers the builds of a key from 1 (``created_at`` has whole seconds and cannot order
    them). ``origin``: the URL or path of the bytes, without a query. ``retired``: the ISO time of retirement.
    ``retirement`` numbers the retirements of a key from 1; 0 is unknown, and earlier than all others. ``before``: the
    former values of the fields that ``on_replace`` changed, for a rollback. ``former``: the former key, of an image that
    got a new key while its former one had several current images.
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
    former: str | None = None

    def names(self) -> tuple[frozenset[str], ...]:
        """All managed names: if they change, the record must be written again."""
        return frozenset(self.fields), frozenset(self.properties), frozenset(self.tags), frozenset(self.members)


@dataclass(frozen=True, slots=True)
class Record:
    """The marker of an image, as a value.

    ``digests``: verified digests of the published bytes. ``declared``: digests of the manifest that were not verified.
    Content without any digest is identified by ``url``, the sha256 of its first URL in hexadecimal (the URL itself may
    have a secret). ``nonce`` identifies a POST whose answer was lost. ``unverified``: the service fills this staged
    image by itself, so its status active is not a proof. ``converted``: the service converted or unpacked the verified
    bytes, so its own hash differs from the declared one.
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
        """The digests of the content: algorithm to hexadecimal digits. A verified digest replaces a declared one."""
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
        "k": managed.former,
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
        """The name of its property."""
        return f"{REVISION}{self.number}"


MAX_REVISION_DIGITS: Final = 15
_REVISION: Final = re.compile(rf"{REVISION}([1-9][0-9]{{0,{MAX_REVISION_DIGITS - 1}}})")


def read_revisions(image: LiveImage) -> tuple[Revision, ...]:
    """The guards of an image, sorted by counter. There should be one; overlapping writes may leave several."""
    found = ((_REVISION.fullmatch(name), value) for name, value in image.properties.items())
    revisions = (Revision(int(match[1]), value) for match, value in found if match)
    return tuple(sorted(revisions, key=lambda revision: revision.number))


def is_marked(image: LiveImage, catalog: str) -> bool:
    """Whether an image has the marker of a catalog, its own or a copied one."""
    return image.properties.get(CATALOG) == catalog


def is_bound(image: LiveImage) -> bool:
    """Whether the record of an image names this image's id, so it is not a copy."""
    return image.properties.get(ID) == image.id


MAX_KEPT_CHARS: Final = 2**12
"""Characters of a record that is cached with its image: other projects may write records of any size."""


def read(image: LiveImage) -> Record | None:
    """The record of an image; None if it has no marker, or a copied record. Damaged parts are read as empty."""
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
    """The digests in a value of the property ``imagesync_digest``, in the form of ``Record.known``."""
    digests, declared, _ = _read_content(text)
    return _index(declared, digests)


def read_generation(text: str) -> int:
    """The generation in a value of the property ``imagesync_managed``."""
    return _decode(_load_parts(text)).generation


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
        former=_read_text(parts.get("k")),
    )


def _read_number(value: object) -> int:
    return value if type(value) is int and 0 < value <= MAX_GENERATION else 0


def _read_text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _read_words(value: object) -> tuple[str, ...]:
    return tuple(sorted(word for word in value if isinstance(word, str))) if isinstance(value, list) else ()


def _read_mapping(value: object) -> dict[str, object]:
    """A JSON object; empty for any other value."""
    return value if isinstance(value, dict) else {}


def _read_texts(value: object) -> dict[str, str]:
    return {name: item for name, item in sorted(_read_mapping(value).items()) if isinstance(item, str)}
