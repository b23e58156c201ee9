"""What travels between a run of several targets and its workers comes out as it went in."""

import json
import traceback
from collections.abc import Callable
from dataclasses import replace

import pytest

from imagesync.errors import Diagnostic
from imagesync.model.drift import Drift, DriftReport, PlaceDrift, Remedy
from imagesync.model.image import Identity
from imagesync.model.plan import Plan, PlanError
from imagesync.model.report import Event, Finished, Outcome, Progress, Report, Started, StepResult, Transferred
from imagesync.targets.messages import (
    CHANGED,
    DRIFTED,
    decode_drift,
    decode_event,
    decode_planned,
    decode_problems,
    decode_report,
    encode_drift,
    encode_ended,
    encode_event,
    encode_planned,
    encode_problems,
    make_bug_error,
)
from tests.unit.factories import catalog, inventory, plan, spec

PLACES = {"a": "m.yaml:3:5"}


def sample() -> Plan:
    """A plan with several steps and an error."""
    made = plan(catalog(spec("a"), spec("b", "b", min_ram=4)), inventory())
    error = PlanError("c", Diagnostic("m.yaml", 9, 3, "images.c", "wrong", "mend it"))
    return replace(made, errors=(error,), base="/work/images", places=PLACES, notes=("a note",), target_name="eu")


def travel(document: object) -> dict[str, object]:
    """What an engine on another host would get."""
    found = json.loads(json.dumps(document))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("folder", ["/", "/work/images", "/elsewhere/x"])
def test_a_plan_travels_whole(folder: str) -> None:
    """With the places of its keys, and why it is refused."""
    document = travel(encode_planned(sample(), ["too many"], folder=folder, event=CHANGED))
    assert document["event"] == CHANGED
    found, refusals = decode_planned(document)
    assert (found, dict(found.places), refusals) == (sample(), PLACES, ("too many",))


def test_problems_travel_whole() -> None:
    """With or without a place."""
    problems = (Diagnostic("", 0, 0, "", "unreachable", "wait"), Diagnostic("m.yaml", 2, 1, "images.a", "wrong"))
    documents = json.loads(json.dumps(encode_problems(problems)))
    assert decode_problems(documents) == problems


def test_a_report_travels_whole() -> None:
    """The results refer to the steps of the plan."""
    made = sample()
    first, second = made.steps
    results = (
        StepResult(first, Outcome.DONE, "id-1", "a remark", None, 1.5, 7),
        StepResult(second, Outcome.SKIPPED, None, "needs x", "create:x"),
    )
    report = Report(made, results, interrupted=True, bug="trace", leftover=("left",), stopped="lost")
    document = travel(encode_ended(report, {"a": "id-1"}, [Diagnostic("", 0, 0, "", "sad")]))
    decoded = decode_report(document["report"], made, str(document["bug"]))  # type: ignore[arg-type]
    assert decoded == report
    assert {type(one.outcome) for one in decoded.results} == {Outcome}  # a word is equal to its outcome, too
    assert (document["ids"], document["event"]) == ({"a": "id-1"}, "ended")


def test_an_end_without_a_report_says_so() -> None:
    """For a target that was not applied."""
    document = encode_ended(bug="trace")
    assert (document["report"], document["ids"], document["problems"], document["bug"]) == (None, {}, [], "trace")


def test_events_travel_whole() -> None:
    """Of each kind."""
    made = sample()
    step = made.steps[0]
    events: list[Event] = [
        Started(step),
        Progress(step, Transferred(3, 9, 2, 8)),
        Progress(step, Transferred(3)),
        Finished(StepResult(step, Outcome.FAILED, error="why", seconds=2.0)),
        Finished(StepResult(made.steps[1], Outcome.DONE, "id-1", bytes_sent=5)),
    ]
    steps = {one.id: one for one in made.steps}
    assert [decode_event(travel(encode_event(event)), steps) for event in events] == events


def test_drift_travels_whole() -> None:
    """With values of each kind: a text, a number, a list of tags, none; each field differs from its default."""
    place = Identity("glance", "https://eu.example", "p", "project", "region", "eu-prod")
    found = (
        Drift("a", "id-1", ("properties", "p"), "old", "new", Remedy.DRIFT_ONLY, is_was_known=False, updated="today"),
        Drift("a", "id-1", ("tags",), ("x", "y"), ("z",), Remedy.APPLY),
        Drift("a", "id-1", ("min_ram",), 4, None, Remedy.REACTIVATE),
        Drift("b", None, ("image",), True, (), Remedy.NONE),
    )
    drift = PlaceDrift(DriftReport(found, 7, ("c", "d")), place)
    document = travel(encode_drift(drift))
    assert document["event"] == DRIFTED
    decoded = decode_drift(document)
    assert decoded == drift
    assert {type(one.remedy) for one in decoded.report.found} == {Remedy}  # a word is equal to its remedy, too


@pytest.mark.parametrize(
    ("wrong", "error"),
    [({"here": {}}, TypeError), ({"report": {}}, KeyError), ({"report": {"found": [1]}}, TypeError)],
)
def test_a_drift_of_another_form_is_an_error_that_a_fleet_expects(
    wrong: dict[str, object], error: type[Exception]
) -> None:
    """A worker may send anything."""
    drift = PlaceDrift(DriftReport((), 0), Identity("store", "eu", "p"))
    with pytest.raises(error):
        decode_drift({**travel(encode_drift(drift)), **wrong})


class HiddenError(Exception):
    """An exception of a module, whose text is a secret."""


def _fail_plainly() -> None:
    raise KeyError("hunter2")


def _fail_with_lines() -> None:
    raise HiddenError("a\nhunter2: b\n  hunter2\nhunter2")


def _fail_twice() -> None:
    try:
        _fail_with_lines()
    except HiddenError as error:
        raise ValueError("x\nhunter2") from error


def _fail_without_text() -> None:
    raise HiddenError


def _fail_in_a_group() -> None:
    raise ExceptionGroup("hunter2", [KeyError("hunter2"), ValueError("hunter2\nhunter2")])


@pytest.mark.parametrize(
    ("fail", "name"),
    [
        (_fail_plainly, "KeyError"),
        (_fail_with_lines, f"{__name__}.HiddenError"),
        (_fail_twice, "ValueError"),
        (_fail_without_text, f"{__name__}.HiddenError"),
        (_fail_in_a_group, "an exception"),
    ],
)
def test_the_error_of_a_bug_has_only_its_class(fail: Callable[[], None], name: str) -> None:
    """Its text may be a secret, in each of its lines."""
    try:
        fail()
    except Exception:
        found = make_bug_error(traceback.format_exc())
    assert found.message == f"a bug in imagesync: {name}"
    assert found.hint == "its log is named on standard error; please report it"


@pytest.mark.parametrize("text", ["", "hunter2 x", "Traceback", "Traceback\n  hunter2"])
def test_what_is_not_a_traceback_names_no_class(text: str) -> None:
    """A worker may send any text."""
    assert make_bug_error(text).message == "a bug in imagesync: an exception"
