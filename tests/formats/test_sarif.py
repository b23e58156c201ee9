"""The output of ``validate --format sarif``, checked by the multitool of the format's authors and by its JSON Schema."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from tests import forked
from tests.ci_logs import HOSTILE
from tests.command import minimal_environment
from tests.npm import prepare_packages
from tests.wrong_manifests import wrong_manifests

pytestmark = pytest.mark.formats

HEAD: Final = "version: 1\ncatalog: c\ndefaults: {disk_format: raw, container_format: bare}\n"
MANIFESTS: Final = {
    "sound": f"{HEAD}images:\n  a: {{source: a.raw}}\n",
    "warning": f"{HEAD}images:\n  a: {{source: a.raw}}\nvalues: {{b: c}}\n",
    "problems": f"{HEAD}images:\n  a: {{source: b.raw, nam: x}}\npolicy: {{max_delete: x}}\nremoved: []\n",
    "no YAML": "a: [",
    "empty": "",
}
ACCEPTED: Final = {"SARIF2005"}
"""Rules of the multitool that the output breaks: imagesync has no address of a page about it (``informationUri``)."""


@pytest.fixture(scope="session")
def multitool() -> Path:
    """The multitool, a program for this system; a failure to install it is a failure."""
    folder = prepare_packages(Path(__file__).parent) / "node_modules/@microsoft/sarif-multitool-linux"
    (folder / "Sarif.Multitool").chmod(0o755)
    return folder


def write_logs(folder: Path) -> Iterator[Path]:
    """A log for each manifest, for a path without one, and for hostile texts."""
    texts = dict(MANIFESTS)
    for kind, text in HOSTILE.items():
        for number, document in enumerate(wrong_manifests(text)):
            texts[f"{kind} {number}"] = json.dumps({"version": 1, "catalog": "c", **document})
    images = folder / "images ö:%"
    images.mkdir()
    (images / "a.raw").write_bytes(b"\xe1" * 1000)
    for number, (name, text) in enumerate(texts.items()):
        (images / "m.yaml").write_text(text)
        yield write_log(folder, images, number, code=0 if name in ("sound", "warning") else 1)
    yield write_log(folder, images / "none", len(texts), code=1)


def write_log(folder: Path, images: Path, number: int, code: int) -> Path:
    """The log of one run."""
    done = forked.run("validate", str(images), "--format", "sarif", folder=folder, env=minimal_environment(), code=code)
    path = folder / f"{number}.sarif"
    path.write_text(done.stdout, encoding="utf-8")
    return path


def test_the_multitool_finds_nothing_wrong(tmp_path: Path, multitool: Path) -> None:
    """By the rules of the standard, and by those of GitHub code scanning."""
    logs = list(write_logs(tmp_path))
    schema = json.loads((multitool / "sarif-2.1.0.json").read_text(encoding="utf-8-sig"))
    checker = jsonschema.validators.validator_for(schema)(schema)
    for path in logs:
        checker.validate(json.loads(path.read_text(encoding="utf-8")))
    output = tmp_path / "found.sarif"
    words = ("validate", *map(str, logs), "--rule-kind", "Sarif;Gh", "--output", str(output))
    done = subprocess.run([multitool / "Sarif.Multitool", *words], check=True, capture_output=True, text=True)
    assert f"{len(logs)} files scanned" in done.stdout
    found = [result for run in json.loads(output.read_text(encoding="utf-8-sig"))["runs"] for result in run["results"]]
    assert [describe(result) for result in found if result["ruleId"] not in ACCEPTED] == []
    assert {result["ruleId"] for result in found} == ACCEPTED


def describe(result: dict[str, Any]) -> str:
    """What the multitool found, and in which log."""
    return f"{result['ruleId']} {result['message']} {result['locations'][0]['physicalLocation']['artifactLocation']}"
