"""Two catalogs of one project publish an image of the same name at the same moment: at least one run reports it."""

import json
import threading
from pathlib import Path

import pytest

from tests.command import Result
from tests.fault.fork_server import ForkedCommand
from tests.fault.proxied_workspace import ProxiedWorkspace
from tests.fault.proxy import Call, Fault
from tests.samples import spell
from tests.trials import note

TRIALS = [0, 1, *[pytest.param(number, marks=pytest.mark.exhaustive) for number in range(2, 10)]]
SECONDS = 60


def write_catalog(folder: Path, catalog: str) -> Path:
    """A catalog whose only image has the same name as the image of the other catalog."""
    folder.mkdir()
    (folder / "a.raw").write_bytes(spell(catalog) * 500)
    image = {"source": "a.raw", "name": "the-name", "disk_format": "raw", "container_format": "bare"}
    document = {"version": 1, "catalog": catalog, "images": {"a": image}}
    (folder / "images.yaml").write_text(json.dumps(document))
    return folder


def apply_both(workspace: ProxiedWorkspace, folder: Path, *, together: bool) -> list[Result]:
    """Two processes apply a catalog each, and their updates that publish the image arrive at the same moment.

    ``together``: neither process gets its answer before the update of the other is saved.
    """
    filled, published, arrive, answer = set[str](), set[str](), threading.Barrier(2), threading.Barrier(2)

    def meet(call: Call) -> Fault | None:
        image_id = call.path.removeprefix("/v2/images/").partition("/")[0]
        if call.method == "PUT":
            filled.add(image_id)
        if call.method != "PATCH" or image_id not in filled - published:
            return None
        published.add(image_id)
        return Fault(
            before=lambda: _wait(arrive),
            after=(lambda: _wait(answer)) if together else None,
        )

    workspace.set_api_timeout(SECONDS)
    workspace.proxy.fault = meet
    folders = [write_catalog(folder / catalog, catalog) for catalog in ("one", "two")]
    with ForkedCommand(workspace.env, folders[0]) as first, ForkedCommand(workspace.env, folders[1]) as second:
        for command, images in zip((first, second), folders, strict=True):
            command.start("apply", "--yes", str(images), "--cloud", "operator")
        return [first.wait(), second.wait()]


def _wait(barrier: threading.Barrier) -> None:
    barrier.wait(SECONDS)


@pytest.mark.parametrize("together", [True, False], ids=["both before a listing", "as it comes"])
@pytest.mark.parametrize("number", TRIALS)
def test_two_catalogs_publish_one_name_at_the_same_moment(
    workspace: ProxiedWorkspace, tmp_path: Path, number: int, together: bool
) -> None:
    """At least one run fails, and names the other image and what to do. If both updates are saved before either run
    lists the images, both runs fail."""
    results = apply_both(workspace, tmp_path, together=together)
    assert {image["name"] for image in workspace.live()} == {"the-name"}, number
    failed = [result for result in results if result.code == 1]
    assert len(failed) == 2 if together else failed, results
    for result in results:
        other = "two" if result is results[0] else "one"
        clash = (
            f"which belongs to catalog {other}, also has the name 'the-name'; give one of them another name, or remove"
        )
        assert (clash in result.stdout) == (result.code == 1), result
        assert result.code in (0, 1), result
    fault = "two catalogs that publish one name at the same moment"
    note(f"{fault}, both before either lists" * together or fault, f"{len(failed)} of 2 reported it, exit 1")
