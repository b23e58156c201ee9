"""The text of a manifest and the entry of an image -> the text with this entry. Pure.

The entry is inserted at a position of the parser's events, so comments, order, indentation and line ends stay as they
are. The new text is read again: if anything beside the entry differs, it is refused.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from yaml.events import (
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
)

from imagesync.errors import ImagesyncError, ManifestError
from imagesync.manifest.entries import Entry
from imagesync.manifest.yaml_reader import NULLS, Node, make_parser, parse
from imagesync.manifest.yaml_writer import Data, yaml_text

STEP: Final = 2
"""Columns of one level of indentation in a file that has none."""
_BREAK: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
"""Line ends in YAML 1.1, which the parser follows."""
MAX_GAP: Final = 1000
"""Characters before an entry that are searched for an empty line."""
_GAP: Final = re.compile(f"({_BREAK.pattern})[ \t]*({_BREAK.pattern})[ \t]*$")
_COMMENT: Final = re.compile("( *)#")
_BY_HAND: Final = "then run add again; or insert the entry by hand: imagesync add --dry-run prints it"


@dataclass(slots=True)
class _Layout:
    """Where a manifest has its images. All positions are indices of characters; columns count from 0.

    ``cut``: the empty value of ``images`` that the entry replaces. ``at``: a position in the line after which the entry is
    inserted; ``column``: that of the keys of images. ``step``: columns of a further level. ``has_gaps``: whether empty lines
    separate the entries.
    """

    at: int
    column: int
    step: int
    cut: tuple[int, int] | None = None
    is_missing: bool = False
    has_gaps: bool = False


def insert_image(text: str, file: str, key: str, entry: Entry) -> str:
    """The text with an entry for a new key after the last one of ``images``.

    ``file``: its name in messages. ManifestError if the text is not a manifest; ImagesyncError if it has a form in which
    nothing can be inserted, such as ``images: {a: …}`` on one line.
    """
    before, problems = parse(text, file)
    if before is None or problems:
        raise ManifestError(problems or [Node(None, 1, 1, file=file).problem("", "empty", "run imagesync init")])
    layout = _find_layout(text, file)
    newline = found[0] if (found := _BREAK.search(text)) else "\n"
    start, end = layout.cut or (layout.at, layout.at)
    place = layout.at if layout.is_missing else _find_next_entry(text, layout)
    head, tail = text[:start] + text[end:place], text[place:]
    if head and not _is_break(head[-1]):
        head += newline
    gap = newline if layout.has_gaps else ""
    made = f"{head}{gap}{newline.join(_indent_entry(key, entry, layout))}{newline}{tail}"
    _check(before, made, key, entry)
    return made


def _find_next_entry(text: str, layout: _Layout) -> int:
    """The start of the line of the new entry. Comments with the indentation of the last entry stay with that entry."""
    is_line_start = layout.at > 0 and _is_break(text[layout.at - 1])  # after a text in block style
    place = layout.at if is_line_start else _find_next_line(text, layout.at)
    while layout.cut is None and (found := _COMMENT.match(text, place)) and len(found[1]) >= layout.column:
        place = _find_next_line(text, place)
    return place


def _find_next_line(text: str, place: int) -> int:
    found = _BREAK.search(text, place)
    return found.end() if found else len(text)


def _is_break(char: str) -> bool:
    return _BREAK.fullmatch(char) is not None


def _indent_entry(key: str, entry: Entry, layout: _Layout) -> list[str]:
    data: Entry = {"images": {key: entry}} if layout.is_missing else {key: entry}
    found = []
    for line in yaml_text(data).splitlines():
        bare = line.lstrip(" ")
        level = (len(line) - len(bare)) // 2  # yaml_text indents by two columns
        found.append(f"{' ' * (layout.column + level * layout.step)}{bare}")
    return found


def _find_layout(text: str, file: str) -> _Layout:
    """The layout of a text that was read without a problem."""
    events = iter(make_parser(text).get_event, None)
    root: Any = next(event for event in events if isinstance(event, CollectionStartEvent | ScalarEvent))
    if not _is_block(root):
        raise _refuse(
            file, root, "the file is written in one pair of braces, as JSON is", "write each key on its own line"
        )
    column, step = root.start_mark.column, 0
    layout: _Layout | None = None
    for key, value in _iterate_pairs(events):
        if isinstance(key, ScalarEvent) and key.value == "images":
            layout = _read_images(text, file, key, value, events, step or STEP)
        else:
            first, _ = _measure_node(value, events)
            step = step or (first - column if first > column else 0)
    if layout is not None:
        return layout
    ending: Any = next(event for event in events if isinstance(event, DocumentEndEvent))
    return _Layout(ending.start_mark.index if ending.explicit else len(text), column, step or STEP, is_missing=True)


def _is_mapping(event: Any) -> bool:
    return isinstance(event, MappingStartEvent)


def _is_block(event: Any) -> bool:
    """Whether a mapping in block style begins."""
    return isinstance(event, MappingStartEvent) and not event.flow_style


def _is_end(event: Any) -> bool:
    return isinstance(event, CollectionEndEvent)


def _is_null(event: Any) -> bool:
    """Whether a scalar is null, written without quotes, anchor and tag."""
    is_plain = isinstance(event, ScalarEvent) and not (event.style or event.anchor or event.tag)
    return is_plain and event.value in NULLS


def _iterate_pairs(events: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
    """The first events of each key and value of a mapping; the caller reads the rest of the value."""
    while not isinstance(key := next(events), MappingEndEvent):
        if isinstance(key, CollectionStartEvent):
            _measure_node(key, events)
        yield key, next(events)


def _read_images(text: str, file: str, key: Any, value: Any, events: Iterator[Any], step: int) -> _Layout:
    """The layout of ``images``, whose value begins with this event."""
    column = key.start_mark.column
    if _is_null(value):
        return _replace_empty(text, file, key, (value.start_mark.index, value.end_mark.index), column + step, step)
    if not _is_mapping(value) or value.anchor or value.tag:
        raise _refuse(file, key, "images has an anchor, an alias or a tag", "write the images as a plain mapping")
    if value.flow_style:
        end = next(events)  # of the braces, or else the first key
        inner = text[value.start_mark.index + 1 : end.end_mark.index].removesuffix("}")
        if inner.strip():
            what = "images is written in braces ({…})"
            raise _refuse(file, key, what, "write each key on its own line, indented, without braces")
        return _replace_empty(text, file, key, (value.start_mark.index, end.end_mark.index), column + step, step)
    return _read_entries(text, value, events, column)


def _replace_empty(text: str, file: str, key: Any, span: tuple[int, int], column: int, step: int) -> _Layout:
    """The layout of ``images`` with an empty value, which is removed with the spaces before it."""
    colon = text.find(":", key.end_mark.index)
    if text[key.end_mark.index : colon].strip(" ") or text[colon + 1 : span[0]].strip(" \t"):
        raise _refuse(file, key, "images and its value are not on one line", "write images: {} on one line")
    return _Layout(span[1], column, step, cut=(colon + 1, span[1]))


def _read_entries(text: str, value: Any, events: Iterator[Any], outer: int) -> _Layout:
    """The layout of ``images`` in block style, which has at least one entry."""
    column, step, at, last_key, count = value.start_mark.column, 0, 0, 0, 0
    for key, child in _iterate_pairs(events):
        last_key, count = key.start_mark.index, count + 1
        first, at = _measure_node(child, events)
        step = step or (first - column if first > column else 0)
    has_gaps = count > 1 and _GAP.search(text[:last_key][-MAX_GAP:]) is not None
    return _Layout(at, column, step or column - outer or STEP, has_gaps=has_gaps)


def _measure_node(event: Any, events: Iterator[Any]) -> tuple[int, int]:
    """Read the rest of a node: the column of its first key (-1 if it is not a mapping in block style), and its end."""
    first, end, depth = -1, event.end_mark.index, [event] if isinstance(event, CollectionStartEvent) else []
    while depth:
        item = next(events)
        if first < 0 and _is_block(event):
            first = item.start_mark.column
        if _is_end(item):
            if depth.pop().flow_style:  # the mark of the end of a block is at the next token, after all comments
                end = item.end_mark.index
        else:
            end = item.end_mark.index
            depth += [item] if isinstance(item, CollectionStartEvent) else []
    return first, end


def _refuse(file: str, event: Any, what: str, hint: str) -> ImagesyncError:
    place = f"{file}:{event.start_mark.line + 1}:{event.start_mark.column + 1}"
    return ImagesyncError(f"{place}: {what}, and add does not rewrite it; nothing was changed", f"{hint}, {_BY_HAND}")


def _check(before: Node, made: str, key: str, entry: Entry) -> None:
    """ImagesyncError if the new text is not the old data with the entry as the last image."""
    after, problems = parse(made, "")
    if after is None or problems or not _is_extended(before, after, key, entry):
        message = "the entry cannot be inserted without changing other parts of the manifest; nothing was changed"
        raise ImagesyncError(message, "insert it by hand: imagesync add --dry-run prints it")


def _is_extended(before: Node, after: Node, key: str, entry: Entry) -> bool:
    old, new = before.items(), dict(after.items())
    images, listed = old["images"].items() if "images" in old else {}, dict(new.get("images", after).items())
    added = listed.pop(key, None)
    rest_is_same = [name for name in new if name != "images"] == [name for name in old if name != "images"] and all(
        _is_same(old[name], new[name]) for name in old if name != "images"
    )
    images_are_same = list(listed) == list(images) and all(_is_same(images[name], listed[name]) for name in images)
    return rest_is_same and images_are_same and added is not None and _is_equal(added, entry)


def _is_same(one: Node, other: Node) -> bool:
    """Whether two trees have the same values, written in the same way."""
    if isinstance(one.value, dict) and isinstance(other.value, dict):
        return list(one.value) == list(other.value) and all(
            _is_same(child, other.value[name]) for name, child in one.value.items()
        )
    if isinstance(one.value, list) and isinstance(other.value, list):
        return len(one.value) == len(other.value) and all(map(_is_same, one.value, other.value))
    return (one.value, one.text, one.plain) == (other.value, other.text, other.plain)


def _is_equal(node: Node, data: Data) -> bool:
    """Whether a tree has this data; a number of the tree may be a text of the data, as the schema decides."""
    if isinstance(data, Mapping):
        return list(node.items()) == list(data) and all(_is_equal(node.items()[name], data[name]) for name in data)
    return node.text == data if isinstance(data, str) else node.value == data
