"""The explanation of a key, for people and for programs."""

import json
from dataclasses import replace
from typing import Any

import pytest

from imagesync.errors import Diagnostic
from imagesync.model.catalog import Content, Fingerprint, OnExpire, Place, Role, Status, UrlSource, Visibility
from imagesync.model.drift import Drift, Remedy
from imagesync.model.explanation import Build, ContentState, Explanation
from imagesync.model.image import LiveImage
from imagesync.model.plan import Candidate, Fate, FieldChange, Kept, Plan, PlanError
from imagesync.model.policy import OnReplace
from imagesync.model.record import read
from imagesync.planning.explanation import explain_key
from imagesync.planning.planner import make_plan
from imagesync.render.blocks import Kind
from imagesync.render.changes import Line
from imagesync.render.document import Section, Subject
from imagesync.render.explanation import explanation_to_json, format_explanation, make_explanation_document
from imagesync.render.style import Ink
from imagesync.text import escape_commands
from tests.ci_logs import HOSTILE, find_commands
from tests.unit.factories import (
    NOW,
    TARGET,
    candidate,
    catalog,
    digest,
    inventory,
    live,
    plan_input,
    retired,
    rewrite,
    spec,
)

KEEP = OnReplace(keep=2, delete_after=30)


def explain(wanted: Any, *images: LiveImage) -> Explanation:
    """The explanation of the key a."""
    given = plan_input(catalog(wanted), inventory(*images))
    return explain_key(given, "a", make_plan(given))


def lines(found: Explanation, width: int | None = None) -> list[str]:
    """The text, line by line."""
    return format_explanation(found, "catalog base on here", NOW, width=width).splitlines()


def test_each_build_says_what_its_record_has() -> None:
    """Origin, digests that are verified and those that are not, run, times, and what is next."""
    source = UrlSource(("https://user:pw@x.org/a.raw?token=1",))
    wanted = spec("a", source=source, on_replace=KEEP, places={"image": Place("a.yaml", 3, 5)})
    current = live(wanted, "now", generation=2, updated_at="2026-11-22T12:00:00Z")
    old = rewrite(retired(wanted, "old", 1, days=3), digests=(), declared=(digest("c"),))
    text = lines(explain(wanted, current, old))
    assert text[:5] == [
        "a: catalog base on here",
        "  declared    a.yaml:3:5",
        "  name        a",
        "  source      https://x.org/a.raw",
        f"  digest      {digest('a')}",
    ]
    assert "Current build: generation 2, image now" in text
    assert "  updated     2026-11-22 12:00 UTC (24 hours ago)" in text
    assert "  written     last by run an-earlier-run (update 1)" in text
    assert "  source      https://x.org/a.raw" in text[5:]
    assert f"  known       {digest('a')}" in text
    at = text.index("Retired build: generation 1, image old")
    assert "  retired     2026-11-20 12:00 UTC (3 days ago)" in text[at:]
    assert f"  unverified  {digest('c')}" in text[at:]
    assert "  next        kept until 2026-12-20 (keep 2, 30 days)" in text[at:]
    assert text[-2:] == ["Next apply:", "  nothing to do"]


def test_differences_and_steps_are_printed() -> None:
    """Drift, changes of the manifest, a candidate that is published, a build that is deleted."""
    wanted = spec("a", "b", min_ram=7, on_replace=OnReplace(keep=1))
    current = live(spec("a", "a", min_ram=5), "now", name="other")
    text = "\n".join(lines(explain(wanted, current, candidate(wanted, "cand"), retired(spec("a"), "old", days=1))))
    assert "  drift       name: was a, is now other" in text
    assert "  content     not the declared build" in text
    assert "  next        the next apply publishes it" in text
    assert "  next        the next apply deletes it" in text
    assert "± a  replace  with cand, no upload  candidate published" in text
    changed = "\n".join(lines(explain(spec("a", min_ram=7), live(spec("a", min_ram=5)))))
    assert "  manifest    min_ram: 5 → 7" in changed


def test_the_document_has_the_next_apply_without_columns() -> None:
    """Spaces that align values are lost in Markdown and HTML."""
    wanted = spec("a", min_ram=7, visibility=Visibility.PUBLIC)
    document = make_explanation_document(
        explain(wanted, live(spec("a", min_ram=5), "now")), "base", "lab", TARGET, now=NOW
    )
    (future,) = document.sections
    assert future.title == "Next apply"
    assert future.lines == ("update", "image: now", "min_ram: 5 → 7", "! visibility: private → public")
    idle = make_explanation_document(explain(wanted, live(wanted)), "base", "lab", TARGET, now=NOW)
    assert idle.sections[0].lines == ("nothing to do",)


def test_an_expiry_has_its_day_and_action() -> None:
    """Until it has happened."""
    wanted = spec("a", expires="2027-01-01", on_expire=OnExpire.DELETE)
    text = lines(explain(wanted, live(wanted)))
    assert text[-1] == "  the image expires on 2027-01-01; the first apply on or after that day does this: delete"


def test_a_key_without_image_or_declaration_and_a_refused_plan() -> None:
    """Each is a sentence."""
    assert "There is not yet an image of this key." in lines(explain(spec("a")))
    given = plan_input(catalog(), inventory(live(spec("a"))))
    assert "  declared    no: the manifest does not have this key" in lines(explain_key(given, "a", make_plan(given)))
    refused = Explanation("a", None, (), None, ("too much",))
    assert lines(refused)[-1] == "  the plan is refused: too much"


def test_every_state_of_content_has_words() -> None:
    """Also those that are rare."""
    found = explain(spec("a"), live(spec("a")))
    for state in ContentState:
        (build,) = found.builds
        assert any(
            line.startswith("  content     ") for line in lines(replace(found, builds=(replace(build, content=state),)))
        )


def test_a_terminal_is_not_exceeded_except_by_a_digest() -> None:
    """Words are not broken."""
    assert all(len(line) <= 80 or "sha" in line for line in lines(explain(spec("a"), live(spec("a"))), 80))


def test_json_has_the_same() -> None:
    """Times and digests as they are; URLs without secrets."""
    wanted = spec("a", source=UrlSource(("https://user:pw@x.org/a.raw?token=1",)), expires="2027-01-01")
    found = explain(wanted, replace(live(spec("a"), "now"), name="other"), retired(spec("a"), "old", days=1))
    document = explanation_to_json(found, "base", {"kind": "store"})
    assert json.loads(json.dumps(document)) == document
    assert "pw" not in str(document)
    assert document["declared"]["expires"] == "2027-01-01"
    current, old = document["builds"]
    assert (current["role"], current["content"], current["run"]) == ("current", "same", "an-earlier-run")
    assert [one["path"] for one in current["drift"]] == [["name"]]
    assert current["steps"] == [step["id"] for step in document["steps"]]
    assert (old["role"], old["retired_at"]) == ("retired", "2026-11-22T12:00:00+00:00")


def test_what_others_wrote_commands_nothing() -> None:
    """Names and properties of the image, and the origin in its record."""
    for text in HOSTILE.values():
        wanted = spec("a", properties={"p": "x"})
        image = live(wanted, name=text)
        image = replace(image, properties={**image.properties, "p": text, "imagesync_rev_1": text})
        assert list(find_commands(escape_commands("\n".join(lines(explain(wanted, image), 80))))) == []


def test_json_of_a_key_with_changes() -> None:
    """Each field of the key, of its build and of its steps."""
    wanted = spec("a", "b", tags=frozenset("x"), expires="2027-01-01", on_expire=OnExpire.HIDE)
    wanted = replace(wanted, name="n", places={"image": Place("a.yaml", 3, 5)})
    current = rewrite(live(spec("a", protected=True, hidden=True), "now", generation=3), declared=(digest("c"),))
    record = read(current)
    assert record is not None
    current = rewrite(current, managed=replace(record.managed, origin="https://x.example/a"))
    found = explain(wanted, replace(current, checksum="5" * 32, visibility=Visibility.SHARED))
    changes = (FieldChange(("properties", "p.q"), None, "x"), FieldChange(("tags",), ("y",), ("x", "z")))
    found = replace(found, builds=(replace(found.builds[0], changes=changes),))
    document = explanation_to_json(found, "base", {"kind": "store"})
    (build,) = document.pop("builds")
    steps = [
        {"id": "create:a", "action": "create", "reason": "content-changed", "needs": []},
        {"id": "update:a:now", "action": "update", "reason": "superseded", "needs": ["create:a"]},
    ]
    assert [step for step in document.pop("steps") if step["id"] != "reactivate"][:2] == steps
    notes = document.pop("notes")
    assert notes == list(found.plan.notes if found.plan else ("none",))
    assert document == {
        "catalog": "base",
        "target": {"kind": "store"},
        "key": "a",
        "declared": {
            "place": "a.yaml:3:5",
            "name": "n",
            "source": "a.raw",
            "digests": [str(digest("b"))],
            "expires": "2027-01-01",
            "on_expire": "hide",
        },
        "refusals": [],
        "errors": [],
    }
    assert build.pop("changes") == [
        {"path": ["properties", "p.q"], "before": None, "after": "x"},
        {"path": ["tags"], "before": ["y"], "after": ["x", "z"]},
    ]
    assert build.pop("drift")
    assert build.pop("content") == (found.builds[0].content.value if found.builds[0].content else None)
    assert build == {
        "id": "now",
        "role": "current",
        "generation": 3,
        "status": "active",
        "visibility": "shared",
        "os_hidden": True,
        "protected": True,
        "size": 4096,
        "created_at": "2026-11-01T00:00:00Z",
        "updated_at": None,
        "retired_at": None,
        "run": "an-earlier-run",
        "source": "https://x.example/a",
        "digests": [str(digest("a"))],
        "unverified_digests": [str(digest("c"))],
        "service_digests": [f"md5:{'5' * 32}"],
        "steps": list(found.builds[0].steps),
        "kept_until": None,
        "fate": None,
    }


def test_json_of_a_refused_plan_and_of_an_error() -> None:
    """The sentences are there, and no step."""
    found = replace(explain(spec("a"), live(spec("a"))), refusals=("too many",))
    plan = (
        replace(found.plan, errors=(PlanError("a", Diagnostic("a.yaml", 1, 2, "x", "gone")),)) if found.plan else None
    )
    document = explanation_to_json(replace(found, plan=plan), "base", {})
    assert (document["refusals"], document["errors"]) == (["too many"], ["a.yaml:1:2: x: gone"])
    document = explanation_to_json(replace(found, plan=None, spec=None), "base", {})
    assert [document[name] for name in ("declared", "steps", "notes", "errors")] == [None, [], [], []]


def make_build(image: LiveImage, content: ContentState | None, **attrs: Any) -> Build:
    """A build with the record of its image."""
    record = read(image)
    assert record is not None
    return Build(image, record, content, **attrs)


def make_builds() -> tuple[Build, ...]:
    """One build of each standing; each has other words."""
    current = live(
        spec("a"),
        "now",
        generation=2,
        hidden=True,
        protected=True,
        visibility=Visibility.SHARED,
        size=None,
        updated_at="2026-11-22T12:00:00+02:00",
        checksum="5" * 32,
        os_hash_algo="sha512",
        os_hash_value="6" * 128,
    )
    current = replace(current, properties={**current.properties, "imagesync_rev_2": "the-last-run"})
    old = rewrite(retired(spec("a", "c"), "old", 1, days=3), digests=(digest("c"), digest("e")))
    old = rewrite(old, declared=(digest("d"), digest("f")))
    record = read(old)
    assert record is not None
    old = rewrite(old, managed=replace(record.managed, origin="https://o.example/x"))
    dying = live(spec("a", "d"), "dying", Role.DELETING, created_at="some day", size=0, protected=True)
    return (
        make_build(
            current,
            ContentState.TAMPERED,
            drift=(
                Drift("a", "now", ("min_ram",), 1, 2, Remedy.NONE),
                Drift("a", "now", ("members",), "m\x1b", None, Remedy.APPLY),
            ),
            changes=(FieldChange(("min_disk",), 5, 7), FieldChange(("tags",), ("x",), ("y\x1b",))),
            steps=("update:a:now",),
        ),
        make_build(
            candidate(spec("a", "b"), "cand", status=Status.DEACTIVATED),
            ContentState.UNKNOWN,
            steps=("delete:a:cand",),
            candidate=Candidate("a", "cand", "", Fate.REJECTED),
        ),
        make_build(old, ContentState.MISSING, kept=Kept("a", "old", 2, 30, until="2026-12-20")),
        make_build(dying, None, steps=("update:a:dying", "delete:a:dying")),
    )


WRITTEN = ("written", "last by run an-earlier-run (update 1)")
NO_ORIGIN = ("source", "not recorded (only URLs are)")
CREATED = ("created", "2026-11-01 00:00 UTC (22 days ago)")
FIELDS: dict[tuple[str, str], list[tuple[str, str]]] = {
    ("Current build", "generation 2, image now"): [
        ("state", "active, shared, hidden, protected, no data"),
        CREATED,
        ("updated", "2026-11-22 10:00 UTC (26 hours ago)"),
        ("written", "last by run the-last-run (update 2)"),
        NO_ORIGIN,
        ("known", str(digest("a"))),
        ("service", f"md5:{'5' * 32}, sha512:{'6' * 128}"),
        ("content", "changed in the service: it is not the data that imagesync published"),
        ("drift", "min_ram: was 1, is now 2 (no longer in the manifest)"),
        ("drift", "member m\\x1b: was set, is now removed (the manifest changed, too)"),
        ("manifest", "min_disk: 5 → 7"),
        ("manifest", "tags: + y\\x1b, - x"),
    ],
    ("Candidate", "generation 9, image cand"): [
        ("state", "deactivated, private, hidden, 4.0 KiB"),
        *(CREATED, WRITTEN, NO_ORIGIN),
        ("known", str(digest("b"))),
        ("content", "unknown: no known digest can be compared with a declared one; apply hashes the source"),
        ("next", "rejected, because it was deactivated; it is not published"),
    ],
    ("Retired build", "generation 1, image old"): [
        ("state", "active, private, hidden, 4.0 KiB"),
        CREATED,
        ("retired", "2026-11-20 12:00 UTC (3 days ago)"),
        WRITTEN,
        ("source", "https://o.example/x"),
        ("known", f"{digest('c')}, {digest('e')}"),
        ("unverified", f"{digest('d')}, {digest('f')}"),
        ("content", "the service does not have all of its data"),
        ("next", "kept until 2026-12-20 (keep 2, 30 days)"),
    ],
    ("Build that an earlier run began to delete", "generation 1, image dying"): [
        ("state", "active, private, protected, 0 B"),
        ("created", "some day"),
        *(WRITTEN, NO_ORIGIN),
        ("known", str(digest("d"))),
        ("next", "the next apply deletes it"),
    ],
}
"""What people read of each of these builds."""


def test_every_field_of_each_build() -> None:
    """In this order; the text and the document have the same."""
    found = Explanation("k\x1b", None, make_builds(), None)
    expected = ["k\\x1b: catalog base on here", "  declared    no: the manifest does not have this key"]
    for (title, what), fields in FIELDS.items():
        expected += ["", f"{title}: {what}", *(f"  {name:<12}{text}" for name, text in fields)]
    assert lines(found) == [*expected, "", "Next apply:"]
    document = make_explanation_document(found, "c\x1b", None, TARGET, now=NOW)
    assert (document.subject, document.catalog, document.target) == (Subject.IMAGE, "c\x1b", "./lab")
    assert document.title == "Image k\\x1b of catalog c\\x1b on store ./lab, project local"
    assert document.summary == "4 builds."
    declared, *builds = document.blocks
    assert (declared.labels, declared.what) == (("Declared",), "")
    assert declared.lines == (Line("declared", "no: the manifest does not have this key"),)
    assert [(*block.labels, block.what) for block in builds] == list(FIELDS)
    assert [[(line.name, line.text) for line in block.lines] for block in builds] == list(FIELDS.values())
    assert {block.kind for block in document.blocks} == {Kind(Ink.STATE, "", "")}


@pytest.mark.parametrize(
    ("fate", "text"),
    [
        (Fate.PUBLISHED, "the next apply publishes it"),
        (Fate.WAITING, "the next apply publishes it"),
        (Fate.DROPPED, "the next apply drops it"),
        (Fate.UNWANTED, "no longer declared, the next apply drops it"),
        (Fate.REJECTED, "rejected, because it was deactivated; it is not published"),
    ],
)
def test_each_fate_of_a_candidate(fate: Fate, text: str) -> None:
    """It may be kept, too. JSON has the word of it."""
    kept = Kept("a", "cand", 1)
    build = make_build(candidate(spec("a")), None, candidate=Candidate("a", "cand", "", fate), kept=kept)
    found = Explanation("a", None, (build,), None)
    assert [line for line in lines(found) if "next  " in line] == [
        f"  next        {text}",
        "  next        kept without limit (keep 1)",
    ]
    (document,) = explanation_to_json(found, "base", {})["builds"]
    assert (document["fate"], document["kept_until"], document["content"]) == (fate.value, None, None)


def test_each_state_of_content_has_its_words() -> None:
    """A build that is not declared has none."""
    words = {
        ContentState.SAME: "as declared",
        ContentState.CHANGED: "not the declared build",
        ContentState.UNKNOWN: "unknown: no known digest can be compared with a declared one; apply hashes the source",
        ContentState.TAMPERED: "changed in the service: it is not the data that imagesync published",
        ContentState.MISSING: "the service does not have all of its data",
    }
    for state in (None, *ContentState):
        found = Explanation("a", None, (make_build(live(spec("a")), state),), None)
        expected = [] if state is None else [f"  content     {words[state]}"]
        assert [line for line in lines(found) if "content  " in line] == expected


def test_json_of_each_build() -> None:
    """A program reads what people read, and the values that text shortens."""
    document = explanation_to_json(Explanation("a", None, make_builds(), None), "base", {})
    current, other, old, dying = document["builds"]
    assert [one["role"] for one in document["builds"]] == ["current", "candidate", "retired", "deleting"]
    assert [one["content"] for one in document["builds"]] == ["tampered", "unknown", "missing", None]
    assert (current["size"], current["updated_at"], current["run"]) == (
        *(None, "2026-11-22T12:00:00+02:00", "the-last-run"),
    )
    assert current["service_digests"] == [f"md5:{'5' * 32}", f"sha512:{'6' * 128}"]
    assert [(one["path"], one["was"], one["now"], one["remedy"]) for one in current["drift"]] == [
        (["min_ram"], 1, 2, "none"),
        (["members"], "m\x1b", None, "apply"),
    ]
    assert (other["status"], other["os_hidden"], other["protected"], other["fate"]) == (
        *("deactivated", True, False, "rejected"),
    )
    assert (old["kept_until"], old["retired_at"], old["source"]) == (
        *("2026-12-20", "2026-11-20T12:00:00+00:00", "https://o.example/x"),
    )
    assert old["digests"] == [str(digest("c")), str(digest("e"))]
    assert old["unverified_digests"] == [str(digest("d")), str(digest("f"))]
    assert (dying["os_hidden"], dying["protected"], dying["size"], dying["retired_at"]) == (False, True, 0, None)
    assert dying["steps"] == ["update:a:dying", "delete:a:dying"]
    unwritten = replace(live(spec("a")), created_at="", updated_at="")
    unwritten = replace(unwritten, properties={n: v for n, v in unwritten.properties.items() if "_rev_" not in n})
    (bare,) = explanation_to_json(Explanation("a", None, (make_build(unwritten, None),), None), "base", {})["builds"]
    assert (bare["created_at"], bare["updated_at"], bare["run"]) == (None, None, None)
    text = lines(Explanation("a", None, (make_build(unwritten, None),), None))
    assert "  created     unknown" in text
    assert not any("written" in line or "updated" in line for line in text)


@pytest.mark.parametrize(
    ("attrs", "fields"),
    [
        (
            {"source": UrlSource(("https://u:p@x.org/a?t=1", "https://y.org/b"))},
            [
                "declared    yes",
                "name        a",
                "source      https://x.org/a, https://y.org/b",
                f"digest      {digest('a')}",
            ],
        ),
        (
            {"name": "n\x1b", "fingerprint": Fingerprint((digest("b"), digest("c")))},
            ["declared    yes", "name        n\\x1b", "source      a.raw", f"digest      {digest('b')}, {digest('c')}"],
        ),
        (
            {"source": Content.NO_DATA, "fingerprint": Fingerprint(()), "places": {"image": Place("m.yaml", 7, 3)}},
            [
                "declared    m.yaml:7:3",
                "name        a",
                "source      none: apply transfers no data",
                "digest      none is declared or listed",
            ],
        ),
    ],
)
def test_what_is_declared(attrs: dict[str, Any], fields: list[str]) -> None:
    """The place, the name, the source without secrets, and the digests."""
    found = Explanation("a", spec("a", **attrs), (), None)
    assert lines(found) == [
        "a: catalog base on here",
        *(f"  {field}" for field in fields),
        *("", "There is not yet an image of this key.", "", "Next apply:"),
    ]
    document = make_explanation_document(found, "base", "lab", TARGET, now=NOW)
    assert [f"{line.name:<12}{line.text}" for line in document.blocks[0].lines] == fields
    assert (document.summary, document.sections[0].lines) == ("There is not yet an image of this key.", ())


def test_the_remarks_on_the_next_apply_in_their_order() -> None:
    """Refusals, that nothing is to do, notes, errors with their effect, and the expiry."""
    plan = Plan("base", TARGET, notes=("a note\x1b", "another"), expires={"a": "2027-01-01"})
    error = PlanError("a", Diagnostic("a.yaml", 1, 2, "x", "gone"))
    wanted = spec("a", expires="2027-01-01")
    expiry = "the image expires on 2027-01-01; the first apply on or after that day does this: hide"
    refusals = ["the plan is refused: no\\x1b", "the plan is refused: never"]
    notes, effect = (
        ["a note\\x1b", "another"],
        ("Apply skips 1 image with an error, and exits with code 1 even if all other steps succeed."),
    )
    found = Explanation("a", wanted, (), plan, ("no\x1b", "never"))
    failed = replace(found, plan=replace(plan, errors=(error,)))
    for one, remarks in (
        (found, [*refusals, "nothing to do", *notes, expiry]),
        (failed, [*refusals, *notes, "Error: a.yaml:1:2: x: gone", effect, expiry]),
        (replace(found, plan=replace(plan, expires={})), [*refusals, "nothing to do", *notes]),
        (replace(found, spec=replace(wanted, expires=None)), [*refusals, "nothing to do", *notes]),
        (replace(found, plan=None), refusals),
    ):
        text = lines(one)
        assert text[text.index("Next apply:") + 1 :] == [f"  {remark}" for remark in remarks]
        document = make_explanation_document(one, "base", "lab", TARGET, now=NOW)
        assert document.sections == (Section("Next apply", tuple(remarks)),)
    as_json = explanation_to_json(failed, "base", {})
    assert as_json["notes"] == ["a note\x1b", "another"]
    assert as_json["declared"]["on_expire"] is None


def test_titles_are_bold_and_long_lines_continue_below_their_text() -> None:
    """A terminal of 50 columns; names of fields are not below each other's text."""
    found = Explanation("a", spec("a", name="word " * 12), make_builds()[:1], None)
    text = format_explanation(found, "catalog base on " + "x" * 40, NOW, lambda ink, text: f"<{ink.name} {text}>", 50)
    assert text.splitlines()[:7] == [
        "<BOLD a: catalog base on>",
        f"<BOLD   {'x' * 40}>",
        "  declared    yes",
        "  name        word word word word word word word",
        "                word word word word word",
        "  source      a.raw",
        "  digest",
    ]
    assert "<BOLD Current build: generation 2, image now>" in text.splitlines()
    assert text.splitlines()[-1] == "<BOLD Next apply:>"
