"""What the options of the command line become: the place, the limits, the rules for sources, the wait for the lease."""

from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from imagesync.cli.options import (
    MAX_LIMIT_DIGITS,
    Ids,
    Locking,
    Options,
    check_host,
    fill_optional_values,
    make_command,
    parse_limit,
    parse_pairs,
    with_options,
    without_options,
)
from imagesync.errors import UsageError
from imagesync.lease import LOCK_TIMEOUT
from imagesync.model.policy import Limit, Policy


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["apply", "--discard-staged"], ["apply", "--discard-staged=*"]),
        (["apply", "--discard-staged", "--yes"], ["apply", "--discard-staged=*", "--yes"]),
        (["apply", "--discard-staged", "-y"], ["apply", "--discard-staged=*", "-y"]),
        (["apply", "--discard-staged", "web"], ["apply", "--discard-staged", "web"]),
        (["apply", "--discard-staged=web", "--yes"], ["apply", "--discard-staged=web", "--yes"]),
        (["apply", "--stage", "--yes"], ["apply", "--stage", "--yes"]),
        ([], []),
    ],
)
def test_discard_staged_without_a_key_means_every_key(words: list[str], expected: list[str]) -> None:
    """At the end of the line, or before another option; no other option gets a value."""
    assert fill_optional_values(words) == expected


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        (None, None),
        ("0", Limit(0, percent=False)),
        ("9", Limit(9, percent=False)),
        ("9" * MAX_LIMIT_DIGITS, Limit(999_999_999, percent=False)),
        ("0%", Limit(0, percent=True)),
        ("30%", Limit(30, percent=True)),
        ("30 %", Limit(30, percent=True)),
        ("100%", Limit(100, percent=True)),
    ],
)
def test_a_limit_is_a_number_or_a_percentage(text: str | None, limit: Limit | None) -> None:
    """A number has no upper limit but its digits."""
    assert parse_limit("max-delete", text) == limit


@pytest.mark.parametrize("text", ["", "%", "-1", "1.5", "a", "9%%", "٣", "9" * (MAX_LIMIT_DIGITS + 1), "101%"])
def test_another_limit_is_refused(text: str) -> None:
    """The message names the option, and what to write."""
    with pytest.raises(UsageError, match="--max-delete") as caught:
        parse_limit("max-delete", text)
    assert "--max-delete" in caught.value.hint


@pytest.mark.parametrize("name", ["max_delete", "max_update"])
def test_a_wrong_limit_is_refused_before_anything_happens(name: str) -> None:
    """Each of both options names itself."""
    with pytest.raises(UsageError, match=f"^--{name.replace('_', '-')} x: "):
        Options(**dict[str, Any]({name: "x"}))


def test_pairs_are_split_at_the_first_equals_sign() -> None:
    """A value may be empty."""
    assert parse_pairs(["a=b=c", "d="]) == {"a": "b=c", "d": ""}
    assert parse_pairs([]) == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [(["a"], "--set a: not NAME=VALUE"), (["=b"], "--set =b: not NAME=VALUE"), (["a=1", "a=1"], "is given twice")],
)
def test_a_wrong_pair_is_refused(given: list[str], message: str) -> None:
    """Also the same pair twice."""
    with pytest.raises(UsageError, match=message):
        parse_pairs(given)


@pytest.mark.parametrize("glob", ["example.org", "*.example.org", "10.0.0.?", "::1", "fe80::1", "*"])
def test_a_host_is_accepted(glob: str) -> None:
    """An IPv6 address has several colons."""
    check_host(glob)
    assert Options(source_hosts=[glob]).make_access().hosts == (glob,)


@pytest.mark.parametrize("glob", ["https://x", "x/y", "user@x", "x:443", "a b", "a\\b", "a\tb"])
def test_a_value_that_no_host_can_match_is_refused(glob: str) -> None:
    """Also if it is not the first."""
    with pytest.raises(UsageError, match="--source-hosts"):
        Options(source_hosts=["example.org", glob])


def test_the_rules_for_sources_are_those_of_the_options() -> None:
    """The rate is in KiB a second; the default asks sources and gives up a mirror below 64 KiB/s."""
    usual = Options().make_access()
    assert (usual.hosts, usual.min_rate, usual.asks_sources) == ((), 65536, True)
    other = Options(source_hosts=["a", "b"], min_source_rate=3, no_source_check=True).make_access()
    assert (other.hosts, other.min_rate, other.asks_sources) == (("a", "b"), 3072, False)
    assert Options(min_source_rate=0).make_access().min_rate == 0


@pytest.mark.parametrize("given", [("target", "cloud"), ("target", "store"), ("cloud", "store")])
def test_two_options_that_select_a_place_exclude_each_other(given: tuple[str, str]) -> None:
    """Whichever they are."""
    values: dict[str, Any] = {"target": "eu", "cloud": "west", "store": Path("store")}
    with pytest.raises(UsageError, match=f"--{given[0]} and --{given[1]} exclude each other"):
        Options(**{name: values[name] for name in given})


def test_the_choice_of_the_place_has_every_option() -> None:
    """And the cloud of the environment."""
    assert Options(target="eu").make_choice("west").target == "eu"
    assert Options(cloud="eu").make_choice(None).cloud == "eu"
    assert Options(store=Path("eu")).make_choice(None).store == "eu"
    assert Options().make_choice("west").environment == "west"
    assert Options().make_choice("west").store is None


def test_only_a_cloud_or_a_store_takes_the_place_of_that_of_a_saved_plan() -> None:
    """A target is a name in the manifest."""
    found = [one.names_target for one in (Options(), Options(target="a"), Options(cloud="a"), Options(store=Path("a")))]
    assert found == [False, False, True, True]


def test_the_policy_is_that_of_the_manifest_with_the_limits_of_the_command_line() -> None:
    """A permission is never taken from the manifest; a limit of 0 counts."""
    declared = Policy(max_delete=Limit(1), max_update=Limit(2))
    assert Options().policy(declared) == declared
    limited = Options(max_delete="0", max_update="50%").policy(declared)
    assert (limited.max_delete, limited.max_update) == (Limit(0, percent=False), Limit(50, percent=True))
    names = ("allow_protected", "allow_destroy", "reactivate", "drift_only")
    for given, name in zip(("allow_protected", "destroy", "reactivate", "drift_only"), names, strict=True):
        found = Options(**dict[str, Any]({given: True})).policy(declared)
        assert [getattr(found, one) for one in names] == [one == name for one in names]


def test_how_long_a_run_waits_for_the_lease() -> None:
    """0 is a time, too."""
    assert [Locking().seconds, Locking(0).seconds, Locking(2.5).seconds] == [LOCK_TIMEOUT, 0, 2.5]
    for seconds in (0.0, 5.0):
        with pytest.raises(UsageError, match="--lock-timeout has no effect with --no-lock"):
            Locking(seconds, no_lock=True)
    assert Locking(no_lock=True).no_lock


Names = Annotated[list[str], typer.Option("--name")]


def test_a_command_gets_the_fields_of_its_dataclasses_as_options() -> None:
    """Each call has its own lists; fields without an option, and those that are left out, keep their default."""
    got = list[tuple[Any, ...]]()
    app = make_command()

    @app.command()
    @without_options("no_lock", "strict")
    def probe(names: Names = [], *, options: Options, locking: Locking, ids: Ids = None) -> int:  # noqa: B006
        """One."""
        got.append((names, options, locking, ids))
        return 0

    run = CliRunner().invoke
    assert (
        run(app, ["--cloud", "eu", "--set", "a=b", "--jobs", "3", "--lock-timeout", "7", "--ids", "x"]).exit_code == 0
    )
    assert run(app, []).exit_code == 0
    (_, options, locking, ids), (_, usual, other, none) = got
    assert options == Options(cloud="eu", set_values=["a=b"], jobs=3)
    assert (locking, ids) == (Locking(7.0), Path("x"))
    assert (usual, other, none) == (Options(), Locking(), None)
    for word in ("--no-lock", "--strict"):
        assert run(app, [word]).exit_code == 2
    assert run(app, ["-h"]).output == run(app, ["--help"]).output


def test_a_command_without_left_out_options_has_all() -> None:
    """With ``with_options``."""
    got = list[Locking]()
    app = typer.Typer()

    @app.command()
    @with_options
    def probe(*, locking: Locking) -> int:
        """One."""
        got.append(locking)
        return 0

    assert CliRunner().invoke(app, ["--no-lock"]).exit_code == 0
    assert got == [Locking(no_lock=True)]


def test_what_to_write_instead_of_a_wrong_value() -> None:
    """The whole message of each, without control characters."""
    for refuse, message, hint in (
        (lambda: parse_pairs(["a\x1b"]), "--set a\\x1b: not NAME=VALUE", "write --set name=value"),
        (lambda: parse_pairs(["a=1", "b=1", "a="]), "--set a is given twice", "pass it once"),
        (
            lambda: parse_limit("max-delete", "a\x1b"),
            "--max-delete a\\x1b: not a number or a percentage",
            "write --max-delete 9 or --max-delete 30%",
        ),
        (lambda: parse_limit("max-update", "101%"), "--max-update 101%: more than 100 %", "write --max-update 100%"),
        (
            lambda: check_host("a:443"),
            "--source-hosts a:443: not a host or a glob of hosts",
            "write only the host, for example --source-hosts '*.example.org'",
        ),
        (
            lambda: Locking(1, no_lock=True),
            "--lock-timeout has no effect with --no-lock, which takes no lease",
            "pass one of them",
        ),
    ):
        with pytest.raises(UsageError) as caught:
            refuse()
        assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_secret_in_the_place_of_a_host_is_not_shown() -> None:
    """A user gave a URL with a log-in to the option."""
    with pytest.raises(UsageError) as caught:
        check_host("https://me:hunter2@host/")
    assert "hunter2" not in str(caught.value)


def test_the_usual_options() -> None:
    """Without any on the command line: nothing is selected, limited or permitted."""
    usual = Options()
    assert (usual.target, usual.cloud, usual.clouds_file, usual.store, usual.max_delete, usual.max_update) == (
        None,
    ) * 6
    assert (usual.set_values, usual.only, usual.source_hosts, usual.jobs, usual.min_source_rate) == ([], [], [], 8, 64)
    permissions = (usual.allow_protected, usual.destroy, usual.reactivate, usual.drift_only, usual.allow_outside)
    assert (*permissions, usual.no_source_check, usual.strict) == (False,) * 7
    assert LOCK_TIMEOUT == 120
