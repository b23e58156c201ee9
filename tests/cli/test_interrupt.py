"""^C in the middle of an apply."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from imagesync import open_backend

ROOT = Path(__file__).parents[2]


def test_an_interrupted_apply_ends_in_good_order_and_goes_on_the_next_time(tmp_path: Path) -> None:
    """Running steps end, no more start, exit 130; nothing half-made stays, and the next apply does the rest."""
    images = {}
    for number in range(30):
        (tmp_path / f"{number}.raw").write_bytes(os.urandom(2**21))
        images[f"k{number:02}"] = {"source": f"{number}.raw"}
    defaults = {"disk_format": "raw", "container_format": "bare"}
    document = {"version": 1, "catalog": "c", "defaults": defaults, "images": images}
    (tmp_path / "c.yaml").write_text(json.dumps(document))
    command = [sys.executable, "-m", "imagesync", "apply", "--store", "store", "--yes", "--jobs", "2"]
    env = {"PATH": "", "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopping" in errors
    assert "Interrupted: " in out
    live = open_backend(store=tmp_path / "store").inventory("c")
    assert 0 < len(live) < 30
    assert {image.status.value for image in live} == {"active"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert f"Applied: {30 - len(live)} of {30 - len(live)} steps done." in done.stdout
