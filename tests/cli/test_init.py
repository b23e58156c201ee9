"""``init``: what it writes, what it refuses, and the commands after it."""

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.test_doctor import documents, serve
from tests.command import Result, cloud_environment
from tests.forked import run

FILES = {"catalog.yaml", "manifest.schema.json", ".gitignore"}


def names_of(folder: Path) -> set[str]:
    """Everything in a folder."""
    return {path.name for path in folder.iterdir()}


def list_next(result: Result) -> list[str]:
    """The commands that a run proposes, without their comments."""
    return re.findall(r"^  (imagesync .*?) +#", result.stdout, re.MULTILINE)


def test_a_new_catalog_is_valid_and_applies_as_it_is(tmp_path: Path) -> None:
    """On its local store, also with --strict; a second apply changes nothing."""
    folder = tmp_path / "web-images"
    folder.mkdir()
    done = run("init", folder=folder)
    assert list_next(done) == ["imagesync add FILE", "imagesync apply"]
    assert names_of(folder) == FILES
    assert "Catalog web-images on target lab: 0 images" in run("validate", "--strict", folder=folder).stdout
    for _ in range(2):
        assert "No changes." in run("apply", "--yes", folder=folder).stdout
    assert names_of(folder) == {*FILES, "lab-store"}


def test_editors_find_the_schema(tmp_path: Path) -> None:
    """The first line names the file that is written beside it: that of the command schema."""
    run("init", folder=tmp_path)
    first = (tmp_path / "catalog.yaml").read_text().splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (tmp_path / named).read_text() == run("schema", folder=tmp_path).stdout


def test_the_comments_are_right(tmp_path: Path) -> None:
    """Each commented field is valid where it is."""
    run("init", folder=tmp_path)
    path = tmp_path / "catalog.yaml"
    text = re.sub(r"^( *)# (?=(prod|defaults|  visibility|  properties):)", r"\1", path.read_text(), flags=re.MULTILINE)
    path.write_text(text)
    assert {"defaults", "targets"} <= set(yaml.safe_load(text))
    assert run("validate", folder=tmp_path).stdout.count("no problems") == 2


def test_a_folder_is_created(tmp_path: Path) -> None:
    """With its parents; the proposed commands name it, and work."""
    done = run("init", "a/my images", "--catalog", "base", folder=tmp_path)
    assert list_next(done) == ["imagesync add FILE 'a/my images'", "imagesync apply 'a/my images'"]
    assert "Catalog base" in run("apply", "a/my images", "--yes", folder=tmp_path).stdout
    assert stat.S_IMODE((tmp_path / "a/my images/catalog.yaml").stat().st_mode) == 0o644


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("is_link", [False, True])
def test_nothing_is_overwritten(tmp_path: Path, name: str, is_link: bool) -> None:
    """Neither a file, nor the target of a link, which may not exist: nothing at all is written."""
    place = tmp_path / "images" / name
    place.parent.mkdir()
    if is_link:
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place.write_text("mine")
    done = run("init", "images", folder=tmp_path, code=1)
    assert done.stderr.startswith(f"imagesync: {name} is in the way; nothing was written; ")
    assert names_of(place.parent) == {name}
    assert place.is_symlink() or place.read_text() == "mine"
    assert not (tmp_path / "elsewhere").exists()


def test_all_files_in_the_way_are_named(tmp_path: Path) -> None:
    """With the command to add an image, because a catalog exists."""
    run("init", folder=tmp_path)
    (tmp_path / "more.yaml").write_text("version: 1\n")
    assert run("init", folder=tmp_path, code=1).stderr == (
        "imagesync: catalog.yaml, .gitignore, manifest.schema.json, more.yaml are in the way; nothing was written; "
        "to add an image to this catalog: imagesync add FILE; or use another folder\n"
    )


def test_a_catalog_inside_of_another_is_refused(tmp_path: Path) -> None:
    """Both would be one catalog, which has two names."""
    run("init", folder=tmp_path)
    output = run("init", "more/images", folder=tmp_path, code=1).stderr
    assert "has a catalog, and all manifests below a folder are one catalog; use a folder outside of it" in output
    assert names_of(tmp_path) == FILES


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("init", "file"), 64, "file is not a folder; pass the path of a folder"),
        (("init", "file/below"), 64, "file/below cannot be created: Not a directory"),
        (("init", "way/out"), 64, "way/out: a link leads to"),
        (("init", "--catalog", "no name"), 64, "--catalog no name: not a valid name"),
        (("init", "--clouds-file", "x"), 64, "--clouds-file has no effect without --from-cloud"),
        (("init", "--from-cloud", "none"), 64, "cloud none is not defined"),
    ],
)
def test_wrong_words_write_nothing(tmp_path: Path, words: tuple[str, ...], code: int, text: str) -> None:
    """One line with the remedy."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "file").write_text("")
    (here / "way").symlink_to(tmp_path)
    done = run(*words, folder=here, code=code)
    assert text in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (names_of(here), names_of(tmp_path)) == ({"file", "way"}, {"here"})


def test_the_name_of_the_folder_may_give_no_name(tmp_path: Path) -> None:
    """The catalog gets a usual one."""
    run("init", "目录", folder=tmp_path)
    assert "catalog: images\n" in (tmp_path / "目录/catalog.yaml").read_text()


def test_the_output_names_the_files_and_the_next_commands(tmp_path: Path) -> None:
    """For a folder whose name needs quotes, and for the working directory."""
    done = run("init", "a b/c", folder=tmp_path)
    assert done.output == (
        "Wrote a b/c/catalog.yaml, a b/c/manifest.schema.json, a b/c/.gitignore\n"
        "Next:\n"
        "  imagesync add FILE 'a b/c'  # add an image: a file in the folder, or a URL\n"
        "  imagesync apply 'a b/c'     # create it in the local store lab-store\n"
    )
    (tmp_path / "d").mkdir()
    assert run("init", folder=tmp_path / "d").output == (
        "Wrote catalog.yaml, manifest.schema.json, .gitignore\n"
        "Next:\n"
        "  imagesync add FILE  # add an image: a file in the folder, or a URL\n"
        "  imagesync apply     # create it in the local store lab-store\n"
    )


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {".gitignore": ""},
            ".gitignore is in the way; nothing was written; use a new folder: imagesync init 'my images/images'",
        ),
        (
            {".gitignore": "", "manifest.schema.json": ""},
            ".gitignore, manifest.schema.json are in the way; nothing was written; "
            "use a new folder: imagesync init 'my images/images'",
        ),
        (
            {"a/b/c.yml": "version: 1\n", "manifest.schema.json": ""},
            "manifest.schema.json, a/b/c.yml are in the way; nothing was written; "
            "to add an image to this catalog: imagesync add FILE 'my images'; or use another folder",
        ),
    ],
)
def test_what_is_in_the_way_decides_what_is_advised(tmp_path: Path, files: dict[str, str], message: str) -> None:
    """A manifest below the folder belongs to a catalog; another file needs another folder."""
    for name, text in files.items():
        path = tmp_path / "my images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert run("init", "my images", folder=tmp_path, code=1).output == f"imagesync: {message}\n"


@pytest.mark.parametrize(
    ("text", "is_catalog"),
    [
        ("catalog: base\n", True),
        ("version: 1\ncatalog:\n  base\n", True),
        ("# catalog: base\n  catalog: base\ncatalogs: 1\n", False),
        ("version: 1\nimages: {}\n", False),
        (None, False),
    ],
)
def test_the_catalog_of_a_folder_above_is_seen(tmp_path: Path, text: str | None, is_catalog: bool) -> None:
    """Whatever its distance is; a file of the usual name without a catalog does not count, nor does a folder."""
    outer = tmp_path / "out er"
    outer.mkdir()
    path = outer / "catalog.yaml"
    path.mkdir() if text is None else path.write_text(text)
    done = run("init", "out er/x/y", folder=tmp_path, code=int(is_catalog))
    assert (outer / "x").exists() is not is_catalog
    if is_catalog:
        assert done.output == (
            f"imagesync: {outer} has a catalog, and all manifests below a folder are one catalog; "
            f"use a folder outside of it, or add an image: imagesync add FILE '{outer}'\n"
        )


@pytest.mark.parametrize(("name", "code"), [("a" * 64, 0), ("a" * 65, 64), ("-a", 64), ("A.b_c-1", 0)])
def test_a_name_of_a_catalog_has_a_form_and_a_limit(tmp_path: Path, name: str, code: int) -> None:
    """The same as that of a key."""
    done = run("init", "x", f"--catalog={name}", folder=tmp_path, code=code)
    if code:
        message = "not a valid name; use at most 64 letters, digits, and the characters . _ -"
        assert done.output == f"imagesync: --catalog {name}: {message}\n"
    else:
        assert yaml.safe_load((tmp_path / "x/catalog.yaml").read_text())["catalog"] == name


def make_image(number: int, **more: Any) -> dict[str, Any]:
    """An image as a service returns it."""
    return {
        "id": f"00000000-0000-4000-8000-00000000000{number}",
        "name": f"Image {number}",
        "status": "active",
        "visibility": "private",
        "owner": "",
        "disk_format": "raw",
        "container_format": "bare",
        "min_disk": number,
        "min_ram": 0,
        "protected": False,
        "os_hidden": False,
        "tags": [],
        "size": 10,
        "os_hash_algo": "sha512",
        "os_hash_value": "a" * 128,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        **more,
    }


class CloudToDescribe:
    """An image service with some images, as the clouds ``my cloud``, ``eu_1`` and ``云`` of a clouds.yaml."""

    def __init__(self, folder: Path, address: str, answers: dict[str, Any]) -> None:
        self.folder, self._answers = folder / "work", answers
        self.folder.mkdir()
        settings = {"auth_type": "none", "auth": {"endpoint": f"http://{address}"}}
        clouds = {"clouds": dict.fromkeys(("my cloud", "eu_1", "云"), settings)}
        (folder / "my clouds.yaml").write_text(json.dumps(clouds))

    def answer(self, *images: dict[str, Any]) -> None:
        """The images of the service."""
        self._answers["/v2/images"] = {"images": images}

    def run(self, *words: str, code: int = 0) -> Result:
        """``imagesync WORDS``, with the clouds as those of the user, unless it names their file."""
        clouds = None if "--clouds-file" in words else self.folder.parent / "my clouds.yaml"
        env = cloud_environment(clouds, HOME=str(self.folder))
        return run(*words, folder=self.folder, env=env, code=code)


@pytest.fixture
def described(tmp_path: Path) -> Iterator[CloudToDescribe]:
    """Without images."""
    answers = documents("2.17")
    with serve(answers) as address:
        yield CloudToDescribe(tmp_path, address, answers)


def test_the_catalog_of_a_cloud_has_its_images_and_names_snapshots(described: CloudToDescribe) -> None:
    """The options of the command are those of the next commands. The default target is the cloud."""
    described.answer(make_image(1), *(make_image(number, image_type="snapshot") for number in (2, 3)))
    done = described.run(
        *("init", "a b", "--from-cloud", "my cloud", "--clouds-file", "../my clouds.yaml", "--catalog", "base")
    )
    assert done.output == (
        "Wrote a b/catalog.yaml, a b/manifest.schema.json, a b/.gitignore\n"
        "The catalog has 3 images of cloud my cloud. imagesync does not manage them yet.\n"
        "2 keys of snapshots of servers: image-2, image-3. Remove each that the catalog is not to manage.\n"
        "Next:\n"
        "  imagesync plan 'a b' --clouds-file '../my clouds.yaml'   # show what adopting them would change\n"
        "  imagesync adopt 'a b' --clouds-file '../my clouds.yaml'  # manage them; no data moves, and ids stay\n"
    )
    text = (described.folder / "a b/catalog.yaml").read_text()
    found = yaml.safe_load(text)
    assert (found["catalog"], found["default_target"]) == ("base", "my-cloud")
    assert found["targets"] == {"my-cloud": {"cloud": "my cloud"}}
    assert [image["adopt"] for image in found["images"].values()] == [make_image(number)["id"] for number in (1, 2, 3)]
    assert text.startswith("# yaml-language-server: $schema=manifest.schema.json\nversion: 1\n")
    assert names_of(described.folder / "a b") == FILES
    assert "no problems" in described.run("validate", "a b").stdout


def test_one_snapshot_is_one_key(described: CloudToDescribe) -> None:
    """And one image is one image; it is the catalog of the working directory."""
    described.answer(make_image(2, image_type="snapshot"))
    assert described.run("init", "--from-cloud", "eu_1", "--catalog", "base").output == (
        "Wrote catalog.yaml, manifest.schema.json, .gitignore\n"
        "The catalog has 1 image of cloud eu_1. imagesync does not manage them yet.\n"
        "1 key of snapshots of servers: image-2. Remove each that the catalog is not to manage.\n"
        "Next:\n"
        "  imagesync plan   # show what adopting them would change\n"
        "  imagesync adopt  # manage them; no data moves, and ids stay\n"
    )
    assert yaml.safe_load((described.folder / "catalog.yaml").read_text())["default_target"] == "eu_1"


def test_an_empty_cloud_gets_its_first_image(described: CloudToDescribe) -> None:
    """A cloud whose name gives no name of a target has a usual one. With --quiet nothing is printed."""
    assert described.run("init", "x", "--from-cloud", "云").output == (
        "Wrote x/catalog.yaml, x/manifest.schema.json, x/.gitignore\n"
        "The catalog has 0 images of cloud 云. imagesync does not manage them yet.\n"
        "Next:\n"
        "  imagesync add FILE x  # add an image\n"
        "  imagesync apply x     # create it in the cloud\n"
    )
    found = yaml.safe_load((described.folder / "x/catalog.yaml").read_text())
    assert (found["default_target"], found["targets"]) == ("cloud", {"cloud": {"cloud": "云"}})
    assert described.run("init", "y", "--from-cloud", "eu_1", "--quiet").output == ""
    assert names_of(described.folder / "y") == FILES


def test_an_image_that_cannot_be_written_is_a_failure(described: CloudToDescribe) -> None:
    """The others are written; its line is on standard error, also with --quiet."""
    described.answer(make_image(1), make_image(2, name=None))
    for words in ((), ("-q",)):
        done = described.run("init", f"x{len(words)}", "--from-cloud", "eu_1", *words, code=1)
        assert done.stderr == f"image {make_image(2)['id']}: left out: it has no name; give it one\n"
        assert ("The catalog has 1 image of cloud eu_1." in done.stdout) is (not words)
        assert list(yaml.safe_load((described.folder / f"x{len(words)}/catalog.yaml").read_text())["images"]) == [
            "image-1"
        ]


def test_a_folder_that_is_not_free_is_refused_before_the_cloud_is_asked(described: CloudToDescribe) -> None:
    """The cloud may be wrong, too."""
    described.run("init", "x")
    assert "are in the way" in described.run("init", "x", "--from-cloud", "no such cloud", code=1).stderr
