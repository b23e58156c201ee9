"""A folder with a manifest, and ``imagesync`` on it with the real cloud; checked over plain HTTP."""

import json
from pathlib import Path
from typing import Any

from tests import command, forked
from tests.cloud.service import Cloud
from tests.command import Process, Result, cloud_environment


class CloudWorkspace:
    """A folder whose manifest has the images in ``images``, and the command for it and one cloud."""

    def __init__(self, cloud: Cloud, folder: Path, catalog: str = "base") -> None:
        self.cloud, self.folder, self.catalog = cloud, folder, catalog
        self.images: dict[str, dict[str, Any]] = {}

    def file(self, name: str, content: bytes) -> str:
        """Write an image file beside the manifest; return its name."""
        (self.folder / name).write_bytes(content)
        return name

    def run(
        self,
        *words: str,
        user: str = "operator",
        code: int | None = 0,
        clouds: Path | None = None,
        path: str | None = None,
    ) -> Result:
        """Run ``imagesync WORDS`` on the present manifest."""
        self.write()
        env = cloud_environment(clouds or self.cloud.clouds_yaml)
        result = forked.run(*words, path or str(self.folder), "--cloud", user, env=env, code=code)
        assert "secret-of-the-tests" not in result.output
        return result

    def start(self, *words: str, user: str = "operator") -> Process:
        """Start ``imagesync WORDS``."""
        self.write()
        env = cloud_environment(self.cloud.clouds_yaml)
        return command.start(*words, str(self.folder), "--cloud", user, env=env)

    def write(self) -> None:
        """Write the manifest."""
        wanted = {"version": 1, "catalog": self.catalog, "images": self.images}
        (self.folder / "base.yaml").write_text(json.dumps(wanted, ensure_ascii=False), encoding="utf-8")

    def apply(self, *words: str, user: str = "operator") -> str:
        """Plan and apply; the second plan must be empty."""
        output = self.run("apply", "--yes", *words, user=user).stdout
        assert self.run("plan", "--detailed-exitcode", *words, user=user).stdout.startswith(f"Catalog {self.catalog}")
        return output

    def live(self, user: str = "operator") -> dict[str, dict[str, Any]]:
        """Owned images by key; the visible one if there are several."""
        found = self.cloud.http(user).images()
        ours = [image for image in found if image.get("imagesync_catalog") == self.catalog]
        return {image["imagesync_key"]: image for image in sorted(ours, key=lambda image: not image["os_hidden"])}
