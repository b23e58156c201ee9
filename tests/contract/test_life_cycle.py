"""The life of one key on every backend: stage, publish, supersede, roll back, discard, release; then the plan is empty."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from imagesync.backends.base import Backend
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.model.catalog import Catalog, Role, Status
from imagesync.model.image import LiveImage
from imagesync.model.plan import Fate, Plan
from imagesync.model.policy import Policy, Publish
from imagesync.model.record import read
from imagesync.model.report import Report
from imagesync.planning.rollback import rollback_plan
from imagesync.planning.staging import discard_plan, stage_plan
from imagesync.sources import identify
from tests.cloud.neighbors import drop_neighbors
from tests.pipeline import applied, plan_input, planned
from tests.samples import qcow2, spell


@dataclass
class Life:
    """One catalog on one backend."""

    backend: Backend
    folder: Path

    def catalog(self, policy: dict[str, Any] | None = None, **images: dict[str, Any]) -> Catalog:
        """A catalog with these images, whose sources are identified."""
        defaults = {"disk_format": "raw", "container_format": "bare", "visibility": "private"}
        document = {"version": 1, "catalog": "base", "defaults": defaults, "policy": policy or {}, "images": images}
        (self.folder / "base.yaml").write_text(json.dumps(document))
        return identify(resolve(load(self.folder / "base.yaml")))

    def file(self, name: str, data: bytes) -> str:
        """Write an image file; return its name."""
        (self.folder / name).write_bytes(data)
        return name

    def apply(self, catalog: Catalog) -> Report:
        """Plan and apply; the next plan must be empty."""
        report = applied(self.backend, planned(self.backend, catalog))
        assert planned(self.backend, catalog).steps == ()
        return report

    def plan_with(self, make: Callable[..., Plan], catalog: Catalog, **more: Any) -> Plan:
        """A plan of another kind, which ``make`` makes."""
        return make(plan_input(self.backend, catalog, promoting=catalog.keys), **more)

    def images(self, role: Role, key: str = "a") -> list[LiveImage]:
        """The live images of one key in one role."""
        found = [(image, read(image)) for image in self.backend.inventory("base")]
        return [image for image, record in found if record and (record.key, record.role) == (key, role)]


@pytest.fixture
def life(backend: Backend, tmp_path: Path) -> Life:
    """A catalog without images, and three files for images."""
    made = Life(backend, tmp_path)
    for name in ("one", "two", "three"):
        made.file(f"{name}.raw", spell(name) * 500)
    return made


def count_bytes(report: Report) -> int:
    """Bytes that a run has sent."""
    return sum(result.bytes_sent for result in report.results)


def test_a_staged_build_is_published_without_an_upload(life: Life) -> None:
    """It is private and hidden until then. Then it has the declared fields, and its record has every known digest."""
    image: dict[str, Any] = {
        "source": life.file("disk.qcow2", qcow2(3 * 2**30)),
        "disk_format": "qcow2",
        "min_disk": "auto",
        "visibility": "shared",
        "members": [{"id": "p1"}],
        "tags": ["t"],
        "properties": {"p": "1"},
        "protected": True,
        "name": "Disk",
    }
    life.apply(life.catalog(a={"source": "one.raw", "name": "Disk"}))
    catalog = life.catalog(a=image)
    report = applied(life.backend, life.plan_with(stage_plan, catalog))
    assert count_bytes(report) > 0
    (staged,) = life.images(Role.STAGING)
    assert (staged.status, staged.hidden, staged.visibility, staged.protected) == (
        Status.ACTIVE,
        True,
        "private",
        False,
    )
    assert life.plan_with(stage_plan, catalog).steps == ()
    (old,) = life.images(Role.CURRENT)
    assert (old.hidden, old.name, old.min_disk) == (False, "Disk", 0)

    report = life.apply(life.catalog(a=image | {"properties": {"p": "2"}, "min_ram": 5, "tags": ["t", "u"]}))
    assert count_bytes(report) == 0
    (published,) = life.images(Role.CURRENT)
    assert (published.id, published.hidden, published.name) == (staged.id, False, "Disk")
    assert (published.min_disk, published.min_ram, published.protected) == (3, 5, True)
    assert published.tags == {"t", "u"}
    assert published.properties["p"] == "2"
    assert [member.project for member in life.backend.members(published.id)] == ["p1"]
    record = read(published)
    assert record is not None
    digests = {digest.algorithm: digest.value for digest in record.digests}
    assert digests["sha512"] == published.os_hash_value
    assert {"md5", "sha256"} <= set(digests)
    assert [image.id for image in life.images(Role.RETIRED)] == [old.id]


def test_staging_changes_nothing_else(life: Life) -> None:
    """Changed fields and removed keys wait for a plan without --stage."""
    life.apply(life.catalog(a={"source": "one.raw"}, b={"source": "two.raw"}))
    before = {image.id: image for image in drop_neighbors(life.backend.images())}
    catalog = life.catalog({"max_delete": 1}, a={"source": "three.raw", "min_ram": 7})
    applied(life.backend, life.plan_with(stage_plan, catalog))
    after = {image.id: image for image in drop_neighbors(life.backend.images())}
    assert {image_id: after[image_id] for image_id in before} == before
    assert len(after) == len(before) + 1


def test_a_candidate_can_be_discarded_alone(life: Life) -> None:
    """The published image stays, and the next apply builds the candidate again."""
    life.apply(life.catalog(a={"source": "one.raw"}))
    catalog = life.catalog(a={"source": "two.raw"}, b={"source": "three.raw"})
    applied(life.backend, life.plan_with(stage_plan, catalog))
    applied(life.backend, life.plan_with(discard_plan, catalog, keys="a"))
    assert life.images(Role.STAGING) == []
    assert len(life.images(Role.STAGING, "b")) == 1
    assert [image.size for image in life.images(Role.CURRENT)] == [3000]
    assert count_bytes(life.apply(catalog)) == 3000


def test_a_queued_image_is_not_a_candidate(life: Life) -> None:
    """A run stopped before the upload: the next run makes a new image and deletes the queued one."""
    catalog = life.catalog(a={"source": "one.raw"})
    applied(life.backend, life.plan_with(stage_plan, catalog))
    (staged,) = life.images(Role.STAGING)
    life.backend.delete_image(staged)
    left = str(uuid4())
    marks = {name: value for name, value in staged.properties.items() if name.startswith("imagesync_")}
    life.backend.create_image(
        id=left,
        name="a (staging)",
        hidden=True,
        visibility="private",
        disk_format="raw",
        container_format="bare",
        properties={**marks, "imagesync_id": left},
    )
    plan = life.plan_with(stage_plan, catalog)
    assert plan.candidates == ()
    assert [step.id for step in plan.steps] == ["create:a"]
    life.apply(catalog)
    assert len(drop_neighbors(life.backend.images())) == 1


def test_a_rollback_can_be_reverted(life: Life) -> None:
    """A rollback restores what on_replace changed, with the properties of that build. The next apply reverts it, or is empty."""
    on_replace = {
        "keep": 1,
        "deactivate": True,
        "rename": "{name} (build {generation})",
        "set": {"properties": {"purpose": "old", "p": "x"}, "tags": ["old"], "min_ram": 9, "visibility": "private"},
        "unset": ["properties.gone"],
    }
    policy = {"on_replace": on_replace}
    image = {"name": "N", "visibility": "community", "tags": ["t"], "properties": {"p": "1", "gone": "1"}}
    first = life.catalog(policy, a=image | {"source": "one.raw"})
    life.apply(first)
    second = life.catalog(policy, a=image | {"source": "two.raw", "properties": {"p": "2", "gone": "1"}})
    life.apply(second)
    (retired,) = life.images(Role.RETIRED)
    assert (retired.status, retired.name, retired.min_ram) == (Status.DEACTIVATED, "N (build 1)", 9)
    assert (retired.properties["purpose"], retired.properties["p"], "gone" in retired.properties) == ("old", "x", False)

    plan = life.plan_with(rollback_plan, second, key="a", to=None)
    assert count_bytes(applied(life.backend, plan)) == 0
    (current,) = life.images(Role.CURRENT)
    assert (current.id, current.status, current.name, current.min_ram) == (retired.id, Status.ACTIVE, "N", 0)
    assert current.tags == {"t"}
    assert (current.visibility.value, current.size) == ("community", 3000)
    assert (current.properties["p"], current.properties["gone"]) == ("1", "1")
    assert "purpose" not in current.properties
    followed = life.catalog(policy, a=image | {"source": "one.raw", "properties": {"p": "1", "gone": "1"}})
    assert planned(life.backend, followed).steps == ()
    forward = life.apply(second)
    assert count_bytes(forward) == 0
    assert [image.id for image in life.images(Role.RETIRED)] == [current.id]


def test_on_replace_of_an_image_has_precedence(life: Life) -> None:
    """Each field of an image's on_replace replaces that of the policy."""
    policy = {"on_replace": {"keep": 2, "hide": False, "rename": "{key} old"}}
    image = {"on_replace": {"rename": "{key}-{generation}"}}
    life.apply(life.catalog(policy, a=image | {"source": "one.raw"}))
    life.apply(life.catalog(policy, a=image | {"source": "two.raw"}))
    life.apply(life.catalog(policy, a=image | {"source": "three.raw"}))
    assert sorted((found.name, found.hidden) for found in life.images(Role.RETIRED)) == [("a-1", False), ("a-2", False)]


def test_a_released_key_loses_all_its_markers(life: Life) -> None:
    """Its retired images lose them, too. Only images that were never published are deleted; the next plan is empty."""
    life.apply(life.catalog(a={"source": "one.raw"}, b={"source": "one.raw"}))
    life.apply(life.catalog(a={"source": "two.raw"}, b={"source": "one.raw"}))
    applied(life.backend, life.plan_with(stage_plan, life.catalog(a={"source": "three.raw"}, b={"source": "one.raw"})))
    life.apply(life.catalog({"on_remove": "keep", "max_delete": 1}, b={"source": "one.raw"}))
    left = [image for image in drop_neighbors(life.backend.images()) if image.name == "a"]
    assert sorted(image.size or 0 for image in left) == [3000, 3000]
    assert [name for image in left for name in image.properties if name.startswith("imagesync_")] == []


def test_an_expired_image_is_hidden_until_the_day_changes(life: Life) -> None:
    """A later day in the manifest makes it visible again."""
    life.apply(life.catalog(a={"source": "one.raw"}))
    life.apply(life.catalog(a={"source": "one.raw", "expires": "2020-01-01"}))
    assert life.images(Role.CURRENT)[0].hidden
    life.apply(life.catalog(a={"source": "one.raw", "expires": "2999-01-01"}))
    assert not life.images(Role.CURRENT)[0].hidden
    life.apply(life.catalog(a={"source": "one.raw", "expires": "2020-01-01", "on_expire": "deactivate"}))
    assert life.images(Role.CURRENT)[0].status is Status.DEACTIVATED


def test_a_protected_image_is_deleted_only_if_that_is_allowed(life: Life) -> None:
    """The run removes its protection, then deletes it."""
    life.apply(life.catalog(a={"source": "one.raw", "protected": True}, b={"source": "two.raw"}))
    catalog = life.catalog({"max_delete": 1}, b={"source": "two.raw"})
    policy = replace(catalog.policy, allow_protected=True)
    applied(life.backend, planned(life.backend, catalog, policy))
    assert [image.name for image in drop_neighbors(life.backend.images())] == ["b"]


def test_a_rejected_build_is_never_published(life: Life) -> None:
    """Neither a plan nor staging publishes it, until the manifest declares another build or the rejection is removed."""
    life.apply(life.catalog(a={"source": "one.raw"}))
    catalog = life.catalog(a={"source": "two.raw", "min_ram": 7}, b={"source": "two.raw"})
    applied(life.backend, life.plan_with(stage_plan, catalog))
    (staged,) = life.images(Role.STAGING)
    (first,) = life.images(Role.STAGING, "b")
    life.backend.deactivate(staged.id)
    life.backend.deactivate(first.id)
    before = sorted(drop_neighbors(life.backend.images()), key=lambda image: image.id)
    for policy in (Policy(), Policy(reactivate=True), Policy(publish=Publish.STAGED_ONLY), Policy(drift_only=True)):
        plan = planned(life.backend, catalog, policy)
        assert plan.steps == ()
        assert {(one.key, one.image_id, one.fate) for one in plan.candidates} == {
            ("a", staged.id, Fate.REJECTED),
            ("b", first.id, Fate.REJECTED),
        }
    assert life.plan_with(stage_plan, catalog).steps == ()
    assert life.plan_with(discard_plan, catalog, keys="*").steps == ()
    assert sorted(drop_neighbors(life.backend.images()), key=lambda image: image.id) == before

    life.apply(life.catalog(a={"source": "three.raw"}, b={"source": "two.raw"}))
    assert [image.size for image in life.images(Role.CURRENT)] == [5000]
    assert life.images(Role.STAGING) == []
    applied(life.backend, life.plan_with(discard_plan, catalog, keys="b"))
    life.apply(life.catalog(a={"source": "three.raw"}, b={"source": "two.raw"}))
    assert [image.size for image in life.images(Role.CURRENT, "b")] == [3000]


def test_a_candidate_is_published_after_its_rejection_is_removed(life: Life) -> None:
    """The image is reactivated; the next plan publishes it and sends nothing."""
    life.apply(life.catalog(a={"source": "one.raw"}))
    catalog = life.catalog(a={"source": "two.raw"})
    applied(life.backend, life.plan_with(stage_plan, catalog))
    (staged,) = life.images(Role.STAGING)
    life.backend.deactivate(staged.id)
    assert planned(life.backend, catalog).steps == ()
    life.backend.reactivate(staged.id)
    assert count_bytes(life.apply(catalog)) == 0
    assert [image.id for image in life.images(Role.CURRENT)] == [staged.id]


def test_with_staged_only_a_build_must_be_staged_before_it_is_published(life: Life) -> None:
    """A plan without --stage uploads nothing, but changes fields of published images."""
    policy = {"publish": "staged-only"}
    root = {"source": "two.raw", "properties": {"kernel_id": "${images.a.id}"}}
    wanted = life.catalog(policy, a={"source": "one.raw"}, r=root, n={"source": "none"})
    life.apply(wanted)
    assert [image.name for image in drop_neighbors(life.backend.images())] == ["n"]
    applied(life.backend, life.plan_with(stage_plan, wanted))
    assert count_bytes(life.apply(wanted)) == 0
    (current,) = life.images(Role.CURRENT)
    (referring,) = life.images(Role.CURRENT, "r")
    assert referring.properties["kernel_id"] == current.id
    life.apply(life.catalog(policy, a={"source": "one.raw", "min_ram": 7}, r=root, n={"source": "none"}))
    assert [image.min_ram for image in life.images(Role.CURRENT)] == [7]
    life.apply(life.catalog(policy, a={"source": "two.raw", "min_ram": 9}, r=root, n={"source": "none"}))
    assert [(image.id, image.min_ram) for image in life.images(Role.CURRENT)] == [(current.id, 7)]
