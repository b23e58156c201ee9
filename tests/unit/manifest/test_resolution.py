"""A manifest to the catalog of one target."""

from pathlib import Path

import pytest

from imagesync.errors import ManifestError, UsageError
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.model.catalog import NamedProject
from imagesync.model.policy import Limit, OnRemove, OnReplace, Policy, Publish
from tests.unit.manifest.one_file import problems, wanted


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
    ],
)
def test_every_problem_is_reported_once(tmp_path: Path, text: str, expected: list[str]) -> None:
    """A problem hides none beside it, and leads to no further one."""
    found = problems(tmp_path, text)
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
