"""The same bytes keep their image, whichever digest the manifest declares and whenever it is declared."""

import gzip
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Unpack

import pytest

from imagesync.backends.base import Backend, UpdateFields
from imagesync.backends.local.backend import Local
from imagesync.backends.local.store import Store
from imagesync.errors import Forbidden, LeaseLost, PlanRefused, Unavailable
from imagesync.execution.contents import settle_contents
from imagesync.model.catalog import (
    HEX_LENGTHS,
    Checksum,
    Compression,
    FileSource,
    Fingerprint,
    Method,
    Role,
    Transfer,
    UrlSource,
)
from imagesync.model.image import Capabilities, LiveImage
from imagesync.model.plan import Create, Plan, Reason
from imagesync.model.policy import Policy, Publish
from imagesync.model.record import read
from imagesync.planfile.reader import decode_plan
from imagesync.planfile.writer import encode_plan
from imagesync.planning.contents import find_unknown
from imagesync.planning.staging import stage_plan
from imagesync.render.report import format_report
from imagesync.render.text import format_plan
from imagesync.run import Hooks, RunResult, Settings
from imagesync.sources import SourceAccess
from imagesync.workflow import Planner, apply, apply_saved, read_catalog
from tests.pipeline import planned
from tests.silent import silent_server
from tests.unit.execution.helpers import Service, want_image
from tests.unit.execution.helpers import apply as apply_catalog
from tests.unit.factories import catalog, mark, spec

DATA = bytes(range(256)) * 300
OTHER = bytes(reversed(range(256))) * 300
LONGER = DATA + bytes(512)
NO_HASHES: Mapping[str, Any] = {"os_hash_algo": None, "os_hash_value": None, "checksum": None}


class Quiet(Local):
    """A store whose own hashes can be hidden."""

    hashes: Mapping[str, Any] = MappingProxyType({})

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        return [replace(one, **self.hashes) for one in super().images(image_id)]

    def inventory(self, catalog: str, owners: Any = ()) -> list[LiveImage]:
        return [replace(one, **self.hashes) for one in super().inventory(catalog, owners)]


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Quiet]:
    """An empty store."""
    with Quiet(Store(tmp_path / "store"), "quiet") as opened:
        yield opened


def plan_for(backend: Backend, folder: Path, data: bytes = DATA, /, algorithm: str = "", **attrs: Any) -> Planner:
    """Plans for a catalog of one image, whose file has these bytes and a digest that the manifest declares."""
    name = "a.raw.gz" if data.startswith(b"\x1f\x8b") else "a.raw"
    (folder / name).write_bytes(data)
    source: dict[str, Any] = {"path": name}
    if algorithm:
        source["checksum"] = f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
    image = {"source": source, "disk_format": "raw", "container_format": "bare", **attrs}
    path = folder / "base.yaml"
    path.write_text(json.dumps({"version": 1, "catalog": "base", "images": {"a": image}}))
    return Planner(backend, read_catalog(path))


def forget_digests(backend: Quiet, *kept: str) -> LiveImage:
    """Make the records, and the service, know only digests in these algorithms, as older ones do; return the newest
    image."""
    for image in backend.inventory("base"):
        record = read(image)
        assert record is not None
        left = replace(record, digests=tuple(item for item in record.digests if item.algorithm in kept))
        backend.update_image(image.id, properties=left.properties(image.id))
    backend.hashes = NO_HASHES
    return max(backend.inventory("base"), key=lambda image: json.loads(image.properties["imagesync_managed"])["g"])


def known(backend: Backend) -> dict[str, str]:
    """The digests in the record of the current image."""
    images = [image for image in backend.inventory("base") if image.properties["imagesync_role"] == Role.CURRENT]
    assert len(images) == 1
    record = read(images[0])
    assert record is not None
    return record.known


def save_and_read(plan: Plan, folder: Path) -> Plan:
    """The plan as its file keeps it."""
    return decode_plan(
        json.loads(json.dumps(encode_plan(plan, tool="t", folder=str(folder)))),
        folder=str(folder),
        display="plan.json",
    )


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("first", ["", *HEX_LENGTHS])
@pytest.mark.parametrize("then", ["md5", "sha256", "sha512"])
def test_another_digest_of_the_same_bytes_changes_nothing(
    backend: Quiet, tmp_path: Path, first: str, then: str, *, packed: bool
) -> None:
    """A first digest, or one in another algorithm: the record has it, because it was computed during the upload."""
    data = gzip.compress(DATA) if packed else DATA
    assert apply(plan_for(backend, tmp_path, data, first)).report.succeeded
    assert plan_for(backend, tmp_path, data, then).plan().steps == ()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("is_saved", [False, True])
@pytest.mark.parametrize("lock", [False, True])
def test_a_source_that_cannot_be_compared_is_hashed_before_anything_is_sent(
    backend: Quiet, tmp_path: Path, *, packed: bool, is_saved: bool, lock: bool
) -> None:
    """If the bytes are the same, the id stays, nothing is sent, no second approval is needed, and the next plan is
    empty."""
    data = gzip.compress(DATA) if packed else DATA
    assert apply(plan_for(backend, tmp_path, data, "sha1")).report.succeeded
    image = forget_digests(backend, "sha1")
    planner = plan_for(backend, tmp_path, data, "sha384")
    plan = planner.plan()
    assert [step.reason for step in plan.steps if isinstance(step.action, Create)] == [Reason.CONTENT_UNKNOWN]
    assert f"if image {image.id} has the same data, it is used instead" in format_plan(plan)
    output: list[str] = []

    def refuse(_plan: Plan) -> bool:
        raise AssertionError("that the image stays needs no approval")

    settings, hooks = Settings(lock=lock), Hooks(warn=output.append, approve_change=refuse)
    saved = save_and_read(plan, tmp_path)
    result = apply_saved(backend, saved, settings, hooks) if is_saved else apply(planner, settings, hooks)
    assert result.report.succeeded
    assert result.ids == {"a": image.id}
    assert output == [
        f"a: image {image.id} already holds the bytes of the source; its digests are recorded, no upload is needed",
        *(
            ["a: this plan has no other steps for this key; plan again to see what is left: imagesync plan PATH"]
            * is_saved
        ),
    ]
    assert [one.id for one in backend.inventory("base")] == [image.id]
    assert "Applied: " in format_report(result.report)
    assert {"sha1", "sha256", "sha384"} <= known(backend).keys()
    assert plan_for(backend, tmp_path, data, "sha384").plan().steps == ()
    assert plan_for(backend, tmp_path, data, "sha1").plan().steps == ()


@pytest.mark.parametrize("is_saved", [False, True])
def test_other_bytes_are_a_new_build(backend: Quiet, tmp_path: Path, *, is_saved: bool) -> None:
    """The plan is carried out; the record of the old build gets no digest of them."""
    assert apply(plan_for(backend, tmp_path, DATA, "sha1")).report.succeeded
    image = forget_digests(backend, "sha1")
    planner = plan_for(backend, tmp_path, OTHER, "sha384")
    plan = planner.plan()
    result = apply_saved(backend, plan) if is_saved else apply(planner)
    assert result.report.succeeded
    assert result.ids["a"] != image.id
    assert known(backend)["sha384"] == hashlib.sha384(OTHER).hexdigest()
    (old,) = [one for one in backend.inventory("base") if one.id == image.id]
    record = read(old)
    assert record is not None
    assert record.known == {"sha1": hashlib.sha1(DATA).hexdigest()}


def test_other_changes_of_the_key_are_carried_out(backend: Quiet, tmp_path: Path) -> None:
    """The plan that is made after the comparison does it, without a second approval."""
    assert apply(plan_for(backend, tmp_path, DATA, "sha1")).report.succeeded
    image = forget_digests(backend, "sha1")
    report = apply(plan_for(backend, tmp_path, DATA, "sha384", min_ram=512)).report
    assert report.succeeded
    assert report.leftover == ()
    assert [(one.id, one.min_ram) for one in backend.inventory("base")] == [(image.id, 512)]


def test_a_digest_that_the_source_does_not_have_fails_its_step(backend: Quiet, tmp_path: Path) -> None:
    """As without the comparison; the image is not changed."""
    assert apply(plan_for(backend, tmp_path, DATA, "sha1")).report.succeeded
    image = forget_digests(backend, "sha1")
    planner = plan_for(backend, tmp_path, OTHER, "sha384")
    planner.plan()  # the plan is made while the file still has the digest
    (tmp_path / "a.raw").write_bytes(DATA)
    report = apply(planner).report
    assert not report.succeeded
    assert "the declared" in str([result.error for result in report.results])
    assert [one.id for one in backend.inventory("base") if not one.hidden] == [image.id]
    assert known(backend).keys() == {"sha1"}


def test_a_pinned_id_allows_only_the_same_bytes(backend: Quiet, tmp_path: Path) -> None:
    """The service never gives out an id twice: a source with other bytes fails, and the image stays."""
    pinned = "6a1b8b0e-0b5e-4f7e-9d6e-00000000000a"
    assert apply(plan_for(backend, tmp_path, DATA, "sha1", id=pinned)).report.succeeded
    forget_digests(backend, "sha1")
    with pytest.raises(PlanRefused, match="the pinned id"):
        plan_for(backend, tmp_path, LONGER, "sha384", id=pinned).plan()
    report = apply(plan_for(backend, tmp_path, OTHER, "sha384", id=pinned)).report
    assert not report.succeeded
    assert "is in use or was used before" in str([result.error for result in report.results])
    assert apply(plan_for(backend, tmp_path, DATA, "sha384", id=pinned)).report.succeeded
    assert [(one.id, one.hidden) for one in backend.inventory("base")] == [(pinned, False)]


def test_images_of_another_project_are_not_compared(backend: Quiet, tmp_path: Path) -> None:
    """Its owner may write any record."""
    other = "f" * 32
    assert apply(plan_for(backend, tmp_path, DATA, "sha1", owner=other)).report.succeeded
    image = backend.inventory("base", (other,))[0]
    record = read(image)
    assert record is not None
    left = mark(image, replace(record, digests=tuple(one for one in record.digests if one.algorithm == "sha1")))
    backend.update_image(image.id, properties=left.properties)
    backend.hashes = NO_HASHES
    steps = plan_for(backend, tmp_path, DATA, "sha384", owner=other).plan().steps
    assert [step.reason for step in steps if isinstance(step.action, Create)] == [Reason.CONTENT_CHANGED]


def test_an_unverified_digest_is_not_proof(backend: Quiet, tmp_path: Path) -> None:
    """A declared digest that was not compared with the data never makes another digest count as computed."""
    assert apply(plan_for(backend, tmp_path, OTHER, "sha1")).report.succeeded
    (image,) = backend.inventory("base")
    record = read(image)
    assert record is not None
    trusted = Checksum("sha256", hashlib.sha256(DATA).hexdigest())
    left = replace(record, digests=(), declared=(trusted,), converted=True)
    backend.update_image(image.id, properties=left.properties(image.id))
    backend.hashes = NO_HASHES
    result = apply(plan_for(backend, tmp_path, DATA, "sha512"))
    assert result.report.succeeded
    assert result.ids["a"] != image.id


@pytest.mark.parametrize("data", [DATA, OTHER])
def test_converted_data_is_compared_by_its_published_digests(backend: Quiet, tmp_path: Path, data: bytes) -> None:
    """The service's own hash is of other bytes: it proves neither a difference nor equality."""
    assert apply(plan_for(backend, tmp_path, DATA, "sha1")).report.succeeded
    image = forget_digests(backend, "sha1")
    record = read(image)
    assert record is not None
    backend.update_image(image.id, properties=replace(record, converted=True).properties(image.id))
    backend.hashes = {**NO_HASHES, "os_hash_algo": "sha512", "os_hash_value": hashlib.sha512(OTHER).hexdigest()}
    result = apply(plan_for(backend, tmp_path, data, "sha384"), Settings(lock=False))
    assert (result.ids["a"] == image.id) is (data == DATA)


@pytest.mark.parametrize("data", [DATA, OTHER])
def test_a_hash_of_the_service_in_any_algorithm_is_compared(backend: Quiet, tmp_path: Path, data: bytes) -> None:
    """The source is hashed with it, also if neither the record nor the manifest has a digest in it."""
    assert apply(plan_for(backend, tmp_path, DATA, "sha1")).report.succeeded
    image = forget_digests(backend)
    digest = hashlib.sha384(DATA).hexdigest()
    backend.hashes = {**NO_HASHES, "os_hash_algo": "sha384", "os_hash_value": digest}
    result = apply(plan_for(backend, tmp_path, data, "sha256"))
    assert (result.ids["a"] == image.id) is (data == DATA)


class RefusesRecords(Quiet):
    """A store that refuses to change a record."""

    refused = ""

    def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
        if image == self.refused and "hidden" not in attrs:
            raise Forbidden("the policy refuses it")
        return super().update_image(image, **attrs)


def test_an_error_with_one_image_stops_only_its_key(tmp_path: Path) -> None:
    """If its record cannot be written, its own steps are carried out as planned."""
    with RefusesRecords(Store(tmp_path / "store"), "refusing") as backend:
        assert apply(plan_for(backend, tmp_path, DATA, "sha1")).report.succeeded
        image = forget_digests(backend, "sha1")
        backend.refused = image.id
        result = apply(plan_for(backend, tmp_path, DATA, "sha384"))
        assert result.report.succeeded
        assert result.ids["a"] != image.id


STAGE: Any = {"make": stage_plan}


def run(planner: Planner, folder: Path, texts: list[str], *, is_saved: bool) -> RunResult:
    """Apply directly, or apply the plan as a plan file keeps it."""
    hooks = Hooks(warn=texts.append)
    if is_saved:
        return apply_saved(planner.backend, save_and_read(planner.plan(), folder), Settings(), hooks)
    return apply(planner, Settings(), hooks)


def stage(backend: Quiet, folder: Path, data: bytes, algorithm: str, **attrs: Any) -> LiveImage:
    """Stage a candidate with these bytes."""
    planner = plan_for(backend, folder, data, algorithm, **attrs)
    assert apply(Planner(backend, planner.catalog, **STAGE)).report.succeeded
    (found,) = [one for one in backend.inventory("base") if one.properties["imagesync_role"] == Role.STAGING]
    return found


@pytest.mark.parametrize("is_saved", [False, True])
def test_a_candidate_of_the_same_bytes_is_published(backend: Quiet, tmp_path: Path, *, is_saved: bool) -> None:
    """Its digest was then declared in another algorithm. A saved plan leaves the key to the next plan."""
    assert apply(plan_for(backend, tmp_path, LONGER, "sha1")).report.succeeded
    waiting = stage(backend, tmp_path, DATA, "sha1")
    forget_digests(backend, "sha1")
    planner, output = plan_for(backend, tmp_path, DATA, "sha384"), list[str]()
    assert run(planner, tmp_path, output, is_saved=is_saved).report.succeeded
    assert f"image {waiting.id} already holds the bytes of the source" in output[0]
    if is_saved:
        assert "this plan has no other steps for this key" in output[1]
        assert apply(plan_for(backend, tmp_path, DATA, "sha384")).report.succeeded
    assert len(backend.inventory("base")) == 2
    assert [one.id for one in backend.inventory("base") if not one.hidden] == [waiting.id]
    assert "sha384" in known(backend)


def test_a_candidate_of_other_bytes_is_deleted_after_the_new_build_exists(backend: Quiet, tmp_path: Path) -> None:
    """Not before: if the source cannot be read, the candidate may still be the declared build."""
    waiting = stage(backend, tmp_path, OTHER, "sha1")
    forget_digests(backend, "sha1")
    planner = plan_for(backend, tmp_path, DATA, "sha384")
    (tmp_path / "a.raw").rename(tmp_path / "away")
    assert not apply(planner).report.succeeded
    assert [one.id for one in backend.inventory("base") if one.status == "active"] == [waiting.id]
    (tmp_path / "away").rename(tmp_path / "a.raw")
    assert apply(plan_for(backend, tmp_path, DATA, "sha384")).report.succeeded
    assert waiting.id not in [one.id for one in backend.inventory("base")]


def test_a_rejected_build_stays_rejected_under_another_digest(backend: Quiet, tmp_path: Path) -> None:
    """The deactivated candidate has the bytes: they are neither uploaded again nor published."""
    assert apply(plan_for(backend, tmp_path, LONGER, "sha1")).report.succeeded
    (current,) = backend.inventory("base")
    rejected = stage(backend, tmp_path, DATA, "sha1")
    forget_digests(backend, "sha1")
    backend.deactivate(rejected.id)
    result = apply(plan_for(backend, tmp_path, DATA, "sha384"))
    assert "so its build is rejected" in " ".join(result.report.plan.notes)
    assert {one.id for one in backend.inventory("base")} == {current.id, rejected.id}
    assert [one.id for one in backend.inventory("base") if not one.hidden] == [current.id]


@pytest.mark.parametrize("is_saved", [False, True])
@pytest.mark.parametrize("is_newer_rejected", [False, True])
def test_one_rejected_candidate_rejects_a_build_that_two_candidates_hold(
    backend: Quiet, tmp_path: Path, *, is_newer_rejected: bool, is_saved: bool
) -> None:
    """The digests are recorded on all candidates with these bytes; otherwise the other candidate would be published."""
    assert apply(plan_for(backend, tmp_path, LONGER, "sha1")).report.succeeded
    (current,) = backend.inventory("base")
    older = stage(backend, tmp_path, DATA, "sha1")
    backend.update_image(
        older.id, properties={"imagesync_catalog": "elsewhere"}
    )  # hidden while another candidate is staged
    newer = stage(backend, tmp_path, DATA, "sha1")
    assert newer.id != older.id
    backend.update_image(older.id, properties={"imagesync_catalog": "base"})
    forget_digests(backend, "sha1")
    backend.deactivate((newer if is_newer_rejected else older).id)
    planner = plan_for(backend, tmp_path, DATA, "sha384")
    run(planner, tmp_path, [], is_saved=is_saved)
    notes = apply(planner).report.plan.notes
    assert "so its build is rejected" in " ".join(notes)
    assert [one.id for one in backend.inventory("base") if not one.hidden] == [current.id]


@pytest.mark.parametrize("is_saved", [False, True])
def test_an_earlier_build_of_the_same_bytes_is_current_again(backend: Quiet, tmp_path: Path, *, is_saved: bool) -> None:
    """A rollback by the manifest, which declares its digest in another algorithm."""
    assert apply(plan_for(backend, tmp_path, DATA, "sha1")).report.succeeded
    (first,) = backend.inventory("base")
    assert apply(plan_for(backend, tmp_path, OTHER, "sha1")).report.succeeded
    second = forget_digests(backend, "sha1")
    planner = plan_for(backend, tmp_path, DATA, "sha384")
    (create,) = [step.action for step in planner.plan().steps if isinstance(step.action, Create)]
    assert create.may_hold == (second.id, first.id)
    assert run(planner, tmp_path, [], is_saved=is_saved).report.succeeded
    if is_saved:
        assert apply(plan_for(backend, tmp_path, DATA, "sha384")).report.succeeded
    assert {one.id for one in backend.inventory("base")} == {first.id, second.id}
    assert [one.id for one in backend.inventory("base") if not one.hidden] == [first.id]


def test_a_deactivated_earlier_build_is_not_compared(backend: Quiet, tmp_path: Path) -> None:
    """It cannot become current, unless --reactivate allows it."""
    assert apply(plan_for(backend, tmp_path, DATA, "sha1")).report.succeeded
    (first,) = backend.inventory("base")
    assert apply(plan_for(backend, tmp_path, LONGER, "sha1")).report.succeeded
    forget_digests(backend, "sha1")
    backend.deactivate(first.id)
    wanted = plan_for(backend, tmp_path, DATA, "sha384").catalog
    found = [Planner(backend, wanted, policy=Policy(reactivate=allowed)).plan() for allowed in (False, True)]
    creates = [step.action for plan in found for step in plan.steps if isinstance(step.action, Create)]
    assert [create.may_hold for create in creates] == [(), (first.id,)]


def test_with_staged_only_stage_compares(backend: Quiet, tmp_path: Path) -> None:
    """The sentence names the image that may hold the build; the candidate stays, and is not staged again."""
    policy = Policy(publish=Publish.STAGED_ONLY)
    waiting = stage(backend, tmp_path, DATA, "sha1")
    forget_digests(backend, "sha1")
    wanted = plan_for(backend, tmp_path, DATA, "sha384").catalog
    (note,) = Planner(backend, wanted, policy=policy).plan().notes
    assert f"it is unknown whether image {waiting.id} holds the declared build" in note
    assert "to compare them, and to stage the build if it differs: imagesync apply PATH --stage" in note
    assert apply(Planner(backend, wanted, policy=policy)).report.plan.steps == ()
    assert apply(Planner(backend, wanted, policy=policy, **STAGE)).report.succeeded
    assert [one.id for one in backend.inventory("base")] == [waiting.id]
    assert apply(Planner(backend, wanted, policy=policy)).ids == {"a": waiting.id}


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", ""])
@pytest.mark.parametrize("is_packed_first", [False, True])
def test_packed_or_plain_the_same_bytes_keep_their_image(
    backend: Quiet, tmp_path: Path, algorithm: str, *, is_packed_first: bool
) -> None:
    """All published digests differ then; the stored data does not."""
    first, then = [DATA, gzip.compress(DATA)][:: -1 if is_packed_first else 1]
    assert apply(plan_for(backend, tmp_path, first, algorithm)).report.succeeded
    (image,) = backend.inventory("base")
    planner, output = plan_for(backend, tmp_path, then, algorithm), list[str]()
    assert apply(planner, Settings(), Hooks(warn=output.append)).report.succeeded
    assert [one.id for one in backend.inventory("base")] == [image.id]
    assert known(backend)["sha256"] == hashlib.sha256(then).hexdigest()
    assert plan_for(backend, tmp_path, then, algorithm).plan().steps == ()


@pytest.mark.parametrize("is_packed_first", [False, True])
def test_other_bytes_in_another_compression_are_a_new_build(
    backend: Quiet, tmp_path: Path, *, is_packed_first: bool
) -> None:
    """They are compared by reading the source, because their digests cannot be compared."""
    first, then = [DATA, gzip.compress(OTHER)] if not is_packed_first else [gzip.compress(DATA), OTHER]
    assert apply(plan_for(backend, tmp_path, first, "sha256")).report.succeeded
    (image,) = backend.inventory("base")
    result = apply(plan_for(backend, tmp_path, then, "sha256"))
    assert result.report.succeeded
    assert result.ids["a"] != image.id


@pytest.mark.parametrize("is_packed", [False, True])
def test_other_bytes_in_the_same_compression_are_not_read_twice(
    backend: Quiet, tmp_path: Path, *, is_packed: bool
) -> None:
    """Their digests show the difference."""
    first, then = (gzip.compress(DATA), gzip.compress(OTHER)) if is_packed else (DATA, OTHER)
    assert apply(plan_for(backend, tmp_path, first, "sha256")).report.succeeded
    (create,) = [
        step for step in plan_for(backend, tmp_path, then, "sha256").plan().steps if isinstance(step.action, Create)
    ]
    assert create.reason is Reason.CONTENT_CHANGED


@pytest.mark.parametrize("refers", [False, True])
def test_a_saved_plan_skips_images_that_refer_to_a_build_that_is_not_made(
    backend: Quiet, tmp_path: Path, *, refers: bool
) -> None:
    """Image a has the bytes of a candidate, which only the next plan publishes; the other images are made."""
    waiting = stage(backend, tmp_path, DATA, "sha1")
    forget_digests(backend, "sha1")
    planner = plan_for(backend, tmp_path, DATA, "sha384")
    manifest = json.loads((tmp_path / "base.yaml").read_text())
    digest = hashlib.sha256(OTHER).hexdigest()
    (tmp_path / "b.raw").write_bytes(OTHER)
    manifest["images"]["b"] = {
        **manifest["images"]["a"],
        "source": {"path": "b.raw", "checksum": f"sha256:{digest}"},
        "properties": {"kernel": "${images.a.id}" if refers else "none"},
    }
    (tmp_path / "base.yaml").write_text(json.dumps(manifest))
    planner, output = Planner(backend, read_catalog(tmp_path / "base.yaml")), list[str]()
    result = run(planner, tmp_path, output, is_saved=True)
    assert result.report.succeeded
    left = ["a", "b"] if refers else ["a"]
    assert [line.partition(":")[0] for line in output[1:]] == left
    assert {one.name for one in backend.inventory("base")} == {waiting.name} | ({"b"} - set(left))
    final = apply(Planner(backend, read_catalog(tmp_path / "base.yaml")))
    assert final.report.succeeded
    assert final.ids["a"] == waiting.id


def test_a_saved_plan_skips_a_name_that_another_image_keeps(backend: Quiet, tmp_path: Path) -> None:
    """Image b takes the former name of a. Image a already has the bytes, so only the next plan renames it."""
    assert apply(plan_for(backend, tmp_path, DATA, "sha1", name="N")).report.succeeded
    image = forget_digests(backend, "sha1")
    plan_for(backend, tmp_path, DATA, "sha384", name="M")
    manifest = json.loads((tmp_path / "base.yaml").read_text())
    (tmp_path / "b.raw").write_bytes(OTHER)
    for key, name in (("b", "N"), ("c", "O")):
        manifest["images"][key] = {**manifest["images"]["a"], "source": {"path": "b.raw"}, "name": name}
    (tmp_path / "base.yaml").write_text(json.dumps(manifest))
    planner, output = Planner(backend, read_catalog(tmp_path / "base.yaml")), list[str]()
    assert run(planner, tmp_path, output, is_saved=True).report.succeeded
    assert [line.partition(":")[0] for line in output] == ["a", "a", "b"]
    assert sorted(one.name or "" for one in backend.inventory("base")) == ["N", "O"]
    assert apply(planner).report.succeeded
    assert {one.name: one.id == image.id for one in backend.inventory("base")} == {"M": True, "N": False, "O": False}


class VanishingStore(Quiet):
    """A store that cannot return one image any longer, once the source of another one is read."""

    gone = ""
    read_first = threading.Event()

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        if image_id is not None and image_id == self.gone:
            assert self.read_first.wait(60)
            raise Unavailable("the store is gone")
        return super().images(image_id)


def test_an_error_ends_the_other_comparisons_too(tmp_path: Path) -> None:
    """Even if the source of one sends no more data; an interrupt does the same."""
    with silent_server(DATA * 50, None) as silent, VanishingStore(Store(tmp_path / "store"), "store") as backend:
        access = SourceAccess(("127.0.0.1",), min_rate=0)

        def make_planner(algorithm: str) -> Planner:
            (tmp_path / "a.raw").write_bytes(DATA)
            files = {"a": ("path", "a.raw", DATA), "b": ("url", f"{silent.address}/b.raw", silent.data)}
            images = {
                key: {
                    "source": {kind: place, "checksum": f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"},
                    "disk_format": "raw",
                    "container_format": "bare",
                }
                for key, (kind, place, data) in files.items()
            }
            path = tmp_path / "base.yaml"
            path.write_text(json.dumps({"version": 1, "catalog": "base", "images": images}))
            return Planner(backend, read_catalog(path, access=access), access=access)

        assert apply(make_planner("sha1")).report.succeeded
        backend.hashes = NO_HASHES
        forget_digests(backend, "sha1")
        planner = make_planner("sha384")
        first, second = find_unknown(planner.plan())
        assert (first.key, second.key) == ("a", "b")
        backend.gone = first.may_hold[0]
        backend.read_first = silent.queries
        silent.queries.clear()
        silent.given = len(DATA)
        with pytest.raises(Unavailable, match="the store is gone"):
            apply(planner)


class FailsAtFirst(Quiet):
    """A store that cannot return one image, as soon as another one was read."""

    gone = other = ""
    begun = threading.Event()

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        if image_id is not None and image_id == self.gone:
            assert self.begun.wait(60)
            raise Unavailable("the store is gone")
        if image_id == self.other:
            self.begun.set()
        return super().images(image_id)


def test_an_error_ends_the_comparison_with_a_large_file_too(tmp_path: Path) -> None:
    """Its file is not read to the end, so no digest of it is recorded."""
    size = 256 * 2**20
    digest = hashlib.sha1()
    for _ in range(256):
        digest.update(bytes(size // 256))
    with FailsAtFirst(Store(tmp_path / "store"), "failing") as backend:
        planner = plan_for(backend, tmp_path, DATA, "sha1")
        assert apply(planner).report.succeeded
        image = forget_digests(backend, "sha1")
        other = copy_image(backend, image, digests=(Checksum("sha1", digest.hexdigest()),))
        with (tmp_path / "large.raw").open("wb") as large:
            large.truncate(size)
        plan = plan_for(backend, tmp_path, DATA, "sha384").plan()
        (step,) = [one for one in plan.steps if isinstance(one.action, Create)]
        assert isinstance(step.action, Create)
        first = replace(step.action, may_hold=(image.id,))
        source = FileSource(str(tmp_path / "large.raw"), "large.raw")
        second = replace(step.action, key="b", may_hold=(other.id,), source=source, fingerprint=Fingerprint())
        backend.gone, backend.other = image.id, other.id
        steps = tuple(replace(step, action=create) for create in (first, second))
        with pytest.raises(Unavailable, match="the store is gone"):
            settle_contents(
                backend, replace(plan, steps=steps), jobs=2, check_lease=lambda: None, access=SourceAccess()
            )
        assert records(backend, other.id) == [{"sha1"}]


@pytest.mark.parametrize("is_saved", [False, True])
def test_a_new_build_shows_the_members_that_others_added_and_that_it_does_not_have(
    backend: Quiet, tmp_path: Path, *, is_saved: bool
) -> None:
    """Members that no manifest declares stay with the old image: they lose access to the key."""
    assert apply(plan_for(backend, tmp_path, DATA, visibility="shared")).report.succeeded
    (image,) = backend.inventory("base")
    backend.add_member(image.id, "m" * 32)
    assert plan_for(backend, tmp_path, DATA, visibility="shared").plan().steps == ()
    planner = plan_for(backend, tmp_path, OTHER, visibility="shared")
    assert f"members    - {'m' * 32}" in format_plan(planner.plan())
    assert run(planner, tmp_path, [], is_saved=is_saved).report.succeeded
    (made,) = [one for one in backend.inventory("base") if not one.hidden]
    assert backend.members(made.id) == []


@pytest.mark.parametrize("kind", ["right", "wrong", "converted", "packed"])
def test_a_source_that_the_service_fetches_is_compared_with_the_stored_data(tmp_path: Path, kind: str) -> None:
    """The source may not be reachable from this host. Unpacked or converted data cannot be compared."""

    class Unhashed(Service):
        def capabilities(self) -> Capabilities:
            return Capabilities(import_methods=frozenset({"web-download"}))

    data = b"\0stored" * 100
    service = Unhashed(tmp_path / "store", {"os_hash_algo": None, "os_hash_value": None, "checksum": None})
    assert apply_catalog(service, want_image(tmp_path, data)).succeeded
    (image,) = service.images()
    record = read(image)
    assert record is not None
    if kind == "converted":
        service.update_image(image, properties=replace(record, converted=True).properties(image.id))
    digest = Checksum("sha384", hashlib.sha384(b"other" if kind == "wrong" else data).hexdigest())
    packing = Compression.GZ if kind == "packed" else Compression.NONE
    source = UrlSource(("https://x.invalid/x",), digest, transfer=Transfer(packing, Method.WEB_DOWNLOAD))
    plan = planned(service, catalog(spec("x", source=source, fingerprint=Fingerprint((digest,)))))
    service.downloads = 0
    found = settle_contents(service, plan, jobs=1, check_lease=lambda: None, access=SourceAccess())
    assert found == ({"x": image.id} if kind == "right" else {})
    left = read(service.images()[0])
    assert left is not None
    assert set(left.digests) == {*record.digests, *([digest] if kind == "right" else [])}
    assert service.downloads == (kind in ("right", "wrong"))


@pytest.mark.parametrize("algorithm", ["md5", "sha1"])
def test_a_weak_hash_of_the_service_outweighs_no_digest_that_differs(
    backend: Quiet, tmp_path: Path, algorithm: str
) -> None:
    """Other bytes with the same weak hash can be made on purpose: all that is known of the image must agree."""
    assert apply(plan_for(backend, tmp_path, OTHER, "sha384")).report.succeeded
    image = forget_digests(backend, "sha384")
    weak = hashlib.new(algorithm, DATA).hexdigest()
    alike = {"checksum": weak} if algorithm == "md5" else {"os_hash_algo": algorithm, "os_hash_value": weak}
    backend.hashes = {**NO_HASHES, **alike}
    result = apply(plan_for(backend, tmp_path, DATA, "sha256"))
    assert result.report.succeeded
    assert result.ids["a"] != image.id


class RecordsOne(Quiet):
    """A store that is out of reach once the digests of one image are recorded."""

    recorded: str | None = ""

    def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
        if self.recorded is not None and "imagesync_digest" in attrs.get("properties", {}):
            self.recorded = self.recorded or str(image)
            if self.recorded != image:
                raise Unavailable("no connection")
        return super().update_image(image, **attrs)


@pytest.mark.parametrize("is_newer_rejected", [False, True])
def test_a_run_that_ends_between_two_records_publishes_no_rejected_build(
    tmp_path: Path, *, is_newer_rejected: bool
) -> None:
    """The rejected one is recorded first: else the next run would know only of the other one, and publish it."""
    with RecordsOne(Store(tmp_path / "store"), "ending") as backend:
        backend.recorded = None
        assert apply(plan_for(backend, tmp_path, LONGER, "sha1")).report.succeeded
        (current,) = backend.inventory("base")
        older = stage(backend, tmp_path, DATA, "sha1")
        backend.update_image(older.id, properties={"imagesync_catalog": "elsewhere"})
        newer = stage(backend, tmp_path, DATA, "sha1")
        backend.update_image(older.id, properties={"imagesync_catalog": "base"})
        record = read(newer)
        assert record is not None
        third = replace(record, managed=replace(record.managed, generation=3))
        backend.update_image(newer.id, properties=third.properties(newer.id))
        forget_digests(backend, "sha1")
        backend.deactivate((newer if is_newer_rejected else older).id)
        backend.recorded = ""
        with pytest.raises(Unavailable):
            apply(plan_for(backend, tmp_path, DATA, "sha384"))
        assert backend.recorded
        backend.recorded = None
        notes = apply(plan_for(backend, tmp_path, DATA, "sha384")).report.plan.notes
        assert "so its build is rejected" in " ".join(notes)
        assert [one.id for one in backend.inventory("base") if not one.hidden] == [current.id]


def copy_image(backend: Backend, image: LiveImage, **changes: Any) -> LiveImage:
    """Another image with the same bytes, and with the record of this one."""
    record = read(image)
    assert record is not None
    made = backend.create_image(disk_format="raw", container_format="bare", hidden=True, visibility="private")
    backend.upload(made.id, backend.download(image.id), image.size)
    return backend.update_image(made.id, properties=replace(record, **changes).properties(made.id))


def compare(
    planner: Planner, *ids: str, check_lease: Callable[[], None] = lambda: None, url: str | None = None, **changes: Any
) -> dict[str, str]:
    """Compare the source of the planned build, with these changes, with these images."""
    plan = planner.plan()
    (step,) = [one for one in plan.steps if isinstance(one.action, Create)]
    assert isinstance(step.action, Create)
    create = replace(step.action, may_hold=ids, record=replace(step.action.record, url=url), **changes)
    plan = replace(plan, steps=(replace(step, action=create),))
    return settle_contents(planner.backend, plan, jobs=1, check_lease=check_lease, access=SourceAccess())


def records(backend: Backend, *ids: str) -> list[set[str]]:
    """The algorithms of the digests in the record of each image."""
    found = [read(backend.images(image_id)[0]) for image_id in ids]
    return [set() if record is None else {item.algorithm for item in record.digests} for record in found]


FETCHED = UrlSource(("https://x.invalid/x",), transfer=Transfer(Compression.NONE, Method.WEB_DOWNLOAD))
"""A source that the service fetches by itself."""


@pytest.mark.parametrize("changes", [{}, {"source": FETCHED}], ids=["sent", "fetched"])
def test_each_image_with_the_bytes_gets_their_digests_and_the_first_is_used(
    backend: Quiet, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """The first is the current image, if it is one of them."""
    assert apply(plan_for(backend, tmp_path, DATA, "sha1")).report.succeeded
    image = forget_digests(backend, "sha1")
    other = copy_image(backend, image)
    planner = plan_for(backend, tmp_path, DATA, "sha384")
    assert compare(planner, other.id, image.id, **changes) == {"a": other.id}
    assert [{"sha1", "sha384"} <= names for names in records(backend, other.id, image.id)] == [True, True]


def test_an_image_of_which_no_digest_is_known_never_holds_the_bytes(backend: Quiet, tmp_path: Path) -> None:
    """Nothing shows that its bytes are the same."""
    assert apply(plan_for(backend, tmp_path, DATA, "sha1")).report.succeeded
    image = forget_digests(backend)
    assert compare(plan_for(backend, tmp_path, DATA, "sha384"), image.id) == {}


def test_a_declared_digest_stays_in_the_record_until_it_is_computed(backend: Quiet, tmp_path: Path) -> None:
    """A computed digest takes the place of the declared one in the same algorithm."""
    assert apply(plan_for(backend, tmp_path, DATA, "sha1")).report.succeeded
    image = forget_digests(backend, "sha1")
    declared = tuple(Checksum(name, hashlib.new(name, OTHER).hexdigest()) for name in ("md5", "sha256"))
    other = copy_image(backend, image, declared=declared)
    assert compare(plan_for(backend, tmp_path, DATA, "sha384"), other.id) == {"a": other.id}
    record = read(backend.images(other.id)[0])
    assert record is not None
    assert [item.algorithm for item in record.declared] == ["md5"]
    assert record.known["sha256"] == hashlib.sha256(DATA).hexdigest()


def test_the_record_gets_the_url_of_the_compared_source(backend: Quiet, tmp_path: Path) -> None:
    """The source may have moved: with the former URL the next plan would compare it again."""
    assert apply(plan_for(backend, tmp_path, DATA, "sha1")).report.succeeded
    image = forget_digests(backend, "sha1")
    moved = hashlib.sha256(b"https://new.example.org/a.raw").hexdigest()
    assert compare(plan_for(backend, tmp_path, DATA, "sha384"), image.id, url=moved) == {"a": image.id}
    record = read(backend.images(image.id)[0])
    assert record is not None
    assert record.url == moved


class ChangesMeanwhile(Quiet):
    """A store in which another run writes to each image after it was read."""

    is_contested = False

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        found = super().images(image_id)
        if image_id is not None and self.is_contested:
            self.is_contested = False
            guard = max(name for name in found[0].properties if name.startswith("imagesync_rev_"))
            self.update_image(image_id, properties={guard: None, f"{guard}9": "theirs"})
        return found


@pytest.mark.parametrize("moment", ["before", "meanwhile"])
def test_digests_are_recorded_only_on_an_image_that_nobody_else_changes(tmp_path: Path, moment: str) -> None:
    """Since the plan was made, or since the image was read."""
    with ChangesMeanwhile(Store(tmp_path / "store"), "contested") as backend:
        assert apply(plan_for(backend, tmp_path, DATA, "sha1")).report.succeeded
        image = forget_digests(backend, "sha1")
        planner = plan_for(backend, tmp_path, DATA, "sha384")
        if moment == "before":
            planner.plan()
            planner.plan, plan = lambda: plan, planner.plan()  # type: ignore[method-assign]
            backend.update_image(image.id, name="theirs")
        else:
            backend.is_contested = True
        assert compare(planner, image.id) == {}
        assert records(backend, image.id) == [{"sha1"}]


def test_without_the_lease_no_digest_is_recorded(backend: Quiet, tmp_path: Path) -> None:
    """It may be lost during the comparison of a large source."""
    assert apply(plan_for(backend, tmp_path, DATA, "sha1")).report.succeeded
    image = forget_digests(backend, "sha1")

    def check() -> None:
        raise LeaseLost("the lease is lost")

    with pytest.raises(LeaseLost):
        compare(plan_for(backend, tmp_path, DATA, "sha384"), image.id, check_lease=check)
    assert records(backend, image.id) == [{"sha1"}]


class Unreadable(Quiet):
    """A store whose data cannot be read back."""

    def download(self, image_id: str) -> Iterator[bytes]:
        raise Unavailable(f"no answer about the data of {image_id}")


def test_stored_data_that_cannot_be_read_back_is_not_compared(tmp_path: Path) -> None:
    """The build is made as planned: that does not need the data of the earlier image."""
    with Unreadable(Store(tmp_path / "store"), "unreadable") as backend:
        assert apply(plan_for(backend, tmp_path, DATA, "sha1")).report.succeeded
        image = forget_digests(backend, "sha1")
        assert compare(plan_for(backend, tmp_path, DATA, "sha384"), image.id, source=FETCHED) == {}
