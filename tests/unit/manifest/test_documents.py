"""Values of a file: plain at once, their places when a message needs them."""

from imagesync.manifest.documents import Document, Part


def test_a_part_knows_its_place() -> None:
    """Line and column of its key, which are read from the text then."""
    document = Document("x.yaml", "images:\n  a: {name: x}\n")
    part = Part({"images": {"a": {"name": "x"}}}, document)["images"]["a"]["name"]
    assert document.tree is None
    problem = part.problem("images.a.name", "wrong")
    assert (problem.file, problem.line, problem.column) == ("x.yaml", 2, 7)


def test_children_are_those_of_a_mapping() -> None:
    """Nothing else has any."""
    document = Document("x.yaml", "a: [b]")
    part = Part({"a": ["b"]}, document)
    assert [(name, child.data, child.path) for name, child in part.items()] == [("a", ["b"], ("a",))]
    assert "a" in part
    assert list(part["a"].items()) == []
    assert "b" not in part["a"]


def test_only_a_text_that_was_read_with_care_is_asked_for_its_quotes() -> None:
    """What was read fast has no quoted text with a dollar where a number may be."""
    text = "a: '${x}'\nb: ${x}\n"
    fast, careful = Document("x.yaml", text), Document("x.yaml", text, is_read_with_care=True)
    assert [Part({}, fast).is_plain((name,)) for name in "ab"] == [True, True]
    assert [Part({}, careful).is_plain((name,)) for name in "ab"] == [False, True]


def test_a_dollar_may_be_an_escape() -> None:
    """Then the values are looked through for placeholders."""
    assert [Document("x", text).has_dollars for text in ("a: b", "a: $", 'a: "\\x24"')] == [False, True, True]
