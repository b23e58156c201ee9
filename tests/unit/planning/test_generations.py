"""Whether an image holds the wanted content, by digests, URL and what the service says."""

from dataclasses import replace
from typing import Any

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import (
    Checksum,
    Compression,
    FileSource,
    Fingerprint,
    KnownContent,
    Role,
    Transfer,
    UrlSource,
)
from imagesync.model.plan import Create
from imagesync.model.record import MAX_GENERATION, read
from imagesync.planning.generations import collect_known, group, settle_digests
from tests.unit.factories import PROJECT, catalog, digest, inventory, live, plan, rewrite, spec
from tests.unit.planning.plans import kinds


@pytest.mark.parametrize("role", [Role.CURRENT, Role.STAGING, Role.RETIRED, Role.DELETING])
def test_a_new_build_has_a_number_that_no_other_had(role: Role) -> None:
    """Those of builds that were only staged, or are marked to go, count too: the order of builds is theirs."""
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
    """A manifest that goes from sha256 to sha512 is compared with the service's own hash."""
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
    """A run that broke off may leave two."""
    found = group([live(spec("a"), "new", generation=2), live(spec("a"), "old")])
    assert found.current_ids() == {"a": "new"}


def test_content_without_digest_is_its_url() -> None:
    """Another URL is another content."""
    one = spec("a", source=UrlSource(("https://x/1",)), fingerprint=Fingerprint())
    two = replace(one, source=UrlSource(("https://x/2",)), fingerprint=Fingerprint())
    assert not plan(catalog(one), inventory(live(one))).steps
    assert kinds(plan(catalog(two), inventory(live(one))))[0] == ("Create", "a", "content-changed")


def test_a_mirror_put_before_the_first_is_no_new_build() -> None:
    """Content without a digest came from one of the mirrors; a URL that is none of them is another content."""
    old = spec("a", source=UrlSource(("https://x/1",)), fingerprint=Fingerprint())
    more = replace(old, source=UrlSource(("https://y/1", "https://x/1")))
    other = replace(old, source=UrlSource(("https://y/1", "https://x/2")))
    assert not plan(catalog(more), inventory(live(old))).steps
    assert kinds(plan(catalog(other), inventory(live(old))))[0] == ("Create", "a", "content-changed")


@pytest.mark.parametrize(("computed", "same"), [("a", True), ("b", False), (None, True)])
def test_exported_content_is_checked_against_what_was_computed(computed: str | None, *, same: bool) -> None:
    """By the record, where the service computes another digest; a digest on trust tells nothing."""
    wanted = spec("a", source=KnownContent(digest("a")), fingerprint=Fingerprint((digest("a"),)))
    digests = (digest(computed),) if computed else ()
    image = rewrite(live(wanted), digests=digests, declared=() if computed else (digest("b"),))
    if same:
        assert not [step for step in plan(catalog(wanted), inventory(image)).steps if isinstance(step.action, Create)]
        return
    with pytest.raises(PlanRefused, match="not the declared one"):
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
    with pytest.raises(PlanRefused, match="not the declared one"):
        plan(catalog(wanted), inventory(live(wanted, os_hash_algo="sha256", os_hash_value="f" * 64)))


def test_unnamed_file_sources_do_not_matter_to_identity() -> None:
    """Where the file lies is not what it holds."""
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
    """Nobody knew the content, so nobody changed it: it is another one."""
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
    """A forged record has the highest number: the next one is no higher, and a record that holds it can be read."""
    image = live(spec("a"), "old", Role.RETIRED)
    record = read(image)
    assert record is not None
    for number, expected in ((7, 8), (MAX_GENERATION, MAX_GENERATION)):
        numbers: dict[str, Any] = {field: number}
        forged = rewrite(image, managed=replace(record.managed, **numbers))
        assert getattr(group([forged])["a"], next_of) == expected
