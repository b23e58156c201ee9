"""The sources of catalogs -> what is wrong with them, found without a cloud. Files, network.

Each checksum list and signature is read. Of each mirror of a source the first bytes are read and judged as an apply judges
them. Of a local file with a declared digest all bytes are read. The service fetches the data of other methods itself, from
places that need not be reachable from here: of these only the list is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from imagesync.errors import Diagnostic, ManifestError, SourceError
from imagesync.formats import check_disk_fits
from imagesync.labels import ThreadPool
from imagesync.model.catalog import Catalog, Checksum, FileSource, Fingerprint, ImageSpec, UrlSource
from imagesync.sources.access import Deadline, SourceAccess
from imagesync.sources.cache import DigestCache
from imagesync.sources.checking import try_each
from imagesync.sources.identify import identify_all
from imagesync.sources.local_files import DeclaredDisk, check_file, make_source_problem, read_declared_disk
from imagesync.sources.stream import open_source
from imagesync.sources.web import PAUSES

_TRIES: Final = PAUSES[:2]


@dataclass(frozen=True, slots=True)
class SourceFindings:
    """What is wrong with the sources of one catalog. ``warnings``: mirrors that fail while another one of the source is right."""

    problems: tuple[Diagnostic, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class _Question:
    """One mirror of a source, or a local file, and the declared disk; ``digests`` of a file, if the manifest has them."""

    source: FileSource | UrlSource
    disk: DeclaredDisk
    digests: tuple[Checksum, ...] = ()


_Answers: TypeAlias = Mapping[_Question, SourceError | None]


def fetch_sources(
    catalogs: Sequence[Catalog], access: SourceAccess, *, jobs: int, cache: DigestCache
) -> list[SourceFindings]:
    """What is wrong with the sources of each catalog, in order. Each list, mirror and file is read once for all of them.

    The requests end within the time of ``access``; local files have no time limit.
    """
    listed = [replace(one, images=tuple(filter(_has_list, one.images))) for one in catalogs]
    identified = identify_all(listed, jobs=jobs, cache=cache, access=access)
    specs = [_take_digests(*pair) for pair in zip(catalogs, identified, strict=True)]
    questions = dict.fromkeys(one for found in specs for spec in found for one in _list_questions(spec))
    mirrors = [(one, one.source) for one in questions if isinstance(one.source, UrlSource)]
    files = [(one, one.source) for one in questions if isinstance(one.source, FileSource)]

    def read(item: tuple[_Question, FileSource]) -> SourceError | None:
        try:
            check_file(item[1], item[0].disk, item[0].digests, cache)
        except SourceError as error:
            return error
        return None

    with ThreadPool(jobs) as pool:
        answers = {one: error for (one, _), error in zip(files, pool.map(read, files), strict=True)}
    with access.spend_check_time() as deadline:

        def ask(item: tuple[_Question, UrlSource]) -> None:
            _check_mirror(item[1], item[0].disk, access, deadline)

        answers |= {one: error for (one, _), error in zip(mirrors, try_each(ask, mirrors, jobs, deadline), strict=True)}
    return [_judge(found, answers) for found in specs]


def _has_list(spec: ImageSpec) -> bool:
    return isinstance(spec.source, FileSource | UrlSource) and spec.source.checksum_url is not None


def _take_digests(catalog: Catalog, identified: Catalog | ManifestError) -> tuple[ImageSpec, ...]:
    """The images, those with a list as it was read. A file that disappeared is found by its own check."""
    known = {spec.key: spec for spec in identified.images} if isinstance(identified, Catalog) else {}
    return tuple(known.get(spec.key, spec) for spec in catalog.images)


def _list_questions(spec: ImageSpec) -> list[_Question]:
    """The mirrors of a source, or its file. How the service stores the data, and what its list says, do not matter."""
    source, disk = spec.source, read_declared_disk(spec)
    if not isinstance(source, FileSource | UrlSource) or not source.transfer.is_sent:
        return []
    transfer = replace(source.transfer, stores=(), all_stores=False)
    bare = replace(source, transfer=transfer, checksum=None, checksum_url=None, checksum_entry=None, signature=None)
    if isinstance(bare, UrlSource):
        return [_Question(replace(bare, urls=(url,)), disk) for url in dict.fromkeys(bare.urls)]
    digests = (source.checksum,) if source.checksum else spec.fingerprint.digests if source.checksum_url else ()
    return [_Question(bare, disk, digests)]


def _check_mirror(source: UrlSource, disk: DeclaredDisk, access: SourceAccess, deadline: Deadline) -> None:
    """SourceError if the first bytes of a mirror, unpacked, are not what an apply would publish."""
    display = source.display

    def check() -> None:
        deadline.limit(1)

    try:
        with open_source(
            source,
            Fingerprint(),
            disk_format=disk.disk_format,
            container_format=disk.container_format,
            pauses=_TRIES,
            access=access,
            check=check,
        ) as stream:
            next(iter(stream), None)  # the stream checks the format before it yields
            check_disk_fits(disk.min_disk, stream.virtual_size or 0)
    except SourceError as error:
        raise SourceError(f"{display}: {error.message.removeprefix(f'{display}: ')}", error.hint) from error


def _judge(specs: Sequence[ImageSpec], answers: _Answers) -> SourceFindings:
    problems, warnings = list[Diagnostic](), list[Diagnostic]()
    for spec in specs:
        if spec.fault is not None:
            problems.append(make_source_problem(spec, spec.fault.message, spec.fault.hint))
        questions = _list_questions(spec)
        errors = [error for one in questions if (error := answers[one]) is not None]
        found = problems if len(errors) == len(questions) else warnings
        found += [make_source_problem(spec, error.message, error.hint) for error in errors]
    return SourceFindings(tuple(problems), tuple(warnings))
