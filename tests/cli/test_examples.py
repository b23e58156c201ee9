"""Every example is valid, can be planned for each of its targets, and is applied on the embedded store."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesync import load, open_backend, resolve
from imagesync.model.catalog import FileSource, ImageSpec, Method, UrlSource
from imagesync.model.image import Capabilities
from imagesync.model.policy import Publish
from imagesync.planning.staging import stage_plan
from imagesync.sources import identify
from tests.fault.mirror import Mirror, mirror
from tests.pipeline import applied, plan_input, planned

EXAMPLES = Path(__file__).parents[2] / "examples"
EVERY = sorted([path.relative_to(EXAMPLES) for path in (EXAMPLES / "features").glob("*.yaml")])
EVERY += [Path("openstack"), Path("quickstart")]

ABLE = Capabilities(import_methods=frozenset({*Method, "copy-image"}), stores=frozenset({"fast", "slow"}))
"""A service that has all that the examples ask for."""


def is_for_a_folder(spec: ImageSpec) -> bool:
    """Whether its bytes are here, and the embedded store can take them as declared."""
    source = spec.source
    sent = not isinstance(source, FileSource) or source.transfer.method is Method.UPLOAD
    return sent and not isinstance(source, UrlSource)


@pytest.fixture
def upstream() -> Iterator[Mirror]:
    """The folder of features as a web server has it."""
    with mirror() as found:
        for path in (EXAMPLES / "features").iterdir():
            found.publish(f"/{path.name}", path.read_bytes())
        yield found


@pytest.mark.parametrize("example", EVERY, ids=str)
def test_every_example_is_planned_and_applied(tmp_path: Path, upstream: Mirror, example: Path) -> None:
    """For every target a plan for all its images; those whose bytes are here are applied, and nothing is left to do."""
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("lab-store"))
    manifest = load(tmp_path / "examples" / example)
    targets: list[str | None] = [*manifest.targets] or [None]
    for target in targets:
        backend = open_backend(store=tmp_path / f"store-{target}")
        legacy = backend.create_image(name="Legacy", disk_format="raw", container_format="bare")
        backend.upload(legacy.id, [b"x"], 1)
        values = {"mirror": upstream.address} if example.stem == "upstream" else {}
        catalog = identify(resolve(manifest, target=target, values=values))
        if catalog.policy.publish is Publish.STAGED_ONLY:
            applied(backend, stage_plan(plan_input(backend, catalog)))
        plan = planned(backend, catalog, able=ABLE)
        assert {step.action.key for step in plan.steps} == {spec.key for spec in catalog.images}
        if not values and not all(map(is_for_a_folder, catalog.images)):
            continue
        applied(backend, plan)
        assert planned(backend, catalog).steps == ()


def test_each_file_of_features_says_what_it_shows() -> None:
    """A comment in its second line; the catalog is called like the file."""
    for path in (EXAMPLES / "features").glob("*.yaml"):
        lines = path.read_text().splitlines()
        assert lines[1].startswith("# ")
        assert lines[3] == f"catalog: {path.stem}"
