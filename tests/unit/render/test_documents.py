"""``imagesync.render.documents``: what a reviewer reads about a plan, a report or a failure, in no format yet."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from imagesync.errors import Diagnostic
from imagesync.model.catalog import Visibility
from imagesync.model.plan import Delete, Plan, PlanError, Reason
from imagesync.model.policy import OnRemove, OnReplace, Policy
from imagesync.model.report import Outcome, Report, StepResult
from imagesync.planning.staging import stage_plan
from imagesync.planning.steps import make_step
from imagesync.render.changes import Alarm
from imagesync.render.document import Alert, Command, Document, Section, Subject
from imagesync.render.documents import make_failure_document, make_plan_document, make_report_document, put_in_past
from imagesync.render.style import Detail
from imagesync.render.text import format_plan
from tests.unit.factories import NOW, TARGET, candidate, catalog, inventory, live, plan, plan_input, retired, spec


def find_alerts(document: Document) -> dict[str, tuple[str, ...]]:
    """The labels by words."""
    return {alert.words: alert.labels for alert in document.alerts}


def make(*wanted: Any, owned: tuple[Any, ...] = (), **attrs: Any) -> Document:
    """The document of a plan."""
    return make_plan_document(plan(catalog(*wanted), inventory(*owned)), now=NOW, **attrs)


def list_texts(value: Any) -> list[str]:
    """Every text in a document."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple):
        return [text for item in value for text in list_texts(item)]
    if is_dataclass(value):
        return [text for item in fields(value) for text in list_texts(getattr(value, item.name))]
    return []


PUBLIC, COMMUNITY = {"visibility": Visibility.PUBLIC}, {"visibility": Visibility.COMMUNITY}


@pytest.mark.parametrize(
    ("before", "after", "alarms"),
    [
        (None, PUBLIC, {Alarm.PUBLIC}),
        (None, COMMUNITY, {Alarm.COMMUNITY}),
        (None, {"protected": True}, {Alarm.PROTECTED}),
        (None, {**PUBLIC, "protected": True}, {Alarm.PUBLIC, Alarm.PROTECTED}),
        (None, {}, set()),
        ({}, PUBLIC, {Alarm.PUBLIC}),
        (COMMUNITY, PUBLIC, {Alarm.PUBLIC}),
        (PUBLIC, COMMUNITY, {Alarm.COMMUNITY}),
        (PUBLIC, {}, {Alarm.NOT_PUBLIC}),
        (COMMUNITY, {}, {Alarm.NOT_PUBLIC}),
        ({"protected": True}, {}, {Alarm.NOT_PROTECTED}),
        ({}, {"hidden": True}, {Alarm.HIDDEN}),
        ({"hidden": True}, {}, set()),
        ({"min_ram": 1}, {}, set()),
        (PUBLIC, {**PUBLIC, "min_ram": 1}, set()),
    ],
)
def test_what_changes_access_comes_first(
    before: dict[str, Any] | None, after: dict[str, Any], alarms: set[Alarm]
) -> None:
    """For a new image, and for one that is changed."""
    owned = () if before is None else (live(spec("a", **before)),)
    assert set(find_alerts(make(spec("a", **after), owned=owned))) == {alarm.value for alarm in alarms}


def test_a_new_build_of_a_public_image_is_no_news() -> None:
    """Only what differs from the build that it replaces is; and the deletion of old builds."""
    public = spec("a", "a", **PUBLIC)
    assert find_alerts(make(spec("a", "b", **PUBLIC), owned=(live(public),))) == {}
    assert find_alerts(make(spec("a", "b", **PUBLIC), owned=(live(spec("a", "a")),))) == {"become public": ("a",)}
    none_kept = make(spec("a", "b", **PUBLIC, on_replace=OnReplace(keep=0)), owned=(live(public),))
    assert find_alerts(none_kept) == {"have old builds that are deleted": ("a",)}


def test_a_candidate_that_becomes_public_is_in_the_alerts() -> None:
    """It was private as long as it was a candidate; if the image was public before, nothing changes for users."""
    wanted = spec("a", "b", **PUBLIC)
    assert find_alerts(make(wanted, owned=(candidate(wanted),))) == {"become public": ("a",)}
    before = live(spec("a", "a", **PUBLIC))
    assert "become public" not in find_alerts(make(wanted, owned=(before, candidate(wanted))))


@pytest.mark.parametrize(
    ("on_remove", "words"),
    [
        (OnRemove.DELETE, Alarm.DELETED),
        (OnRemove.HIDE, Alarm.HIDDEN),
        (OnRemove.DEACTIVATE, Alarm.DEACTIVATED),
        (OnRemove.KEEP, Alarm.RELEASED),
    ],
)
def test_a_removed_image_is_in_the_alerts(on_remove: OnRemove, words: Alarm) -> None:
    """Whatever removal means in this catalog."""
    found = inventory(*(live(spec(key)) for key in "abcdefgh"))
    made = plan(catalog(*map(spec, "abcdefg")), found, Policy(on_remove=on_remove))
    alerts = make_plan_document(made, now=NOW).alerts
    assert alerts == (Alert(words.value, ("h",), words.is_loss),)


def test_a_candidate_that_is_dropped_is_not_in_the_alerts() -> None:
    """Users never saw it, and the image of its key stays; an old build that is deleted is named as one."""
    unwanted = candidate(spec("a", "old"), "old-candidate")
    document = make(spec("a"), owned=(live(spec("a")), unwanted))
    assert [block.kind.verb for block in document.blocks] == ["delete"]
    assert document.alerts == ()
    aged = retired(spec("a", "old"), "old", days=40)
    outdated = make(spec("a", on_replace=OnReplace(delete_after=30)), owned=(live(spec("a")), aged))
    assert find_alerts(outdated) == {"have old builds that are deleted": ("a (retired build 1)",)}


def test_alerts_name_every_image_in_the_order_of_their_weight() -> None:
    """None is cut; deletions are last."""
    keys = [f"k{number:03}" for number in range(300)]
    document = make(*(spec(key, **PUBLIC) for key in keys), owned=(live(spec("z")),))
    assert [alert.words for alert in document.alerts] == ["become public", "are deleted"]
    assert document.alerts[0].labels == tuple(keys)
    assert [alert.is_loss for alert in document.alerts] == [False, True]


def test_a_plan_has_the_sentences_of_its_text() -> None:
    """Heading, counts, blocks and notes."""
    made = plan(catalog(spec("a", "b"), spec("b")), inventory(live(spec("a", "a"))))
    document = make_plan_document(made, now=NOW)
    assert document.subject is Subject.PLAN
    assert (document.catalog, document.target) == (
        "base",
        made.target_name or made.target.label or made.target.location,
    )
    assert (
        document.summary
        == "Plan: 1 to create, 1 to replace; 0 unchanged. 8.0 KiB to upload. 2 images declared, 1 owned."
    )
    assert [(block.kind.verb, block.labels) for block in document.blocks] == [("replace", ("a",)), ("create", ("b",))]
    text = format_plan(made, now=NOW)
    for block in document.blocks:
        assert block.what in text
        assert all(line.text in text for line in block.lines)


def test_equal_changes_are_one_block() -> None:
    """As in the text; with all details each image has its own."""
    owned = tuple(live(spec(key)) for key in "abcd")
    wanted = [spec(key, min_ram=512) for key in "abcd"]
    (block,) = make(*wanted, owned=owned).blocks
    assert (block.labels, [line.name for line in block.lines]) == (("a", "b", "c", "d"), ["min_ram"])
    assert len(make(*wanted, owned=owned, detail=Detail.WHOLE).blocks) == 4


def test_a_summary_has_alerts_and_errors_but_no_blocks() -> None:
    """What a reviewer must not miss stays."""
    problem = Diagnostic("a.yaml", 3, 5, "images.x", "gone", "correct it")
    made = replace(plan(catalog(spec("a", **PUBLIC)), inventory()), errors=(PlanError("x", problem),))
    document = make_plan_document(made, now=NOW, detail=Detail.SUMMARY, refusals=["too many"])
    assert find_alerts(document) == {"become public": ("a",)}
    assert document.errors == ("too many", str(problem))
    assert (document.blocks, document.sections) == ((), ())
    assert document.closing == (
        "Apply skips 1 image with an error, and exits with code 1 even if all other steps succeed.",
    )


def test_notes_and_candidates_are_sections() -> None:
    """With a title; a lone sentence has none."""
    waiting = candidate(spec("b"), "cand-b")
    made = plan(catalog(spec("a")), inventory(live(spec("a")), waiting, copies=(replace(live(spec("a")), id="copy"),)))
    sections = {section.title: section.lines for section in make_plan_document(made, now=NOW).sections}
    assert "cand-b" in " ".join(sections["Candidates"])
    assert "copy of another image's record" in sections["Notes"][0]


def test_the_top_counts_errors() -> None:
    """``No changes.`` alone would be misleading."""
    problem = PlanError("x", Diagnostic("a.yaml", 3, 5, "images.x", "gone", "correct it"))
    made = plan(catalog(spec("a")), inventory(live(spec("a"))))
    found = make_plan_document(replace(made, errors=(problem,)), now=NOW)
    assert (
        found.summary == "No changes. 1 image matches the manifest. 1 image declared, 1 owned. 1 image with an error."
    )
    assert make_plan_document(made, now=NOW).summary.endswith("1 owned.")


def test_a_report_has_the_notes_of_its_plan() -> None:
    """They say which images the run left as they were."""
    made = replace(plan(catalog(), inventory()), notes=("a: left as it is",))
    run = Report(made, ())
    assert [section.lines for section in make_report_document(run, now=NOW).sections] == [("a: left as it is",)]
    assert make_report_document(run, now=NOW, detail=Detail.SUMMARY).sections == ()


def make_run() -> Plan:
    """Two images are created, one is replaced, one is deleted."""
    wanted = catalog(spec("a", "b"), spec("b", **PUBLIC), spec("c"))
    return plan(wanted, inventory(live(spec("a")), live(spec("e"))))


def report(**outcomes: Outcome) -> Document:
    """The document of a run: every step is done but those of these keys."""
    made = make_run()
    results = tuple(
        StepResult(
            step, outcome := outcomes.get(step.action.key, Outcome.DONE), "id", "boom" * (outcome is Outcome.FAILED)
        )
        for step in made.steps
    )
    run = Report(replace(made, places={key: f"x.yaml:1:{key}" for key in "abc"}), results, leftover=("c: \x1b",))
    return make_report_document(run, now=NOW)


def test_a_report_says_what_was_done() -> None:
    """With the alerts in the past."""
    document = report()
    assert document.subject is Subject.REPORT
    assert document.title == "Run for catalog base on store ./lab, project local"
    assert find_alerts(document) == {"became public": ("b",), "were deleted": ("e",)}
    assert {block.outcome for block in document.blocks} == {"done"}
    assert document.summary.startswith(
        "Failed: 2 created, 1 replaced, 1 deleted"
    )  # the final listing found a difference
    assert document.summary.endswith("Fix the errors and run apply again.")  # they are not above it
    assert document.errors == ("not as planned: c: \\x1b",)


def test_what_was_not_done_comes_first_with_its_error_and_place() -> None:
    """The worst first. It makes no alert, because nothing happened."""
    document = report(b=Outcome.FAILED, c=Outcome.NOT_STARTED, e=Outcome.SKIPPED)
    found = [(block.labels, block.outcome, block.error) for block in document.blocks]
    assert found == [
        (("b",), "failed", "boom"),
        (("e",), "skipped", ""),
        (("c",), "not started", ""),
        (("a",), "done", ""),
    ]
    assert document.blocks[0].place == "x.yaml:1:b"
    assert find_alerts(document) == {}


def test_a_replacement_has_failed_if_one_of_its_steps_has() -> None:
    """The new build is published, but the old one is not retired."""
    made = make_run()
    results = tuple(
        StepResult(
            step,
            Outcome.FAILED if step.id.startswith("update:a") or step.id.startswith("retire:a") else Outcome.DONE,
            None,
            "no",
        )
        for step in made.steps
    )
    assert Outcome.FAILED in {result.outcome for result in results}
    first, *_ = make_report_document(Report(made, results), now=NOW).blocks
    assert (first.labels, first.outcome) == (("a",), "failed")


@pytest.mark.parametrize(
    ("catalog_name", "target", "title"),
    [
        ("base", "prod", "imagesync plan failed for catalog base on prod"),
        ("base", "", "imagesync plan failed for catalog base"),
        ("", "", "imagesync plan failed"),
        ("", "\x1b", "imagesync plan failed on \\x1b"),
    ],
)
def test_a_failure_has_the_problems_with_their_places(catalog_name: str, target: str, title: str) -> None:
    """And as much of the place of the run as is known."""
    problems = [Diagnostic("a.yaml", 3, 5, "images.x", "gone", "correct it"), Diagnostic("", 0, 0, "", "no answer")]
    document = make_failure_document("plan", catalog_name, target, problems)
    assert document.title == title
    assert document.errors == ("a.yaml:3:5: images.x: gone; correct it", "no answer")
    assert document.summary == "2 problems."


def test_every_text_is_printable() -> None:
    """Names of images and values of properties may have any character."""
    odd = "\x1b[2J\u202e\n##vso[x]"
    wanted = replace(spec("a", properties={"p": odd}), name=odd)
    found = inventory(replace(live(spec("z")), name=odd))
    made = replace(plan(catalog(wanted), found), notes=(odd,), target_name=odd)
    document = make_plan_document(made, now=NOW, refusals=[odd], detail=Detail.WHOLE)
    texts = list_texts(replace(document, catalog="", target=""))
    assert any("vso" in text for text in texts)
    assert [text for text in texts if not text.isprintable() or "##" in text] == []


@pytest.mark.parametrize("detail", [Detail.USUAL, Detail.WHOLE])
def test_a_field_of_a_candidate_that_is_published_is_listed_once(detail: Detail) -> None:
    """Its change, or that it differs from the old build."""
    staged = candidate(spec("a", "b"), min_ram=2)
    document = make(spec("a", "b", min_ram=4, **PUBLIC), owned=(live(spec("a", name="old")), staged), detail=detail)
    (block,) = [one for one in document.blocks if one.kind.verb == "replace"]
    names = [line.name for line in block.lines if line.name]
    assert {"name", "visibility", "min_ram"} <= set(names)
    assert len(names) == len(set(names))


def test_errors_of_a_report_are_those_of_its_plan_and_of_its_check() -> None:
    """In this order; and it says what to do next."""
    problem = PlanError("x", Diagnostic("a.yaml", 3, 5, "images.x", "gone", "correct it"))
    made = replace(make_run(), errors=(problem,))
    results = tuple(StepResult(step, Outcome.DONE, "id") for step in made.steps)
    document = make_report_document(Report(made, results, leftover=("c: min_ram",)), now=NOW)
    assert document.errors == (str(problem.problem), "not as planned: c: min_ram")


def test_a_report_ends_with_what_the_reader_does_next() -> None:
    """After a run that staged a candidate, and after a rollback; nothing after a failure."""
    staged = stage_plan(plan_input(catalog(spec("a")), inventory()))
    for outcome, closing in (
        (Outcome.DONE, ("Candidate a: image new; apply publishes it, apply --discard-staged a drops it",)),
        (Outcome.FAILED, ()),
    ):
        run = Report(staged, tuple(StepResult(step, outcome, "new") for step in staged.steps))
        assert make_report_document(run, now=NOW).closing == closing
    back = Report(replace(plan(catalog(), inventory()), follow_up="declare it"), ())
    assert make_report_document(back, now=NOW).closing == ("Note: declare it",)


def test_with_all_details_a_report_has_ids_and_digests() -> None:
    """As the plan has them; otherwise neither, and equal results are one block."""
    owned = inventory(*(live(spec(key)) for key in "abcd"))
    made = plan(catalog(*(spec(key, min_ram=512) for key in "abcd")), owned)
    run = Report(made, tuple(StepResult(step, Outcome.DONE, "id") for step in made.steps))
    usual, whole = (make_report_document(run, now=NOW, detail=one) for one in (Detail.USUAL, Detail.WHOLE))
    assert [len(document.blocks) for document in (usual, whole)] == [1, 4]
    assert all("id-a" not in text for text in list_texts(usual))
    assert "id-a" in list_texts(whole)


def test_released_images_of_a_run_were_released() -> None:
    """The remark after the colon stays as it is."""
    made = plan(catalog(policy=Policy(OnRemove.KEEP)), inventory(live(spec("a"))))
    run = Report(made, tuple(StepResult(step, Outcome.DONE, "id") for step in made.steps))
    assert find_alerts(make_report_document(run, now=NOW)) == {
        "were released: they stay, and no catalog owns them": ("a",)
    }


def test_images_that_failed_alike_are_sorted_by_key() -> None:
    """Below those that are worse, whatever the order of the plan is."""
    made = plan(catalog(*map(spec, "abcd")), inventory(live(spec("e"))))
    outcomes = {"e": Outcome.FAILED, "b": Outcome.FAILED}
    results = tuple(StepResult(step, outcomes.get(step.action.key, Outcome.SKIPPED)) for step in made.steps)
    blocks = make_report_document(Report(made, results), now=NOW).blocks
    assert [block.labels for block in blocks] == [("b",), ("e",), ("a",), ("c",), ("d",)]


def test_what_makes_content() -> None:
    """Blocks, sections, commands or sentences: any of them."""
    empty = Document(Subject.PLAN, "base", "", "Plan", "none", alerts=(Alert("x", ("a",)),), errors=("no",))
    assert not empty.has_content
    for attrs in (
        {"blocks": make(spec("a")).blocks},
        {"sections": (Section("", ("x",)),)},
        {"commands": (Command("x", "y"),)},
        {"closing": ("x",)},
    ):
        assert replace(empty, **attrs).has_content


def test_a_lone_note_is_a_section_without_title() -> None:
    """Of lines without the spaces that are only for the text."""
    found = inventory(live(spec("a"), generation=2), retired(spec("a", "b"), "old"))
    kept, *_ = make_plan_document(plan(catalog(spec("a")), found), now=NOW).sections
    assert (kept.title, kept.lines) == ("", ("Retired builds kept: 1.",))
    whole, *_ = make_plan_document(plan(catalog(spec("a")), found), now=NOW, detail=Detail.WHOLE).sections
    assert (whole.title, whole.lines) == ("Retired builds kept", ("a  old  kept without limit (keep 1)",))


PROBLEMS = tuple(
    PlanError(key, Diagnostic("a.yaml", line, 5, f"images.{key}", "wrong\x1b", "correct it"))
    for line, key in enumerate("yx", 3)
)
SENTENCES = ("a.yaml:3:5: images.y: wrong\\x1b; correct it", "a.yaml:4:5: images.x: wrong\\x1b; correct it")
COPIES = (
    "1 image carries a copy of another image's record, as snapshots of servers do; imagesync does not change them; "
    "to list their ids, pass -v"
)


def make_rich() -> Plan:
    """A plan with something of everything that a document has."""
    images = [
        live(spec("a", "a"), generation=2),
        retired(spec("a", "c"), "old", days=1),
        live(spec("e")),
        candidate(spec("b", "d"), "cand"),
    ]
    wanted = catalog(spec("a", min_ram=7), spec("b", "d", **PUBLIC), spec("c"), spec("d", expires="2026-12-01"))
    made = plan(wanted, inventory(*images, copies=(replace(live(spec("a")), id="copy"),)))
    places = {"a": "m.yaml:1:1", "b": "m\x1b.yaml:2:1"}
    return replace(made, errors=PROBLEMS, notes=("n1\x1b", "n2"), places=places, target_name="eu")


@pytest.mark.parametrize("detail", list(Detail))
def test_the_whole_document_of_a_plan(detail: Detail) -> None:
    """Its sections have an order, and its lines are printable; a summary has no blocks and no sections."""
    document = make_plan_document(make_rich(), now=NOW, refusals=["no\x1b", "never"], detail=detail)
    blocks = document.blocks
    expiring = "Expiring" if detail is Detail.WHOLE else "Expiring within 30 days"
    sections = (
        Section("Candidates", ("b  cand  staged 2026-11-01T00:00:00Z (22 days ago), published by this plan",)),
        Section("Retired builds kept", ("a  old  kept without limit (keep 1)",)),
        Section(expiring, ("d  2026-12-01 (in 8 days)",)),
        Section("Notes", ("n1\\x1b", "n2", COPIES)),
    )
    assert replace(document, blocks=()) == Document(
        Subject.PLAN,
        "base",
        "eu",
        "Plan for catalog base on target eu (store ./lab, project local)",
        "Plan: 3 to create, 1 to update, 1 to delete; 0 unchanged. 8.0 KiB to upload. 4 images declared, 2 owned. "
        "2 images with an error.",
        alerts=(Alert("become public", ("b",)), Alert("are deleted", ("e",), is_loss=True)),
        errors=("no\\x1b", "never", *SENTENCES),
        sections=() if detail is Detail.SUMMARY else sections,
        closing=("Apply skips 2 images with an error, and exits with code 1 even if all other steps succeed.",),
    )
    if detail is Detail.SUMMARY:
        assert blocks == ()
        return
    assert [(block.kind.words, block.labels, block.what) for block in blocks] == [
        ("update", ("a",), ""),
        ("create, candidate published", ("b",), "with cand, no upload"),
        ("create", ("c",), "4.0 KiB from c.raw"),
        ("create", ("d",), "4.0 KiB from d.raw"),
        ("delete, not in the manifest", ("e",), "4.0 KiB"),
    ]
    assert {(block.outcome, block.error, block.place) for block in blocks} == {("", "", "")}
    image = ["image: id-a"] if detail is Detail.WHOLE else []
    assert [f"{line.name}: {line.text}" for line in blocks[0].lines] == [*image, "min_ram: 0 → 7"]
    assert [f"{line.name}: {line.text}" for line in blocks[-1].lines] == ["image: id-e"]


@pytest.mark.parametrize("detail", list(Detail))
def test_the_whole_document_of_a_run(detail: Detail) -> None:
    """Only what is done makes an alert; each image that is not done has its place and its errors."""
    made = make_rich()
    outcomes = {"b": Outcome.DEFERRED, "c": Outcome.FAILED, "d": Outcome.INTERRUPTED}
    results = tuple(
        StepResult(step, outcomes.get(step.action.key, Outcome.DONE), "id", "no\x1b" * (step.action.key == "c"))
        for step in made.steps
    )
    run = Report(made, results, leftover=("x: \x1b", "y: on"))
    document = make_report_document(run, now=NOW, detail=detail)
    assert replace(document, blocks=()) == Document(
        Subject.REPORT,
        "base",
        "eu",
        "Run for catalog base on target eu (store ./lab, project local)",
        "Failed: 1 updated, 1 deleted; not done: 3 to create; 2 images skipped because of an error. "
        "Fix the errors and run apply again.",
        alerts=(Alert("were deleted", ("e",), is_loss=True),),
        errors=(*SENTENCES, "not as planned: x: \\x1b", "not as planned: y: on"),
        sections=() if detail is Detail.SUMMARY else (Section("Notes", ("n1\\x1b", "n2", COPIES)),),
    )
    if detail is Detail.SUMMARY:
        assert document.blocks == ()
        return
    assert [
        (block.labels, block.kind.verb, block.what, block.outcome, block.error, block.place)
        for block in document.blocks
    ] == [
        (("c",), "create", "4.0 KiB from c.raw", "failed", "no\\x1b", ""),
        (("d",), "create", "4.0 KiB from d.raw", "interrupted", "", ""),
        (("b",), "create", "with cand, no upload", "deferred", "", "m\\x1b.yaml:2:1"),
        (("a",), "update", "", "done", "", ""),
        (("e",), "delete", "4.0 KiB", "done", "", ""),
    ]
    assert [f"{line.name}: {line.text}" for line in document.blocks[1].lines][:2] == [
        *("visibility: private", "format: raw in bare"),
    ]


def test_each_alarm_in_the_past() -> None:
    """The words after a colon are still true."""
    actions = [
        (Alarm.PUBLIC, "became public"),
        (Alarm.COMMUNITY, "became visible to all projects (community)"),
        (Alarm.NOT_PUBLIC, "were no longer public"),
        (Alarm.PROTECTED, "became protected"),
        (Alarm.NOT_PROTECTED, "were no longer protected"),
        (Alarm.RELEASED, "were released: they stay, and no catalog owns them"),
        (Alarm.DEACTIVATED, "were deactivated"),
        (Alarm.HIDDEN, "were hidden"),
        (Alarm.OLD_DELETED, "had old builds that were deleted"),
        (Alarm.DELETED, "were deleted"),
    ]
    assert [put_in_past(alarm.value) for alarm in Alarm] == [words for _, words in actions]
    assert [alarm for alarm, _ in actions] == list(Alarm)


def test_the_whole_document_of_a_failure() -> None:
    """One problem is in the singular; the names for the marker are as they are."""
    problem = Diagnostic("a\x1b.yaml", 3, 5, "images.x", "gone")
    assert make_failure_document("plan", "ba\x1bse", "eu\x1b", [problem]) == Document(
        Subject.FAILURE,
        "ba\x1bse",
        "eu\x1b",
        "imagesync plan failed for catalog ba\\x1bse on eu\\x1b",
        "1 problem.",
        errors=("a\\x1b.yaml:3:5: images.x: gone",),
    )


def test_an_image_with_several_errors_has_them_all() -> None:
    """Of each of its steps, each once; the place of another image is not used."""
    made = replace(make_run(), places={"b": "x.yaml:2:1"})
    errors = {"create:a": "no\x1broom", "update:a:id-a": "away"}
    results = tuple(
        StepResult(step, Outcome.FAILED if step.id in errors else Outcome.DONE, None, errors.get(step.id, ""))
        for step in made.steps
    )
    first, *_ = make_report_document(Report(made, results), now=NOW).blocks
    assert (first.labels, first.error, first.place) == (("a",), "no\\x1broom; away", "")


def test_a_label_is_in_an_alert_once() -> None:
    """Although two images of the key are deleted; those of other keys follow in the order of the rows."""
    actions = [Delete("z", "1", 1), Delete("z", "2", 1), Delete("a\x1b", "3", 1)]
    made = Plan("base", TARGET, tuple(make_step(action, Reason.REMOVED) for action in actions))
    (alert,) = make_plan_document(made, now=NOW).alerts
    assert alert == Alert("are deleted", ("a\\x1b", "z"), is_loss=True)


@pytest.mark.parametrize("detail", [Detail.USUAL, Detail.WHOLE])
def test_notes_that_differ_only_in_their_key_are_joined(detail: Detail) -> None:
    """Unless all details are shown; in a plan and in a report."""
    notes = tuple(f"{key}: is old" for key in "abcd")
    made = replace(plan(catalog(), inventory()), notes=(*notes, "x: is new"))
    expected = (*notes, "x: is new") if detail is Detail.WHOLE else ("a, b, c, d: is old", "x: is new")
    for document in (
        make_plan_document(made, now=NOW, detail=detail),
        make_report_document(Report(made, ()), now=NOW, detail=detail),
    ):
        assert document.sections == (Section("Notes", expected),)
