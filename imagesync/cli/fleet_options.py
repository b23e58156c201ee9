"""The options of a run on a fleet, and its carrier. Does I/O only if the run is on a fleet."""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from imagesync.cli.options import Locking, Options, parse_limit, parse_pairs
from imagesync.errors import ImagesyncError, ManifestError, UsageError
from imagesync.model.catalog import Catalog

if TYPE_CHECKING:
    from imagesync.fleet.assignment import FleetOrder, Limits, ManifestTexts
    from imagesync.fleet.carrier import DaskCarrier
    from imagesync.model.plan import Plan
    from imagesync.run import Settings

LOCK_TIMEOUT: Final = 150.0
"""The default time to wait for the lease, in seconds: longer than until the lease of a lost worker expires."""
MIN_LOCK_TIMEOUT: Final = 60.0
DEFAULT_FOLDER: Final = "~/.config/imagesync/fleet"

CertificateFolder = Annotated[
    Path | None,
    typer.Option(
        "--tls",
        help=f"The folder with ca.pem and the certificate of this process (default: {DEFAULT_FOLDER}).",
        metavar="DIR",
    ),
]


def find_folder(tls: Path | None) -> Path:
    """The folder with the certificates."""
    return tls or Path(DEFAULT_FOLDER).expanduser()


def name_worker(given: str | None, host: str, targets: Iterable[str]) -> str:
    """The name of a worker: that of ``--name``, else the host's name and the targets."""
    return given or "-".join([host, *targets])


@dataclass(frozen=True, slots=True)
class FleetRun:
    """What a run asks of the workers, beyond its options. ``folder``: that of the file for the plans.

    ``creates_stores``: whether a store that does not exist is created. ``find_reviewed``: the plan that must have every change of a
    target. ``unlock``: the command that breaks the lease of a target, for messages.
    """

    lock_timeout: float = LOCK_TIMEOUT
    folder: str = "/"
    accepts_changes: bool = False
    creates_stores: bool = False
    find_reviewed: "Callable[[str | None], Plan | None]" = lambda _target: None
    unlock: Callable[[str], str] = lambda _target: ""


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """The scheduler whose workers do the work of each target; by default this process does it."""

    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            help="Let the workers of this scheduler do the work, each beside its cloud.",
            metavar="tls://HOST:PORT",
        ),
    ] = None
    tls: CertificateFolder = None

    def check(self, *, is_several: bool) -> None:
        """UsageError for a combination without effect."""
        if self.on is None and self.tls is not None:
            raise UsageError("--tls has no effect without --on", "remove it, or pass --on tls://HOST:PORT")
        if self.on is not None and not is_several:
            raise UsageError("--on is for the targets of a manifest", "pass --all-targets, or --target several times")

    def adapt(self, settings: "Settings", locking: Locking, *, stage: bool, discard: str | None) -> "Settings":
        """The settings of a run on the fleet; UsageError if a lost worker could not be waited for, or for a stage run."""
        if self.on is None:
            return settings
        self.refuse_stage(stage=stage, discard=discard)
        if locking.no_lock:
            raise UsageError(
                "--no-lock and --on exclude each other", "remove --no-lock: the lease makes a lost worker safe"
            )
        if locking.lock_timeout is not None and locking.lock_timeout <= MIN_LOCK_TIMEOUT:
            message = f"--lock-timeout {locking.lock_timeout:g} is too short for --on"
            raise UsageError(message, f"the lease of a lost worker lasts {MIN_LOCK_TIMEOUT:g} s: pass more, or nothing")
        return replace(settings, lock_timeout=LOCK_TIMEOUT if locking.lock_timeout is None else locking.lock_timeout)

    def refuse_stage(self, *, stage: bool, discard: str | None) -> None:
        """UsageError for a run that makes or drops candidates."""
        if self.on is not None and (stage or discard is not None):
            word = "--stage" if stage else "--discard-staged"
            raise UsageError(f"{word} and --on exclude each other", f"run {word} without --on")

    def refuse_for_saved_plan(self) -> None:
        """UsageError if a saved plan is applied: the workers plan from the manifests."""
        if self.on is not None:
            hint = "pass the path of the manifests, and the saved plan to --reviewed"
            raise UsageError("--on cannot apply a saved plan, because each worker makes its own plan", hint)

    @contextmanager
    def open_carrier(
        self,
        path: Path,
        options: Options,
        subjects: Mapping[str, object],
        run: FleetRun | None = None,
    ) -> "Iterator[DaskCarrier]":
        """The carrier of a run on the fleet. ``subjects``: by target, its catalog, or why there is none.

        ManifestError for a source or store that a worker cannot read. ImagesyncError without a connection.
        """
        from imagesync.fleet.carrier import DaskCarrier, open_client
        from imagesync.fleet.roles import Role
        from imagesync.fleet.servers import parse_address
        from imagesync.fleet.settings import find_certificates

        run = run or FleetRun()
        address = parse_address(str(self.on))
        catalogs = {name: one for name, one in subjects.items() if isinstance(one, Catalog)}
        order = make_order(path, options, catalogs, run)
        refused = {name: one for name, one in subjects.items() if isinstance(one, ImagesyncError)}
        reviewed, without_review = encode_reviewed(catalogs, run)
        certificates = find_certificates(find_folder(self.tls), Role.CLIENT)
        with open_client(address, certificates) as client:
            names = {name: one.name for name, one in catalogs.items()}
            refused |= without_review
            yield DaskCarrier(client, order, refused, reviewed, catalogs=names, address=address, unlock=run.unlock)


def make_order(path: Path, options: Options, catalogs: Mapping[str, Catalog], run: FleetRun) -> "FleetOrder":
    """What a new run asks of each target; ManifestError for a source or store that only this host has."""
    from imagesync.fleet.assignment import FleetOrder
    from imagesync.version import __version__

    return FleetOrder(
        __version__,
        secrets.token_hex(8),
        _read_texts(path, options, catalogs, run.folder),
        _make_limits(options),
        options.jobs,
        run.lock_timeout,
        accepts_changes=run.accepts_changes,
        creates_stores=run.creates_stores,
    )


def _read_texts(path: Path, options: Options, catalogs: Mapping[str, Catalog], folder_of_plans: str) -> "ManifestTexts":
    """What the workers read; ManifestError for a source or store that only this host has."""
    from imagesync.fleet.assignment import ManifestTexts
    from imagesync.fleet.materials import find_what_stays_here, read_texts
    from imagesync.manifest.loader import read_manifest

    manifest = read_manifest(path, allow_outside=options.allow_outside)
    if problems := find_what_stays_here(manifest, catalogs):
        raise ManifestError(problems)
    folder, files = read_texts(path, catalogs.values(), allow_outside=options.allow_outside)
    display = str(path if path.is_dir() else path.parent)
    return ManifestTexts(
        files,
        "." if path.is_dir() else path.name,
        str(folder),
        "" if display == "." else f"{display}/",
        folder_of_plans,
        parse_pairs(options.set_values),
        tuple(options.only),
        options.strict,
        tuple(options.source_hosts),
        options.min_source_rate * 1024,
        not options.no_source_check,
        options.allow_outside,
    )


def encode_reviewed(names: Iterable[str], run: FleetRun) -> tuple[dict[str, dict[str, Any]], dict[str, ImagesyncError]]:
    """By target, the document of its reviewed plan; and why a target has none although it needs one."""
    from imagesync.planfile.writer import encode_plan

    reviewed, missing = dict[str, dict[str, Any]](), dict[str, ImagesyncError]()
    for name in names:
        try:
            plan = run.find_reviewed(name)
        except ImagesyncError as error:
            missing[name] = error
        else:
            reviewed |= {name: encode_plan(plan, tool="", folder=plan.base)} if plan is not None else {}
    return reviewed, missing


def _make_limits(options: Options) -> "Limits":
    from imagesync.fleet.assignment import Limits

    return Limits(
        parse_limit("max-delete", options.max_delete),
        parse_limit("max-update", options.max_update),
        options.allow_protected,
        options.destroy,
        options.reactivate,
        options.drift_only,
    )
