"""Which targets a command is for, what they share, and which options about that are refused."""

from pathlib import Path

import pytest

from imagesync.cli.options import Options
from imagesync.cli.target_options import MAX_PARALLEL, SharingOptions, TargetChoice, parse_size
from imagesync.errors import UsageError
from imagesync.model.policy import Limit
from imagesync.sources.spool import NoRoom


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (TargetChoice(), False),
        (TargetChoice(["eu"]), False),
        (TargetChoice(["eu", "us"]), True),
        (TargetChoice(all_targets=True), True),
    ],
)
def test_one_named_target_is_a_run_of_one(chosen: TargetChoice, expected: bool) -> None:
    """All targets are several, however many the manifest has."""
    assert chosen.is_several is expected


def test_targets_that_contradict_each_other_are_refused() -> None:
    """A name that is given twice is named."""
    with pytest.raises(UsageError, match="--target and --all-targets exclude each other"):
        TargetChoice(["eu"], all_targets=True)
    with pytest.raises(UsageError, match="--target us is given twice"):
        TargetChoice(["eu", "us", "us"])


def test_the_only_target_is_an_option_of_the_run() -> None:
    """With several, each gets its own."""
    options = Options(jobs=3)
    assert TargetChoice(["eu"]).fill_in(options) == Options(target="eu", jobs=3)
    for chosen in (TargetChoice(), TargetChoice(["eu", "us"]), TargetChoice(all_targets=True)):
        assert chosen.fill_in(options) == options
    assert TargetChoice().fill_in(Options(cloud="west")).cloud == "west"
    with pytest.raises(UsageError, match="--target and --cloud exclude each other"):
        TargetChoice(["eu"]).fill_in(Options(cloud="west"))


@pytest.mark.parametrize(
    ("chosen", "word"), [(TargetChoice(["eu", "us"]), "--target"), (TargetChoice(all_targets=True), "--all-targets")]
)
@pytest.mark.parametrize(
    ("options", "other"), [(Options(cloud="west"), "--cloud"), (Options(store=Path("x")), "--store")]
)
def test_several_targets_and_another_place_exclude_each_other(
    chosen: TargetChoice, word: str, options: Options, other: str
) -> None:
    """Each selects a place."""
    with pytest.raises(UsageError, match=f"^{word} and {other} exclude each other"):
        chosen.fill_in(options)


def test_how_many_targets_work_at_the_same_time() -> None:
    """By default as many as there may be."""
    assert TargetChoice().parallel == MAX_PARALLEL == 64
    assert TargetChoice(parallel_targets=3).parallel == 3


def test_options_about_several_targets_are_refused_for_one() -> None:
    """Also with the value that is the default."""
    TargetChoice(["eu"]).refuse_limits()
    SharingOptions().refuse()
    with pytest.raises(UsageError, match=r"^--parallel-targets has no effect on a run of one target"):
        TargetChoice(parallel_targets=MAX_PARALLEL).refuse_limits()
    for sharing, word in (
        (SharingOptions(max_failed_targets="0"), "--max-failed-targets"),
        (SharingOptions(spool="off"), "--spool"),
        (SharingOptions(spool="x"), "--spool"),
        (SharingOptions(spool_limit="1GiB"), "--spool-limit"),
    ):
        with pytest.raises(UsageError, match=f"^{word} has no effect on a run of one target"):
            sharing.refuse()


def test_shared_downloads_are_refused_on_a_fleet() -> None:
    """The limit of failures counts there, too."""
    SharingOptions(max_failed_targets="3").refuse_on_fleet()
    for sharing, word in ((SharingOptions(spool="off"), "--spool"), (SharingOptions(spool_limit="1"), "--spool-limit")):
        with pytest.raises(UsageError, match=f"^{word} has no effect with --on"):
            sharing.refuse_on_fleet()


def test_the_limit_of_failed_targets() -> None:
    """By default no target may fail."""
    assert SharingOptions().limit == Limit(0)
    assert SharingOptions(max_failed_targets="0").limit == Limit(0, percent=False)
    assert SharingOptions(max_failed_targets="3").limit == Limit(3, percent=False)
    assert SharingOptions(max_failed_targets="25%").limit == Limit(25, percent=True)


def test_wrong_values_are_refused_before_anything_happens() -> None:
    """Each names its option."""
    with pytest.raises(UsageError, match=r"^--max-failed-targets x: "):
        SharingOptions(max_failed_targets="x")
    with pytest.raises(UsageError, match=r"^--spool-limit x: "):
        SharingOptions(spool_limit="x")
    with pytest.raises(UsageError, match=r"^--spool-limit has no effect with --spool off"):
        SharingOptions(spool="off", spool_limit="1")
    SharingOptions(spool="x", spool_limit="1")


def test_targets_share_their_downloads_unless_told_otherwise(tmp_path: Path) -> None:
    """In the folder of the option, up to its limit."""
    assert SharingOptions(spool="off").share(["eu", "us"], print) is None
    shared = SharingOptions(spool=str(tmp_path), spool_limit="3KiB").share(["eu", "us"], print)
    assert shared is not None
    shared._folder.admit(3072)
    with pytest.raises(NoRoom):
        shared._folder.admit(1)
    with pytest.raises(UsageError):
        SharingOptions(spool=str(tmp_path / "no")).share(["eu"], print)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (None, None),
        ("0", 0),
        ("12", 12),
        ("12B", 12),
        ("3K", 3 << 10),
        ("3kb", 3 << 10),
        ("3 MiB", 3 << 20),
        ("40GiB", 40 << 30),
        ("2t", 2 << 40),
        (" 7 ", 7),
        ("9" * 15, 999_999_999_999_999),
    ],
)
def test_a_size_has_a_unit_or_is_in_bytes(text: str | None, size: int | None) -> None:
    """Each unit is 1024 of the one below."""
    assert parse_size("spool-limit", text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1", "1.5GiB", "1PiB", "1  GiB", "1iBB", "9" * 16, "٣"])
def test_another_size_is_refused(text: str) -> None:
    """The message names the option, and what to write."""
    with pytest.raises(UsageError, match=r"^--spool-limit .*: not a size"):
        parse_size("spool-limit", text)


def test_what_to_do_about_options_of_targets() -> None:
    """Each refusal has its own remedy."""
    for refuse, message, hint in (
        (
            lambda: TargetChoice(["e\x1bu", "e\x1bu"]),
            "--target e\\x1bu is given twice",
            "pass it once",
        ),
        (
            lambda: TargetChoice(["eu"], all_targets=True),
            "--target and --all-targets exclude each other",
            "pass one of them",
        ),
        (
            lambda: TargetChoice(all_targets=True).fill_in(Options(store=Path("s"))),
            "--all-targets and --store exclude each other: each selects a place",
            "keep one",
        ),
        (
            lambda: TargetChoice(parallel_targets=1).refuse_limits(),
            "--parallel-targets has no effect on a run of one target",
            "remove it, or pass --all-targets",
        ),
        (
            lambda: SharingOptions(spool="off", spool_limit="1"),
            "--spool-limit has no effect with --spool off",
            "pass one of them",
        ),
        (
            lambda: SharingOptions(spool_limit="1").refuse_on_fleet(),
            "--spool-limit has no effect with --on: each worker reads its sources itself",
            "remove it",
        ),
        (
            lambda: parse_size("spool-limit", "x\x1b"),
            "--spool-limit x\\x1b: not a size",
            "write, for example, --spool-limit 40GiB",
        ),
    ):
        with pytest.raises(UsageError) as caught:
            refuse()
        assert (caught.value.message, caught.value.hint) == (message, hint)


def test_the_first_option_that_has_no_effect_is_named() -> None:
    """The limit of failures before those of downloads."""
    every = SharingOptions("1", "x", "1GiB")
    with pytest.raises(UsageError, match=r"^--max-failed-targets has no effect"):
        every.refuse()
    with pytest.raises(UsageError, match=r"^--spool has no effect"):
        every.refuse_on_fleet()
