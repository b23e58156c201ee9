"""The name of a source."""

import pytest

from imagesync.cli.new_entries import read_name


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("web.raw", "web"),
        ("a/b/web.qcow2.xz", "web"),
        ("noble-server-cloudimg-amd64.img", "noble-server-cloudimg-amd64"),
        ("debian-13.4", "debian-13.4"),
        (".img", ".img"),
        ("https://example.org/a/Fedora-44.x86_64.qcow2", "Fedora-44.x86_64"),
        ("https://example.org/p/disk-1.2.raw/download", "disk-1.2"),
        ("https://example.org/get?file=disk-1.2.raw&x=1", "disk-1.2"),
        ("https://example.org/get?x=1", "get"),
        ("https://example.org/a%20b.img", "a b"),
        ("https://example.org/", None),
        ("https://example.org", None),
        ("https://example.org/a%0Ab.img", None),
    ],
)
def test_the_name_is_that_of_the_file(source: str, name: str | None) -> None:
    """Without endings of packings and formats."""
    assert read_name(source) == name
