"""A value that does not fit: what people meant, and how it is written."""

from pathlib import Path

import pytest

from tests.unit.manifest.one_file import problems

NO_QUOTES = "the quotes make it text: write"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("min_ram: '512'", f"min_ram: '512' is not a whole number; {NO_QUOTES} 512 without them"),
        ('min_disk: "4"', f"min_disk: '4' is not a number of GB from 0, or auto; {NO_QUOTES} 4 without them"),
        ("min_ram: 512MB", "min_ram: '512MB' is not a whole number; write the number alone; it is in MB"),
        ("min_disk: 4 GB", "min_disk: '4 GB' is not a number of GB from 0, or auto; write the number alone; it is in GB"),
        ("min_disk: 2.5", "min_disk: '2.5' is not a number of GB from 0, or auto; write the number alone; it is in GB"),
        ("min_ram: ", "min_ram: null is not a whole number; give it a value, or remove it"),
        ("min_ram: lots", "min_ram: 'lots' is not a whole number"),
        ("protected: yes", "protected: 'yes' is not true or false; write true"),
        ("hidden: Off", "hidden: 'Off' is not true or false; write false"),
        ("protected: 'true'", f"protected: 'true' is not true or false; {NO_QUOTES} true without them"),
        ("protected: 'no'", "protected: 'no' is not true or false; write false without quotes"),
        ("protected: '5'", "protected: '5' is not true or false"),
        ("protected: maybe", "protected: 'maybe' is not true or false"),
        ("protected: [true]", "protected: a list is not true or false"),
        ("on_replace: {hide: no}", "on_replace.hide: 'no' is not true or false; write false"),
        ("on_replace: {keep: '2'}", f"on_replace.keep: '2' is not a whole number; {NO_QUOTES} 2 without them"),
        ("tags: 'a, b c'", "tags: 'a, b c' is not a list; write tags: [a, b, c]"),
        (f"tags: '{'a' * 30}, {'b' * 30}'", f"tags: '{'a' * 30}, {'b' * 30}' is not a list; write tags: [A, B]"),
        ("tags: ''", "tags: '' is not a list; write tags: [A, B]"),
        ("tags: ' , '", "tags: ' , ' is not a list; write tags: [A, B]"),
        ("ignore: {}", "ignore: a mapping is not a list; write ignore: [A, B], or a line - ITEM for each"),
        ("properties: [a]", "properties: a list is not a mapping; write a mapping instead of the list: a key for each "
         "item, and no dash before it"),
        ("properties: 'a:b'", "properties: 'a:b' is not a mapping; write KEY: VALUE below it"),
        ("properties: {os: }", 'properties.os: null is not text; write "" for an empty text, or remove it'),
        ("properties: {os: [x]}", "properties.os: a list is not text; put it in quotes if it is text"),
        ("members: {project: x}", "members: a mapping is not a list; write it as an item of a list: members: [{…}]"),
        ("properties: ", "properties: null is not a mapping; write {} for none"),
        ("expires: 2027/4/30", "expires: '2027/4/30' is not a date, YYYY-MM-DD; write 2027-04-30"),
        ("expires: 30.04.2027", "expires: '30.04.2027' is not a date, YYYY-MM-DD; write 2027-04-30"),
        ("expires: 4/5/2027", "expires: '4/5/2027' is not a date, YYYY-MM-DD"),
        (
            "adopt: Ubuntu",
            "adopt: 'Ubuntu' is not true, false or an image's id (a UUID); write true for the image that has the wanted name",
        ),
        ("source: {path: x, verify: false}", "source.verify: 'false' is not none; write none, or remove it"),
        (
            "owner: 22475F0B-4155-43BB-BCC9-F0117FB3CA8B",
            "owner: '22475F0B-4155-43BB-BCC9-F0117FB3CA8B' is not a project id (32 hexadecimal digits in lower case, or a UUID); "
            "write it in lower case",
        ),
        ("os_distro: ubuntu", "os_distro: unknown key; a property is declared below properties"),
        ("url: http://h/x", "url: unknown key; write it below source: source: {url: …}"),
        ("is_public: true", "is_public: unknown key; write visibility: public"),
        ("public: true", "public: unknown key; write visibility: public"),
        ("os_hidden: true", "os_hidden: unknown key; write hidden"),
        ("format: raw", "format: unknown key; write disk_format"),
        ("file: x", "file: unknown key; write source"),
        ("image: x", "image: unknown key; write source"),
        ("metadata: {}", "metadata: unknown key; write properties"),
        ("meta: {}", "meta: unknown key; write properties"),
        *(
            (f"{name}: x", f"{name}: unknown key; write it below source: source: {{{name}: …}}")
            for name in (
                *("path", "checksum", "checksum_url", "checksum_entry", "signature", "compression", "method", "stores"),
                *("verify", "inspect", "max_size", "max_ratio"),
            )
        ),
        *(
            (f"{name}: x", f"{name}: unknown key; a property is declared below properties")
            for name in (
                *("os_x", "hw_x", "img_x", "vmware_x", "trait_x", "cinder_x", "compute_x", "sriov_x", "instance_x"),
                *("trait:X", "architecture", "hypervisor_type"),
            )
        ),
        ("architecture_x: 1", "architecture_x: unknown key; UNKNOWN"),
        ("min_ram: 2147483648", "min_ram: 2147483648 is more than the maximum of 2147483647"),
        ("name: ''", "name: empty"),
        (f"name: {'x' * 256}", "name: longer than 255 characters"),
        ("source: {path: x, max_size: 3 GiB}", "source.max_size: '3 GiB' is not a whole number; write the number alone; it is in bytes"),
        ("on_replace: {delete_after: 3 days}", "on_replace.delete_after: '3 days' is not a number of days or weeks, such as 90d or 12w"),
        ("on_replace: {keep: 3x}", "on_replace.keep: '3x' is not a whole number; write the number alone"),
        ("source: {url: []}", "source.url: an empty list"),
        ("moved: {from: []}", "moved.from: an empty list"),
        ("moved: {from: [x, y, x]}", "moved.from: an item is in the list twice; keep one of them"),
        (f"tags: [{', '.join(f't{number}' for number in range(129))}]", "tags: more than 128 items"),
        ("moved: {}", "moved: the key from is missing; declare from"),
        ("expires: 20270403", "expires: '20270403' is not a date, YYYY-MM-DD; write 2027-04-03"),
        ("protected: Enabled", "protected: 'Enabled' is not true or false; write true"),
        ("hidden: disabled", "hidden: 'disabled' is not true or false; write false"),
        ("hidden: 0", "hidden: '0' is not true or false; write false"),
        ("protected: 7", "protected: '7' is not true or false"),
        ("protected: n", "protected: 'n' is not true or false; write false"),
        ("protected: y", "protected: 'y' is not true or false; write true"),
        ("protected: on", "protected: 'on' is not true or false; write true"),
        ("owner: {domain: x}", "owner: domain needs project beside it"),
        ("members: [{}]", "members[0]: an empty mapping"),
        ("source: {path: x, compression: XZ}", "source.compression: 'XZ' is not one of none, gz, xz, bz2, zst; did you mean xz?"),
        ("visibility: [public]", "visibility: a list is not one of public, private, shared, community"),
        ("visibility: ", "visibility: null is not one of public, private, shared, community; give it a value, or remove it"),
        ("source: {path: x, inspect: false}", "source.inspect: 'false' is not none; write none, or remove it"),
        ("x-foo: 1", "x-foo: unknown key; UNKNOWN"),
        ("nope:x: 1", "nope:x: unknown key; UNKNOWN"),
        ("name:x: 1", "name:x: unknown key; write a space after the colon of name:"),
    ],
)  # fmt: skip
def test_what_was_meant_is_written_out(tmp_path: Path, fields: str, expected: str) -> None:
    """Quotes around a number or a truth, another word for one, a unit, an empty value, one kind in the place of another."""
    (problem,) = problems(tmp_path, f"images: {{a: {{{fields}}}}}")
    output = problem.partition(": ")[2]
    if expected.endswith("UNKNOWN"):  # nothing is known of what was meant
        assert output.startswith(f"images.a.{expected.removesuffix('UNKNOWN')}")
        assert "write" not in output
        assert "anchors" not in output
    else:
        assert output == f"images.a.{expected}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "images:\n  - name: x",
            "4:3: images: a list is not a mapping; "
            "write a mapping instead of the list: a key for each item, and no dash before it",
        ),
        (
            "images:\n  a:\n    name:x",
            "4:3: images.a: 'name:x' is not a mapping; write a space after the colon of name:",
        ),
        (
            "images: {}\nx-common: &c {min_ram: 512}",
            "4:1: x-common: unknown key; "
            "a manifest has no section for anchors: put common values into defaults or profiles",
        ),
        ("images: {}\nremoved: {b: bob}", "4:11: removed.b: 'bob' is not a mapping; write owner: VALUE below it"),
        ("version: '1'\nimages: {}", "1:1: version: '1' is not 1; the quotes make it text: write 1 without them"),
        ("images: {}\npolicy: {max_delete: '3'}", "4:10: policy.max_delete: '3' is not a count, or a percentage from 0% to 100%; "
         f"{NO_QUOTES} 3 without them"),
    ],
)  # fmt: skip
def test_what_was_meant_is_written_out_for_the_whole_file(tmp_path: Path, text: str, expected: str) -> None:
    """The same outside of an image; the list of images is at the place of its key."""
    (problem,) = problems(tmp_path, text)
    assert problem == expected.replace("4:3: images: a list", "3:1: images: a list")


def test_a_value_that_is_called_a_secret_is_not_written_out(tmp_path: Path) -> None:
    """Neither with quotes nor without."""
    (problem,) = problems(
        tmp_path, "images: {a: {}}\nvalues: {password: {}}\ntargets: {secret: {only: 'swordfish x'}}"
    )[:1]
    found = problems(tmp_path, "images: {a: {}}\ntargets: {secret: {only: 'swordfish x'}}")
    assert "swordfish" not in "".join([problem, *found])


@pytest.mark.parametrize("field", ["max_delete", "max_update"])
@pytest.mark.parametrize("value", ["200%", "101 %", "30.5%", "0.3", "9 images", "-1%", "many"])
def test_a_limit_of_a_policy_may_be_a_count_or_a_percentage(tmp_path: Path, field: str, value: str) -> None:
    """So the hint has both forms, and never advises to remove the sign of a percentage."""
    (problem,) = problems(tmp_path, f"policy: {{{field}: '{value}'}}\nimages: {{}}")
    assert problem.partition(": ")[2] == (
        f"policy.{field}: '{value}' is not a count, or a percentage from 0% to 100%; write, for example, 9 or 30%"
    )


@pytest.mark.parametrize(
    ("field", "value", "secret"),
    [
        ("only", "'swordfish x'", "swordfish"),
        ("only", "8123456789", "8123456789"),
        ("images", "swordfish:x", "swordfish"),
        ("images", "'swordfish:x'", "swordfish"),
        ("images", "{a: swordfish:x}", "swordfish"),
        ("images", "{a: {min_ram: swordfish}}", "swordfish"),
        ("images", "{a: {visibility: swordfish}}", "swordfish"),
        ("images", "{a: {owner: swordfish}}", "project: swordfish"),
    ],
)
def test_nothing_below_the_name_of_a_secret_is_shown(tmp_path: Path, field: str, value: str, secret: str) -> None:
    """Neither what was found nor what to write; a name several levels above counts."""
    text = f"images: {{a: {{}}}}\ntargets: {{NAME: {{store: s, {field}: {value}}}}}"
    assert secret in "".join(problems(tmp_path, text.replace("NAME", "lab")))
    (problem,) = problems(tmp_path, text.replace("NAME", "secret"))
    assert secret not in problem.splitlines()[0]


def test_a_list_that_may_hold_a_secret_is_not_written_out(tmp_path: Path) -> None:
    """Whatever its field is called."""
    (problem,) = problems(tmp_path, "images: {a: {tags: 'password=hunter22, b'}}")
    assert "write tags: [A, B]" in problem
    assert "hunter22" not in problem.splitlines()[0]


def test_a_token_before_a_colon_is_not_written_out(tmp_path: Path) -> None:
    """It would look like a key."""
    token = "ghp_" + "a1B2c3D4" * 4
    (problem,) = problems(tmp_path, f"images:\n  a: {token}:x")
    assert problem.splitlines()[0] == (
        "4:3: images.a: (38 characters, not shown: looks like a secret) is not a mapping; write KEY: VALUE below it"
    )


def test_a_key_of_a_source_is_explained_only_in_an_image(tmp_path: Path) -> None:
    """At the top of a file it is something else."""
    (problem,) = problems(tmp_path, "images: {}\nurl: x")
    assert problem.startswith("4:1: url: unknown key")
    assert "below source" not in problem


def test_a_file_that_is_one_text_is_not_shown(tmp_path: Path) -> None:
    """It may be any file of the folder, for example one with a password."""
    found = problems(tmp_path, "version swordfish")
    assert [one for one in found if "1:1: this text is not a mapping; write KEY: VALUE below it" in one]
    assert "swordfish" not in "".join(one.splitlines()[0] for one in found)


HEX = "a" * 64
ALGORITHMS = "write ALGORITHM:HEX: md5 (32 digits), sha1 (40 digits), sha256 (64 digits), sha384 (96 digits), sha512 (128 digits)"


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("https://h/SHA256SUMS", "a list of digests is declared as checksum_url: https://h/SHA256SUMS"),
        ("see http://h/S x", "a list of digests is declared as checksum_url: http://h/S"),
        ("https://h/SUMS?x=1", "a list of digests is declared as checksum_url: URL"),
        ("https://me:it@h/SUMS", "a list of digests is declared as checksum_url: URL"),
        (f"https://h/{'x' * 50}", f"a list of digests is declared as checksum_url: https://h/{'x' * 50}"),
        (f"https://h/{'x' * 51}", "a list of digests is declared as checksum_url: URL"),
        (f"sha256 {HEX}", "write sha256:HEX with these digits"),
        (f"SHA-256={HEX.upper()}", "write sha256:HEX with these digits"),
        (f"sha256sum: {HEX}", "write sha256:HEX with these digits"),
        (HEX, "write sha256:HEX with these digits"),
        ("b" * 40, "write sha1:HEX with these digits"),
        (f"sha256:{'a' * 32}", "sha256 has 64 digits, this has 32"),
        (f"md5:{HEX}", "md5 has 32 digits, this has 64"),
        ("sha512: xyz", "sha512 has hexadecimal digits only"),
        ("c" * 31, "no algorithm has 31 digits"),
        ("crc32:00", ALGORITHMS),
        ("md5:", ALGORITHMS),
        ("latest", ALGORITHMS),
    ],
)
def test_what_is_not_a_digest_is_explained(tmp_path: Path, written: str, hint: str) -> None:
    """An address of a list, or digits in the form of another program; a URL with a secret is not repeated."""
    (problem,) = problems(tmp_path, f"images: {{a: {{source: {{path: x, checksum: '{written}'}}}}}}")
    assert problem.startswith("3:32: images.a.source.checksum: ")
    assert problem.partition(" is not a digest; ")[2] == hint


@pytest.mark.parametrize(
    ("word", "is_common"),
    [
        *((word, True) for word in ("x-a", "X-A", ".x", "_x", "anchor", "anchors", "common", "template", "templates")),
        ("anchors_x", False),
        ("a-x-b", False),
    ],
)
def test_a_section_for_anchors_is_explained_only_at_the_top(tmp_path: Path, word: str, *, is_common: bool) -> None:
    """Compose files have one."""
    sentence = "a manifest has no section for anchors: put common values into defaults or profiles"
    (problem,) = problems(tmp_path, f"images: {{}}\n{word}: 1")
    assert problem.endswith(f"{word}: unknown key; {sentence}") is is_common
    (problem,) = problems(tmp_path, f"images: {{}}\npolicy: {{{word}: 1}}")
    assert sentence not in problem


@pytest.mark.parametrize(("length", "is_written"), [(60, True), (61, False)])
def test_a_long_value_is_not_repeated_in_what_to_write(tmp_path: Path, length: int, *, is_written: bool) -> None:
    """The line would be hard to read."""
    (problem,) = problems(tmp_path, f"images: {{a: {{owner: {'x' * length}}}}}")
    assert ("write {project: VALUE}" in problem) is not is_written
    assert (f"write {{project: {'x' * length}}}" in problem) is is_written
