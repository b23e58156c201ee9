"""Images -> a diagnostic for each field that creating the image would need. Pure."""

from collections.abc import Iterator, Sequence

from imagesync.errors import Diagnostic
from imagesync.manifest.merging import Manifest
from imagesync.model.catalog import ImageSpec, is_match
from imagesync.model.references import find_references
from imagesync.secrets import show_key

_FORMATS = ("disk_format", "container_format")


def find_missing_needs(specs: Sequence[ImageSpec]) -> Iterator[Diagnostic]:
    """One problem for each image without a source that is not adopted, and for each upload without its formats."""
    for spec in specs:
        missing = [name for name in _FORMATS if spec.has_data and getattr(spec, name) is None]
        if missing:
            message = f"{' and '.join(missing)} missing: an image cannot be created without"
            hint = (
                "declare it in the image, a profile or defaults, for example disk_format: qcow2, container_format: bare"
            )
            yield _problem(spec, "", message, hint)
        elif not (spec.has_data or spec.is_record_only or spec.adopt):
            hint = "give a path or a url, or adopt: ID of the image that has the content"
            yield _problem(spec, ".source", "missing: an image cannot be created without a source", hint)


def list_absent_keys(manifest: Manifest, target: str | None) -> frozenset[str]:
    """The keys that a target's ``only`` excludes; none if it has placeholders."""
    part = manifest.targets[target] if target else None
    listed = part.data["only"] if part is not None and "only" in part else ()
    patterns = [str(pattern) for pattern in listed] if isinstance(listed, list) else []
    if any("${" in pattern for pattern in patterns):
        return frozenset()
    return frozenset(key for key in manifest.images if not is_match(key, patterns))


def find_absent_references(specs: Sequence[ImageSpec], absent: frozenset[str]) -> Iterator[Diagnostic]:
    """One problem for each reference to an image that the target does not have."""
    for spec in specs:
        for key in sorted(find_references(spec) & absent):
            message = f"it refers to images.{show_key(key)}, which the target's only leaves out"
            yield _problem(spec, "", message, "extend only, or remove the reference on this target")


def _problem(spec: ImageSpec, part: str, message: str, hint: str) -> Diagnostic:
    place = spec.place if not part else spec.source_place
    return Diagnostic(place.file, place.line, place.column, f"images.{spec.key}{part}", message, hint)
