"""``ids`` on the embedded store: output, missing keys, exit codes."""

import json
from pathlib import Path

import pytest

from imagesync.backends import open_backend
from tests.forked import run

MANIFEST = """\
version: 1
catalog: base
default_target: lab
targets:
  lab: {store: lab-store}
  other: {store: other-store}
images:
  web-server: {name: Web, source: none, min_ram: 1}
  db: {name: Database, source: none}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A manifest that is applied to the target lab."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    run("apply", "--yes", folder=tmp_path)
    return tmp_path


def read_live(folder: Path) -> dict[str, str]:
    """The ids by key, as the images are marked in the store."""
    with open_backend(store=folder / "lab-store") as backend:
        return {image.properties["imagesync_key"]: image.id for image in backend.inventory("base")}


def test_ids_are_those_of_the_current_images(folder: Path) -> None:
    """Of the selected target, by key; in the format that is chosen."""
    live = read_live(folder)
    assert run("ids", folder=folder).stdout == f"db          {live['db']}\nweb-server  {live['web-server']}\n"
    assert json.loads(run("ids", "m.yaml", "--format", "json", folder=folder).stdout) == live
    assert run("ids", "--format", "env", "--only", "web*", folder=folder).stdout == (
        f"IMAGE_ID_WEB_SERVER={live['web-server']}\n"
    )
    assert json.loads(run("ids", "--format", "json", "--store", "lab-store", folder=folder).stdout) == live


def test_a_retired_build_and_a_candidate_are_not_current(folder: Path) -> None:
    """After a new build, the id is that of the new build; a staged one does not count."""
    before = read_live(folder)["db"]
    (folder / "db.raw").write_bytes(b"\xeb\x3c\x90" + bytes(4096))
    (folder / "m.yaml").write_text(
        MANIFEST.replace("Database, source: none", "Database, source: db.raw, disk_format: raw, container_format: bare")
    )
    run("apply", "--stage", "--yes", folder=folder)
    assert json.loads(run("ids", "--format", "json", folder=folder).stdout)["db"] == before
    run("apply", "--yes", folder=folder)
    after = json.loads(run("ids", "--format", "json", folder=folder).stdout)["db"]
    assert after != before
    with open_backend(store=folder / "lab-store") as backend:
        assert (backend.images(after)[0].size, backend.images(after)[0].hidden) == (4099, False)


def test_a_key_without_an_image_is_an_error_that_names_it(folder: Path) -> None:
    """Nothing is printed that another program could take; the remedy can be pasted."""
    (folder / "m.yaml").write_text(f"{MANIFEST}  new: {{name: New, source: none}}\n")
    done = run("ids", "m.yaml", "--target", "lab", "--format", "tfvars", folder=folder, code=1)
    assert done.stdout == ""
    assert done.stderr == (
        "imagesync: 1 key has no image on target lab (store lab-store): new; create them: imagesync apply m.yaml "
        "--target lab; or pass --allow-missing to leave them out\n"
    )


def test_missing_keys_can_be_left_out(folder: Path) -> None:
    """A note names them, unless --quiet."""
    (folder / "m.yaml").write_text(f"{MANIFEST}  new: {{name: New, source: none}}\n")
    done = run("ids", "--allow-missing", "--format", "json", folder=folder)
    assert (json.loads(done.stdout), done.stderr) == (
        read_live(folder),
        "1 key has no image on target lab (store lab-store): new\n",
    )
    assert run("ids", "--allow-missing", "--quiet", folder=folder).stderr == ""


@pytest.mark.parametrize(("words", "name"), [(("--target", "other"), "other-store"), (("--store", "new"), "new")])
def test_no_store_is_created(folder: Path, words: tuple[str, str], name: str) -> None:
    """A store that does not exist is an error: the path may be wrong."""
    output = run("ids", *words, "--allow-missing", folder=folder, code=64).stderr
    assert f"store {name} does not exist; check the path; only imagesync apply and adopt create a store" in output
    assert not (folder / name).exists()


def test_keys_that_share_a_variable_are_refused(folder: Path) -> None:
    """Also while one of them has no image."""
    (folder / "m.yaml").write_text(f"{MANIFEST}  web.server: {{name: New, source: none}}\n")
    output = run("ids", "--format", "env", "--allow-missing", folder=folder, code=64).stderr
    assert "keys web-server and web.server would both be the variable IMAGE_ID_WEB_SERVER" in output


def test_images_of_another_catalog_do_not_count(folder: Path) -> None:
    """The same keys in the same store."""
    (folder / "m.yaml").write_text(MANIFEST.replace("catalog: base", "catalog: new"))
    output = run("ids", folder=folder, code=1).stderr
    assert "2 keys have no image on target lab (store lab-store): db, web-server; create them" in output


def test_a_message_names_a_hundred_keys(folder: Path) -> None:
    """In their order; the number of the others is at the end."""
    keys = [f"k{number:03}" for number in range(103)]
    more = "".join(f"  {key}: {{name: {key}, source: none}}\n" for key in reversed(keys))
    (folder / "m.yaml").write_text(f"{MANIFEST}{more}")
    message = f"103 keys have no image on target lab (store lab-store): {', '.join(keys[:100])}, and 3 more"
    assert run("ids", "--allow-missing", folder=folder).stderr == f"{message}\n"
    remedy = "create them: imagesync apply .; or pass --allow-missing to leave them out"
    assert run("ids", folder=folder, code=1).stderr == f"imagesync: {message}; {remedy}\n"


def test_ids_in_each_format(folder: Path) -> None:
    """By key, sorted; nothing else is printed, and the lines end."""
    live = read_live(folder)
    env = f"IMAGE_ID_DB={live['db']}\nIMAGE_ID_WEB_SERVER={live['web-server']}\n"
    assert run("ids", "--format", "env", folder=folder).output == env
    yaml_text = f'"db": "{live["db"]}"\n"web-server": "{live["web-server"]}"\n'
    assert run("ids", "--format", "yaml", folder=folder).output == yaml_text
    entries = f'  "db" = "{live["db"]}"\n  "web-server" = "{live["web-server"]}"\n'
    assert run("ids", "--format", "tfvars", folder=folder).output == f"image_ids = {{\n{entries}}}\n"
