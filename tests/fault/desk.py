"""A catalogue that does everything when it is applied to a local store, and the command, with every write of it watched."""

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.fault.stage import AFTER, BEFORE, DATA, PRIVATE, UNSTEADY
from tests.fault.watched import Ended, Trouble, Watched


class Desk:
    """A catalogue that does everything when it is applied, a store before it, and the command."""

    def __init__(self, folder: Path, watched: Watched) -> None:
        self.folder, self.store, self.before, self._watched = folder, folder / "store", folder / "before", watched
        for name, content in DATA.items():
            (folder / name).write_bytes(content)
        for images in ({**BEFORE, "replaced": {**BEFORE["replaced"], "source": "h.raw"}}, BEFORE):
            self.want(images)
            assert self.apply().code == 0
        shutil.copytree(self.store, self.before)
        self.want(AFTER)

    def want(self, images: dict[str, dict[str, Any]]) -> None:
        """The manifest."""
        document = {"version": 1, "catalog": "base", "defaults": PRIVATE, "images": images}
        (self.folder / "base.yaml").write_text(json.dumps(document))

    def apply(self, trouble: Trouble | None = None, *more: str) -> Ended:
        """An apply, a plain one where no more words are given."""
        words = ("--store", str(self.store), "--jobs", "1", "--max-delete", "100%", *more)
        return self._watched.run("apply", "--yes", str(self.folder), *words, trouble=trouble)

    def run(self, *words: str, trouble: Trouble | None = None) -> Ended:
        """Any other command."""
        return self._watched.run(*words, trouble=trouble)

    def again(self) -> None:
        """The store as it was before."""
        shutil.rmtree(self.store)
        shutil.copytree(self.before, self.store)

    def rows(self) -> list[dict[str, Any]]:
        """Every image that a copy of the store tells of; the copy is in order, and has the data that it tells of."""
        copy = self.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.store, copy)
        with closing(sqlite3.connect(copy / "store.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            found = [json.loads(text) for (text,) in database.execute("SELECT document FROM images")]
            shared: dict[str, list[str]] = {}
            for image_id, project in database.execute("SELECT image_id, project FROM members ORDER BY project"):
                shared.setdefault(image_id, []).append(project)
        assert shared.keys() <= {image["id"] for image in found}
        for image in found:
            image["members"] = shared.get(image["id"], [])
        for image in found:
            if image["size"] is not None:
                assert (
                    hashlib.sha512((copy / "content" / image["id"]).read_bytes()).hexdigest() == image["os_hash_value"]
                )
        return found

    def visible(self) -> set[str]:
        """Keys that have a visible image with data."""
        return {row["imagesync_key"] for row in self.rows() if not row["os_hidden"] and row["size"] is not None}

    def verified(self) -> int:
        """Images that were uploaded and verified, and are not published yet."""
        staged = [row for row in self.rows() if row.get("imagesync_role") == "staging"]
        return sum(row["status"] in ("active", "deactivated") for row in staged)

    def state(self) -> list[str]:
        """All that a person would call the same; nothing lies about."""
        rows = [row for row in self.rows() if "imagesync_lease" not in row]
        assert sorted(os.listdir(self.store / "content")) == sorted(
            row["id"] for row in rows if row["size"] is not None
        )
        assert sorted(os.listdir(self.store)) == ["content", "store.db"]
        kept = [{name: value for name, value in row.items() if name not in UNSTEADY} for row in rows]
        return sorted(json.dumps({**row, "tags": sorted(row["tags"])}, sort_keys=True) for row in kept)


@contextmanager
def arranged(folder: Path, roots: Sequence[str] = ("store", "cache")) -> Iterator[Desk]:
    """Nothing of the change applied; writes below these folders are watched."""
    env = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    with Watched(env, folder, [folder / root for root in roots]) as watched:
        yield Desk(folder, watched)
