"""Secrets in files that are given, linked or named as manifests: no part of one is printed, whatever else is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.ci_logs import pick_kinds
from tests.command import minimal_environment
from tests.secret_files import FILES, PASSWORD, TOKEN_FILES, TOKENS, find_leaks
from tests.wrong_manifests import wrong_manifests


def run_without_leak(folder: Path, secrets: tuple[str, ...], *words: str) -> str:
    """What ``imagesync WORDS`` prints: an error, in which no 12 characters of a secret follow each other."""
    env = minimal_environment(XDG_CACHE_HOME=str(folder / "cache"), HOME=str(folder))
    result = forked.run(*words, folder=folder, env=env, code=None)
    assert result.code in (1, 64), result
    assert find_leaks(result.output, secrets) == [], (words, result.output)
    assert result.stderr or "Error: " in result.stdout or json.loads(result.stdout)["problems"]
    return result.output


@pytest.mark.parametrize("kind", FILES)
def test_a_file_with_secrets_is_not_quoted(tmp_path: Path, kind: str) -> None:
    """Given as the manifest, found as a link, and as a saved plan; a place in it is named all the same."""
    text, secrets = FILES[kind]
    (tmp_path / "token").write_text(text)
    (tmp_path / "token.json").write_text(text)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "base.yaml").symlink_to("../token")
    (tmp_path / "images" / "copy.yaml").write_text(text)
    output = run_without_leak(tmp_path, secrets, "validate", "token")
    assert "token:" in output
    for words in (
        ("validate", "token", "--format", "json"),
        ("plan", "images", "--store", "store"),
        ("show", "token.json"),
        ("list", "--cloud", "prod", "--clouds-file", "token"),
    ):
        run_without_leak(tmp_path, secrets, *words)


def test_files_with_tokens_are_not_quoted(tmp_path: Path) -> None:
    """A token alone, as a value and as a key, of every kind; each file has its problem."""
    secrets = tuple(token for _, tokens in TOKEN_FILES.values() for token in tokens)
    for number, (text, _) in enumerate(TOKEN_FILES.values()):
        (tmp_path / f"{number:03}.yaml").write_text(text)
    output = run_without_leak(tmp_path, secrets, "validate", ".")
    assert all(f"{number:03}.yaml:" in output for number in range(len(TOKENS)))
    found = json.loads(run_without_leak(tmp_path, secrets, "validate", ".", "--format", "json"))["problems"]
    assert {problem["file"] for problem in found} == {f"{number:03}.yaml" for number in range(len(TOKEN_FILES))}


def test_files_with_secrets_are_not_quoted_as_sources(tmp_path: Path) -> None:
    """As an image, a keyring, by a link, and as a folder that they are not."""
    signed: dict[str, Any] = {"checksum_url": "http://127.0.0.1:1/x", "signature": {"url": "http://127.0.0.1:1/y"}}
    images: dict[str, Any] = {}
    for number, (text, _) in enumerate(FILES.values()):
        (tmp_path / f"{number}").write_text(text)
        (tmp_path / f"link-{number}").symlink_to(str(number))
        signature = {**signed["signature"], "keyring": f"link-{number}"}
        images[f"a{number}"] = {"source": {"path": f"link-{number}", **signed, "signature": signature}}
        images[f"b{number}"] = {"source": f"link-{number}/x"}
        images[f"c{number}"] = {"source": f"{number}", "disk_format": "qcow2", "container_format": "bare"}
    (tmp_path / "base.yaml").write_text(json.dumps({"version": 1, "catalog": "base", "images": images}))
    secrets = tuple(secret for _, secrets in FILES.values() for secret in secrets)
    run_without_leak(tmp_path, secrets, "plan", "base.yaml", "--store", "store")
    for words in ((), ("--no-source-check",)):
        run_without_leak(tmp_path, secrets, "apply", "base.yaml", "--store", "store", "--yes", "--only", "c*", *words)


@pytest.mark.parametrize("kind", pick_kinds(TOKENS, ("GitHub", "AWS secret", "JWT", "crypt")))
def test_a_token_is_not_quoted_wherever_it_is_in_a_manifest(tmp_path: Path, kind: str) -> None:
    """As a value and as a key of everything, in text and JSON."""
    token = TOKENS[kind]
    for document in wrong_manifests(token):
        (tmp_path / "base.yaml").write_text(json.dumps({"version": 1, "catalog": "base", **document}))
        for words in (("validate", "--format", "json"), ("plan", "--store", "store")):
            run_without_leak(tmp_path, (token,), *words)


@pytest.mark.parametrize("name", ["password", "OS_PASSWORD", "client-secret", "apiToken", "admin_pass", "auth"])
def test_a_value_whose_key_calls_it_a_secret_is_not_quoted(tmp_path: Path, name: str) -> None:
    """At the top, in an image, in its properties and in a list within them."""
    images: dict[str, Any] = {
        "a": {
            name: PASSWORD,
            "properties": {name: [PASSWORD]},
            "tags": {name: PASSWORD},
            "source": {name: {"x": PASSWORD}},
        }
    }
    images[name.lower()] = PASSWORD
    parts = {part: {name: PASSWORD} for part in ("targets", "profiles", "removed")}
    document = {
        "version": 1,
        "catalog": "base",
        name: PASSWORD,
        "images": images,
        "values": {name: [PASSWORD]},
        **parts,
    }
    (tmp_path / "base.yaml").write_text(json.dumps(document))
    output = run_without_leak(tmp_path, (PASSWORD,), "validate")
    assert f"images.a.properties.{name}: a list is not text" in output
    assert f"targets.{name}: this text is not a mapping" in output


def test_what_is_wrong_is_shown_up_to_80_characters(tmp_path: Path) -> None:
    """A long value that is not a secret is cut, and its beginning says which it is."""
    long = "a long value that is shown to anybody " * 20
    (tmp_path / "base.yaml").write_text(
        json.dumps({"version": 1, "catalog": "base", "images": {"a": {"protected": long}}})
    )
    output = run_without_leak(tmp_path, (), "validate")
    assert f"images.a.protected: '{long[:78]}… is not true or false" in output
