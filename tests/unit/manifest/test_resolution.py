"""A manifest to the catalog of one target."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from imagesync.errors import MAX_PROBLEMS, Diagnostic, ManifestError, UsageError
from imagesync.manifest.loader import load, read_manifest
from imagesync.manifest.needs import find_missing_needs
from imagesync.manifest.resolution import MAX_EXCESS_PROPERTIES, resolve
from imagesync.manifest.texts import MAX_PROPERTIES
from imagesync.model.catalog import ImageSpec, NamedProject
from imagesync.model.policy import Limit, OnRemove, OnReplace, Policy, Publish
from tests.unit.manifest.one_file import HEAD, SHA256, problems, wanted


def find_all(folder: Path, text: str, **options: Any) -> list[str]:
    """What is wrong with this text, if the parts that do not fit the schema are resolved, too: as ``read_catalog``
    does it."""
    file = folder / "catalog.yaml"
    file.write_text(HEAD + text)
    with pytest.raises(ManifestError) as caught:
        resolve(read_manifest(file), **options)
    return [str(item).removeprefix(f"{folder}/catalog.yaml:") for item in caught.value.diagnostics]


def test_only_picks_keys_and_remembers_the_others(tmp_path: Path) -> None:
    """What lies outside is not taken for removed."""
    catalog = wanted(tmp_path, "images: {a: {}, b: {}}", only=["a"])
    assert [spec.key for spec in catalog.images] == ["a"]
    assert catalog.keys == {"a", "b"}
    with pytest.raises(UsageError, match="did you mean"):
        wanted(tmp_path, "images: {abc: {}}", only=["abd"])


@pytest.mark.parametrize(
    ("only", "keys"), [((), {"gone"}), (("a",), {"b", "gone"}), (("c",), {"a", "b", "gone"}), (("a", "b"), {"gone"})]
)
def test_the_projects_of_keys_that_are_left_out_are_known(
    tmp_path: Path, only: tuple[str, ...], keys: set[str]
) -> None:
    """And those of removed ones: their images are the catalog's, and lie there."""
    owners = {key: f"{number}" * 32 for number, key in enumerate(("a", "b", "gone"), 1)}
    images = ", ".join(f"{key}: {{owner: '{owners[key]}'}}" for key in ("a", "b"))
    text = f"images: {{{images}, c: {{}}}}\nremoved: {{gone: {{owner: '{owners['gone']}'}}}}"
    catalog = wanted(tmp_path, text, only=only)
    assert catalog.owners == {key: owners[key] for key in keys}
    assert {spec.key: spec.owner for spec in catalog.images if spec.owner} == {
        key: owners[key] for key in {"a", "b"} - keys
    }


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("max_delete: '10 %'", Policy(max_delete=Limit(10))),
        ("max_delete: 0%", Policy(max_delete=Limit(0))),
        ("on_remove: hide", Policy(on_remove=OnRemove.HIDE)),
        ("on_replace: {keep: 3}", Policy(on_replace=OnReplace(keep=3))),
        ("max_delete: 5", Policy(max_delete=Limit(5, percent=False))),
        ("max_update: 10%", Policy(max_update=Limit(10))),
        ("publish: staged-only", Policy(publish=Publish.STAGED_ONLY)),
    ],
)
def test_a_policy_that_says_one_thing_leaves_the_others_as_they_are_without_it(
    tmp_path: Path, written: str, meant: Policy
) -> None:
    """The defaults are the same, whether there is a policy or none."""
    assert wanted(tmp_path, f"images: {{}}\npolicy: {{{written}}}").policy == meant


def test_a_store_outside_the_catalog_is_refused(tmp_path: Path) -> None:
    """A target of a hostile manifest cannot write elsewhere."""
    text = "images: {}\ntargets: {t: {store: ../x}}"
    with pytest.raises(ManifestError, match=r"targets\.t\.store: lies outside the catalog's folder"):
        wanted(tmp_path, text, target="t")
    assert wanted(tmp_path, text, target="t", allow_outside=True).target.store == str(tmp_path.parent / "x")
    with pytest.raises(ManifestError, match=r"targets\.t\.store: lies in \.git"):
        wanted(tmp_path, "images: {}\ntargets: {t: {store: .git/store}}", target="t")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "values: {s: no}\nimages: {a: {source: {url: 'https://h/x', checksum: '${s}'}}}",
            "source.checksum: 'no' is not a digest",
        ),
    ],
)
def test_a_value_that_is_filled_in_is_held_to_the_schema(tmp_path: Path, text: str, expected: str) -> None:
    """One line with the place, not a traceback."""
    (problem,) = problems(tmp_path, f"defaults: {{source: none}}\n{text}\n")
    assert expected in problem


@pytest.mark.parametrize("text", ["", "targets: {eu: {store: e}, us: {store: u}}"])
def test_a_target_that_is_not_there_is_refused(tmp_path: Path, text: str) -> None:
    """Never taken for the manifest without a target: that may be another cloud."""
    with pytest.raises(UsageError, match="there is no target 'ue'"):
        wanted(tmp_path, f"images: {{}}\n{text}", target="ue")


def test_a_default_target_that_a_value_misnames_is_refused(tmp_path: Path) -> None:
    """With the value filled in."""
    text = "values: {where: ue}\ndefault_target: ${where}\ntargets: {eu: {store: e}}\nimages: {}"
    with pytest.raises(UsageError, match="there is no target 'ue'; declared targets: eu"):
        wanted(tmp_path, text)


def test_the_digest_of_a_catalog_says_nothing_of_secrets(tmp_path: Path) -> None:
    """Many people can read plans; an attacker with the rest could try secrets until it fits."""

    def digest(login: str, query: str, path: str = "a.raw") -> str:
        place = f"https://{login}x.example/{path}?{query}"
        signed = f"checksum_url: '{place}.sums', signature: {{url: '{place}.asc', keyring: keys}}"
        return wanted(tmp_path, f"images: {{a: {{source: {{url: ['{place}', '{place}.2'], {signed}}}}}}}").digest

    assert digest("me:one@", "sig=1") == digest("me:two@", "sig=2") == digest("", "sig=3")
    assert digest("", "sig=1", "b.raw") != digest("", "sig=1")


TWO_TARGETS = """
values: {v: "0", which: b}
targets:
  one: {store: s1, values: {v: "1"}, only: [a], images: {a: {min_ram: 1}}}
  two: {store: s2, values: {v: "2"}, only: ["${which}*"], images: {a: {min_ram: 2}, b: {min_ram: 3}}}
images: {a: {name: "A${v}"}, b: {name: "B${v}"}, bb: {name: "C${v}"}}
"""


@pytest.mark.parametrize(
    ("target", "store", "images"),
    [("one", "s1", {"A1": 1}), ("two", "s2", {"B2": 3, "C2": None})],
)
def test_each_target_has_its_own_store_values_images_and_fields(
    tmp_path: Path, target: str, store: str, images: dict[str, int | None]
) -> None:
    """Whichever is declared first; the keys of the others are known all the same."""
    catalog = wanted(tmp_path, TWO_TARGETS, target=target)
    assert {spec.name: spec.min_ram for spec in catalog.images} == images
    assert (catalog.target.name, catalog.target.store) == (target, str(tmp_path / store))
    assert catalog.keys == {"a", "b", "bb"}


@pytest.mark.parametrize("only", [("a",), ("b", "a"), ("b", "c")])
def test_each_pattern_must_match_an_image_of_the_target(tmp_path: Path, only: tuple[str, ...]) -> None:
    """Also beside one that does; the message knows an image that only another target has."""
    reason = "no such key on target two, whose only leaves it out" if "a" in only else "c: no such key; "
    with pytest.raises(UsageError, match=reason):
        wanted(tmp_path, TWO_TARGETS, target="two", only=only)


def test_warnings_and_the_digest_are_of_the_selected_images(tmp_path: Path) -> None:
    """The others are not part of the run."""
    text = "images: {a: {source: 'https://h/a'}, b: {source: 'https://h/b', min_ram: NUMBER}}"
    both, one = (wanted(tmp_path, text.replace("NUMBER", "1"), only=only) for only in ((), ("a",)))
    assert [warning[:3] for warning in both.warnings] == ["a: ", "b: "]
    assert [warning[:3] for warning in one.warnings] == ["a: "]
    assert one.digest == wanted(tmp_path, text.replace("NUMBER", "2"), only=("a",)).digest != both.digest


def test_the_digest_of_a_catalog_does_not_depend_on_its_folder(tmp_path: Path) -> None:
    """Nor on the names of entries in lists, which only help to find a digest."""
    signed = "checksum_url: 'https://h/S', signature: {url: 'https://h/S.asc', keyring: keys/k.asc}"
    text = f"images: {{a: {{source: {{path: a.raw, {signed}}}}}, b: {{source: {{url: 'https://h/b', {signed}}}}}}}"
    digests = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        digests.add(wanted(tmp_path / name, text).digest)
    digests.add(wanted(tmp_path, text.replace("signature", "checksum_entry: x, signature")).digest)
    assert len(digests) == 1
    for old in ("a.raw", "keys/k.asc", "h/S.asc", "h/b", "h/S'"):
        digests.add(wanted(tmp_path, text.replace(old, f"x{old}")).digest)
    assert len(digests) == 6


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("images: {a: {name: '${x}', min_ram: '${r}'}}\nvalues: {r: y}", ["${x} is not defined", "'y' is not a whole"]),
        ("images: {a: {disk_format: '${x}', container_format: bare, source: a.raw}}", ["${x} is not defined"]),
        ("images: {a: {source: '${x}', disk_format: raw, container_format: bare}}", ["${x} is not defined"]),
        ("images: {}\npolicy: {on_remove: '${x}', max_delete: '${r}'}\nvalues: {r: y}", ["${x} is not defined"]),
        ("images: {}\npolicy: {on_replace: {rename: '{nothing}'}}", ["policy.on_replace.rename: "]),
        (
            "images: {}\ntargets: {t: {store: 'x-{region}'}}\ndefault_target: t\nvalues: {region: x}",
            ["{region} is not a placeholder without a $; write ${region} for a value of this name"],
        ),
        ("images: {}\ntargets: {t: {store: 'x-{}'}}\ndefault_target: t", ["write ${NAME}"]),
        ("images: {a: {properties: 5}, b: 5}", ["5 is not a mapping", "images.b: 5 is not a mapping"]),
        ("profiles: {p: {min_ram: y}}\nimages: {a: {profiles: [p]}, b: {profiles: [p]}}", ["profiles.p.min_ram: 'y'"]),
        ("images: {}\npolicy: {on_remove: wrong}", ["'wrong' is not one of"]),
        ("images: {}\npolicy: {on_remove: '${r}'}\nvalues: {r: wrong}", ["'wrong' is not one of"]),
        ("images: {a: {name: '${x}'}, b: {name: a}}", ["${x} is not defined"]),
    ],
)
def test_every_problem_is_reported_once(tmp_path: Path, text: str, expected: list[str]) -> None:
    """A problem hides none beside it, and leads to no further one."""
    found = find_all(tmp_path, text)
    assert len(found) == len(expected)
    assert [sentence for sentence in expected if sentence not in "\n".join(found)] == []


def test_a_missing_name_is_reported_in_the_first_file(tmp_path: Path) -> None:
    """In the order of their names."""
    for name in ("c", "a", "b"):
        (tmp_path / f"{name}.yaml").write_text(f"version: 1\nimages: {{{name}: {{}}}}\n")
    with pytest.raises(ManifestError) as caught:
        resolve(load(tmp_path))
    (problem,) = caught.value.diagnostics
    assert (Path(problem.file).name, problem.where, problem.message) == ("a.yaml", "catalog", "missing")


def test_the_owner_of_a_removed_key_may_be_a_name(tmp_path: Path) -> None:
    """As that of an image."""
    text = "images: {}\nremoved: {a: {owner: {project: p, domain: d}}, b: {owner: {project: p}}}"
    assert wanted(tmp_path, text).owners == {"a": NamedProject("p", "d"), "b": NamedProject("p", "Default")}


@pytest.mark.parametrize("image", ["{name: '${x%d}'}", "{source: /etc/x%d}"], ids=["placeholders", "sources"])
def test_the_resolution_ends_after_many_problems(tmp_path: Path, image: str) -> None:
    """Of either kind: a user would not read more of them."""
    images = "\n".join(f"  k{number:03}: {image % number}" for number in range(2 * MAX_PROBLEMS))
    assert len(problems(tmp_path, f"images:\n{images}")) == MAX_PROBLEMS


def test_one_problem_of_many_images_hides_no_other(tmp_path: Path) -> None:
    """It counts once, whichever number of images takes the profile."""
    images = "\n".join(f"  k{number:03}: {{profiles: [p]}}" for number in range(2 * MAX_PROBLEMS))
    text = f"profiles: {{p: {{min_ram: wrong}}}}\nimages:\n{images}\n  z: {{name: '${{x}}'}}"
    first, second = find_all(tmp_path, text)
    assert "profiles.p.min_ram: 'wrong' is not a whole number" in first
    assert "images.z.name: ${x} is not defined" in second


def test_the_resolution_ends_after_many_properties_too_many(tmp_path: Path) -> None:
    """In all images together: each of them costs time and memory, however few problems they are."""
    half = (MAX_PROPERTIES + MAX_EXCESS_PROPERTIES) // 2
    names = ([f"{letter}{count}" for count in range(half - 1000)] for letter in "pq")
    profiles = {chosen[0][0]: {"properties": dict.fromkeys(chosen, "x")} for chosen in names}
    images = {key: {"profiles": ["p", "q"], "source": f"/outside/{key}"} for key in "abcd"}
    found = find_all(tmp_path, f"profiles: {json.dumps(profiles)}\nimages: {json.dumps(images)}")
    assert [key for key in "abcd" if f"images.{key}.source" in "".join(found)] == ["a", "b"]


def test_a_check_sees_the_sound_parts_of_the_selected_images(tmp_path: Path) -> None:
    """Of an image whose source has a problem it sees nothing, because most checks are about sources."""
    seen = dict[str, tuple[int | None, dict[str, str]]]()

    def check(specs: Sequence[ImageSpec]) -> Iterator[Diagnostic]:
        seen.update((spec.key, (spec.min_ram, dict(spec.properties))) for spec in specs)
        yield from ()

    text = """
images:
  a: {min_ram: 1}
  b: {min_ram: wrong, properties: {p: "1", q: [2]}}
  c: {source: "${x}", disk_format: raw, container_format: bare}
  d: {min_ram: 4}
  e: {source: [wrong], min_ram: 5}
"""
    assert len(find_all(tmp_path, text, checks=(check,), only=("a", "b", "c", "e"))) == 4
    assert seen == {"a": (1, {}), "b": (None, {"p": "1"})}


IDLE = """
targets: {one: {store: s1, only: [a]}}
images: {a: {min_ram: 1}, b: {on_expire: hide}}
"""


@pytest.mark.parametrize("target", ["one", None])
def test_a_value_without_effect_matters_only_on_a_target_of_its_image(tmp_path: Path, target: str | None) -> None:
    """Another target may give it an effect."""
    if target is None:
        (problem,) = problems(tmp_path, IDLE)
        assert "images.b.on_expire: has an effect only with expires" in problem
    else:
        assert wanted(tmp_path, IDLE, target=target).warnings == ()


@pytest.mark.parametrize("strict", [False, True])
def test_an_unused_name_is_a_warning_or_with_strict_a_problem(tmp_path: Path, *, strict: bool) -> None:
    """An inherited profile that no image takes is often left on purpose."""
    text = "profiles: {p: {min_ram: 1}}\nimages: {}"
    if strict:
        (sentence,) = problems(tmp_path, text, strict=True)
    else:
        (sentence,) = wanted(tmp_path, text).warnings
    assert "profiles.p: no image uses this profile" in sentence


def test_the_owner_of_an_image_that_is_not_on_the_target_is_not_needed(tmp_path: Path) -> None:
    """Its images are not part of the run."""
    owners = {key: f"{number}" * 32 for number, key in enumerate("ab", 1)}
    images = ", ".join(f"{key}: {{owner: '{owner}'}}" for key, owner in owners.items())
    text = f"targets: {{one: {{store: s1, only: [a, c]}}}}\nimages: {{{images}, c: {{}}}}"
    assert wanted(tmp_path, text, target="one", only=["c"]).owners == {"a": owners["a"]}
    assert wanted(tmp_path, text, only=["c"]).owners == owners


@pytest.mark.parametrize("only", [(), ("a",), ("b",)])
def test_the_former_key_of_each_image_is_known(tmp_path: Path, only: tuple[str, ...]) -> None:
    """Also of one that ``--only`` leaves out: its images must not be taken for those of a removed key."""
    catalog = wanted(tmp_path, "images: {a: {}, b: {moved: {from: old}}}", only=only)
    assert catalog.moved == {"b": ("old",)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("url: 'https://h/a'", "imagesync does not notice a new build, and damaged data is not detected"),
        ("url: 'https://h/a', method: web-download", "nothing verifies the data that the service fetches"),
        ("url: 'https://h/a', checksum_url: 'https://h/S'", ""),
        (f"url: 'https://h/a', checksum: '{SHA256}'", ""),
        ("path: a.raw", ""),
    ],
)
def test_a_url_without_a_checksum_is_a_warning(tmp_path: Path, source: str, expected: str) -> None:
    """It says what may go wrong unnoticed."""
    text = f"images: {{a: {{source: {{{source}}}, disk_format: raw, container_format: bare}}}}"
    (warning,) = wanted(tmp_path, text).warnings or ("",)
    assert warning.endswith(expected)
    assert bool(warning) is bool(expected)


def test_the_digest_of_a_catalog_is_the_same_in_each_process(tmp_path: Path) -> None:
    """Sets have another order in each."""
    text = "images: {a: {tags: [one, two, three, four, five, six, seven], ignore: [name, tags, min_ram, min_disk]}}"
    digest, file = wanted(tmp_path, text).digest, str(tmp_path / "catalog.yaml")
    imports = "from imagesync.manifest.loader import load; from imagesync.manifest.resolution import resolve"
    path = os.pathsep.join(entry for entry in sys.path if entry)
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": path}
    command = [sys.executable, "-c", f"{imports}; print(resolve(load({file!r})).digest)"]
    found = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    assert found.stdout.strip() == digest


@pytest.mark.parametrize(
    ("target", "only", "expected"),
    [
        (None, (), ()),
        ("t", (), ("a*", "b")),
        (None, ("a*",), ("a*",)),
        ("t", ("a1",), ("a1",)),
        ("t", ("*",), ("a*", "b")),
        ("t", ("*1",), ("a1",)),
    ],
)
def test_the_scope_of_a_run_is_both_only(
    tmp_path: Path, target: str | None, only: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    """That of the target and that of the command: the images of other keys must not count as removed."""
    text = "targets: {t: {store: s, only: [a*, b]}}\nimages: {a1: {}, a2: {}, b: {}, c1: {}}"
    assert wanted(tmp_path, text, target=target, only=only).only == expected


def test_a_former_key_is_checked_on_every_target(tmp_path: Path) -> None:
    """A target also moves the images of keys outside of its ``only``."""
    text = "targets: {t: {store: s, only: [a]}}\nimages: {a: {}, b: {moved: {from: a}}}"
    (problem,) = problems(tmp_path, text, target="t")
    assert problem.endswith(
        "images.b.moved.from: the manifest still declares images.a; rename that key, or remove moved"
    )


def test_of_many_unused_names_the_first_are_warnings(tmp_path: Path) -> None:
    """And the number of the others."""
    profiles = ", ".join(f"p{number:02}: {{}}" for number in range(13))
    found = wanted(tmp_path, f"profiles: {{{profiles}}}\nimages: {{}}").warnings
    assert [warning.partition("profiles.")[2][:3] for warning in found[:10]] == [f"p{n:02}" for n in range(10)]
    assert found[10:] == ("and 3 more",)


@pytest.mark.parametrize("name", ["disk_format", "container_format"])
@pytest.mark.parametrize("value", ["'${x}'", "wrong", "[raw]"])
def test_a_wrong_format_is_not_a_missing_one(tmp_path: Path, name: str, value: str) -> None:
    """It is declared, so one problem is enough."""
    both = {"disk_format": "raw", "container_format": "bare", name: value}
    fields = ", ".join(f"{field}: {text}" for field, text in both.items())
    (tmp_path / "a.raw").touch()
    (problem,) = find_all(tmp_path, f"images: {{a: {{{fields}, source: a.raw}}}}", checks=(find_missing_needs,))
    assert f"images.a.{name}: " in problem


def test_the_default_target_may_come_from_the_command_line(tmp_path: Path) -> None:
    """As any other value."""
    text = "default_target: ${t}\ntargets: {eu: {store: e}, us: {store: u}}\nimages: {}"
    assert wanted(tmp_path, text, values={"t": "us"}).target.name == "us"
    assert wanted(tmp_path, text, values={"t": "us"}, target="eu").target.name == "eu"


def test_a_glob_that_no_key_can_match_is_one_problem(tmp_path: Path) -> None:
    """Not also one that matches no image."""
    text = "targets: {t: {store: s, only: ['a b', 'x*', a]}}\nimages: {a: {}}"
    assert [one.partition(": ")[2].partition(";")[0] for one in problems(tmp_path, text, target="t")] == [
        "targets.t.only[0]: 'a b' matches no key: a key has letters, digits and . _ -",
        "targets.t.only[1]: 'x*' matches no image of the catalog",
    ]
