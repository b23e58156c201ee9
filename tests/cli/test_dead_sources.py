"""Sources that are known to fail when the plan is made: errors and warnings of their keys, and all else is planned."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault.mirror import File, Mirror, mirror
from tests.forked import run

DATA = bytes(range(256)) * 10
NEW = bytes(range(255, -1, -1)) * 10


@pytest.fixture
def web() -> Iterator[Mirror]:
    """A web server on loopback."""
    with mirror() as found:
        yield found


def write(folder: Path, **sources: object) -> None:
    """A manifest with these sources, and one image without data."""
    images: dict[str, object] = {"still": {"source": "none"}}
    for key, source in sources.items():
        images[key] = {"source": source, "disk_format": "raw", "container_format": "bare"}
    (folder / "m.yaml").write_text(json.dumps({"version": 1, "catalog": "base", "images": images}, indent=1))


def digest(data: bytes) -> str:
    """As a manifest declares it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def apply_first(folder: Path, web: Mirror) -> dict[str, object]:
    """Publish an image by its URL; the source of a new build of it."""
    write(folder, a={"url": web.publish("/a", DATA), "checksum": digest(DATA)})
    run("apply", "m.yaml", "--store", "s", "--yes", folder=folder)
    return {"url": web.publish("/b", NEW), "checksum": digest(NEW)}


def find_images(folder: Path) -> list[str]:
    """The names of the images that are there."""
    found = json.loads(run("list", "--store", "s", "--format", "json", folder=folder).stdout)
    return sorted(image["name"] for image in found if image["status"] in ("active", "queued"))


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (File(b"", 404), "HTTP 404; correct the URL"),
        (File(b"", 410), "HTTP 410; correct the URL"),
        (File(b"<!doctype html><title>Log in</title>"), "the data is an HTML page, not raw; correct the URL"),
        (File(b"", 503), "HTTP 503; try again later"),
    ],
)
def test_a_new_image_without_a_source_is_an_error_and_all_else_is_done(
    tmp_path: Path, web: Mirror, file: File, message: str
) -> None:
    """Exit 1 of the plan and of the apply; the saved plan does the rest, too."""
    url = web.publish("/gone", file)
    write(tmp_path, gone={"url": url, "checksum": digest(DATA)}, good={"url": web.publish("/a", DATA)})
    planned = run("plan", "m.yaml", "--store", "s", "-o", "plan.json", "--detailed-exitcode", folder=tmp_path, code=1)
    assert f"Error: m.yaml:10:5: images.gone.source.url: {url}: {message}" in planned.stdout
    assert "Plan: 2 to create; 0 unchanged." in planned.stdout
    (error,) = json.loads((tmp_path / "plan.json").read_text())["errors"]
    assert (error["key"], error["file"], error["line"]) == ("gone", "m.yaml", 10)
    assert run("show", "plan.json", folder=tmp_path).stdout == planned.stdout
    done = run("apply", "plan.json", "--yes", "--out", "report.json", folder=tmp_path, code=1)
    assert done.stdout.count(f"m.yaml:10:5: images.gone.source.url: {url}: ") == 1
    assert "Failed: 2 created; 1 image skipped because of an error." in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["succeeded"], [one["where"] for one in report["errors"]]) == (False, ["images.gone.source.url"])
    assert find_images(tmp_path) == ["good", "still"]
    assert (
        "No changes. 2 images match the manifest."
        in run("apply", "m.yaml", "--store", "s", folder=tmp_path, code=1).stdout
    )


@pytest.mark.parametrize("file", [File(b"", 404), File(b"<html>")])
def test_a_live_image_stays_if_its_new_build_is_dead(tmp_path: Path, web: Mirror, file: File) -> None:
    """Its other changes wait, too."""
    source = apply_first(tmp_path, web)
    web.publish("/b", file)
    write(tmp_path, a=source)
    planned = run("plan", "m.yaml", "--store", "s", folder=tmp_path, code=1).stdout
    assert "Error: m.yaml:" in planned
    assert "No changes. 1 image matches the manifest." in planned


def test_a_live_image_is_planned_if_its_new_build_may_come(tmp_path: Path, web: Mirror) -> None:
    """A 503 is a warning; apply requests the source again."""
    source = apply_first(tmp_path, web)
    web.publish("/b", File(b"", 503))
    write(tmp_path, a=source)
    planned = run("plan", "m.yaml", "--store", "s", "-o", "plan.json", folder=tmp_path).stdout
    assert f"Note: a: {web.address}/b: HTTP 503" in planned
    assert "Plan: 1 to replace; 1 unchanged." in planned
    web.publish("/b", NEW)
    assert "Applied: " in run("apply", "plan.json", "--yes", folder=tmp_path).stdout


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        (File(b"", 404), "HTTP 404"),
        (File(b"<html>"), "it is an HTML page, and has no digest for a"),
        (File(f"{'0' * 64}  other\n{'1' * 64}  more\n".encode()), "a is not in the checksum list"),
    ],
)
@pytest.mark.parametrize("is_live", [True, False])
def test_a_list_that_says_nothing_is_an_error_of_its_keys(
    tmp_path: Path, web: Mirror, listed: File, message: str, is_live: bool
) -> None:
    """These keys are skipped; all other keys are planned."""
    if is_live:
        apply_first(tmp_path, web)
    source = {"url": f"{web.address}/a", "checksum_url": web.publish("/sums", listed)}
    write(tmp_path, a=source, good={"url": web.publish("/good", DATA)})
    done = run("apply", "m.yaml", "--store", "s", "--yes", folder=tmp_path, code=1)
    assert f"Error: m.yaml:11:5: images.a.source.checksum_url: {web.address}/sums: {message}" in done.stdout
    assert find_images(tmp_path) == ["a", "good", "still"] if is_live else ["good", "still"]


@pytest.mark.parametrize(("is_live", "code"), [(True, 0), (False, 1)])
def test_a_list_that_cannot_be_had_now(tmp_path: Path, web: Mirror, is_live: bool, code: int) -> None:
    """A warning for a key with a published image, which is left as it is; an error for any other."""
    if is_live:
        apply_first(tmp_path, web)
    write(tmp_path, a={"url": f"{web.address}/a", "checksum_url": web.publish("/sums", File(b"", 503))})
    output = run("plan", "m.yaml", "--store", "s", folder=tmp_path, code=code).stdout
    where = "Note: a: " if is_live else "Error: m.yaml:11:5: images.a.source.checksum_url: "
    assert f"{where}{web.address}/sums: HTTP 503" in output
    assert ("nothing is done for this key" in output) == is_live


def test_each_key_has_the_error_of_its_own_source(tmp_path: Path, web: Mirror) -> None:
    """Also if two keys name one URL."""
    url = web.publish("/a", File(b"", 404))
    write(tmp_path, a={"url": url, "checksum": digest(DATA)}, b={"url": url, "checksum_url": f"{web.address}/sums"})
    output = run("plan", "m.yaml", "--store", "s", folder=tmp_path, code=1).stdout
    assert f"images.a.source.url: {url}: HTTP 404" in output
    assert f"images.b.source.checksum_url: {web.address}/sums: HTTP 404" in output


def test_no_source_is_asked_with_no_source_check(tmp_path: Path, web: Mirror) -> None:
    """Then the apply reports it."""
    write(tmp_path, a={"url": web.publish("/a", File(b"", 404)), "checksum": digest(DATA)})
    output = run("plan", "m.yaml", "--store", "s", "--no-source-check", folder=tmp_path).stdout
    assert "Plan: 2 to create; 0 unchanged. Upload size unknown." in output
    assert web.queries == []
    words = ("apply", "m.yaml", "--store", "s", "--no-source-check", "--yes")
    assert "HTTP 404" in run(*words, folder=tmp_path, code=1).output


def test_what_refers_to_an_image_with_an_error_waits_for_it(tmp_path: Path, web: Mirror) -> None:
    """The image has no id yet."""
    write(tmp_path, kernel={"url": web.publish("/a", File(b"", 404)), "checksum": digest(DATA)})
    document = json.loads((tmp_path / "m.yaml").read_text())
    document["images"]["user"] = {"source": "none", "properties": {"kernel_id": "${images.kernel.id}"}}
    (tmp_path / "m.yaml").write_text(json.dumps(document))
    output = run("plan", "m.yaml", "--store", "s", folder=tmp_path, code=1).stdout
    assert "Note: user: it refers to images.kernel, which has no published image yet" in output
    assert "Plan: 1 to create" in output


def test_dropping_candidates_needs_no_source(tmp_path: Path, web: Mirror) -> None:
    """It reads no checksum list."""
    write(tmp_path, a={"url": f"{web.address}/a", "checksum_url": f"{web.address}/sums"})
    assert "Nothing to do." in run("plan", "m.yaml", "--store", "s", "--discard-staged", folder=tmp_path).stdout
