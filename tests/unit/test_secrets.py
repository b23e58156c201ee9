"""Content of files in messages: secrets of every kind are hidden, harmless values are shown."""

import hashlib
import time
from dataclasses import replace
from typing import Any

import pytest

from imagesync.errors import Diagnostic
from imagesync.secrets import (
    MAX_JUDGED_CHARS,
    MAX_SHOWN_CHARS,
    MIN_RUN,
    clean_diagnostic,
    hide_secrets,
    is_secret,
    is_secret_name,
    quote_value,
    show_key,
)
from tests.secret_files import PASSWORD, TOKENS, find_leaks

HARMLESS = [
    *("ubuntu-24.04", "debian-12-genericcloud-amd64-20240507-1740.qcow2", "Rocky-9-GenericCloud-Base-9.4-20240509.0.x86_64.qcow2"),
    *("CentOS-Stream-GenericCloud-9-20240527.0.x86_64.qcow2", "noble-server-cloudimg-amd64.img", "FreeBSD-14.0-RELEASE-amd64.raw.xz"),
    *("openSUSE-Leap-15.6-Minimal-VM.x86_64-Cloud.qcow2", "AlmaLinux-9-GenericCloud-9.4-20240507.x86_64.qcow2"),
    *("flatcar_production_openstack_image.img"),
    *("Fedora-Cloud-Base-Generic.x86_64-40-1.14.qcow2", "cirros-0.6.2-x86_64-disk.img", "Windows Server 2022 Datacenter Evaluation"),
    *("images/linux/ubuntu/24.04/noble-server-cloudimg-amd64-disk-kvm.img", "talos-v1.7.4-openstack-amd64.raw.xz"),
    "https://cloud-images.ubuntu.com/releases/noble/release-20240423/ubuntu-24.04-server-cloudimg-amd64.img",
    "http://192.0.2.7:8080/images/noble.img?version=3",
    "https://download.rockylinux.org/pub/rocky/9/images/x86_64/Rocky-9-GenericCloud.latest.x86_64.qcow2",
    "https://cloud.debian.org/images/cloud/bookworm/20240507-1740/debian-12-genericcloud-amd64-20240507-1740.qcow2",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "SHA512:" + "0123456789abcdef" * 8,
    "a57ae423-5f2c-40d7-923a-ea7ef2afe0b5",
    *("hw_firmware_type", "hw_vif_multiqueue_enabled", "os_require_quiesce", "hw_qemu_guest_agent", "img_config_drive"),
    *("90d", "30%", "yes", "2024-02-30", "publc", "qcow3", "", "x" * 300, "a/b/c/" * 20, "日本語のイメージ"),
    *("traits:CUSTOM_HW_GPU_NVIDIA_A100", "trait:HW_CPU_X86_AVX512F"),
    "The quick brown fox jumps over the lazy dog, and then it rests a while",
]  # fmt: skip


@pytest.mark.parametrize("text", HARMLESS)
def test_a_harmless_value_is_shown(text: str) -> None:
    """A name, a path, a URL, a declared digest, an id."""
    assert not is_secret(text)
    assert show_key(text)[:60] == text[:60]
    assert quote_value(text)[1:60] == text[:59] if len(text) > 60 else quote_value(text) == repr(text)
    assert (
        hide_secrets(f"base.yaml:3:1: images.a: {text} is not text") == f"base.yaml:3:1: images.a: {text} is not text"
    )


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_is_not_shown(name: str) -> None:
    """Alone, within a path, a URL or a sentence."""
    token = TOKENS[name]
    for text in (
        token,
        f"images/{token}",
        f"https://h.example/x?token={token}",
        f"it is {token}.",
        f"'{token}'",
        f"a={token}",
    ):
        assert is_secret(text), text
        for output in (quote_value(text), show_key(text), hide_secrets(f"images.a: {text}: not found")):
            assert find_leaks(output, (token,)) == []
            assert "characters, not shown: looks like a secret)" in output


@pytest.mark.parametrize(
    "prefix",
    [
        *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glagent-"),
        *("xoxb-", "xapp-", "gAAAA", "hvs.", "hvb.", "hvr.", "sk-", "sk_live_", "rk_live_", "npm_", "pypi-", "dckr_pat_"),
        *("glft-", "glimt-", "glsoat-", "glffct-", "xoxa-", "xoxe-", "xoxp-", "xoxr-", "xoxs-", "shpca_", "shppa_"),
        *("$apr1$", "$argon2id$", "$2y$", "$y$", "$gy$", "$6$", "$scrypt$", "$pbkdf2-sha256$", "{SHA}", "{SSHA}", "{SSHA512}"),
        *("eyJ", "AIza", "ya29.", "SG.", "dop_v1_", "shpat_", "shpss_", "glsa_", "hf_", "tskey-", "AGE-SECRET-KEY-"),
    ],
)  # fmt: skip
def test_a_token_is_recognized_by_its_prefix(prefix: str) -> None:
    """However little the rest of it looks random."""
    assert is_secret(f"{prefix}harmless")
    assert "harmless" not in hide_secrets(f"it is {prefix}harmless, say")


def test_a_secret_far_behind_the_shown_part_hides_nothing() -> None:
    """Only the beginning of a long value is searched."""
    assert quote_value("word " * 300 + f"password: {PASSWORD}").startswith("'word word")


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("between", [":", " ", " = "])
def test_a_digest_beside_its_algorithm_is_shown(algorithm: str, between: str) -> None:
    """In a log too. Without an algorithm, with another number of digits, or with the name of a secret it is hidden."""
    value = hashlib.new(algorithm, b"data", usedforsecurity=False).hexdigest()
    message = f"the service stored {algorithm}{between}{value}, imagesync sent {algorithm}:{value}"
    assert hide_secrets(message) == message
    for hidden in (
        f"the key {value}",
        f"{algorithm} {value}0",
        f"{algorithm} {value[:-1]}",
        f"token: {value}",
        f"secret={algorithm}{between}{value}",
    ):
        assert value[:-1] not in hide_secrets(hidden)
    assert value in hide_secrets(f"{algorithm}{between}{value} of token {'a1B2' * 10}")
    assert "a1B2" not in hide_secrets(f"{algorithm}{between}{value} of token {'a1B2' * 10}")


@pytest.mark.parametrize(
    "text",
    [
        *(f"password: {PASSWORD}", f"password={PASSWORD}", f"machine h login me password {PASSWORD}", f'"password": "{PASSWORD}"'),
        *(f"OS_PASSWORD={PASSWORD}", f"https://me:{PASSWORD}@h/x", f"me:{PASSWORD}@h.example", f"Authorization: Basic {PASSWORD}"),
        *(f"client_secret={PASSWORD}", f"https://h/x?X-Amz-Signature={PASSWORD}", f"Bearer {PASSWORD}", "-----BEGIN PRIVATE KEY-----"),
    ],
)  # fmt: skip
def test_the_value_of_a_secret_name_is_not_shown(text: str) -> None:
    """Whatever it looks like."""
    assert is_secret(text)
    assert find_leaks(quote_value(text) + show_key(text), (PASSWORD,)) == []


@pytest.mark.parametrize("text", ["a\n\x1b[2J\u202e", "##vso[x]y", "é" * 200, "\x00" * 200, "'\"" * 100, "\ud800"])
def test_a_shown_value_is_printable_and_short(text: str) -> None:
    """At most 80 characters of a value."""
    for output in (quote_value(text), show_key(text)):
        assert output.isprintable()
        assert "##" not in output
        assert len(output) <= MAX_SHOWN_CHARS


def test_values_other_than_text() -> None:
    """Words as in the manifest; a list or a mapping is only named as such."""
    output = [quote_value(value) for value in (None, True, False, 3, [PASSWORD], {"password": PASSWORD})]
    assert output == ["null", "true", "false", "3", "a list", "a mapping"]


def test_names_of_secrets() -> None:
    """Such a key marks its value as a secret."""
    assert all(
        map(is_secret_name, ("password", "admin_pass", "OS_PASSWORD", "apiKey", "clientSecret", "auth", "x-token"))
    )
    assert not any(
        map(
            is_secret_name,
            ("name", "tags", "keyring", "compass", "key_manager", "passthrough", "images", "hw_rng_model"),
        )
    )


def test_long_texts_are_searched_in_linear_time() -> None:
    """Linear in the length, or only a part of it."""
    for text in (
        "a1" * 500_000,
        "password " * 100_000,
        "a:" * 500_000,
        "://" * 300_000,
        "eyJ" * 300_000,
        "-" * 1_000_000,
        "?a" * 500_000,
    ):
        begin = time.process_time()
        quote_value(text)
        hide_secrets(text[:100_000])
        assert time.process_time() - begin < 2, text[:10]


def test_at_most_80_characters_of_a_value_are_shown() -> None:
    """With their quotes."""
    text = ("word " * 40)[:78]
    assert quote_value(text) == f"'{text}'"
    assert len(quote_value(f"{text}s")) == 80
    assert quote_value(f"{text}s").startswith(f"'{text[:70]}")


@pytest.mark.parametrize("part", ["where", "message", "hint", "excerpt"])
def test_no_part_of_a_problem_shows_a_secret(part: str) -> None:
    """Its file and its harmless parts are kept."""
    harmless = Diagnostic("a.yaml", 3, 7, "images.a", "is not text", "write text", "name: x")
    assert clean_diagnostic(harmless) == harmless
    secret: dict[str, Any] = {part: f"password: {PASSWORD}"}
    cleaned = clean_diagnostic(replace(harmless, **secret))
    assert find_leaks(repr(cleaned), (PASSWORD,)) == []
    secret[part] = getattr(harmless, part)
    assert replace(cleaned, **secret) == harmless
    token = f"sk-{'x' * 20}.yaml"
    assert clean_diagnostic(replace(harmless, file=token)).file == token


RANDOM = "aB3dE6gH9jK2mN5pQ8sT"
"""As short as a run that is judged may be."""


@pytest.mark.parametrize(
    ("text", "is_hidden"),
    [
        (RANDOM, True),
        (RANDOM[:-1], False),
        (RANDOM[:10] + "-" + RANDOM[10:], True),
        (RANDOM[:10] + "_" + RANDOM[10:], True),
        (RANDOM[:10] + "/" + RANDOM[10:], True),
        (RANDOM[:10] + "." + RANDOM[10:], True),
        (RANDOM[:10] + "-" + RANDOM[10:-1], False),
        (RANDOM[:10] + " " + RANDOM[10:], False),
        ("a-1-b-2-c-3-d-4-e-5-f-6-g-7-h-8-j-9", False),
        ("deadbeef0123456789ab", True),
        ("DEADBEEF0123456789AB", True),
        ("deadbeef0123456789a", False),
        ("abcdefabcdefabcdefabcdef", False),
        ("01234567890123456789", False),
        ("AbcdEfghIjklMnopQrst", True),
        ("AbcdefGhijklMnopqrStuvwx", False),
    ],
)
def test_a_run_of_20_characters_that_looks_random_is_hidden(text: str, is_hidden: bool) -> None:
    """Its kinds of characters change often; hexadecimal digits of one case with letters are random at once."""
    assert len(RANDOM) == MIN_RUN
    assert is_secret(text) is is_hidden
    assert (text not in hide_secrets(f"it is {text}, he said")) is is_hidden
    assert is_secret(f"{text} and {text}") is is_hidden


@pytest.mark.parametrize(("before", "is_hidden"), [(MAX_JUDGED_CHARS - 30, True), (MAX_JUDGED_CHARS, False)])
def test_the_first_1024_characters_are_judged(before: int, is_hidden: bool) -> None:
    """No message shows more of a value."""
    assert MAX_JUDGED_CHARS == 1024
    assert is_secret("x " * (before // 2) + RANDOM) is is_hidden


def test_every_secret_of_a_message_is_hidden() -> None:
    """Between harmless digests too, and each harmless part is kept in its place."""
    digest = f"sha256:{hashlib.sha256().hexdigest()}"
    message = f"one {RANDOM} two {digest} three {RANDOM} four {digest} five {RANDOM}"
    hidden = "(20 characters, not shown: looks like a secret)"
    assert hide_secrets(message) == message.replace(RANDOM, hidden)


@pytest.mark.parametrize("value", [[PASSWORD], (PASSWORD,)])
def test_no_element_of_a_list_is_shown(value: object) -> None:
    """Whatever kind of list it is."""
    assert quote_value(value) == "a list"


def test_only_the_shown_part_of_a_long_value_is_quoted() -> None:
    """A quote that follows does not change how the value is quoted."""
    text = "word " * 16
    assert len(text) == MAX_SHOWN_CHARS
    assert quote_value(text) == f"'{text[:78]}…"
    assert quote_value(f"{text}it's") == f"'{text[:78]}…"


@pytest.mark.parametrize("prefix", ["AKIA", "ASIA", "ABIA", "ACCA"])
def test_a_key_id_of_aws_is_recognized_by_its_form(prefix: str) -> None:
    """Twelve capitals or digits must follow: the prefix may begin a word."""
    assert is_secret(f"{prefix}ABCDEFGHIJKL")
    assert not is_secret(f"{prefix}ABCDEFG")


WORDS = (
    *("password", "passwd", "passwort", "passcode", "passphrase", "pwd", "secret", "token", "credential"),
    *("authorization", "authorisation", "bearer", "api_key", "api-key", "apikey", "access_key", "access-key"),
    *("private_key", "private-key", "signature"),
)


@pytest.mark.parametrize("word", WORDS)
def test_each_word_for_a_secret_is_known(word: str) -> None:
    """As a key, in an address, before a value, in any case; a number or a sentence is none."""
    assert is_secret_name(f"my_{word.upper()}_2")
    for text in (
        f"{word}: horse",
        f"{word}=horse",
        f'"{word}": "horse"',
        f"{word} = basic horse",
        f"/x?a_{word}b=horse",
    ):
        assert is_secret(text), text
        assert "horse" not in hide_secrets(f"it is {text}, say")
    assert is_secret(f"{word} horse")
    assert not is_secret(f"{word}: 12345")
    assert hide_secrets(f"the {word} is wrong") == f"the {word} is wrong"


@pytest.mark.parametrize("scheme", ["basic", "bearer", "digest"])
def test_the_scheme_before_a_secret_is_not_taken_for_it(scheme: str) -> None:
    """The word after it is hidden, too."""
    assert "horse" not in hide_secrets(f"authorization: {scheme} horse")


@pytest.mark.parametrize("name", ["auth", "key", "pass", "pin", "salt"])
def test_a_short_word_for_a_secret_counts_at_the_end_of_a_name(name: str) -> None:
    """Also in the plural; within a word it is something else."""
    for text in (name, f"{name}s", f"my_{name}", f"my-{name}", f"my.{name}", name.upper()):
        assert is_secret_name(text), text
    for text in (f"x{name}", f"{name}x", f"{name}_x"):
        assert not is_secret_name(text), text


def test_each_part_of_a_problem_is_cleaned_by_itself() -> None:
    """The hint stays the hint; a harmless excerpt is kept."""
    problem = Diagnostic("m.yaml", 1, 2, "images.a", "wrong", "correct it", "name: x")
    assert clean_diagnostic(problem) == problem
    token = "ghp_" + "a1B2c3D4" * 4
    assert clean_diagnostic(replace(problem, excerpt=f"name: {token}")) == replace(problem, excerpt="")
    cleaned = clean_diagnostic(replace(problem, hint=f"remove {token}"))
    assert cleaned == replace(problem, hint="remove (36 characters, not shown: looks like a secret)")


@pytest.mark.parametrize(("text", "is_hidden"), [("aaBB11ccDD22-eeFF33gg", True), ("aaaaBB11cc-DD22eeFFgg", False)])
def test_a_run_with_signs_in_it_is_hidden_if_its_letters_change_often(text: str, *, is_hidden: bool) -> None:
    """Of 20 letters and digits, at nine places from one kind to another; in names fewer do."""
    assert is_secret(text) is is_hidden
