"""``show``: a saved plan or the explanation of a key, by what the words are."""

import json
from pathlib import Path
from typing import Any

import pytest

from imagesync import open_backend
from imagesync.cli.commands.show import is_plan
from tests import forked
from tests.command import Result
from tests.fault.mirror import mirror


class Showcase:
    """A folder with a manifest of two keys whose images are in a store, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "a.raw").write_bytes(b"\xe1" * 2000)
        self.images: dict[str, Any] = {key: {"source": "a.raw", "name": f"Image {key}"} for key in ("web", "db.json")}
        self.write()
        forked.run("apply", "--yes", folder=folder)

    def write(self) -> None:
        """The manifest."""
        document = {
            "version": 1,
            "catalog": "base",
            "images": self.images,
            "default_target": "lab",
            "targets": {"lab": {"store": "store"}},
            "defaults": {"disk_format": "raw", "container_format": "bare"},
        }
        (self.folder / "base.yaml").write_text(json.dumps(document))

    def run(self, *words: str, code: int = 0) -> Result:
        """``imagesync show WORDS``."""
        return forked.run("show", *words, folder=self.folder, code=code)


@pytest.fixture
def showcase(tmp_path: Path) -> Showcase:
    """Two applied images."""
    return Showcase(tmp_path)


def test_a_word_that_is_no_file_is_a_key(showcase: Showcase) -> None:
    """Of the manifest in the working directory, or at PATH; the target may be selected."""
    text = showcase.run("web").stdout
    assert text.startswith("web: catalog base on target lab (store store)\n  declared    base.yaml:1:")
    assert showcase.run("web", "base.yaml").stdout == text
    assert showcase.run("web", "--target", "lab").stdout == text
    assert text.endswith("Next apply:\n  nothing to do\n")
    document = json.loads(showcase.run("web", "--format", "json").stdout)
    assert (document["key"], [one["role"] for one in document["builds"]]) == ("web", ["current"])


def test_a_plan_is_printed_as_before(showcase: Showcase) -> None:
    """By its name or because it is a file; options about a place have no effect on it."""
    showcase.images["web"]["min_ram"] = 3
    showcase.write()
    made = forked.run("plan", "-o", "plan.json", folder=showcase.folder).stdout
    assert showcase.run("plan.json").stdout == made
    (showcase.folder / "saved").write_text((showcase.folder / "plan.json").read_text())
    assert showcase.run("saved").stdout == made
    assert "min_ram" not in showcase.run("plan.json", "--summary").stdout
    done = showcase.run("plan.json", "--target", "lab", code=64)
    assert "--target has no effect on a saved plan; remove it; if plan.json is a key, add the path" in done.stderr
    assert "--set has no effect on a saved plan" in showcase.run("plan.json", "--set", "a=b", code=64).stderr


def test_a_path_makes_a_word_a_key(showcase: Showcase) -> None:
    """Also if it is a file, or ends as a plan does; without one the message says how to choose."""
    assert showcase.run("db.json", ".").stdout.startswith("db.json: catalog base")
    hint = "if db.json is a key, add the path of its manifest: imagesync show db.json PATH"
    assert hint in showcase.run("db.json", code=64).stderr
    (showcase.folder / "web").write_text("x")
    assert "imagesync show web PATH" in showcase.run("web", code=64).stderr
    assert showcase.run("web", ".").stdout.startswith("web: catalog base")
    (showcase.folder / "web").unlink()
    (showcase.folder / "web").mkdir()
    assert showcase.run("web").stdout.startswith("web: catalog base")


def test_an_unknown_key_is_an_error_with_similar_keys(showcase: Showcase) -> None:
    """A glob is not a key."""
    assert "no image has the key 'wbe'; did you mean web?" in showcase.run("wbe", code=64).stderr
    assert "no image has the key 'w*'" in showcase.run("w*", code=64).stderr
    assert "--detail has no effect on the explanation of a key" in showcase.run("web", "--detail", code=64).stderr


def test_a_removed_key_is_explained(showcase: Showcase) -> None:
    """As long as it has an image."""
    del showcase.images["web"]
    showcase.write()
    text = showcase.run("web").stdout
    assert "declared    no: the manifest does not have this key" in text
    assert "next        the next apply deletes it" in text


def test_other_sources_are_not_asked(showcase: Showcase) -> None:
    """Only that of the key: a missing file of another key is not an error."""
    showcase.images["other"] = {"source": "https://no-such-host.invalid/x.raw", "name": "x"}
    showcase.write()
    assert showcase.run("web").stdout.endswith("nothing to do\n")
    text = showcase.run("other", "--no-source-check").stdout
    assert "There is not yet an image of this key." in text
    assert "+ other  create" in text


def test_for_a_removed_key_no_source_is_asked(showcase: Showcase) -> None:
    """Not that of a new key either. With the key of the source, it is."""
    del showcase.images["web"]
    with mirror() as server:
        url = server.publish("/x.raw", b"\xe1" * 3000)
        showcase.images["new"] = {"source": {"url": url, "checksum": "sha256:" + "0" * 64}, "name": "x"}
        showcase.write()
        assert "next        the next apply deletes it" in showcase.run("web").stdout
        assert server.queries == []
        showcase.run("new")
        assert server.queries != []


def test_nothing_is_written(showcase: Showcase) -> None:
    """No record, no lease."""
    backend = open_backend(store=showcase.folder / "store")
    before, leases = backend.images(), backend.leases("base")
    backend.update_image(next(image for image in before if image.name == "Image web"), name="x")
    before = backend.images()
    assert "drift       name: was Image web, is now x" in showcase.run("web").stdout
    assert (backend.images(), backend.leases("base")) == (before, leases)


@pytest.mark.parametrize(
    ("word", "is_saved"),
    [
        ("plan.json", True),
        ("PLAN.JSON", True),
        ("missing.json", True),
        ("saved", True),
        ("folder", False),
        ("noble", False),
    ],
)
def test_which_word_means_a_saved_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, is_saved: bool
) -> None:
    """A file, or a name that ends with .json; a folder may have the name of a key."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "saved").touch()
    assert is_plan(word) == is_saved


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("--target", "lab"), "--target"),
        (("--cloud", "c"), "--cloud"),
        (("--store", "s"), "--store"),
        (("--clouds-file", "x", "--set", "a=b"), "--clouds-file"),
        (("--set", "a=b", "--allow-outside"), "--set"),
        (("--allow-outside",), "--allow-outside"),
        (("--source-hosts", "x", "--no-source-check"), "--source-hosts"),
        (("--no-source-check",), "--no-source-check"),
    ],
)
def test_no_option_about_manifests_has_an_effect_on_a_saved_plan(
    showcase: Showcase, words: tuple[str, ...], option: str
) -> None:
    """The first of them is named, as it is written; the hint can be pasted."""
    forked.run("plan", "-o", "my plan.json", folder=showcase.folder)
    assert showcase.run("my plan.json", *words, code=64).output == (
        f"imagesync: {option} has no effect on a saved plan; remove it; if 'my plan.json' is a key, "
        "add the path of its manifest: imagesync show 'my plan.json' PATH\n"
    )


def test_a_file_that_is_no_saved_plan_has_two_remedies(showcase: Showcase) -> None:
    """That of the plan, and that of a key; a file that does not exist, too."""
    hint = "add the path of its manifest: imagesync show"
    (showcase.folder / "b b.json").write_text("{}")
    assert showcase.run("b b.json", code=64).output == (
        "imagesync: b b.json is not a saved plan; make one with: imagesync plan PATH -o plan.json; "
        f"if 'b b.json' is a key, {hint} 'b b.json' PATH\n"
    )
    assert showcase.run("c.json", code=64).output == (
        f"imagesync: c.json cannot be read: No such file or directory; check the path; if c.json is a key, {hint} "
        "c.json PATH\n"
    )


@pytest.mark.parametrize("option", ["--detail", "--summary"])
def test_an_amount_of_a_plan_has_no_effect_on_a_key(showcase: Showcase, option: str) -> None:
    """Each is named, before the manifest is read."""
    assert showcase.run("web", "none", option, code=64).output == (
        f"imagesync: {option} has no effect on the explanation of a key; remove {option}\n"
    )


def test_files_get_the_explanation_and_the_plan(showcase: Showcase) -> None:
    """In each format. The comment of a key has the marker of its catalog and target; so has that of an error."""
    text = showcase.run("web", "--also", "text=web.txt", "--also", "markdown=web.md", "--also", "json=web.js").stdout
    assert (showcase.folder / "web.txt").read_text() == text
    assert json.loads((showcase.folder / "web.js").read_text())["key"] == "web"
    comment = (showcase.folder / "web.md").read_text()
    assert comment.startswith("<!-- imagesync base lab -->\n\nImage web of catalog base on target lab (store store)\n")
    forked.run("plan", "-o", "plan.json", "--also", "markdown=made.md", folder=showcase.folder)
    showcase.run("plan.json", "--also", "markdown=plan.md")
    assert (showcase.folder / "plan.md").read_text() == (showcase.folder / "made.md").read_text()
    failed = showcase.run("wbe", "--format", "markdown", code=64).stdout
    assert failed.startswith("<!-- imagesync base lab -->\n\nimagesync show failed for catalog base on lab\n")


def test_the_saved_plans_of_several_targets_are_shown(showcase: Showcase) -> None:
    """As they were made; in JSON, each has the same digest."""
    document = json.loads((showcase.folder / "base.yaml").read_text())
    document["targets"]["eu"] = {"store": "eu"}
    (showcase.folder / "base.yaml").write_text(json.dumps(document))
    made = forked.run("plan", "--all-targets", "-o", "plans.json", folder=showcase.folder).stdout
    assert showcase.run("plans.json").stdout == made
    assert "lab: no changes" in made
    saved = json.loads((showcase.folder / "plans.json").read_text())
    found = json.loads(showcase.run("plans.json", "--format", "json").stdout)
    assert [one["target"] for one in found["targets"]] == ["lab", "eu"]
    assert [one["plan"]["digest"] for one in found["targets"]] == [one["plan"]["digest"] for one in saved["targets"]]
    assert "has no effect on a saved plan" in showcase.run("plans.json", "--target", "eu", code=64).stderr
