"""Outputs: no file is written through a link, pipes and devices are written and never replaced."""

import json
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagesync.cli.files import (
    check_results,
    check_writable,
    create_files,
    find_folder,
    is_stream,
    open_private,
    replace_content,
    write_json,
    write_private,
)
from imagesync.errors import ImagesyncError, UsageError


def write_lines(path: Path, text: str) -> None:
    """As --events writes."""
    with open_private(path) as file:
        file.write(text)


WRITERS = pytest.mark.parametrize("write", [write_private, write_lines])


@WRITERS
@pytest.mark.parametrize("kind", ["link", "link to nothing", "hard link", "file", "nothing"])
def test_an_output_is_a_new_private_file(tmp_path: Path, write: Callable[[Path, str], None], kind: str) -> None:
    """What was at its place is replaced; the file that a link led to stays as it was."""
    victim, out = tmp_path / "victim", tmp_path / "out.json"
    victim.write_text("mine")
    if kind == "link":
        out.symlink_to(victim)
    elif kind == "link to nothing":
        out.symlink_to(tmp_path / "new")
    elif kind == "hard link":
        out.hardlink_to(victim)
    elif kind == "file":
        out.write_text("old")
    check_writable(out)
    write(out, "text")
    assert victim.read_text() == "mine"
    assert not (tmp_path / "new").exists()
    status = out.lstat()
    assert (stat.S_ISREG(status.st_mode), stat.S_IMODE(status.st_mode), status.st_nlink) == (True, 0o600, 1)
    assert out.read_text() == "text"
    assert len(list(tmp_path.iterdir())) == 2


def test_lines_can_be_read_while_they_are_written(tmp_path: Path) -> None:
    """The file is at its place before the first line, and not the old one: ``tail -F`` follows a run."""
    out = tmp_path / "events"
    out.write_text("old")
    with open_private(out) as file:
        assert out.read_text() == ""
        file.write("one\n")
        file.flush()
        assert out.read_text() == "one\n"


@WRITERS
def test_a_folder_that_a_link_moves_out_of_the_working_directory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, str], None]
) -> None:
    """Before the work and when it is written; an absolute path is the runner's choice."""
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("out").symlink_to("../home")
    for act in (check_writable, lambda path: write(path, "x")):
        with pytest.raises(UsageError, match=r"out: a link leads to .*/home, which is outside") as caught:
            act(Path("out/plan.json"))
        assert "--allow-outside" not in str(caught.value)
    assert list((tmp_path / "home").iterdir()) == []
    write(tmp_path / "here" / "out" / "plan.json", "x")
    assert (tmp_path / "home" / "plan.json").read_text() == "x"


@WRITERS
def test_a_pipe_is_written_and_stays_a_pipe(tmp_path: Path, write: Callable[[Path, str], None]) -> None:
    pipe, read = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    check_writable(pipe)
    write(pipe, "text")
    reader.join(20)
    assert read == ["text"]
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


@WRITERS
def test_a_device_is_written(write: Callable[[Path, str], None]) -> None:
    """No file is made in /dev."""
    before = sorted(os.listdir("/dev"))
    check_writable(Path("/dev/null"))
    write(Path("/dev/null"), "text")
    assert stat.S_ISCHR(os.lstat("/dev/null").st_mode)
    assert sorted(os.listdir("/dev")) == before


def test_a_link_to_a_device_is_replaced(tmp_path: Path) -> None:
    """It is a link in the working directory like any other."""
    (tmp_path / "out").symlink_to("/dev/null")
    write_private(tmp_path / "out", "text")
    assert (tmp_path / "out").read_text() == "text"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A file that holds a line, and a stream that continues it, as ``>>`` of a shell gives it."""
    path = tmp_path / "log"
    path.write_text("before\n")
    handle = os.open(path, os.O_WRONLY | os.O_APPEND)
    yield path, handle
    os.close(handle)


@WRITERS
@pytest.mark.parametrize("form", ["/dev/fd/{}", "/proc/self/fd/{}", "/proc/thread-self/fd/{}", "/proc/{pid}/fd/{}"])
def test_an_open_stream_is_continued(log: tuple[Path, int], write: Callable[[Path, str], None], form: str) -> None:
    """A log file behind it keeps what it has."""
    path, handle = log
    named = Path(form.format(handle, pid=os.getpid()))
    check_writable(named)
    write(named, "text\n")
    write(named, "more\n")
    assert path.read_text() == "before\ntext\nmore\n"
    assert not path.is_symlink()


def test_paths_in_a_stream_are_relative_to_the_working_directory(tmp_path: Path) -> None:
    """A plan in /dev cannot be read."""
    os.mkfifo(tmp_path / "pipe")
    assert (
        find_folder(Path("/dev/stdout")) == find_folder(Path("/dev/fd/7")) == find_folder(tmp_path / "pipe") == Path()
    )
    assert find_folder(tmp_path / "plan.json") == tmp_path
    assert not is_stream(Path("dev/stdout"))


def test_what_cannot_be_written_is_known_before(tmp_path: Path) -> None:
    """One line each, without what would move the cursor."""
    readable = os.open(os.devnull, os.O_RDONLY)
    os.mkfifo(tmp_path / "pipe")
    for path, message in {
        tmp_path: "it is a folder; name a file in it",
        tmp_path / "no\x1b" / "x": f"the folder {tmp_path}/no\\x1b does not exist; create it",
        Path("/dev/fd/999"): "the stream is not open; open it, for example with 999>FILE",
        Path(f"/dev/fd/{readable}"): "the stream is open only for reading",
    }.items():
        with pytest.raises(ImagesyncError) as caught:
            check_writable(path)
        assert message in str(caught.value)
    os.close(readable)


@WRITERS
def test_a_name_of_the_greatest_length_can_be_written(tmp_path: Path, write: Callable[[Path, str], None]) -> None:
    write(tmp_path / ("x" * 255), "text")
    assert (tmp_path / ("x" * 255)).read_text() == "text"


def test_a_file_for_others_has_their_mode(tmp_path: Path) -> None:
    """An export is not secret."""
    write_private(tmp_path / "a", "text", mode=0o644)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


def test_no_file_is_named_for_two_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it is written: the second would replace the first. Streams may be."""
    monkeypatch.chdir(tmp_path)
    out, other = Path("out.json"), Path("ids.json")
    check_results(out, other, None)
    check_results(Path("/dev/stderr"), Path("/dev/stderr"))
    for again in (out, tmp_path / out, Path("x/../out.json")):
        for named in ((out, again), (other, out, again), (out, None, again)):
            with pytest.raises(UsageError, match="two results would be written to"):
                check_results(*named)


@pytest.mark.parametrize("kind", ["file", "link", "link to nothing", "folder"])
def test_new_files_replace_nothing(tmp_path: Path, kind: str) -> None:
    """Not even what appeared after the check; the files that were created before it are removed."""
    victim, taken = tmp_path / "victim", tmp_path / "b"
    victim.write_text("mine")
    if kind == "file":
        taken.write_text("mine")
    elif kind == "folder":
        taken.mkdir()
    else:
        taken.symlink_to(victim if kind == "link" else tmp_path / "new")
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(ImagesyncError, match="b cannot be written: File exists"):
        create_files({tmp_path / "a": "new", taken: "new", tmp_path / "c": "new"})
    assert {path.name for path in tmp_path.iterdir()} == before
    assert victim.read_text() == "mine"
    assert kind != "file" or taken.read_text() == "mine"


def test_content_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    """Byte for byte, with the permissions of the file; no other file is left."""
    path = tmp_path / "m.yaml"
    path.write_bytes(b"old\r\n")
    path.chmod(0o640)
    replace_content(path, b"old\r\n", b"##vso[x]\r\n")
    assert path.read_bytes() == b"##vso[x]\r\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["changed", "link", "nothing"])
def test_content_that_is_not_the_expected_one_is_not_replaced(tmp_path: Path, kind: str) -> None:
    """Another program has changed the file, or has put a link in its place."""
    path, victim = tmp_path / "m.yaml", tmp_path / "victim"
    victim.write_bytes(b"old")
    if kind == "changed":
        path.write_bytes(b"newer")
    elif kind == "link":
        path.symlink_to(victim)
    before = {found.name for found in tmp_path.iterdir()}
    with pytest.raises(ImagesyncError, match=r"m\.yaml cannot be written"):
        replace_content(path, b"old", b"new")
    assert {found.name for found in tmp_path.iterdir()} == before
    assert victim.read_bytes() == b"old"
    assert kind != "changed" or path.read_bytes() == b"newer"


@pytest.mark.parametrize("kind", ["new", "replaced"])
def test_a_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """After a power failure there is the old file or the new one, never an empty one."""
    path, calls = tmp_path / "out", list[str]()
    path.write_text("old")

    def sync(handle: int) -> None:
        calls.append(f"fsync of {os.fstat(handle).st_size} bytes")

    def replace(source: str, target: Path, replace: Callable[..., None] = os.replace) -> None:
        calls.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", replace)
    if kind == "new":
        write_private(path, "a text")
    else:
        replace_content(path, b"old", b"a text")
    assert calls == ["fsync of 6 bytes", "replace"]


@WRITERS
def test_a_link_in_the_place_of_a_pipe_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, str], None]
) -> None:
    """Not even one that appears after the check; nor does a terminal become that of the process."""
    victim, pipe = tmp_path / "victim", tmp_path / "pipe"
    victim.write_text("mine")
    os.mkfifo(pipe)

    def open_late(path: Path, flags: int, *mode: int, open: Callable[..., int] = os.open) -> int:
        assert flags & os.O_NOCTTY
        pipe.unlink()
        pipe.symlink_to(victim)
        return open(path, flags, *mode)

    monkeypatch.setattr(os, "open", open_late)
    with pytest.raises(ImagesyncError, match="pipe cannot be written"):
        write(pipe, "text")
    assert victim.read_text() == "mine"


def test_what_a_command_reads_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it is written; another file of its folder is, and so is a stream."""
    monkeypatch.chdir(tmp_path)
    plan = Path("plan.json")
    plan.write_text("{}")
    for out in (plan, tmp_path / plan, Path("x/../plan.json")):
        with pytest.raises(UsageError) as caught:
            check_results(None, Path("other.json"), out, source=plan)
        assert caught.value.message == f"{out} is read by this command and is not overwritten"
        assert caught.value.hint == "name another file"
    check_results(Path("other.json"), Path("/dev/stdout"), source=plan)
    check_results(plan, source=Path("other.json"))
    check_results(plan)


def test_the_first_problem_of_the_results_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An input, two results in one file, a folder that does not exist: in this order, with what to do."""
    monkeypatch.chdir(tmp_path)
    twice, missing = Path("a\x1b"), Path("no/b")
    for named, message, hint in (
        (
            (twice, twice, missing, Path("M.YAML")),
            "two results would be written to a\\x1b",
            "name a different file for each",
        ),
        (
            (missing, Path("M.YAML"), twice),
            "M.YAML has the suffix of a manifest or of a store's database and is not overwritten",
            "name a file that does not end in .yaml, .yml, .db",
        ),
        ((twice, missing), "no/b cannot be written: the folder no does not exist", "create it, or check the path"),
    ):
        with pytest.raises(ImagesyncError) as caught:
            check_results(*named)
        assert (caught.value.message, caught.value.hint) == (message, hint)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".db", ".DB", ".Yaml"])
def test_an_output_does_not_look_like_an_input(tmp_path: Path, suffix: str) -> None:
    """Whatever its case; another suffix after it is right."""
    with pytest.raises(UsageError):
        check_results(tmp_path / f"a{suffix}")
    check_results(tmp_path / f"a{suffix}.json", tmp_path / suffix[1:], tmp_path / f"b{suffix}x")


@pytest.mark.parametrize("kind", ["folder", "socket"])
def test_a_file_of_another_kind_cannot_be_an_output(tmp_path: Path, kind: str) -> None:
    """With what to name instead."""
    path = tmp_path / "x"
    if kind == "folder":
        path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    with pytest.raises(ImagesyncError) as caught:
        check_writable(None, path)
    assert caught.value.message == f"{path} cannot be written: it is a {kind}"
    assert caught.value.hint == ("name a file in it" if kind == "folder" else "name a file")


def test_a_folder_or_a_pipe_without_the_right_to_write_is_known_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may do anything, so the answer of the system is that of a user."""
    os.mkfifo(tmp_path / "pipe")
    requested = list[tuple[str, int]]()

    def refuse(path: Path, mode: int) -> bool:
        requested.append((Path(path).name, mode))
        return False

    monkeypatch.setattr(os, "access", refuse)
    for name, why in (("pipe", "it is not writable"), ("a", "its folder is not writable")):
        with pytest.raises(ImagesyncError) as caught:
            check_writable(tmp_path / name)
        assert caught.value.message == f"{tmp_path / name} cannot be written: {why}"
        assert caught.value.hint == "check its permissions and mount"
    assert requested == [("pipe", os.W_OK), (tmp_path.name, os.W_OK | os.X_OK)]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has the reason."""
    path = tmp_path / "a"
    path.write_text("old")

    def fail(*_words: object) -> None:
        raise OSError(28, "No space left on device")

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            for write in (write_private, lambda path, text: replace_content(path, b"old", text.encode())):
                with pytest.raises(ImagesyncError) as caught:
                    write(path, "new")
                assert caught.value.message == f"{path} cannot be written: No space left on device"
                assert caught.value.hint == "check the folder and its space"
            if name == "replace":
                with pytest.raises(ImagesyncError, match="No space left"):
                    open_private(path)
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]


def test_json_is_sorted_and_ends_with_a_newline(tmp_path: Path) -> None:
    """Text that a CI system could read as a command is escaped as JSON does it."""
    write_json(tmp_path / "a", {"b": ["##vso[x]"], "a": 1})
    text = (tmp_path / "a").read_text()
    assert json.loads(text) == {"b": ["##vso[x]"], "a": 1}
    assert text == '{\n  "a": 1,\n  "b": [\n    "#\\u0023vso[x]"\n  ]\n}\n'
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


def test_texts_are_escaped_in_files_and_streams(tmp_path: Path) -> None:
    """Not those of new files, which are written as they are."""
    write_private(tmp_path / "a", "::error::x\n##[y]\n")
    assert (tmp_path / "a").read_text() == ":\\u003aerror::x\n#\\u0023[y]\n"
    ours, its = os.pipe()
    write_private(Path(f"/dev/fd/{its}"), "::error::x\n")
    assert os.read(ours, 100) == b":\\u003aerror::x\n"
    os.close(ours)
    os.close(its)
    create_files({tmp_path / "b": "::error::é\n"})
    assert (tmp_path / "b").read_bytes() == "::error::é\n".encode()
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o644 & ~read_umask()


def read_umask() -> int:
    """The permissions that new files of this process do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("name", ["/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd/3", "/proc/self/fd/12"])
def test_a_stream_is_known_by_its_name(name: str) -> None:
    """Those of this process only: the paths of another one are files for it."""
    assert is_stream(Path(name))
    assert is_stream(Path(f"/dev/..{name}"))
    assert not is_stream(Path(f"{name}/x"))
    assert is_stream(Path(f"/proc/{os.getpid()}/fd/99"))
    assert not is_stream(Path(f"/proc/{os.getppid()}/fd/999999"))
    assert not is_stream(Path("/proc/self/fd/1234567"))


def test_an_interruption_while_files_are_made_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an error of the disk; the interruption itself is what ends the command."""

    def interrupt(*_words: object, **_more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdopen", interrupt)
        with pytest.raises(KeyboardInterrupt):
            create_files({tmp_path / "a": "x"})
    assert list(tmp_path.iterdir()) == []
