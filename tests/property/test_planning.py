"""Any two manifests on the local store: after the first and then the second is applied, the plan is empty."""

import json
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesync.backends import open_backend
from imagesync.errors import PlanRefused
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.model.catalog import Catalog, Content
from imagesync.model.plan import Create, Delete
from imagesync.planning.rollback import rollback_plan
from imagesync.planning.staging import stage_plan
from imagesync.sources import identify
from tests.pipeline import applied, plan_input, planned

KEYS = ["a", "b", "c"]
FILES = {f"{number}.raw": bytes([number]) * 100 for number in range(3)}

small = st.integers(0, 3)
texts = st.sampled_from(["x", "y", "ü", "a b", ""])
image = st.fixed_dictionaries(
    {"source": st.sampled_from([*FILES, "none"])},
    optional={
        "name": st.sampled_from(["N", "M", "O"]),
        "min_ram": small,
        "min_disk": st.one_of(small, st.just("auto")),
        "visibility": st.sampled_from(["private", "shared", "community", "public"]),
        "protected": st.booleans(),
        "hidden": st.booleans(),
        "tags": st.lists(st.sampled_from(["t", "u", "v"]), unique=True, max_size=3),
        "properties": st.dictionaries(st.sampled_from(["p", "q", "r.s"]), texts, max_size=3),
        "members": st.lists(st.sampled_from(["p1", "p2"]), unique=True, max_size=2),
    },
).map(lambda fields: remove_ineffective(fields))


def remove_ineffective(fields: dict[str, Any]) -> dict[str, Any]:
    """The manifest without values that have no effect, which are errors: members of an image that is not shared, a size without data."""
    members = [{"id": member} for member in fields.get("members", ()) if fields.get("visibility") == "shared"]
    found = {**fields, "members": members}
    if found["source"] == "none" and found.get("min_disk") == "auto":
        del found["min_disk"]
    return found


catalogs = st.dictionaries(st.sampled_from(KEYS), image, max_size=3)
policies = st.fixed_dictionaries(
    {},
    optional={
        "on_remove": st.sampled_from(["delete", "deactivate", "hide", "keep"]),
        "on_replace": st.fixed_dictionaries(
            {},
            optional={
                "keep": small,
                "hide": st.booleans(),
                "deactivate": st.booleans(),
                "rename": st.sampled_from(["{name} old", "{key}-{generation}"]),
            },
        ),
    },
)


def resolved(folder: Path, images: dict[str, Any], policy: dict[str, Any]) -> Catalog:
    """A manifest with distinct names, loaded and resolved; an image without data cannot change its status."""
    named = {key: {**one, "name": f"{one.get('name', 'I')}-{key}"} for key, one in images.items()}
    for one in named.values():
        if one["source"] == "none":
            one.pop("min_disk", None)
    defaults = {"disk_format": "raw", "container_format": "bare"}
    document = {"version": 1, "catalog": "base", "defaults": defaults, "policy": policy, "images": named}
    (folder / "base.yaml").write_text(json.dumps(document))
    return identify(resolve(load(folder / "base.yaml")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder with the image files."""
    made = tmp_path_factory.mktemp("planning")
    for name, data in FILES.items():
        (made / name).write_bytes(data)
    return made


@settings(max_examples=60, deadline=None)
@given(first=catalogs, second=catalogs, policy=policies)
def test_the_plan_after_an_apply_is_empty(
    folder: Path, first: dict[str, Any], second: dict[str, Any], policy: dict[str, Any]
) -> None:
    """A key without changes keeps its image, and the graph of steps is in order."""
    shutil.rmtree(folder / "store", ignore_errors=True)
    backend = open_backend(store=folder / "store")
    for images in (first, second):
        catalog = resolved(folder, images, policy)
        permitted = replace(catalog.policy, allow_protected=True)
        plan = planned(backend, catalog, permitted)
        place = {step.id: number for number, step in enumerate(plan.steps)}
        assert all(place[need] < place[step.id] for step in plan.steps for need in step.needs)
        unchanged = {key for key in first if first.get(key) == second.get(key)} if images is second else set()
        for step in plan.steps:
            assert not (isinstance(step.action, Create | Delete) and step.action.key in unchanged)
        applied(backend, plan)
        assert planned(backend, catalog, permitted).steps == ()


@settings(max_examples=40, deadline=None)
@given(first=catalogs, second=catalogs, policy=policies)
def test_staging_and_rollback_lead_to_the_same_state_as_apply(
    folder: Path, first: dict[str, Any], second: dict[str, Any], policy: dict[str, Any]
) -> None:
    """A staged plan changes no existing image. After any rollback, the next apply leads to the declared state and an empty plan."""
    shutil.rmtree(folder / "store", ignore_errors=True)
    backend = open_backend(store=folder / "store")
    for images in (first, second):
        catalog = resolved(folder, images, policy)
        permitted = replace(catalog.policy, allow_protected=True)
        before = {image.id: image for image in backend.images()}
        applied(backend, stage_plan(plan_input(backend, catalog)))
        after = {image.id: image for image in backend.images()}
        assert {image_id: after[image_id] for image_id in before} == before
        assert stage_plan(plan_input(backend, catalog)).steps == ()
        plan = planned(backend, catalog, permitted)
        assert all(step.action.source is Content.NO_DATA for step in plan.steps if isinstance(step.action, Create))
        applied(backend, plan)
    for spec in catalog.images:
        with suppress(PlanRefused):
            applied(backend, rollback_plan(plan_input(backend, catalog, promoting=catalog.keys), key=spec.key, to=None))
    applied(backend, planned(backend, catalog, permitted))
    assert planned(backend, catalog, permitted).steps == ()
