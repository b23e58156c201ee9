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
from imagesync.model.plan import PlanError
from imagesync.model.report import Event, Finished, Outcome, Progress, Report, Started, StepResult, Transferred
from imagesync.render.place import place_to_json
from imagesync.render.result import (
    diagnostics_to_json,
    event_to_json,
    failure_to_json,
    report_to_json,
    run_finished_to_json,
)
from imagesync.schemas import load_schema
from tests.unit.factories import catalog, inventory, plan, spec

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
