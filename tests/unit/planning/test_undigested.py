"""Images whose URL contains a secret need a digest: the sentence names it if it is known."""

from dataclasses import replace

import pytest

from imagesync.model.catalog import Checksum, FileSource, Fingerprint, ImageSpec, UrlSource
from imagesync.model.image import LiveImage
from imagesync.planning.generations import group
from imagesync.planning.undigested import refuse_undigested
from tests.unit.factories import digest, live, retired, rewrite, spec

SECRET = UrlSource(("https://x.example/a.raw?token=s3cret",))


def undigested(key: str = "a") -> ImageSpec:
    """An image at a URL with a secret, without a digest."""
    return spec(key, source=SECRET, fingerprint=Fingerprint())


def refuse(*wanted: ImageSpec, images: tuple[LiveImage, ...] = ()) -> list[str]:
    """The sentences about these images."""
    owned = [live(spec("other"), "id-other"), *images]
    return list(refuse_undigested(wanted, group(owned)))


def test_every_image_without_a_digest_is_refused_and_the_secret_is_not_shown() -> None:
    """One sentence for each, with both ways out."""
    sentences = refuse(undigested("a"), spec("b"), undigested("c"))
    assert [sentence.partition(":")[0] for sentence in sentences] == ["images.a.source", "images.c.source"]
    assert all(sentence.endswith("; add checksum or checksum_url") for sentence in sentences)
    assert not any("s3cret" in sentence for sentence in sentences)


@pytest.mark.parametrize(
    "wanted",
    [
        replace(undigested(), fingerprint=Fingerprint((digest("a"),))),  # read from the checksum list
        replace(undigested(), source=replace(SECRET, checksum=digest("a"))),
        replace(undigested(), source=replace(SECRET, checksum_url="https://x.example/SUMS")),
        replace(undigested(), source=UrlSource(("https://x.example/a.raw",))),
        replace(undigested(), source=FileSource("/images/a.raw", "a.raw")),
    ],
)
def test_a_source_with_a_digest_or_without_a_secret_is_not_refused(wanted: ImageSpec) -> None:
    """Also if the list that has the digest cannot be read now."""
    assert refuse(wanted) == []


def test_the_digest_of_the_current_build_is_named() -> None:
    """Of several current images the first that has one: sha256 if there is one, also if it was only declared."""
    first = rewrite(live(spec("a"), "first"), digests=(), declared=())
    second = rewrite(live(spec("a"), "second", generation=2), digests=(Checksum("md5", "1" * 32), digest("b")))
    declared = rewrite(live(spec("a"), "third"), digests=(), declared=(digest("c"),))
    (sentence,) = refuse(undigested(), images=(first, second))
    assert sentence.endswith(f"; add checksum: {digest('b')} (the content of image second)")
    (sentence,) = refuse(undigested(), images=(declared,))
    assert sentence.endswith(f"; add checksum: {digest('c')} (the content of image third)")
    (sentence,) = refuse(undigested(), images=(first,))
    assert sentence.endswith("; add checksum or checksum_url")


def test_only_the_current_build_gives_the_digest_to_declare() -> None:
    """An earlier build may have other content."""
    source = UrlSource(("https://me:pass@x.example/a.raw",))
    wanted = spec("a", source=source, fingerprint=Fingerprint(), places={})
    groups = group([retired(spec("a", "b"), "old")])
    (sentence,) = refuse_undigested([wanted], groups)
    assert sentence.endswith("add checksum or checksum_url")
    (sentence,) = refuse_undigested([wanted], group([live(spec("a")), retired(spec("a", "b"), "old")]))
    assert sentence.endswith(f"add checksum: {spec('a').fingerprint.strongest} (the content of image id-a)")
