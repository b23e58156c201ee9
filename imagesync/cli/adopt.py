"""The command adopt: what exists already comes under management, and nothing else is done. Does I/O."""

from pathlib import Path

import typer

from imagesync.cli import commands, flow, reading
from imagesync.cli.locking import Locking
from imagesync.cli.options import Form, Options, Results
from imagesync.cli.output import check_places
from imagesync.cli.planfile import is_plan_file
from imagesync.errors import UsageError
from imagesync.render.style import sentence


def adopt(path: Path, options: Options, results: Results, locking: Locking, *, yes: bool) -> int:
    """Plan the adoption of every key that has an image to adopt, show it, ask, and carry it out."""
    from imagesync.inventory import take_inventory
    from imagesync.planning.adoption import adoptable, asking
    from imagesync.planning.planner import make_plan

    if is_plan_file(path):
        raise UsageError(f"{sentence(str(path))} is a saved plan", "carry it out with: imagesync apply")
    if options.drift_only:
        raise UsageError("--drift-only: nothing that is adopted has drifted yet", "leave it out")
    check_places(results.out, results.ids)
    catalog = asking(reading.identified(path, options))
    with flow.opened(options, catalog.target) as backend:
        part = adoptable(catalog, take_inventory(backend, catalog))
        if not part.images and results.form is Form.TEXT:
            lines = [*(sentence(f"Note: {note}") for note in part.warnings), "Nothing to adopt."]
            typer.echo("\n".join(lines))
            return commands.DONE
        return commands.converge(flow.Planning(backend, part, options, make_plan), options, results, locking, yes=yes)
