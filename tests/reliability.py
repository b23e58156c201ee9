"""``python -m tests.reliability``: runs the whole suite with all points of every loop, and writes the first table of
docs/reliability.md. ``python -m tests.reliability fleet N`` runs the tests of a fleet N times, and writes the second one."""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
END = "<!-- end of the trials -->"
PYTEST = ("-m", "pytest", "-q", "-n", "4", "--dist", "worksteal")
WHOLE = ("--exhaustive", "--every-point")
FLEET = ("--fleet", "tests/fleet")


def table(lines: list[str]) -> str:
    """A row for each fault, in the order of the files that try it first: how often it was tried, and what happened."""
    outcomes: dict[str, Counter[str]] = {}
    places: dict[str, str] = {}
    for trial in map(json.loads, lines):
        fault, place = trial["fault"], trial["place"]
        outcomes.setdefault(fault, Counter())[trial["outcome"]] += 1
        places[fault] = min(place, places.get(fault, place))
    rows = ["| fault | tried | what happened |", "|---|---|---|"]
    for fault in sorted(outcomes, key=lambda fault: (places[fault], fault)):
        counted = outcomes[fault]
        output = "; ".join(
            outcome if len(counted) == 1 else f"{number:,} x {outcome}" for outcome, number in counted.most_common()
        )
        rows.append(f"| {fault} | {counted.total():,} | {output} |")
    return "\n".join(rows)


def main(words: list[str]) -> int:
    """The exit code of the tests; the table is written only if all passed."""
    fleet = words[:1] == ["fleet"]
    times = int(words[1]) if fleet else 1
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as trials:
        command = [sys.executable, *PYTEST, *(FLEET if fleet else WHOLE)]
        env = {**os.environ, "IMAGESYNC_TRIALS": trials.name}
        codes = [subprocess.run(command, env=env, check=False).returncode for _ in range(times)]
        lines = trials.readlines()
    if not any(codes):
        begin = f"<!-- trials: written by python -m tests.reliability{' fleet' if fleet else ''} -->"
        before, _, rest = PAGE.read_text().partition(begin)
        PAGE.write_text(f"{before}{begin}\n{table(lines)}\n{END}{rest.partition(END)[2]}")
    return max(codes)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
