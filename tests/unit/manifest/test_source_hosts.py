"""Which servers a manifest asks."""

import pytest

from imagesync.manifest.source_hosts import find_hosts_not_named
from imagesync.model.catalog import FileSource, Signature, UrlSource
from tests.unit.factories import spec

ADDRESSES = [f"https://{name}.example/x" for name in "abcd"]
SIGNED = Signature(ADDRESSES[3], "/keys", "keys")
URL = UrlSource((ADDRESSES[0], ADDRESSES[1]), checksum_url=ADDRESSES[2], signature=SIGNED)
FILE = FileSource("/a.raw", "a.raw", checksum_url=ADDRESSES[2], signature=SIGNED)


@pytest.mark.parametrize(("source", "hosts"), [(URL, "abcd"), (FILE, "cd")])
@pytest.mark.parametrize("lacking", "abcd")
def test_each_server_that_is_asked_must_be_named(source: UrlSource | FileSource, hosts: str, lacking: str) -> None:
    """That of the data, of a mirror, of the list of digests, and of its signature."""
    known = [f"{name}.example" for name in "abcd" if name != lacking]
    found = [problem.message for problem in find_hosts_not_named([spec("a", source=source)], known)]
    assert found == ([f"{lacking}.example is not named by --source-hosts"] if lacking in hosts else [])
    assert list(find_hosts_not_named([spec("a", source=source)], [])) == []
