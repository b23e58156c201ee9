"""A catalogue -> the same with the fingerprint of every source. Reads local files and lists; what cannot be read plans nothing.

A list of digests is fetched once for all images that name it, so that an image follows what upstream publishes.
"""

import os
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BufferedReader
from typing import Final, TypeAlias

from imagesync.errors import Diagnostic, ManifestError, PlanRefused, SourceError
from imagesync.model.catalog import (
    Catalog,
    FileSource,
    Fingerprint,
    ImageSpec,
    KnownContent,
    Signature,
    Source,
    UrlSource,
)
from imagesync.model.plan import Create, Plan
from imagesync.sources.cache import DigestCache
from imagesync.text import public_url

UNREADABLE: Final = "check the path and its permissions"

ListRef: TypeAlias = tuple[str, Signature | None]
Lists: TypeAlias = Mapping[ListRef, str | SourceError]


def identify(catalog: Catalog, *, jobs: int = 8, cache: DigestCache | None = None) -> Catalog:
    """Digests and sizes of all sources; ManifestError with one diagnostic for each that cannot be had."""
    kept = cache or DigestCache(None)
    wanted = {listed: None for spec in catalog.images if (listed := _list_of(spec.source))}
    with ThreadPoolExecutor(jobs) as pool:
        lists: Lists = dict(zip(wanted, pool.map(_fetch_list, wanted), strict=True))
        found = list(pool.map(lambda spec: _take_fingerprint(spec, lists, kept), catalog.images))
    problems = [item for item in found if isinstance(item, Diagnostic)]
    if problems:
        raise ManifestError(problems)
    images = tuple(
        replace(spec, fingerprint=item)
        for spec, item in zip(catalog.images, found, strict=True)
        if isinstance(item, Fingerprint)
    )
    return replace(catalog, images=images)


def check_files(catalog: Catalog) -> None:
    """ManifestError with one diagnostic for each local file that could not be read; nothing is read of the others."""
    unreadable = [(spec, _explain_unreadable(spec.source)) for spec in catalog.images]
    if problems := [_problem(spec, why, UNREADABLE) for spec, why in unreadable if why]:
        raise ManifestError(problems)


def check_sources(plan: Plan) -> None:
    """PlanRefused with one sentence for each local file of a plan that could not be read."""
    creates = [step.action for step in plan.steps if isinstance(step.action, Create)]
    unreadable = [(create.key, _explain_unreadable(create.source)) for create in creates]
    if refusals := [f"images.{key}.source: {why}; {UNREADABLE}" for key, why in unreadable if why]:
        raise PlanRefused(refusals)


def _explain_unreadable(source: Source) -> str:
    """Why a local file, or the keyring of a signature, cannot be read; empty where all can, or there is none."""
    if isinstance(source, FileSource) and (why := _explain_unreadable_file(source.path)):
        return f"{source.shown}: {why}"
    signature = source.signature if isinstance(source, FileSource | UrlSource) else None
    if signature and (why := _explain_unreadable_file(signature.keyring)):
        return f"keyring {signature.shown}: {why}"
    return ""


def _explain_unreadable_file(path: str) -> str:
    """Why a file cannot be read; empty where it can."""
    try:
        open_regular_file(path).close()
    except OSError as error:
        return str(error.strerror or error.args[1])
    return ""


def open_regular_file(path: str) -> BufferedReader:
    """A file opened; OSError for what is no regular file (and might never end)."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(0, "not a regular file")
    return open(path, "rb")


def _list_of(source: Source) -> ListRef | None:
    if isinstance(source, FileSource | UrlSource) and source.checksum_url:
        return source.checksum_url, source.signature
    return None


def _fetch_list(wanted: ListRef) -> str | SourceError:
    """The text of a list, its signature verified where one is declared."""
    from imagesync.sources.lists import text_of
    from imagesync.sources.web import fetch

    url, signature = wanted
    try:
        content = fetch(url)
        if signature is not None:
            content = _verify_list(url, content, signature)
    except SourceError as error:
        return error
    return text_of(content)


def _verify_list(url: str, content: bytes, signature: Signature) -> bytes:
    from imagesync.sources.signatures import verify_signature
    from imagesync.sources.web import fetch

    try:
        with open_regular_file(signature.keyring) as file:
            keyring = file.read()
    except OSError as error:
        why = error.strerror or error.args[1]
        raise SourceError(f"keyring {signature.shown}: {why}", UNREADABLE) from error
    apart = None if signature.url == url else fetch(signature.url)
    try:
        return verify_signature(content, apart, keyring)
    except SourceError as error:
        raise SourceError(f"{public_url(signature.url)}: {error.message}", error.hint) from error


def _take_fingerprint(spec: ImageSpec, lists: Lists, cache: DigestCache) -> Fingerprint | Diagnostic:
    source = spec.source
    try:
        match source:
            case FileSource():
                return _fingerprint_file(source, lists, cache)
            case UrlSource(checksum=None):
                return _look_up_digests(source, source.urls[0], lists)
            case UrlSource(checksum=checksum) | KnownContent(checksum=checksum):
                return Fingerprint((checksum,) if checksum else ())
            case _:
                return Fingerprint()
    except OSError as error:
        shown = source.shown if isinstance(source, FileSource) else ""
        return _problem(spec, f"{shown}: {error.strerror or error.args[1]}", UNREADABLE)
    except SourceError as error:
        return _problem(spec, error.message, error.hint)


def _fingerprint_file(source: FileSource, lists: Lists, cache: DigestCache) -> Fingerprint:
    with open_regular_file(source.path) as file:
        size = os.fstat(file.fileno()).st_size
        if source.checksum:
            return Fingerprint((source.checksum,), size=size)
        if source.checksum_url:
            return replace(_look_up_digests(source, source.path, lists), size=size)
        return Fingerprint((cache.read_digest(file, source.path),), size=size)


def _look_up_digests(source: FileSource | UrlSource, place: str, lists: Lists) -> Fingerprint:
    """What the source's list says of it; nothing without a list."""
    from imagesync.sources.lists import find_digests

    wanted = _list_of(source)
    if wanted is None:
        return Fingerprint()
    text = lists[wanted]
    if isinstance(text, SourceError):
        raise text
    try:
        return Fingerprint(find_digests(text, place))
    except SourceError as error:
        raise SourceError(f"{public_url(wanted[0])}: {error.message}", error.hint) from error


def _problem(spec: ImageSpec, message: str, hint: str) -> Diagnostic:
    place = spec.source_place
    return Diagnostic(place.file, place.line, place.column, f"images.{spec.key}.source", message, hint)
