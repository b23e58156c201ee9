"""A plan <-> its file; and the URLs that the file must not hold, from the manifests. Does I/O."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from imagesync.cli.catalogs import load_catalog_of
from imagesync.cli.files import find_folder, write_private
from imagesync.cli.options import Options
from imagesync.errors import ImagesyncError, UsageError
from imagesync.model.catalog import Catalog, UrlSource
from imagesync.model.plan import Create, Plan, Step
from imagesync.paths import check_way
from imagesync.planfile.reader import decode_plan, find_withheld_urls
from imagesync.planfile.writer import Json, encode_plan, format_document
from imagesync.text import make_printable
from imagesync.version import __version__

MAX_PLAN_BYTES = 256 * 2**20


def is_plan_file(path: Path) -> bool:
    """Whether a path names a saved plan and not a manifest: by its suffix."""
    return path.suffix.lower() == ".json"


def make_document(plan: Plan, folder: Path) -> Json:
    """The JSON document of a plan that will lie in ``folder``."""
    return encode_plan(plan, tool=f"imagesync {__version__}", folder=os.path.abspath(folder))


def save_plan(plan: Plan, path: Path) -> None:
    """A file that only its owner can read, whole or not at all."""
    write_private(path, format_document(make_document(plan, find_folder(path))))


def read_plan(path: Path, *, allow_outside: bool | None = None) -> tuple[Plan, frozenset[str]]:
    """The plan, and the keys of the images whose whole URLs it does not hold.

    ``allow_outside`` permits a relative path whose links lead out of the working directory; None: the command has no such
    option.
    """
    display = make_printable(str(path))
    check_way(path, option="" if allow_outside is None else "--allow-outside", is_allowed=bool(allow_outside))
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_PLAN_BYTES + 1)
        if len(content) > MAX_PLAN_BYTES:
            raise UsageError(f"{display} is too large for a saved plan", "plan again")
        document = json.loads(content, object_pairs_hook=_make_object)
    except OSError as error:
        raise UsageError(f"{display} cannot be read: {error.strerror}", "check the path") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{display} is not a saved plan", "make one with: imagesync plan -o plan.json") from error
    plan = decode_plan(document, folder=os.path.abspath(find_folder(path)), display=display)
    return plan, find_withheld_urls(document)


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; ValueError if it has a name twice: another reader would show the other value."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name twice")
    return made


def restore_urls(plan: Plan, missing: frozenset[str], options: Options) -> Plan:
    """The plan with the URLs that its file must not hold, read from the manifests that it was made from.

    The file does not show whether they are still the same; data from them must have the digest of the plan.
    """
    if not missing:
        return plan
    sources = {spec.key: spec.source for spec in _load_manifests(plan, missing, options).images}

    def restore(step: Step) -> Step:
        action = step.action
        if not isinstance(action, Create) or action.key not in missing:
            return step
        found = sources.get(action.key)
        if not (isinstance(found, UrlSource) and found.withhold_secrets() == action.source):
            raise UsageError(
                _explain_missing_url(action.key), f"the manifests in {plan.base} have another source now: plan again"
            )
        return replace(step, action=replace(action, source=found))

    return replace(plan, steps=tuple(map(restore, plan.steps)))


def _load_manifests(plan: Plan, missing: frozenset[str], options: Options) -> Catalog:
    try:
        return load_catalog_of(Path(plan.base), plan.target_name, options)
    except ImagesyncError as error:
        hint = f"apply it where {plan.base} holds its manifests, with the same --set"
        raise UsageError(_explain_missing_url(min(missing)), hint) from error


def _explain_missing_url(key: str) -> str:
    return f"{key}: its URL has credentials or a query, which a saved plan never holds"
