"""Whether an image holds the wanted content, by digests, URL and what the service says."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import (
    HEX_LENGTHS,
    Checksum,
    Compression,
    Content,
    FileSource,
    Fingerprint,
    KnownContent,
    Method,
    Role,
    Source,
    Status,
    Transfer,
    UrlSource,
)
from imagesync.model.image import IMPORT_TASK, LiveImage
from imagesync.model.plan import Create
from imagesync.model.record import MAX_GENERATION, Managed, Record, read
from imagesync.planning.generations import (
    Generations,
    Holds,
    Owned,
    choose_digest,
    collect_known,
    compare_content,
    group,
    has_other_size,
    is_as_recorded,
    is_stored_as_published,
    is_unjudged,
    settle_digests,
)
from tests.unit.factories import NOW, PROJECT, catalog, digest, inventory, live, plan, retired, rewrite, spec
from tests.unit.planning.plans import kinds


@pytest.mark.parametrize("role", [Role.CURRENT, Role.STAGING, Role.RETIRED, Role.DELETING])
def test_a_new_build_has_a_number_that_no_other_had(role: Role) -> None:
    """Those of builds that were only staged, or are marked for deletion, count too for the order of builds."""
    others = live(spec("a", "c"), "one"), live(spec("a", "d"), "two", role, 7, hidden=role is not Role.CURRENT)
    made = plan(catalog(spec("a", "b")), inventory(*others))
    (create,) = [step.action for step in made.steps if isinstance(step.action, Create)]
    assert create.record.managed.generation == 8


def test_tampered_content_is_found() -> None:
    """The record says our digest, the service's hash another."""
    sha512 = digest("a").__class__("sha512", "a" * 128)
    wanted = spec("a", fingerprint=Fingerprint((sha512,)))
    made = plan(catalog(wanted), inventory(live(wanted, os_hash_algo="sha512", os_hash_value="b" * 128)))
    assert kinds(made)[0] == ("Create", "a", "content-tampered")


def test_a_stronger_digest_of_the_same_content_uploads_nothing() -> None:
    """A manifest that changes from sha256 to sha512 is compared with the service's own hash."""
    sha512 = digest("a").__class__("sha512", "a" * 128)
    image = live(spec("a"), os_hash_algo="sha512", os_hash_value="a" * 128)
    assert not plan(catalog(spec("a", fingerprint=Fingerprint((sha512,)))), inventory(image)).steps


@pytest.mark.parametrize(
    ("compression", "recorded", "owner", "reason"),
    [
        (Compression.NONE, (), None, "content-unknown"),
        (Compression.GZ, (), None, "content-changed"),
        (Compression.GZ, (Checksum("sha512", "b" * 128),), None, "content-unknown"),
        (Compression.GZ, (Checksum("sha512", "b" * 128),), "f" * 32, "content-changed"),
    ],
)
def test_content_that_is_known_by_another_algorithm_only_is_hashed_before_it_is_sent(
    compression: Compression, recorded: tuple[Checksum, ...], owner: str | None, reason: str
) -> None:
    """By the record, or by the service's hash where that is of the published bytes; another project's word is none."""
    source = FileSource("/images/a.raw", "a.raw", transfer=Transfer(compression))
    wanted = spec("a", source=source, owner=owner)
    image = live(wanted, os_hash_algo="sha512", os_hash_value="c" * 128, owner=owner or PROJECT)
    made = plan(catalog(wanted), inventory(rewrite(image, digests=recorded)))
    assert kinds(made)[0] == ("Create", "a", reason)


def test_of_several_current_images_references_mean_the_newest() -> None:
    """An interrupted run may leave two."""
    found = group([live(spec("a"), "new", generation=2), live(spec("a"), "old")])
    assert found.find_current_ids() == {"a": "new"}


def test_content_without_digest_is_its_url() -> None:
    """Another URL means other content."""
    one = spec("a", source=UrlSource(("https://x/1",)), fingerprint=Fingerprint())
    two = replace(one, source=UrlSource(("https://x/2",)), fingerprint=Fingerprint())
    assert not plan(catalog(one), inventory(live(one))).steps
    assert kinds(plan(catalog(two), inventory(live(one))))[0] == ("Create", "a", "content-changed")


def test_a_mirror_put_before_the_first_is_no_new_build() -> None:
    """Content without a digest is the same if its recorded URL is one of the mirrors."""
    old = spec("a", source=UrlSource(("https://x/1",)), fingerprint=Fingerprint())
    more = replace(old, source=UrlSource(("https://y/1", "https://x/1")))
    other = replace(old, source=UrlSource(("https://y/1", "https://x/2")))
    assert not plan(catalog(more), inventory(live(old))).steps
    assert kinds(plan(catalog(other), inventory(live(old))))[0] == ("Create", "a", "content-changed")


@pytest.mark.parametrize(("computed", "same"), [("a", True), ("b", False), (None, True)])
def test_exported_content_is_checked_against_what_was_computed(computed: str | None, *, same: bool) -> None:
    """By the record, where the service computes another digest; a digest on trust proves nothing."""
    wanted = spec("a", source=KnownContent(digest("a")), fingerprint=Fingerprint((digest("a"),)))
    digests = (digest(computed),) if computed else ()
    image = rewrite(live(wanted), digests=digests, declared=() if computed else (digest("b"),))
    if same:
        assert not [step for step in plan(catalog(wanted), inventory(image)).steps if isinstance(step.action, Create)]
        return
    with pytest.raises(PlanRefused, match="does not have the declared content"):
        plan(catalog(wanted), inventory(image))


@pytest.mark.parametrize("attrs", [{"disk_format": "qcow2"}, {"size": 4097}, {"owner": "f" * 32}])
def test_what_could_not_be_current_is_not_compared(attrs: dict[str, Any]) -> None:
    """Another format or size, or another project's image: a new build is made whatever it holds."""
    sha512 = Fingerprint((Checksum("sha512", "a" * 128),), size=4096)
    wanted = spec("a", fingerprint=sha512, owner=attrs.get("owner"))
    made = plan(catalog(wanted), inventory(replace(live(spec("a")), **attrs)))
    assert kinds(made)[0] == ("Create", "a", "content-changed")
    fit = plan(catalog(spec("a", fingerprint=sha512)), inventory(live(spec("a"))))
    assert kinds(fit)[0] == ("Create", "a", "content-unknown")


def test_exported_content_is_checked_against_the_live_hash() -> None:
    """``source: {checksum}`` cannot be made, only compared."""
    wanted = spec("a", source=KnownContent(digest("a")), fingerprint=Fingerprint((digest("a"),)))
    with pytest.raises(PlanRefused, match="does not have the declared content"):
        plan(catalog(wanted), inventory(live(wanted, os_hash_algo="sha256", os_hash_value="f" * 64)))


def test_unnamed_file_sources_do_not_matter_to_identity() -> None:
    """The path of a file does not change its content."""
    moved = spec("a", source=FileSource("/elsewhere/a.raw", "../a.raw"))
    assert not plan(catalog(moved), inventory(live(spec("a")))).steps


def test_a_declared_digest_is_the_content_as_long_as_nothing_contradicts_it() -> None:
    """The plan stays empty; another wanted digest is another build; a computed digest wins over a declared one."""
    image = rewrite(live(spec("a")), digests=(), declared=(digest("a"),))
    assert not plan(catalog(spec("a")), inventory(image)).steps
    assert kinds(plan(catalog(spec("a", "b")), inventory(image)))[0] == ("Create", "a", "content-changed")
    image = rewrite(image, digests=(digest("b"),))
    assert kinds(plan(catalog(spec("a")), inventory(image)))[0] == ("Create", "a", "content-changed")
    assert not plan(catalog(spec("a", "b")), inventory(image)).steps


def test_what_contradicts_a_declared_digest_is_no_tampering() -> None:
    """The content was unknown, so it was not tampered with: it is another one."""
    sha512 = Checksum("sha512", "a" * 128)
    wanted = spec("a", fingerprint=Fingerprint((sha512,)))
    image = live(wanted, os_hash_algo="sha512", os_hash_value="b" * 128)
    image = rewrite(image, digests=(), declared=(sha512,))
    assert kinds(plan(catalog(wanted), inventory(image)))[0] == ("Create", "a", "content-changed")


def test_a_digest_that_was_computed_of_the_data_outlives_another_hash_of_the_service() -> None:
    """What was published is known; a hash that differs shows that the data was changed, and is never taken over."""
    published, other = Checksum("sha512", "a" * 128), Checksum("sha512", "b" * 128)
    wanted = spec("a", fingerprint=Fingerprint((digest("a"),)))
    image = live(wanted, os_hash_algo="sha512", os_hash_value=other.value, checksum="c" * 32)
    owned = group([rewrite(image, digests=(digest("a"), published))])["a"].current[0]
    known = {"md5": "c" * 32, "sha256": digest("a").value, "sha512": published.value}
    assert {item.algorithm: item.value for item in settle_digests(wanted, owned).digests} == known
    assert collect_known(wanted, owned) == known


@pytest.mark.parametrize(("field", "next_of"), [("generation", "next_number"), ("retirement", "next_retirement")])
def test_a_number_never_grows_beyond_what_a_record_may_hold(field: str, next_of: str) -> None:
    """A forged record has the highest number: the next one is not higher, and a record that holds it can be read."""
    image = live(spec("a"), "old", Role.RETIRED)
    record = read(image)
    assert record is not None
    for number, expected in ((7, 8), (MAX_GENERATION, MAX_GENERATION)):
        numbers: dict[str, Any] = {field: number}
        forged = rewrite(image, managed=replace(record.managed, **numbers))
        assert getattr(group([forged])["a"], next_of) == expected


SHA256, SHA512 = (
    {letter: digest(letter) for letter in "ab"},
    {letter: Checksum("sha512", letter * 128) for letter in "ab"},
)
BOTH = {"": (), "1": (SHA256["a"],), "5": (SHA512["a"],), "15": (SHA256["a"], SHA512["a"])}
"""Digests of the content a, by what they are digests of."""
OTHERS = {
    **BOTH,
    "x": (SHA256["b"],),
    "y": (SHA512["b"],),
    "xy": (SHA256["b"], SHA512["b"]),
    "1y": (SHA256["a"], SHA512["b"]),
    "x5": (SHA256["b"], SHA512["a"]),
}


def expect(wanted: Sequence[Checksum], computed: Sequence[Checksum], declared: Sequence[Checksum],
           served: str | None, *, packed: bool, converted: bool) -> Holds:  # fmt: skip
    """What the docstring of compare_content says of a file, in other words."""
    queries = {one.algorithm: one.value for one in wanted}
    sure = {one.algorithm: one.value for one in computed}
    known = {one.algorithm: one.value for one in declared} | sure
    usable = served if not packed and not converted else None
    if usable and "sha512" in queries:
        if queries["sha512"] == usable:
            return Holds.SAME
        named = set(queries) & set(sure)
        is_named = bool(named) and all(queries[name] == sure[name] for name in named)
        return Holds.TAMPERED if is_named else Holds.CHANGED
    shared = set(queries) & set(known)
    if not shared:
        return Holds.UNKNOWN if sure or usable else Holds.CHANGED
    if all(queries[name] == known[name] for name in shared):
        return Holds.SAME
    if served and "sha512" in sure and not converted:
        was_packed = sure["sha512"] != served
        return Holds.UNKNOWN if was_packed is not packed else Holds.CHANGED
    return Holds.CHANGED


@pytest.mark.parametrize("converted", [False, True])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("served", [None, "a", "b"])
def test_content_by_every_mix_of_digests(served: str | None, packed: bool, converted: bool) -> None:
    """Wanted, computed, declared, and the service's own: in two algorithms, that agree, differ or are not there."""
    transfer = Transfer(Compression.GZ if packed else Compression.NONE)
    value = served and served * 128
    attrs: dict[str, Any] = {"os_hash_algo": "sha512", "os_hash_value": value} if served else {}
    seen = set()
    for wanted, computed, declared in product([BOTH["1"], BOTH["5"], BOTH["15"]], OTHERS.values(), OTHERS.values()):
        one = spec("a", source=FileSource("/a", "a", transfer=transfer), fingerprint=Fingerprint(wanted, 4096))
        image = rewrite(live(one, **attrs), digests=computed, declared=declared, converted=converted)
        found = compare_content(one, own(image))
        assert found is expect(wanted, computed, declared, value, packed=packed, converted=converted), (
            wanted,
            computed,
            declared,
        )
        seen.add(found)
    assert {Holds.SAME, Holds.CHANGED, Holds.UNKNOWN} <= seen


def own(image: LiveImage) -> Owned:
    """An image with its record."""
    record = read(image)
    assert record is not None
    return Owned(image, record)


@pytest.mark.parametrize("converted", [False, True])
@pytest.mark.parametrize("served", [None, "a", "b"])
@pytest.mark.parametrize("queries", list("ab"))
def test_known_content_by_every_mix_of_digests(queries: str, served: str | None, converted: bool) -> None:
    """The service's hash contradicts it, or a computed digest does; a declared one does not."""
    attrs: dict[str, Any] = {"os_hash_algo": "sha512", "os_hash_value": served * 128} if served else {}
    for computed, declared in product(OTHERS.values(), OTHERS.values()):
        image = rewrite(live(spec("a"), **attrs), digests=computed, declared=declared, converted=converted)
        wanted = spec("a", source=KnownContent(SHA512[queries]), fingerprint=Fingerprint((SHA512[queries],)))
        contradicted = any(one.algorithm == "sha512" and one != SHA512[queries] for one in computed)
        expected = Holds.CHANGED if contradicted else Holds.SAME
        expected = Holds.TAMPERED if served not in (None, queries) else expected
        assert compare_content(wanted, own(image)) is expected


@pytest.mark.parametrize(
    "source", [Content.UNMANAGED, Content.NO_DATA, KnownContent(digest("a")), FileSource("/a", "a")]
)
@pytest.mark.parametrize("status", Status)
def test_content_of_an_image_that_is_not_filled(source: Source, status: Status) -> None:
    """Unmanaged content is always the same; a record without data must have none; else something is missing."""
    found = compare_content(spec("a", source=source), own(live(spec("a"), status=status)))
    filled = status in (Status.ACTIVE, Status.DEACTIVATED)
    if source is Content.UNMANAGED:
        assert found is Holds.SAME
    elif source is Content.NO_DATA:
        assert found is (Holds.CHANGED if filled else Holds.SAME)
    else:
        assert found is (Holds.SAME if filled else Holds.MISSING)


@pytest.mark.parametrize("same", [False, True])
def test_content_without_any_digest_by_its_url(same: bool) -> None:
    """Of any of the mirrors."""
    urls = ("https://x/1", "https://x/2")
    made = spec("a", source=UrlSource(urls[1:] if same else ("https://x/3",)), fingerprint=Fingerprint())
    wanted = spec("a", source=UrlSource(urls), fingerprint=Fingerprint())
    assert compare_content(wanted, own(live(made))) is (Holds.SAME if same else Holds.CHANGED)


@pytest.mark.parametrize("converted", [False, True])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("served", [None, "a", "b"])
def test_what_is_known_of_an_image(served: str | None, packed: bool, converted: bool) -> None:
    """Every digest of it, each once; declared ones only while nothing judges them; the service's only of what was sent."""
    transfer = Transfer(Compression.GZ if packed else Compression.NONE)
    attrs: dict[str, Any] = {"os_hash_algo": "sha512", "os_hash_value": served * 128} if served else {}
    usable = {"sha512": served * 128} if served and not packed and not converted else {}
    for wanted, computed, declared in product(BOTH.values(), OTHERS.values(), OTHERS.values()):
        one = spec("a", source=FileSource("/a", "a", transfer=transfer), fingerprint=Fingerprint(wanted, 4096))
        owned = own(rewrite(live(one, **attrs), digests=computed, declared=declared, converted=converted))
        sure = {**usable, **{item.algorithm: item.value for item in computed}}
        settled = settle_digests(one, owned)
        assert settled.digests == tuple(Checksum(name, sure[name]) for name in sorted(sure))
        strongest = wanted[-1] if wanted else None
        is_judged = strongest is not None and sure.get(strongest.algorithm) == strongest.value
        left = () if is_judged else tuple(item for item in declared if item.algorithm not in sure)
        assert settled == replace(owned.record, digests=settled.digests, declared=left)
        assert collect_known(one, owned) == sure
        assert is_unjudged(one, owned) is bool(wanted and left)
        unverified = replace(one, source=FileSource("/a", "a", transfer=replace(transfer, verify=False)))
        assert is_unjudged(unverified, owned) is False
        known = {item.algorithm: item.value for item in (*declared, *computed)}
        agrees = all(known.get(name, value) == value for name, value in usable.items())
        assert is_as_recorded(one, owned) is agrees


@pytest.mark.parametrize(
    ("compression", "declared", "held", "other"),
    [
        (Compression.NONE, 4096, 4096, False),
        (Compression.NONE, 4096, 4097, True),
        (Compression.NONE, None, 4097, False),
        (Compression.NONE, 4096, None, False),
        (Compression.GZ, 4096, 4097, False),
    ],
)
def test_a_size_that_differs_is_other_content(
    compression: Compression, declared: int | None, held: int | None, other: bool
) -> None:
    """If both are known and nothing was unpacked; of a staged build only a file's size counts."""
    transfer = Transfer(compression)
    fingerprint = Fingerprint((digest("a"),), declared)
    of_file = spec("a", source=FileSource("/a", "a", transfer=transfer), fingerprint=fingerprint)
    of_url = spec("a", source=UrlSource(("https://x/1",), transfer=transfer), fingerprint=fingerprint)
    image = live(of_file, size=held)
    assert has_other_size(of_file, image) is has_other_size(of_url, image) is other
    assert is_as_recorded(of_file, own(image)) is (compression is not Compression.NONE or declared in (None, held))
    assert is_as_recorded(of_url, own(image)) is True


@pytest.mark.parametrize("algorithm", [None, "sha256", "sha512", "sha384", "md5"])
def test_the_digest_that_is_written_into_a_manifest(algorithm: str | None) -> None:
    """The one asked for, else sha256, sha512, the first by name; a declared one only if none was computed."""
    every = [Checksum(name, "0" * length) for name, length in HEX_LENGTHS.items()]
    for number in range(2 ** len(every)):
        some = tuple(one for place, one in enumerate(every) if number >> place & 1)
        names = [one.algorithm for one in some]
        usual = [name for name in (algorithm, "sha256", "sha512", *sorted(names)) if name in names]
        expected = next((one for one in some if one.algorithm == usual[0]), None) if usual else None
        image = live(spec("a"))
        assert (
            choose_digest(own(rewrite(image, digests=some, declared=(SHA256["b"],) if some else ())), algorithm)
            == expected
        )
        assert choose_digest(own(rewrite(image, digests=(), declared=some)), algorithm) == expected


def test_builds_are_ordered_by_number_then_age_then_id() -> None:
    """In each role; the last that retired comes first, by its number, then by its time."""
    images = [
        live(spec("a"), image_id, generation=number, created_at=f"2026-11-0{day}T00:00:00Z")
        for number, day, image_id in product((1, 2), (1, 2), "xy")
        for image_id in [f"{image_id}{number}{day}"]
    ]
    expected = tuple(image.id for image in images)
    assert tuple(owned.id for owned in group(images[::-1])["a"].current) == expected
    old = [
        rewrite(
            live(spec("a"), f"{retirement}{day}{number}{image_id}", Role.RETIRED),
            managed=Managed(
                generation=number, retired=f"2026-11-0{day}T00:00:00" if day else None, retirement=retirement
            ),
        )
        for retirement, day, number, image_id in product((0, 1, 2), (None, 1, 2), (1, 2), "xy")
    ]
    generations = group(old)["a"]
    assert tuple(owned.id for owned in generations.last_retired_first) == tuple(image.id for image in old)[::-1]
    assert (generations.next_retirement, generations.next_number) == (3, 3)
    assert (Generations("z").next_retirement, Generations("z").next_number) == (1, 1)
    assert generations.last_retired_first[0].retired_at == datetime(2026, 11, 2, tzinfo=UTC)


STAGED = [
    (status, hidden, importing, unverified)
    for status in Status
    for hidden, importing, unverified in product((False, True), repeat=3)
]


def test_which_staged_builds_are_candidates() -> None:
    """Whole and verified; active or not decides between a candidate and one that is rejected; users see neither."""
    images = {
        f"{status.value} {hidden} {importing} {unverified}": rewrite(
            live(
                spec("a"),
                f"{status.value} {hidden} {importing} {unverified}",
                Role.STAGING,
                status=status,
                hidden=hidden,
                service={IMPORT_TASK: "x"} if importing else {},
            ),
            unverified=unverified,
        )
        for status, hidden, importing, unverified in STAGED
    }
    generations = group(images.values())["a"]
    whole = {
        f"{status.value} {hidden} {importing} {unverified}": (status, hidden)
        for status, hidden, importing, unverified in STAGED
        if status in (Status.ACTIVE, Status.DEACTIVATED) and not importing and not unverified
    }
    assert {owned.id for owned in generations.verified} == set(whole)
    for status, found in ((Status.ACTIVE, generations.candidates), (Status.DEACTIVATED, generations.switched_off)):
        assert [owned.id for owned in found] == [name for name, state in whole.items() if state == (status, True)]


def test_lease_records_belong_to_no_key() -> None:
    """They have the catalog's marker, but are not builds."""
    lease = live(spec("a"), "lease", Role.LEASE)
    assert group([lease]) == {}
    assert group([lease, live(spec("b"), "b")]).find_current_ids() == {"b": "b"}


@pytest.mark.parametrize(("seconds", "is_corrected"), [(-1, False), (599, False), (600, False), (601, True)])
def test_a_time_of_retirement_after_the_latest_clock_is_replaced(seconds: int, *, is_corrected: bool) -> None:
    """By more than ten minutes: a wrong clock wrote it, and the image would never be old enough. Without clocks it stays."""
    since = NOW + timedelta(seconds=seconds)
    image = replace(retired(spec("a"), "old"), updated_at="2026-11-02T00:00:00Z")
    image = rewrite(image, managed=replace(record_of(image).managed, retired=since.isoformat()))
    expected = datetime(2026, 11, 2, tzinfo=UTC) if is_corrected else since
    assert group([image], NOW)["a"].retired[0].retired_at == expected
    assert group([image])["a"].retired[0].retired_at == since


def record_of(image: LiveImage) -> Record:
    """The record of an owned image."""
    record = read(image)
    assert record is not None
    return record


OTHER = "f" * 32


@pytest.mark.parametrize("owner", [None, OTHER])
@pytest.mark.parametrize("lives_in", [PROJECT, OTHER])
@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("converted", [True, False])
@pytest.mark.parametrize("compression", [Compression.NONE, Compression.GZ])
def test_the_service_s_digests_are_of_the_published_bytes_unless_they_were_changed_on_the_way(
    owner: str | None, lives_in: str, method: Method, converted: bool, compression: Compression
) -> None:
    """Unpacked or converted bytes are others. In the project that ``owner:`` names, an upload was never converted,
    whatever the record there says: that project could write it to turn the comparison off.
    """
    source = FileSource("/images/a", "a", transfer=Transfer(compression, method=method))
    wanted = spec("a", source=source, owner=owner)
    image = live(wanted, owner=lives_in)
    owned = Owned(image, replace(record_of(image), converted=converted))
    is_believed = converted and not (owner == lives_in == OTHER and method is Method.UPLOAD)
    assert is_stored_as_published(wanted, owned) is (compression is Compression.NONE and not is_believed)
