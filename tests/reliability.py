"""``python -m tests.reliability``: runs every trial of a fault and writes the table of docs/reliability.md anew."""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
BEGIN, END = "<!-- trials: written by python -m tests.reliability -->", "<!-- end of the trials -->"
TRIALS = (
    "tests/fault/test_bad_network.py",
    "tests/fault/test_kill_anywhere.py",
    "tests/fault/test_local_store.py",
    "tests/fault/test_hostile_service.py",
    "tests/fault/test_hostile_answers.py",
    "tests/fault/test_web_sources.py",
)


def table(lines: list[str]) -> str:
    """Each fault once, in the order of the first trial, with how often it was tried and what came of it."""
    outcomes: dict[str, Counter[str]] = {}
    for line in lines:
        trial = json.loads(line)
        outcomes.setdefault(trial["fault"], Counter())[trial["outcome"]] += 1
    rows = ["| fault | tried | what happened |", "|---|---|---|"]
    for fault, counted in outcomes.items():
        told = "; ".join(
            outcome if len(counted) == 1 else f"{number} x {outcome}" for outcome, number in counted.items()
        )
        rows.append(f"| {fault} | {counted.total()} | {told} |")
    return "\n".join(rows)


def main() -> int:
    """The exit code of the tests; the table is written only where all passed."""
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as trials:
        command = [sys.executable, "-m", "pytest", "-q", "--exhaustive", *TRIALS]
        code = subprocess.run(command, env={**os.environ, "IMAGESYNC_TRIALS": trials.name}, check=False).returncode
        lines = trials.readlines()
    if code == 0:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{table(lines)}\n{END}{rest.partition(END)[2]}")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
