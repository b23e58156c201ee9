"""Messages name the cause: where, what, what to do; once, in a terminal of 80 columns, with the right exit code."""

import gzip
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.command import Result, minimal_environment
from tests.samples import qcow2
from tests.terminal import Terminal

DISK = qcow2(2**20)
PACKED = gzip.compress(DISK, mtime=0)
HEAD = "version: 1\ncatalog: c\ndefaults: {disk_format: qcow2, container_format: bare}\nimages:\n"


def sha256(data: bytes) -> str:
    """A digest as it is declared."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Some files to make images of."""
    for name, data in {
        "a.qcow2": DISK,
        "a.gz": PACKED,
        "packed": PACKED,
        "a.zstd": b"\x28\xb5\x2f\xfd" + bytes(9),
        "a.vmdk": b'# Disk DescriptorFile\nRW 8192 FLAT "a-flat.vmdk" 0\n'.ljust(512, b"\0"),
        "a.vhd": bytes(range(256)) * 8 + b"conectix".ljust(512, b"\0"),
    }.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def run(folder: Path, *words: str, code: int = 1) -> Result:
    """``imagesync WORDS`` in a terminal of 80 columns."""
    return forked.run(*words, folder=folder, env=minimal_environment(COLUMNS="80", NO_COLOR="1"), code=code)


def apply(folder: Path, image: str, *words: str) -> list[str]:
    """What ``apply`` says of an image that cannot be made: each line once."""
    (folder / "m.yaml").write_text(f"{HEAD}  x: {{{image}}}\n")
    result = run(folder, "apply", "m.yaml", "--store", "store", "--yes", *words)
    lines = [line for line in result.output.splitlines() if "m.yaml:" in line]
    assert len(lines) == 1, result
    return lines


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("source: packed", "m.yaml:5:3: the data is gzip, not qcow2; declare compression: gz under source"),
        ("source: a.zstd", "m.yaml:5:3: the data is zstd, not qcow2; declare compression: zst under source"),
        ("source: a.vmdk, disk_format: vmdk", "m.yaml:5:3: the data is a vmdk descriptor, not vmdk; convert the disk that it describes"),
        ("source: a.vhd, disk_format: vhd", "m.yaml:5:3: the data looks like raw, not vhd; declare disk_format: raw for a fixed vhd"),
        (
            f"source: {{path: a.gz, checksum: '{sha256(DISK)}'}}",
            "m.yaml:5:3: the declared sha256 is of the unpacked data, not of the packed file; "
            f"write {sha256(PACKED)}",
        ),
        (
            "source: {path: a.qcow2, checksum: 'sha256:https://h.example/SUMS'}",
            "m.yaml:5:31: images.x.source.checksum: 'sha256:https://h.example/SUMS' is not a digest; a list",
        ),
        ("source: {path: a.qcow2, checksum_url: SUMS}", "m.yaml:5:31: images.x.source.checksum_url: 'SUMS' is not a URL"),
        ("source: 'https://h.example/my image'", "m.yaml:5:7: images.x.source: holds a space (character 21); write it"),
        ("source: {url: h.example/x.qcow2}", "m.yaml:5:16: images.x.source.url: 'h.example/x.qcow2' is not a URL"),
        ("source: h.example/x.qcow2", "m.yaml:5:7: images.x.source: h.example/x.qcow2: No such file or directory; if it is"),
        ("source: a.qcow2, min_ram: '512'", "m.yaml:5:24: images.x.min_ram: '512' is not a whole number; the quotes make"),
        ("source: a.qcow2, protected: yes", "m.yaml:5:24: images.x.protected: 'yes' is not true or false; write true"),
        ("source: a.qcow2, owner: bob", "m.yaml:5:24: images.x.owner: 'bob' is not a project id (32 hexadecimal digits"),
        ("source: a.qcow2, on_expire: hide", "m.yaml:5:24: images.x.on_expire: has an effect only with expires; declare expires"),
        ("source: a.qcow2, name: a: b", "m.yaml:5:31: not valid YAML: a value with a colon and a space in it needs quotes"),
    ],
)  # fmt: skip
def test_the_cause_is_in_the_message(folder: Path, image: str, message: str) -> None:
    """With its place in the manifest, also if it is only found while the data is sent."""
    (line,) = apply(folder, image, "--no-source-check")
    assert line.removeprefix("failed      create:x: ").startswith(message)


@pytest.mark.parametrize("words", [("validate", "m.yaml"), ("plan", "m.yaml", "--store", "store")])
def test_a_local_file_that_no_machine_boots_is_found_before_the_apply(folder: Path, words: tuple[str, ...]) -> None:
    """With its place; an apply does the rest and fails."""
    (folder / "good.qcow2").write_bytes(DISK)
    (folder / "m.yaml").write_text(f"{HEAD}  good: {{source: good.qcow2}}\n  x: {{source: packed}}\n")
    cause = "m.yaml:6:7: images.x.source: packed: the data is gzip, not qcow2; declare compression: gz"
    assert run(folder, *words).output.count(cause) == 1
    output = run(folder, "apply", "m.yaml", "--store", "store", "--yes").stdout
    assert output.count(cause) == 1
    assert "1 created" in output
    assert "good.qcow2" in output


def test_validate_without_source_checks_looks_into_no_file(folder: Path) -> None:
    """Only whether it is there: a checkout may hold pointers in the place of large files."""
    (folder / "m.yaml").write_text(f"{HEAD}  x: {{source: packed}}\n")
    run(folder, "validate", "m.yaml", "--no-source-check", code=0)
    (folder / "packed").unlink()
    assert "packed: No such file" in run(folder, "validate", "m.yaml", "--no-source-check").stderr


def test_a_declared_digest_of_a_local_file_is_compared_by_the_plan(folder: Path) -> None:
    """The digest that the file has is not hidden; it is the one to write."""
    (folder / "m.yaml").write_text(f"{HEAD}  x: {{source: {{path: a.qcow2, checksum: '{sha256(PACKED)}'}}}}\n")
    output = run(folder, "plan", "m.yaml", "--store", "store").stdout
    assert f"a.qcow2: the data has {sha256(DISK)}, not the declared {sha256(PACKED)}; correct the checksum" in output
    assert "1 to create" in run(folder, "plan", "m.yaml", "--store", "store", "--no-source-check", code=0).stdout


def test_errors_are_wrapped_between_words_on_a_terminal(folder: Path) -> None:
    """At 80 columns; the line of the file and what has no blank stay whole."""
    name = f"{'long-' * 20}name"
    (folder / "m.yaml").write_text(f"{HEAD}  x: {{source: {name}, name: {'n' * 60}}}\n  y: {{source: packed}}\n")
    with Terminal("validate", "m.yaml", folder=folder) as terminal:
        assert terminal.wait() == 1
        lines = terminal.text.splitlines()
    assert [line for line in lines if len(line) > 80 and "long-" not in line] == []
    assert name[:79] in terminal.text
    words = " ".join(line.strip() for line in lines)
    assert (
        "y.source: packed: the data is gzip, not qcow2; declare compression: gz under source (without it, only" in words
    )
    assert len([line for line in lines if line.startswith("    ")]) >= 3


def test_warnings_of_the_log_are_wrapped_like_errors(folder: Path) -> None:
    """They come from rooms that do not know the terminal."""
    (folder / "m.yaml").write_text(f"{HEAD}  x: {{source: none}}\n")
    run(folder, "apply", "m.yaml", "--store", "store", "--yes", code=0)
    (folder / "store" / "content" / "notes.txt").write_text("mine")
    with Terminal("plan", "m.yaml", "--store", "store", folder=folder) as terminal:
        assert terminal.wait() == 0
        lines = terminal.text.splitlines()
    assert "content/notes.txt is not a file of the store; it is kept" in " ".join(line.strip() for line in lines)
    assert [line for line in lines if len(line) > 80 and " " in line.strip()[:80]] == []


def test_a_log_file_shows_digests(folder: Path) -> None:
    """Of a wrong file they are what a person looks for; before, they were hidden as if they were secrets."""
    (folder / "m.yaml").write_text(f"{HEAD}  x: {{source: {{path: a.qcow2, checksum: '{sha256(PACKED)}'}}}}\n")
    words = ("m.yaml", "--store", "store", "--yes", "--no-source-check", "--log-file", "log")
    run(folder, "apply", *words)
    kept = (folder / "log").read_text()
    assert sha256(DISK) in kept
    assert sha256(PACKED) in kept


def test_a_reason_is_printed_once_in_the_report(folder: Path) -> None:
    """Progress says that the step failed; in JSON, where the report is for programs, it says why, too."""
    (folder / "m.yaml").write_text(f"{HEAD}  x: {{source: packed}}\n")
    words = ("apply", "m.yaml", "--store", "store", "--yes", "--no-source-check")
    text = run(folder, *words)
    assert text.stderr == "Note: store store created\nfailed      create:x\n"
    assert text.stdout.count("the data is gzip") == 1
    found = run(folder, *words, "--format", "json")
    assert "the data is gzip" in found.stderr
    assert "the data is gzip" in json.loads(found.stdout)["results"][0]["error"]


def test_the_line_is_shown_with_a_caret_and_all_problems_in_one_run(folder: Path) -> None:
    """Of several files; nothing is wider than the terminal but the message itself."""
    (folder / "one.yaml").write_text(HEAD + "  a: {name: x: y}\n")
    (folder / "two.yaml").write_text("version: 1\nimages:\n\tb: {}\n")
    output = run(folder, "validate", ".").stderr.splitlines()
    assert output == [
        'one.yaml:5:14: not valid YAML: a value with a colon and a space in it needs quotes; write name: "x: y"',
        "      a: {name: x: y}",
        "                 ^",
        "two.yaml:3:1: not valid YAML: the indentation has a tab; indent with spaces",
        "    →b: {}",
        "    ^",
        "2 problems in the manifests",
    ]
    found = json.loads(run(folder, "validate", ".", "--format", "json").stdout)["problems"]
    assert [(item["file"], item["line"], item["column"]) for item in found] == [("one.yaml", 5, 14), ("two.yaml", 3, 1)]


IDLE: dict[str, Any] = {
    "shared": {"source": "a.qcow2", "members": ["22475f0b415543bbbcc9f0117fb3ca8b"]},
    "some-day": {"source": "a.qcow2", "on_expire": "delete"},
    "no-data": {"source": "none", "status": "deactivated"},
    "left": {"source": "a.qcow2", "ignore": ["hiden", "propertys.x"]},
}


def test_what_would_do_nothing_stops_every_command_that_reads_manifests(folder: Path) -> None:
    """Not only validate: nothing is made that is not as declared."""
    (folder / "m.yaml").write_text(json.dumps({"version": 1, "catalog": "c", "images": IDLE}))
    for words in (("validate",), ("plan", "--store", "store"), ("apply", "--yes", "--store", "store")):
        output = run(folder, *words).stderr
        assert [name for name in IDLE if f"images.{name}." in output] == list(IDLE)
        assert "problems in the manifests" in output
    assert not (folder / "store").exists()


def test_validate_prints_notes(folder: Path) -> None:
    """As by plan; they are not problems."""
    (folder / "m.yaml").write_text(HEAD + "  ubuntu: {source: a.qcow2}\nprofiles: {old: {min_ram: 1}}\n")
    note = "profiles.old: no image uses this profile; remove it, or use it"
    output = run(folder, "validate", code=0).stdout
    assert output.startswith("Note: m.yaml:")
    assert f": {note}\n" in output
    found = json.loads(run(folder, "validate", "--format", "json", code=0).stdout)
    assert [one.partition(": ")[2] for one in found["catalogs"][0]["notes"]] == [note]
    assert [one["where"] for one in found["warnings"]] == ["profiles.old"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("aply",), "No such command 'aply'; did you mean apply? See --help"),
        (("xyz",), "No such command 'xyz'; see --help"),
        (("plan", "--jobs", "x"), "Invalid value for '--jobs': not a whole number; see --help"),
        (("list", "--role", "old"), "Invalid value for '--role': 'old' is not one of 'current', "),
    ],
)
def test_a_wrong_command_line_is_explained_in_plain_words(tmp_path: Path, words: Sequence[str], expected: str) -> None:
    """The words of the library name its own parts."""
    assert f"imagesync: {expected}" in forked.run(*words, folder=tmp_path, code=64).stderr
