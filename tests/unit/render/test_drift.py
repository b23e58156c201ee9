"""Drift as text and as JSON."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from imagesync.model.drift import Drift, DriftReport, Remedy
from imagesync.model.image import Identity
from imagesync.render.blocks import Kind
from imagesync.render.changes import Line
from imagesync.render.document import Block, Command, Document, Section, Subject
from imagesync.render.drift import (
    count_checked,
    count_drift,
    count_found,
    describe_image,
    describe_unknown,
    describe_value,
    drift_to_json,
    format_drift,
    format_images,
    group_by_image,
    list_remedies,
    make_drift_document,
    make_sections,
)
from imagesync.render.style import Ink

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


@pytest.mark.parametrize(
    ("updated", "text"),
    [
        ("2026-11-23T11:57:00+02:00", "2026-11-23 09:57 UTC (2 hours ago)"),
        ("2026-11-23T11:57:00Z", "2026-11-23 11:57 UTC (3 minutes ago)"),
        ("2026-11-23T11:57:00", "2026-11-23 11:57 UTC (3 minutes ago)"),
        ("some day\x1b", "some day\\x1b"),
    ],
)
def test_the_time_of_the_last_update_is_utc(updated: str, text: str) -> None:
    """Whatever its zone; a text that cannot be read as a time is shown as it is."""
    drift = replace(FOUND[0], updated=updated)
    assert describe_image(drift, NOW) == f"image id-a, last update {text}"
    lines = format_drift(DriftReport((drift,), 1), "Catalog base", command_of, now=NOW).splitlines()
    assert f"    last update of the image: {text}" in lines


@pytest.mark.parametrize(
    ("keys", "names", "rest"),
    [
        (("a\x1b",), "a\\x1b", "It is new in the manifest, or its image was deleted"),
        (("b", "a"), "b, a", "They are new in the manifest, or their images were deleted"),
        (
            tuple(f"k{number}" for number in range(12)),
            "k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, and 2 more",
            "They are new in the manifest, or their images were deleted",
        ),
    ],
)
def test_the_sentence_about_keys_that_were_not_checked(keys: tuple[str, ...], names: str, rest: str) -> None:
    """The text, and the only section of the document."""
    sentence = (
        f"Not checked, because no image exists and no run recorded one: {names}. {rest}; the next apply makes them"
    )
    report = DriftReport((), 2, keys)
    assert describe_unknown(keys) == sentence
    assert format_drift(report, "Catalog base", command_of, now=NOW).splitlines()[2:] == [sentence]
    assert make_sections(report) == (Section("", (sentence,)),)
    assert make_sections(DriftReport(FOUND, 2)) == ()


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (FOUND[:1], "1 value changed on 1 image"),
        (FOUND[:2], "2 values changed on 1 image"),
        ((FOUND[0], replace(FOUND[0], image_id="id-2")), "2 values changed on 2 images"),
        ((FOUND[0], replace(FOUND[0], key="b")), "2 values changed on 2 images"),
        (FOUND[4:5], "1 image deleted"),
        ((FOUND[4], replace(FOUND[4], key="d")), "2 images deleted"),
        ((FOUND[4], *FOUND[:2]), "2 values changed on 1 image, 1 image deleted"),
        ((), ""),
    ],
)
def test_values_and_images_are_counted(found: tuple[Drift, ...], text: str) -> None:
    """A deleted image is counted apart; two images of a key are two."""
    assert count_found(DriftReport(found, 1)) == text
    assert count_drift(DriftReport(found, 1)) == f"{f'drift: {text}' if text else 'no drift'}; 1 image checked"
    assert count_checked(DriftReport(found, 0)) == "0 images checked"


def test_the_whole_document() -> None:
    """Each image with its values and its last update; the commands in the order of the text."""
    here = Identity("store", "/srv/lab", "id-1", label="./lab")
    changed, missing = Kind(Ink.CHANGE, "~", "drifted"), Kind(Ink.REMOVE, "-", "missing")
    document = make_drift_document(DriftReport(FOUND, 3, ("x",)), "ba\x1bse", None, here, command_of, now=NOW)
    assert document == Document(
        Subject.DRIFT,
        "ba\x1bse",
        "./lab",
        "Drift of catalog ba\\x1bse on store ./lab",
        "Drift: 5 values changed on 3 images, 1 image deleted; 3 images checked.",
        blocks=(
            Block(
                changed,
                ("a",),
                "image id-a, last update 2026-11-23 11:57 UTC (3 minutes ago)",
                (
                    Line("min_ram", "was 512, is now 256"),
                    Line("tag lts\\x1b", "was set, is now removed (the manifest changed, too)"),
                ),
            ),
            Block(
                changed,
                ("b",),
                "image id-b",
                (
                    Line(
                        "properties.x.y",
                        "had another value (it is not recorded), is now 1 (the manifest changed, too)",
                    ),
                    Line(
                        "a property (its name is not recorded)",
                        "was set, is now removed (no longer in the manifest)",
                    ),
                ),
            ),
            Block(missing, ("c",), "its image was published by an earlier run, and no longer exists"),
            Block(changed, ("d",), "image id-d", (Line("status", "was active, is now deactivated"),)),
        ),
        sections=make_sections(DriftReport((), 3, ("x",))),
        commands=(
            Command("Restore 1 value, and change nothing else:", "imagesync apply --drift-only"),
            Command(
                "Reactivate deactivated images, with all other changes of the plan:", "imagesync apply --reactivate"
            ),
            Command(
                "Make deleted images again and set the new values of the manifest, with all other changes of the plan:",
                "imagesync apply --apply",
            ),
        ),
    )


def test_which_commands_there_are() -> None:
    """Only those that restore something, with the number of values that need nothing else."""
    none = replace(FOUND[0], remedy=Remedy.NONE)
    assert list(list_remedies([none], command_of)) == []
    (only,) = list_remedies([FOUND[0], none, FOUND[0]], command_of)
    assert only == Command("Restore 2 values, and change nothing else:", "imagesync apply --drift-only")


@pytest.mark.parametrize(
    ("drift", "text"),
    [
        (
            Drift("a", "i", ("members",), "m", None, Remedy.DRIFT_ONLY),
            "member m: was set, is now removed",
        ),
        (
            Drift("a", "i", ("members",), None, None, Remedy.NONE, is_was_known=False),
            "a member (its name is not recorded): was set, is now removed (no longer in the manifest)",
        ),
        (
            Drift("a", "i", ("tags",), None, None, Remedy.APPLY, is_was_known=False),
            "a tag (its name is not recorded): was set, is now removed (the manifest changed, too)",
        ),
        (
            Drift("a", "i", ("properties", "x\x1b"), "v\x1b", None, Remedy.REACTIVATE),
            "properties.x\\x1b: was v\\x1b, is now (none)",
        ),
        (
            Drift("a", "i", ("name",), "old", "new\x1b", Remedy.NONE),
            "name: was old, is now new\\x1b (no longer in the manifest)",
        ),
    ],
)
def test_the_words_of_one_value(drift: Drift, text: str) -> None:
    """What it was, what it is, and why an apply of drift does not restore it."""
    assert describe_value(drift) == text


def test_the_whole_json() -> None:
    """Sets are lists; a time or an image that is not known is null."""
    found = (
        Drift("a\x1b", "i", ("content",), ("x", "y"), ("z",), Remedy.APPLY),
        Drift("b", None, ("image",), "published", None, Remedy.NONE, is_was_known=False),
    )
    assert drift_to_json(DriftReport(found, 7, ("n", "m")), "base", {"kind": "store"}, command_of) == {
        "catalog": "base",
        "target": {"kind": "store"},
        "checked": 7,
        "unknown": ["n", "m"],
        "drift": [
            {
                "key": "a\x1b",
                "image_id": "i",
                "path": ["content"],
                "was": ["x", "y"],
                "was_known": True,
                "now": ["z"],
                "updated_at": None,
                "remedy": "apply",
                "restore": "imagesync apply --apply",
            },
            {
                "key": "b",
                "image_id": None,
                "path": ["image"],
                "was": "published",
                "was_known": False,
                "now": None,
                "updated_at": None,
                "remedy": "none",
                "restore": None,
            },
        ],
    }


def test_colors_and_the_place_of_each_line_in_a_narrow_terminal() -> None:
    """A deleted image has another color. A long line continues deeper than the next one begins."""
    report = DriftReport((*FOUND[:2], FOUND[4]), 3, ("x",))
    text = format_drift(
        report,
        "Catalog base on store lab",
        command_of,
        now=NOW,
        paint=lambda ink, text: f"<{ink.name} {text}>",
        width=60,
    )
    assert (
        text
        == """\
<BOLD Catalog base on store lab: drift: 2 values changed on 1>
<BOLD   image, 1 image deleted; 3 images checked>

<CHANGE a>: image id-a
    last update of the image: 2026-11-23 11:57 UTC (3
        minutes ago)
    min_ram: was 512, is now 256
    tag lts\\x1b: was set, is now removed (the manifest
        changed, too)

<REMOVE c>: its image was published by an earlier run, and
    no longer exists

Not checked, because no image exists and no run recorded
  one: x. It is new in the manifest, or its image was
  deleted; the next apply makes them

Restore 1 value, and change nothing else:
  imagesync apply --drift-only

Make deleted images again and set the new values of the
  manifest, with all other changes of the plan:
  imagesync apply --apply"""
    )


def test_equal_drift_of_several_targets_is_one_text() -> None:
    """Each target has its image and its time; keys that were not checked are named once, with those of the first."""
    other = tuple(
        replace(drift, image_id=drift.image_id and f"us-{drift.image_id}", updated="")
        for drift in (*FOUND[:2], FOUND[4])
    )
    reports = {
        "eu\x1b": DriftReport((*FOUND[:2], FOUND[4]), 3, ("x",)),
        "us": DriftReport(other, 3, ("x",)),
    }
    assert list(format_images(reports, now=NOW)) == [
        "",
        "a:",
        "    eu\\x1b: image id-a, last update 2026-11-23 11:57 UTC (3 minutes ago)",
        "    us: image us-id-a",
        "    min_ram: was 512, is now 256",
        "    tag lts\\x1b: was set, is now removed (the manifest changed, too)",
        "",
        "c: its image was published by an earlier run, and no longer exists",
        "",
        describe_unknown(("x",)),
    ]
    assert list(format_images({"": DriftReport(other[:1], 3)}, now=NOW)) == [
        *("", "a: image us-id-a", "    min_ram: was 512, is now 256"),
    ]


def test_images_are_grouped_in_their_order() -> None:
    """By key and id: a key may have several images, and the values of an image are together."""
    found = (FOUND[0], FOUND[1], replace(FOUND[0], image_id="id-2"), FOUND[2], FOUND[3])
    groups = group_by_image(DriftReport(found, 3))
    assert [[drift.path for drift in group] for group in groups] == [
        [("min_ram",), ("tags",)],
        [("min_ram",)],
        [("properties", "x.y"), ("properties",)],
    ]
