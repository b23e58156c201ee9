"""The questions that a declared image answers."""

from dataclasses import replace
from itertools import product

import pytest

from imagesync.errors import Bug
from imagesync.model.catalog import (
    HEX_LENGTHS,
    Auto,
    Catalog,
    Checksum,
    Compression,
    Content,
    FileSource,
    Fingerprint,
    ImageSpec,
    KnownContent,
    Member,
    Method,
    NamedProject,
    Place,
    Signature,
    Source,
    SourceFault,
    Target,
    Transfer,
    UrlSource,
    Visibility,
    is_project_id,
)
from imagesync.model.fields import collect_declared_fields, read_live_value
from imagesync.model.urls import identify_url
from tests.unit.factories import catalog, live, spec

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
    """``source: none`` is the only record without data."""
    spec = ImageSpec("a", "a", source)
    assert (spec.has_data, spec.is_record_only) == (has_data, is_record_only)
    assert (source.transfer is not None) == has_data


def test_the_first_url_is_the_identity() -> None:
    """Its sha256; mirrors do not count. A URL with a secret has no identity, nor has a file."""
    plain = UrlSource(("https://images.example/vmlinuz", "https://y.example/a.raw?sig=1"))
    assert ImageSpec("a", "a", plain).url_identity == "081259123bb1cdf982c89795dd4bc3254466f532f821a92bdcbd0bee39790d87"
    assert ImageSpec("a", "a", URL).url_identity is None
    assert ImageSpec("a", "a", FILE).url_identity is None


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("secret", ["https://x.example/a?sig=1", "https://me:word@x.example/a"])
def test_a_secret_in_any_of_the_urls_needs_a_digest(secret: str, place: int) -> None:
    """In any mirror: without a digest, the identity of the content could not be stored."""
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
    """The service gets the unpacked bytes, so its digests differ from those of the manifest."""
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
    """The declared stores, or all of the service; none if the service's default is used."""
    assert transfer.select_stores(frozenset(offered)) == stores


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
    """Without a pattern every key is in scope."""
    assert Catalog("base", only=only).is_in_scope(key) == expected


@pytest.mark.parametrize("name", HEX_LENGTHS)
def test_a_digest_is_read_in_any_case_and_must_be_complete(name: str) -> None:
    """It must have as many hexadecimal digits as the algorithm; blanks around each part are ignored."""
    length = HEX_LENGTHS[name]
    digits = ("0123456789abcdef" * 8)[:length]
    found = Checksum(name, digits)
    for text in (f"{name}:{digits}", f" {name.upper()} : {digits.upper()} "):
        assert Checksum.parse(text) == found
    wrong = [digits[:-1], digits + "0", digits[:-1] + "g", "g" + digits[1:], digits[:-2] + "\n0", ""]
    for text in (*(f"{name}:{part}" for part in wrong), f"{name}{digits}", name, f"x{name}:{digits}", f":{digits}"):
        with pytest.raises(ValueError, match=r"ALGORITHM|takes"):
            Checksum.parse(text)


def test_the_strongest_digest_is_that_of_the_longest_algorithm() -> None:
    """In any order; None without digests."""
    every = [Checksum(name, "0" * length) for name, length in HEX_LENGTHS.items()]
    for first, second in product(every, every):
        longer = max(first, second, key=lambda one: len(one.value))
        assert Fingerprint((first, second)).strongest == longer
    assert Fingerprint().strongest is None


def test_no_secret_is_left_in_any_address_of_a_source() -> None:
    """Mirrors, list and signature; everything else is unchanged."""
    secret, display = "https://me:secret@x.example/{}?sig=1", "https://x.example/{}"
    source = UrlSource(
        (secret.format(1), secret.format(2)),
        Checksum("sha256", "a" * 64),
        secret.format("list"),
        "entry",
        Signature(secret.format("signature"), "/keys", "keys"),
        Transfer(max_size=3),
    )
    assert source.withhold_secrets() == replace(
        source,
        urls=(display.format(1), display.format(2)),
        checksum_url=display.format("list"),
        signature=Signature(display.format("signature"), "/keys", "keys"),
    )
    assert source.withhold_secrets().checksum_entry == "entry"
    plain = UrlSource((display.format(1),))
    assert plain.withhold_secrets() == plain


def test_places_and_faults_as_text() -> None:
    """Without a line only the file, without a hint only the message."""
    assert (str(Place("f", 1, 2)), str(Place("f")), str(Place())) == ("f:1:2", "f", "")
    assert (Place("f", 1, 2).add_to("x"), Place("f").add_to("x")) == ("f:1:2: x", "x")
    assert (str(SourceFault("m", "h")), str(SourceFault("m"))) == ("m; h", "m")


@pytest.mark.parametrize(
    ("text", "is_id"),
    [
        ("0123456789abcdef" * 2, True),
        ("01234567-89ab-cdef-0123-456789abcdef", True),
        ("0123456789abcdef" * 2 + "0", False),
        ("0123456789abcdef" * 2 + "\n", False),
        ("x" + "0123456789abcdef" * 2, False),
        ("01234567-89ab-cdef-0123-456789abcdef0", False),
        ("0123456789ABCDEF" * 2, False),
        ("admin", False),
    ],
)
def test_an_id_of_a_project_has_the_form_of_the_identity_service(text: str, is_id: bool) -> None:
    """Ids as the identity service makes them."""
    assert is_project_id(text) is is_id


def test_content_without_a_digest_is_that_of_any_of_its_mirrors() -> None:
    """A source without a URL has none."""
    spec = ImageSpec("a", "a", UrlSource(("https://x.example/1", "https://x.example/2", "https://x.example/3")))
    known = [identify_url(f"https://x.example/{number}") for number in range(1, 5)]
    assert [spec.is_published_at(identity) for identity in known] == [True, True, True, False]
    assert not spec.is_published_at(None)
    secret = ImageSpec("a", "a", UrlSource(("https://x.example/1?sig=1", "https://x.example/2?sig=1")))
    assert not any(secret.is_published_at(identity) for identity in known)
    mirror = ImageSpec("a", "a", UrlSource(("https://x.example/1", "https://x.example/2?sig=1")))
    assert not mirror.is_published_at(None)
    assert ImageSpec("a", "a", FILE).is_published_at(None)
    assert not ImageSpec("a", "a", FILE).is_published_at(known[0])


def test_owners_of_keys_by_id() -> None:
    """Of all keys, after every name is resolved."""
    found = Catalog("base", owners={"a": "1", "b": "2"})
    assert found.owner_ids == {"a": "1", "b": "2"}
    mixed: list[dict[str, Member]] = [{"a": "1", "b": NamedProject("p", "d")}, {"a": NamedProject("p", "d"), "b": "1"}]
    for owners in mixed:
        with pytest.raises(Bug, match="p"):
            assert Catalog("base", owners=owners).owner_ids


def test_fields_of_declared_and_live_images_are_plain() -> None:
    """Each field by its name. Fields that are not declared are left out, False and 0 are not."""
    declared = {
        "name": "n",
        "visibility": "shared",
        "disk_format": "raw",
        "container_format": "bare",
        "owner": "o",
        "min_disk": 0,
        "min_ram": 3,
        "protected": False,
        "hidden": True,
    }
    spec = ImageSpec("a", **{**declared, "visibility": Visibility.SHARED})  # type: ignore[arg-type]
    assert collect_declared_fields(spec) == declared
    assert collect_declared_fields(replace(spec, min_disk=Auto.AUTO)) == {
        name: value for name, value in declared.items() if name != "min_disk"
    }
    assert collect_declared_fields(ImageSpec("a", "n")) == {"name": "n"}
    image = live(spec, owner="o", stores=("z", "y"), tags=frozenset({"t", "s"}), properties={"p.q": "1"}, size=7)
    assert {name: read_live_value(image, name) for name in declared} == declared
    paths = ("tags", "stores", "properties.p.q", "properties.x", "size", "status", "checksum")
    assert [read_live_value(image, path) for path in paths] == [("s", "t"), ("y", "z"), "1", None, 7, "active", None]


def test_where_and_how_an_image_is_declared_makes_no_difference() -> None:
    """Nor does what only helps to find its digest, or that its source could not be checked."""
    spec = ImageSpec("a", "a", FILE)
    moved = replace(spec, places={"image": Place("m.yaml", 1, 1)}, fault=SourceFault("x"), moved_from=("b",))
    assert moved == spec
    assert replace(FILE, checksum_entry="e") == FILE
    assert replace(URL, checksum_entry="e") == URL
    assert replace(spec, min_ram=1) != spec
    assert Target("t", find_place=lambda: Place("x", 1, 1)) == Target("t")


def test_the_place_of_a_source_is_that_of_its_image_if_it_has_none() -> None:
    """Messages about content name it."""
    image, source = Place("m.yaml", 1, 2), Place("m.yaml", 3, 4)
    assert ImageSpec("a", "a", places={"image": image, "source": source}).source_place == source
    assert ImageSpec("a", "a", places={"image": image}).source_place == image
    assert ImageSpec("a", "a").source_place == ImageSpec("a", "a").place == Place()


def test_declared_stores_are_needed_beside_all_of_the_service() -> None:
    """A declared store that the service does not offer is a problem that must be seen."""
    assert Transfer(stores=("x",), all_stores=True).select_stores(frozenset({"y"})) == {"x", "y"}


def test_a_catalog_knows_whether_a_name_of_an_owner_is_resolved() -> None:
    """That of an image, or of a key without one."""
    named = NamedProject("x", "D")
    assert not catalog(spec("a", owner="1"), spec("b")).has_named_owners
    assert catalog(spec("a"), spec("b", owner=named)).has_named_owners
    assert replace(catalog(spec("a")), owners={"b": "1", "c": named}).has_named_owners
    assert not replace(catalog(spec("a", members=frozenset({named}))), owners={"b": "1"}).has_named_owners
