"""What ``import imagesync`` offers."""

import importlib
import inspect
import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

import imagesync
from imagesync.errors import UsageError
from imagesync.lease.taking import take
from imagesync.model.catalog import Target
from imagesync.model.policy import Limit
from tests import samples
from tests.command import ROOT
from tests.pages import DOCS, Program, list_programs, run_program


def test_every_exported_name_is_that_object_even_after_all_modules_are_loaded() -> None:
    """No module of the package hides a function of the same name."""
    for name in imagesync.__all__:
        importlib.import_module("imagesync.cli.commands.apply")
        assert not inspect.ismodule(getattr(imagesync, name)), name


def test_importing_the_package_loads_nothing_heavy() -> None:
    """Each name is loaded on first use."""
    heavy = "[name for name in ('requests', 'keystoneauth1', 'openstack', 'jsonschema', 'deepdiff', 'yaml') if name in sys.modules]"
    code = f"import sys, imagesync; print({heavy})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


PAGE = (DOCS / "python.md").read_text(encoding="utf-8")
PROGRAMS = list_programs(PAGE)
OFFLINE = [program for program in PROGRAMS if 'mycloud")' not in program.text]
"""tests/cloud runs the others."""


@pytest.mark.parametrize("program", OFFLINE, ids=range(len(OFFLINE)))
def test_a_program_of_the_page_prints_what_the_page_shows(program: Program, tmp_path: Path) -> None:
    """In a folder with the examples."""
    assert run_program(program, tmp_path, {"PYTHONPATH": str(ROOT)}) == program.output


def test_apply_takes_the_lease(tmp_path: Path) -> None:
    """It is free again after the run."""
    run_program(PROGRAMS[0], tmp_path, {"PYTHONPATH": str(ROOT)})
    with imagesync.open_backend(store=tmp_path / "lab-store") as backend:
        (record,) = backend.leases("quickstart")
        assert record.properties["imagesync_lease_state"] == "free"


def test_the_programs_of_the_page_are_typed(tmp_path: Path) -> None:
    """``mypy --strict`` finds nothing: the public names carry their types."""
    assert PAGE.count("```python\n") == len(PROGRAMS)
    for number, program in enumerate(PROGRAMS):
        (tmp_path / f"program_{number}.py").write_text(program.text)
    command = [sys.executable, "-m", "mypy", "--strict", *map(str, sorted(tmp_path.glob("*.py")))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_the_page_lists_exactly_the_public_names() -> None:
    """In the table at its end."""
    table = PAGE.partition("## All names")[2].partition("`help(")[0]
    cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    assert sorted(name for cell in cells for name in re.findall(r"`(\w+)`", cell)) == sorted(imagesync.__all__)


@pytest.mark.parametrize("name", sorted({*imagesync.__all__} - {"__version__", "Event"}))
def test_a_public_name_is_documented(name: str) -> None:
    """A function names each parameter and the errors that it raises."""
    found = getattr(imagesync, name)
    text = inspect.getdoc(found) or ""
    assert text.endswith(".") or "```" in text
    assert not text.startswith(f"{name}("), "the docstring that a dataclass makes"
    if inspect.isfunction(found):
        named = set(inspect.signature(found).parameters) - {"backend", "path", "manifest", "catalog"}
        assert [parameter for parameter in sorted(named) if f"``{parameter}``" not in text] == []
        assert "Error" in text


def test_a_backend_is_opened_for_one_place(tmp_path: Path) -> None:
    """A target excludes a cloud and a store."""
    with pytest.raises(UsageError, match="pass only one of target, cloud and store"):
        imagesync.open_backend(Target(store=str(tmp_path / "one")), store=tmp_path / "other")


@pytest.fixture
def catalog(tmp_path: Path) -> imagesync.Catalog:
    """A catalog of one image with data, for a store that does not exist yet."""
    (tmp_path / "a.raw").write_bytes(samples.fat())
    fields = "source: a.raw, disk_format: raw, container_format: bare"
    (tmp_path / "m.yaml").write_text(f"version: 1\ncatalog: base\nimages:\n  a: {{{fields}}}\n  b: {{{fields}}}\n")
    return imagesync.resolve(imagesync.load(tmp_path / "m.yaml"), store=tmp_path / "store")


def test_a_plan_that_no_longer_fits_is_not_applied(catalog: imagesync.Catalog) -> None:
    """Another run was faster; nothing is done twice."""
    with imagesync.open_backend(catalog.target) as backend:
        plan = imagesync.plan(backend, catalog)
        assert imagesync.apply(backend, plan).report.succeeded
        with pytest.raises(imagesync.StalePlan):
            imagesync.apply(backend, plan)


def test_a_plan_over_the_limits_is_refused(catalog: imagesync.Catalog) -> None:
    """Before anything is written; the limits of ``policy`` permit it."""
    with imagesync.open_backend(catalog.target) as backend:
        imagesync.apply(backend, catalog)
        emptied = replace(catalog, images=(), keys=frozenset())
        for refused in (imagesync.plan, imagesync.apply):
            with pytest.raises(imagesync.PlanRefused):
                refused(backend, emptied)
        free = replace(catalog.policy, max_delete=Limit(100), allow_destroy=True)
        plan = imagesync.plan(backend, replace(emptied, policy=free))
        with pytest.raises(imagesync.PlanRefused):
            imagesync.apply(backend, plan)
        assert imagesync.apply(backend, plan, policy=free).report.succeeded


def test_a_caller_may_decline_a_plan(catalog: imagesync.Catalog) -> None:
    """``approve`` gets the plan."""
    plans: list[imagesync.Plan] = []

    def decline(plan: imagesync.Plan) -> bool:
        plans.append(plan)
        return False

    with imagesync.open_backend(catalog.target) as backend:
        result = imagesync.apply(backend, catalog, approve=decline)
        assert (result.approved, result.report.results, len(plans)) == (False, (), 1)
        assert len(imagesync.plan(backend, catalog).steps) == len(plans[0].steps) == 2


def test_a_caller_may_cancel_a_run(catalog: imagesync.Catalog) -> None:
    """No step starts after ``cancelled`` is set."""
    cancelled = threading.Event()
    with imagesync.open_backend(catalog.target) as backend:
        report = imagesync.apply(backend, catalog, notify=lambda _: cancelled.set(), cancelled=cancelled, jobs=1).report
    assert report.interrupted
    assert imagesync.Outcome.NOT_STARTED in {result.outcome for result in report.results}


def test_a_run_without_a_watcher_may_be_cancelled(catalog: imagesync.Catalog) -> None:
    """``cancelled`` counts without ``notify``: set during the approval, no step starts."""
    cancelled = threading.Event()

    def approve(_: imagesync.Plan) -> bool:
        cancelled.set()
        return True

    with imagesync.open_backend(catalog.target) as backend:
        report = imagesync.apply(backend, catalog, approve=approve, cancelled=cancelled).report
    assert report.interrupted
    assert {result.outcome for result in report.results} == {imagesync.Outcome.NOT_STARTED}


def test_all_problems_are_reported_together(tmp_path: Path) -> None:
    """Those of the schema with those of the resolution, by ``resolve``."""
    (tmp_path / "m.yaml").write_text(
        "version: 1\ncatalog: base\nimages:\n  a: {min_ram: lots}\n  b: {source: no.raw}\n"
    )
    manifest = imagesync.load(tmp_path / "m.yaml")
    with pytest.raises(imagesync.ManifestError) as caught:
        imagesync.resolve(manifest, store=tmp_path / "store")
    assert {problem.where for problem in caught.value.diagnostics} >= {"images.a.min_ram", "images.b.source"}


PLACES = """
version: 1
catalog: base
default_target: lab
targets: {lab: {store: lab}, prod: {cloud: lone}, dev: {store: dev}}
images: {a: {source: none}}
"""


def test_a_place_is_selected_by_its_own_parameter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target by its name, a cloud or a store by the target that names it; else the default target."""
    monkeypatch.delenv("OS_CLOUD", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.yaml").write_text(PLACES)
    manifest = imagesync.load(tmp_path / "m.yaml")
    assert imagesync.resolve(manifest).target.name == "lab"
    assert imagesync.resolve(manifest, target="prod").target.name == "prod"
    assert imagesync.resolve(manifest, cloud="lone").target.name == "prod"
    assert imagesync.resolve(manifest, store=tmp_path / "dev").target.name == "dev"
    assert imagesync.resolve(manifest, store="").target == Target(store=str(tmp_path))
    with pytest.raises(UsageError, match=r"^--target and --cloud exclude each other"):
        imagesync.resolve(manifest, target="lab", cloud="prod")
    with pytest.raises(UsageError, match=r"^--cloud and --store exclude each other"):
        imagesync.resolve(manifest, cloud="lone", store="dev")
    with pytest.raises(UsageError, match="there is no target 'lone'"):
        imagesync.resolve(manifest, target="lone")


def test_a_target_excludes_each_other_place(tmp_path: Path) -> None:
    """Also a cloud alone."""
    for other in ({"cloud": "c"}, {"store": tmp_path / "s"}, {"cloud": "c", "store": tmp_path / "s"}):
        with pytest.raises(UsageError, match="a target and a cloud or store are given"):
            imagesync.open_backend(Target(store=str(tmp_path / "one")), **other)


def test_the_file_of_the_clouds_is_that_of_the_caller(tmp_path: Path) -> None:
    """For a cloud of a catalog's target and for one that is named."""
    file = tmp_path / "mine.yaml"
    file.write_text("clouds: {other: {auth: {}}}\n")
    for place in ({"target": Target(cloud="lone")}, {"cloud": "lone"}):
        with pytest.raises(UsageError, match=r"mine\.yaml"):
            imagesync.open_backend(**place, clouds_file=file)


def test_only_the_named_hosts_are_asked(tmp_path: Path) -> None:
    """By the catalog, by a plan of it, and by a run."""
    url, checksum = "http://127.0.0.1:1/a.raw", f"sha256:{'a' * 64}"
    fields = f"source: {{url: '{url}', checksum: '{checksum}'}}, disk_format: raw, container_format: bare"
    (tmp_path / "m.yaml").write_text(f"version: 1\ncatalog: base\nimages: {{a: {{{fields}}}}}\n")
    manifest, store = imagesync.load(tmp_path / "m.yaml"), tmp_path / "store"
    with pytest.raises(imagesync.ManifestError, match=r"127\.0\.0\.1 is not named by --source-hosts"):
        imagesync.resolve(manifest, store=store, source_hosts=["mirror.example"])
    catalog = imagesync.resolve(manifest, store=store, source_hosts=["127.*"])
    with imagesync.open_backend(catalog.target) as backend:
        (error,) = imagesync.plan(backend, catalog, source_hosts=["mirror.example"]).errors
        assert "--source-hosts" in str(error.problem)
        report = imagesync.apply(backend, catalog, source_hosts=["mirror.example"]).report
        assert ["--source-hosts" in str(one.problem) for one in report.plan.errors] == [True]


def test_a_run_waits_for_the_lease_as_long_as_the_caller_says(catalog: imagesync.Catalog) -> None:
    """``warn`` gets the sentence about the other run, and the run continues when that one ends."""
    output: list[str] = []
    with imagesync.open_backend(catalog.target) as backend:
        held = take(backend, "base", timeout=0, warn=output.append, is_new=lambda: True)
        with pytest.raises(imagesync.LeaseHeld, match=r"; waited 0 s; nothing was changed"):
            imagesync.apply(backend, catalog, lock_timeout=0)

        def warn(text: str) -> None:
            output.append(text)
            held.release()

        assert imagesync.apply(backend, catalog, warn=warn).report.succeeded
    assert [line.partition(":")[0] for line in output] == ["catalog base is locked by another run"]
