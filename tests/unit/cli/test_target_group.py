"""What a command for several targets asks of each, and what it prints and writes; on stores, in this process."""

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imagesync.backends.base import Backend, MissingStore
from imagesync.cli.approval import Approval
from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.fleet_options import FleetOptions
from imagesync.cli.options import Options
from imagesync.cli.origins import Origin
from imagesync.cli.outputs import Outputs
from imagesync.cli.result_options import Copies, ResultForm, Results
from imagesync.cli.several import apply_targets, plan_targets
from imagesync.cli.several_subjects import Subjects
from imagesync.cli.target_group import Group
from imagesync.cli.target_options import SharingOptions, TargetChoice
from imagesync.errors import Bug, ImagesyncError, UsageError
from imagesync.model.catalog import Catalog, Target
from imagesync.model.plan import Plan
from imagesync.model.policy import Limit, Policy
from imagesync.planning.context import PlanInput
from imagesync.planning.planner import make_plan
from imagesync.planning.staging import stage_plan
from imagesync.run import Settings
from imagesync.sources import SourceAccess
from imagesync.targets.carrier import Carrier
from imagesync.targets.messages import Task, Verb
from imagesync.workflow import Maker
from tests.unit.factories import TARGET, catalog, inventory, plan, spec

MANIFEST = """\
version: 1
catalog: base
defaults: {disk_format: raw, container_format: bare}
targets:
  us: {store: us, wave: 1}
  eu: {store: eu}
  ap: {store: ap, only: [b]}
images: {a: {source: a.raw}, b: {source: b.raw}}
"""
FIELDS = "      visibility  private\n      format      raw in bare\n"
CREATE_A, CREATE_B = (f"  + {key}  create  1000 B from {key}.raw\n{FIELDS}" for key in "ab")


class GroupFolder:
    """A working directory with a manifest and its sources."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.files = folder, {name: folder / "files" / name for name in ("out", "ids", "also", "events")}
        (folder / "files").mkdir()
        self.write()
        for name in "ab":
            (folder / f"{name}.raw").write_bytes(b"\xf8" * 1000)

    def write(self, text: str = MANIFEST) -> None:
        """The manifest."""
        (self.folder / "m.yaml").write_text(text)

    def group(self, *targets: str, options: Options | None = None, make: Maker = make_plan, **attrs: Any) -> Group:
        """What a command for these targets, or for all, was asked."""
        chosen = attrs.pop("chosen", TargetChoice(list(targets), all_targets=not targets))
        is_quiet = attrs.pop("is_quiet", False)
        return Group(Path("m.yaml"), options or Options(), chosen, make, SourceAccess(), is_quiet, **attrs)

    def outputs(self, command: str, form: ResultForm = ResultForm.TEXT) -> Outputs:
        """The outputs, with a copy as text."""
        made = Outputs(command, form, Copies([f"text={self.files['also']}"]), Origin(Path("m.yaml"), is_several=True))
        made.check()
        return made

    def plan(self, *targets: str, detailed_exitcode: bool = False, **attrs: Any) -> ExitCode:
        """Plan the targets."""
        group, out, ids = self.group(*targets, **attrs), self.files["out"], self.files["ids"]
        return plan_targets(group, self.outputs("plan"), out, ids, detailed_exitcode=detailed_exitcode)

    def apply(self, *targets: str, sharing: SharingOptions | None = None, **attrs: Any) -> ExitCode:
        """Apply the targets without a question."""
        group = self.group(*targets, approval=Approval(yes=True), **attrs)
        results = Results(out=self.files["out"], ids=self.files["ids"], events=self.files["events"])
        return apply_targets(group, results, self.outputs("apply"), Settings(), sharing or SharingOptions())

    def read(self, name: str) -> Any:
        """The JSON of a file."""
        return json.loads(self.files[name].read_text())

    def outcomes(self) -> dict[str, str]:
        """By target, in the report."""
        return {one["target"]: one["outcome"] for one in self.read("out")["targets"]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GroupFolder:
    """Nothing is applied."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return GroupFolder(tmp_path)


# ------------------------------------------------------------------------------------------------------------ orders


def test_an_order_has_what_the_command_was_asked(folder: GroupFolder) -> None:
    """Its settings, its maker, its limits, and an absolute folder."""
    options = Options(max_delete="7", destroy=True, set_values=["a=b"], only=["a"])
    access, settings = SourceAccess(("h.example",)), Settings(jobs=3)
    group = replace(folder.group(options=options, make=stage_plan), access=access)
    order = group.make_order(MissingStore.EMPTY, settings, Path("files"), accepts_changes=True)
    assert (order.make, order.settings, order.access) == (stage_plan, settings, access)
    assert (order.folder, order.accepts_changes) == (str(folder.folder / "files"), True)
    assert order.limit(Policy()) == Policy(max_delete=Limit(7, percent=False), allow_destroy=True)
    assert order.unlock("eu west") == "imagesync unlock m.yaml --target 'eu west' --set a=b"
    assert order.find_reviewed("eu") is None
    usual = group.make_order(MissingStore.EMPTY, settings)
    assert (usual.folder, usual.accepts_changes) == (str(folder.folder), False)


def test_a_reviewed_plan_is_that_of_its_target(folder: GroupFolder) -> None:
    """For a target that the file does not have it is an error."""
    folder.plan()
    group = folder.group(approval=Approval(reviewed=folder.files["out"]))
    order = group.make_order(MissingStore.EMPTY, Settings())
    found = order.find_reviewed("ap")
    assert found is not None
    assert (found.target_name, [step.action.key for step in found.steps]) == ("ap", ["b"])
    with pytest.raises(UsageError, match="has no reviewed plan for target xx"):
        order.find_reviewed("xx")


@pytest.mark.parametrize("kind", ["catalog", "plan"])
@pytest.mark.parametrize("is_quiet", [False, True])
@pytest.mark.parametrize("missing", [MissingStore.EMPTY, MissingStore.CREATE])
def test_a_store_that_does_not_exist_is_noted_for_its_target(
    folder: GroupFolder, capsys: pytest.CaptureFixture[str], kind: str, is_quiet: bool, missing: MissingStore
) -> None:
    """Later, in one line. A quiet command does not say that one was created."""
    group = folder.group(is_quiet=is_quiet)
    order = group.make_order(missing, Settings())
    for name in ("us", "eu"):
        subject: Catalog | Plan = catalog(spec("a"), target=Target(name, store=str(folder.folder / name)))
        if kind == "plan":
            place = replace(TARGET, location=str(folder.folder / name))
            subject = replace(plan(catalog(spec("a")), inventory()), target=place, target_name=name)
        with order.open_target(subject) as backend:
            assert backend.identity().location == str(folder.folder / name)
    assert capsys.readouterr().err == ""
    group.stores.say(["eu", "xx"])
    group.stores.say(["eu", "us"])
    is_created = missing is MissingStore.CREATE
    notes = {
        True: ["Note: store eu created", "Note: store us created"] * (not is_quiet),
        False: [f"Note: store {name} does not exist yet; apply creates it" for name in ("eu", "us")],
    }[is_created]
    assert capsys.readouterr().err.splitlines() == notes
    assert (folder.folder / "eu").exists() is is_created


def test_on_a_fleet_nothing_is_shared_and_no_source_is_read_here(folder: GroupFolder) -> None:
    """Options about downloads are refused before any connection."""
    group = folder.group(fleet=FleetOptions("tls://127.0.0.1:1"))
    subjects = group.read_subjects()
    found = [one for one in subjects.by_target.values() if isinstance(one, Catalog)]
    assert {image.fingerprint.digests for one in found for image in one.images} == {()}
    order = group.make_order(MissingStore.EMPTY, Settings())
    with pytest.raises(UsageError, match="--spool has no effect with --on"):
        group.open_carrier(subjects, order, SharingOptions(spool="off")).__enter__()
    assert folder.group().read_subjects().by_target["eu"] != subjects.by_target["eu"]


def wait(carrier: Carrier, verb: Verb, *names: str) -> None:
    """Let a carrier do the same for targets."""
    left = set(names)
    for name in names:
        carrier.submit(Task(name, verb))
    while left:
        left -= {one.target for one in carrier.events(1.0) if one.event == "ended"}


class OpenedBackend:
    """A backend that remembers whether it was closed."""

    def __init__(self, backend: Backend) -> None:
        self._backend, self.is_closed = backend, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def __exit__(self, *_error: object) -> None:
        self._backend.__exit__(None, None, None)
        self.is_closed = True


def test_backends_are_open_until_the_end(folder: GroupFolder) -> None:
    """Of the plan and the run of each target; then all are closed, also after an error."""
    group = folder.group()
    order, opened = group.make_order(MissingStore.CREATE, Settings()), list[Any]()

    def open_target(subject: Catalog | Plan) -> Any:
        opened.append(OpenedBackend(order.open_target(subject)))
        return opened[-1]

    def run() -> None:
        with group.open_carrier(group.read_subjects(), replace(order, open_target=open_target), None) as carrier:
            wait(carrier, Verb.PLAN, "us", "eu")
            assert [one.is_closed for one in opened] == [False, False]
            raise ImagesyncError("no answer")

    with pytest.raises(ImagesyncError, match="no answer"):
        run()
    assert [one.is_closed for one in opened] == [True, True]


@pytest.mark.parametrize("parallel", [1, None])
def test_as_many_targets_work_at_a_time_as_the_options_say(folder: GroupFolder, parallel: int | None) -> None:
    """All, or one."""
    barrier, most, running = threading.Barrier(3 if parallel is None else 1, timeout=60), list[int](), list[int]()

    def make(given: PlanInput) -> Plan:
        running.append(1)
        most.append(len(running))
        barrier.wait()
        running.pop()
        return make_plan(given)

    group = folder.group(make=make, chosen=TargetChoice(all_targets=True, parallel_targets=parallel))
    order = group.make_order(MissingStore.EMPTY, Settings())
    with group.open_carrier(group.read_subjects(), order, None) as carrier:
        wait(carrier, Verb.PLAN, "us", "eu", "ap")
    assert max(most) <= (3 if parallel is None else 1)


def test_sources_are_shared_by_the_targets_of_a_run(folder: GroupFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """In the folder of --spool; a plan alone shares nothing."""
    group = folder.group()
    order = group.make_order(MissingStore.EMPTY, Settings())
    subjects = group.read_subjects()
    sharing = SharingOptions(spool=str(folder.folder / "none"))
    with pytest.raises(UsageError, match="no temporary file can be written in"):
        group.open_carrier(subjects, order, sharing).__enter__()
    for one in (None, SharingOptions(spool="off"), SharingOptions(spool=str(folder.folder))):
        with group.open_carrier(subjects, order, one) as carrier:
            wait(carrier, Verb.PLAN, "us", "eu")
    assert capsys.readouterr().err == ""


# ------------------------------------------------------------------------------------------------------------- plans


def test_the_plans_of_all_targets_are_printed_and_saved(
    folder: GroupFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is created. The paths of the file are relative to its folder; a file of ids has each target."""
    assert folder.plan() is ExitCode.DONE
    out, err = capsys.readouterr()
    assert out == (
        "us, eu: the same 2 changes\nCatalog base on targets us (store us), eu (store eu): 2 images declared, 0 owned\n\n"
        f"{CREATE_A}{CREATE_B}\nPlan for each target: 2 to create; 0 unchanged. 2.0 KiB to upload.\n\n"
        "ap: 1 change\nCatalog base on target ap (store ap): 1 image declared, 0 owned\n\n"
        f"{CREATE_B}\nPlan: 1 to create; 0 unchanged. 1000 B to upload.\n\n"
        "3 targets: 3 with changes.\nIn total 5 to create. 4.9 KiB to upload.\n"
    )
    assert err == "Note: stores us, eu, ap do not exist yet; apply creates them\n"
    assert folder.files["also"].read_text() == out
    document = folder.read("out")
    assert document["catalog"] == "base"
    assert [(one["target"], one["wave"], one["refusals"], one["problems"]) for one in document["targets"]] == [
        ("us", 1, [], []),
        ("eu", 0, [], []),
        ("ap", 0, [], []),
    ]
    assert [one["plan"]["manifest"]["base"] for one in document["targets"]] == [".."] * 3
    assert folder.read("ids") == {"us": {}, "eu": {}, "ap": {}}
    assert not any((folder.folder / name).exists() for name in ("us", "eu", "ap"))


def test_the_exit_code_counts_changes_only_if_it_is_asked_to(folder: GroupFolder) -> None:
    """Of any target; errors count more."""
    assert folder.plan(detailed_exitcode=True) is ExitCode.CHANGES
    folder.apply("us", "eu")
    assert folder.plan("us", "eu", detailed_exitcode=True) is ExitCode.DONE
    assert folder.plan(detailed_exitcode=True) is ExitCode.CHANGES
    folder.write(MANIFEST.replace("ap: {store: ap", "ap: {cloud: gone"))
    assert folder.plan(detailed_exitcode=True) is ExitCode.FAILED
    assert folder.plan() is ExitCode.FAILED
    (folder.folder / "a.raw").write_bytes(b"\xf9" * 1000)
    folder.write(MANIFEST.replace("source: b.raw}", "source: b.raw, min_ram: 4}"))
    assert folder.plan("us", "eu", options=Options(max_update="0")) is ExitCode.FAILED


def test_the_ids_of_a_plan_are_those_that_stay_current(folder: GroupFolder) -> None:
    """A target without a plan has none; those of a stage run are its candidates."""
    folder.apply("us", "eu")
    before = folder.read("ids")
    (folder.folder / "a.raw").write_bytes(b"\xf9" * 1000)
    folder.write(MANIFEST.replace("ap: {store: ap", "ap: {cloud: gone"))
    folder.plan()
    assert folder.read("ids") == {name: {"b": before[name]["b"]} for name in ("us", "eu")}
    folder.plan(make=stage_plan)
    assert folder.read("ids") == {name: {"candidates": {}} for name in ("us", "eu")}


def test_bugs_of_a_plan_end_the_command_after_its_files(
    folder: GroupFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of them in one log."""

    def make(given: PlanInput) -> Plan:
        if given.catalog.target.name != "us":
            raise KeyError(f"bug of {given.catalog.target.name}")
        return make_plan(given)

    with pytest.raises(Bug) as caught:
        folder.plan(make=make)
    assert ("bug of eu" in str(caught.value), "bug of ap" in str(caught.value)) == (True, True)
    assert "us: 2 changes" in capsys.readouterr().out
    assert [one["plan"] is None for one in folder.read("out")["targets"]] == [False, True, True]
    assert folder.read("ids") == {"us": {}}


def test_without_files_nothing_is_written(folder: GroupFolder) -> None:
    """The plan is only printed. Its paths are relative to the working directory."""
    outputs = folder.outputs("plan", ResultForm.JSON)
    assert plan_targets(folder.group(), outputs, None, None, detailed_exitcode=False) is ExitCode.DONE
    assert sorted(path.name for path in (folder.folder / "files").iterdir()) == ["also"]


def test_the_document_of_plans_has_the_names_of_this_catalog(folder: GroupFolder) -> None:
    """An error after the manifests were read has its name, too."""
    outputs = folder.outputs("plan")
    folder.write(MANIFEST.replace("catalog: base", "catalog: other"))
    plan_targets(folder.group(), outputs, None, None, detailed_exitcode=False)
    assert outputs._origin.guess()[0] == "other"


# -------------------------------------------------------------------------------------------------------------- runs


def test_a_run_applies_every_target_wave_by_wave(folder: GroupFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """Its report, its ids and its events have each of them."""
    assert folder.apply() is ExitCode.DONE
    out, err = capsys.readouterr()
    assert "Note: stores us, eu, ap created\n" in err
    assert out.endswith("3 targets: 3 done.\n")
    assert folder.outcomes() == {"us": "done", "eu": "done", "ap": "done"}
    assert {name: sorted(found) for name, found in folder.read("ids").items()} == {
        "us": ["a", "b"],
        "eu": ["a", "b"],
        "ap": ["b"],
    }
    events = [json.loads(line) for line in folder.files["events"].read_text().splitlines()]
    ended = [event["target"] for event in events if event["event"] == "run-finished"]
    assert (sorted(ended[:2]), ended[2]) == (["ap", "eu"], "us")
    again = folder.group().read_subjects()
    assert isinstance(again, Subjects)
    assert folder.apply() is ExitCode.DONE
    assert folder.outcomes() == dict.fromkeys(("us", "eu", "ap"), "unchanged")


@pytest.mark.parametrize(
    ("limit", "outcome"), [(None, "not-started"), ("1", "done"), ("50%", "done"), ("0", "not-started")]
)
def test_a_wave_begins_if_few_enough_targets_failed_before(
    folder: GroupFolder, limit: str | None, outcome: str
) -> None:
    """None, unless the option says more."""
    folder.write(MANIFEST.replace("ap: {store: ap", "ap: {cloud: gone"))
    assert folder.apply(sharing=SharingOptions(max_failed_targets=limit)) is ExitCode.FAILED
    assert folder.outcomes() == {"us": outcome, "eu": "done", "ap": "failed"}


def test_each_change_of_a_run_was_reviewed(folder: GroupFolder) -> None:
    """A target whose plan has another one fails; the others are applied."""
    folder.plan()
    reviewed = folder.files["out"].rename(folder.folder / "reviewed.json")
    folder.write(MANIFEST.replace("eu: {store: eu}", "eu: {store: eu, images: {a: {min_ram: 5}}}"))
    group = folder.group(approval=Approval(yes=True, reviewed=reviewed))
    results = Results(out=folder.files["out"])
    sharing = SharingOptions(max_failed_targets="3")
    assert apply_targets(group, results, folder.outputs("apply"), Settings(), sharing) is ExitCode.FAILED
    assert folder.outcomes() == {"us": "done", "eu": "failed", "ap": "done"}


def test_a_saved_file_of_plans_is_applied_by_name(folder: GroupFolder) -> None:
    """Only for the chosen targets."""
    folder.plan()
    saved = folder.read("out")
    group = replace(
        folder.group("us", "ap", saved=saved, approval=Approval(yes=True)), path=folder.files["out"].with_name("p.json")
    )
    results = Results(out=folder.files["out"])
    assert apply_targets(group, results, folder.outputs("apply"), Settings(), SharingOptions()) is ExitCode.DONE
    assert folder.outcomes() == {"us": "done", "ap": "done"}
    assert not (folder.folder / "eu").exists()
