"""The words of ``show`` -> a saved plan, or the explanation of a key, printed. Does I/O, and only reads."""

import glob
import os
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from imagesync import workflow
from imagesync.cli.catalogs import load_catalog
from imagesync.cli.files import find_folder
from imagesync.cli.options import Options
from imagesync.cli.outputs import Outputs
from imagesync.cli.result_options import Amount
from imagesync.cli.results import ExplanationResult, PlanResult, PlansResult
from imagesync.cli.runs import read_catalog, show_plan
from imagesync.cli.saved_plans import decode, read_document
from imagesync.cli.targets import open_selected
from imagesync.errors import UsageError
from imagesync.model.catalog import Catalog
from imagesync.sources import SourceAccess
from imagesync.targets.saved import decode_plans, is_several
from imagesync.text import make_printable, quote_word


def show_saved_plan(path: Path, options: Options, outputs: Outputs) -> None:
    """Print a saved plan; UsageError, with the way to name a key, if the file is none."""
    if options != Options():
        names = [one.name for one in fields(Options) if getattr(options, one.name) != getattr(Options(), one.name)]
        option = "--set" if names[0] == "set_values" else f"--{names[0].replace('_', '-')}"
        word = quote_word(str(path))
        hint = f"remove it; if {word} is a key, add the path of its manifest: imagesync show {word} PATH"
        raise UsageError(f"{option} has no effect on a saved plan", hint)
    try:
        result = read_saved_result(path)
    except UsageError as error:
        word = quote_word(str(path))
        hint = f"{error.hint}; if {word} is a key, add the path of its manifest: imagesync show {word} PATH"
        raise UsageError(error.message, hint) from error
    if isinstance(result, PlanResult):
        show_plan(result, outputs)
    else:
        outputs.publish(result)


def read_saved_result(path: Path) -> PlanResult | PlansResult:
    """What a file with the saved plan of one target, or of several, shows; UsageError if it is none."""
    document = read_document(path)
    if is_several(document):
        return _read_plans(document, path)
    return PlanResult(decode(document, path)[0], find_folder(path))


def _read_plans(document: Any, path: Path) -> PlansResult:
    catalog, planned = decode_plans(
        document, folder=os.path.abspath(find_folder(path)), display=make_printable(str(path))
    )
    return PlansResult(catalog, planned, {one["target"]: one["plan"] for one in document["targets"] if one["plan"]})


def print_explanation(key: str, path: Path, options: Options, amount: Amount, outputs: Outputs) -> None:
    """Print why the image of a key is as it is, and what the next apply does with it."""
    if amount.detail or amount.summary:
        option = "--detail" if amount.detail else "--summary"
        raise UsageError(f"{option} has no effect on the explanation of a key", f"remove {option}")
    access = options.make_access()
    catalog, access = _read_catalog_of(key, path, options, access)
    outputs.know(catalog.name, catalog.target.name)
    with open_selected(options, catalog.target) as backend:
        planner = workflow.Planner(backend, catalog, policy=options.policy(catalog.policy), access=access)
        found, here = workflow.explain(planner, key), backend.identity()
    outputs.publish(ExplanationResult(found, catalog, here))


def _read_catalog_of(key: str, path: Path, options: Options, access: SourceAccess) -> tuple[Catalog, SourceAccess]:
    """The catalog, planned for this key only. For a key that the manifest does not have, no source is asked."""
    catalog = load_catalog(path, options)
    if not any(spec.key == key for spec in catalog.images):
        return catalog, replace(access, asks_sources=False)
    return read_catalog(path, replace(options, only=[glob.escape(key)]), access), access
