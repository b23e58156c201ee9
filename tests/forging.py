"""A changed plan document -> the same document with a digest that fits, as any forger can make it. Pure."""

import hashlib
import json
from typing import Any


def fit_digest(document: dict[str, Any]) -> str:
    """The text of a plan file. The digest is computed as the schema describes it, without the program's own function."""
    rest = {name: value for name, value in document.items() if name != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return json.dumps({**rest, "digest": f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"})
