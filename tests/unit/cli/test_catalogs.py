"""The catalogs that options select, and all problems of all targets, in one run."""

import os
from pathlib import Path

import pytest

from imagesync.cli.catalogs import (
    MAX_IMAGES_WITH_PROBLEMS,
    list_targets,
    load_catalog,
    load_catalog_of,
    load_catalogs_of,
    load_every_catalog,
    name_targets,
)
from imagesync.cli.options import Options
from imagesync.cli.target_options import TargetChoice
from imagesync.errors import Diagnostic, ImagesyncError, ManifestError, UsageError
from imagesync.model.catalog import Catalog

HEAD = "version: 1\ncatalog: base\n"


def find_problems(folder: Path, text: str, *targets: str, **options: object) -> list[str]:
    """What is wrong with a manifest on these targets, or on all, without the hints."""
    (folder / "m.yaml").write_text(HEAD + text)
    with pytest.raises(ManifestError) as caught:
        load_every_catalog(folder / "m.yaml", Options(**options), targets)  # type: ignore[arg-type]
    return [str(one).removeprefix(f"{folder}/m.yaml:").partition(";")[0] for one in caught.value.diagnostics]


def test_problems_of_every_layer_are_reported_at_once(tmp_path: Path) -> None:
    """What does not fit the schema hides nothing of the rest, be it in the same image, and is one problem where it is."""
    text = """\
profiles:
  p: {min_rma: 1, disk_format: qcow3}
targets: {lab: {store: s, only: [zz*]}}
images:
  a: {profiles: [p], source: gone.img, tags: no}
  b: {source: none, properties: {kernel_id: '${images.x.id}', imagesync_id: x}, name: '${nam}'}
  c: {source: none, on_replace: {rename: '{nmae}', keep: x}, min_disk: '${nam}'}
policy: {on_remove: x}
"""
    assert find_problems(tmp_path, text.replace("[zz*]", "[a, b, c, zz*]")) == [
        "4:7: profiles.p.min_rma: unknown key",
        "4:19: profiles.p.disk_format: 'qcow3' is not one of ami, ari, aki, vhd, vhdx, vmdk, raw, vdi, ploop, iso, qcow2",
        "5:43: targets.lab.only[3]: 'zz*' matches no image of the catalog",
        "7:3: images.a: container_format missing: an image cannot be created without",
        "7:22: images.a.source: gone.img: No such file or directory",
        "7:40: images.a.tags: 'no' is not a list",
        "8:34: images.b.properties.kernel_id: ${images.x.id} is not an image of this catalog",
        "8:63: images.b.properties.imagesync_id: this name is reserved",
        "8:81: images.b.name: ${nam} is not defined",
        "9:34: images.c.on_replace.rename: {nmae} is not a field",
        "9:52: images.c.on_replace.keep: 'x' is not a whole number",
        "9:62: images.c.min_disk: ${nam} is not defined",
        "10:10: policy.on_remove: 'x' is not one of delete, deactivate, hide, keep",
    ]


def test_a_problem_of_one_target_names_it(tmp_path: Path) -> None:
    """A problem of all targets is reported once."""
    text = """\
targets:
  lab: {store: s, values: {file: here.img}}
  eu: {cloud: eu, images: {a: {source: there.img}}}
images: {a: {source: '${file}', disk_format: raw}, b: {source: gone.img, disk_format: raw, container_format: bare}}
"""
    (tmp_path / "here.img").write_bytes(b"\x01")
    assert find_problems(tmp_path, text) == [
        "5:32: images.a.source: there.img: No such file or directory (on target eu)",
        "6:10: images.a: container_format missing: an image cannot be created without",
        "6:56: images.b.source: gone.img: No such file or directory",
    ]
    assert find_problems(tmp_path, text, "lab")[0].startswith("6:10: images.a: container_format missing")
    assert find_problems(tmp_path, text, "eu")[0] == "5:32: images.a.source: there.img: No such file or directory"


@pytest.mark.parametrize(("only", "is_problem"), [("[user]", True), ("[user, 'k*']", False), ("['${u}']", False)])
def test_a_reference_to_what_the_target_does_not_have(tmp_path: Path, only: str, is_problem: bool) -> None:
    """On a new target there is no id that it could become."""
    text = f"""\
values: {{u: user}}
targets: {{lab: {{store: s, only: {only}}}, all: {{store: t, values: {{u: user}}}}}}
images: {{kernel: {{source: none}}, user: {{source: none, name: '${{u}}', properties: {{kernel_id: '${{images.kernel.id}}'}}}}}}
"""
    (tmp_path / "m.yaml").write_text(HEAD + text)
    if not is_problem:
        assert load_every_catalog(tmp_path / "m.yaml", Options())
        return
    expected = "5:34: images.user: it refers to images.kernel, which the target's only leaves out (on target lab)"
    assert find_problems(tmp_path, text) == [expected]


def test_a_file_that_cannot_be_parsed_hides_what_depends_on_it(tmp_path: Path) -> None:
    """Else each image that uses a profile in it would be a problem."""
    (tmp_path / "a.yaml").write_text(HEAD + "images: {a: {profiles: [p]}}")
    (tmp_path / "b.yaml").write_text("version: 1\nprofiles: {p: [")
    with pytest.raises(ManifestError) as caught:
        load_every_catalog(tmp_path, Options())
    (problem,) = caught.value.diagnostics
    assert problem.file == f"{tmp_path}/b.yaml"


def test_unused_names_are_warnings_unless_strict(tmp_path: Path) -> None:
    """Reported once, whatever the number of targets."""
    text = "values: {v: 1}\ntargets: {a: {store: s}, b: {store: t}}\nimages: {a: {source: none}}\n"
    (tmp_path / "m.yaml").write_text(HEAD + text)
    catalogs, warnings = load_every_catalog(tmp_path / "m.yaml", Options())
    assert (len(catalogs), [warning.where for warning in warnings]) == (2, ["values.v"])
    assert find_problems(tmp_path, text, strict=True) == ["3:10: values.v: nothing uses this value"]


TARGETS = """\
default_target: us
values: {size: 1}
targets:
  eu: {store: eu, only: [a]}
  us: {store: us, values: {size: 2}}
  ap: {cloud: ap, images: {c: {tags: [x]}}}
images: {a: {source: none, tags: ['${size}']}, b: {source: none}, c: {source: none}}
"""


def write(folder: Path, text: str = TARGETS) -> Path:
    """A manifest with this text."""
    (folder / "m.yaml").write_text(HEAD + text)
    return folder / "m.yaml"


def sketch(catalog: Catalog | ImagesyncError) -> tuple[str | None, str]:
    """The name of its target, and its images, each with its tags."""
    assert isinstance(catalog, Catalog)
    return catalog.target.name, " ".join(f"{spec.key}:{','.join(sorted(spec.tags))}" for spec in catalog.images)


@pytest.fixture(autouse=True)
def _no_cloud_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OS_CLOUD", "OS_AUTH_URL", "OS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def test_a_catalog_is_that_of_the_selected_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an option, else by the environment, else by the manifest; with values and keys of the command line."""
    path = write(tmp_path)
    assert sketch(load_catalog(path, Options())) == ("us", "a:2 b: c:")
    assert sketch(load_catalog(path, Options(target="eu"))) == ("eu", "a:1")
    assert sketch(load_catalog(path, Options(cloud="other", only=["a"]))) == (None, "a:1")
    assert sketch(load_catalog(path, Options(set_values=["size=7"], only=["a", "c"]))) == ("us", "a:7 c:")
    monkeypatch.setenv("OS_CLOUD", "ap")
    assert sketch(load_catalog(path, Options())) == ("ap", "a:1 b: c:x")
    assert sketch(load_catalog_of(path, "us", Options(set_values=["size=7"]))) == ("us", "a:7 b: c:")
    assert sketch(load_catalog_of(path, None, Options(only=["c"]))) == (None, "c:")


def test_the_catalogs_of_several_targets_are_in_the_order_of_the_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the order of the command line is. A target without a key of ``--only`` is left out, with a note."""
    path = write(tmp_path)
    every = TargetChoice(all_targets=True)
    found = load_catalogs_of(path, Options(), every)
    assert [place.name for place in found] == ["eu", "us", "ap"]
    assert [sketch(one) for one in found.values()] == [("eu", "a:1"), ("us", "a:2 b: c:"), ("ap", "a:1 b: c:x")]
    two = load_catalogs_of(path, Options(set_values=["size=7"]), TargetChoice(["us", "eu"]))
    assert [sketch(one) for one in two.values()] == [("eu", "a:7"), ("us", "a:7 b: c:")]
    assert capsys.readouterr().err == ""
    left = load_catalogs_of(path, Options(only=["c"]), every)
    assert [sketch(one) for one in left.values()] == [("us", "c:"), ("ap", "c:x")]
    (note,) = capsys.readouterr().err.splitlines()
    assert note.startswith("Note: target eu is left out: --only c: ")
    with pytest.raises(UsageError, match=r"^--only zz: no such key"):
        load_catalogs_of(path, Options(only=["zz"]), every)
    assert capsys.readouterr().err == ""


def test_a_target_with_problems_does_not_prevent_the_others(tmp_path: Path) -> None:
    """It has its error. If all have one, each problem is reported once, and names its target unless all have it."""
    text = TARGETS.replace("{c: {tags: [x]}}", "{c: {name: '${x}'}}")
    found = load_catalogs_of(write(tmp_path, text), Options(), TargetChoice(all_targets=True))
    eu, us, ap = found.values()
    assert (sketch(eu)[0], sketch(us)[0], type(ap)) == ("eu", "us", ManifestError)
    text = text.replace("only: [a]", "only: [a], images: {a: {name: '${y}'}}").replace("['${size}']", "['${z}']")
    with pytest.raises(ManifestError) as caught:
        load_catalogs_of(write(tmp_path, text), Options(), TargetChoice(["eu", "ap"]))
    assert [str(one).partition("images.")[2].partition(";")[0] for one in caught.value.diagnostics] == [
        "a.name: ${y} is not defined (on target eu)",
        "c.name: ${x} is not defined (on target ap)",
        "a.tags[0]: ${z} is not defined",
    ]


def test_further_checks_are_those_of_each_target(tmp_path: Path) -> None:
    """They get its catalog; hosts that are not named are problems in any case."""
    text = TARGETS.replace("b: {source: none}", "b: {source: {url: 'https://h.example/b', checksum: 'sha256:CC'}}")
    path = write(tmp_path, text.replace("CC", "c" * 64))
    with pytest.raises(ManifestError, match=r"h\.example"):
        load_catalog_of(path, "us", Options(source_hosts=["other.example"]))
    assert sketch(load_catalog_of(path, "eu", Options(source_hosts=["other.example"]))) == ("eu", "a:1")
    assert sketch(load_catalog_of(path, "us", Options(source_hosts=["*.example"])))[0] == "us"


def test_the_list_of_targets_has_their_numbers_and_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the manifest, whatever the environment selects. All problems of all targets are reported."""
    monkeypatch.setenv("OS_CLOUD", "ap")
    found = list_targets(write(tmp_path), Options())
    assert (found.catalog, found.default) == ("base", "us")
    assert [(target.name, number) for target, number in found.targets] == [("eu", 1), ("us", 3), ("ap", 3)]
    assert list_targets(write(tmp_path, TARGETS.partition("\n")[2]), Options()).default is None
    none = list_targets(write(tmp_path, "images: {a: {source: none}}\n"), Options())
    assert (none.catalog, none.targets, none.default) == ("base", (), None)
    text = TARGETS.replace("only: [a]", "only: [x]").replace("store: us", "store: '${no}'")
    with pytest.raises(ManifestError) as caught:
        list_targets(write(tmp_path, text), Options())
    assert [one.where for one in caught.value.diagnostics] == ["targets.eu.only[0]", "targets.us.store"]


def test_only_the_chosen_targets_are_checked(tmp_path: Path) -> None:
    """In the order of the manifest; an unknown one is refused although others are right."""
    path = write(tmp_path)
    catalogs, warnings = load_every_catalog(path, Options(), ["ap", "eu"])
    assert [sketch(one) for one in catalogs] == [("eu", "a:1"), ("ap", "a:1 b: c:x")]
    assert warnings == []
    assert [sketch(one)[0] for one in load_every_catalog(path, Options())[0]] == ["eu", "us", "ap"]
    (without,), _ = load_every_catalog(write(tmp_path, "images: {a: {source: none}}\n"), Options())
    assert sketch(without) == (None, "a:")
    with pytest.raises(UsageError, match="there is no target 'no'"):
        load_every_catalog(write(tmp_path), Options(), ["eu", "no"])


def test_once_many_images_had_problems_no_further_target_is_checked(tmp_path: Path) -> None:
    """The limit counts images of all targets; without a problem all are checked."""
    number = MAX_IMAGES_WITH_PROBLEMS // 2
    images = "".join(f"  k{at}: {{source: none}}\n" for at in range(number))
    targets = "".join(f"  t{at}: {{store: s{at}, images: {{k0: {{name: '${{w{at}}}'}}}}}}\n" for at in range(5))
    path = write(tmp_path, f"targets:\n{targets}images:\n{images}")
    with pytest.raises(ManifestError) as caught:
        load_every_catalog(path, Options())
    assert [str(one).partition("images.k0.name: ")[2].partition(";")[0] for one in caught.value.diagnostics] == [
        f"${{w{at}}} is not defined (on target t{at})" for at in range(3)
    ]


def test_a_problem_that_all_checked_targets_have_names_none_of_them() -> None:
    """Nor does one of the targets themselves; of several targets the first is named."""
    every, some, own = (
        Diagnostic("m.yaml", at, 1, where, "wrong") for at, where in enumerate(("a", "b", "targets.eu"))
    )
    found = name_targets({every: ["eu", "us"], some: ["us"], own: ["eu"]}, ["eu", "us"])
    assert [one.message for one in found] == ["wrong", "wrong (on target us)", "wrong"]
    assert [(one.line, one.where) for one in found] == [(0, "a"), (1, "b"), (2, "targets.eu")]


def test_edited_files_are_read_in_the_place_of_those_on_the_disk(tmp_path: Path) -> None:
    """As ``add`` checks what it is about to write."""
    path = write(tmp_path, "images: {a: {source: none}}\n")
    edited = {os.path.realpath(path): f"{HEAD}images: {{b: {{source: none}}}}\n".encode()}
    (found,), _ = load_every_catalog(path, Options(), edited=edited)
    assert sketch(found) == (None, "b:")
