"""The creates of a plan -> how many bytes their URLs hold, asked from the servers without reading them. Network."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from imagesync.errors import SourceError
from imagesync.model.catalog import Catalog, UrlSource
from imagesync.model.plan import Create, Plan
from imagesync.sources.access import SourceAccess


class Sizes:
    """What the servers told in this run: each URL is asked once."""

    def __init__(self, access: SourceAccess | None = None) -> None:
        self._access = access or SourceAccess()
        self._known: dict[tuple[str, ...], int | SourceError | None] = {}

    def learn(self, plan: Plan, jobs: int) -> bool:
        """Ask for the sizes that the plan does not have yet; whether anything new came of it."""
        creates = [step.action for step in plan.steps if isinstance(step.action, Create)]
        sources = {
            create.source.urls for create in creates if isinstance(create.source, UrlSource) and _is_read(create)
        }
        if asked := sorted(sources - set(self._known)):
            self._known |= self._ask(asked, jobs)
        return bool(asked)

    def _ask(self, asked: Sequence[tuple[str, ...]], jobs: int) -> dict[tuple[str, ...], int | SourceError | None]:
        from imagesync.sources.checking import try_each
        from imagesync.sources.web import fetch_size

        with self._access.spend_check_time() as deadline:
            found = try_each(lambda urls: fetch_size(urls, self._access, deadline), asked, jobs, deadline)
        return dict(zip(asked, found, strict=True))

    def fill_in(self, catalog: Catalog) -> Catalog:
        """The catalogue with the known sizes, and a warning for each URL that did not answer."""
        found: Mapping[str, int | SourceError | None] = {
            spec.key: self._known.get(spec.source.urls) for spec in catalog.images if isinstance(spec.source, UrlSource)
        }
        images = tuple(
            replace(spec, fingerprint=replace(spec.fingerprint, size=size))
            if isinstance(size := found.get(spec.key), int)
            else spec
            for spec in catalog.images
        )
        silent = (f"{key}: {error.message}" for key, error in sorted(found.items()) if isinstance(error, SourceError))
        return replace(catalog, images=images, warnings=(*catalog.warnings, *silent))


def _is_read(create: Create) -> bool:
    """Whether the bytes come by here: what the service fetches itself need not be reachable from here."""
    return isinstance(create.source, UrlSource) and create.source.transfer.is_sent
