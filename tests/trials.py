"""The outcome of each trial of a run, for the table in docs/reliability.md: a line of JSON each, if
``IMAGESYNC_TRIALS`` names a file."""

import json
import os


def note(fault: str, outcome: str) -> None:
    """Record one trial of one fault, and what happened, in the file that ``IMAGESYNC_TRIALS`` names."""
    if path := os.environ.get("IMAGESYNC_TRIALS"):
        with open(path, "a", encoding="utf-8") as trials:
            place = os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0]
            trials.write(json.dumps({"place": place, "fault": fault, "outcome": outcome}) + "\n")
