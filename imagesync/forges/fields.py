"""JSON from outside -> single values of a known type; what is missing or of another type is empty. Pure."""

from typing import Any


def find(document: object, *names: str) -> Any:
    """The value at a path of names; None if it is missing."""
    for name in names:
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document


def find_text(document: object, *names: str) -> str:
    """The text at a path of names; empty if there is none."""
    value = find(document, *names)
    return value if isinstance(value, str) else ""


def find_number(document: object, *names: str) -> int:
    """The whole number at a path of names; 0 if there is none."""
    value = find(document, *names)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def find_list(document: object, *names: str) -> list[Any]:
    """The list at a path of names; an empty one if there is none."""
    value = find(document, *names)
    return value if isinstance(value, list) else []
