"""Content that a saved plan must not have, even if its digest is right."""

import json
from typing import Any

import pytest

from imagesync.errors import UsageError
from imagesync.model.catalog import UrlSource
from imagesync.model.plan import Create
from imagesync.planfile.reader import decode_plan, find_withheld_urls
from imagesync.planfile.writer import encode_plan
from tests.forging import fit_digest
from tests.unit.factories import catalog, inventory, live, plan, spec

UNPRINTABLE = ["a\x1b[2Jb", "a\u202eb", "a\nb", "a\u2028b"]


def document_of(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """The document of a plan in which one value is replaced; its digest is right."""
    made = plan(catalog(spec("a", "b"), base="/images"), inventory(live(spec("a"))))
    document = encode_plan(made, tool="test", folder="/images")
    place: Any = document
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    forged: dict[str, Any] = json.loads(fit_digest(document))
    return forged


@pytest.mark.parametrize("text", UNPRINTABLE)
@pytest.mark.parametrize(
    ("path", "display"),
    [
        (("target", "label"), "target.label"),
        (("target", "location"), "target.location"),
        (("manifest", "target"), "manifest.target"),
        (("owners", "a"), "owners.a"),
        (("copies",), "copies"),
        (("steps", 0, "source", "shown"), "steps.source.shown"),
    ],
)
def test_a_text_that_could_command_a_terminal_is_refused(path: tuple[str | int, ...], display: str, text: str) -> None:
    """In every member, except values of images."""
    value = [text] if path == ("copies",) else text
    with pytest.raises(UsageError, match=rf"^f\.json is not a saved plan: {display} has control characters"):
        decode_plan(document_of(path, value), folder="/images", display="f.json")


@pytest.mark.parametrize("name", UNPRINTABLE)
@pytest.mark.parametrize("member", ["ids", "owners"])
def test_a_name_that_could_command_a_terminal_is_refused(member: str, name: str) -> None:
    """For example a key."""
    with pytest.raises(UsageError, match=rf"^f\.json is not a saved plan: {member} has control characters"):
        decode_plan(document_of((member, name), "x"), folder="/images", display="f.json")


def test_a_value_of_an_image_may_have_any_character() -> None:
    """It is escaped when it is shown."""
    document = document_of(("steps", 0, "document", "properties", "p"), UNPRINTABLE[0])
    (create, *_) = decode_plan(document, folder="/images", display="f.json").steps
    assert isinstance(create.action, Create)
    assert create.action.state.properties == {"p": UNPRINTABLE[0]}


@pytest.mark.parametrize("name", ["create", "update", "replace", "delete", "unchanged", "upload_bytes"])
def test_counts_that_do_not_match_the_steps_are_refused(name: str) -> None:
    """A reader decides by them."""
    with pytest.raises(UsageError, match=r"^f\.json is not a saved plan: its summary does not match its steps"):
        decode_plan(document_of(("summary", name), 7), folder="/images", display="f.json")


@pytest.mark.parametrize(
    ("urls", "is_withheld"),
    [
        (("https://x/a", "https://y/a"), False),
        (("https://x/a?sig=1",), True),
        (("https://x/a", "https://me:it@y/a"), True),
        (("https://x/a?sig=1", "https://y/a"), True),
    ],
)
def test_one_url_with_a_secret_is_enough_to_read_the_manifests_again(urls: tuple[str, ...], is_withheld: bool) -> None:
    """The plan has only a part of that URL, which may be a mirror."""
    wanted = catalog(spec("a", source=UrlSource(urls)), spec("b"), base="/images")
    document = encode_plan(plan(wanted, inventory()), tool="test", folder="/images")
    assert find_withheld_urls(document) == (frozenset({"a"}) if is_withheld else frozenset())


@pytest.mark.parametrize("version", [0, 2, 99, "1", None])
def test_a_plan_of_another_format_is_refused(version: Any) -> None:
    """Whether an earlier or a later imagesync made it: its members may mean something else."""
    with pytest.raises(UsageError, match=r"^f\.json has format_version .*; this imagesync reads 1; make a new plan"):
        decode_plan(document_of(("format_version",), version), folder="/images", display="f.json")


def test_a_plan_that_was_altered_is_refused() -> None:
    """Its digest shows every change, also one that fits the rest of the plan."""
    document = document_of(("steps", 0, "document", "properties", "p"), "1")
    decode_plan(document, folder="/images", display="f.json")
    document["steps"][0]["document"]["properties"]["p"] = "2"
    with pytest.raises(UsageError, match=r"^f\.json was altered after it was made: its digest does not match"):
        decode_plan(document, folder="/images", display="f.json")


TOKEN = "ghp_" + "a1B2c3D4" * 4


def test_no_message_shows_a_name_that_looks_like_a_secret() -> None:
    """A forged document may have any name."""
    for path, value in ((("owners", TOKEN), "a\nb"), (("ids", TOKEN), 5)):
        with pytest.raises(UsageError) as refused:
            decode_plan(document_of(path, value), folder="/images", display="f.json")
        assert TOKEN not in str(refused.value)
        assert "characters, not shown: looks like a secret)" in str(refused.value)


@pytest.mark.parametrize("document", [None, [], {}, "x", {"catalog": "base"}])
def test_what_is_no_plan_is_refused(document: Any) -> None:
    """With the command that makes one."""
    with pytest.raises(UsageError) as refused:
        decode_plan(document, folder="/images", display="f.json")
    assert str(refused.value) == "f.json is not a saved plan; make one with: imagesync plan PATH -o plan.json"


def test_a_document_of_another_shape_is_refused_with_the_place() -> None:
    """The first one; or the whole document."""
    again = "make a new plan: imagesync plan PATH -o plan.json"
    for path, value, place in ((("steps", 0, "id"), 5, "steps.0"), (("wanted",), "x", "wanted"), (("x",), 1, None)):
        with pytest.raises(UsageError) as refused:
            decode_plan(document_of(path, value), folder="/images", display="f.json")
        assert str(refused.value) == (
            f"f.json is not a saved plan: {place or 'the document'} does not match the schema; {again}"
        )


def test_every_item_of_a_list_is_searched_for_control_characters() -> None:
    """Not only the first."""
    with pytest.raises(UsageError, match=r"copies has control characters"):
        decode_plan(document_of(("copies",), ["fine", "fine", UNPRINTABLE[0]]), folder="/images", display="f.json")
