"""What a worker reports is checked before anything else reads it: its host may be in the hands of another person."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import pytest

from imagesync.errors import Diagnostic
from imagesync.fleet.assignment import find_target, make_topic
from imagesync.fleet.inbound import Account, InvalidMessage, read_message
from imagesync.model.drift import Drift, DriftReport, PlaceDrift, Remedy
from imagesync.model.plan import Plan
from imagesync.model.report import Finished, Outcome, Progress, Report, Started, StepResult, Transferred
from imagesync.targets.messages import (
    CHANGED,
    RUN,
    Verb,
    decode_planned,
    encode_drift,
    encode_ended,
    encode_event,
    encode_planned,
)
from tests.unit.factories import catalog, inventory, plan, spec

REMEDY = next(iter(Remedy)).value
HOSTILE = "\x1b[2J\n::error::x\u202e"


def sample(**more: Any) -> Plan:
    """A plan of target eu."""
    return replace(plan(catalog(spec("a"), spec("b", "b")), inventory()), target_name="eu", **more)


def travel(document: object) -> Any:
    """A document as it arrives."""
    return json.loads(json.dumps(document))


def make_account() -> Account:
    """What is known of target eu after its plan."""
    account = Account("eu", sample().catalog)
    account.check(travel(encode_planned(sample())))
    return account


def test_every_message_of_an_honest_worker_is_accepted_as_it_is() -> None:
    """In the order of a run."""
    account, made = make_account(), sample()
    first, second = made.steps
    results = (StepResult(first, Outcome.DONE, "id-1", seconds=1.5), StepResult(second, Outcome.FAILED, error="no"))
    for document in (
        {"event": "begun", "worker": "w"},
        encode_planned(made, ["too many"]),
        encode_planned(made, event=CHANGED),
        encode_planned(made, event=RUN),
        {"event": RUN},
        {"event": "warning", "text": "a sentence"},
        encode_event(Started(first)),
        encode_event(Progress(first, Transferred(1, None))),
        encode_event(Finished(results[0])),
        encode_ended(Report(made, results), {"a": "id-1"}),
        encode_ended(bug="Traceback\n  File\nKeyError: 'x'"),
        encode_ended(),
    ):
        arrived = travel(document)
        assert account.check(arrived) == arrived


def test_the_texts_of_a_message_are_printable_except_the_lines_of_a_traceback() -> None:
    """A terminal and a CI system show them."""
    account = make_account()
    assert account.check({"event": "warning", "text": HOSTILE})["text"] == r"\x1b[2J\n::error::x\u202e"
    ended = account.check({**encode_ended(), "bug": f"a\n{HOSTILE}", "ids": {HOSTILE: HOSTILE}})
    assert ended["bug"] == "a\n\\x1b[2J\n::error::x\\u202e"
    assert list(ended["ids"]) == [r"\x1b[2J\n::error::x\u202e"]


def test_the_values_of_a_drift_arrive_as_they_are() -> None:
    """A description of an image may have several lines; it is escaped where it is shown."""
    drift = {"key": "a", "image_id": "id", "path": ["description"], "was": "one", "now": "two\nlines", "remedy": REMEDY}
    report = {"found": [drift | {"is_was_known": True, "updated": "2026-01-01"}], "checked": 1, "unknown": []}
    document = {"event": "drifted", "report": report, "here": asdict(sample().target)}
    assert make_account().check(document)["report"]["found"][0]["now"] == "two\nlines"


def test_a_plan_is_read_as_one_from_outside() -> None:
    """Another target or catalog, another content than its digest says, and control characters are refused."""
    account = Account("eu", sample().catalog)
    wrong = [
        encode_planned(sample(notes=("x",))) | {"plan": travel(encode_planned(sample()))["plan"] | {"notes": ["y"]}},
        encode_planned(replace(sample(), target_name="us")),
        encode_planned(replace(sample(), catalog="another")),
        encode_planned(sample(removed=("\x1b[2J",))),
        encode_planned(sample()) | {"refusals": "text"},
        encode_planned(sample()) | {"places": {"a": 1}},
    ]
    for document in wrong:
        with pytest.raises(InvalidMessage):
            account.check(travel(document))
    assert account.plan is None
    document = travel(encode_planned(sample()))
    assert decode_planned(account.check(document))[0] == sample()


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        "ended",
        {"event": "unknown"},
        {"event": ["ended"]},
        {"event": "begun"},
        {"event": "begun", "worker": 1},
        {"event": "warning", "text": None},
        {"event": "started", "step": "no such step"},
        {"event": "started", "step": ["x"]},
        {"event": "progress", "step": 1, "sent_bytes": "1", "total_bytes": 1, "read_bytes": 1, "source_bytes": 1},
        {**encode_ended(), "lost": "the worker was lost"},
        {**encode_ended(), "ids": [1]},
        {**encode_ended(), "bug": 1},
        {**encode_ended(), "problems": [{}]},
        {**encode_ended(), "problems": 5},
        {**encode_ended(), "report": {"results": [{"step": "x"}], "interrupted": False, "stopped": "", "leftover": []}},
        {**encode_ended(), "report": {"results": [], "interrupted": "no", "stopped": "", "leftover": []}},
        {**encode_ended(), "report": {"results": [], "interrupted": False, "stopped": "", "leftover": [1]}},
    ],
    ids=str,
)
def test_a_message_without_its_shape_is_invalid(document: object) -> None:
    """Whatever is wrong with it, the error is the same."""
    with pytest.raises(InvalidMessage):
        make_account().check(document)


@pytest.mark.parametrize(
    "text",
    [
        None,
        1,
        {"target": "eu"},
        "",
        "[]",
        "{}",
        "[" * 100_000,
        '{"target": "us", "verb": "plan", "attempt": "1", "document": {"event": "ended"}}',
        '{"target": "eu", "verb": "destroy", "attempt": "1", "document": {"event": "ended"}}',
        '{"target": "eu", "verb": "plan", "attempt": 1, "document": {"event": "ended"}}',
        '{"target": "eu", "verb": "plan", "attempt": "1", "document": []}',
        '{"target": "eu", "verb": "plan", "attempt": "1", "document": {"event": 1}}',
    ],
    ids=lambda text: str(text)[:40],
)
def test_a_text_that_is_no_message_of_its_target_is_invalid(text: object) -> None:
    """The topic has the target; a message that names another one is refused."""
    with pytest.raises(InvalidMessage):
        read_message(text, "eu")


def test_a_message_is_read() -> None:
    """With its verb and its attempt."""
    text = '{"target": "eu", "verb": "apply", "attempt": "ab", "number": 1, "document": {"event": "run"}}'
    found = read_message(text, "eu")
    assert (found.verb, found.attempt, found.document) == (Verb.APPLY, "ab", {"event": "run"})


@pytest.mark.parametrize("target", ["eu", "eu-west-1", "a b", "ü"])
def test_the_target_of_a_topic_is_found(target: str) -> None:
    """Also with hyphens, which separate the parts."""
    assert find_target(make_topic("0123456789abcdef", target)) == target


@pytest.mark.parametrize(
    "topic", ["", "print", "all", "imagesync-", "imagesync-xyz-eu", "imagesync-ab", "imagesync-ab-"]
)
def test_another_topic_has_no_target(topic: str) -> None:
    """Those of ``distributed``, too."""
    assert find_target(topic) is None


def make_full_messages() -> dict[str, Any]:
    """A message of each kind with a value in each place, as it arrives."""
    made = sample()
    first, second = made.steps
    results = (
        StepResult(first, Outcome.DONE, "id-1", "a remark", None, 1.5, 7),
        StepResult(second, Outcome.SKIPPED, "id-2", "why", first.id, 2.5, 8),
    )
    problem = Diagnostic("m.yaml", 3, 5, "images.a", "wrong", "mend it")
    drift = Drift("a", "id-1", ("properties", "x"), ("u", "v"), ("w", "z"), Remedy.APPLY, updated="2026-01-01")
    report = Report(made, results, leftover=("left", "over"), stopped="lost")
    messages = {
        "begun": {"event": "begun", "worker": "w"},
        "warning": {"event": "warning", "text": "slow"},
        "started": encode_event(Started(first)),
        "progress": encode_event(Progress(first, Transferred(1, 2, 3, 4))),
        "finished": encode_event(Finished(results[0])),
        "drifted": encode_drift(PlaceDrift(DriftReport((drift,), 7, ("c", "d")), made.target)),
        "ended": encode_ended(report, {"a": "id-1", "b": "id-2"}, [problem], bug="Traceback"),
    }
    return {name: travel(one) for name, one in messages.items()}


def list_leaves(found: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    """The path of each plain value of a document, except of its event."""
    if isinstance(found, dict | list):
        for name, one in found.items() if isinstance(found, dict) else enumerate(found):
            if name != "event":
                yield from list_leaves(one, *path, name)
    else:
        yield path


def get(found: Any, *path: Any) -> Any:
    """The value at a path of a document."""
    for name in path:
        found = found[name]
    return found


def spoil(document: Any, path: tuple[Any, ...], value: object) -> Any:
    """A copy of a document with another value in one place."""
    copy = travel(document)
    get(copy, *path[:-1])[path[-1]] = value
    return copy


@pytest.mark.parametrize("name", list(make_full_messages()))
def test_each_value_of_a_message_has_its_type(name: str) -> None:
    """No object, no number as a text, and no text as a number. What only repeats the step is not read."""
    account, whole = make_account(), make_full_messages()[name]
    assert account.check(whole) == whole
    accepted = []
    for *before, last in list_leaves(whole):
        repeats = last in ("action", "key") and (name == "finished" or "results" in before)
        value = get(whole, *before, last)
        other = [1] if isinstance(value, str) else ["1"] if value is not None else []
        for wrong in [] if repeats else [{"x": 1}, *other]:
            try:
                account.check(spoil(whole, (*before, last), wrong))
                accepted.append((*before, last, wrong))
            except InvalidMessage:
                continue
    assert accepted == []


@pytest.mark.parametrize("event", [CHANGED, RUN])
def test_another_plan_of_a_run_is_read_as_one_from_outside_too(event: str) -> None:
    """Of this target, and as its digest says; afterwards the steps are those of that plan."""
    account, other = make_account(), sample()
    other = replace(other, steps=other.steps[1:])
    for wrong in (replace(other, target_name="us"), replace(other, catalog="x")):
        with pytest.raises(InvalidMessage):
            account.check(travel(encode_planned(wrong, event=event)))
    altered = travel(encode_planned(other, event=event))
    altered["plan"]["notes"] = ["altered"]
    with pytest.raises(InvalidMessage):
        account.check(altered)
    assert account.plan == sample()
    account.check(travel(encode_planned(other, event=event)))
    first, second = sample().steps
    account.check(travel(encode_event(Started(second))))
    with pytest.raises(InvalidMessage):
        account.check(travel(encode_event(Started(first))))


def test_a_report_before_a_plan_is_no_reason_to_fail() -> None:
    """The run ignores it, because it knows no steps."""
    ended = travel(encode_ended(Report(sample(), ()), {}))
    assert Account("eu", "base").check(ended) == ended


@pytest.mark.parametrize("name", ["where", "message", "hint", "file"])
def test_the_texts_of_a_problem_are_printable(name: str) -> None:
    """And each has one line."""
    ended = make_full_messages()["ended"]
    ended["problems"][0][name] = HOSTILE
    assert make_account().check(ended)["problems"][0][name] == r"\x1b[2J\n::error::x\u202e"


def test_values_that_may_be_missing_are_accepted() -> None:
    """A problem without a place, values of each kind in a drift, and events of each step."""
    account, made = make_account(), sample()
    alone = Diagnostic("", 0, 0, "", "no route", "check it")
    drifts = tuple(
        Drift("a", None, ("x",), was, now, Remedy.NONE) for was, now in ((4, None), (True, "t"), (("x",), ()))
    )
    documents = [
        encode_ended(problems=[alone]),
        encode_drift(PlaceDrift(DriftReport(drifts, 0), made.target)),
        *(encode_event(Started(step)) for step in made.steps),
        *(encode_event(Finished(StepResult(step, Outcome.FAILED, error="no"))) for step in made.steps),
    ]
    for document in documents:
        arrived = travel(document)
        assert account.check(arrived) == arrived


def test_a_report_about_an_unknown_step_is_invalid() -> None:
    """Although each value has its type; the same for an outcome that does not exist."""
    ended = make_full_messages()["ended"]
    for name, value in (("step", "create:z"), ("outcome", "perfect")):
        with pytest.raises(InvalidMessage):
            make_account().check(spoil(ended, ("report", "results", 1, name), value))
