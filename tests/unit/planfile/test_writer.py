"""The document of a plan: what it withholds, and what its digest covers."""

from dataclasses import replace
from typing import Any

import pytest

from imagesync.model.catalog import FileSource, Role, Signature, UrlSource
from imagesync.model.plan import Plan, Reason, Step, Update
from imagesync.model.record import Record
from imagesync.planfile.writer import compute_digest, encode_plan, format_document, write_step, write_summary
from tests.unit.factories import TARGET, catalog, inventory, live, plan, spec


def made_for(source: FileSource | UrlSource) -> dict[str, Any]:
    """The source in the document of a plan that sends it."""
    (step,) = plan(catalog(spec("a", source=source), base="/m"), inventory()).steps
    found: dict[str, Any] = write_step(step, "/m")["source"]
    return found


@pytest.mark.parametrize(
    ("url", "display", "is_withheld"),
    [
        ("https://x/a@b", "https://x/a@b", False),
        ("https://me@x/a", "https://x/a", True),
        ("https://x/a?s=1", "https://x/a", True),
        ("https://me:it@x/a?s=1", "https://x/a", True),
    ],
)
def test_a_url_with_a_secret_is_marked(url: str, display: str, *, is_withheld: bool) -> None:
    """Each mirror by itself."""
    found = made_for(UrlSource((url, "https://y/b"), checksum_url="https://x/S"))
    assert found["urls"] == [{"url": display, "withheld": is_withheld}, {"url": "https://y/b", "withheld": False}]


def test_paths_are_relative_to_the_manifest_and_shown_as_the_user_sees_them() -> None:
    """Of the data and of the keyring."""
    signature = Signature("https://x/S.asc", "/m/k/keys.asc", "../m/k/keys.asc")
    found = made_for(FileSource("/m/d/a.raw", "../m/d/a.raw", None, "https://x/S", None, signature))
    assert (found["path"], found["shown"]) == ("d/a.raw", "../m/d/a.raw")
    assert found["signature"] == {"url": "https://x/S.asc", "keyring": "k/keys.asc", "shown": "../m/k/keys.asc"}
    assert (found["checksum"], found["checksum_url"], "checksum_entry" in found) == (None, "https://x/S", False)


def test_the_digest_covers_every_member() -> None:
    """Except itself; the order of the names makes no difference."""
    document = encode_plan(plan(catalog(spec("a"), base="/m"), inventory()), tool="t", folder="/m")
    digest = compute_digest(document)
    assert document["digest"] == digest
    assert compute_digest({**document, "digest": "x"}) == compute_digest(dict(reversed(document.items()))) == digest
    for name in document.keys() - {"digest"}:
        assert compute_digest({**document, name: "other"}) != digest
        assert compute_digest({other: value for other, value in document.items() if other != name}) != digest


def test_a_document_is_sorted_text_with_a_line_end() -> None:
    """The same plan gives the same bytes, made by the program that it names."""
    made = plan(catalog(spec("a"), base="/m"), inventory())
    document = encode_plan(made, tool="t 1", folder="/m")
    text = format_document(document)
    assert (text[0], text[-2:]) == ("{", "}\n")
    assert text == format_document(encode_plan(made, tool="t 1", folder="/m"))
    assert (document["tool"], document["format_version"], document["manifest"]["base"]) == ("t 1", 1, ".")
    assert encode_plan(made, tool="t", folder="/")["manifest"]["base"] == "m"


def test_the_summary_has_each_count_under_its_name() -> None:
    """``move`` only where a key is moved, as in earlier versions."""
    wanted = catalog(spec("a", "b"), spec("new"), spec("same"), base="/m")
    made = plan(wanted, inventory(live(spec("a")), live(spec("same"), "s"), live(spec("gone"), "g")))
    assert write_summary(made) == {
        "create": 1,
        "update": 0,
        "replace": 1,
        "deactivate": 0,
        "reactivate": 0,
        "delete": 1,
        "stage": 0,
        "unchanged": 1,
        "upload_bytes": 8192,
    }
    moved = Step("s", Update("a", "i", (), Record("base", "a", Role.CURRENT)), Reason.MOVED)
    assert write_summary(Plan("base", TARGET, steps=(moved,)))["move"] == 1
    assert "move" not in write_summary(replace(made, steps=()))
