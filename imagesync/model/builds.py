"""The data that a create sends, as a value: creates of several targets with equal builds send the same bytes. No I/O."""

from dataclasses import dataclass, replace

from imagesync.model.catalog import Checksum, FileSource, Fingerprint, UrlSource


@dataclass(frozen=True, slots=True)
class Build:
    """What decides which bytes are sent, and how they are verified before that.

    ``source`` is without the ways to find its digest, and without the service's stores. The formats are part of a build,
    because the inspection of the data depends on them.
    """

    source: FileSource | UrlSource
    digests: frozenset[Checksum]
    disk_format: str | None
    container_format: str | None

    @classmethod
    def of(
        cls,
        source: FileSource | UrlSource,
        fingerprint: Fingerprint,
        disk_format: str | None,
        container_format: str | None,
    ) -> "Build":
        """The build of a source that is stored in these formats."""
        sending = replace(source.transfer, stores=(), all_stores=False, verify=True)
        bare = replace(source, checksum=None, checksum_url=None, signature=None, transfer=sending)
        if isinstance(bare, FileSource):
            bare = replace(bare, display=bare.path)
        return cls(bare, frozenset(fingerprint.digests), disk_format, container_format)
