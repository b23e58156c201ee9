"""A catalogue -> the same with the fingerprint of every source. Reads local files; what cannot be read plans nothing."""

import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BufferedReader
from typing import Final

from imagesync.errors import Diagnostic, ManifestError, PlanRefused
from imagesync.model import Catalog, Checksum, FileSource, Fingerprint, ImageSpec, KnownContent, Source, UrlSource
from imagesync.plan import Create, Plan

CHUNK = 2**20


def identify(catalog: Catalog, *, jobs: int = 8) -> Catalog:
    """Digests and sizes of all sources; ManifestError with one diagnostic for each that cannot be had."""
    with ThreadPoolExecutor(jobs) as pool:
        found = list(pool.map(_fingerprint, catalog.images))
    problems = [item for item in found if isinstance(item, Diagnostic)]
    if problems:
        raise ManifestError(problems)
    images = tuple(
        replace(spec, fingerprint=item)
        for spec, item in zip(catalog.images, found, strict=True)
        if isinstance(item, Fingerprint)
    )
    return replace(catalog, images=images)


UNREADABLE: Final = "check the path and its permissions"


def check_files(catalog: Catalog) -> None:
    """ManifestError with one diagnostic for each local file that could not be read; nothing is read of the others."""
    unreadable = [(spec, _unreadable(spec.source)) for spec in catalog.images]
    if problems := [_problem(spec, why, UNREADABLE) for spec, why in unreadable if why]:
        raise ManifestError(problems)


def check_sources(plan: Plan) -> None:
    """PlanRefused with one sentence for each local file of a plan that could not be read."""
    creates = [step.action for step in plan.steps if isinstance(step.action, Create)]
    unreadable = [(create.key, _unreadable(create.source)) for create in creates]
    if refusals := [f"images.{key}.source: {why}; {UNREADABLE}" for key, why in unreadable if why]:
        raise PlanRefused(refusals)


def _unreadable(source: Source) -> str:
    """Why a local file cannot be read; empty where it can, or is none."""
    if isinstance(source, FileSource):
        try:
            _regular(source.path).close()
        except OSError as error:
            return f"{source.shown}: {error.strerror or error.args[1]}"
    return ""


def _regular(path: str) -> BufferedReader:
    """A file opened; what is no regular file (and might never end) is not."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(0, "not a regular file")
    return open(path, "rb")


def _fingerprint(spec: ImageSpec) -> Fingerprint | Diagnostic:
    match spec.source:
        case FileSource(path=path, checksum=checksum, checksum_url=None):
            try:
                return _of_file(path, checksum)
            except OSError as error:
                return _problem(spec, f"{spec.source.shown}: {error.strerror}", UNREADABLE)
        case UrlSource(checksum=checksum, checksum_url=None, signature=None):
            return Fingerprint((checksum,) if checksum else ())
        case KnownContent(checksum=known):
            return Fingerprint((known,))
        case FileSource() | UrlSource():
            return _problem(spec, "checksum_url and signature cannot be followed by this version", "declare checksum")
        case _:
            return Fingerprint()


def _of_file(path: str, checksum: Checksum | None) -> Fingerprint:
    with _regular(path) as file:
        digest = checksum or Checksum("sha256", hashlib.file_digest(file, "sha256").hexdigest())
        return Fingerprint((digest,), size=os.fstat(file.fileno()).st_size)


def _problem(spec: ImageSpec, message: str, hint: str) -> Diagnostic:
    place = spec.source_place
    return Diagnostic(place.file, place.line, place.column, f"images.{spec.key}.source", message, hint)
