"""Documents of real plans, reports, drift, images and failures, for tests of pages. Pure."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from imagesync.errors import Diagnostic
from imagesync.model.catalog import ImageSpec, Place, UrlSource, Visibility
from imagesync.model.drift import Drift, DriftReport, Remedy
from imagesync.model.image import Identity, LiveImage
from imagesync.model.plan import Plan
from imagesync.model.policy import OnReplace
from imagesync.model.report import Outcome, Report, StepResult
from imagesync.model.targets import PlannedTarget, TargetOutcome, TargetRun
from imagesync.planning.explanation import explain_key
from imagesync.planning.planner import make_plan
from imagesync.render.blocks import Kind
from imagesync.render.changes import Line
from imagesync.render.document import (
    Alert,
    Block,
    Collection,
    Command,
    Document,
    Section,
    Subject,
    TargetGroup,
    TargetRow,
)
from imagesync.render.documents import make_failure_document, make_plan_document, make_report_document
from imagesync.render.drift import make_drift_document
from imagesync.render.explanation import make_explanation_document
from imagesync.render.style import Detail, Ink
from imagesync.render.target_documents import make_failure_collection, make_plans_collection, make_runs_collection
from tests.unit.factories import NOW, TARGET, catalog, digest, inventory, live, plan, plan_input, retired, spec

UPDATE: Final = Kind(Ink.CHANGE, "~", "update")
PUBLIC: Final = Visibility.PUBLIC
TEXT: Final = "with cloud-init and the guest agent, built every week from the sources of the project"
Case = tuple[ImageSpec | None, tuple[LiveImage, ...]]
"""A declared image, and its live images."""


def _create(key: str) -> Case:
    source = UrlSource((f"https://images.example/{key}.qcow2",), digest(key[-3:]))
    properties = {"hw_disk_bus": "virtio", "os_distro": "ubuntu"}
    attrs = {"visibility": PUBLIC, "protected": True, "properties": properties}
    return spec(key, key[-3:], name=f"Image {key}", source=source, **attrs), ()


def _replace(key: str) -> Case:
    before = spec(key, key[-3:], visibility=PUBLIC, properties={"os_version": "12.7", "os_distro": "debian"})
    properties = {"os_version": "12.8", "os_distro": "debian"}
    after = spec(key, f"b{key[-3:]}", visibility=PUBLIC, min_disk=20, properties=properties)
    return after, (live(before), retired(before, f"old-{key}", days=9))


def _publish(key: str) -> Case:
    properties = {"description": f"The image {key}, {TEXT}"}
    return spec(key, visibility=PUBLIC, min_ram=512, properties=properties), (live(spec(key)),)


def _delete(key: str) -> Case:
    return None, (live(spec(key, key[-3:], visibility=PUBLIC)),)


def _set_tpm(key: str) -> Case:
    return spec(key, properties={"hw_tpm_version": "2.0"}), (live(spec(key)),)


_CASES: Final[tuple[Callable[[str], Case], ...]] = (_create, _replace, _publish, _delete, _set_tpm)


def plan_images(number: int) -> Plan:
    """A plan for so many images: the first is created, the second replaced, and so on."""
    cases = [_CASES[one % len(_CASES)](f"key-{one:03}") for one in range(number)]
    wanted = [found for found, _ in cases if found is not None]
    return plan(catalog(*wanted), inventory(*(image for _, images in cases for image in images)))


def make_plan_of(number: int, detail: Detail = Detail.USUAL) -> Document:
    """The document of a plan for so many images; with every image on its own if ``detail`` is WHOLE."""
    return make_plan_document(plan_images(number), now=NOW, detail=detail)


def make_report_of(number: int) -> Document:
    """The document of a run in which every third step failed."""
    made = plan_images(number)
    error = "the service rejected the request (HTTP 409)"
    results = [
        StepResult(step, Outcome.DONE) if place % 3 else StepResult(step, Outcome.FAILED, error=error)
        for place, step in enumerate(made.steps)
    ]
    return make_report_document(Report(made, tuple(results)), now=NOW)


def make_drift() -> Document:
    """The drift of three images, of which one does not exist."""
    found = (
        Drift("a", "id-a", ("min_ram",), 512, 256, Remedy.DRIFT_ONLY, updated="2026-11-23T11:57:00Z"),
        Drift("b", "id-b", ("visibility",), "private", "public", Remedy.DRIFT_ONLY),
        Drift("c", None, ("image",), "published", None, Remedy.APPLY),
    )
    report = DriftReport(found, 12, ("new",))
    return make_drift_document(report, "base", "eu", TARGET, lambda it: f"imagesync apply --{it.value}", now=NOW)


def make_explanation() -> Document:
    """An image with a current and a retired build, and a change of the manifest."""
    wanted = spec("a", min_ram=7, on_replace=OnReplace(keep=2), places={"image": Place("a.yaml", 3, 5)})
    given = plan_input(catalog(wanted), inventory(live(spec("a"), generation=2), retired(wanted, "old", days=3)))
    found = explain_key(given, "a", make_plan(given))
    return make_explanation_document(found, "base", "eu", TARGET, now=NOW)


def make_failure() -> Document:
    """A plan that failed for two problems of the manifest."""
    problems = [
        Diagnostic("base.yaml", 3, 1, "images.x.visibility", "unknown word 'publik'", "did you mean public?"),
        Diagnostic("base.yaml", 9, 1, "images.y.source", "x.img does not exist", "correct the path"),
    ]
    return make_failure_document("plan", "base", "eu", problems)


def name_target(made: Plan, target: str) -> Plan:
    """The same plan on another target."""
    here = Identity("glance", f"https://{target}.example", f"project-of-{target}", target, label=target)
    return replace(made, target=here, target_name=target)


DEAD: Final = Diagnostic(
    "", 0, 0, "", "https://ap.example:9292 does not answer: connection refused", "check the network"
)


def make_plans_of(number: int, targets: int = 2) -> Collection:
    """Plans for so many images on so many equal targets, and on four others: unchanged, refused, dead, with other changes."""
    made, other = plan_images(number), plan_images(number + 2)
    refusal = "this plan deletes 1 of 5 images (limit 10 %); to allow it, pass --max-delete 1"
    unchanged = plan(catalog(spec("a")), inventory(live(spec("a"))))
    planned = [
        *(PlannedTarget(f"region-{one}", name_target(made, f"region-{one}")) for one in range(targets)),
        PlannedTarget("same", name_target(unchanged, "same")),
        PlannedTarget("strict", name_target(made, "strict"), refusals=(refusal,)),
        PlannedTarget("ap", None, problems=(DEAD,), wave=1),
        PlannedTarget("lab", name_target(other, "lab"), wave=1),
    ]
    return make_plans_collection("base", planned, now=NOW)


def make_runs_of(number: int) -> Collection:
    """Runs on seven targets, one of each outcome, and two that are equal."""
    made = plan_images(number)

    def run(target: str, first: Outcome, stopped: str = "") -> Report:
        error = "the service rejected the request (HTTP 409)" if first is Outcome.FAILED else ""
        outcomes = [first, *[Outcome.DONE] * (len(made.steps) - 1)]
        results = [StepResult(step, one, error=error) for step, one in zip(made.steps, outcomes, strict=True)]
        return Report(name_target(made, target), tuple(results), stopped=stopped)

    done = [TargetRun(name, TargetOutcome.DONE, run(name, Outcome.DONE)) for name in ("eu", "us")]
    runs = [
        *done,
        TargetRun("same", TargetOutcome.UNCHANGED),
        TargetRun("bad", TargetOutcome.FAILED, run("bad", Outcome.FAILED)),
        TargetRun("ap", TargetOutcome.FAILED, problems=(DEAD,)),
        TargetRun("lost", TargetOutcome.LOST, run("lost", Outcome.NOT_STARTED, "another run took the lease")),
        TargetRun("last", TargetOutcome.NOT_STARTED, wave=1),
    ]
    return make_runs_collection("apply", "base", runs, now=NOW)


def make_failed_collection() -> Collection:
    """A plan of several targets that failed, because its manifest has a problem."""
    return make_failure_collection(
        "plan", "base", [Diagnostic("base.yaml", 3, 1, "images.x", "unknown word", "remove it")]
    )


def make_hostile_targets(text: str) -> Collection:
    """A collection with ``text`` in each of its parts."""
    document = make_hostile(text)
    return Collection(
        Subject.REPORT,
        text,
        text,
        text,
        (TargetRow(text, text, text, 3, 0, text), TargetRow("b", text, "", 0, 1)),
        (TargetGroup((text,), Alert(text, (text, "other"))),),
        (TargetGroup((text, "b"), text),),
        (TargetGroup((text, "b"), document), TargetGroup(("c",), replace(document, blocks=()))),
        (text,),
    )


def make_hostile(text: str) -> Document:
    """A document with ``text`` in each of its parts, also where a builder writes only words of imagesync."""
    line = Line(text, f"{text} → {text}", is_loud=True, pair=(text, text))
    kind = Kind(Ink.ADD, text, text, text)
    blocks = [
        Block(kind, (text, label), text, (line, Line("", text, is_loud=True)), text, text, text) for label in ("a", "b")
    ]
    names = (text, text, text, text)
    return Document(
        Subject.REPORT,
        *names,
        (Alert(text, (text, "other")),),
        (text,),
        tuple(blocks),
        (Section(text, (text,)),),
        (Command(text, text),),
        (text,),
    )
