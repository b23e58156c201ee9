"""A full or read-only disk under a store, under the output files of a run, and under its streams."""

import errno
import json
import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from imagesync.cli.bug_log import write_bug_log
from tests.fault.store_workspace import open_store_workspace
from tests.fault.write_faults import WriteFault
from tests.mounts import IMAGESYNC, run_mounted
from tests.trials import note


def wanted(folder: Path, sizes: dict[str, int]) -> None:
    """A manifest of raw images with these sizes in bytes."""
    for name, size in sizes.items():
        (folder / f"{name}.raw").write_bytes(os.urandom(size))
    images = {name: {"source": f"{name}.raw"} for name in sizes}
    defaults = {"disk_format": "raw", "container_format": "bare"}
    document = {"version": 1, "catalog": "base", "defaults": defaults, "images": images}
    (folder / "base.yaml").write_text(json.dumps(document))


SOME, MORE = (64, 192, 384, 1024), (128, 160, 256, 320, 448, 512)


@pytest.mark.parametrize("room", [*SOME, *(pytest.param(room, marks=pytest.mark.exhaustive) for room in MORE)])
def test_a_store_on_a_small_disk(tmp_path: Path, room: int) -> None:
    """The images that fit are stored whole, and one line for each step reports the others. They follow when there is
    space."""
    wanted(tmp_path, {"one": 50_000, "two": 60_000, "three": 70_000})
    (tmp_path / "disk").mkdir()
    short, whole, again, listed = run_mounted(
        tmp_path,
        f"""
        mount -t tmpfs -o size={room}k none disk
        imagesync apply --yes --store disk/store --jobs 1 base.yaml
        test "$code" = 0 || mount -o remount,size=4m disk
        imagesync apply --yes --store disk/store base.yaml
        imagesync plan --store disk/store base.yaml
        imagesync list --store disk/store --format json
        cp -r disk/store copy
        """,
    )
    assert short[0] in ((0, 1) if room < 1024 else (0,)), short
    if short[0]:
        assert "bytes of its disk are free" in short[1]
        note("a store on a full tmpfs", "one line for each step, and the next run converged")
    assert "bug" not in short[1]
    assert whole[0] == 0, whole
    assert again[1].splitlines()[-1].startswith("No changes.")
    assert {image["size"] for image in json.loads(listed[1])} == {50_000, 60_000, 70_000}
    with closing(sqlite3.connect(tmp_path / "copy" / "store.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_store_on_a_disk_that_may_not_be_written(tmp_path: Path) -> None:
    """Reading works, and an apply fails with one line."""
    wanted(tmp_path, {"one": 5_000})
    _, planned, listed, refused = run_mounted(
        tmp_path,
        """
        imagesync apply --yes --store store base.yaml
        mount --bind -o ro store store
        imagesync plan --store store base.yaml
        imagesync list --store store --format json
        sed -i 's/"bare"/"bare", "min_ram": 7/' base.yaml
        imagesync apply --yes --store store base.yaml
        """,
    )
    assert planned[0] == 0
    assert planned[1].splitlines()[-1].startswith("No changes.")
    assert [image["size"] for image in json.loads(listed[1])] == [5_000]
    assert refused[0] == 1
    assert "is read-only" in refused[1].splitlines()[-1]
    note("a store on a read-only disk", "it can be read; an apply fails with one line")


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "-o", "out/plan.json", "--ids", "out/ids.json"),
        ("apply", "--yes", "-o", "out/report.json", "--ids", "out/ids.json", "--events", "out/events.jsonl"),
        ("export", "-o", "out/base.yaml"),
    ],
    ids=lambda words: words[0],
)
def test_a_full_disk_under_the_files_of_a_run(tmp_path: Path, words: tuple[str, ...]) -> None:
    """At each write to an output file: the run ends completely or does not begin, one line names the file, and no half
    file is left."""
    (tmp_path / "out").mkdir()
    with open_store_workspace(tmp_path, ["out"]) as workspace:
        command = [str(tmp_path / word) if word.startswith("out/") else word for word in words]
        manifests = [] if words[0] == "export" else [str(tmp_path), "--max-delete", "100%"]
        whole = workspace.run(*command, *manifests, "--store", str(workspace.store))
        assert whole.code == 0, whole
        files, expected = set(os.listdir(tmp_path / "out")), workspace.state()
        workspace.restore()
        before = workspace.state()
        for number, call in enumerate(whole.calls):
            if call.startswith(("rename", "fsync", "unlink", "fchmod", "chmod")):
                continue  # takes no space
            for name in os.listdir(tmp_path / "out"):
                (tmp_path / "out" / name).unlink()
            workspace.restore()
            fault = WriteFault(number, errno.ENOSPC, lasting=True)
            ended = workspace.run(*command, *manifests, "--store", str(workspace.store), fault=fault)
            assert ended.code == 1, (call, ended)
            assert "cannot be written: No space left on device" in ended.output
            assert "bug" not in ended.output
            assert workspace.state() == (expected if "Applied: " in ended.output else before)
            left = set(os.listdir(tmp_path / "out"))
            assert left <= files
            for name in left - {"events.jsonl"}:
                assert (tmp_path / "out" / name).read_text().endswith("}\n")
            note(
                "disk full at each write to an output file of a run", "one line; the run was complete, or did not begin"
            )


@pytest.mark.parametrize(
    ("words", "streams", "code"),
    [
        ("plan", ">/dev/full", 1),
        ("plan", "2>/dev/full", 0),
        ("plan", ">/dev/full 2>/dev/full", 1),
        ("plan", ">&- 2>&- <&-", 0),
        ("apply --yes", "2>/dev/full", 0),
        ("apply --yes", "2>&-", 0),
        ("apply --yes --format json", ">/dev/full", 1),
        ("apply", "<&-", 64),
    ],
)
def test_streams_that_cannot_be_written(tmp_path: Path, words: str, streams: str, code: int) -> None:
    """There is no traceback, no exit code of a bug or of Python itself, and an apply runs to its end."""
    wanted(tmp_path, {"one": 5_000})
    output = tmp_path / "told"
    command = f"{IMAGESYNC} {words} --store store base.yaml -o out.json >out.txt 2>{output} {streams}"
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=env, check=False)
    assert done.returncode == code, output.read_text()
    assert "Traceback" not in output.read_text()
    assert not list(tmp_path.glob("imagesync-*.log"))
    if "--yes" in words:
        assert json.loads((tmp_path / "out.json").read_text())["succeeded"]
    note("standard output or error full or closed", "no traceback, and an apply ran to its end")


def test_a_bug_whose_log_cannot_be_written(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One line still reports the cause, without secrets."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", full)
    monkeypatch.setenv("OS_PASSWORD", "very-secret")
    write_bug_log("Traceback\n  here\nValueError: very-secret is no\x1b colour\n")
    output = capsys.readouterr().err
    assert output.startswith("imagesync has a bug (ValueError: ")
    assert output.endswith("; its log could not be written: No space left on device\n")
    assert "very-secret" not in output
    assert output.removesuffix("\n").isprintable()
