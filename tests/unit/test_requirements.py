"""requirements.txt against pyproject.toml: everything that imagesync and its build need, with hashes, and nothing else."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BUILD: Final = [Requirement(text) for text in PROJECT["build-system"]["requires"]]
NEEDED: Final = [*map(Requirement, PROJECT["project"]["dependencies"]), *BUILD]
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14", "3.15")
"""The first is the oldest that pyproject.toml allows."""


class Entry(NamedTuple):
    """A pinned package: ``name==version; marker``, its hashes, and the names of what needs it."""

    requirement: Requirement
    hashes: tuple[str, ...]
    needed_by: tuple[str, ...]

    @property
    def name(self) -> str:
        """The normalized name."""
        return canonicalize_name(self.requirement.name)


def read_entries(text: str) -> Iterator[Entry]:
    """The entries of a requirements file, in order; ValueError for a line that is not part of an entry."""
    pinned = r"[A-Za-z0-9._-]+==\S+(?: ; [^\\\n]+?)?"
    hashes = r"(?: \\\n    --hash=sha256:[0-9a-f]{64})*"
    entry = re.compile(rf"(?P<pinned>{pinned})(?P<hashes>{hashes})\n(?P<comments>(?:    #.*\n)*)")
    place = re.match(r"(?:#.*\n)*", text).end()  # type: ignore[union-attr]  # it matches the empty text, too
    while place < len(text):
        found = entry.match(text, place)
        if not found:
            raise ValueError(f"no entry: {text[place:].partition(chr(10))[0]}")
        names = re.findall(r"[A-Za-z0-9._-]+", re.sub(r"\bvia\b|\(.*\)", "", found["comments"]))
        yield Entry(Requirement(found["pinned"]), tuple(re.findall(r"sha256:\w+", found["hashes"])), tuple(names))
        place = found.end()


ENTRIES: Final = {entry.name: entry for entry in read_entries((ROOT / "requirements.txt").read_text(encoding="utf-8"))}


@pytest.mark.parametrize("needed", NEEDED, ids=lambda needed: needed.name)
def test_each_dependency_is_pinned_to_a_version_of_its_range(needed: Requirement) -> None:
    """Dependencies of ``project`` and of ``build-system``."""
    entry = ENTRIES[canonicalize_name(needed.name)]
    (pin,) = entry.requirement.specifier
    assert pin.operator == "=="
    assert needed.specifier.contains(pin.version)


@pytest.mark.parametrize("python", PYTHONS)
def test_each_dependency_is_installed_on_each_python(python: str) -> None:
    """Where the marker of pyproject.toml is true, that of the entry is true."""
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    missing = [
        needed.name
        for needed in NEEDED
        if is_installed(needed, environment)
        and not is_installed(ENTRIES[canonicalize_name(needed.name)].requirement, environment)
    ]
    assert missing == []


def is_installed(requirement: Requirement, environment: dict[str, str]) -> bool:
    """Whether pip installs it in this environment."""
    return requirement.marker is None or requirement.marker.evaluate(environment)


def test_the_first_python_is_the_oldest() -> None:
    """``PYTHONS`` begins with the minimum of pyproject.toml."""
    assert PROJECT["project"]["requires-python"] == f">={PYTHONS[0]}"


def test_each_entry_has_a_hash() -> None:
    """pip installs nothing from the file if a hash is missing."""
    assert [entry.name for entry in ENTRIES.values() if not entry.hashes] == []


def test_each_entry_is_needed() -> None:
    """By pyproject.toml, or by another entry."""
    wanted = {canonicalize_name(needed.name) for needed in NEEDED}
    superfluous = [
        entry.name
        for entry in ENTRIES.values()
        if entry.name not in wanted and not ENTRIES.keys() & set(map(canonicalize_name, entry.needed_by))
    ]
    assert superfluous == []


@pytest.mark.parametrize(
    "line",
    ["--index-url https://example.com/simple\n", "-r other.txt\n", "attrs>=1\n", "a @ https://example.com/a.whl\n"],
)
def test_a_line_that_is_no_pinned_package_is_refused(line: str) -> None:
    """An address of a registry in the file would replace that of its user."""
    entry = f"typer==1.0 \\\n    --hash=sha256:{64 * 'a'}\n    # via imagesync (pyproject.toml)\n"
    (read,) = read_entries(f"# head\n{entry}")
    assert (read.name, len(read.hashes), read.needed_by) == ("typer", 1, ("imagesync",))
    with pytest.raises(ValueError, match="no entry"):
        list(read_entries(entry + line))
