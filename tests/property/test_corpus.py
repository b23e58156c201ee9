"""Hostile files for the loader, each with the real command: it ends with a diagnostic, limited memory and printable output.

Small files are in ``corpus/``; large ones are created here. A person can check how long each took (under a second on an
idle machine); a test only has a limit for an endless one.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import command
from tests.fault.fork_server import ForkedCommand

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.yaml"))
HEAD = b"version: 1\ncatalog: c\n"
MIB = 2**20
MAX_MEMORY_BYTES = 200 * MIB
PATIENCE = 60
MEASURED = """
import re, sys
from imagesync.cli.app import main
try:
    main()
finally:
    open(sys.argv[2] + ".memory", "w").write(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
"""


def images(line: str, count: int) -> bytes:
    """Lines below ``images``, each with its number."""
    return b"images:\n" + b"".join(f"  {line.format(n=number)}\n".encode() for number in range(count))


PROFILES = b"profiles:\n" + b"".join(
    b"  p%d: {properties: {%s}}\n" % (one, b", ".join(b"a%d_%d: x" % (one, two) for two in range(120)))
    for one in range(64)
)
ALL_OF_THEM = ", ".join(f"p{number}" for number in range(64))
DEFAULTS = b"defaults: {properties: {" + b", ".join(b"p%d: '${a}'" % number for number in range(100)) + b"}}\n"

MANY_VALUES = "more than 1200000 values in all files"
FEW = "{{source: none, tags: [a, b], properties: {{p: q}}, min_ram: 1, min_disk: 1}}"

LARGE = {
    "one bad image among 12,000": lambda: HEAD + images(f"k{{n}}: {FEW}", 12_000) + b"  last: {min_ram: -1}\n",
    "images of a wrong kind": lambda: HEAD + images("k{n}: 1", 99_000),
    "images with an unknown field each": lambda: HEAD + images("k{n}: {{x: 1}}", 49_000),
    "an image of 98,000 properties": lambda: (
        HEAD + b"images: {a: {properties: {" + b", ".join(b"p%d: x" % n for n in range(98_000)) + b"}}}\n"
    ),
    "a list where a mapping should be": lambda: HEAD + b"images: [" + b"1," * 98_000 + b"1]\n",
    "images with long lists and one fault each": lambda: (
        HEAD + images(f"k{{n}}: {{{{min_ram: -1, members: [{', '.join(['p'] * 1000)}]}}}}", 98)
    ),
    "a fault in each of 5,000 targets": lambda: (
        HEAD
        + b"targets:\n"
        + b"".join(b"  t%d: {store: s, values: {v: '1'}}\n" % n for n in range(5000))
        + images("k{n}: {{source: none, name: '${{w}}'}}", 50)
    ),
    "a bad overlay among 10,000 of a target": lambda: (
        HEAD
        + images("k{n}: {{source: none}}", 10_000)
        + b"targets:\n  t:\n    store: s\n    images:\n"
        + b"".join(b"      k%d: {min_ram: 1}\n" % n for n in range(10_000))
        + b"      x: {min_ram: -1}\n"
    ),
    "100 MB": lambda: HEAD + b"x" * (100 * MIB),
    "values without end": lambda: HEAD + b"images:\n" + b"- a\n" * (2 * MIB - 100),
    "a million keys": lambda: HEAD + images("{n:x}: ", 700_000),
    "a text of 7 MiB": lambda: HEAD + b"images: {a: {name: '" + b"x" * (7 * MIB) + "\U0001f600'}}".encode(),
    "a name of 1 MB": lambda: HEAD + b"images: {a: {source: none, name: '" + b"x" * 1_000_000 + b"'}}",
    "a key of 1 MB": lambda: HEAD + b"images: {" + b"k" * 1_000_000 + b": {}}",
    "a comment of 7 MiB": lambda: HEAD + b"#" + b"x" * (7 * MIB),
    "a million brackets": lambda: HEAD + b"images: " + b"[" * 1_000_000,
    "a million braces": lambda: HEAD + b"images: " + b"{a: " * 1_000_000,
    "problems by the thousand": lambda: HEAD + images("k{n}: {{min_rma: 1, source: none}}", 10_000),
    "problems of the resolver": lambda: HEAD + images("k{n}: {{source: ../../x}}", 10_000),
    "one key again and again": lambda: HEAD + images("k: {{}}", 100_000),
    "unknown fields": lambda: HEAD + b"images:\n  a:\n" + b"".join(b"    f%d: 1\n" % n for n in range(90_000)),
    "unknown values": lambda: HEAD + images("k{n}: {{source: none, name: '${{w{n}}}'}}", 10_000),
    "profiles that multiply": lambda: HEAD + PROFILES + images(f"k{{n}}: {{{{profiles: [{ALL_OF_THEM}]}}}}", 1500),
    "values that multiply": lambda: (
        HEAD + b"values: {a: '" + b"x" * 60_000 + b"'}\n" + DEFAULTS + images("k{n}: {{source: none}}", 10_000)
    ),
    "values that name values": lambda: (
        HEAD
        + b"values:\n"
        + b"".join(b"  v%d: ${v%d}\n" % (n, n + 1) for n in range(5000))
        + b"images: {a: {source: none, name: '${v0}'}}"
    ),
    "aliases that multiply": lambda: HEAD + b"d: &d [" + b"x," * 1000 + b"x]\n" + images("k{n}: *d", 10_000),
    "one name again and again": lambda: HEAD + images("k{n}: {{source: none, name: x}}", 10_000),
    "a circle of references": lambda: (
        HEAD + images("k{n}: {{source: none, properties: {{p: '${{images.k{n}.id}}'}}}}", 10_000)
    ),
}


USUAL = {
    *("one bad image among 12,000", "100 MB", "a million keys", "a million brackets", "aliases that multiply"),
    "a circle of references",
}
"""Tried in each run of the suite."""


def is_clean(text: str) -> bool:
    """Whether the lines cannot move a cursor and can be read."""
    return all(line.isprintable() and len(line) < 3000 for line in text.splitlines())


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedCommand]:
    """The command in a process that is loaded once."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    folder = tmp_path_factory.mktemp("corpus")
    with ForkedCommand({**env, "HOME": "/a-secret-place"}, folder) as found:
        yield found


@pytest.mark.trial("a manifest of the corpus of difficult files", "diagnostics, nothing unprintable, no traceback")
@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.stem)
def test_each_file_of_the_corpus_leads_to_a_diagnostic(forked: ForkedCommand, file: Path) -> None:
    """Exit code 1; the output has the file and a count. No image of an invalid manifest is planned."""
    result = forked.run("validate", str(file))
    assert result.code == 1, result
    assert file.name in result.stderr
    assert result.stderr.endswith("in the manifests\n")
    assert "Traceback" not in result.stderr
    assert "a-secret-place" not in result.output
    assert is_clean(result.output)


@pytest.mark.trial("a manifest as large as the limit, or larger, with errors", "diagnostics, below 200 MB")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in USUAL else pytest.mark.exhaustive) for name in LARGE]
)
def test_a_large_file_leads_to_a_diagnostic_with_limited_memory(tmp_path: Path, name: str) -> None:
    """The process uses at most 200 MB of memory, and prints a limited number of lines."""
    file = tmp_path / "c.yaml"
    file.write_bytes(LARGE[name]())
    done = command.run("validate", str(file), program=("-c", MEASURED), env=os.environ, code=1, seconds=PATIENCE)
    assert "in the manifests" in done.stderr
    assert is_clean(done.stderr)
    assert len(done.stderr.splitlines()) <= 102
    assert int(Path(f"{file}.memory").read_text()) * 1024 < MAX_MEMORY_BYTES


@pytest.mark.trial("manifests in one folder that are too many, too large or have too many errors", "diagnostics")
@pytest.mark.parametrize(
    ("files", "content", "words"),
    [
        (40, lambda _: b"#" + b"x" * MIB, "more than 32 MiB in all files"),
        (40, lambda file: images(f"k{file}_{{n}}: {{{{}}}}", 1_000), "more than 10000 images in one catalog"),
        (
            160,
            lambda file: b"values: {" + b", ".join(b"v%d_%d: x" % (file, n) for n in range(8_000)) + b"}",
            MANY_VALUES,
        ),
        (400, lambda _: b"images: {a: {min_ram: -1}}", "at least 20"),
    ],
    ids=["bytes", "images", "values", "problems"],
)
def test_many_files_have_the_limits_of_one(
    tmp_path: Path, files: int, content: Callable[[int], bytes], words: str
) -> None:
    """Bytes, images, values and problems are counted over all of them."""
    for number in range(files):
        (tmp_path / f"{number:03}.yaml").write_bytes(b"version: 1\n" + content(number))
    done = command.run("validate", str(tmp_path), env=os.environ, code=1, seconds=PATIENCE)
    assert words in done.stderr
    assert len(done.stderr.splitlines()) <= 102


def test_many_problems_are_counted_and_the_first_are_shown(tmp_path: Path) -> None:
    """The output has a hundred lines, then the number of the others and how to see them."""
    file = tmp_path / "c.yaml"
    file.write_bytes(HEAD + images("k{n}: {{source: none, min_ram: -1}}", 150))
    lines = command.run("validate", str(file), env=os.environ, code=1).stderr.splitlines()
    assert len(lines) == 102
    assert lines[-2:] == [
        "and 50 more; see them all with: imagesync validate --format json",
        "150 problems in the manifests",
    ]


def test_names_that_only_look_alike_are_names(tmp_path: Path) -> None:
    """A Cyrillic letter in a name is valid; in a key it is a problem (see the corpus)."""
    file = tmp_path / "c.yaml"
    text = "images: {a: {name: paypal, source: none}, b: {name: p\u0430ypal, source: none}}"
    file.write_bytes(HEAD + text.encode())
    assert command.run("validate", str(file), env=os.environ).stdout == "Catalog c: 2 images, no problems.\n"
