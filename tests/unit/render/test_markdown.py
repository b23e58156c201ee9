"""``imagesync.render.markdown``: the comment of a pull request."""

import re
from dataclasses import replace
from random import Random

import pytest

from imagesync.render.blocks import Kind
from imagesync.render.changes import Line
from imagesync.render.document import Alert, Block, Command, Document, Section, Subject
from imagesync.render.documents import make_plan_document
from imagesync.render.markdown import format_markdown
from imagesync.render.markdown_parts import MAX_OPEN_DETAILS, MAX_OPEN_ROWS
from imagesync.render.markdown_text import format_marker, mark_code, mark_html_name
from imagesync.render.style import Detail, Ink
from imagesync.text import escape_commands, make_printable
from tests.large_plan import make_large_plan
from tests.markdown_pages import ESCAPING, OURS, PARSERS, read_page
from tests.unit.factories import NOW, catalog, inventory, live, plan, spec
from tests.unit.render.test_markdown_text import HOSTILE, check_loose_text
from tests.unit.render.test_page_parts import RICH

GITHUB = 60_000
SMALLEST = 2_000
ROUNDS = 80
PLAIN, PLAIN_ONLY_IN_CODE = "Z-x", "Z--x"
ADD, CHANGE, REMOVE = (
    Kind(Ink.ADD, "+", "create"),
    Kind(Ink.CHANGE, "~", "update"),
    Kind(Ink.REMOVE, "-", "delete", "old"),
)


def make(**attrs: object) -> Document:
    """A document about nothing but what a test names."""
    return replace(Document(Subject.PLAN, "base", "prod", "Plan for catalog base", "Plan: no."), **attrs)  # type: ignore[arg-type]


def make_full(name: str) -> Document:
    """A document with a name in each of its texts."""
    lines = tuple(Line(f"properties.{name}", f"{name} → {name}", is_loud=number == 1) for number in range(4))
    return Document(
        Subject.REPORT,
        name,
        name,
        f"Plan for catalog {name} on target {name} here",
        f"Plan: {name} to create",
        alerts=(Alert("become public: they stay", (name,), is_loss=True), Alert("end", (name, name))),
        errors=(f"Error: {name} is wrong", name),
        blocks=(
            Block(CHANGE, (name,), name, lines, name, name, name),
            Block(ADD._replace(why=name), (name,), name, lines[:2]),
            Block(REMOVE, (name,), "", (Line("", name),)),
            Block(Kind(Ink.STATE, "", ""), (name,), name, lines),
        ),
        sections=(Section(f"About {name} here", (name, f"x {name} y")), Section("", (name,) * 13)),
        commands=(Command(f"Restore {name}:", f"imagesync plan {name} -y"),),
        closing=(name, f"Fix {name} now"),
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
    assert page.comments == [format_marker(name, name)[4:-3]]
    assert "".join(page.text.split()) == "".join(plain.text.split()).replace(plain_name, "".join(name.split()))
    assert (
        page.cells == [[cell.replace(plain_name, name).strip() for cell in row] for row in plain.cells]
        or name != name.strip()
    )
    check_loose_text(page)


KINDS = (ADD, CHANGE, REMOVE, Kind(Ink.STATE, "", ""))


def draw_text(random: Random) -> str:
    """A printable text: hostile, random, or long."""
    noise = "".join(random.choices("|`\\<>&*_~[]()#!@:/.-+$ aé→1", k=random.choice([1, 3, 8, 200])))
    return make_printable(random.choice([random.choice(HOSTILE), noise, "a plain sentence"])) or "x"


def draw_texts(random: Random, most: int) -> tuple[str, ...]:
    """Some texts."""
    return tuple(draw_text(random) for _ in range(random.randint(0, most)))


def draw_block(random: Random) -> Block:
    """A block with anything in each of its texts."""
    lines = tuple(
        Line(draw_text(random), draw_text(random), random.random() < 0.5) for _ in range(random.randint(0, 6))
    )
    labels = (draw_text(random), *draw_texts(random, random.choice([0, 3, 40])))
    return Block(
        random.choice(KINDS),
        labels,
        what=draw_text(random),
        lines=lines,
        outcome=draw_text(random),
        error=draw_text(random),
    )


def draw_document(random: Random) -> Document:
    """A document that may be short or much too long."""
    most = random.choice([0, 2, 60])
    labels = [(draw_text(random), *draw_texts(random, most)) for _ in range(random.randint(0, 4))]
    return Document(
        random.choice(list(Subject)),
        draw_text(random),
        draw_text(random),
        f"Plan {draw_text(random)}",
        draw_text(random),
        alerts=tuple(Alert("are deleted", some, random.random() < 0.5) for some in labels),
        errors=draw_texts(random, most),
        blocks=tuple(draw_block(random) for _ in range(random.randint(0, most))),
        sections=tuple(Section(draw_text(random), draw_texts(random, most)) for _ in range(random.randint(0, 3))),
        commands=tuple(Command(draw_text(random), draw_text(random)) for _ in range(random.randint(0, 3))),
        closing=draw_texts(random, 3),
    )


@pytest.mark.parametrize("parser", PARSERS)
def test_any_document_fits_and_only_imagesync_makes_elements(parser: str) -> None:
    """All elements are closed wherever it is cut, and nothing is left for the guard of the output to escape."""
    for seed in range(ROUNDS):
        random = Random(seed)
        document, max_bytes = draw_document(random), random.randint(SMALLEST, 20_000)
        text = format_markdown(document, max_bytes=max_bytes)
        assert len(text.encode()) < max_bytes
        assert text.startswith(f"{format_marker(document.catalog, document.target)}\n\nPlan")
        page = read_page(text, parser)
        assert page.tags <= OURS
        assert len(page.comments) == 1
        assert {len(row) for row in page.cells} <= {3, 4}
        assert escape_commands(text) == text
        check_loose_text(page)


def test_no_document_makes_other_elements_where_tags_are_text() -> None:
    """Foldable parts are open there, and all the rest is as elsewhere."""
    allowed = OURS - {"details", "summary", "br"}
    for seed in range(ROUNDS):
        text = format_markdown(draw_document(Random(seed)), max_bytes=20_000)
        page = read_page(text, ESCAPING)
        assert page.tags <= allowed
        assert {len(row) for row in page.cells} <= {3, 4}
    for name in map(make_printable, HOSTILE):
        page = read_page(format_markdown(make_full(name), max_bytes=10**6), ESCAPING)
        assert page.tags <= allowed


def test_the_marker_is_there_if_nothing_changes() -> None:
    """A bot must replace the comment of an earlier commit, which had changes."""
    made = plan(catalog(spec("a")), inventory(live(spec("a"))))
    lines = format_markdown(make_plan_document(made, now=NOW), max_bytes=GITHUB).split("\n")
    assert lines[0] == "<!-- imagesync base .%2Flab -->"
    assert lines[5] == "**No changes. 1 image matches the manifest. 1 image declared, 1 owned.**"
    assert len(lines) == 6


def test_losses_and_errors_come_before_the_table() -> None:
    """A reviewer must see them without a click."""
    alerts = (Alert("become public", ("a",)), Alert("are released: they stay", ("b", "c"), is_loss=True))
    document = make(alerts=alerts, errors=("a bad digest",), blocks=(Block(ADD, ("a",)),))
    assert format_markdown(document, max_bytes=GITHUB).split("\n\n", 3)[3] == (
        "> [!CAUTION]\n> - **Become public**, 1 image: `a`\n> - **Are released** (they stay), 2 images: `b`, `c`\n\n"
        "**Errors**\n\n- a bad digest\n\n| action | image | what |\n|---|---|---|\n| `+` create | `a` |  |"
    )
    assert "> [!WARNING]" in format_markdown(make(alerts=alerts[:1]), max_bytes=GITHUB)


def test_a_row_shows_few_fields_and_all_that_change_access() -> None:
    """More of them are behind a click, with those that the row has."""
    lines = (
        *(Line(f"f{number}", "1 → 2") for number in range(3)),
        Line("visibility", "private → public", is_loud=True),
    )
    few, many = Block(CHANGE, ("a",), "", lines[1:]), Block(CHANGE, ("a",), "", lines)
    text = format_markdown(make(blocks=(few,)), max_bytes=GITHUB)
    assert "| `f1`: `1 → 2`<br>`f2`: `1 → 2`<br>⚠️ `visibility`: `private → public` |" in text
    assert "<details>" not in text
    text = format_markdown(make(blocks=(many,)), max_bytes=GITHUB)
    assert "| ⚠️ `visibility`: `private → public`<br>3 fields below |" in text
    assert "<details><summary>update <code>a</code></summary>\n\n```diff\n  - f0          1 → 2\n" in text
    assert "\n! - visibility  private → public\n```\n\n</details>" in text


@pytest.mark.parametrize("limit", [GITHUB, 6_000])
def test_the_details_are_in_the_order_of_the_rows(limit: int) -> None:
    """What says most is first in both, so it is not what is left out of a comment that is too long."""
    quiet = tuple(Line(f"f{number}", "1 → 2") for number in range(4))
    access = Line("visibility", "private → public", is_loud=True)
    blocks = [Block(CHANGE, (f"q{number:03}",), "x", quiet) for number in range(MAX_OPEN_ROWS + 60)]
    loud = [Block(CHANGE, (name,), "x", (access, *quiet)) for name in ("za", "zb")]
    text = format_markdown(make(blocks=(*blocks, *loud)), max_bytes=limit)
    rows, _, details = text.partition(" lists of fields</summary>")
    assert rows.index("za") < rows.index("zb") < rows.index("q000")
    assert details.index("za") < details.index("zb")
    assert "q000" not in details or details.index("zb") < details.index("q000")


def test_a_row_names_the_first_images_and_the_details_all() -> None:
    """A row with hundreds of names would hide the others."""
    names = tuple(f"image-{number}" for number in range(94))
    text = format_markdown(make(blocks=(Block(CHANGE, names, "", (Line("f", "1 → 2"),)),)), max_bytes=GITHUB)
    row, details = text.split("\n\n")[3:5]
    assert "94 images: `image-0`, `image-1`, " in row
    assert " and 77 more | `f`: `1 → 2` |" in row
    assert all(f"`{name}`" in text.partition("<details>")[2] for name in names)
    assert details == "<details><summary>update 94 images</summary>"


def test_a_long_table_begins_with_what_says_most() -> None:
    """Most of it is behind a click: first come changes of access, then changes of several images."""
    single = [Block(CHANGE, (f"i{number}",), "", (Line("f", f"{number}"),)) for number in range(MAX_OPEN_ROWS)]
    group = Block(CHANGE, ("g1", "g2"), "", (Line("f", "x"),))
    loud = Block(CHANGE, ("l",), "", (Line("protected", "true → false", is_loud=True),))
    text = format_markdown(make(blocks=(*single, group, loud)), max_bytes=GITHUB)
    rows = [row[1] for row in read_page(text, "github").cells]
    assert rows[:5] == ["image", "l", "2 images: g1, g2", "i0", "i1"]
    assert "<details><summary>2 more changes</summary>\n\n| action | image | what |" in text
    assert rows[MAX_OPEN_ROWS + 1 :] == ["image", "i23", "i24"]


@pytest.mark.parametrize("number", [MAX_OPEN_DETAILS, MAX_OPEN_DETAILS + 1])
def test_many_foldable_parts_are_in_one(number: int) -> None:
    """Hundreds of closed lines would follow the table."""
    lines = tuple(Line(f"f{line}", "1 → 2") for line in range(4))
    text = format_markdown(
        make(blocks=tuple(Block(CHANGE, (f"i{at}",), "", lines) for at in range(number))), max_bytes=GITHUB
    )
    assert text.count("<details><summary>update <code>i") == number
    assert (f"\n\n<details><summary>{number} lists of fields</summary>\n\n" in text) == (number > MAX_OPEN_DETAILS)


def test_in_a_report_each_row_has_its_outcome_and_error() -> None:
    """The reader sees what failed, where it is declared, and why."""
    block = Block(ADD, ("a",), "4.0 KiB", (), "failed", "no space left", "a.yaml:3:5")
    text = format_markdown(make(blocks=(block,)), max_bytes=GITHUB)
    assert "| action | outcome | image | what |" in text
    assert "| `+` create | failed | `a` | 4.0 KiB<br>**Error:** `a.yaml:3:5`: no space left |" in text


def test_blocks_without_an_action_are_lists() -> None:
    """The facts about an image change nothing; they are visible without a click."""
    block = Block(Kind(Ink.STATE, "", ""), ("Current build",), "generation 2", (Line("state", "active, public"),))
    text = format_markdown(make(blocks=(block,)), max_bytes=GITHUB)
    assert text.endswith("\n\n**Current build**: generation 2\n\n- state: active, public")


def test_commands_and_the_closing_sentence_are_last() -> None:
    """The reader can paste a command."""
    document = make(commands=(Command("Restore 1 value:", "imagesync apply"),), closing=("Apply skips 1 image.",))
    end = "\n\nRestore 1 value:\n\n```sh\nimagesync apply\n```\n\nApply skips 1 image."
    assert format_markdown(document, max_bytes=GITHUB).endswith(end)


@pytest.mark.parametrize("lines", [12, 13])
def test_a_long_section_is_folded(lines: int) -> None:
    """Its title and its length stay."""
    text = format_markdown(make(sections=(Section("Notes", ("a note",) * lines),)), max_bytes=GITHUB)
    assert ("<details><summary>Notes (13 lines)</summary>\n\n- a note" in text) == (lines == 13)
    assert ("\n\n**Notes**\n\n- a note" in text) == (lines == 12)


LARGE = make_plan_document(make_large_plan(is_varied=True), now=NOW, detail=Detail.WHOLE)


@pytest.mark.parametrize("max_bytes", [*range(SMALLEST, 20_000, 1_999), 32_768, GITHUB])
def test_a_cut_says_what_is_left_out(max_bytes: int) -> None:
    """Heading, counts and losses are whole; each number is that of the entries that are not there."""
    text = format_markdown(LARGE, max_bytes=max_bytes)
    assert len(text.encode()) < max_bytes
    head = format_markdown(LARGE, max_bytes=10**6).partition("\n\n| action")[0]
    assert text.startswith(f"{head}\n\n**Cut to {max_bytes:,} bytes.** Not shown here: ")
    page = read_page(text, "github")
    rows = sum(row[0] != "action" for row in page.cells)
    details = len(re.findall(r"<details><summary>\w+ <code>", text))
    left = len(LARGE.blocks) - rows
    assert (f"Not shown here: {left} of {len(LARGE.blocks)} changes" in text) == (left > 0)
    assert (f"and {left} more changes" in text) == (left > 0)
    total = sum(len(block.lines) > 3 for block in LARGE.blocks)
    assert (f" {total - details} of {total} lists of fields" in text) == (details < total)
    assert "Everything is in `imagesync plan --detail`, or `imagesync show` with the saved plan." in text


def test_the_limit_includes_the_end_of_the_last_line() -> None:
    """A file ends with a line break, which a service counts, too."""
    whole = format_markdown(LARGE, max_bytes=10**6)
    size = len(whole.encode()) + 1
    assert format_markdown(LARGE, max_bytes=size) == whole
    assert "**Cut to" in format_markdown(LARGE, max_bytes=size - 1)


@pytest.mark.parametrize("max_bytes", [4_000, 10_000])
def test_many_losses_are_counted_if_their_names_do_not_fit(max_bytes: int) -> None:
    """The sentence about each kind of loss stays, with its number."""
    names = tuple(f"image-{number}" for number in range(3_000))
    alerts = (Alert("become public", names), Alert("are deleted", names[:1_000], is_loss=True))
    document = make(alerts=alerts, errors=names, blocks=tuple(Block(CHANGE, (name,)) for name in names))
    text = format_markdown(document, max_bytes=max_bytes)
    assert len(text.encode()) < max_bytes
    public, deleted = re.findall(r"^> - (.*)$", text, re.MULTILINE)
    visible = public.count("`") // 2
    assert visible > 20
    assert (
        public
        == f"**Become public**, 3000 images: {', '.join(map(mark_code, names[:visible]))}, and {3000 - visible:,} more"
    )
    assert deleted.startswith("**Are deleted**, 1000 images: `image-0`, ")
    assert f"{3000 - visible:,} of 3,000 names in the first list, " in text
    assert "- `image-0`\n- `image-1`" in text
    assert "| `~` update | `image-0` |" in text


def test_a_part_gets_the_room_that_no_other_part_needs() -> None:
    """A failed command has only errors, which may fill the text."""
    text = format_markdown(make(errors=tuple(f"error {number}" for number in range(1_000))), max_bytes=10_000)
    assert 9_400 < len(text.encode()) < 10_000


def test_a_long_title_is_cut_too() -> None:
    """Only in a text that is cut."""
    document = make(title=f"Plan {'|' * 2_000}", summary=f"Plan: {'x_' * 2_000}")
    text = format_markdown(document, max_bytes=SMALLEST)
    assert len(text.encode()) < SMALLEST
    page = read_page(text, "github")
    assert page.shape[:2] == ["h2", "/h2"]
    assert "…" in page.text.strip().partition("\n")[0]
    assert "…" not in format_markdown(document, max_bytes=10**6)


def test_the_comment_of_300_images_fits_without_a_cut() -> None:
    """The default limit is for the comments of real catalogs."""
    text = format_markdown(make_plan_document(make_large_plan(is_varied=True), now=NOW), max_bytes=GITHUB)
    assert "Cut to" not in text
    assert len(text.encode()) < 40_000


def test_the_whole_comment_about_a_rich_document() -> None:
    """Two of each part, in the order for a reader; what others wrote is code."""
    assert format_markdown(RICH, max_bytes=GITHUB).replace("<br>", "\n<br>") == RICH_COMMENT


RICH_COMMENT = """\
<!-- imagesync base eu -->

Catalog `<base>`
-----

**Run: 2 done.**

> [!CAUTION]
> - **Become public** (they stay), 2 images: `a (A & B)`, `x`
> - **Are deleted**, 1 image: `b`

**Errors**

- a `<wrong>`
- c

| action | outcome | image | what |
|---|---|---|---|
| `~` update | not started | `a` | 1 GiB
<br>**Error:** `a.yaml:3`: no `<space>`
<br>⚠️ `visibility`: `private → public (drift)`
<br>⚠️ stays
<br>2 fields below |
| `-` delete | done | `b` | not in the manifest |
| `~` update | done | 4 images: `c`, `d`, `e`, `f` | 4 fields below |

<details><summary>update <code>a</code></summary>

```diff
! - visibility  private → public (drift)
  - min_ram     0 → 7
  -             it & this
! -             stays
  - in a.yaml:3
```

</details>

<details><summary>update 4 images</summary>

`c`, `d`, `e`, `f`

```diff
  - f1  1
  - f2  2
  - f3  3
  - f4  4
```

</details>

**Notes `&` more**

- one `<1>`
- two

- three

Apply `<now>`:

```sh
imagesync apply > x
```

Show:

```sh
imagesync show
```

Fix `<it>`.

Again."""
