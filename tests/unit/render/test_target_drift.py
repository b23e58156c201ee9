"""Drift of several targets: as text, as JSON and as a collection."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from imagesync.errors import Diagnostic, ImagesyncError, ManifestError, Unavailable
from imagesync.model.drift import Drift, DriftReport, PlaceDrift, Remedy
from imagesync.model.image import Identity
from imagesync.render.target_drift import drifts_to_json, format_target_drift, make_drifts_collection

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FOUND = (
    Drift("a", "1", ("min_ram",), 512, 256, Remedy.DRIFT_ONLY, updated="2026-11-23T11:57:00Z"),
    Drift("a", "1", ("tags",), "lts", None, Remedy.APPLY),
    Drift("b", None, ("image",), "published", None, Remedy.APPLY),
)


def place(name: str, *found: Drift, checked: int = 2, unknown: tuple[str, ...] = ()) -> PlaceDrift:
    """The drift of a store of this name; the ids and times of its images are its own."""
    own = [
        replace(drift, image_id=drift.image_id and f"{name}-{drift.image_id}", updated=drift.updated and f"{name} time")
        for drift in found
    ]
    return PlaceDrift(DriftReport(tuple(own), checked, unknown), Identity("store", f"/{name}", name, label=name))


EVERY: dict[str, PlaceDrift | ImagesyncError] = {
    "eu": place("eu", *FOUND),
    "ap": place("ap"),
    "us": place("us", *FOUND),
    "lab": place("lab", FOUND[1]),
    "lost": Unavailable("no response from \x1b", "try again"),
}


def command_of(remedy: Remedy, targets: Sequence[str]) -> str:
    """A command with the targets that need it."""
    return f"imagesync apply --{remedy.value} {' '.join(targets)}"


def test_equal_drift_is_shown_once_with_the_image_of_each_target() -> None:
    """Ids and times differ on all targets. Errors come last. One command restores all that need it; the count names what is wrong."""
    assert (
        format_target_drift(EVERY, "base", command_of, now=NOW)
        == """\
ap: no drift
Catalog base on target ap (store ap): 2 images checked

eu, us: the same drift: 2 values changed on 1 image, 1 image deleted
Catalog base on targets eu (store eu), us (store us): 2 images checked

a:
    eu: image eu-1, last update eu time
    us: image us-1, last update us time
    min_ram: was 512, is now 256
    tag lts: was set, is now removed (the manifest changed, too)

b: its image was published by an earlier run, and no longer exists

lab: drift: 1 value changed on 1 image
Catalog base on target lab (store lab): 2 images checked

a: image lab-1
    tag lts: was set, is now removed (the manifest changed, too)

lost: cannot be checked
Error: no response from \\x1b; try again

Restore 2 values, and change nothing else:
  imagesync apply --drift-only eu us

Make deleted images again and set the new values of the manifest, with all other changes of the plan:
  imagesync apply --apply eu us lab

5 targets: 3 with drift (eu, us, lab), 1 without drift, 1 with errors (lost)."""
    )


def test_targets_without_drift_have_no_command() -> None:
    """Those that could not check the same keys are one group, whatever number of images they have."""
    found = {"eu": place("eu", unknown=("n",)), "us": place("us", checked=1, unknown=("n",)), "ap": place("ap")}
    text = format_target_drift(found, "base", command_of, now=NOW)
    assert text.startswith(
        "eu, us: no drift\nCatalog base on targets\n  eu (store eu): 2 images checked\n  us (store us): 1 image checked\n"
    )
    assert text.count("no run recorded one: n.") == 1
    assert text.endswith(
        "\n\nap: no drift\nCatalog base on target ap (store ap): 2 images checked\n\n3 targets: 3 without drift."
    )


def test_values_of_other_images_are_not_the_same_drift() -> None:
    """Two images on one target, one on the other: two groups."""
    two = (FOUND[1], replace(FOUND[1], image_id="2"))
    one = (FOUND[1], FOUND[1])
    text = format_target_drift({"eu": place("eu", *two), "us": place("us", *one)}, "base", command_of, now=NOW)
    assert "eu: drift: 2 values changed on 2 images" in text
    assert "us: drift: 2 values changed on 1 image\n" in text


def test_no_line_of_the_text_is_wider_than_the_terminal() -> None:
    """Whatever the number of targets; every name is there."""
    found = {f"region-{number}": place(f"region-{number}", FOUND[1]) for number in range(20)}
    text = format_target_drift(found, "base", lambda *_: "short", now=NOW, width=60)
    assert max(map(len, text.splitlines())) <= 60
    assert all(f"image region-{number}-1" in text for number in range(20))


def test_the_json_has_the_document_of_each_target() -> None:
    """None for a target that could not be checked, whose problems say why. A command restores one target."""
    document = drifts_to_json("base", EVERY, command_of)
    assert document["catalog"] == "base"
    assert [one["target"] for one in document["targets"]] == ["eu", "ap", "us", "lab", "lost"]
    eu, ap, *_, lost = document["targets"]
    assert [one["image_id"] for one in eu["drift"]["drift"]] == ["eu-1", "eu-1", None]
    assert eu["drift"]["drift"][0]["restore"] == "imagesync apply --drift-only eu"
    assert eu["drift"]["target"]["label"] == "eu"
    assert (ap["problems"], ap["drift"]["drift"]) == ([], [])
    assert (lost["drift"], [one["hint"] for one in lost["problems"]]) == (None, ["try again"])


def test_the_collection_has_a_row_for_each_target_and_a_document_for_each_group() -> None:
    """The title of a group has its counts."""
    found = make_drifts_collection("base", EVERY, command_of, now=NOW)
    assert (found.title, found.summary.partition(":")[0]) == ("Drift of catalog base on 5 targets", "5 targets")
    assert [(row.target, row.place, row.outcome, row.changes, row.errors) for row in found.rows] == [
        ("eu", "store eu", "drift", "2 values changed on 1 image, 1 image deleted", 0),
        ("ap", "store ap", "no drift", "", 0),
        ("us", "store us", "drift", "2 values changed on 1 image, 1 image deleted", 0),
        ("lab", "store lab", "drift", "1 value changed on 1 image", 0),
        ("lost", "", "not checked", "", 1),
    ]
    assert [row.place.partition(",")[0] for row in found.rows] == ["store eu", "store ap", "store us", "store lab", ""]
    assert [(error.names, error.first) for error in found.errors] == [(("lost",), "no response from \\x1b; try again")]
    assert [group.names for group in found.groups] == [("ap",), ("eu", "us"), ("lab",)]
    _, first, third = (group.first for group in found.groups)
    assert first.title.startswith("the same drift: 2 values")
    whats = [block.what for block in (*first.blocks, *third.blocks)]
    assert whats == [
        "eu: image eu-1, last update eu time; us: image us-1, last update us time",
        "its image was published by an earlier run, and no longer exists",
        "image lab-1",
    ]
    assert [command.text for command in found.commands] == [
        "imagesync apply --drift-only eu us",
        "imagesync apply --apply eu us lab",
    ]


def test_the_collection_names_keys_that_could_not_be_checked() -> None:
    """Also of a target without drift."""
    found = make_drifts_collection("base", {"eu": place("eu", unknown=("n",))}, command_of, now=NOW)
    ((section,),) = (group.first.sections for group in found.groups)
    assert "no run recorded one: n." in section.lines[0]
    assert found.groups[0].first.has_content


def test_each_problem_of_a_target_is_shown() -> None:
    """In the text, in the rows and in the errors; two targets with equal problems are one group."""
    failed = ManifestError([Diagnostic("a.yaml", 3, 5, "images.a", "x", "y"), Diagnostic("b.yaml", 1, 1, "", "z\x1b")])
    same = ManifestError(list(failed.diagnostics))
    found: dict[str, PlaceDrift | ImagesyncError] = {"e\x1bu": failed, "us": same, "ap": Unavailable("no answer")}
    assert format_target_drift(found, "base", command_of, now=NOW) == (
        "e\\x1bu, us: cannot be checked\nError: a.yaml:3:5: images.a: x; y\nError: b.yaml:1:1: z\\x1b\n\n"
        "ap: cannot be checked\nError: no answer\n\n3 targets: 3 with errors (e\\x1bu, us, ap)."
    )
    document = make_drifts_collection("b\x1b", found, command_of, now=NOW)
    assert document.title == "Drift of catalog b\\x1b on 3 targets"
    assert [(row.target, row.outcome, row.errors) for row in document.rows] == [
        ("e\\x1bu", "not checked", 2),
        ("us", "not checked", 2),
        ("ap", "not checked", 1),
    ]
    assert [(error.names, error.first) for error in document.errors] == [
        (("e\\x1bu", "us"), "a.yaml:3:5: images.a: x; y"),
        (("e\\x1bu", "us"), "b.yaml:1:1: z\\x1b"),
        (("ap",), "no answer"),
    ]
    assert (document.groups, document.commands) == ((), ())


def test_an_image_that_is_gone_is_not_the_same_drift_as_one_that_is_there() -> None:
    """Although all other values are equal."""
    there = replace(FOUND[2], image_id="3")
    text = format_target_drift({"eu": place("eu", FOUND[2]), "us": place("us", there)}, "base", command_of, now=NOW)
    assert [line for line in text.splitlines() if line.startswith(("eu:", "us:", "eu, us:"))] == [
        "eu: drift: 1 image deleted",
        "us: drift: 1 value changed on 1 image",
    ]


def test_every_remedy_of_a_target_has_its_command() -> None:
    """Whichever drift is first; a name of a target is printable in rows and groups, and as it is in commands."""
    for drifts in ((FOUND[0], FOUND[1]), (FOUND[1], FOUND[0])):
        found = make_drifts_collection("base", {"e\x1b": place("e\x1b", *drifts)}, command_of, now=NOW)
        assert sorted(command.text for command in found.commands) == [
            "imagesync apply --apply e\x1b",
            "imagesync apply --drift-only e\x1b",
        ]
        assert ([row.target for row in found.rows], found.groups[0].names) == (["e\\x1b"], ("e\\x1b",))


def test_titles_and_counts_are_bold_and_wrapped() -> None:
    """Values that changed are painted, too."""
    found: dict[str, PlaceDrift | ImagesyncError] = {f"region-{at}": place(f"r{at}", *FOUND) for at in range(6)}
    text = format_target_drift(
        found, "base", command_of, now=NOW, paint=lambda ink, text: f"<{ink.name}>{text}", width=40
    )
    lines = text.splitlines()
    assert lines[:3] == [
        "<BOLD>region-0, region-1, region-2, region-3,",
        "<BOLD>  region-4, region-5: the same drift: 2",
        "<BOLD>  values changed on 1 image, 1 image",
    ]
    assert lines[-3:] == [
        "<BOLD>6 targets: 6 with drift (region-0,",
        "<BOLD>  region-1, region-2, region-3,",
        "<BOLD>  region-4, region-5).",
    ]
    assert "<CHANGE>a:" in lines
    assert "<REMOVE>b: its image was published by an" in lines
