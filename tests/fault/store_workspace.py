"""The manifests of ``scenario``, applied by the command to a local store, with a fault at any of its writes."""

import atexit
import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tests.fault.fork_server import ForkedCommand
from tests.fault.scenario import AFTER, BEFORE, earlier, select_steady, write_data, write_manifest
from tests.fault.write_faults import SupervisedCommand, SupervisedResult, WriteFault


@cache
def _prepared_store() -> Path:
    """A store to which BEFORE was applied, with two generations of the image that will be replaced; made once."""
    folder = Path(tempfile.mkdtemp(prefix="imagesync-store-"))
    atexit.register(shutil.rmtree, folder)
    write_data(folder)
    env = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    with ForkedCommand(env, folder) as command:
        for images in (earlier(BEFORE), BEFORE):
            write_manifest(folder, images)
            result = command.run("apply", "--yes", str(folder), "--store", str(folder / "store"), "--jobs", "1")
            assert result.code == 0, result
    return folder / "store"


class StoreWorkspace:
    """A store to which BEFORE was applied, the manifest AFTER, and the command."""

    def __init__(self, folder: Path, command: SupervisedCommand) -> None:
        self.folder, self.store, self.before, self._command = folder, folder / "store", folder / "before", command
        write_data(folder)
        shutil.copytree(_prepared_store(), self.before)
        shutil.copytree(self.before, self.store)
        write_manifest(folder, AFTER)

    def apply(self, fault: WriteFault | None = None) -> SupervisedResult:
        """Run apply, with a fault at one of its writes if ``fault`` is given."""
        words = ("--store", str(self.store), "--jobs", "1", "--max-delete", "100%")
        return self.run("apply", "--yes", str(self.folder), *words, fault=fault)

    def run(self, *words: str, fault: WriteFault | None = None) -> SupervisedResult:
        """Run any command."""
        return self._command.run(*words, fault=fault)

    def restore(self) -> None:
        """Restore the store as it was before the apply."""
        shutil.rmtree(self.store)
        shutil.copytree(self.before, self.store)

    def rows(self) -> list[dict[str, Any]]:
        """Every image in a copy of the store. The copy passes the integrity check, and the data has the recorded
        hashes."""
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
        """The keys that have a visible image with data."""
        return {row["name"] for row in self.rows() if not row["os_hidden"] and row["size"] is not None}

    def count_verified(self) -> int:
        """The number of images that are uploaded and verified, and not published yet."""
        staged = [row for row in self.rows() if row.get("imagesync_role") == "staging"]
        return sum(row["status"] in ("active", "deactivated") for row in staged)

    def state(self) -> list[str]:
        """The images without the fields that always differ. The store has no other files."""
        rows = [row for row in self.rows() if "imagesync_lease" not in row]
        assert sorted(os.listdir(self.store / "content")) == sorted(
            row["id"] for row in rows if row["size"] is not None
        )
        assert sorted(os.listdir(self.store)) == ["content", "store.db"]
        kept = map(select_steady, rows)
        return sorted(json.dumps({**row, "tags": sorted(row["tags"])}, sort_keys=True) for row in kept)


@contextmanager
def open_store_workspace(folder: Path, roots: Sequence[str] = ("store", "cache")) -> Iterator[StoreWorkspace]:
    """A workspace before the apply of AFTER; writes below its folders are watched."""
    env = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    with SupervisedCommand(env, folder, [folder / root for root in roots]) as command:
        yield StoreWorkspace(folder, command)
