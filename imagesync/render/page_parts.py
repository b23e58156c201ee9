"""Parts of documents -> HTML: alerts, errors, changes, sections, what to do next. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias

from imagesync.model.report import Outcome
from imagesync.render.changes import Line
from imagesync.render.document import Alert, Block, Command, Section, Subject, TargetGroup
from imagesync.render.page_frame import GRID, Chip, Controls, escape, format_caption
from imagesync.render.style import Ink, format_count

MAX_OPEN: Final = 12
"""A page with at most this many blocks shows them open."""
MAX_LISTED: Final = 24
"""A list of names or lines that is longer is shown up to here, and the rest within ``<details>``."""
MAX_FIRST: Final = 12
"""The same limit of the lists at the top, above the changes."""
MAX_NAMED: Final = 3
"""A block names at most this many of its images and of its fields in its first line."""
_ACCESS, _LOUD = "access", "public or protected"
"""The filter for blocks that make an image public or protected, or end that."""
_GROUPS: Final = ("action", "outcome", _ACCESS)
_TONES: Final[Mapping[Ink, str]] = {
    Ink.ADD: "add",
    Ink.CHANGE: "change",
    Ink.REMOVE: "remove",
    Ink.STATE: "state",
}
_OUTCOME_TONES: Final = {Outcome.DONE.value: "add", Outcome.FAILED.value: "remove", Outcome.INTERRUPTED.value: "remove"}
"""In a report: what a step did, not what it should do."""
_WORDS: Final[Mapping[Subject, tuple[str, str, str]]] = {
    Subject.PLAN: ("plan", "Changes", "change"),
    Subject.REPORT: ("report", "Results", "result"),
    Subject.DRIFT: ("drift", "Changed images", "image"),
    Subject.IMAGE: ("show", "Builds", "build"),
    Subject.FAILURE: ("", "Problems", "problem"),
}
"""By subject: the words above the title, the heading of the blocks, and what a block is called."""
Numbered: TypeAlias = Sequence[tuple[str, Block]]
"""Blocks with their anchors."""


def format_header(subject: Subject, title: str, summary: str, now: datetime) -> list[str]:
    """What the page is about, its time, its title, and the sentence with the counts."""
    return [
        f'<p class="lead">{f"imagesync {_WORDS[subject][0]}".strip()}, {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC</p>',
        f"<h1>{escape(title)}</h1>",
        f'<p class="verdict">{escape(summary)}</p>',
    ]


def make_controls(subject: Subject, documents: Sequence[Sequence[Block]]) -> Controls:
    """The bar for the blocks of all documents."""
    blocks = [block for some in documents for block in some]
    return Controls(_WORDS[subject][2], len(blocks), list(_make_chips(documents)), any(map(_is_folded, blocks)))


def number_blocks(blocks: Sequence[Block], first: int = 1) -> Numbered:
    """The blocks with their anchors. ``first``: the number of the first one, because an anchor is unique in a page."""
    return [(f"block-{number}", block) for number, block in enumerate(blocks, first)]


def find_anchors(blocks: Numbered) -> Mapping[str, str]:
    """The anchor of the first block about each image, by its label."""
    return {label: anchor for anchor, block in reversed(blocks) for label in block.labels}


def _make_chips(documents: Sequence[Sequence[Block]]) -> Iterator[Chip]:
    """What distinguishes blocks: the action, in a report the outcome, and whether they change who sees the image.

    Each with the number of its images: several blocks may be about the same one, and one block about several.
    """
    for group in _GROUPS:
        found: dict[str, set[tuple[int, str]]] = {}
        for number, blocks in enumerate(documents):
            for block in blocks:
                if word := _find_word(block, group):
                    found.setdefault(word, set()).update((number, _find_key(label)) for label in block.labels)
        yield from (Chip(group, make_kind(group, word), word, len(keys)) for word, keys in found.items())


def _find_word(block: Block, group: str) -> str:
    """The word of a block in one group of filters; empty if it has none."""
    if group == _ACCESS:
        return _LOUD if any(line.is_loud for line in block.lines) else ""
    return block.kind.verb if group == "action" else block.outcome


def _find_key(label: str) -> str:
    """The key with which a label begins; a key has no space."""
    return label.partition(" ")[0]


def make_kind(group: str, word: str) -> str:
    """``outcome-not-started``: one word, which a block and its chip have in common."""
    return f"{group}-{'-'.join(word.split())}"


def _list_kinds(block: Block) -> str:
    words = {group: _find_word(block, group) for group in _GROUPS}
    return " ".join(escape(make_kind(group, word)) for group, word in words.items() if word)


def format_alerts(
    alerts: Sequence[TargetGroup[Alert]], anchors: Mapping[str | None, Mapping[str, str]]
) -> Iterator[str]:
    """What a reviewer must not miss, with a link to each image.

    ``anchors``: of the images of each target, by label; None for a document that is not one of several.
    """
    if not alerts:
        return
    yield '<section class="alerts" aria-labelledby="alerts">'
    yield '<h2 id="alerts">Look at this first</h2>'
    for alert in alerts:
        found = anchors.get(next(iter(alert.names), None), {})
        yield f'<div class="alert {"remove" if alert.first.is_loss else "change"}">'
        yield f"<h3>{_format_alert(alert.first)}</h3>"
        yield "<div>"
        if alert.names:
            yield f"<p>on {escape(', '.join(alert.names))}</p>"
        yield from format_list([_format_link(label, found) for label in alert.first.labels], "names", MAX_FIRST)
        yield "</div>"
        yield "</div>"
    yield "</section>"


def _format_alert(alert: Alert) -> str:
    """``Become public, 2 images``."""
    words, colon, remark = alert.words.partition(":")
    number = format_count(len(alert.labels), "image")
    return f'{escape(words[:1].upper() + words[1:])}, <span class="keep">{number}</span>{colon}{escape(remark)}'


def _format_link(label: str, anchors: Mapping[str, str]) -> str:
    anchor = anchors.get(label) or anchors.get(_find_key(label))
    return f'<a href="#{anchor}">{escape(label)}</a>' if anchor else escape(label)


def format_errors(errors: Sequence[TargetGroup[str]]) -> Iterator[str]:
    """The errors, each after the names of its targets."""
    if errors:
        yield '<section class="errors" aria-labelledby="errors">'
        yield f'<h2 id="errors">{format_count(len(errors), "error")}</h2>'
        yield from format_list(list(map(_format_error, errors)), "facts")
        yield "</section>"


def _format_error(error: TargetGroup[str]) -> str:
    targets = f"<b>{escape(', '.join(error.names))}</b>: " if error.names else ""
    return f"{targets}{escape(error.first)}"


def format_list(items: Sequence[str], style: str, most: int = MAX_LISTED) -> Iterator[str]:
    """A list of HTML texts; a list of more than ``most`` with its rest to open."""
    few, rest = (items[:most], items[most:]) if len(items) > most + 1 else (items, ())
    yield f'<ul class="{style}">'
    yield from (f"<li>{item}</li>" for item in few)
    yield "</ul>"
    if rest:
        yield f"<details><summary>and {len(rest)} more</summary>"
        yield f'<ul class="{style}">'
        yield from (f"<li>{item}</li>" for item in rest)
        yield "</ul>"
        yield "</details>"


def format_blocks(subject: Subject, blocks: Numbered) -> Iterator[str]:
    """The blocks of a document, below a heading."""
    if not blocks:
        return
    yield '<section data-part aria-labelledby="blocks">'
    yield f'<h2 id="blocks">{_WORDS[subject][1]}</h2>'
    yield from format_block_list(blocks, is_open=len(blocks) <= MAX_OPEN)
    yield "</section>"


def format_block_list(blocks: Numbered, *, is_open: bool) -> Iterator[str]:
    """The blocks without a heading."""
    yield '<div class="blocks">'
    for anchor, block in blocks:
        yield from _format_block(anchor, block, is_open=is_open)
    yield "</div>"


def _is_folded(block: Block) -> bool:
    """Whether a block has more than its first line."""
    return len(block.labels) > 1 or bool(block.lines or block.place)


def _format_block(anchor: str, block: Block, *, is_open: bool) -> Iterator[str]:
    tone = _OUTCOME_TONES.get(block.outcome, "change") if block.outcome else _TONES.get(block.kind.ink, "")
    words = f'class="block {tone}" id="{anchor}" data-kinds="{_list_kinds(block)}"'
    if not _is_folded(block):
        yield f'<div {words}><div class="head">{_format_head(block)}</div></div>'
        return
    yield f"<details {words}{' open' if is_open else ''}>"
    yield f'<summary class="head">{_format_head(block)}</summary>'
    yield '<div class="body">'
    yield from _format_lines(block)
    if len(block.labels) > 1:
        yield from format_list(list(map(escape, block.labels)), "names")
    if block.place:
        yield f'<p class="place">declared in <code>{escape(block.place)}</code></p>'
    yield "</div>"
    yield "</details>"


def _format_head(block: Block) -> str:
    """The first line: sign, verb, image, description, outcome, what becomes public or protected, and the error."""
    kind, labels = block.kind, block.labels
    loud = [f"! {line.name}: {line.text}" if line.name else f"! {line.text}" for line in block.lines if line.is_loud]
    sign = f'<span class="sign" aria-hidden="true">{escape(kind.sign)}</span>' if kind.sign else ""
    parts = [
        ("b", "verb", kind.verb),
        ("b", "key", labels[0] if len(labels) == 1 else format_count(len(labels), "image")),
        ("span", "what", _list_some(labels) if len(labels) > 1 else ""),
        ("span", "what", block.what or (_list_fields(block) if kind.verb else "")),
        ("span", "what", kind.why),
        *(("span", "loud", text) for text in loud),
        ("span", escape(f"outcome {make_kind('outcome', block.outcome)}"), block.outcome),
        ("span", "error", block.error),
    ]
    texts = (f'<{name} class="{style}">{escape(text)}</{name}>' for name, style, text in parts if text)
    return " ".join(filter(None, (sign, *texts)))


def _list_some(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - MAX_NAMED} more" if len(labels) > MAX_NAMED else ""
    return f"{', '.join(labels[:MAX_NAMED])}{more}"


def _list_fields(block: Block) -> str:
    """The names of the first fields of a change, for a reader who sees only its first line."""
    return _list_some([line.name for line in block.lines if line.name and not line.is_loud])


def _format_lines(block: Block) -> Iterator[str]:
    if not block.lines:
        return
    yield f'<table class="fields" {GRID}>'
    yield format_caption(" ".join((block.kind.verb, _list_some(block.labels))).strip())
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


def format_section(section: Section, heading: str = "h2") -> Iterator[str]:
    """Further facts. ``heading``: the element of the title."""
    yield "<section>"
    if section.title:
        yield f"<{heading}>{escape(section.title)}</{heading}>"
    yield from format_list(list(map(escape, section.lines)), "facts")
    yield "</section>"


def format_next(commands: Sequence[Command], closing: Sequence[str]) -> Iterator[str]:
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
