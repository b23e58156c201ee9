"""Images whose URL contains a secret and that have no digest -> one sentence each, with the digest to declare. Pure."""

from collections.abc import Iterator, Sequence

from imagesync.model.catalog import ImageSpec, UrlSource
from imagesync.model.urls import WHY_DIGEST
from imagesync.planning.generations import Groups, choose_digest


def refuse_undigested(wanted: Sequence[ImageSpec], groups: Groups) -> Iterator[str]:
    """One sentence for each image; it names the recorded digest of the current build, if there is one."""
    for spec in wanted:
        if not (isinstance(spec.source, UrlSource) and spec.source.needs_digest) or spec.fingerprint.digests:
            continue
        held = [(owned.id, choose_digest(owned, None)) for owned in groups[spec.key].current]
        known = next(
            (f"add checksum: {digest} (the content of image {image_id})" for image_id, digest in held if digest), ""
        )
        sentence = f"images.{spec.key}.source: {WHY_DIGEST}; {known or 'add checksum or checksum_url'}"
        yield spec.source_place.add_to(sentence)
