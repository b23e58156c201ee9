"""Manifests or a saved file of plans -> what each target of a run gets. Reads manifests, lists of digests and plans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagesync.cli.catalogs import load_catalogs_of
from imagesync.cli.modes import refuse_values
from imagesync.cli.options import Options
from imagesync.cli.plan_paths import check_paths
from imagesync.cli.saved_plans import restore_urls
from imagesync.cli.target_options import TargetChoice
from imagesync.errors import ImagesyncError, UsageError
from imagesync.manifest.selection import refuse_same_place
from imagesync.manifest.validation import suggest
from imagesync.model.catalog import Catalog
from imagesync.model.plan import Plan
from imagesync.model.targets import PlannedTarget
from imagesync.render.place import describe_target
from imagesync.sources import SourceAccess, default_cache, find_unreadable_files, identify_all
from imagesync.targets.saved import NotPlanned, decode_plans, explain_missing, find_withheld, is_several
from imagesync.text import make_printable


@dataclass(frozen=True, slots=True)
class Subjects:
    """The targets of a run in the order of the manifest: what each gets, or why it gets nothing; and its wave."""

    catalog: str
    by_target: Mapping[str, Catalog | Plan | ImagesyncError]
    waves: Mapping[str, int]


def read_subjects(
    path: Path,
    options: Options,
    chosen: TargetChoice,
    access: SourceAccess,
    saved: Any = None,
    *,
    identifies: bool = True,
) -> Subjects:
    """What each target gets; ``saved``: the JSON of a saved file of plans, or of one plan.

    ``identifies``: whether the catalogs get the digests and sizes of their sources, which costs requests.

    ManifestError with the problems that stop all targets. A problem of some targets only stops these.
    """
    if saved is not None:
        return _read_saved(saved, path, options, chosen)
    found = load_catalogs_of(path, options, chosen, (find_unreadable_files,))
    catalogs = [one for one in found.values() if isinstance(one, Catalog)]
    named = identify_all(catalogs, jobs=options.jobs, cache=default_cache(), access=access) if identifies else catalogs
    identified = iter(named)
    subjects = {str(t.name): next(identified) if isinstance(one, Catalog) else one for t, one in found.items()}
    return Subjects(catalogs[0].name, subjects, {str(target.name): target.wave for target in found})


def _refuse_same_places(planned: Sequence[PlannedTarget]) -> None:
    """UsageError for two targets whose plans were made for the same place."""
    found: dict[str, str] = {}
    for one in planned:
        if one.plan is not None:
            other = found.setdefault(one.plan.target.fingerprint, one.target)
            if other != one.target and not one.problems:  # else they were refused when the plans were made
                raise refuse_same_place(other, one.target, describe_target(None, one.plan.target))


def _read_saved(document: Any, path: Path, options: Options, chosen: TargetChoice) -> Subjects:
    """What each target of a saved file gets: its complete plan, whose paths and hosts these options permit."""
    display = make_printable(str(path))
    if not is_several(document):
        raise UsageError(f"{display} is the plan of one target", "remove --target or --all-targets")
    for option, value in (("--cloud", options.cloud), ("--store", options.store)):
        if value is not None:
            message = f"{option} selects one place, but {display} has the plans of several targets"
            raise UsageError(message, "remove it, or pass --target NAME instead")
    catalog, planned = decode_plans(document, folder=str(path.parent.absolute()), display=display)
    names = [one.target for one in planned]
    for name in chosen.targets:
        if name not in names:
            message = f"{display} has no plan for target {make_printable(name)}"
            raise UsageError(message, suggest(name, names, "the file has"))
    picked = [one for one in planned if not chosen.targets or one.target in chosen.targets]
    _refuse_same_places(picked)
    missing = find_withheld(document)
    if not any(missing.values()):
        refuse_values(options)
    subjects: dict[str, Catalog | Plan | ImagesyncError] = {}
    for one in picked:
        if one.plan is None or explain_missing(one):
            subjects[one.target] = NotPlanned(explain_missing(one))
            continue
        check_paths(
            one.plan,
            path,
            allow_outside=options.allow_outside,
            is_target_given=False,
            source_hosts=options.source_hosts,
        )
        subjects[one.target] = restore_urls(one.plan, missing[one.target], options)
    return Subjects(catalog, subjects, {one.target: one.wave for one in picked})
