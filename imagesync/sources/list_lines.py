"""The lines of a checksum list -> its entries. Pure.

The forms: GNU coreutils (``HEX  NAME``, ``HEX *NAME``, escaped names), BSD and OpenSSL (``SHA256 (NAME) = HEX``), labels
(``sha256: HEX``, ``sha256:HEX  NAME``), the name first (``NAME  HEX``, ``NAME: HEX``), a size beside the name, tables
(cells between ``|``, ``,`` or ``;``), groups of digits as ``gpg --print-md`` writes them, ``certutil -hashfile``, and both
outputs of ``Get-FileHash``. A line with more than one digest is ambiguous.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from imagesync.model.catalog import HEX_LENGTHS
from imagesync.sources.entries import (
    LENGTHS,
    OTHER_LENGTHS,
    AlgorithmHint,
    Entry,
    find_file_names,
    is_verified,
    make_entry,
    read_algorithm,
)

MAX_HEADING_CHARS: Final = 120
MAX_HEADING_WORDS: Final = 8
MAX_GROUPS: Final = 64
"""Of the digits of one digest: sha512 in pairs has 64."""
MAX_AMBIGUOUS_NAMES: Final = 16
MAX_CELLS: Final = 16
"""Of a row of a table."""
MAX_FIELD_CHARS: Final = 4096
_COMMENTS: Final = ("#", "//", ";", "%")
_RUN: Final = re.compile(r"[0-9A-Fa-f]{32}")
_DIGEST: Final = re.compile(r"(?:([A-Za-z][A-Za-z0-9/_-]{1,31})[:=])?([0-9A-Fa-f]{32,128})")
_HEX: Final = re.compile(r"[0-9A-Fa-f]+")
_LABEL: Final = re.compile(r"[A-Za-z][A-Za-z0-9/_-]{0,31}")
_SIZE_FIRST: Final = re.compile(
    r"(?:\d{1,20}(?:[ \t]+\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?Z?)?)?|\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?Z?)?)"
    r"[ \t]+(\S.*)"
)
"""A size, a date, or a size and a date; then the name."""
_CERTUTIL: Final = re.compile(r"([A-Za-z][A-Za-z0-9]{0,31}) hash of (?:file )?(\S.*):", re.IGNORECASE)
_FIELD: Final = re.compile(r"(Algorithm|Hash|Path)[ \t]*:[ \t]*(.*)", re.IGNORECASE)
_NAME_ALONE: Final = re.compile(r"[^\s:=]{1,255}\.[A-Za-z][A-Za-z0-9]{1,9}")
_NAME_FIELD: Final = re.compile(
    r"[\"']?(?:file|file[ _-]?name|name|path|url|uri|link|image|location)[\"']?[ \t]*[:=][ \t]*\S",
    re.IGNORECASE,
)
_WORDS: Final = re.compile(r"\S+")
_LABELS: Final = re.compile(r"[A-Za-z0-9/_-]+")
_HEADING_WORDS: Final = frozenset(
    (
        *("hash", "hashes", "sum", "sums", "checksum", "checksums", "check", "digest", "digests", "value"),
        *("values", "algorithm", "type", "message", "file", "files", "the", "of", "for", "all", "list"),
        *("hex", "and", "or", "name", "filename", "path", "size"),
    )
)
_NO_ALGORITHMS: Final = frozenset(
    (*("FILE", "FILES", "IMAGE", "IMAGES", "THE", "ALL", "ISO", "DISK", "CONTENT", "BUILD", "RELEASE"),)
)
_LOOK_ALIKES: Final = re.compile(
    r"blake|b[23]sum|whirlpool|sha-?3|sha3|keccak|skein|streebog|r(?:ipe)?md|sm3|sha-?512[/_t-]+2", re.IGNORECASE
)
"""Algorithms in prose whose digests have the length of other algorithms."""
_GENERIC: Final = frozenset({"hash", "checksum", "digest", "sum", "value"})
_QUOTES: Final = "\"'`"
_SEVERAL: Final = "has more than one digest"
_UNREAD: Final = "names a file in an unknown form"


class Parts(NamedTuple):
    """The parts of a line with one digest."""

    names: tuple[str, ...]
    label: str | None
    digits: str
    sized: str = ""


class _Block:
    """One object of ``Get-FileHash | Format-List``: its fields, of which long ones are wrapped."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self._last = ""

    def take(self, line: str) -> bool:
        """Add a line, if it is a new field of the object or continues the last one; returns whether it is."""
        if found := _FIELD.fullmatch(line.strip()):
            if found[1].lower() in self.fields:
                return False
            self._last = found[1].lower()
            self.fields[self._last] = found[2].strip()
            return True
        is_short = len(self.fields.get(self._last, "")) < MAX_FIELD_CHARS
        if self._last in ("hash", "path") and line[:1].isspace() and line.strip() and is_short:
            self.fields[self._last] += line.strip()
            return True
        return False

    def finish(self, where: str) -> Entry | None:
        """The entry of a complete object; an incomplete one with a path gives a problem."""
        digits, label, path = self.fields.get("hash", ""), self.fields.get("algorithm"), self.fields.get("path")
        if not _is_digest(digits) or not label:
            return Entry((), problem=f"the object before {where} {_UNREAD}") if path else None
        return make_entry((path,) if path else (), digits, label, None, where)


class _Groups:
    """Digits in groups, over several lines, after a name or a label."""

    def __init__(self, name: str, label: str | None, digits: str, *, has_digest: bool = False) -> None:
        self.name, self.label, self.digits = name, label, digits
        self.has_digest = has_digest
        """Whether a digest of this name was read; a further digest needs a label."""

    def is_open(self, hint: AlgorithmHint | None) -> bool:
        """Whether more digits may follow. Without a name each line may be a separate digest."""
        algorithm = (read_algorithm(self.label) if self.label else hint.algorithm if hint else None) or ""
        if not algorithm and not self.name:
            return len(self.digits) not in LENGTHS
        return len(self.digits) < HEX_LENGTHS.get(algorithm, max(LENGTHS))


class LineReader:
    """Reads one list; the algorithm in a heading applies to the lines below it."""

    def __init__(self, hint: AlgorithmHint | None) -> None:
        self._hint = hint
        self._block: _Block | None = None
        self._groups: _Groups | None = None
        self._are_names_unclear = False
        """Whether a digest had no name before it, or a name no digest after it. Then a name in a separate line may
        belong to any digest.
        """

    def read(self, lines: Iterable[str]) -> Iterator[Entry]:
        """The entries of all lines (without their ends); an ambiguous line is an entry with a ``problem``."""
        number = 0
        for number, line in enumerate(lines, 1):
            yield from self._read_line(line, number)
        yield from self._finish(number)

    def _read_line(self, line: str, number: int) -> Iterator[Entry]:
        text = line.strip().removeprefix("- ").removeprefix("* ").lstrip()
        if self._block and self._block.take(line):
            return
        has_digest = _RUN.search(text) is not None
        if not (groups := self._groups) or has_digest or not self._add_groups(groups, text):
            if self._block or (groups and groups.digits):
                yield from self._finish(number)
            if has_digest:
                yield from self._read_digest_line(text, number)
            else:
                yield from self._read_other_line(text, number)

    def _finish(self, number: int) -> Iterator[Entry]:
        """The entry of a digest that has several lines, after its last line."""
        block, groups, where = self._block, self._groups, f"line {number}"
        self._block = self._groups = None
        entry = block.finish(where) if block else None
        if groups and (len(groups.digits) in LENGTHS or len(groups.digits) in OTHER_LENGTHS):
            names = (groups.name,) if groups.name else ()
            self._are_names_unclear |= not names
            entry = make_entry(names, groups.digits, groups.label, self._hint, where)
        if entry:
            yield entry

    def _read_digest_line(self, text: str, number: int) -> Iterator[Entry]:
        where, waiting, self._groups = f"line {number}", self._groups, None
        if text.startswith(_COMMENTS):
            return
        parts = _split_line(text)
        if isinstance(parts, Parts):
            names, label, digits, sized = parts
            if not names and waiting and (label or not waiting.has_digest):
                names, label = ((waiting.name,) if waiting.name else ()), label or waiting.label
                self._groups = _Groups(waiting.name, None, "", has_digest=True) if label else None
            self._are_names_unclear |= not names
            if label and label.lower() in _GENERIC:
                label = None
            if entry := make_entry(names, digits, label, self._hint, where, sized):
                yield entry
        elif parts:
            words = [word.strip("*:;,|()=" + _QUOTES) for word in text.split()]
            yield Entry((), problem=f"{where} {parts}", is_mention=True)
            for word in [word for word in words if word and not _is_digest(word)][:MAX_AMBIGUOUS_NAMES]:
                yield Entry((word,), problem=f"{where} {parts}", is_mention=True)

    def _read_other_line(self, text: str, number: int) -> Iterator[Entry]:
        """A heading, a name whose digest follows, or the beginning of groups; any other line has no effect.

        A name in a separate field (YAML, or blocks of lines) belongs to an unknown digest: then a digest without a name
        may be of another file.
        """
        waiting, self._groups = self._groups, None
        if waiting and not waiting.digits and not waiting.has_digest:
            self._are_names_unclear |= bool(find_file_names(waiting.name))
            yield from _mention_files(waiting.name, number - 1)
        if not text:
            return
        if (field := _FIELD.fullmatch(text)) and field[1].lower() != "hash":
            self._block = _Block()
            self._block.take(text)
        elif (algorithm := _read_heading(text)) is not None:
            self._hint = AlgorithmHint(algorithm, f"the heading in line {number}") if algorithm else None
        else:
            self._hint = self._hint or _find_look_alike(text, number)
            yield from self._read_prose(text, number)

    def _read_prose(self, text: str, number: int) -> Iterator[Entry]:
        """The files that a line names; the digest of one may follow."""
        is_comment = text.startswith(_COMMENTS)
        groups = None if is_comment else _begin_groups(text)
        if groups and (groups.digits or not self._are_names_unclear):
            self._groups = groups
            return
        if not is_comment and _NAME_FIELD.match(text):
            yield Entry((), problem=f"line {number} {_UNREAD}")
        yield from _mention_files(text, number)

    def _add_groups(self, groups: _Groups, text: str) -> bool:
        """Add the line to the groups, if it continues them; returns whether it does."""
        if (digits := _join_groups(text)) and groups.is_open(self._hint):
            groups.digits += digits
            return True
        label, equals, rest = text.partition("=")
        if not groups.digits and equals and read_algorithm(label) and (digits := _join_groups(rest)):
            groups.label, groups.digits = label.strip(), digits
            return True
        return False


def _split_line(text: str) -> Parts | str | None:
    """The parts of a line with a run of digits; a text that says why it is ambiguous; None if it is not an entry."""
    if bsd := _split_bsd(text):
        return bsd
    if "|" in text:
        return _split_cells(text)
    digests = [(word, found) for word in _WORDS.finditer(text) if (found := _read_digest(word[0]))]
    if len(digests) > 1:
        return _SEVERAL
    if not digests:
        return _split_cells(text)
    word, (label, digits) = digests[0]
    before, after = text[: word.start()].strip(), text[word.end() :]
    if not before:
        return _split_gnu(label, digits, after, is_escaped=text.startswith("\\"))
    if label is None and (heading := _read_label(before)):
        return _split_gnu(heading, digits, after, is_escaped=False)
    if before.isdigit() and after.strip():
        return Parts((_unquote(after.strip()),), label, digits)
    if after.strip() and not after.strip().isdigit():
        return "has text on both sides of its digest"
    return _split_name_first(before, label, digits)


def _split_gnu(label: str | None, digits: str, rest: str, *, is_escaped: bool) -> Parts:
    """The parts of a line that begins with a digest; the name follows two spaces, or a space and ``*``."""
    name = rest[2:] if rest[:2] in ("  ", " *") and rest[2:3].strip() else rest.strip().removeprefix("*")
    if is_escaped:
        name = _unescape(name)
    name = _unquote(name)
    if name in ("", "-"):  # standard input
        return Parts((), label, digits)
    if label is None and read_algorithm(name.strip("()")):
        return Parts((), name.strip("()"), digits)
    sized = found[1].removeprefix("*") if (found := _SIZE_FIRST.fullmatch(name)) else ""
    return Parts((name,), label, digits, sized)


def _split_name_first(before: str, label: str | None, digits: str) -> Parts:
    """``NAME  HEX``, ``NAME: HEX``, ``NAME: SHA256 = HEX``, ``NAME SIZE HEX``."""
    name = before.removesuffix(" -")
    if label is None:
        head, _, last = name.rstrip(" \t:=-").rpartition(" ")
        if head.strip() and read_algorithm(last.strip("()")):
            name, label = head, last.strip("()")
    name = _unquote(name.rstrip(" \t:=,;"))
    if name.lower() in _GENERIC:
        return Parts((), label, digits)
    head, _, last = name.rpartition(" ")
    return Parts((name,), label, digits, head.strip() if last.isdigit() else "")


def _split_bsd(text: str) -> Parts | str | None:
    """``SHA256 (NAME) = HEX``, ``SHA2-256(NAME)= HEX``; the name may have any characters."""
    head, _, digits = text.rpartition("=")
    head, digits, is_escaped = head.rstrip(), digits.strip(), text.startswith("\\")
    label, bracket, name = head.removeprefix("\\").partition("(")
    if not bracket or not name.endswith(")") or not _is_hex(digits) or not _LABEL.fullmatch(label.strip()):
        return None
    name = name[:-1]
    if _RUN.search(name) and any(map(_read_digest, name.split())):
        return _SEVERAL
    return Parts((_unescape(name) if is_escaped else name,), label.strip(), digits) if len(digits) >= 32 else None


def _split_cells(text: str) -> Parts | str | None:
    """A row of a table: its cells are the digest, the name, and optionally an algorithm and a size."""
    for mark in "|,;":
        cells = [cell for part in text.split(mark, MAX_CELLS) if (cell := _unquote(part.strip()))]
        digests = [found for cell in cells if (found := _read_digest(cell))]
        if not digests:
            continue
        others = [cell for cell in cells if not _read_digest(cell) and not cell.isdigit()]
        labels = [cell for cell in others if read_algorithm(cell)]
        names = [cell for cell in others if not read_algorithm(cell)]
        if len(digests) > 1 or len(names) > 1 or len(labels) > 1:
            return _SEVERAL if len(digests) > 1 else "has more than one cell that could be the name"
        label, digits = digests[0]
        return Parts(tuple(names), label or (labels[0] if labels else None), digits)
    return None


def _read_heading(text: str) -> str | None:
    """The algorithm that a heading names; empty if it names several; None if the line is not a heading.

    A comment of the form ``# NAME HASH`` is a heading, also of an unknown algorithm.
    """
    if len(text) > MAX_HEADING_CHARS:
        return None
    spelled = re.sub(r"\b(sha)[ ](\d)", r"\1\2", text, flags=re.IGNORECASE)
    words = _LABELS.findall(spelled)
    if not 0 < len(words) <= MAX_HEADING_WORDS or "." in text.strip(" .") or "\\" in text:
        return None
    found = [read_algorithm(word) for word in words]
    if any(found) and all(one or word.lower() in _HEADING_WORDS for one, word in zip(found, words, strict=True)):
        different = sorted(filter(None, set(found)))
        return (
            different[0] if len(different) == 1 else "" if all(map(is_verified, different)) else " or ".join(different)
        )
    is_named = text.startswith("#") and len(words) == 2 and words[1] == "HASH" and words[0] == words[0].upper()
    return words[0] if is_named and words[0] not in _NO_ALGORITHMS else None


def _mention_files(text: str, number: int) -> Iterator[Entry]:
    for name in find_file_names(text):
        yield Entry((), problem=f"line {number} {_UNREAD}", about=name)


def _find_look_alike(text: str, number: int) -> AlgorithmHint | None:
    """The algorithms in prose such as ``made by b2sum``, if one has digests of the length of another algorithm."""
    if len(text) > MAX_HEADING_CHARS or not _LOOK_ALIKES.search(text):
        return None
    words = [word.strip("*:;,.|()[]<>=" + _QUOTES) for word in text.split()]
    found = sorted({algorithm for word in words if (algorithm := read_algorithm(word))})
    is_mistakable = any(_LOOK_ALIKES.match(word) and read_algorithm(word) for word in words)
    return AlgorithmHint(" or ".join(found), f"line {number}") if is_mistakable else None


def _begin_groups(text: str) -> _Groups | None:
    """``NAME: AAAA BBBB``, ``NAME: SHA256 = AAAA BBBB``, ``NAME:`` or ``NAME`` with the digits below, or digits alone."""
    if _NAME_ALONE.fullmatch(text):
        return _Groups(text, None, "")
    if found := _CERTUTIL.fullmatch(text):
        return _Groups(found[2], found[1] if read_algorithm(found[1]) else None, "")
    if digits := _join_groups(text):
        return _Groups("", None, digits)
    name, colon, rest = text.rpartition(":")
    if not colon:
        name, rest = "", text
    label, equals, digits = rest.rpartition("=")
    joined = _join_groups(digits)
    if (equals and not read_algorithm(label)) or (rest.strip() and not joined) or not (name.strip() or equals):
        return None
    if not joined and equals:
        return None
    return _Groups(name.strip(), label.strip() or None, joined)


def _join_groups(text: str) -> str:
    """The digits of groups of equal length (2, 4, 8 or 16 digits each); empty if the text is anything else."""
    groups = text.split()
    if not groups or len(groups) > MAX_GROUPS or len(groups[0]) not in (2, 4, 8, 16):
        return ""
    is_even = all(len(group) == len(groups[0]) for group in groups)
    joined = "".join(groups)
    return joined if is_even and _is_hex(joined) else ""


def _read_label(text: str) -> str | None:
    """The algorithm, or a word like ``checksum``, before a digest; None for any other text."""
    label = text.strip().rstrip(":=- \t|,;").strip(_QUOTES)
    return label if read_algorithm(label) or label.lower() in _GENERIC else None


def _read_digest(word: str) -> tuple[str | None, str] | None:
    """Label and digits of a word that is a digest (``sha256:HEX`` has both); None for any other word."""
    found = _DIGEST.fullmatch(word.strip(_QUOTES + ",;|").removeprefix("\\"))
    if not found or not (len(found[2]) in LENGTHS or len(found[2]) in OTHER_LENGTHS):
        return None
    if found[1] and not (read_algorithm(found[1]) or found[1].lower() in _GENERIC):
        return None
    return found[1], found[2]


def _is_digest(word: str) -> bool:
    return _is_hex(word) and len(word) in HEX_LENGTHS.values()


def _is_hex(text: str) -> bool:
    return _HEX.fullmatch(text) is not None


def _unquote(name: str) -> str:
    """A name without the quotes around it."""
    name = name.strip(" \t|,;") if name[:1] in _QUOTES or name[-1:] in "|,;" else name
    return name[1:-1] if len(name) > 1 and name[0] in _QUOTES and name[-1] == name[0] else name


def _unescape(name: str) -> str:
    r"""A name of coreutils in a line that begins with a backslash: ``\\``, ``\n`` and ``\r`` are one character each."""
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r"}.get(found[1], found[1]), name)
