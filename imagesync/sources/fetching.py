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
from imagesync.model.catalog import Catalog, Checksum, FileSource, Fingerprint, ImageSpec, UrlSource
from imagesync.secrets import show_key
from imagesync.sources.access import Deadline, SourceAccess
from imagesync.sources.cache import DigestCache
from imagesync.sources.checking import try_each
from imagesync.sources.identify import identify_all
from imagesync.sources.local_files import DeclaredDisk, check_digests, check_head, read_declared_disk
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
    """What is wrong with the sources of each catalog, in order. Each list, mirror and file is read once for all of them."""
    identified = identify_all(catalogs, jobs=jobs, cache=cache, access=access)
    known = [one for one in identified if isinstance(one, Catalog)]
    questions = list(
        dict.fromkeys(one for catalog in known for spec in catalog.images for one in _list_questions(spec))
    )
    with access.spend_check_time() as deadline:

        def ask(question: _Question) -> None:
            if isinstance(question.source, FileSource):
                _check_file(question.source, question, cache)
            else:
                _check_mirror(question.source, question.disk, access, deadline)

        answers = dict(zip(questions, try_each(ask, questions, jobs, deadline), strict=True))
    return [_judge(one, answers) if isinstance(one, Catalog) else _take_problems(one) for one in identified]


def _take_problems(error: ManifestError) -> SourceFindings:
    """The findings of a catalog of which a local file disappeared."""
    return SourceFindings(tuple(error.diagnostics))


def _list_questions(spec: ImageSpec) -> list[_Question]:
    """The mirrors of a source, or its file. How the service stores the data, and what its list says, do not matter."""
    source, disk = spec.source, read_declared_disk(spec)
    if not isinstance(source, FileSource | UrlSource) or not source.transfer.is_sent:
        return []
    transfer = replace(source.transfer, stores=(), all_stores=False)
    bare = replace(source, transfer=transfer, checksum=None, checksum_url=None, checksum_entry=None, signature=None)
    if isinstance(bare, UrlSource):
        return [_Question(replace(bare, urls=(url,)), disk) for url in dict.fromkeys(bare.urls)]
    digests = spec.fingerprint.digests if source.checksum or source.checksum_url else ()
    return [_Question(bare, disk, digests)]


def _check_file(source: FileSource, question: _Question, cache: DigestCache) -> None:
    try:
        check_head(source, question.disk)
        check_digests(source, question.digests, cache)
    except SourceError as error:
        raise SourceError(f"{show_key(source.display)}: {error.message}", error.hint) from error


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
        if error.message.startswith(f"{display}: "):
            raise
        raise SourceError(f"{display}: {error.message}", error.hint) from error


def _judge(catalog: Catalog, answers: _Answers) -> SourceFindings:
    problems, warnings = list[Diagnostic](), list[Diagnostic]()
    for spec in catalog.images:
        if spec.fault is not None:
            problems.append(_make_diagnostic(spec, SourceError(spec.fault.message, spec.fault.hint)))
        questions = _list_questions(spec)
        errors = [error for one in questions if (error := answers[one]) is not None]
        found = problems if len(errors) == len(questions) else warnings
        found += [_make_diagnostic(spec, error) for error in errors]
    return SourceFindings(tuple(problems), tuple(warnings))


def _make_diagnostic(spec: ImageSpec, error: SourceError) -> Diagnostic:
    place = spec.source_place
    return Diagnostic(place.file, place.line, place.column, f"images.{spec.key}.source", error.message, error.hint)
