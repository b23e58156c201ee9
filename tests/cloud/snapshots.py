"""Images as Nova and Cinder create them of a server or volume that began with an image: they inherit its properties."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from imagesync.model.image import OWN_FIELDS
from tests.cloud.neighbors import PARTS
from tests.cloud.service import Cloud, Http
from tests.samples import spell

MAX_INHERITED_BYTES: Final = 255
"""Nova cuts each property of a snapshot at this number of bytes (``nova.utils.get_system_metadata_from_image``)."""


def inherit_properties(source: Mapping[str, Any]) -> dict[str, str]:
    """The properties that a snapshot of a server inherits from the server's image."""
    return {
        name: value.encode()[:MAX_INHERITED_BYTES].decode(errors="ignore")
        for name, value in source.items()
        if name not in OWN_FIELDS and isinstance(value, str)
    }


@dataclass(frozen=True, slots=True)
class Seen:
    """The state of snapshots: every row of the database, every byte, and what the service returns to an administrator."""

    rows: Mapping[str, list[tuple[Any, ...]]]
    files: Mapping[str, bytes]
    display: Mapping[str, Any]


class Snapshots:
    """The snapshots that users of one cloud took, and their state at the last ``note``."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.ids: list[str] = []
        self.ours: list[str] = []
        self.seen = self.read_state()

    def take(self, source: Mapping[str, Any], *, user: str = "alice", **fields: Any) -> str:
        """Take a snapshot of a server of this user, booted from ``source``, as Nova does; with other ``fields`` as given."""
        http = self._cloud.http(user)
        project = self._cloud.project_id({"alice": "images", "operator": "images", "bob": "other"}[user])
        nova = {
            "image_type": "snapshot",
            "base_image_ref": source["id"],
            "instance_uuid": "11111111-2222-4333-8444-555555555555",
            "owner_id": project,
            "user_id": "f" * 32,
            "image_location": "snapshot",
            "image_state": "available",
        }
        return self._fill(user, {**inherit_properties(source), **nova, **_common(source, "snapshot"), **fields}, http)

    def save_volume(self, source: Mapping[str, Any], *, user: str = "alice", **fields: Any) -> str:
        """Create an image of a volume that was made from ``source``, as Cinder's upload-to-image does; it has no marker of its own."""
        made = {**inherit_properties(source), **_common(source, "volume"), **fields}
        return self._fill(user, made, self._cloud.http(user))

    def _fill(self, user: str, body: dict[str, Any], http: Http) -> str:
        answer = http.send("POST", "/images", json=body)
        answer.raise_for_status()
        image = answer.json()
        kind = {"Content-Type": "application/octet-stream"}
        data = spell(f"data of {image['id']}") * 25
        http.send("PUT", f"/images/{image['id']}/file", data=data, headers=kind).raise_for_status()
        self.ids.append(image["id"])
        if user != "bob" and body.get("imagesync_catalog"):
            self.ours.append(image["id"])
        return str(image["id"])

    def note(self) -> None:
        """Save the present state, including new snapshots."""
        self.seen = self.read_state()

    def read_state(self) -> Seen:
        """The present state."""
        known = set(self.ids)
        among = ", ".join(f"'{image_id}'" for image_id in self.ids)
        with self._cloud.database.open() as tables:
            rows = {
                table: tables.read(f"select * from {table} where {column} in ({among}) order by id")
                for table, column in (*((part, "image_id") for part in PARTS), ("images", "id"))
            }
        places = (self._cloud.state / "stores").glob("*/*")
        files = {str(place): place.read_bytes() for place in places if place.name in known}
        output = {image["id"]: image for image in self._cloud.http().everything("visibility=all")} if known else {}
        return Seen(rows, files, {image_id: output[image_id] for image_id in self.ids})


def _common(source: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {
        "name": f"{kind} of {source['id'][:8]}",
        "disk_format": "raw",
        "container_format": "bare",
        "visibility": "private",
        "min_disk": source["min_disk"],
        "min_ram": source["min_ram"],
    }
