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


def many(base: Path, *sources: FileSource | UrlSource) -> Plan:
    """A plan that creates an image from each source."""
    keys = [f"k{number}" for number in range(len(sources))]
    made = plan(catalog(*(spec(key) for key in keys)), inventory())
    steps = [
        replace(step, action=replace(step.action, source=source))
        for step, source in zip(made.steps, sources, strict=True)
        if isinstance(step.action, Create)
    ]
    return replace(made, base=str(base), steps=tuple(steps))


def refuse(made: Plan, file: Path, **attrs: object) -> list[str]:
    """The sentences of a refusal."""
    with pytest.raises(PlanRefused) as caught:
        check_paths(made, file, **{"allow_outside": False, "is_target_given": True, **attrs})  # type: ignore[arg-type]
    return list(caught.value.refusals)


AGAIN = "make the plan again: imagesync plan PATH -o PLAN.json"
OUTSIDE = "make a plan of the manifests here, or pass --allow-outside if you trust the plan"


def test_every_fault_of_a_plan_is_named(tmp_path: Path) -> None:
    """False files, wrong URLs, hosts and places; each with its step, in this order."""
    base, home = tmp_path / "in", tmp_path / "in/plan.json"
    base.mkdir()
    signature = Signature("https://c.example/x", str(base / "k2"), "k")
    made = many(
        base,
        FileSource(str(base / "b.raw"), "a\x1b.raw"),
        UrlSource(("https://a.example/1", "https://b.example/1"), signature=signature),
        FileSource(str(tmp_path / "c.raw"), "../c.raw"),
        UrlSource(("https://a.example/1", "ftp://b.example/1")),
        FileSource(str(base / "ok.raw"), "ok.raw"),
    )
    found = refuse(made, home, source_hosts=["a.example"])
    assert [sentence.partition(": ")[0] for sentence in found] == [
        "create:k0",
        "create:k1",
        "create:k3",
        "create:k1",
        "create:k1",
        "create:k3",
        "create:k2",
    ]
    assert found[0] == f"create:k0: the plan shows the file 'a\\\\x1b.raw' but would read 'b.raw'; {AGAIN}"
    assert found[1] == f"create:k1: the plan shows the file 'k' but would read 'k2'; {AGAIN}"
    assert found[2].startswith("create:k3: its URL ")
    assert found[2].endswith(f"; {AGAIN}")
    assert found[3] == f"create:k1: b.example is not named by --source-hosts; {AGAIN}"
    assert found[4] == f"create:k1: c.example is not named by --source-hosts; {AGAIN}"
    assert found[6].startswith("create:k2: ../c.raw lies outside")
    assert found[6].endswith(f"; {OUTSIDE}")
    inside = refuse(made, home, source_hosts=["a.example"], allow_outside=True)
    assert inside == found[:6], "the option permits places, not false ones"


def test_manifests_and_stores_elsewhere_are_named_with_what_to_do(tmp_path: Path) -> None:
    """In printable characters."""
    (sentence,) = refuse(many(tmp_path / "e\x1b", FileSource(str(tmp_path / "e\x1b/a"), "a")), tmp_path / "p/x.json")
    assert sentence == (
        f"the manifests of the plan, in {tmp_path}/e\\x1b, are neither below the plan's folder nor below the working "
        f"directory; {OUTSIDE}"
    )
    made = replace(PLAN, target=Identity("store", f"{tmp_path}/my store", "p"), base=str(tmp_path / "p"), steps=())
    (sentence,) = refuse(made, tmp_path / "p/x.json", is_target_given=False)
    assert sentence == (
        f"the store of the plan, {tmp_path}/my store, is neither below the plan's folder nor below the working directory; "
        f"to use it, pass --store '{tmp_path}/my store'"
    )


def test_places_are_compared_where_links_lead(tmp_path: Path) -> None:
    """Of the manifests, of files, and of the plan's own folder."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real/out").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    made = many(tmp_path / "link", FileSource(str(tmp_path / "link/a"), "a"))
    check_paths(made, tmp_path / "real/p.json", allow_outside=False, is_target_given=True)
    check_paths(
        replace(made, base=str(tmp_path / "link")), tmp_path / "link/p.json", allow_outside=False, is_target_given=True
    )
    out = many(tmp_path / "real", FileSource(str(tmp_path / "real/out/a"), "out/a"))
    (sentence,) = refuse(out, tmp_path / "real/p.json")
    assert sentence.startswith("create:k0: out/a ")
