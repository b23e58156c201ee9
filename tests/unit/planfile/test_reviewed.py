"""A plan is compared with the one that a person reviewed."""

from dataclasses import replace
from typing import Any

import pytest

from imagesync.model.catalog import FileSource, Fingerprint, ImageSpec, Role, Signature, Status, Transfer, UrlSource
from imagesync.model.image import LiveImage
from imagesync.model.plan import Action, Create, Deactivate, Delete, Kind, Plan, Reason, Step, Update
from imagesync.model.record import Record
from imagesync.planfile.reviewed import find_unreviewed
from tests.unit.factories import catalog, digest, inventory, live, plan, spec

LIVE = (live(spec("a", "a"), "ia", generation=1), live(spec("b", "b"), "ib"), live(spec("gone", "c"), "ig"))


def make(*specs: ImageSpec, owned: tuple[LiveImage, ...] = LIVE, **attrs: object) -> Plan:
    """The plan of these images beside ``owned``."""
    return plan(catalog(*specs, **attrs), inventory(*owned))


def change_create(made: Plan, **attrs: object) -> Plan:
    """A plan with other fields in its first create."""
    steps = list(made.steps)
    at = next(number for number, step in enumerate(steps) if isinstance(step.action, Create))
    steps[at] = replace(steps[at], action=replace(steps[at].action, **attrs))  # type: ignore[arg-type]
    return replace(made, steps=tuple(steps))


def read_record() -> Record:
    """The record of a new image."""
    create = make(spec("a"), owned=()).steps[0].action
    assert isinstance(create, Create)
    return create.record


USUAL = (spec("a", "a", min_ram=512), spec("b", "d"), spec("new", "e"))


def test_the_same_plan_has_no_unreviewed_change() -> None:
    """An update, a new build, a new image and a deletion."""
    made = make(*USUAL)
    assert {type(step.action).__name__ for step in made.steps} == {"Create", "Update", "Delete"}
    assert find_unreviewed(made, made) == ()


def test_changes_that_are_done_already_may_be_missing_and_the_order_is_free() -> None:
    """Another run did a part; steps have other ids and waits."""
    made = make(*USUAL)
    steps = tuple(replace(step, id=f"x{number}", needs=()) for number, step in enumerate(made.steps))
    assert find_unreviewed(replace(made, steps=steps[:0:-1]), made) == ()


@pytest.mark.parametrize(
    ("specs", "sentence"),
    [
        (
            (spec("a", "a", min_ram=1024), *USUAL[1:]),
            "update a (image ia) differs from the reviewed plan in min_ram",
        ),
        (
            (spec("a", "a", min_ram=512, tags=frozenset({"t"}), properties={"p": "1"}), *USUAL[1:]),
            "update a (image ia) differs from the reviewed plan in properties.p, tags",
        ),
        (
            (*USUAL[:2], spec("new", "f")),
            "create new differs from the reviewed plan in content",
        ),
        (
            (*USUAL[:2], replace(USUAL[2], source=FileSource("/images/other.raw", "other.raw"))),
            "create new differs from the reviewed plan in source",
        ),
        (
            (*USUAL[:2], replace(USUAL[2], properties={"p": "1"}, tags=frozenset({"t"}), protected=True, min_ram=1)),
            "create new differs from the reviewed plan in min_ram, properties.p, protected and 1 more",
        ),
        ((*USUAL, spec("more", "f")), "create more is not in the reviewed plan"),
        (USUAL[1:], "delete a (image ia) is not in the reviewed plan"),
    ],
)
def test_a_change_that_was_not_reviewed_is_named(specs: tuple[ImageSpec, ...], sentence: str) -> None:
    """With the fields that differ; a list of them is short."""
    assert find_unreviewed(make(*specs), make(*USUAL)) == (sentence,)


def test_another_before_is_another_change() -> None:
    """Another user changed the live image after the review: the change that is applied is another one."""
    now = make(*USUAL, owned=(live(spec("a", "a"), "ia", min_ram=7), *LIVE[1:]))
    assert find_unreviewed(now, make(*USUAL)) == ("update a (image ia) differs from the reviewed plan in min_ram",)


def test_another_image_of_the_same_key_is_another_change() -> None:
    """The image was replaced after the review."""
    now = make(*USUAL, owned=(live(spec("a", "a"), "other"), *LIVE[1:]))
    assert find_unreviewed(now, make(*USUAL)) == ("update a (image other) is not in the reviewed plan",)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"fill": None}, {"fill": "a-staging-record"}),
        ({"fingerprint": Fingerprint((digest("e"),), 4096)}, {"fingerprint": Fingerprint((digest("e"),), None)}),
        ({"source": FileSource("/images/x.raw", "x.raw")}, {"source": FileSource("/images/x.raw", "images/x.raw")}),
    ],
    ids=["fill", "size beside a digest", "display of a path"],
)
def test_what_makes_no_difference(before: dict[str, Any], after: dict[str, Any]) -> None:
    """The leftovers of an interrupted run, the size that a slow server does not report, the working directory."""
    made = make(spec("new", "e"), owned=())
    assert find_unreviewed(change_create(made, **after), change_create(made, **before)) == ()
    assert find_unreviewed(change_create(made, **before), change_create(made, **after)) == ()


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SAVING])
@pytest.mark.parametrize("content", ["e", "of an earlier manifest"])
def test_a_run_that_was_ended_during_an_upload_can_be_repeated(status: Status, content: str) -> None:
    """The next plan completes the new image, so its step has another reason, and it deletes the rest."""
    left = live(spec("new", content), "left", Role.STAGING, generation=2, status=status)
    reviewed, now = make(spec("new", "e"), owned=()), make(spec("new", "e"), owned=(left,))
    assert {step.reason for step in reviewed.steps} == {Reason.NEW}
    assert {step.reason for step in now.steps} == {Reason.INCOMPLETE}
    assert find_unreviewed(now, reviewed) == ()


def test_a_run_that_was_ended_before_the_old_build_was_retired_can_be_repeated() -> None:
    """The new build is published, so the old one is now a duplicate; the change of it is the same."""
    old, wanted = live(spec("b", "b"), "ib"), spec("b", "d")
    reviewed, now = make(wanted, owned=(old,)), make(wanted, owned=(old, live(wanted, "inew", generation=2)))
    assert [(step.id, step.reason) for step in now.steps] == [("update:b:ib", Reason.DUPLICATE)]
    assert find_unreviewed(now, reviewed) == ()


URL = UrlSource(("https://h/x.img",))
SIGNED = replace(URL, signature=Signature("https://h/x.sig", "/keys/a.gpg", "a.gpg"))


@pytest.mark.parametrize(
    ("attrs", "name"),
    [
        ({"image_id": "pinned"}, "is not in the reviewed plan"),
        ({"replaces": ("ib",)}, "replaces"),
        ({"min_disk_auto": True}, "min_disk_auto"),
        ({"stage": True}, "stage"),
        ({"may_hold": ("ib",)}, "may_hold"),
        ({"source": replace(URL, checksum=digest("x"))}, "source"),
        ({"source": replace(URL, checksum_url="https://h/SUMS")}, "source"),
        ({"source": replace(URL, checksum_entry="x.img")}, "source"),
        ({"source": replace(URL, transfer=Transfer(verify=False))}, "source"),
        ({"source": replace(URL, transfer=Transfer(max_size=1))}, "source"),
        ({"source": SIGNED}, "source"),
        ({"source": UrlSource((*URL.urls, "https://other/x.img"))}, "source"),
    ],
)
def test_each_part_of_a_create_counts(attrs: dict[str, Any], name: str) -> None:
    """What it replaces, where its data is from, and what is checked."""
    made = change_create(make(spec("new", "e"), owned=()), source=URL)
    for now, reviewed in ((change_create(made, **attrs), made), (made, change_create(made, **attrs))):
        (sentence,) = find_unreviewed(now, reviewed)
        assert name in sentence or "is not in the reviewed plan" in sentence


@pytest.mark.parametrize("name", ["shown", "reason", "needs", "fill", "generation"])
def test_a_property_may_have_the_name_of_a_part_that_is_left_out(name: str) -> None:
    """Each property of an image counts, whatever its name is."""
    reviewed, now = (make(spec("new", "e", properties={name: value}), owned=()) for value in ("1", "2"))
    assert find_unreviewed(now, reviewed) == (f"create new differs from the reviewed plan in properties.{name}",)


def test_the_key_of_a_signature_counts() -> None:
    """Another key would accept other data."""
    made = make(spec("new", "e"), owned=())
    keys = [replace(SIGNED, signature=Signature("https://h/x.sig", path, "a.gpg")) for path in ("/k/a.gpg", "/k/b.gpg")]
    now, reviewed = (change_create(made, source=source) for source in keys)
    assert find_unreviewed(now, reviewed) == ("create new differs from the reviewed plan in source",)


@pytest.mark.parametrize(
    ("now", "reviewed", "name"),
    [
        (Delete("a", "x", 1, unprotect=True), Delete("a", "x", 1), "unprotect"),
        (Update("a", "x", (), None, (digest("v"),)), Update("a", "x", (), None), "verify"),
        (Update("a", "x", (), None), Update("a", "x", (), None, (digest("v"),)), "verify"),
        (Update("a", "x", (), None), Update("a", "x", (), read_record()), "record"),
    ],
)
def test_each_part_of_another_step_counts(now: Action, reviewed: Action, name: str) -> None:
    """The removal of a protection, of a check, of the marker."""
    nothing = make(owned=())
    one, other = (replace(nothing, steps=(Step("s", action, Reason.REMOVED),)) for action in (now, reviewed))
    (sentence,) = find_unreviewed(one, other)
    assert sentence.endswith(f"differs from the reviewed plan in {name}")


@pytest.mark.parametrize(
    "attrs", [{"digests": ()}, {"catalog": "other"}, {"url": "other"}, {"declared": (digest("z"),)}]
)
def test_each_part_of_a_record_counts(attrs: dict[str, Any]) -> None:
    """Later plans believe it."""
    made = make(spec("new", "e"), owned=())
    create = made.steps[0].action
    assert isinstance(create, Create)
    assert find_unreviewed(change_create(made, record=replace(create.record, **attrs)), made) != ()


def test_the_size_counts_if_there_is_no_digest() -> None:
    """Then nothing else describes the content."""
    url = UrlSource(("https://h/x.img",))
    made = change_create(make(spec("new", "e"), owned=()), source=url, fingerprint=Fingerprint((), 1))
    assert find_unreviewed(change_create(made, fingerprint=Fingerprint((), 2)), made) == (
        "create new differs from the reviewed plan in content",
    )


def test_a_generation_makes_no_difference() -> None:
    """A staging record of an interrupted run uses one up."""
    made = make(spec("new", "e"), owned=())
    create = made.steps[0].action
    assert isinstance(create, Create)
    record = replace(create.record, managed=replace(create.record.managed, generation=7))
    assert find_unreviewed(change_create(made, record=record), made) == ()
    other = replace(create.record, managed=replace(create.record.managed, origin="other"))
    assert find_unreviewed(change_create(made, record=other), made) == (
        "create new differs from the reviewed plan in record",
    )


def test_the_folder_of_the_checkout_makes_no_difference() -> None:
    """The plans of two hosts."""
    here = make(spec("new", "e"), owned=())
    there = change_create(
        replace(here, base="/elsewhere/images"), source=FileSource("/elsewhere/images/new.raw", "new.raw")
    )
    assert find_unreviewed(there, here) == ()
    outside = change_create(there, source=FileSource("/elsewhere/new.raw", "new.raw"))
    assert find_unreviewed(outside, here) == ("create new differs from the reviewed plan in source",)


def test_a_secret_of_a_url_makes_no_difference_but_its_host_does() -> None:
    """The saved plan has no secret."""
    made = make(spec("new", "e"), owned=())
    with_secret = change_create(made, source=UrlSource(("https://h/x.img?token=1",)))
    without = change_create(made, source=UrlSource(("https://h/x.img",)))
    assert find_unreviewed(with_secret, change_create(made, source=UrlSource(("https://h/x.img?token=2",)))) == ()
    assert find_unreviewed(change_create(made, source=UrlSource(("https://other/x.img",))), without) != ()


@pytest.mark.parametrize("reason", [Reason.INCOMPLETE, Reason.DELETING, Reason.OUTDATED])
def test_the_clean_up_of_hidden_images_needs_no_review(reason: Reason) -> None:
    """But only as a deletion."""
    nothing = make(owned=())
    step = Step("delete:x", Delete("a", "x"), reason)
    assert find_unreviewed(replace(nothing, steps=(step,)), nothing) == ()
    other = replace(step, action=Deactivate("a", "x"))
    assert find_unreviewed(replace(nothing, steps=(other,)), nothing) == (
        "deactivate a (image x) is not in the reviewed plan",
    )
    protected = replace(step, action=Delete("a", "x", unprotect=True))
    assert find_unreviewed(replace(nothing, steps=(protected,)), nothing) == (
        "delete a (image x) is not in the reviewed plan",
    )


@pytest.mark.parametrize("reason", sorted(set(Reason) - {Reason.INCOMPLETE, Reason.DELETING, Reason.OUTDATED}))
def test_every_other_deletion_needs_a_review(reason: Reason) -> None:
    """Also that of an image which expired meanwhile."""
    nothing = make(owned=())
    step = Step("delete:x", Delete("a", "x"), reason)
    assert find_unreviewed(replace(nothing, steps=(step,)), nothing) != ()


def test_one_reviewed_change_permits_one() -> None:
    """The same change twice is not reviewed."""
    made = make(*USUAL)
    twice = replace(made, steps=(*made.steps, made.steps[0]))
    assert len(find_unreviewed(twice, made)) == 1


def test_a_plan_of_another_kind_is_refused() -> None:
    """A stage plan publishes nothing; its review permits nothing else."""
    made = make(spec("a"), owned=())
    assert find_unreviewed(made, replace(made, kind=Kind.STAGE)) == (
        "the reviewed plan is of kind stage, and this plan is of kind apply",
    )


def test_a_long_list_is_short_and_printable() -> None:
    """At most ten sentences, and no control character of a key."""
    nothing = make(owned=())
    steps = tuple(Step(f"d{n}", Delete(f"k\x1b{n}", "x"), Reason.REMOVED) for n in range(40))
    found = find_unreviewed(replace(nothing, steps=steps), nothing)
    assert len(found) == 11
    assert found[-1] == "and 30 more"
    assert "\x1b" not in "".join(found)


def test_ten_thousand_changes_are_compared_in_one_pass() -> None:
    """Each is looked up, not searched for: more than a hundred million comparisons would exceed the test's time."""
    nothing = make(owned=())
    steps = tuple(Step(f"d{n}", Delete(f"k{n}", "x"), Reason.REMOVED) for n in range(10_000))
    many = replace(nothing, steps=steps)
    assert find_unreviewed(replace(many, steps=steps[::-1]), many) == ()


def test_how_a_path_is_shown_makes_no_difference() -> None:
    """Neither of a file nor of the keys of its list: it depends on where the command runs."""

    def wanted(place: str) -> Plan:
        signature = Signature("https://x.example/S.asc", "/images/keys.asc", f"{place}keys.asc")
        source = FileSource("/images/a.raw", f"{place}a.raw", None, "https://x.example/S", None, signature)
        return make(*USUAL[:2], replace(USUAL[2], source=source))

    assert find_unreviewed(wanted("../"), wanted("")) == ()


def test_the_members_of_a_create_count() -> None:
    """They may see the image."""
    made = make(*USUAL)
    state = next(
        step.action.state for step in made.steps if isinstance(step.action, Create) and step.action.key == "new"
    )
    number = next(n for n, step in enumerate(made.steps) if step.action.key == "new")
    steps = list(made.steps)
    action = steps[number].action
    assert isinstance(action, Create)
    steps[number] = replace(steps[number], action=replace(action, state=replace(state, members=("m",))))
    assert find_unreviewed(replace(made, steps=tuple(steps)), made) == (
        "create new differs from the reviewed plan in members",
    )
