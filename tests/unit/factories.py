"""Values for tests: each factory fills the fields that a test is not about."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from imagesync.model.catalog import Catalog, Checksum, FileSource, Fingerprint, ImageSpec, Role, Status, Visibility
from imagesync.model.image import Capabilities, Identity, Inventory, LiveImage
from imagesync.model.plan import Plan
from imagesync.model.policy import Policy
from imagesync.model.record import Record, read
from imagesync.planning.clock import Clock
from imagesync.planning.context import PlanInput
from imagesync.planning.planner import make_plan
from imagesync.planning.three_way import make_managed, wanted_digest
from tests.honest import find_refusals

PROJECT = "project-1"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
REVISION = {"imagesync_rev_1": "an-earlier-run"}
"""The guard of an image that was written once."""
TARGET = Identity("store", "store-1", PROJECT, "local", label="./lab")


def digest(seed: str) -> Checksum:
    """A sha256 that differs by its first letter."""
    return Checksum("sha256", (seed * 64)[:64])


def spec(key: str = "a", content: str = "a", **attrs: object) -> ImageSpec:
    """A declared raw image whose content is ``content`` (a hexadecimal letter)."""
    base = ImageSpec(
        key,
        name=key,
        source=FileSource(f"/images/{key}.raw", f"{key}.raw"),
        fingerprint=Fingerprint((digest(content),), size=4096),
        disk_format="raw",
        container_format="bare",
        visibility=Visibility.PRIVATE,
    )
    return replace(base, **attrs)  # type: ignore[arg-type]


def live(
    wanted: ImageSpec, image_id: str = "", role: Role = Role.CURRENT, generation: int = 1, **attrs: object
) -> LiveImage:
    """The image as imagesync would leave it after applying ``wanted``."""
    record = Record(
        "base",
        wanted.key,
        role,
        wanted.fingerprint.digests,
        wanted.url_identity,
        wanted_digest(wanted),
        make_managed(wanted, frozenset(map(str, wanted.members)), generation),
    )
    image_id = image_id or f"id-{wanted.key}"
    image = LiveImage(
        id=image_id,
        name=wanted.name,
        status=Status.ACTIVE,
        visibility=wanted.visibility or Visibility.PRIVATE,
        owner=PROJECT,
        disk_format=wanted.disk_format,
        container_format=wanted.container_format,
        min_disk=wanted.min_disk if isinstance(wanted.min_disk, int) else 0,
        min_ram=wanted.min_ram or 0,
        protected=bool(wanted.protected),
        hidden=bool(wanted.hidden),
        tags=wanted.tags,
        properties={**wanted.properties, **record.properties(image_id), **REVISION},
        size=4096,
        created_at="2026-11-01T00:00:00Z",
    )
    return replace(image, **attrs)  # type: ignore[arg-type]


class Listing:
    """The part of a backend that an inventory needs for an unchanged catalog: one listing and no further request."""

    def __init__(self, images: list[LiveImage]) -> None:
        self._images = images

    def identity(self) -> Identity:
        """The target of the tests."""
        return TARGET

    def inventory(self, catalog: str, owners: Sequence[str] = ()) -> list[LiveImage]:
        """The same each time."""
        return list(self._images)


def mark(image: LiveImage, record: Record) -> LiveImage:
    """An image with another record."""
    return replace(image, properties={**image.properties, **record.properties(image.id)})


def retired(
    wanted: ImageSpec, image_id: str, generation: int = 1, days: int = 0, before: dict[str, object] | None = None
) -> LiveImage:
    """A superseded image, retired so many days ago; ``before``: the fields that on_replace changed."""
    image = live(wanted, image_id, Role.RETIRED, generation, hidden=True)
    record = read(image)
    assert record is not None
    since = (NOW - timedelta(days=days)).isoformat()
    managed = replace(record.managed, retired=since, before=before or {"hidden": False})
    return mark(image, replace(record, managed=managed))


def rewrite(image: LiveImage, **attrs: object) -> LiveImage:
    """An image with a changed record."""
    record = read(image)
    assert record is not None
    return mark(image, replace(record, **attrs))  # type: ignore[arg-type]


def candidate(wanted: ImageSpec, image_id: str = "cand", **attrs: object) -> LiveImage:
    """A verified build that is not published."""
    fields = {"hidden": True, "visibility": Visibility.PRIVATE, "name": f"{wanted.key} (staging)", "protected": False}
    return live(wanted, image_id, Role.STAGING, 9, **{**fields, **attrs})


def catalog(*specs: ImageSpec, **attrs: object) -> Catalog:
    """A catalog named base of these images."""
    images = tuple(sorted(specs, key=lambda item: item.key))
    return replace(Catalog("base", images, frozenset(item.key for item in images), base="/images"), **attrs)  # type: ignore[arg-type]


def inventory(*owned: LiveImage, **attrs: object) -> Inventory:
    """The live images: these owned images."""
    return replace(Inventory(PROJECT, owned=owned), **attrs)  # type: ignore[arg-type]


def plan(wanted: Catalog, found: Inventory, policy: Policy | None = None, now: datetime = NOW) -> Plan:
    """The plan with unknown capabilities; after saving, it could be applied."""
    return check_honest(make_plan(plan_input(wanted, found, policy, now=now)), found)


def check_honest(made: Plan, found: Inventory) -> Plan:
    """Return a plan of a planner, after the checks of saved plans accepted it."""
    assert find_refusals(made, found) == []
    return made


def plan_input(
    wanted: Catalog,
    found: Inventory,
    policy: Policy | None = None,
    *,
    able: Capabilities | None = None,
    now: datetime = NOW,
) -> PlanInput:
    """The input of a plan; ``able``: the capabilities of the target, None if unknown."""
    return PlanInput(
        wanted, found, policy=policy or wanted.policy, capabilities=able, target=TARGET, clock=Clock((now,))
    )
