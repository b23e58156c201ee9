"""Where a plan is for."""

from dataclasses import replace

import pytest

from imagesync.model.image import Identity
from imagesync.render.place import describe_place, place_to_json
from tests.unit.factories import catalog, inventory, plan, spec

PLAN = plan(catalog(spec("a")), inventory())
CLOUD = Identity("glance", "https://keystone.example/v3", "id-1", "images", "R1", "alice")


@pytest.mark.parametrize(
    ("here", "name", "text"),
    [
        (CLOUD, "prod", "target prod (cloud alice, project images)"),
        (CLOUD, None, "cloud alice, project images"),
        (replace(CLOUD, project_name="", label=""), "prod", "target prod (cloud https://keystone.example/v3)"),
        (Identity("store", "/srv/lab", "id-1", label="lab"), "lab", "target lab (store lab)"),
        (replace(CLOUD, label="a\x1b[2J"), None, "cloud a\\x1b[2J, project images"),
    ],
)
def test_the_place_in_words(here: Identity, name: str | None, text: str) -> None:
    """The target's name first; nothing in it commands a terminal."""
    made = replace(PLAN, target=here, target_name=name)
    assert describe_place(made) == text


def test_the_place_for_other_programs() -> None:
    """All that distinguishes places."""
    assert place_to_json(CLOUD) == {
        "kind": "glance",
        "location": "https://keystone.example/v3",
        "region": "R1",
        "project_id": "id-1",
        "project_name": "images",
        "label": "alice",
    }
