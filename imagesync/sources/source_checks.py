"""The creates of a plan -> the sizes of their sources, and what is wrong with them. Network, files."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from imagesync.errors import SourceError
from imagesync.labels import ThreadPool
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
from imagesync.sources.access import PassingError, SourceAccess
from imagesync.sources.cache import DigestCache
from imagesync.sources.local_files import DeclaredDisk, check_file, read_declared_disk

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


_Question: TypeAlias = _UrlQuestion | _FileQuestion


class _Results:
    """The results of the checks of one run; threads share it. Each question is asked by one thread."""

    def __init__(self) -> None:
        self.known: dict[_Question, _Result] = {}
        self._running: set[_Question] = set()
        self._changed = threading.Condition()

    def claim(self, questions: Iterable[_Question]) -> list[_Question]:
        """The questions without a result, which the caller must ask. If other threads ask all of them, it waits first."""
        with self._changed:
            while unknown := [one for one in questions if one not in self.known]:
                if new := [one for one in unknown if one not in self._running]:
                    self._running.update(new)
                    return new
                self._changed.wait()
            return []

    def record(self, question: _Question, result: _Result) -> None:
        """Record the result of a claimed question. A second result is dropped: it is later than the time limit."""
        with self._changed:
            if question in self._running:
                self.known[question] = result
                self._running.discard(question)
                self._changed.notify_all()

    def release(self, questions: Iterable[_Question]) -> None:
        """Let other threads ask the questions that have no result, because of a bug or an interrupt."""
        with self._changed:
            self._running.difference_update(questions)
            self._changed.notify_all()


class SourceChecks:
    """The checks of the sources of one target; each source is checked once.

    ``share`` makes the checks of another target of the run; each may be used in its own thread.
    """

    def __init__(self, access: SourceAccess | None = None, cache: DigestCache | None = None) -> None:
        self.access, self._cache = access or SourceAccess(), cache or DigestCache(None)
        self._results, self._asked = _Results(), set[_Question]()

    def share(self) -> "SourceChecks":
        """The checks of another target: a source that one of them checks is not checked again by the others.

        Each fills in only what its own plans asked: a plan must not depend on how far the other targets are.
        """
        other = SourceChecks(self.access, self._cache)
        other._results = self._results
        return other

    def learn(self, plan: Plan, jobs: int) -> bool:
        """Check the sources of the plan that are not checked yet; returns whether this call checked any.

        A source that the service fetches itself need not be reachable from here, so it is not checked.
        """
        if not self.access.asks_sources:
            return False
        creates = [step.action for step in plan.steps if isinstance(step.action, Create)]
        questions = list(dict.fromkeys(question for create in creates if (question := _ask_about_create(create))))
        has_checked = False
        while new := self._results.claim(questions):
            has_checked = True
            try:
                self._check_files([one for one in new if isinstance(one, _FileQuestion)], jobs)
                self._check_urls(sorted(one for one in new if isinstance(one, _UrlQuestion)), jobs)
            finally:
                self._results.release(new)
        self._asked.update(questions)
        return has_checked

    def _check_files(self, new: Sequence[_FileQuestion], jobs: int) -> None:
        if not new:
            return

        def check(question: _FileQuestion) -> None:
            self._results.record(question, self._check_file(question))

        with ThreadPool(jobs) as pool:
            list(pool.map(check, new))

    def _check_file(self, question: _FileQuestion) -> SourceError | None:
        try:
            check_file(question.source, question.disk, question.digests, self._cache)
        except SourceError as error:
            return error
        return None

    def _check_urls(self, new: Sequence[_UrlQuestion], jobs: int) -> None:
        if not new:
            return
        from imagesync.sources.checking import try_each
        from imagesync.sources.web import check_source

        with self.access.spend_check_time() as deadline:

            def check(question: _UrlQuestion) -> None:
                try:
                    size = check_source(question.urls, self.access, deadline, disk_format=question.disk_format)
                except SourceError as error:
                    self._results.record(question, error)
                    raise
                self._results.record(question, size)

            for question, late in zip(new, try_each(check, new, jobs, deadline), strict=True):
                if late is not None:
                    self._results.record(question, late)

    def fill_in(self, catalog: Catalog) -> Catalog:
        """The catalog with the known sizes, and with a fault for each source that failed its check."""
        return replace(catalog, images=tuple(map(self._fill_in_image, catalog.images)))

    def _fill_in_image(self, spec: ImageSpec) -> ImageSpec:
        question = _ask_about_image(spec) if spec.fault is None else None
        found = self._results.known.get(question) if question in self._asked else None
        if isinstance(found, SourceError):
            return replace(spec, fault=make_fault(found))
        return replace(spec, fingerprint=replace(spec.fingerprint, size=found)) if found is not None else spec


def make_fault(error: SourceError, *, hides_content: bool = False) -> SourceFault:
    """The fault of a source from the error of its check."""
    return SourceFault(error.message, error.hint, isinstance(error, PassingError), hides_content)


def _ask_about_create(create: Create) -> _Question | None:
    fields = create.state.fields
    formats = _text(fields.get("disk_format")), _text(fields.get("container_format"))
    declared = 0 if create.min_disk_auto else fields.get("min_disk")
    disk = DeclaredDisk(*formats, declared if isinstance(declared, int) else 0)
    return _ask(create.source, create.fingerprint, disk)


def _ask_about_image(spec: ImageSpec) -> _Question | None:
    return _ask(spec.source, spec.fingerprint, read_declared_disk(spec))


def _ask(source: Source, fingerprint: Fingerprint, disk: DeclaredDisk) -> _Question | None:
    """The check of a source; None if it cannot be checked from here."""
    if isinstance(source, UrlSource) and source.transfer.is_sent:
        return _UrlQuestion(source.urls, disk.disk_format or "raw" if source.transfer.inspect else "")
    if isinstance(source, FileSource):
        digests = fingerprint.digests if source.checksum or source.checksum_url else ()
        transfer = replace(source.transfer, stores=(), all_stores=False)  # targets have different stores
        return _FileQuestion(replace(source, transfer=transfer), digests, disk)
    return None


def _text(value: object) -> str | None:
    return str(value) if value is not None else None
