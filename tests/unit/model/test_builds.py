"""When two creates send the same bytes."""

from dataclasses import replace

import pytest

from imagesync.model.builds import Build
from imagesync.model.catalog import (
    Checksum,
    Compression,
    FileSource,
    Fingerprint,
    Method,
    Signature,
    Transfer,
    UrlSource,
)

FILE = FileSource("/m/a.raw", "a.raw")
URL = UrlSource(("https://x/a", "https://y/a"))
ONE, OTHER = Checksum("md5", "a" * 32), Checksum("sha1", "b" * 40)
PRINTS = Fingerprint((ONE, OTHER), 5)


def make(source: FileSource | UrlSource, prints: Fingerprint = PRINTS, disk: str | None = "raw") -> Build:
    """The build of a source in a bare container."""
    return Build.of(source, prints, disk, "bare")


@pytest.mark.parametrize("source", [FILE, URL])
def test_how_a_digest_is_found_and_where_the_data_goes_makes_no_difference(source: FileSource | UrlSource) -> None:
    """Nor the order of the digests, the size, or how a path is shown."""
    same = replace(
        source,
        checksum=ONE,
        checksum_url="https://x/S",
        checksum_entry="e",
        signature=Signature("https://x/s", "/k", "k"),
        transfer=Transfer(stores=("s",), all_stores=True, verify=False),
    )
    assert make(same) == make(source)
    assert hash(make(same)) == hash(make(source))
    assert make(source, Fingerprint((OTHER, ONE), None)) == make(source)
    if isinstance(source, FileSource):
        assert make(replace(source, display="b/a.raw")) == make(source)


@pytest.mark.parametrize(
    "other",
    [
        make(replace(FILE, path="/m/b.raw")),
        make(URL),
        make(FILE, Fingerprint((ONE,), 5)),
        make(FILE, disk="qcow2"),
        Build.of(FILE, PRINTS, "raw", "ovf"),
        *(
            make(replace(FILE, transfer=transfer))
            for transfer in (
                Transfer(Compression.GZ),
                Transfer(method=Method.GLANCE_DIRECT),
                Transfer(inspect=False),
                Transfer(max_size=9),
                Transfer(max_ratio=9),
            )
        ),
    ],
)
def test_other_bytes_or_other_checks_of_them_are_another_build(other: Build) -> None:
    """Each by itself; of a URL also the mirrors."""
    assert other != make(FILE)
    assert make(replace(URL, urls=URL.urls[:1])) != make(URL)
