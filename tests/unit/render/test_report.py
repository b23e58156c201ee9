"""A report as text: what did not go well, and counts in the unit of the plan."""

from dataclasses import replace

import pytest

from imagesync.errors import Diagnostic
from imagesync.model.plan import Candidate, Fate, Kind, Plan, PlanError, Reason
from imagesync.model.policy import OnReplace
from imagesync.model.report import Outcome, Report, StepResult
from imagesync.planning.staging import stage_plan
from imagesync.render.report import (
    format_closing,
    format_done,
    format_not_done,
    format_outcome,
    format_report,
    format_result,
    list_next_steps,
)
from imagesync.render.summary import format_counts
from tests.unit.factories import catalog, inventory, live, plan, plan_input, spec


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


BOTH = "1 created, 1 replaced, 1 deleted; not done: 1 to create, 1 to update. "
ALL = "2 created, 1 updated, 1 replaced, 1 deleted"


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (Outcome.DONE, f"Applied: {ALL}."),
        (
            Outcome.FAILED,
            "failed      create:b: boom\nfailed      update:d:id-d: boom\n"
            f"Failed: {BOTH}Fix the errors above and run apply again.",
        ),
        (
            Outcome.DEFERRED,
            "deferred    create:b: boom\ndeferred    update:d:id-d: boom\nApplied: 1 created, 1 replaced, 1 deleted.",
        ),
        (
            Outcome.SKIPPED,
            "skipped     create:b: boom\nskipped     update:d:id-d: boom\n"
            f"Failed: {BOTH}Fix the errors above and run apply again.",
        ),
        (
            Outcome.INTERRUPTED,
            f"interrupted: create:b, update:d:id-d\nFailed: {BOTH}Fix the errors above and run apply again.",
        ),
        (
            Outcome.NOT_STARTED,
            f"not started: create:b, update:d:id-d\nFailed: {BOTH}Fix the errors above and run apply again.",
        ),
    ],
)
def test_the_whole_text_of_each_outcome(outcome: Outcome, text: str) -> None:
    """Of two steps of one run; the others are done."""
    assert format_report(report({"b": outcome, "d": outcome})) == text


def with_errors(found: Report, number: int) -> Report:
    """A report whose plan leaves some keys as they are."""
    error = PlanError("k", Diagnostic("a.yaml", 1, 1, "x", "wrong"))
    return replace(found, plan=replace(found.plan, errors=(error,) * number))


@pytest.mark.parametrize(
    ("found", "closing"),
    [
        (replace(report({}), results=()), "Applied: nothing left to do."),
        (replace(report({}), results=(), interrupted=True), "Interrupted: nothing done. Run apply again to continue."),
        (
            replace(report({}), results=(), stopped="no lease\x1b"),
            "Stopped, no lease\\x1b: nothing done. Run apply again to continue.",
        ),
        (
            replace(report({"b": Outcome.FAILED}), interrupted=True, stopped="no lease"),
            "Stopped, no lease: 1 created, 1 updated, 1 replaced, 1 deleted; not done: 1 to create. "
            "Run apply again to continue.",
        ),
        (
            with_errors(report({}), 1),
            f"Failed: {ALL}; 1 image skipped because of an error. Fix it and run apply again.",
        ),
        (
            with_errors(report({"e": Outcome.FAILED}), 2),
            "Failed: 2 created, 1 updated, 1 replaced; not done: 1 to delete; 2 images skipped because of an error. "
            "Fix it and run apply again.",
        ),
        (
            with_errors(replace(report({}), results=()), 2),
            "Failed: nothing done; 2 images skipped because of an error. Fix it and run apply again.",
        ),
        (replace(report({}), leftover=("x",)), f"Failed: {ALL}. Fix it and run apply again."),
    ],
)
def test_the_closing_sentence(found: Report, closing: str) -> None:
    """Why the run ended, what it did and did not do, and what to do next."""
    assert format_closing(found, errors="it") == closing


def test_sent_bytes_are_those_of_all_steps_that_are_done() -> None:
    """Also of a run that was interrupted; without bytes there is no sentence."""
    found = report({"b": Outcome.INTERRUPTED}, interrupted=True)
    results = tuple(replace(one, bytes_sent=1024) for one in found.results)
    assert format_closing(replace(found, results=results)) == (
        "Interrupted: 1 created, 1 updated, 1 replaced, 1 deleted; not done: 1 to create. 5.0 KiB uploaded. "
        "Run apply again to continue."
    )
    done = replace(report({}), results=tuple(replace(one, bytes_sent=512) for one in report({}).results))
    assert format_closing(done) == f"Applied: {ALL}. 3.0 KiB uploaded."


def test_what_was_done_and_what_was_not() -> None:
    """Each alone; empty for nothing."""
    found = report({"b": Outcome.SKIPPED, "e": Outcome.DEFERRED})
    assert format_done(found) == "1 created, 1 updated, 1 replaced"
    assert format_not_done(found) == "1 to create, 1 to delete"
    assert (format_done(replace(found, results=())), format_not_done(replace(found, results=()))) == ("", "")
    assert format_not_done(report({})) == ""


def test_an_old_build_that_has_two_steps_is_one() -> None:
    """Until the last of them is a deletion, it is retired; that of a failed replacement is not counted at all."""
    wanted = catalog(spec("a", "b", on_replace=OnReplace(keep=0)), spec("z", "b"))
    output = plan(wanted, inventory(live(spec("a")), live(spec("z"))))
    failed = tuple(
        StepResult(step, Outcome.FAILED if step.action.key == "a" or step.reason is Reason.SUPERSEDED else Outcome.DONE)
        for step in output.steps
    )
    found = Report(output, failed)
    assert (format_done(found), format_not_done(found)) == ("1 replaced", "1 to replace, 1 old build to retire")
    nothing = Report(output, tuple(replace(one, outcome=Outcome.NOT_STARTED) for one in failed))
    assert (format_done(nothing), format_not_done(nothing)) == ("", "2 to replace")


def test_the_line_of_a_step_that_ended() -> None:
    """A create has its place in the manifest; control characters are escaped, and a step without an error has no place."""
    steps = {step.id: step for step in made().steps}
    places = {"a": "m.yaml:1:2", "b": "m\x1b.yaml:9:2", "d": "m.yaml:5:5"}
    failed = StepResult(steps["create:b"], Outcome.FAILED, error="no\x1broom")
    assert format_result(failed, places) == "failed      create:b: m\\x1b.yaml:9:2: no\\x1broom"
    assert format_result(failed, {}) == "failed      create:b: no\\x1broom"
    assert format_outcome(failed) == "failed      create:b"
    assert format_result(replace(failed, error="", outcome=Outcome.DONE), places) == "done        create:b"
    update = StepResult(steps["update:d:id-d"], Outcome.NOT_STARTED, error="x")
    assert format_result(update, places) == "not-started update:d:id-d: x"


def test_colors_and_lines_of_a_narrow_terminal() -> None:
    """Only the closing sentence is bold; further lines of it are set in a little, those of a failure more."""
    found = report({"a": Outcome.FAILED, "b": Outcome.SKIPPED}, leftover=("word " * 8,))
    found = replace(found, plan=replace(found.plan, places={"a": "m.yaml:1:2", "b": "m.yaml:9:2"}))
    assert format_report(found, lambda ink, text: f"<{ink.name} {text}>", width=40) == (
        "failed      create:a: m.yaml:1:2: boom\n"
        "failed      update:a:id-a: boom\n"
        "skipped     create:b: m.yaml:9:2: boom\n"
        "not as planned: word word word word word\n"
        "    word word word\n"
        "<BOLD Failed: 1 created, 1 updated, 1 deleted;>\n"
        "<BOLD   not done: 1 to create, 1 to replace.>\n"
        "<BOLD   Fix the errors above and run apply>\n"
        "<BOLD   again.>"
    )


@pytest.mark.parametrize(
    ("number", "head", "tail"), [(10, "create:k0,", "create:k9"), (11, "11 steps: ", "and 1 more")]
)
def test_ten_steps_that_were_not_started_are_all_named(number: int, head: str, tail: str) -> None:
    """Only with more of them, their number is printed."""
    many = plan(catalog(*(spec(f"k{at:x}") for at in range(number))), inventory())
    found = Report(many, tuple(StepResult(step, Outcome.NOT_STARTED) for step in many.steps), interrupted=True)
    *lines, closing = format_report(found).splitlines()
    assert lines[0].startswith(f"not started: {head}")
    assert lines[-1].endswith(tail)
    assert all(line.startswith(("  create:", "  and")) for line in lines[1:])
    assert closing == f"Interrupted: nothing done; not done: {number} to create. Run apply again to continue."


def test_what_the_reader_does_next() -> None:
    """After a rollback a change of the manifest; after staging each candidate, also earlier ones, sorted by key."""
    staged = stage_plan(plan_input(catalog(spec("b"), spec("c")), inventory()))
    earlier = (Candidate("a", "id-1", "", Fate.WAITING), Candidate("d", "id-2", "", Fate.REJECTED))
    staged = replace(staged, candidates=earlier, follow_up="change x\x1b")
    found = Report(staged, tuple(StepResult(step, Outcome.DONE, f"new-{step.action.key}") for step in staged.steps))
    lines = [
        "Note: change x\\x1b",
        "Candidate a: image id-1; apply publishes it, apply --discard-staged a drops it",
        "Candidate b: image new-b; apply publishes it, apply --discard-staged b drops it",
        "Candidate c: image new-c; apply publishes it, apply --discard-staged c drops it",
    ]
    assert list(list_next_steps(found)) == lines
    assert format_report(found).splitlines() == ["Applied: 2 staged.", *lines]
    assert list(list_next_steps(replace(found, stopped="x"))) == []
    other = replace(found, plan=replace(staged, kind=Kind.APPLY))
    assert list(list_next_steps(other)) == lines[:1]
    assert format_report(found, width=40).splitlines()[2:4] == [
        "Candidate a: image id-1; apply publishes",
        "    it, apply --discard-staged a drops",
    ]


def test_a_long_name_of_a_step_is_not_broken() -> None:
    """It has a line of its own, also if it has hyphens."""
    keys = ["long-" * 20 + "a", "b"]
    many = plan(catalog(*map(spec, keys)), inventory())
    found = Report(many, tuple(StepResult(step, Outcome.NOT_STARTED) for step in many.steps), interrupted=True)
    lines = format_report(found).splitlines()[:-1]
    assert lines == ["not started: create:b,", f"  create:{keys[0]}"]
