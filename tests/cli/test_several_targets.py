"""plan and apply of several targets: selection, one approval, one file, waves, files of results, and errors."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from imagesync.backends import open_backend
from imagesync.lease.record import USUAL
from imagesync.lease.taking import hold
from imagesync.planfile.writer import compute_digest
from tests import command
from tests.forked import run
from tests.samples import spell

MANIFEST = """\
version: 1
catalog: base
targets:
  eu: {store: eu}
  us: {store: us, wave: 1}
  lab: {store: lab, images: {b: {tags: [lab]}}}
defaults: {disk_format: raw, container_format: bare}
images: {a: {source: a.raw}, b: {source: b.raw}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A manifest of three stores and two images."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    for name in "ab":
        (tmp_path / f"{name}.raw").write_bytes(spell(name) * 2500)
    return tmp_path


def listed(folder: Path, store: str) -> dict[str, dict[str, Any]]:
    """The images of a store by key; none if it does not exist."""
    if not (folder / store).exists():
        return {}
    images = json.loads(run("list", "--store", store, "--format", "json", folder=folder).stdout)
    return {image["imagesync_key"]: image for image in images}


def read(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text())


def outcomes(path: Path) -> dict[str, str]:
    """The outcome of each target in a report."""
    return {one["target"]: one["outcome"] for one in read(path)["targets"]}


def test_equal_plans_are_shown_once_with_all_names(folder: Path) -> None:
    """And how many targets have changes."""
    result = run("plan", "m.yaml", "--all-targets", folder=folder)
    printed = result.stdout
    assert "eu, us: the same 2 changes\nCatalog base on targets eu (store eu), us (store us): 2 images" in printed
    assert "\n\nlab: 2 changes\nCatalog base on target lab (store lab): 2 images declared, 0 owned\n" in printed
    assert printed.endswith("\n\n3 targets: 3 with changes.\nIn total 6 to create. 29.3 KiB to upload.\n")
    assert printed.count("+ a  create") == 2
    assert result.stderr == "Note: stores eu, us, lab do not exist yet; apply creates them\n"
    assert not any((folder / store).exists() for store in ("eu", "us", "lab"))


def test_targets_that_are_named_are_applied_and_no_other(folder: Path) -> None:
    """In the order of the manifest."""
    printed = run("apply", "m.yaml", "--target", "lab", "--target", "eu", "--yes", folder=folder).stdout
    assert "eu, lab:\n  Applied: 2 created. 9.8 KiB uploaded.\n2 targets: 2 done.\n" in printed
    assert [set(listed(folder, store)) for store in ("eu", "us", "lab")] == [{"a", "b"}, set(), {"a", "b"}]
    assert listed(folder, "lab")["b"]["tags"] == ["lab"]
    again = run("apply", "m.yaml", "--all-targets", "--yes", folder=folder).stdout
    assert "\nus:\n  Applied: 2 created." in again
    assert again.endswith("\n3 targets: 1 done, 2 unchanged.\n")
    planned = run("plan", "m.yaml", "--all-targets", "--detailed-exitcode", folder=folder).stdout
    assert planned == "eu, us, lab: no changes\n\n3 targets: 3 without changes.\n"
    assert run("apply", "m.yaml", "--all-targets", folder=folder).stdout == planned


def test_one_question_for_all_targets(folder: Path) -> None:
    """It names those with changes. Without consent nothing is created but the stores."""
    run("apply", "m.yaml", "--target", "eu", "--yes", folder=folder)
    words = ("apply", "m.yaml", "--all-targets")
    result = command.run(*words, folder=folder, typed="n\n", code=1)
    assert "Apply 4 steps to 2 targets (us, lab)? [y/N]" in result.output
    assert result.output.count("Apply ") == 1
    assert "Note: stores us, lab created" in result.output
    assert "Not applied; no image was changed." in result.output
    assert [set(listed(folder, store)) for store in ("us", "lab")] == [set(), set()]
    command.run(*words, folder=folder, typed="y\n")
    assert [set(listed(folder, store)) for store in ("us", "lab")] == [{"a", "b"}, {"a", "b"}]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--target", "eu", "--all-targets"], "--target and --all-targets exclude each other"),
        (["--target", "eu", "--target", "eu"], "--target eu is given twice"),
        (["--all-targets", "--cloud", "x"], "--all-targets and --cloud exclude each other: each selects a place"),
        (["--target", "eu", "--target", "us", "--store", "x"], "--target and --store exclude each other"),
        (["--target", "eu", "--target", "nope"], "there is no target 'nope'"),
        (["--target", "eu", "--parallel-targets", "2"], "--parallel-targets has no effect on a run of one target"),
        (["--store", "x", "--max-failed-targets", "1"], "--max-failed-targets has no effect on a run of one target"),
        (["--store", "x", "--spool", "off"], "--spool has no effect on a run of one target"),
        (["--store", "x", "--spool-limit", "1"], "--spool-limit has no effect on a run of one target"),
        (["--all-targets", "--spool", "off", "--spool-limit", "1G"], "--spool-limit has no effect with --spool off"),
        (["--all-targets", "--spool-limit", "much"], "--spool-limit much: not a size"),
        (["--all-targets", "--max-failed-targets", "x"], "--max-failed-targets x: not a number or a percentage"),
        (["--all-targets", "--spool", "nowhere"], "no temporary file can be written in nowhere"),
        (["--all-targets", "--set", "x=1"], "x"),
        (["--all-targets", "--only", "nope"], "--only nope: no such key"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_before_anything_happens(
    folder: Path, words: list[str], message: str
) -> None:
    """With exit code 64."""
    result = run("apply", "m.yaml", "--yes", *words, folder=folder, code=64)
    assert message in result.stderr
    assert not any((folder / store).exists() for store in ("eu", "us", "lab", "x"))


def test_all_targets_of_a_manifest_without_targets_is_an_error(folder: Path) -> None:
    """There is nothing to select."""
    (folder / "m.yaml").write_text(MANIFEST.partition("targets:")[0] + "images: {a: {source: none}}\n")
    assert "the manifest declares no targets" in run("plan", "m.yaml", "--all-targets", folder=folder, code=64).stderr


@pytest.mark.parametrize("other", ["eu", "./eu/../eu", "link"])
def test_two_targets_that_are_one_place_are_refused(folder: Path, other: str) -> None:
    """Each would undo what the other does. Links are followed."""
    (folder / "eu").mkdir()
    (folder / "link").symlink_to("eu")
    (folder / "m.yaml").write_text(MANIFEST.replace("store: us", f"store: {other}"))
    result = run("apply", "m.yaml", "--all-targets", "--yes", folder=folder, code=64)
    assert "targets eu and us are the same place: store " in result.stderr
    assert os.listdir(folder / "eu") == []


def test_problems_of_one_target_stop_only_that_target(folder: Path) -> None:
    """It counts as failed, so the next wave does not start."""
    (folder / "m.yaml").write_text(MANIFEST.replace("tags: [lab]", "tags: ['${nope}']"))
    run("apply", "m.yaml", "--all-targets", "--yes", "-o", "report.json", folder=folder, code=1)
    assert outcomes(folder / "report.json") == {"eu": "done", "us": "not-started", "lab": "failed"}
    (problem,) = read(folder / "report.json")["targets"][2]["problems"]
    assert (problem["file"], problem["line"], problem["where"]) == ("m.yaml", 6, "images.b.tags[0]")
    (late,) = read(folder / "report.json")["targets"][1]["problems"]
    assert late["message"] == "wave 1 was not started, because of failed targets before it: lab"
    words = ("apply", "m.yaml", "--all-targets", "--yes", "--max-failed-targets", "1", "-o", "report.json")
    assert "3 targets: 1 done, 1 unchanged, 1 failed (lab)." in run(*words, folder=folder, code=1).stdout


def test_the_ids_of_a_target_that_was_not_started_are_written(folder: Path) -> None:
    """Those that stay current by its plan; a target whose images are unknown has no entry."""
    words = ("apply", "m.yaml", "--all-targets", "--yes", "--ids", "ids.json")
    run(*words, folder=folder)
    before = read(folder / "ids.json")
    assert all(sorted(before[target]) == ["a", "b"] for target in ("eu", "us", "lab"))
    (folder / "m.yaml").write_text(MANIFEST.replace("tags: [lab]", "tags: ['${nope}']").replace("wave: 1", "wave: 2"))
    (folder / "a.raw").write_bytes(b"new\0" * 500)
    run(*words, folder=folder, code=1)
    after = read(folder / "ids.json")
    assert (after["us"], sorted(after)) == ({"b": before["us"]["b"]}, ["eu", "us"])
    assert after["eu"]["a"] != before["eu"]["a"]


def test_problems_of_all_targets_are_shown_once(folder: Path) -> None:
    """And nothing is opened."""
    (folder / "m.yaml").write_text(MANIFEST.replace("a.raw", "missing.raw"))
    result = run("apply", "m.yaml", "--all-targets", "--yes", folder=folder, code=1)
    assert result.stderr.count("missing.raw") == 1
    assert "1 problem in the manifests" in result.stderr
    assert not (folder / "eu").exists()


def test_a_target_without_a_key_of_only_is_left_out(folder: Path) -> None:
    """The note says so. Targets that have one are applied."""
    (folder / "m.yaml").write_text(MANIFEST.replace("{store: us, wave: 1}", "{store: us, only: [a]}"))
    result = run("apply", "m.yaml", "--all-targets", "--only", "b", "--yes", folder=folder)
    assert "Note: target us is left out: --only b: no such key on target us" in result.stderr
    assert result.stdout.endswith("2 targets: 2 done.\n")


def test_a_file_of_plans_is_shown_and_applied(folder: Path) -> None:
    """Whole, or only for some targets; each plan exactly."""
    planned = run("plan", "m.yaml", "--all-targets", "-o", "plans.json", folder=folder).stdout
    assert run("show", "plans.json", folder=folder).stdout == planned
    assert [one["target"] for one in read(folder / "plans.json")["targets"]] == ["eu", "us", "lab"]
    printed = run("apply", "plans.json", "--target", "us", "--target", "lab", "--yes", folder=folder).stdout
    assert printed.endswith("2 targets: 2 done.\n")
    assert [set(listed(folder, store)) for store in ("eu", "us", "lab")] == [set(), {"a", "b"}, {"a", "b"}]
    result = run("apply", "plans.json", "--yes", "-o", "report.json", folder=folder, code=1)
    assert outcomes(folder / "report.json") == {"eu": "done", "us": "failed", "lab": "failed"}
    assert "the plan is stale" in result.stdout
    assert "has no plan for target x" in run("apply", "plans.json", "--target", "x", folder=folder, code=64).stderr


def test_a_target_whose_plan_was_refused_is_not_applied_from_the_file(folder: Path) -> None:
    """The limits are not asked again: the file says that this plan exceeds them."""
    run("apply", "m.yaml", "--target", "us", "--yes", folder=folder)
    (folder / "m.yaml").write_text(MANIFEST.replace("container_format: bare", "container_format: bare, min_ram: 9"))
    before = listed(folder, "us")
    run("plan", "m.yaml", "--all-targets", "--max-update", "1", "-o", "plans.json", folder=folder, code=1)
    run("apply", "plans.json", "--yes", "--max-failed-targets", "3", "-o", "report.json", folder=folder, code=1)
    assert outcomes(folder / "report.json") == {"eu": "done", "us": "failed", "lab": "done"}
    assert listed(folder, "us") == before
    (problem,) = read(folder / "report.json")["targets"][1]["problems"]
    assert "the limit is 1" in problem["message"]


def test_the_plan_of_one_target_is_no_file_of_several(folder: Path) -> None:
    """The error names the options."""
    run("plan", "m.yaml", "--target", "eu", "-o", "plan.json", folder=folder)
    result = run("apply", "plan.json", "--all-targets", "--yes", folder=folder, code=64)
    assert result.stderr == "imagesync: plan.json is the plan of one target; remove --target or --all-targets\n"


def test_a_target_without_a_plan_in_the_file_has_failed(folder: Path) -> None:
    """With the problems that the plan had."""
    (folder / "m.yaml").write_text(MANIFEST.replace("store: lab,", "cloud: gone,"))
    assert (
        "lab: stopped by an error"
        in run("plan", "m.yaml", "--all-targets", "-o", "plans.json", folder=folder, code=1).stdout
    )
    run("apply", "plans.json", "--yes", "-o", "report.json", folder=folder, code=1)
    assert outcomes(folder / "report.json") == {"eu": "done", "us": "not-started", "lab": "failed"}
    (problem,) = read(folder / "report.json")["targets"][2]["problems"]
    assert "cloud gone is not defined" in problem["message"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["targets"].pop(), "was altered after it was made: its digest does not match its content"),
        (lambda d: d["targets"][0].update(wave=9), "was altered after it was made"),
        (lambda d: d.pop("digest"), "is not a saved plan: the document does not match the schema"),
        (lambda d: d.update(format_version=2), "has format_version 2; this imagesync reads 1"),
        (lambda d: d.update(targets=[]), "does not match the schema"),
    ],
)
def test_an_altered_file_of_plans_is_refused(folder: Path, change: Any, message: str) -> None:
    """Nothing is opened."""
    run("plan", "m.yaml", "--all-targets", "-o", "plans.json", folder=folder)
    document = read(folder / "plans.json")
    change(document)
    (folder / "plans.json").write_text(json.dumps(document))
    assert message in run("apply", "plans.json", "--yes", folder=folder, code=64).stderr
    assert not (folder / "eu").exists()


def test_a_file_with_the_plan_of_another_target_is_refused(folder: Path) -> None:
    """Its name would be wrong in each report."""
    run("plan", "m.yaml", "--all-targets", "-o", "plans.json", folder=folder)
    document = read(folder / "plans.json")
    document["targets"][0]["target"] = "other"
    (folder / "plans.json").write_text(json.dumps({**document, "digest": compute_digest(document)}))
    output = run("apply", "plans.json", "--yes", folder=folder, code=64).stderr
    assert "target other has the plan of another" in output
    assert not (folder / "eu").exists()


def test_a_file_in_which_two_targets_are_one_place_is_refused(folder: Path) -> None:
    """Nothing is opened."""
    run("plan", "m.yaml", "--all-targets", "-o", "plans.json", folder=folder)
    document = read(folder / "plans.json")
    other = json.loads(json.dumps(document["targets"][0]["plan"]))
    other["manifest"]["target"] = "us"
    document["targets"][1]["plan"] = {**other, "digest": compute_digest(other)}
    (folder / "plans.json").write_text(json.dumps({**document, "digest": compute_digest(document)}))
    output = run("apply", "plans.json", "--yes", folder=folder, code=64).stderr
    assert "targets eu and us are the same place: store eu" in output
    assert not (folder / "eu").exists()
    run("apply", "plans.json", "--target", "lab", "--yes", folder=folder)


def test_files_of_results_have_every_target(folder: Path) -> None:
    """The report, the ids, the events."""
    words = (
        "apply",
        "m.yaml",
        "--all-targets",
        "--yes",
        "-o",
        "report.json",
        "--ids",
        "ids.json",
        "--events",
        "events",
    )
    run(*words, folder=folder)
    ids = read(folder / "ids.json")
    assert {name: set(found) for name, found in ids.items()} == {name: {"a", "b"} for name in ("eu", "us", "lab")}
    assert ids["eu"]["a"] == listed(folder, "eu")["a"]["id"]
    report = read(folder / "report.json")
    assert (report["catalog"], report["succeeded"]) == ("base", True)
    assert [one["wave"] for one in report["targets"]] == [0, 1, 0]
    assert report["targets"][1]["report"]["ids"] == ids["us"]
    events = [json.loads(line) for line in (folder / "events").read_text().splitlines()]
    for name in ("eu", "us", "lab"):
        of_target = [event["event"] for event in events if event["target"] == name]
        assert (of_target[0], of_target[-1], of_target.count("finished")) == ("run-started", "run-finished", 2)
    ends = [index for index, event in enumerate(events) if event["event"] == "run-finished"]
    first_of_us = next(i for i, event in enumerate(events) if (event["target"], event["event"]) == ("us", "started"))
    assert first_of_us > ends[1]  # the second wave


def test_the_plan_writes_the_ids_of_each_target(folder: Path) -> None:
    """None before the first apply."""
    run("apply", "m.yaml", "--target", "eu", "--yes", folder=folder)
    run("plan", "m.yaml", "--all-targets", "--ids", "ids.json", folder=folder)
    assert {name: len(found) for name, found in read(folder / "ids.json").items()} == {"eu": 2, "us": 0, "lab": 0}


def test_a_plan_beyond_a_limit_stops_only_its_target(folder: Path) -> None:
    """The refusal is in the plan and in the report."""
    run("apply", "m.yaml", "--all-targets", "--yes", folder=folder)
    (folder / "m.yaml").write_text(MANIFEST.replace("tags: [lab]", "tags: [other]"))
    words = ("m.yaml", "--all-targets", "--max-update", "0")
    assert "Error: the plan would update 1 of 2 live images" in run("plan", *words, folder=folder, code=1).stdout
    run("apply", *words, "--yes", "-o", "report.json", folder=folder, code=1)
    assert outcomes(folder / "report.json") == {"eu": "unchanged", "us": "unchanged", "lab": "failed"}
    assert listed(folder, "lab")["b"]["tags"] == ["lab"]


def test_another_run_that_holds_the_lease_stops_only_its_target(folder: Path) -> None:
    """The command that breaks the lease names the target."""
    run("apply", "m.yaml", "--all-targets", "--yes", folder=folder)
    (folder / "a.raw").write_bytes(spell("c") * 2500)
    with (
        open_backend(store=folder / "lab") as backend,
        hold(backend, "base", timeout=0, times=USUAL, unlock="", warn=print),
    ):
        words = ("apply", "m.yaml", "--all-targets", "--yes", "--lock-timeout", "0", "-o", "report.json")
        printed = run(*words, folder=folder, code=1).stdout
    assert outcomes(folder / "report.json") == {"eu": "done", "us": "not-started", "lab": "failed"}
    assert "imagesync unlock m.yaml --target lab" in printed


def events_of(folder: Path, target: str) -> list[str]:
    """The kinds of the events of a target, in order."""
    events = [json.loads(line) for line in (folder / "events").read_text().splitlines()]
    return [event["event"] for event in events if event.get("target") == target]


def ends_of(folder: Path) -> dict[str, tuple[str, str | None]]:
    """The outcome of each target and its reason, from the last events; AssertionError if a target has two."""
    events = [json.loads(line) for line in (folder / "events").read_text().splitlines()]
    last = [event for event in events if event["event"] == "run-finished"]
    assert len({event.get("target") for event in last}) == len(last)
    return {event.get("target", ""): (event["outcome"], event["error"]) for event in last}


@pytest.mark.parametrize("alone", [True, False])
def test_a_target_has_all_jobs_if_no_other_target_can_use_them(folder: Path, alone: bool) -> None:
    """Because one target works at a time, or the others have nothing to do."""
    (folder / "m.yaml").write_text(MANIFEST.replace(", wave: 1", ""))
    if not alone:
        run("apply", "m.yaml", "--target", "eu", "--target", "us", "--yes", folder=folder)
    words = ("apply", "m.yaml", "--all-targets", "--jobs", "3", "--events", "events")
    command.run(*words, *(["--parallel-targets", "1"] if alone else []), folder=folder, typed="y\n")
    assert events_of(folder, "lab")[:3] == ["run-started", "started", "started"]


@pytest.mark.parametrize("typed", ["n\n", "\x04"])
def test_a_run_that_is_not_approved_has_a_last_event_for_each_target(folder: Path, typed: str) -> None:
    """A reader of events waits for no more. After ^D the file of ids has those that the plan keeps."""
    run("apply", "m.yaml", "--target", "eu", "--yes", folder=folder)
    (folder / "a.raw").write_bytes(spell("c") * 2500)
    words = ("apply", "m.yaml", "--all-targets", "--events", "events", "--ids", "ids.json", "-o", "report.json")
    command.run(*words, folder=folder, typed=typed, code=1 if typed == "n\n" else 130)
    assert {name: outcome for name, (outcome, _) in ends_of(folder).items()} == dict.fromkeys(
        ("eu", "us", "lab"), "not-started"
    )
    if typed == "n\n":
        assert ends_of(folder)["eu"][1] == "not approved"
    else:
        assert outcomes(folder / "report.json") == dict.fromkeys(("eu", "us", "lab"), "not-started")
        assert set(read(folder / "ids.json")["eu"]) == {"b"}


def test_a_run_that_cannot_ask_has_a_last_event_for_each_target(folder: Path) -> None:
    """With the reason."""
    run("apply", "m.yaml", "--all-targets", "--events", "events", folder=folder, code=64)
    assert {name: outcome for name, (outcome, _) in ends_of(folder).items()} == dict.fromkeys(
        ("eu", "us", "lab"), "not-started"
    )
    assert "--yes" in str(ends_of(folder)["lab"][1])


def test_a_run_with_wrong_manifests_has_one_event(folder: Path) -> None:
    """As a run of one target."""
    (folder / "m.yaml").write_text(MANIFEST.replace("a.raw", "missing.raw"))
    run("apply", "m.yaml", "--all-targets", "--yes", "--events", "events", folder=folder, code=1)
    assert set(ends_of(folder)) == {""}
    assert "missing.raw" in str(ends_of(folder)[""][1])


def test_a_target_that_was_not_started_keeps_its_ids(folder: Path) -> None:
    """Because its images are as before."""
    run("apply", "m.yaml", "--all-targets", "--yes", folder=folder)
    (folder / "m.yaml").write_text(MANIFEST.replace("tags: [lab]", "tags: ['${nope}']"))
    run("apply", "m.yaml", "--all-targets", "--yes", "--ids", "ids.json", folder=folder, code=1)
    assert {name: len(ids) for name, ids in read(folder / "ids.json").items()} == {"eu": 2, "us": 2}


def test_after_a_signal_no_further_target_begins(folder: Path) -> None:
    """Not even to take its lease: one target works at a time, and the first waits for its lease."""
    (folder / "m.yaml").write_text(MANIFEST.replace(", wave: 1", ""))
    run("apply", "m.yaml", "--target", "eu", "--yes", folder=folder)
    (folder / "a.raw").write_bytes(spell("c") * 2500)
    words = ("apply", "m.yaml", "--all-targets", "--yes", "--parallel-targets", "1", "-o", "report.json")
    with (
        open_backend(store=folder / "eu") as backend,
        hold(backend, "base", timeout=0, times=USUAL, unlock="", warn=print),
        command.start(*words, folder=folder) as process,
    ):
        process.wait_for("eu: catalog base is locked by another run")
        process.terminate()
        assert process.wait().code == 143
    assert outcomes(folder / "report.json") == {"eu": "interrupted", "us": "not-started", "lab": "not-started"}
    with open_backend(store=folder / "us") as backend:
        assert list(backend.leases("base")) == []


HANGING = """
import signal, time
from dataclasses import replace
from pathlib import Path
from imagesync.cli.origins import Origin
from imagesync.cli.outputs import Outputs
from imagesync.cli.result_options import Copies, ResultForm, Results
from imagesync.cli.several import SeveralRuns
from imagesync.cli.targets import StoreNotes
from imagesync.model.report import Started
from imagesync.targets.messages import RUN, Verb, encode_event
from imagesync.cli.targets import StoreNotes
from imagesync.targets.run import TargetRuns
from tests.unit.targets.scripted_carrier import ScriptedCarrier, plan_for

class Hanging(ScriptedCarrier):
    def events(self, seconds):
        if self._queue or (self._script and (len(self._script) == 3 or self.applied())):
            return super().events(seconds)
        time.sleep(seconds)
        return []

carrier, made = Hanging(), plan_for("eu", "a", "b")
files = Results(out=Path("report.json"), ids=Path("ids.json"), events=Path("events"))
outputs = Outputs("apply", ResultForm.TEXT, Copies(), Origin(Path()))
def begin():
    carrier.answer("eu", Verb.APPLY, {"event": RUN})
    carrier.answer("eu", Verb.APPLY, encode_event(Started(made.steps[0])))
carrier.then(lambda: carrier.planned(made, plan_for("us")), begin, lambda: print("hanging", file=__import__("sys").stderr))
with SeveralRuns(files, outputs, StoreNotes(), yes=True, is_quiet=False) as front:
    waves = {"eu": 0, "us": 0, "lab": 1}
    front.finish(TargetRuns(carrier, waves, front, cancelled=front.cancelled), "base")
"""
"""A run of three targets: a step of the first hangs forever, the second has nothing to do, the third is never planned."""


def test_a_second_signal_ends_the_run_of_all_targets(tmp_path: Path) -> None:
    """The files have every target."""
    with command.start(program=("-c", HANGING), folder=tmp_path) as process:
        process.wait_for("hanging")
        os.kill(process.pid, signal.SIGINT)
        process.wait_for("again to stop at once.")
        os.kill(process.pid, signal.SIGINT)
        assert process.wait().code == 130
    expected = {"eu": "interrupted", "us": "unchanged", "lab": "not-started"}
    assert outcomes(tmp_path / "report.json") == expected
    assert {name: outcome for name, (outcome, _) in ends_of(tmp_path).items()} == expected


ENDING = """
import os, signal, sys
from pathlib import Path
from imagesync.cli import app
from imagesync.cli.origins import Origin
from imagesync.cli.outputs import Outputs
from imagesync.cli.result_options import Copies, ResultForm, Results
from imagesync.cli.several import SeveralRuns
from imagesync.cli.targets import StoreNotes
from imagesync.errors import Bug
from imagesync.model.report import Outcome
from imagesync.targets.messages import Verb, encode_ended
from imagesync.targets.run import TargetRuns
from tests.unit.targets.scripted_carrier import ScriptedCarrier, plan_for

words = sys.argv[1:]
carrier, eu, us = ScriptedCarrier(), plan_for("eu", "a"), plan_for("us", "a")
carrier.then(lambda: carrier.planned(eu, us))
if "signal" in words:
    carrier.then(lambda: os.kill(os.getpid(), signal.SIGTERM))
if "bug" in words:
    carrier.then(lambda: carrier.answer("eu", Verb.APPLY, encode_ended(bug="KeyError: 1")))
else:
    stops = {"outcome": Outcome.INTERRUPTED, "interrupted": True} if "open" in words else {}
    carrier.then(lambda: carrier.done(eu, **stops))
carrier.then(lambda: carrier.done(us))
outputs = Outputs("apply", ResultForm.TEXT, Copies(), Origin(Path()))
try:
    with SeveralRuns(Results(), outputs, StoreNotes(), yes=True, is_quiet=False) as front:
        code = front.finish(TargetRuns(carrier, {"eu": 0, "us": 0}, front, cancelled=front.cancelled), "base")
except Bug:
    code = 3
raise SystemExit(code)
"""
"""A run of two targets whose end depends on the words: a signal, a bug, steps that are left open."""


@pytest.mark.parametrize(
    ("words", "code"),
    [([], 0), (["bug"], 3), (["signal", "open"], 143), (["signal"], 0), (["signal", "bug"], 143)],
)
def test_a_signal_comes_before_a_bug_and_a_bug_before_a_failure(words: list[str], code: int) -> None:
    """A signal after the last step changes nothing. A log of the bug is written in each case."""
    with command.start(*words, program=("-c", ENDING)) as process:
        result = process.wait()
    assert result.code == code, result.output
    assert ("imagesync has a bug" in result.stderr) == (words == ["signal", "bug"])
