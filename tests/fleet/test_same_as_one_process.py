"""What a run on a fleet prints and writes is what a run in one process prints and writes."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.command import Result
from tests.fleet.lab import Lab, list_outcomes

pytestmark = pytest.mark.fleet

CHANGING = {
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}": "ID",
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00| UTC)?": "TIME",
    r"\d{4}-\d\d-\d\d \d\d:\d\d UTC": "TIME",
    r'"(seconds|read_bytes|sent_bytes)": [\d.]+': "AMOUNT",
    r'"(digest|catalog_digest)": "[^"]*"': "DIGEST",
    r'time="[\d.]+"': "SECONDS",
    r"\d+(\.\d+)? s\b": "SECONDS",
    r"\b[0-9a-f]{32}\b": "ID",
}
"""What differs between two equal runs."""
FORMS = {"markdown": "md", "junit": "xml", "html": "html"}


def clean(text: str) -> str:
    """A text without what differs between two equal runs."""
    for pattern, word in CHANGING.items():
        text = re.sub(pattern, word, text)
    return text


def read_events(path: Path) -> list[str]:
    """The events without progress, whose number depends on the speed, sorted: two targets run at the same time."""
    lines = [line for line in path.read_text().splitlines() if json.loads(line)["event"] != "progress"]
    return sorted(map(clean, lines))


class Both:
    """Runs the same command in one process and on the fleet, each time with new stores, and compares everything."""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._folder, self.files = lab, lab.folder, dict[str, str]()

    def compare(self, *words: str, code: int = 0, before: tuple[str, ...] = ()) -> str:
        """The text that the fleet's run printed, after the comparison.

        The plans of a run are printed as they come, together if they come at the same time, so only its last line is
        compared. Notes about new folders of stores are left out: on the fleet, these are folders of a worker's host.
        """
        found = [self._run(on, words, code, before) for on in (False, True)]
        (one, one_files), (fleet, fleet_files) = found
        if words[0] == "plan":
            assert clean(fleet.stdout) == clean(one.stdout)
        assert fleet.stdout.splitlines()[-1:] == one.stdout.splitlines()[-1:]
        assert fleet_files.keys() == one_files.keys()
        for name, text in one_files.items():
            assert fleet_files[name].splitlines() == text.splitlines(), name
        self.files = fleet_files
        return fleet.output

    def _run(
        self, on: bool, words: tuple[str, ...], code: int, before: tuple[str, ...]
    ) -> tuple[Result, dict[str, str]]:
        shutil.rmtree(self._folder / "stores", ignore_errors=True)
        if before:
            self._lab.run(*before, on=False)
        outputs = {form: self._folder / f"out.{end}" for form, end in FORMS.items()}
        also = [word for form, path in outputs.items() for word in ("--also", f"{form}={path}")]
        out, events = self._folder / "out.json", self._folder / "events.jsonl"
        more = ("--events", str(events)) if words[0] == "apply" else ()
        result = self._lab.run(*words, *also, "-o", str(out), *more, on=on, code=code)
        files = {path.name: clean(path.read_text()) for path in (*outputs.values(), out)}
        return result, {**files, **({"events": "\n".join(read_events(events))} if more else {})}


@pytest.fixture
def both(lab: Lab) -> Both:
    """A scheduler, and a worker of three targets."""
    lab.start_scheduler()
    lab.start_workers({"w": ["a", "b", "c"]})
    return Both(lab)


def test_plans_and_runs(lab: Lab, both: Both) -> None:
    """In each format. The second target already has an image of an earlier run."""
    lab.write(lab.declare("one", "two"), ["a", "b"])
    first = ("apply", "--target", "b", "--only", "one", "--yes")
    both.compare("plan", before=first)
    printed = both.compare("apply", "--yes", "--jobs", "1", before=first)
    assert "2 targets: 2 done." in printed
    assert '"event": "finished"' in both.files["events"]
    assert lab.is_clean("a", "one", "two")


def test_waves_and_failed_targets(lab: Lab, both: Both) -> None:
    """A wave that does not start because a target failed, and one that does because the limit allows it."""
    lab.write(lab.declare("one"), ["a", "b", "c"], {"a": 0, "b": 0, "c": 1})
    text = (lab.catalog / "m.yaml").read_text()
    (lab.folder / "broken").write_text("no store")
    (lab.catalog / "m.yaml").write_text(text.replace(str(lab.folder / "stores" / "a"), str(lab.folder / "broken")))
    printed = both.compare("apply", "--yes", "--jobs", "1", code=1)
    assert "wave 1 was not started, because of failed targets before it: a" in printed
    assert list_outcomes(lab.folder / "out.json") == {"a": "failed", "b": "done", "c": "not-started"}
    both.compare("apply", "--yes", "--jobs", "1", "--max-failed-targets", "1", code=1)
    assert list_outcomes(lab.folder / "out.json") == {"a": "failed", "b": "done", "c": "done"}


def test_reviewed_plans(lab: Lab, both: Both) -> None:
    """A change that was not reviewed is refused with the same message, and the reviewed ones are applied."""
    lab.write(lab.declare("one"), ["a", "b"])
    reviewed = str(lab.folder / "reviewed.json")
    lab.run("plan", "-o", reviewed)
    both.compare("apply", "--yes", "--jobs", "1", "--reviewed", reviewed)
    lab.write(lab.declare("one", "two"), ["a", "b"])
    printed = both.compare("apply", "--yes", "--jobs", "1", "--reviewed", reviewed, code=1)
    assert "two" in printed
    assert not lab.list_images("a")


def test_more_than_a_thousand_events(lab: Lab) -> None:
    """Each of them arrives, once: ``distributed`` keeps the last 1,000 of a topic."""
    lab.write({f"i{number:03}": {"source": "none"} for number in range(510)}, ["a"])
    lab.start_scheduler()
    lab.start_workers({"w": ["a"]})
    path = lab.folder / "events.jsonl"
    lab.run("apply", "--yes", "-q", "--events", str(path))
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for word in ("started", "finished"):
        assert len({one["step"] for one in events if one["event"] == word}) == 510
    assert len(events) == 1022


def test_one_question(lab: Lab, both: Both) -> None:
    """Before any upload; without consent nothing is created."""
    lab.write(lab.declare("one"), ["a", "b"])
    result = lab.end(lab.start_apply(yes=False, typed="n\n"), 1)
    assert "Apply 2 steps to 2 targets (a, b)? [y/N]" in result.output
    assert "Not applied; no image was changed." in result.output
    assert not lab.list_images("a")
    assert not lab.source.count_downloads("one")
    lab.end(lab.start_apply(yes=False, typed="y\n"))
    assert lab.is_clean("a", "one")
