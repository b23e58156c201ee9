"""What an image of the manifest answers about itself."""

import pytest

from imagesync.model.catalog import (
    Catalog,
    Checksum,
    Compression,
    Content,
    FileSource,
    ImageSpec,
    KnownContent,
    Method,
    Source,
    Transfer,
    UrlSource,
)

FILE = FileSource("/i/a.raw", "a.raw")
URL = UrlSource(("https://x.example/a.raw?sig=1", "https://y.example/a.raw"))
KNOWN = KnownContent(Checksum("sha256", "a" * 64))


@pytest.mark.parametrize(
    ("source", "has_data", "is_record_only"),
    [
        (FILE, True, False),
        (URL, True, False),
        (KNOWN, False, False),
        (Content.NO_DATA, False, True),
        (Content.UNMANAGED, False, False),
    ],
)
def test_only_files_and_urls_have_data(source: Source, has_data: bool, is_record_only: bool) -> None:
    """And ``none`` alone is a record without any."""
    spec = ImageSpec("a", "a", source)
    assert (spec.has_data, spec.is_record_only) == (has_data, is_record_only)
    assert (source.transfer is not None) == has_data


def test_the_first_url_is_the_identity() -> None:
    """Its sha256; mirrors do not count. A URL with a secret has none, nor has a file."""
    plain = UrlSource(("https://images.example/vmlinuz", "https://y.example/a.raw?sig=1"))
    assert ImageSpec("a", "a", plain).url_identity == "081259123bb1cdf982c89795dd4bc3254466f532f821a92bdcbd0bee39790d87"
    assert ImageSpec("a", "a", URL).url_identity is None
    assert ImageSpec("a", "a", FILE).url_identity is None


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("secret", ["https://x.example/a?sig=1", "https://me:word@x.example/a"])
def test_a_secret_in_any_of_the_urls_needs_a_digest(secret: str, place: int) -> None:
    """Whichever mirror it is: what stands for the content then is neither shown nor kept."""
    urls = ["https://y.example/a", "https://z.example/a"]
    urls.insert(place, secret)
    source = UrlSource(tuple(urls))
    assert source.needs_digest
    assert not UrlSource(tuple(urls), Checksum("sha256", "a" * 64)).needs_digest
    assert not UrlSource(tuple(urls), checksum_url="https://x.example/SUMS").needs_digest
    output = source.withhold_secrets().urls
    assert output[place] == "https://x.example/a"
    assert not UrlSource(output).needs_digest


def test_packed_data_is_not_stored_as_published() -> None:
    """The service gets the unpacked bytes, so that its digests are not those of the manifest."""
    packed = FileSource("/i/a.raw.xz", "a.raw.xz", transfer=Transfer(compression=Compression.XZ))
    stored = {source: ImageSpec("a", "a", source).is_stored_as_published for source in (FILE, URL, KNOWN, packed)}
    assert stored == {FILE: True, URL: True, KNOWN: True, packed: False}


@pytest.mark.parametrize(
    ("transfer", "offered", "stores"),
    [
        (Transfer(), {"fast", "slow"}, set()),
        (Transfer(stores=("fast",)), {"fast", "slow"}, {"fast"}),
        (Transfer(stores=("fast",)), set(), {"fast"}),
        (Transfer(all_stores=True), {"fast", "slow"}, {"fast", "slow"}),
    ],
)
def test_the_stores_that_must_hold_an_image(transfer: Transfer, offered: set[str], stores: set[str]) -> None:
    """Those that are declared, or all that there are; none where the service's default is meant."""
    assert transfer.wanted_stores(frozenset(offered)) == stores


@pytest.mark.parametrize("method", list(Method), ids=lambda method: method.name)
def test_a_web_download_is_not_sent(method: Method) -> None:
    """The service fetches it."""
    assert Transfer(method=method).is_sent == (method is not Method.WEB_DOWNLOAD)


@pytest.mark.parametrize(
    ("path", "expected"),
    [(("min_ram",), True), (("properties", "hw_x"), True), (("properties", "os_x"), False), (("tags",), False)],
)
def test_ignore_takes_globs_of_paths(path: tuple[str, ...], expected: bool) -> None:
    """Letter case counts."""
    assert ImageSpec("a", "a", ignore=("min_ram", "properties.hw_*", "TAGS")).is_ignored(*path) == expected


@pytest.mark.parametrize(
    ("only", "key", "expected"),
    [((), "a", True), (("a*", "b"), "ab", True), (("a*", "b"), "b", True), (("a*", "b"), "bb", False)],
)
def test_only_narrows_the_keys(only: tuple[str, ...], key: str, expected: bool) -> None:
    """Without any pattern every key is in scope."""
    assert Catalog("base", only=only).is_in_scope(key) == expected
