"""The errors imagesync raises, and the diagnostic they carry. No I/O.

The tree; each class carries objects and words itself in ``__str__``:

    ImagesyncError
    ├── UsageError            the command line or the configuration is wrong            (exit 64)
    ├── ManifestError         the set of manifests is unusable: holds Diagnostics       (exit 1)
    ├── PlanRefused           policy, clash or capability forbids the plan              (exit 1)
    ├── StalePlan             the cloud is no longer as the plan saw it                 (exit 1)
    ├── RunStopped            the caller canceled the run while a step was running      (exit 130)
    ├── BackendError          the image service or the store refused or failed           (exit 1)
    │   ├── NotFound          404: no such image, or not visible to this project
    │   ├── Conflict          409/410: the present state forbids the request
    │   │   └── InUse         409 on DELETE: something still uses the image
    │   ├── Forbidden         403: policy, or a protected or read-only thing
    │   ├── InvalidRequest    400/415: the service finds the request or the data wrong
    │   ├── QuotaExceeded     413: a limit of the project
    │   ├── Unauthorized      401: the token or the credentials are not accepted
    │   └── Unavailable       no answer, or 429/5xx after the retries
    └── SourceError           the bytes of an image could not be had
        ├── ChecksumMismatch  they are not the declared ones
        └── FormatMismatch    they are not of the declared disk_format, or unsafe
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

MAX_SHOWN_PROBLEMS: Final = 100
"""Problems of manifests that a message lists."""
MAX_SHOWN_CHANGES: Final = 10
"""Changes of live images that the message of a stale plan lists."""
MAX_PROBLEMS: Final = 200
"""Problems of manifests after which loading stops: a reader needs no more, and each costs time."""
MAX_EXCERPT_CHARS: Final = 70
"""Of a line of a file that is shown: a terminal has 80 columns."""


@dataclass(frozen=True, slots=True, order=True)
class Diagnostic:
    """One problem of one place in a manifest: ``FILE:LINE:COLUMN: where: message; hint``.

    Lines and columns count from 1; 0 means that the place has none (a whole file, a ``--set`` value). ``excerpt``: that
    line of the file, printable, where a person sees the mistake only in it.
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
        return f"{place}: {what}; {self.hint}" if self.hint else f"{place}: {what}"


class ImagesyncError(Exception):
    """Anything that imagesync expects to go wrong; its text is one line fit for a person."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(ImagesyncError):
    """The command line or the configuration is wrong."""


class ManifestError(ImagesyncError):
    """The manifests cannot be used; every problem of every file is in ``diagnostics``, sorted, each once."""

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
    """One problem for each place: a line of defaults, a profile or the policy is that of many images."""
    groups: dict[object, list[Diagnostic]] = {}
    for item in problems:
        same = (item.file, item.line, item.column, item.message, item.hint) if item.line else item
        groups.setdefault(same, []).append(item)
    for group in groups.values():
        first, *others = sorted(group, key=lambda item: (item.where.startswith("images."), item))
        is_of_images = bool(others) and first.where.startswith("images.")
        yield replace(first, where=f"{first.where} (and {len(others)} more)") if is_of_images else first


def _draw_excerpt(problem: Diagnostic) -> list[str]:
    """The line of the file, indented and cut around the place, and a caret below the column; nothing without an excerpt."""
    if not problem.excerpt:
        return []
    at = min(problem.column - 1, len(problem.excerpt))
    start = max(0, at - MAX_EXCERPT_CHARS // 2) if len(problem.excerpt) > MAX_EXCERPT_CHARS else 0
    display = problem.excerpt[start : start + MAX_EXCERPT_CHARS]
    head, tail = "… " * (start > 0), " …" * (start + len(display) < len(problem.excerpt))
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in display[: at - start])
    return [f"    {head}{display}{tail}", f"    {' ' * (len(head) + at - start + wide)}^"]


class PlanRefused(ImagesyncError):
    """The plan may not be made or applied; ``refusals`` holds one sentence a reason."""

    def __init__(self, refusals: Sequence[str]) -> None:
        self.refusals = tuple(refusals)
        super().__init__("\n".join(self.refusals))


class StalePlan(ImagesyncError):
    """What the plan relied on has changed; ``changes`` holds one sentence a change, of which the text has the first."""

    def __init__(self, changes: Sequence[str]) -> None:
        self.changes = tuple(changes)
        hint = "nothing was applied; make the plan again: imagesync plan PATH"
        if len(self.changes) == 1:
            super().__init__(f"the plan is stale: {self.changes[0]}", hint)
            return
        display = [f"  {change}" for change in self.changes[:MAX_SHOWN_CHANGES]]
        more = len(self.changes) - len(display)
        lines = [*display, *([f"  and {more} more"] if more else [])]
        super().__init__("\n".join([f"the plan is stale, {len(self.changes)} changes:", *lines, hint]))


class LeaseLost(ImagesyncError):
    """The run no longer holds the lease of its catalog, and must stop writing."""


class RunStopped(ImagesyncError):
    """The caller canceled the run: this step ended before it was done, and nothing of it is visible."""

    def __init__(self) -> None:
        super().__init__("the run was interrupted", "run apply again to continue")


class BackendError(ImagesyncError):
    """The image service or the local store refused or failed."""


class NotFound(BackendError):
    """No such image, or not visible to this project."""


class Conflict(BackendError):
    """The present state of the image forbids the request."""


class InUse(Conflict):
    """The image cannot be deleted while something uses it."""


class Forbidden(BackendError):
    """The service's policy forbids it, or the thing is protected or read-only."""


class InvalidRequest(BackendError):
    """The service finds the request, or the data, wrong."""


class QuotaExceeded(BackendError):
    """A limit of the project or of the service is reached."""


class Unauthorized(BackendError):
    """The token or the credentials are not accepted."""


class Unavailable(BackendError):
    """No answer, or only failures, from the service: whether a write got through is unknown.

    ``retry_after``: seconds that it asks to be left alone for, 0 where it does not say. ``status``: of its answer, 0 if
    there was none.
    """

    def __init__(self, message: str, hint: str = "", *, retry_after: float = 0.0, status: int = 0) -> None:
        super().__init__(message, hint)
        self.retry_after, self.status = retry_after, status


class SourceError(ImagesyncError):
    """The bytes of an image could not be read."""


class ChecksumMismatch(SourceError):
    """The bytes are not the declared ones."""


class FormatMismatch(SourceError):
    """The bytes are not of the declared disk_format, or are unsafe to store."""


class Bug(Exception):
    """An unexpected error of imagesync; its text is the traceback. Not an ImagesyncError: exit 3, a log is written."""
