"""``imagesync.render.target_documents``: what a reviewer reads about the plans or runs of several targets."""

from dataclasses import replace

from imagesync.errors import Diagnostic
from imagesync.model.catalog import Visibility
from imagesync.model.plan import Plan, PlanError
from imagesync.model.report import Outcome, Report, StepResult
from imagesync.model.targets import PlannedTarget, TargetOutcome, TargetRun
from imagesync.render.blocks import Kind
from imagesync.render.changes import Line
from imagesync.render.document import Alert, Block, Collection, Document, Subject, TargetGroup, TargetRow
from imagesync.render.style import Detail, Ink
from imagesync.render.target_documents import (
    Part,
    join_runs,
    make_failure_collection,
    make_plans_collection,
    make_runs_collection,
)
from tests.unit.factories import NOW, catalog, inventory, live, plan, spec
from tests.unit.render.test_target_groups import make_plan_on

PROBLEM = Diagnostic("a.yaml", 3, 5, "images.b", "not found", "correct it")
DEAD = Diagnostic("", 0, 0, "", "no answer from https://eu.example", "check the network")
PUBLIC = {"visibility": Visibility.PUBLIC}
CHANGED = plan(
    catalog(spec("a", "b"), spec("b", **PUBLIC), spec("c")),
    inventory(live(spec("a")), live(spec("c")), live(spec("z"))),
)
OTHER = plan(catalog(spec("b", **PUBLIC)), inventory())
SAME = plan(catalog(spec("a")), inventory(live(spec("a"))))
NO_PLAN = PlannedTarget("dead", None, problems=(DEAD,))


def make(*planned: PlannedTarget) -> Collection:
    """The collection of plans."""
    return make_plans_collection("base", planned, now=NOW)


def make_runs(*runs: TargetRun) -> Collection:
    """The collection of an apply."""
    return make_runs_collection("apply", "base", runs, now=NOW)


def make_run(target: str, made: Plan = CHANGED, *, stopped: str = "", **outcomes: Outcome) -> TargetRun:
    """The run of one target; ``outcomes`` of keys, if a step of them is not done."""
    made = make_plan_on(target, made).plan or made
    results = []
    for step in made.steps:
        outcome = outcomes.get(step.action.key, Outcome.DONE)
        results.append(StepResult(step, outcome, "id", "boom" if outcome is Outcome.FAILED else ""))
    report = Report(made, tuple(results), stopped=stopped)
    failed = TargetOutcome.LOST if stopped else TargetOutcome.FAILED
    return TargetRun(target, TargetOutcome.DONE if report.succeeded else failed, report)


def list_groups(document: Collection) -> list[tuple[tuple[str, ...], str]]:
    """The names and the title of each group."""
    return [(group.names, group.first.title) for group in document.groups]


def test_equal_plans_are_one_group() -> None:
    """In the order of the manifest."""
    document = make(make_plan_on("eu", CHANGED), make_plan_on("lab", OTHER), make_plan_on("us", CHANGED))
    assert (document.subject, document.catalog) == (Subject.PLAN, "base")
    assert document.title == "Plan for catalog base on 3 targets"
    assert list_groups(document) == [(("eu", "us"), "the same 3 changes"), (("lab",), "1 change")]
    first = document.groups[0].first
    assert first.summary.startswith("Plan: 1 to create, 1 to replace, 1 to delete; 1 unchanged.")
    assert {block.labels for block in first.blocks} == {("a",), ("b",), ("z",)}


def test_each_target_has_a_row_in_the_order_of_the_manifest() -> None:
    """With what would happen, and the number of errors."""
    faulty = replace(CHANGED, errors=(PlanError("x", PROBLEM),))
    document = make(
        replace(NO_PLAN, wave=1),
        make_plan_on("eu", CHANGED),
        make_plan_on("same", SAME),
        replace(make_plan_on("us", faulty), refusals=("too many",)),
        make_plan_on("lab", faulty),
    )
    changes = "1 to create, 1 to replace, 1 to delete"
    assert [(row.target, row.outcome, row.changes, row.errors, row.wave) for row in document.rows] == [
        ("dead", "no plan", "", 1, 1),
        ("eu", "changes", changes, 0, 0),
        ("same", "no changes", "", 0, 0),
        ("us", "refused", changes, 2, 0),
        ("lab", "changes", changes, 1, 0),
    ]
    assert document.summary == "5 targets: 1 with changes, 1 without changes, 3 with errors (dead, us, lab)."


def test_a_row_has_the_place_of_its_target() -> None:
    """A target that was not reached has none. Places make no difference between plans."""
    run = make_run("us")
    for document in (make(make_plan_on("eu", CHANGED), NO_PLAN), make_runs(run, replace(run, target="x", report=None))):
        assert [bool(row.place) for row in document.rows] == [True, False]
    assert document.rows[0].place == "cloud us, project us"


def test_equal_alerts_are_one_with_the_names_of_the_targets() -> None:
    """Losses are last, and alerts of one kind one after another; also if the rest of the plans differs."""
    both = plan(catalog(spec("b", **PUBLIC), spec("d", **PUBLIC)), inventory())
    planned = [make_plan_on("eu", CHANGED), make_plan_on("lab", both), make_plan_on("us", OTHER)]
    assert make(*planned).alerts == (
        TargetGroup(("eu", "us"), Alert("become public", ("b",))),
        TargetGroup(("lab",), Alert("become public", ("b", "d"))),
        TargetGroup(("eu",), Alert("are deleted", ("z",), is_loss=True)),
    )


def test_alerts_are_in_the_order_of_their_kinds() -> None:
    """Whichever target they are on: a reader compares the targets of one kind."""
    deleted = plan(catalog(spec("a")), inventory(live(spec("a")), live(spec("z"))))
    planned = [make_plan_on("eu", deleted), make_plan_on("lab", make_loud()), make_plan_on("us", CHANGED)]
    found = [(alert.names, alert.first.words) for alert in make(*planned).alerts]
    assert found == [
        (("lab",), "become public"),
        (("us",), "become public"),
        (("lab",), "become protected"),
        (("eu", "us"), "are deleted"),
    ]


def make_loud() -> Plan:
    """A plan that makes an image public, and another one protected."""
    return plan(catalog(spec("a", **PUBLIC), spec("p", protected=True)), inventory())


def test_targets_that_differ_only_in_their_errors_or_waves_are_one_group() -> None:
    """The errors are above all groups, and the waves are in the table."""
    other = PlannedTarget("dead2", None, problems=(PROBLEM,))
    waves = [replace(make_plan_on(name, OTHER), wave=wave) for wave, name in enumerate(("eu", "us"))]
    assert list_groups(make(NO_PLAN, *waves, other)) == [
        (("dead", "dead2"), "no plan"),
        (("eu", "us"), "the same change"),
    ]


def test_an_error_that_a_target_has_twice_is_listed_once() -> None:
    """The caller may report what the plan has, too."""
    faulty = replace(make_plan_on("eu", replace(CHANGED, errors=(PlanError("x", PROBLEM),))), problems=(PROBLEM,))
    assert make(faulty).errors == (TargetGroup(("eu",), str(PROBLEM)),)


def test_errors_of_all_targets_come_first_with_their_names() -> None:
    """Of the target, of the policy, and of keys. An apply cannot do what such a plan says."""
    faulty = replace(CHANGED, errors=(PlanError("x", PROBLEM),))
    refused = replace(make_plan_on("us", faulty), refusals=("too many",))
    document = make(NO_PLAN, refused, make_plan_on("eu", faulty))
    assert document.errors == (
        TargetGroup(("dead",), str(DEAD)),
        TargetGroup(("us",), "too many"),
        TargetGroup(("us", "eu"), str(PROBLEM)),
    )
    assert document.closing == ("Apply exits with code 1, and changes nothing on dead, us.",)
    assert make(make_plan_on("eu", faulty)).closing == ()


def test_a_run_has_the_outcome_of_each_target() -> None:
    """What was done, and what was not."""
    document = make_runs(
        make_run("eu"),
        make_run("us", b=Outcome.FAILED, z=Outcome.SKIPPED),
        TargetRun("same", TargetOutcome.UNCHANGED),
        TargetRun("dead", TargetOutcome.FAILED, problems=(DEAD,)),
        make_run("lost", stopped="the lease was lost", a=Outcome.NOT_STARTED),
        TargetRun("late", TargetOutcome.NOT_STARTED, wave=1),
    )
    assert document.title == "Run for catalog base on 6 targets"
    assert (
        document.summary == "6 targets: 1 done, 1 unchanged, 2 failed (us, dead), 1 lost (lost), 1 not started (late)."
    )
    assert [(row.target, row.outcome, row.changes, row.errors) for row in document.rows] == [
        ("eu", "done", "1 created, 1 replaced, 1 deleted", 0),
        ("us", "failed", "1 replaced; not done: 1 to create, 1 to delete", 1),
        ("same", "unchanged", "", 0),
        ("dead", "failed", "", 1),
        ("lost", "lost", "1 created, 1 deleted; not done: 1 to replace", 1),
        ("late", "not started", "", 0),
    ]
    assert list_groups(document) == [
        (("eu",), "3 changes, done"),
        (("us",), "3 changes, failed"),
        (("same",), "unchanged"),
        (("dead",), "failed"),
        (("lost",), "3 changes, lost"),
        (("late",), "not started"),
    ]
    assert [group.names for group in document.groups if group.first.has_content] == [("eu",), ("us",), ("lost",)]
    assert document.errors == (
        TargetGroup(("us",), "b: create failed: boom"),
        TargetGroup(("dead",), str(DEAD)),
        TargetGroup(("lost",), "the lease was lost"),
    )
    assert document.closing == ("Fix the errors and run apply again. It changes nothing on targets that are done.",)


def test_equal_runs_are_one_group() -> None:
    """Those that failed in the same way, too."""
    runs = [make_run("eu"), make_run("us", b=Outcome.FAILED), make_run("lab"), make_run("asia", b=Outcome.FAILED)]
    document = make_runs(*runs)
    assert list_groups(document) == [
        (("eu", "lab"), "the same 3 changes, done"),
        (("us", "asia"), "the same 3 changes, failed"),
    ]
    assert document.errors == (TargetGroup(("us", "asia"), "b: create failed: boom"),)
    assert [alert.names for alert in document.alerts if alert.first.words == "became public"] == [("eu", "lab")]


def test_an_error_of_several_images_names_all_of_them() -> None:
    """One sentence for each error. A remark about a deferred deletion is none."""
    made = plan(catalog(spec("a"), spec("b"), spec("c")), inventory(live(spec("z"))))
    results = [StepResult(step, Outcome.FAILED, error="quota exceeded") for step in made.steps[:3]]
    results.append(StepResult(made.steps[3], Outcome.DEFERRED, error="in use by a server"))
    document = make_runs(TargetRun("eu", TargetOutcome.FAILED, Report(made, tuple(results))))
    assert document.errors == (TargetGroup(("eu",), "a, b, c: create failed: quota exceeded"),)
    assert document.rows[0].errors == 3


def test_a_run_that_was_only_interrupted_has_no_errors_to_fix() -> None:
    """The reader only runs it again; after a run that did everything, there is nothing to say."""
    interrupted = TargetRun("eu", TargetOutcome.INTERRUPTED)
    assert make_runs(interrupted).closing == ("Run apply again. It changes nothing on targets that are done.",)
    assert make_runs(make_run("eu"), TargetRun("us", TargetOutcome.UNCHANGED)).closing == ()


def test_a_failure_before_all_plans_has_no_targets() -> None:
    """But it is a text about several."""
    document = make_failure_collection("plan", "base", [PROBLEM, DEAD])
    assert (document.subject, document.rows, document.groups) == (Subject.FAILURE, (), ())
    assert document.title == "imagesync plan failed for catalog base on several targets"
    assert document.summary == "2 problems."
    assert document.errors == (TargetGroup((), str(PROBLEM)), TargetGroup((), str(DEAD)))


def test_a_group_has_a_sentence_with_counts_if_it_is_true_of_each_target() -> None:
    """Equal changes beside other numbers of unchanged images."""
    more = make_plan_on("us", replace(CHANGED, unchanged=7))
    assert make(make_plan_on("eu", CHANGED), make_plan_on("lab", CHANGED)).groups[0].first.summary.startswith("Plan:")
    (group,) = make(make_plan_on("eu", CHANGED), more).groups
    assert (group.names, group.first.summary) == (("eu", "us"), "")


def test_a_summary_has_no_blocks() -> None:
    """The table of the targets has all counts."""
    document = make_plans_collection("base", [make_plan_on("eu", CHANGED)], now=NOW, detail=Detail.SUMMARY)
    assert document.rows[0].changes == "1 to create, 1 to replace, 1 to delete"
    assert not document.groups[0].first.has_content
    assert len(document.alerts) == 2


def test_names_of_targets_are_printable() -> None:
    """In rows, groups, alerts, errors and sentences."""
    odd = "\x1b[2J\n##vso[x]"
    planned = [make_plan_on(odd, CHANGED), replace(NO_PLAN, target=f"{odd}2")]
    runs = [make_run(odd), TargetRun(f"{odd}2", TargetOutcome.FAILED, problems=(replace(DEAD, message=odd),))]
    for document in (make(*planned), make_runs(*runs)):
        names = [name for group in (*document.alerts, *document.errors, *document.groups) for name in group.names]
        texts = [*names, *(row.target for row in document.rows), *document.closing]
        texts += [error.first for error in document.errors]
        assert len(texts) > 6
        assert [text for text in texts if not text.isprintable() or "##" in text] == []


def test_a_secret_in_a_problem_is_not_shown() -> None:
    """Problems quote files."""
    problem = Diagnostic("a.yaml", 1, 1, "images.a", "unknown value 'https://user:secret-word@example.com/'")
    assert "secret-word" not in make(replace(NO_PLAN, problems=(problem,))).errors[0].first


UPDATE = Kind(Ink.CHANGE, "~", "update")
LINE = Line("f", "1")


def make_part(target: str, *images: str, **attrs: object) -> Part:
    """A part whose document has two blocks, of which the first has failed for two images."""
    blocks = (
        Block(UPDATE, ("a", "b"), "", (LINE,), "failed", "no space"),
        Block(UPDATE, ("c",), "", (LINE,), "interrupted", "stopped"),
        Block(UPDATE, ("d",), "", (), "failed"),
        Block(UPDATE, ("e",), "", (), "deferred", "in use"),
    )
    document = Document(Subject.REPORT, "base", target, "title", "Summary.", blocks=blocks, errors=("x", "y"))
    return Part(target, "failed", document, 4, "4 changes", images=images, **attrs)  # type: ignore[arg-type]


def test_each_image_of_each_target_is_a_line_of_its_block() -> None:
    """After the other lines; a group of several targets names them. Ids make no other group."""
    one = join_runs("apply", "base", "s", [make_part("eu", "id-1", "", "id-3", "id-4")])
    blocks = one.groups[0].first.blocks
    assert [block.lines for block in blocks] == [
        (LINE, Line("image", "id-1")),
        (LINE,),
        (Line("image", "id-3"),),
        (Line("image", "id-4"),),
    ]
    parts = [make_part("eu", "id-1", "id-2"), make_part("us", "id-5", "id-6")]
    (group,) = join_runs("apply", "base", "s", parts).groups
    assert group.names == ("eu", "us")
    assert [block.lines for block in group.first.blocks] == [
        (LINE, Line("image on eu", "id-1"), Line("image on us", "id-5")),
        (LINE, Line("image on eu", "id-2"), Line("image on us", "id-6")),
        (),
        (),
    ]


def test_all_errors_of_a_target_are_listed_in_their_order() -> None:
    """Its own, those of its document, then those of images, with all their names; a remark is none."""
    part = make_part("eu", errors=("y", "z", "z"), wave=2, place="cloud eu", noun="image")
    assert list(part.list_errors()) == [
        "y",
        "z",
        "x",
        "a, b: update failed: no space",
        "c: update interrupted: stopped",
    ]
    assert part.make_row() == TargetRow("eu", "failed", "4 changes", 3 + 2 + 3, 2, "cloud eu")
    found = join_runs("rotate", "b\x1b", "s", [part, replace(make_part("us"), errors=("y",))])
    assert (found.title, found.summary, found.catalog) == ("Run for catalog b\\x1b on 2 targets", "s", "b\x1b")
    assert found.closing == ("Fix the errors and run rotate again. It changes nothing on targets that are done.",)
    assert found.errors == (
        TargetGroup(("eu", "us"), "y"),
        TargetGroup(("eu",), "z"),
        TargetGroup(("eu", "us"), "x"),
        TargetGroup(("eu", "us"), "a, b: update failed: no space"),
        TargetGroup(("eu", "us"), "c: update interrupted: stopped"),
    )
    assert [group.first.title for group in found.groups] == ["4 images, failed", "4 changes, failed"]


def test_every_problem_of_a_target_and_that_its_run_stopped_are_errors() -> None:
    """In this order, also those of a target with a report."""
    run = replace(make_run("eu", stopped="the lease was lost"), problems=(PROBLEM, DEAD))
    found = make_runs(run, TargetRun("us", TargetOutcome.FAILED, problems=(DEAD, PROBLEM)))
    assert [error.first for error in found.errors] == [str(PROBLEM), str(DEAD), "the lease was lost"]
    assert [(error.names) for error in found.errors] == [("eu", "us"), ("eu", "us"), ("eu",)]
    assert [row.errors for row in found.rows] == [3, 2]


def test_a_plan_without_changes_says_so_in_its_title() -> None:
    """A run that changed nothing has only its outcome."""
    assert list_groups(make(make_plan_on("eu", SAME))) == [(("eu",), "no changes")]
    assert list_groups(make_runs(TargetRun("eu", TargetOutcome.UNCHANGED))) == [(("eu",), "unchanged")]
