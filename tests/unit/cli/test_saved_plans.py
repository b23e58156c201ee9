"""Which files are saved plans, and the URLs that they do not contain."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from imagesync.cli.catalogs import load_catalog
from imagesync.cli.json_files import MAX_BYTES
from imagesync.cli.options import Options
from imagesync.cli.saved_plans import is_plan_file, make_document, read_plan, refuse_plan_file, restore_urls, save_plan
from imagesync.errors import UsageError
from imagesync.model.catalog import Catalog, Checksum, Fingerprint, UrlSource
from imagesync.model.plan import Create, Plan
from imagesync.version import __version__
from tests.unit.factories import catalog, inventory, plan, spec

PLAN = plan(catalog(spec("a")), inventory())


def test_a_plan_that_is_saved_is_read(tmp_path: Path) -> None:
    """The same plan; only its owner can read the file."""
    path = tmp_path / "plan.json"
    save_plan(PLAN, path)
    assert read_plan(path)[0].steps == PLAN.steps
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("old", ['"catalog": "base"', '"key": "a"'])
def test_a_file_with_a_name_twice_is_no_plan(tmp_path: Path, old: str) -> None:
    """On any level; also if both values are the same."""
    path = tmp_path / "plan.json"
    save_plan(PLAN, path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, f"{old}, {old}", 1))
    with pytest.raises(UsageError, match="is not a saved plan"):
        read_plan(path)


@pytest.mark.parametrize(("more", "message"), [(0, "is not a saved plan"), (1, "is larger than 256 MiB")])
def test_a_plan_has_at_most_256_mib(tmp_path: Path, more: int, message: str) -> None:
    """A longer file is not read to its end."""
    path = tmp_path / "plan.json"
    path.touch()
    os.truncate(path, MAX_BYTES + more)
    with pytest.raises(UsageError, match=message):
        read_plan(path)


@pytest.mark.parametrize(
    ("name", "is_plan"), [("p.json", True), ("P.JSON", True), ("p.yaml", False), ("json", False), ("p.json.d", False)]
)
def test_the_suffix_shows_a_saved_plan(name: str, is_plan: bool) -> None:
    """The hint has the path as a word to paste."""
    assert is_plan_file(Path("my plans", name)) == is_plan
    if not is_plan:
        refuse_plan_file(Path(name), "")
        return
    with pytest.raises(UsageError) as caught:
        refuse_plan_file(Path("my plans", name), "run imagesync apply PATH")
    assert str(caught.value) == f"my plans/{name} is a saved plan; run imagesync apply 'my plans/{name}'"


@pytest.mark.parametrize(
    ("now", "is_same"),
    [
        ("https://h.example/a.raw?token=2", True),
        ("https://u:p@h.example/a.raw", True),
        ("https://h.example/b.raw?token=1", False),
        ("https://other.example/a.raw?token=1", False),
    ],
)
def test_a_url_with_a_secret_is_read_from_the_manifests_again(tmp_path: Path, now: str, is_same: bool) -> None:
    """Only what a saved plan does not contain may have changed: another file or server is not what was approved."""
    digest = Fingerprint((Checksum("sha256", "a" * 64),), 1000)
    path = tmp_path / "base.yaml"

    def read(url: str) -> Catalog:
        source = {"url": url, "checksum": f"sha256:{'a' * 64}"}
        image = {"source": source, "disk_format": "raw", "container_format": "bare"}
        path.write_text(json.dumps({"version": 1, "catalog": "base", "images": {"a": image, "b": image}}))
        return load_catalog(path, Options())

    wanted = read("https://h.example/a.raw?token=1")
    first = next(spec for spec in wanted.images if spec.key == "a")
    made = replace(
        plan(catalog(replace(first, fingerprint=digest), spec("c")), inventory()), base=str(path), target_name=None
    )
    assert restore_urls(made, frozenset(), Options()) is made
    save_plan(made, tmp_path / "plan.json")
    saved, missing = read_plan(tmp_path / "plan.json")
    assert missing == {"a"}
    read(now)
    if not is_same:
        with pytest.raises(UsageError, match="now declare another source: make the plan again"):
            restore_urls(saved, missing, Options())
        return
    create, other = (step.action for step in restore_urls(saved, missing, Options()).steps)
    assert isinstance(create, Create)
    assert isinstance(create.source, UrlSource)
    assert create.source.urls == (now,)
    assert other == saved.steps[1].action


def test_a_plan_is_saved_and_read_relative_to_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the command runs. It names the program."""
    made = replace(PLAN, base=str(tmp_path / "images"))
    (tmp_path / "plans").mkdir()
    monkeypatch.chdir(tmp_path)
    save_plan(made, Path("plans/plan.json"))
    document = json.loads((tmp_path / "plans/plan.json").read_text())
    assert document["manifest"]["base"] == "../images"
    assert document["tool"] == f"imagesync {__version__}"
    assert make_document(made, Path())["manifest"]["base"] == "images"
    assert read_plan(Path("plans/plan.json"))[0].base == str(tmp_path / "images")
    monkeypatch.chdir(tmp_path / "plans")
    assert read_plan(Path("plan.json"))[0].base == str(tmp_path / "images")


def test_a_plan_that_cannot_be_read_says_how_to_make_one(tmp_path: Path) -> None:
    """Also a file of several targets, which is another kind."""
    path = tmp_path / "plan.json"
    path.write_text("no json")
    with pytest.raises(UsageError) as caught:
        read_plan(path)
    assert str(caught.value) == f"{path} is not a saved plan; make one: imagesync plan PATH -o PLAN.json"
    path.write_text('{"targets": []}')
    with pytest.raises(UsageError) as caught:
        read_plan(path)
    message = f"{path} holds the plans of several targets"
    assert str(caught.value) == f"{message}; use the path of the manifests, with --target NAME"


SECRET = "https://h.example/{}.raw?token=1"


def make_secret_plan(base: Path, *keys: str, target: str | None = None) -> Plan:
    """A plan of images whose URLs have secrets, as its file has it."""
    digest = Checksum("sha256", "a" * 64)
    specs = [spec(key, source=UrlSource((SECRET.format(key),), digest).withhold_secrets()) for key in keys]
    return replace(plan(catalog(*specs), inventory()), base=str(base), target_name=target)


def write_sources(folder: Path, **sources: str) -> None:
    """The manifests, with the source of each key."""
    images = {
        key: {"source": {"url": url, "checksum": f"sha256:{'a' * 64}"} if "://" in url else url, **FORMATS}
        for key, url in sources.items()
    }
    targets = {"eu": {"store": "eu"}, "us": {"store": "us", "values": {"host": "us.example"}}}
    document = {"version": 1, "catalog": "base", "values": {"host": "h.example"}, "targets": targets, "images": images}
    (folder / "m.yaml").write_text(json.dumps(document))


FORMATS = {"disk_format": "raw", "container_format": "bare"}


def test_only_the_urls_that_are_missing_are_read_again(tmp_path: Path) -> None:
    """A step of another key keeps what the plan has."""
    write_sources(tmp_path, a=SECRET.format("a"), b=SECRET.format("b"))
    saved = make_secret_plan(tmp_path, "a", "b")
    steps = restore_urls(saved, frozenset({"b"}), Options()).steps
    assert steps[0] is saved.steps[0]
    assert isinstance(steps[1].action, Create)
    assert isinstance(steps[1].action.source, UrlSource)
    assert steps[1].action.source.urls == (SECRET.format("b"),)
    assert replace(steps[1].action, source=saved.steps[1].action.source) == saved.steps[1].action  # type: ignore[union-attr]


def test_urls_are_those_of_the_target_of_the_plan_and_of_the_values(tmp_path: Path) -> None:
    """Also of a plan without a target. The command line replaces the values of the manifest."""
    write_sources(tmp_path, a="https://${host}/a.raw?token=1")
    for target, host, options in (
        ("us", "us.example", Options()),
        ("eu", "h.example", Options()),
        (None, "h.example", Options()),
        ("eu", "x.example", Options(set_values=["host=x.example"])),
    ):
        digest = Checksum("sha256", "a" * 64)
        source = UrlSource((f"https://{host}/a.raw?token=1",), digest)
        made = plan(catalog(spec("a", source=source.withhold_secrets())), inventory())
        saved = replace(made, base=str(tmp_path), target_name=target)
        (step,) = restore_urls(saved, frozenset({"a"}), options).steps
        assert isinstance(step.action, Create)
        assert step.action.source == source


@pytest.mark.parametrize("now", ["none", "a.raw"])
def test_another_kind_of_source_is_not_what_was_approved(tmp_path: Path, now: str) -> None:
    """The message has the key and the folder."""
    (tmp_path / "a.raw").write_bytes(b"x")
    write_sources(tmp_path, a=now)
    with pytest.raises(UsageError) as caught:
        restore_urls(make_secret_plan(tmp_path, "a"), frozenset({"a"}), Options())
    assert str(caught.value) == (
        "a: its URL has credentials or a query, which a saved plan never contains; "
        f"the manifests in {tmp_path} now declare another source: make the plan again"
    )
    write_sources(tmp_path, b=SECRET.format("b"))
    with pytest.raises(UsageError, match=r"^a: .* now declare another source"):
        restore_urls(make_secret_plan(tmp_path, "a"), frozenset({"a"}), Options())


def test_without_the_manifests_the_first_key_is_named(tmp_path: Path) -> None:
    """And what to do."""
    with pytest.raises(UsageError) as caught:
        restore_urls(make_secret_plan(tmp_path / "none", "a", "b"), frozenset({"b", "a"}), Options())
    assert str(caught.value) == (
        "a: its URL has credentials or a query, which a saved plan never contains; "
        f"apply the plan on a host that has its manifests in {tmp_path}/none, with the same --set"
    )
