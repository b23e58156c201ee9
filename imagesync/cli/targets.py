"""Options and the target of a catalog or plan -> the open backend that they select. Does I/O."""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from imagesync.backends import WAYS, find_environment_cloud, open_target
from imagesync.backends.base import Backend, MissingStore
from imagesync.cli.options import Options
from imagesync.cli.streams import say
from imagesync.errors import UsageError
from imagesync.model.catalog import Target
from imagesync.model.plan import Plan
from imagesync.paths import check_way
from imagesync.text import make_printable, quote_word

StoreReport: TypeAlias = Callable[[str, bool], None]
"""Takes the path of a store that does not exist, quoted, and whether it is created."""


def report_store(word: str, is_created: bool) -> None:
    """Print that a store does not exist, or was created."""
    _say_stores([word], is_created=is_created)


def _say_stores(words: Sequence[str], *, is_created: bool) -> None:
    stores, are, them = ("store", "does", "it") if len(words) == 1 else ("stores", "do", "them")
    what = "created" if is_created else f"{are} not exist yet; apply creates {them}"
    say(f"Note: {stores} {', '.join(words)} {what}")


class StoreNotes:
    """The missing stores of several targets, which threads report; ``say`` prints them in one line."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, tuple[str, bool]] = {}

    def make_report(self, target: str) -> StoreReport:
        """Takes what is to report of one target."""

        def report(word: str, is_created: bool) -> None:
            with self._lock:
                self._found[target] = word, is_created

        return report

    def say(self, targets: Iterable[str]) -> None:
        """Print once what was reported of these targets, in their order."""
        with self._lock:
            found = [self._found.pop(name) for name in targets if name in self._found]
        for is_created in (True, False):
            if words := [word for word, of_created in found if of_created is is_created]:
                _say_stores(words, is_created=is_created)


def open_selected(
    options: Options,
    target: Target,
    *,
    missing: MissingStore = MissingStore.EMPTY,
    is_quiet: bool = False,
    report: StoreReport = report_store,
) -> Backend:
    """The backend of the selected target; UsageError if nothing selects one, because there is no silent default.

    ``missing`` is EMPTY for commands that only read: a typo in the path of a store must not create it. ``is_quiet``: do
    not report that a store was created.
    """
    check_links(options, option="--allow-outside")
    return _open(target, options, missing, is_quiet=is_quiet, report=report)


def open_selected_to_read(options: Options, target: Target) -> Backend:
    """As ``open_selected``, for a command that only reads; UsageError for a store that does not exist."""
    return open_selected(options, target, missing=MissingStore.REFUSE)


def open_existing(options: Options, *, further: str = "") -> Backend:
    """The backend for a command that reads no manifest; UsageError for a store that does not exist.

    ``further``: another way to select one, for the error without any.
    """
    check_links(options)
    given = _find_given(options)
    if not (given.cloud or given.store):
        raise UsageError("no cloud or store selected", f"{WAYS}{further}")
    return _open(given, options, MissingStore.REFUSE)


def open_target_of(plan: Plan, options: Options, *, missing: MissingStore, is_quiet: bool = False) -> Backend:
    """The backend that --cloud, --store or the environment select; without these, the backend of the saved plan."""
    check_links(options, option="--allow-outside")
    given = _find_given(options)
    return _open(given if given.cloud or given.store else locate(plan), options, missing, is_quiet=is_quiet)


def locate(plan: Plan) -> Target:
    """The place of a saved plan."""
    store, cloud = plan.target.location, plan.target.label
    return Target(store=store) if plan.target.kind == "store" else Target(cloud=cloud or None)


def _find_given(options: Options) -> Target:
    """The target that --cloud, --store or the environment select."""
    if options.cloud or options.store:
        return Target(cloud=options.cloud, store=str(options.store) if options.store else None)
    return Target(cloud=find_environment_cloud())


def _open(
    target: Target,
    options: Options,
    missing: MissingStore,
    *,
    is_quiet: bool = False,
    report: StoreReport = report_store,
) -> Backend:
    """The backend of a target; a store that does not exist is reported."""
    store = str(options.store) if options.store else shorten_path(target.store)
    is_missing = store is not None and not _has_store(store)
    backend = open_target(replace(target, store=store), clouds_file=options.clouds_file, missing_store=missing)
    if is_missing and store is not None:
        is_created = missing is MissingStore.CREATE
        if not (is_created and is_quiet):
            report(quote_word(make_printable(store)), is_created)
    return backend


def _has_store(folder: str) -> bool:
    from imagesync.backends.local.places import has_database

    return has_database(folder)


def check_links(options: Options, *, option: str = "") -> None:
    """UsageError if --store or --clouds-file leaves the working directory through a link.

    ``option`` is the option that allows it, for the message; empty if the command has none.
    """
    for path in (options.store, options.clouds_file):
        if path is not None:
            check_way(path, option=option, is_allowed=options.allow_outside)


def shorten_path(path: str | None) -> str | None:
    """A path below the working directory as a relative path; any other path unchanged."""
    if path is None:
        return None
    relative = os.path.relpath(path)
    return path if relative.startswith(os.pardir) else relative
