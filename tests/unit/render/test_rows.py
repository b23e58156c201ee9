"""``imagesync.render.rows``: the row of each kind of step, with its alarms, its lines and the steps that it is about."""

from dataclasses import replace
from typing import Any

import pytest

from imagesync.model.catalog import (
    Checksum,
    Content,
    FileSource,
    Fingerprint,
    Method,
    Role,
    Transfer,
    UrlSource,
    Visibility,
)
from imagesync.model.plan import (
    Action,
    Create,
    Deactivate,
    Delete,
    FieldChange,
    Kept,
    Plan,
    Reactivate,
    Reason,
    Reliance,
    Update,
    Value,
)
from imagesync.model.record import DIGEST, KEY, MANAGED, ROLE
from imagesync.planning.staging import stage_plan
from imagesync.planning.steps import make_step
from imagesync.render.blocks import Kind, Row
from imagesync.render.changes import Alarm, Line
from imagesync.render.rows import make_rows
from imagesync.render.style import Ink
from tests.unit.factories import NOW, TARGET, catalog, check_honest, digest, inventory, live, plan, plan_input, spec

NEW = plan(catalog(spec("a")), inventory()).steps[0].action
assert isinstance(NEW, Create)
HIDE = FieldChange(("hidden",), False, True, Reason.SUPERSEDED)
RAM = FieldChange(("min_ram",), 0, 7)
RAM_LINE = Line("min_ram", "0 → 7", pair=("0", "7"))
GONE = "not in the manifest"
ACCESS: dict[str, Value] = {"visibility": "private", "protected": False, "hidden": False, "name": "a"}
CURRENT: dict[str, Value] = {**ACCESS, f"properties.{ROLE}": Role.CURRENT.value}
"""The values of a current image that has the defaults."""


def change(name: str, before: Value, after: Value, reason: Reason = Reason.MANIFEST_CHANGED) -> FieldChange:
    """The change of a field of the service."""
    return FieldChange((name,), before, after, reason)


def create(fields: dict[str, Value] | None = None, **attrs: Any) -> Create:
    """A create of key a, with other fields of its image."""
    assert isinstance(NEW, Create)
    return replace(NEW, state=replace(NEW.state, fields={**NEW.state.fields, **(fields or {})}), **attrs)


def update(*changes: FieldChange, image_id: str = "i", key: str = "a", **attrs: Any) -> Update:
    """An update of an image of key a."""
    return Update(key, image_id, changes, **{"record": create().record, **attrs})


def list_rows(
    *steps: tuple[Action, Reason],
    relies: dict[str, dict[str, Value]] | None = None,
    kept: tuple[Kept, ...] = (),
    whole: bool = False,
) -> list[Row]:
    """The rows of steps. ``relies``: the values of live images."""
    made = Plan("base", TARGET, tuple(make_step(*step) for step in steps), kept=kept)
    found = tuple(Reliance(image_id, "a", values) for image_id, values in (relies or {}).items())
    return make_rows(replace(made, relies=found), NOW, whole=whole)


def make_row(action: Action, reason: Reason, **attrs: Any) -> Row:
    """The row of one step."""
    (row,) = list_rows((action, reason), **attrs)
    return row


def describe(row: Row) -> list[str]:
    """The lines under a row as text."""
    return [f"{line.name}: {line.text}" if line.name else line.text for line in row.lines]


PUBLIC: dict[str, Value] = {"visibility": "public"}
COMMUNITY: dict[str, Value] = {"visibility": "community"}
PROTECTED: dict[str, Value] = {"protected": True}
HIDDEN: dict[str, Value] = {"hidden": True}


@pytest.mark.parametrize(
    ("fields", "alarms"),
    [
        ({}, ()),
        ({"visibility": "shared"}, ()),
        ({**HIDDEN, "status": "deactivated"}, ()),
        (PUBLIC, (Alarm.PUBLIC,)),
        (COMMUNITY, (Alarm.COMMUNITY,)),
        (PROTECTED, (Alarm.PROTECTED,)),
        ({**PUBLIC, **PROTECTED}, (Alarm.PUBLIC, Alarm.PROTECTED)),
    ],
)
def test_what_a_new_image_declares_makes_an_alarm_only_if_users_get_it(
    fields: dict[str, Value], alarms: tuple[Alarm, ...]
) -> None:
    """A candidate is private, whatever it declares, and has no loud line; a new build says only what changes."""
    new = make_row(create(fields), Reason.NEW)
    assert new.alarms == alarms
    assert [line.name for line in new.lines if line.is_loud] == ["visibility"] * bool(alarms)
    assert make_row(create(fields, stage=True), Reason.NEW).alarms == ()
    assert make_row(create(fields, stage=True), Reason.CONTENT_CHANGED).alarms == ()
    assert make_row(create(fields, replaces=("old",)), Reason.CONTENT_CHANGED).alarms == ()


@pytest.mark.parametrize("old", [None, *Visibility])
@pytest.mark.parametrize("attrs", [{"visibility": one} for one in Visibility] + [{"protected": True}])
def test_a_stage_plan_has_no_alarm(old: Visibility | None, attrs: dict[str, Any]) -> None:
    """Beside an image with any access, and without one: nothing changes for users."""
    images = inventory(live(spec("a", visibility=old))) if old else inventory()
    made = check_honest(stage_plan(plan_input(catalog(spec("a", "b", **attrs)), images)), images)
    (row,) = make_rows(made, NOW, whole=False)
    assert (row.kind.verb, row.alarms) == ("stage", ())
    assert not any(line.is_loud for line in row.lines)


CHANGES: list[tuple[FieldChange, tuple[Alarm, ...]]] = [
    (change("visibility", "private", "public"), (Alarm.PUBLIC,)),
    (change("visibility", "private", "community"), (Alarm.COMMUNITY,)),
    (change("visibility", "public", "community"), (Alarm.COMMUNITY,)),
    (change("visibility", "community", "public"), (Alarm.PUBLIC,)),
    (change("visibility", "public", "private"), (Alarm.NOT_PUBLIC,)),
    (change("visibility", "community", "shared"), (Alarm.NOT_PUBLIC,)),
    (change("visibility", "private", "shared"), ()),
    (change("protected", False, True), (Alarm.PROTECTED,)),
    (change("protected", True, False), (Alarm.NOT_PROTECTED,)),
    (change("hidden", False, True), (Alarm.HIDDEN,)),
    (change("hidden", True, False), ()),
    (RAM, ()),
    (FieldChange(("properties", "visibility"), "private", "public"), ()),
]


@pytest.mark.parametrize(("one", "alarms"), CHANGES)
@pytest.mark.parametrize(
    "reason", [Reason.MANIFEST_CHANGED, Reason.DRIFT, Reason.ADOPT, Reason.REMOVED, Reason.EXPIRED]
)
def test_a_change_of_access_makes_the_same_alarm_in_each_kind_of_step(
    one: FieldChange, alarms: tuple[Alarm, ...], reason: Reason
) -> None:
    """An update for any reason, and a new build; with the release of the image, both are named."""
    assert make_row(update(RAM, replace(one, reason=reason)), reason).alarms == alarms
    assert make_row(update(one, record=None), reason).alarms == (*alarms, Alarm.RELEASED)
    new = create(replaces=("old",), changes=(RAM, one))
    assert make_row(new, Reason.CONTENT_CHANGED).alarms == alarms


def test_moves_and_adoptions_without_changes_make_no_alarm() -> None:
    """The image stays as it is."""
    assert make_row(update(), Reason.MOVED).alarms == ()
    assert make_row(update(), Reason.ADOPT).alarms == ()
    assert make_row(update(record=None), Reason.REMOVED).alarms == (Alarm.RELEASED,)


QUIET_DELETES = {Reason.INCOMPLETE, Reason.DISCARDED}
OLD_DELETES = {Reason.SUPERSEDED, Reason.OUTDATED}


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.MOVED])
def test_which_deletions_make_which_alarm(reason: Reason) -> None:
    """Only unfinished uploads and candidates are deleted silently; any other reason is a loss."""
    quiet = () if reason in QUIET_DELETES else (Alarm.OLD_DELETED if reason in OLD_DELETES else Alarm.DELETED,)
    assert make_row(Delete("a", "i", 1), reason).alarms == quiet


@pytest.mark.parametrize("reason", [Reason.MANIFEST_CHANGED, Reason.DRIFT, Reason.REMOVED, Reason.EXPIRED])
def test_which_images_are_lost_by_deactivation(reason: Reason) -> None:
    """Those that the manifest no longer has; a declared status is none, and a reactivation never is."""
    is_lost = reason in (Reason.REMOVED, Reason.EXPIRED)
    row = make_row(Deactivate("a", "i"), reason)
    assert (row.alarms, row.is_last) == ((Alarm.DEACTIVATED,) if is_lost else (), is_lost)
    assert (row.kind[:3], row.alone) == ((Ink.STATE, "○", "deactivate"), (Line("image", "i"),))
    other = make_row(Reactivate("a", "i"), reason)
    assert (other.alarms, other.is_last, other.alone) == ((), False, (Line("image", "i"),))
    assert other.kind[:3] == (Ink.STATE, "●", "reactivate")


WHY = {
    Reason.NEW: "",
    Reason.MANIFEST_CHANGED: "",
    Reason.DRIFT: "drift",
    Reason.CONTENT_CHANGED: "new build",
    Reason.CONTENT_UNKNOWN: "compared first",
    Reason.CONTENT_TAMPERED: "its data in the service was changed",
    Reason.REMOVED: GONE,
    Reason.SUPERSEDED: "superseded",
    Reason.DUPLICATE: "duplicate",
    Reason.INCOMPLETE: "an earlier run did not finish it",
    Reason.ADOPT: "adopted",
    Reason.EXPIRED: "expired",
    Reason.ROLLBACK: "back to an earlier build",
    Reason.STAGED: "candidate published",
    Reason.DISCARDED: "candidate dropped",
    Reason.OUTDATED: "superseded, older than delete_after allows",
    Reason.DELETING: "an earlier run began to delete it",
    Reason.UNVERIFIED: "the image of the other project cannot be verified",
}


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.MOVED])
def test_each_reason_has_its_words(reason: Reason) -> None:
    """In a row of any kind; a deletion says that too many builds are kept, and an unfinished upload says so itself."""
    actions = (create(), create(stage=True), update(RAM), Deactivate("a", "i"), Reactivate("a", "i"))
    assert {make_row(action, reason).kind.why for action in actions} == {WHY[reason]}
    special = {Reason.SUPERSEDED: "superseded, more than keep allows", Reason.INCOMPLETE: ""}
    assert make_row(Delete("a", "i", 1), reason).kind.why == special.get(reason, WHY[reason])


@pytest.mark.parametrize(
    ("reason", "reasons", "why"),
    [
        (Reason.MANIFEST_CHANGED, [Reason.MANIFEST_CHANGED, Reason.DRIFT], "drift"),
        (Reason.DRIFT, [Reason.MANIFEST_CHANGED, Reason.DRIFT], "drift"),
        (Reason.DRIFT, [Reason.REMOVED, Reason.DRIFT], f"{GONE}, drift"),
        (Reason.ADOPT, [Reason.MANIFEST_CHANGED, Reason.DRIFT], "adopted"),
        (Reason.REMOVED, [Reason.REMOVED, Reason.DRIFT], GONE),
    ],
)
def test_an_update_names_the_reasons_of_its_changes(reason: Reason, reasons: list[Reason], why: str) -> None:
    """If it is for the manifest or for drift; other reasons say enough."""
    changes = [change(f"f{at}", 0, 1, one) for at, one in enumerate(reasons)]
    assert make_row(update(*changes), reason).kind.why == why


@pytest.mark.parametrize(
    ("reason", "reasons", "marks"),
    [
        (Reason.DRIFT, [Reason.DRIFT, Reason.DRIFT], [False, False]),
        (Reason.DRIFT, [Reason.DRIFT, Reason.MANIFEST_CHANGED], [True, False]),
        (Reason.MANIFEST_CHANGED, [Reason.DRIFT], [True]),
        (Reason.ADOPT, [Reason.DRIFT], [True]),
        (Reason.MANIFEST_CHANGED, [Reason.MANIFEST_CHANGED], [False]),
    ],
)
def test_drift_is_marked_where_the_row_does_not_say_it(
    reason: Reason, reasons: list[Reason], marks: list[bool]
) -> None:
    """All changes of an update for drift are drift, unless it has another one."""
    row = make_row(update(*(change(f"f{at}", 0, 1, one) for at, one in enumerate(reasons))), reason)
    assert [line.text.endswith("  (drift)") for line in row.lines] == marks


def test_the_row_of_a_new_image() -> None:
    """What it is made from, and what users see; its name if the key is another one."""
    access, formats = Line("visibility", "private", is_named=True), Line("format", "raw in bare")
    assert make_row(create(), Reason.NEW) == Row(
        Kind(Ink.ADD, "+", "create"), "a", "4.0 KiB from a.raw", (access, formats), "a", steps=("create:a",)
    )
    named = make_row(create({"name": "x\x1b"}), Reason.NEW)
    assert (named.what, named.label) == ("x\\x1b, 4.0 KiB from a.raw", "a (x\\x1b)")
    nameless = make_row(create({"name": None}), Reason.NEW)
    assert (nameless.what, nameless.label) == ("4.0 KiB from a.raw", "a")
    staged = make_row(create({"name": "x"}, stage=True), Reason.CONTENT_CHANGED)
    assert staged == Row(
        Kind(Ink.ADD, "+", "stage", "new build"),
        "a",
        "x, 4.0 KiB from a.raw",
        (access, formats),
        "a (x)",
        steps=("create:a",),
    )


def test_the_row_of_a_new_build() -> None:
    """Its changes and the fate of the old build, no fields that stay and no name; drift is none of its reasons."""
    new = create({"name": "x"}, replaces=("old",), changes=(replace(RAM, reason=Reason.DRIFT),))
    retired = update(HIDE, image_id="old")
    assert list_rows((new, Reason.CONTENT_CHANGED), (retired, Reason.SUPERSEDED)) == [
        Row(
            Kind(Ink.CHANGE, "±", "replace", "new build"),
            "a",
            "4.0 KiB from a.raw",
            (RAM_LINE, Line("old build", "hidden, kept", is_named=True)),
            "a",
            steps=("create:a", "update:a:old"),
        )
    ]


@pytest.mark.parametrize(
    ("before", "after", "source", "expected"),
    [
        ("active", "deactivated", None, ["status: active → deactivated"]),
        ("deactivated", None, None, ["status: deactivated → active"]),
        ("deactivated", "active", None, ["status: deactivated → active"]),
        ("active", None, None, []),
        ("active", "active", None, []),
        ("deactivated", "deactivated", None, []),
        ("queued", None, None, []),
        (None, "deactivated", None, []),
        ("active", "deactivated", Content.NO_DATA, []),
    ],
)
def test_a_new_build_says_if_the_status_of_the_image_differs(
    before: str | None, after: str | None, source: Any, expected: list[str]
) -> None:
    """From that of the last image that it replaces, if both have data."""
    new = create({"status": after}, replaces=("older", "old"), **({"source": source} if source else {}))
    relies: dict[str, dict[str, Value]] = {"older": {"status": "pending"}, "old": {"status": before}}
    assert describe(make_row(new, Reason.CONTENT_CHANGED, relies=relies)) == expected
    assert "status" not in " ".join(describe(make_row(replace(new, replaces=()), Reason.NEW, relies=relies)))


FATES: list[tuple[list[Action], list[str], list[str]]] = [
    ([update(HIDE, image_id="o")], ["old build: hidden, FATE"], ["old build: o hidden, FATE"]),
    ([update(change("hidden", True, False), image_id="o")], ["old build: shown, FATE"], ["old build: o shown, FATE"]),
    ([update(image_id="o")], ["old build: retired, FATE"], ["old build: o retired, FATE"]),
    (
        [update(HIDE, change("name", "a", "b\x1b"), FieldChange(("properties", "p"), None, "x"), image_id="o")],
        ["old build: hidden, renamed b\\x1b, properties.p x, FATE"],
        ["old build: o hidden, renamed b\\x1b, properties.p x, FATE"],
    ),
    ([Delete("a", "o", 4096)], ["old build: deleted"], ["old build: o deleted, 4.0 KiB freed"]),
    (
        [Delete("a", "o", 4096, unprotect=True)],
        ["old build: deleted, although it is protected"],
        ["old build: o deleted, although it is protected, 4.0 KiB freed"],
    ),
    (
        [update(HIDE, image_id="o"), Deactivate("a", "o")],
        ["old build: hidden, FATE", "old build: deactivated"],
        ["old build: o hidden, FATE", "old build: o deactivated"],
    ),
    ([update(HIDE, image_id="o"), Delete("a", "o", 1)], ["old build: deleted"], ["old build: o deleted, 1 B freed"]),
    (
        [Delete("a", "o", 1), update(HIDE, image_id="q"), Delete("a", "p", 1), update(image_id="o")],
        ["2 old builds: deleted", "old build: hidden, kept"],
        ["old build: o deleted, 1 B freed", "old build: q hidden, kept", "old build: p deleted, 1 B freed"],
    ),
]


@pytest.mark.parametrize(("actions", "usual", "whole"), FATES)
@pytest.mark.parametrize("reason", [Reason.SUPERSEDED, Reason.DUPLICATE])
def test_the_fates_of_old_builds_are_lines_of_their_successor(
    actions: list[Action], usual: list[str], whole: list[str], reason: Reason
) -> None:
    """Of a new build and of a promoted one; the row is about all their steps, and names a deletion."""
    kept = Kept("a", "o", 1, retires=True)
    others = tuple((action, reason) for action in actions)
    ids = tuple(make_step(*one).id for one in others)
    alarms = (Alarm.OLD_DELETED,) if any(isinstance(action, Delete) for action in actions) else ()
    for first in ((create(replaces=("o",)), Reason.CONTENT_CHANGED), (update(image_id="n"), Reason.STAGED)):
        for expected, is_whole in ((usual, False), (whole, True)):
            (row,) = list_rows(
                *others[:1], first, *others[1:], relies={"n": ACCESS, "o": CURRENT}, kept=(kept,), whole=is_whole
            )
            lines = [text for text in describe(row) if text.startswith(("old build", "2 old builds"))]
            assert lines == [text.replace("FATE", "kept without limit (keep 1)") for text in expected]
            assert all(line.is_named for line in row.lines if "old build" in line.name)
            assert (row.kind.verb, row.alarms, row.steps) == ("replace", alarms, (make_step(*first).id, *ids))


def test_a_build_that_was_retired_before_has_no_new_date() -> None:
    """Only a build that this plan retires is in the list of the fates."""
    kept = Kept("a", "o", 1, until="2027-01-01", days=9)
    steps = ((create(replaces=("o",)), Reason.CONTENT_CHANGED), (update(HIDE, image_id="o"), Reason.SUPERSEDED))
    assert describe(list_rows(*steps, kept=(kept,))[0]) == ["old build: hidden, kept"]


@pytest.mark.parametrize(
    "other",
    [
        (create(), Reason.NEW),
        (create(stage=True), Reason.CONTENT_CHANGED),
        (update(RAM, image_id="n"), Reason.MANIFEST_CHANGED),
        (Reactivate("a", "n"), Reason.STAGED),
        (create(key="b", replaces=("x",)), Reason.CONTENT_CHANGED),
    ],
)
def test_without_a_successor_each_old_build_has_its_own_row(other: tuple[Action, Reason]) -> None:
    """More builds than keep allows, or the successor is of another key."""
    old = (Delete("a", "o", 1), Reason.SUPERSEDED)
    rows = {row.steps: row for row in list_rows(other, old)}
    assert set(rows) == {(make_step(*other).id,), ("delete:a:o",)}
    assert rows["delete:a:o",].alarms == (Alarm.OLD_DELETED,)
    assert Alarm.OLD_DELETED not in rows[(make_step(*other).id,)].alarms


def test_other_steps_of_a_replaced_key_have_their_own_rows() -> None:
    """An unfinished upload and an outdated build are not the image that is replaced; the alarm is not on all rows."""
    rows = list_rows(
        (Delete("a", "left", 1), Reason.INCOMPLETE),
        (create(PUBLIC, replaces=("o",), changes=(RAM,)), Reason.CONTENT_CHANGED),
        (Delete("a", "o", 1), Reason.SUPERSEDED),
        (Delete("a", "old", 1), Reason.OUTDATED),
        (Deactivate("a", "n"), Reason.MANIFEST_CHANGED),
    )
    assert [(row.kind.verb, row.alarms, row.steps) for row in rows] == [
        ("delete", (), ("delete:a:left",)),
        ("replace", (Alarm.OLD_DELETED,), ("create:a", "delete:a:o")),
        ("delete", (Alarm.OLD_DELETED,), ("delete:a:old",)),
        ("deactivate", (), ("deactivate:a:n",)),
    ]


def test_rows_are_sorted_by_key_and_each_key_in_the_order_of_its_steps() -> None:
    """The order of the plan is that of the run."""
    rows = list_rows(
        (Reactivate("b", "2"), Reason.DRIFT),
        (Reactivate("a", "9"), Reason.DRIFT),
        (Deactivate("b", "1"), Reason.DRIFT),
        (Reactivate("a", "8"), Reason.DRIFT),
    )
    assert [row.steps for row in rows] == [
        ("reactivate:a:9",),
        ("reactivate:a:8",),
        ("reactivate:b:2",),
        ("deactivate:b:1",),
    ]


PROMOTED: list[tuple[dict[str, Value], dict[str, Value] | None, list[FieldChange], list[str], tuple[Alarm, ...]]] = [
    ({}, None, [], [], ()),
    ({}, {}, [], [], ()),
    (PUBLIC, {}, [], ["! visibility: private → public"], (Alarm.PUBLIC,)),
    (PUBLIC, PUBLIC, [], [], ()),
    (PUBLIC, None, [], ["! visibility: (none) → public"], (Alarm.PUBLIC,)),
    ({}, PUBLIC, [], ["! visibility: public → private"], (Alarm.NOT_PUBLIC,)),
    (PROTECTED, None, [], ["! protected: (none) → true"], (Alarm.PROTECTED,)),
    (PROTECTED, {}, [], ["! protected: false → true"], (Alarm.PROTECTED,)),
    ({}, PROTECTED, [], ["! protected: true → false"], (Alarm.NOT_PROTECTED,)),
    (HIDDEN, None, [], ["hidden: (none) → true"], (Alarm.HIDDEN,)),
    (HIDDEN, HIDDEN, [change("hidden", True, False)], ["hidden: true → false"], ()),
    (HIDDEN, {}, [change("hidden", True, False)], [], ()),
    ({}, {}, [change("visibility", "private", "public")], ["! visibility: private → public"], (Alarm.PUBLIC,)),
    ({}, None, [change("visibility", "private", "public")], ["! visibility: (none) → public"], (Alarm.PUBLIC,)),
    ({}, PUBLIC, [change("visibility", "private", "public")], [], ()),
    ({"name": "x"}, {"name": "old"}, [change("name", "x", "b", Reason.STAGED)], ["name: old → b"], ()),
    ({"name": "x"}, {}, [], ["name: a → x"], ()),
    ({"name": "x"}, None, [change("name", "x", "b")], [], ()),
    ({}, {}, [RAM], ["min_ram: 0 → 7"], ()),
    ({}, None, [RAM, change("hidden", True, True)], ["hidden: (none) → true", "min_ram: 0 → 7"], (Alarm.HIDDEN,)),
    (
        {},
        PUBLIC,
        [change("visibility", "x", "shared", Reason.DRIFT)],
        ["! visibility: public → shared  (drift)"],
        (Alarm.NOT_PUBLIC,),
    ),
]


@pytest.mark.parametrize(("new", "old", "changes", "lines", "alarms"), PROMOTED)
@pytest.mark.parametrize("reason", [Reason.STAGED, Reason.ROLLBACK])
def test_a_promoted_build_says_what_differs_from_the_one_that_it_replaces(
    new: dict[str, Value],
    old: dict[str, Value] | None,
    changes: list[FieldChange],
    lines: list[str],
    alarms: tuple[Alarm, ...],
    reason: Reason,
) -> None:
    """Not from what it was as a candidate. Without an old build, what a new image would not have by default."""
    steps: list[tuple[Action, Reason]] = [(update(*changes, image_id="n"), reason)]
    relies = {"n": {**ACCESS, **new}}
    if old is not None:
        relies["o"] = {**CURRENT, **old}
        steps.append((update(image_id="o"), Reason.SUPERSEDED))
    (row,) = list_rows(*steps, relies=relies)
    found = [
        f"{'! ' if line.is_loud else ''}{line.name}: {line.text}" for line in row.lines if line.name != "old build"
    ]
    assert (found, row.alarms) == (lines, alarms)
    kind = (Ink.ADD, "+", "create") if old is None else (Ink.CHANGE, "±", "replace")
    assert (row.kind, row.what, row.label) == (Kind(*kind, WHY[reason]), "with n, no upload", "")


def test_a_promoted_build_is_compared_with_the_last_current_image() -> None:
    """Of two current images the last counts; users do not see a retired build that the same plan deletes."""
    relies = {
        "n": {**ACCESS, **PUBLIC},
        "o1": {**CURRENT, **PUBLIC},
        "o2": {**CURRENT, "visibility": "shared"},
        "old": {**ACCESS, **PUBLIC, f"properties.{ROLE}": Role.RETIRED.value},
    }
    steps = [(update(image_id=image_id), Reason.SUPERSEDED) for image_id in ("o1", "o2")]
    (row,) = list_rows(
        (update(image_id="n"), Reason.STAGED), *steps, (Delete("a", "old", 1), Reason.SUPERSEDED), relies=relies
    )
    assert describe(row)[0] == "visibility: shared → public"
    assert row.alarms == (Alarm.PUBLIC, Alarm.OLD_DELETED)


def test_with_all_details_a_promoted_build_shows_each_change_once_as_it_is_made() -> None:
    """And what differs from the old build without a change; the fields are sorted."""
    changes = (change("visibility", "private", "public"), change("hidden", True, False), RAM)
    relies = {"n": {**ACCESS, "name": "x"}, "o": {**CURRENT, "visibility": "shared"}}
    steps = [(update(*changes, image_id="n"), Reason.STAGED), (update(HIDE, image_id="o"), Reason.SUPERSEDED)]
    whole, usual = (list_rows(*steps, relies=relies, whole=is_whole)[0] for is_whole in (True, False))
    assert describe(whole)[:-1] == [
        "hidden: true → false",
        "min_ram: 0 → 7",
        "name: a → x",
        "visibility: private → public",
    ]
    assert describe(usual)[:-1] == ["min_ram: 0 → 7", "name: a → x", "visibility: shared → public"]


@pytest.mark.parametrize("whole", [False, True])
def test_the_row_of_an_update(*, whole: bool) -> None:
    """With the id of the image if all details are shown. It is not named: a line that many share names them."""
    assert make_row(update(RAM), Reason.MANIFEST_CHANGED, whole=whole) == Row(
        Kind(Ink.CHANGE, "~", "update"),
        "a",
        lines=(RAM_LINE,),
        is_named=False,
        alone=(Line("image", "i"),) if whole else (),
        steps=("update:a:i",),
    )


@pytest.mark.parametrize("reason", [Reason.REMOVED, Reason.EXPIRED])
def test_the_row_of_an_update_by_which_users_lose_an_image(reason: Reason) -> None:
    """It is named, last, with its id and the color of a removal."""
    line = Line("hidden", "false → true", is_named=True, pair=("false", "true"))
    assert make_row(update(change("hidden", False, True, reason)), reason) == Row(
        Kind(Ink.REMOVE, "~", "update", WHY[reason]),
        "a",
        lines=(line,),
        is_named=True,
        is_last=True,
        alone=(Line("image", "i"),),
        alarms=(Alarm.HIDDEN,),
        steps=("update:a:i",),
    )


def test_the_row_of_an_adoption_names_the_image() -> None:
    """By its id, also in a list; without changes it says so, and needs no line."""
    kind = Kind(Ink.CHANGE, "~", "update", "adopted")
    row = Row(kind, "a", "i", (RAM_LINE,), "a (i)", steps=("update:a:i",))
    assert make_row(update(RAM), Reason.ADOPT) == row
    assert make_row(update(), Reason.ADOPT) == replace(row, what="i as it is", lines=())
    assert make_row(update(), Reason.ADOPT, whole=True).alone == (Line("image", "i"),)


def test_the_row_of_an_update_without_fields() -> None:
    """Only the marker changes: it is released, or written again."""
    released = Line("", "released: the image stays, and no catalog owns it", is_named=True)
    assert make_row(update(record=None), Reason.REMOVED).lines == (released,)
    assert make_row(update(RAM, record=None), Reason.REMOVED).lines == (RAM_LINE, released)
    marker = Line("", "marker update only, no field changes")
    assert make_row(update(), Reason.MANIFEST_CHANGED).lines == (marker,)


@pytest.mark.parametrize("whole", [False, True])
def test_a_move_is_one_row_with_the_former_keys(*, whole: bool) -> None:
    """Before the other steps of the key, which have their own rows."""
    relies: dict[str, dict[str, Value]] = {"1": {f"properties.{KEY}": "z\x1b"}, "2": {f"properties.{KEY}": "b"}}
    moves = [(update(image_id=image_id), Reason.MOVED) for image_id in "12"]
    first, second = list_rows((update(RAM, image_id="1"), Reason.DRIFT), *moves, relies=relies, whole=whole)
    assert first == Row(
        Kind(Ink.CHANGE, "~", "move"),
        "a",
        "from b, z\\x1b, 2 images with their ids",
        alone=(Line("image", "1"), Line("image", "2")) if whole else (),
        steps=("move:a:1", "move:a:2"),
    )
    assert (second.kind.verb, second.steps) == ("update", ("update:a:1",))
    (single,) = list_rows(moves[0], relies=relies)
    assert single.what == "from z\\x1b, 1 image with its id"


def test_the_row_of_a_deletion() -> None:
    """Last, with its id, its name if the key is another one, and what it frees."""
    row = Row(
        Kind(Ink.REMOVE, "-", "delete", GONE),
        "a",
        "4.0 KiB",
        label="a",
        is_last=True,
        alone=(Line("image", "i"),),
        alarms=(Alarm.DELETED,),
        steps=("delete:a:i",),
    )
    delete = Delete("a", "i", 4096)
    assert make_row(delete, Reason.REMOVED, relies={"i": {"name": "a"}}) == row
    named = replace(row, what="x\\x1b, 4.0 KiB", label="a (x\\x1b)")
    assert make_row(delete, Reason.REMOVED, relies={"i": {"name": "x\x1b"}}) == named
    loud = Line("protected", "deleted although it is protected", is_loud=True, is_named=True)
    assert make_row(replace(delete, unprotect=True), Reason.REMOVED) == replace(row, lines=(loud,))
    assert make_row(replace(delete, size=None), Reason.REMOVED).what == "no data"
    assert make_row(replace(delete, size=0), Reason.REMOVED).what == "0 B"
    unfinished = make_row(delete, Reason.INCOMPLETE)
    assert (unfinished.what, unfinished.kind.why) == ("unfinished upload of an earlier run", "")


@pytest.mark.parametrize(
    ("role", "managed", "what"),
    [
        (Role.RETIRED.value, '{"g":7}', "retired build 7, 1 B"),
        (Role.CURRENT.value, '{"g":7}', "1 B"),
        (None, '{"g":7}', "1 B"),
    ],
)
def test_the_number_of_a_retired_build_is_named(role: str | None, managed: str, what: str) -> None:
    """A key may have several images; it is in the label, too."""
    values: dict[str, Value] = {f"properties.{ROLE}": role, f"properties.{MANAGED}": managed}
    row = make_row(Delete("a", "i", 1), Reason.REMOVED, relies={"i": values})
    assert (row.what, row.label) == (what, "a" if what == "1 B" else "a (retired build 7)")
    row = make_row(Delete("a", "i", 1), Reason.REMOVED, relies={"i": {**values, "name": "x"}})
    assert row.what == f"x, {what}"


FILE, URL = FileSource("/i/x.raw", "x\x1b.raw"), UrlSource(("https://h.example/p/1.img",))
FETCHED = Transfer(method=Method.WEB_DOWNLOAD)
SHA512 = Checksum("sha512", "c" * 128)
WHAT: list[tuple[dict[str, Any], str]] = [
    ({"source": FILE}, "4.0 KiB from x\\x1b.raw"),
    ({"source": replace(FILE, transfer=Transfer(method=Method.GLANCE_DIRECT))}, "4.0 KiB from x\\x1b.raw, imported"),
    ({"source": replace(FILE, transfer=Transfer(stores=("b", "c\x1b")))}, "4.0 KiB from x\\x1b.raw, into b, c\\x1b"),
    ({"source": replace(FILE, transfer=Transfer(all_stores=True))}, "4.0 KiB from x\\x1b.raw, into all stores"),
    ({"source": URL}, "4.0 KiB from 1.img"),
    ({"source": URL, "fingerprint": Fingerprint(())}, "from 1.img"),
    ({"source": URL, "fingerprint": Fingerprint((), size=0)}, "0 B from 1.img"),
    ({"source": UrlSource(("https://u:p@h.example/?s=1", "https://x/1", "https://y/1"))}, "4.0 KiB from h.example, 1"),
    ({"source": replace(URL, transfer=FETCHED), "fingerprint": Fingerprint(())}, "from 1.img, fetched by the service"),
    (
        {"source": replace(URL, transfer=FETCHED), "fingerprint": Fingerprint((Checksum("sha384", "c" * 96),))},
        "from 1.img, fetched by the service, read back to verify it",
    ),
    ({"source": Content.NO_DATA}, "an image without data"),
]


@pytest.mark.parametrize(("attrs", "what"), WHAT)
def test_where_the_data_comes_from_and_how(attrs: dict[str, Any], what: str) -> None:
    """The way is named unless imagesync uploads it into the usual store."""
    assert make_row(create(**attrs), Reason.NEW).what == what


def test_hosts_are_shown_or_whole_urls_with_all_details() -> None:
    """Each host once, without secrets; with all details each URL."""
    urls = ("https://u:p@h.example/1", "https://h.example/2\x1b", "http://o.example:8/3")
    new = create(source=UrlSource(urls), fingerprint=Fingerprint(()))
    assert describe(make_row(new, Reason.NEW))[2:] == ["host: h.example, o.example:8"]
    sources = [text for text in describe(make_row(new, Reason.NEW, whole=True)) if text.startswith("source")]
    assert len(sources) == 3
    assert "u:p" not in "".join(sources)
    assert all(text.isprintable() for text in sources)
    assert not any(text.startswith("host") for text in describe(make_row(new, Reason.NEW, whole=True)))
    assert describe(make_row(create(), Reason.NEW, whole=True))[2:] == [f"content: {digest('a')}"]


def test_digests_are_compared_with_those_of_the_replaced_image() -> None:
    """Of the same algorithm, and of no other image."""
    values: dict[str, Value] = {f"properties.{DIGEST}": f"{digest('e')}"}
    new = create(replaces=("o",), fingerprint=Fingerprint((SHA512, digest("a"))))
    row = make_row(new, Reason.CONTENT_CHANGED, relies={"o": values}, whole=True)
    assert describe(row) == [f"content: {SHA512}", f"content: {digest('e')} → {digest('a')}"]
    other = make_row(new, Reason.CONTENT_CHANGED, relies={"x": values}, whole=True)
    assert describe(other) == [f"content: {SHA512}", f"content: {digest('a')}"]
    bare = make_row(new, Reason.CONTENT_CHANGED, relies={"o": {}}, whole=True)
    assert describe(bare) == [f"content: {SHA512}", f"content: {digest('a')}"]


@pytest.mark.parametrize("attrs", [{}, {"stage": True}, {"replaces": ("o",)}])
def test_images_that_may_be_used_instead_are_named(attrs: dict[str, Any]) -> None:
    """One line each, which a shared line names every image for; by a new image, a candidate or a new build."""
    row = make_row(create(may_hold=("i", "j"), **attrs), Reason.CONTENT_UNKNOWN)
    found = [line for line in row.lines if "same data" in line.text]
    assert found == [Line("", f"if image {one} has the same data, it is used instead", is_named=True) for one in "ij"]


def test_all_urls_of_a_new_image_with_all_details() -> None:
    """In the order of the manifest, after the digests; the same host twice is one host."""
    urls = ("https://u:p@h.example/1?t=x", "https://h.example/2\x1b", "http://o.example:8/3")
    new = create(source=UrlSource(urls), fingerprint=Fingerprint((digest("a"), SHA512)))
    assert describe(make_row(new, Reason.NEW, whole=True))[2:] == [
        f"content: {digest('a')}",
        f"content: {SHA512}",
        "source: https://h.example/1",
        "source: https://h.example/2\\x1b",
        "source: http://o.example:8/3",
    ]


def test_the_label_of_a_retired_build_with_another_name() -> None:
    """Both are in the label and in the text, the name first."""
    values: dict[str, Value] = {
        "name": "x\x1b",
        f"properties.{ROLE}": Role.RETIRED.value,
        f"properties.{MANAGED}": '{"g":3}',
    }
    row = make_row(Delete("a", "i", 2048), Reason.OUTDATED, relies={"i": values, "j": {"name": "y"}})
    assert (row.what, row.label) == ("x\\x1b, retired build 3, 2.0 KiB", "a (x\\x1b, retired build 3)")


def test_lines_of_a_new_build_in_their_order() -> None:
    """Changes, the status, images that may be used instead, hosts or digests, and the fates of the old builds."""
    new = create(
        {"status": "deactivated"},
        replaces=("o", "p"),
        changes=(RAM,),
        may_hold=("o",),
        source=UrlSource(("https://h.example/1",)),
    )
    steps: list[tuple[Action, Reason]] = [
        (update(HIDE, image_id="o"), Reason.SUPERSEDED),
        (Delete("a", "p", 1), Reason.SUPERSEDED),
    ]
    relies: dict[str, dict[str, Value]] = {"o": {"status": "queued"}, "p": {"status": "active"}}
    (row,) = list_rows((new, Reason.CONTENT_UNKNOWN), *steps, relies=relies)
    assert describe(row) == [
        "min_ram: 0 → 7",
        "status: active → deactivated",
        "if image o has the same data, it is used instead",
        "host: h.example",
        "old build: hidden, kept",
        "old build: deleted",
    ]
    assert (row.kind, row.what) == (Kind(Ink.CHANGE, "±", "replace", "compared first"), "4.0 KiB from 1")


def test_two_keys_do_not_mix() -> None:
    """Each has its own old builds, alarms and steps; keys are sorted as text."""
    rows = list_rows(
        (create(key="b", replaces=("x",)), Reason.CONTENT_CHANGED),
        (create(key="a10", replaces=("y",)), Reason.CONTENT_CHANGED),
        (Delete("b", "x", 1), Reason.SUPERSEDED),
        (update(HIDE, key="a10", image_id="y"), Reason.SUPERSEDED),
        (update(RAM, key="a9"), Reason.DRIFT),
        kept=(Kept("a10", "y", 2, 5, retires=True), Kept("b", "x", 9, 9, retires=True)),
    )
    assert [(row.key, row.kind.verb, describe(row)[-1], row.alarms, row.steps) for row in rows] == [
        (
            "a10",
            "replace",
            "old build: hidden, kept until 2026-11-28 (keep 2, 5 days)",
            (),
            ("create:a10", "update:a10:y"),
        ),
        ("a9", "update", "min_ram: 0 → 7", (), ("update:a9:i",)),
        ("b", "replace", "old build: deleted", (Alarm.OLD_DELETED,), ("create:b", "delete:b:x")),
    ]
