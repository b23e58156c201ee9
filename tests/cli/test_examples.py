"""Each folder of examples is a catalog: it is valid, planned for each of its targets, and applied on the embedded store."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesync.backends import open_backend
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.model.catalog import FileSource, ImageSpec, Method, UrlSource
from imagesync.model.image import Capabilities
from imagesync.model.policy import Publish
from imagesync.planning.staging import stage_plan
from imagesync.sources import identify
from tests.fault.mirror import Mirror, mirror
from tests.pipeline import applied, plan_input, planned

EXAMPLES = Path(__file__).parents[2] / "examples"
CATALOGS = sorted(path.parent.name for path in EXAMPLES.glob("*/catalog.yaml"))
OF_FEATURES = ("features", "cloud-features")
"""Catalogs with a file for each feature."""

ABLE = Capabilities(import_methods=frozenset({*Method, "copy-image"}), stores=frozenset({"fast", "slow"}))
"""A service that has everything that the examples require."""


def can_apply(spec: ImageSpec, address: str) -> bool:
    """Whether the data is in the examples or on the web server of this address, and the embedded store can take it."""
    if isinstance(spec.source, UrlSource):
        return spec.source.urls[0].startswith(address)
    return not isinstance(spec.source, FileSource) or spec.source.transfer.method is Method.UPLOAD


@pytest.fixture
def upstream() -> Iterator[Mirror]:
    """A web server with the files of the features that need one."""
    with mirror() as found:
        for path in (EXAMPLES / "cloud-features").iterdir():
            found.publish(f"/{path.name}", path.read_bytes())
        yield found


@pytest.mark.parametrize("name", CATALOGS)
def test_each_example_is_planned_and_applied(tmp_path: Path, upstream: Mirror, name: str) -> None:
    """For each target a plan for all its images. Those whose data is here are applied, and the next plan is empty."""
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("lab-store"))
    manifest = load(tmp_path / "examples" / name)
    values = {"mirror": upstream.address} if name == "cloud-features" else {}
    targets: list[str | None] = [*manifest.targets] or [None]
    for target in targets:
        backend = open_backend(store=tmp_path / f"store-{target}")
        legacy = backend.create_image(name="Legacy", disk_format="raw", container_format="bare")
        backend.upload(legacy.id, [b"x"], 1)
        catalog = identify(resolve(manifest, target=target, values=values))
        if catalog.policy.publish is Publish.STAGED_ONLY:
            applied(backend, stage_plan(plan_input(backend, catalog)))
        plan = planned(backend, catalog, able=ABLE)
        assert {step.action.key for step in plan.steps} == {spec.key for spec in catalog.images}
        ready = tuple(spec.key for spec in catalog.images if can_apply(spec, upstream.address))
        if ready:
            part = identify(resolve(manifest, target=target, values=values, only=ready))
            applied(backend, planned(backend, part))
            assert planned(backend, part).steps == ()


@pytest.mark.parametrize("name", ["features", "quickstart", "staged-only"])
def test_an_example_without_a_cloud_needs_no_option(name: str) -> None:
    """``imagesync plan FOLDER`` works: its default target is a local store that can hold all its images."""
    manifest = load(EXAMPLES / name)
    catalog = resolve(manifest)
    assert catalog.target.store
    assert {spec.key for spec in catalog.images} == manifest.images.keys()


@pytest.mark.parametrize("name", OF_FEATURES)
def test_each_file_of_features_explains_its_feature(name: str) -> None:
    """A comment in its second line."""
    for path in (EXAMPLES / name).glob("*.yaml"):
        assert path.read_text().splitlines()[1].startswith("# ")
