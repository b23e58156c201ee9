"""Which backend options select, what is reported of a store, and that no link of a checkout chooses a place."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from imagesync.backends.base import Backend, MissingStore
from imagesync.cli.options import Options
from imagesync.cli.targets import (
    StoreNotes,
    check_links,
    locate,
    open_existing,
    open_selected,
    open_selected_to_read,
    open_target_of,
    report_store,
    shorten_path,
)
from imagesync.errors import UsageError
from imagesync.model.catalog import Target
from imagesync.model.image import Identity
from tests.unit.factories import catalog, inventory, plan, spec

PLAN = plan(catalog(spec("a")), inventory())


@pytest.mark.parametrize(
    ("path", "expected"),
    [("here/store", "store"), ("here/a/b", "a/b"), ("here", "."), ("store", None), ("here-too/store", None)],
)
def test_a_path_below_the_working_directory_is_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, expected: str | None
) -> None:
    """Any other one stays as it is."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    whole = str(tmp_path / path)
    assert shorten_path(whole) == (whole if expected is None else expected)
    assert shorten_path(None) is None


@pytest.mark.parametrize("option", ["store", "clouds_file"])
def test_no_link_of_a_checkout_chooses_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    """Neither the store nor the file with the addresses of clouds; the option that permits it is named."""
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "here/link").symlink_to("../there")
    monkeypatch.chdir(tmp_path / "here")
    given = {option: Path("link/x")}
    with pytest.raises(UsageError) as caught:
        check_links(Options(**given), option="--allow-outside")  # type: ignore[arg-type]
    assert "outside the working directory" in caught.value.message
    assert caught.value.hint.endswith(", or pass --allow-outside")
    check_links(Options(**given, allow_outside=True))  # type: ignore[arg-type]
    check_links(Options(**{option: tmp_path / "here/link/x"}))  # type: ignore[arg-type]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, without a cloud of the environment."""
    for name in ("OS_CLOUD", "OS_AUTH_URL", "OS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("stores", "text"),
    [
        ([], ""),
        ([("eu", True)], "Note: store eu created\n"),
        ([("eu", False)], "Note: store eu does not exist yet; apply creates it\n"),
        ([("us", True), ("eu", True)], "Note: stores us, eu created\n"),
        ([("us", False), ("eu", False)], "Note: stores us, eu do not exist yet; apply creates them\n"),
        (
            [("us", False), ("eu", True), ("ap", False)],
            "Note: store eu created\nNote: stores us, ap do not exist yet; apply creates them\n",
        ),
    ],
)
def test_missing_stores_of_several_targets_are_reported_together(
    capsys: pytest.CaptureFixture[str], stores: list[tuple[str, bool]], text: str
) -> None:
    """In the order of the targets, not of the reports; once, and of the named targets only."""
    notes = StoreNotes()
    notes.make_report("other")("other", True)
    for name, is_created in reversed(stores):
        notes.make_report(name)(name, is_created)
    names = [name for name, _ in stores]
    notes.say(["none", *names])
    notes.say(names)
    assert capsys.readouterr().err == text
    notes.say(["other"])
    assert capsys.readouterr().err == "Note: store other created\n"


def test_a_missing_store_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence each."""
    report_store("a", True)
    report_store("b", False)
    assert capsys.readouterr().err == "Note: store a created\nNote: store b does not exist yet; apply creates it\n"


@pytest.mark.parametrize(
    ("options", "target", "place"),
    [
        (Options(store=Path("a b")), Target(store="/other"), "a b"),
        (Options(), Target("eu", store="HERE/a b"), "a b"),
        (Options(), Target("eu", store="HERE"), "."),
    ],
)
def test_a_store_of_an_option_counts_before_that_of_the_target(
    here: Path, capsys: pytest.CaptureFixture[str], options: Options, target: Target, place: str
) -> None:
    """It is read as an empty one, and the path is reported as a word of a command; a command that writes creates it."""
    target = replace(target, store=str(target.store).replace("HERE", str(here)))
    word = f"'{place}'" if " " in place else place
    with open_selected(options, target) as backend:
        assert backend.identity().label == place
    assert capsys.readouterr().err == f"Note: store {word} does not exist yet; apply creates it\n"
    assert not (here / place / "store.db").exists()
    with open_selected(options, target, missing=MissingStore.CREATE):
        assert (here / place / "store.db").exists()
    assert capsys.readouterr().err == f"Note: store {word} created\n"
    for missing in MissingStore:
        open_selected(options, target, missing=missing).close()
    assert capsys.readouterr().err == ""


def test_quiet_does_not_report_a_new_store_but_a_missing_one(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plan of a store that does not exist is surprising; that apply creates it is not."""
    open_selected(Options(), Target(store=str(here / "a")), is_quiet=True).close()
    assert capsys.readouterr().err == "Note: store a does not exist yet; apply creates it\n"
    open_selected(Options(), Target(store=str(here / "a")), missing=MissingStore.CREATE, is_quiet=True).close()
    assert capsys.readouterr().err == ""


def test_a_report_of_the_caller_takes_the_place_of_the_note(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the quoted path."""
    found = list[tuple[str, bool]]()
    for missing in (MissingStore.EMPTY, MissingStore.CREATE):
        target = Target(store=str(here / "a b"))
        open_selected(Options(), target, missing=missing, report=lambda *one: found.append(one)).close()
    assert found == [("'a b'", False), ("'a b'", True)]
    assert capsys.readouterr().err == ""


def test_a_command_that_only_reads_refuses_a_missing_store(here: Path) -> None:
    """Whatever selects it."""
    ways: tuple[Callable[[], Backend], ...] = (
        lambda: open_selected_to_read(Options(), Target(store=str(here / "a"))),
        lambda: open_existing(Options(store=Path("a"))),
    )
    for read in ways:
        with pytest.raises(UsageError, match=r"^store a does not exist"):
            read()
    open_selected(Options(), Target(store=str(here / "a")), missing=MissingStore.CREATE).close()
    for read in ways:
        with read() as backend:
            assert backend.identity().kind == "store"
    assert [path.name for path in here.iterdir()] == ["a"]


def test_a_command_without_a_manifest_needs_a_place(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint names every way, and the further one; a cloud of the environment counts."""
    with pytest.raises(UsageError) as caught:
        open_existing(Options(), further=", or pass PATH")
    assert caught.value.message == "no cloud or store selected"
    assert caught.value.hint.endswith(", or pass PATH")
    with pytest.raises(UsageError) as other:
        open_existing(Options())
    assert other.value.hint == caught.value.hint.removesuffix(", or pass PATH")
    monkeypatch.setenv("OS_CLOUD", "west")
    monkeypatch.setenv("HOME", str(here))
    with pytest.raises(UsageError, match="cloud west is not defined"):
        open_existing(Options())
    with pytest.raises(UsageError, match="cloud east is not defined"):
        open_existing(Options(cloud="east"))


def test_the_place_of_a_saved_plan_is_used_unless_another_is_given(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By an option or by the environment."""
    made = replace(PLAN, target=Identity("store", str(here / "made"), "p"))
    for options, name in ((Options(), "made"), (Options(store=Path("given")), "given")):
        with pytest.raises(UsageError, match=f"^store {name} does not exist"):
            open_target_of(made, options, missing=MissingStore.REFUSE)
        open_target_of(made, options, missing=MissingStore.CREATE).close()
        assert capsys.readouterr().err == f"Note: store {name} created\n"
        (here / name / "store.db").unlink()
        open_target_of(made, options, missing=MissingStore.CREATE, is_quiet=True).close()
        assert capsys.readouterr().err == ""
    monkeypatch.setenv("OS_CLOUD", "west")
    monkeypatch.setenv("HOME", str(here))
    with pytest.raises(UsageError, match="cloud west is not defined"):
        open_target_of(made, Options(), missing=MissingStore.EMPTY)


def test_a_plan_names_its_store_or_its_cloud() -> None:
    """A cloud without a name is that of the environment."""
    for made, target in (
        (Identity("store", "/srv/store", "p", label="store"), Target(store="/srv/store")),
        (Identity("glance", "https://glance.example", "p", label="eu"), Target(cloud="eu")),
        (Identity("glance", "https://glance.example", "p", label=""), Target()),
    ):
        assert locate(replace(PLAN, target=made)) == target


def test_a_link_is_refused_wherever_a_place_is_opened(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Only a command that has the option names it."""
    (here / "way").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    options = Options(store=Path("way/x"))
    ways: tuple[Callable[[], Backend], ...] = (
        lambda: open_existing(options),
        lambda: open_selected(options, Target()),
        lambda: open_target_of(PLAN, options, missing=MissingStore.CREATE),
    )
    for read, has_option in zip(ways, (False, True, True), strict=True):
        with pytest.raises(UsageError, match=r"^way/x: a link leads to") as caught:
            read()
        assert caught.value.hint.endswith("pass --allow-outside") is has_option
