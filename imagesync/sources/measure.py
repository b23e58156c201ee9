"""The creates of a plan -> how many bytes their URLs hold, asked from the servers without reading them. Network."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from imagesync.errors import SourceError
from imagesync.model.catalog import Catalog, UrlSource
from imagesync.model.plan import Create, Plan
from imagesync.sources.web import fetch_size


class Sizes:
    """What the servers told in this run: each URL is asked once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], int | SourceError | None] = {}

    def learn(self, plan: Plan, jobs: int) -> bool:
        """Ask for the sizes that the plan does not have yet; whether anything new came of it."""
        creates = [step.action for step in plan.steps if isinstance(step.action, Create)]
        sources = {
            create.source.urls for create in creates if isinstance(create.source, UrlSource) and _is_read(create)
        }
        asked = sorted(sources - set(self._known))
        with ThreadPoolExecutor(jobs) as pool:
            self._known |= dict(zip(asked, pool.map(_ask_size, asked), strict=True))
        return bool(asked)

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


def _ask_size(urls: tuple[str, ...]) -> int | SourceError | None:
    try:
        return fetch_size(urls)
    except SourceError as error:
        return error
