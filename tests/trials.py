"""How the trials of a run went, for the table in docs/reliability.md: a line of JSON each, where one is asked for."""

import json
import os


def note(fault: str, outcome: str) -> None:
    """One trial of one fault, and what came of it; kept in the file that ``IMAGESYNC_TRIALS`` names."""
    if path := os.environ.get("IMAGESYNC_TRIALS"):
        with open(path, "a", encoding="utf-8") as trials:
            place = os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0]
            trials.write(json.dumps({"place": place, "fault": fault, "outcome": outcome}) + "\n")
