"""What ``list`` requests, selects and prints, over a shelf of images in the place of a cloud."""

import csv
import io
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagesync.backends import open_backend
from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.listings import Listing, Place, Query, open_place, print_listing, read_listing
from imagesync.cli.options import ListForm, Options
from imagesync.errors import Forbidden, InvalidRequest, NotFound, UsageError
from imagesync.model.catalog import Catalog, Role, Status, Target, Visibility
from imagesync.model.image import KEY, Filter, Identity, LiveImage, MemberState
from imagesync.model.listing import Selection, Standing
from imagesync.model.record import LEASE
from imagesync.render.columns import PLAIN, USUAL
from tests.unit.factories import PROJECT, TARGET, candidate, catalog, live, retired, rewrite, spec
from tests.varied_images import filled, record

OTHER = "f" * 32
"""Another project."""


def free(image_id: str, name: str | None = None, **attrs: Any) -> LiveImage:
    """An image that no catalog owns, of this project."""
    return replace(LiveImage(image_id, name or image_id, Status.ACTIVE, owner=PROJECT), **attrs)


def lease(image_id: str, **attrs: Any) -> LiveImage:
    """The record of a lease."""
    wanted = rewrite(live(spec("lease"), image_id), role=Role.LEASE)
    return replace(wanted, name=None, properties={**wanted.properties, LEASE: "x"}, **attrs)


class ListedCloud:
    """The part of a backend that a listing needs, as a service that ignores case. It remembers its requests."""

    def __init__(self, *images: LiveImage, elsewhere: Sequence[LiveImage] = (), missing: Sequence[str] = ()) -> None:
        self.listed, self.elsewhere, self.missing = images, elsewhere, missing
        self.accepted: dict[str, list[MemberState]] = {}
        self.names: dict[str, str] = {}
        self.refuses = NotFound
        self.requests: list[Any] = []

    def identity(self) -> Identity:
        """The place of the tests."""
        return TARGET

    def list_images(self, missing: list[str]) -> list[LiveImage]:
        """All of them."""
        self.requests.append("list")
        missing += self.missing
        return list(self.listed)

    def find_images(self, wanted: Filter, *, missing: list[str] | None = None) -> list[LiveImage]:
        """Those with the name and the key of a filter, in any case."""
        self.requests.append(wanted)
        assert missing is not None
        missing += self.missing
        return [
            image
            for image in self.listed
            if (wanted.name or image.name or "").casefold() == (image.name or "").casefold()
            and (wanted.key or image.properties.get(KEY, "")).casefold() == image.properties.get(KEY, "").casefold()
        ]

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        """The one with an id."""
        found = [image for image in self.listed if image.id == image_id]
        if not found:
            raise self.refuses("no such image")
        return found

    def inventory(self, name: str, owners: Sequence[str] = ()) -> list[LiveImage]:
        """The images of a catalog in other projects."""
        self.requests.append((name, tuple(owners)))
        return list(self.elsewhere)

    def members(self, image_id: str) -> list[MemberState]:
        """The members of a shared image."""
        self.requests.append(f"members of {image_id}")
        if image_id not in self.accepted:
            raise Forbidden("not yours")
        return self.accepted[image_id]

    def project_names(self, ids: Collection[str]) -> Mapping[str, str]:
        """The names of projects."""
        self.requests.append(frozenset(ids))
        return self.names


def read(shelf: ListedCloud, query: Query, wanted: Catalog | None = None) -> Listing:
    """The listing of a query."""
    return read_listing(Place(shelf, wanted), query, 2)  # type: ignore[arg-type]


def ids(shelf: ListedCloud, query: Query, wanted: Catalog | None = None) -> list[str]:
    """The ids of the entries, in their order."""
    return [entry.image.id for entry in read(shelf, query, wanted).listed.entries]


def select(**attrs: Any) -> Query:
    """A query of a selection."""
    return Query(Selection(**attrs))


# ---------------------------------------------------------------------------------------------------------- queries


def test_the_columns_of_a_table() -> None:
    """Members and drift come before the last one, if they are asked for; programs get other columns."""

    def names(**attrs: Any) -> list[str]:
        return [column.name for column in Query(**attrs).choose()]

    assert names() == [*USUAL]
    assert names(members=True, drift=True) == [*USUAL[:-1], "members", "drift", "id"]
    assert names(drift=True) == [*USUAL[:-1], "drift", "id"]
    assert names(form=ListForm.CSV) == [*PLAIN]
    assert names(form=ListForm.HTML, members=True) == [*PLAIN[:-1], "members", "updated"]
    assert names(columns="size,name", members=True) == ["size", "name"]


def test_a_wrong_query_is_refused_before_any_request() -> None:
    """A column that does not exist; an image and a selection."""
    with pytest.raises(UsageError, match="'nmae' is not a column"):
        Query(columns="nmae")
    for selection in (Selection(tags=["t"]), Selection(unmanaged=True)):
        with pytest.raises(UsageError, match=r"^IMAGE and the options that select images exclude each other"):
            Query(selection, "web")
    assert Query(Selection(), "web").word == "web"
    assert (Query().selection, Query().form, Query().members, Query().drift) == (
        Selection(),
        ListForm.TEXT,
        False,
        False,
    )


# --------------------------------------------------------------------------------------------------------- selecting


def test_everything_is_one_request() -> None:
    """Sorted by name. Lease records are never listed, and each image once."""
    shelf = ListedCloud(free("2", "b"), free("1", "A"), lease("3"), free("2", "b"))
    assert ids(shelf, Query()) == ["1", "2"]
    assert shelf.requests == ["list", frozenset({PROJECT})]


def test_a_selection_is_asked_for_and_compared_again() -> None:
    """The service ignores case."""
    shelf = ListedCloud(
        free("1", "Web", tags=frozenset({"t"})), free("2", "web", tags=frozenset({"t"})), free("3", "web")
    )
    query = select(names=["web"], tags=["t"])
    assert ids(shelf, query) == ["2"]
    assert shelf.requests[0] == Filter(name="web", tags=frozenset({"t"}))
    assert "list" not in shelf.requests
    parts: list[dict[str, Any]] = [{"keys": ["a"]}, {"names": ["w*"]}, {"tags": ["t"]}, {"catalogs": ["base"]}]
    parts += [{"roles": [Standing.RETIRED]}, {"visibilities": [Visibility.PUBLIC]}, {"owners": [PROJECT]}]
    for part in [*parts, {"unmanaged": True}]:
        shelf.requests.clear()
        ids(shelf, select(**part))
        assert shelf.requests[0] == Selection(**part).make_filter()


@pytest.mark.parametrize("form", list(ListForm))
def test_community_images_of_others_are_not_listed(form: ListForm) -> None:
    """Unless they, or the project, are asked for. Those of this project and of the catalog are."""
    shared = Visibility.COMMUNITY
    theirs = live(spec("theirs", owner=OTHER), "theirs", visibility=shared, owner=OTHER)
    stray = live(spec("stray"), "stray", visibility=shared, owner=OTHER)
    wanted = catalog(spec("theirs", owner=OTHER), spec("mine"))
    mine = live(spec("mine"), "mine", visibility=shared)
    foreign = free("foreign", visibility=shared, owner=OTHER)
    public = free("public", visibility=Visibility.PUBLIC, owner=OTHER)
    shelf = ListedCloud(theirs, stray, mine, foreign, public)
    everything = ["foreign", "mine", "public", "stray", "theirs"]
    is_page = form is ListForm.HTML
    assert ids(shelf, Query(form=form)) == ["mine", "public"]
    assert ids(shelf, Query(form=form), wanted) == (["mine", "theirs"] if is_page else ["mine", "public", "theirs"])
    if not is_page:
        every = Query(Selection(visibilities=[Visibility.PUBLIC, shared]), form=form)
        assert ids(shelf, every) == everything
        assert ids(shelf, Query(Selection(owners=[OTHER]), form=form)) == ["foreign", "public", "stray", "theirs"]
        assert ids(shelf, Query(Selection(visibilities=[Visibility.PUBLIC]), form=form)) == ["public"]


def test_a_page_is_for_users() -> None:
    """Of a catalog its own current images; else all that users see. A role shows what it names. Hidden ones never."""
    own = spec("web")
    images = (
        live(own, "current"),
        replace(live(spec("hid"), "hidden"), hidden=True),
        candidate(own, "candidate"),
        retired(own, "retired"),
        mark_copy("copied"),
        rewrite(live(spec("x"), "deleting"), role=Role.DELETING),
        rewrite(live(spec("y"), "of-another"), catalog="other"),
        free("foreign"),
    )
    page = Query(form=ListForm.HTML)
    assert sorted(ids(ListedCloud(*images), page)) == ["copied", "current", "foreign", "of-another"]
    assert ids(ListedCloud(*images), page, catalog(own)) == ["current"]
    for role in (Standing.RETIRED, Standing.CANDIDATE, Standing.DELETING):
        query = Query(Selection(roles=[role]), form=ListForm.HTML)
        expected = {"deleting": "deleting"}.get(role.value, role.value)
        assert ids(ListedCloud(*images), query) == ids(ListedCloud(*images), query, catalog(own)) == [expected]
    assert len(ids(ListedCloud(*images), Query())) == len(images)


def mark_copy(image_id: str) -> LiveImage:
    """A snapshot, with the record of the image that it was taken of."""
    return replace(free(image_id), properties=live(spec("web"), "origin").properties)


def test_images_of_the_catalog_in_other_projects_are_asked_for() -> None:
    """Only those of projects that the manifest names; an image that is in both answers is listed once."""
    owned = spec("theirs", owner=OTHER)
    theirs = live(owned, "theirs", owner=OTHER, visibility=Visibility.COMMUNITY)
    shelf = ListedCloud(free("1"), theirs, elsewhere=[theirs, live(owned, "more", owner=OTHER)])
    assert ids(shelf, Query(), catalog(owned)) == ["1", "more", "theirs"]
    assert ("base", (OTHER,)) in shelf.requests
    shelf.requests.clear()
    assert ids(shelf, Query(), catalog(spec("a"))) == ["1"]
    assert ids(shelf, Query()) == ["1"]
    assert not any(isinstance(one, tuple) for one in shelf.requests)


def test_an_owner_is_an_id_or_has_an_image() -> None:
    """The service takes any word, and returns no image."""
    with pytest.raises(UsageError, match="--owner admin: not a project id"):
        ids(ListedCloud(free("1")), select(owners=["admin"]))
    assert ids(ListedCloud(free("1")), select(owners=[PROJECT])) == ["1"]
    assert ids(ListedCloud(free("1")), select(owners=[OTHER])) == []


def test_what_the_service_did_not_list_is_a_note_each_once() -> None:
    """Of the listing, and of the search for a word."""
    shelf = ListedCloud(
        free("1", "web"), missing=["images that are pending", "images of others", "images that are pending"]
    )
    notes = ("not listed: images that are pending", "not listed: images of others")
    assert read(shelf, Query()).notes == notes
    assert read(shelf, select(names=["web"])).notes == notes
    assert read(shelf, Query(word="web")).notes == notes


# ------------------------------------------------------------------------------------------------------------- words


def test_a_word_is_an_id_else_a_key_or_a_name() -> None:
    """A key means its current build. The exact word: the service ignores case."""
    web, other = spec("web", name="Server"), free("o", "web")
    shelf = ListedCloud(live(web, "current"), retired(web, "old"), other, free("u", "WEB"), free("n", "current"))
    by_id = read(shelf, Query(word="current"))
    assert [entry.image.id for entry in by_id.listed.entries] == ["current"]
    assert by_id.found is not None
    assert by_id.found.others == ()
    assert not any(isinstance(one, Filter) for one in shelf.requests)
    found = read(shelf, Query(word="web"))
    assert [entry.image.id for entry in found.listed.entries] == ["current", "o"]
    assert found.notes == ("web names 2 images; pass the id of one of them",)
    assert found.found is not None
    assert [image.id for image in found.found.others] == ["old"]
    assert [one for one in shelf.requests if isinstance(one, Filter)] == [Filter(name="web"), Filter(key="web")]
    assert read(shelf, Query(word="old")).notes == ()
    assert read(shelf, Query()).found is None


@pytest.mark.parametrize("refuses", [NotFound, InvalidRequest])
def test_an_unknown_word_is_an_error_with_similar_words(refuses: type[Exception]) -> None:
    """At most three, of names and keys. A lease record has none of them, and is not found by its id."""
    same = [free(str(number), f"serve{number}") for number in range(5)]
    shelf = ListedCloud(*same, live(spec("disk", name="Data base"), "d"), lease("lease-1"))
    shelf.refuses = refuses  # type: ignore[assignment]

    def fail(word: str) -> str:
        with pytest.raises(NotFound) as caught:
            read(shelf, Query(word=word))
        return f"{caught.value.message}; {caught.value.hint}"

    assert fail("dsk") == "no image has the id, key or name 'dsk'; did you mean disk?"
    assert fail("Data bse") == "no image has the id, key or name 'Data bse'; did you mean Data base?"
    assert fail("serve").count("serve") == 1 + 3
    assert fail("\x1bzzz") == "no image has the id, key or name '\\\\x1bzzz'; list all images: imagesync list"
    assert "no image has" in fail("lease-1")


def test_other_errors_of_a_word_are_not_hidden() -> None:
    """For example that of a user without rights."""
    shelf = ListedCloud(free("1"))
    shelf.refuses = Forbidden  # type: ignore[assignment]
    with pytest.raises(Forbidden):
        read(shelf, Query(word="web"))


# ----------------------------------------------------------------------------------------------------------- details


def share(image_id: str, **attrs: Any) -> LiveImage:
    """A shared image."""
    return free(image_id, visibility=Visibility.SHARED, **attrs)


def test_members_are_asked_for_only_if_they_are_shown() -> None:
    """With ``--members``, for one image, or as a column; of shared images of this project."""
    shelf = ListedCloud(share("1"), share("2"), share("3", owner=OTHER), free("4"))
    shelf.accepted = {"1": [MemberState("p", "accepted")], "2": [], "3": [MemberState("q", "pending")]}

    def members(query: Query) -> dict[str, Any]:
        return {entry.image.id: entry.members for entry in read(shelf, query).listed.entries}

    assert members(Query()) == dict.fromkeys("1234")
    assert not any(isinstance(one, str) and one.startswith("members") for one in shelf.requests)
    known = {"1": (MemberState("p", "accepted"),), "2": (), "3": None, "4": None}
    assert members(Query(members=True)) == known
    assert members(Query(columns="id,members")) == known
    assert members(Query(members=True, columns="id")) == dict.fromkeys("1234")
    assert members(Query(word="3")) == {"3": (MemberState("q", "pending"),)}, "also of another project"
    assert members(Query(word="4")) == {"4": None}


def test_shared_images_without_members_are_noted() -> None:
    """How to show them; or that the user may not. Programs that take a table, and users, get no note."""
    shelf = ListedCloud(share("1"), share("2"), share("3", owner=OTHER), free("4"))
    hint = "to show the members, pass --members"
    for form in ListForm:
        notes = (f"2 images are shared; {hint}",) if form in (ListForm.TEXT, ListForm.JSON) else ()
        assert read(shelf, Query(form=form)).notes == notes, form
    denied = "this user may not list their members"
    assert read(shelf, Query(members=True)).notes == (f"2 images are shared; {denied}",)
    assert read(shelf, Query(word="1")).notes == (f"1 image is shared; {denied}",)
    shelf.accepted = {"1": []}
    assert read(shelf, Query(members=True)).notes == (f"1 image is shared; {denied}",)
    assert read(shelf, Query(word="4")).notes == ()
    assert read(ListedCloud(share("1")), Query()).notes == (f"1 image is shared; {hint}",)


def test_the_names_of_projects_are_asked_for_only_if_they_are_shown() -> None:
    """Those of the listed images; not for a page without chosen columns."""
    shelf = ListedCloud(free("1"), free("2", owner=OTHER, visibility=Visibility.PUBLIC), free("3", owner=None))
    shelf.names = {PROJECT: "team", OTHER: "other"}

    def names(query: Query) -> tuple[list[str], bool]:
        shelf.requests.clear()
        found = [entry.project for entry in read(shelf, query).listed.entries]
        return found, frozenset({PROJECT, OTHER}) in shelf.requests

    for form in ListForm:
        is_page = form is ListForm.HTML
        assert names(Query(form=form)) == ((["", "", ""], False) if is_page else (["team", "other", ""], True))
        assert names(Query(form=form, columns="id,name")) == (["", "", ""], False)
        assert names(Query(form=form, columns="id,project")) == (["team", "other", ""], True)


def test_drift_is_that_of_current_images_of_the_catalog() -> None:
    """Each path once; an image that was not compared has none."""
    wanted = spec("a", tags=frozenset({"x", "y"}), min_ram=4)
    images = (
        live(wanted, "1", tags=frozenset(), min_ram=5),
        retired(spec("a"), "0"),
        live(spec("b"), "2"),
        free("3"),
    )
    entries = read(ListedCloud(*images), Query(), catalog(wanted, spec("b"))).listed.entries
    assert {entry.image.id: entry.drift and tuple(sorted(entry.drift)) for entry in entries} == {
        "1": ("min_ram", "tags"),
        "0": None,
        "2": (),
        "3": None,
    }
    assert {entry.drift for entry in read(ListedCloud(*images), Query()).listed.entries} == {None}


def test_the_titles_of_a_page() -> None:
    """The catalog of the manifest, else the only one that is selected."""

    def titles(query: Query, wanted: Catalog | None = None) -> tuple[str, str]:
        listing = read(ListedCloud(), query, wanted)
        return listing.title, listing.where

    place = "store ./lab, project local"
    assert titles(Query()) == ("Images", place)
    assert titles(select(catalogs=["x"])) == ("Images of x", place)
    assert titles(select(catalogs=["x", "y"])) == ("Images", place)
    wanted = catalog(spec("a"), target=Target("eu"))
    assert titles(select(catalogs=["x"]), wanted) == ("Images of base", f"target eu ({place})")
    assert read(ListedCloud(), Query()).listed.here == TARGET


# ---------------------------------------------------------------------------------------------------------- printing


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with three images; two have the same name."""
    folder = tmp_path / "store"
    with open_backend(store=folder) as backend:
        filled(backend, b"x" * 3000, name="Web", tags=["t"], visibility="public")
        record(backend, name="Web")
        filled(backend, b"y", name="Data", properties={"p": "v"})
    return folder


def run(capsys: pytest.CaptureFixture[str], store: Path, query: Query) -> tuple[ExitCode, str, str]:
    """The exit code, the output and standard error."""
    code = print_listing(query, None, Options(store=store))
    return code, *capsys.readouterr()


def test_every_format_has_every_image_in_order(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A document is a list, also of one image that was not named."""
    columns = "name,size,properties.p"
    cells = [
        {"name": "Data", "size": 1, "properties.p": "v"},
        *({"name": "Web", "size": size, "properties.p": None} for size in (3000, None)),
    ]

    def order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(rows, key=lambda row: (row["name"], row["size"] is None))

    found = {
        form: run(capsys, store, Query(form=form, columns=columns))
        for form in (ListForm.JSON, ListForm.YAML, ListForm.CSV)
    }
    assert {(code, err) for code, _, err in found.values()} == {(ExitCode.DONE, "")}
    assert order(json.loads(found[ListForm.JSON][1])) == cells
    assert order(yaml.safe_load(found[ListForm.YAML][1])) == cells
    assert found[ListForm.JSON][1].endswith("]\n")
    assert not found[ListForm.YAML][1].endswith("\n\n")
    rows = list(csv.reader(io.StringIO(found[ListForm.CSV][1], newline="")))
    assert (rows[0], rows[1]) == (columns.split(","), ["Data", "1", "v"])
    assert found[ListForm.CSV][1].count("\r\n") == found[ListForm.CSV][1].count("\n") == 4
    _, text, _ = run(capsys, store, Query(columns=columns))
    assert text.splitlines()[:2] == ["NAME     SIZE  properties.p", "Data      1 B  v"]
    one = json.loads(run(capsys, store, Query(Selection(names=["Data"]), form=ListForm.JSON))[1])
    assert [image["name"] for image in one] == ["Data"]


def test_one_image_has_every_field(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Or the chosen columns; a document is one object."""
    code, text, err = run(capsys, store, Query(word="Data"))
    assert (code, err) == (ExitCode.DONE, "")
    lines = text.splitlines()
    assert lines[0].split() == ["name", "Data"]
    assert lines[lines.index("Properties:") + 1].split() == ["p", "v"]
    assert run(capsys, store, Query(word="Data", columns="name,size"))[1].startswith("NAME  SIZE\nData   1 B\n")
    for form, parse in ((ListForm.JSON, json.loads), (ListForm.YAML, yaml.safe_load)):
        assert parse(run(capsys, store, Query(word="Data", form=form))[1])["name"] == "Data"
        assert parse(run(capsys, store, Query(word="Data", form=form, columns="size"))[1]) == {"size": 1}


def test_a_word_with_several_images_fails_and_lists_them(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a table, or as a list."""
    code, text, err = run(capsys, store, Query(word="Web"))
    assert (code, err) == (ExitCode.FAILED, "Web names 2 images; pass the id of one of them\n")
    assert text.startswith("NAME")
    assert len(json.loads(run(capsys, store, Query(word="Web", form=ListForm.JSON))[1])) == 2


def test_other_builds_of_a_key_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the option that lists them; not if the word names several images."""
    folder, number = tmp_path / "store", 0
    with open_backend(store=folder) as backend:
        for role in ("current", "retired", "retired"):
            number += 1
            image = record(backend, name=f"Web {number}")
            template = live(spec("web"), image.id, Role(role), number)
            backend.update_image(image, properties=dict(template.properties))
            _, _, err = run(capsys, folder, Query(word="web"))
            builds = {1: "", 2: "There is 1 other build", 3: "There are 2 other builds"}[number]
            assert err == (f"{builds} of this key; list them with --key\n" if builds else "")
        record(backend, name="web")
        code, _, err = run(capsys, folder, Query(word="web"))
        assert (code, err) == (ExitCode.FAILED, "web names 2 images; pass the id of one of them\n")


def test_a_page_has_the_titles_and_chosen_columns(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends with one line break."""
    _, page, _ = run(capsys, store, Query(Selection(catalogs=["x"]), form=ListForm.HTML))
    assert "<h1>Images of x</h1>" in page
    assert "store store" in page or str(store) in page
    _, usual, _ = run(capsys, store, Query(form=ListForm.HTML))
    _, chosen, _ = run(capsys, store, Query(form=ListForm.HTML, columns="name,min_ram"))
    assert ('data-title="Min' in usual, 'data-title="Min' in chosen) == (False, True)
    assert usual.endswith("</html>\n")
    assert not usual.endswith("\n\n")


# ------------------------------------------------------------------------------------------------------------ places


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (Options(target="eu"), "--target"),
        (Options(set_values=["a=b"]), "--set"),
        (Options(allow_outside=True), "--allow-outside"),
    ],
)
def test_an_option_about_manifests_needs_one(options: Options, name: str) -> None:
    """It would have no effect."""
    with pytest.raises(UsageError) as caught, open_place(None, options):
        pass
    assert str(caught.value) == f"{name} has no effect without --manifest; add --manifest PATH, or remove it"


def test_a_place_without_a_manifest_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And be named; with one it may be empty."""
    monkeypatch.delenv("OS_CLOUD", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="does not exist"), open_place(None, Options(store=Path("none"))):
        pass
    with pytest.raises(UsageError) as caught, open_place(None, Options()):
        pass
    assert str(caught.value).startswith("no cloud or store selected; ")
    assert str(caught.value).endswith("; for the target of a catalog, pass --manifest PATH")
    path = tmp_path / "m.yaml"
    path.write_text(
        "version: 1\ncatalog: base\ntargets: {eu: {store: eu}, us: {store: us}}\nimages: {a: {source: none}}\n"
    )
    with open_place(path, Options(target="us")) as place:
        assert place.catalog is not None
        assert (place.catalog.name, place.catalog.target.name, place.backend.images()) == ("base", "us", [])
    assert not (tmp_path / "us").exists()


def test_a_place_with_a_manifest_needs_no_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its values and the place of the options count."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.yaml").write_text(
        "version: 1\ncatalog: base\nimages: {a: {name: '${n}', source: gone.raw, disk_format: raw, container_format: bare}}\n"
    )
    with open_place(tmp_path / "m.yaml", Options(store=Path("lab"), set_values=["n=x"])) as place:
        assert place.catalog is not None
        assert [one.name for one in place.catalog.images] == ["x"]
        assert place.backend.identity().label == "lab"
