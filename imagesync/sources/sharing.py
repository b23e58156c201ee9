"""The builds that several targets of a run need -> one download for all of them. Threads, does I/O.

A build that at least two targets need, or may need because they are not planned yet, is written to a spool once. Each
target reads it at its own pace. The file is deleted when no target needs it: each has sent the build, or its run has
ended. If there is not enough room for the file, each target reads the source by itself.
"""

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from types import TracebackType

from imagesync.labels import label
from imagesync.model.builds import Build
from imagesync.model.catalog import FileSource, Fingerprint, UrlSource
from imagesync.sources.access import SourceAccess
from imagesync.sources.opening import OpenSource, VerifiedStream
from imagesync.sources.spool import DEFAULT_FOLDER, Begin, Check, NoRoom, Spool, SpoolEnded, SpoolFolder, SpoolReader
from imagesync.sources.stream import open_source

log = logging.getLogger(__name__)


class SharedSources:
    """Opens the sources of all targets of one run; safe for threads. The end of the ``with`` block stops all downloads.

    ``targets``: the names of all targets; each may need any build until ``expect`` was called for it. ``folder``: of the
    temporary files; UsageError if no file can be written in it. None: a default one, without which each target reads its
    sources by itself. ``limit``: the bytes that the files may have together, see ``SpoolFolder``. ``opener`` reads one
    source. ``warn`` gets a sentence for the user, from any thread, if for the first time there is no room for a file.
    """

    def __init__(
        self,
        targets: Iterable[str],
        *,
        folder: str | os.PathLike[str] | None = None,
        limit: int | None = None,
        opener: OpenSource = open_source,
        warn: Callable[[str], None] = log.info,
    ) -> None:
        self._folder, self._opener, self._warn = SpoolFolder(folder or DEFAULT_FOLDER, limit), opener, warn
        if folder is not None:
            self._folder.check()
        self._lock = threading.Lock()  # guards the fields below
        self._needs: dict[str, Counter[Build] | None] = dict.fromkeys(targets)
        self._spools: dict[Build, Spool] = {}
        self._begun: list[Spool] = []
        self._is_announced = False

    def __enter__(self) -> "SharedSources":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            self._needs.clear()
        self._abandon_unneeded()
        for spool in self._begun:
            spool.join()

    def expect(self, target: str, builds: Mapping[Build, int]) -> None:
        """The target is planned: how many images it makes of each build, and of no others."""
        with self._lock:
            self._needs[target] = Counter(builds)
        self._abandon_unneeded()

    @contextmanager
    def join(self, target: str) -> Iterator[OpenSource]:
        """The function with which the run of a target opens its sources; at the end of the block the target leaves."""
        try:
            yield partial(self.open, target)
        finally:
            self.leave(target)

    def leave(self, target: str) -> None:
        """The target opens no further source: its run ended, or never begins. A second call does nothing."""
        with self._lock:
            self._needs.pop(target, None)
        self._abandon_unneeded()

    @contextmanager
    def open(
        self,
        target: str,
        source: FileSource | UrlSource,
        fingerprint: Fingerprint,
        *,
        disk_format: str | None,
        container_format: str | None,
        access: SourceAccess | None,
        check: Check,
    ) -> Iterator[VerifiedStream]:
        """As ``OpenSource``, for one target; a block that ends without an error has sent the build."""

        def begin(check: Check) -> AbstractContextManager[VerifiedStream]:
            return self._opener(
                source,
                fingerprint,
                disk_format=disk_format,
                container_format=container_format,
                access=access,
                check=check,
            )

        announce = partial(self._announce, source.display)
        build = Build.of(source, fingerprint, disk_format, container_format)
        try:
            spool = self._attach(build, partial(Spool, begin, self._folder, fingerprint.size or 0, announce))
        except NoRoom as reason:
            announce(str(reason))
            spool = None
        with _read(spool, begin, check) as stream:
            yield stream
        self._count_sent(target, build)

    def _attach(self, build: Build, make: Callable[[], Spool]) -> Spool | None:
        """The spool of a build, held for one reader; None if the target reads the source by itself. NoRoom of ``make``."""
        with self._lock:
            spool = self._spools.get(build)
            if spool is None or spool.has_failed:
                spool = self._begin(build, make)
            if spool is not None:
                spool.hold()
            return spool

    def _is_needed_by(self, target: str, build: Build) -> bool:
        builds = self._needs.get(target, Counter())
        return builds is None or build in builds

    def _begin(self, build: Build, make: Callable[[], Spool]) -> Spool | None:
        """Begin to write a build to a file, unless no other target needs it."""
        # each download costs memory and threads, so there are hardly more of them than readers
        for idle in [one for one, spool in self._spools.items() if spool.is_idle]:
            self._spools.pop(idle).abandon()
        if (failed := self._spools.pop(build, None)) is not None:
            failed.abandon()
        if sum(self._is_needed_by(target, build) for target in self._needs) < 2:
            return None
        spool = make()
        spool.start()
        self._spools[build] = spool
        self._begun.append(spool)
        return spool

    def _announce(self, display: str, reason: str) -> None:
        """Warn once: what is true of one build is true of many."""
        with self._lock:
            announce, self._is_announced = (log.info if self._is_announced else self._warn), True
        what = f"{display}: each target reads the source by itself, because {reason}"
        with label(""):  # it is about all targets, whichever came first
            announce(f"{what}; name a folder with more room (--spool DIR), or raise --spool-limit")

    def _count_sent(self, target: str, build: Build) -> None:
        with self._lock:
            builds = self._needs.get(target)
            if builds is not None and build in builds:
                builds[build] -= 1
                if not builds[build]:
                    del builds[build]
        self._abandon_unneeded()

    def _abandon_unneeded(self) -> None:
        """Delete the files that no target needs; without the lock, because to free much space takes time."""
        with self._lock:
            unneeded = [
                build for build in self._spools if not any(self._is_needed_by(target, build) for target in self._needs)
            ]
            spools = [self._spools.pop(build) for build in unneeded]
        for spool in spools:
            spool.abandon()


@contextmanager
def _read(spool: Spool | None, begin: Begin, check: Check) -> Iterator[VerifiedStream]:
    """A reader of a spool, which is released at the end of the block; without one, the source itself."""
    if spool is not None:
        try:
            reader = _make_reader(spool, check)
            if reader is not None:
                yield reader
                return
        finally:
            spool.release()
    with begin(check) as stream:
        yield stream


def _make_reader(spool: Spool, check: Check) -> SpoolReader | None:
    """A reader of a spool; None if its file was given up before its first byte."""
    try:
        return SpoolReader(spool, check)
    except SpoolEnded:
        return None
