"""Paths to manifest files: nothing is missed without a word."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagesync.errors import Diagnostic, ManifestError
from imagesync.manifest.files import MAX_DEPTH, MAX_ENTRIES, MAX_FILE_BYTES, Found, find_files, read_bytes
from imagesync.manifest.loader import load
from tests.samples import qcow2
from tests.unit.manifest.one_file import HEAD


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_vanished_folder_is_an_error_not_an_empty_catalog(tmp_path: Path, name: str) -> None:
    """Nothing found must never look like nothing wanted."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="check the path"):
        load(tmp_path / name)


def test_a_link_to_a_folder_outside_is_refused(tmp_path: Path) -> None:
    """Its images would silently be missing, and a missing image looks removed."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.yaml").write_text(HEAD + "images: {}\n", encoding="utf-8")
    (tmp_path / "set" / "more").symlink_to(tmp_path / "outside")
    with pytest.raises(ManifestError, match="leads out of the catalog's folder"):
        load(tmp_path / "set")


def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    """A deleted manifest is not a manifest without images."""
    (tmp_path / "a.yaml").write_text(HEAD + "images: {}\n", encoding="utf-8")
    (tmp_path / "b.yaml").symlink_to(tmp_path / "away.yaml")
    with pytest.raises(ManifestError, match=r"b\.yaml"):
        load(tmp_path)


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    """.github and .gitlab-ci.yml are not manifests."""
    (tmp_path / "a.yaml").write_text(HEAD + "images: {}\n", encoding="utf-8")
    (tmp_path / ".gitlab-ci.yml").write_text("stages: []\n", encoding="utf-8")
    assert list(load(tmp_path).folders) == [str(tmp_path / "a.yaml")]


@pytest.mark.parametrize("more", [-1, 0, 1, 2**20])
def test_a_file_that_is_too_large_is_refused(tmp_path: Path, more: int) -> None:
    """Exactly 32 MiB are allowed; of a larger one, no more than the limit and a byte are read."""
    path = tmp_path / "a.yaml"
    path.touch()
    os.truncate(path, MAX_FILE_BYTES + more)
    found = Found(str(path), "a.yaml", str(tmp_path), str(path))
    if more <= 0:
        assert read_bytes(found) == bytes(MAX_FILE_BYTES + more)
        return
    problem = read_bytes(found)
    assert isinstance(problem, Diagnostic)
    assert str(problem) == f"{path}: the file is larger than 32 MiB; split it into several files"
    with pytest.raises(ManifestError, match="larger than 32 MiB; split it"):
        load(tmp_path)


@pytest.mark.parametrize("size", [0, 1, 2**16 - 1, 2**16, 2**16 + 1, 300_000])
def test_a_file_is_read_to_its_end(tmp_path: Path, size: int) -> None:
    """Also one whose size the system does not know, such as a file of /proc or a pipe."""
    content = bytes(index % 251 for index in range(size))
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    assert read_bytes(Found(str(path), "a.yaml", str(tmp_path), str(path))) == content
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        pool.submit((tmp_path / "pipe").write_bytes, content)
        assert read_bytes(Found(str(tmp_path / "pipe"), "", "", "")) == content


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """Its images must not look removed."""
    found = Found(str(tmp_path / "away.yaml"), "away.yaml", str(tmp_path), "")
    assert "the file cannot be read (No such file or directory)" in str(read_bytes(found))


def test_what_is_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    """A named pipe might never end."""
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(ManifestError, match="not a regular file"):
        load(tmp_path)


def write(path: Path, text: str = HEAD + "images: {a: {source: none}}\n") -> None:
    """A manifest, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


SECRET = "glpat-0123456789abcdefghij"


@pytest.mark.parametrize("name", ["images/a.yaml", "images"])
def test_a_root_that_is_a_link_out_of_the_working_directory_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A linked token file was quoted in the message; below a linked folder everything counted as inside."""
    write(tmp_path / "home" / "a.yaml", SECRET)
    (tmp_path / "checkout").mkdir()
    monkeypatch.chdir(tmp_path / "checkout")
    link = Path(name)
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / "home" / link.name if link.suffix else tmp_path / "home")
    with pytest.raises(ManifestError) as caught:
        load(name)
    assert SECRET not in str(caught.value)
    absolute = tmp_path / "checkout" / name
    assert f"use the absolute path {absolute}, or pass --allow-outside" in str(caught.value)
    write(tmp_path / "home" / "a.yaml")
    assert list(load(name, allow_outside=True).images) == list(load(absolute).images) == ["a"]


@pytest.mark.parametrize("place", ["outside/b.yaml", "images/.git/b.yaml"])
def test_a_manifest_that_leads_out_or_into_git_is_read_only_if_that_is_allowed(tmp_path: Path, place: str) -> None:
    """An absolute root is trusted, not the links below it."""
    write(tmp_path / "images" / "a.yaml")
    write(tmp_path / place, "version: 1\nimages: {b: {source: none}}\n")
    (tmp_path / "images" / "b.yaml").symlink_to(tmp_path / place)
    with pytest.raises(ManifestError, match=r"b\.yaml: this link leads out .* pass --allow-outside"):
        load(tmp_path / "images")
    assert list(load(tmp_path / "images", allow_outside=True).images) == ["a", "b"]


def test_a_linked_folder_outside_is_walked_if_that_is_allowed(tmp_path: Path) -> None:
    """Once, also if its links lead in circles."""
    write(tmp_path / "images" / "a.yaml")
    write(tmp_path / "outside" / "deep" / "b.yaml", "version: 1\nimages: {b: {source: none}}\n")
    (tmp_path / "outside" / "deep" / "up").symlink_to(tmp_path / "outside")
    (tmp_path / "outside" / "back").symlink_to(tmp_path / "images")
    (tmp_path / "images" / "more").symlink_to(tmp_path / "outside")
    assert list(load(tmp_path / "images", allow_outside=True).images) == ["a", "b"]


def test_a_link_to_a_hidden_folder_inside_is_walked(tmp_path: Path) -> None:
    """Its images would silently be missing: the folder itself is left out as a hidden one."""
    write(tmp_path / ".releases" / "2" / "a.yaml")
    (tmp_path / "current").symlink_to(".releases/2")
    assert list(load(tmp_path).images) == ["a"]


def test_a_file_below_a_folder_and_by_a_link_keeps_the_folder_of_its_first_name(tmp_path: Path) -> None:
    """In the order of names, whatever order the system lists them in: sources are relative to it."""
    write(tmp_path / "m" / "a.yaml")
    (tmp_path / "z.yaml").symlink_to("m/a.yaml")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.yaml").symlink_to("../m/a.yaml")
    assert list(load(tmp_path).folders) == [str(tmp_path / "b" / "a.yaml")]


@pytest.mark.parametrize(("depth", "is_taken"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False)])
def test_folders_are_looked_at_to_a_depth(tmp_path: Path, depth: int, is_taken: bool) -> None:
    write(tmp_path.joinpath(*["d"] * depth) / "a.yaml")
    if is_taken:
        assert list(load(tmp_path).images) == ["a"]
        return
    with pytest.raises(ManifestError, match=r"d/d: more than 64 nested folders; move the manifests up"):
        load(tmp_path)


def test_folders_1_100_deep_are_one_problem(tmp_path: Path) -> None:
    """They ended in a bug: the walk was recursive."""
    with build_deep_folder() as folder:
        write(folder / "a.yaml")
        with pytest.raises(ManifestError, match="1 problem in the manifests"):
            load(folder)


@contextmanager
def build_deep_folder() -> Iterator[Path]:
    """A folder with 1,100 in each other, not below pytest's: what a killed run left there stopped all later ones.

    Made and removed by handles: neither paths as long as this nor recursion as deep as this work.
    """
    folder = Path(tempfile.mkdtemp(prefix="deep-"))
    handle = os.open(folder, os.O_RDONLY)
    depth = 0
    try:
        while depth < 1100:
            os.mkdir("d", dir_fd=handle)
            handle = move(handle, "d")
            depth += 1
        yield folder
    finally:
        for _ in range(depth):
            handle = move(handle, "..")
            os.rmdir("d", dir_fd=handle)
        os.close(handle)
        shutil.rmtree(folder)


def move(handle: int, name: str) -> int:
    """An open folder beside or below another, which is closed."""
    try:
        return os.open(name, os.O_RDONLY, dir_fd=handle)
    finally:
        os.close(handle)


def make(path: Path) -> Path:
    """A new folder."""
    path.mkdir()
    return path


@pytest.mark.parametrize(("beyond", "is_taken"), [(0, True), (1, False)])
def test_only_so_many_files_and_folders_are_looked_at(tmp_path: Path, beyond: int, is_taken: bool) -> None:
    """Of every kind, hidden ones too: each costs time."""
    write(tmp_path / "a.yaml")
    folder = make(tmp_path / "many")
    first = folder / "0"
    first.write_text("")
    for number in range(1, MAX_ENTRIES - 2 + beyond):
        if number % 30_000 == 0:  # a file has at most 65,000 names
            first = folder / f"first-{number}"
            first.write_text("")
        else:
            os.link(first, folder / str(number))
    if is_taken:
        assert list(load(tmp_path).images) == ["a"]
        return
    with pytest.raises(ManifestError, match="more than 100000 files and folders; pass a folder with fewer files"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["loop.yaml", "loop"])
def test_a_link_that_leads_to_itself_is_a_problem(tmp_path: Path, name: str) -> None:
    """It is one line, as a root and in a folder."""
    write(tmp_path / "a.yaml")
    (tmp_path / name).symlink_to(name)
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(ManifestError, match=r"loop.*Too many levels"):
            load(path)


def test_a_path_that_is_too_long_is_a_problem() -> None:
    with pytest.raises(ManifestError, match="File name too long"):
        load("d" * 300)


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("disk.img", bytes(4096), "disk.img: this is binary data, not a manifest; pass a manifest, or the catalog's folder"),
        (
            "disk.raw",
            bytes(MAX_FILE_BYTES + 1),
            "disk.raw: this is binary data, not a manifest; pass a manifest, or the catalog's folder",
        ),
        ("d.qcow2", qcow2(2**20), "d.qcow2: this is a qcow2 disk, not a manifest; pass a manifest, or the catalog's folder"),
        ("m.yaml", b"a\0\xff", "m.yaml: this is binary data, not a manifest; remove it, or write the manifest again"),
        ("l.yaml", b"caf\xe9: 1\n", "l.yaml:1:1: not UTF-8 (byte 3); save it as UTF-8"),
        ("u.yaml", "version: 1\n".encode("utf-16"), "u.yaml:1:1: not UTF-8 (byte 0); save it as UTF-8"),
        ("t.yaml", b"# \n" * (MAX_FILE_BYTES // 3 + 1), "t.yaml: the file is larger than 32 MiB; split it into several files"),
    ],
)  # fmt: skip
def test_the_path_of_an_image_is_not_taken_for_a_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes, expected: str
) -> None:
    """The message advised to save a disk as UTF-8, or to split it."""
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(data)
    with pytest.raises(ManifestError) as caught:
        load(name)
    assert [str(one) for one in caught.value.diagnostics] == [expected]


def test_manifests_are_sorted_by_their_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their folders and the case of their suffix; each has its folder and its real path."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "set/b.YML",
        "set/a/x.yaml",
        "set/a.yaml",
        "set/a-b.yml",
        "set/c.txt",
        "set/.d.yaml",
        "set/e.yaml.bak",
    ):
        write(Path(name), "")
    Path("set/z.yaml").symlink_to("c.txt")
    found, problems = find_files(Path("set"))
    assert problems == []
    assert [one.display for one in found] == [
        "set/a-b.yml", "set/a.yaml", "set/a/x.yaml", "set/b.YML", "set/z.yaml"
    ]  # fmt: skip
    assert found[2] == Found("set/a/x.yaml", "set/a/x.yaml", f"{tmp_path}/set/a", os.path.realpath("set/a/x.yaml"))
    assert found[4].real == os.path.realpath("set/c.txt")
    monkeypatch.chdir(tmp_path / "set")
    assert [one.display for one in find_files(Path())[0]] == ["a-b.yml", "a.yaml", "a/x.yaml", "b.YML", "z.yaml"]


def test_every_problem_of_a_folder_is_one_line(tmp_path: Path) -> None:
    """With the file or folder, and what to do; sound manifests are found beside them."""
    write(tmp_path / "set" / "a.yaml")
    (tmp_path / "outside").mkdir()
    write(tmp_path / "out.yaml")
    os.mkfifo(tmp_path / "set" / "pipe.yaml")
    for name, place in (("gone.yaml", "away"), ("loop", "loop"), ("more", "../outside"), ("one.yaml", "../out.yaml")):
        (tmp_path / "set" / name).symlink_to(place)
    (tmp_path / "set" / "dir.yaml").mkdir()
    write(tmp_path / "set" / "b\x1b.yaml")
    found, problems = find_files(tmp_path / "set")
    assert [one.display.removeprefix(f"{tmp_path}/set/") for one in found] == ["a.yaml", r"b\x1b.yaml"]
    leads = "this link leads out of the catalog's folder; remove it, copy it in, or pass --allow-outside"
    assert [str(one).removeprefix(f"{tmp_path}/set/") for one in problems] == [
        "gone.yaml: this is not a regular file; remove it",
        "loop: this cannot be read (Too many levels of symbolic links); correct its permissions, or remove it",
        f"more: {leads}",
        f"one.yaml: {leads}",
        "pipe.yaml: this is not a regular file; remove it",
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("away", "away: no such file or folder; check the path"),
        ("a.yaml/b", "a.yaml/b: no such file or folder; check the path"),
        ("link", "link: this link points to nothing; correct or remove it"),
        (
            "empty",
            "empty: no *.yaml or *.yml below this folder; check the path, or create a catalog there: imagesync init",
        ),
    ],
)
def test_a_root_without_manifests_is_one_problem(tmp_path: Path, name: str, expected: str) -> None:
    """It says what is there instead."""
    write(tmp_path / "a.yaml")
    write(tmp_path / "empty" / "readme.txt")
    (tmp_path / "link").symlink_to("away")
    found, (problem,) = find_files(tmp_path / name)
    assert (found, str(problem).removeprefix(f"{tmp_path}/")) == ([], expected)
