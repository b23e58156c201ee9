"""Which files are saved plans."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from imagesync.cli.catalogs import load_catalog
from imagesync.cli.json_files import MAX_BYTES
from imagesync.cli.options import Options
from imagesync.cli.saved_plans import is_plan_file, read_plan, refuse_plan_file, restore_urls, save_plan
from imagesync.errors import UsageError
from imagesync.model.catalog import Catalog, Checksum, Fingerprint, UrlSource
from imagesync.model.plan import Create
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
