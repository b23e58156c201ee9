"""^C in the middle of an apply."""

import json
import os
from pathlib import Path

from imagesync import open_backend
from tests import command


def test_an_interrupted_apply_ends_in_good_order_and_goes_on_the_next_time(tmp_path: Path) -> None:
    """Running steps end, no more start, exit 130; nothing half-made stays, and the next apply does the rest."""
    images = {}
    for number in range(30):
        (tmp_path / f"{number}.raw").write_bytes(os.urandom(2**21))
        images[f"k{number:02}"] = {"source": f"{number}.raw"}
    defaults = {"disk_format": "raw", "container_format": "bare"}
    document = {"version": 1, "catalog": "c", "defaults": defaults, "images": images}
    (tmp_path / "c.yaml").write_text(json.dumps(document))
    words = ("apply", "--store", "store", "--yes", "--jobs", "2")
    with command.start(*words, folder=tmp_path) as process:
        process.wait_for("")
        process.interrupt()
        interrupted = process.wait()
    assert interrupted.code == 130
    assert "stopping" in interrupted.stderr
    assert "Interrupted: " in interrupted.stdout
    live = open_backend(store=tmp_path / "store").inventory("c")
    assert 0 < len(live) < 30
    assert {image.status.value for image in live} == {"active"}
    rest = 30 - len(live)
    assert f"Applied: {rest} created." in command.run(*words, folder=tmp_path).stdout
