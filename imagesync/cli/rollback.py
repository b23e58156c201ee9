"""``imagesync rollback``: an earlier build of one key is published again. Does I/O."""

from difflib import get_close_matches
from pathlib import Path

from imagesync.cli import commands, flow, reading
from imagesync.cli.locking import Locking
from imagesync.cli.modes import going_back
from imagesync.cli.options import Options, Results
from imagesync.cli.output import check_places
from imagesync.cli.planfile import is_plan_file
from imagesync.errors import UsageError


def rollback(
    key: str,
    path: Path,
    options: Options,
    results: Results,
    locking: Locking,
    *,
    to: str | None,
    yes: bool,
) -> int:
    """Plan, show, ask, do. No source is read, so that it works while the mirrors do not."""
    if is_plan_file(path):
        raise UsageError(f"{path} is a saved plan", "give rollback the manifests")
    if options.only or options.drift_only:
        raise UsageError("rollback looks at one key", "leave --only and --drift-only out")
    check_places(results.out, results.ids)
    catalog = reading.read_catalog(path, options)
    if key not in {spec.key for spec in catalog.images}:
        known = [spec.key for spec in catalog.images]
        close = get_close_matches(key, known, 3)
        hint = f"did you mean {', '.join(close)}?" if close else f"it has {', '.join(known) or 'none'}"
        raise UsageError(f"the manifest has no image {key!r} here", hint)
    with flow.opened(options, catalog.target) as backend:
        planning = flow.Planning(backend, catalog, options, going_back(key, to), frozenset({key}))
        return commands.converge(planning, options, results, locking, yes=yes)
