"""The zip file of an artifact, which the author of a pull request may have written."""

import io
import tracemalloc
import zipfile

import pytest

from imagesync.errors import ForgeError
from imagesync.forges.archive import MAX_ARCHIVE_BYTES, MAX_MEMBER_BYTES, MAX_MEMBERS, read_member
from tests.forge import make_zip

PLAN = b'{"plan": 1}'


def refuse(archive: bytes, **more: int) -> str:
    """The message about an archive."""
    with pytest.raises(ForgeError) as caught:
        read_member(archive, "plan.json", "artifact 3", **more)
    return str(caught.value)


def test_only_the_named_member_is_read() -> None:
    """Other paths are ignored, also those that lead out, and no file is written."""
    files = [("../plan.json", b"up"), ("/plan.json", b"root"), ("x/plan.json", b"x"), ("plan.json", PLAN), ("a", b"")]
    assert read_member(make_zip(files), "plan.json", "x") == PLAN


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([("x/plan.json", PLAN)], "artifact 3 has no file plan.json; let the job of the plan keep"),
        ([("Plan.json", PLAN)], "has no file plan.json"),
        ([], "has no file plan.json"),
    ],
)
def test_the_member_must_be_there(files: list[tuple[str, bytes]], message: str) -> None:
    """At the top, by exactly this name."""
    assert message in refuse(make_zip(files))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_this_name_are_refused() -> None:
    """Another program would read the other one."""
    assert "has 2 files with the name plan.json" in refuse(make_zip([("plan.json", PLAN), ("plan.json", b"{}")]))


def test_a_bomb_is_not_unpacked_beyond_the_limit() -> None:
    """The size that the archive declares is not believed, either."""
    bomb = make_zip([("plan.json", bytes(3 * 2**20))])
    assert len(bomb) < 2**13
    assert "plan.json that is larger than 2 MiB, the limit" in refuse(bomb, max_bytes=2 * 2**20)
    assert len(read_member(bomb, "plan.json", "x", max_bytes=3 * 2**20)) == 3 * 2**20


def test_a_bomb_costs_little_memory() -> None:
    """It is read only to the limit."""
    bomb = make_zip([("plan.json", bytes(64 * 2**20))])
    tracemalloc.start()
    try:
        refuse(bomb, max_bytes=2**20)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_an_archive_of_many_members_is_refused_before_they_are_listed() -> None:
    """Each costs memory. The limit itself is accepted."""
    files = [(f"{number}", b"") for number in range(MAX_MEMBERS - 1)]
    assert read_member(make_zip([*files, ("plan.json", PLAN)]), "plan.json", "x") == PLAN
    assert f"has more than {MAX_MEMBERS:,} files" in refuse(make_zip([*files, ("plan.json", PLAN), ("z", b"")]))


def test_a_damaged_or_encrypted_archive_is_refused() -> None:
    """In each way in which it can be damaged."""
    whole = make_zip([("plan.json", PLAN * 500)])
    assert "is not a zip file that can be read" in refuse(b"<html>")
    assert "is not a zip file that can be read" in refuse(b"")
    for at in range(0, len(whole), 3):
        spoilt = whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
        try:
            assert read_member(spoilt, "plan.json", "x") == PLAN * 500
        except ForgeError:
            continue
    for at in range(0, len(whole), 7):
        assert refuse(whole[:at])
    encrypted = bytearray(whole)
    for start in (encrypted.index(b"PK\x03\x04") + 6, encrypted.index(b"PK\x01\x02") + 8):
        encrypted[start] |= 1
    assert "is not a zip file that can be read" in refuse(bytes(encrypted))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_each_compression_is_read(method: int) -> None:
    """As far as Python reads it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("plan.json", PLAN)
    assert read_member(buffer.getvalue(), "plan.json", "x") == PLAN


def test_the_limits_are_those_of_a_saved_plan() -> None:
    """Of the archive, and of the file in it; a plan of any size that a command reads fits."""
    assert (MAX_ARCHIVE_BYTES, MAX_MEMBER_BYTES, MAX_MEMBERS) == (64 * 2**20, 256 * 2**20, 1000)


def test_a_refusal_says_what_to_do() -> None:
    """With the artifact, the name of the file, and the command that writes it."""
    hint = "let the job of the plan keep the file that imagesync plan -o plan.json writes"
    assert refuse(make_zip([("a", b"")])) == f"artifact 3 has no file plan.json; {hint}"
    assert refuse(b"x") == f"artifact 3 is not a zip file that can be read; {hint}"
