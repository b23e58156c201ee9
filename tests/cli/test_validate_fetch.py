"""``validate --fetch``: sources are read without a cloud, and what is wrong is printed as any other problem."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.command import Result, minimal_environment
from tests.fault.mirror import Mirror, mirror
from tests.samples import qcow2

HOSTS = ("--source-hosts", "127.0.0.1")


@pytest.fixture
def web() -> Iterator[Mirror]:
    """A server with a disk."""
    with mirror() as found:
        found.publish("/a.qcow2", qcow2())
        yield found


def write(folder: Path, **document: Any) -> None:
    """A manifest without explicit versions of the YAML: JSON is YAML, each image on its own line."""
    images = document.pop("images")
    head = {
        "version": 1,
        "catalog": "base",
        "defaults": {"disk_format": "qcow2", "container_format": "bare"},
        **document,
    }
    lines = ",\n".join(f'  "{key}": {json.dumps(image)}' for key, image in images.items())
    (folder / "m.yaml").write_text(json.dumps(head)[:-1] + ', "images": {\n' + lines + "\n}}\n")


def run(folder: Path, *words: str, code: int = 0) -> Result:
    """``imagesync validate m.yaml WORDS``; the server may be contacted."""
    env = minimal_environment(NO_PROXY="127.0.0.1", HOME=str(folder))
    return forked.run("validate", "m.yaml", *HOSTS, *words, folder=folder, env=env, code=code)


def test_nothing_is_fetched_without_the_option(tmp_path: Path, web: Mirror) -> None:
    """``validate`` alone needs no network."""
    write(tmp_path, images={"a": {"source": f"{web.address}/gone"}})
    assert "Catalog base: 1 image, no problems." in run(tmp_path).stdout
    assert web.queries == []
    assert "HTTP 404" in run(tmp_path, "--fetch", code=1).stderr
    assert web.queries


def test_a_dead_link_and_a_wrong_format_fail_with_their_lines(tmp_path: Path, web: Mirror) -> None:
    """Each problem is one line, as text, as annotations and as JSON; the exit code is 1."""
    right, gone = f"{web.address}/a.qcow2", f"{web.address}/gone"
    images = {"a": {"source": right}, "b": {"source": gone}, "c": {"source": right, "disk_format": "vmdk"}}
    write(tmp_path, images=images)
    lines = [
        f"m.yaml:3:9: images.b.source: {gone}: HTTP 404; correct the URL",
        f"m.yaml:4:9: images.c.source: {right}: the data is qcow2, not vmdk; correct disk_format or the source",
        "2 problems in the manifests",
    ]
    failed = run(tmp_path, "--fetch", code=1)
    assert (failed.stdout, failed.stderr.splitlines()) == ("", lines)
    failed = run(tmp_path, "--fetch", "--format", "github", code=1)
    assert failed.stdout.startswith(f"::error file=m.yaml,line=3,col=9,title=images.b.source::{gone}")
    assert failed.stderr.splitlines() == lines
    found = json.loads(run(tmp_path, "--fetch", "--format", "json", code=1).stdout)
    assert [(one["line"], one["where"]) for one in found["problems"]] == [
        (3, "images.b.source"),
        (4, "images.c.source"),
    ]


def test_a_dead_mirror_is_a_note_and_with_strict_a_problem(tmp_path: Path, web: Mirror) -> None:
    """Another mirror has the data. The note is printed once for all targets, and not with ``--quiet``."""
    gone = f"{web.address}/gone"
    digest = "sha256:" + "a" * 64
    source = {"url": [f"{web.address}/a.qcow2", gone], "checksum": digest}
    write(tmp_path, images={"a": {"source": source}}, targets={name: {"store": name} for name in ("eu", "us")})
    text = f"m.yaml:2:9: images.a.source: {gone}: HTTP 404; correct the URL"
    done = run(tmp_path, "--fetch")
    assert done.stdout.splitlines() == [
        f"Note: {text}",
        "Catalog base on target eu: 1 image, no problems.",
        "Catalog base on target us: 1 image, no problems.",
    ]
    assert run(tmp_path, "--fetch", "-q").output == ""
    found = json.loads(run(tmp_path, "--fetch", "--format", "json").stdout)
    assert [one["message"] for one in found["warnings"]] == [f"{gone}: HTTP 404"]
    assert run(tmp_path, "--fetch", "--format", "github").stdout.startswith("::warning file=m.yaml,line=2,")
    assert run(tmp_path, "--fetch", "--strict", code=1).stderr.splitlines() == [text, "1 problem in the manifests"]


def test_a_problem_of_one_target_names_it(tmp_path: Path, web: Mirror) -> None:
    """The URL has a value of the target; the chosen target alone is read with ``--target``."""
    targets = {name: {"store": name, "values": {"file": file}} for name, file in (("eu", "a.qcow2"), ("us", "gone"))}
    write(tmp_path, values={"file": "x"}, targets=targets, images={"a": {"source": f"{web.address}/${{file}}"}})
    assert run(tmp_path, "--fetch", code=1).stderr.splitlines() == [
        f"m.yaml:2:9: images.a.source: {web.address}/gone: HTTP 404 (on target us); correct the URL",
        "1 problem in the manifests",
    ]
    assert "on target eu: 1 image, no problems." in run(tmp_path, "--fetch", "--target", "eu").stdout


def test_problems_of_manifests_and_of_sources_are_in_one_list(tmp_path: Path, web: Mirror) -> None:
    """A target with a problem of its own does not hide what is wrong with the sources of another one."""
    images = {"a": {"source": f"{web.address}/gone"}}
    targets = {"eu": {"store": "eu"}, "us": {"store": "us", "images": {"a": {"source": "none.raw"}}}}
    write(tmp_path, images=images, targets=targets)
    errors = run(tmp_path, "--fetch", code=1).stderr
    assert "images.a.source: none.raw: No such file or directory (on target us)" in errors
    assert f"{web.address}/gone: HTTP 404 (on target eu)" in errors
    assert errors.endswith("2 problems in the manifests\n")


def test_both_options_about_sources_contradict_each_other(tmp_path: Path, web: Mirror) -> None:
    """A usage error, before anything is fetched."""
    write(tmp_path, images={"a": {"source": f"{web.address}/gone"}})
    assert run(tmp_path, "--fetch", "--no-source-check", code=64).stderr == (
        "imagesync: --fetch reads the sources, and --no-source-check does not; pass only one of them\n"
    )
    assert web.queries == []


def test_the_command_that_lists_all_fetches_too(tmp_path: Path, web: Mirror) -> None:
    """GitHub keeps ten annotations, so the last one names the command."""
    write(tmp_path, images={f"k{number:02}": {"source": f"{web.address}/{number}"} for number in range(12)})
    notes = run(tmp_path, "--fetch", "--strict", "--format", "github", code=1).stdout
    assert "imagesync validate m.yaml --source-hosts 127.0.0.1 --strict --fetch" in notes
