"""``${name}`` in manifests: where it is allowed, what it becomes, and what is wrong with it."""

from pathlib import Path

import pytest

from imagesync.errors import ManifestError
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.model.catalog import FileSource
from imagesync.model.references import find_references, resolve_references
from tests.unit.manifest.one_file import HEAD, problems, wanted


def test_a_placeholder_may_stand_in_any_value(tmp_path: Path) -> None:
    """Choices, numbers, switches, checksums and ids too: its result is checked against the schema."""
    text = """version: 1
catalog: ${set}
values: {set: lab, fmt: raw, ram: "512", on: "true", who: private, sum: "${half}${half}", half: aaaaaaaaaaaaaaaa,
  id: 6a1b8b0e-0b5e-4f7e-9d6e-000000000001, lose: hide, most: 10%, way: staged-only}
policy: {on_remove: "${lose}", max_delete: "${most}", publish: "${way}"}
targets: {t: {cloud: "${set}-cloud"}}
default_target: ${t}
images:
  a:
    disk_format: ${fmt}
    visibility: ${who}
    min_ram: ${ram}
    protected: ${on}
    id: ${id}
    source: {path: "${fmt}.img", checksum: "md5:${sum}"}
"""
    catalog = wanted(tmp_path, text, values={"t": "t"})
    (spec,) = catalog.images
    assert (spec.disk_format, spec.visibility, spec.min_ram, spec.protected) == ("raw", "private", 512, True)
    assert isinstance(spec.source, FileSource)
    assert (str(spec.source.checksum), spec.source.display) == (f"md5:{'a' * 32}", "raw.img")
    assert (catalog.name, catalog.target.cloud) == ("lab", "lab-cloud")
    policy = catalog.policy
    assert (policy.on_remove, policy.max_delete.value, policy.publish) == ("hide", 10, "staged-only")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("values: {f: rwa}\nimages: {a: {disk_format: '${f}'}}", "4:14: images.a.disk_format: 'rwa' is not one of"),
        ("values: {r: x}\nimages: {a: {min_ram: '${r}'}}", "4:14: images.a.min_ram: 'x' is not a whole number"),
        ("images: {a: {name: 'x${y'}}", "3:14: images.a.name: ${ is not closed; close it with }"),
        ("values: {p: '${q}', q: '${p}'}\nimages: {a: {name: '${p}'}}", "circle: p -> q -> p"),
        ("values: {p: '${q}'}\nimages: {a: {name: '${p}'}}", "3:10: values.p: ${q} is not defined"),
        ("values: {mirror: x}\nimages: {a: {name: '${miror}'}}", "did you mean mirror?"),
        ("images: {a: {properties: {'${x}': y}}}", "${…} is not allowed in a key"),
        ("images: {a: {name: '${images.b.id}'}, b: {}}", "known only when the plan is applied"),
        ("images: {a: {properties: {k: '${images.a.id}'}}}", "circle: a -> a"),
        (
            "images: {a: {properties: {k: '${images.b.id}'}}, b: {properties: {k: '${images.a.id}'}}}",
            "3:14: images.a.properties: the references form a circle: a -> b -> a; remove one of the references",
        ),
        ("default_target: '${x}'\ntargets: {x: {store: s}}\nimages: {}", "${x} is not defined"),
    ],
)
def test_a_wrong_placeholder_is_reported_at_its_place(tmp_path: Path, text: str, expected: str) -> None:
    """One line, at the value that holds it, and nothing else about what it would have become."""
    found = problems(tmp_path, text)
    assert len(found) == 1
    assert expected in found[0]


def test_a_dollar_is_written_twice(tmp_path: Path) -> None:
    """``$$`` is a dollar, a lone one is itself, and an escaped reference is never resolved."""
    (spec,) = wanted(
        tmp_path, "images: {a: {name: $$x$y, properties: {p: '$${images.a.id}', q: '$$${b}'}}}\nvalues: {b: c}"
    ).images
    assert spec.name == "$x$y"
    assert resolve_references(spec.properties["p"], {"a": "ID"}) == "${images.a.id}"
    assert spec.properties["q"] == "$c"


def test_the_last_to_name_a_value_wins_also_inside_other_values(tmp_path: Path) -> None:
    """Catalog, then target, then ``--set``."""
    text = "values: {a: 'x${b}', b: '1'}\ntargets: {t: {store: s, values: {b: '2'}}}\nimages: {k: {name: '${a}'}}"
    assert wanted(tmp_path, text).images[0].name == "x1"
    assert wanted(tmp_path, text, target="t").images[0].name == "x2"
    assert wanted(tmp_path, text, target="t", values={"b": "3"}).images[0].name == "x3"


def test_the_environment_is_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile pull request cannot print a secret."""
    monkeypatch.setenv("OS_PASSWORD", "hunter2")
    for text in ("${OS_PASSWORD}", "${env.OS_PASSWORD}", "$OS_PASSWORD", "${values.__class__}"):
        try:
            output = wanted(tmp_path, f"images: {{a: {{name: '{text}'}}}}").images[0].name
        except ManifestError as error:
            output = str(error)
        assert "hunter2" not in output


def test_a_path_is_relative_to_the_file_that_writes_it(tmp_path: Path) -> None:
    """Defaults, profiles, images and targets in different folders each mean their own."""
    for name, text in {
        "main.yaml": HEAD + "images: {c: {}, d: {profiles: [p]}, e: {source: e.img}, f: {}}",
        "one/defaults.yaml": "version: 1\ndefaults: {source: d.img}",
        "two/profiles.yaml": "version: 1\nprofiles: {p: {source: {path: p.img}}}",
        "three/targets.yaml": "version: 1\ntargets: {t: {store: s, images: {f: {source: f.img}}}}",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    catalog = resolve(load(tmp_path), target="t")
    paths = [Path(spec.source.path) for spec in catalog.images if isinstance(spec.source, FileSource)]
    assert [str(path.relative_to(tmp_path)) for path in paths] == ["one/d.img", "two/p.img", "e.img", "three/f.img"]
    assert catalog.target.store == str(tmp_path / "three" / "s")


def test_references_to_images_stay_for_apply(tmp_path: Path) -> None:
    """``${images.KEY.id}`` is known when the plan is applied; its key must exist."""
    (_, spec) = wanted(tmp_path, "images: {k: {}, r: {properties: {kernel_id: '${images.k.id}'}}}").images
    assert spec.properties["kernel_id"] == "${images.k.id}"
    assert "is not an image" in problems(tmp_path, "images: {r: {properties: {kernel_id: '${images.x.id}'}}}")[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "images: {a: {name: '${x}'}}",
            "3:14: images.a.name: ${x} is not defined; define it under values, or with --set; known: none",
        ),
    ],
)
def test_an_undefined_value_is_reported_with_the_defined_ones(tmp_path: Path, text: str, expected: str) -> None:
    """FILE:LINE:COLUMN: where: what; hint."""
    assert problems(tmp_path, text) == [expected]


@pytest.mark.parametrize("depth", [32, 33])
def test_values_name_values_so_deep_and_no_deeper(tmp_path: Path, depth: int) -> None:
    """Counted are the values, one inside the other."""
    names = ", ".join(f"v{number}: '${{v{number + 1}}}'" for number in range(1, depth))
    text = f"values: {{{names}, v{depth}: x}}\nimages: {{a: {{name: '${{v1}}'}}}}"
    if depth == 32:
        assert [spec.name for spec in wanted(tmp_path, text).images] == ["x"]
        return
    (problem,) = problems(tmp_path, text)
    assert "more than 32 deep" in problem


def test_a_value_is_never_a_reference(tmp_path: Path) -> None:
    """A property gets a value unchanged: its author cannot refer to an image."""
    text = "values: {v: '$${images.b.id}'}\nimages: {a: {properties: {k: '${v}'}}, b: {}}"
    spec = next(one for one in wanted(tmp_path, text).images if one.key == "a")
    assert find_references(spec) == frozenset()
    assert resolve_references(spec.properties["k"], {"b": "id-of-b"}) == "${images.b.id}"


@pytest.mark.parametrize(("number", "is_fine"), [(16, True), (17, False)])
def test_one_text_becomes_so_long_and_no_longer(tmp_path: Path, number: int, is_fine: bool) -> None:
    """16 times 65,536 characters are all that one text may have; those of the whole catalog may have more."""
    text = f"values: {{v: '{'x' * 65_536}'}}\nimages: {{a: {{name: '{'${v}' * number}'}}}}"
    assert any("is too long" in problem for problem in problems(tmp_path, text)) is not is_fine


def test_quotes_decide_whether_a_filled_text_may_be_a_number(tmp_path: Path) -> None:
    """Where a number is wanted; also beside what was written without quotes, in one file and in two."""
    text = "values: {n: '5'}\nimages:\n  a:\n    min_ram: ${n}\n  b:\n    min_ram: %s\n"
    assert [spec.min_ram for spec in wanted(tmp_path, text % "${n}").images] == [5, 5]
    (problem,) = problems(tmp_path, text % "'${n}'")
    assert problem.startswith("8:5: images.b.min_ram: '5' is not a")


@pytest.mark.parametrize(("images", "is_fine"), [(16, True), (17, False)])
def test_all_texts_together_become_so_long_and_no_longer(tmp_path: Path, images: int, is_fine: bool) -> None:
    """Each of a MiB, which one text may have: a small file cannot fill the memory."""
    names = ", ".join(f"i{number}: {{name: '{'${v}' * 16}'}}" for number in range(images))
    text = f"values: {{v: '{'x' * 65_536}'}}\nimages: {{{names}}}"
    assert any("is too long" in problem for problem in problems(tmp_path, text)) is not is_fine


def test_a_wrong_value_is_one_problem_however_many_texts_use_it(tmp_path: Path) -> None:
    """Nothing is reported of what the texts would have become; all else is still checked."""
    text = "values: {p: '${q}', f: rwa}\nimages: {a: {name: '${p}', min_ram: '${p}'}, b: {min_ram: '${p}', disk_format: '${f}'}}"
    found = problems(tmp_path, text)
    assert len(found) == 2
    assert "values.p: ${q} is not defined" in "".join(found)
    assert "images.b.disk_format: 'rwa' is not one of" in "".join(found)


def test_an_unknown_image_in_a_property_hides_no_problem_beside_it(tmp_path: Path) -> None:
    """The text can still be used."""
    found = problems(
        tmp_path, "values: {l: x}\nimages: {a: {properties: {k: '${images.x.id}', 'b${l}': y}, min_ram: '${l}'}}"
    )
    assert len(found) == 3
    (unknown, reserved) = problems(tmp_path, "images: {a: {properties: {k: '${images.x.id}', imagesync_x: y}}, b: {}}")
    assert unknown == "3:27: images.a.properties.k: ${images.x.id} is not an image of this catalog; it has: a, b"
    assert reserved.startswith("3:48: images.a.properties.imagesync_x: this name is reserved")


def test_a_value_of_the_command_line_is_named_by_its_option(tmp_path: Path) -> None:
    """It has no line."""
    given = {"v": "${nope}", "w": "x"}
    (problem,) = problems(tmp_path, "images: {a: {name: '${v}${w}'}}", values=given)
    assert problem.startswith(
        "--set v: values.v: ${nope} is not defined; define it under values, or with --set; known: "
    )


def test_a_filled_list_has_its_other_items_too(tmp_path: Path) -> None:
    """Those with a placeholder and those without."""
    for tags in ("a, '${v}', c", "'${v}', a, c", "a, c, '${v}'"):
        (spec,) = wanted(tmp_path, f"values: {{v: b}}\nimages: {{a: {{tags: [{tags}]}}}}").images
        assert spec.tags == {"a", "b", "c"}


def test_a_dollar_before_a_reference_is_doubled_only_in_properties(tmp_path: Path) -> None:
    """Elsewhere nothing resolves it; a lone dollar may be in a key."""
    (spec,) = wanted(tmp_path, "images: {a: {name: '$${images.a.id}', properties: {'x$y': '$$z'}}}").images
    assert spec.name == "${images.a.id}"
    assert spec.properties == {"x$y": "$z"}


@pytest.mark.parametrize(
    ("values", "ring"), [("a: '${b}', b: '${c}', c: '${b}'", "b -> c -> b"), ("a: '${a}'", "a -> a")]
)
def test_a_circle_has_only_the_values_that_form_it(tmp_path: Path, values: str, ring: str) -> None:
    """Not those that lead to it."""
    (problem,) = problems(tmp_path, f"values: {{{values}}}\nimages: {{k: {{name: '${{a}}'}}}}")
    assert f"in a circle: {ring};" in problem


def test_filling_ends_at_the_first_text_that_is_too_long(tmp_path: Path) -> None:
    """Each further one would cost as much again."""
    names = ", ".join(f"i{number}: {{name: '{'${v}' * 17}'}}" for number in range(3))
    found = problems(tmp_path, f"values: {{v: '{'x' * 65_536}'}}\nimages: {{{names}}}")
    assert [problem for problem in found if "is too long" in problem] == found[:1]
    assert len(found) == 1


TOKEN = "ghp_" + "a1B2c3D4" * 4


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (f"name: '${{{TOKEN}}}'", "is not defined"),
        (
            f"name: '${{x}}'}}}}\nvalues: {{x: '${{{TOKEN}}}', {TOKEN}: '${{{TOKEN}}}'}}\nprofiles: {{p: {{}}, q: {{min_ram: 1",
            "in a circle",
        ),
        (f"name: '${{images.{TOKEN}.id}}'", "is known only when the plan is applied"),
        (f"properties: {{k: '${{images.{TOKEN}.id}}'}}", "is not an image of this catalog"),
    ],
)
def test_a_name_that_looks_like_a_secret_is_not_shown(tmp_path: Path, field: str, message: str) -> None:
    """A user may have put a token between the braces."""
    (problem,) = problems(tmp_path, f"images: {{a: {{{field}}}}}")
    assert message in problem
    assert TOKEN not in problem.splitlines()[0]


def test_a_circle_shows_no_name_that_looks_like_a_secret(tmp_path: Path) -> None:
    """Neither in the ring nor in the place."""
    (problem,) = problems(tmp_path, f"values: {{{TOKEN}: '${{{TOKEN}}}'}}\nimages: {{a: {{name: '${{{TOKEN}}}'}}}}")
    assert "in a circle" in problem
    assert TOKEN not in problem.splitlines()[0]


@pytest.mark.parametrize(
    ("field", "is_pattern"), [("on_replace: {rename: '${name}'}", True), ("name: '${name}'", False)]
)
def test_a_field_in_the_pattern_of_a_name_has_no_dollar(tmp_path: Path, field: str, is_pattern: bool) -> None:
    """Only there; elsewhere the value is missing."""
    (problem,) = problems(tmp_path, f"images: {{a: {{{field}}}}}")
    assert ("write {name}, without the $" in problem) is is_pattern
    assert ("define it under values" in problem) is not is_pattern


def test_each_value_is_filled_once(tmp_path: Path) -> None:
    """31 values that each name the next one twice: filled each time they are named, the last would be filled 2**30 times."""
    names = ", ".join(f"v{number}: '${{v{number + 1}}}${{v{number + 1}}}'" for number in range(1, 31))
    (spec,) = wanted(tmp_path, f"values: {{{names}, v31: ''}}\nimages: {{a: {{name: 'x${{v1}}'}}}}").images
    assert spec.name == "x"


def test_a_number_in_a_list_of_texts_stays_a_text(tmp_path: Path) -> None:
    """The schema says what an item is, whatever the value looks like."""
    text = "values: {v: '5', t: 'true'}\nimages:\n  a:\n    tags:\n      - ${v}\n      - ${t}\n"
    (image,) = wanted(tmp_path, text).images
    assert image.tags == {"5", "true"}
