"""Local files of sources -> errors if they are not the declared disks. Reads files."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from typing import Final

from imagesync.errors import Diagnostic, SourceError
from imagesync.formats import check_disk_fits
from imagesync.model.catalog import Auto, Checksum, FileSource, Fingerprint, ImageSpec
from imagesync.secrets import show_key
from imagesync.sources.cache import DigestCache
from imagesync.sources.stream import open_source

UNREADABLE: Final = "check the path and its permissions"


@dataclass(frozen=True, slots=True)
class DeclaredDisk:
    """The declared disk in a file. ``min_disk`` in GB; 0 if none is declared, or if it is computed."""

    disk_format: str | None
    container_format: str | None
    min_disk: int = 0


def read_declared_disk(spec: ImageSpec) -> DeclaredDisk:
    """The disk that the manifest declares for an image."""
    min_disk = 0 if isinstance(spec.min_disk, Auto) else spec.min_disk
    return DeclaredDisk(spec.disk_format, spec.container_format, min_disk or 0)


def explain_unreadable_file(path: str) -> str:
    """Why a file cannot be read; empty if it can."""
    try:
        open_regular_file(path).close()
    except OSError as error:
        return _explain(error)
    return ""


def open_regular_file(path: str) -> BufferedReader:
    """An open file; OSError if it is not a regular file, because a pipe or device may never end."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(0, "not a regular file")
    return open(path, "rb")


def _explain(error: OSError) -> str:
    return str(error.strerror or error.args[1])


def check_head(source: FileSource, disk: DeclaredDisk) -> None:
    """SourceError if the first bytes of a file, unpacked, are not what an apply would publish.

    These are the checks of an apply; only a file of 64 KiB or less is read to its end.
    """
    disk_format, container_format = disk.disk_format, disk.container_format
    with open_source(source, Fingerprint(), disk_format=disk_format, container_format=container_format) as stream:
        next(iter(stream), None)  # the stream checks the format before it yields
        check_disk_fits(disk.min_disk, stream.virtual_size or 0)


def check_digests(source: FileSource, digests: Sequence[Checksum], cache: DigestCache) -> None:
    """ChecksumMismatch if a file does not have these digests. It is read once for each algorithm that is not cached."""
    try:
        with open_regular_file(source.path) as file:
            is_right = all(_has_digest(file, source.path, expected, cache) for expected in digests)
    except OSError as error:
        raise SourceError(_explain(error), UNREADABLE) from error
    if not is_right:
        with open_source(source, Fingerprint(tuple(digests)), disk_format=None) as stream:
            for _ in stream:  # the stream of an apply raises the exact error
                pass


def _has_digest(file: BufferedReader, path: str, expected: Checksum, cache: DigestCache) -> bool:
    file.seek(0)
    return cache.read_digest(file, path, expected.algorithm) == expected


def check_file(source: FileSource, disk: DeclaredDisk, digests: Sequence[Checksum], cache: DigestCache) -> None:
    """SourceError, with the path once, if a file is not the declared disk or does not have these digests."""
    try:
        check_head(source, disk)
        check_digests(source, digests, cache)
    except SourceError as error:
        reason = error.message.removeprefix(f"{source.display}: ")
        raise SourceError(f"{show_key(source.display)}: {reason}", error.hint) from error


class HeadChecks:
    """The checks of the first bytes of local files; each file is read once for all targets."""

    def __init__(self) -> None:
        self._known: dict[tuple[FileSource, DeclaredDisk], SourceError | None] = {}

    def find_wrong_files(self, specs: Sequence[ImageSpec]) -> Iterator[Diagnostic]:
        """One diagnostic for each local file that an apply would refuse because of its first bytes; unreadable files are skipped."""
        for spec in specs:
            if isinstance(spec.source, FileSource) and spec.disk_format is not None:
                error = self._check(spec.source, read_declared_disk(spec))
                if error is not None:
                    message = f"{show_key(spec.source.display)}: {error.message}"
                    yield make_source_problem(spec, message, error.hint)

    def _check(self, source: FileSource, disk: DeclaredDisk) -> SourceError | None:
        if (source, disk) not in self._known:
            self._known[source, disk] = _find_error(source, disk)
        return self._known[source, disk]


def _find_error(source: FileSource, disk: DeclaredDisk) -> SourceError | None:
    if explain_unreadable_file(source.path):
        return None
    try:
        check_head(source, disk)
    except SourceError as error:
        return error
    return None


def make_source_problem(spec: ImageSpec, message: str, hint: str) -> Diagnostic:
    """The problem of a source, with its place in the manifest."""
    place = spec.source_place
    return Diagnostic(place.file, place.line, place.column, f"images.{spec.key}.source", message, hint)
