"""A manifest to the catalog of one target."""

from pathlib import Path

import pytest

from imagesync.errors import ManifestError, UsageError
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
