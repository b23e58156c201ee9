"""A catalog with three targets that are stores, all applied, for tests of commands that only read."""

from pathlib import Path
from typing import Any

from imagesync.backends import open_backend
from imagesync.backends.base import Backend
from imagesync.model.image import LiveImage
from tests.command import Result
from tests.forked import run

MANIFEST = """\
version: 1
catalog: base
targets:
  eu: {store: eu}
  us: {store: us}
  ap: {store: ap, only: [a], images: {a: {min_ram: 64}}}
images:
  a: {source: none, min_ram: 512, tags: [lts]}
  b: {source: none, visibility: public}
"""


class SeveralStores:
    """A folder with the manifest, and the command there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write(MANIFEST)
        self.run("apply", "--all-targets", "--yes")

    def write(self, text: str) -> None:
        """Replace the manifest."""
        (self.folder / "m.yaml").write_text(text)

    def add_lost(self) -> None:
        """Add a target between the others that cannot be reached."""
        self.write(MANIFEST.replace("  us:", "  lost: {cloud: gone}\n  us:"))

    def run(self, *words: str, code: int = 0) -> Result:
        """``imagesync WORDS``."""
        return run(*words, folder=self.folder, code=code)

    def open(self, store: str) -> Backend:
        """The store of a target."""
        return open_backend(store=self.folder / store)

    def find(self, store: str, key: str) -> LiveImage:
        """The image of a key."""
        with self.open(store) as backend:
            (image,) = (one for one in backend.images() if one.properties.get("imagesync_key") == key)
            return image

    def alter(self, store: str, key: str, **fields: Any) -> None:
        """Change an image as another user would; without fields it is deleted."""
        image = self.find(store, key)
        with self.open(store) as backend:
            backend.update_image(image, **fields) if fields else backend.delete_image(image)
