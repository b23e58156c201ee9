"""An entry inserted into manifests of every form: nothing else of the file changes."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesync.errors import ImagesyncError, ManifestError
from imagesync.manifest.entries import Entry
from imagesync.manifest.insertion import insert_image

ENTRY: Entry = {"name": "New: 1", "source": {"url": "https://example.com/a"}, "min_disk": 4}
TEXT = """\
  new:
    name: "New: 1"
    source:
      url: https://example.com/a
    min_disk: 4
"""
"""The entry below ``images:`` at the first column, two columns a level."""


def insert(text: str) -> str:
    """The text with the entry."""
    return insert_image(text, "m.yaml", "new", ENTRY)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("version: 1\n", f"version: 1\nimages:\n{TEXT}"),
        ("version: 1", f"version: 1\nimages:\n{TEXT}"),
        ("version: 1\n# end\n", f"version: 1\n# end\nimages:\n{TEXT}"),
        ("---\nversion: 1\n...\n", f"---\nversion: 1\nimages:\n{TEXT}...\n"),
        ("images: {}\n", f"images:\n{TEXT}"),
        ("images: {}", f"images:\n{TEXT}"),
        ("images: { } # none\nversion: 1\n", f"images: # none\n{TEXT}version: 1\n"),
        ("images: {\n}\nversion: 1\n", f"images:\n{TEXT}version: 1\n"),
        ("images:\nversion: 1\n", f"images:\n{TEXT}version: 1\n"),
        ("images:", f"images:\n{TEXT}"),
        ("images: null\n", f"images:\n{TEXT}"),
        ("images: ~  # none\nversion: 1\n", f"images:  # none\n{TEXT}version: 1\n"),
        ("images:\n  # a: {}\nversion: 1\n", f"images:\n{TEXT}  # a: {{}}\nversion: 1\n"),
        ('"images" : {}\n', f'"images" :\n{TEXT}'),
        ("images:\n  a: {}\n", f"images:\n  a: {{}}\n{TEXT}"),
        ("images:\n  a: {}", f"images:\n  a: {{}}\n{TEXT}"),
        ("images:\n  a:\n", f"images:\n  a:\n{TEXT}"),
        ("images:\n  a: {}  # last\nversion: 1\n", f"images:\n  a: {{}}  # last\n{TEXT}version: 1\n"),
        (
            "images:\n  a:\n    name: A\n    # min_ram: 1\n  # b: {}\n# about versions\nversion: 1\n",
            f"images:\n  a:\n    name: A\n    # min_ram: 1\n  # b: {{}}\n{TEXT}# about versions\nversion: 1\n",
        ),
        ("images:\n  a: {}\n\n\nversion: 1\n", f"images:\n  a: {{}}\n{TEXT}\n\nversion: 1\n"),
        ("images:\n  a: {}\n\n  b: {}\n\nversion: 1\n", f"images:\n  a: {{}}\n\n  b: {{}}\n\n{TEXT}\nversion: 1\n"),
        ("images:\n  a: {tags: [x,\n    y]}\nversion: 1\n", f"images:\n  a: {{tags: [x,\n    y]}}\n{TEXT}version: 1\n"),
        ("images:\n  a:\n    name: |\n      A\n\nversion: 1\n", f"images:\n  a:\n    name: |\n      A\n\n{TEXT}version: 1\n"),
        ("images:\n  a:\n    name: >-\n      A\n      B", f"images:\n  a:\n    name: >-\n      A\n      B\n{TEXT}"),
        ("images:\n  a:\n    name: A\n      B\nversion: 1\n", f"images:\n  a:\n    name: A\n      B\n{TEXT}version: 1\n"),
        ("images:\n  a: &x {name: A}\n  b: *x\nversion: 1\n", f"images:\n  a: &x {{name: A}}\n  b: *x\n{TEXT}version: 1\n"),
        ("images:\n  a:\n    tags:\n    - x\nversion: 1\n", f"images:\n  a:\n    tags:\n    - x\n{TEXT}version: 1\n"),
    ],
)  # fmt: skip
def test_the_entry_follows_the_last_one(before: str, after: str) -> None:
    """Wherever ``images`` is, and whatever its value; comments stay where they belong."""
    assert insert(before) == after


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("step", [1, 2, 3, 4, 8])
def test_indentation_and_line_ends_are_kept(newline: str, step: int) -> None:
    """Of the images that the file has, or else of its other parts."""
    pad = " " * step
    head = f"version: 1\ntargets:\n{pad}lab:\n{pad * 2}store: s\n"
    wanted = "".join(
        f"{pad * (1 + (len(line) - len(line.lstrip()) - 2) // 2)}{line.lstrip()}\n" for line in TEXT.splitlines()
    )
    for body in ("images: {}\n", f"images:\n{pad}a:\n{pad * 2}name: ä€😀\n"):
        before = (head + body).replace("\n", newline)
        assert insert(before) == (head + body.replace(" {}", "") + wanted).replace("\n", newline)


def test_the_whole_file_may_be_indented() -> None:
    """Its first column is that of the other keys."""
    assert insert("  version: 1\n") == "  version: 1\n  images:\n" + "".join(
        f"  {line}\n" for line in TEXT.splitlines()
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"version": 1, "images": {}}\n', "m.yaml:1:1: the file is written in one pair of braces"),
        ("version: 1\nimages: {a: {}}\n", "m.yaml:2:1: images is written in braces"),
        ("images: {  # none\n}\n", "m.yaml:1:1: images is written in braces"),
        ("images: &all {}\n", "m.yaml:1:1: images has an anchor, an alias or a tag"),
        ("x: &all {}\nimages: *all\n", "m.yaml:2:1: images has an anchor, an alias or a tag"),
        ("images: !!map {}\n", "m.yaml:1:1: images has an anchor, an alias or a tag"),
        ("images: text\n", "m.yaml:1:1: images has an anchor, an alias or a tag"),
        ("images:\n  {}\n", "m.yaml:1:1: images and its value are not on one line"),
        ("? images\n: {}\n", "m.yaml:1:3: images and its value are not on one line"),
    ],
)
def test_other_forms_are_refused(text: str, message: str) -> None:
    """With the place, and what to do instead."""
    with pytest.raises(ImagesyncError) as refusal:
        insert(text)
    assert refusal.value.message.startswith(message)
    assert "imagesync add --dry-run" in refusal.value.hint


@pytest.mark.parametrize("text", ["", "# nothing\n", "a: [", "a: 1\na: 2\n", "- a\n---\n- b\n"])
def test_a_file_with_problems_is_not_changed(text: str) -> None:
    """It may be read in another way than its author means."""
    with pytest.raises(ManifestError):
        insert(text)


def test_what_would_change_other_parts_is_refused() -> None:
    """An entry of the same key would replace it."""
    with pytest.raises(ImagesyncError, match="cannot be inserted without changing other parts"):
        insert("images:\n  new: {}\n")


@pytest.mark.parametrize("style", ["|+", ">+"])
def test_a_text_that_would_get_longer_is_not_changed(style: str) -> None:
    """An empty line before the entry, as before the others, would belong to a text that keeps its line ends."""
    with pytest.raises(ImagesyncError, match="cannot be inserted without changing other parts"):
        insert(f"images:\n  a: {{}}\n\n  b:\n    name: {style}\n      B\n")


KEYS = st.text("abcdefgh-", min_size=1, max_size=4).map(lambda text: f"k{text}")
SCALARS = st.one_of(st.text("ab :#'\"\n\t-ä😀", max_size=12), st.integers(0, 99), st.booleans(), st.none())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(
    above=st.dictionaries(KEYS, VALUES, max_size=2),
    images=st.one_of(st.none(), st.dictionaries(KEYS, VALUES, max_size=3)),
    below=st.dictionaries(KEYS.map(lambda key: f"z{key}"), VALUES, max_size=2),
    indent=st.sampled_from([2, 3, 4]),
    form=st.sampled_from(["\n", "\r\n"]),
)
def test_any_block_style_is_extended(
    above: dict[str, Any], images: dict[str, Any] | None, below: dict[str, Any], indent: int, form: str
) -> None:
    """The data has one more image, and the text has all old lines in their order."""
    data = {"version": 1, **above, "images": images, **below}
    text = yaml.safe_dump(data, indent=indent, sort_keys=False, allow_unicode=True, default_flow_style=False)
    text = text.replace("\n", form)
    made = insert(text)
    assert yaml.safe_load(made) == {**yaml.safe_load(text), "images": {**(images or {}), "new": ENTRY}}
    empty = text.replace("images: {}", "images:").replace("images: null", "images:")
    rest = iter(made.split(form))
    assert all(line in rest for line in empty.split(form)[:-1])
