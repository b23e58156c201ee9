"""A tree and the schema: what does not fit, and which scalars keep their text."""

from pathlib import Path

import pytest

from imagesync.errors import MAX_PROBLEMS
from imagesync.manifest.validation import MAX_EXPLAINED_ENTRIES, MAX_EXPLAINED_VALUES, Shape, drop_hints, suggest
from imagesync.manifest.yaml_reader import Node, parse
from imagesync.schemas import load_schema
from tests.unit.manifest.one_file import problems, wanted


def test_scalars_keep_their_written_text_where_a_string_is_wanted(tmp_path: Path) -> None:
    """24.10 is not 24.1, no is not false, a date is its text; integers exist where the schema has them."""
    (spec,) = wanted(
        tmp_path, "images: {a: {min_ram: 512, tags: [1, no], properties: {v: 24.10, n: no, d: 2024-01-01, t: true}}}"
    ).images
    assert spec.properties == {"v": "24.10", "n": "no", "d": "2024-01-01", "t": "true"}
    assert spec.min_ram == 512
    assert spec.tags == {"1", "no"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("images: {a: {min_disk: -1}}", "3:14: images.a.min_disk: -1 is less than the minimum of 0"),
        ("images: {a: {min_ram: -1}}", "3:14: images.a.min_ram: -1 is less than the minimum of 0"),
        ("images: {a: {min_rma: 1}}", "3:14: images.a.min_rma: unknown key; did you mean min_ram?"),
        ("images: {a: {source: {pth: x}}}", "3:23: images.a.source.pth: unknown key; did you mean path?"),
        (
            "images: {a: {disk_format: Qcow}}",
            "3:14: images.a.disk_format: 'Qcow' is not one of ami, ari, aki, vhd, vhdx, vmdk, raw, vdi, ploop, iso, qcow2; "
            "did you mean qcow2?",
        ),
        ("images: {a: {expires: soon}}", "3:14: images.a.expires: 'soon' is not a date, YYYY-MM-DD"),
        ("images: {a: {protected: 1}}", "3:14: images.a.protected: '1' is not true or false; write true"),
        ("images: {a: {tags: x}}", "3:14: images.a.tags: 'x' is not a list; write tags: [x]"),
        ("images: {a: {name: }}", "3:14: images.a.name: null is not text; give it a value, or remove it"),
        (
            "images: {a b: {}}",
            "3:1: images: 'a b' is not a key: letters, digits and . _ -, beginning with a letter or digit, at most 64",
        ),
        ("images: {}\ntargets: {t: {cloud: x, store: y}}", "4:11: targets.t: cloud and store exclude each other"),
        (
            "images: {a: {source: {path: x, stores: most}}}",
            "3:32: images.a.source.stores: 'most' is not a list of stores, or all",
        ),
        (
            "images: {a: {source: {path: x, method: web-downlod}}}",
            "3:32: images.a.source.method: 'web-downlod' is not one of upload, web-download, glance-direct; "
            "did you mean web-download?",
        ),
    ],
)
def test_a_mistake_is_one_line_with_place_and_way_out(tmp_path: Path, text: str, expected: str) -> None:
    """FILE:LINE:COLUMN: where: what; hint."""
    assert problems(tmp_path, text) == [expected]


def test_what_was_meant_is_named_or_what_there_is() -> None:
    """One word that is close; else all, as far as a reader would read them."""
    assert suggest("qcow", ["qcow2", "raw"], "known") == "did you mean qcow2?"
    assert suggest("x", ["qcow2", "raw"], "known") == "known: qcow2, raw"
    assert suggest("x", [], "known") == "known: none"
    many = [f"k{number:03}" for number in range(100)]
    assert suggest("x", many, "known") == f"known: {', '.join(many[:60])} and 40 more"
    assert suggest("x", reversed(many[:60]), "known") == f"known: {', '.join(many[:60])}"


def test_a_similar_word_is_searched_only_among_so_many_and_for_a_word_so_long() -> None:
    """The search compares letter by letter."""
    words = [f"k{number:03}" for number in range(499)]
    assert suggest("wordd", [*words, "word"], "known") == "did you mean word?"
    assert suggest("wordd", [*words, "x", "word"], "known").startswith("known: k000, ")
    assert suggest("ab" * 127 + "c", ["ab" * 127], "known").startswith("did you mean abab")
    assert suggest("ab" * 128, ["ab" * 127], "known").startswith("known: abab")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("b_b: 1, a_a: 2, name: x", ["a_a: unknown key", "b_b: unknown key"]),
        (
            "source: {url: 'http://h/x', checksum_url: 'http://h/S', signature: {url: 'http://h/s'}}",
            ["source.signature: the key keyring is missing; declare keyring"],
        ),
        ("source: {path: x, signature: {}}", ["source.signature: the key url, keyring is missing"]),
        ("min_ram: x, tags: [1, [2], {}]", ["min_ram: 'x'", "tags[1]: a list is not", "tags[2]: a mapping is not"]),
        (
            "on_replace: {set: {properties: {a: [1], b: {}}}}",
            ["on_replace.set.properties.a", "on_replace.set.properties.b"],
        ),
    ],
)
def test_every_value_that_does_not_fit_is_a_problem(tmp_path: Path, fields: str, expected: list[str]) -> None:
    """Also beside others in one mapping or list."""
    found = [problem.partition("images.a.")[2] for problem in problems(tmp_path, f"images: {{a: {{{fields}}}}}")]
    assert len(found) == len(expected)
    assert [one for one in expected if not any(problem.startswith(one) for problem in found)] == []


def test_the_search_for_problems_ends_after_so_many() -> None:
    """A reader needs no more, and each costs time."""
    text = "images:\n" + "".join(f"  k{number}: {{min_ram: x}}\n" for number in range(MAX_PROBLEMS + 1))
    root, _ = parse(text, "x.yaml")
    assert root is not None
    shape = Shape(load_schema("manifest"))
    found = shape.find_problems(shape.make_plain(root), root)
    assert len(found) == MAX_PROBLEMS
    assert str(found[-1]).startswith(f"x.yaml:{MAX_PROBLEMS + 1}:10: images.k199.min_ram")


def test_only_so_many_values_are_compared_in_detail() -> None:
    """Then one problem says so: the detailed comparison takes a hundred times as long as the fast one."""
    tags = ", ".join(f"t{number}" for number in range(128))
    number = MAX_EXPLAINED_VALUES // 130
    text = "images:\n" + "".join(f"  k{index}: {{min_ram: x, tags: [{tags}]}}\n" for index in range(number + 9))
    root, _ = parse(text, "x.yaml")
    assert root is not None
    shape = Shape(load_schema("manifest"))
    *found, last = map(str, shape.find_problems(shape.make_plain(root), root))
    assert abs(len(found) - number) < 3
    assert last == "x.yaml:1:1: images: other problems here are not checked; correct the others first"


def test_a_long_value_is_shortened_in_its_message(tmp_path: Path) -> None:
    """The mark … says that it continues."""
    (problem,) = problems(tmp_path, f"images: {{a: {{protected: {'x' * 500}}}}}")
    assert problem == f"3:14: images.a.protected: '{'x' * 78}… is not true or false"


def test_what_does_not_fit_is_a_problem_although_no_rule_explains_it() -> None:
    """The fast validator decides. The slow one, which explains, reads some patterns otherwise: ``$`` before a line's end."""
    shape = Shape({"$defs": {}, "type": "object", "properties": {"k": {"type": "string", "pattern": "^a$"}}})
    assert shape.find_problems({"k": "a"}, Node({}, 1, 1, file="x.yaml"), ("images",)) == []
    (problem,) = shape.find_problems({"k": "a\n"}, Node({}, 1, 1, file="x.yaml"), ("images",))
    assert (problem.file, problem.where, problem.message) == ("x.yaml", "images", "does not fit the schema")


def test_hints_for_editors_are_no_rules(tmp_path: Path) -> None:
    """A known property takes any text, in its written form; other names are accepted. A list is a problem."""
    fields = "hw_disk_bus: nvme, hw_boot_menu: yes, os_version: 24.10, my_flag: true, vmware_disktype: thin"
    image = wanted(tmp_path, f"images: {{a: {{tags: [2024, true], properties: {{{fields}}}}}}}").images[0]
    assert image.properties is not None
    assert image.properties["os_version"] == "24.10"
    assert image.properties["hw_disk_bus"] == "nvme"
    (problem,) = problems(tmp_path, "images: {a: {properties: {hw_disk_bus: [virtio]}}}")
    assert problem.endswith("images.a.properties.hw_disk_bus: a list is not text; put it in quotes if it is text")


def test_known_properties_are_not_part_of_the_validation() -> None:
    """They would slow down each load."""
    schema = load_schema("manifest")
    assert len(schema["$defs"]["properties"]["properties"]) > 150
    assert drop_hints(schema)["$defs"]["properties"]["properties"] == {}


def test_a_known_key_after_many_unknown_ones_is_not_missing(tmp_path: Path) -> None:
    """Only some keys of a long mapping are compared in detail: those that the schema knows are among them."""
    junk = ", ".join(f"x{number:04}: 1" for number in range(MAX_EXPLAINED_ENTRIES + 1))
    found = problems(tmp_path, f"images: {{}}\nremoved: {{a: {{{junk}, owner: {'d' * 32}}}}}")
    assert found[0] == "4:15: removed.a.x0000: unknown key; known here: owner"
    assert [problem for problem in found if "unknown key" not in problem] == []
