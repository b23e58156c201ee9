"""drift on a store: what other users changed, and nothing that the manifest changed."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from imagesync.backends import open_backend
from imagesync.lease.record import Times
from imagesync.run import Settings
from imagesync.workflow import Planner, apply, read_catalog
from tests import forked
from tests.command import Result


class DriftWorkspace:
    """A folder with a catalog, and a store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "a.raw").write_bytes(b"\0a" * 500)
        self.images: dict[str, Any] = {"a": self.image(min_ram=512, tags=["lts"]), "b": self.image()}
        self.run("apply", "--yes")

    @staticmethod
    def image(**fields: Any) -> dict[str, Any]:
        """A declared image."""
        return {"source": "a.raw", "disk_format": "raw", "container_format": "bare", **fields}

    def _write(self) -> Path:
        wanted = {"version": 1, "catalog": "base", "images": self.images}
        path = self.folder / "base.yaml"
        path.write_text(json.dumps(wanted))
        return path

    def run(self, *words: str, code: int = 0) -> Result:
        """``imagesync WORDS`` on the present manifest."""
        self._write()
        return forked.run(*words, "--store", "store", folder=self.folder, code=code)

    def lose_lease(self) -> None:
        """Delete its record, as a clean-up job does: what a run recorded is lost."""
        with open_backend(store=self.folder / "store") as backend:
            for lease in backend.leases("base"):
                backend.delete_image(lease)

    def apply_soon(self, *only: str) -> None:
        """``apply --only`` with a lease that ends soon: without a record, a run waits for the end of a lost one."""
        store = self.folder / "store"
        with open_backend(store=store) as backend:
            planner = Planner(backend, read_catalog(self._write(), store=store, only=only))
            report = apply(planner, Settings(lease_times=Times(expiry=2, beat=0.2, confirm=1.5, poll=0.1))).report
        assert report.succeeded

    def alter(self, key: str, **fields: Any) -> None:
        """Change an image as another user would; without fields it is deleted."""
        with open_backend(store=self.folder / "store") as backend:
            (image,) = [image for image in backend.images() if image.properties.get("imagesync_key") == key]
            if fields:
                backend.update_image(image, **fields)
            else:
                backend.delete_image(image)


@pytest.fixture
def workspace(tmp_path: Path) -> DriftWorkspace:
    """Everything is applied."""
    return DriftWorkspace(tmp_path)


def test_no_drift_exits_0_and_drift_exits_2(workspace: DriftWorkspace) -> None:
    """``--quiet`` prints nothing if there is none."""
    assert workspace.run("drift").stdout == "Catalog base on store store: no drift; 2 images checked\n"
    assert workspace.run("drift", "--quiet").output == ""
    workspace.alter("a", min_ram=256)
    output = workspace.run("drift", "--quiet", code=2).stdout
    assert "    min_ram: was 512, is now 256\n" in output
    assert "(just now)" in output


def test_the_printed_command_restores_what_it_says(workspace: DriftWorkspace) -> None:
    """And nothing else: the change of the manifest is left for the next apply."""
    workspace.alter("a", min_ram=256)
    workspace.images["b"]["min_ram"] = 64
    (found,) = json.loads(workspace.run("drift", "--only", "a", "--format", "json", code=2).stdout)["drift"]
    assert found["restore"] == "imagesync apply . --store store --only a --drift-only"
    forked.run(*shlex.split(found["restore"])[1:], "--yes", folder=workspace.folder)
    workspace.run("drift")
    assert "1 to update" in workspace.run("plan").stdout


def test_a_mix_of_drift_and_changes_of_the_manifest(workspace: DriftWorkspace) -> None:
    """Drift is a deleted image and a value that both changed, not new keys, removed keys and new values."""
    workspace.alter("a", min_ram=256)
    workspace.images = {
        "a": workspace.image(min_ram=1024, tags=["lts", "new"], min_disk=3),
        "n": workspace.image(name="n"),
    }
    report = json.loads(workspace.run("drift", "--format", "json", code=2).stdout)
    assert [(one["key"], one["path"], one["was"], one["now"]) for one in report["drift"]] == [
        ("a", ["min_ram"], 512, 256)
    ]
    workspace.alter("a")
    report = json.loads(workspace.run("drift", "--format", "json", code=2).stdout)
    assert [(one["key"], one["path"]) for one in report["drift"]] == [("a", ["image"])]
    assert report["unknown"] == []
    workspace.run("apply", "--yes", "--destroy")
    workspace.run("drift")


def test_a_run_of_some_keys_does_not_forget_the_others(workspace: DriftWorkspace) -> None:
    """A deleted image stays drift until a run makes it again or removes its key."""
    workspace.alter("b")
    workspace.images["a"]["min_ram"] = 64
    workspace.run("apply", "--yes", "--only", "a")
    assert "\nb: its image was published" in workspace.run("drift", code=2).stdout
    workspace.run("apply", "--yes")
    workspace.run("drift")
    workspace.images.pop("b")
    workspace.run("apply", "--yes")
    workspace.images["b"] = workspace.image()
    workspace.run("drift")


def test_a_moved_key_keeps_its_drift(workspace: DriftWorkspace) -> None:
    """Before and after the move is applied; a new image of the former key is not missing."""
    workspace.images = {"a": workspace.image(min_ram=512, tags=["lts"]), "n": workspace.image(moved={"from": "b"})}
    workspace.run("drift")
    workspace.alter("b", protected=True, name="other")
    (found,) = json.loads(workspace.run("drift", "--format", "json", code=2).stdout)["drift"]
    assert (found["key"], found["path"], found["remedy"]) == ("n", ["name"], "apply")
    workspace.run("apply", "--yes")
    workspace.images |= {"n": workspace.image(), "b": workspace.image(name="b2")}
    workspace.run("drift")
    workspace.alter("n", protected=False)
    workspace.alter("n")
    assert "\nn: its image was published" in workspace.run("drift", code=2).stdout


def test_without_a_record_of_the_last_run_a_missing_image_is_unknown(workspace: DriftWorkspace) -> None:
    """For example after runs without a lease; the exit code is 0."""
    workspace.lose_lease()
    workspace.alter("b")
    assert "no image exists and no run recorded one: b." in workspace.run("drift").stdout
    workspace.images["a"]["min_ram"] = 64
    workspace.apply_soon("a")
    workspace.alter("a")
    assert [line for line in workspace.run("drift", code=2).stdout.splitlines() if line.startswith("a:")]


def test_a_run_of_some_keys_without_an_earlier_record_records_every_key(workspace: DriftWorkspace) -> None:
    """It lists the images once, because an earlier version wrote no keys."""
    workspace.lose_lease()
    workspace.images["a"]["min_ram"] = 64
    workspace.apply_soon("a")
    workspace.alter("b")
    assert "\nb: its image was published" in workspace.run("drift", code=2).stdout


def test_drift_reads_no_source_and_writes_nothing(workspace: DriftWorkspace) -> None:
    """The file of the images does not exist, and the store cannot be written."""
    (workspace.folder / "a.raw").unlink()
    before = {path: path.read_bytes() for path in (workspace.folder / "store").rglob("*") if path.is_file()}
    workspace.run("drift")
    after = {path: path.read_bytes() for path in (workspace.folder / "store").rglob("*") if path.is_file()}
    assert before == after


def test_a_store_that_does_not_exist_is_not_created(workspace: DriftWorkspace) -> None:
    """It is a usage error."""
    assert "store lab does not exist" in forked.run("drift", "--store", "lab", folder=workspace.folder, code=64).stderr
    assert not (workspace.folder / "lab").exists()


def test_errors_exit_1(workspace: DriftWorkspace) -> None:
    """A manifest with a problem."""
    workspace.images["a"]["min_rma"] = 3
    assert "min_ram" in workspace.run("drift", code=1).stderr
