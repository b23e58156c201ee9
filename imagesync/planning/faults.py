"""Faults of sources -> the keys that are left as they are, and a warning or an error for each. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from imagesync.errors import Diagnostic
from imagesync.model.catalog import FileSource, ImageSpec, SourceFault
from imagesync.model.plan import PlanError
from imagesync.planning.decisions import Decision, Leave, Make
from imagesync.planning.generations import Groups


@dataclass(frozen=True, slots=True)
class Faults:
    """``left``: the keys that are left as they are; ``warnings``: sentences; ``errors``: these fail the run."""

    left: Mapping[str, Leave]
    warnings: tuple[str, ...]
    errors: tuple[PlanError, ...]


def find_faults(wanted: Sequence[ImageSpec], decisions: Mapping[str, Decision], groups: Groups) -> Faults:
    """The effect of source faults on the keys whose decision depends on the source.

    A temporary fault is a warning for a key with a published image, and an error for any other key. A permanent fault is
    always an error. A key with an error is left as it is. So is a key whose checksum list is not available: the digest
    that it declares is unknown.
    """
    left: dict[str, Leave] = {}
    warnings: list[str] = []
    errors: list[PlanError] = []
    for spec, fault in _list_faults(wanted, decisions):
        is_warning = fault.is_passing and bool(groups[spec.key].current)
        if is_warning:
            nothing = "; nothing is done for this key" if fault.hides_content else ""
            warnings.append(f"{spec.key}: {fault.message}{nothing}")
        else:
            errors.append(PlanError(spec.key, _locate(spec, fault)))
        if fault.hides_content or not is_warning:
            left[spec.key] = Leave("", groups[spec.key].staging)
    return Faults(left, tuple(warnings), tuple(errors))


def _list_faults(
    wanted: Sequence[ImageSpec], decisions: Mapping[str, Decision]
) -> Iterator[tuple[ImageSpec, SourceFault]]:
    """The faults that matter: of checksum lists, and of files or URLs that this plan would read."""
    for spec in wanted:
        if spec.fault is not None and (spec.fault.hides_content or isinstance(decisions[spec.key], Make)):
            yield spec, spec.fault


def _locate(spec: ImageSpec, fault: SourceFault) -> Diagnostic:
    is_file = isinstance(spec.source, FileSource) and not fault.hides_content
    part = "path" if is_file else "checksum_url" if fault.hides_content else "url"
    place = spec.places.get(part, spec.source_place)
    where = f"images.{spec.key}.source" if is_file and part not in spec.places else f"images.{spec.key}.source.{part}"
    return Diagnostic(place.file, place.line, place.column, where, fault.message, fault.hint)
