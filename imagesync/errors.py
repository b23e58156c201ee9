"""The errors imagesync raises, and the diagnostic they carry. No I/O.

The tree; each class carries objects and words itself in ``__str__``:

    ImagesyncError
    ├── UsageError            the command line or the configuration is wrong            (exit 64)
    │   └── UndefinedCloud    no clouds.yaml defines the selected cloud
    ├── ManifestError         the manifests have problems: holds Diagnostics            (exit 1)
    ├── PlanRefused           policy, clash or capability forbids the plan              (exit 1)
    ├── StalePlan             the live images changed after the plan was made           (exit 1)
    ├── RunStopped            the caller canceled the run while a step was running      (exit 130)
    ├── BackendError          the image service or the store refused or failed           (exit 1)
    │   ├── NotFound          404: no such image, or not visible to this project
    │   ├── Conflict          409/410: the current state forbids the request
    │   │   └── InUse         409 on DELETE: a server or a volume still uses the image
    │   ├── Forbidden         403: policy, or the image is protected or read-only
    │   ├── InvalidRequest    400/415: the service rejects the request or the data as invalid
    │   ├── QuotaExceeded     413: a limit of the project
    │   ├── Unauthorized      401: the service does not accept the token or the credentials
    │   └── Unavailable       no response, or 429/5xx after the retries
    ├── ForgeError            GitHub or GitLab refused or failed                         (exit 1)
    └── SourceError           the source of an image could not be read
        ├── ChecksumMismatch  its bytes do not have the declared digest
        └── FormatMismatch    its bytes are not of the declared disk_format, or are unsafe
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

MAX_SHOWN_PROBLEMS: Final = 100
"""Problems of manifests in one message."""
MAX_SHOWN_CHANGES: Final = 10
"""Changes of live images in the message of a stale plan."""
MAX_PROBLEMS: Final = 200
"""Loading stops after this many problems of manifests: a reader needs no more, and each costs time."""
MAX_EXCERPT_CHARS: Final = 70
"""Characters of the excerpt of a file: a terminal has 80 columns."""


@dataclass(frozen=True, slots=True, order=True)
class Diagnostic:
    """One problem of one place in a manifest: ``FILE:LINE:COLUMN: where: message; hint``.

    Lines and columns count from 1; 0 means that the place has none (a whole file, a ``--set`` value). A problem without a
    place has an empty ``file``. ``excerpt`` is that line of the file, printable; only for problems that the message alone
    does not explain.
    """

    file: str
    line: int
    column: int
    where: str
    message: str
    hint: str = ""
    excerpt: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        what = f"{self.where}: {self.message}" if self.where else self.message
        whole = f"{place}: {what}" if place else what
        return f"{whole}; {self.hint}" if self.hint else whole


class ImagesyncError(Exception):
    """Every expected failure. Its text is for users: what is wrong, then ``hint``, which says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(ImagesyncError):
    """The command line or the configuration is wrong."""


class UndefinedCloud(UsageError):
    """No clouds.yaml defines the selected cloud."""


class ManifestError(ImagesyncError):
    """The manifests have problems. ``diagnostics`` holds every problem of every file once, sorted."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(sorted(_merge_repeated(set(diagnostics))))
        count = len(self.diagnostics)
        many = f"{'at least ' * (count >= MAX_PROBLEMS)}{count} problem{'s' * (count != 1)}"
        super().__init__(f"{many} in the manifests")

    def __str__(self) -> str:
        display = self.diagnostics[:MAX_SHOWN_PROBLEMS]
        lines = [line for item in display for line in (str(item), *_draw_excerpt(item))]
        if (more := len(self.diagnostics) - len(display)) > 0:
            lines.append(f"and {more} more; see them all with: imagesync validate --format json")
        return "\n".join([*lines, self.message])


def _merge_repeated(problems: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """One problem for each place: a line of defaults, of a profile or of the policy applies to many images."""
    groups: dict[object, list[Diagnostic]] = {}
    for item in problems:
        same = (item.file, item.line, item.column, item.message, item.hint) if item.line else item
        groups.setdefault(same, []).append(item)
    for group in groups.values():
        first, *others = sorted(group, key=lambda item: (item.where.startswith("images."), item))
        is_of_images = bool(others) and first.where.startswith("images.")
        yield replace(first, where=f"{first.where} (and {len(others)} more)") if is_of_images else first


def _draw_excerpt(problem: Diagnostic) -> list[str]:
    """The part of the line around the column, indented, and a caret below it; empty if there is no excerpt."""
    if not problem.excerpt:
        return []
    at = min(problem.column - 1, len(problem.excerpt))
    start = max(0, at - MAX_EXCERPT_CHARS // 2) if len(problem.excerpt) > MAX_EXCERPT_CHARS else 0
    display = problem.excerpt[start : start + MAX_EXCERPT_CHARS]
    head, tail = "… " * (start > 0), " …" * (start + len(display) < len(problem.excerpt))
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in display[: at - start])
    return [f"    {head}{display}{tail}", f"    {' ' * (len(head) + at - start + wide)}^"]


class PlanRefused(ImagesyncError):
    """imagesync refuses to make or to apply the plan; ``refusals`` holds one sentence for each reason."""

    def __init__(self, refusals: Sequence[str]) -> None:
        self.refusals = tuple(refusals)
        super().__init__("\n".join(self.refusals))


class StalePlan(ImagesyncError):
    """Images that the plan relies on have changed; ``changes`` holds one sentence for each, ``remedy`` what to do."""

    remedy: Final = "nothing was applied; make the plan again: imagesync plan PATH"

    def __init__(self, changes: Sequence[str]) -> None:
        self.changes = tuple(changes)
        if len(self.changes) == 1:
            super().__init__(f"the plan is stale: {self.changes[0]}", self.remedy)
            return
        display = [f"  {change}" for change in self.changes[:MAX_SHOWN_CHANGES]]
        more = len(self.changes) - len(display)
        lines = [*display, *([f"  and {more} more"] if more else [])]
        super().__init__("\n".join([f"the plan is stale, {len(self.changes)} changes:", *lines, self.remedy]))


class LeaseLost(ImagesyncError):
    """The run no longer holds the lease of its catalog and must not write."""


class RunStopped(ImagesyncError):
    """The caller canceled the run during this step; users see no result of the step."""

    def __init__(self) -> None:
        super().__init__("the run was interrupted", "run apply again to continue")


class BackendError(ImagesyncError):
    """The image service or the local store refused or failed."""


class NotFound(BackendError):
    """No such image, or not visible to this project."""


class Conflict(BackendError):
    """The current state of the image forbids the request."""


class InUse(Conflict):
    """The image cannot be deleted while a server or a volume uses it."""


class Forbidden(BackendError):
    """The service's policy forbids the request, or the image is protected or read-only."""


class InvalidRequest(BackendError):
    """The service rejects the request or the data as invalid."""


class QuotaExceeded(BackendError):
    """A limit of the project or of the service is reached."""


class Unauthorized(BackendError):
    """The service does not accept the token or the credentials."""


class Unavailable(BackendError):
    """The service sent no response, or only 429 or 5xx: whether a write was carried out is unknown.

    ``retry_after``: seconds that the service asks the client to wait, 0 if it names none. ``status``: the HTTP status,
    0 without a response.
    """

    def __init__(self, message: str, hint: str = "", *, retry_after: float = 0.0, status: int = 0) -> None:
        super().__init__(message, hint)
        self.retry_after, self.status = retry_after, status


class ForgeError(ImagesyncError):
    """GitHub or GitLab refused or failed, or does not have what a command needs.

    ``status``: the HTTP status of its response, 0 without one.
    """

    def __init__(self, message: str, hint: str = "", *, status: int = 0) -> None:
        super().__init__(message, hint)
        self.status = status


class SourceError(ImagesyncError):
    """The source of an image could not be read."""


class ChecksumMismatch(SourceError):
    """The bytes do not have the declared digest."""


class FormatMismatch(SourceError):
    """The bytes are not of the declared disk_format, or are unsafe to store."""


class Bug(Exception):
    """An unexpected error of imagesync; its text is the traceback. Not an ImagesyncError: exit 3, a log is written."""
