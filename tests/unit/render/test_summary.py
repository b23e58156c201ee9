"""``imagesync.render.summary``: sentences about a whole plan."""

from dataclasses import replace

import pytest

from imagesync.errors import Diagnostic
from imagesync.model.catalog import Fingerprint
from imagesync.model.plan import Deactivate, Delete, Kind, Plan, PlanError, Reactivate, Reason, Update
from imagesync.planning.staging import stage_plan
from imagesync.planning.steps import make_step
from imagesync.render.summary import (
    VERBS,
    count_changes,
    describe_effect,
    describe_errors,
    format_changes,
    format_counts,
    format_headings,
    format_scope,
    format_total,
    list_errors,
    note_copies,
)
from tests.unit.factories import TARGET, catalog, digest, inventory, live, plan, plan_input, spec


@pytest.mark.parametrize(("number", "words"), [(1, "1 image"), (2, "2 images")])
def test_errors_are_followed_by_their_effect(number: int, words: str) -> None:
    """A reader of the plan must know that apply does the rest, and fails."""
    errors = tuple(PlanError(f"k{at}", Diagnostic("a.yaml", at + 1, 1, "images", "gone")) for at in range(number))
    *named, effect = describe_errors(replace(plan(catalog(), inventory()), errors=errors))
    assert named == [f"Error: a.yaml:{at + 1}:1: images: gone" for at in range(number)]
    assert effect == f"Apply skips {words} with an error, and exits with code 1 even if all other steps succeed."


def test_without_errors_and_copies_there_is_no_sentence() -> None:
    """The plan has only its counts."""
    assert list(describe_errors(plan(catalog(), inventory()))) == []
    assert note_copies(()) == []


def test_the_heading_counts_declared_and_owned_keys() -> None:
    """They may differ: an owned key may be removed from the manifest."""
    made = plan(catalog(spec("a"), spec("b")), inventory(live(spec("a")), live(spec("y")), live(spec("z"))))
    assert format_headings([made])[0].endswith(": 2 images declared, 3 owned")


COUNTED = (
    make_step(Update("m", "i", (), None), Reason.MOVED),
    make_step(Update("u", "i", (), None), Reason.DRIFT),
    make_step(Update("v", "i", (), None), Reason.DRIFT),
    make_step(Deactivate("d", "i"), Reason.REMOVED),
    make_step(Reactivate("r", "i"), Reason.DRIFT),
    make_step(Delete("x", "i"), Reason.REMOVED),
)


def test_each_kind_of_change_is_counted_in_its_order() -> None:
    """And only the kinds that there are."""
    made = plan(catalog(spec("a"), spec("b", "c")), inventory(live(spec("b"))))
    made = replace(made, steps=(*made.steps, *COUNTED), unchanged=5)
    changes = "1 to move, 1 to create, 2 to update, 1 to replace, 1 to deactivate, 1 to reactivate, 1 to delete"
    assert format_changes(made) == changes
    assert count_changes(made) == 8
    assert format_counts(made) == f"Plan: {changes}; 5 unchanged. 8.0 KiB to upload."
    staged = stage_plan(plan_input(catalog(spec("a")), inventory()))
    assert format_counts(staged) == "Plan: 1 to stage; no other changes. 4.0 KiB to upload."
    assert (format_changes(staged), count_changes(staged)) == ("1 to stage", 1)
    assert (format_changes(replace(made, steps=())), count_changes(replace(made, steps=()))) == ("", 0)


@pytest.mark.parametrize(
    ("kind", "unchanged", "text"),
    [
        (Kind.APPLY, 1, "No changes. 1 image matches the manifest."),
        (Kind.APPLY, 0, "No changes. 0 images match the manifest."),
        (Kind.APPLY, 2, "No changes. 2 images match the manifest."),
        (Kind.STAGE, 2, "Nothing to stage."),
        (Kind.DISCARD, 2, "Nothing to do."),
        (Kind.ROLLBACK, 2, "Nothing to do."),
    ],
)
def test_a_plan_without_changes_says_so(kind: Kind, unchanged: int, text: str) -> None:
    """An apply with the number of images that are right."""
    assert format_counts(Plan("base", TARGET, kind=kind, unchanged=unchanged)) == text


def test_counts_of_several_targets_leave_out_what_differs() -> None:
    """The number of unchanged images, and only that."""
    one = Plan("base", TARGET, COUNTED[1:2], unchanged=3)
    other, empty = replace(one, unchanged=4), Plan("base", TARGET, unchanged=3)
    assert format_counts(one) == "Plan: 1 to update; 3 unchanged."
    assert format_counts(one, [one]) == "Plan for each target: 1 to update; 3 unchanged."
    assert format_counts(one, [one, other]) == "Plan for each target: 1 to update."
    assert format_counts(empty, [empty]) == "No changes. 3 images match the manifest."
    assert format_counts(empty, [empty, replace(empty, unchanged=4)]) == "No changes."


def test_the_total_of_several_targets() -> None:
    """Sums of changes and of bytes; the size is unknown if one of them is."""
    one = plan(catalog(spec("a")), inventory())
    two = plan(catalog(spec("b"), spec("c")), inventory(live(spec("d"))))
    assert format_total([one, two]) == "In total 3 to create, 1 to delete. 12.0 KiB to upload."
    unknown = plan(catalog(spec("a", fingerprint=Fingerprint((digest("a"),)))), inventory())
    assert format_total([two, unknown]) == "In total 3 to create, 1 to delete. Upload size unknown."
    assert format_total([Plan("base", TARGET, COUNTED[:1])] * 2) == "In total 2 to move."


SECRET = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1fG3hJ5"


def test_errors_are_printable_and_have_no_secret() -> None:
    """In the order of the plan."""
    problems = [Diagnostic("b\x1b.yaml", 2, 1, "images", SECRET), Diagnostic("a.yaml", 1, 1, "", "wrong", "mend it")]
    errors = tuple(PlanError("k", problem) for problem in problems)
    found = list(list_errors(Plan("base", TARGET, errors=errors)))
    hidden = f"({len(SECRET)} characters, not shown: looks like a secret)"
    assert found == [f"b\\x1b.yaml:2:1: images: {hidden}", "a.yaml:1:1: wrong; mend it"]
    assert list(describe_effect(Plan("base", TARGET))) == []


@pytest.mark.parametrize(("number", "words"), [(1, "1 image carries"), (2, "2 images carry"), (12, "12 images carry")])
def test_the_sentence_about_copied_records(number: int, words: str) -> None:
    """It counts them, because there may be thousands."""
    assert note_copies([f"id-{at}" for at in range(number)]) == [
        f"{words} a copy of another image's record, as snapshots of servers do; imagesync does not change them; "
        "to list their ids, pass -v"
    ]


def test_the_heading_of_one_plan_and_of_several() -> None:
    """Numbers of images are with the place; plans with different numbers have a line each."""
    one = Plan("base", TARGET, target_name="eu", wanted=1, owned=2)
    other = replace(one, target_name="us", wanted=2, owned=1)
    assert format_scope(one) == "1 image declared, 2 owned"
    assert format_scope(other) == "2 images declared, 1 owned"
    place = "(store ./lab, project local)"
    assert format_headings([one]) == [f"Catalog base on target eu {place}: 1 image declared, 2 owned"]
    assert format_headings([one, replace(one, target_name="us")]) == [
        f"Catalog base on targets eu {place}, us {place}: 1 image declared, 2 owned"
    ]
    assert format_headings([one, other]) == [
        "Catalog base on targets",
        f"  eu {place}: 1 image declared, 2 owned",
        f"  us {place}: 2 images declared, 1 owned",
    ]


def test_plans_with_no_bytes_to_upload_or_of_another_kind() -> None:
    """Bytes are of creates only; only an apply has the number of unchanged images."""
    made = Plan("base", TARGET, COUNTED[1:2], unchanged=3, kind=Kind.ROLLBACK)
    assert format_counts(made) == "Plan: 1 to update; no other changes."
    assert format_counts(replace(made, kind=Kind.STAGE)) == "Plan: 1 to update; no other changes."
    unknown = plan(catalog(spec("a", fingerprint=Fingerprint((digest("a"),)))), inventory())
    assert format_counts(unknown) == "Plan: 1 to create; 0 unchanged. Upload size unknown."
    assert format_counts(unknown, [unknown]) == ("Plan for each target: 1 to create; 0 unchanged. Upload size unknown.")
    assert format_total([made]) == "In total 1 to update."
    assert VERBS == ("move", "create", "update", "replace", "deactivate", "reactivate", "delete", "stage")
