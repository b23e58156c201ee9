"""apply and unlock on one store beside another holder of the lease."""

import json
import re
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from imagesync.backends import open_backend
from imagesync.lease.holding import Held
from imagesync.lease.record import STATE, Times
from imagesync.lease.taking import hold, take
from tests import command, forked
from tests.command import Result
from tests.forging import fit_digest
from tests.terminal import Terminal
from tests.waiting import wait_until


class LeaseWorkspace:
    """A catalog of one image and a store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "a.raw").write_bytes(b"\xe1" * 1000)
        image = {"source": "a.raw", "disk_format": "raw", "container_format": "bare"}
        (folder / "base.yaml").write_text(json.dumps({"version": 1, "catalog": "base", "images": {"a": image}}))
        self.backend = open_backend(store=folder / "store")
        self.texts: list[str] = []

    def held(self) -> Held:
        """The lease, held by this process."""
        held = take(
            self.backend, "base", timeout=0, warn=self.texts.append, times=Times(beat=0.01), is_new=lambda: True
        )
        held.start()
        return held

    def run(self, *words: str, code: int = 0) -> Result:
        """``imagesync WORDS`` on the store."""
        return forked.run(*words, "--store", "store", folder=self.folder, code=code)

    def run_all(self, *words: str, code: int = 0) -> Result:
        """``imagesync WORDS`` with nothing added."""
        return forked.run(*words, folder=self.folder, code=code)

    def records(self) -> list[Any]:
        """The records of the lease."""
        return self.backend.leases("base")


@pytest.fixture
def workspace(tmp_path: Path) -> LeaseWorkspace:
    """Nothing applied."""
    return LeaseWorkspace(tmp_path)


@pytest.mark.parametrize("name", ["-x", "a##b", "it's 1\tb"])
def test_the_command_that_breaks_a_lease_can_be_pasted(workspace: LeaseWorkspace, name: str) -> None:
    """Whatever the folder of the manifests is called."""
    held = workspace.held()
    (workspace.folder / name).mkdir()
    (workspace.folder / "base.yaml").rename(workspace.folder / name / "base.yaml")
    (workspace.folder / "a.raw").rename(workspace.folder / name / "a.raw")
    refused = workspace.run_all("apply", "--yes", "--lock-timeout", "0", "--store", "store", "--", name, code=1)
    (words,) = re.findall("break the lease: imagesync (.*)$", refused.stderr, re.MULTILINE)
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {words}"], capture_output=True, check=True, text=True)
    held.release()
    assert (
        workspace.run_all(*done.stdout.split("\0")[:-1]).stdout
        == "The lease of catalog base on store store is free; nothing to do.\n"
    )


def test_an_apply_that_may_not_wait_changes_nothing(workspace: LeaseWorkspace) -> None:
    """One line: holder and ways out, exit 1."""
    held = workspace.held()
    refused = workspace.run("apply", "--yes", "--lock-timeout", "0", code=1)
    assert "1 to create" in refused.stdout
    (line,) = refused.stderr.splitlines()
    assert line.startswith("imagesync: catalog base is locked by another run: host ")
    assert workspace.backend.inventory("base") == []
    held.release()
    workspace.run("apply", "--yes", "--lock-timeout", "0")
    assert len(workspace.records()) == 1


def test_whatever_ends_a_run_gives_the_lease_back(workspace: LeaseWorkspace) -> None:
    """A bug or ^C too; no heartbeat outlives it."""

    def run(error: type[BaseException]) -> None:
        times = Times(beat=0.01)
        with hold(
            workspace.backend,
            "base",
            timeout=0,
            times=times,
            unlock="",
            warn=workspace.texts.append,
            is_new=lambda: True,
        ):
            assert "lease" in {thread.name for thread in threading.enumerate()}
            raise error

    for error in (KeyError, KeyboardInterrupt, SystemExit):
        with pytest.raises(error):
            run(error)
        assert "lease" not in {thread.name for thread in threading.enumerate()}
        assert [record.properties[STATE] for record in workspace.records()] == ["free"]


def test_plan_and_an_empty_apply_take_no_lease(workspace: LeaseWorkspace) -> None:
    """They write nothing."""
    workspace.run("apply", "--yes", "--no-lock")
    held = workspace.held()
    assert "No changes" in workspace.run("apply", "--yes", "--lock-timeout", "0").stdout
    assert "No changes" in workspace.run("plan").stdout
    held.release()


def test_unlock_breaks_a_lease_and_its_holder_learns_it(workspace: LeaseWorkspace) -> None:
    """Without --yes and a terminal it refuses; a free lease is nothing to do; the next apply waits, or says why it does not."""
    assert workspace.run("unlock").stdout == "The lease of catalog base on store store is free; nothing to do.\n"
    held = workspace.held()
    assert "pass --yes: imagesync unlock . --store store --yes" in workspace.run("unlock", code=64).stderr
    assert not held.is_lost()
    assert "is held by host " in workspace.run("unlock", "--yes").stdout
    wait_until(held.is_lost, bool, "the holder notices that its lease was broken")
    assert "running steps end, no more start" in workspace.texts[0]
    held.release()
    refused = workspace.run("apply", "--yes", "--lock-timeout", "0", code=1).stderr
    assert "the lease was broken, and its run may still be running (host " in refused
    assert "nothing was changed; only 0 s were left to wait; run again with --lock-timeout 105 or more" in refused
    assert [record.properties[STATE] for record in workspace.records()] == ["broken"]


def test_unlock_leaves_a_lease_alone_that_went_to_another_run_while_it_asked(workspace: LeaseWorkspace) -> None:
    """The answer was about the holder that was shown."""
    first = workspace.held()
    with command.start("unlock", "--store", "store", folder=workspace.folder, typed="") as process:
        wait_until(process.read_output, lambda text: "Break the lease?" in text, "unlock asks")
        first.release()
        second = workspace.held()
        process.type_text("y\n")
        ended = process.wait()
    assert (ended.code, "The lease is broken" in ended.stdout) == (1, False)
    assert "the lease of catalog base was taken meanwhile by host " in ended.stderr
    assert ended.stderr.endswith("to break it, too, run again: imagesync unlock . --store store\n")
    assert [record.properties[STATE] for record in workspace.records()] == ["held"]
    assert not second.is_lost()
    second.release()


@pytest.mark.parametrize("answer", ["n\n", "\n"])
def test_unlock_breaks_nothing_without_a_yes(workspace: LeaseWorkspace, answer: str) -> None:
    """Nor does it by default."""
    held = workspace.held()
    output = command.run("unlock", "--store", "store", folder=workspace.folder, typed=answer, code=1)
    assert "The lease was not broken." in output.stderr
    assert [record.properties[STATE] for record in workspace.records()] == ["held"]
    held.release()


def test_plan_names_the_command_that_breaks_a_lease(workspace: LeaseWorkspace) -> None:
    """With the options of the user, but not with --only, which unlock does not have."""
    held = workspace.held()
    output = workspace.run("plan", "--only", "a").stderr
    held.release()
    assert output.endswith("If that run is dead, break its lease: imagesync unlock . --store store\n")


def test_stale_leases_are_listed_and_deleted(workspace: LeaseWorkspace) -> None:
    """Of a catalog without images; not those of one with images. Without a manifest if the place is given."""
    assert "No lease on store store is stale" in workspace.run("unlock", "--stale").stdout
    workspace.run("apply", "--yes")
    held = take(workspace.backend, "old", timeout=0, warn=workspace.texts.append, is_new=lambda: True)
    held.release()
    refused = workspace.run("unlock", "--stale", code=64)
    assert "\n  old: free, last run: host " in refused.stdout
    assert "base" not in refused.stdout
    assert "pass --yes: imagesync unlock --store store --stale --yes" in refused.stderr
    assert len(workspace.backend.leases("old")) == 1
    (workspace.folder / "base.yaml").unlink()
    assert workspace.run("unlock", "--stale", "--yes").stdout.endswith("\nDeleted: 1.\n")
    assert (len(workspace.backend.leases("old")), len(workspace.backend.leases("base"))) == (0, 1)


def test_a_lease_that_a_run_uses_during_the_question_is_kept(workspace: LeaseWorkspace) -> None:
    """It is named, it does not count as deleted, and the exit code says that something is left."""
    for catalog in ("old", "older"):
        take(workspace.backend, catalog, timeout=0, warn=workspace.texts.append, is_new=lambda: True).release()
    with Terminal("unlock", "--stale", "--store", "store", folder=workspace.folder) as terminal:
        terminal.wait_for("Delete these 2 leases? [y/N]: ")
        used = take(workspace.backend, "old", timeout=0, warn=workspace.texts.append, is_new=lambda: False)
        terminal.type("y\n")
        assert terminal.wait() == 1
        assert "catalog old: a run used its lease meanwhile; it was kept" in terminal.text
        assert terminal.text.endswith("\nDeleted: 1.\n")
    used.release()
    assert [len(workspace.backend.leases(catalog)) for catalog in ("old", "older")] == [1, 0]


def test_unlock_takes_a_saved_plan_too(workspace: LeaseWorkspace) -> None:
    """As apply does."""
    workspace.run("plan", "-o", "plan.json")
    held = workspace.held()
    assert "The lease is broken" in workspace.run("unlock", "plan.json", "--yes").stdout
    held.release()


def test_unlock_opens_no_store_elsewhere_because_a_plan_names_it(
    workspace: LeaseWorkspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A committed plan chose which store is opened, and an old one is changed by that."""
    workspace.run("plan", "-o", "plan.json")
    plan = workspace.folder / "plan.json"
    document = json.loads(plan.read_text())
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "store"
    document["target"]["location"] = str(elsewhere)
    plan.write_text(fit_digest(document))
    output = forked.run("unlock", "plan.json", "--yes", folder=workspace.folder, code=1).stderr
    assert (
        f"the store of the plan, {elsewhere}, is neither below the plan's folder nor below the working directory"
        in output
    )
    assert f"to use it, pass --store {elsewhere}" in output
    assert not elsewhere.exists()
    output = forked.run("unlock", "plan.json", "--yes", "--allow-outside", folder=workspace.folder, code=64).stderr
    assert f"store {elsewhere} does not exist" in output
    assert not elsewhere.exists()
    forked.run("apply", "--yes", "--store", str(elsewhere), folder=workspace.folder)
    allowed = forked.run("unlock", "plan.json", "--yes", "--allow-outside", folder=workspace.folder).stdout
    assert "is free; nothing to do" in allowed


def test_an_interruption_while_waiting_leaves_everything_as_it_was(workspace: LeaseWorkspace) -> None:
    """Exit 130; the lease stays with its holder."""
    held = workspace.held()
    with command.start("apply", "--yes", "--store", "store", folder=workspace.folder) as process:
        process.wait_for("waiting for at most 120 s")
        process.interrupt()
        assert process.wait().code == 130
    assert not held.is_lost()
    assert len(workspace.records()) == 1
    held.release()


HELD = r"host \S+, pid \d+, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"


def test_all_that_unlock_says_of_a_target(workspace: LeaseWorkspace) -> None:
    """Name of the catalog, target and store; what happens next; and the command that can be pasted."""
    document = json.loads((workspace.folder / "base.yaml").read_text())
    targets = {"lab": {"store": "store"}, "eu": {"store": "other"}}
    (workspace.folder / "base.yaml").write_text(json.dumps({**document, "targets": targets}))
    lease = "The lease of catalog base on target lab (store store)"
    words = ("unlock", "base.yaml", "--target", "lab")
    assert workspace.run_all(*words).output == f"{lease} is free; nothing to do.\n"
    held = workspace.held()
    refused = workspace.run_all(*words, code=64)
    assert re.fullmatch(rf"{re.escape(lease)} is held by {HELD}\.\n", refused.stdout)
    assert refused.stderr == (
        "imagesync: this command asks for confirmation, but standard input is not a terminal; "
        "pass --yes: imagesync unlock base.yaml --target lab --yes\n"
    )
    done = workspace.run_all(*words, "-y")
    assert re.fullmatch(
        rf"{re.escape(lease)} is held by {HELD}\.\n"
        r"The lease is broken\. If its holder still runs, it notices that within \d+ s and starts no further step; "
        r"the next run waits for it\.\n",
        done.output,
    )
    assert workspace.run_all(*words).output == f"{lease} is free; nothing to do.\n"
    held.release()
    refused = workspace.run_all("unlock", "base.yaml", "--target", "eu", code=64)
    assert refused.stderr.startswith("imagesync: store other does not exist; check the path")
    assert not (workspace.folder / "other").exists()


def test_all_that_unlock_says_of_stale_leases(workspace: LeaseWorkspace) -> None:
    """One or several of them; without an option for the place, the manifest names it, and the command has its path."""
    document = json.loads((workspace.folder / "base.yaml").read_text())
    (workspace.folder / "base.yaml").write_text(json.dumps({**document, "targets": {"lab": {"store": "store"}}}))
    words = ("unlock", "base.yaml", "--target", "lab", "--stale")
    assert workspace.run_all(*words).output == "No lease on store store is stale; nothing to do.\n"
    for catalog in ("old", "older"):
        take(workspace.backend, catalog, timeout=0, warn=workspace.texts.append, is_new=lambda: True).release()
    head = "Leases on store store of catalogs that have no image there:\n"
    line = rf"free, last run: {HELD}, last change \d{{4}}-\d\d-\d\dT\S+"
    refused = workspace.run_all(*words, code=64)
    assert re.fullmatch(rf"{head}  old: {line}\n  older: {line}\n", refused.stdout)
    assert refused.stderr.endswith("; pass --yes: imagesync unlock base.yaml --target lab --stale --yes\n")
    done = workspace.run_all(*words, "--yes")
    assert re.fullmatch(rf"{head}  old: {line}\n  older: {line}\nDeleted: 2\.\n", done.output)
    assert [len(workspace.backend.leases(catalog)) for catalog in ("old", "older")] == [0, 0]


@pytest.mark.parametrize("number", [1, 2])
def test_stale_leases_are_kept_without_a_yes(workspace: LeaseWorkspace, number: int) -> None:
    """The question has their number; the exit code says that they are left."""
    for catalog in ("old", "older")[:number]:
        take(workspace.backend, catalog, timeout=0, warn=workspace.texts.append, is_new=lambda: True).release()
    words = ("unlock", "--stale", "--store", "store")
    done = command.run(*words, folder=workspace.folder, typed="n\n", code=1)
    what = "this lease" if number == 1 else "these 2 leases"
    assert done.stderr.replace("\r\n", "\n") == f"Delete {what}? [y/N]: No lease was deleted.\n"
    assert "Deleted" not in done.stdout
    assert len(workspace.backend.leases("old")) == 1
