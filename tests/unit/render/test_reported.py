"""``imagesync.render.reported``: what a reader learns from merged reports."""

from dataclasses import replace

import jsonschema
import pytest

from imagesync.errors import Diagnostic
from imagesync.model.image import Identity
from imagesync.model.report import Outcome
from imagesync.model.reported import ReportedRun, ReportedStep
from imagesync.model.targets import TargetOutcome
from imagesync.render.blocks import Kind
from imagesync.render.document import Alert, Collection, Document, TargetGroup
from imagesync.render.markdown import format_markdown
from imagesync.render.page import format_page
from imagesync.render.reported import count_steps, format_reported, make_reported_collection
from imagesync.render.run_result import runs_to_json
from imagesync.render.style import Ink
from imagesync.schemas import load_schema
from imagesync.text import escape_commands
from tests.ci_logs import HOSTILE, find_commands
from tests.markdown_pages import OURS, read_page
from tests.page_reader import read_safe_page
from tests.unit.factories import NOW
from tests.unit.render.test_documents import list_texts

PROBLEM = Diagnostic("a.yaml", 3, 5, "images.x", "gone", "correct it")
DEAD = Diagnostic("", 0, 0, "", "no answer", "check the network")
CREATE = ReportedStep("create:a", "create", "a", Outcome.DONE, "id-a", "", "", 1.0, 2048)
FAILED = replace(CREATE, id="create:b", key="b", outcome=Outcome.FAILED, image_id="", error="HTTP 409", sent_bytes=4096)
SKIPPED = replace(FAILED, id="update:b:x", action="update", outcome=Outcome.SKIPPED, error="", cause="create:b")
DELETE = replace(CREATE, id="delete:z:id-z", action="delete", key="z", image_id="id-z", sent_bytes=0)
DONE = ReportedRun("eu", TargetOutcome.DONE, steps=(CREATE, DELETE))
BAD = ReportedRun(
    "us", TargetOutcome.FAILED, 1, steps=(CREATE, FAILED, SKIPPED), errors=(PROBLEM,), leftover=("c: off",)
)
OFF = ReportedRun("ap", TargetOutcome.FAILED, problems=(DEAD,))
SAME = ReportedRun("same", TargetOutcome.UNCHANGED)


def make(*runs: ReportedRun) -> Collection:
    """The collection of merged reports."""
    return make_reported_collection("base", runs)


def test_the_text_has_what_is_not_done_and_the_counts() -> None:
    """Targets with equal lines once; then the outcomes, with the names of those that did not succeed."""
    late = ReportedRun("late", TargetOutcome.NOT_STARTED, 2)
    lost = replace(DONE, target="lost", outcome=TargetOutcome.LOST, steps=(), stopped="another run took the lease")
    text = format_reported([DONE, BAD, SAME, OFF, replace(DONE, target="eu2"), late, lost])
    assert text == (
        "eu, eu2:\n"
        "  Steps: 2 done. 2.0 KiB uploaded.\n"
        "same:\n"
        "  No changes.\n"
        "late:\n"
        "  Not started.\n"
        "us:\n"
        "  failed      create:b: HTTP 409\n"
        "  skipped     update:b:x\n"
        "  Error: a.yaml:3:5: images.x: gone; correct it\n"
        "  Error: not as planned: c: off\n"
        "  Steps: 1 done, 1 failed, 1 skipped. 2.0 KiB uploaded.\n"
        "ap:\n"
        "  Error: no answer; check the network\n"
        "  Failed.\n"
        "lost:\n"
        "  Error: another run took the lease\n"
        "  Lost.\n"
        "7 targets: 2 done, 1 unchanged, 2 failed (us, ap), 1 lost (lost), 1 not started (late)."
    )


def test_the_text_fits_the_width() -> None:
    """Words stay whole."""
    lines = format_reported([replace(BAD, leftover=("word " * 30,))], width=40).split("\n")
    assert max(map(len, lines)) <= 40
    assert sum("word" in line for line in lines) > 3


def test_the_json_has_each_report_as_it_was() -> None:
    """It matches the schema of a run of several targets."""
    run = replace(DONE, document={"anything": ["as", "it", "was"]}, wave=3)
    document = runs_to_json("base", [run, OFF])
    jsonschema.validate(document, load_schema("run"))
    assert document["succeeded"] is False
    assert runs_to_json("base", [run, SAME])["succeeded"] is True
    first, second = document["targets"]
    assert first == {
        "target": "eu",
        "wave": 3,
        "outcome": "done",
        "problems": [],
        "report": {"anything": ["as", "it", "was"]},
    }
    assert (second["report"], second["problems"][0]["message"]) == (None, "no answer")


def test_a_collection_has_a_row_for_each_target() -> None:
    """With the steps, because a report has no changes of images."""
    document = make(DONE, BAD, OFF, SAME)
    assert document.title == "Run for catalog base on 4 targets"
    assert document.summary == "4 targets: 1 done, 1 unchanged, 2 failed (us, ap)."
    assert [(row.target, row.outcome, row.changes, row.errors, row.wave) for row in document.rows] == [
        ("eu", "done", "steps: 2 done", 0, 0),
        ("us", "failed", "steps: 1 done, 1 failed, 1 skipped", 3, 1),
        ("ap", "failed", "", 1, 0),
        ("same", "unchanged", "", 0, 0),
    ]
    here = Identity("store", "/stores/eu", "p", "local", label="eu")
    assert [row.place for row in make(replace(DONE, here=here), SAME).rows] == ["store eu, project local", ""]
    assert [(group.names, group.first.title) for group in document.groups][:2] == [
        (("eu",), "2 steps, done"),
        (("us",), "3 steps, failed"),
    ]


def test_errors_and_deletions_come_first() -> None:
    """With the names of the targets."""
    document = make(DONE, BAD, OFF, replace(DONE, target="eu2"))
    assert document.alerts == (TargetGroup(("eu", "eu2"), Alert("had images that were deleted", ("z",), is_loss=True)),)
    assert document.errors == (
        TargetGroup(("us",), str(PROBLEM)),
        TargetGroup(("us",), "not as planned: c: off"),
        TargetGroup(("us",), "b: create failed: HTTP 409"),
        TargetGroup(("ap",), str(DEAD)),
    )
    assert make(replace(DONE, steps=(replace(DELETE, outcome=Outcome.DEFERRED),))).alerts == ()


def test_a_block_is_a_step_and_the_worst_comes_first() -> None:
    """With its outcome, its error, and what it waited for."""
    blocks = make(BAD).groups[0].first.blocks
    assert [(block.kind.sign, block.kind.words, block.labels, block.outcome, block.error) for block in blocks] == [
        ("+", "create", ("b",), "failed", "HTTP 409"),
        ("~", "update, because create:b was not done", ("b",), "skipped", ""),
        ("+", "create", ("a",), "done", ""),
    ]
    assert [[(line.name, line.text) for line in block.lines] for block in blocks] == [[], [], [("image", "id-a")]]


def test_targets_with_equal_steps_are_one_group_with_the_ids_of_all() -> None:
    """Each cloud has its own ids. The notes of the reports must be equal, too."""
    other = replace(DONE, target="us", steps=(replace(CREATE, image_id="id-2"), replace(DELETE, image_id="")))
    (group,) = make(DONE, other).groups
    assert (group.names, group.first.title) == (("eu", "us"), "the same 2 steps, done")
    assert [[(line.name, line.text) for line in block.lines] for block in group.first.blocks] == [
        [("image on eu", "id-a"), ("image on us", "id-2")],
        [("image on eu", "id-z")],
    ]
    assert group.first.summary == "Steps: 2 done. 2.0 KiB uploaded."
    assert len(make(DONE, replace(other, notes=("a note",))).groups) == 2


def test_notes_are_a_section() -> None:
    """They say what the run left as it was."""
    (section,) = make(replace(DONE, notes=("a note",))).groups[0].first.sections
    assert (section.title, section.lines) == ("Notes", ("a note",))


def test_every_text_is_printable() -> None:
    """Names, errors and notes may have any character."""
    odd = "\x1b[2J\u202e\n##vso[x]"
    step = ReportedStep(odd, "delete", odd, Outcome.FAILED, odd, odd, odd, 1.0, 0)
    problems = (Diagnostic(odd, 1, 1, odd, odd, odd),)
    run = ReportedRun(odd, TargetOutcome.LOST, 0, problems, (step, replace(step, outcome=Outcome.DONE)), problems)
    run = replace(run, leftover=(odd,), notes=(odd,), stopped=odd)
    document = make(run, replace(run, target="us"))
    texts = list_texts(replace(document, groups=tuple(map(drop_names, document.groups))))
    assert sum("vso" in text for text in texts) > 20
    assert [text for text in texts if not text.isprintable() or "##" in text] == []


def drop_names(group: TargetGroup[Document]) -> TargetGroup[Document]:
    """A group whose document has no names for a marker, which are not shown."""
    return replace(group, first=replace(group.first, catalog="", target=""))


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_no_text_of_a_report_is_interpreted(kind: str) -> None:
    """The file may come from a fork."""
    text = HOSTILE[kind]
    step = ReportedStep(text, "delete", text, Outcome.FAILED, text, text, text, 1.0, 0)
    done = replace(step, outcome=Outcome.DONE)
    problem = Diagnostic(text, 1, 1, text, text, text)
    problems = (problem,)
    run = ReportedRun(text, TargetOutcome.LOST, 0, problems, (step, done), problems, (text,), (text,), text)
    runs = [run, replace(run, target=f"{text}2")]
    document = make_reported_collection(text, runs)
    read_safe_page(format_page(document, now=NOW))
    page = read_page(format_markdown(document, max_bytes=60_000), "github")
    assert page.tags <= OURS
    printed = format_reported(runs)
    assert printed.replace("\n", "").isprintable()
    assert list(find_commands(escape_commands(printed))) == []  # the guard of the output does it


def test_colors_and_lines_of_a_narrow_terminal() -> None:
    """Names of targets and the last sentence are bold; further lines are set in deeper than the next entry."""
    text = format_reported([DONE, BAD, SAME, OFF], lambda ink, text: f"<{ink.name} {text}>", width=30)
    assert text == (
        "<BOLD eu:>\n"
        "  Steps: 2 done. 2.0 KiB\n"
        "      uploaded.\n"
        "<BOLD same:>\n"
        "  No changes.\n"
        "<BOLD us:>\n"
        "  failed      create:b: HTTP\n"
        "      409\n"
        "  skipped     update:b:x\n"
        "  Error: a.yaml:3:5: images.x:\n"
        "      gone; correct it\n"
        "  Error: not as planned: c:\n"
        "      off\n"
        "  Steps: 1 done, 1 failed, 1\n"
        "      skipped. 2.0 KiB\n"
        "      uploaded.\n"
        "<BOLD ap:>\n"
        "  Error: no answer; check the\n"
        "      network\n"
        "  Failed.\n"
        "<BOLD 4 targets: 1 done, 1>\n"
        "<BOLD   unchanged, 2 failed (us,>\n"
        "<BOLD   ap).>"
    )


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("create", Kind(Ink.ADD, "+", "create")),
        ("update", Kind(Ink.CHANGE, "~", "update")),
        ("deactivate", Kind(Ink.STATE, "○", "deactivate")),
        ("reactivate", Kind(Ink.STATE, "●", "reactivate")),
        ("delete", Kind(Ink.REMOVE, "-", "delete")),
    ],
)
def test_each_action_has_its_sign_and_color(action: str, kind: Kind) -> None:
    """As in a plan. What a step waited for is only with that step."""
    steps = (replace(CREATE, action=action), replace(CREATE, action=action, cause="create:\x1b", key="k\x1b"))
    first, second = make(replace(DONE, steps=steps)).groups[0].first.blocks
    assert (first.kind, first.labels) == (kind, ("a",))
    assert (second.kind, second.labels) == (kind._replace(why="because create:\\x1b was not done"), ("k\\x1b",))


def test_steps_are_counted_in_the_order_of_their_outcomes() -> None:
    """Whatever the order of the steps; only bytes of steps that are done are uploaded."""
    steps = tuple(replace(CREATE, outcome=outcome) for outcome in [*reversed(Outcome), Outcome.DONE, Outcome.FAILED])
    words = "2 done, 2 failed, 1 deferred, 1 skipped, 1 interrupted, 1 not started"
    run = replace(DONE, steps=steps)
    assert count_steps(run) == f"Steps: {words}. 4.0 KiB uploaded."
    assert count_steps(replace(run, steps=steps[:2])) == "Steps: 1 interrupted, 1 not started."
    assert count_steps(replace(run, steps=())) == ""
    assert make(run).rows[0].changes == f"steps: {words}"
    assert [block.outcome for block in make(run).groups[0].first.blocks] == [
        *("failed", "failed", "interrupted", "skipped", "deferred", "not started", "done", "done"),
    ]


def test_every_error_of_a_run_in_its_order() -> None:
    """Problems of the target, then of keys, then differences, then why it stopped; all printable."""
    run = ReportedRun(
        "eu",
        TargetOutcome.LOST,
        problems=(DEAD, replace(DEAD, message="no\x1broute")),
        errors=(PROBLEM, replace(PROBLEM, line=9)),
        leftover=("c: off", "d: \x1b"),
        stopped="lease\x1b lost",
    )
    errors = [
        "no answer; check the network",
        "no\\x1broute; check the network",
        "a.yaml:3:5: images.x: gone; correct it",
        "a.yaml:9:5: images.x: gone; correct it",
        "not as planned: c: off",
        "not as planned: d: \\x1b",
        "lease\\x1b lost",
    ]
    assert [group.first for group in make(run).errors] == errors
    assert format_reported([run]).splitlines() == [
        "eu:",
        *(f"  Error: {text}" for text in errors),
        *("  Lost.", "1 target: 1 lost (eu)."),
    ]


def test_each_deleted_key_is_in_the_alert_once() -> None:
    """In the order of the run; deletions that are not done are not in it, nor are other actions."""
    keys = ("z", "b\x1b", "z", "c")
    steps = [replace(DELETE, key=key, id=f"delete:{at}") for at, key in enumerate(keys)]
    steps += [replace(DELETE, key="d", outcome=Outcome.FAILED, error="x"), replace(CREATE, key="e")]
    (alert,) = make(replace(DONE, steps=tuple(steps))).alerts
    assert alert.first == Alert("had images that were deleted", ("z", "b\\x1b", "c"), is_loss=True)


@pytest.mark.parametrize("outcome", list(TargetOutcome))
def test_a_target_without_steps_has_its_outcome_in_words(outcome: TargetOutcome) -> None:
    """One with steps has their number."""
    words = "No changes." if outcome is TargetOutcome.UNCHANGED else f"{outcome.words.capitalize()}."
    bare, full = ReportedRun("eu", outcome), ReportedRun("eu", outcome, steps=(DELETE,))
    assert format_reported([bare]).splitlines()[:2] == ["eu:", f"  {words}"]
    assert format_reported([full]).splitlines()[:2] == ["eu:", "  Steps: 1 done."]


def test_many_names_of_targets_take_several_lines() -> None:
    """Every name is there. Without notes there is no section."""
    runs = [replace(SAME, target=f"target-{number}") for number in range(6)]
    names = ", ".join(run.target for run in runs)
    lines = format_reported(runs, width=40).splitlines()
    assert " ".join(" ".join(lines[:2]).split()) == f"{names}:"
    assert (lines[1].startswith("  target-"), lines[2]) == (True, "  No changes.")
    assert [group.first.sections for group in make(DONE, SAME).groups] == [(), ()]
