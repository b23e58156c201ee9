"""YAML text: the loader reads back what was written, and nothing is quoted without need."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from imagesync.manifest.yaml_reader import Node, parse
from imagesync.manifest.yaml_writer import Data, write_scalar, yaml_text

AWKWARD = (
    *(
        "no",
        "24.04",
        "2024-01-01",
        "",
        "~",
        "null",
        "a: b",
        "a:b",
        "#x",
        "a #b",
        "a#b",
        "- a",
        "-",
        "--- ",
        "...",
        "=",
        "<<",
    ),
    *(
        "? a",
        "%a",
        "@a",
        "`",
        "!x",
        "&a",
        "*a",
        "| x",
        "[a]",
        "{a}",
        "a,b",
        "1_000",
        "0x1f",
        "12:30:45",
        ":",
        "a:",
        " a",
        "a ",
    ),
    *(
        "\ta",
        "日本",
        "${x}",
        "\ufeff",
        "\x85",
        "\u2028",
        "'",
        '"',
        "\\",
        "Off",
        "a]",
        "a\\nb",
        "a\nb",
        "key: |",
        "-a",
        "--a",
    ),
)
BASIC = st.characters(min_codepoint=9, max_codepoint=0xFFFF, exclude_categories=["Cs"])
TEXT = st.one_of(
    st.sampled_from(AWKWARD), st.text(BASIC), st.builds(str.__add__, st.sampled_from(AWKWARD), st.text(BASIC))
)


def plain(node: Node) -> object:
    """A tree as data: every scalar as the text that it was written as; none of them null."""
    if isinstance(node.value, dict):
        return {name: plain(child) for name, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    assert node.value is not None
    return node.text


@given(st.dictionaries(TEXT.filter(str.isprintable), TEXT), st.lists(TEXT))
def test_the_loader_reads_back_what_was_written(mapping: dict[str, str], items: list[str]) -> None:
    """Any text of the basic plane, as key, value and item of a list."""
    document: dict[str, Data] = {"properties": mapping, "tags": items, "deeper": {"properties": mapping}}
    root, problems = parse(yaml_text(document), "x.yaml")
    assert problems == []
    assert root is not None
    assert plain(root) == document


ITEMS = st.dictionaries(TEXT.filter(str.isprintable), TEXT, min_size=1, max_size=3)


@given(st.lists(ITEMS, min_size=1, max_size=4), st.integers(0, 120))
def test_mappings_in_a_list_are_read_back(items: list[dict[str, str]], width: int) -> None:
    """In one line and in several, as for members."""
    document: dict[str, Data] = {"members": items, "m" * (width + 1): items}
    root, problems = parse(yaml_text(document), "x.yaml")
    assert problems == []
    assert root is not None
    assert plain(root) == document


@pytest.mark.parametrize("text", ["Research, Zurich", "a]", "a}", "x: y", "[", "{a: b}", "no", "#", "a #b", "'", '"'])
def test_a_project_with_any_name_is_one_member(text: str) -> None:
    """A comma or a bracket in its name ends no item."""
    members = [{"project": text, "domain": text}]
    for name in ("members", "m" * 120):
        assert yaml.safe_load(yaml_text({name: members})) == {name: members}


@pytest.mark.parametrize("text", AWKWARD)
def test_no_reader_of_yaml_takes_text_for_something_else(text: str) -> None:
    """Except for numbers and dates, which this loader keeps as they are written, another library reads the same."""
    loaded = yaml.safe_load(yaml_text({"a": text}))["a"]
    if isinstance(loaded, str):
        assert loaded == text
    else:
        assert text[0].isdigit()


def test_quotes_stand_only_where_they_are_needed() -> None:
    """Names, versions, paths and URLs have none."""
    for text in (
        "Ubuntu 24.04 (Noble)",
        "24.04",
        "/dev/vda",
        "http://host/a#b",
        "sha512:ab",
        "a,b",
        "x=y",
        "$x",
        "a/b~c",
        "-1",
    ):
        assert write_scalar(text) == text
    assert yaml_text({"tags": ["linux", "no", "x, y"], "on": True, "n": 3}) == (
        'tags: [linux, "no", "x, y"]\n"on": true\n"n": 3\n'
    )


def test_long_lists_have_an_item_a_line() -> None:
    """As soon as a line would be too wide."""
    assert yaml_text({"tags": ["x" * 60, "y" * 60]}) == f"tags:\n  - {'x' * 60}\n  - {'y' * 60}\n"
