"""The limits of a plan."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import FileSource, Fingerprint, ImageSpec, Method, OnExpire, Transfer
from imagesync.model.image import COPY, Capabilities, LiveImage, Usage
from imagesync.model.plan import Create, Reason, Update, find_image_id
from imagesync.model.policy import Limit, OnRemove, OnReplace, Policy
from imagesync.planning.live_checks import find_false_claims
from imagesync.planning.permissions import find_exceeded_limits
from imagesync.planning.planner import make_plan
from imagesync.planning.policy import check
from tests.unit.factories import candidate, catalog, digest, inventory, live, plan, plan_input, retired, spec


def test_policy_refuses_too_many_removals_in_one_sentence() -> None:
    """It has the number, the limit and the remedy."""
    keep = [spec(f"k{number}") for number in range(5)]
    found = inventory(*map(live, keep), *(live(spec(f"g{number}")) for number in range(5)))
    made = plan(catalog(*keep), found)
    (sentence,) = check(made, Policy())
    assert (
        sentence
        == "the plan would remove 5 of 10 live images (50 %); the limit is 30 %; pass --max-delete 5 to allow it"
    )


def test_an_empty_catalog_is_refused_whatever_the_limits_say() -> None:
    """A catalog that names none of the keys it owns needs --destroy."""
    made = plan(catalog(), inventory(live(spec("a"))), Policy())
    assert "--destroy" in check(made, Policy())[0]
    assert not check(made, Policy(allow_destroy=True))


@pytest.mark.parametrize("limit", [Limit(0), Limit(0, percent=False)])
def test_destroy_permits_an_emptied_catalog_and_lifts_no_limit(limit: Limit) -> None:
    """Without it, an emptied catalog is refused whatever the limit; of a part of the images the limit decides."""
    found = inventory(*(live(spec(f"k{number}")) for number in range(6)))
    policy = Policy(max_delete=limit, max_update=limit, allow_destroy=True)
    for kept in range(6):
        made = plan(catalog(*(spec(f"k{number}") for number in range(kept))), found, policy)
        assert len(made.removed) == 6 - kept
        refusals = check(made, policy)
        assert bool(refusals) is (kept > 0)
        assert not refusals or f"would remove {6 - kept} of 6" in refusals[0]
        strict = check(made, replace(policy, allow_destroy=False))
        assert strict == refusals if kept else "--destroy" in strict[0]
    changed = plan(catalog(*(spec(f"k{number}", min_ram=1) for number in range(6))), found, policy)
    assert "would update 6 of 6" in check(changed, policy)[0]


@pytest.mark.parametrize(
    ("limit", "keys", "is_refused"),
    [(Limit(25), 4, False), (Limit(24), 4, True), (Limit(0), 3, False), (Limit(0, percent=False), 3, True)],
)
def test_a_limit_in_per_cent_counts_from_four_keys_up(limit: Limit, keys: int, is_refused: bool) -> None:
    """Rounded down; one as a number always counts."""
    names = "abcd"[:keys]
    made = plan(catalog(*(spec(key) for key in names[1:])), inventory(*(live(spec(key)) for key in names)))
    assert bool(check(made, Policy(max_delete=limit))) == is_refused


EXPIRED = "2026-11-01"


@pytest.mark.parametrize("on_expire", OnExpire)
def test_an_expiry_counts_as_a_removal(on_expire: OnExpire) -> None:
    """Whatever it does. A plan once deleted ten of ten images, all of them expired, under a limit of one."""
    keys = [f"k{number}" for number in range(10)]
    wanted = [spec(key, expires=EXPIRED if key < "k5" else None, on_expire=on_expire) for key in keys]
    made = plan(catalog(*wanted), inventory(*(live(spec(key)) for key in keys)))
    assert made.removed == ("k0", "k1", "k2", "k3", "k4")
    (sentence,) = check(made, Policy(max_delete=Limit(1, percent=False)))
    assert (
        sentence == "the plan would remove 5 of 10 live images (50 %); the limit is 1; pass --max-delete 5 to allow it"
    )


@pytest.mark.parametrize("on_remove", OnRemove)
@pytest.mark.parametrize("hidden", ["old", "new"])
def test_of_two_current_images_either_counts(on_remove: OnRemove, hidden: str) -> None:
    """As a broken run leaves them: the newer one is hidden, say, and users have the older one. One key, counted once."""
    two = [
        live(spec("a"), name, generation=number, hidden=name == hidden) for number, name in enumerate(("old", "new"), 1)
    ]
    policy = Policy(on_remove=on_remove, max_delete=Limit(0, percent=False))
    found = inventory(*two, live(spec("b")))
    made = plan(catalog(spec("b")), found, policy)
    assert made.removed == ("a",)
    assert "the plan would remove 1 of 2 live images" in check(made, policy)[0]
    assert find_false_claims(made, found) == ()
    assert find_false_claims(replace(made, removed=()), found) != ()
    (sentence,) = find_exceeded_limits(made, found, policy)
    assert "the plan would remove 1 of 2 live images" in sentence


@pytest.mark.parametrize("on_expire", [OnExpire.HIDE, OnExpire.DEACTIVATE])
@pytest.mark.parametrize("ready", ["new content", "staged", "retired"])
def test_an_expiry_counts_also_where_another_build_is_wanted(on_expire: OnExpire, ready: str) -> None:
    """On that day upstream has moved, too. Nothing is made or published, what is current is removed and counted."""
    keys = [f"k{number}" for number in range(5)]
    wanted = [spec(key, "b", expires=EXPIRED, on_expire=on_expire) for key in keys]
    images = [live(spec(key, "a"), f"old-{key}", generation=2) for key in keys]
    images += [candidate(spec(key, "b"), f"cand-{key}") for key in keys if ready == "staged"]
    images += [retired(spec(key, "b"), f"ret-{key}") for key in keys if ready == "retired"]
    made = plan(catalog(*wanted), inventory(*images))
    assert made.removed == tuple(keys)
    assert {find_image_id(step.action) for step in made.steps} == {f"old-{key}" for key in keys}
    assert {step.reason for step in made.steps} == {Reason.EXPIRED}
    assert "the plan would remove every live image of catalog base (5)" in check(made, Policy())[0]
    assert "k0: it has expired (2026-11-01): no image is made, published or adopted" in made.notes


@pytest.mark.parametrize("on_expire", [OnExpire.HIDE, OnExpire.DEACTIVATE])
@pytest.mark.parametrize("content", ["a", "b"])
def test_what_has_expired_is_not_adopted(on_expire: OnExpire, content: str) -> None:
    """Adoption would hide or deactivate an image that users have."""
    foreign = replace(live(spec("a"), "foreign"), properties={})
    wanted = spec("a", content, adopt="foreign", expires=EXPIRED, on_expire=on_expire)
    made = plan(catalog(wanted), inventory(foreign=(foreign,)))
    assert made.steps == ()
    assert any(note.startswith("a: ") and "expire" in note for note in made.notes)


def test_an_image_of_another_user_is_not_deleted_by_the_run_that_replaces_it() -> None:
    """``keep: 0``: it retires first: there is a run in which it can be restored; it counts as changed."""
    foreign = replace(live(spec("a"), "foreign"), properties={}, disk_format="qcow2")
    wanted = spec("a", "b", adopt="foreign", on_replace=OnReplace(keep=0))
    made = plan(catalog(wanted), inventory(foreign=(foreign,)))
    assert [type(step.action) for step in made.steps] == [Create, Update]
    assert made.changed == ("a",)
    assert [one.image_id for one in made.kept] == ["foreign"]
    assert check(made, Policy(max_update=Limit(0, percent=False)))


@pytest.mark.parametrize(("min_ram", "changed"), [(None, ()), (5, ("a",))])
def test_an_adoption_counts_if_it_changes_the_image(min_ram: int | None, changed: tuple[str, ...]) -> None:
    """Writing the marker is not a change."""
    foreign = replace(live(spec("a"), "foreign"), properties={})
    made = plan(catalog(spec("a", adopt="foreign", min_ram=min_ram)), inventory(foreign=(foreign,)))
    assert [step.reason for step in made.steps] == [Reason.ADOPT]
    assert made.changed == changed
    assert find_false_claims(made, inventory(foreign=(foreign,))) == ()


def test_a_catalog_whose_last_images_expire_needs_destroy() -> None:
    """Even if there is only one."""
    made = plan(catalog(spec("a", expires=EXPIRED, on_expire=OnExpire.DELETE)), inventory(live(spec("a"))))
    assert "the plan would remove every live image of catalog base (1)" in check(made, Policy())[0]
    assert not check(made, Policy(allow_destroy=True))


def test_images_that_were_removed_before_do_not_dilute_a_limit() -> None:
    """Twenty hidden ones of the past let an emptied manifest hide every live image without --destroy."""
    past = [live(spec(f"p{number}"), hidden=True) for number in range(20)]
    found = inventory(*past, *(live(spec(f"k{number}")) for number in range(3)))
    policy = Policy(on_remove=OnRemove.HIDE)
    made = plan(catalog(), found, policy)
    assert (made.owned, made.removed) == (3, ("k0", "k1", "k2"))
    assert "--destroy" in check(made, policy)[0]
    kept = plan(catalog(spec("k0"), spec("k1"), spec("k2")), found, policy)
    assert (kept.steps, kept.owned) == ((), 3)


def test_an_image_that_expired_before_counts_no_more() -> None:
    """It is already hidden: neither live nor removed by this plan."""
    hidden = live(spec("a", hidden=True), hidden=True)
    wanted = [spec("a", expires=EXPIRED), spec("b")]
    made = plan(catalog(*wanted), inventory(hidden, live(spec("b"))))
    assert (made.owned, made.removed) == (1, ())


def test_the_clean_up_of_superseded_builds_does_not_count() -> None:
    """Not as a removal, and not as a change of its key."""
    keys = "abcd"
    old = [retired(spec(key), f"old-{key}") for key in keys]
    wanted = [spec(key, on_replace=OnReplace(keep=0)) for key in keys]
    made = plan(catalog(*wanted), inventory(*map(live, wanted), *old))
    assert len(made.steps) == 4
    assert (made.removed, made.changed) == ((), ())
    assert check(made, Policy(max_delete=Limit(0), max_update=Limit(0))) == ()


@pytest.mark.parametrize("name", ["disk_format", "container_format"])
def test_a_format_that_the_service_does_not_take_is_refused(name: str) -> None:
    """Before anything is uploaded; a service that reports no formats is assumed to take any."""
    known = Capabilities(disk_formats=frozenset({"raw", "iso"}), container_formats=frozenset({"bare"}))
    wanted = catalog(spec("a", **{name: "other"}))
    with pytest.raises(PlanRefused) as caught:
        make_plan(plan_input(wanted, inventory(), able=known))
    takes = {"disk_format": "iso, raw", "container_format": "bare"}[name]
    assert str(caught.value) == f"images.a.{name}: this service does not accept other; use one of {takes}"
    assert make_plan(plan_input(wanted, inventory(), able=Capabilities())).steps
    assert make_plan(plan_input(catalog(spec("a")), inventory(), able=known)).steps


@pytest.mark.parametrize(
    ("name", "usage", "limit", "is_refused"),
    [
        ("image_count_total", 7, 9, False),
        ("image_count_total", 8, 9, True),
        ("image_count_total", 0, 0, True),
        ("image_count_total", 9, -1, False),
        ("image_size_total", 6, 134, False),
        ("image_size_total", 7, 134, True),
        ("image_size_total", 0, 0, True),
        ("image_size_total", 99, -1, False),
    ],
)
def test_a_quota_may_be_used_up_to_its_limit(name: str, usage: int, limit: int, is_refused: bool) -> None:
    """By two images of 64 MiB each; 0 permits none, -1 means unlimited."""
    able = Capabilities(usage={name: Usage(usage, limit)})
    images = [spec(key, fingerprint=Fingerprint((digest("a"),), size=64 * 2**20)) for key in "ab"]
    given = plan_input(catalog(*images), inventory(), able=able)
    if is_refused:
        with pytest.raises(PlanRefused, match=f"{name}.; raise the quota or delete images first"):
            make_plan(given)
    else:
        assert len(make_plan(given).steps) == 2


@pytest.mark.parametrize("allow_destroy", [False, True])
@pytest.mark.parametrize("percent", [False, True])
@pytest.mark.parametrize("value", [0, 1, 3, 25, 30, 50, 99, 100])
def test_limits_for_every_number_of_images(value: int, percent: bool, allow_destroy: bool) -> None:
    """Each limit refuses from one above it on, alone or with the other; the way out names the option and the number."""
    names = tuple(f"k{number:02}" for number in range(12))
    empty = plan(catalog(), inventory())
    for owned in range(12):
        for number in range(owned + 1):
            is_over = number > value if not percent else owned >= 4 and number * 100 > owned * value
            for removed, changed in ((number, 0), (0, number), (number, number)):
                made = replace(empty, owned=owned, removed=names[:removed], changed=names[:changed])
                limit, free = Limit(value, percent), Limit(10**6, percent=False)
                found = "\n".join(check(made, Policy(max_delete=limit, max_update=free, allow_destroy=allow_destroy)))
                if removed and removed == owned:
                    assert (f"({owned})" in found and "--destroy" in found) is not allow_destroy
                    continue
                is_removal_over = is_over and removed > 0  # --destroy permits an emptied catalog, and nothing else
                assert bool(found) == is_removal_over
                if found:
                    assert f"{removed} of {owned} " in found
                    assert f"({removed * 100 // owned} %)" in found
                    assert f"{value} %" in found if percent else f" {value};" in found
                    assert f"--max-delete {removed} " in found
                both = check(made, Policy(max_delete=limit, max_update=limit, allow_destroy=allow_destroy))
                options = ["--max-delete"] * is_removal_over + ["--max-update"] * (is_over and changed > 0)
                assert [
                    next(option for option in ("--max-delete", "--max-update") if option in text) for text in both
                ] == options
                if options[-1:] == ["--max-update"]:
                    assert f"--max-update {changed} " in both[-1]


def test_an_update_of_nothing_owned_is_refused_without_a_share() -> None:
    """An adoption changes an image that the catalog does not own yet."""
    made = replace(plan(catalog(), inventory()), owned=0, changed=("a",))
    (sentence,) = check(made, Policy(max_update=Limit(0, percent=False)))
    assert "1 of 0 " in sentence
    assert "(" not in sentence


def sent(key: str, method: Method = Method.UPLOAD, *stores: str, **attrs: Any) -> ImageSpec:
    """An image of a file."""
    transfer = Transfer(method=method, stores=stores)
    return spec(key, source=FileSource(f"/images/{key}.raw", f"{key}.raw", transfer=transfer), **attrs)


def refusals(able: Capabilities, *wanted: ImageSpec, found: Sequence[LiveImage] = ()) -> tuple[str, ...]:
    """What a plan is refused with on a target that can do this; none if it is not."""
    try:
        make_plan(plan_input(catalog(*wanted), inventory(*found), able=able))
    except PlanRefused as error:
        return tuple(error.refusals)
    return ()


def test_each_of_several_images_is_checked_against_the_capabilities() -> None:
    """One refusal for each fault of each image, in the order of the keys."""
    able = Capabilities(frozenset({"raw"}), frozenset({"bare"}), stores=frozenset({"fast"}))
    wanted = [
        spec("a", disk_format="iso", container_format="ovf"),
        sent("b", Method.GLANCE_DIRECT),
        sent("c", Method.UPLOAD, "slow"),
        spec("d"),
        sent("e", Method.GLANCE_DIRECT, "slow", "remote", disk_format="iso"),
    ]
    places = [text.split(": ")[0] for text in refusals(able, *wanted)]
    assert sorted(places) == sorted(
        [
            *("images.a.disk_format", "images.a.container_format", "images.b.source.method", "images.c.source.stores"),
            *("images.e.disk_format", "images.e.source.method", "images.e.source.stores"),
        ]
    )
    (stores,) = [text for text in refusals(able, *wanted) if text.startswith("images.e.source.stores")]
    assert "remote, slow" in stores
    assert "fast" in stores


@pytest.mark.parametrize(
    "offered", [{"glance-direct"}, {"web-download"}, {"copy-image"}, {"glance-direct", "web-download"}]
)
@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("stores", [(), ("fast",), ("fast", "slow")])
def test_ways_into_a_service(offered: set[str], method: Method, stores: tuple[str, ...]) -> None:
    """Data is sent by a method that is offered; an upload is copied into a second store by copy-image or glance-direct
    only.
    """
    able = Capabilities(import_methods=frozenset(offered), stores=frozenset({"fast", "slow"}))
    found = [text.split(": ")[0] for text in refusals(able, sent("a", method, *stores))]
    wrong = []
    if method is not Method.UPLOAD and method.value not in offered:
        wrong.append("images.a.source.method")
    if method is Method.UPLOAD and len(stores) > 1 and offered == {"web-download"}:
        wrong.append("images.a.source.stores")
    assert found == wrong


def test_a_refused_method_names_those_that_can_be_declared() -> None:
    """Not what else a service offers: copy-image moves no data into it."""
    able = Capabilities(import_methods=frozenset({"glance-direct", "copy-image", "vendor-import"}))
    (text,) = refusals(able, sent("a", Method.WEB_DOWNLOAD))
    assert "glance-direct or upload" in text
    assert "copy-image" not in text
    assert "vendor-import" not in text


@pytest.mark.parametrize("methods", [(), ("glance-direct",), ("web-download", "glance-direct")])
def test_each_live_image_that_lacks_a_store_needs_copying(methods: tuple[str, ...]) -> None:
    """Whatever else of it changes; what the service offers is named in order, or that it offers nothing."""
    able = Capabilities(import_methods=frozenset(methods), stores=frozenset({"fast", "slow"}))
    wanted = [sent(key, Method.UPLOAD, "fast", "slow", min_ram=5, tags=frozenset({"x"})) for key in "ab"]
    wanted.append(sent("c", Method.UPLOAD, "fast", min_ram=5))
    found = [replace(live(sent(key)), stores=("fast",)) for key in "abc"]
    texts = refusals(able, *wanted, found=found)
    assert [text.split(": ")[0] for text in texts] == ["images.a.source.stores", "images.b.source.stores"]
    for key, text in zip("ab", texts, strict=True):
        assert f"image id-{key} " in text
        assert COPY in text
        assert (", ".join(sorted(methods)) or "none") in text
    assert refusals(replace(able, import_methods=able.import_methods | {COPY}), *wanted, found=found) == ()


def test_an_image_that_is_only_changed_needs_no_quota() -> None:
    """Nor does one whose content is in the service already."""
    able = Capabilities(usage={"image_count_total": Usage(1, 1), "image_size_total": Usage(1, 1)})
    assert refusals(able, spec("a", min_ram=5), found=[live(spec("a"))]) == ()
