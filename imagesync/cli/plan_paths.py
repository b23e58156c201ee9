"""The paths and URLs of a saved plan -> a refusal of those outside the allowed places. It follows links on the disk."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from imagesync.errors import PlanRefused
from imagesync.manifest.source_hosts import list_urls
from imagesync.model.catalog import FileSource, UrlSource
from imagesync.model.plan import Create, Plan
from imagesync.model.urls import find_url_problem, is_host_named, read_host
from imagesync.paths import find_place_problem, is_within
from imagesync.planning.plan_checks import AGAIN, shorten_faults
from imagesync.text import make_printable, quote_word

_OUTSIDE = "make a plan of the manifests here, or pass --allow-outside if you trust the plan"


def check_paths(
    plan: Plan, file: Path, *, allow_outside: bool, is_target_given: bool, source_hosts: Sequence[str] = ()
) -> None:
    """PlanRefused with one sentence for each path or host that a plan from ``file`` must not use.

    ``is_target_given``: the command line names the target, so the plan's own store is not opened. ``source_hosts``: globs,
    one of which must match each host; without globs every host is allowed.
    """
    faults = list(_find_false_places(plan))
    faults += _find_hosts_not_named(plan, source_hosts) if source_hosts else []
    if not allow_outside:
        faults += _find_places_outside(plan, _list_roots(file))
    if faults:
        raise PlanRefused(shorten_faults(tuple(faults)))
    check_store(plan, file, allow_outside=allow_outside, is_target_given=is_target_given)


def check_store(plan: Plan, file: Path, *, allow_outside: bool, is_target_given: bool) -> None:
    """PlanRefused if the store of a plan is neither below the folder of ``file`` nor below the working directory."""
    target = plan.target
    if allow_outside or is_target_given or target.kind != "store":
        return
    if not any(find_place_problem(target.location, root) is None for root in _list_roots(file)):
        place = make_printable(target.location)
        fault = f"the store of the plan, {place}, is neither below the plan's folder nor below the working directory"
        raise PlanRefused([f"{fault}; to use it, pass --store {quote_word(target.location)}"])


def _list_roots(file: Path) -> tuple[str, str]:
    return os.path.realpath(file.parent), os.path.realpath(os.curdir)


def _find_false_places(plan: Plan) -> Iterator[str]:
    """One sentence for each file that is not the one the plan shows, and each invalid URL."""
    for step_id, path, display in _list_files(plan):
        if display != os.path.relpath(path, plan.base):
            real = make_printable(os.path.relpath(path, plan.base))
            yield f"{step_id}: the plan shows the file {make_printable(display)!r} but would read {real!r}; {AGAIN}"
    for step in plan.steps:
        if isinstance(step.action, Create) and isinstance(step.action.source, UrlSource):
            for url in list_urls(step.action.source):
                if problem := find_url_problem(url):
                    yield f"{step.id}: its URL {problem[0]}; {AGAIN}"


def _find_hosts_not_named(plan: Plan, hosts: Sequence[str]) -> Iterator[str]:
    for step in plan.steps:
        if isinstance(step.action, Create):
            for host in sorted({read_host(url) for url in list_urls(step.action.source)}):
                if not is_host_named(host, hosts):
                    yield f"{step.id}: {make_printable(host)} is not named by --source-hosts; {AGAIN}"


def _find_places_outside(plan: Plan, roots: Sequence[str]) -> Iterator[str]:
    base = os.path.realpath(plan.base)
    if not any(is_within(base, root) for root in roots):
        yield (
            f"the manifests of the plan, in {make_printable(plan.base)}, are neither below the plan's folder nor below the "
            f"working directory; {_OUTSIDE}"
        )
    for step_id, path, display in _list_files(plan):
        if problem := find_place_problem(path, base):
            yield f"{step_id}: {make_printable(display)} {problem}; {_OUTSIDE}"


def _list_files(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """The step's id, the path, and the printed path of each file that applying a plan may read."""
    for step in plan.steps:
        source = step.action.source if isinstance(step.action, Create) else None
        if isinstance(source, FileSource):
            yield step.id, source.path, source.display
        if isinstance(source, FileSource | UrlSource) and source.signature:
            yield step.id, source.signature.keyring, source.signature.display
