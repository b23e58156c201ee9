"""What an editor shows at twenty places of a manifest, by the real yaml-language-server."""

import json
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from imagesync.schemas import find_schema
from tests.command import ROOT, run
from tests.editor.install import find_server
from tests.editor.language_server import LanguageServer
from tests.pages import DOCS, read_blocks

pytestmark = pytest.mark.editors

MODELINE: Final = f"# yaml-language-server: $schema={find_schema('manifest').as_uri()}\nversion: 1\n"


class Suggestions(NamedTuple):
    """A place with suggestions: the mark ``|`` is the cursor; each label has these words in its documentation."""

    text: str
    expected: dict[str, str]
    absent: tuple[str, ...] = ()
    is_all: bool = False
    """Whether there are no other suggestions."""


class Hover(NamedTuple):
    """A place with an explanation, which has these words and not those."""

    text: str
    expected: tuple[str, ...]
    absent: tuple[str, ...] = ()


class Problems(NamedTuple):
    """A text with all its problems, by line; lines 1 and 2 are the head."""

    text: str
    expected: tuple[str, ...]


SUGGESTIONS: Final = {
    "the top of a file": Suggestions(
        "|",
        {"catalog": "The name of the catalog.", "images": "by key", "policy": "What a run may do", "values": "${name}"},
        absent=("version", "name"),
    ),
    "a new image": Suggestions("images:\n  |\n", {"KEY": ""}, is_all=True),
    "a field of an image": Suggestions(
        "images:\n  a:\n    name: x\n    |\n",
        {"source": "Where the data comes from", "tags": "Tags of the image.", "owner": "The project that owns the image."},
        absent=("name", "catalog"),
    ),
    "a word with its meaning": Suggestions(
        "images:\n  a:\n    visibility: |\n",
        {"public": "All projects", "private": "Only its project", "shared": "its members", "community": "know its id"},
        is_all=True,
    ),
    "a truth": Suggestions("images:\n  a:\n    protected: |\n", {"true": "", "false": ""}, is_all=True),
    "a field of a source": Suggestions(
        "images:\n  a:\n    source:\n      |\n", {"url": "mirrors", "checksum": "ALGORITHM:HEX", "method": "gets to the service"}
    ),
    "a word of a policy": Suggestions(
        "policy:\n  on_remove: |\n",
        {"delete": "deleted", "hide": "missing in default lists", "deactivate": "stays listed", "keep": "released"},
        is_all=True,
    ),
    "the name of a property": Suggestions(
        "images:\n  a:\n    properties:\n      |\n",
        {"hw_disk_bus": "The compute service reads it.", "os_distro": "libosinfo", "hw_video_ram": "at least 0", "NAME": ""},
        absent=("vmware_disktype",),
    ),
    "the value of a property": Suggestions(
        "images:\n  a:\n    properties:\n      hw_firmware_type: |\n", {"uefi": "", "bios": ""}, is_all=True
    ),
    "a property of an old build": Suggestions(
        "policy:\n  on_replace:\n    set:\n      properties:\n        hw_boot_menu: |\n", {"true": "", "false": ""}, is_all=True
    ),
}  # fmt: skip

HOVERS: Final = {
    "a field behind a reference": Hover(
        "images:\n  a:\n    so|urce: disk.raw\n", ("#### Source", "Where the data comes from", "images/cirros.qcow2")
    ),
    "a field with its own words beside a reference": Hover(
        "images:\n  a:\n    own|er: {project: web}\n", ("#### Owner", "The project that owns the image."), absent=("||",)
    ),
    "a word": Hover(
        "images:\n  a:\n    visibility: sha|red\n",
        ("#### Visibility", "Who can see and use the image.", "* `shared`: Its project and its members", "Default: private."),
        absent=("||",),
    ),
    "a field with a placeholder": Hover(
        "images:\n  a:\n    visib|ility: ${who}\n", ("#### Visibility", "Who can see and use the image."), absent=("||",)
    ),
    "a known property": Hover(
        "images:\n  a:\n    properties:\n      hw_disk|_bus: virtio\n",
        ("The compute service reads it.", "* `virtio`\n", "* `scsi`\n"),
    ),
    "another name of a property": Hover(
        "images:\n  a:\n    properties:\n      vmware_disk|type: thin\n", ("Another name of hw\\_disk\\_type, which is preferred.",)
    ),
}  # fmt: skip

IMAGE: Final = "images:\n  a:\n    "
PROBLEMS: Final = {
    "a checksum, a date, a duration and ids": Problems(
        f"{IMAGE}source: {{path: x, checksum: sha256:12}}\n    expires: soon\n    on_replace: {{delete_after: 3 months}}\n"
        "    id: 7\n    owner: bob\n    adopt: maybe\n",
        (
            "5: Expected ALGORITHM:HEX with the digits of md5 (32), sha1 (40), sha256 (64), sha384 (96) or sha512 (128)",
            "6: Expected a date, YYYY-MM-DD",
            "7: Expected a number of days or weeks, such as 90d or 12w",
            "8: Expected a UUID in lower case",
            "9: Expected a project id (32 hexadecimal digits in lower case, or a UUID)",
            "10: Expected true, false or an image's id (a UUID)",
        ),
    ),
    "words, numbers and truths": Problems(
        f"{IMAGE}visibility: publik\n    min_ram: lots\n    min_disk: 2.5\n    protected: yes\n    nam: x\n    tags: x\n"
        "    properties: {hw_disk_bus: [a], b: {}}\n",
        (
            '5: Value is not accepted. Valid values: "public", "private", "shared", "community".',
            "6: Expected a whole number",
            "7: Expected a number of GB from 0, or auto",
            "8: Expected true or false",
            "9: Property nam is not allowed.",
            '10: Incorrect type. Expected "array".',
            '11: Value is not accepted. Valid values: "fdc", "ide", "sata", "scsi", "usb", "virtio", "xen", "lxc", "uml".',
            "11: Expected text",
        ),
    ),
    "keys, names and places": Problems(
        "catalog: a b\nimages: {a b: {}}\nvalues: {a b: x}\npolicy: {max_delete: many}\n"
        "targets:\n  a: {}\n  b: {cloud: x, store: y}\nremoved: {c: {}}\n",
        (
            "3: Expected a key: letters, digits and . _ -, beginning with a letter or digit, at most 64",
            "4: Expected a key: letters, digits and . _ -, beginning with a letter or digit, at most 64",
            "5: Expected a name: letters, digits, _ and -, beginning with a letter or _",
            "6: Expected a number or a percentage, such as 30%",
            "8: Expected a target: it needs cloud or store",
            "9: cloud and store exclude each other",
            '10: Missing property "owner".',
        ),
    ),
    "nothing in texts that look like numbers, and in properties that no list has": Problems(
        f"{IMAGE}visibility: ${{who}}\n    min_disk: ${{size}}\n    tags: [2024, true]\n    properties: {{os_version: 24.04, "
        "hw_boot_menu: yes, hw_disk_bus: nvme, hw_cpu_cores: 4, my_flag: true, vmware_disktype: thin}\nvalues: {size: 10}\n",
        (),
    ),
}  # fmt: skip


@pytest.mark.parametrize("place", SUGGESTIONS)
def test_an_editor_suggests(server: LanguageServer, place: str) -> None:
    """Names and words, each with what it means."""
    case = SUGGESTIONS[place]
    found = server.complete(MODELINE + case.text)
    assert {label: words for label, words in case.expected.items() if words not in found.get(label, "missing")} == {}
    assert [label for label in case.absent if label in found] == []
    assert not case.is_all or found.keys() == case.expected.keys()


@pytest.mark.parametrize("place", HOVERS)
def test_an_editor_explains(server: LanguageServer, place: str) -> None:
    """Title, description, the words of a field, and an example."""
    case = HOVERS[place]
    text = server.hover(MODELINE + case.text)
    assert [words for words in case.expected if words not in text] == [], text
    assert [words for words in case.absent if words in text] == [], text


@pytest.mark.parametrize("place", PROBLEMS)
def test_an_editor_reports_problems_in_words(server: LanguageServer, place: str) -> None:
    """No pattern is text."""
    case = PROBLEMS[place]
    assert sorted(server.diagnose(MODELINE + case.text)) == sorted(case.expected)


EXAMPLES: Final = sorted((ROOT / "examples").rglob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_example_has_no_problem_in_an_editor(server: LanguageServer, path: Path) -> None:
    """Its modeline is relative to the file, so it is opened where it is."""
    assert server.diagnose(path.read_text(encoding="utf-8"), path.as_uri()) == []


def test_the_settings_of_the_page_work_without_a_modeline(tmp_path: Path) -> None:
    """As VS Code passes them: paths are relative to the open folder."""
    (block,) = [block.text for block in read_blocks((DOCS / "editors.md").read_text()) if block.kind == "json"]
    (tmp_path / "manifest.schema.json").write_text(run("schema", folder=tmp_path).stdout)
    with LanguageServer(find_server(), tmp_path, {"schemas": json.loads(block)["yaml.schemas"]}) as server:
        inside, outside = ((tmp_path / name / "a.yaml").as_uri() for name in ("images", "other"))
        assert server.diagnose("version: 2\n", inside) == ["1: Value must be 1."]
        assert server.diagnose("version: 2\n", outside) == []


def test_a_modeline_may_name_the_file_that_the_command_prints(server: LanguageServer, catalog: Path) -> None:
    """As the manifests that ``export`` writes recommend."""
    (catalog / "manifest.schema.json").write_text(run("schema", folder=catalog).stdout)
    head = "# yaml-language-server: $schema=manifest.schema.json\nversion: 1\n"
    assert server.diagnose(f"{head}catalog: a b\n") == [PROBLEMS["keys, names and places"].expected[0]]
    assert "policy" in server.complete(f"{head}|")
