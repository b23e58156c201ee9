"""The explanation of a key, for people and for programs."""

import json
from dataclasses import replace
from typing import Any

from imagesync.errors import Diagnostic
from imagesync.model.catalog import OnExpire, Place, UrlSource, Visibility
from imagesync.model.explanation import ContentState, Explanation
from imagesync.model.image import LiveImage
from imagesync.model.plan import FieldChange, PlanError
from imagesync.model.policy import OnReplace
from imagesync.model.record import read
from imagesync.planning.explanation import explain_key
from imagesync.planning.planner import make_plan
from imagesync.render.explanation import explanation_to_json, format_explanation, make_explanation_document
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
