"""Completion at Tab: what is offered, by the protocol of each shell and in the shells themselves."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MANIFEST = """
version: 1
catalog: base
targets: {eu: {cloud: eu-prod}, us: {cloud: us-prod}}
defaults: {disk_format: raw, container_format: bare}
images: {ubuntu: {source: none}, debian: {source: none}}
"""
CLOUDS = "clouds: {eu-prod: {auth: {auth_url: http://127.0.0.1:1}}, us-prod: {auth: {auth_url: http://127.0.0.1:1}}}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A manifest in images/, a clouds.yaml, and the command as bin/imagesync."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images/base.yaml").write_text(MANIFEST)
    (tmp_path / ".openstack").mkdir()
    (tmp_path / ".openstack/clouds.yaml").write_text(CLOUDS)
    command = tmp_path / "bin/imagesync"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m imagesync "$@"\n')
    command.chmod(0o755)
    return tmp_path


def environment(folder: Path, **more: str) -> dict[str, str]:
    """What a shell has: the command on its path, and a file of clouds."""
    return {
        "PATH": f"{folder}/bin:{os.environ['PATH']}",
        "HOME": str(folder),
        "TERM": "dumb",
        "PYTHONPATH": str(ROOT),
        "OS_CLIENT_CONFIG_FILE": str(folder / ".openstack/clouds.yaml"),
        "TMPDIR": str(folder),
        **more,
    }


def offer(folder: Path, line: str) -> list[str]:
    """The words that are offered at the end of a line, as fish asks for them."""
    env = environment(
        folder,
        _IMAGESYNC_COMPLETE="complete_fish",
        _TYPER_COMPLETE_FISH_ACTION="get-args",
        _TYPER_COMPLETE_ARGS=line,
    )
    done = subprocess.run(["imagesync"], env=env, cwd=folder, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return [word.partition("\t")[0] for word in done.stdout.splitlines() if word]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("imagesync ro", ["rollback"]),
        ("imagesync plan images --targ", ["--target"]),
        ("imagesync plan images --target ", ["eu", "us"]),
        ("imagesync apply images --target e", ["eu"]),
        ("imagesync validate images --target ", ["eu", "us"]),
        ("imagesync plan images --only u", ["ubuntu"]),
        ("imagesync apply images --discard-staged ", ["debian", "ubuntu"]),
        ("imagesync plan images --cloud ", ["eu-prod", "us-prod"]),
        ("imagesync list --cloud u", ["us-prod"]),
        ("imagesync plan --format ", ["text", "json", "markdown", "html", "junit"]),
        ("imagesync drift --format ", ["text", "json", "markdown", "html"]),
        ("imagesync schema d", ["doctor", "drift", "drifts"]),
        ("imagesync plan images --set ", []),
        ("imagesync report ", ["merge", "comment", "issue", "reviewed"]),
        ("imagesync report me", ["merge"]),
        ("imagesync report comment plan.md --for", ["--forge"]),
        ("imagesync report comment plan.md --forge ", ["github", "gitlab"]),
        ("imagesync report merge a.json --format ", ["text", "json", "markdown", "html", "junit"]),
    ],
)
def test_what_is_offered(folder: Path, line: str, words: list[str]) -> None:
    """Commands, options, targets, keys, clouds and choices."""
    assert offer(folder, line) == words


def test_keys_are_offered_from_the_working_directory(folder: Path) -> None:
    """``rollback KEY`` comes before the path."""
    (folder / "images/base.yaml").rename(folder / "base.yaml")
    assert offer(folder, "imagesync rollback ") == ["debian", "ubuntu"]


@pytest.mark.parametrize("text", [None, "images: [", "version: 1\ncatalog: x\nimages: {a: {no: 1}}"])
def test_a_manifest_that_does_not_load_offers_nothing_and_says_nothing(folder: Path, text: str | None) -> None:
    """It prints nothing and writes no bug log."""
    path = folder / "images/base.yaml"
    path.unlink() if text is None else path.write_text(text)
    assert offer(folder, "imagesync plan images --target ") == []
    assert list(folder.glob("imagesync-*.log")) == []


def test_a_clouds_yaml_that_does_not_load_offers_nothing(folder: Path) -> None:
    """Whatever its shape."""
    for text in ("clouds: [1]", "clouds: {", "3"):
        (folder / ".openstack/clouds.yaml").write_text(text)
        assert offer(folder, "imagesync plan images --cloud ") == []


def test_an_interruption_while_the_shell_waits_says_nothing(folder: Path) -> None:
    """^C while the user types a line prints nothing."""
    clouds = folder / ".openstack/clouds.yaml"
    clouds.unlink()
    os.mkfifo(clouds)
    line = {"_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_ARGS": "imagesync list --cloud "}
    env = environment(folder, _IMAGESYNC_COMPLETE="complete_fish", **line)
    pipe = subprocess.PIPE
    process = subprocess.Popen(["imagesync"], env=env, cwd=folder, stdout=pipe, stderr=pipe, text=True)
    with process, clouds.open("w"):  # the command has opened it by then, and waits for its content
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")


BASH = """
eval "$(_IMAGESYNC_COMPLETE=source_bash imagesync)"
COMP_WORDS=(imagesync plan images --target ""); COMP_CWORD=4
_imagesync_completion imagesync
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = """
_IMAGESYNC_COMPLETE=source_fish imagesync | source
complete -C 'imagesync plan images --target '
"""
ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=; unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -u -D'
zpty -w shell 'eval "$(_IMAGESYNC_COMPLETE=source_zsh imagesync)"; print RE""ADY'
zpty -r -m shell seen '*READY*'
zpty -w -n shell $'imagesync plan images --target e\\t'
zpty -r -m shell seen '*--target eu*'
print -r -- eu
zpty -d shell
"""


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        (["bash", "--norc", "-c", BASH], ["eu", "us"]),
        pytest.param(["fish", "--no-config", "-c", FISH], ["eu", "us"], marks=pytest.mark.shells),
        pytest.param(["zsh", "-f", "-c", ZSH], ["eu"], marks=pytest.mark.shells),
    ],
    ids=["bash", "fish", "zsh"],
)
def test_the_shell_itself_completes_a_target(folder: Path, shell: list[str], words: list[str]) -> None:
    """The script that --show-completion prints, in a real shell. --shells runs fish and zsh, too."""
    assert shutil.which(shell[0]), f"{shell[0]} is not installed"
    done = subprocess.run(
        shell, env=environment(folder), cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.split() == words, done.stderr
    assert list(folder.glob("imagesync-*.log")) == []
