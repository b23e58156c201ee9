"""docs/container.md -> the commands that a reader types. Reads the page."""

from typing import Final

from tests.pages import DOCS, read_blocks

PAGE: Final = (DOCS / "container.md").read_text(encoding="utf-8")


def find_block(part: str, kind: str = "sh") -> str:
    """The only block of a kind that has this text."""
    (found,) = (block for block in read_blocks(PAGE) if block.kind == kind and part in block.text)
    return found.text
