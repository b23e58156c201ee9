"""The declared stores and import of an image -> copies to stores, imports to continue, and notes. Pure.

A plan copies an image to each declared store that lacks it. It leaves copies in other stores alone, because another user
may have made them.
"""

from collections.abc import Iterable

from imagesync.model.catalog import Catalog, ImageSpec, Status, Transfer, UrlSource
from imagesync.model.image import Capabilities, LiveImage
from imagesync.model.plan import FieldChange
from imagesync.model.urls import redact_url
from imagesync.planning.diff import Why
from imagesync.planning.generations import Holds, Owned, compare_content, is_unjudged


def is_store_list_needed(catalog: Catalog) -> bool:
    """Whether planning needs the list of the service's stores: an image declares ``stores: all``."""
    return any((transfer := spec.source.transfer) and transfer.all_stores for spec in catalog.images)


def _find_declared_stores(spec: ImageSpec, able: Capabilities | None) -> frozenset[str]:
    """The stores that must hold an image; ``all`` means the stores in ``able``, and none if ``able`` is None."""
    transfer = spec.source.transfer
    return transfer.select_stores(able.stores if able else frozenset()) if transfer else frozenset()


def plan_store_copy(
    spec: ImageSpec, image: LiveImage, status: Status, able: Capabilities | None, why: Why
) -> tuple[FieldChange, ...]:
    """The change that copies an image to the declared stores that lack it; ``status`` is the status before the copy.

    There is none if the service does not report the image's stores (it never reports those of a deactivated image to a
    user who is not an admin): each later plan would have the same change again.
    """
    lacking = _find_declared_stores(spec, able) - set(image.stores)
    if not (lacking and image.stores) or status is not Status.ACTIVE:
        return ()
    path, live = ("stores",), tuple(sorted(image.stores))
    return (FieldChange(path, live, tuple(sorted({*live, *lacking})), why(path)),)


def note_stores(spec: ImageSpec, image: LiveImage, status: Status, able: Capabilities | None) -> tuple[str, ...]:
    """A note if an image lacks a declared store and the plan does not copy it there."""
    lacking = sorted(_find_declared_stores(spec, able) - set(image.stores))
    if not lacking:
        return ()
    if status is Status.ACTIVE and not image.stores:
        return (
            f"{spec.key}: the service does not report the stores of image {image.id}, so imagesync does not manage them",
        )
    if status is Status.DEACTIVATED and image.stores:
        stores = ", ".join(lacking)
        return (
            f"{spec.key}: image {image.id} is not copied to {stores}: the service never copies a deactivated image",
        )
    return ()


def note_verification(spec: ImageSpec) -> tuple[str, ...]:
    """A note if the manifest turns off the verification of data that the service fetches (``verify: none``).

    There is none for a URL without a digest: it has its own warning.
    """
    source, digest = spec.source, spec.fingerprint.strongest
    if not isinstance(source, UrlSource) or source.transfer.verify or digest is None:
        return ()
    what = (
        f"imagesync does not verify the data that the service fetches from {redact_url(source.urls[0])} (verify: none)"
    )
    why = f"the declared {digest.algorithm} is compared only if the service computes a {digest.algorithm} itself"
    return (f"{spec.key}: {what}; {why}",)


def find_resumable(spec: ImageSpec, wanted: str, staging: Iterable[Owned]) -> Owned | None:
    """The newest staged image that this run can continue; None if it must make a new one.

    That is an import of an interrupted run which still runs, or is done but not verified. Or it is a candidate that was
    made with ``verify: none``, which the manifest no longer declares. ``wanted`` is the digest of the declared state: the
    record must have it. An upload by imagesync is never continued, because it ended with its run.
    """
    transfer = spec.source.transfer
    if transfer is None:
        return None
    for owned in reversed(list(staging)):
        fits = owned.record.spec == wanted and spec.id in (None, owned.id)
        if fits and (_is_unfinished(spec, transfer, owned) or _is_unjudged_candidate(spec, transfer, owned)):
            return owned
    return None


def _is_unfinished(spec: ImageSpec, transfer: Transfer, owned: Owned) -> bool:
    """Whether an import of the declared content by the declared method is running, or waits to be verified."""
    image, record = owned.image, owned.record
    alive = image.importing or (image.status is Status.ACTIVE and record.unverified)
    named = {*record.digests, *record.declared}
    same = named == set(spec.fingerprint.digests) and record.url == spec.url_identity
    return alive and same and record.unverified is not transfer.is_sent


def _is_unjudged_candidate(spec: ImageSpec, transfer: Transfer, owned: Owned) -> bool:
    """Whether the service fetched the declared content of a candidate and nothing verified it yet."""
    settled = owned.image.status is Status.ACTIVE and not owned.image.importing
    return settled and not transfer.is_sent and is_unjudged(spec, owned) and compare_content(spec, owned) is Holds.SAME
