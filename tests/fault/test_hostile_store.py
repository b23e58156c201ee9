"""A store that came with a pull request: ``plan`` on it, in a pipeline, harms nothing and ends quickly."""

import resource
import shutil
from pathlib import Path

import pytest

from tests import command
from tests.unit.backends.local.hostile import (
    ENDLESS,
    make_store,
    multiply_rows,
    multiply_schema,
    run_sql,
    write_journal,
)

MANIFEST = "version: 1\ncatalog: c\ndefault_target: t\ntargets: {t: {store: store}}\nimages: {a: {source: none}}\n"


class CommittedStore:
    """A checkout with a manifest and its store, and the runner's own files in ``home`` beside it."""

    def __init__(self, folder: Path) -> None:
        self.here, self.store, self.home = folder / "checkout", folder / "checkout" / "store", folder / "home"
        self.here.mkdir()
        self.home.mkdir()
        (self.here / "m.yaml").write_text(MANIFEST)
        self.database = make_store(self.store)

    def link_content(self) -> None:
        """Replace the folder of the store's data by a link to the data of the runner's store, which has other image
        data."""
        real = self.home / "store"
        shutil.copytree(self.store, real)
        used = run_sql(self.database, "SELECT id FROM images")[0][0]
        (real / "content" / used).write_text("data")
        shutil.rmtree(self.store / "content")
        (self.store / "content").symlink_to(real / "content")

    def name_file(self) -> None:
        """Leave a journal that names a file of the runner."""
        (self.home / "file").write_text("precious")
        write_journal(self.database, self.home / "file")

    def take_path_as_id(self) -> None:
        """Use the path of a file of the runner as the data of an image."""
        (self.home / "file").write_text("precious")
        path = str(self.home / "file")
        run_sql(
            self.database,
            "DELETE FROM images WHERE rowid > 1",
            f"UPDATE images SET id = '{path}', document = json_set(document, '$.id', '{path}')",
        )

    def replace_by_view(self) -> None:
        """Replace the table of images by a view that never ends."""
        run_sql(self.database, "DROP TABLE images", f"CREATE VIEW images AS {ENDLESS}")

    def repeat_rows(self) -> None:
        """Give the table of images 10^36 rows."""
        multiply_rows(self.database, "images")

    def repeat_schema(self) -> None:
        """Give the schema so many tables that SQLite needs long to read them before the first query."""
        multiply_schema(self.database)

    def contents(self) -> dict[str, bytes]:
        """All files of the runner."""
        return {str(path): path.read_bytes() for path in self.home.rglob("*") if path.is_file()}


ATTACKS = {
    CommittedStore.link_content: "content is a link",
    CommittedStore.name_file: "names a super-journal, a file that SQLite would delete",
    CommittedStore.take_path_as_id: "an image has the invalid id",
    CommittedStore.replace_by_view: "does not have the schema of a store (view images)",
    CommittedStore.repeat_rows: "bytes that its files have",
    CommittedStore.repeat_schema: "exceeds the time limit, which no query of a store reaches",
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_plan_on_a_committed_store_harms_nothing(tmp_path: Path, attack: object) -> None:
    """One line, and exit code 1. No file of the runner is changed, removed or made, and it takes seconds."""
    found, temporary = CommittedStore(tmp_path), tmp_path / "tmp"
    temporary.mkdir()
    attack(found)  # type: ignore[operator]
    before = found.contents()
    env = command.minimal_environment(TMPDIR=str(temporary), SQLITE_TMPDIR=str(temporary))
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    result = command.run("plan", "m.yaml", folder=found.here, env=env, code=1)
    assert ATTACKS[attack] in result.stderr  # type: ignore[index]
    assert result.stderr.count("\n") == 1
    assert found.contents() == before
    assert list(temporary.iterdir()) == []
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - used < 20
