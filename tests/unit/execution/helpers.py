"""Helpers for the tests of execution: a store that fails on demand, and a run from catalog to report."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path
from typing import Any, Unpack

from imagesync.backends.base import Backend, UpdateFields
from imagesync.backends.local.backend import Local
from imagesync.backends.local.store import Store
from imagesync.errors import Forbidden, Unavailable
from imagesync.execution.executor import execute
from imagesync.execution.performer import Performer
from imagesync.model.catalog import Catalog, FileSource, ImageSpec
from imagesync.model.image import LiveImage
from imagesync.model.report import Report
from imagesync.sources import identify
from tests.pipeline import planned
from tests.unit.factories import catalog, spec


class UpdateFault(Enum):
    """The fault of one update or of one read."""

    NONE = auto()
    LOST = auto()
    """The service answers 200, but does not save the update."""
    NO_ANSWER = auto()
    """The service saves the update; the answer is lost."""
    NOT_RECEIVED = auto()
    """The service does not save the update; there is no answer."""
    REFUSED = auto()
    """The service answers 403."""


class FaultyStore(Local):
    """Counts updates, reads of one image and deletes; ``updates`` and ``reads`` are the faults of the next ones.

    Reads fail only after the first update: ``reads`` are the reads that follow an update.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(Store(folder), "faulty")
        self.updates: list[UpdateFault] = []
        self.reads: list[UpdateFault] = []
        self.sent: list[UpdateFields] = []
        self.calls: list[str] = []

    def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
        image_id = image if isinstance(image, str) else image.id
        self.calls.append("update")
        self.sent.append(attrs)
        fault = self.updates.pop(0) if self.updates else UpdateFault.NONE
        before = super().images(image_id)[0]
        if fault is UpdateFault.REFUSED:
            raise Forbidden("refused")
        if fault in (UpdateFault.NONE, UpdateFault.NO_ANSWER):
            before = super().update_image(image_id, **attrs)
        if fault in (UpdateFault.NO_ANSWER, UpdateFault.NOT_RECEIVED):
            raise Unavailable("no answer")
        return before

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        if image_id is not None:
            self.calls.append("read")
            if self.sent and self.reads and self.reads.pop(0) is not UpdateFault.NONE:
                raise Unavailable("no answer to a read")
        return super().images(image_id)

    def delete_image(self, image: LiveImage | str) -> None:
        self.calls.append("delete")
        super().delete_image(image)


class Service(Local):
    """A store that counts uploads and whole downloads. It may hash with another algorithm or return other bytes."""

    def __init__(self, folder: Path, answers: dict[str, str | None], spoiled: bytes = b"") -> None:
        super().__init__(Store(folder), "service")
        self.answers, self.spoiled = answers, spoiled
        self.uploads = self.downloads = 0

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        return [replace(one, **self.answers) if one.size else one for one in super().images(image_id)]  # type: ignore[arg-type]

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        self.uploads += 1
        super().upload(image_id, chunks, size, store=store)

    def download(self, image_id: str) -> Iterator[bytes]:
        yield from super().download(image_id)
        yield self.spoiled
        self.downloads += 1


def want_image(folder: Path, data: bytes, **attrs: Any) -> Catalog:
    """Return a catalog of one image whose content is a file with these bytes."""
    (folder / "x").write_bytes(data)
    image: ImageSpec = spec("x", source=FileSource(str(folder / "x"), "x"), **attrs)
    return identify(catalog(image))


def apply(backend: Backend, images: Catalog) -> Report:
    """Plan and carry out the plan, one step at a time; steps may fail."""
    plan = planned(backend, images)
    return execute(plan, Performer(backend, plan), jobs=1, notify=lambda _: None, cancelled=threading.Event())
