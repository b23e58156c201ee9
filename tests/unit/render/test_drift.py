"""Drift as text and as JSON."""

from datetime import UTC, datetime

from imagesync.model.drift import Drift, DriftReport, Remedy
from imagesync.model.image import Identity
from imagesync.render.drift import drift_to_json, format_drift, make_drift_document

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FOUND = (
    Drift("a", "id-a", ("min_ram",), 512, 256, Remedy.DRIFT_ONLY, updated="2026-11-23T11:57:00Z"),
    Drift("a", "id-a", ("tags",), "lts\x1b", None, Remedy.APPLY),
    Drift("b", "id-b", ("properties", "x.y"), None, "1", Remedy.APPLY, is_was_known=False),
    Drift("b", "id-b", ("properties",), None, None, Remedy.NONE, is_was_known=False),
    Drift("c", None, ("image",), "published", None, Remedy.APPLY),
    Drift("d", "id-d", ("status",), "active", "deactivated", Remedy.REACTIVATE),
)


def command_of(remedy: Remedy) -> str:
    return f"imagesync apply --{remedy.value}"


def test_the_text_shows_each_value_and_how_to_restore_it() -> None:
    """Foreign text is escaped; each command is on a line of its own."""
    text = format_drift(DriftReport(FOUND, 3), "Catalog base on store lab", command_of, now=NOW)
    assert (
        text
        == """\
Catalog base on store lab: drift: 5 values changed on 3 images, 1 image deleted; 3 images checked

a: image id-a
    last update of the image: 2026-11-23 11:57 UTC (3 minutes ago)
    min_ram: was 512, is now 256
    tag lts\\x1b: was set, is now removed (the manifest changed, too)

b: image id-b
    properties.x.y: had another value (it is not recorded), is now 1 (the manifest changed, too)
    a property (its name is not recorded): was set, is now removed (no longer in the manifest)

c: its image was published by an earlier run, and no longer exists

d: image id-d
    status: was active, is now deactivated

Restore 1 value, and change nothing else:
  imagesync apply --drift-only

Reactivate deactivated images, with all other changes of the plan:
  imagesync apply --reactivate

Make deleted images again and set the new values of the manifest, with all other changes of the plan:
  imagesync apply --apply"""
    )


def test_no_line_of_the_text_is_wider_than_the_terminal() -> None:
    """A command is never broken."""
    text = format_drift(DriftReport(FOUND, 3, ("x",) * 40), "Catalog base on store lab", command_of, now=NOW, width=60)
    assert max(map(len, text.splitlines())) <= 60


def test_no_drift_is_one_line_with_the_keys_that_could_not_be_judged() -> None:
    """They are not drift."""
    text = format_drift(DriftReport((), 1, ("new",)), "Catalog base on store lab", command_of, now=NOW)
    first, _, last = text.splitlines()
    assert first == "Catalog base on store lab: no drift; 1 image checked"
    assert last.startswith(
        "Not checked, because no image exists and no run recorded one: new. It is new in the manifest"
    )


def test_the_json_has_every_value_and_its_command() -> None:
    """An image that no command restores has none."""
    document = drift_to_json(DriftReport(FOUND, 3, ("x",)), "base", {"kind": "store"}, command_of)
    assert (document["checked"], document["unknown"], len(document["drift"])) == (3, ["x"], 6)
    assert document["drift"][0] == {
        "key": "a",
        "image_id": "id-a",
        "path": ["min_ram"],
        "was": 512,
        "was_known": True,
        "now": 256,
        "updated_at": "2026-11-23T11:57:00Z",
        "remedy": "drift-only",
        "restore": "imagesync apply --drift-only",
    }
    assert [one["restore"] for one in document["drift"] if one["remedy"] == "none"] == [None]


def test_the_document_has_the_counts_as_a_sentence() -> None:
    """An image with drift is a block, and so is one that is missing."""
    here = Identity("store", "/srv/lab", "id-1", label="./lab")
    document = make_drift_document(DriftReport(FOUND, 3, ("x",)), "base", "lab", here, command_of, now=NOW)
    assert document.title == "Drift of catalog base on target lab (store ./lab)"
    assert document.summary == "Drift: 5 values changed on 3 images, 1 image deleted; 3 images checked."
    assert [(block.labels, block.kind.verb) for block in document.blocks] == [
        (("a",), "drifted"),
        (("b",), "drifted"),
        (("c",), "missing"),
        (("d",), "drifted"),
    ]
    none = make_drift_document(DriftReport((), 1), "base", None, here, command_of, now=NOW)
    assert (none.summary, none.blocks, none.commands) == ("No drift; 1 image checked.", (), ())


def test_a_known_value_is_shown_even_if_it_is_zero_or_false() -> None:
    """It is recorded as any other one."""
    found = (
        Drift("a", "id-a", ("min_ram",), 0, 256, Remedy.APPLY),
        Drift("a", "id-a", ("protected",), False, True, Remedy.APPLY),
    )
    lines = format_drift(DriftReport(found, 1), "Catalog base", command_of, now=NOW).splitlines()
    assert [line.strip().partition(" (")[0] for line in lines if ": was " in line] == [
        "min_ram: was 0, is now 256",
        "protected: was false, is now true",
    ]
