"""Plans against images as 0.1.0 wrote them: what is as wanted stays, what differs is seen for what it is."""

from dataclasses import replace
from typing import Any

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import Checksum, Fingerprint, ImageSpec, UrlSource
from imagesync.model.image import LiveImage
from imagesync.model.plan import Deactivate, Plan, Update
from imagesync.model.policy import OnRemove, Policy
from imagesync.model.record import read
from imagesync.planning.three_way import make_managed, wanted_digest
from tests.unit.factories import catalog, inventory, plan
from tests.unit.written_by_0_1_0 import (
    CREATED,
    CREATED_IMAGE,
    CREATED_MEMBERS,
    EARLIER,
    IMAGES,
    MADE_FROM,
    REPLACED,
    REPLACED_IMAGE,
    RETIRED_IMAGE,
    SIGNED,
    SIGNED_IMAGE,
    SPECS,
    STAGED,
    STAGED_IMAGE,
)


def planned(wanted: ImageSpec, *images: LiveImage) -> Plan:
    """The plan of one image; the members of the shared one are as they were set."""
    return plan(catalog(wanted), inventory(*images, members=CREATED_MEMBERS))


def changes(made: Plan) -> dict[str, tuple[object, object, str]]:
    """Path to (before, after, reason) of the only step."""
    (step,) = made.steps
    assert isinstance(step.action, Update)
    return {".".join(change.path): (change.before, change.after, change.reason.value) for change in step.action.changes}


def test_images_as_wanted_need_no_step() -> None:
    """Created, replaced, retired, adopted and fetched ones: an upgrade of imagesync plans nothing."""
    made = plan(catalog(*SPECS), inventory(*IMAGES, members=CREATED_MEMBERS))
    assert made.steps == ()
    assert made.unchanged == len(SPECS)
    assert [one.image_id for one in made.kept] == ["id-debian-1"]


def test_a_hash_of_a_url_with_a_secret_leaves_the_record() -> None:
    """The URL needs a digest now; one that the image has is declared, and only the record is written again."""
    with pytest.raises(PlanRefused, match=r"images\.kernel\.source: a URL with a log-in or a query needs a digest"):
        planned(SIGNED, SIGNED_IMAGE)
    digest = Checksum("sha512", "c" * 128)
    image = replace(SIGNED_IMAGE, os_hash_algo=digest.algorithm, os_hash_value=digest.value)
    assert isinstance(SIGNED.source, UrlSource)
    declared = replace(SIGNED.source, checksum=digest)
    wanted = replace(SIGNED, source=declared, fingerprint=Fingerprint((digest,)))
    (step,) = planned(wanted, image).steps
    assert isinstance(step.action, Update)
    assert step.action.changes == ()
    assert step.action.record is not None
    assert "url:" not in step.action.record.properties(image.id)["imagesync_digest"]
    written = {**image.properties, **step.action.record.properties(image.id)}
    assert planned(wanted, replace(image, properties=written)).steps == ()


def test_the_message_has_the_digest_to_declare() -> None:
    """It is the recorded one of the live build."""
    properties = {**SIGNED_IMAGE.properties, "imagesync_digest": f"sha256:{'d' * 64} url:{'e' * 64}"}
    with pytest.raises(PlanRefused, match=f"add checksum: sha256:{'d' * 64} .the content of image id-kernel"):
        planned(SIGNED, replace(SIGNED_IMAGE, properties=properties))


@pytest.mark.parametrize(("wanted", "image"), MADE_FROM, ids=lambda one: one.id if isinstance(one, LiveImage) else "")
def test_the_same_image_would_be_recorded_alike(wanted: ImageSpec, image: LiveImage) -> None:
    """The digest of what is wanted and the hashes of all values; except for what retirement added."""
    record = read(image)
    assert record is not None
    assert wanted_digest(wanted) == image.properties["imagesync_spec"]
    made = make_managed(wanted, frozenset(map(str, wanted.members)), record.managed.generation)
    added = {"444bd9c5": "6c76a933"} if image is RETIRED_IMAGE else {}
    expected = replace(record.managed, retired=None, before={}, tags=() if added else record.managed.tags)
    assert replace(made, properties={**made.properties, **added}) == expected


@pytest.mark.parametrize(
    ("attrs", "path", "values"),
    [
        ({"name": "X"}, "name", ("X", "Ubuntu 24.04")),
        ({"min_ram": 1}, "min_ram", (1, 512)),
        ({"tags": frozenset()}, "tags", ((), ("lts",))),
        ({"properties": {**CREATED_IMAGE.properties, "os_distro": "x"}}, "properties.os_distro", ("x", "ubuntu")),
    ],
)
def test_a_change_by_another_user_is_drift(attrs: dict[str, Any], path: str, values: tuple[object, object]) -> None:
    """The recorded hash is that of the wanted value: the manifest did not change."""
    made = planned(CREATED, replace(CREATED_IMAGE, **attrs))
    assert changes(made) == {path: (*values, "drift")}


def test_members_that_another_user_removed_are_drift() -> None:
    """The record is as 0.1.0 wrote it."""
    made = plan(catalog(CREATED), inventory(CREATED_IMAGE, members={"id-ubuntu": CREATED_MEMBERS["id-ubuntu"][:1]}))
    assert changes(made) == {"members": (("project-2",), ("project-2", "project-3"), "drift")}


def test_another_hash_in_the_record_is_seen() -> None:
    """A value that imagesync did not set as it is wanted now is a change of the manifest."""
    text = CREATED_IMAGE.properties["imagesync_managed"].replace("94f86079", "00000000")
    image = replace(CREATED_IMAGE, min_ram=1, properties={**CREATED_IMAGE.properties, "imagesync_managed": text})
    assert changes(planned(CREATED, image)) == {"min_ram": (1, 512, "manifest-changed")}


@pytest.mark.parametrize("name", ["22dfdc7d", "2315397a", "20142cf8", '"min_ram"'])
def test_a_record_with_another_name_is_rewritten(name: str) -> None:
    """A property, a tag, a member and a field that are wanted and not recorded."""
    other = '"other"' if name.startswith('"') else "00000000"
    text = CREATED_IMAGE.properties["imagesync_managed"].replace(name, other)
    image = replace(CREATED_IMAGE, properties={**CREATED_IMAGE.properties, "imagesync_managed": text})
    (step,) = planned(CREATED, image).steps
    assert isinstance(step.action, Update)
    assert step.action.record is not None


def test_what_left_the_manifest_is_removed() -> None:
    """Properties, tags, members and fields that the record names."""
    made = planned(
        replace(CREATED, properties={}, tags=frozenset(), members=frozenset(), min_ram=None, min_disk=None),
        CREATED_IMAGE,
    )
    assert changes(made) == {
        "members": (("project-2", "project-3"), (), "manifest-changed"),
        "min_disk": (8, 0, "manifest-changed"),
        "min_ram": (512, 0, "manifest-changed"),
        "properties.hw_disk_bus": ("scsi", None, "manifest-changed"),
        "properties.hw_scsi_model": ("virtio-scsi", None, "manifest-changed"),
        "properties.os_distro": ("ubuntu", None, "manifest-changed"),
        "tags": (("lts",), (), "manifest-changed"),
    }


def test_a_retired_image_comes_back_as_it_was() -> None:
    """What ``on_replace`` changed is put back from the record, and no byte moves."""
    made = planned(EARLIER, REPLACED_IMAGE, RETIRED_IMAGE)
    first, second, *retiring = (step.action for step in made.steps)
    assert type(first).__name__ == "Reactivate"
    assert isinstance(second, Update)
    assert {".".join(change.path): change.after for change in second.changes} == {
        "hidden": False,
        "name": "Debian",
        "properties.os_distro": "debian",
        "properties.superseded": None,
        "tags": (),
        "visibility": "community",
    }
    assert [type(action) for action in retiring] == [Update, Deactivate]


def test_retirement_is_recorded_as_0_1_0_did() -> None:
    """The record of the image that a new build supersedes, except for the time, which is that of the apply."""
    current = replace(RETIRED_IMAGE, name="Debian", status=REPLACED_IMAGE.status, tags=frozenset(), hidden=False)
    text = REPLACED_IMAGE.properties["imagesync_managed"].replace('"g":2', '"g":1')
    properties = {**RETIRED_IMAGE.properties, "imagesync_role": "current", "imagesync_managed": text}
    properties = {name: value for name, value in properties.items() if name != "superseded"} | {"os_distro": "debian"}
    current = replace(current, visibility=REPLACED_IMAGE.visibility, properties=properties)
    (update,) = (one.action for one in planned(REPLACED, current).steps if isinstance(one.action, Update))
    assert update.record is not None
    written = update.record.properties("")["imagesync_managed"]
    expected = RETIRED_IMAGE.properties["imagesync_managed"].replace('"r":"2026-11-25T15:31:32+00:00",', "")
    assert written.replace('"q":1,', "") == expected  # retirements are numbered since then


def test_a_candidate_is_published() -> None:
    """With the record that it has, and the role of a current image."""
    made = planned(STAGED, STAGED_IMAGE)
    assert changes(made) == {"hidden": (True, False, "staged"), "name": ("rocky (staging)", "rocky", "staged")}
    (step,) = made.steps
    assert isinstance(step.action, Update)
    assert step.action.record is not None
    expected = {**STAGED_IMAGE.properties, "imagesync_role": "current"}
    expected = {name: value for name, value in expected.items() if not name.startswith("imagesync_rev_")}
    assert step.action.record.properties(STAGED_IMAGE.id) == expected


@pytest.mark.parametrize(
    ("on_remove", "field", "value"),
    [(OnRemove.HIDE, "hidden", "b5bea41b"), (OnRemove.DEACTIVATE, "status", "6a99aea8")],
)
def test_what_becomes_of_a_removed_image_is_recorded_as_0_1_0_did(on_remove: OnRemove, field: str, value: str) -> None:
    """The hash of the value that ``on_remove`` sets."""
    found = inventory(REPLACED_IMAGE, CREATED_IMAGE, members=CREATED_MEMBERS)
    made = plan(catalog(CREATED), found, Policy(on_remove=on_remove))
    (update,) = (step.action for step in made.steps if isinstance(step.action, Update))
    assert update.record is not None
    assert update.record.managed.fields[field] == value
