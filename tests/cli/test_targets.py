"""The place of a run: which target's overlay it gets, and where it is named."""

import json
from pathlib import Path

import pytest

from tests import command
from tests.command import minimal_environment
from tests.forked import run

MANIFEST = """\
version: 1
catalog: base
default_target: lab
targets:
  lab: {store: lab-store, images: {a: {name: Lab, visibility: public}}}
  prod: {cloud: alice}
images: {a: {source: none}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A manifest of two targets."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    return tmp_path


@pytest.mark.parametrize(
    ("variables", "cloud"),
    [
        ({"OS_CLOUD": "bob"}, "bob"),
        ({"OS_AUTH_URL": "http://127.0.0.1:9/v3"}, "envvars"),
        ({"OS_ENDPOINT": "http://127.0.0.1:9"}, "envvars"),
    ],
)
@pytest.mark.parametrize("verb", ["plan", "apply", "adopt", "unlock"])
def test_a_cloud_of_the_environment_never_gets_the_overlay_of_another_target(
    folder: Path, verb: str, variables: dict[str, str], cloud: str
) -> None:
    """Nothing is opened, and the message has the ways on."""
    output = run(verb, "m.yaml", folder=folder, env=minimal_environment(**variables), code=64).stderr
    assert f"selects cloud {cloud}, which no target of the manifest names; pass --target NAME (lab, prod), or" in output
    assert f"--cloud {cloud} for that cloud without the overlay of any target" in output


def test_a_cloud_of_the_environment_selects_its_target(folder: Path) -> None:
    """Not default_target."""
    output = run("plan", "m.yaml", folder=folder, env=minimal_environment(OS_CLOUD="alice"), code=64).stderr
    assert "cloud alice is not defined" in output


def test_a_store_that_no_target_names_has_no_overlay(folder: Path) -> None:
    """In an earlier version it got the overlay of default_target."""
    run("apply", "m.yaml", "--store", "other", "--yes", folder=folder)
    (image,) = json.loads(run("list", "--store", "other", "--format", "json", folder=folder).stdout)
    assert (image["name"], image["visibility"]) == ("a", "private")
    run("apply", "m.yaml", "--store", "lab-store", "--yes", folder=folder)
    (image,) = json.loads(run("list", "--store", "lab-store", "--format", "json", folder=folder).stdout)
    assert (image["name"], image["visibility"]) == ("Lab", "public")


@pytest.mark.parametrize("words", [("--target", "lab", "--store", "s"), ("--target", "lab", "--cloud", "c")])
@pytest.mark.parametrize("verb", ["plan", "apply", "adopt", "unlock"])
def test_options_that_select_two_places_are_refused(folder: Path, verb: str, words: tuple[str, ...]) -> None:
    """In an earlier version the first one won."""
    assert "exclude each other" in run(verb, "m.yaml", *words, folder=folder, code=64).stderr


@pytest.mark.parametrize("words", [("list",), ("export",), ("plan", "m.yaml"), ("apply", "plan.json")])
def test_a_cloud_and_a_store_exclude_each_other(folder: Path, words: tuple[str, ...]) -> None:
    """In every command that takes both."""
    output = run(*words, "--store", "s", "--cloud", "c", folder=folder, code=64).stderr
    assert "--cloud and --store exclude each other" in output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--target", "prod"), "--target prod: the plan was made for target lab; make a plan for that place"),
        (("--only", "a"), "--only cannot change a saved plan; pass it to plan"),
        (("--drift-only",), "--drift-only cannot change a saved plan"),
        (("--reactivate",), "--reactivate cannot change a saved plan"),
        (("--no-source-check",), "--no-source-check cannot change a saved plan"),
        (("--strict",), "--strict cannot change a saved plan"),
        (("--stage",), "--stage cannot change a saved plan"),
        (
            ("--store", "other"),
            "--store other: the plan was made for target lab (store lab-store); make a plan for that place",
        ),
        (
            ("--cloud", "other"),
            "--cloud other: the plan was made for target lab (store lab-store); make a plan for that place",
        ),
        (("--set", "x=1"), "--set has no effect on this saved plan, because no manifest is read; remove it"),
    ],
)
def test_a_saved_plan_takes_no_option_that_would_make_another(
    folder: Path, words: tuple[str, ...], message: str
) -> None:
    """It is applied as it is; the target that it was made for may be named."""
    run("plan", "m.yaml", "-o", "plan.json", folder=folder)
    assert message in run("apply", "plan.json", "--yes", *words, folder=folder, code=64).stderr
    assert not (folder / "other").exists()
    assert "Applied: 1 created" in run("apply", "plan.json", "--yes", "--target", "lab", folder=folder).stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--target", "prod"), "--target prod: the plan was made for target lab"),
        (("--store", "other"), "--store other: the plan was made for target lab (store lab-store)"),
        (("--set", "x=1"), "--set has no effect on this saved plan"),
    ],
)
def test_unlock_breaks_only_the_lease_of_the_place_of_a_saved_plan(
    folder: Path, words: tuple[str, ...], message: str
) -> None:
    """An earlier version ignored ``--target`` and ``--set`` and created another store."""
    run("plan", "m.yaml", "-o", "plan.json", folder=folder)
    run("apply", "m.yaml", "--yes", folder=folder)
    assert message in run("unlock", "plan.json", "--yes", *words, folder=folder, code=64).stderr
    assert not (folder / "other").exists()
    assert "is free" in run("unlock", "plan.json", "--yes", "--store", "lab-store", folder=folder).stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--stage", "--reactivate"),
            "--reactivate has no effect with --stage, which changes no published image",
        ),
        (
            ("--discard-staged", "--destroy"),
            "--destroy has no effect with --discard-staged, which removes no published",
        ),
        (
            ("--drift-only", "--max-delete", "3"),
            "--max-delete has no effect with --drift-only, which removes no published",
        ),
        (("--stage", "--allow-protected"), "--allow-protected has no effect with --stage, which removes no published"),
        (("--quiet", "--detail"), "--detail has no effect, because --quiet with --yes prints no plan; remove --detail"),
        (("--max-delete", "101%"), "--max-delete 101%: more than 100 %; write --max-delete 100%"),
        (("--max-update", "1" * 5000), "not a number or a percentage; write --max-update 9"),
        (
            ("--source-hosts", "https://x.org"),
            "--source-hosts https://x.org: not a host or a glob of hosts; write",
        ),
        (
            ("--source-hosts", "x.org:443"),
            "--source-hosts x.org:443: not a host or a glob of hosts; write only the host",
        ),
        (("--only", "{region}"), "--only {region}: no such key; the catalog has: a"),
        (("--set", "=1"), "--set =1: not NAME=VALUE; write --set name=value"),
        (("--discard-staged", ""), "--discard-staged is empty; pass a value, or remove it"),
    ],
)
def test_options_without_effect_are_refused(folder: Path, words: tuple[str, ...], message: str) -> None:
    """An earlier version ignored them, or named another option."""
    assert message in run("apply", "m.yaml", "--yes", *words, folder=folder, code=64).stderr
    assert not (folder / "lab-store").exists()


def test_force_without_a_file_is_refused(folder: Path) -> None:
    """Standard output replaces no file."""
    run("apply", "m.yaml", "--yes", folder=folder)
    for words in ((), ("--out", "-")):
        output = run("export", "--store", "lab-store", "--force", *words, folder=folder, code=64).stderr
        assert "--force has no effect without --out FILE; add --out FILE" in output


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (
            "store: 'x/{region}'",
            "targets.t.store: {region} is not a placeholder without a $; write ${region} for a value",
        ),
        ("cloud: '{}'", "targets.t.cloud: {} is not a placeholder without a $; write ${NAME}"),
        ("store: '${region}'", "targets.t.store: ${region} is not defined; define it under values"),
        ("cloud: '${}'", "targets.t.cloud: ${} is not defined"),
        ("store: '${'", "targets.t.store: ${ is not closed; close it with }"),
    ],
)
def test_a_place_with_a_wrong_placeholder_is_refused(folder: Path, place: str, message: str) -> None:
    """A folder ``{region}`` was made; ``${region}`` beside default_target ended as a bug."""
    text = f"version: 1\ncatalog: c\ndefault_target: t\ntargets: {{t: {{{place}}}}}\nimages: {{a: {{source: none}}}}\n"
    (folder / "m.yaml").write_text(text)
    for verb in ("validate", "plan"):
        assert "m.yaml:4:" in run(verb, "m.yaml", folder=folder, code=1).stderr
        assert message in run(verb, "m.yaml", folder=folder, code=1).stderr
    assert [path.name for path in folder.iterdir()] == ["m.yaml"]


def test_heading_question_report_plan_and_events_name_target_and_place(folder: Path) -> None:
    """A person reads them in a terminal, another program elsewhere."""
    env = minimal_environment()
    words = ("apply", "m.yaml", "--out", "report.json", "--events", "events.jsonl")
    done = command.run(*words, folder=folder, env=env, typed="y\n")
    assert done.stdout.startswith("Catalog base on target lab (store lab-store): ")
    assert "Apply 1 step to target lab (store lab-store)? [y/N]" in done.stderr
    report = json.loads((folder / "report.json").read_text())["target"]
    assert (report["name"], report["kind"], report["label"]) == ("lab", "store", "lab-store")
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert ({line["target"] for line in lines}, lines[0]["place"]["label"]) == ({"lab"}, "lab-store")
    plan = json.loads(run("plan", "m.yaml", "--format", "json", folder=folder).stdout)
    assert (plan["manifest"]["target"], plan["target"]["label"]) == ("lab", "lab-store")


@pytest.mark.parametrize(
    "option", ["--store", "--cloud", "--target", "--out", "--log-file", "--source-hosts", "--only", "--set"]
)
def test_an_empty_option_is_refused(folder: Path, option: str) -> None:
    """``--store "$UNSET"`` was a store in the working directory, beside the manifest."""
    output = run("plan", "m.yaml", option, "", folder=folder, code=64).stderr
    assert f"imagesync: {option} is empty; pass a value, or remove it" in output
    assert [path.name for path in folder.iterdir()] == ["m.yaml"]


@pytest.mark.parametrize(("option", "code"), [("--detail", 64), ("--summary", 64), ("--no-color", 0)])
def test_json_has_one_amount_of_detail(folder: Path, option: str, code: int) -> None:
    """An option that would change nothing is refused; an apply shows its plan as text all the same."""
    run("plan", "m.yaml", "-o", "plan.json", folder=folder)
    for words in (("plan", "m.yaml"), ("show", "plan.json")):
        output = run(*words, "--format", "json", option, folder=folder, code=code).stderr
        assert (f"{option} has no effect on --format json" in output) is (code == 64)
    done = run("apply", "m.yaml", "--yes", "--format", "json", option, folder=folder)
    assert json.loads(done.stdout)["succeeded"]


def test_events_name_the_place_if_no_target_is_named(folder: Path) -> None:
    """Lines of several runs can be distinguished."""
    run("apply", "m.yaml", "--yes", "--store", "other", "--events", "events", folder=folder)
    lines = [json.loads(line) for line in (folder / "events").read_text().splitlines()]
    assert {line["target"] for line in lines} == {"store other"}


@pytest.mark.parametrize("verb", ["validate", "plan"])
def test_a_target_that_the_manifest_does_not_have_is_refused(folder: Path, verb: str) -> None:
    """``validate`` ended as a bug of its own."""
    output = run(verb, "m.yaml", "--target", "prid", folder=folder, code=64).stderr
    assert "imagesync: m.yaml:4:1: targets: there is no target 'prid'; did you mean prod?" in output


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "m.yaml", "-o", "m.yaml"),
        ("plan", "m.yaml", "--log-file", "m.yaml"),
        ("list", "--store", "lab-store", "--log-file", "lab-store/store.db"),
        ("plan", "m.yaml", "-o", "p.json", "--ids", "p.json"),
        ("apply", "m.yaml", "--yes", "-o", "r.json", "--events", "./r.json"),
    ],
)
def test_a_result_replaces_no_manifest_no_store_and_no_other_result(folder: Path, words: tuple[str, ...]) -> None:
    """Refused before anything is opened."""
    run("apply", "m.yaml", "--yes", folder=folder)
    before = {path: path.read_bytes() for path in (folder / "m.yaml", folder / "lab-store" / "store.db")}
    output = run(*words, folder=folder, code=64).stderr
    assert "has the suffix of a manifest or of a store's database" in output or "two results" in output
    assert {path: path.read_bytes() for path in before} == before
    assert not (folder / "p.json").exists()
    assert not (folder / "r.json").exists()


@pytest.mark.parametrize(
    ("clouds", "expected"),
    [
        (
            "clouds: {alcie: {}, bob: {}}\n",
            "m.yaml:6:10: targets.prod.cloud: cloud alice is not defined in c.yaml; "
            "did you mean alcie? c.yaml has these clouds: alcie, bob",
        ),
        (
            "clouds: {eu: {}}\n",
            "m.yaml:6:10: targets.prod.cloud: cloud alice is not defined in c.yaml; "
            "correct the name, or add the cloud; c.yaml has these clouds: eu",
        ),
    ],
)
@pytest.mark.parametrize("words", [("--target", "prod"), ("--cloud", "alice")])
def test_an_undefined_cloud_of_a_target_is_refused_with_its_place(
    folder: Path, words: tuple[str, str], clouds: str, expected: str
) -> None:
    """The message advised to set variables, which this target does not use."""
    (folder / "c.yaml").write_text(clouds)
    output = run("plan", "m.yaml", *words, "--clouds-file", "c.yaml", folder=folder, code=64).stderr
    assert output == f"imagesync: {expected}\n"


def test_without_clouds_the_message_names_the_files_that_a_cloud_may_be_in(folder: Path) -> None:
    """Variables are advised only where they have an effect: for the cloud envvars."""
    env = minimal_environment(HOME=str(folder), XDG_CONFIG_DIRS=str(folder))
    for cloud, has_variables in (("alice", False), ("envvars", True)):
        output = command.run("plan", "m.yaml", "--cloud", cloud, folder=folder, env=env, code=64).stderr
        assert f"cloud {cloud} is not defined, because no clouds.yaml exists; write" in output
        assert "~/.config/openstack or /etc/openstack" in output
        assert ("OS_*" in output) == has_variables


def test_no_target_selected_lists_the_targets(folder: Path) -> None:
    """A wrong default_target is a problem of the manifest, with its place."""
    manifest = folder / "m.yaml"
    manifest.write_text(MANIFEST.replace("default_target: lab\n", ""))
    output = run("plan", "m.yaml", folder=folder, code=64).stderr
    assert (
        "no target selected; pass --target NAME (lab, prod), or set default_target in the manifest; "
        "plan, apply and drift also take --all-targets" in output
    )
    manifest.write_text(MANIFEST.replace("default_target: lab", "default_target: lbb"))
    output = run("plan", "m.yaml", folder=folder, code=1).stderr
    assert "m.yaml:3:1: default_target: there is no target 'lbb'; did you mean lab?" in output


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("plan",), "print it with: imagesync show plan.json"),
        (("validate",), "print it with: imagesync show plan.json"),
        (("adopt",), "apply it with: imagesync apply plan.json"),
        (("rollback", "a"), "pass the path of the manifests instead"),
    ],
)
def test_a_saved_plan_in_place_of_manifests_is_refused(folder: Path, words: tuple[str, ...], hint: str) -> None:
    """``validate`` reported the members of its JSON as unknown keys."""
    run("plan", "m.yaml", "-o", "plan.json", folder=folder)
    output = run(*words, "plan.json", folder=folder, code=64).stderr
    assert output == f"imagesync: plan.json is a saved plan; {hint}\n"
