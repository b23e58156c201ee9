"""A changed plan document -> the same with a digest that fits, as its schema describes it and any forger can make it."""

import hashlib
import json
from typing import Any


def fit_digest(document: dict[str, Any]) -> str:
    """The text of a plan file; not made with the program's own function, to test the description."""
    rest = {name: value for name, value in document.items() if name != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return json.dumps({**rest, "digest": f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"})
