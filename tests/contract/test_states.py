"""Scenarios on every backend: after each apply the images are as declared, and the next plan is empty.

A scenario is a list of states. A state has the images of the manifest and, by key, the expected fields of the image after
the apply; ``None`` means that the key has no current image.
"""

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from imagesync.backends.base import Backend
from imagesync.errors import PlanRefused
from imagesync.execution.executor import execute
from imagesync.execution.performer import Performer
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.model.catalog import Catalog, Role
from imagesync.model.image import LiveImage
from imagesync.model.record import read
from imagesync.sources import identify
from tests.cloud.neighbors import drop_neighbors
from tests.pipeline import applied, planned
from tests.samples import iso, qcow2

FILES = {
    "one.raw": b"\xb1" * 5000,
    "two.raw": b"\xb2" * 6000,
    "three.raw": b"\xb3" * 7000,
    "disk.qcow2": qcow2(2**30),
    "boot.iso": iso(),
    "empty.raw": b"",
}


@dataclass(frozen=True)
class State:
    """The content of the manifest, and the expected images after the apply.

    ``retired`` is the number of images of the catalog that are not current; ``released`` are images that it no longer
    owns, by name.
    """

    images: Mapping[str, Mapping[str, Any]]
    seen: Mapping[str, Mapping[str, object] | None] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    retired: int | None = None
    released: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    removed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def a(**attrs: Any) -> dict[str, dict[str, Any]]:
    """One image with the key a, and the source one.raw by default."""
    return {"a": {"source": "one.raw", **attrs}}


def keep(number: int) -> dict[str, Any]:
    """A policy that keeps ``number`` superseded generations."""
    return {"on_replace": {"keep": number}}


SCENARIOS: dict[str, list[State]] = {
    "formats": [
        State(
            {
                "q": {"source": "disk.qcow2", "disk_format": "qcow2", "min_disk": "auto"},
                "i": {"source": "boot.iso", "disk_format": "iso"},
                "r": {"source": "one.raw"},
                "n": {"source": "none"},
            },
            {
                "q": {"status": "active", "virtual_size": 2**30, "min_disk": 1, "visibility": "private"},
                "i": {"status": "active", "disk_format": "iso"},
                "r": {"status": "active", "size": 5000},
                "n": {"status": "queued", "size": None},
            },
        )
    ],
    "all stores, however many there are": [
        State(a(source={"path": "one.raw", "stores": "all"}), {"a": {"size": 5000}})
    ],
    "empty data": [State(a(source={"path": "empty.raw", "inspect": "none"}), {"a": {"status": "active", "size": 0}})],
    "fields": [
        State(a(), {"a": {"name": "a", "min_ram": 0}}),
        State(a(name="Renamed"), {"a": {"name": "Renamed"}}),
        State(a(name="Renamed", min_ram=512, min_disk=2), {"a": {"min_ram": 512, "min_disk": 2}}),
        State(a(name="Renamed", min_ram=1024), {"a": {"min_ram": 1024, "min_disk": 0}}),
        State(a(protected=True, hidden=True), {"a": {"name": "a", "protected": True, "hidden": True, "min_ram": 0}}),
        State(a(), {"a": {"protected": False, "hidden": False}}),
    ],
    "properties": [
        State(a(properties={"p": "1", "q": "1"}), {"a": {"p": "1", "q": "1"}}),
        State(a(properties={"p": "2", "r": ""}), {"a": {"p": "2", "q": None, "r": ""}}),
        State(a(properties={"a/b~c": "x", "dotted.name": "y"}), {"a": {"p": None, "a/b~c": "x", "dotted.name": "y"}}),
        State(a(), {"a": {"a/b~c": None, "dotted.name": None}}),
    ],
    "tags": [
        State(a(tags=["x", "y"]), {"a": {"tags": ["x", "y"]}}),
        State(a(tags=["y", "z"]), {"a": {"tags": ["y", "z"]}}),
        State(a(tags=[]), {"a": {"tags": []}}),
        State(a(tags=["z", "a b"]), {"a": {"tags": ["a b", "z"]}}),
        State(a(), {"a": {"tags": []}}),
    ],
    "visibility": [
        State(a(visibility=one), {"a": {"visibility": one}})
        for one in ("private", "community", "public", "shared", "public", "private", "shared", "community")
    ],
    "members": [
        State(a(visibility="shared", members=[{"id": "p1"}, {"id": "p2"}]), {"a": {"members": ["p1", "p2"]}}),
        State(a(visibility="shared", members=[{"id": "p2"}, {"id": "p3"}]), {"a": {"members": ["p2", "p3"]}}),
        State(a(visibility="shared", members=[]), {"a": {"members": []}}),
        State(a(visibility="shared", members=[{"id": "p1"}]), {"a": {"members": ["p1"]}}),
        State(a(visibility="private"), {"a": {"visibility": "private"}}),
        State(a(visibility="shared"), {"a": {"members": []}}),
        State(a(visibility="shared", members=[{"id": "p4"}]), {"a": {"members": ["p4"]}}),
    ],
    "members of a record without data": [
        State(
            {"a": {"source": "none", "visibility": "shared", "members": [{"id": "p1"}]}},
            {"a": {"members": ["p1"], "status": "queued"}},
        ),
    ],
    "status both ways": [
        State(a(status="deactivated"), {"a": {"status": "deactivated"}}),
        State(a(status="active"), {"a": {"status": "active"}}),
        State(a(status="deactivated", min_ram=1), {"a": {"status": "deactivated", "min_ram": 1}}),
        State(a(), {"a": {"status": "active", "min_ram": 0}}),
    ],
    "new content": [
        State(a(), {"a": {"size": 5000}}, keep(1), retired=0),
        State(a(source="two.raw"), {"a": {"size": 6000}}, keep(1), retired=1),
        State(a(source="three.raw"), {"a": {"size": 7000}}, keep(1), retired=1),
    ],
    "new content, nothing kept": [
        State(a(), {"a": {"size": 5000}}, keep(0)),
        State(a(source="two.raw"), {"a": {"size": 6000}}, keep(0), retired=0),
    ],
    "new content, then fewer kept": [
        State(a(), {}, keep(2)),
        State(a(source="two.raw"), {}, keep(2), retired=1),
        State(a(source="three.raw"), {}, keep(2), retired=2),
        State(a(source="three.raw"), {"a": {"size": 7000}}, keep(1), retired=1),
        State(a(source="three.raw"), {"a": {"size": 7000}}, keep(0), retired=0),
    ],
    "back to an earlier build": [
        State(a(properties={"p": "1"}), {"a": {"size": 5000}}, keep(2)),
        State(a(source="two.raw", properties={"p": "2"}), {"a": {"size": 6000, "p": "2"}}, keep(2), retired=1),
        State(a(properties={"p": "3"}), {"a": {"size": 5000, "p": "3", "hidden": False}}, keep(2), retired=1),
    ],
    "superseded ones renamed, deactivated, marked": [
        State(a(), {}),
        State(
            a(source="two.raw"),
            {"a": {"size": 6000, "name": "a"}},
            {
                "on_replace": {
                    "rename": "{name} (old)",
                    "deactivate": True,
                    "set": {"properties": {"old": "yes"}, "tags": ["old"], "min_ram": 7},
                }
            },
            retired=1,
        ),
        State(
            a(),
            {"a": {"size": 5000, "name": "a", "old": None, "tags": [], "min_ram": 0, "status": "active"}},
            retired=1,
        ),
    ],
    "another format is another image": [
        State(a(), {"a": {"disk_format": "raw"}}, retired=0),
        State(a(disk_format="ami", container_format="ami"), {"a": {"disk_format": "ami"}}, retired=1),
    ],
    "removed": [
        State({**a(), "b": {"source": "two.raw"}}),
        State(a(), {"b": None}, {"on_remove": "delete"}, retired=0),
    ],
    "removed, deactivated": [
        State({**a(), "b": {"source": "two.raw"}}),
        State(a(), {"b": {"status": "deactivated"}}, {"on_remove": "deactivate"}),
    ],
    "removed, hidden": [
        State({**a(), "b": {"source": "two.raw"}}),
        State(a(), {"b": {"hidden": True}}, {"on_remove": "hide"}),
    ],
    "removed, kept": [
        State({**a(), "b": {"source": "two.raw"}}),
        State(
            a(),
            {"b": None},
            {"on_remove": "keep"},
            released={"b": {"size": 6000, "status": "active", "hidden": False, "visibility": "private"}},
        ),
    ],
    "references": [
        State(
            {
                "k": {"source": "one.raw", "disk_format": "aki", "container_format": "aki"},
                "r": {"source": "two.raw", "disk_format": "ari", "container_format": "ari"},
                "m": {
                    "source": "three.raw",
                    "disk_format": "ami",
                    "container_format": "ami",
                    "properties": {"kernel_id": "${images.k.id}", "ramdisk_id": "${images.r.id}"},
                },
            },
            {"m": {"kernel_id": "@k", "ramdisk_id": "@r"}},
        ),
        State(
            {
                "k": {"source": "two.raw", "disk_format": "aki", "container_format": "aki"},
                "r": {"source": "two.raw", "disk_format": "ari", "container_format": "ari"},
                "m": {
                    "source": "three.raw",
                    "disk_format": "ami",
                    "container_format": "ami",
                    "properties": {"kernel_id": "${images.k.id}", "ramdisk_id": "${images.r.id}"},
                },
            },
            {"m": {"kernel_id": "@k", "ramdisk_id": "@r"}},
        ),
    ],
    "text that looks like a reference": [
        State(a(properties={"p": "$${images.a.id} $$$$"}), {"a": {"p": "${images.a.id} $$"}}),
        State(a(properties={"p": "$${images.a.id}"}), {"a": {"p": "${images.a.id}"}}),
    ],
    "ignored fields": [
        State(a(properties={"p": "1"}, ignore=["properties.p", "min_ram"]), {"a": {"p": "1"}}),
        State(a(properties={"p": "2"}, min_ram=5, ignore=["properties.p", "min_ram"]), {"a": {"p": "1", "min_ram": 0}}),
    ],
    "a name moves to another key": [
        State({"a": {"source": "one.raw", "name": "N"}, "b": {"source": "two.raw", "name": "M"}}),
        State(
            {"a": {"source": "one.raw", "name": "M"}, "b": {"source": "two.raw", "name": "N"}},
            {"a": {"name": "M"}, "b": {"name": "N"}},
        ),
    ],
}


def resolved(folder: Path, state: State) -> Catalog:
    """The manifest of the state, loaded, resolved and identified."""
    defaults = {"disk_format": "raw", "container_format": "bare", "visibility": "private"}
    policy = {"max_delete": "100%", **state.policy}
    document = {"version": 1, "catalog": "base", "defaults": defaults, "policy": policy, "images": state.images}
    document |= {"removed": state.removed} if state.removed else {}
    (folder / "base.yaml").write_text(json.dumps(document))
    return identify(resolve(load(folder / "base.yaml")))


def owned(backend: Backend) -> dict[str, LiveImage]:
    """The current image of each key."""
    marked = [(image, read(image)) for image in backend.inventory("base")]
    return {record.key: image for image, record in marked if record and record.role is Role.CURRENT}


def read_field(backend: Backend, images: Mapping[str, LiveImage], image: LiveImage, name: str) -> object:
    """A field, or else a property, of a live image as plain data; the id of another image is ``@KEY``."""
    if name == "members":
        return [member.project for member in backend.members(image.id)]
    if name == "tags":
        return sorted(image.tags)
    if hasattr(image, name) and name not in ("kernel_id", "ramdisk_id"):
        found = getattr(image, name)
        return str(found) if isinstance(found, str) else found
    found = image.properties.get(name)
    return next((f"@{key}" for key, other in images.items() if other.id == found), found)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_from_state_to_state(backend: Backend, tmp_path: Path, scenario: str) -> None:
    """Each state is reached, and the next plan has no steps."""
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    for state in SCENARIOS[scenario]:
        catalog = resolved(tmp_path, state)
        applied(backend, planned(backend, catalog))
        images = owned(backend)
        for key, expected in state.seen.items():
            if expected is None:
                assert key not in images
                continue
            assert {name: read_field(backend, images, images[key], name) for name in expected} == expected
        for image_name, wanted in state.released.items():
            (image,) = [one for one in drop_neighbors(backend.images()) if one.name == image_name and read(one) is None]
            assert {name: read_field(backend, images, image, name) for name in wanted} == wanted
        if state.retired is not None:
            assert len(backend.inventory("base")) - len(images) == state.retired
        assert planned(backend, catalog).steps == ()


@pytest.mark.parametrize("adopt", ["by id", "by name"])
def test_an_adopted_image_keeps_its_id_and_data(backend: Backend, tmp_path: Path, adopt: str) -> None:
    """No data is sent; declared fields are set, and no others."""
    found = backend.create_image(
        name="Old", disk_format="raw", container_format="bare", visibility="private", tags=["t"]
    )
    backend.upload(found.id, [b"data"], 4)
    images = {"a": {"name": "Old", "adopt": found.id if adopt == "by id" else True, "min_ram": 5}}
    catalog = resolved(tmp_path, State(images))
    applied(backend, planned(backend, catalog))
    (image,) = drop_neighbors(backend.images())
    assert (image.id, image.min_ram, image.size, image.tags) == (found.id, 5, 4, frozenset({"t"}))
    assert planned(backend, catalog).steps == ()


def test_drift_is_restored(backend: Backend, tmp_path: Path) -> None:
    """Values that another user changed are restored; values that another user added stay."""
    (tmp_path / "one.raw").write_bytes(FILES["one.raw"])
    state = State(a(min_ram=5, tags=["ours"], properties={"p": "1"}))
    catalog = resolved(tmp_path, state)
    applied(backend, planned(backend, catalog))
    image = owned(backend)["a"]
    backend.update_image(
        image.id, name="theirs", min_ram=9, min_disk=3, tags=["theirs"], properties={"p": "2", "q": "theirs"}
    )
    plan = planned(backend, catalog)
    assert {step.reason.value for step in plan.steps} == {"drift"}
    applied(backend, plan)
    image = owned(backend)["a"]
    assert (image.name, image.min_ram, image.min_disk) == ("a", 5, 3)
    assert image.tags == {"ours", "theirs"}
    assert (image.properties["p"], image.properties["q"]) == ("1", "theirs")
    assert planned(backend, catalog).steps == ()


def test_an_image_with_a_pinned_id_never_has_new_content(backend: Backend, tmp_path: Path) -> None:
    """The image keeps its id, and its fields may change. The planner refuses new content, and the id of another image."""
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    pinned, taken = "6a1b8b0e-0b5e-4f7e-9d6e-0242ac120002", "6a1b8b0e-0b5e-4f7e-9d6e-0242ac120003"
    catalog = resolved(tmp_path, State(a(id=pinned)))
    applied(backend, planned(backend, catalog))
    applied(backend, planned(backend, resolved(tmp_path, State(a(id=pinned, min_ram=7)))))
    assert (owned(backend)["a"].id, owned(backend)["a"].min_ram) == (pinned, 7)
    with pytest.raises(PlanRefused, match=f"pinned id {pinned}"):
        planned(backend, resolved(tmp_path, State(a(id=pinned, source="two.raw"))))
    backend.create_image(id=taken, name="theirs")
    with pytest.raises(PlanRefused, match=f"a foreign image has the id {taken}"):
        planned(backend, resolved(tmp_path, State(a(id=taken))))
    applied(backend, planned(backend, resolved(tmp_path, State({}))))
    again = planned(backend, catalog)
    report = execute(again, Performer(backend, again), jobs=1, notify=lambda _: None, cancelled=threading.Event())
    assert "in use or was used before; choose another id" in report.results[0].error


def test_an_image_for_another_owner(backend: Backend, tmp_path: Path) -> None:
    """It is created, changed, replaced, and an image gets another owner; each time the next plan is empty."""
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    other = "f" * 32
    for attrs, size in (({}, 5000), ({"min_ram": 3}, 5000), ({"source": "two.raw"}, 6000)):
        catalog = resolved(tmp_path, State(a(owner=other, **attrs)))
        applied(backend, planned(backend, catalog))
        assert planned(backend, catalog).steps == ()
        current = [image for image in backend.inventory("base", [other]) if not image.hidden]
        assert [(image.owner, image.size) for image in current] == [(other, size)]
    applied(backend, planned(backend, resolved(tmp_path, State({"b": {"source": "one.raw"}, **a(owner=other)}))))
    given = resolved(tmp_path, State({"b": {"source": "one.raw", "owner": other}, **a(owner=other)}))
    applied(backend, planned(backend, given))
    assert planned(backend, given).steps == ()
    assert backend.inventory("base") == []


def test_images_of_an_owner_that_is_no_longer_declared_are_kept(backend: Backend, tmp_path: Path) -> None:
    """The plan names the project and the key. The image stays the same, and a new one is created in the session's project.

    Every project can write such a record on its own image, so it must not stop a run.
    """
    (tmp_path / "one.raw").write_bytes(FILES["one.raw"])
    other = "f" * 32
    applied(backend, planned(backend, resolved(tmp_path, State(a(owner=other)))))
    (image,) = backend.inventory("base", [other])
    mine = resolved(tmp_path, State(a()))
    plan = planned(backend, mine)
    assert [note for note in plan.notes if f"project {other} has images of a" in note]
    applied(backend, plan)
    assert planned(backend, mine).steps == ()
    assert backend.images(image.id) == [image]


@pytest.mark.parametrize("declared", [False, True])
def test_an_image_of_another_project_is_removed_only_if_the_manifest_declares_it(
    backend: Backend, tmp_path: Path, *, declared: bool
) -> None:
    """Other keys declare that project. The plan names its image of the removed key; only with ``removed`` it is deleted."""
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    other = "f" * 32
    applied(
        backend,
        planned(backend, resolved(tmp_path, State({**a(owner=other), "b": {"source": "two.raw", "owner": other}}))),
    )
    removed = {"a": {"owner": other}} if declared else {}
    left = resolved(tmp_path, State({"b": {"source": "two.raw", "owner": other}}, removed=removed))
    plan = planned(backend, left)
    assert [step.id.partition(":")[0] for step in plan.steps] == (["delete"] if declared else [])
    assert [note for note in plan.notes if f"project {other} has images of a" in note] == [] if declared else plan.notes
    applied(backend, plan)
    keys = {image.properties["imagesync_key"] for image in backend.inventory("base", [other])}
    assert keys == ({"b"} if declared else {"a", "b"})


def test_the_owner_of_one_key_owns_no_other_key(backend: Backend, tmp_path: Path) -> None:
    """The owner of one key creates images with bound records of another key. The catalog does not own them.

    They are a current image, and a verified staged build with the digest that the manifest declares next.
    """
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    other = "f" * 32
    applied(backend, planned(backend, resolved(tmp_path, State({**a(), "b": {"source": "two.raw", "owner": other}}))))
    planted = []
    for role, hidden in (("current", False), ("staging", True)):
        source = owned(backend)["a"]
        marks = {name: text for name, text in source.properties.items() if name.startswith("imagesync_")}
        digest = f"sha256:{hashlib.sha256(FILES['two.raw']).hexdigest()}"
        made = backend.create_image(
            name="a", owner=other, hidden=hidden, visibility="private", disk_format="raw", container_format="bare"
        )
        marks |= {"imagesync_id": made.id, "imagesync_role": role, "imagesync_digest": digest}
        backend.update_image(made.id, properties=marks)
        backend.upload(made.id, [b"evil"], 4)
        planted += backend.images(made.id)
    wanted = resolved(tmp_path, State({**a(source="two.raw"), "b": {"source": "two.raw", "owner": other}}))
    plan = planned(backend, wanted)
    assert [note for note in plan.notes if f"project {other} has images of a" in note]
    assert [step.action.key for step in plan.steps] == ["a"] * len(plan.steps)
    applied(backend, plan)
    assert planned(backend, wanted).steps == ()
    assert [backend.images(image.id)[0] for image in planted] == planted
    assert owned(backend)["a"].size == len(FILES["two.raw"])


def test_the_record_of_an_adopted_image_has_the_digests_of_the_service(backend: Backend, tmp_path: Path) -> None:
    """A declared sha256 is not verified. A sha512 that the service confirms replaces it at the next write."""
    found = backend.create_image(name="a", disk_format="raw", container_format="bare", visibility="private")
    backend.upload(found.id, [FILES["two.raw"]], len(FILES["two.raw"]))
    sha256, sha512 = (f"{name}:{hashlib.new(name, FILES['two.raw']).hexdigest()}" for name in ("sha256", "sha512"))
    for attrs, declared, digests in (
        ({"source": {"url": "https://x.example/a.raw", "checksum": sha256}}, ["sha256"], {"md5", "sha512"}),
        ({"source": {"url": "https://x.example/a.raw", "checksum": sha512}}, ["sha256"], {"md5", "sha512"}),
        ({"source": {"url": "https://x.example/a.raw", "checksum": sha512}, "min_ram": 5}, [], {"md5", "sha512"}),
    ):
        catalog = resolved(tmp_path, State({"a": {"adopt": True, **attrs}}))
        applied(backend, planned(backend, catalog))
        (image,) = drop_neighbors(backend.images())
        record = read(image)
        assert record is not None
        assert [item.algorithm for item in record.declared] == declared
        assert {item.algorithm for item in record.digests} == digests
        assert {item.algorithm: item.value for item in record.digests} == image.digests
        assert (image.id, planned(backend, catalog).steps) == (found.id, ())
