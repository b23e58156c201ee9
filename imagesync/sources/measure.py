"""The creates of a plan -> how many bytes their URLs hold, and what is wrong with those that hold no image. Network."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from imagesync.errors import SourceError
from imagesync.model.catalog import Catalog, ImageSpec, SourceFault, UrlSource
from imagesync.model.plan import Create, Plan
from imagesync.sources.access import PassingError, SourceAccess

_Question: TypeAlias = tuple[tuple[str, ...], str]
"""The URLs of a source, and the disk format that is wanted; empty: anything goes."""


class Sizes:
    """What the servers told in this run: each URL is asked once."""

    def __init__(self, access: SourceAccess | None = None) -> None:
        self._access = access or SourceAccess()
        self._known: dict[_Question, int | SourceError | None] = {}

    def learn(self, plan: Plan, jobs: int) -> bool:
        """Ask the sources that the plan would read and that were not asked yet; whether anything new came of it.

        What the service fetches by itself need not be reachable from here, and is not asked.
        """
        if not self._access.asks_sources:
            return False
        creates = [step.action for step in plan.steps if isinstance(step.action, Create)]
        questions = {
            _ask_about(source, create.state.fields.get("disk_format"))
            for create in creates
            if isinstance(source := create.source, UrlSource) and source.transfer.is_sent
        }
        if asked := sorted(questions - set(self._known)):
            self._known |= self._ask(asked, jobs)
        return bool(asked)

    def _ask(self, asked: Sequence[_Question], jobs: int) -> dict[_Question, int | SourceError | None]:
        from imagesync.sources.checking import try_each
        from imagesync.sources.web import check_source

        with self._access.spend_check_time() as deadline:

            def ask(question: _Question) -> int | None:
                urls, disk_format = question
                return check_source(urls, self._access, deadline, disk_format=disk_format)

            found = try_each(ask, asked, jobs, deadline)
        return dict(zip(asked, found, strict=True))

    def fill_in(self, catalog: Catalog) -> Catalog:
        """The catalog with the known sizes, and a fault for each source that could not be checked."""
        return replace(catalog, images=tuple(map(self._fill_in_image, catalog.images)))

    def _fill_in_image(self, spec: ImageSpec) -> ImageSpec:
        found = None
        if isinstance(spec.source, UrlSource) and spec.fault is None:
            found = self._known.get(_ask_about(spec.source, spec.disk_format))
        if isinstance(found, SourceError):
            return replace(spec, fault=make_fault(found))
        return replace(spec, fingerprint=replace(spec.fingerprint, size=found)) if found is not None else spec


def make_fault(error: SourceError, *, hides_content: bool = False) -> SourceFault:
    """An error of a check as the fault of its source."""
    return SourceFault(error.message, error.hint, isinstance(error, PassingError), hides_content)


def _ask_about(source: UrlSource, disk_format: object) -> _Question:
    return source.urls, str(disk_format or "raw") if source.transfer.inspect else ""
