"""What happened, as JSON for other programs."""

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from imagesync.errors import (
    ChecksumMismatch,
    Diagnostic,
    ImagesyncError,
    ManifestError,
    PlanRefused,
    StalePlan,
    Unavailable,
    UsageError,
)
from imagesync.model.catalog import Fingerprint
from imagesync.model.plan import Candidate, Deactivate, Delete, Fate, PlanError, Reactivate, Reason, Update
from imagesync.model.report import Event, Finished, Outcome, Progress, Report, Started, StepResult, Transferred
from imagesync.planning.steps import make_step
from imagesync.render.place import place_to_json
from imagesync.render.result import (
    diagnostics_to_json,
    event_to_json,
    failure_to_json,
    problem_to_json,
    report_to_json,
    result_to_json,
    run_finished_to_json,
    run_started_to_json,
)
from imagesync.schemas import load_schema
from tests.unit.factories import catalog, digest, inventory, plan, spec

PLAN = plan(catalog(spec("a")), inventory())
(STEP,) = PLAN.steps
RESULT = StepResult(STEP, Outcome.FAILED, "id-a", "no space", seconds=1.23456, bytes_sent=7)
RESULT_JSON = {
    "step": STEP.id,
    "action": "create",
    "key": "a",
    "outcome": "failed",
    "image_id": "id-a",
    "error": "no space",
    "cause": None,
    "seconds": 1.235,
    "sent_bytes": 7,
}


@pytest.mark.parametrize(
    ("event", "document"),
    [
        (Started(STEP), {"event": "started", "step": STEP.id}),
        (
            Progress(STEP, Transferred(1, None, 2, 3)),
            {
                "event": "progress",
                "step": STEP.id,
                "sent_bytes": 1,
                "total_bytes": None,
                "read_bytes": 2,
                "source_bytes": 3,
            },
        ),
        (Finished(RESULT), {"event": "finished", **RESULT_JSON}),
    ],
)
def test_each_event_is_one_object(event: Event, document: dict[str, object]) -> None:
    """Units are in the names; seconds have three digits."""
    assert event_to_json(event) == document


def test_a_report_has_every_result_and_the_image_of_each_key() -> None:
    """Keys sorted, nothing left out."""
    found = report_to_json(Report(PLAN, (RESULT,), stopped="the lease is lost"), {"b": "2", "a": "1"})
    assert found == {
        "format_version": 1,
        "catalog": "base",
        "target": {"name": None, **place_to_json(PLAN.target)},
        "succeeded": False,
        "interrupted": False,
        "stopped": "the lease is lost",
        "results": [RESULT_JSON],
        "leftover": [],
        "ids": {"a": "1", "b": "2"},
        "candidates": {},
        "rejected": {},
        "notes": [],
        "errors": [],
    }
    assert list(found["ids"]) == ["a", "b"]


def test_a_diagnostic_keeps_its_parts() -> None:
    """An editor can mark the place."""
    assert diagnostics_to_json([Diagnostic("a.yaml", 3, 14, "images.a", "unknown key", "did you mean b?")]) == [
        {
            "file": "a.yaml",
            "line": 3,
            "column": 14,
            "where": "images.a",
            "message": "unknown key",
            "hint": "did you mean b?",
        }
    ]


SECRET = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1fG3hJ5"


@pytest.mark.parametrize("part", ["where", "message", "hint"])
def test_no_part_of_a_problem_shows_what_looks_like_a_secret(part: str) -> None:
    """The last line of defense: a rule may have forgotten to hide the value that it names."""
    changed: Any = {part: f"it is {SECRET} here"}
    problem = replace(Diagnostic("a.yaml", 1, 2, "images.a", "is wrong", "mend it"), **changed)
    (found,) = diagnostics_to_json([problem])
    assert SECRET not in json.dumps(found)
    assert f"({len(SECRET)} characters, not shown: looks like a secret) here" in found[part]
    assert (found["file"], found["line"], found["column"]) == ("a.yaml", 1, 2)


@pytest.mark.parametrize("number", [0, 1])
def test_a_run_that_skips_a_key_because_of_an_error_has_failed(number: int) -> None:
    """As the exit code says; what the other keys needed is done."""
    errors = (PlanError("b", Diagnostic("a.yaml", 3, 14, "images.b.source", "HTTP 404")),) * number
    done = replace(RESULT, outcome=Outcome.DONE, error="")
    found = run_finished_to_json(Report(replace(PLAN, errors=errors), (done,)))
    assert found["outcome"] == ("failed" if number else "done")


NOWHERE = {"file": None, "line": None, "column": None, "where": None}
STALE_HINT = "nothing was applied; make the plan again: imagesync plan PATH"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(
            ManifestError(
                [
                    Diagnostic("b.yaml", 3, 14, "images.a", "unknown key", "remove it"),
                    Diagnostic("a", 0, 0, "", "empty"),
                ]
            ),
            [
                {"file": "a", "line": 0, "column": 0, "where": "", "message": "empty", "hint": ""},
                {
                    "file": "b.yaml",
                    "line": 3,
                    "column": 14,
                    "where": "images.a",
                    "message": "unknown key",
                    "hint": "remove it",
                },
            ],
            id="problems",
        ),
        pytest.param(
            PlanRefused(["images.a: is foreign", "two\nlines"]),
            [
                {**NOWHERE, "message": "images.a: is foreign", "hint": ""},
                {**NOWHERE, "message": "two\nlines", "hint": ""},
            ],
            id="refusals",
        ),
        pytest.param(
            StalePlan(["a changed", "b changed"]),
            [{**NOWHERE, "message": f"the plan is stale: {key} changed", "hint": STALE_HINT} for key in "ab"],
            id="stale",
        ),
        pytest.param(
            StalePlan(["a changed"]),
            [{**NOWHERE, "message": "the plan is stale: a changed", "hint": STALE_HINT}],
            id="one change",
        ),
        pytest.param(
            UsageError("no target", "pass --target"),
            [{**NOWHERE, "message": "no target", "hint": "pass --target"}],
            id="usage",
        ),
        pytest.param(Unavailable("HTTP 503"), [{**NOWHERE, "message": "HTTP 503", "hint": ""}], id="service"),
        pytest.param(
            ChecksumMismatch("wrong digest"), [{**NOWHERE, "message": "wrong digest", "hint": ""}], id="source"
        ),
    ],
)
def test_a_failure_is_a_list_of_its_causes(error: ImagesyncError, expected: list[dict[str, object]]) -> None:
    """Each with the same members, whatever failed; the schema ``errors`` describes them."""
    document = failure_to_json("plan", error)
    assert document == {"command": "plan", "errors": expected}
    jsonschema.Draft202012Validator(load_schema("errors")).validate(document)


@pytest.mark.parametrize(
    "error",
    [
        ManifestError([Diagnostic("a.yaml", 1, 1, "", SECRET)]),
        PlanRefused([SECRET]),
        StalePlan([SECRET]),
        UsageError(SECRET),
        UsageError("wrong", SECRET),
    ],
    ids=["problem", "refusal", "change", "message", "hint"],
)
def test_no_cause_of_a_failure_shows_what_looks_like_a_secret(error: ImagesyncError) -> None:
    """As in the text on standard error and in the events of a run."""
    found = json.dumps(failure_to_json("plan", error))
    assert SECRET not in found
    assert "looks like a secret" in found


def test_the_first_line_of_the_events() -> None:
    """The place, the steps and the bytes of all of them; null if a size is not known."""
    two = plan(catalog(spec("a"), spec("b")), inventory())
    assert run_started_to_json(replace(two, target_name="eu")) == {
        "event": "run-started",
        "catalog": "base",
        "place": place_to_json(two.target),
        "steps": 2,
        "upload_bytes": 8192,
    }
    unknown = plan(catalog(spec("a", fingerprint=Fingerprint((digest("a"),))), spec("b")), inventory())
    assert run_started_to_json(unknown)["upload_bytes"] is None


def test_the_last_line_of_the_events() -> None:
    """It counts each outcome and all sent bytes; the error of the caller is before that of the report."""
    results = (RESULT, replace(RESULT, outcome=Outcome.DEFERRED, bytes_sent=20), replace(RESULT, bytes_sent=300))
    counts = {"done": 0, "failed": 2, "deferred": 1, "skipped": 0, "interrupted": 0, "not-started": 0}
    run = Report(PLAN, results)
    expected = {"event": "run-finished", "outcome": "failed", "counts": counts, "sent_bytes": 327, "error": None}
    assert run_finished_to_json(run) == expected
    stopped = replace(run, stopped="lease lost")
    assert run_finished_to_json(stopped) == {**expected, "outcome": "lost", "error": "lease lost"}
    assert run_finished_to_json(stopped, "away") == {**expected, "outcome": "lost", "error": "away"}
    assert run_finished_to_json(run, interrupted=True) == {**expected, "outcome": "interrupted"}


@pytest.mark.parametrize(
    ("error", "interrupted", "outcome"),
    [
        ("", False, "unchanged"),
        ("away", False, "not-started"),
        ("", True, "interrupted"),
        ("away", True, "interrupted"),
    ],
)
def test_the_last_line_without_a_report(error: str, outcome: str, *, interrupted: bool) -> None:
    """Each count is there, and is 0."""
    assert run_finished_to_json(None, error, interrupted=interrupted) == {
        "event": "run-finished",
        "outcome": outcome,
        "counts": {one.value: 0 for one in Outcome},
        "sent_bytes": 0,
        "error": error or None,
    }


def test_a_report_has_candidates_notes_and_errors() -> None:
    """By key and sorted; a rejected candidate is not one that waits. It matches its schema."""
    candidates = tuple(
        Candidate(key, image_id, "", fate)
        for key, image_id, fate in (
            ("z", "1", Fate.WAITING),
            ("b", "2", Fate.WAITING),
            ("r", "3", Fate.REJECTED),
            ("r", "4", Fate.REJECTED),
            ("p", "5", Fate.PUBLISHED),
        )
    )
    errors = tuple(PlanError(key, Diagnostic("a.yaml", 3, 1, key, SECRET, "mend it")) for key in "xy")
    made = replace(
        PLAN, candidates=candidates, notes=("one", "two"), follow_up="three", errors=errors, target_name="eu"
    )
    done = replace(RESULT, outcome=Outcome.DONE, error="", image_id=None, cause="create:z")
    report = Report(made, (done, RESULT), interrupted=True, leftover=("b: off", "a: on"))
    found = report_to_json(report, {})
    assert found == {
        "format_version": 1,
        "catalog": "base",
        "target": {"name": "eu", **place_to_json(PLAN.target)},
        "succeeded": False,
        "interrupted": True,
        "stopped": None,
        "results": [
            {**RESULT_JSON, "outcome": "done", "error": None, "image_id": None, "cause": "create:z"},
            RESULT_JSON,
        ],
        "leftover": ["b: off", "a: on"],
        "ids": {},
        "candidates": {"b": "2", "z": "1"},
        "rejected": {"r": ["3", "4"]},
        "notes": ["one", "two", "three"],
        "errors": [
            {
                "file": "a.yaml",
                "line": 3,
                "column": 1,
                "where": key,
                "message": f"({len(SECRET)} characters, not shown: looks like a secret)",
                "hint": "mend it",
            }
            for key in "xy"
        ],
    }
    assert list(found["candidates"]) == ["b", "z"]
    jsonschema.Draft202012Validator(load_schema("report")).validate(found)
    assert report_to_json(Report(PLAN, (done,)), {})["succeeded"] is True


def test_each_action_has_its_name() -> None:
    """In small letters; seconds are rounded to the nearest millisecond."""
    steps = [
        (make_step(Update("k", "i", (), None), Reason.DRIFT), "update"),
        (make_step(Deactivate("k", "i"), Reason.DRIFT), "deactivate"),
        (make_step(Reactivate("k", "i"), Reason.DRIFT), "reactivate"),
        (make_step(Delete("k", "i"), Reason.REMOVED), "delete"),
    ]
    for step, action in steps:
        found = result_to_json(StepResult(step, Outcome.NOT_STARTED, seconds=0.0006))
        assert found == {
            "step": step.id,
            "action": action,
            "key": "k",
            "outcome": "not-started",
            "image_id": None,
            "error": None,
            "cause": None,
            "seconds": 0.001,
            "sent_bytes": 0,
        }


def test_a_problem_has_a_place_or_none() -> None:
    """One without a file has no line either, whatever it holds; secrets are removed from one with a file."""
    assert problem_to_json(Diagnostic("", 3, 4, "images.a", "no", "yes")) == {**NOWHERE, "message": "no", "hint": "yes"}
    found = problem_to_json(Diagnostic("a.yaml", 0, 0, "", SECRET, ""))
    assert (found["file"], found["line"], found["column"], found["where"]) == ("a.yaml", 0, 0, "")
    assert SECRET not in found["message"]
