"""What every command has in common on its command line."""

import pytest
from typer.main import get_command

from imagesync.cli.app import app
from imagesync.cli.options import Options, parse_limit, parse_pairs
from imagesync.cli.topics import OTHER, TOPICS, find_topic
from imagesync.errors import UsageError
from imagesync.model.policy import Limit
from tests.documents import list_commands
from tests.forked import run


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("export", "--cloud", "a", "--cloud", "a"), "--cloud"),
        (("apply", "--jobs", "1", "--jobs=2"), "--jobs"),
        (("plan", "-o", "a.json", "--out", "b.json"), "--out"),
        (("list", "--cloud", "a", "--cloud", "b"), "--cloud"),
        (("show", "plan.json", "--color", "--no-color"), "--color/--no-color"),
        (("apply", "--discard-staged", "a", "--discard-staged"), "--discard-staged"),
    ],
)
def test_an_option_with_one_value_is_given_once(words: tuple[str, ...], named: str) -> None:
    """In an earlier version the last one won."""
    assert f"imagesync: {named} is given 2 times; pass it once\n" == run(*words, code=64).stderr


def test_a_run_without_a_lease_waits_for_none() -> None:
    """Two options that contradict each other."""
    words = ("apply", "x", "--no-lock", "--lock-timeout", "5")
    assert "--lock-timeout has no effect with --no-lock" in run(*words, code=64).stderr


def test_a_flag_and_an_option_with_many_values_may_be_repeated() -> None:
    """``--yes --yes`` means the same as ``--yes``."""
    words = ("--yes", "-y", "--only", "a", "--only", "b", "--set", "x=1", "--set", "y=2", "-v", "-v")
    assert "given" not in run("apply", "/nowhere", *words, "--store", "s", code=1).stderr


@pytest.mark.parametrize("pairs", [["a=1", "a=2"], ["a=1", "b=2", "a=1"]])
def test_a_value_is_set_once(pairs: list[str]) -> None:
    """Two values for a name contradict each other."""
    with pytest.raises(UsageError, match="--set a is given twice"):
        parse_pairs(pairs)


def test_every_option_has_a_topic() -> None:
    """And every word of a topic is an option of some command."""
    options = set[str]()
    for command in list_commands(get_command(app)).values():
        for param in command.params:
            if param.param_type_name == "option":
                options |= set(param.opts)
                assert find_topic(param.opts) != OTHER, param.opts
    assert {word for words in TOPICS.values() for word in words.split()} - options == set()


def test_the_help_has_a_section_for_each_topic() -> None:
    """Arguments first, help last."""
    lines = run("apply", "--help").stdout.splitlines()
    heads = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert heads == [f"{name}:" for name in ("Arguments", *TOPICS, "Options") if name not in ("Selection", "Pipeline")]


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("plan", "--min-source-rate"),
        ("adopt", "--drift-only"),
        ("adopt", "--destroy"),
        ("adopt", "--max-delete"),
        ("rollback", "--only"),
        ("rollback", "--drift-only"),
        ("rollback", "--destroy"),
    ],
)
def test_a_command_has_no_option_that_it_does_not_use(command: str, option: str) -> None:
    """Such an option would have no effect."""
    assert f"No such option: {option}" in run(command, "x", option, code=64).stderr
    assert option not in run(command, "--help").stdout


@pytest.mark.parametrize(
    ("text", "limit"), [("100%", Limit(100)), ("101", Limit(101, percent=False)), ("0", Limit(0, percent=False))]
)
def test_a_number_of_images_may_be_more_than_a_hundred(text: str, limit: Limit) -> None:
    """Only a percentage has an upper bound."""
    assert parse_limit("max-delete", text) == limit
    with pytest.raises(UsageError, match="--max-delete 101%: more than 100 %; write --max-delete 100%"):
        parse_limit("max-delete", "101%")


@pytest.mark.parametrize("glob", ["https://a.example", "a.example:443", "a b"])
def test_a_host_that_no_server_can_have_is_an_error(glob: str) -> None:
    """It would silently allow nothing."""
    with pytest.raises(UsageError, match="source-hosts"):
        Options(source_hosts=["b.example", glob])
    assert Options(source_hosts=["*.example", "::1"]).source_hosts == ["*.example", "::1"]
