"""Problems and warnings of manifests -> findings for code review tools: each with a rule, a level and a fingerprint. Pure.

A rule is a section of the manifest, or the file itself. So a rule keeps its id when a message is reworded.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from imagesync.errors import Diagnostic
from imagesync.secrets import clean_diagnostic
from imagesync.text import make_printable


class Level(StrEnum):
    """How bad a finding is, in the words of GitHub and SARIF. ``error``: validate fails."""

    ERROR = "error"
    WARNING = "warning"


_REMEDY: Final = "Do what the message says. To see every field and its limits, run: imagesync schema"


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of problem: an id that never changes, a name for SARIF, a sentence, and what to do.

    ``hides_others``: see ``RULES``.
    """

    id: str
    name: str
    text: str
    remedy: str = _REMEDY
    hides_others: bool = False


FILE: Final = Rule(
    "file",
    "UnreadableFile",
    "A manifest or its folder cannot be found or read.",
    remedy="Correct the path or its permissions, or split a manifest that is too large.",
    hides_others=True,
)
STRUCTURE: Final = Rule(
    "structure", "WrongStructure", "A file is not a manifest: its YAML, encoding, version or keys.", hides_others=True
)
CATALOG: Final = Rule("catalog", "WrongCatalog", "The catalog has no valid name or no images.")
POLICY: Final = Rule("policy", "WrongPolicy", "The policy of the catalog has a problem.")
TARGET: Final = Rule("target", "WrongTarget", "A target has a problem.")
DEFAULTS: Final = Rule("defaults", "WrongDefaults", "The defaults have a problem.")
PROFILE: Final = Rule("profile", "WrongProfile", "A profile has a problem, or no image uses it.")
VALUE: Final = Rule("value", "WrongValue", "A value has a problem, or nothing uses it.")
IMAGE: Final = Rule("image", "WrongImage", "A field of an image has a problem.")
SOURCE: Final = Rule("source", "WrongSource", "The source of an image has a problem.")
REMOVED: Final = Rule("removed", "WrongRemovedKey", "The section of removed keys has a problem.")
RULES: Final = (FILE, STRUCTURE, CATALOG, POLICY, TARGET, DEFAULTS, PROFILE, VALUE, IMAGE, SOURCE, REMOVED)
"""All rules, the worst first: while a file cannot be read, the problems of its content are unknown."""
_SECTIONS: Final = {
    "catalog": CATALOG,
    "policy": POLICY,
    "default_target": TARGET,
    "targets": TARGET,
    "defaults": DEFAULTS,
    "profiles": PROFILE,
    "values": VALUE,
    "images": IMAGE,
    "removed": REMOVED,
}
_SECTION: Final = re.compile(r"[^.\[ ]*")
_SOURCE: Final = re.compile(r"images\..*\.source(?:[.\[ ]|$)")
_OTHERS: Final = re.compile(r" \(and [0-9]+ more\)$")
"""How many other images have the same problem; a further image does not make it another problem."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of a manifest, printable and without secrets.

    ``fingerprint``: 32 hexadecimal digits that stay the same while lines move, and are unique in a list of findings.
    """

    problem: Diagnostic
    level: Level
    rule: Rule
    fingerprint: str

    @property
    def text(self) -> str:
        """What is wrong, and what to do; without the place."""
        return f"{self.problem.message}; {self.problem.hint}" if self.problem.hint else self.problem.message


def list_findings(problems: Sequence[Diagnostic], warnings: Sequence[Diagnostic] = ()) -> list[Finding]:
    """All findings, the worst first: errors before warnings, then by rule, then by place."""
    found = [
        (level, find_rule(item), _make_printable(clean_diagnostic(item)))
        for level, items in ((Level.ERROR, problems), (Level.WARNING, warnings))
        for item in items
    ]
    found.sort(key=lambda item: (item[0] is Level.WARNING, RULES.index(item[1]), item[2]))
    return list(_add_fingerprints(found))


def find_rule(problem: Diagnostic) -> Rule:
    """The rule of a problem, by its place."""
    if not problem.where:
        return STRUCTURE if problem.line else FILE
    if problem.where == "images":
        return CATALOG
    if _SOURCE.match(problem.where):
        return SOURCE
    section = _SECTION.match(problem.where)
    return _SECTIONS.get(section[0] if section else "", STRUCTURE)


def _make_printable(problem: Diagnostic) -> Diagnostic:
    parts = (problem.file, problem.where, problem.message, problem.hint)
    file, where, message, hint = map(make_printable, parts)
    return Diagnostic(file, problem.line, problem.column, where, message, hint)


def _add_fingerprints(found: Sequence[tuple[Level, Rule, Diagnostic]]) -> Iterator[Finding]:
    """The findings in the same order. Equal problems of one file are counted, from its top."""
    seen: Counter[tuple[str, ...]] = Counter()
    for level, rule, problem in found:
        facts = (rule.id, problem.file, _OTHERS.sub("", problem.where), problem.message)
        seen[facts] += 1
        digest = hashlib.sha256("\n".join([*facts, str(seen[facts])]).encode())
        yield Finding(problem, level, rule, digest.hexdigest()[:32])
