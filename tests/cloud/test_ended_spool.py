"""The data that targets share ends in the middle of a PUT to the real service: the image is sent again, from its start."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from imagesync.backends import open_backend
from imagesync.execution.performer import Performer
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.sources import SourceStream, SpoolEnded, identify, open_source
from tests.cloud.service import Cloud
from tests.cloud.workspace import CloudWorkspace
from tests.pipeline import planned

DATA = random.Random(4).randbytes(6 * 2**20)


class Ending:
    """A stream that ends early; everything else is that of the stream."""

    def __init__(self, stream: SourceStream) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Iterator[bytes]:
        chunks = iter(self._stream)
        yield next(chunks)
        yield next(chunks)
        raise SpoolEnded("the disk is full", "run apply again")


class EndsOnce:
    """Opens sources; the first stream ends early."""

    def __init__(self) -> None:
        self.opened = 0

    @contextmanager
    def __call__(self, *args: Any, **ways: Any) -> Iterator[Any]:
        self.opened += 1
        with open_source(*args, **ways) as stream:
            yield Ending(stream) if self.opened == 1 else stream


@pytest.mark.parametrize("method", ["upload", "glance-direct"])
def test_an_image_is_sent_again_when_its_shared_data_ends(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """The service queues the image again, and gets all of its data."""
    workspace = CloudWorkspace(cloud, tmp_path)
    source = {"path": workspace.file("d.raw", DATA), "method": method}
    fields = {"disk_format": "raw", "container_format": "bare", "visibility": "private"}
    workspace.images = {"a": {**fields, "source": source}}
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(cloud.clouds_yaml))
    workspace.run("plan")
    with open_backend(cloud="operator") as backend:
        plan = planned(backend, identify(resolve(load(workspace.folder))))
        opener = EndsOnce()
        Performer(backend, plan, opener=opener)(plan.steps[0], lambda _amount: None)
    assert opener.opened in (2, 3)  # the service may still be ending the first PUT, and then refuses the second one
    (image,) = cloud.http().images()
    assert (image["status"], image["os_hash_value"]) == ("active", hashlib.sha512(DATA).hexdigest())
