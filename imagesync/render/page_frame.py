"""The parts that all HTML pages have: head with policy, controls, landmarks. Pure.

A page has everything in itself. Its policy names the hashes of its one script and its one style, so a browser executes
and applies nothing else, even if a text were not escaped. The controls are hidden until the script shows them.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from imagesync.render.page_script import SCRIPT
from imagesync.render.page_style import STYLE
from imagesync.text import make_printable

_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
GRID: Final = 'border="1" cellpadding="6"'
"""Attributes of a table that has lines and room also where a server forbids the style. The style replaces both."""


class Chip(NamedTuple):
    """A button that filters: only entries of this kind. Chips of one group are alternatives of each other."""

    group: str
    kind: str
    label: str
    number: int


class Controls(NamedTuple):
    """What the bar of a page offers. ``total`` entries are called ``noun``. ``is_folded``: entries can be collapsed."""

    noun: str
    total: int
    chips: Sequence[Chip] = ()
    is_folded: bool = False


def escape(text: str) -> str:
    """Text for the content or a quoted attribute; ``make_printable`` breaks commands of CI systems."""
    return make_printable(text).translate(_ESCAPES)


def format_caption(text: str) -> str:
    """The name of a table, for readers who do not see what is around it."""
    return f"<caption><span>{escape(text)}</span></caption>"


def format_frame(
    title: str, header: Sequence[str], controls: Controls, main: Sequence[str], *, first: Sequence[str] = ()
) -> str:
    """The page. ``title`` is text; ``header``, ``first`` and ``main`` are HTML, which the caller escaped.

    ``first``: the part of the content that stays above the controls.
    """
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        "</head>",
        "<body>",
        "<header>",
        *header,
        "</header>",
        "<main>",
        *first,
        *_format_controls(controls),
        *main,
        *_format_nothing(controls),
        "</main>",
        f"<script>{SCRIPT}</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join([*lines, ""])


def _hash_source(text: str) -> str:
    """The source of a policy that permits exactly this text of a script or style (CSP level 2, hash-source)."""
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        f"style-src {_hash_source(STYLE)}",
        f"script-src {_hash_source(SCRIPT)}",
        "base-uri 'none'",
        "form-action 'none'",
    )
)


def _format_controls(controls: Controls) -> Iterator[str]:
    """The bar; without script it stays hidden. A page with one entry needs no filter and no search."""
    noun, is_long = f"{controls.noun}s", controls.total > 1
    yield f'<div class="controls" role="search" aria-label="Filter the {noun}" data-nouns="{noun}" hidden>'
    if is_long:
        yield (
            f'<input type="search" data-do="search" aria-label="Search the {noun}" placeholder="Search ( / )" '
            'autocomplete="off" spellcheck="false" aria-keyshortcuts="/">'
        )
        yield from _format_chips(controls.chips)
    yield '<div class="tools">'
    if controls.is_folded:
        yield '<button type="button" data-do="expand" aria-label="Expand all">Expand</button>'
        yield '<button type="button" data-do="collapse" aria-label="Collapse all">Collapse</button>'
    yield '<button type="button" data-do="print">Print</button>'
    yield '<button type="button" data-do="theme" aria-pressed="false">Dark</button>'
    yield "</div>"
    if is_long:
        yield '<div class="result"><p role="status" data-do="status"></p>'
        yield '<button type="button" data-do="clear" hidden>Show all</button></div>'
    yield "</div>"


def _format_chips(chips: Sequence[Chip]) -> Iterator[str]:
    """The chips, if they can distinguish entries."""
    if len(chips) > 1:
        yield '<div role="group" aria-label="Show only">'
        for chip in chips:
            yield (
                f'<button type="button" class="chip" data-group="{chip.group}" data-show="{escape(chip.kind)}" '
                f'aria-pressed="false">{escape(chip.label)} <b>{chip.number}</b></button>'
            )
        yield "</div>"


def _format_nothing(controls: Controls) -> Iterator[str]:
    if controls.total > 1:
        yield f"<p data-none hidden>No {controls.noun} has these words. Esc shows all {controls.noun}s.</p>"
