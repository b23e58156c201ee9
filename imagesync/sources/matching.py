"""The entries of a checksum list, and files -> the entry of each file. Pure.

The first rule that fits decides:

1. ``source.checksum_entry``, if it is declared: the entry of that name, or whose path ends with it.
2. The path of an entry, relative to the list's own folder, is the path of the file.
3. The path of an entry is the end of the file's path; the longest one counts.
4. The same without the folders that all entries share, such as those of the machine that made the list.
5. The same for the other names in the URL: the name before ``/download``, the value of ``?file=``.
6. The list has no names, or names one file only.

Two different digests of one algorithm for one file are an error, never a choice.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import chain, takewhile
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from imagesync.errors import SourceError
from imagesync.model.catalog import HEX_LENGTHS, Checksum
from imagesync.secrets import show_key
from imagesync.sources.entries import AFTER_NAME, MAX_QUERY_CHARS, Entry, is_verified

MAX_COMPARED_PARTS: Final = 16
"""Parts of two paths that are compared, from their ends: the file's name and its folders."""
MAX_KEPT_NAMES: Final = 2000
"""Names of a list that are kept for the hint about a missing name."""
MAX_EXPLAINED: Final = 200
"""Missing names whose messages give the nearest names of the list."""
MAX_DEPTH: Final = 64
"""Folders of a path that are counted; deeper paths count as this deep."""
MAX_SCHEME_CHARS: Final = 16
_ENDINGS: Final = frozenset(
    (
        *("qcow2", "qcow", "img", "raw", "vmdk", "vhd", "vhdx", "vdi", "iso", "ova", "ami", "aki", "ari"),
        *("tar", "gz", "xz", "bz2", "zst", "zip", "7z", "tgz", "txz", "squashfs", "efi", "sig", "asc"),
        *("gpg", "txt", "json", "sha256", "sha512", "md5", "deb", "rpm"),
    )
)
"""Endings that show the kind of a file: files with different ones are never the same."""

Path: TypeAlias = tuple[str, ...]
DigestMap: TypeAlias = dict[str, str | None]
"""Digests by algorithm; None for two different digests. The empty name has the reason why an entry is ambiguous."""


class Wanted(NamedTuple):
    """A file whose digest is needed: its URL or local path. ``entry``: its declared name in the list.

    ``can_be_asked``: the server of the URL may be asked for redirects. ``is_other_name``: the URL is such a redirect, so only
    its name counts.
    """

    place: str
    entry: str = ""
    can_be_asked: bool = False
    is_other_name: bool = False

    @property
    def name(self) -> str:
        """The name of the file in messages."""
        return self.entry or split_path(_path_of(self.place))[-1]


class NotListedError(SourceError):
    """A list that has entries, but none for a file."""


class _Index:
    """Digests by the ends of the needed paths, and by the number of folders that an entry's path has before the end."""

    def __init__(self, tails: Collection[Path]) -> None:
        self._known: dict[Path, dict[int, DigestMap]] = {tail: {} for tail in tails}

    def add(self, path: Path, entry: Entry) -> bool:
        """Add an entry to the ends that fit its path; returns whether one does."""
        is_wanted = False
        for tail in _list_tails(path):
            if (depths := self._known.get(tail)) is not None:
                _note(depths.setdefault(min(len(path) - len(tail), MAX_DEPTH), {}), entry)
                is_wanted = True
        return is_wanted

    def get(self, tail: Path, depth: int | None = None) -> DigestMap:
        """The digests of entries whose path has ``depth`` folders before this end; None: any number."""
        depths = self._known.get(tail, {})
        if depth is not None:
            return depths.get(depth, {})
        merged: DigestMap = {}
        for known in depths.values():
            merged = _merge(merged, known)
        return merged


class _Layout:
    """The folders of a list: whether there are several, and which ones all entries share."""

    def __init__(self) -> None:
        self._folders: set[Path] = set()
        self._root: tuple[bool, Path] | None = None

    def add(self, path: Path, *, is_rooted: bool) -> None:
        folder = path[:-1]
        if len(self._folders) < 2:
            self._folders.add(folder)
        if self._root is None:
            self._root = (is_rooted, folder)
        elif self._root[1]:
            shared = [
                one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(self._root[1], folder, strict=False))
            ]
            self._root = (is_rooted, tuple(shared) if is_rooted == self._root[0] else ())

    @property
    def is_tree(self) -> bool:
        """Whether the files are in several folders."""
        return len(self._folders) > 1

    @property
    def depth(self) -> int:
        """Number of folders that all entries share, on the machine that made the list or below the list's folder."""
        return min(len(self._root[1]), MAX_DEPTH) if self._root else 0


class Matches:
    """The digests of a list for the needed files; only entries that may be of these files are kept."""

    def __init__(self, wanted: Collection[Wanted], url: str) -> None:
        self._server, self._folder = _server_of(url), split_path(_path_of(url))[:-1]
        self._paths = {one: list(map(split_path, _list_paths(one))) for one in wanted}
        tails = {tail for paths in self._paths.values() for path in paths for tail in _list_tails(path)}
        self._names = {tail[-1] for tail in tails}
        self._relative, self._rooted, self._sized = (_Index(tails) for _ in range(3))
        """A path that begins at a root is of the machine that made the list, or a whole URL."""
        self._bare: DigestMap = {}
        self._about: dict[str, str] = {}
        """Files that are named without a digest, each with the place."""
        self._only, self._layout = _OnlyFile(), _Layout()
        self._all_sized = True
        self._shown: dict[str, None] = {}
        self._number = self._explained = 0
        self._is_noted = False
        self.problem = ""
        """Why the first ambiguous line is ambiguous."""

    @property
    def has_entries(self) -> bool:
        """Whether the list has an entry, or a line that could be an entry of a needed file."""
        return bool(self._number or self._bare.keys() - {""} or self._is_noted)

    def add(self, entry: Entry) -> None:
        """Add one entry, or an ambiguous line, which counts only for the names in it."""
        if entry.is_mention:
            self.problem = self.problem or entry.problem
        if entry.about:
            if len(self._about) < MAX_KEPT_NAMES:
                self._about.setdefault(split_path(_path_of(entry.about))[-1], entry.problem)
        elif not entry.names:
            if not entry.is_mention:
                _note(self._bare, entry)
        else:
            self._add_named(entry)

    def _add_named(self, entry: Entry) -> None:
        if not entry.is_mention:
            self._count(entry)
        for name in entry.names:
            path, is_rooted = self._resolve(name)
            if path[-1] in self._names:
                self._is_noted |= (self._rooted if is_rooted else self._relative).add(path, entry)
        if entry.sized:
            self._sized.add(split_path(entry.sized), entry)

    def _count(self, entry: Entry) -> None:
        path, is_rooted = self._resolve(entry.sized or entry.names[0])
        self._number += 1
        self._only.add(entry, path)
        self._layout.add(path, is_rooted=is_rooted)
        self._all_sized = self._all_sized and bool(entry.sized)
        if len(self._shown) < MAX_KEPT_NAMES:
            self._shown.setdefault(entry.names[0])

    def _resolve(self, name: str) -> tuple[Path, bool]:
        """The path of an entry, and whether it begins at a root; ``..`` is relative to the list's folder."""
        path = split_path(_path_of(name))
        if ".." not in path:
            return path, _is_rooted(name)
        found: list[str] = []
        for part in ("", *self._folder, *path):
            found = found[:-1] if part == ".." else [*found, part]
        return tuple(filter(None, found)) or ("",), True

    def choose(self, wanted: Wanted) -> tuple[Checksum, ...] | SourceError:
        """The digests of a file, or why the list has none for it."""
        name = show_key(wanted.name)
        if known := self._find_any(wanted):
            return _judge(known, name)
        if self._bare and not self._number and not wanted.entry:
            problem = self._bare.get("") or self._find_other_file(wanted)
            return _judge({"": problem} if problem else self._bare, name)
        if not wanted.entry and not wanted.is_other_name and self._is_only_file(wanted):
            return _judge(self._only.known, name)
        return self._not_listed_error(wanted, name)

    def _find_other_file(self, wanted: Wanted) -> str:
        """The place where a list of digests without names mentions another file; empty if it does not."""
        names = {one[-1] for one in self._paths[wanted]}
        return next((problem for name, problem in self._about.items() if name not in names), "")

    def _find_any(self, wanted: Wanted) -> DigestMap | None:
        """The digests for the file's path, else for the other names in its URL if they agree."""
        path, *others = self._paths[wanted]
        if wanted.entry:
            return self._find_declared(path)
        if known := self._find(wanted, path):
            return known
        found = [known for other in others if (known := self._find(wanted, other))]
        if any(known != found[0] for known in found):
            return {"": "the list has several of the names in its URL"}
        return found[0] if found else None

    def _find_declared(self, path: Path) -> DigestMap:
        """The digests of the entry with this name, else of the entries whose path ends with it."""
        return self._get_whole(path) or _merge(self._relative.get(path), self._rooted.get(path))

    def _find(self, wanted: Wanted, path: Path) -> DigestMap | None:
        """The digests of an entry with this name, if its folders fit the file."""
        relative = self._find_relative(wanted, path)
        if relative is None:
            return self._find_elsewhere(path)
        root = self._layout.depth
        return (
            self._get_whole(relative)
            or self._rooted.get(path, 0)
            or _merge(self._relative.get(relative, root), self._rooted.get(relative, root))
            or (self._get_whole(path[-1:]) if not self._layout.is_tree else None)
            or self._get_rooted_end(path, max(2, len(relative)))
        )

    def _find_elsewhere(self, path: Path) -> DigestMap | None:
        """The same if the file is not below the list's folder: the longest common end counts."""
        tails, root = list(_list_tails(path))[::-1], self._layout.depth
        whole = (self._get_whole(tail) or self._rooted.get(tail, 0) for tail in tails)
        below = (_merge(self._relative.get(tail, root), self._rooted.get(tail, root)) for tail in tails)
        ends = (_merge(self._relative.get(tail), self._rooted.get(tail)) for tail in tails[:-1])
        return self._rooted.get(path, 0) or next(filter(None, chain(whole, below, ends)), None)

    def _get_whole(self, path: Path) -> DigestMap:
        """The digests of an entry with exactly this path, or with a size and this path."""
        return self._relative.get(path, 0) or (self._sized.get(path, 0) if self._all_sized else {})

    def _get_rooted_end(self, path: Path, least: int) -> DigestMap:
        """The digests of an entry whose path begins at a root and ends with at least ``least`` parts of this path."""
        tails = [tail for tail in _list_tails(path) if len(tail) >= least]
        return next((known for tail in reversed(tails) if (known := self._rooted.get(tail))), {})

    def _find_relative(self, wanted: Wanted, path: Path) -> Path | None:
        """The path relative to the list's folder, if the file is in that folder or below; None if that is unknown."""
        folder = self._folder
        is_below = len(folder) < len(path) <= len(folder) + MAX_COMPARED_PARTS and path[: len(folder)] == folder
        return path[len(folder) :] if is_below and self._server and self._server == _server_of(wanted.place) else None

    def _is_only_file(self, wanted: Wanted) -> bool:
        """Whether the list has one file only, which may be the needed one by its ending."""
        path = self._only.path
        if path is None or self._bare or path[-1] in {one[-1] for one in self._paths[wanted]}:
            return False
        endings = {_read_ending(one[-1]) for one in self._paths[wanted]} - {""}
        return not endings or _read_ending(path[-1]) in endings

    def _not_listed_error(self, wanted: Wanted, name: str) -> NotListedError:
        hint = "check the name or set source.checksum_entry"
        path = self._paths[wanted][0]
        self._explained += 1
        near = self._find_nearest(path) if self._explained <= MAX_EXPLAINED else []
        if self._relative.get(path[-1:]) or self._rooted.get(path[-1:]):
            where = ", ".join(map(show_key, near))
            return NotListedError(f"the checksum list has {name} in other folders only (e.g. {where})", hint)
        entries = "1 entry" if self._number == 1 else f"{self._number:,} entries" if self._number else "without names"
        example = f", e.g. {', '.join(map(show_key, near))}" if near else ""
        return NotListedError(f"{name} is not in the checksum list ({entries}{example})", hint)

    def _find_nearest(self, path: Path) -> list[str]:
        """Up to three names of the list that share the most characters at the beginning and at the end."""
        return sorted(self._shown, key=lambda name: -_count_alike(split_path(name)[-1], path[-1]))[:3]


class _OnlyFile:
    """The digests of a list, as long as all are of one file."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.known: DigestMap = {}
        self._is_open = True

    def add(self, entry: Entry, path: Path) -> None:
        if self._is_open and self.path in (None, path):
            self.path = path
            _note(self.known, entry)
        else:
            self._is_open, self.path, self.known = False, None, {}


def _note(known: DigestMap, entry: Entry) -> None:
    if entry.problem:
        known.setdefault("", entry.problem)
    else:
        before = known.get(entry.algorithm, entry.value)
        known[entry.algorithm] = entry.value if before == entry.value else None


def _merge(one: DigestMap, other: DigestMap) -> DigestMap:
    """Both together; None for an algorithm with two different digests."""
    return {
        name: value if not name or one.get(name, value) == other.get(name, value) else None
        for name, value in {**one, **other}.items()
    }


def _judge(known: DigestMap, name: str) -> tuple[Checksum, ...] | SourceError:
    """The digests that imagesync can verify, strongest first; or why there are none."""
    verified = {algorithm: value for algorithm, value in known.items() if is_verified(algorithm)}
    for algorithm, value in verified.items():
        if value is None:
            message = f"the checksum list has two different {algorithm} digests for {name}"
            return SourceError(message, "set source.checksum_entry, or declare the checksum itself")
    if verified:
        chosen = (Checksum(algorithm, value) for algorithm, value in verified.items() if value)
        return tuple(sorted(chosen, key=lambda digest: -HEX_LENGTHS[digest.algorithm]))
    if others := sorted(filter(None, known)):
        can = ", ".join(HEX_LENGTHS)
        message = f"the checksum list has only {' and '.join(map(show_key, others))} digests for {name}"
        return SourceError(message, f"imagesync verifies {can}: name a list of one of these, or declare the checksum")
    message = f"the checksum list has no clear digest for {name}: {known.get('')}"
    return SourceError(message, "declare the checksum itself")


def _list_paths(wanted: Wanted) -> list[str]:
    """The names that a list may have for a file: its path, the path before ``/download``, and each value of the query."""
    if wanted.entry:
        return [wanted.entry]
    path = _path_of(wanted.place)
    parts = split_path(path)
    found = [path]
    if len(parts) > 1 and parts[-1].lower() in AFTER_NAME:
        found.append("/".join(parts[:-1]))
    if _server_of(wanted.place):
        query = urlsplit(wanted.place).query[:MAX_QUERY_CHARS]
        found += [value for _, value in parse_qsl(query) if "." in split_path(value)[-1] and "://" not in value]
    return found


def _path_of(place: str) -> str:
    """The path of a URL; any other text, also an invalid URL, is returned as it is."""
    if "://" in place[:MAX_SCHEME_CHARS]:
        with suppress(ValueError):
            return urlsplit(place).path
    return place


def _is_rooted(name: str) -> bool:
    return name[:1] in ("/", "\\") or name[1:2] == ":" or "://" in name[:MAX_SCHEME_CHARS]


def _server_of(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2].lower() if "://" in url[:MAX_SCHEME_CHARS] else ""


def split_path(path: str) -> Path:
    """The folders and the name of a path, also of a Windows path with backslashes."""
    parts = unquote(path).replace("\\", "/").split("/")
    return tuple(part for part in parts if part not in ("", ".")) or ("",)


def _list_tails(path: Path) -> Iterator[Path]:
    """The last part of a path, the last two, and so on."""
    for length in range(1, min(len(path), MAX_COMPARED_PARTS) + 1):
        yield path[-length:]


def _read_ending(name: str) -> str:
    ending = name.rpartition(".")[2].lower()
    return ending if ending in _ENDINGS else ""


def _count_alike(one: str, other: str) -> int:
    """Characters at the beginning and at the end that two names share."""
    most = min(len(one), len(other))
    first = next((at for at in range(most) if one[at] != other[at]), most)
    last = next((at for at in range(most - first) if one[-1 - at] != other[-1 - at]), most - first)
    return first + last
