"""A catalog -> the catalog with the fingerprint of each source. Reads local files; fetches checksum lists.

A checksum list is fetched and read once for all images of a run that name it. If it has no entry for the name in a URL, the
redirects of the URL are read: a list often names the file that "latest" redirects to. An unreadable file stops the plan.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

from imagesync.errors import Diagnostic, ManifestError, PlanRefused, SourceError
from imagesync.labels import ThreadPool
from imagesync.model.catalog import (
    Catalog,
    Checksum,
    FileSource,
    Fingerprint,
    ImageSpec,
    KnownContent,
    Signature,
    Source,
    SourceFault,
    Transfer,
    UrlSource,
)
from imagesync.model.plan import Create, Plan
from imagesync.model.urls import is_address_without_scheme, redact_url
from imagesync.secrets import show_key
from imagesync.sources.access import Deadline, PassingError, SourceAccess
from imagesync.sources.cache import DigestCache
from imagesync.sources.local_files import (
    UNREADABLE,
    explain_unreadable_file,
    make_source_problem,
    open_regular_file,
)
from imagesync.sources.matching import NotListedError, Wanted
from imagesync.sources.source_checks import make_fault

MAX_KEYRING_BYTES: Final = 4 * 2**20

if TYPE_CHECKING:
    from imagesync.sources.checking import FewThreads

ListRef: TypeAlias = tuple[str, Signature | None]
"""The URL of a list, and its signature."""
Found: TypeAlias = Mapping[Wanted, tuple[Checksum, ...] | SourceError]
"""The digests that a list has for each file, or why it has none."""
Lists: TypeAlias = Mapping[ListRef, Found | SourceError]
_Question: TypeAlias = tuple[Source, str | None]
"""A source and its name in the checksum list: sources that differ only in that name are equal."""
_Identified: TypeAlias = Fingerprint | SourceFault | OSError
"""What identifies the content of a source; a fault of its list; or the error of a local file that cannot be read."""


def identify(
    catalog: Catalog, *, jobs: int = 8, cache: DigestCache | None = None, access: SourceAccess | None = None
) -> Catalog:
    """Digests and sizes of all sources; ManifestError with one diagnostic for each local file that cannot be read.

    An image whose checksum list cannot be read gets a fault.
    """
    (found,) = identify_all([catalog], jobs=jobs, cache=cache, access=access)
    if isinstance(found, ManifestError):
        raise found
    return found


def identify_all(
    catalogs: Sequence[Catalog], *, jobs: int = 8, cache: DigestCache | None = None, access: SourceAccess | None = None
) -> list[Catalog | ManifestError]:
    """The catalogs of the targets of one run as ``identify`` returns them, in order; or the ManifestError of a catalog.

    Each list is fetched once, and each local file is read once, for all catalogs.
    """
    kept = cache or DigestCache(None)
    sources = {_make_question(spec.source): spec.source for catalog in catalogs for spec in catalog.images}
    lists = _read_lists(sources.values(), jobs, access or SourceAccess())
    with ThreadPool(jobs) as pool:
        results = pool.map(lambda source: _take_fingerprint(source, lists, kept), sources.values())
        found = dict(zip(sources, results, strict=True))
    return [_fill_in(catalog, found) for catalog in catalogs]


def _make_question(source: Source) -> _Question:
    """What identifies the content of a source depends on: not on where a target stores a file, but on the entry in a list."""
    if isinstance(source, FileSource):
        return replace(source, transfer=Transfer()), source.checksum_entry
    return source, source.checksum_entry if isinstance(source, UrlSource) else None


def _fill_in(catalog: Catalog, found: Mapping[_Question, _Identified]) -> Catalog | ManifestError:
    """The catalog with what was found for its sources; ManifestError if some of its files cannot be read."""
    results = [(spec, found[_make_question(spec.source)]) for spec in catalog.images]
    if problems := [_explain_file(spec, item) for spec, item in results if isinstance(item, OSError)]:
        return ManifestError(problems)
    images = (
        replace(spec, fault=item) if isinstance(item, SourceFault) else replace(spec, fingerprint=item)
        for spec, item in results
        if not isinstance(item, OSError)
    )
    return replace(catalog, images=tuple(images))


def find_unreadable_files(specs: Sequence[ImageSpec]) -> Iterator[Diagnostic]:
    """One diagnostic for each local file that cannot be read; no content is read."""
    unreadable = ((spec, _explain_unreadable(spec.source)) for spec in specs)
    return (make_source_problem(spec, why, _advise_on_path(spec.source)) for spec, why in unreadable if why)


def check_sources(plan: Plan) -> None:
    """PlanRefused with one sentence for each local file of a plan that could not be read."""
    creates = [step.action for step in plan.steps if isinstance(step.action, Create)]
    unreadable = [(create.key, _explain_unreadable(create.source)) for create in creates]
    if refusals := [f"images.{key}.source: {why}; {UNREADABLE}" for key, why in unreadable if why]:
        raise PlanRefused(refusals)


def _explain_unreadable(source: Source) -> str:
    """Why the local file or the keyring of a source cannot be read; empty if both can be read, or there are none."""
    if isinstance(source, FileSource) and (why := explain_unreadable_file(source.path)):
        return f"{show_key(source.display)}: {why}"
    signature = source.signature if isinstance(source, FileSource | UrlSource) else None
    if signature and (why := explain_unreadable_file(signature.keyring)):
        return f"keyring {show_key(signature.display)}: {why}"
    return ""


def _advise_on_path(source: Source) -> str:
    """The hint for a file that cannot be read."""
    path = source.display if isinstance(source, FileSource) else ""
    if is_address_without_scheme(path) and not os.path.lexists(path):
        return "if it is a URL, write https:// before it"
    if path.startswith("~"):
        return "~ is not expanded; write a path relative to the manifest file"
    return UNREADABLE


def _list_of(source: Source) -> ListRef | None:
    if isinstance(source, FileSource | UrlSource) and source.checksum_url:
        return source.checksum_url, source.signature
    return None


def _wanted_of(source: FileSource | UrlSource) -> Wanted:
    """The file that the list must have: the path or the URL of the source."""
    place = source.path if isinstance(source, FileSource) else source.urls[0]
    is_asked = isinstance(source, UrlSource) and source.transfer.is_sent
    return Wanted(place, source.checksum_entry or "", can_be_asked=is_asked)


def _read_lists(sources: Iterable[Source], jobs: int, access: SourceAccess) -> Lists:
    """All lists that sources name; each is fetched and read once."""
    wanted: defaultdict[ListRef, set[Wanted]] = defaultdict(set)
    for source in sources:
        if isinstance(source, FileSource | UrlSource) and (listed := _list_of(source)):
            wanted[listed].add(_wanted_of(source))
    if not wanted:
        return {}
    from imagesync.sources.checking import FewThreads, try_each

    with access.spend_check_time() as deadline, FewThreads(deadline) as threads:

        def read(listed: ListRef) -> Found:
            return _read_list(listed, wanted[listed], access, deadline, threads)

        return dict(zip(wanted, try_each(read, list(wanted), jobs, deadline), strict=True))


def _read_list(
    listed: ListRef, wanted: set[Wanted], access: SourceAccess, deadline: Deadline, threads: "FewThreads"
) -> Found:
    """The digests that a list has for these files; a declared signature is verified first."""
    from imagesync.sources.lists import read_list
    from imagesync.sources.web import open_document

    url, signature = listed
    with open_document(url, access, deadline) as document:

        def judge() -> Found:
            content = document.read_all()
            if signature is not None:
                content = _verify_list(url, content, signature, access, deadline)
            try:
                found = read_list(content, wanted, url, lambda: deadline.limit(1))
            except SourceError as error:
                kind = PassingError if isinstance(error, PassingError) else SourceError
                raise kind(f"{redact_url(url)}: {error.message}", error.hint) from error
            return found if document.is_long else _follow_redirects(found, content, url, access, deadline)

        return threads.run(judge) if document.is_long else judge()


def _follow_redirects(found: Found, content: bytes, url: str, access: SourceAccess, deadline: Deadline) -> Found:
    """``found``, with the digests of redirected URLs that the list does not name; the last redirect that it names counts."""
    from imagesync.sources.lists import read_list
    from imagesync.sources.web import fetch_redirects

    lacking = sorted(one for one, what in found.items() if isinstance(what, NotListedError))
    missing = [one for one in lacking if one.can_be_asked and not one.entry]
    if not missing:
        return found
    hops = fetch_redirects([one.place for one in missing], access, deadline)
    led_to = {one: [Wanted(hop, is_other_name=True) for hop in reversed(hops[one.place])] for one in missing}
    again = read_list(content, {hop for several in led_to.values() for hop in several}, url)
    better = {
        one: next((again[hop] for hop in several if not isinstance(again[hop], NotListedError)), found[one])
        for one, several in led_to.items()
    }
    return {**found, **better}


def _verify_list(url: str, content: bytes, signature: Signature, access: SourceAccess, deadline: Deadline) -> bytes:
    from imagesync.sources.signatures import verify_signature
    from imagesync.sources.web import SMALL_BYTES, fetch

    try:
        with open_regular_file(signature.keyring) as file:
            keyring = file.read(MAX_KEYRING_BYTES)
    except OSError as error:
        why = error.strerror or error.args[1]
        raise SourceError(f"keyring {show_key(signature.display)}: {why}", UNREADABLE) from error
    apart = None if signature.url == url else fetch(signature.url, access, deadline, max_bytes=SMALL_BYTES)
    try:
        return verify_signature(content, apart, keyring, show_key(signature.display))
    except SourceError as error:
        raise SourceError(f"{redact_url(signature.url)}: {error.message}", error.hint) from error


def _take_fingerprint(source: Source, lists: Lists, cache: DigestCache) -> _Identified:
    try:
        match source:
            case FileSource():
                return _fingerprint_file(source, lists, cache)
            case UrlSource(checksum=None):
                return _look_up_digests(source, lists)
            case UrlSource(checksum=checksum) | KnownContent(checksum=checksum):
                return Fingerprint((checksum,) if checksum else ())
            case _:
                return Fingerprint()
    except OSError as error:
        return error
    except SourceError as error:
        return make_fault(error, hides_content=True)


def _fingerprint_file(source: FileSource, lists: Lists, cache: DigestCache) -> Fingerprint:
    with open_regular_file(source.path) as file:
        size = os.fstat(file.fileno()).st_size
        if source.checksum:
            return Fingerprint((source.checksum,), size=size)
        if source.checksum_url:
            return replace(_look_up_digests(source, lists), size=size)
        return Fingerprint((cache.read_digest(file, source.path),), size=size)


def _look_up_digests(source: FileSource | UrlSource, lists: Lists) -> Fingerprint:
    """The digests that the list has for the source; no digests without a list."""
    wanted = _list_of(source)
    if wanted is None:
        return Fingerprint()
    listed = lists[wanted]
    if isinstance(listed, SourceError):
        raise listed
    found = listed[_wanted_of(source)]
    if isinstance(found, SourceError):
        raise SourceError(f"{redact_url(wanted[0])}: {found.message}", found.hint)
    return Fingerprint(found)


def _explain_file(spec: ImageSpec, error: OSError) -> Diagnostic:
    """The diagnostic for a local file that cannot be read."""
    display = show_key(spec.source.display) if isinstance(spec.source, FileSource) else ""
    return make_source_problem(spec, f"{display}: {error.strerror or error.args[1]}", _advise_on_path(spec.source))
