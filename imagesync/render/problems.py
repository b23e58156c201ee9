"""An error -> its problems, without secrets and control characters. Pure."""

from collections.abc import Iterator

from imagesync.errors import Diagnostic, ImagesyncError, ManifestError, PlanRefused, StalePlan
from imagesync.secrets import clean_diagnostic, hide_secrets
from imagesync.text import make_printable


def list_problems(error: ImagesyncError) -> tuple[Diagnostic, ...]:
    """One problem for each of the manifests, each refusal and each change of a stale plan; else one for the error.

    A problem without a place in a file has an empty ``file``. Values that look like a secret are removed.
    """
    return tuple(_iterate_problems(error))


def _iterate_problems(error: ImagesyncError) -> Iterator[Diagnostic]:
    match error:
        case ManifestError(diagnostics=problems):
            yield from map(clean_diagnostic, problems)
        case PlanRefused(refusals=refusals):
            yield from (_make_problem(refusal, "") for refusal in refusals)
        case StalePlan(changes=changes):
            yield from (_make_problem(f"the plan is stale: {change}", error.remedy) for change in changes)
        case _:
            yield _make_problem(error.message, error.hint)


def _make_problem(message: str, hint: str) -> Diagnostic:
    return Diagnostic("", 0, 0, "", hide_secrets(message), hide_secrets(hint))


def describe_error(error: ImagesyncError) -> str:
    """The lines of an error without control characters, which quoted texts may contain.

    Problems of manifests quote files: values that look like a secret are removed from them.
    """
    if isinstance(error, ManifestError):
        error = ManifestError(list(map(clean_diagnostic, error.diagnostics)))
    return "\n".join(map(make_printable, str(error).split("\n")))
