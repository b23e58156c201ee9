"""Manifests or a saved file of plans -> what each target of a run gets. Reads manifests, lists of digests and plans."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from imagesync.cli.catalogs import name_targets
from imagesync.cli.modes import check_target, refuse_values
from imagesync.cli.options import Options, TargetChoice, parse_pairs
from imagesync.cli.plan_paths import check_paths
from imagesync.cli.saved_plans import restore_urls
from imagesync.cli.streams import say
from imagesync.errors import Diagnostic, ImagesyncError, ManifestError, UsageError
from imagesync.manifest.loader import read_manifest
from imagesync.manifest.merging import Manifest
from imagesync.manifest.resolution import resolve
from imagesync.manifest.selection import select_targets
from imagesync.manifest.source_hosts import find_hosts_not_named
from imagesync.manifest.validation import suggest
from imagesync.model.catalog import Catalog, Target
from imagesync.model.plan import Plan
from imagesync.sources import SourceAccess, default_cache, find_unreadable_files, identify_all
from imagesync.targets.saved import NotPlanned, decode_plans, explain_missing, find_withheld
from imagesync.text import make_printable


@dataclass(frozen=True, slots=True)
class Subjects:
    """The targets of a run in the order of the manifest: what each gets, or why it gets nothing; and its wave."""

    catalog: str
    by_target: Mapping[str, Catalog | Plan | ImagesyncError]
    waves: Mapping[str, int]


def read_subjects(
    path: Path, options: Options, chosen: TargetChoice, access: SourceAccess, saved: Any = None
) -> Subjects:
    """What each target gets; ``saved``: the JSON of a saved file of plans, or of one plan.

    ManifestError with the problems that stop all targets. A problem of some targets only stops these.
    """
    if saved is not None:
        return _read_saved(saved, path, options, chosen)
    manifest = read_manifest(path, allow_outside=options.allow_outside)
    places = select_targets(manifest, chosen.targets, parse_pairs(options.set_values))
    found = _drop_unmatched({str(place.name): _resolve(manifest, options, place) for place in places})
    _raise_common(found)
    catalogs = [one for one in found.values() if isinstance(one, Catalog)]
    identified = iter(identify_all(catalogs, jobs=options.jobs, cache=default_cache(), access=access))
    subjects = {name: next(identified) if isinstance(one, Catalog) else one for name, one in found.items()}
    waves = {name: one.target.wave if isinstance(one, Catalog) else 0 for name, one in found.items()}
    return Subjects(catalogs[0].name, subjects, waves)


def _resolve(manifest: Manifest, options: Options, place: Target) -> Catalog | ImagesyncError:
    try:
        return resolve(
            manifest,
            place=place,
            values=parse_pairs(options.set_values),
            only=options.only,
            allow_outside=options.allow_outside,
            strict=options.strict,
            checks=(find_unreadable_files, partial(find_hosts_not_named, hosts=options.source_hosts)),
        )
    except (ManifestError, UsageError) as error:
        return error


def _drop_unmatched(found: Mapping[str, Catalog | ImagesyncError]) -> dict[str, Catalog | ImagesyncError]:
    """Without the targets that have no key of --only; UsageError if no target has one."""
    wrong = {name: one for name, one in found.items() if isinstance(one, UsageError)}
    if len(wrong) == len(found):
        raise next(iter(wrong.values()))
    for name, error in wrong.items():
        say(f"Note: target {make_printable(name)} is left out: {make_printable(error.message)}")
    return {name: one for name, one in found.items() if name not in wrong}


def _raise_common(found: Mapping[str, Catalog | ImagesyncError]) -> None:
    """ManifestError if no target has a catalog, with the problems of all."""
    if any(isinstance(one, Catalog) for one in found.values()):
        return
    problems: defaultdict[Diagnostic, list[str | None]] = defaultdict(list)
    for name, one in found.items():
        for problem in one.diagnostics if isinstance(one, ManifestError) else ():
            problems[problem].append(name)
    raise ManifestError(name_targets(problems, list(found)))


def _read_saved(document: Any, path: Path, options: Options, chosen: TargetChoice) -> Subjects:
    """What each target of a saved file gets: its complete plan, whose paths and hosts these options permit."""
    display = make_printable(str(path))
    catalog, planned = decode_plans(document, folder=str(path.parent.absolute()), display=display)
    names = [one.target for one in planned]
    for name in chosen.targets:
        if name not in names:
            message = f"{display} has no plan for target {make_printable(name)}"
            raise UsageError(message, suggest(name, names, "the file has"))
    picked = [one for one in planned if not chosen.targets or one.target in chosen.targets]
    missing = find_withheld(document)
    if not any(missing.values()):
        refuse_values(options)
    subjects: dict[str, Catalog | Plan | ImagesyncError] = {}
    for one in picked:
        if one.plan is None or explain_missing(one):
            subjects[one.target] = NotPlanned(explain_missing(one))
            continue
        check_target(one.plan, replace(options, target=one.target))
        check_paths(
            one.plan,
            path,
            allow_outside=options.allow_outside,
            is_target_given=False,
            source_hosts=options.source_hosts,
        )
        subjects[one.target] = restore_urls(one.plan, missing[one.target], options)
    return Subjects(catalog, subjects, {one.target: one.wave for one in picked})
