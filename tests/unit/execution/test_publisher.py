"""An image is published even if single writes fail, and an image that users may see is never deleted."""

import hashlib
import json
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack
from uuid import uuid4

import pytest

from imagesync.backends.base import CreateFields, ImportFields, UpdateFields
from imagesync.backends.local.backend import Local
from imagesync.backends.local.store import Store
from imagesync.errors import Conflict, Forbidden, LeaseLost, QuotaExceeded, Unavailable
from imagesync.execution.executor import execute
from imagesync.execution.performer import Performer
from imagesync.model.catalog import (
    Auto,
    Catalog,
    Checksum,
    Content,
    Fingerprint,
    Method,
    Role,
    Status,
    Transfer,
    UrlSource,
    Visibility,
)
from imagesync.model.image import IMPORT_TASK, Capabilities, LiveImage
from imagesync.model.plan import Create, Plan
from imagesync.model.policy import OnReplace
from imagesync.model.record import ID, MANAGED, ROLE, read
from imagesync.model.report import Outcome
from imagesync.planning.staging import stage_plan
from tests.pipeline import plan_input, planned
from tests.samples import GIB, qcow2
from tests.unit.execution.helpers import FaultyStore, UpdateFault, apply, want_image
from tests.unit.factories import TARGET, catalog, spec

LOSSES = [UpdateFault.LOST, UpdateFault.NOT_RECEIVED]


@pytest.mark.parametrize("lost", LOSSES)
@pytest.mark.parametrize("last", [UpdateFault.NONE, UpdateFault.NO_ANSWER])
def test_an_image_that_only_the_last_write_publishes_is_published(
    tmp_path: Path, lost: UpdateFault, last: UpdateFault
) -> None:
    """The last write is read back too: the step is done and the image stays."""
    service = FaultyStore(tmp_path / "store")
    service.updates = [lost, lost, last]
    assert apply(service, want_image(tmp_path, b"\0data")).succeeded
    assert [image.name for image in service.images()] == ["x"]


@pytest.mark.parametrize("unreadable", [1, 9])
def test_a_published_image_that_cannot_be_read_back_stays(tmp_path: Path, unreadable: int) -> None:
    """Users may use it already. It matches the manifest, so the next plan is empty."""
    service = FaultyStore(tmp_path / "store")
    images = want_image(tmp_path, b"\0data", visibility=Visibility.PUBLIC)
    service.updates, service.reads = [UpdateFault.NO_ANSWER], [UpdateFault.NO_ANSWER] * unreadable
    (result,) = apply(service, images).results
    assert "no answer to a read" in str(result.error)
    service.reads.clear()
    assert [(image.name, image.visibility) for image in service.images()] == [("x", Visibility.PUBLIC)]
    assert planned(service, images).steps == ()


class HalfSaved(FaultyStore):
    """Saves only the fields of ``kept`` of each update, as beside a concurrent update."""

    kept: frozenset[str] = frozenset()

    def update_image(self, image: LiveImage | str, **attrs: Any) -> LiveImage:
        saved: Any = {name: value for name, value in attrs.items() if name in self.kept}
        return super().update_image(image, **saved)


@pytest.mark.parametrize("kept", ["visibility", "hidden", "properties"])
def test_an_image_that_was_published_in_part_stays(tmp_path: Path, kept: str) -> None:
    """The service answers every update and saves a part of its fields: users may see that image."""
    service = HalfSaved(tmp_path / "store")
    service.kept = frozenset({kept})
    (result,) = apply(service, want_image(tmp_path, b"\0data", visibility=Visibility.COMMUNITY)).results
    assert "did not keep the update" in str(result.error)
    assert len(service.images()) == 1


@pytest.mark.parametrize(
    "updates",
    [
        [UpdateFault.LOST] * 3,
        [UpdateFault.REFUSED],
        [UpdateFault.LOST, UpdateFault.REFUSED],
        [UpdateFault.NOT_RECEIVED] * 3,
    ],
    ids=["lost", "refused", "lost and refused", "no answer"],
)
def test_nothing_is_deleted_once_the_publishing_update_was_sent(tmp_path: Path, updates: list[UpdateFault]) -> None:
    """Users may see the image, whatever a read shows; the next run publishes the verified build without an upload."""
    service = FaultyStore(tmp_path / "store")
    images = want_image(tmp_path, b"\0data")
    service.updates = list(updates)
    assert not apply(service, images).succeeded
    assert "delete" not in service.calls
    assert [image.properties[ROLE] for image in service.images()] == [Role.STAGING]
    assert not any(isinstance(step.action, Create) for step in planned(service, images).steps)
    assert apply(service, images).succeeded
    assert planned(service, images).steps == ()


class Published(Local):
    """A service in which another user publishes the image during its upload, which then fails."""

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        super().upload(image_id, chunks, size, store=store)
        self.update_image(image_id, hidden=False, properties={ROLE: Role.CURRENT.value})
        raise Forbidden("refused")


def test_an_image_that_another_user_published_meanwhile_stays(tmp_path: Path) -> None:
    """A record is read before it is deleted, whatever failed."""
    service = Published(Store(tmp_path / "store"), "published")
    (result,) = apply(service, want_image(tmp_path, b"\0data")).results
    assert "refused" in str(result.error)
    assert len(service.images()) == 1


class NoMembers(Local):
    """A store that refuses members while ``full`` is true."""

    full = True

    def add_member(self, image_id: str, project: str) -> None:
        if self.full:
            raise QuotaExceeded("no more members")
        super().add_member(image_id, project)


def want_record(**attrs: Any) -> Catalog:
    """A catalog of one image without data."""
    return catalog(replace(spec("x", source=Content.NO_DATA, fingerprint=Fingerprint()), **attrs))


def test_a_record_without_data_whose_members_fail_is_not_published(tmp_path: Path) -> None:
    """As for an image with data; the next run makes it."""
    service = NoMembers(Store(tmp_path / "store"), "full")
    images = want_record(visibility=Visibility.SHARED, members=frozenset({"a" * 32}))
    assert not apply(service, images).succeeded
    assert service.images() == []
    service.full = False
    assert apply(service, images).succeeded
    (made,) = service.images()
    assert [member.project for member in service.members(made.id)] == ["a" * 32]


class PostOnly(FaultyStore):
    """A store that accepts the POST of a record and no later request of that run."""

    def update_image(self, image: LiveImage | str, **attrs: Any) -> LiveImage:
        raise Unavailable("no answer")

    def delete_image(self, image: LiveImage | str) -> None:
        raise Unavailable("no answer")


@pytest.mark.parametrize("pinned", [None, "0a4d55a8-d778-4c4f-9b32-b8bd1ecd6d41"])
def test_a_post_that_arrives_late_publishes_nothing(tmp_path: Path, pinned: str | None) -> None:
    """This holds for a record without data too. The next run publishes one and deletes the late record."""
    images = want_record(id=pinned)
    assert not apply(PostOnly(tmp_path / "store"), images).succeeded
    store = FaultyStore(tmp_path / "store")
    (left,) = store.images()
    assert (left.hidden, left.visibility, left.properties[ROLE]) == (True, Visibility.PRIVATE, Role.STAGING)
    assert apply(store, images).succeeded
    (made,) = store.images()
    assert (made.name, made.hidden, made.properties[ROLE]) == ("x", False, Role.CURRENT)
    assert (made.id == left.id) is (pinned is not None)
    assert planned(store, images).steps == ()


class MayNotPublish(Local):
    """A store whose user may not make images public; ``queries`` counts the checks, ``uploads`` the uploads."""

    queries = uploads = 0

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        self.uploads += 1
        super().upload(image_id, chunks, size, store=store)

    def can_publish(self, image_id: str) -> bool:
        self.queries += 1
        return False


def test_the_right_that_a_retirement_needs_is_checked_before_a_candidate_is_published(tmp_path: Path) -> None:
    """Otherwise two images of one name would stay, and each further apply would fail."""
    service = MayNotPublish(Store(tmp_path / "store"), "member")
    on_replace = OnReplace(hide=False, set_fields=(("visibility", "public"),))
    assert apply(service, want_image(tmp_path, b"\0old")).succeeded
    wanted = want_image(tmp_path, b"\0new", on_replace=on_replace)
    staged = stage_plan(plan_input(service, wanted))
    performer = Performer(service, staged)
    assert execute(staged, performer, jobs=1, notify=lambda _: None, cancelled=threading.Event()).succeeded
    promoted, retired = apply(service, wanted).results
    assert "this user may not make images public, which on_replace.set.visibility requires" in str(promoted.error)
    assert retired.outcome is Outcome.SKIPPED
    assert sorted(image.properties[ROLE] for image in service.images()) == [Role.CURRENT, Role.STAGING]


def test_the_right_that_a_retirement_needs_is_checked_before_the_upload(tmp_path: Path) -> None:
    """Otherwise ``on_replace.set.visibility: public`` would fail after the new build was published, at each apply."""
    service = MayNotPublish(Store(tmp_path / "store"), "member")
    on_replace = OnReplace(hide=False, set_fields=(("visibility", "public"),))
    assert apply(service, want_image(tmp_path, b"\0old")).succeeded
    assert service.queries == 0
    report = apply(service, want_image(tmp_path, b"\0new", on_replace=on_replace))
    created, retired = report.results
    assert created.error == (
        "this user may not make images public, which on_replace.set.visibility requires; use shared or community, or apply "
        "as a user who may publish images (role admin by default)"
    )
    assert retired.outcome is Outcome.SKIPPED
    assert service.uploads == 1
    assert [image.properties[ROLE] for image in service.images()] == [Role.CURRENT]


def test_the_right_that_an_image_needs_is_checked_before_its_upload(tmp_path: Path) -> None:
    """One check for all images of a run; an image that is not public needs none."""
    service = MayNotPublish(Store(tmp_path / "store"), "member")
    assert apply(service, want_image(tmp_path, b"\0data", visibility=Visibility.SHARED)).succeeded
    assert service.queries == 0
    report = apply(service, want_image(tmp_path, b"\0new", visibility=Visibility.PUBLIC))
    created, *_ = report.results
    assert str(created.error).startswith("this user may not make images public, which visibility requires; ")
    assert (service.queries, service.uploads) == (1, 1)
    assert [image.visibility for image in service.images()] == [Visibility.SHARED]


class Deactivating(Local):
    """A store that counts deactivations."""

    deactivations = 0

    def deactivate(self, image_id: str) -> None:
        self.deactivations += 1
        super().deactivate(image_id)


def test_without_the_lease_nothing_is_deactivated(tmp_path: Path) -> None:
    """The lease may be lost during the upload, and another run may then use the record."""
    service = Deactivating(Store(tmp_path / "store"), "store")
    plan = planned(service, want_image(tmp_path, b"\0data", status=Status.DEACTIVATED))

    def check_lease() -> None:
        if any(image.status is Status.ACTIVE for image in service.images()):
            raise LeaseLost("lost", "run apply again")

    performer = Performer(service, plan, check_lease=check_lease)
    assert not execute(plan, performer, jobs=1, notify=lambda _: None, cancelled=threading.Event()).succeeded
    assert service.deactivations == 0


class DeactivationLost(Local):
    """A store that reports a deactivation, but does not carry it out."""

    def deactivate(self, image_id: str) -> None:
        return


class SilentDeactivation(Local):
    """A store that deactivates an image without an answer."""

    def deactivate(self, image_id: str) -> None:
        super().deactivate(image_id)
        raise Unavailable("no answer")


def test_a_deactivation_without_an_answer_leaves_the_run_unsettled(tmp_path: Path) -> None:
    """The request may arrive during the next run."""
    service = SilentDeactivation(Store(tmp_path / "store"), "silent")
    plan = planned(service, want_image(tmp_path, b"\0data", status=Status.DEACTIVATED))
    performer = Performer(service, plan)
    report = execute(plan, performer, jobs=1, notify=lambda _: None, cancelled=threading.Event())
    assert not report.succeeded
    assert performer.writes.is_unanswered


def test_an_image_that_is_not_deactivated_as_declared_is_an_error(tmp_path: Path) -> None:
    """The answer to the PATCH that publishes shows it. Users may see the image, so it stays."""
    service = DeactivationLost(Store(tmp_path / "store"), "lossy")
    (result,) = apply(service, want_image(tmp_path, b"\0data", status=Status.DEACTIVATED)).results
    assert "is active, not deactivated, after the change; run apply again" in str(result.error)
    assert len(service.images()) == 1


class Changed(FaultyStore):
    """A store in which another user changes images after some reads; ``is_full``: it accepts no data."""

    change: dict[str, Any] | None = None
    reads_before = 0
    is_full = True

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        if self.is_full:
            raise QuotaExceeded("full")
        super().upload(image_id, chunks, size, store=store)

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        found = super().images(image_id)
        if image_id is None or self.change is None:
            return found
        if self.reads_before:
            self.reads_before -= 1
            return found
        properties = {**found[0].properties, **self.change.get("properties", {})}
        kept = {name: value for name, value in properties.items() if value is not None}
        return [replace(found[0], **{**self.change, "properties": kept})]


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        ({"properties": {"imagesync_catalog": None}}, "it lost its marker: imagesync_catalog removed"),
        ({"name": "theirs"}, "name is 'theirs'"),
        ({"owner": "somebody"}, "owner is 'somebody'"),
    ],
    ids=["disowned", "renamed", "given away"],
)
@pytest.mark.parametrize("reads_before", [0, 1])
def test_a_queued_record_that_another_user_changed_after_the_plan_is_not_published(
    tmp_path: Path, change: dict[str, Any], texts: str, reads_before: int
) -> None:
    """A record with a pinned id: nothing is written to it. If the change comes later, the upload is not published."""
    service = Changed(tmp_path / "store")
    images = want_image(tmp_path, b"\0data", id="11111111-1111-4111-8111-111111111111")
    assert not apply(service, images).succeeded
    plan = planned(service, images)
    service.is_full, service.change, service.reads_before = False, change, reads_before
    service.sent.clear()
    report = execute(plan, Performer(service, plan), jobs=1, notify=lambda _: None, cancelled=threading.Event())
    assert texts in str(report.results[0].error)
    service.change = None
    (left,) = service.images()
    assert (left.status is Status.ACTIVE, left.hidden, service.sent) == (bool(reads_before), True, [])


class ChangedDuring(FaultyStore):
    """A store in which another user changes the staging record during one of these requests; request ``fails`` is
    refused."""

    change: UpdateFields = {}  # noqa: RUF012 - replaced, never changed
    at = "upload"
    fails = ""

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        self.come("upload", image_id)
        super().upload(image_id, chunks, size, store=store)

    def add_member(self, image_id: str, project: str) -> None:
        self.come("add_member", image_id)
        super().add_member(image_id, project)

    def come(self, request: str, image_id: str) -> None:
        """One of the requests arrives."""
        if request == self.at:
            super(FaultyStore, self).update_image(image_id, **self.change)
        if request == self.fails:
            raise QuotaExceeded("full")


@pytest.mark.parametrize("fails", ["upload", ""])
@pytest.mark.parametrize(
    "change", [{"properties": {"imagesync_catalog": None}}, {"name": "theirs"}], ids=["disowned", "renamed"]
)
def test_a_record_that_another_user_changed_during_the_upload_is_left_alone(
    tmp_path: Path, change: UpdateFields, fails: str
) -> None:
    """The catalog may no longer own it. It is neither published nor deleted, whether the upload succeeded or not."""
    service = ChangedDuring(tmp_path / "store")
    service.change, service.fails = change, fails
    assert not apply(service, want_image(tmp_path, b"\0data")).succeeded
    (left,) = service.images()
    assert (left.hidden, left.properties[ROLE], service.sent) == (True, "staging", [])


@pytest.mark.parametrize("change", [{"name": "theirs"}, {"min_ram": 7}])
def test_a_record_that_another_user_changed_while_it_was_shared_is_not_published(
    tmp_path: Path, change: UpdateFields
) -> None:
    """No guard stops the requests that change members, so the record is read after them."""
    service = ChangedDuring(tmp_path / "store")
    service.change, service.at = change, "add_member"
    wanted = want_image(
        tmp_path, b"\0data", visibility=Visibility.SHARED, members=("11111111111111111111111111111111",)
    )
    (result,) = apply(service, wanted).results
    assert "another user or run changed image" in str(result.error)
    assert (service.images()[0].hidden, service.sent) == (True, [])


class Refusing(FaultyStore):
    """A service that rejects the data, before or after it stored it."""

    stored = False

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        if self.stored:
            super().upload(image_id, chunks, size, store=store)
        raise Forbidden("refused")


@pytest.mark.parametrize(("stored", "calls"), [(False, ["delete"]), (True, ["update", "delete"])])
def test_a_record_with_data_is_marked_before_it_is_discarded(tmp_path: Path, stored: bool, calls: list[str]) -> None:
    """Another run could publish it.

    A record without data is deleted at once, whatever an interrupted upload still writes.
    """
    service = Refusing(tmp_path / "store")
    service.stored = stored
    assert not apply(service, want_image(tmp_path, b"\0data")).succeeded
    assert service.images() == []
    assert [call for call in service.calls if call != "read"] == calls


class ImportingService(Refusing):
    """A service that rejects the data while the service imports the image."""

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        return [replace(one, service={IMPORT_TASK: "task"}) for one in super().images(image_id)]


def test_a_build_that_failed_is_discarded_whatever_is_at_work_on_it(tmp_path: Path) -> None:
    """Only a run that was stopped leaves an import to the next run."""
    service = ImportingService(tmp_path / "store")
    assert not apply(service, want_image(tmp_path, b"\0data")).succeeded
    assert service.images() == []


class Choosing(Local):
    """A service that chooses the id of each image itself."""

    def create_image(self, **attrs: Any) -> LiveImage:
        return super().create_image(**{**attrs, "id": str(uuid4())})


@pytest.mark.parametrize("data", [b"\0data", None])
def test_a_record_is_bound_to_the_id_that_a_service_chose(tmp_path: Path, data: bytes | None) -> None:
    """The first update writes the id, before the data is sent; the next plan is empty."""
    service = Choosing(Store(tmp_path / "store"), "choosing")
    images = (
        want_image(tmp_path, data) if data else catalog(spec("x", source=Content.NO_DATA, fingerprint=Fingerprint()))
    )
    assert apply(service, images).succeeded
    (image,) = service.images()
    assert image.properties[ID] == image.id
    assert planned(service, images).steps == ()


class SilentDelete(Local):
    """A store that reports another size than was sent, and does not answer a DELETE."""

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        return [replace(one, size=6) if one.size else one for one in super().images(image_id)]

    def delete_image(self, image: LiveImage | str) -> None:
        raise Unavailable("no answer")


def test_a_record_whose_deletion_got_no_answer_leaves_the_run_unsettled(tmp_path: Path) -> None:
    """The DELETE may arrive after the next run has filled that record."""
    service = SilentDelete(Store(tmp_path / "store"), "silent")
    plan = planned(service, want_image(tmp_path, b"\0data"))
    performer = Performer(service, plan)
    report = execute(plan, performer, jobs=1, notify=lambda _: None, cancelled=threading.Event())
    assert not report.succeeded
    assert performer.writes.is_unanswered


@pytest.mark.parametrize("visibility", Visibility)
@pytest.mark.parametrize("hidden", [True, False])
def test_a_queued_record_that_users_may_see_is_not_discarded(
    tmp_path: Path, visibility: Visibility, hidden: bool
) -> None:
    """It was visible when the plan was made, and its source cannot be read: only a record that no user saw is
    deleted."""
    service = Refusing(tmp_path / "store")
    (step,) = planned(service, want_image(tmp_path, b"\0data")).steps
    create, image_id = step.action, str(uuid4())
    assert isinstance(create, Create)
    record = replace(create.record, role=Role.STAGING).properties(image_id)
    fields: Any = {name: create.state.fields[name] for name in ("disk_format", "container_format")}
    service.create_image(id=image_id, visibility=visibility, hidden=hidden, properties=record, **fields)
    carry_out = Performer(service, Plan("base", TARGET))
    with pytest.raises(Forbidden, match="refused"):
        carry_out(replace(step, action=replace(create, fill=image_id)), lambda amount: None)
    is_seen = not hidden or visibility in (Visibility.PUBLIC, Visibility.COMMUNITY)
    assert [image.id for image in service.images()] == ([image_id] if is_seen else [])


@pytest.mark.parametrize(("size", "min_disk"), [(5 * GIB - 512, 5), (5 * GIB, 5), (5 * GIB + 512, 6), (512, 1)])
def test_an_automatic_min_disk_is_the_size_of_the_disk_rounded_up(tmp_path: Path, size: int, min_disk: int) -> None:
    """A smaller disk could not hold the image; the next plan has the same value."""
    service = FaultyStore(tmp_path / "store")
    images = want_image(tmp_path, qcow2(size) + bytes(2**17), disk_format="qcow2", min_disk=Auto.AUTO)
    assert apply(service, images).succeeded
    assert [image.min_disk for image in service.images()] == [min_disk]
    assert planned(service, images).steps == ()


class Noting(FaultyStore):
    """Stores the fields with which each record is created."""

    def create_image(self, **attrs: Unpack[CreateFields]) -> LiveImage:
        self.made = attrs
        return super().create_image(**attrs)


@pytest.mark.parametrize("stage", [False, True])
@pytest.mark.parametrize("members", [frozenset[str](), frozenset({"a" * 32})])
def test_a_record_is_created_with_fixed_fields_tags_and_properties(
    tmp_path: Path, members: frozenset[str], stage: bool
) -> None:
    """None of them shows it to users, except that members need a shared image."""
    service = Noting(tmp_path / "store")
    wanted = want_image(
        tmp_path,
        b"\0data",
        name="visible",
        visibility=Visibility.SHARED,
        protected=True,
        min_disk=3,
        min_ram=5,
        tags=frozenset({"t", "s"}),
        properties={"p": "q"},
        members=members,
        members_declared=True,
    )
    given = plan_input(service, wanted)
    plan = stage_plan(given) if stage else planned(service, wanted)
    assert execute(plan, Performer(service, plan), jobs=1, notify=lambda _: None, cancelled=threading.Event()).succeeded
    made = dict(service.made)
    properties = made.pop("properties")
    assert isinstance(properties, dict)
    image_id = str(made.pop("id"))
    assert made == {
        "name": "x (staging)",
        "hidden": True,
        "visibility": "shared" if members and not stage else "private",
        "tags": ("s", "t"),
        "disk_format": "raw",
        "container_format": "bare",
        "min_disk": 3,
        "min_ram": 5,
    }
    (create,) = [step.action for step in plan.steps if isinstance(step.action, Create)]
    staged = replace(create.record, role=Role.STAGING)
    marks = {name: text for name, text in properties.items() if name not in (MANAGED, "imagesync_rev_1")}
    assert marks == {"p": "q", **{name: text for name, text in staged.properties(image_id).items() if name != MANAGED}}
    assert properties["imagesync_rev_1"]
    assert json.loads(properties[MANAGED]).keys() - json.loads(staged.properties(image_id)[MANAGED]).keys() == {"n"}
    (image,) = service.images()
    record = read(image)
    assert record is not None
    final = replace(record, nonce=None)
    assert {one.algorithm for one in final.digests} >= {"sha256", "sha512"}
    assert replace(final, digests=()) == replace(
        create.record, digests=(), role=Role.STAGING if stage else Role.CURRENT
    )
    display = (image.name, image.hidden, image.visibility, image.protected)
    hidden = ("x (staging)", True, Visibility.PRIVATE, False)
    assert display == (hidden if stage else ("visible", False, Visibility.SHARED, True))
    assert stage or {member.project for member in service.members(image.id)} == members


@pytest.mark.parametrize("verify", [False, True])
def test_a_record_that_the_service_fills_is_unverified_until_its_data_was_verified(
    tmp_path: Path, verify: bool
) -> None:
    """The status active is not a proof."""

    class FetchingNoting(Noting):
        def import_image(self, image_id: str, method: str, **options: Unpack[ImportFields]) -> None:
            self.upload(image_id, [b"\0data"], 5)

        def capabilities(self) -> Capabilities:
            return Capabilities(import_methods=frozenset({"web-download"}))

    service = FetchingNoting(tmp_path / "store")
    digest = Checksum("sha256", hashlib.sha256(b"\0data").hexdigest())
    transfer = Transfer(method=Method.WEB_DOWNLOAD, verify=verify)
    source = UrlSource(("https://x.example/x",), checksum=digest, transfer=transfer)
    assert apply(service, catalog(spec("x", source=source, fingerprint=Fingerprint((digest,))))).succeeded
    assert json.loads(service.made["properties"][MANAGED])["u"] is True
    record = read(service.images()[0])
    assert record is not None
    assert (record.unverified, bool(record.declared), digest in record.digests) == (False, not verify, verify)


def test_a_record_is_created_in_the_project_that_owner_names(tmp_path: Path) -> None:
    """A record in another project could not be given to it later; without ``owner`` it is in the session's."""
    service = Noting(tmp_path / "store")
    assert apply(service, want_image(tmp_path, b"\0one", owner="f" * 32)).succeeded
    assert service.made["owner"] == "f" * 32
    assert [image.owner for image in service.images()] == ["f" * 32]


class ChoosingAndNoting(Choosing):
    """Stores whether each image was bound to its id when its data arrived."""

    bound: tuple[bool, ...] = ()

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        (image,) = self.images(image_id)
        self.bound += (image.properties[ID] == image_id,)
        super().upload(image_id, chunks, size, store=store)


def test_a_record_is_bound_before_its_data_is_sent(tmp_path: Path) -> None:
    """A run that is killed during the upload must leave a record that the next run owns."""
    service = ChoosingAndNoting(Store(tmp_path / "store"), "choosing")
    assert apply(service, want_image(tmp_path, b"\0data")).succeeded
    assert service.bound == (True,)


class Taken(Local):
    """A store that refuses each new record with 409."""

    def create_image(self, **attrs: Any) -> LiveImage:
        raise Conflict("the database is locked", "try again")


@pytest.mark.parametrize("pinned", [None, "6a1b8b0e-0b5e-4f7e-9d6e-000000000001"])
def test_a_refused_record_is_explained_by_its_id_only_if_the_id_is_pinned(tmp_path: Path, pinned: str | None) -> None:
    """A chosen id is random: the service refused the record for its own reason, and says so."""
    service = Taken(Store(tmp_path / "store"), "taken")
    report = apply(service, want_image(tmp_path, b"\0data", id=pinned))
    expected = f"the id {pinned} is in use or was used before" if pinned else "the database is locked"
    assert [result.error.startswith(expected) for result in report.results] == [True]
