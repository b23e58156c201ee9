"""How a file of a user is read, and what is not JSON."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from imagesync.cli.json_files import MAX_BYTES, parse_json, read_content, read_json
from imagesync.errors import UsageError


def test_the_json_of_a_file_is_its_value(tmp_path: Path) -> None:
    """With any value; texts are UTF-8."""
    path = tmp_path / "x.json"
    values: list[Any] = [{"a": [1, {"b": None, "ü": "日"}]}, [], "text", 3, None]
    for value in values:
        path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
        assert read_json(path, "a plan", "make one") == value


@pytest.mark.parametrize(
    "content", [b"", b"{", b"{'a': 1}", b"\xff\xfe", b'{"a": 1, "a": 1}', b'[{"b": {"a": 1, "a": 2}}]', b"[" * 200_000]
)
def test_what_is_no_json_is_refused_by_what_it_should_be(tmp_path: Path, content: bytes) -> None:
    """Also a name twice on any level, bytes that are not text, and very deep lists. The message has the path."""
    path = tmp_path / "x\x1b.json"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_json(path, "a saved plan", "make one: imagesync plan")
    assert str(caught.value) == f"{tmp_path}/x\\x1b.json is not a saved plan; make one: imagesync plan"
    with pytest.raises(UsageError, match=r"^the plan of request 7 is not a saved plan; make one$"):
        parse_json(content, "the plan of request 7", "a saved plan", "make one")


def test_equal_names_in_two_objects_are_no_mistake() -> None:
    """Only in one object."""
    assert parse_json('[{"a": 1}, {"a": {"a": 2}}]', "x", "a plan", "") == [{"a": 1}, {"a": {"a": 2}}]


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    """With the reason of the system."""
    for path, reason in ((tmp_path / "none\x1b", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(UsageError) as caught:
            read_content(path, "a plan", "make one", 10)
        display = str(path).replace("\x1b", "\\x1b")
        assert str(caught.value) == f"{display} cannot be read: {reason}; check the path"


@pytest.mark.parametrize("limit", [2 * 2**20, 3 * 2**20])
def test_a_file_has_at_most_the_limit(tmp_path: Path, limit: int) -> None:
    """The message names it in MiB, and what the file should be."""
    path = tmp_path / "x"
    path.touch()
    os.truncate(path, limit)
    assert len(read_content(path, "a comment", "shorten it", limit)) == limit
    os.truncate(path, limit + 1)
    with pytest.raises(UsageError) as caught:
        read_content(path, "a comment", "shorten it", limit)
    assert str(caught.value) == f"{path} is larger than {limit >> 20} MiB, the limit of a comment; shorten it"
    assert MAX_BYTES == 256 * 2**20


def test_a_relative_path_that_leaves_through_a_link_needs_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the option, if the command has it; the message names it only then."""
    (tmp_path / "in").mkdir()
    (tmp_path / "x.json").write_text("{}")
    (tmp_path / "in/link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path / "in")
    path = Path("link/x.json")
    assert read_json(path, "a plan", "", allow_outside=True) == {}
    with pytest.raises(UsageError, match="--allow-outside"):
        read_json(path, "a plan", "", allow_outside=False)
    with pytest.raises(UsageError) as caught:
        read_json(path, "a plan", "")
    assert "--allow-outside" not in str(caught.value)
    assert read_json(Path("../x.json"), "a plan", "") == {}, "a path that says where it leads"
