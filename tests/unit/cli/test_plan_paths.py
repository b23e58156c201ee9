"""Which store, files and hosts a saved plan may name."""

from dataclasses import replace
from pathlib import Path

import pytest

from imagesync.cli.plan_paths import check_paths, check_store
from imagesync.errors import PlanRefused
from imagesync.model.catalog import FileSource, Signature, UrlSource
from imagesync.model.image import Identity
from imagesync.model.plan import Create, Plan
from tests.unit.factories import catalog, inventory, plan, spec

PLAN = plan(catalog(spec("a")), inventory())


@pytest.mark.parametrize("is_target_given", [False, True])
@pytest.mark.parametrize("allow_outside", [False, True])
@pytest.mark.parametrize(
    ("kind", "place", "is_near"),
    [
        ("store", "plans/store", True),
        ("store", "here/store", True),
        ("store", "elsewhere", False),
        ("glance", "elsewhere", True),
    ],
)
def test_a_store_elsewhere_is_opened_only_if_the_command_names_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    place: str,
    *,
    is_near: bool,
    allow_outside: bool,
    is_target_given: bool,
) -> None:
    """By a target, or by --allow-outside; below the plan or the working directory it needs no word."""
    for name in ("plans", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    made = replace(PLAN, target=Identity(kind, str(tmp_path / place), "p"))

    def check() -> None:
        check_store(made, tmp_path / "plans/plan.json", allow_outside=allow_outside, is_target_given=is_target_given)

    if is_near or allow_outside or is_target_given:
        check()
        return
    with pytest.raises(PlanRefused, match=f"to use it, pass --store {tmp_path}/elsewhere"):
        check()


def plan_of(source: FileSource | UrlSource, base: Path) -> Plan:
    """A plan that creates one image from this source."""
    (step,) = PLAN.steps
    assert isinstance(step.action, Create)
    return replace(PLAN, base=str(base), steps=(replace(step, action=replace(step.action, source=source)),))


@pytest.mark.parametrize("folder", ["plans", "here", "elsewhere"])
@pytest.mark.parametrize("kind", ["file", "keyring of a file", "keyring of a URL"])
def test_files_are_below_the_manifests_and_these_below_the_plan_or_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, kind: str
) -> None:
    """Each file that the apply would read; --allow-outside permits any."""
    for name in ("plans", "here", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    base = tmp_path / folder

    def check(name: str, *, allow_outside: bool = False) -> None:
        signature = Signature("https://m.example/SUMS.gpg", str(base / name), name)
        source = FileSource(str(base / "a.raw"), "a.raw", signature=signature)
        made: FileSource | UrlSource = source
        if kind == "file":
            made = FileSource(str(base / name), name)
        elif kind == "keyring of a URL":
            made = UrlSource(("https://m.example/a.raw",), signature=signature)
        file = tmp_path / "plans/plan.json"
        check_paths(plan_of(made, base), file, allow_outside=allow_outside, is_target_given=True)

    check("sub/x", allow_outside=True)
    check("../x", allow_outside=True)
    if folder == "elsewhere":
        with pytest.raises(PlanRefused, match="are neither below the plan's folder nor below the working directory"):
            check("sub/x")
        return
    check("sub/x")
    with pytest.raises(PlanRefused, match=r"\.\./x lies outside the catalog's folder"):
        check("../x")


@pytest.mark.parametrize("part", ["url", "list", "signature"])
def test_every_host_of_a_plan_is_one_that_the_command_names(tmp_path: Path, part: str) -> None:
    """Of the image and its mirrors, of its list, and of the list's signature; without names every host is allowed."""
    names = {"first": "a.example", "url": "a.example", "list": "a.example", "signature": "a.example", part: "b.example"}
    urls = {name: f"https://{host}/{name}" for name, host in names.items()}
    signature = Signature(urls["signature"], str(tmp_path / "k.asc"), "k.asc")
    source = UrlSource((urls["first"], urls["url"]), checksum_url=urls["list"], signature=signature)

    def check(*hosts: str) -> None:
        made = plan_of(source, tmp_path)
        check_paths(made, tmp_path / "plan.json", allow_outside=True, is_target_given=True, source_hosts=hosts)

    check()
    check("a.example", "b.example")
    check("*.example")
    with pytest.raises(PlanRefused, match=r"b\.example is not named by --source-hosts"):
        check("a.example")
