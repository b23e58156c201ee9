"""``apply --reviewed``: only changes that the reviewed plan shows are applied, or nothing is."""

import json
from pathlib import Path
from typing import Any

import pytest

from imagesync.backends import open_backend
from tests import forked
from tests.command import Result

HEAD = {"version": 1, "catalog": "base", "defaults": {"disk_format": "raw", "container_format": "bare"}}


class Review:
    """A catalog with two targets, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "a.raw").write_bytes(b"\xe1" * 1000)
        self.write()

    def write(self, **fields: Any) -> None:
        """One image with these fields."""
        targets = {"eu": {"store": "eu"}, "us": {"store": "us"}}
        images = {"a": {"source": "a.raw", **fields}}
        (self.folder / "base.yaml").write_text(json.dumps({**HEAD, "targets": targets, "images": images}))

    def run(self, *words: str, code: int = 0) -> Result:
        """``imagesync WORDS`` beside the manifest."""
        return forked.run(*words, folder=self.folder, code=code)

    def apply(self, *words: str, code: int = 0) -> Result:
        """Apply what ``reviewed.json`` shows."""
        return self.run("apply", "base.yaml", "--yes", "--reviewed", "reviewed.json", *words, code=code)

    def count(self, target: str) -> list[int]:
        """min_ram of each image of a target."""
        with open_backend(store=self.folder / target) as backend:
            return [image.min_ram for image in backend.images() if "imagesync_key" in image.properties]


@pytest.fixture
def review(tmp_path: Path) -> Review:
    """An image that is not applied yet."""
    return Review(tmp_path)


def test_what_was_reviewed_is_applied_and_later_runs_have_nothing_to_do(review: Review) -> None:
    """From the manifests: the reviewed plan only permits."""
    review.run("plan", "base.yaml", "--target", "eu", "-o", "reviewed.json")
    assert "Applied: 1 created" in review.apply("--target", "eu").stdout
    assert "No changes" in review.apply("--target", "eu").stdout


def test_another_change_is_refused_and_nothing_is_written(review: Review) -> None:
    """The message names the field, and says what to do."""
    review.run("plan", "base.yaml", "--target", "eu", "-o", "reviewed.json")
    review.write(min_ram=1)
    done = review.apply("--target", "eu", code=1)
    assert done.stderr.splitlines()[-1] == (
        "imagesync: create a differs from the reviewed plan in min_ram; nothing was applied; review a new plan and apply it: "
        "imagesync plan PATH -o PLAN.json"
    )
    assert review.count("eu") == []


def test_a_forged_reviewed_plan_changes_nothing_by_itself(review: Review) -> None:
    """What is applied comes from the manifests; a plan whose digest does not match is refused."""
    review.write(min_ram=1)
    review.run("plan", "base.yaml", "--target", "eu", "-o", "reviewed.json")
    review.write()
    review.apply("--target", "eu", code=1)
    path = review.folder / "reviewed.json"
    path.write_text(path.read_text().replace('"min_ram": 1', '"min_ram": 0'))
    assert "was altered after it was made" in review.apply("--target", "eu", code=64).stderr
    assert review.count("eu") == []


@pytest.mark.parametrize("words", [("--target", "us"), ("--store", "elsewhere")])
def test_the_plan_of_another_place_is_no_review(review: Review, words: tuple[str, ...]) -> None:
    """Of another target, or of a place outside of the targets."""
    review.run("plan", "base.yaml", "--target", "eu", "-o", "reviewed.json")
    assert "reviewed.json has no reviewed plan for" in review.apply(*words, code=64).stderr
    assert review.count("us") == []


def test_a_target_that_is_another_place_now_was_not_reviewed(review: Review) -> None:
    """The name is the same, the store is not."""
    review.run("plan", "base.yaml", "--target", "eu", "-o", "reviewed.json")
    text = (review.folder / "base.yaml").read_text()
    (review.folder / "base.yaml").write_text(text.replace('"store": "eu"', '"store": "moved"'))
    assert "the plan was made for store" in review.apply("--target", "eu", code=64).stderr
    assert review.count("moved") == []


def test_each_target_has_its_own_review(review: Review) -> None:
    """One target changed after the review; the other is applied."""
    review.run("plan", "base.yaml", "--all-targets", "-o", "reviewed.json")
    review.write(min_ram=5)
    review.run("apply", "base.yaml", "--target", "us", "--yes")
    review.write()
    done = review.apply("--all-targets", code=1)
    assert "update a" in done.stdout
    assert (review.count("eu"), review.count("us")) == ([0], [5])
    review.apply("--target", "eu")


def test_a_target_without_a_reviewed_plan_is_not_applied(review: Review) -> None:
    """The others are."""
    review.run("plan", "base.yaml", "--target", "eu", "-o", "reviewed.json")
    done = review.apply("--all-targets", code=1)
    assert "reviewed.json has no reviewed plan for target us" in done.stdout + done.stderr
    assert (review.count("eu"), review.count("us")) == ([0], [])


def test_a_refused_plan_is_no_review(review: Review) -> None:
    """A plan that exceeded its limits was shown, but it permits nothing."""
    review.run("apply", "base.yaml", "--all-targets", "--yes")
    text = (review.folder / "base.yaml").read_text()
    (review.folder / "base.yaml").write_text(text.replace('{"a": {"source": "a.raw"}}', "{}"))
    review.run("plan", "base.yaml", "--all-targets", "-o", "reviewed.json", code=1)
    assert "would remove every live image" in review.apply("--target", "eu", "--destroy", code=64).stderr
    assert review.count("eu") == [0]


def test_a_saved_plan_needs_no_review(review: Review) -> None:
    """It is applied exactly, so the option would say nothing."""
    review.run("plan", "base.yaml", "--target", "eu", "-o", "reviewed.json")
    done = review.run("apply", "reviewed.json", "--yes", "--reviewed", "reviewed.json", code=64)
    assert "--reviewed has no effect on a saved plan" in done.stderr


@pytest.mark.parametrize(("text", "code"), [(None, 64), ("{", 64), ('{"targets": []}', 64), ("[]", 64)])
def test_a_file_that_is_no_plan_is_refused(review: Review, text: str | None, code: int) -> None:
    """Before anything is read from the target."""
    if text is not None:
        (review.folder / "reviewed.json").write_text(text)
    assert "reviewed.json" in review.apply("--target", "eu", code=code).stderr
    assert review.count("eu") == []
