"""Methods and stores in planning: what changes, what is noted, what is refused, what is taken up again."""

from dataclasses import replace

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import (
    Checksum,
    FileSource,
    Fingerprint,
    ImageSpec,
    Method,
    Role,
    Status,
    Transfer,
    UrlSource,
)
from imagesync.model.image import IMPORT_TASK, Capabilities, LiveImage
from imagesync.model.plan import Create, Plan, Update, summarize
from imagesync.model.policy import Policy
from imagesync.model.record import Record, read
from imagesync.planning.generations import group
from imagesync.planning.planner import make_plan
from imagesync.planning.stores import find_resumable
from imagesync.planning.three_way import wanted_digest
from imagesync.render.text import format_plan
from tests.unit.factories import candidate, catalog, digest, inventory, live, plan_input, rewrite, spec
from tests.unit.planning.plans import plan_stage

ABLE = Capabilities(
    import_methods=frozenset({"glance-direct", "web-download", "copy-image"}), stores=frozenset({"fast", "slow"})
)
IN_FAST = ("fast",)


def local(*stores: str, all_stores: bool = False, method: Method = Method.UPLOAD) -> ImageSpec:
    """An image of a file, into these stores."""
    transfer = Transfer(stores=stores, all_stores=all_stores, method=method)
    return spec("a", source=FileSource("/images/a.raw", "a.raw", transfer=transfer))


def fetched(*digests: Checksum, verify: bool = True, method: Method = Method.WEB_DOWNLOAD) -> ImageSpec:
    """An image that the service fetches; a URL with a secret needs a digest."""
    transfer = Transfer(method=method, verify=verify)
    url = "https://user:secret@x.example/a.raw?sig=1" if digests else "https://x.example/a.raw"
    source = UrlSource((url,), transfer=transfer)
    return spec("a", source=source, fingerprint=Fingerprint(digests))


def made(wanted: ImageSpec, *images: LiveImage, able: Capabilities | None = ABLE, policy: Policy | None = None) -> Plan:
    """The plan for one image on a service with two stores and every method."""
    return make_plan(plan_input(catalog(wanted), inventory(*images), policy, able=able))


def stores_change(plan: Plan) -> tuple[object, object, str]:
    """Before, after and reason of the only change."""
    (step,) = plan.steps
    assert isinstance(step.action, Update)
    (change,) = step.action.changes
    assert change.path == ("stores",)
    return change.before, change.after, change.reason.value


def test_a_store_that_lacks_the_image_is_a_change() -> None:
    """Before and after are all the stores it is in."""
    image = live(local("fast"), stores=IN_FAST)
    assert stores_change(made(local("slow"), image)) == (("fast",), ("fast", "slow"), "manifest-changed")


def test_a_copy_that_another_user_removed_is_drift() -> None:
    """The record remembers what was declared; ``drift_only`` puts it back too."""
    image = live(local("fast", "slow"), stores=IN_FAST)
    expected = (("fast",), ("fast", "slow"), "drift")
    assert stores_change(made(local("slow", "fast"), image)) == expected
    assert stores_change(made(local("slow", "fast"), image, policy=Policy(drift_only=True))) == expected


def test_stores_beyond_the_declared_are_left_alone() -> None:
    """More copies than declared are not drift; neither are those of an image that declares none."""
    for wanted in (local("fast"), local()):
        assert made(wanted, live(wanted, stores=("fast", "slow"))).steps == ()


def test_all_stores_are_those_of_the_service() -> None:
    """If they are unknown, nothing is planned; with them, what is missing is copied."""
    image = live(local(all_stores=True), stores=IN_FAST)
    assert made(local(all_stores=True), image, able=None).steps == ()
    assert stores_change(made(local(all_stores=True), image))[1] == ("fast", "slow")


def test_stores_that_are_not_shown_are_not_planned_for() -> None:
    """A note where they should be; nothing to say of a deactivated image, whose stores members never see."""
    wanted = local("slow")
    plan = made(wanted, live(wanted))
    assert plan.steps == ()
    assert "does not report the stores of image id-a" in plan.notes[0]
    assert (
        made(wanted, live(wanted, status=Status.DEACTIVATED))
        .notes[0]
        .startswith("a: another user deactivated image id-a")
    )


def test_a_deactivated_image_is_copied_once_it_is_active() -> None:
    """A note until then; in the plan that reactivates it, afterwards."""
    asleep = replace(local("slow"), status=Status.DEACTIVATED)
    image = live(asleep, status=Status.DEACTIVATED, stores=IN_FAST)
    plan = made(asleep, image)
    assert plan.steps == ()
    assert plan.notes == ("a: image id-a is not copied to slow: the service never copies a deactivated image",)
    kinds = [type(step.action).__name__ for step in made(replace(asleep, status=Status.ACTIVE), image).steps]
    assert kinds == ["Reactivate", "Update"]


def refused(wanted: ImageSpec, able: Capabilities, *images: LiveImage) -> str:
    """The one sentence that refuses a plan."""
    with pytest.raises(PlanRefused) as caught:
        made(wanted, *images, able=able)
    (sentence,) = caught.value.refusals
    return sentence


def test_what_the_service_does_not_offer_is_refused() -> None:
    """Methods, stores, several stores without any means, a copy: one sentence with what there is."""
    nothing = Capabilities()
    assert refused(local(method=Method.GLANCE_DIRECT), nothing) == (
        "images.a.source.method: this service does not offer glance-direct; use upload"
    )
    assert "use glance-direct or upload" in refused(
        fetched(digest("a")), replace(ABLE, import_methods=frozenset({"glance-direct"}))
    )
    assert refused(local("cold"), ABLE) == ("images.a.source.stores: this service has no store cold; use fast, slow")
    assert refused(local("fast"), nothing) == (
        "images.a.source.stores: this service has no store fast; it has only one, so remove stores"
    )
    assert "to one store only" in refused(local(all_stores=True), replace(ABLE, import_methods=frozenset()))
    image = live(local(), stores=IN_FAST)
    uncopied = replace(ABLE, import_methods=frozenset({"web-download"}))
    assert "does not offer copy-image to copy it (import methods: web-download)" in refused(
        local("slow"), uncopied, image
    )
    assert "no store cold" in refused(local("cold"), ABLE, image)


def test_all_stores_of_a_service_that_has_but_one() -> None:
    """There is no choice: an upload is in all of them."""
    assert len(made(local(all_stores=True), able=Capabilities()).steps) == 1


def test_what_is_not_verified_is_noted() -> None:
    """``verify: none``, whatever the algorithm: the service may compute another one. No secret in the note."""
    for known in ("md5", "sha256", "sha512"):
        digest_ = Checksum(known, "a" * 8)
        assert made(fetched(digest_)).notes == ()
        (note,) = made(fetched(digest_, verify=False)).notes
        assert note == (
            "a: imagesync does not verify the data that the service fetches from https://x.example/a.raw (verify: none); "
            f"the declared {known} is compared only if the service computes a {known} itself"
        )
    assert made(fetched(verify=False)).notes == ()


def test_what_will_be_read_back_is_in_the_plan() -> None:
    """A digest that services do not compute: the data comes here once. Not with ``verify: none``."""
    for image, expected in (
        (fetched(digest("a")), True),
        (fetched(Checksum("sha512", "a")), False),
        (fetched(digest("a"), verify=False), False),
        (fetched(), False),
        (local(), False),
    ):
        (step,) = made(image).steps
        assert isinstance(step.action, Create)
        assert step.action.is_read_back is expected
        assert ("read back to verify it" in format_plan(made(image))) is expected


def test_a_build_that_the_service_fetches_claims_no_digest() -> None:
    """No byte of it was read when its record is written; what is sent from here is verified on the way."""
    for image, digests, declared in (
        (fetched(digest("a")), (), (digest("a"),)),
        (local(), (digest("a"),), ()),
    ):
        (step,) = made(image).steps
        assert isinstance(step.action, Create)
        assert (step.action.record.digests, step.action.record.declared) == (digests, declared)


def test_what_the_service_fetches_is_no_upload() -> None:
    """The bytes do not go through here: they are not counted."""
    assert summarize(made(fetched(digest("a")))).upload == 0


def staged(wanted: ImageSpec, **attrs: object) -> LiveImage:
    """What an interrupted run left of a web-download."""
    image = replace(live(wanted, "left", Role.STAGING), **attrs)  # type: ignore[arg-type]
    record = read(image)
    assert record is not None
    return rewrite(image, unverified=True, digests=(), declared=record.digests)


@pytest.mark.parametrize(
    "attrs",
    [
        {"status": Status.IMPORTING},
        {"status": Status.QUEUED, "service": {IMPORT_TASK: "t"}},
        {"status": Status.ACTIVE},
    ],
)
def test_an_import_that_runs_or_waits_to_be_verified_is_continued(attrs: dict[str, object]) -> None:
    """It is filled and verified by this run, not promoted on trust, and not swept away."""
    wanted = fetched(digest("a"))
    (step,) = made(wanted, staged(wanted, **attrs)).steps
    assert isinstance(step.action, Create)
    assert (step.action.fill, step.reason.value) == ("left", "incomplete")
    (step,) = made(wanted, rewrite(staged(wanted, **attrs), digests=(digest("a"),), declared=())).steps
    assert isinstance(step.action, Create)
    assert step.action.fill == "left"  # as the first version wrote it


@pytest.mark.parametrize(
    ("digests", "status"), [((), Status.IMPORTING), ((), Status.ACTIVE), ((digest("a"),), Status.IMPORTING)]
)
def test_an_import_from_another_url_is_not_taken_up(digests: tuple[Checksum, ...], status: Status) -> None:
    """Without a digest, only the URL says which content it is. With one, data that is complete is verified instead."""
    before = fetched(*digests)
    source = UrlSource(("https://y.example/b.raw",), transfer=before.source.transfer or Transfer())
    plan = made(replace(before, source=source), staged(before, status=status))
    creates = [step.action for step in plan.steps if isinstance(step.action, Create)]
    assert [create.fill for create in creates] == [None]
    assert {type(step.action).__name__ for step in plan.steps} == {"Create", "Delete"}


@pytest.mark.parametrize(
    "now",
    [
        fetched(digest("b")),
        replace(fetched(digest("a")), min_ram=5),
        spec("a", "a"),
        fetched(),
        fetched(digest("a"), method=Method.UPLOAD),
    ],
)
def test_what_is_no_longer_wanted_is_not_taken_up(now: ImageSpec) -> None:
    """Another content, another wanted state, another source or method: made again, and the left-over is deleted."""
    for status in (Status.IMPORTING, Status.ACTIVE):
        plan = made(now, staged(fetched(digest("a")), status=status))
        assert {type(step.action).__name__ for step in plan.steps} == {"Create", "Delete"}
        assert [step.action.fill for step in plan.steps if isinstance(step.action, Create)] == [None]


def unjudged(wanted: ImageSpec, **attrs: object) -> LiveImage:
    """A candidate that ``verify: none`` made of a web-download."""
    return rewrite(candidate(wanted, "cand", **attrs), digests=(), declared=wanted.fingerprint.digests)


def test_a_candidate_on_trust_is_published_only_where_the_manifest_says_so() -> None:
    """With ``verify: none`` as it is, and the plan says it; without, it is verified first; an upload replaces it."""
    trusting, wanted = fetched(digest("a"), verify=False), fetched(digest("a"))
    plan = made(trusting, unjudged(trusting))
    assert [type(step.action).__name__ for step in plan.steps] == ["Update"]
    assert plan.notes == (
        f"a: image cand is published without verification: its content is assumed to be {digest('a')}",
    )
    plan = made(wanted, unjudged(wanted))
    assert [getattr(step.action, "fill", "") for step in plan.steps] == ["cand"]
    assert [one.fate.value for one in plan.candidates] == ["published"]
    plan = plan_stage(catalog(wanted), inventory(unjudged(wanted)))
    assert [getattr(step.action, "fill", "") for step in plan.steps] == ["cand"]
    assert [one.fate.value for one in plan.candidates] == ["waiting"]
    plan = made(fetched(digest("a"), method=Method.UPLOAD), unjudged(wanted))
    assert {type(step.action).__name__ for step in plan.steps} == {"Create", "Delete"}


def test_a_candidate_that_the_service_confirms_is_not_on_trust() -> None:
    """Its own sha512 is the one that is wanted now: published, and the record no longer has a declared digest."""
    sha512 = Checksum("sha512", "c" * 128)
    image = unjudged(fetched(digest("a")), os_hash_algo="sha512", os_hash_value=sha512.value)
    plan = made(fetched(sha512), image)
    (step,) = plan.steps
    assert isinstance(step.action, Update)
    assert step.action.record is not None
    assert (plan.notes, step.action.record.digests, step.action.record.declared) == ((), (sha512,), ())


def test_what_the_service_converted_is_not_taken_for_another_image() -> None:
    """Format and hash are the service's own then; a new declared format or digest is a new build all the same."""
    wanted = replace(local(method=Method.GLANCE_DIRECT), disk_format="qcow2")
    image = live(wanted, disk_format="raw", os_hash_algo="sha256", os_hash_value="f" * 64)
    record = read(image)
    assert record is not None
    image = replace(image, properties={**image.properties, **replace(record, converted=True).properties(image.id)})
    assert made(wanted, image).steps == ()
    for other in (replace(wanted, disk_format="vmdk"), replace(wanted, fingerprint=Fingerprint((digest("b"),)))):
        assert isinstance(made(other, image).steps[0].action, Create)


def test_the_record_keeps_both_marks() -> None:
    """Written and read back; left out of a record that has neither."""
    record = Record("base", "a", Role.STAGING, unverified=True, converted=True)
    assert read(LiveImage("i", properties=record.properties("i"))) == record
    assert '"u"' not in replace(record, unverified=False).properties("i")["imagesync_managed"]


def test_the_newest_of_several_imports_is_continued() -> None:
    """The others are left over."""
    wanted = spec("a", source=UrlSource(("https://x/a",), transfer=Transfer(method=Method.WEB_DOWNLOAD)))
    running = [
        rewrite(candidate(wanted, name, created_at=f"2026-11-0{day}T00:00:00Z"), unverified=True)
        for day, name in ((1, "first"), (2, "second"))
    ]
    staging = group(running)["a"].staging
    found = find_resumable(wanted, wanted_digest(wanted), staging)
    assert found is not None
    assert found.id == "second"
    assert find_resumable(wanted, "another", staging) is None
    assert find_resumable(replace(wanted, id="first"), wanted_digest(wanted), staging) == staging[0]
