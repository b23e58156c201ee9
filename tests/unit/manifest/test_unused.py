"""Names that nothing uses."""

from pathlib import Path

import pytest

from imagesync.errors import UsageError
from tests.unit.manifest.one_file import problems, wanted

TEXT = """\
values: {used: a, idle: "${deep}", deep: x}
profiles: {p: {min_ram: 1}, q: {min_ram: 2}, d: {min_ram: 3}}
defaults: {profiles: [d]}
targets: {t: {store: s, values: {used: b, here: c}}, u: {store: "${there}", values: {there: d}}}
images: {a: {name: "x${used}", source: none, profiles: [p]}, b: {source: none}}
"""


def test_unused_profiles_and_values_are_warnings(tmp_path: Path) -> None:
    """Each with its place: what a plan shows does not hang on them."""
    found = [text.rpartition("catalog.yaml:")[2] for text in wanted(tmp_path, TEXT, target="t").warnings]
    assert found == [
        "4:29: profiles.q: no image uses this profile; remove it, or use it",
        "3:19: values.idle: nothing uses this value; remove it, or use it",
        "6:43: targets.t.values.here: nothing uses this value; remove it, or use it",
    ]


def test_the_profiles_of_defaults_are_for_images_without_their_own(tmp_path: Path) -> None:
    """If each image has its own, nothing takes them."""
    text = "profiles: {p: {min_ram: 1}, q: {min_ram: 2}}\ndefaults: {profiles: [q]}\nimages: {a: {profiles: [p], source: none}}"
    (warning,) = wanted(tmp_path, text).warnings
    assert "profiles.q: no image uses this profile" in warning


def test_unused_names_are_problems_where_strict(tmp_path: Path) -> None:
    """``--strict``."""
    assert [text.partition(";")[0] for text in problems(tmp_path, TEXT, target="t", strict=True)] == [
        "3:19: values.idle: nothing uses this value",
        "4:29: profiles.q: no image uses this profile",
        "6:43: targets.t.values.here: nothing uses this value",
    ]


@pytest.mark.parametrize("name", ["used", "idle", "here", "there"])
def test_a_value_that_is_defined_somewhere_may_be_set(tmp_path: Path, name: str) -> None:
    """A pipeline gives all targets the same ``--set``."""
    assert wanted(tmp_path, TEXT, target="t", values={name: "z"})


def test_a_value_that_is_only_used_may_be_set(tmp_path: Path) -> None:
    """``--set`` defines it."""
    assert wanted(tmp_path, "images: {a: {name: '${x}', source: none}}", values={"x": "z"}).images[0].name == "z"


def test_a_value_that_nothing_knows_cannot_be_set(tmp_path: Path) -> None:
    """It is misspelled: what was meant keeps its old value."""
    with pytest.raises(UsageError, match="--set usde: the manifest has no value of this name; did you mean used"):
        wanted(tmp_path, TEXT, target="t", values={"usde": "z"})


def test_a_glob_of_a_target_that_matches_no_image_is_a_problem(tmp_path: Path) -> None:
    """At the glob; the others may match."""
    text = "targets: {t: {store: s, only: [a, 'deb*']}}\nimages: {a: {source: none}, debian: {source: none}}"
    assert wanted(tmp_path, text, target="t")
    (problem,) = problems(tmp_path, text.replace("deb*", "bed*"), target="t")
    assert problem == "3:35: targets.t.only[1]: 'bed*' matches no image of the catalog; it has: a, debian"


def test_a_target_without_a_place_is_a_problem(tmp_path: Path) -> None:
    """Nothing could be applied to it."""
    (problem,) = problems(tmp_path, "targets: {t: {only: [a]}}\nimages: {a: {source: none}}")
    assert problem == "3:11: targets.t: a mapping is not a target: it needs cloud or store"


PROJECT = "e" * 32


@pytest.mark.parametrize(
    "part",
    [
        "images: {a: {source: none, owner: '${x}'}}",
        "profiles: {p: {owner: '${x}'}}\nimages: {a: {source: none, profiles: [p]}}",
        "defaults: {owner: '${x}'}\nimages: {a: {source: none}}",
        "policy: {on_replace: {rename: '${x}'}}\nimages: {a: {source: none}}",
        "default_target: '${x}'\ntargets: {PROJECT: {store: s}}\nimages: {a: {source: none}}",
        "targets: {t: {store: '${x}'}}\nimages: {a: {source: none}}",
        "targets: {t: {store: s, images: {a: {owner: '${x}'}}}}\nimages: {a: {source: none}}",
        "removed: {old: {owner: '${x}'}}\nimages: {a: {source: none}}",
        "removed: {old: {owner: {project: '${x}'}}}\nimages: {a: {source: none}}",
    ],
)
def test_a_value_may_be_used_in_any_part_of_a_manifest(tmp_path: Path, part: str) -> None:
    """Strict, too; and it can be set where only that part uses it."""
    part = part.replace("PROJECT", PROJECT)
    assert wanted(tmp_path, f"values: {{x: {PROJECT}}}\n{part}", strict=True).warnings == ()
    assert wanted(tmp_path, part, values={"x": PROJECT}, strict=True)


def test_values_of_a_target_alone_are_used_or_not(tmp_path: Path) -> None:
    """Without any value of the whole catalog."""
    text = "targets: {t: {store: '${v}', values: {v: s, w: x}}}\nimages: {a: {name: NAME}}"
    assert wanted(tmp_path, text.replace("NAME", "'${w}'"), target="t").warnings == ()
    (warning,) = wanted(tmp_path, text, target="t").warnings
    assert "targets.t.values.w: nothing uses this value" in warning


def test_a_profile_that_only_images_without_their_own_would_take_is_unused(tmp_path: Path) -> None:
    """Named in the defaults, it is taken by none; and each unused name is a warning."""
    text = "profiles: {p: {}, q: {}, r: {}}\ndefaults: {profiles: [q]}\nimages: {a: {profiles: [p]}}"
    assert [one.partition("profiles.")[2].partition(":")[0] for one in wanted(tmp_path, text).warnings] == ["q", "r"]


def test_a_name_that_is_only_used_is_suggested_too(tmp_path: Path) -> None:
    """Beside the defined ones, of the catalog and of any target; each wrong one is refused."""
    text = "values: {one: x}\ntargets: {t: {store: s, values: {two: y}}}\nimages: {a: {name: '${one}${two}${three}'}}"
    for wrong, hint in (
        ("thre", "did you mean three?"),
        ("twoo", "did you mean two?"),
        ("zz", "it has: one, three, two"),
    ):
        with pytest.raises(UsageError) as refused:
            wanted(tmp_path, text, target="t", values={"three": "z", wrong: "z"})
        assert str(refused.value) == f"--set {wrong}: the manifest has no value of this name; {hint}"
