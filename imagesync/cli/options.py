"""The options of the commands, each defined once, with its help. No I/O.

``with_options`` adds the fields of ``Options``, and of other dataclasses, to the parameters of a command. So an option has
the same name and help in every command.
"""

import inspect
import re
from collections.abc import Callable, Collection
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from enum import StrEnum
from functools import partial, wraps
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_type_hints

import typer

from imagesync.cli.completion import complete_clouds, complete_keys, complete_targets
from imagesync.errors import UsageError
from imagesync.lease import LOCK_TIMEOUT
from imagesync.model.policy import Limit, Policy
from imagesync.secrets import show_key
from imagesync.text import make_printable

if TYPE_CHECKING:
    from imagesync.manifest.selection import Choice
    from imagesync.sources import SourceAccess

MAX_LIMIT_DIGITS: Final = 9
MAX_PERCENT: Final = 100
_NO_HOST: Final = re.compile(r"[\s/\\@]")
CONTEXT: Final = {"help_option_names": ["-h", "--help"]}


def make_command() -> typer.Typer:
    """A Typer application for one command; each module of ``commands`` has one as ``app``."""
    return typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, context_settings=CONTEXT
    )


class Form(StrEnum):
    """The format of the output."""

    TEXT = "text"
    JSON = "json"


class ListForm(StrEnum):
    """The format of a listing."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"
    CSV = "csv"
    HTML = "html"


class ValidateForm(StrEnum):
    """The format of the problems of manifests."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    GITLAB = "gitlab"
    SARIF = "sarif"


class RoleName(StrEnum):
    """The role of an owned image, in the words of the documentation."""

    CURRENT = "current"
    CANDIDATE = "candidate"
    RETIRED = "retired"
    DELETING = "deleting"


PathArgument = Annotated[Path, typer.Argument(help="A manifest, or a folder of manifests.", metavar="PATH")]
PathOrPlan = Annotated[
    Path, typer.Argument(help="A manifest, a folder of manifests, or a saved plan.", metavar="PATH|PLAN.json")
]
TargetName = Annotated[
    str | None,
    typer.Option("--target", help="Use this target of the manifest.", metavar="NAME", autocompletion=complete_targets),
]
CloudName = Annotated[
    str | None,
    typer.Option("--cloud", help="Use this cloud of clouds.yaml.", metavar="NAME", autocompletion=complete_clouds),
]
CloudsFile = Annotated[
    Path | None,
    typer.Option(
        "--clouds-file", help="Use this file instead of the user's and the system's clouds.yaml.", metavar="FILE"
    ),
]
StorePath = Annotated[
    Path | None,
    typer.Option(
        "--store",
        help="Use the local store in this folder. Only apply and adopt create it if it does not exist.",
        metavar="DIR",
    ),
]
Values = Annotated[
    list[str], typer.Option("--set", help="Set the value of ${NAME} (repeatable).", metavar="NAME=VALUE")
]
Only = Annotated[
    list[str],
    typer.Option(
        "--only",
        help="Use only the keys that match this glob (repeatable).",
        metavar="KEY",
        autocompletion=complete_keys,
    ),
]
AllowOutside = Annotated[
    bool,
    typer.Option(
        "--allow-outside",
        help="Allow paths and links to leave the catalog's folder, and a saved plan to use files elsewhere.",
    ),
]
SourceHosts = Annotated[
    list[str],
    typer.Option(
        "--source-hosts",
        help="Fetch only from hosts that match this glob (repeatable); they may be private hosts.",
        metavar="HOST",
    ),
]
Format = Annotated[Form, typer.Option("--format", help="The format of the output.")]
NoSourceCheck = Annotated[
    bool,
    typer.Option("--no-source-check", help="Do not check in advance the URLs and local files of images."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Report unused profiles and values as errors, not as warnings.")]
Color = Annotated[
    bool | None,
    typer.Option("--color/--no-color", help="Use colors (default: on a terminal, unless NO_COLOR is set)."),
]

Stage = Annotated[
    bool,
    typer.Option("--stage", help="Only upload and verify new builds, as private, hidden candidates; publish nothing."),
]
Discard = Annotated[
    str | None,
    typer.Option(
        "--discard-staged",
        help="Only drop candidates: all except rejected ones, or all of the keys that match KEY (a glob).",
        metavar="[KEY]",
        autocompletion=complete_keys,
    ),
]
EVERY_KEY = "*"
Ids = Annotated[
    Path | None,
    typer.Option(
        "--ids",
        help="Write the image id of each key as JSON, for tools that pin images; with --stage those of candidates.",
        metavar="FILE",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def fill_optional_values(words: list[str]) -> list[str]:
    """The words of the command line; ``--discard-staged`` without a value gets ``*``, which matches every key."""
    return [
        f"{word}={EVERY_KEY}" if word == "--discard-staged" and after.startswith("-") else word
        for word, after in zip_longest(words, words[1:], fillvalue="-")
    ]


@dataclass(frozen=True, slots=True)
class Options:
    """The options that select the target, the manifest and the limits of a plan."""

    target: TargetName = None
    cloud: CloudName = None
    clouds_file: CloudsFile = None
    store: StorePath = None
    set_values: Values = field(default_factory=list)
    only: Only = field(default_factory=list)
    jobs: Annotated[
        int, typer.Option("--jobs", help="Run this many steps at the same time.", metavar="N", min=1, max=64)
    ] = 8
    max_delete: Annotated[
        str | None,
        typer.Option("--max-delete", help="Allow at most this number, or percentage, of removed keys.", metavar="N|N%"),
    ] = None
    max_update: Annotated[
        str | None,
        typer.Option("--max-update", help="Allow at most this number, or percentage, of changed keys.", metavar="N|N%"),
    ] = None
    allow_protected: Annotated[
        bool, typer.Option("--allow-protected", help="Allow a plan that deletes, hides or releases protected images.")
    ] = False
    destroy: Annotated[
        bool,
        typer.Option(
            "--destroy",
            help="Allow a plan that removes every image of the catalog; all other plans keep the limit of --max-delete.",
        ),
    ] = False
    reactivate: Annotated[
        bool, typer.Option("--reactivate", help="Reactivate images that another user deactivated.")
    ] = False
    drift_only: Annotated[bool, typer.Option("--drift-only", help="Only restore drifted values.")] = False
    allow_outside: AllowOutside = False
    source_hosts: SourceHosts = field(default_factory=list)
    min_source_rate: Annotated[
        int,
        typer.Option(
            "--min-source-rate",
            help="Give up a mirror that is slower than this for a minute; 0: never.",
            metavar="KIB/S",
            min=0,
        ),
    ] = 64
    no_source_check: NoSourceCheck = False
    strict: Strict = False

    def __post_init__(self) -> None:
        self.make_choice(None)  # UsageError if two options select a place
        parse_limit("max-delete", self.max_delete)
        parse_limit("max-update", self.max_update)
        for glob in self.source_hosts:
            check_host(glob)

    def make_choice(self, environment: str | None) -> "Choice":
        """The choice of the place of a run; UsageError if two options select one."""
        from imagesync.manifest.selection import Choice

        return Choice(self.target, self.cloud, str(self.store) if self.store else None, environment)

    def make_access(self) -> "SourceAccess":
        """The rules of this run for access to sources."""
        from imagesync.sources import SourceAccess

        rate = self.min_source_rate * 1024
        return SourceAccess(tuple(self.source_hosts), rate, asks_sources=not self.no_source_check)

    @property
    def names_target(self) -> bool:
        """Whether an option names the cloud or store, instead of the saved plan."""
        return bool(self.cloud or self.store)

    def policy(self, declared: Policy) -> Policy:
        """The manifest's policy with the limits and permissions of the command line."""
        return replace(
            declared,
            max_delete=parse_limit("max-delete", self.max_delete) or declared.max_delete,
            max_update=parse_limit("max-update", self.max_update) or declared.max_update,
            allow_protected=self.allow_protected,
            allow_destroy=self.destroy,
            reactivate=self.reactivate,
            drift_only=self.drift_only,
        )


@dataclass(frozen=True, slots=True)
class Locking:
    """Whether a run takes the lease, and how many seconds it waits for it; UsageError if the options exclude each other."""

    lock_timeout: Annotated[
        float | None,
        typer.Option(
            "--lock-timeout",
            help=f"Wait this long for the lease while another run holds it (default: {LOCK_TIMEOUT:g}).",
            metavar="SECONDS",
            min=0,
        ),
    ] = None
    no_lock: Annotated[
        bool, typer.Option("--no-lock", help="Take no lease: other runs may change the catalog, too.")
    ] = False

    def __post_init__(self) -> None:
        if self.no_lock and self.lock_timeout is not None:
            raise UsageError("--lock-timeout has no effect with --no-lock, which takes no lease", "pass one of them")

    @property
    def seconds(self) -> float:
        """How long to wait for the lease."""
        return LOCK_TIMEOUT if self.lock_timeout is None else self.lock_timeout


def parse_pairs(given: list[str]) -> dict[str, str]:
    """``--set`` as a mapping; UsageError for a name that is given twice."""
    found: dict[str, str] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not (name and equals):
            raise UsageError(f"--set {make_printable(item)}: not NAME=VALUE", "write --set name=value")
        if name in found:
            raise UsageError(f"--set {make_printable(name)} is given twice", "pass it once")
        found[name] = value
    return found


def parse_limit(option: str, text: str | None) -> Limit | None:
    """``9`` or ``30%`` as a limit; UsageError for any other text."""
    if text is None:
        return None
    number = text.removesuffix("%").strip()
    if not (number.isascii() and number.isdigit() and len(number) <= MAX_LIMIT_DIGITS):
        raise UsageError(
            f"--{option} {make_printable(text)}: not a number or a percentage", f"write --{option} 9 or --{option} 30%"
        )
    limit = Limit(int(number), percent=text.endswith("%"))
    if limit.percent and limit.value > MAX_PERCENT:
        raise UsageError(f"--{option} {text}: more than {MAX_PERCENT} %", f"write --{option} {MAX_PERCENT}%")
    return limit


def check_host(glob: str) -> None:
    """UsageError for a value of ``--source-hosts`` that no host can match: it has a URL, a port or a space."""
    if _NO_HOST.search(glob) or glob.count(":") == 1:  # an IPv6 address has several colons
        message = f"--source-hosts {show_key(glob)}: not a host or a glob of hosts"
        raise UsageError(message, "write only the host, for example --source-hosts '*.example.org'")


def without_options(*names: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """``with_options`` for a command that does not have the options of these fields."""
    return partial(with_options, without=names)


def with_options(command: Callable[..., int], *, without: Collection[str] = ()) -> Callable[..., int]:
    """The command with each parameter that is a dataclass replaced by the fields of that dataclass, as options."""
    hints = get_type_hints(command, include_extras=True)
    parts = {
        name: [option for option in _list_options(hints[name]) if option.name not in without]
        for name in inspect.signature(command).parameters
        if is_dataclass(hints[name])
    }
    parameters = [
        added
        for own in inspect.signature(command).parameters.values()
        for added in parts.get(own.name, [own.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[own.name])])
    ]

    @wraps(command)
    def run(**given: Any) -> int:
        values = {
            name: hints[name](**{option.name: given.pop(option.name) for option in options})
            for name, options in parts.items()
        }
        return command(**values, **given)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what Typer reads
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _list_options(value: Any) -> list[inspect.Parameter]:
    """The fields of a dataclass that are options: those with ``Annotated`` types."""
    hints = get_type_hints(value, include_extras=True)
    return [
        inspect.Parameter(
            item.name, inspect.Parameter.KEYWORD_ONLY, default=_find_default(item), annotation=hints[item.name]
        )
        for item in fields(value)
        if hasattr(hints[item.name], "__metadata__")
    ]


def _find_default(item: Any) -> Any:
    return item.default if item.default is not MISSING else item.default_factory()
