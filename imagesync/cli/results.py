"""The result of a command -> its text in each format. No I/O; a renderer is imported only if its format is asked for.

A result is one class of this module. A format is one case of ``format_result``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from imagesync.cli.result_options import MAX_BYTES, ResultForm
from imagesync.cli.saved_plans import make_document
from imagesync.errors import ImagesyncError
from imagesync.model.catalog import Catalog
from imagesync.model.drift import DriftReport, PlaceDrift
from imagesync.model.explanation import Explanation
from imagesync.model.image import Identity
from imagesync.model.plan import Plan
from imagesync.model.report import Report
from imagesync.model.reported import ReportedRun
from imagesync.model.targets import PlannedTarget, TargetRun
from imagesync.planfile.writer import format_document
from imagesync.render.place import describe_target, name_target, place_to_json
from imagesync.render.problems import describe_error, list_problems
from imagesync.render.style import Detail, Paint, leave_plain
from imagesync.text import format_json, make_printable
from imagesync.version import __version__

if TYPE_CHECKING:
    from imagesync.render.document import Collection, Document
    from imagesync.render.drift import CommandOf
    from imagesync.render.metrics import Measures
    from imagesync.render.target_drift import TargetsCommandOf


@dataclass(frozen=True, slots=True)
class Look:
    """How a result is printed.

    ``now``: the reader's clock. ``width``: the columns of a terminal; None for a file. ``max_bytes``: the limit of a
    Markdown result. ``is_file``: the result is read alone, without the lines on standard error.
    """

    now: datetime
    paint: Paint = leave_plain
    width: int | None = None
    detail: Detail = Detail.USUAL
    max_bytes: int = MAX_BYTES
    is_file: bool = False


@dataclass(frozen=True, slots=True)
class PlanResult:
    """A plan. ``folder``: the paths in its JSON are relative to it. ``refusals``: why the policy refuses it."""

    plan: Plan
    folder: Path
    refusals: tuple[str, ...] = ()

    def make_text(self, look: Look) -> str:
        """The text for a terminal, where the caller prints the refusals as an error; a file has them."""
        from imagesync.render.text import format_plan

        text = format_plan(self.plan, look.paint, now=look.now, detail=look.detail, width=look.width)
        return "\n".join([text, *(f"Error: {line}" for line in self.refusals if look.is_file)])

    def make_json(self) -> str:
        """The document of a saved plan."""
        return format_document(make_document(self.plan, self.folder))

    def make_document(self, look: Look) -> "Document":
        """The plan for a reviewer, with the refusals among its errors."""
        from imagesync.render.documents import make_plan_document

        return make_plan_document(self.plan, now=look.now, detail=look.detail, refusals=self.refusals)

    def make_junit(self, look: Look) -> str:
        """One test case for each change."""
        from imagesync.render.junit import format_plan_junit

        return format_plan_junit(self.plan, now=look.now, refusals=self.refusals)

    def measure(self, started: datetime, ended: datetime) -> "Measures":
        """The pending changes."""
        from imagesync.render.metrics import measure_plan

        return measure_plan(self.plan, started=started, ended=ended, is_refused=bool(self.refusals))


@dataclass(frozen=True, slots=True)
class RunReport:
    """The report of a run, and the current image of each key after it."""

    command: str
    report: Report
    ids: Mapping[str, str]

    def make_text(self, look: Look) -> str:
        """The closing lines of the run."""
        from imagesync.render.report import format_report

        return format_report(self.report, look.paint, width=look.width)

    def make_json(self) -> str:
        """The document of ``--out``."""
        return format_json(self.to_document())

    def to_document(self) -> dict[str, Any]:
        """The JSON as a value."""
        from imagesync.render.result import report_to_json

        return report_to_json(self.report, dict(self.ids))

    def make_document(self, look: Look) -> "Document":
        """The report for a reviewer."""
        from imagesync.render.documents import make_report_document

        return make_report_document(self.report, now=look.now, detail=look.detail)

    def make_junit(self, look: Look) -> str:
        """One test case for each step."""
        from imagesync.render.junit import format_report_junit

        return format_report_junit(self.report, now=look.now)

    def measure(self, started: datetime, ended: datetime) -> "Measures":
        """What the run did."""
        from imagesync.render.metrics import measure_report

        return measure_report(self.report, command=self.command, started=started, ended=ended)


@dataclass(frozen=True, slots=True)
class PlansResult:
    """The plans of several targets. ``documents``: by target, the document of its plan.

    ``counted``: the targets that the last lines of the text count, if these are not the planned ones.
    """

    catalog: str
    planned: tuple[PlannedTarget, ...]
    documents: Mapping[str, Mapping[str, Any]]
    counted: tuple[PlannedTarget, ...] | None = None

    def make_text(self, look: Look) -> str:
        """The text: equal plans once."""
        from imagesync.render.target_text import format_target_plans

        return format_target_plans(
            self.planned, look.paint, now=look.now, detail=look.detail, width=look.width, counted=self.counted
        )

    def make_json(self) -> str:
        """The document of a saved file of plans."""
        return format_json(self.to_document())

    def to_document(self) -> dict[str, Any]:
        """The JSON as a value."""
        from imagesync.targets.saved import encode_plans

        return encode_plans(self.catalog, self.planned, self.documents, tool=f"imagesync {__version__}")

    def make_document(self, look: Look) -> "Collection":
        """The plans for a reviewer."""
        from imagesync.render.target_documents import make_plans_collection

        return make_plans_collection(self.catalog, self.planned, now=look.now, detail=look.detail)

    def make_junit(self, look: Look) -> str:
        """One test suite for each target."""
        from imagesync.render.junit import format_plans_junit

        return format_plans_junit(self.catalog, self.planned, now=look.now)

    def measure(self, started: datetime, ended: datetime) -> "tuple[Measures, ...]":
        """The pending changes of each target."""
        from imagesync.render.metrics import measure_plans

        return measure_plans(self.catalog, self.planned, started=started, ended=ended)


@dataclass(frozen=True, slots=True)
class RunsReport:
    """How the run of each target ended."""

    command: str
    catalog: str
    runs: tuple[TargetRun, ...]

    def make_text(self, look: Look) -> str:
        """The closing lines of the run."""
        from imagesync.render.target_text import format_target_runs

        return format_target_runs(self.runs, look.paint, width=look.width)

    def make_json(self) -> str:
        """The document of ``--out``."""
        return format_json(self.to_document())

    def to_document(self) -> dict[str, Any]:
        """The JSON as a value."""
        from imagesync.render.run_result import runs_to_json

        return runs_to_json(self.catalog, self.runs)

    def make_document(self, look: Look) -> "Collection":
        """The report for a reviewer."""
        from imagesync.render.target_documents import make_runs_collection

        return make_runs_collection(self.command, self.catalog, self.runs, now=look.now, detail=look.detail)

    def make_junit(self, look: Look) -> str:
        """One test suite for each target."""
        from imagesync.render.junit import format_runs_junit

        return format_runs_junit(self.catalog, self.runs, now=look.now)

    def measure(self, started: datetime, ended: datetime) -> "tuple[Measures, ...]":
        """What the run did on each target."""
        from imagesync.render.metrics import measure_runs

        return measure_runs(self.command, self.catalog, self.runs, started=started, ended=ended)


@dataclass(frozen=True, slots=True)
class MergedReport:
    """What the reports of several targets say about their runs."""

    catalog: str
    runs: tuple[ReportedRun, ...]

    def make_text(self, look: Look) -> str:
        """What is not done, and the counts, of each target."""
        from imagesync.render.reported import format_reported

        return format_reported(self.runs, look.paint, width=look.width)

    def make_json(self) -> str:
        """One report, with the schema ``run``."""
        return format_json(self.to_document())

    def to_document(self) -> dict[str, Any]:
        """The JSON as a value."""
        from imagesync.render.run_result import runs_to_json

        return runs_to_json(self.catalog, self.runs)

    def make_document(self, _look: Look) -> "Collection":
        """The reports for a reviewer."""
        from imagesync.render.reported import make_reported_collection

        return make_reported_collection(self.catalog, self.runs)

    def make_junit(self, look: Look) -> str:
        """One test suite for each target."""
        from imagesync.render.junit import format_reported_junit

        return format_reported_junit(self.catalog, self.runs, now=look.now)


@dataclass(frozen=True, slots=True)
class DriftResult:
    """The drift of a catalog. ``command_of``: the command that restores values."""

    report: DriftReport
    catalog: Catalog
    here: Identity
    command_of: "CommandOf"

    def make_text(self, look: Look) -> str:
        """The text for a terminal."""
        from imagesync.render.drift import format_drift

        place = f"Catalog {make_printable(self.catalog.name)} on {describe_target(self.catalog.target.name, self.here)}"
        return format_drift(self.report, place, self.command_of, now=look.now, paint=look.paint, width=look.width)

    def make_json(self) -> str:
        """The JSON document."""
        from imagesync.render.drift import drift_to_json

        return format_json(drift_to_json(self.report, self.catalog.name, place_to_json(self.here), self.command_of))

    def make_document(self, look: Look) -> "Document":
        """The drift for a reviewer."""
        from imagesync.render.drift import make_drift_document

        name, target = self.catalog.name, self.catalog.target.name
        return make_drift_document(self.report, name, target, self.here, self.command_of, now=look.now)

    def measure(self, started: datetime, ended: datetime) -> "Measures":
        """The number of drifted values."""
        from imagesync.render.metrics import measure_drift

        name, target = self.catalog.name, name_target(self.catalog.target.name, self.here)
        return measure_drift(self.report, catalog=name, target=target, started=started, ended=ended)


@dataclass(frozen=True, slots=True)
class DriftsResult:
    """The drift of each target, or why it could not be checked."""

    catalog: str
    found: Mapping[str, PlaceDrift | ImagesyncError]
    command_of: "TargetsCommandOf"

    def make_text(self, look: Look) -> str:
        """The text for a terminal: equal drift once."""
        from imagesync.render.target_drift import format_target_drift

        return format_target_drift(
            self.found, self.catalog, self.command_of, now=look.now, paint=look.paint, width=look.width
        )

    def make_json(self) -> str:
        """The JSON document."""
        from imagesync.render.target_drift import drifts_to_json

        return format_json(drifts_to_json(self.catalog, self.found, self.command_of))

    def make_document(self, look: Look) -> "Collection":
        """The drift for a reviewer."""
        from imagesync.render.target_drift import make_drifts_collection

        return make_drifts_collection(self.catalog, self.found, self.command_of, now=look.now)

    def measure(self, started: datetime, ended: datetime) -> "tuple[Measures, ...]":
        """The number of drifted values of each target."""
        from imagesync.render.metrics import measure_drifts

        return measure_drifts(self.catalog, self.found, started=started, ended=ended)


@dataclass(frozen=True, slots=True)
class ExplanationResult:
    """Why the image of a key is as it is."""

    explanation: Explanation
    catalog: Catalog
    here: Identity

    def make_text(self, look: Look) -> str:
        """The text for a terminal."""
        from imagesync.render.explanation import format_explanation

        place = f"catalog {make_printable(self.catalog.name)} on {describe_target(self.catalog.target.name, self.here)}"
        return format_explanation(self.explanation, place, look.now, look.paint, look.width)

    def make_json(self) -> str:
        """The JSON document."""
        from imagesync.render.explanation import explanation_to_json

        return format_json(explanation_to_json(self.explanation, self.catalog.name, place_to_json(self.here)))

    def make_document(self, look: Look) -> "Document":
        """The explanation for a reviewer."""
        from imagesync.render.explanation import make_explanation_document

        name, target = self.catalog.name, self.catalog.target.name
        return make_explanation_document(self.explanation, name, target, self.here, now=look.now)


@dataclass(frozen=True, slots=True)
class Failure:
    """The error that ended a command before it had a result. ``catalog``, ``target``: as far as they are known.

    ``is_several``: the command is for several targets.
    """

    command: str
    error: ImagesyncError
    catalog: str = ""
    target: str = ""
    is_several: bool = False

    def make_text(self, _look: Look) -> str:
        """The message."""
        return describe_error(self.error)

    def make_json(self) -> str:
        """The JSON document ``errors``."""
        from imagesync.render.result import failure_to_json

        return format_json(failure_to_json(self.command, self.error))

    def make_document(self, _look: Look) -> "Document | Collection":
        """The error for a reviewer."""
        from imagesync.render.documents import make_failure_document
        from imagesync.render.target_documents import make_failure_collection

        if self.is_several:
            return make_failure_collection(self.command, self.catalog, list_problems(self.error))
        return make_failure_document(self.command, self.catalog, self.target, list_problems(self.error))

    def make_junit(self, look: Look) -> str:
        """One failed test case for each problem."""
        from imagesync.render.junit import format_failure_junit

        problems = list_problems(self.error)
        return format_failure_junit(self.command, problems, now=look.now, catalog=self.catalog, target=self.target)

    def measure(self, started: datetime, ended: datetime) -> "Measures":
        """A run that failed."""
        from imagesync.render.metrics import measure_failure

        return measure_failure(self.command, catalog=self.catalog, target=self.target, started=started, ended=ended)


Result: TypeAlias = (
    PlanResult
    | PlansResult
    | RunReport
    | RunsReport
    | MergedReport
    | DriftResult
    | DriftsResult
    | ExplanationResult
    | Failure
)
"""What a command found or did."""
Tested: TypeAlias = PlanResult | PlansResult | RunReport | RunsReport | MergedReport | Failure
"""The results that have a test report."""
Measured: TypeAlias = PlanResult | PlansResult | RunReport | RunsReport | DriftResult | DriftsResult | Failure
"""The results that have numbers for monitoring."""


def format_result(result: Result, form: ResultForm, look: Look) -> str:
    """The text of a result in one format, without a line break at its end."""
    match form:
        case ResultForm.TEXT:
            return result.make_text(look)
        case ResultForm.JSON:
            return result.make_json().removesuffix("\n")
        case ResultForm.MARKDOWN:
            from imagesync.render.markdown import format_markdown

            return format_markdown(result.make_document(look), max_bytes=look.max_bytes).removesuffix("\n")
        case ResultForm.HTML:
            from imagesync.render.page import format_page

            return format_page(result.make_document(look), now=look.now).removesuffix("\n")
        case ResultForm.JUNIT if isinstance(result, Tested):
            return result.make_junit(look).removesuffix("\n")
        case ResultForm.JUNIT:
            raise ValueError(f"a {type(result).__name__} has no test report")
