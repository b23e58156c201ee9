"""The text of the plans and runs of several targets."""

from dataclasses import replace

from imagesync.errors import Diagnostic
from imagesync.model.catalog import Visibility
from imagesync.model.image import Identity
from imagesync.model.plan import Action, Create, Plan
from imagesync.model.report import Outcome, Report, StepResult
from imagesync.model.targets import PlannedTarget, TargetOutcome, TargetRun
from imagesync.render.style import Detail
from imagesync.render.target_text import format_target_plans, format_target_runs, has_errors
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
