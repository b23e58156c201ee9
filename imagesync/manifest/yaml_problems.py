"""An error of the YAML parser -> a diagnostic with the place, the cause and what to write. Pure.

The parser reports what it expected next, often some lines late. The text around that place shows the usual causes: a tab, a
colon in a value without quotes, a bracket that is not closed.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import yaml

from imagesync.errors import Diagnostic
from imagesync.manifest.yaml_writer import write_scalar
from imagesync.secrets import is_secret, is_secret_name, quote_value

PREFIX: Final = "not valid YAML: "
COLON: Final = "a value with a colon and a space in it needs quotes"
MAX_WRITTEN_CHARS: Final = 60
"""The longest value that a hint writes out."""

Finding: TypeAlias = tuple[int, int, str, str]
"""Line and column from 0, message and hint."""

_BREAK: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_UNFIT: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CONFLICT: Final = re.compile(r"(?:<{7}|>{7}) |={7}$")
_PAIR: Final = re.compile(r"""(?P<head>\s*(?:-\s+)*)(?P<key>[^\s:#'"\[\]{},-][^:#]*?)\s*:\s+(?P<value>\S.*)""")
_QUOTED: Final = re.compile(r"(?s)(?<!\w)(['\"]).*\1")
_OWN_KEY: Final = re.compile(
    r"(?m)^(?:catalog|images|profiles|targets|defaults|default_target|values|policy|removed)[ \t]*:"
)
_CLOSING: Final = {"}": "{", "]": "["}


def explain_syntax_error(error: yaml.YAMLError, text: str, file: str) -> Diagnostic:
    """The diagnostic of a file that is not YAML, with the line if it may be shown."""
    lines = _BREAK.split(text)
    line, column, message, hint = _find_conflict(lines) or _explain(error, lines, text)
    may_be_shown = line < len(lines) and _is_manifest(text) and not _is_private(lines[line])
    excerpt = "".join(map(_show_char, lines[line].rstrip())) if may_be_shown else ""
    return Diagnostic(file, line + 1, column + 1, "", PREFIX + message, hint, excerpt)


def _is_manifest(text: str) -> bool:
    """Whether lines may be quoted: any other file may be a link to a user's settings with passwords."""
    return _OWN_KEY.search(text) is not None


def _is_private(line: str) -> bool:
    """Whether a line has a secret, by its value or by its key."""
    return is_secret(line) or any(map(is_secret_name, re.findall(r"[\w.-]+(?=\s*[:=])", line)))


def _show_char(char: str) -> str:
    """One character for each character, so a caret below keeps its column."""
    return "→" if char == "\t" else char if char.isprintable() else "?"


def _explain(error: yaml.YAMLError, lines: Sequence[str], text: str) -> Finding:
    if not isinstance(error, yaml.MarkedYAMLError):
        return _explain_unfit(error, text)
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return 0, 0, _without_quotes(error.problem or error.context), ""
    line, column = mark.line, mark.column
    if (tab := _find_tab(lines, line, column)) is not None:
        return line, tab, "the indentation has a tab", "indent with spaces"
    if "\ufeff" in (lines[line] if line < len(lines) else ""):
        return line, lines[line].index("\ufeff"), "the text has a byte order mark inside", "remove it"
    context = error.context_mark or mark
    place = _Place(lines, line, column, context.line, context.column, _is_manifest(text))
    for part, explain in _EXPLAINED.items():
        if part in f"{error.context}: {error.problem}" and (found := explain(place)):
            return found
    return line, column, _without_quotes(error.problem or error.context), ""


def _without_quotes(problem: str | None) -> str:
    """The parser's message without quotations of the file."""
    return _QUOTED.sub("…", problem or "")


def _explain_unfit(error: yaml.YAMLError, text: str) -> Finding:
    found = _UNFIT.search(text)
    if found is None:
        return 0, 0, _without_quotes(str(error).splitlines()[0]), ""
    before = _BREAK.split(text[: found.start()])
    message = f"the character U+{ord(found[0]):04X} is not allowed in YAML"
    return len(before) - 1, len(before[-1]), message, "remove it, or write it in double quotes as an escape"


def _find_conflict(lines: Sequence[str]) -> Finding | None:
    """The first line of an unresolved merge conflict."""
    line = next((number for number, line in enumerate(lines) if _CONFLICT.match(line)), None)
    if line is None or not any(text.startswith("<<<<<<< ") for text in lines):
        return None
    return line, 0, "a merge conflict is not resolved", "keep one of the two versions, and remove the marks"


def _find_tab(lines: Sequence[str], line: int, column: int) -> int | None:
    """The column of a tab in the indentation of a line, or at the place itself."""
    text = lines[line] if line < len(lines) else ""
    blank = text[: len(text) - len(text.lstrip())]
    if "\t" in blank:
        return blank.index("\t")
    return column if text[column : column + 1] == "\t" else None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the parser stopped, where the current construct began, and whether a hint may quote the file."""

    lines: Sequence[str]
    line: int
    column: int
    from_line: int
    from_column: int
    may_quote: bool

    @property
    def text(self) -> str:
        return self.lines[self.line] if self.line < len(self.lines) else ""

    @property
    def char(self) -> str:
        return self.text[self.column : self.column + 1]

    @property
    def above(self) -> int | None:
        """The number of the next line above that is neither blank nor a comment."""
        numbers = range(min(self.line, len(self.lines)) - 1, -1, -1)
        return next((n for n in numbers if (line := self.lines[n].strip()) and not line.startswith("#")), None)


def _explain_colon(at: _Place) -> Finding | None:
    """``name: Ubuntu: 24.04``, or a line below one that is not a pair."""
    pair = _PAIR.match(at.text)
    if pair and pair.start("value") <= at.column:
        value = re.sub(r"\s+#.*", "", pair["value"]).strip()
        if "-" in pair["head"]:
            return at.line, at.column, COLON, _write_quoted(at, f"{pair['key']}: {value}")
        return at.line, at.column, COLON, f"write {_write_pair(at, pair['key'], value)}"
    return _explain_line_above(at)


def _write_pair(at: _Place, key: str, value: str) -> str:
    """The corrected pair, if it may be shown; else ``KEY: "VALUE"``."""
    key = key.strip()
    is_long = len(key) + len(value) > MAX_WRITTEN_CHARS
    if is_long or not at.may_quote or _is_private(f"{key}: {value}") or not value.isprintable():
        return 'KEY: "VALUE"'
    quoted = write_scalar(value)
    return f"{key}: {quoted}" if quoted != value else f'{key}: "{value}"'


def _explain_line_above(at: _Place) -> Finding | None:
    """The line above has no colon, or has a value already."""
    if at.above is None:
        return None
    line = at.lines[at.above]
    start = len(line) - len(line.lstrip())
    if not re.search(r":(\s|$)", line):
        word = re.match(r"([\w.-]+):(\S.*)", line.strip())
        if word and at.may_quote and not _is_private(line) and len(line) <= MAX_WRITTEN_CHARS:
            return at.above, start, "a space is missing after the colon", f"write {word[1]}: {word[2]}"
        return at.above, start, "this line is not KEY: VALUE", "write a colon and a space after the key"
    if len(at.text) - len(at.text.lstrip()) > start:
        message = f"this line is indented deeper than line {at.above + 1}, which has a value already"
        return (
            at.line,
            len(at.text) - len(at.text.lstrip()),
            message,
            "begin both in the same column, or remove the value",
        )
    return None


def _explain_key(at: _Place) -> Finding:
    """Text after the end of a value, or a line that fits no mapping above it."""
    if at.char in _CLOSING:
        return at.line, at.column, f"this {at.char} closes nothing", f"remove it, or write the {_CLOSING[at.char]}"
    if at.text[at.column :].startswith("- "):
        return (
            at.line,
            at.column,
            "a list item is beside KEY: VALUE lines",
            "write it below a key, or remove the -",
        )
    if at.text[: at.column].strip(" -"):
        hint = 'put the whole value in quotes; a quote inside double quotes is written \\"'
        return at.line, at.column, "there is more text after the end of the value", hint
    message = "the indentation of this line fits no line above it"
    return at.line, at.column, message, "begin it in the same column as the lines that it belongs to"


def _explain_item(at: _Place) -> Finding:
    if re.match(r"[^\s:]+:(\s|$)", at.text[at.column :]):
        return (
            at.line,
            at.column,
            "KEY: VALUE is beside list items",
            "write a - before it, or move it out of the list",
        )
    return _explain_key(at)


def _explain_end(at: _Place) -> Finding:
    return at.line, at.column, "this is after the end of the document", "remove the line ... or --- above it"


def _explain_bracket(at: _Place) -> Finding:
    opening = at.lines[at.from_line][at.from_column : at.from_column + 1]
    pair = re.search(r"""([^\s:#'"\[\]{},]+):\s+([^'"\[\]{},:]+)$""", at.text[: at.column])
    if at.char == ":" and at.line == at.from_line and pair:
        value = (pair[2] + re.split(r"[,\[\]{}]", at.text[at.column :])[0]).strip()
        in_list = opening == "["
        hint = _write_quoted(at, f"{pair[1]}: {value}") if in_list else f"write {_write_pair(at, pair[1], value)}"
        return at.line, at.column, COLON, hint
    if at.line > at.from_line:
        message = f"this {opening} is not closed before line {at.line + 1}"
        return at.from_line, at.from_column, message, f"write the closing {'}' if opening == '{' else ']'}, or a comma"
    return at.line, at.column, "a comma is missing before this", "write a comma between two items, or quote the value"


def _explain_start(at: _Place) -> Finding:
    """A character that cannot begin a text."""
    hint = _write_quoted(at, at.text[at.column :])
    return at.line, at.column, f"a value cannot begin with {quote_value(at.char)}", hint


def _explain_reference(at: _Place) -> Finding:
    line = at.lines[at.from_line]
    mark = line[at.from_column : at.from_column + 1]
    kind = "alias, the name of something above" if mark == "*" else "anchor, a name for what follows"
    message = f"a value that begins with {mark} is an {kind}"
    return at.from_line, at.from_column, message, _write_quoted(at, line[at.from_column :])


def _write_quoted(at: _Place, rest: str) -> str:
    value = re.sub(r"\s+#.*", "", re.split(r"[,\]}]", rest)[0]).strip()
    if not (at.may_quote and 0 < len(value) <= MAX_WRITTEN_CHARS and value.isprintable()) or is_secret(value):
        return "put the value in quotes"
    return f"put the value in quotes: {write_scalar(value)}"


def _explain_simple_key(at: _Place) -> Finding:
    return at.from_line, at.from_column, "this line is not KEY: VALUE", "write a colon and a space after the key"


def _explain_open_quote(at: _Place) -> Finding:
    return at.from_line, at.from_column, "this quote is not closed", "write the closing quote"


def _explain_escape(at: _Place) -> Finding:
    hint = "write \\\\ for a backslash, or use single quotes"
    return at.line, at.column, "after a backslash in double quotes only certain letters are allowed", hint


def _explain_list(at: _Place) -> Finding:
    return at.line, at.column, "a list cannot begin here", "begin it in the next line, or write it as [A, B]"


def _explain_block(at: _Place) -> Finding:
    mark = at.lines[at.from_line][at.from_column : at.from_column + 1]
    hint = _write_quoted(at, at.lines[at.from_line][at.from_column :])
    return at.from_line, at.from_column, f"a value that begins with {mark} is a text of several lines", hint


def _explain_nothing(at: _Place) -> Finding:
    return (
        at.line,
        at.column,
        f"a value cannot begin with {quote_value(at.char)}",
        _write_quoted(at, at.text[at.column :]),
    )


_EXPLAINED: Final[dict[str, Callable[[_Place], Finding | None]]] = {
    "mapping values are not allowed": _explain_colon,
    "did not find expected ',' or": _explain_bracket,
    "scanning an alias": _explain_reference,
    "scanning an anchor": _explain_reference,
    "did not find expected key": _explain_key,
    "did not find expected '-' indicator": _explain_item,
    "expected <document start>": _explain_end,
    "scanning a simple key": _explain_simple_key,
    "cannot start any token": _explain_start,
    "found unexpected end of stream": _explain_open_quote,
    "found unknown escape": _explain_escape,
    "block sequence entries": _explain_list,
    "scanning a block scalar": _explain_block,
    "expected node content": _explain_nothing,
}
"""Parts of the parser's messages, and the functions that explain them; the first that fits is used."""
