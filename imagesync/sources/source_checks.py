"""The creates of a plan -> the sizes of their sources, and what is wrong with them. Network, files."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from imagesync.errors import SourceError
from imagesync.model.catalog import (
    Catalog,
    Checksum,
    FileSource,
    Fingerprint,
    ImageSpec,
    Source,
    SourceFault,
    UrlSource,
)
from imagesync.model.plan import Create, Plan
from imagesync.secrets import show_key
from imagesync.sources.access import PassingError, SourceAccess
from imagesync.sources.cache import DigestCache
from imagesync.sources.local_files import DeclaredDisk, check_digests, check_head, read_declared_disk

_Result: TypeAlias = int | SourceError | None
"""The size of a source in bytes (None if unknown), or the error of an apply."""


@dataclass(frozen=True, slots=True, order=True)
class _UrlQuestion:
    """The URLs of a source, and the expected disk format; empty: any."""

    urls: tuple[str, ...]
    disk_format: str


@dataclass(frozen=True, slots=True)
class _FileQuestion:
    """A local file, its declared digests and disk; no digests if they were computed from the file itself."""

    source: FileSource
    digests: tuple[Checksum, ...]
    disk: DeclaredDisk


class SourceChecks:
    """The results of this run's checks of sources; each source is checked once."""

    def __init__(self, access: SourceAccess | None = None, cache: DigestCache | None = None) -> None:
        self._access, self._cache = access or SourceAccess(), cache or DigestCache(None)
        self._known: dict[_UrlQuestion | _FileQuestion, _Result] = {}

    def learn(self, plan: Plan, jobs: int) -> bool:
        """Check the sources of the plan that are not checked yet; returns whether there were any.

        A source that the service fetches itself need not be reachable from here, so it is not checked.
        """
        if not self._access.asks_sources:
            return False
        creates = [step.action for step in plan.steps if isinstance(step.action, Create)]
        questions = {question: None for create in creates if (question := _ask_about_create(create))}
        new = [question for question in questions if question not in self._known]
        self._known.update(self._check_files([one for one in new if isinstance(one, _FileQuestion)], jobs))
        self._known.update(self._check_urls(sorted(one for one in new if isinstance(one, _UrlQuestion)), jobs))
        return bool(new)

    def _check_files(self, new: Sequence[_FileQuestion], jobs: int) -> dict[_UrlQuestion | _FileQuestion, _Result]:
        if not new:
            return {}
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(jobs) as pool:
            return dict(zip(new, pool.map(self._check_file, new), strict=True))

    def _check_file(self, question: _FileQuestion) -> SourceError | None:
        source = question.source
        try:
            check_head(source, question.disk)
            check_digests(source, question.digests, self._cache)
        except SourceError as error:
            return SourceError(f"{show_key(source.display)}: {error.message}", error.hint)
        return None

    def _check_urls(self, new: Sequence[_UrlQuestion], jobs: int) -> dict[_UrlQuestion | _FileQuestion, _Result]:
        if not new:
            return {}
        from imagesync.sources.checking import try_each
        from imagesync.sources.web import check_source

        with self._access.spend_check_time() as deadline:

            def check(question: _UrlQuestion) -> int | None:
                return check_source(question.urls, self._access, deadline, disk_format=question.disk_format)

            return dict(zip(new, try_each(check, new, jobs, deadline), strict=True))

    def fill_in(self, catalog: Catalog) -> Catalog:
        """The catalog with the known sizes, and with a fault for each source that failed its check."""
        return replace(catalog, images=tuple(map(self._fill_in_image, catalog.images)))

    def _fill_in_image(self, spec: ImageSpec) -> ImageSpec:
        question = _ask_about_image(spec) if spec.fault is None else None
        found = self._known.get(question) if question else None
        if isinstance(found, SourceError):
            return replace(spec, fault=make_fault(found))
        return replace(spec, fingerprint=replace(spec.fingerprint, size=found)) if found is not None else spec


def make_fault(error: SourceError, *, hides_content: bool = False) -> SourceFault:
    """The fault of a source from the error of its check."""
    return SourceFault(error.message, error.hint, isinstance(error, PassingError), hides_content)


def _ask_about_create(create: Create) -> _UrlQuestion | _FileQuestion | None:
    fields = create.state.fields
    formats = _text(fields.get("disk_format")), _text(fields.get("container_format"))
    declared = 0 if create.min_disk_auto else fields.get("min_disk")
    disk = DeclaredDisk(*formats, declared if isinstance(declared, int) else 0)
    return _ask(create.source, create.fingerprint, disk)


def _ask_about_image(spec: ImageSpec) -> _UrlQuestion | _FileQuestion | None:
    return _ask(spec.source, spec.fingerprint, read_declared_disk(spec))


def _ask(source: Source, fingerprint: Fingerprint, disk: DeclaredDisk) -> _UrlQuestion | _FileQuestion | None:
    """The check of a source; None if it cannot be checked from here."""
    if isinstance(source, UrlSource) and source.transfer.is_sent:
        return _UrlQuestion(source.urls, disk.disk_format or "raw" if source.transfer.inspect else "")
    if isinstance(source, FileSource):
        digests = fingerprint.digests if source.checksum or source.checksum_url else ()
        return _FileQuestion(source, digests, disk)
    return None


def _text(value: object) -> str | None:
    return str(value) if value is not None else None
