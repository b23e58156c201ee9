"""``imagesync.render.metrics``: what Prometheus finds in a file."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from imagesync.errors import Diagnostic, ImagesyncError, Unavailable
from imagesync.model.drift import Drift, DriftReport, PlaceDrift, Remedy
from imagesync.model.image import Identity
from imagesync.model.plan import Plan, PlanError
from imagesync.model.report import Outcome, Report, StepResult
from imagesync.model.targets import PlannedTarget, TargetOutcome, TargetRun
from imagesync.render.metrics import (
    MAX_KEPT_LINES,
    METRICS,
    Measures,
    format_metrics,
    measure_drift,
    measure_drifts,
    measure_failure,
    measure_plan,
    measure_plans,
    measure_report,
    measure_runs,
)
from tests.ci_logs import HOSTILE
from tests.command import ROOT
from tests.unit.factories import NOW, candidate, catalog, inventory, live, plan, retired, spec

LATER = NOW + timedelta(seconds=90.5)
PAGE = (ROOT / "docs/metrics.md").read_text()
ALERTS = yaml.safe_load((ROOT / "examples/prometheus-alerts.yml").read_text())
OWN = {"catalog": "base", "target": "lab", "command": "apply"}


def read(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Each sample by name and labels; each family is a gauge with a help, once."""
    families = list(text_string_to_metric_families(text))
    assert [family.name for family in families] == [name for name in METRICS if f"# TYPE {name} gauge\n" in text]
    assert {family.type for family in families} <= {"gauge"}
    assert all(family.documentation == METRICS[family.name] for family in families)
    samples = [sample for family in families for sample in family.samples]
    found = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}
    assert len(found) == len(samples)
    return found


def find(text: str, name: str, **labels: str) -> float | None:
    """The value of one sample."""
    return read(text).get((f"imagesync_{name}", tuple(sorted(labels.items()))))


def measures(**attrs: Any) -> Measures:
    """A run of 90.5 seconds, which succeeded."""
    return Measures(**{**OWN, "started": NOW, "ended": LATER, "succeeded": True, **attrs})


def test_a_run_that_succeeded_has_both_times() -> None:
    """In seconds since 1970, as Prometheus' time()."""
    text = format_metrics(measures())
    assert find(text, "last_run_timestamp_seconds", **OWN) == pytest.approx(LATER.timestamp())
    assert find(text, "last_success_timestamp_seconds", **OWN) == pytest.approx(LATER.timestamp())
    assert find(text, "last_run_duration_seconds", **OWN) == 90.5
    assert find(text, "last_run_success", **OWN) == 1


def test_after_a_failure_the_time_of_the_last_success_stays() -> None:
    """Through several failures; before the first success there is none."""
    text = format_metrics(measures())
    for hours in (1, 2):
        failed = measures(succeeded=False, ended=LATER + timedelta(hours=hours))
        text = format_metrics(failed, text)
        assert find(text, "last_success_timestamp_seconds", **OWN) == pytest.approx(LATER.timestamp())
        assert find(text, "last_run_timestamp_seconds", **OWN) == pytest.approx(failed.ended.timestamp())
        assert find(text, "last_run_success", **OWN) == 0
    assert find(format_metrics(failed), "last_success_timestamp_seconds", **OWN) is None


def test_values_of_other_runs_are_kept_and_own_ones_replaced() -> None:
    """Of another catalog, another target, another command."""
    others = [{**OWN, name: f"{OWN[name]}x"} for name in OWN]
    text = ""
    for other in others:
        text = format_metrics(measures(**other, samples={"imagesync_failures": {"": 7}}), text)
    text = format_metrics(measures(samples={"imagesync_pending_changes": {"create": 1}}), text)
    text = format_metrics(measures(samples={"imagesync_pending_changes": {"delete": 2}}), text)
    assert [find(text, "failures", **other) for other in others] == [7, 7, 7]
    assert find(text, "pending_changes", **OWN, action="create") is None
    assert find(text, "pending_changes", **OWN, action="delete") == 2


@pytest.mark.parametrize(
    "earlier",
    [
        "of another program 1\n",
        'imagesync_other{catalog="x"} 1\n',
        'imagesync_failures{catalog="x"} one\n',
        'imagesync_failures{catalog="x"} 1\x1b[2J\n',
        'imagesync_failures{catalog="x\n',
        "# HELP imagesync_failures x\n",
        "\x00" * 100,
        'imagesync_failures{catalog="x"} 1' + " " * 10**6,
        'imagesync_failures{catalog="x"} 1\n',
        'imagesync_failures{catalog="x",target="y\\x",command="plan"} 1\n',
        'imagesync_failures{catalog="x",target="y",command="plan",state="owned"} 1\n',
        'imagesync_images{catalog="x",target="y",command="plan"} 1\n',
        'imagesync_images{catalog="x",target="y",command="plan",state="a",state="b"} 1\n',
        'imagesync_failures{catalog="x",target="y\u202e",command="plan"} 1\n',
        'imagesync_images{catalog="x",target="y",command="plan",action="create"} 1\n',
        'imagesync_images{catalog="x",target="y",command="plan",state="a",state="a"} 1\n',
        'imagesync_failures{catalog="x",target="y",command="plan",evil="z"} 1\n',
        'imagesync_failures{catalog="\\x",target="y",command="plan"} 1\n',
        'imagesync_failures{catalog="\u202e",target="y",command="plan"} 1\n',
        'imagesync_last_run_success{catalog="x",target="y",command="plan"} 1e999\n',
        'imagesync_last_run_timestamp_seconds{catalog="x",target="y",command="plan"} 17',
    ],
)
def test_other_lines_of_an_earlier_file_are_dropped(earlier: str) -> None:
    """A file of another program never fails a run."""
    assert format_metrics(measures(), earlier) == format_metrics(measures())


def test_a_line_that_occurs_twice_is_kept_once() -> None:
    """The collector rejects a whole file with two values of one time series."""
    text = format_metrics(measures(catalog="other"))
    assert read(format_metrics(measures(), text + text)) == read(format_metrics(measures(), text))


@pytest.mark.parametrize("unknown", [{"catalog": "", "target": ""}, {"target": ""}])
def test_a_failure_whose_place_was_not_known_ends_with_the_next_run(unknown: dict[str, str]) -> None:
    """Of the same command; else the alert about it would never end."""
    failed = format_metrics(measures(**unknown, succeeded=False))
    other = format_metrics(measures(command="plan"), failed)
    assert read(other).items() >= read(failed).items()
    assert format_metrics(measures(), failed) == format_metrics(measures())


def test_a_value_that_an_earlier_file_has_twice_is_written_once() -> None:
    """The collector refuses a whole file with two values of one series."""
    line = 'imagesync_failures{catalog="x",target="y",command="plan"} '
    text = format_metrics(measures(), f"{line}1\n{line}2\n")
    assert find(text, "failures", catalog="x", target="y", command="plan") == 2


@pytest.mark.parametrize("unknown", [{"catalog": ""}, {"target": ""}, {"catalog": "", "target": ""}])
def test_a_failure_whose_names_were_unknown_ends_with_the_next_run(unknown: dict[str, str]) -> None:
    """Its manifest could not be read. No later run would have its labels, so an alert about it would never end."""
    failed = format_metrics(measures(**unknown, succeeded=False))
    assert format_metrics(measures(), failed) == format_metrics(measures())
    kept = format_metrics(measures(command="plan"), failed)
    assert find(kept, "last_run_success", **{**OWN, **unknown}) == 0


def test_a_plan_counts_what_is_pending() -> None:
    """Each action has a value: an alert needs also a 0."""
    wanted = catalog(spec("a", "b"), spec("b"), spec("c"))
    found = inventory(
        live(spec("a")), live(spec("c")), retired(spec("c"), "old"), candidate(spec("b")), live(spec("z"))
    )
    text = format_metrics(measure_plan(plan(wanted, found), started=NOW, ended=LATER))
    labels = {"catalog": "base", "command": "plan", "target": find_target(text)}
    pending = {action: find(text, "pending_changes", **labels, action=action) for action in ACTIONS}
    assert pending == {**dict.fromkeys(ACTIONS, 0.0), "create": 1, "replace": 1, "delete": 1}
    assert find(text, "images", **labels, state="declared") == 3
    assert find(text, "images", **labels, state="owned") == 3
    assert find(text, "images", **labels, state="candidate") == 1
    assert find(text, "failures", **labels) == 0


ACTIONS = ("move", "create", "update", "replace", "deactivate", "reactivate", "delete", "stage")


def find_target(text: str) -> str:
    """The target of the first sample."""
    return dict(next(iter(read(text)))[1])["target"]


@pytest.mark.parametrize(("errors", "is_refused"), [(0, True), (2, False), (1, True)])
def test_a_plan_with_errors_or_a_refusal_has_not_succeeded(errors: int, is_refused: bool) -> None:
    """Each counts."""
    problem = PlanError("x", Diagnostic("a", 1, 1, "", "gone"))
    made = replace(plan(catalog(spec("a")), inventory()), errors=(problem,) * errors)
    found = measure_plan(made, started=NOW, ended=LATER, is_refused=is_refused)
    assert (found.succeeded, found.samples["imagesync_failures"]) == (False, {"": errors + is_refused})


def test_a_report_counts_outcomes_bytes_and_what_is_left() -> None:
    """A change that failed is still pending."""
    made = plan(catalog(spec("a"), spec("b"), spec("c")), inventory())
    outcomes = (Outcome.DONE, Outcome.FAILED, Outcome.NOT_STARTED)
    results = tuple(StepResult(step, one, bytes_sent=10) for step, one in zip(made.steps, outcomes, strict=True))
    report = Report(made, results, leftover=("a",), stopped="lost")
    samples = measure_report(report, command="apply", started=NOW, ended=LATER).samples
    assert samples["imagesync_steps"] == {
        **{outcome.value: 0 for outcome in Outcome},
        **dict.fromkeys(("done", "failed", "not-started"), 1),
    }
    assert samples["imagesync_pending_changes"]["create"] == 2
    assert samples["imagesync_failures"] == {"": 3}  # the step, the left-over, the stop
    assert samples["imagesync_uploaded_bytes"] == {"": 30}
    assert not measure_report(report, command="apply", started=NOW, ended=LATER).succeeded


def test_a_check_for_drift_succeeds_also_if_there_is_drift() -> None:
    """The number of values is what an alert looks at."""
    drift = Drift("a", "id", ("name",), "x", "y", Remedy.DRIFT_ONLY)
    text = format_metrics(
        measure_drift(DriftReport((drift, drift), 5), catalog="base", target="lab", started=NOW, ended=LATER)
    )
    labels = {**OWN, "command": "drift"}
    assert (find(text, "drifted_values", **labels), find(text, "last_run_success", **labels)) == (2, 1)


def test_a_command_without_a_result_has_failed() -> None:
    """It has one failure."""
    text = format_metrics(measure_failure("apply", catalog="base", target="lab", started=NOW, ended=LATER))
    assert (find(text, "failures", **OWN), find(text, "last_run_success", **OWN)) == (1, 0)


def format_all(*found: Measures) -> str:
    """The file after several runs."""
    text = ""
    for one in found:
        text = format_metrics(one, text)
    return text


def test_each_target_of_a_plan_has_its_own_labels() -> None:
    """One without a plan, with a refusal or with a problem has not succeeded."""
    made = plan(catalog(spec("a")), inventory())
    problem = Diagnostic("", 0, 0, "", "no answer")
    planned = [
        PlannedTarget("eu", made),
        PlannedTarget("dead", None, problems=(problem,)),
        PlannedTarget("us", made, refusals=("too many",)),
        PlannedTarget("odd", made, problems=(problem,)),
    ]
    text = format_all(*measure_plans("base", planned, started=NOW, ended=LATER))
    labels = {one.target: {"catalog": "base", "command": "plan", "target": one.target} for one in planned}
    values = {target: find(text, "last_run_success", **words) for target, words in labels.items()}
    assert values == {"eu": 1, "dead": 0, "us": 0, "odd": 0}
    assert [find(text, "failures", **words) for words in labels.values()] == [0, 1, 1, 1]
    assert find(text, "pending_changes", **labels["eu"], action="create") == 1
    assert find(text, "pending_changes", **labels["dead"], action="create") is None
    assert find(text, "last_run_duration_seconds", **labels["us"]) == 90.5


@pytest.mark.parametrize("outcome", list(TargetOutcome))
@pytest.mark.parametrize("has_report", [False, True])
def test_each_target_of_a_run_has_its_own_outcome(outcome: TargetOutcome, has_report: bool) -> None:
    """Also one that failed or was interrupted before its first step. A file keeps the targets of one another."""
    made = replace(plan(catalog(spec("a")), inventory()), target_name="eu")
    report = Report(made, (StepResult(made.steps[0], Outcome.DONE, bytes_sent=10),)) if has_report else None
    runs = [TargetRun("eu", outcome, report), TargetRun("us", TargetOutcome.UNCHANGED)]
    text = format_all(*measure_runs("apply", "base", runs, started=NOW, ended=LATER))
    eu, us = ({**OWN, "target": run.target} for run in runs)
    succeeded = outcome in (TargetOutcome.DONE, TargetOutcome.UNCHANGED)
    assert find(text, "last_run_success", **eu) == succeeded
    assert (find(text, "last_success_timestamp_seconds", **eu) is None) is not succeeded
    assert find(text, "uploaded_bytes", **eu) == (10 if has_report else None)
    assert find(text, "failures", **eu) == (0 if has_report else not succeeded)
    assert (find(text, "last_run_success", **us), find(text, "failures", **us)) == (1, 0)


def test_a_problem_of_a_target_is_a_failure() -> None:
    """Also if each step was done."""
    made = plan(catalog(spec("a")), inventory())
    report = Report(made, (StepResult(made.steps[0], Outcome.DONE),))
    run = TargetRun("eu", TargetOutcome.FAILED, report, problems=(Diagnostic("", 0, 0, "", "cannot write"),))
    text = format_all(*measure_runs("apply", "base", [run], started=NOW, ended=LATER))
    assert find(text, "failures", **{**OWN, "target": "eu"}) == 1


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_names_stay_in_their_labels(kind: str) -> None:
    """And are read back from an earlier file."""
    name = HOSTILE[kind]
    text = format_metrics(measures(catalog=name, target=name))
    assert {dict(labels)["command"] for _, labels in read(text)} == {"apply"}
    assert read(format_metrics(measures(succeeded=False, catalog="other"), text)).items() >= read(text).items()


@settings(deadline=None)
@given(st.text(st.characters(), min_size=1, max_size=30), st.text(st.characters(), min_size=1, max_size=30))
def test_any_name_is_kept_by_the_next_run(one: str, two: str) -> None:
    """The next run of another catalog does not lose it."""
    text = format_metrics(measures(catalog=one, target=two))
    assert len({labels for _, labels in read(text)}) == 1
    further = format_metrics(measures(catalog="another catalog"), text)
    assert read(further).items() >= read(text).items()


def test_the_page_has_every_metric_with_its_help() -> None:
    """In the order of the file."""
    assert re.findall(r"^\| `(imagesync_\w+)` \| (.*) \|$", PAGE, re.MULTILINE) == list(METRICS.items())


def test_the_alerts_use_metrics_and_labels_that_exist() -> None:
    """Of a plan and of an apply."""
    made = plan(catalog(spec("a")), inventory())
    text = format_metrics(measure_plan(made, started=NOW, ended=NOW))
    text += format_metrics(measure_report(Report(made, ()), command="apply", started=NOW, ended=NOW))
    written = set(re.findall(r"(\w+)=\"", text))
    assert {"catalog", "target", "command", "state", "action", "outcome"} == written
    rules = [rule for group in ALERTS["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) == 5
    for rule in rules:
        names = re.findall(r"imagesync_\w+", rule["expr"])
        assert names
        assert set(names) <= set(METRICS), rule["alert"]
        assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) <= written
        assert set(re.findall(r"(\w+)=\"", rule["expr"])) <= written
    assert all(outcome.value in text for outcome in Outcome)


def test_the_whole_text_of_a_file() -> None:
    """Metrics in their order, each with help and type; lines sorted; times with milliseconds, and numbers as they are."""
    samples = {
        "imagesync_images": {"unchanged": 3, "declared": 12},
        "imagesync_uploaded_bytes": {"": 12345678901234},
        "imagesync_failures": {"": 0},
    }
    earlier = format_metrics(measures(command="plan", succeeded=False, samples={"imagesync_images": {"owned": 1}}))
    text = format_metrics(measures(samples=samples, catalog='b"\\\n', ended=LATER), earlier)
    own = 'catalog="b\\"\\\\\\\\n",target="lab",command="apply"'
    other = 'catalog="base",target="lab",command="plan"'
    lines = {
        "imagesync_last_run_timestamp_seconds": [f"{{{own}}} 1795435290.500", f"{{{other}}} 1795435290.500"],
        "imagesync_last_success_timestamp_seconds": [f"{{{own}}} 1795435290.500"],
        "imagesync_last_run_duration_seconds": [f"{{{own}}} 90.500", f"{{{other}}} 90.500"],
        "imagesync_last_run_success": [f"{{{own}}} 1", f"{{{other}}} 0"],
        "imagesync_images": [
            f'{{{own},state="declared"}} 12',
            f'{{{own},state="unchanged"}} 3',
            f'{{{other},state="owned"}} 1',
        ],
        "imagesync_failures": [f"{{{own}}} 0"],
        "imagesync_uploaded_bytes": [f"{{{own}}} 12345678901234"],
    }
    expected = [
        line
        for name, found in lines.items()
        for line in (f"# HELP {name} {METRICS[name]}", f"# TYPE {name} gauge", *(f"{name}{one}" for one in found))
    ]
    assert text == "\n".join([*expected, ""])


def test_only_so_many_lines_of_other_runs_are_kept() -> None:
    """Else a file could grow without end. The last line counts only with its end."""
    line = 'imagesync_failures{{catalog="c{}",target="y",command="plan"}} 1\n'
    text = "".join(line.format(number) for number in range(MAX_KEPT_LINES + 2))
    kept = format_metrics(measures(), text)
    assert kept.count('catalog="c') == MAX_KEPT_LINES
    assert f'catalog="c{MAX_KEPT_LINES - 1}"' in kept
    fewer = format_metrics(measures(), line.format(1) + line.format(2).rstrip("\n"))
    assert ('catalog="c1"' in fewer, 'catalog="c2"' in fewer) == (True, False)


@pytest.mark.parametrize(
    ("value", "is_kept"),
    [
        ("-1", True),
        ("0.123456", True),
        ("9" * 18, True),
        ("9" * 19, False),
        ("1.1234567", False),
        ("+1", False),
        ("", False),
    ],
)
def test_a_kept_value_is_a_number_as_this_module_writes_it(value: str, is_kept: bool) -> None:
    """All others are of another program."""
    line = f'imagesync_failures{{catalog="x",target="y",command="plan"}} {value}\n'
    assert (line in format_metrics(measures(), line)) is is_kept


def make_busy_plan(**attrs: Any) -> Plan:
    """A plan whose counts all differ: 7 declared, 5 owned, 3 unchanged, 1 candidate, 2 retired."""
    wanted = catalog(*(spec(key) for key in "abcdefg"))
    found = inventory(
        *(live(spec(key)) for key in "abc"),
        *(live(spec(key, "b")) for key in "de"),
        candidate(spec("f")),
        *(retired(spec("a", digit), f"old-{digit}", days=1) for digit in "12"),
    )
    return replace(plan(wanted, found), **attrs)


def test_each_state_has_its_own_number() -> None:
    """Keys are counted at the start of the run; candidates and retired images are builds."""
    made = make_busy_plan()
    samples = measure_plan(made, started=NOW, ended=LATER).samples
    report = measure_report(Report(made, ()), command="apply", started=NOW, ended=LATER).samples
    assert samples["imagesync_images"] == report["imagesync_images"]
    assert samples["imagesync_images"] == {
        "declared": made.wanted,
        "owned": made.owned,
        "unchanged": made.unchanged,
        "candidate": len(made.candidates),
        "retired": len(made.kept),
    }
    assert len(set(samples["imagesync_images"].values())) == 5
    assert list(samples) == ["imagesync_images", "imagesync_pending_changes", "imagesync_failures"]


def test_every_kind_of_failure_of_a_report_counts() -> None:
    """Failed and interrupted steps, errors of keys, left-overs, and that the run stopped; skipped steps do not."""
    made = make_busy_plan(errors=(PlanError("x", Diagnostic("a", 1, 1, "", "gone")),) * 5)
    outcomes = (Outcome.FAILED, Outcome.INTERRUPTED, Outcome.SKIPPED, Outcome.DONE)
    results = tuple(StepResult(step, one, bytes_sent=2) for step, one in zip(made.steps[:4], outcomes, strict=True))
    report = Report(made, results, leftover=("a", "b"))
    found = measure_report(report, command="rotate", started=NOW, ended=LATER)
    assert found.samples["imagesync_failures"] == {"": 1 + 1 + 5 + 2}
    assert found.samples["imagesync_uploaded_bytes"] == {"": 8}
    assert (found.command, found.catalog, found.target, found.started, found.ended, found.succeeded) == (
        "rotate",
        "base",
        "./lab",
        NOW,
        LATER,
        False,
    )
    stopped = measure_report(replace(report, stopped="lost"), command="apply", started=NOW, ended=LATER)
    assert stopped.samples["imagesync_failures"] == {"": 1 + 1 + 5 + 2 + 1}
    done = Report(plan(catalog(spec("a")), inventory(live(spec("a")))), ())
    assert measure_report(done, command="apply", started=NOW, ended=LATER).succeeded


def test_the_labels_of_a_plan_are_those_of_its_target() -> None:
    """Its name, else the label of its place."""
    made = make_busy_plan()
    for name, target in ((None, "./lab"), ("eu", "eu")):
        found = measure_plan(replace(made, target_name=name), started=NOW, ended=LATER)
        assert (found.command, found.catalog, found.target, found.started, found.ended) == (
            "plan",
            "base",
            target,
            NOW,
            LATER,
        )
        assert found.succeeded


def test_each_target_of_a_drift_has_its_own_values() -> None:
    """One that could not be checked has failed."""
    drift = Drift("a", "id", ("name",), "x", "y", Remedy.DRIFT_ONLY)
    here = Identity("store", "/lab", "lab")
    found: dict[str, PlaceDrift | ImagesyncError] = {
        "eu": PlaceDrift(DriftReport((drift,) * 3, 5), here),
        "lost": Unavailable("no answer"),
        "us": PlaceDrift(DriftReport((), 9), here),
    }
    assert measure_drifts("base", found, started=NOW, ended=LATER) == (
        Measures("drift", "base", "eu", NOW, LATER, True, {"imagesync_drifted_values": {"": 3}}),
        Measures("drift", "base", "lost", NOW, LATER, False, {"imagesync_failures": {"": 1}}),
        Measures("drift", "base", "us", NOW, LATER, True, {"imagesync_drifted_values": {"": 0}}),
    )


def test_problems_and_refusals_of_a_target_add_up() -> None:
    """With the errors of its plan; a target without a plan has one failure, whatever number of problems it has."""
    problem = Diagnostic("", 0, 0, "", "no answer")
    made = make_busy_plan(errors=(PlanError("x", problem),) * 3, target_name="other")
    planned = [
        PlannedTarget("eu", made, problems=(problem,) * 2, refusals=("a", "b")),
        PlannedTarget("us", None, problems=(problem,) * 2),
    ]
    eu, us = measure_plans("base", planned, started=NOW, ended=LATER)
    assert (eu.target, eu.succeeded, eu.samples["imagesync_failures"]) == ("eu", False, {"": 3 + 1 + 2})
    assert us == Measures("plan", "base", "us", NOW, LATER, False, {"imagesync_failures": {"": 1}})
    report = Report(replace(made, errors=()), tuple(StepResult(step, Outcome.FAILED) for step in made.steps[:2]))
    run = TargetRun("eu", TargetOutcome.FAILED, report, problems=(problem,) * 4)
    (measured,) = measure_runs("adopt", "base", [run], started=NOW, ended=LATER)
    assert (measured.command, measured.target) == ("adopt", "eu")
    assert (measured.succeeded, measured.samples["imagesync_failures"]) == (False, {"": 2 + 4})


def test_after_a_failure_nothing_else_of_the_run_before_stays() -> None:
    """Only the time of its success; an alert about pending changes looks at the last run."""
    before = format_metrics(
        measures(samples={"imagesync_pending_changes": {"create": 1}, "imagesync_failures": {"": 3}})
    )
    failed = format_metrics(measures(succeeded=False), before)
    success = {name for name, _ in read(before)} - {name for name, _ in read(failed)}
    assert success == {"imagesync_pending_changes", "imagesync_failures"}
    assert find(failed, "last_success_timestamp_seconds", **OWN) is not None
    later = measures(ended=LATER + timedelta(hours=1))
    assert find(format_metrics(later, before), "last_success_timestamp_seconds", **OWN) == pytest.approx(
        later.ended.timestamp()
    )
