"""Which files are saved plans."""

import os
from pathlib import Path

import pytest

from imagesync.cli.json_files import MAX_BYTES
from imagesync.cli.saved_plans import is_plan_file, read_plan, refuse_plan_file, save_plan
from imagesync.errors import UsageError
from tests.unit.factories import catalog, inventory, plan, spec

PLAN = plan(catalog(spec("a")), inventory())


def test_a_plan_that_is_saved_is_read(tmp_path: Path) -> None:
    """The same plan; only its owner can read the file."""
    path = tmp_path / "plan.json"
    save_plan(PLAN, path)
    assert read_plan(path)[0].steps == PLAN.steps
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("old", ['"catalog": "base"', '"key": "a"'])
def test_a_file_with_a_name_twice_is_no_plan(tmp_path: Path, old: str) -> None:
    """On any level; also if both values are the same."""
    path = tmp_path / "plan.json"
    save_plan(PLAN, path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, f"{old}, {old}", 1))
    with pytest.raises(UsageError, match="is not a saved plan"):
        read_plan(path)


@pytest.mark.parametrize(("more", "message"), [(0, "is not a saved plan"), (1, "is larger than 256 MiB")])
def test_a_plan_has_at_most_256_mib(tmp_path: Path, more: int, message: str) -> None:
    """A longer file is not read to its end."""
    path = tmp_path / "plan.json"
    path.touch()
    os.truncate(path, MAX_BYTES + more)
    with pytest.raises(UsageError, match=message):
        read_plan(path)


@pytest.mark.parametrize(
    ("name", "is_plan"), [("p.json", True), ("P.JSON", True), ("p.yaml", False), ("json", False), ("p.json.d", False)]
)
def test_the_suffix_shows_a_saved_plan(name: str, is_plan: bool) -> None:
    """The hint has the path as a word to paste."""
    assert is_plan_file(Path("my plans", name)) == is_plan
    if not is_plan:
        refuse_plan_file(Path(name), "")
        return
    with pytest.raises(UsageError) as caught:
        refuse_plan_file(Path("my plans", name), "run imagesync apply PATH")
    assert str(caught.value) == f"my plans/{name} is a saved plan; run imagesync apply 'my plans/{name}'"
