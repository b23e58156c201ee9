"""The events of an unfinished run -> its report up to now. No I/O."""

from imagesync.model.plan import Create, Kind, Plan, Step
from imagesync.model.report import Event, Finished, Outcome, Progress, Report, Started, StepResult


class ReportSoFar:
    """Collects the results of a run from its events, for the report of a run that is stopped at once. Thread-safe."""

    def __init__(self) -> None:
        self._started: dict[str, Step] = {}
        self._results: dict[str, StepResult] = {}
        self._sent: dict[str, int] = {}

    def __call__(self, event: Event) -> None:
        """Take one event."""
        match event:
            case Started(step=step):
                self._started[step.id] = step
            case Finished(result=result):
                self._results[result.step.id] = result
            case Progress(step=step, amount=amount):
                self._sent[step.id] = amount.sent

    @property
    def has_running(self) -> bool:
        """Whether a step began and has not ended."""
        return bool(self._started.keys() - self._results.keys())

    def make_report(self, plan: Plan) -> Report:
        """The report of the run if it ends now."""
        results = dict(self._results)
        running = self._started.keys() - results.keys()
        sent = dict(self._sent)
        every = (
            results.get(step.id)
            or StepResult(
                step,
                Outcome.INTERRUPTED if step.id in running else Outcome.NOT_STARTED,
                bytes_sent=sent.get(step.id, 0),
            )
            for step in plan.steps
        )
        return Report(plan, tuple(every), interrupted=True)

    def find_ids(self, plan: Plan) -> dict[str, str]:
        """The id of the current image of each key, as far as it is known."""
        made = [one for one in self._results.values() if isinstance(one.step.action, Create) and one.image_id]
        staged = plan.kind is Kind.STAGE  # a candidate is not current
        return {**plan.ids, **({} if staged else {one.step.action.key: one.image_id or "" for one in made})}
