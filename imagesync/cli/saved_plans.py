"""A plan <-> its file; and the URLs that the file must not contain, from the manifests. Does I/O."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from imagesync.cli.catalogs import load_catalog_of
from imagesync.cli.files import find_folder, write_private
from imagesync.cli.json_files import read_json
from imagesync.cli.options import Options
from imagesync.errors import ImagesyncError, UsageError
from imagesync.model.catalog import Catalog, UrlSource
from imagesync.model.plan import Create, Plan, Step
from imagesync.planfile.reader import decode_plan, find_withheld_urls
from imagesync.planfile.writer import Json, encode_plan, format_document
from imagesync.targets.saved import is_several
from imagesync.text import make_printable, quote_word
from imagesync.version import __version__


def is_plan_file(path: Path) -> bool:
    """Whether a path names a saved plan and not a manifest: by its suffix."""
    return path.suffix.lower() == ".json"


def refuse_plan_file(path: Path, hint: str) -> None:
    """UsageError if a path names a saved plan; ``hint`` says what to do; the path replaces PATH in it."""
    if is_plan_file(path):
        display = make_printable(str(path))
        raise UsageError(f"{display} is a saved plan", hint.replace("PATH", quote_word(str(path))))


def make_document(plan: Plan, folder: Path) -> Json:
    """The JSON document of a plan whose file will be in ``folder``."""
    return encode_plan(plan, tool=f"imagesync {__version__}", folder=os.path.abspath(folder))


def save_plan(plan: Plan, path: Path) -> None:
    """Write a complete plan file that only its owner can read, or none."""
    write_private(path, format_document(make_document(plan, find_folder(path))))


def read_document(path: Path, *, allow_outside: bool | None = None) -> Any:
    """The JSON of a saved plan, or of a file of the plans of several targets; see ``read_json``."""
    hint = "make one: imagesync plan PATH -o PLAN.json"
    return read_json(path, "a saved plan", hint, allow_outside=allow_outside)


def decode(document: Any, path: Path) -> tuple[Plan, frozenset[str]]:
    """The plan in a file, and the keys of the images whose URLs the file does not contain in full."""
    plan = decode_plan(document, folder=os.path.abspath(find_folder(path)), display=make_printable(str(path)))
    return plan, find_withheld_urls(document)


def read_plan(path: Path, *, allow_outside: bool | None = None) -> tuple[Plan, frozenset[str]]:
    """``decode`` for the file at ``path``; UsageError also if it holds the plans of several targets."""
    document = read_document(path, allow_outside=allow_outside)
    if is_several(document):
        message = f"{make_printable(str(path))} holds the plans of several targets"
        raise UsageError(message, "use the path of the manifests, with --target NAME")
    return decode(document, path)


def restore_urls(plan: Plan, missing: frozenset[str], options: Options) -> Plan:
    """The plan with the URLs that its file must not contain, read from the manifests that it was made from.

    ``missing``: the keys of these URLs. The file cannot show whether they have changed, but their data must have the
    digest in the plan.
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
                _explain_missing_url(action.key),
                f"the manifests in {plan.base} now declare another source: make the plan again",
            )
        return replace(step, action=replace(action, source=found))

    return replace(plan, steps=tuple(map(restore, plan.steps)))


def _load_manifests(plan: Plan, missing: frozenset[str], options: Options) -> Catalog:
    try:
        return load_catalog_of(Path(plan.base), plan.target_name, options)
    except ImagesyncError as error:
        hint = f"apply the plan on a host that has its manifests in {plan.base}, with the same --set"
        raise UsageError(_explain_missing_url(min(missing)), hint) from error


def _explain_missing_url(key: str) -> str:
    return f"{key}: its URL has credentials or a query, which a saved plan never contains"
