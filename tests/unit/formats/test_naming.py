"""What a file is that was given in place of a manifest."""

import gzip
import os

import pytest

from imagesync.formats.naming import describe_binary
from tests.samples import gpt, iso, qcow2


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (qcow2(2**20), "a qcow2 disk"),
        (b"QFI\xfb\0\0\0\3".ljust(100, b"\0"), "a qcow2 disk"),
        (gzip.compress(b"x" * 100, mtime=0), "a file of type gzip"),
        (b"SQLite format 3\0".ljust(100, b"\0"), "an SQLite database"),
        (bytes(512), "binary data"),
        (bytes(range(256)), "binary data"),
        ("café: 1\n".encode("latin-1"), ""),
        ("version: 1\n".encode("utf-16"), ""),
        ("\ufeffversion: 1\n".encode("utf-16-be"), ""),
        (gpt(), "a disk with partitions"),
        (iso(), "an iso image"),
        (b"version: 1\n", ""),
        (b"", ""),
    ],
)
def test_a_file_that_is_not_text_is_named(head: bytes, expected: str) -> None:
    """Text in another encoding is text: its message is about the encoding."""
    assert describe_binary(head) == expected


def test_a_large_head_is_read_in_part() -> None:
    """A disk that begins with a header of qcow2, whatever follows it."""
    assert describe_binary(qcow2(2**20)[:512] + os.urandom(2**18)) == "a qcow2 disk"
