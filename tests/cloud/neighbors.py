"""Foreign images that look like owned ones; no test may change them. Writes the database and the data files.

These 156 images exist during every test of the real service. They have the names, tags, keys and markers that the tests
use, with every visibility, status and role. The ids of some owners are nearly that of the tests' project. After each test,
every row and every byte must be unchanged, and no request may have tried to write to one (``Cloud.harm_done``).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from imagesync.model.image import LiveImage
from tests.cloud.databases import Database
from tests.samples import spell

NUMBER: Final = 156
"""Each marker with each visibility, three times."""
IDS: Final = "0ff00000-0000-4000-8000-"
"""The beginning of all their ids."""
PARTS: Final = ("image_locations", "image_members", "image_properties", "image_tags")
STAMP: Final = "2000-01-01 00:00:00.000000"
"""Their creation time, long before any other image: a listing can leave them out by time."""
OTHERS: Final = "created_at=gt:2000-01-01T00:00:00Z"
"""The filter that leaves them out of a listing."""

NAMES: Final = (
    *("a", "A", "b", "ubuntu", "Ubuntu 24.04", "ubuntu-24.04", "debian-12", "raw-00", "raw-01", "real-qcow2", "tiny"),
    *("Tiny", "created", "replaced", "updated", "removed", "shared", "k0", "slow", "mine", "a (staging)", "E", None),
)
VISIBILITIES: Final = ("public", "private", "shared", "community")
STATUSES: Final = ("active", "active", "queued", "active", "active", "deactivated", "active")
TAGS: Final = (("linux", "n1"), (), ("x", "y", "one"), ("old", "new"))
ALIKE: Final = ("Base", "base ", "bäse")
"""Names of catalogs that are equal to that of the tests for MariaDB."""
MEMBERS: Final = ("accepted", "pending", "rejected")


def is_neighbor(image_id: str) -> bool:
    """Whether this is the id of a neighbor."""
    return image_id.startswith(IDS)


def drop_neighbors(images: Iterable[LiveImage]) -> list[LiveImage]:
    """Listed images without the neighbors: those that a test can have created."""
    return [image for image in images if not is_neighbor(image.id)]


def _marks(key: str, owner: str) -> tuple[dict[str, str], ...]:
    """Markers as another project could write them; ``owner`` is the project that they name."""
    mark = {"imagesync_catalog": "base", "imagesync_key": key}
    digest = {"imagesync_digest": f"sha256:{hashlib.sha256(key.encode()).hexdigest()}", "imagesync_spec": "0" * 32}
    named = {"owner": hashlib.sha256(json.dumps(owner).encode()).hexdigest()[:8], "name": "00000000"}
    managed = {"imagesync_managed": json.dumps({"f": named, "g": 7, "p": {"00000000": "00000000"}})}
    lease = {"imagesync_lease": "base", "imagesync_lease_number": "9", "imagesync_lease_state": "held"}
    return (
        {},
        {**mark, "imagesync_role": "current"},
        {**mark, "imagesync_role": "current", **digest, **managed},
        {**mark, "imagesync_role": "staging", **digest},
        {**mark, "imagesync_role": "retired", **digest, **managed},
        {**mark, "imagesync_role": "lease", **lease},
        {"imagesync_role": "lease", **lease},
        {"imagesync_catalog": "base"},
        {**mark, "imagesync_role": "nonsense", "imagesync_managed": "{", "imagesync_more": "1"},
        *({"imagesync_catalog": name, "imagesync_key": key, "imagesync_role": "current"} for name in ALIKE),
        {"imagesync_managed": "{}", "imagesync_key": key, "imagesync_role": "current"},
    )


def _properties(number: int, project: str) -> dict[str, str]:
    name = NAMES[number % len(NAMES)] or "a"
    marks = _marks(name, project)[number % 13]
    if number % 2:  # bound to the image; another project cannot forge more
        marks = {**marks, "imagesync_id": f"{IDS}{number:012x}", f"imagesync_rev_{number}": "0" * 32}
    return {"os_distro": "ubuntu", "os_version": f"24.{number}", "p": "1", **marks}


def _rows(number: int, project: str, stores: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """One neighbor as rows of tables."""
    image_id, status = f"{IDS}{number:012x}", STATUSES[number % len(STATUSES)]
    visibility, data = VISIBILITIES[number % 4], content(number)
    owners = (project.upper(), project[:-1], "images", "0f" * 16, "f0" * 16)
    filled = status != "queued"
    yield (
        "images",
        {
            "id": image_id,
            "name": NAMES[number % len(NAMES)],
            "size": len(data) if filled else None,
            "status": status,
            "disk_format": "raw",
            "container_format": "bare",
            "checksum": hashlib.md5(data).hexdigest() if filled else None,
            "os_hash_algo": "sha512" if filled else None,
            "os_hash_value": hashlib.sha512(data).hexdigest() if filled else None,
            "owner": owners[number % len(owners)],
            "min_disk": 0,
            "min_ram": number,
            "protected": number % 3 == 0,
            "visibility": visibility,
            "os_hidden": number % 13 < 3,
        },
    )
    for name, value in _properties(number, project).items():
        yield "image_properties", {"image_id": image_id, "name": name, "value": value}
    for tag in TAGS[number // 4 % len(TAGS)]:
        yield "image_tags", {"image_id": image_id, "value": tag}
    if visibility == "shared":
        member = {"member": project, "status": MEMBERS[number // 4 % len(MEMBERS)], "can_share": 0}
        yield "image_members", {"image_id": image_id, **member}
    if filled:
        place = {"value": f"file://{stores}/fast/{image_id}", "meta_data": '{"store": "fast"}', "status": "active"}
        yield "image_locations", {"image_id": image_id, **place}


def content(number: int) -> bytes:
    """The data of one neighbor."""
    return spell(f"data of image {number} of somebody else\n") * 10


class Neighbors:
    """The neighbors in one running service, with its database and the folder of its stores."""

    def __init__(self, database: Database, stores: Path) -> None:
        self._database, self._stores = database, stores
        self._planted: Mapping[str, Sequence[Any]] = {}

    def plant(self, project: str) -> None:
        """Create all neighbors; ``project`` is the id of the tests' project."""
        with self._database.open() as tables:
            for table in (*PARTS, "images"):
                tables.write(f"delete from {table} where {_whose(table)}")
            common = {"created_at": STAMP, "updated_at": STAMP, "deleted": 0}
            for number in range(NUMBER):
                for table, found in _rows(number, project, self._stores):
                    row = {**found, **common}
                    marks = ",".join("?" * len(row))
                    tables.write(f"insert into {table} ({','.join(row)}) values ({marks})", [[*row.values()]])
                    if table == "image_locations":
                        (self._stores / "fast" / f"{IDS}{number:012x}").write_bytes(content(number))
        self._planted = self._read_all()

    @property
    def is_planted(self) -> bool:
        """Whether the neighbors exist."""
        return bool(self._planted)

    def _read_all(self) -> dict[str, list[Any]]:
        """Each row of each table with all columns, and each file with its bytes."""
        with self._database.open() as tables:
            found: dict[str, list[Any]] = {
                table: tables.read(f"select * from {table} where {_whose(table)} order by id")
                for table in ("images", *PARTS)
            }
        places = [place for place in sorted(self._stores.glob("*/*")) if is_neighbor(place.name)]
        return {**found, "files": [(str(place), place.read_bytes()) for place in places]}

    def list_changes(self) -> list[str]:
        """Each row and file that differs from its planted state."""
        found = self._read_all()
        return [
            f"{table}: {row}"
            for table, rows in self._planted.items()
            for row in sorted(set(rows) ^ set(found[table]), key=repr)
        ]


def _whose(table: str) -> str:
    column = "id" if table == "images" else "image_id"
    return f"substr({column}, 1, {len(IDS)}) = '{IDS}'"


def exclude_neighbors(table: str) -> str:
    """The SQL condition for the rows of a table that are not those of neighbors."""
    return "1" if table in ("tasks", "task_info") else f"not ({_whose(table)})"
