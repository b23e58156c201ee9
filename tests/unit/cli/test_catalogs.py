"""All problems of all targets, in one run."""

from pathlib import Path

import pytest

from imagesync.cli.catalogs import load_every_catalog
from imagesync.cli.options import Options
from imagesync.errors import ManifestError

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
