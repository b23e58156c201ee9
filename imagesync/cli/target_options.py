"""The options of a command for several targets: which, and what they share. No I/O."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from imagesync.cli.completion import complete_targets
from imagesync.cli.options import Options, parse_limit
from imagesync.errors import UsageError
from imagesync.model.policy import Limit
from imagesync.text import make_printable

if TYPE_CHECKING:
    from imagesync.sources import SharedSources

MAX_PARALLEL: Final = 64
"""Targets that are worked for at the same time: each has a connection and some threads."""
_SIZE: Final = re.compile(r"([0-9]{1,15}) ?(?:([KMGT]?)(?:iB|B)?)", re.IGNORECASE)
_SHIFTS: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}

TargetNames = Annotated[
    list[str],
    typer.Option(
        "--target",
        help="Use this target of the manifest (repeatable).",
        metavar="NAME",
        autocompletion=complete_targets,
    ),
]
AllTargets = Annotated[bool, typer.Option("--all-targets", help="Use every target of the manifest.")]


@dataclass(frozen=True, slots=True)
class TargetChoice:
    """Which targets of the manifest a command is for; UsageError if the options contradict each other."""

    targets: TargetNames = field(default_factory=list)
    all_targets: AllTargets = False
    parallel_targets: Annotated[
        int | None,
        typer.Option(
            "--parallel-targets",
            help=f"Work for this many targets at the same time (default: {MAX_PARALLEL}).",
            metavar="N",
            min=1,
            max=MAX_PARALLEL,
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.all_targets and self.targets:
            raise UsageError("--target and --all-targets exclude each other", "pass one of them")
        for name in self.targets:
            if self.targets.count(name) > 1:
                raise UsageError(f"--target {make_printable(name)} is given twice", "pass it once")

    @property
    def is_several(self) -> bool:
        """Whether the command is for several targets; also if the manifest has only one of them."""
        return self.all_targets or len(self.targets) > 1

    @property
    def parallel(self) -> int:
        """How many targets work at the same time."""
        return self.parallel_targets or MAX_PARALLEL

    def fill_in(self, options: Options) -> Options:
        """The options with the only target; for several targets unchanged, because each gets its own."""
        if not self.is_several:
            return replace(options, target=self.targets[0]) if self.targets else options
        word = "--all-targets" if self.all_targets else "--target"
        for other, value in (("--cloud", options.cloud), ("--store", options.store)):
            if value is not None:
                raise UsageError(f"{word} and {other} exclude each other: each selects a place", "keep one")
        return options

    def refuse_limits(self) -> None:
        """UsageError for an option that only matters for several targets."""
        if self.parallel_targets is not None:
            raise refuse_lone("--parallel-targets")


def refuse_lone(option: str) -> UsageError:
    """The error for an option that only matters for several targets."""
    return UsageError(f"{option} has no effect on a run of one target", "remove it, or pass --all-targets")


@dataclass(frozen=True, slots=True)
class SharingOptions:
    """What the targets of one run share: the limit of failures for the next wave, and the downloads."""

    max_failed_targets: Annotated[
        str | None,
        typer.Option(
            "--max-failed-targets",
            help="Start the next wave if at most this number, or percentage, of the targets failed (default: 0).",
            metavar="N|N%",
        ),
    ] = None

    spool: Annotated[
        str | None,
        typer.Option(
            "--spool",
            help="The folder for temporary data that several targets need: each source is read once (default: "
            "/var/tmp). off: each target reads its sources itself.",
            metavar="DIR|off",
        ),
    ] = None
    spool_limit: Annotated[
        str | None,
        typer.Option(
            "--spool-limit",
            help="Use at most this much of the folder of --spool, for example 40GiB (default: half of what is free).",
            metavar="SIZE",
        ),
    ] = None

    def __post_init__(self) -> None:
        parse_limit("max-failed-targets", self.max_failed_targets)
        parse_size("spool-limit", self.spool_limit)
        if self.spool == "off" and self.spool_limit is not None:
            raise UsageError("--spool-limit has no effect with --spool off", "pass one of them")

    def share(self, targets: Iterable[str], warn: Callable[[str], None]) -> "SharedSources | None":
        """The shared sources of these targets; None with ``--spool off``. UsageError for a folder that cannot be used."""
        from imagesync.sources import SharedSources

        if self.spool == "off":
            return None
        return SharedSources(targets, folder=self.spool, limit=parse_size("spool-limit", self.spool_limit), warn=warn)

    @property
    def limit(self) -> Limit:
        """The limit of failed targets."""
        return parse_limit("max-failed-targets", self.max_failed_targets) or Limit(0)

    def refuse(self) -> None:
        """UsageError if one of the options was given, for a run of one target."""
        word = "--max-failed-targets" if self.max_failed_targets is not None else self._find_spool_option()
        if word is not None:
            raise refuse_lone(word)

    def refuse_on_fleet(self) -> None:
        """UsageError if an option about shared downloads was given, for a run on a fleet."""
        if (word := self._find_spool_option()) is not None:
            raise UsageError(f"{word} has no effect with --on: each worker reads its sources itself", "remove it")

    def _find_spool_option(self) -> str | None:
        given = {"--spool": self.spool, "--spool-limit": self.spool_limit}
        return next((word for word, value in given.items() if value is not None), None)


def parse_size(option: str, text: str | None) -> int | None:
    """``40GiB`` as bytes; without a unit it is a number of bytes. UsageError for any other text."""
    if text is None:
        return None
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"--{option} {make_printable(text)}: not a size", f"write, for example, --{option} 40GiB")
    return int(found[1]) << _SHIFTS[found[2].upper()]
