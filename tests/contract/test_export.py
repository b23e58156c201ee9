"""Exported images are adopted without a change, and the next plan is empty, on every backend."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from imagesync.backends.base import Backend
from imagesync.inventory import take_inventory
from imagesync.manifest.export import Exported, export_manifest
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.model.catalog import Catalog, Status, Visibility
from imagesync.model.image import Filter, LiveImage
from imagesync.model.record import PREFIX
from imagesync.planning.adoption import pick_adoptable, request_adoption
from imagesync.sources import identify
from tests.cloud.neighbors import drop_neighbors
from tests.pipeline import applied, planned
from tests.varied_images import create_varied_images, filled, record


def export(backend: Backend) -> Exported:
    """The manifest of every image of the project."""
    project = backend.identity().project_id
    images = backend.find_images(Filter(owner=project))
    members = {one.id: tuple(backend.members(one.id)) for one in images if one.visibility is Visibility.SHARED}
    return export_manifest("base", images, members, project=project, read_only=backend.capabilities().read_only)


def load_exported(folder: Path, made: Exported) -> Catalog:
    """The exported manifest as a resolved catalog."""
    (folder / "base.yaml").write_text(made.text, encoding="utf-8")
    return identify(resolve(load(folder / "base.yaml")))


def remove_markers(backend: Backend, image: LiveImage) -> LiveImage:
    """An image without markers and without the time of the last update."""
    properties = {name: value for name, value in image.properties.items() if not name.startswith(PREFIX)}
    return replace(image, properties=properties, updated_at="")


def hash_data(backend: Backend, image: LiveImage) -> str | None:
    """The sha256 of the data; None if there is none."""
    if image.status is Status.QUEUED:
        return None
    return hashlib.sha256(b"".join(backend.download(image.id))).hexdigest()


@pytest.mark.parametrize("way", ["apply", "adopt"])
def test_exported_images_are_adopted_without_a_change(backend: Backend, tmp_path: Path, way: str) -> None:
    """Ids, data, members and every field stay the same; the next plan is empty."""
    before = [remove_markers(backend, image) for image in create_varied_images(backend)]
    data = {image.id: hash_data(backend, image) for image in before}
    made = export(backend)
    assert made.problems == ()
    assert {image.id for image in made.images.values()} == {image.id for image in before}
    catalog = load_exported(tmp_path, made)
    part = (
        catalog
        if way == "apply"
        else pick_adoptable(request_adoption(catalog), take_inventory(backend, request_adoption(catalog)))
    )
    plan = planned(backend, part)
    assert {step.reason.value for step in plan.steps} == {"adopt"}
    assert [step.action for step in plan.steps if getattr(step.action, "changes", None)] == []
    applied(backend, plan)
    assert planned(backend, catalog).steps == ()
    after = {image.id: remove_markers(backend, image) for image in drop_neighbors(backend.images())}
    assert after == {image.id: image for image in before}
    assert {image_id: hash_data(backend, image) for image_id, image in after.items()} == data
    shared = next(image for image in before if image.name == "shared with two")
    assert [member.project for member in backend.members(shared.id)] == ["p$2", "p1"]


def test_the_manifest_is_the_same_every_time(backend: Backend) -> None:
    """It does not depend on the order of the images."""
    list(create_varied_images(backend))
    first = export(backend)
    assert first.text == export(backend).text
    images = list(reversed(list(first.images.values())))
    members = {one.id: tuple(backend.members(one.id)) for one in images if one.visibility is Visibility.SHARED}
    assert export_manifest("base", images, members, project=backend.identity().project_id).text == first.text


def test_images_are_found_by_owner_name_tags_and_visibility(backend: Backend) -> None:
    """Hidden images are found, too. Each condition must be met, and is compared byte for byte."""
    one = record(backend, name="a: b", tags=["x", "y"])
    two = record(backend, name="a: b", tags=["x"], hidden=True, visibility="community")
    other = record(backend, name="a: b", owner="f" * 32)
    project = backend.identity().project_id
    cases: list[tuple[Filter, set[str]]] = [
        (Filter(), {one.id, two.id, other.id}),
        (Filter(owner=project), {one.id, two.id}),
        (Filter(owner="f" * 32), {other.id}),
        (Filter(name="a: b", owner=project), {one.id, two.id}),
        (Filter(name="A: b"), set()),
        (Filter(tags=frozenset({"x"})), {one.id, two.id}),
        (Filter(tags=frozenset({"x", "y"})), {one.id}),
        (Filter(visibility=Visibility.COMMUNITY), {two.id}),
    ]
    for wanted, expected in cases:
        assert {image.id for image in drop_neighbors(backend.find_images(wanted))} == expected, wanted


def test_an_image_of_another_project_is_adopted_with_its_owner(backend: Backend, tmp_path: Path) -> None:
    """The manifest declares ``owner`` if it is not the session's project."""
    image = filled(backend, name="theirs", owner="f" * 32)
    made = export_manifest("base", [image], {}, project=backend.identity().project_id)
    assert f"owner: {'f' * 32}" in made.text
    catalog = load_exported(tmp_path, made)
    applied(backend, planned(backend, catalog))
    assert planned(backend, catalog).steps == ()
    assert backend.images(image.id)[0].owner == "f" * 32


def test_only_what_can_be_adopted_is_adopted(backend: Backend, tmp_path: Path) -> None:
    """A key adopts by id or by name. A key without an image, or with other content, has a warning and no step."""
    by_name = filled(backend, name="By name", tags=["theirs"])
    by_id = filled(backend, name="Other name", hidden=True)
    other = filled(backend, b"other", name="Other content")
    (tmp_path / "base.yaml").write_text(
        "version: 1\ncatalog: base\ndefaults: {disk_format: raw, container_format: bare}\nimages:\n"
        "  by-name: {name: By name, min_ram: 5}\n"
        f"  by-id: {{adopt: {by_id.id}, name: Other name, hidden: true, properties: {{of: '${{images.by-name.id}}'}}}}\n"
        "  other: {name: Other content, source: data.raw}\n"
        "  referring: {name: Other content 2, properties: {of: '${images.other.id}'}}\n"
        "  missing: {source: data.raw}\n"
    )
    (tmp_path / "data.raw").write_bytes(b"data")
    catalog = request_adoption(identify(resolve(load(tmp_path / "base.yaml"))))
    part = pick_adoptable(catalog, take_inventory(backend, catalog))
    assert part.only == ("by-id", "by-name")
    assert [note.split(":")[0] for note in part.warnings] == ["missing", "other", "referring"]
    applied(backend, planned(backend, part))
    assert planned(backend, part).steps == ()
    adopted = {image.properties["imagesync_key"]: image for image in backend.inventory("base")}
    assert {key: image.id for key, image in adopted.items()} == {"by-name": by_name.id, "by-id": by_id.id}
    assert (adopted["by-name"].min_ram, adopted["by-name"].tags) == (5, frozenset({"theirs"}))
    assert adopted["by-id"].properties["of"] == by_name.id
    assert backend.images(other.id)[0] == other


def test_without_an_image_to_adopt_the_plan_is_empty(backend: Backend, tmp_path: Path) -> None:
    """Keys that the manifest does not declare are not removed, either."""
    markers = {"imagesync_catalog": "base", "imagesync_key": "gone", "imagesync_role": "current"}
    filled(backend, name="gone", properties=markers)
    (tmp_path / "base.yaml").write_text("version: 1\ncatalog: base\nimages: {missing: {name: missing}}\n")
    catalog = request_adoption(identify(resolve(load(tmp_path / "base.yaml"))))
    part = pick_adoptable(catalog, take_inventory(backend, catalog))
    assert part.images == ()
    assert planned(backend, part).steps == ()
