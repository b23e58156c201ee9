"""Documents for tests of pages: of each subject, with few and with many blocks. Pure."""

from typing import Final

from imagesync.render.blocks import Kind
from imagesync.render.changes import Line
from imagesync.render.document import Alert, Block, Command, Document, Section, Subject
from imagesync.render.style import Ink

CREATE: Final = Kind(Ink.ADD, "+", "create")
REPLACE: Final = Kind(Ink.CHANGE, "±", "replace", "new build")
UPDATE: Final = Kind(Ink.CHANGE, "~", "update")
DEACTIVATE: Final = Kind(Ink.STATE, "○", "deactivate")
DELETE: Final = Kind(Ink.REMOVE, "-", "delete", "not in the manifest")
KINDS: Final = (CREATE, REPLACE, UPDATE, DELETE, DEACTIVATE)
LINES: Final = {
    CREATE: (
        Line("visibility", "public, protected", is_loud=True, is_named=True),
        Line("format", "qcow2 in bare, min_disk 10 GB, min_ram 512 MB"),
        Line("properties.hw_disk_bus", "virtio"),
        Line("host", "images.example"),
    ),
    REPLACE: (
        Line("properties.os_version", "12.7 → 12.8", pair=("12.7", "12.8")),
        Line("tags", "+ lts, - old"),
        Line("old build", "hidden, kept until 2027-02-21 (keep 1, 90 days)", is_named=True),
    ),
    UPDATE: (
        Line("visibility", "private → public", is_loud=True, is_named=True, pair=("private", "public")),
        Line("", "released: the image stays, and no catalog owns it"),
    ),
    DELETE: (),
    DEACTIVATE: (Line("image", "0d9a3e58-1111-4f3c-9b0a-000000000001"),),
}
WHAT: Final = {CREATE: "658.2 MiB from noble.img", REPLACE: "1.2 GiB from debian-12.qcow2", DELETE: "2.1 GiB"}


def make_block(number: int, **attrs: str) -> Block:
    """A block about the image ``key-NUMBER``; the kinds take turns."""
    kind = KINDS[number % len(KINDS)]
    place = f"images/base.yaml:{number + 10}:3" if kind is not DELETE else ""
    return Block(kind, (f"key-{number}",), WHAT.get(kind, ""), LINES[kind], place=place, **attrs)


def make_plan(number: int) -> Document:
    """A plan for so many images, and one block about four of them."""
    blocks = [make_block(one) for one in range(number)]
    names = tuple(label for block in blocks[:4] for label in block.labels)
    shared = Block(UPDATE, names, lines=(Line("properties.tpm", "(none) → 2.0  (drift)", pair=("(none)", "2.0")),))
    loud = tuple(block.labels[0] for block in blocks if any(line.is_loud for line in block.lines))
    deleted = tuple(block.labels[0] for block in blocks if block.kind is DELETE)
    alerts = (Alert("become public or protected", loud), Alert("are deleted", deleted, is_loss=True))
    return Document(
        Subject.PLAN,
        "base",
        "eu",
        "Catalog base on target eu (cloud eu, project images)",
        f"Plan: {number} to change; 14 unchanged. 3.2 GiB to upload.",
        tuple(alert for alert in alerts if alert.labels),
        (),
        (*blocks, *([shared] if number > 1 else [])),
        (
            Section("Retired builds kept", tuple(f"key-{one}  kept until 2027-02-21" for one in range(number))),
            Section("Notes", ("2 images carry a copy of another image's record",)),
        ),
        (Command("Apply this plan:", "imagesync apply plan.json --target eu"),),
    )


def make_report(number: int) -> Document:
    """The report of a run in which every third step failed."""
    ends = [("done", ""), ("done", ""), ("failed", "the service rejected the request (HTTP 409)")]
    blocks = [make_block(one, outcome=ends[one % 3][0], error=ends[one % 3][1]) for one in range(number)]
    return Document(
        Subject.REPORT,
        "base",
        "eu",
        "Catalog base on target eu",
        "Failed: 2 created; not done: 1 to update. Fix the errors above and run apply again.",
        errors=("images/base.yaml:3:1: images.x: the server responded with 404; correct the URL",),
        blocks=tuple(blocks),
        closing=("Run apply again to continue.",),
    )


def make_drift() -> Document:
    """The drift of two images."""
    changed = Kind(Ink.CHANGE, "~", "changed")
    lines = (Line("min_ram", "was 512, is now 256"), Line("", "a property: was set, is now removed"))
    blocks = [Block(changed, (key,), "last update 3 minutes ago", lines) for key in ("key-0", "key-1")]
    return Document(
        Subject.DRIFT,
        "base",
        "eu",
        "Drift of catalog base on target eu",
        "4 values changed on 2 images; 12 images checked",
        blocks=tuple(blocks),
        commands=(Command("Restore 4 values, and change nothing else:", "imagesync apply images --drift-only"),),
    )


def make_explanation() -> Document:
    """One image with two builds."""
    builds = [
        Block(Kind(Ink.STATE, "●", "current"), ("generation 2",), "", (Line("state", "active, public, 1.5 GiB"),)),
        Block(Kind(Ink.DIM, "○", "retired"), ("generation 1",), "", (Line("next", "the next apply deletes it"),)),
    ]
    return Document(
        Subject.IMAGE, "base", "eu", "key-0 of catalog base", "declared in base.yaml:3", blocks=tuple(builds)
    )


def make_failure() -> Document:
    """A run that failed before there was a plan."""
    return Document(
        Subject.FAILURE,
        "base",
        "eu",
        "imagesync plan failed",
        "2 problems",
        errors=("base.yaml:3:1: images.x: wrong", "no project in the settings of cloud eu; set project_name"),
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
