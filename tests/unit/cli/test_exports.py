"""Which images an export selects, and which file it writes."""

from pathlib import Path
from uuid import UUID

import pytest

from imagesync.backends import open_backend
from imagesync.backends.base import Backend
from imagesync.cli.exports import Destination, Selection, export_images, make_manifest
from imagesync.cli.options import Options
from imagesync.errors import UsageError
from imagesync.model.catalog import Role, Visibility
from tests.unit.factories import live, spec


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    """An empty store."""
    return open_backend(store=tmp_path / "store")


def names_of(backend: Backend, selection: Selection) -> set[str | None]:
    """The names of the exported images."""
    return {image.name for image in make_manifest(backend, selection, "base", jobs=1).images.values()}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), "a b ab c"),
        (Selection(names=["a"]), "a"),
        (Selection(names=["a", "b"]), "a b"),
        (Selection(names=["b", "a*"]), "a b ab"),
        (Selection(names=["none", "c"]), "c"),
        (Selection(names=["A"]), ""),
        (Selection(tags=["x"]), "a b"),
        (Selection(tags=["x", "y"]), "b"),
        (Selection(visibility=Visibility.PUBLIC), "c"),
        (Selection(names=["a", "c"], visibility=Visibility.PUBLIC), "c"),
        (Selection(all_owners=True, tags=["y"]), "b"),
    ],
)
def test_an_export_has_the_images_that_match_all_options(backend: Backend, selection: Selection, expected: str) -> None:
    """Of several names or globs one must match; of several tags all."""
    for name, tags in (("a", ["x"]), ("b", ["x", "y"]), ("ab", [])):
        backend.create_image(name=name, tags=tags)
    backend.create_image(name="c", visibility=Visibility.PUBLIC)
    assert names_of(backend, selection) == set(expected.split())


def test_of_a_catalog_only_current_builds_are_exported_and_only_on_request(backend: Backend) -> None:
    """Neither retired builds, nor candidates, nor images in the middle of their deletion."""
    for number, role in enumerate(Role):
        image = live(spec(role.value), str(UUID(int=number)), role)
        backend.create_image(id=image.id, name=role.value, properties=image.properties)
    backend.create_image(name="free")
    assert names_of(backend, Selection()) == {"free"}
    assert names_of(backend, Selection(managed=True)) == {"free", "current"}


@pytest.mark.parametrize("kind", ["file", "link", "link to nothing"])
def test_a_file_is_replaced_only_with_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: Backend, kind: str
) -> None:
    """Also a link, of which nothing is written to its target."""
    monkeypatch.chdir(tmp_path)
    backend.create_image(name="a")
    out, victim = Path("m.yaml"), Path("victim")
    if kind == "file":
        out.write_text("mine")
    else:
        out.symlink_to(victim)
    if kind == "link":
        victim.write_text("mine")
    options = Options(store=Path("store"))
    with pytest.raises(UsageError, match=r"m\.yaml already exists"):
        export_images(Selection(), Destination(out), options)
    assert out.is_symlink() == (kind != "file")
    export_images(Selection(), Destination(out, force=True), options)
    assert "images:\n  a:\n" in out.read_text()
    assert not out.is_symlink()
    assert victim.exists() == (kind == "link")
    assert kind != "link" or victim.read_text() == "mine"
