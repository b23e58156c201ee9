"""Where a plan is for."""

from dataclasses import replace

import pytest

from imagesync.model.image import Identity
from imagesync.render.place import describe_place, describe_places, describe_target, name_target, place_to_json
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


def test_each_name_of_a_place_is_printable() -> None:
    """Of the target, the project and the location; the kind of a cloud is called cloud, and every other as it is."""
    odd = Identity("glance", "loc\x1b", "id-1", "pro\x1b", "R1")
    assert describe_target("tar\x1b", odd) == "target tar\\x1b (cloud loc\\x1b, project pro\\x1b)"
    assert describe_target(None, odd) == "cloud loc\\x1b, project pro\\x1b"
    assert describe_target("", Identity("memory", "loc", "id-1")) == "memory loc"
    assert describe_target("a", Identity("memory", "loc", "id-1", label="lab")) == "target a (memory lab)"


@pytest.mark.parametrize(
    ("scopes", "lines"),
    [
        ([("cloud eu", "3 images")], ["Catalog b\\x1b on cloud eu: 3 images"]),
        ([("target eu (cloud e)", "3 images")], ["Catalog b\\x1b on target eu (cloud e): 3 images"]),
        (
            [
                ("target eu (cloud e)", "3 images"),
                ("target us (cloud u)", "3 images"),
                ("target x (store x)", "3 images"),
            ],
            ["Catalog b\\x1b on targets eu (cloud e), us (cloud u), x (store x): 3 images"],
        ),
        (
            [
                ("target eu (cloud e)", "3 images"),
                ("target us (cloud u)", "3 images"),
                ("target x (store x)", "4 images"),
            ],
            [
                "Catalog b\\x1b on targets",
                "  eu (cloud e): 3 images",
                "  us (cloud u): 3 images",
                "  x (store x): 4 images",
            ],
        ),
    ],
    ids=["one", "one target", "equal", "the last differs"],
)
def test_places_with_one_scope_are_one_line(scopes: list[tuple[str, str]], lines: list[str]) -> None:
    """Several are targets, which the line says once; the name of the catalog is printable."""
    assert describe_places("b\x1b", scopes) == lines


def test_the_short_name_of_a_target() -> None:
    """Its own, else the label of the place, else its location, as they are."""
    assert name_target("prod", CLOUD) == "prod"
    assert [name_target(name, CLOUD) for name in (None, "")] == ["alice", "alice"]
    assert name_target(None, replace(CLOUD, label="")) == "https://keystone.example/v3"
