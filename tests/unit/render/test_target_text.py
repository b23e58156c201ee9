"""The text of the plans and runs of several targets."""

from dataclasses import replace

import pytest

from imagesync.errors import Diagnostic
from imagesync.model.catalog import Visibility
from imagesync.model.image import Identity
from imagesync.model.plan import Action, Create, Plan, PlanError
from imagesync.model.report import Outcome, Report, StepResult
from imagesync.model.targets import PlannedTarget, TargetOutcome, TargetRun
from imagesync.render.style import Detail
from imagesync.render.target_text import (
    count_outcomes,
    count_targets,
    format_target_plans,
    format_target_runs,
    has_errors,
    rank_outcome,
)
from tests.unit.factories import NOW, catalog, inventory, live, plan, spec

MADE = plan(catalog(spec("a"), spec("b")), inventory(live(spec("b"))))
NOTHING = plan(catalog(spec("b")), inventory(live(spec("b"))))
LOST = Diagnostic("", 0, 0, "", "no route", "check the network")


def on(target: str, made: Plan, **more: object) -> PlannedTarget:
    """The plan of one target, in a cloud of its name."""
    here = Identity("glance", f"https://{target}.example", target, label=target)
    return PlannedTarget(target, replace(made, target=here, target_name=target, **more))  # type: ignore[arg-type]


def test_equal_plans_are_shown_once_with_every_name() -> None:
    """First those without changes, which need no more than a line; last those with errors, and the number of each kind."""
    planned = [on("eu", MADE), on("lab", NOTHING), on("us", MADE), PlannedTarget("x", None, problems=(LOST,))]
    text = format_target_plans(planned, now=NOW)
    assert text.startswith(
        "lab: no changes\n\n"
        "eu, us: the same change\n"
        "Catalog base on targets eu (cloud eu), us (cloud us): 2 images declared, 1 owned\n\n"
    )
    assert "\n\nPlan for each target: 1 to create; 1 unchanged. 4.0 KiB to upload.\n\nx: stopped by an error\n" in text
    assert text.endswith(
        "\nError: no route; check the network\n\n"
        "4 targets: 2 with changes, 1 without changes, 1 with errors (x).\n"
        "In total 2 to create. 8.0 KiB to upload."
    )
    assert text.count("+ a") == 1


def test_targets_with_other_counts_have_a_line_each() -> None:
    """What they do not share is not printed for both."""
    text = format_target_plans([on("eu", MADE), on("us", MADE, unchanged=5, wanted=6)], now=NOW)
    assert (
        "Catalog base on targets\n"
        "  eu (cloud eu): 2 images declared, 1 owned\n  us (cloud us): 6 images declared, 1 owned\n" in text
    )
    assert "\n\nPlan for each target: 1 to create. 4.0 KiB to upload.\n" in text
    nothing = [on("eu", NOTHING), on("us", NOTHING, unchanged=5, wanted=5)]
    assert format_target_plans(nothing, now=NOW) == "eu, us: no changes\n\n2 targets: 2 without changes."
    text = format_target_plans(nothing, now=NOW, detail=Detail.WHOLE)
    assert "\n\nNo changes.\n\n2 targets: 2 without changes." in text


def test_a_summary_does_not_call_other_changes_the_same() -> None:
    """Although it shows none of them."""
    other = plan(catalog(spec("b"), spec("c")), inventory(live(spec("b"))))
    text = format_target_plans([on("eu", MADE), on("us", other), on("ap", MADE)], now=NOW, detail=Detail.SUMMARY)
    assert [line for line in text.split("\n") if line.endswith("change")] == ["eu, ap: the same change", "us: 1 change"]
    assert "+ a" not in text


def test_a_target_without_changes_has_its_notes() -> None:
    """Only a target that has nothing to say is one line."""
    text = format_target_plans([on("eu", replace(NOTHING, copies=("id-9",))), on("us", NOTHING)], now=NOW)
    assert text.startswith(
        "eu: no changes\nCatalog base on target eu (cloud eu): 1 image declared, 1 owned\n\nNote: 1 "
    )
    assert "\n\nNo changes. 1 image matches the manifest.\n\nus: no changes\n\n2 targets: " in text


def test_only_the_last_part_of_a_run_counts_all_targets() -> None:
    """A run that need not be approved prints the plans of a target that answers late by themselves."""
    eu, us = on("eu", NOTHING), on("us", NOTHING)
    assert format_target_plans([eu], now=NOW, counted=()) == "eu: no changes"
    assert format_target_plans([us], now=NOW, counted=[eu, us]) == "us: no changes\n\n2 targets: 2 without changes."


def test_the_total_has_no_target_that_is_not_applied() -> None:
    """Its changes are not to come."""
    refused = replace(on("us", MADE), refusals=("too many",))
    assert "In total" not in format_target_plans([on("eu", MADE), refused], now=NOW)
    unknown = replace(MADE, steps=tuple(replace(one, action=_forget_size(one.action)) for one in MADE.steps))
    text = format_target_plans([on("eu", MADE), on("us", unknown)], now=NOW)
    assert text.endswith("\nIn total 2 to create. Upload size unknown.")


def _forget_size(action: Action) -> Action:
    assert isinstance(action, Create)
    return replace(action, fingerprint=replace(action.fingerprint, size=None))


def test_plans_with_other_changes_or_refusals_are_shown_apart() -> None:
    """A refused target is one with errors."""
    other = plan(catalog(spec("a", visibility=Visibility.PUBLIC), spec("b")), inventory(live(spec("b"))))
    refused = replace(on("us", MADE), refusals=("too many",))
    text = format_target_plans([on("eu", MADE), refused, on("ap", other)], now=NOW)
    assert [line for line in text.split("\n") if line.endswith(": 1 change")] == [
        "eu: 1 change",
        "ap: 1 change",
        "us: 1 change",
    ]
    assert "Error: too many" in text
    assert text.endswith("3 targets: 2 with changes, 1 with errors (us).\nIn total 2 to create. 8.0 KiB to upload.")
    assert [has_errors(one) for one in (on("eu", MADE), refused)] == [False, True]


def test_names_cannot_command_a_terminal() -> None:
    """They are from a manifest."""
    text = format_target_plans([on("e\x1b[2Ju", MADE), on("us", MADE)], now=NOW)
    assert "\x1b" not in text
    runs = [TargetRun("e\x1b[2Ju", TargetOutcome.FAILED, problems=(LOST,))]
    assert "\x1b" not in format_target_runs(runs)


def run_of(target: str, outcome: Outcome) -> TargetRun:
    """A run of MADE whose steps all ended in this way."""
    report = Report(MADE, tuple(StepResult(step, outcome, "id-1", bytes_sent=4096) for step in MADE.steps))
    done = outcome is Outcome.DONE
    return TargetRun(target, TargetOutcome.DONE if done else TargetOutcome.FAILED, report)


def test_equal_endings_are_shown_once_and_the_others_are_named() -> None:
    """Failures are last, next to the line with the number of each outcome and the names of those that are not done."""
    runs = [
        run_of("eu", Outcome.DONE),
        run_of("us", Outcome.DONE),
        run_of("ap", Outcome.FAILED),
        TargetRun("lab", TargetOutcome.UNCHANGED, Report(NOTHING, ())),
        TargetRun("x", TargetOutcome.FAILED, problems=(LOST,)),
        TargetRun("y", TargetOutcome.NOT_STARTED, problems=(LOST,), wave=1),
        TargetRun("z", TargetOutcome.NOT_STARTED),
    ]
    assert format_target_runs(runs).split("\n") == [
        "eu, us:",
        "  Applied: 1 created. 4.0 KiB uploaded.",
        "y:",
        "  Not started.",
        "  Error: no route; check the network",
        "z:",
        "  Not started.",
        "ap:",
        "  failed      create:a",
        "  Failed: nothing done; not done: 1 to create. Fix the errors above and run apply again.",
        "x:",
        "  Error: no route; check the network",
        "7 targets: 2 done, 1 unchanged, 2 failed (ap, x), 2 not started (y, z).",
    ]


OTHER = Diagnostic("a.yaml", 3, 5, "images.b", "wrong\x1b", "correct it")


def test_each_reason_makes_a_target_one_with_errors() -> None:
    """A problem, a refusal, no plan, or an error of a key; it is named, and its changes are not to come."""
    faulty = on("odd", MADE, errors=(PlanError("x", LOST),))
    wrong = [
        replace(on("eu", MADE), problems=(LOST,)),
        replace(on("us", MADE), refusals=("too many",)),
        PlannedTarget("dead", None),
        faulty,
    ]
    fine = [on("x", MADE), on("y", NOTHING), on("z", MADE)]
    assert [has_errors(one) for one in (*wrong, *fine)] == [True] * 4 + [False] * 3
    assert count_targets([*wrong, *fine]) == (
        "7 targets: 2 with changes, 1 without changes, 4 with errors (eu, us, dead, odd)."
    )
    assert count_targets(fine[:1]) == "1 target: 1 with changes."
    text = format_target_plans([*wrong[:3], *fine], now=NOW)
    assert text.endswith("\nIn total 2 to create. 8.0 KiB to upload.")


def test_each_problem_and_refusal_of_a_target_is_a_line() -> None:
    """Refusals first; nothing in them commands a terminal."""
    refused = replace(on("us", MADE), refusals=("too many", "too old"), problems=(LOST, OTHER))
    lines = format_target_plans([refused], now=NOW).splitlines()
    assert [line for line in lines if line.startswith("Error: ")] == [
        "Error: too many",
        "Error: too old",
        "Error: no route; check the network",
        "Error: a.yaml:3:5: images.b: wrong\\x1b; correct it",
    ]
    run = TargetRun("us", TargetOutcome.FAILED, problems=(LOST, OTHER))
    assert format_target_runs([run]).splitlines() == [
        "us:",
        "  Error: no route; check the network",
        "  Error: a.yaml:3:5: images.b: wrong\\x1b; correct it",
        "1 target: 1 failed (us).",
    ]


def test_a_group_of_three_names_all_its_places() -> None:
    """In a summary, too, which has no changes."""
    planned = [on(name, MADE) for name in ("eu", "us", "ap")]
    places = "Catalog base on targets eu (cloud eu), us (cloud us), ap (cloud ap): 2 images declared, 1 owned"
    assert places in format_target_plans(planned, now=NOW).splitlines()
    assert format_target_plans(planned, now=NOW, detail=Detail.SUMMARY).splitlines() == [
        "eu, us, ap: the same change",
        places,
        "Plan for each target: 1 to create; 1 unchanged. 4.0 KiB to upload.",
        "",
        "3 targets: 3 with changes.",
        "In total 3 to create. 12.0 KiB to upload.",
    ]


def test_all_details_distinguish_targets_by_their_ids() -> None:
    """Usually no reader sees them."""
    wanted = catalog(spec("a", min_ram=7))
    planned = [on(name, plan(wanted, inventory(live(spec("a"), f"id-{name}")))) for name in ("eu", "us")]
    texts = [format_target_plans(planned, now=NOW, detail=detail) for detail in (Detail.USUAL, Detail.WHOLE)]
    assert ["eu, us: the same change" in text for text in texts] == [True, False]
    assert [("id-eu" in text, "id-us" in text) for text in texts] == [(False, False), (True, True)]


def test_titles_and_counts_of_plans_are_bold_and_no_line_is_too_wide() -> None:
    """Whatever the number of targets."""
    planned = [on(f"region-{number}", MADE) for number in range(9)]
    text = format_target_plans(planned, lambda ink, text: f"{ink.name}<{text}>", now=NOW, width=40)
    lines = text.splitlines()
    assert lines[:3] == [
        "BOLD<region-0, region-1, region-2, region-3,>",
        "BOLD<  region-4, region-5, region-6,>",
        "BOLD<  region-7, region-8: the same change>",
    ]
    assert lines[-3:] == [
        "BOLD<9 targets: 9 with changes.>",
        "BOLD<In total 9 to create. 36.0 KiB to>",
        "BOLD<  upload.>",
    ]
    assert max(map(len, format_target_plans(planned, now=NOW, width=40).splitlines())) <= 40


@pytest.mark.parametrize("width", [30, 40, 60])
def test_no_line_about_runs_is_too_wide(width: int) -> None:
    """The lines of a target are indented below its name; names and counts are bold."""
    runs = [
        *(run_of(f"region-{number}", Outcome.FAILED) for number in range(9)),
        TargetRun("x", TargetOutcome.FAILED, problems=(OTHER,)),
    ]
    lines = format_target_runs(runs, width=width).splitlines()
    assert max(map(len, lines)) <= width
    painted = format_target_runs(runs, lambda ink, text: f"{ink.name}<{text}>", width=width).splitlines()
    assert painted[0].startswith("BOLD<region-0, ")
    assert "BOLD<x:>" in painted
    assert painted[-1].startswith("BOLD<  ")
    assert " ".join(" ".join(lines).split()).endswith(
        "10 targets: 10 failed (" + ", ".join(f"region-{number}" for number in range(9)) + ", x)."
    )


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        (TargetOutcome.FAILED, "Failed."),
        (TargetOutcome.INTERRUPTED, "Interrupted."),
        (TargetOutcome.LOST, "Lost."),
        (TargetOutcome.NOT_STARTED, "Not started."),
    ],
)
def test_a_target_without_a_report_has_its_outcome(outcome: TargetOutcome, line: str) -> None:
    """Also a report without steps says nothing else."""
    for report in (None, Report(NOTHING, ())):
        assert format_target_runs([TargetRun("eu", outcome, report)]).splitlines()[:2] == ["eu:", f"  {line}"]


def test_the_outcomes_are_in_one_order() -> None:
    """First what is done, last what failed; the count has all of them, with the names of those that are not done."""
    assert [rank_outcome(one) for one in TargetOutcome] == [
        0 if one in (TargetOutcome.DONE, TargetOutcome.UNCHANGED) else 1 if one is TargetOutcome.NOT_STARTED else 2
        for one in TargetOutcome
    ]
    runs = [TargetRun(f"t{number}", one) for number, one in enumerate(TargetOutcome)]
    named = [f"1 {run.outcome.words}" + ("" if run.outcome.is_success else f" ({run.target})") for run in runs]
    assert count_outcomes(runs) == f"{len(runs)} targets: {', '.join(named)}."
