"""Where and how an image's bytes shall lie in the service -> changes of stores, imports to take up again, notes. Pure.

``stores`` is wanted state: an image that is not in every declared store is copied there; stores beyond those are left
alone, so a plan never undoes what another user copied.
"""

from collections.abc import Iterable

from imagesync.model.catalog import Catalog, ImageSpec, Status, Transfer, UrlSource
from imagesync.model.image import Capabilities, LiveImage
from imagesync.model.plan import FieldChange
from imagesync.model.urls import public_url
from imagesync.planning.diff import Why
from imagesync.planning.generations import Holds, Owned, compare_content, is_unjudged


def is_store_list_needed(catalog: Catalog) -> bool:
    """Whether a plan cannot be made without knowing which stores there are (``stores: all``)."""
    return any((transfer := spec.source.transfer) and transfer.all_stores for spec in catalog.images)


def _wanted_stores(spec: ImageSpec, able: Capabilities | None) -> frozenset[str]:
    """The stores that must hold an image, as far as it is known which there are."""
    transfer = spec.source.transfer
    return transfer.wanted_stores(able.stores if able else frozenset()) if transfer else frozenset()


def plan_store_copy(
    spec: ImageSpec, image: LiveImage, status: Status, able: Capabilities | None, why: Why
) -> tuple[FieldChange, ...]:
    """The copy to the stores that lack an image, if the service can make it; ``status`` is what the image has by then.

    An image whose stores are not shown (to non-admins those of a deactivated one never are) is taken as it is: to plan
    for what cannot be seen would be to plan it for ever.
    """
    lacking = _wanted_stores(spec, able) - set(image.stores)
    if not (lacking and image.stores) or status is not Status.ACTIVE:
        return ()
    path, there = ("stores",), tuple(sorted(image.stores))
    return (FieldChange(path, there, tuple(sorted({*there, *lacking})), why(path)),)


def note_stores(spec: ImageSpec, image: LiveImage, status: Status, able: Capabilities | None) -> tuple[str, ...]:
    """What a reader must know of stores that are wanted and for which nothing is planned."""
    lacking = sorted(_wanted_stores(spec, able) - set(image.stores))
    if not lacking:
        return ()
    if status is Status.ACTIVE and not image.stores:
        return (
            f"{spec.key}: the service does not report which stores hold image {image.id}; its stores are not managed",
        )
    if status is Status.DEACTIVATED and image.stores:
        where = ", ".join(lacking)
        return (f"{spec.key}: image {image.id} is not copied to {where} while it is deactivated: the service refuses",)
    return ()


def note_verification(spec: ImageSpec) -> tuple[str, ...]:
    """That the manifest forgoes to verify what the service fetches; a URL without any digest has a warning of its own."""
    source, digest = spec.source, spec.fingerprint.strongest
    if not isinstance(source, UrlSource) or source.transfer.verify or digest is None:
        return ()
    what = f"what the service fetches from {public_url(source.urls[0])} is not read back (verify: none)"
    why = f"the declared {digest.algorithm} is taken on trust, unless the service computes one itself"
    return (f"{spec.key}: {what}; {why}",)


def find_resumable(spec: ImageSpec, wanted: str, staging: Iterable[Owned]) -> Owned | None:
    """The staged image that this run can continue instead of making another; the newest one.

    An import of an interrupted run that is still running, or done and not yet verified; or a candidate that was made
    with ``verify: none``, which the manifest no longer declares. ``wanted`` is the digest of the wanted state: only a
    record for exactly this state and content is continued. An upload of imagesync itself is not: it ended with its run.
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
    """Whether an import of the wanted content by the declared method is running, or waits to be verified."""
    image, record = owned.image, owned.record
    alive = image.importing or (image.status is Status.ACTIVE and record.unverified)
    named = {*record.digests, *record.declared}
    same = named == set(spec.fingerprint.digests) and record.url == spec.url_identity
    return alive and same and record.unverified is not transfer.is_sent


def _is_unjudged_candidate(spec: ImageSpec, transfer: Transfer, owned: Owned) -> bool:
    """Whether a candidate holds the wanted content on trust only; data that this run would send is sent instead."""
    settled = owned.image.status is Status.ACTIVE and not owned.image.importing
    return settled and not transfer.is_sent and is_unjudged(spec, owned) and compare_content(spec, owned) is Holds.SAME
