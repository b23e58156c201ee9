"""Parts of a document -> Markdown: alerts, tables, details, sections. Pure.

The texts have no ``##`` and no line that begins with ``::``, because imagesync escapes both in all output: CI systems would
execute them.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from imagesync.render.changes import Line
from imagesync.render.document import Alert, Block, Command, Document, Section, TargetGroup, TargetRow
from imagesync.render.markdown_text import choose_fence, has_only_plain_words, mark_code, mark_html_name, mark_sentence
from imagesync.render.style import format_count

MAX_OPEN_ROWS: Final = 25
"""Rows of the table that are shown without a click."""
MAX_OPEN_DETAILS: Final = 10
"""More foldable parts than these are inside another one."""
MAX_OPEN_LINES: Final = 12
"""A section with more lines than these is foldable."""
MAX_ROW_LINES: Final = 3
"""A row shows at most this many fields; those of a block with more are behind a click, except loud ones."""
MAX_ROW_NAMES_BYTES: Final = 200
"""The limit of the list of images in a row."""
_LOUD: Final = "⚠️ "


def join_parts(parts: Iterable[str]) -> str:
    """Texts with an empty line between two of them, without those that are empty."""
    return "\n\n".join(filter(None, parts))


def format_title(text: str) -> str:
    """A heading of the second level, without the ``##`` that the guard of the output would escape."""
    return f"{mark_sentence(text)}\n-----"


def format_bold(text: str) -> str:
    """A bold sentence; empty for an empty text."""
    marked = mark_sentence(text)
    return f"**{marked}**" if marked else ""


def list_rest(number: int, total: int, noun: str) -> list[str]:
    """A line about entries that are left out, if there are any."""
    return [f"and {total - number:,} more {noun}"] if number < total else []


def format_alerts(alerts: Sequence[TargetGroup[Alert]], number: int) -> str:
    """A box with one line for each alert, which lists all targets and up to ``number`` images.

    GitHub and GitLab color the box.
    """
    return _format_box(alerts, [_format_alert(alert, number) for alert in alerts])


def format_alert_counts(alerts: Sequence[TargetGroup[Alert]]) -> str:
    """The same box with numbers and no names: one line for each kind of alert."""
    kinds = dict.fromkeys(alert.first.words for alert in alerts)
    lines = []
    for words in kinds:
        same = [alert for alert in alerts if alert.first.words == words]
        targets = len({name for alert in same for name in alert.names})
        on = f" on {format_count(targets, 'target')}" if targets else ""
        images = len({label for alert in same for label in alert.first.labels})
        lines.append(f"{_format_words(words)}{on}, {format_count(images, 'image')}")
    return _format_box(alerts, lines)


def _format_box(alerts: Sequence[TargetGroup[Alert]], lines: Sequence[str]) -> str:
    if not alerts:
        return ""
    kind = "CAUTION" if any(alert.first.is_loss for alert in alerts) else "WARNING"
    return "\n".join([f"> [!{kind}]", *(f"> - {line}" for line in lines)])


def _format_alert(alert: TargetGroup[Alert], number: int) -> str:
    labels = alert.first.labels
    on = f" on {_list_targets(alert.names)}" if alert.names else ""
    names = [*map(mark_code, labels[:number]), *list_rest(number, len(labels), "")]
    words = _format_words(alert.first.words)
    return f"{words}{on}, {format_count(len(labels), 'image')}: {', '.join(names).strip()}"


def _format_words(text: str) -> str:
    words, colon, remark = text.partition(":")
    words = f"{words[:1].upper()}{words[1:]}"
    return f"**{mark_sentence(words)}**{f' ({mark_sentence(remark.strip())})' if colon else ''}"


def _list_targets(names: Sequence[str]) -> str:
    """All of them: a reviewer must see each target that a run writes to."""
    return ", ".join(map(mark_code, names))


def format_errors(errors: Sequence[TargetGroup[str]], number: int) -> str:
    """A list of the first ``number`` errors, each after the names of its targets."""
    if not errors:
        return ""
    lines = [*map(_format_error, errors[:number]), *list_rest(number, len(errors), "errors")]
    return "\n".join(["**Errors**", "", *(f"- {line}" for line in lines)])


def _format_error(error: TargetGroup[str]) -> str:
    targets = f"{_list_targets(error.names)}: " if error.names else ""
    return f"{targets}{mark_sentence(error.first)}"


def format_target_rows(rows: Sequence[TargetRow], number: int) -> str:
    """A table of the first ``number`` targets. A column for the places if any is known, and for the waves if they differ."""
    if not rows:
        return ""
    has_places, has_waves = any(row.place for row in rows), len({row.wave for row in rows}) > 1
    names = ["target", *(["place"] * has_places), *(["wave"] * has_waves), "outcome", "changes", "errors"]
    lines = [
        [
            mark_code(row.target),
            *([mark_sentence(row.place)] * has_places),
            *([str(row.wave)] * has_waves),
            mark_sentence(row.outcome),
            mark_sentence(row.changes),
            f"{row.errors:,}" if row.errors else "",
        ]
        for row in rows[:number]
    ]
    table = "\n".join([*_format_head(names), *(f"| {' | '.join(cells)} |" for cells in lines)])
    return join_parts([table if lines else "", *list_rest(number, len(rows), "targets")])


def _format_head(names: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]


def format_group_heading(group: TargetGroup[Document]) -> str:
    """The names of all targets of the group, what they have in common, and the sentence with the counts."""
    heading = f"**{_list_targets(group.names)}: {mark_sentence(group.first.title)}**"
    return join_parts([heading, mark_sentence(group.first.summary)])


def format_command(command: Command) -> str:
    """A command to paste."""
    fence = choose_fence(command.text)
    return f"{mark_sentence(command.heading)}\n\n{fence}sh\n{command.text}\n{fence}"


def format_table(rows: Sequence[str], number: int, *, has_outcome: bool, most: int = MAX_OPEN_ROWS) -> str:
    """A table of the first ``number`` rows; those after the first ``most`` are foldable."""
    if not rows:
        return ""
    names = ["action", *(["outcome"] if has_outcome else []), "image", "what"]
    heading = _format_head(names)
    visible, folded = rows[: min(number, most)], rows[most:number]
    table = "\n".join([*heading, *visible]) if visible else ""
    more = _fold(f"{format_count(len(folded), 'more change')}", "\n".join([*heading, *folded])) if folded else ""
    return join_parts([table, more, *list_rest(number, len(rows), "changes")])


def _fold(summary: str, content: str) -> str:
    """A foldable part; ``summary`` is HTML. The empty lines let Markdown begin and end."""
    return f"<details><summary>{summary}</summary>\n\n{content}\n\n</details>"


def format_row(block: Block, *, has_outcome: bool) -> str:
    """The row of a block; its last cell has what a reviewer must see without a click."""
    cells = [f"{mark_code(block.kind.sign)} {mark_sentence(block.kind.verb)}"]
    cells += [mark_sentence(block.outcome)] if has_outcome else []
    cells += [_list_names(block.labels), "<br>".join(_describe_block(block))]
    return f"| {' | '.join(cells)} |"


def _list_names(labels: Sequence[str]) -> str:
    """The names of the images in a row; of many, the first ones and the number of the others."""
    names = list(map(mark_code, labels))
    number = _count_names(names)
    count = f"{format_count(len(labels), 'image')}: " if len(labels) > 1 else ""
    return f"{count}{', '.join(names[:number])}{f' and {len(names) - number} more' if number < len(names) else ''}"


def _count_names(names: Sequence[str]) -> int:
    """How many names a row shows: at least one."""
    sizes = range(1, len(names) + 1)
    return max(1, bisect_right(sizes, MAX_ROW_NAMES_BYTES, key=lambda size: len(", ".join(names[:size]).encode())))


def _describe_block(block: Block) -> Iterator[str]:
    """The lines in the last cell of a row."""
    if words := "; ".join(mark_sentence(text) for text in (block.what, block.kind.why) if text):
        yield words
    if block.error:
        yield f"**Error:** {mark_sentence(f'{block.place}: {block.error}' if block.place else block.error)}"
    visible = [line for line in block.lines if line.is_loud or len(block.lines) <= MAX_ROW_LINES]
    yield from map(_format_field, visible)
    if len(visible) < len(block.lines):
        yield f"{format_count(len(block.lines) - len(visible), 'field')} below"


def has_details(block: Block) -> bool:
    """Whether a row does not have all of a block, or there is no row, because nothing happens to the image."""
    has_all_names = _count_names(list(map(mark_code, block.labels))) == len(block.labels)
    return not (block.kind.verb and has_all_names and len(block.lines) <= MAX_ROW_LINES)


def _format_field(line: Line) -> str:
    mark = _LOUD if line.is_loud else ""
    return f"{mark}{mark_code(line.name)}: {mark_code(line.text)}" if line.name else f"{mark}{mark_sentence(line.text)}"


def format_all_details(details: Sequence[str], number: int) -> str:
    """The foldable parts of the first ``number`` blocks."""
    visible = details[:number]
    rest = list_rest(number, len(details), "lists of fields")
    if len(visible) <= MAX_OPEN_DETAILS:
        return join_parts([*visible, *rest])
    return _fold(f"{len(visible):,} lists of fields", join_parts([*visible, *rest]))


def format_details(block: Block) -> str:
    """All names and lines of a block, foldable if it has a row.

    Each line in the fence begins with characters of our own, so it neither ends the fence nor commands a CI system.
    """
    if not block.kind.verb:
        return _format_facts(block)
    name = mark_html_name(block.labels[0]) if len(block.labels) == 1 else ""
    summary = f"{block.kind.verb} {name or format_count(len(block.labels), 'image')}"
    width = max((len(line.name) for line in block.lines), default=0)
    lines = [f"{'!' if line.is_loud else ' '} - {line.name:<{width}}  {line.text}".rstrip() for line in block.lines]
    place = [f"  - in {block.place}"] if block.place else []
    fence = "\n".join(["```diff", *lines, *place, "```"]) if lines or place else ""
    labels = "" if name else ", ".join(map(mark_code, block.labels))
    return _fold(summary, join_parts([labels, fence]))


def _format_facts(block: Block) -> str:
    """A block about which there is nothing to count: its name, and its lines as a list."""
    title = format_bold(", ".join(block.labels))
    heading = f"{title}: {mark_sentence(block.what)}" if block.what else title
    lines = [f"- {mark_sentence(line.name)}: {mark_sentence(line.text)}" for line in block.lines]
    return "\n".join([heading, "", *lines])


def format_sections(sections: Sequence[Section], number: int) -> str:
    """The first ``number`` lines of all sections."""
    parts, left = [], number
    for section in sections:
        lines = [f"- {mark_sentence(line)}" for line in section.lines[:left]]
        left -= len(lines)
        parts.append(_format_section(section.title, lines) if lines else "")
    rest = list_rest(number, sum(len(section.lines) for section in sections), "lines")
    return join_parts([*parts, *rest])


def _format_section(title: str, lines: Sequence[str]) -> str:
    content = "\n".join(lines)
    if len(lines) > MAX_OPEN_LINES:
        number = format_count(len(lines), "line")
        if title and has_only_plain_words(title):
            return _fold(f"{title} ({number})", content)
        return _fold(number, join_parts([format_bold(title), content]))
    return join_parts([format_bold(title), content])
