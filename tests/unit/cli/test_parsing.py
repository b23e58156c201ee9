"""What every command has in common on its command line."""

import json
from pathlib import Path

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


@pytest.mark.parametrize(
    ("words", "marker", "heading"),
    [
        (("plan", "none", "--target", "eu"), "- eu", "imagesync plan failed on eu"),
        (("plan", "none", "--target", "eu", "--target", "us"), "- *", "imagesync plan failed on several targets"),
        (("apply", "none", "--all-targets"), "- *", "imagesync apply failed on several targets"),
        (("drift", "none", "--cloud", "c"), "- c", "imagesync drift failed on c"),
        (("plan", "none", "--store", "a/b"), "- a%2Fb", "imagesync plan failed on `a/b`"),
        (("show", "none.json"), "- -", "imagesync show failed"),
        (("rollback", "a", "none", "--target", "eu"), "- eu", "imagesync rollback failed on eu"),
        (("adopt", "none"), "- -", "imagesync adopt failed"),
    ],
)
def test_an_error_is_a_comment_of_the_place_that_the_words_name(
    tmp_path: Path, words: tuple[str, ...], marker: str, heading: str
) -> None:
    """A pipeline replaces its comment with it. A line on standard error has it, too."""
    code = 64 if words[0] == "show" else 1
    done = run(*words, "--format", "markdown", folder=tmp_path, code=code)
    assert done.stdout.splitlines()[:4] == [f"<!-- imagesync {marker} -->", "", heading, "-----"]
    assert done.stderr.startswith("imagesync: none.json" if code == 64 else "none: no such file or folder")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ids", "none"), "no such file or folder"),
        (("targets", "none"), "no such file or folder"),
        (("doctor", "--cloud", "a", "--store", "b"), "--cloud and --store exclude each other: each selects a place"),
        (("list", "--store", "none"), "store none does not exist"),
        (("report", "merge", "none.json"), "none.json cannot be read: No such file or directory"),
    ],
)
def test_an_error_is_json_if_the_output_is(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    """Of a group of commands, the group is named. Formats that have no errors, and text, get nothing."""
    for form in ("json", *{"ids": ("yaml", "text"), "list": ("csv", "html", "yaml")}.get(words[0], ("text",))):
        done = run(*words, "--format", form, folder=tmp_path, code=None)
        if form == "json":
            document = json.loads(done.stdout)
            assert (document["command"], document["errors"][0]["message"]) == (words[0], message)
        else:
            assert done.stdout == ""
        assert message in done.stderr
        assert done.code in (1, 64)


def test_an_empty_value_names_its_option(tmp_path: Path) -> None:
    """By its long word, or the argument by its name; one of several values counts, too."""
    for words, message in (
        (("plan", "-o", ""), "--out is empty; pass a value, or remove it"),
        (("plan", "--only", "a", "--only", ""), "--only is empty; pass a value, or remove it"),
        (("show", ""), "PLAN.json|KEY is empty; pass a value"),
        (("report", "merge", "a.json", ""), "FILE is empty; pass a value"),
        (("plan", "--set", "a=", "--target", ""), "--target is empty; pass a value, or remove it"),
    ):
        assert run(*words, folder=tmp_path, code=64).output == f"imagesync: {message}\n"


def test_each_option_is_found_by_any_of_its_words() -> None:
    """One that no topic has is among the last ones."""
    assert find_topic(["-o", "--out"]) == "Results"
    assert find_topic(["--target"]) == "Target"
    assert find_topic(["--help", "-h"]) == find_topic([]) == OTHER == "Options"
    words = [word for words in TOPICS.values() for word in words.split()]
    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("words", "marker", "command"),
    [
        (("plan", "none", "--all-targets", "--store", "s"), "- *", "plan"),
        (("apply", "none", "--target", "a", "--target", "b", "--cloud", "c"), "- *", "apply"),
        (("plan", "none", "--target", "eu", "--tls", "x"), "- eu", "plan"),
        (("plan", "none", "--cloud", "c", "--tls", "x"), "- c", "plan"),
        (("drift", "none", "--store", "s", "--parallel-targets", "2"), "- s", "drift"),
        (("show", "web", "none", "--cloud", "c", "--detail", "--summary"), "- c", "show"),
        (("rollback", "a", "none", "--target", "eu", "-q", "-v"), "- eu", "rollback"),
    ],
)
def test_an_error_before_the_work_is_a_comment_too(
    tmp_path: Path, words: tuple[str, ...], marker: str, command: str
) -> None:
    """Of options that contradict each other; with the same marker as later errors."""
    done = run(*words, "--format", "markdown", folder=tmp_path, code=64)
    lines = done.stdout.splitlines()
    assert lines[0] == f"<!-- imagesync {marker} -->"
    assert lines[2].startswith(f"imagesync {command} failed on ")
    assert len(done.stderr.splitlines()) == 1
