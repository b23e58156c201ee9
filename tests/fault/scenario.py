"""Two manifests, BEFORE and AFTER. An apply of AFTER to the images of BEFORE has every kind of step: it creates,
replaces, updates, deactivates, reactivates, shares and deletes images, and gives one image a new key.

The fault tests interrupt that apply.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.samples import spell

DATA = {f"{letter}.raw": spell(letter) * 2500 for letter in "abcdefghij"}
PRIVATE = {"disk_format": "raw", "container_format": "bare", "visibility": "private"}
CHANGING = {"id", "created_at", "updated_at", "file", "self", "imagesync_managed", "direct_url", "imagesync_spec"}
"""Fields that differ between two applies of the same manifest. The id in the marker and the guard differ, too."""

BEFORE: dict[str, dict[str, Any]] = {
    "replaced": {"source": "b.raw", "visibility": "public", "tags": ["old"]},
    "updated": {"source": "c.raw", "min_ram": 1, "tags": ["one"], "properties": {"p": "1", "q": "1"}},
    "deactivated": {"source": "d.raw"},
    "reactivated": {"source": "e.raw", "status": "deactivated"},
    "shared": {"source": "f.raw", "visibility": "shared", "members": [{"id": "p1"}, {"id": "p2"}]},
    "removed": {"source": "g.raw"},
    "former-key": {"name": "new-key", "source": "i.raw"},
}
AFTER: dict[str, dict[str, Any]] = {
    "created": {
        "source": "h.raw",
        "visibility": "shared",
        "members": [{"id": "p3"}],
        "tags": ["new"],
        "properties": {"n": "1"},
    },
    "replaced": {"source": "a.raw", "visibility": "public", "tags": ["new"]},
    "updated": {"source": "c.raw", "min_ram": 2, "tags": ["two"], "properties": {"p": "2"}},
    "deactivated": {"source": "d.raw", "status": "deactivated"},
    "reactivated": {"source": "e.raw", "status": "active"},
    "shared": {"source": "f.raw", "visibility": "shared", "members": [{"id": "p2"}, {"id": "p3"}]},
    "switched-off": {"source": "b.raw", "status": "deactivated"},
    "new-key": {"source": "j.raw", "moved": {"from": "former-key"}},
}

NEW_BUILDS = 4
"""How many images an apply of AFTER uploads."""


def select_steady(image: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an image that are the same after each apply of the same manifest."""
    changing = {*CHANGING, "imagesync_id", *(name for name in image if name.startswith("imagesync_rev_"))}
    return {name: value for name, value in image.items() if name not in changing}


def write_data(folder: Path) -> None:
    """Write the image files of both manifests."""
    for name, content in DATA.items():
        (folder / name).write_bytes(content)


def write_manifest(folder: Path, images: Mapping[str, Mapping[str, Any]]) -> None:
    """Write base.yaml."""
    document = {"version": 1, "catalog": "base", "defaults": PRIVATE, "images": images}
    (folder / "base.yaml").write_text(json.dumps(document))


def earlier(images: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """BEFORE with another build of ``replaced``: if it is applied first, BEFORE has a retired build."""
    return {**images, "replaced": {**images["replaced"], "source": "h.raw"}}
