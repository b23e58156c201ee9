"""``imagesync.render.markdown_targets``: the comment about several targets."""

import re
from random import Random

import pytest

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
from imagesync.render.markdown import format_markdown
from imagesync.render.markdown_parts import MAX_OPEN_ROWS
from imagesync.render.markdown_targets import MIN_OPEN_ROWS
from imagesync.render.markdown_text import format_marker, mark_html_name
from imagesync.render.target_documents import make_failure_collection, make_plans_collection, make_runs_collection
from imagesync.text import escape_commands, make_printable
from tests.markdown_pages import ESCAPING, OURS, PARSERS, read_page
from tests.unit.factories import NOW
from tests.unit.render.test_markdown import (
    ADD,
    CHANGE,
    GITHUB,
    PLAIN,
    PLAIN_ONLY_IN_CODE,
    REMOVE,
    ROUNDS,
    SMALLEST,
    draw_document,
    draw_text,
    draw_texts,
)
from tests.unit.render.test_markdown_text import HOSTILE, check_loose_text
from tests.unit.render.test_page_targets import RICH
from tests.unit.render.test_target_documents import CHANGED, NO_PLAN, OTHER, PROBLEM, SAME, make_run
from tests.unit.render.test_target_groups import make_plan_on

MARKER = "<!-- imagesync base * -->"
TWO = Line("min_ram", "0 → 2")


def make(*groups: tuple[tuple[str, ...], Document], **attrs: object) -> str:
    """The comment about groups of targets, each of which has a row."""
    rows = tuple(TargetRow(name, "changes", "1 to update") for names, _ in groups for name in names)
    made = tuple(TargetGroup(names, document) for names, document in groups)
    fields: dict[str, object] = {"rows": rows, "groups": made, **attrs}
    return format_markdown(Collection(Subject.PLAN, "base", "Plan", "2 targets.", **fields), max_bytes=GITHUB)  # type: ignore[arg-type]


def make_group(*blocks: Block, **attrs: object) -> Document:
    """The document of a group."""
    return Document(Subject.PLAN, "base", "eu", "1 change", "Plan: 1 to update.", blocks=blocks, **attrs)  # type: ignore[arg-type]


def make_full(name: str) -> Collection:
    """A collection with a name in each of its texts."""
    document = Document(
        Subject.REPORT,
        name,
        name,
        f"the same {name} changes",
        f"Plan: {name} to create",
        blocks=(
            Block(CHANGE, (name,), name, (Line(name, name),) * 4, name, name, name),
            Block(REMOVE, (name,), "", (Line("", name),)),
        ),
        sections=(Section(f"About {name} here", (name,)),),
        closing=(f"Fix {name} now",),
    )
    return Collection(
        Subject.REPORT,
        name,
        f"Run on {name} here",
        f"Of {name} targets",
        rows=(TargetRow(name, name, f"{name} created", 3, 0, f"cloud {name}"), TargetRow("b", "done", "", 0, 1)),
        alerts=(
            TargetGroup((name, name), Alert("become public: they stay", (name,), is_loss=True)),
            TargetGroup((), Alert("end", (name, name))),
        ),
        errors=(TargetGroup((name,), f"Error: {name} is wrong"), TargetGroup((), name)),
        groups=(TargetGroup((name, "b"), document),),
        closing=(f"Run {name} again",),
    )


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("name", [make_printable(name) for name in HOSTILE if name.strip() and len(name) < 100])
def test_no_name_changes_the_page(name: str, parser: str) -> None:
    """The elements are those of a page with a plain name, and the reader sees the name in all places."""
    plain_name = PLAIN if mark_html_name(name) else PLAIN_ONLY_IN_CODE
    plain = read_page(format_markdown(make_full(plain_name), max_bytes=10**6), parser)
    page = read_page(format_markdown(make_full(name), max_bytes=10**6), parser)
    assert page.shape == plain.shape
    assert page.tags <= OURS
    assert page.comments == [format_marker(name, None)[4:-3]]
    assert "".join(page.text.split()) == "".join(plain.text.split()).replace(plain_name, "".join(name.split()))
    check_loose_text(page)


def draw_targets(random: Random) -> Collection:
    """A collection that may be short or much too long."""
    most = random.choice([1, 3, 40])
    names = [f"t{number}-{draw_text(random)}" for number in range(random.randint(1, most))]

    def draw_names() -> tuple[str, ...]:
        return tuple(random.sample(names, random.randint(1, len(names))))

    return Collection(
        random.choice(list(Subject)),
        draw_text(random),
        f"Plan {draw_text(random)}",
        draw_text(random),
        rows=tuple(
            TargetRow(
                name,
                draw_text(random),
                draw_text(random),
                random.choice([0, 3]),
                random.choice([0, 0, 1]),
                draw_text(random),
            )
            for name in names
        ),
        alerts=tuple(
            TargetGroup(draw_names(), Alert(random.choice(["are deleted", "end"]), ("x", *draw_texts(random, most))))
            for _ in range(random.randint(0, 4))
        ),
        errors=tuple(TargetGroup(draw_names(), draw_text(random)) for _ in range(random.randint(0, most))),
        groups=tuple(TargetGroup(draw_names(), draw_document(random)) for _ in range(random.choice([0, 2, 5]))),
        closing=draw_texts(random, 2),
    )


@pytest.mark.parametrize("parser", PARSERS)
def test_any_collection_fits_and_only_imagesync_makes_elements(parser: str) -> None:
    """All elements are closed wherever it is cut, and nothing is left for the guard of the output to escape."""
    for seed in range(ROUNDS // 2):
        random = Random(seed)
        document, max_bytes = draw_targets(random), random.randint(SMALLEST, 20_000)
        text = format_markdown(document, max_bytes=max_bytes)
        assert len(text.encode()) < max_bytes
        assert text.startswith(f"{format_marker(document.catalog, None)}\n\nPlan")
        page = read_page(text, parser)
        assert page.tags <= OURS
        assert len(page.comments) == 1
        assert {len(row) for row in page.cells} <= {3, 4, 5, 6}
        assert escape_commands(text) == text
        check_loose_text(page)


def test_no_collection_makes_other_elements_where_tags_are_text() -> None:
    """Foldable parts are open there, and all the rest is as elsewhere."""
    allowed = OURS - {"details", "summary", "br"}
    for seed in range(ROUNDS // 2):
        page = read_page(format_markdown(draw_targets(Random(seed)), max_bytes=20_000), ESCAPING)
        assert page.tags <= allowed
    for name in map(make_printable, HOSTILE):
        assert read_page(format_markdown(make_full(name), max_bytes=10**6), ESCAPING).tags <= allowed


def test_plan_apply_and_failure_have_one_marker() -> None:
    """A bot replaces the comment of the plan by that of the apply, whichever targets there are."""
    planned = make_plans_collection("base", [make_plan_on("eu", CHANGED), NO_PLAN], now=NOW)
    run = make_runs_collection("apply", "base", [make_run("us")], now=NOW)
    failure = make_failure_collection("plan", "base", [PROBLEM])
    first_lines = {format_markdown(one, max_bytes=GITHUB).split("\n")[0] for one in (planned, run, failure)}
    assert first_lines == {MARKER}


def test_no_target_has_the_marker_of_several() -> None:
    """Its name would have to be one that is not encoded."""
    assert format_marker("base", None) == MARKER
    assert format_marker("base", "*") == "<!-- imagesync base %2A -->"
    assert format_marker("base", "") == "<!-- imagesync base - -->"


def test_the_comment_of_three_targets() -> None:
    """What concerns any target first, then the targets, then each change once."""
    planned = [make_plan_on("eu", OTHER), make_plan_on("same", SAME), make_plan_on("us", OTHER), NO_PLAN]
    text = format_markdown(make_plans_collection("base", planned, now=NOW), max_bytes=GITHUB)
    assert text == (
        "<!-- imagesync base * -->\n\n"
        "Plan for catalog base on 4 targets\n-----\n\n"
        "**4 targets: 2 with changes, 1 without changes, 1 with errors (dead).**\n\n"
        "> [!WARNING]\n> - **Become public** on `eu`, `us`, 1 image: `b`\n\n"
        "**Errors**\n\n- `dead`: no answer from `https://eu.example`; check the network\n\n"
        "| target | place | outcome | changes | errors |\n|---|---|---|---|---|\n"
        "| `eu` | cloud eu, project eu | changes | 1 to create |  |\n"
        "| `same` | cloud same, project same | no changes |  |  |\n"
        "| `us` | cloud us, project us | changes | 1 to create |  |\n"
        "| `dead` |  | no plan |  | 1 |\n\n"
        "**`eu`, `us`: the same change**\n\n"
        "Plan: 1 to create; 0 unchanged. 4.0 KiB to upload. 1 image declared, 0 owned.\n\n"
        "| action | image | what |\n|---|---|---|\n"
        "| `+` create | `b` | 4.0 KiB from `b.raw`<br>⚠️ `visibility`: `public`<br>`format`: `raw in bare` |\n\n"
        "Apply exits with code 1, and changes nothing on dead."
    )


def test_waves_have_a_column_if_they_differ() -> None:
    """They say in which order targets are changed."""
    rows = (TargetRow("lab", "changes"), TargetRow("eu", "changes", wave=2))
    assert "| target | wave | outcome | changes | errors |\n|---|---|---|---|---|\n| `lab` | 0 | changes" in make(
        rows=rows
    )
    assert "wave" not in make(rows=rows[:1])
    assert "wave" not in make(rows=rows[1:])


def test_places_have_a_column_if_one_is_known() -> None:
    """A failure before all plans knows none."""
    rows = (TargetRow("lab", "done", place="store x"), TargetRow("eu", "failed"))
    assert "| target | place | outcome | changes | errors |\n|---|---|---|---|---|\n| `lab` | store x | done" in make(
        rows=rows
    )
    assert "place" not in make(rows=rows[1:])


def test_facts_of_a_group_are_below_its_rows() -> None:
    """Fields, sections, and what apply does with errors of images."""
    document = make_group(
        Block(CHANGE, ("a",), "", (TWO,) * 4), sections=(Section("Notes", ("a note",)),), closing=("b",)
    )
    text = make((("eu", "us"), document), (("lab",), make_group(Block(CHANGE, ("c",)))))
    parts = ["**`eu`, `us`: 1 change**", "| `a` |", "<details>", "**Notes**\n\n- a note", "- b", "**`lab`: 1 change**"]
    places = [text.index(part) for part in [*parts, "| `c` |"]]
    assert places == sorted(places)


def test_a_group_without_content_is_only_rows_of_the_table() -> None:
    """Nothing changes there."""
    assert make((("eu",), make_group())).endswith("| `eu` | changes | 1 to update |  |")


@pytest.mark.parametrize(("groups", "visible"), [(1, MAX_OPEN_ROWS), (5, 5), (20, MIN_OPEN_ROWS)])
def test_many_groups_have_fewer_open_rows(groups: int, visible: int) -> None:
    """Else the comment is longer than what a reviewer reads. Loud rows are among the open ones."""
    loud = Block(CHANGE, ("loud",), "", (Line("protected", "true → false", is_loud=True),))
    blocks = (*(Block(ADD, (f"i{number}",)) for number in range(MAX_OPEN_ROWS)), loud)
    text = make(*(((f"t{number}",), make_group(*blocks)) for number in range(groups)))
    first = text.split("**`t0`: 1 change**")[1]
    opened, folded, *_ = first.split("<details>")
    assert opened.count("\n| `") == visible
    assert "| `loud` |" in opened
    assert folded.partition("</details>")[0].count("\n| `") == MAX_OPEN_ROWS + 1 - visible


def make_many(number: int) -> Collection:
    """A collection of so many targets, of which the second half failed, each with its own error."""
    names = [f"region-{one:03}" for one in range(number)]
    rows = tuple(TargetRow(name, "failed", "", 1) for name in names)
    errors = tuple(TargetGroup((name,), f"https://{name}.example does not answer") for name in names[number // 2 :])
    blocks = tuple(Block(CHANGE, (f"image-{one}",), "", (TWO,) * 5) for one in range(60))
    alerts = (TargetGroup(tuple(names), Alert("become public", tuple(f"i{one}" for one in range(500)))),)
    groups = tuple(TargetGroup((name,), make_group(*blocks)) for name in names[: number // 2])
    return Collection(Subject.REPORT, "base", "Run", f"{number} targets.", rows, alerts, errors, groups)


@pytest.mark.parametrize(("number", "max_bytes"), [(6, 4_000), (40, 8_000), (100, 20_000), (100, GITHUB)])
def test_a_cut_keeps_every_target_and_every_failure(number: int, max_bytes: int) -> None:
    """It is in the fields first, then in the rows, then in the names of the alerts."""
    document = make_many(number)
    text = format_markdown(document, max_bytes=max_bytes)
    assert len(text.encode()) < max_bytes
    assert f"**Cut to {max_bytes:,} bytes.** Not shown here: " in text
    assert re.findall(r"^\| `(region-\d+)` \|", text, re.MULTILINE) == [row.target for row in document.rows]
    assert re.findall(r"^- `(region-\d+)`: `https://", text, re.MULTILINE) == [one.names[0] for one in document.errors]
    assert "**Become public** on " in text


def test_a_cut_says_how_many_entries_of_all_groups_are_left_out() -> None:
    """The numbers are those of the entries that are not there."""
    document = make_many(10)
    text = format_markdown(document, max_bytes=20_000)
    rows = len(re.findall(r"^\| `~` update", text, re.MULTILINE))
    details = len(re.findall(r"<details><summary>update <code>", text))
    assert 0 < rows < 300
    assert (
        f"Not shown here: {500 - text.count('`i')} of 500 names in the first list, " in text or text.count("`i") >= 500
    )
    assert f"{300 - rows} of 300 changes" in text
    assert f"{300 - details} of 300 lists of fields" in text


def test_alerts_become_numbers_if_the_names_of_the_targets_do_not_fit() -> None:
    """The kinds of all losses stay."""
    names = tuple(f"a-region-with-a-long-name-{number:03}" for number in range(60))
    alerts = (
        TargetGroup(names, Alert("become public", ("a", "b"))),
        TargetGroup(names[:2], Alert("become public", ("b", "c"))),
        TargetGroup(names[:2], Alert("are deleted", ("d",), is_loss=True)),
    )
    document = Collection(Subject.PLAN, "base", "Plan", "60 targets.", alerts=alerts)
    text = format_markdown(document, max_bytes=SMALLEST)
    lines = [
        "> [!CAUTION]",
        "> - **Become public** on 60 targets, 3 images",
        "> - **Are deleted** on 2 targets, 1 image",
    ]
    assert "\n".join(lines) in text
    assert names[0] not in text


def test_what_is_below_a_heading_is_not_shown_without_it() -> None:
    """A reader would take it for the changes of another target."""
    names = tuple(f"a-region-with-a-long-name-{number:03}" for number in range(60))
    group = make_group(Block(CHANGE, ("secret",), "", (TWO,) * 4), sections=(Section("Notes", ("a note",)),))
    other = make_group(Block(CHANGE, ("visible",)))
    document = Collection(
        Subject.PLAN, "base", "Plan", "61 targets.", groups=(TargetGroup(names, group), TargetGroup(("eu",), other))
    )
    text = format_markdown(document, max_bytes=SMALLEST)
    assert "**`eu`: 1 change**" in text
    assert "visible" in text
    assert "secret" not in text
    assert "a note" not in text
    assert "1 of 2 changes, 1 of 1 further lines, 1 of 1 lists of fields" in text


def test_what_is_below_a_group_is_there_with_its_heading() -> None:
    """Fields and sections of each group belong to its own heading, and of the last group, too."""
    long = tuple(f"a-region-with-a-long-name-{number:03}" for number in range(100))
    for at in (0, 1, 2):
        names = [long if number == at else (f"t{number}",) for number in range(3)]
        groups = tuple(
            TargetGroup(
                some,
                make_group(Block(CHANGE, (f"i{number}",), "", (TWO,) * 4), sections=(Section("", (f"note{number}",)),)),
            )
            for number, some in enumerate(names)
        )
        text = format_markdown(Collection(Subject.PLAN, "base", "Plan", "3.", groups=groups), max_bytes=3_500)
        assert [f"note{number}" in text for number in range(3)] == [number != at for number in range(3)]
        assert [f"<summary>update <code>i{number}" in text for number in range(3)] == [
            number != at for number in range(3)
        ]


def test_commands_of_several_targets_are_last() -> None:
    """Before the closing sentences; the reader can paste them."""
    text = make(commands=(Command("Restore 1 value:", "imagesync apply"),), closing=("Run again.",))
    assert text.endswith("\n\nRestore 1 value:\n\n```sh\nimagesync apply\n```\n\nRun again.")


def test_the_whole_comment_about_several_targets() -> None:
    """Each group with its names, rows, sections and hints; a target without a text has only its row."""
    assert format_markdown(RICH, max_bytes=GITHUB) == RICH_COMMENT


RICH_COMMENT = """\
<!-- imagesync base * -->

Drift `<on>` 4
-----

**4 targets.**

> [!WARNING]
> - **Are public** on `us`, `e<u`, 1 image: `a`

**Errors**

- `us`: no `<answer>`

| target | place | wave | outcome | changes | errors |
|---|---|---|---|---|---|
| `e<u` | cloud `<e>` | 0 | drift | 1 value |  |
| `us` |  | 1 | not checked |  | 1,200 |

**`us`, `lab`: 1 `<change>`**

Plan: 1.

| action | image | what |
|---|---|---|
| `~` update | `a` | ⚠️ `visibility`: `private → public (drift)` |

**Notes**

- n

- m

- skips `<1>`
- skips 2

**`e<u`: 1 `<change>`**

Plan: 1.

| action | image | what |
|---|---|---|
| `~` update | `a` |  |
| `-` delete | 2 images: `b`, `c` | not in the manifest |

**`x`: 1 `<change>`**

Plan: 1.

- only

Restore:

```sh
imagesync apply
```

again"""
