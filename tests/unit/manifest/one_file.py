"""A manifest that is one file: its catalog, or what is wrong with it."""

from pathlib import Path

import pytest

from imagesync.errors import ManifestError
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.model.catalog import Catalog

HEAD = "version: 1\ncatalog: base\n"
SHA256 = "sha256:" + "a" * 64


def wanted(folder: Path, text: str, **options: object) -> Catalog:
    """The catalog of this text, below the two lines of ``HEAD`` unless it has its own."""
    file = folder / "catalog.yaml"
    file.write_text(text if text.startswith("version") else HEAD + text, encoding="utf-8")
    return resolve(load(file), **options)  # type: ignore[arg-type]


def problems(folder: Path, text: str, **options: object) -> list[str]:
    """What is wrong with this text, each problem without the path of the file."""
    with pytest.raises(ManifestError) as caught:
        wanted(folder, text, **options)
    return [str(item).removeprefix(f"{folder}/catalog.yaml:") for item in caught.value.diagnostics]
