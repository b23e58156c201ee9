"""Images -> diagnostics for URLs that --source-hosts does not allow, and for URLs that need a digest. Pure."""

from collections.abc import Iterator, Sequence

from imagesync.errors import Diagnostic
from imagesync.model.catalog import FileSource, ImageSpec, Source, UrlSource
from imagesync.model.urls import WHY_DIGEST, is_host_named, read_host


def list_urls(source: Source) -> Iterator[str]:
    """All URLs of a source: mirrors, the checksum list, the signature."""
    if isinstance(source, UrlSource):
        yield from source.urls
    if isinstance(source, FileSource | UrlSource):
        yield from filter(None, (source.checksum_url, source.signature.url if source.signature else None))


def find_hosts_not_named(specs: Sequence[ImageSpec], hosts: Sequence[str]) -> Iterator[Diagnostic]:
    """One problem for each host of an image that none of the globs names; without globs every host is allowed."""
    for spec in specs if hosts else ():
        for host in sorted({read_host(url) for url in list_urls(spec.source)}):
            if not is_host_named(host, hosts):
                yield _problem(
                    spec, f"{host} is not named by --source-hosts", f"pass --source-hosts {host} if you trust it"
                )


def find_undigested(specs: Sequence[ImageSpec]) -> Iterator[Diagnostic]:
    """One problem for each image whose URL has a secret and that declares no digest."""
    for spec in specs:
        if isinstance(spec.source, UrlSource) and spec.source.needs_digest:
            yield _problem(
                spec,
                WHY_DIGEST,
                "add checksum or checksum_url; imagesync plan --detail shows the digest of a live build",
            )


def _problem(spec: ImageSpec, message: str, hint: str) -> Diagnostic:
    place = spec.source_place
    return Diagnostic(place.file, place.line, place.column, f"images.{spec.key}.source", message, hint)
