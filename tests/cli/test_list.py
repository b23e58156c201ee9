"""``list`` on the embedded store: what it selects, in which form, and how it ends."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagesync import open_backend
from imagesync.lease.taking import take
from tests import forked
from tests.command import IMAGESYNC, Result, minimal_environment
from tests.terminal import Terminal
from tests.varied_images import filled, record

MANIFEST = {
    "version": 1,
    "catalog": "base",
    "defaults": {"disk_format": "raw", "container_format": "bare"},
    "default_target": "lab",
    "targets": {"lab": {"store": "store"}},
}


class ListWorkspace:
    """A folder with a manifest of two images, a store with both and with a retired build, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images: dict[str, Any] = {
            "web": {"name": "Web", "source": "web.raw", "min_ram": 5, "visibility": "public", "tags": ["t"]},
            "db": {"name": "Data base", "source": "db.raw", "properties": {"os_distro": "debian"}},
        }
        for content in (b"\xe1", b"\xe2"):
            (folder / "web.raw").write_bytes(content * 3000)
            (folder / "db.raw").write_bytes(b"\xe3" * 2000)
            self.write()
            forked.run("apply", "--yes", folder=folder)
        self.backend = open_backend(store=folder / "store")

    def write(self) -> None:
        """The manifest."""
        (self.folder / "base.yaml").write_text(json.dumps({**MANIFEST, "images": self.images}))

    def run(self, *words: str, code: int = 0) -> Result:
        """``imagesync list WORDS``."""
        return forked.run("list", *words, folder=self.folder, code=code)

    def names(self, *words: str) -> list[str]:
        """The key, or else name, and role of the images that are listed, in order."""
        found = json.loads(self.run(*words, "--store", "store", "--format", "json").stdout)
        return [f"{one['_imagesync']['key'] or one['name']} {one['_imagesync']['role']}" for one in found]

    def find(self, name: str, role: str = "current") -> str:
        """The id of a build."""
        (found,) = (image for image in self.backend.inventory("base") if _is_build(image.properties, name, role))
        return found.id


def _is_build(properties: Any, key: str, role: str) -> bool:
    return (properties["imagesync_key"], properties["imagesync_role"]) == (key, role)


@pytest.fixture
def shelf(tmp_path: Path) -> ListWorkspace:
    """Two images, one with a retired build."""
    return ListWorkspace(tmp_path)


def test_options_select_together(shelf: ListWorkspace) -> None:
    """Each narrows the list; an empty list is not an error."""
    record(shelf.backend, name="Web", tags=["t"])
    every = ["db current", "web current", "web retired", "Web None"]
    assert shelf.names() == every
    assert shelf.names("--key", "w*") == ["web current", "web retired"]
    assert shelf.names("--key", "w*", "--role", "current") == ["web current"]
    assert shelf.names("--name", "Web", "--unmanaged") == ["Web None"]
    assert shelf.names("--tag", "t", "--visibility", "public") == ["web current", "web retired"]
    assert shelf.names("--catalog", "base", "--name", "Data*") == ["db current"]
    assert shelf.names("--catalog", "other") == []
    assert shelf.run("--key", "nothing", "--store", "store").stdout == "No images.\n"
    assert "exclude each other" in shelf.run("--unmanaged", "--key", "a", "--store", "store", code=64).stderr


def test_a_manifest_selects_its_target_and_marks_drift(shelf: ListWorkspace) -> None:
    """Drift is what another user changed; a change of the manifest is none."""
    shelf.backend.update_image(shelf.find("web"), min_ram=9, properties={"other": "x"})
    shelf.images["db"]["min_ram"] = 3
    shelf.write()
    found = json.loads(shelf.run("--manifest", ".", "--format", "json").stdout)
    drift = {f"{one['_imagesync']['key']} {one['_imagesync']['role']}": one["_imagesync"]["drift"] for one in found}
    assert drift == {"db current": [], "web current": ["min_ram"], "web retired": None}
    text = shelf.run("--manifest", "base.yaml", "--target", "lab").stdout
    (line,) = (line for line in text.splitlines() if shelf.find("web") in line)
    assert " 1 value " in line
    assert "drift              min_ram" in shelf.run("web", "--manifest", ".").stdout
    assert text.endswith("1 image drifted.\n")
    for option in (("--target", "lab"), ("--set", "a=b"), ("--allow-outside",)):
        assert f"{option[0]} has no effect without --manifest" in shelf.run(*option, code=64).stderr


def test_one_image_by_id_key_or_name(shelf: ListWorkspace) -> None:
    """All of its fields as text; as an object in JSON and YAML."""
    current = shelf.find("web")
    done = shelf.run("web", "--store", "store")
    assert f"id                 {current}" in done.stdout
    assert "1 other build of this key" in done.stderr
    assert f"id                 {shelf.find('db')}" in shelf.run("Data base", "--store", "store").stdout
    old = shelf.find("web", "retired")
    for form, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        one = read(shelf.run(old, "--store", "store", "--format", form).stdout)
        assert (one["id"], one["_imagesync"]["role"]) == (old, "retired")


def test_a_name_of_several_images_lists_them(shelf: ListWorkspace) -> None:
    """And fails; the builds of one key have one name, too."""
    done = shelf.run("Web", "--store", "store", code=1)
    assert shelf.find("web") in done.stdout
    assert shelf.find("web", "retired") in done.stdout
    assert done.stderr == "Web names 2 images; pass the id of one of them\n"


def test_an_unknown_word_is_an_error_with_similar_names(shelf: ListWorkspace) -> None:
    """Names and keys."""
    assert (
        "no image has the id, key or name 'wep'; did you mean web"
        in shelf.run("wep", "--store", "store", code=1).stderr
    )
    assert "did you mean Data base?" in shelf.run("Data bse", "--store", "store", code=1).stderr
    assert "list all images: imagesync list" in shelf.run("zzzzzz", "--store", "store", code=1).stderr
    message = "IMAGE and the options that select images exclude each other"
    assert message in shelf.run("web", "--name", "a", "--store", "store", code=64).stderr


def test_a_lease_is_never_listed(shelf: ListWorkspace) -> None:
    """Neither in any format, nor by its id, nor as a similar name."""
    take(shelf.backend, "base", timeout=0, warn=lambda _: None, is_new=lambda: True)
    (lease,) = shelf.backend.leases("base")
    for words in ((), ("--unmanaged",), ("--visibility", "private"), ("--manifest", ".")):
        place = () if "--manifest" in words else ("--store", "store")
        for form in ("text", "json", "yaml", "csv", "html"):
            assert lease.id not in shelf.run(*words, *place, "--format", form).stdout
    done = shelf.run(lease.id, "--store", "store", code=1)
    assert "no image has the id" in done.stderr
    assert lease.id not in done.stdout


def test_columns_are_chosen_in_every_format(shelf: ListWorkspace) -> None:
    """And in the given order; an unknown one is an error with the list of all."""
    words = ("--key", "db", "--columns", "size,name,properties.os_distro", "--store", "store")
    assert shelf.run(*words).stdout.splitlines()[:2] == [
        "   SIZE  NAME       properties.os_distro",
        "2.0 KiB  Data base  debian",
    ]
    (found,) = json.loads(shelf.run(*words, "--format", "json").stdout)
    assert found == {"size": 2000, "name": "Data base", "properties.os_distro": "debian"}
    assert yaml.safe_load(shelf.run(*words, "--format", "yaml").stdout) == [found]
    assert '<td data-title="Name">Data base</td>' in shelf.run(*words, "--format", "html").stdout
    done = shelf.run("--columns", "nmae", "--store", "store", code=64)
    assert "'nmae' is not a column; did you mean name? there are name, build" in done.stderr


def test_csv_ends_lines_with_crlf(shelf: ListWorkspace) -> None:
    """Standard output has the bytes of RFC 4180, whatever guards it; one line an image."""
    filled(shelf.backend, name='=cmd|" /C calc"!A0')
    words = (*IMAGESYNC, "list", "--format", "csv", "--store", "store")
    done = subprocess.run(
        [sys.executable, *words], cwd=shelf.folder, env=minimal_environment(), capture_output=True, check=True
    )
    assert done.stdout.count(b"\r\n") == done.stdout.count(b"\n") == 5
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    assert [row["name"] for row in rows] == ['\'=cmd|" /C calc"!A0', "Data base", "Web", "Web"]
    assert [row["size"] for row in rows][1:] == ["2000", "3000", "3000"]


def test_a_page_is_for_users(shelf: ListWorkspace) -> None:
    """Of a catalog: its published images; without one: every image that users see. A role shows the others."""
    record(shelf.backend, name="Foreign")
    page = shelf.run("--manifest", ".", "--format", "html").stdout
    assert "<h1>Images of base</h1>" in page
    assert (shelf.find("web") in page, shelf.find("web", "retired") in page, "Foreign" in page) == (True, False, False)
    page = shelf.run("--store", "store", "--format", "html").stdout
    assert (shelf.find("web") in page, shelf.find("web", "retired") in page, "Foreign" in page) == (True, False, True)
    page = shelf.run("--store", "store", "--format", "html", "--role", "retired").stdout
    assert (shelf.find("web") in page, shelf.find("web", "retired") in page) == (False, True)


def test_a_page_of_a_catalog_has_no_image_of_another_one(shelf: ListWorkspace) -> None:
    """Also if its key is one of this catalog."""
    (shelf.folder / "other").mkdir()
    other = {**MANIFEST, "catalog": "other", "images": {"web": {"name": "Foreign", "source": "other.raw"}}}
    (shelf.folder / "other/other.yaml").write_text(json.dumps(other))
    (shelf.folder / "other/other.raw").write_bytes(b"\xe4" * 1000)
    forked.run("apply", "other", "--store", "store", "--yes", folder=shelf.folder)
    page = shelf.run("--manifest", "base.yaml", "--format", "html").stdout
    assert (shelf.find("web") in page, "Foreign" in page) == (True, False)


def test_a_list_fits_the_terminal(shelf: ListWorkspace) -> None:
    """80 columns: name, build and id; the other columns are named."""
    with Terminal("list", "--store", "store", folder=shelf.folder) as terminal:
        assert terminal.wait() == 0
        text = terminal.text
    assert shelf.find("web") in text
    assert "Not shown in 80 columns: visibility, size, age, project." in text
    assert all(len(line) <= 80 for line in text.splitlines())
