"""A report as text: what did not go well, and counts in the unit of the plan."""

from dataclasses import replace

import pytest

from imagesync.model.plan import Plan, Reason
from imagesync.model.policy import OnReplace
from imagesync.model.report import Outcome, Report, StepResult
from imagesync.render.report import format_report
from imagesync.render.summary import format_counts
from tests.unit.factories import catalog, inventory, live, plan, spec


def made() -> Plan:
    """One image is replaced, two are created, one is updated, one is deleted: six steps."""
    wanted = catalog(spec("a", "b"), spec("b"), spec("c"), spec("d", min_ram=1))
    return plan(wanted, inventory(live(spec("a")), live(spec("d")), live(spec("e"))))


def report(outcomes: dict[str, Outcome], **attrs: object) -> Report:
    """Every step is done but those of these keys."""
    output = made()
    results = [
        StepResult(
            step, outcomes.get(step.action.key, Outcome.DONE), "id", "boom" if step.action.key in outcomes else ""
        )
        for step in output.steps
    ]
    return replace(Report(output, tuple(results)), **attrs)  # type: ignore[arg-type]


def test_what_was_done_is_counted_as_it_was_planned() -> None:
    """A replacement is one, although it takes two steps."""
    assert len(made().steps) == 6
    assert format_counts(made()).startswith("Plan: 2 to create, 1 to update, 1 to replace, 1 to delete; ")
    assert format_report(report({})) == "Applied: 2 created, 1 updated, 1 replaced, 1 deleted."


@pytest.mark.parametrize(
    ("failed", "closing"),
    [
        (
            "b",
            "Failed: 1 created, 1 updated, 1 replaced, 1 deleted; not done: 1 to create. Fix the errors above and run",
        ),
        ("a", "Failed: 2 created, 1 updated, 1 deleted; not done: 1 to replace. Fix the errors above and run"),
        ("e", "Failed: 2 created, 1 updated, 1 replaced; not done: 1 to delete. Fix the errors above and run"),
    ],
)
def test_what_was_not_done_is_counted_too(failed: str, closing: str) -> None:
    """Each failed step is named with its error."""
    lines = format_report(report({failed: Outcome.FAILED})).splitlines()
    assert lines[-1].startswith(closing)
    assert all(line.startswith("failed") and line.endswith("boom") for line in lines[:-1])


def test_an_old_build_that_stays_is_not_a_deletion_of_the_plan() -> None:
    """The new build is published: the key is replaced, and what is left of it has its own name."""
    wanted = catalog(spec("a", "b", on_replace=OnReplace(keep=0)), spec("z", "b"))
    output = plan(wanted, inventory(live(spec("a")), live(spec("z"))))
    assert format_counts(output).startswith("Plan: 2 to replace; ")
    for kept, words in (("a", "1 old build to delete"), ("z", "1 old build to retire"), ("", "2 old builds to retire")):
        results = tuple(
            StepResult(
                step, Outcome.FAILED if step.reason is Reason.SUPERSEDED and kept in step.action.key else Outcome.DONE
            )
            for step in output.steps
        )
        closing = format_report(Report(output, results)).splitlines()[-1]
        assert closing == f"Failed: 2 replaced; not done: {words}. Fix the errors above and run apply again."


def test_bytes_of_a_transfer_that_failed_are_not_uploaded() -> None:
    """The report for programs has them."""
    steps = plan(catalog(spec("a"), spec("b")), inventory())
    done = StepResult(steps.steps[0], Outcome.DONE, bytes_sent=2048)
    failed = StepResult(steps.steps[1], Outcome.FAILED, error="x", bytes_sent=1024)
    assert "1 created; not done: 1 to create. 2.0 KiB uploaded. " in format_report(Report(steps, (done, failed)))


def test_a_long_sentence_is_wrapped_and_its_words_are_whole() -> None:
    """Addresses can be copied."""
    url = f"https://h.example/{'long/' * 20}disk.img"
    steps = plan(catalog(spec("a")), inventory())
    result = StepResult(steps.steps[0], Outcome.FAILED, error=f"{url}: HTTP 404; {'correct the URL ' * 8}")
    report = Report(steps, (result,))
    lines = format_report(report, width=60).splitlines()
    assert max(len(line) for line in lines if url not in line) <= 60
    assert sum(url in line for line in lines) == 1
    assert " ".join(" ".join(lines).split()) == " ".join(format_report(report).split())
    assert all(line.startswith("    ") for line in lines[1 : lines.index(next(x for x in lines if "Failed" in x))])


def test_an_interrupted_run_says_what_is_left() -> None:
    """What was interrupted and what was not started, by name."""
    text = format_report(report({"a": Outcome.NOT_STARTED, "b": Outcome.INTERRUPTED}, interrupted=True))
    assert text == (
        "interrupted: create:b\n"
        "not started: create:a, update:a:id-a\n"
        "Interrupted: 1 created, 1 updated, 1 deleted; not done: 1 to create, 1 to replace. Run apply again to continue."
    )


def test_of_many_steps_ten_are_named_on_lines_that_fit() -> None:
    """And how many more there are."""
    many = plan(catalog(*(spec(f"a-rather-long-key-{number:02}") for number in range(12))), inventory())
    results = tuple(StepResult(step, Outcome.NOT_STARTED) for step in many.steps)
    lines = format_report(Report(many, results, interrupted=True)).splitlines()
    assert lines[0].startswith("not started: 12 steps: create:a-rather-long-key-00,")
    assert lines[-2].endswith("create:a-rather-long-key-09, and 2 more")
    assert max(map(len, lines)) <= 79


def test_a_run_without_the_lease_says_why_it_stopped_and_what_is_not_as_planned_is_listed() -> None:
    """Each printable."""
    text = format_report(
        report({"a": Outcome.NOT_STARTED}, stopped="the lease is lost\x1b", leftover=("two names\x1b",))
    )
    first, *_, last = text.splitlines()
    assert first == "not as planned: two names\\x1b"
    assert last.startswith("Stopped, the lease is lost\\x1b: 2 created, ")
