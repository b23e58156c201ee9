"""A document about a plan, a report, drift, an image or a failure -> one HTML page. Pure.

The page reads without its script and its style, too: headings, lists, tables, and ``<details>``, which every browser opens. What
becomes public or protected, or is deleted, comes first.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from imagesync.render.changes import Line
from imagesync.render.document import Alert, Block, Command, Document, Section, Subject
from imagesync.render.page_frame import GRID, Chip, Controls, escape, format_caption, format_frame
from imagesync.render.style import Ink, format_count

MAX_OPEN: Final = 12
"""A page with at most this many blocks shows them open."""
MAX_LISTED: Final = 24
"""A list of names or lines that is longer is shown up to here, and the rest within ``<details>``."""
MAX_NAMED: Final = 3
"""A block names at most this many of its images in its first line."""
_ACCESS: Final = "access"
"""The kind of blocks that make an image public or protected, or end that."""
_TONES: Final[Mapping[Ink, str]] = {
    Ink.ADD: "add",
    Ink.CHANGE: "change",
    Ink.REMOVE: "remove",
    Ink.STATE: "state",
}
_WORDS: Final[Mapping[Subject, tuple[str, str, str]]] = {
    Subject.PLAN: ("Plan", "Changes", "change"),
    Subject.REPORT: ("Report", "Results", "result"),
    Subject.DRIFT: ("Drift", "Changed images", "image"),
    Subject.IMAGE: ("Image", "Builds", "build"),
    Subject.FAILURE: ("Failure", "Problems", "problem"),
}
"""By subject: the word above the title, the heading of the blocks, and what a block is called."""


def format_page(document: Document, *, now: datetime) -> str:
    """The page. ``now``: the reader's clock, for the time of the page."""
    kind, heading, noun = _WORDS[document.subject]
    blocks = [(f"block-{number}", block) for number, block in enumerate(document.blocks, 1)]
    controls = Controls(noun, len(blocks), list(_make_chips(document.blocks)), any(map(_is_folded, document.blocks)))
    header = [
        f'<p class="kind">{kind}</p>',
        f"<h1>{escape(document.title)}</h1>",
        f'<p class="verdict">{escape(document.summary)}</p>',
        f'<p class="lead">{now.astimezone(UTC):%Y-%m-%d %H:%M} UTC</p>',
    ]
    first = [*_format_alerts(document.alerts, _find_targets(blocks)), *_format_errors(document.errors)]
    main = [
        *_format_blocks(heading, blocks),
        *(line for section in document.sections for line in _format_section(section)),
        *_format_next(document.commands, document.closing),
    ]
    return format_frame(f"{kind}: {document.title}", header, controls, main, first=first)


def _find_targets(blocks: Sequence[tuple[str, Block]]) -> Mapping[str, str]:
    """The anchor of the first block about each image, by its label."""
    return {label: anchor for anchor, block in reversed(blocks) for label in block.labels}


def _make_chips(blocks: Sequence[Block]) -> Iterator[Chip]:
    """What distinguishes blocks: the action, in a report the outcome, and whether users see a change of access."""
    for group, words in (
        ("action", [block.kind.verb for block in blocks]),
        ("outcome", [block.outcome for block in blocks if block.outcome]),
    ):
        for word, number in Counter(words).items():
            yield Chip(group, _make_kind(group, word), word, number)
    if number := sum(any(line.is_loud for line in block.lines) for block in blocks):
        yield Chip(_ACCESS, _ACCESS, "public or protected", number)


def _make_kind(group: str, word: str) -> str:
    """``outcome-not-started``: one word, which a block and its chip have in common."""
    return f"{group}-{'-'.join(word.split())}"


def _list_kinds(block: Block) -> str:
    kinds = [_make_kind("action", block.kind.verb)]
    kinds += [_make_kind("outcome", block.outcome)] if block.outcome else []
    kinds += [_ACCESS] if any(line.is_loud for line in block.lines) else []
    return " ".join(map(escape, kinds))


def _format_alerts(alerts: Sequence[Alert], targets: Mapping[str, str]) -> Iterator[str]:
    """What a reviewer must not miss, with a link to each image."""
    if not alerts:
        return
    yield '<section class="alerts" aria-labelledby="alerts">'
    yield '<h2 id="alerts">Look at this first</h2>'
    for alert in alerts:
        labels = [_format_link(label, targets) for label in alert.labels]
        number = format_count(len(labels), "image")
        yield f'<div class="alert {"remove" if alert.is_loss else "change"}">'
        yield f"<h3>{number} {escape(alert.words)}</h3>"
        yield from _format_list(labels, "names")
        yield "</div>"
    yield "</section>"


def _format_link(label: str, targets: Mapping[str, str]) -> str:
    anchor = targets.get(label)
    return f'<a href="#{anchor}">{escape(label)}</a>' if anchor else escape(label)


def _format_errors(errors: Sequence[str]) -> Iterator[str]:
    if errors:
        yield '<section class="errors" aria-labelledby="errors">'
        yield f'<h2 id="errors">{format_count(len(errors), "error")}</h2>'
        yield from _format_list([escape(error) for error in errors], "facts")
        yield "</section>"


def _format_list(items: Sequence[str], style: str) -> Iterator[str]:
    """A list of HTML texts; a long one with its rest to open."""
    few, rest = (items[:MAX_LISTED], items[MAX_LISTED:]) if len(items) > MAX_LISTED + 1 else (items, ())
    yield f'<ul class="{style}">'
    yield from (f"<li>{item}</li>" for item in few)
    yield "</ul>"
    if rest:
        yield f"<details><summary>and {len(rest)} more</summary>"
        yield f'<ul class="{style}">'
        yield from (f"<li>{item}</li>" for item in rest)
        yield "</ul>"
        yield "</details>"


def _format_blocks(heading: str, blocks: Sequence[tuple[str, Block]]) -> Iterator[str]:
    if not blocks:
        return
    is_open = len(blocks) <= MAX_OPEN
    yield '<section data-part aria-labelledby="blocks">'
    yield f'<h2 id="blocks">{heading}</h2>'
    yield '<div class="blocks">'
    for anchor, block in blocks:
        yield from _format_block(anchor, block, is_open=is_open)
    yield "</div>"
    yield "</section>"


def _is_folded(block: Block) -> bool:
    """Whether a block has more than its first line."""
    return len(block.labels) > 1 or bool(block.lines or block.place)


def _format_block(anchor: str, block: Block, *, is_open: bool) -> Iterator[str]:
    tone = _TONES.get(block.kind.ink, "")
    words = f'class="block {tone}" id="{anchor}" data-kinds="{_list_kinds(block)}"'
    if not _is_folded(block):
        yield f'<div {words}><div class="head">{_format_head(block)}</div></div>'
        return
    yield f"<details {words}{' open' if is_open else ''}>"
    yield f'<summary class="head">{_format_head(block)}</summary>'
    yield '<div class="body">'
    if len(block.labels) > 1:
        yield from _format_list(list(map(escape, block.labels)), "names")
    yield from _format_lines(block)
    if block.place:
        yield f'<p class="place">declared in <code>{escape(block.place)}</code></p>'
    yield "</div>"
    yield "</details>"


def _format_head(block: Block) -> str:
    """The first line: sign, verb, image, description, outcome, what becomes public or protected, and the error."""
    kind = block.kind
    facts = ", ".join(filter(None, (block.what, kind.why)))
    parts = [
        f'<span class="sign" aria-hidden="true">{escape(kind.sign)}</span>',
        f'<b class="verb">{escape(kind.verb)}</b>',
        f'<b class="key">{escape(_name_images(block.labels))}</b>',
        f'<span class="what">{escape(_list_some(block.labels))}</span>' if len(block.labels) > 1 else "",
        f'<span class="what">{escape(facts)}</span>' if facts else "",
        *(
            f'<span class="loud">! {escape(line.name)}: {escape(line.text)}</span>'
            for line in block.lines
            if line.is_loud
        ),
        f'<span class="outcome">{escape(block.outcome)}</span>' if block.outcome else "",
        f'<span class="error">{escape(block.error)}</span>' if block.error else "",
    ]
    return " ".join(filter(None, parts))


def _name_images(labels: Sequence[str]) -> str:
    """The label of one image; the number of several."""
    return labels[0] if len(labels) == 1 else format_count(len(labels), "image")


def _list_some(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - MAX_NAMED} more" if len(labels) > MAX_NAMED else ""
    return f"{', '.join(labels[:MAX_NAMED])}{more}"


def _format_lines(block: Block) -> Iterator[str]:
    if not block.lines:
        return
    yield f'<table class="fields" {GRID}>'
    yield format_caption(f"{block.kind.verb} {_name_images(block.labels)}")
    yield "<tbody>"
    yield from map(_format_line, block.lines)
    yield "</tbody>"
    yield "</table>"


def _format_line(line: Line) -> str:
    mark = '<b class="mark">!</b> ' if line.is_loud else ""
    row = '<tr class="loud">' if line.is_loud else "<tr>"
    if not line.name:
        return f'{row}<td colspan="2">{mark}{escape(line.text)}</td></tr>'
    return f'{row}<th scope="row">{mark}{escape(line.name)}</th> <td>{_format_text(line)}</td></tr>'


def _format_text(line: Line) -> str:
    """The text of a line; a change as two values, which the style distinguishes."""
    if line.pair is None:
        return escape(line.text)
    before, after = map(escape, line.pair)
    rest = line.text.removeprefix(" → ".join(line.pair))
    return f"<del>{before}</del> → <ins>{after}</ins>{escape(rest)}"


def _format_section(section: Section) -> Iterator[str]:
    yield "<section>"
    yield f"<h2>{escape(section.title)}</h2>"
    yield from _format_list(list(map(escape, section.lines)), "facts")
    yield "</section>"


def _format_next(commands: Sequence[Command], closing: Sequence[str]) -> Iterator[str]:
    """What the reader does next: sentences, and commands to paste."""
    if not (commands or closing):
        return
    yield '<section class="next">'
    yield "<h2>What to do next</h2>"
    yield from (f"<p>{escape(sentence)}</p>" for sentence in closing)
    for command in commands:
        yield f"<p>{escape(command.heading)}</p>"
        yield f"<pre><code>{escape(command.text)}</code></pre>"
    yield "</section>"
