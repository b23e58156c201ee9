"""What each target of a run gets: of manifests, or of a saved file of plans."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imagesync.cli.options import Options
from imagesync.cli.saved_plans import make_document
from imagesync.cli.several_subjects import Subjects, read_subjects
from imagesync.cli.target_options import TargetChoice
from imagesync.errors import Diagnostic, ManifestError, PlanRefused, UsageError
from imagesync.model.catalog import Catalog, Checksum, FileSource, Fingerprint, UrlSource
from imagesync.model.plan import Create, Plan
from imagesync.model.targets import PlannedTarget
from imagesync.sources import SourceAccess
from imagesync.targets.saved import NotPlanned, encode_plans
from tests.unit.factories import TARGET, catalog, inventory, plan, spec

MANIFEST = """\
version: 1
catalog: base
defaults: {disk_format: raw, container_format: bare}
targets:
  us: {store: us, wave: 2}
  eu: {store: eu, images: {a: {name: '${big}'}}}
  ap: {store: ap, only: [b]}
images: {a: {source: a.raw}, b: {source: b.raw}}
"""
PROBLEM = Diagnostic("", 0, 0, "", "no answer", "wait")
DIGEST = Checksum("sha256", "a" * 64)
SECRET = "https://h.example/a.raw?token=1"


class SubjectFolder:
    """A folder with a manifest, its sources, and files of plans."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path, self.saved = folder, folder / "m.yaml", folder / "plans.json"
        self.path.write_text(MANIFEST)
        for name in "ab":
            (folder / f"{name}.raw").write_bytes(b"\xf8" * 1000)

    def read(self, *targets: str, identifies: bool = True, options: Options | None = None) -> Subjects:
        """The subjects of the manifest."""
        chosen = TargetChoice(list(targets), all_targets=not targets)
        return read_subjects(self.path, options or Options(), chosen, SourceAccess(), identifies=identifies)

    def make_plan(self, name: str, store: str = "", *keys: str, url: str = "") -> Plan:
        """A plan of a target, which creates an image for each key."""
        specs = [
            spec(key, source=FileSource(str(self.folder / f"{key}.raw"), f"{key}.raw"))
            if not url
            else spec(key, source=UrlSource((url,), DIGEST), fingerprint=Fingerprint((DIGEST,), 1000))
            for key in keys or "a"
        ]
        made = plan(catalog(*specs), inventory())
        place = replace(TARGET, location=str(self.folder / (store or name)), label=store or name)
        return replace(made, target=place, target_name=name, base=str(self.folder))

    def read_saved(
        self, *planned: PlannedTarget, targets: list[str] | None = None, options: Options | None = None
    ) -> Subjects:
        """The subjects of a saved file of plans."""
        documents = {one.target: make_document(one.plan, self.folder) for one in planned if one.plan is not None}
        document = json.loads(json.dumps(encode_plans("base", planned, documents, tool="test")))
        chosen = TargetChoice(targets or [])
        return read_subjects(self.saved, options or Options(), chosen, SourceAccess(), document)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SubjectFolder:
    """The working directory is another one."""
    made = SubjectFolder(tmp_path / "in")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return made


@pytest.fixture(autouse=True)
def _make_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()


def describe(subjects: Subjects) -> dict[str, Any]:
    """By target, the keys of its catalog or plan, or the class of its error."""
    found: dict[str, Any] = {}
    for name, one in subjects.by_target.items():
        if isinstance(one, Catalog):
            found[name] = [image.key for image in one.images]
        elif isinstance(one, Plan):
            found[name] = [step.action.key for step in one.steps]
        else:
            found[name] = type(one)
    return found


# -------------------------------------------------------------------------------------------------------- manifests


def test_each_target_gets_its_catalog_or_its_problems(folder: SubjectFolder) -> None:
    """In the order of the manifest, with its wave; digests and sizes are those of the right target."""
    found = folder.read()
    assert found.catalog == "base"
    assert list(describe(found).items()) == [("us", ["a", "b"]), ("eu", ManifestError), ("ap", ["b"])]
    assert found.waves == {"us": 2, "eu": 0, "ap": 0}
    error = found.by_target["eu"]
    assert isinstance(error, ManifestError)
    assert [problem.where for problem in error.diagnostics] == ["images.a.name"]
    for one in found.by_target.values():
        assert not isinstance(one, Catalog) or [image.fingerprint.size for image in one.images] == [1000] * len(
            one.images
        )


def test_only_the_chosen_targets_have_subjects(folder: SubjectFolder) -> None:
    """Still in the order of the manifest. The catalog is that of the first one that has one."""
    found = folder.read("ap", "eu")
    assert list(describe(found)) == list(found.waves) == ["eu", "ap"]
    assert found.catalog == "base"


def test_on_a_fleet_the_workers_read_the_sources(folder: SubjectFolder) -> None:
    """Here no digest is computed."""
    found = folder.read(identifies=False)
    assert describe(found) == describe(folder.read())
    for one in found.by_target.values():
        assert not isinstance(one, Catalog) or {image.fingerprint.digests for image in one.images} == {()}


def test_a_file_that_cannot_be_read_is_a_problem_of_its_targets(folder: SubjectFolder) -> None:
    """Found before any target is opened."""
    (folder.folder / "a.raw").unlink()
    assert describe(folder.read()) == {"us": ManifestError, "eu": ManifestError, "ap": ["b"]}


def test_problems_of_all_targets_are_an_error(folder: SubjectFolder) -> None:
    """With all of them."""
    with pytest.raises(ManifestError):
        folder.read("eu")


# ------------------------------------------------------------------------------------------------------- saved plans


def test_each_target_of_a_file_gets_its_complete_plan(folder: SubjectFolder) -> None:
    """In the order of the file, with its wave; only those that are chosen."""
    eu, us, ap = (folder.make_plan(name, "", *keys) for name, keys in (("eu", "a"), ("us", "ab"), ("ap", "b")))
    planned = (PlannedTarget("us", us, wave=3), PlannedTarget("eu", eu), PlannedTarget("ap", ap, wave=1))
    found = folder.read_saved(*planned)
    assert found.catalog == "base"
    assert list(describe(found).items()) == [("us", ["a", "b"]), ("eu", ["a"]), ("ap", ["b"])]
    assert found.waves == {"us": 3, "eu": 0, "ap": 1}
    assert found.by_target["eu"] == replace(eu, expires=eu.expires)
    some = folder.read_saved(*planned, targets=["ap", "us"])
    assert list(describe(some)) == ["us", "ap"]
    assert some.waves == {"us": 3, "ap": 1}


def test_a_target_without_a_plan_to_apply_says_why(folder: SubjectFolder) -> None:
    """It has a problem, was refused, or has none."""
    eu, us, ap = (folder.make_plan(name) for name in ("eu", "us", "ap"))
    found = folder.read_saved(
        PlannedTarget("ok", folder.make_plan("ok")),
        PlannedTarget("eu", eu, problems=(PROBLEM,)),
        PlannedTarget("us", us, refusals=("too many", "too few")),
        PlannedTarget("ap", None, wave=4),
    )
    assert describe(found) == {"ok": ["a"], "eu": NotPlanned, "us": NotPlanned, "ap": NotPlanned}
    reasons = {
        name: [problem.message for problem in one.problems]
        for name, one in found.by_target.items()
        if isinstance(one, NotPlanned)
    }
    assert reasons["eu"] == ["no answer"]
    assert [text for message in reasons["us"] for text in ("too many", "too few") if text in message] == [
        "too many",
        "too few",
    ]
    assert reasons["ap"] == ["the file has no plan for it"]
    assert found.waves["ap"] == 4
    assert ap.target_name == "ap"


def test_the_plan_of_one_target_has_no_targets(folder: SubjectFolder) -> None:
    """The message names the file and the options."""
    document = make_document(folder.make_plan("eu"), folder.folder)
    with pytest.raises(UsageError) as caught:
        read_subjects(folder.saved, Options(), TargetChoice(["eu"]), SourceAccess(), document)
    assert str(caught.value) == f"{folder.saved} is the plan of one target; remove --target or --all-targets"


def test_a_target_that_the_file_does_not_have_is_refused(folder: SubjectFolder) -> None:
    """Also beside one that it has; with the names that it has."""
    planned = [PlannedTarget(name, folder.make_plan(name)) for name in ("eu-west", "us")]
    with pytest.raises(UsageError) as caught:
        folder.read_saved(*planned, targets=["us", "eu-wets"])
    assert caught.value.message == f"{folder.saved} has no plan for target eu-wets"
    assert caught.value.hint == "did you mean eu-west?"
    with pytest.raises(UsageError) as caught:
        folder.read_saved(*planned, targets=["zz"])
    assert caught.value.hint == "the file has: eu-west, us"


def test_two_targets_of_a_file_that_are_one_place_are_refused(folder: SubjectFolder) -> None:
    """Only if both are chosen; a target with problems was refused before."""
    first, second, third = (folder.make_plan(name, store) for name, store in (("eu", "x"), ("us", "y"), ("ap", "x")))
    planned = [PlannedTarget("eu", first), PlannedTarget("us", second), PlannedTarget("ap", third)]
    with pytest.raises(UsageError, match="targets eu and ap are the same place: store x"):
        folder.read_saved(*planned)
    assert list(describe(folder.read_saved(*planned, targets=["us", "ap"]))) == ["us", "ap"]
    found = folder.read_saved(*planned[:2], PlannedTarget("ap", third, problems=(PROBLEM,)))
    assert describe(found) == {"eu": ["a"], "us": ["a"], "ap": NotPlanned}


def test_values_without_a_manifest_that_is_read_are_refused(folder: SubjectFolder) -> None:
    """For a file whose plans are complete."""
    with pytest.raises(UsageError, match="--set has no effect on this saved plan"):
        folder.read_saved(PlannedTarget("eu", folder.make_plan("eu")), options=Options(set_values=["a=b"]))


def test_each_target_gets_the_urls_that_its_plan_must_not_contain(folder: SubjectFolder) -> None:
    """From its own overlay in the manifests, with the values of the command line."""
    source = f"{{url: '{SECRET}', checksum: 'sha256:{'a' * 64}'}}"
    folder.path.write_text(
        MANIFEST.replace("a.raw}, b: {source: b.raw}", "none}, b: {source: none}, s: {name: '${v}', source: none}")
        .replace("name: '${big}'", "name: A")
        .replace("us: {store: us, wave: 2}", f"us: {{store: us, images: {{s: {{source: {source}}}}}}}")
    )
    planned = (
        PlannedTarget("eu", folder.make_plan("eu")),
        PlannedTarget("us", folder.make_plan("us", "", "s", url=SECRET)),
    )
    found = folder.read_saved(*planned, options=Options(set_values=["v=1"]))
    us = found.by_target["us"]
    assert isinstance(us, Plan)
    (step,) = us.steps
    assert isinstance(step.action, Create)
    assert isinstance(step.action.source, UrlSource)
    assert step.action.source.urls == (SECRET,)
    assert describe(found) == {"eu": ["a"], "us": ["s"]}
    with pytest.raises(UsageError, match="its URL has credentials or a query"):
        folder.read_saved(*planned)


@pytest.mark.parametrize(("options", "word"), [(Options(store=Path("eu")), "--store"), (Options(cloud="x"), "--cloud")])
def test_an_option_that_selects_one_place_is_refused(folder: SubjectFolder, options: Options, word: str) -> None:
    """Also if the file has the plan of only one target, for just this place."""
    with pytest.raises(UsageError) as caught:
        folder.read_saved(PlannedTarget("eu", folder.make_plan("eu")), options=options)
    message = f"{word} selects one place, but {folder.saved} has the plans of several targets"
    assert str(caught.value) == f"{message}; remove it, or pass --target NAME instead"


def make_elsewhere(folder: SubjectFolder) -> Plan:
    """A plan whose manifests are in another folder than its file."""
    made = folder.make_plan("us")
    (step,) = made.steps
    assert isinstance(step.action, Create)
    other = folder.folder.parent / "other"
    source = FileSource(str(other / "a.raw"), "a.raw")
    return replace(made, base=str(other), steps=(replace(step, action=replace(step.action, source=source)),))


def make_with_store_elsewhere(folder: SubjectFolder) -> Plan:
    """A plan whose store is in another folder than its file."""
    made = folder.make_plan("us")
    return replace(made, target=replace(made.target, location=str(folder.folder.parent / "other")))


@pytest.mark.parametrize("make", [make_elsewhere, make_with_store_elsewhere])
def test_what_lies_elsewhere_needs_an_option(folder: SubjectFolder, make: Callable[[SubjectFolder], Plan]) -> None:
    """Also in the second plan, and if its target is chosen."""
    planned = (PlannedTarget("eu", folder.make_plan("eu")), PlannedTarget("us", make(folder)))
    with pytest.raises(PlanRefused):
        folder.read_saved(*planned)
    with pytest.raises(PlanRefused):
        folder.read_saved(*planned, targets=["us", "eu"])
    assert describe(folder.read_saved(*planned, options=Options(allow_outside=True))) == {"eu": ["a"], "us": ["a"]}


def test_each_host_of_a_plan_is_named(folder: SubjectFolder) -> None:
    """If any is."""
    planned = PlannedTarget("eu", folder.make_plan("eu", "", "s", url="https://h.example/a.raw"))
    assert describe(folder.read_saved(planned, options=Options(source_hosts=["h.example"]))) == {"eu": ["s"]}
    with pytest.raises(PlanRefused, match="is not named by --source-hosts"):
        folder.read_saved(planned, options=Options(source_hosts=["x.example"]))
