"""Numbered situations: manifest and live images in, the plan as people see it and as it is saved out."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.model.catalog import Catalog, Role, Status
from imagesync.model.image import LiveImage
from imagesync.model.record import read
from imagesync.planfile.writer import encode_plan, format_document
from imagesync.planning.policy import check
from imagesync.render.documents import make_plan_document
from imagesync.render.markdown import format_markdown
from imagesync.render.text import format_plan
from imagesync.sources import identify
from tests.large_plan import make_large_plan
from tests.unit.factories import NOW, inventory, live, plan

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/manifest.yaml"))


def catalog(file: Path) -> Catalog:
    """The catalog of one file, as if it lay at /cases."""
    return replace(identify(resolve(load(file))), base="/cases")


def images(case: Path) -> list[LiveImage]:
    """What is live: the earlier manifest as applied, then what another user changed."""
    drift = yaml.safe_load((case / "drift.yaml").read_text()) if (case / "drift.yaml").exists() else {}
    found = [*earlier(case, "retired.yaml", Role.RETIRED), *earlier(case, "staged.yaml", Role.STAGING)]
    rejected = earlier(case, "rejected.yaml", Role.STAGING, "rejected")
    found += [replace(image, status=Status.DEACTIVATED) for image in rejected]
    for spec in catalog(case / "live.yaml").images:
        image = live(spec, status=Status.DEACTIVATED if spec.status is Status.DEACTIVATED else Status.ACTIVE)
        changes = dict(drift.get(spec.key, {}))
        changes["properties"] = {**image.properties, **changes.get("properties", {})}
        if "status" in changes:
            changes["status"] = Status(changes["status"])
        found.append(replace(image, **changes))
    return found


def earlier(case: Path, name: str, role: Role, prefix: str = "") -> list[LiveImage]:
    """Builds of a file's images that are not current: superseded ten days ago, or verified and not published."""
    found = []
    for spec in catalog(case / name).images if (case / name).exists() else ():
        image = live(spec, f"{prefix or role.value}-{spec.key}", role, 1 if role is Role.RETIRED else 9, hidden=True)
        record = read(image)
        assert record is not None
        if role is Role.RETIRED:
            since = (NOW - timedelta(days=10)).isoformat()
            record = replace(record, managed=replace(record.managed, retired=since, before={"hidden": False}))
        found.append(replace(image, properties={**image.properties, **record.properties(image.id)}))
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Path, request: pytest.FixtureRequest) -> None:
    """Text and document are those that were looked at and kept."""
    wanted = catalog(case / "manifest.yaml")
    made = plan(wanted, inventory(*images(case)))
    refusals = check(made, wanted.policy)
    results = {
        "plan.txt": format_plan(made, now=NOW) + "\n" + "".join(f"refused: {sentence}\n" for sentence in refusals),
        "plan.md": format_markdown(make_plan_document(made, now=NOW, refusals=refusals), max_bytes=60_000) + "\n",
        "plan.json": format_document(encode_plan(made, tool="imagesync", folder="/cases")),
    }
    compare(case, results, request)


def test_a_large_plan(request: pytest.FixtureRequest) -> None:
    """Text and comment of a plan for 300 images, most of which change."""
    made = make_large_plan(is_varied=True)
    comment = format_markdown(make_plan_document(made, now=NOW), max_bytes=60_000)
    compare(HERE / "large-plan", {"plan.txt": format_plan(made, now=NOW) + "\n", "plan.md": comment + "\n"}, request)


def compare(folder: Path, results: Mapping[str, str], request: pytest.FixtureRequest) -> None:
    """Assert that the files of a folder have these texts, after writing them if that is requested."""
    for name, text in results.items():
        if request.config.getoption("--update-cases"):
            (folder / name).write_text(text, encoding="utf-8")
        assert (folder / name).read_text(encoding="utf-8") == text
