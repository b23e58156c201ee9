"""``python -m tests.plant DEFECTS.yaml``: plants one defect after the other, and prints which test notices each.

Each defect is planted in a copy of what is committed. The file is a list::

    - file: imagesync/planning/policy.py
      was: owned * limit.value // 100
      becomes: -(-owned * limit.value // 100)
      tests: tests/unit/planning

``was`` must be in the file exactly once. ``tests`` are words for pytest, without ``--update-cases``. The exit code is 1
if a defect was not noticed. Runs processes, and writes into a temporary folder.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import yaml

ROOT: Final = Path(__file__).parents[1]
PYTEST: Final = ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider")
MAX_SECONDS: Final = 900
"""A defect may make a test wait without end. A test that takes longer has noticed the defect."""


def plant(defect: dict[str, str], tree: Path) -> str:
    """The test that notices a defect; empty if no test does. ValueError if the defect cannot be planted."""
    path = tree / defect["file"]
    whole = path.read_text(encoding="utf-8")
    if (number := whole.count(defect["was"])) != 1:
        raise ValueError(f"{defect['file']}: {defect['was']!r} stands in it {number} times, not once")
    path.write_text(whole.replace(defect["was"], defect["becomes"]), encoding="utf-8")
    command = [sys.executable, *PYTEST, f"--basetemp={tree.parent / 'pytest'}", *shlex.split(defect["tests"])]
    env = {**os.environ, "PYTHONPATH": str(tree)}
    try:
        done = subprocess.run(
            command, cwd=tree, env=env, capture_output=True, text=True, check=False, timeout=MAX_SECONDS
        )
    except subprocess.TimeoutExpired:
        return "a test that does not end"
    finally:
        path.write_text(whole, encoding="utf-8")
    if done.returncode not in (0, 1, 2):
        raise ValueError(f"pytest ended with {done.returncode}: {(done.stderr or done.stdout)[-500:]}")
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return lines[0].split(" - ")[0] if lines else "the run of the tests broke off"


def main() -> int:
    """1 if a defect was not noticed, else 0; 64 without a file."""
    if len(sys.argv) != 2:
        print("usage: python -m tests.plant DEFECTS.yaml", file=sys.stderr)
        return 64
    defects = yaml.safe_load(Path(sys.argv[1]).read_text(encoding="utf-8"))
    missed = 0
    with tempfile.TemporaryDirectory(prefix="imagesync-plant-") as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(tree)], check=True)
        for number, defect in enumerate(defects, 1):
            try:
                noticed = plant(defect, tree)
                missed += not noticed
            except ValueError as error:
                noticed = f"NOT PLANTED: {error}"
                missed += 1
            change = " ".join(f"{defect['was']}  ->  {defect['becomes']}".split())
            print(f"{number}. {defect['file']}: {change}\n   {noticed or 'NOT NOTICED'}", flush=True)
    print(f"{len(defects) - missed} of {len(defects)} noticed")
    return int(missed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
