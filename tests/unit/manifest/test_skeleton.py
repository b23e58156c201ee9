"""The text of a new catalog."""

import re
from pathlib import Path

import pytest

from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.manifest.selection import Choice, select_target
from imagesync.manifest.skeleton import GITIGNORE, STORE, write_catalog, write_places
from imagesync.model.catalog import Target


@pytest.mark.parametrize("name", ["images", "24.04", "no", "1e3", "0x1", "null", "Null"])
def test_a_name_is_a_text(tmp_path: Path, name: str) -> None:
    """Also one that YAML reads as a number or a truth value."""
    (tmp_path / "catalog.yaml").write_text(write_catalog(name))
    manifest = load(tmp_path)
    place = select_target(manifest, Choice(), {})
    assert (resolve(manifest, place=place).name, place) == (name, Target("lab", store=str(tmp_path / STORE)))
    assert [line for line in GITIGNORE.splitlines() if not line.startswith("#")] == [f"/{STORE}/", "/plan.json"]


def test_a_cloud_is_the_default_target(tmp_path: Path) -> None:
    """Its name may be any text of clouds.yaml; the comment about a store is right, too."""
    text = f"version: 1\ncatalog: a\n{write_places('eu-prod', 'EU: prod #1')}images: {{}}\n"
    (tmp_path / "catalog.yaml").write_text(re.sub("# lab:", "lab:", text))
    manifest = load(tmp_path)
    assert select_target(manifest, Choice(), {}) == Target("eu-prod", "EU: prod #1")
    assert set(manifest.targets) == {"eu-prod", "lab"}
