"""The counts of a plan, and the questions about its steps."""

from dataclasses import replace
from itertools import product

import pytest

from imagesync.model.catalog import (
    HEX_LENGTHS,
    Checksum,
    Content,
    FileSource,
    Fingerprint,
    Method,
    Role,
    Source,
    Transfer,
    UrlSource,
)
from imagesync.model.plan import (
    Action,
    Create,
    Deactivate,
    Delete,
    ImageState,
    Plan,
    Reactivate,
    Reason,
    Step,
    Summary,
    Update,
    find_image_id,
    is_promotion,
    read_declared_formats,
    summarize,
)
from imagesync.model.record import Record
from tests.unit.factories import TARGET

RECORD = Record("base", "a", Role.CURRENT)
FILE = FileSource("/a", "a")
FETCHED = UrlSource(("https://x.example/a",), transfer=Transfer(method=Method.WEB_DOWNLOAD))


def create(key: str, size: int | None = 10, source: Source = FILE, *replaces: str, stage: bool = False) -> Create:
    """A new build."""
    return Create(key, ImageState(), source, Fingerprint((), size), RECORD, replaces=replaces, stage=stage)


def update(key: str, image_id: str) -> Update:
    """A change of an image."""
    return Update(key, image_id, (), RECORD)


def count(*steps: tuple[Action, Reason], unchanged: int = 0) -> Summary:
    """The counts of a plan of these steps."""
    made = tuple(Step(str(number), action, reason) for number, (action, reason) in enumerate(steps))
    return summarize(Plan("base", TARGET, steps=made, unchanged=unchanged))


def test_a_plan_is_counted_as_users_see_it() -> None:
    """Each kind of step alone and together; the steps of a replacement count once."""
    new = [(create(key, size), Reason.NEW) for key, size in (("a", 1), ("b", 2))]
    replaced: list[tuple[Action, Reason]] = [
        (create("c", 4, FILE, "old"), Reason.CONTENT_CHANGED),
        (update("c", "old"), Reason.SUPERSEDED),
        (Deactivate("c", "old"), Reason.SUPERSEDED),
        (Delete("c", "old"), Reason.SUPERSEDED),
    ]
    promoted: list[tuple[Action, Reason]] = [
        (Reactivate("d", "candidate"), Reason.ROLLBACK),
        (update("d", "candidate"), Reason.ROLLBACK),
        (update("d", "old"), Reason.SUPERSEDED),
    ]
    first = [(update("e", "candidate"), Reason.STAGED)]
    staged = [(create("f", 8, stage=True), Reason.NEW), (create("g", 16, stage=True), Reason.NEW)]
    plain: list[tuple[Action, Reason]] = [
        (update("h", "h"), Reason.DRIFT),
        (update("i", "i"), Reason.MANIFEST_CHANGED),
        (Deactivate("j", "j"), Reason.EXPIRED),
        (Reactivate("k", "k"), Reason.DRIFT),
        (Delete("l", "l"), Reason.REMOVED),
        (Delete("m", "m"), Reason.SUPERSEDED),
        (Delete("n", "n"), Reason.OUTDATED),
    ]
    assert count(*new) == Summary(create=2, upload=3)
    assert count(*replaced) == Summary(replace=1, upload=4)
    assert count(*promoted) == Summary(replace=1)
    assert count(*first) == Summary(create=1)
    assert count(*staged) == Summary(stage=2, upload=24)
    assert count(*plain) == Summary(update=2, deactivate=1, reactivate=1, delete=3)
    assert count(*new, *replaced, *promoted, *first, *staged, *plain, unchanged=5) == Summary(
        create=3, update=2, replace=2, deactivate=1, reactivate=1, delete=3, stage=2, unchanged=5, upload=31
    )


@pytest.mark.parametrize("number", range(3))
def test_only_bytes_that_imagesync_sends_count(number: int) -> None:
    """Not data that the service fetches, nor a record without data. One unknown size makes the sum unknown."""
    sizes: list[int | None] = [1, 2, 4]
    assert count(*((create(str(size), size), Reason.NEW) for size in sizes)).upload == 7
    sizes[number] = None
    assert count(*((create(str(size), size), Reason.NEW) for size in sizes)).upload is None
    steps = [(create(str(size), size, FETCHED if size is None else FILE), Reason.NEW) for size in sizes]
    assert count(*steps, (create("x", None, Content.NO_DATA), Reason.NEW)).upload == sum(size or 0 for size in sizes)


@pytest.mark.parametrize("reason", Reason)
def test_a_promotion_publishes_an_existing_image(reason: Reason) -> None:
    """A candidate or an earlier build; a create makes a new image."""
    is_one = reason in (Reason.STAGED, Reason.ROLLBACK)
    actions: list[Action] = [update("a", "i"), Deactivate("a", "i"), Reactivate("a", "i"), Delete("a", "i")]
    assert {is_promotion(Step("s", action, reason)) for action in actions} == {is_one}
    assert not is_promotion(Step("s", create("a"), reason))


def test_the_image_that_a_step_writes_to() -> None:
    """A create has none, unless it fills an existing record."""
    actions: list[Action] = [update("a", "i"), Deactivate("a", "i"), Reactivate("a", "i"), Delete("a", "i")]
    assert {find_image_id(action) for action in actions} == {"i"}
    pinned = replace(create("a"), image_id="pinned")
    assert [find_image_id(one) for one in (pinned, replace(pinned, fill="filled"))] == [None, "filled"]


def test_fetched_data_is_downloaded_if_the_service_s_hashes_cannot_verify_it() -> None:
    """Not data that is sent, is not to be verified, or has no digest; the service computes md5 and sha512 itself."""
    digests = {name: Checksum(name, "0" * length) for name, length in HEX_LENGTHS.items()}
    for method, verify, name in product(Method, (False, True), (None, *digests)):
        source = UrlSource(("https://x.example/a",), transfer=Transfer(method=method, verify=verify))
        made = replace(create("a", 1, source), fingerprint=Fingerprint((digests[name],) if name else ()))
        is_unknown = name is not None and name not in ("md5", "sha512")
        assert made.is_read_back is (method is Method.WEB_DOWNLOAD and verify and is_unknown)
    assert not create("a", 1, Content.NO_DATA).is_read_back


def test_an_image_that_gets_a_new_key_counts_by_its_key() -> None:
    """However many builds it has; beside its other steps, which count as usual."""
    moved = [(update("a", f"a{number}"), Reason.MOVED) for number in range(3)]
    assert count(*moved) == Summary(move=1)
    assert count(*moved, (update("b", "b"), Reason.MOVED), (update("a", "a0"), Reason.DRIFT)) == Summary(
        move=2, update=1
    )


def test_plans_of_one_state_are_equal() -> None:
    """Copies change with the snapshots of users; clocks, places and what a user must do then say nothing of it."""
    made = Plan("base", TARGET, steps=(Step("s", Deactivate("a", "i"), Reason.EXPIRED),))
    same = replace(made, copies=("x",), made="2026-11-23T12:00:00+00:00", places={"a": "m.yaml:1:1"}, follow_up="x")
    assert same == made
    changes: list[dict[str, object]] = [
        {"notes": ("x",)}, {"expires": {"a": "2027-01-01"}}, {"owners": {"a": "p"}}, {"moved": {"a": "b"}}
    ]  # fmt: skip
    assert [change for change in changes if replace(made, **change) == made] == []  # type: ignore[arg-type]


def test_the_declared_formats_of_a_create() -> None:
    """The one of the disk first; None for one that is not declared."""
    both = replace(create("a"), state=ImageState({"container_format": "bare", "disk_format": "raw"}))
    assert read_declared_formats(both) == ("raw", "bare")
    assert read_declared_formats(replace(both, state=ImageState({"disk_format": "raw"}))) == ("raw", None)
    assert read_declared_formats(create("a")) == (None, None)
