"""Which images an export selects, and which file it writes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast
from uuid import UUID

import pytest

from imagesync.backends import open_backend
from imagesync.backends.base import Backend
from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.exports import Destination, Selection, choose_name, export_images, make_manifest
from imagesync.cli.options import Options
from imagesync.errors import UsageError
from imagesync.model.catalog import Role, Visibility
from imagesync.model.image import Capabilities, Filter, Identity, LiveImage
from imagesync.model.record import read
from tests.unit.factories import PROJECT, TARGET, live, spec


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


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: Backend) -> Path:
    """The working directory, with the store ``store`` that has the image ``a``."""
    monkeypatch.chdir(tmp_path)
    backend.create_image(name="a")
    return tmp_path


STORE = Options(store=Path("store"))
TWICE = [str(UUID(int=2)), str(UUID(int=1))]


@pytest.mark.parametrize(
    ("out", "catalog", "written"),
    [
        ("m.yaml", None, "m.yaml"),
        ("M.YML", None, "M.YML"),
        ("m.txt", "base", "m.txt/base.yaml"),
        ("new/", None, "new/exported.yaml"),
        ("folder", None, "folder/exported.yaml"),
        ("folder/m.yaml", None, "folder/m.yaml"),
        ("folder.yaml", "base", "folder.yaml/base.yaml"),
    ],
)
def test_an_export_is_a_file_or_a_new_file_in_a_folder(
    here: Path, capsys: pytest.CaptureFixture[str], out: str, catalog: str | None, written: str
) -> None:
    """By the suffix, unless it is a folder already; others may read it. The last line names it."""
    (here / "folder").mkdir()
    (here / "folder.yaml").mkdir()
    assert export_images(Selection(), Destination(Path(out), catalog), STORE) is ExitCode.DONE
    assert capsys.readouterr().err == f"1 image written to {written}\n"
    text = (here / written).read_text()
    assert f"\ncatalog: {catalog or 'exported'}\n" in text
    assert (here / written).stat().st_mode & 0o777 == 0o644
    with pytest.raises(UsageError) as caught:
        export_images(Selection(), Destination(Path(out), catalog), STORE)
    assert caught.value.message == f"{written} already exists"
    assert caught.value.hint == "write to another file, or pass --force to replace it"


@pytest.mark.parametrize("out", [None, "-"])
def test_without_a_file_the_manifest_is_printed(
    here: Path, capsys: pytest.CaptureFixture[str], backend: Backend, out: str | None
) -> None:
    """And nothing else; ``--force`` has no effect then."""
    place = Destination(Path(out) if out else None)
    with pytest.raises(UsageError, match=r"^--force has no effect without --out FILE") as caught:
        export_images(Selection(), replace(place, force=True), STORE)
    assert caught.value.hint == "add --out FILE, or remove --force"
    before = {path.name for path in here.iterdir()}
    assert export_images(Selection(), place, STORE) is ExitCode.DONE
    printed, reported = capsys.readouterr()
    assert (printed, reported) == (make_manifest(backend, Selection(), "exported", jobs=1).text, "")
    assert {path.name for path in here.iterdir()} == before


def test_a_folder_that_cannot_be_made_is_an_error(here: Path) -> None:
    """With its name, and without a trace of the manifest."""
    with pytest.raises(UsageError) as caught:
        export_images(Selection(), Destination(Path("no/way")), STORE)
    assert caught.value.message == "no/way: No such file or directory"
    assert caught.value.hint == "pass a file or folder that can be written"


def test_images_of_catalogs_are_counted_when_they_are_left_out(
    here: Path, capsys: pytest.CaptureFixture[str], backend: Backend
) -> None:
    """By catalog, in the order of their names; only current builds that the names match, and not with ``--managed``."""
    for number, (key, role) in enumerate((("a", Role.CURRENT), ("b", Role.CURRENT), ("c", Role.RETIRED))):
        image = live(spec(key), str(UUID(int=number)), role)
        backend.create_image(id=image.id, name=key, properties=image.properties)
    image = live(spec("x"), str(UUID(int=9)))
    record = read(image)
    assert record is not None
    other = {**image.properties, **replace(record, catalog="abc").properties(image.id)}
    backend.create_image(id=image.id, name="x", properties=other)
    make_manifest(backend, Selection(), "new", jobs=1)
    assert capsys.readouterr().err == (
        "1 image of catalog abc left out; to include them, pass --managed\n"
        "2 images of catalog base left out; to include them, pass --managed\n"
    )
    make_manifest(backend, Selection(names=["a"]), "new", jobs=1)
    assert capsys.readouterr().err == "1 image of catalog base left out; to include them, pass --managed\n"
    make_manifest(backend, Selection(managed=True), "new", jobs=1)
    assert capsys.readouterr().err == ""


def test_what_could_not_be_written_is_a_failure(
    here: Path, capsys: pytest.CaptureFixture[str], backend: Backend
) -> None:
    """Each sentence once, before the last line; the rest is written."""
    backend.create_image(id=TWICE[0], name=None)
    assert export_images(Selection(), Destination(Path("m.yaml")), STORE) is ExitCode.FAILED
    assert capsys.readouterr().err == (
        f"image {TWICE[0]}: left out: it has no name; give it one\n1 image written to m.yaml\n"
    )


class OddImages:
    """The part of a backend that an export needs: images of several projects, and records that cannot be read."""

    def __init__(self, *images: LiveImage, missing: Sequence[str] = ()) -> None:
        self._images, self._missing = images, missing
        self.filters: list[Filter] = []

    def identity(self) -> Identity:
        """Of the user's own project."""
        return TARGET

    def capabilities(self) -> Capabilities:
        """None in particular."""
        return Capabilities()

    def find_images(self, wanted: Filter, *, missing: list[str]) -> list[LiveImage]:
        """Those that the filter selects."""
        self.filters.append(wanted)
        missing += self._missing
        return [image for image in self._images if wanted.is_match(image)]


def test_the_service_is_asked_for_what_is_wanted() -> None:
    """By owner, by a whole name, by tags and visibility; an image that two answers have is written once."""
    odd = OddImages()
    for selection in (
        Selection(),
        Selection(names=["a"], tags=["x", "y"], visibility=Visibility.PUBLIC),
        Selection(names=["a", "b"]),
        Selection(names=["a*"]),
        Selection(names=["a?"]),
        Selection(names=["[a]"]),
        Selection(all_owners=True),
    ):
        make_manifest(cast("Backend", odd), selection, "base", jobs=1)
    assert odd.filters == [
        Filter(PROJECT),
        Filter(PROJECT, "a", frozenset({"x", "y"}), Visibility.PUBLIC),
        *[Filter(PROJECT)] * 4,
        Filter(None),
    ]


def test_each_owner_is_asked_about() -> None:
    """Instead of the own project; a word that is not an id and has no image is refused."""
    owners = ["1" * 32, "2" * 32]
    images = [
        live(spec(name), str(UUID(int=number)), owner=owner, properties={})
        for number, (name, owner) in enumerate((("b", owners[1]), ("a", owners[0]), ("own", PROJECT)))
    ]
    odd = OddImages(*images)
    made = make_manifest(cast("Backend", odd), Selection(owners=owners), "base", jobs=1)
    assert [one.owner for one in odd.filters] == owners
    assert sorted(image.name or "" for image in made.images.values()) == ["a", "b"]
    with pytest.raises(UsageError, match=r"^--owner 'my project': not a project id"):
        make_manifest(cast("Backend", odd), Selection(owners=["1" * 32, "my project"]), "base", jobs=1)
    made = make_manifest(cast("Backend", odd), Selection(owners=[PROJECT]), "base", jobs=1)
    assert [image.name for image in made.images.values()] == ["own"]


def test_what_the_service_returned_wrongly_is_a_problem() -> None:
    """Each sentence once; an id that no manifest accepts is named."""
    odd = OddImages(
        live(spec("a"), "not-a-uuid", properties={}),
        live(spec("b"), str(UUID(int=2)).upper(), properties={}),
        missing=["image x: no status", "image x: no status"],
    )
    made = make_manifest(cast("Backend", odd), Selection(), "base", jobs=1)
    assert made.problems == ("left out: image x: no status", "left out: image not-a-uuid: its id is not a UUID")
    assert list(made.images) == ["b"]


@pytest.mark.parametrize(
    ("given", "project", "name"),
    [
        ("mine", "Our Project", "mine"),
        (None, "Our Project", "Our-Project"),
        (None, "", "exported"),
        (None, "云", "exported"),
    ],
)
def test_the_name_of_the_catalog_is_that_of_the_option_or_of_the_project(
    given: str | None, project: str, name: str
) -> None:
    """A project whose name gives no name of a catalog has a usual one."""
    odd = OddImages()
    odd.identity = lambda: replace(TARGET, project_name=project)  # type: ignore[method-assign]
    assert choose_name(given, cast("Backend", odd)).lower() == name.lower()


@pytest.mark.parametrize("name", ["a b", "-a", "a" * 65, "a\x1b"])
def test_a_name_that_is_not_valid_is_refused(backend: Backend, name: str) -> None:
    """The form is that of a key."""
    with pytest.raises(UsageError) as caught:
        choose_name(name, backend)
    assert caught.value.message == f"--catalog {name}: not a valid name".replace("\x1b", "\\x1b")
    assert caught.value.hint == "use at most 64 letters, digits, and the characters . _ -"
    assert choose_name("a" * 64, backend) == "a" * 64
