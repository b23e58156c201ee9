"""Signed lists: what a key of the keyring vouches for comes out, all else is an error of one line that says why."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pysequoia import Sig, SignatureMode, Tsk, sign

from imagesync.errors import SourceError
from imagesync.sources import signatures as limits
from imagesync.sources.signatures import MAX_SIGNATURES, verify_signature

LIST = b"- digest\n" + b"a" * 64 + b"  disk\n"
OTHER = b"b" * 64 + b"  disk\n"
SIGNED = Path(__file__).parent / "signed"
"""Keys and signatures of LIST that no program still makes by default; made with GnuPG 2.2."""


@pytest.fixture(scope="module")
def keys() -> list[Tsk]:
    """Two people's keys."""
    return [Tsk.generate("One <one@example.org>"), Tsk.generate("Two <two@example.org>")]


def ring(*keys: Tsk, armored: bool = True) -> bytes:
    """A keyring file of their certificates."""
    certificates = [key.extract_certificate() for key in keys]
    if armored:
        return "".join(map(str, certificates)).encode()
    return b"".join(map(bytes, certificates))


def detached(key: Tsk, content: bytes = LIST) -> bytes:
    """The armored signature of one key."""
    return sign(key.signer(), content, mode=SignatureMode.DETACHED)


def binary(signature: bytes) -> bytes:
    """The same without armor, as in a ``.sig`` or ``.gpg`` file."""
    return bytes(Sig.from_bytes(signature))


def clear(key: Tsk, content: bytes = LIST) -> bytes:
    """A clear-signed text."""
    return sign(key.signer(), content, mode=SignatureMode.CLEAR)


def explain(content: bytes, signature: bytes | None, keyring: bytes) -> str:
    """The message and the hint of a signature that is not right."""
    with pytest.raises(SourceError) as caught:
        verify_signature(content, signature, keyring, "keys.asc")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def key_id(key: Tsk) -> str:
    """The id of the key that signs: the signing subkey's."""
    return (Sig.from_bytes(detached(key)).issuer_fingerprint or "")[-16:].upper()


@pytest.mark.parametrize("armored", [True, False])
def test_a_detached_signature_of_a_key_of_the_ring_is_right(keys: list[Tsk], armored: bool) -> None:
    """The list comes out as it is; the signature is armored (``.asc``) or not (``.gpg``, ``.sig``)."""
    for signature in (detached(keys[0]), binary(detached(keys[0]))):
        assert verify_signature(LIST, signature, ring(keys[0], armored=armored)) == LIST


def test_one_right_signature_of_several_is_enough(keys: list[Tsk]) -> None:
    """An upstream signs with the old and the new key; the ring has one of them, or more."""
    made = [detached(key) for key in keys]
    for both in (b"".join(map(binary, made)), b"".join(made), b"\n".join(made)):
        for known in ([keys[0]], [keys[1]], keys):
            assert verify_signature(LIST, both, ring(*known, armored=False)) == LIST


def test_too_many_signatures_are_none(keys: list[Tsk]) -> None:
    """Each one may cost a reading of the whole list; the right one is at the end."""
    wrong = detached(keys[0], OTHER)
    many = binary(wrong) * (MAX_SIGNATURES - 1) + binary(detached(keys[0]))
    assert verify_signature(LIST, many, ring(keys[0])) == LIST
    assert "has more than 64 signatures" in explain(LIST, binary(wrong) + many, ring(keys[0]))
    assert "has more than 64 signatures" in explain(LIST, wrong * (MAX_SIGNATURES + 1), ring(keys[0]))


def test_a_clear_signed_list_comes_out_without_the_signature(keys: list[Tsk]) -> None:
    """Text that was put around what is signed does not; nor does the text in its header."""
    signed = clear(keys[0])
    around = b"b" * 64 + b"  disk\n\n"
    second = clear(keys[1], OTHER)
    for text in (signed, around + signed, signed + b"\n" + around, around + signed + b"\n" + around, signed + second):
        assert verify_signature(text, None, ring(keys[0])).rstrip() == LIST.rstrip()
    assert (
        verify_signature(signed.replace(b"\n\n", b"\n" + OTHER + b"\n", 1), None, ring(keys[0])).rstrip()
        == LIST.rstrip()
    )


def test_only_the_first_block_of_several_is_judged(keys: list[Tsk]) -> None:
    """A right one behind it does not vouch for it."""
    assert f"signed by key {key_id(keys[1])}" in explain(clear(keys[1], OTHER) + clear(keys[0]), None, ring(keys[0]))


def test_whose_signature_it_is_and_that_the_ring_does_not_have_the_key(keys: list[Tsk]) -> None:
    """Detached or clear; one or several; the name is the manifest's."""
    one = (
        f"signature verification failed: signed by key {key_id(keys[1])}, which is not in keys.asc; add it to keys.asc"
    )
    assert one in explain(LIST, detached(keys[1]), ring(keys[0]))
    assert one in explain(LIST, binary(detached(keys[1])), ring(keys[0]))
    assert one in explain(clear(keys[1]), None, ring(keys[0]))
    third = Tsk.generate("Three <three@example.org>")
    several = f"signed by keys {key_id(keys[1])}, {key_id(third)}, none of which is in keys.asc"
    assert several in explain(LIST, detached(keys[1]) + detached(third), ring(keys[0]))


def test_a_changed_list_differs_from_a_missing_key(keys: list[Tsk]) -> None:
    """The key is there: so the list, or the signature, is another one."""
    changed = f"signature verification failed: the list is not what key {key_id(keys[0])} in keys.asc signed"
    assert changed in explain(LIST + b"x", detached(keys[0]), ring(*keys))
    assert changed in explain(LIST + b"x", detached(keys[0]) + detached(keys[1], OTHER), ring(keys[0]))
    assert changed in explain(clear(keys[0]).replace(b"aaaa", b"aaab", 1), None, ring(keys[0]))


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        (lambda _: b"nonsense", "not an OpenPGP signature; correct signature.url"),
        (lambda _: b"", "empty, so not a signature; try again later, or correct signature.url"),
        (lambda _: LIST, "not an OpenPGP signature"),
        (lambda _: b"<!DOCTYPE html>\n<html>log in</html>", "not a signature but an HTML page"),
        (lambda keys: ring(keys[0]), "not a signature but a key"),
        (lambda keys: ring(keys[0], armored=False), "not a signature but a key"),
        (
            lambda keys: clear(keys[0]),
            "not a detached signature but a clear-signed text; name it in checksum_url and in",
        ),
        (lambda keys: detached(keys[0])[:120], "not an OpenPGP signature"),
        (lambda keys: sign(keys[0].signer(), OTHER, mode=SignatureMode.INLINE), "is not what key"),
    ],
)
def test_a_file_that_is_no_detached_signature_is_called_what_it_is(
    keys: list[Tsk], signature: Callable[[list[Tsk]], bytes], message: str
) -> None:
    """Whatever the library raises."""
    assert message in explain(LIST, signature(keys), ring(keys[0]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda _: LIST, "the list is not clear-signed; name the detached signature of the list in signature.url"),
        (lambda _: b"", "the list is not clear-signed"),
        (lambda keys: clear(keys[0])[:-150], "cut short or damaged"),
        (lambda keys: clear(keys[0]).partition(b"-----BEGIN PGP SIGNATURE")[0], "cut short or damaged"),
    ],
)
def test_a_list_that_is_not_clear_signed_is_called_so(
    keys: list[Tsk], content: Callable[[list[Tsk]], bytes], message: str
) -> None:
    """``signature.url`` is the list's own."""
    assert message in explain(content(keys), None, ring(keys[0]))


@pytest.mark.parametrize(
    ("keyring", "message"),
    [
        (b"nonsense", "keys.asc cannot be read as OpenPGP keys; export the public keys: gpg --export --armor KEY"),
        (b"", "keys.asc contains no key"),
        (b"\0\0\0\x20\1\1\0\2KBXf" + bytes(20), "keys.asc is a keybox of GnuPG, which other programs cannot read"),
    ],
)
def test_a_file_that_is_not_a_keyring_is_named_as_what_it_is(keys: list[Tsk], keyring: bytes, message: str) -> None:
    """``pubring.kbx`` has the keys, in a form of its own."""
    assert message in explain(LIST, detached(keys[0]), keyring)


def test_a_revoked_key_vouches_for_nothing(keys: list[Tsk]) -> None:
    """The signature itself would be right."""
    certificate = keys[0].extract_certificate()
    revoked = bytes(certificate) + bytes(certificate.revoke(keys[0].certifier()))
    assert f"signed by key {key_id(keys[0])} in keys.asc, which is revoked" in explain(LIST, detached(keys[0]), revoked)


def test_a_key_that_expired_before_it_signed_vouches_for_nothing(keys: list[Tsk]) -> None:
    """A keyring that is older than the renewal of its key; what was signed before stays right."""
    before = Sig.from_bytes(detached(keys[0])).created
    assert before is not None
    certificate = keys[0].extract_certificate()
    end = max(before - timedelta(seconds=1), datetime.now(UTC) - timedelta(seconds=1))
    expired = bytes(certificate.set_expiration(end, keys[0].certifier()))
    assert f"key {key_id(keys[0])} in keys.asc expired on {end:%Y-%m-%d}, before it signed the list" in explain(
        LIST, detached(keys[0]), expired
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "sha1-bound",
            "key 7B5B5F050E0AAD04 in keys.asc is certified with SHA-1 only, which is not trusted; ask the upstream for its",
        ),
        ("rsa-1024", " in keys.asc is too weak to be trusted (RSA of 1024 bits)"),
        (
            "sha1-signature",
            "key 3C22E9FB5BD415A7 in keys.asc uses SHA-1 and is not trusted; ask the upstream to sign with SHA-256",
        ),
        ("to-come", "in keys.asc is dated 2098-01-01T00:00Z, in the future; check this host's clock"),
        ("expired-signature", "in keys.asc expired on 2021-01-06; check whether the upstream published a newer list"),
        ("revoked-subkey", "in keys.asc, which is revoked; ask the upstream for its current key"),
        ("expired-subkey", "key D6E752A65076FDD0 in keys.asc expired on 2021-12-31, before it signed the list"),
    ],
)
def test_what_is_not_trusted_says_why(name: str, message: str) -> None:
    """Each signature is of LIST, by the key beside it; only the reason named here makes it void."""
    signature, keyring = ((SIGNED / f"{name}.{what}.asc").read_bytes() for what in ("sig", "key"))
    assert message in explain(LIST, signature, keyring)


def test_what_a_key_signed_before_it_expired_is_right() -> None:
    """As GnuPG has it, which says "Good signature"."""
    signature = (SIGNED / "valid-subkey.sig.asc").read_bytes()
    assert verify_signature(LIST, signature, (SIGNED / "expired-subkey.key.asc").read_bytes()) == LIST


def test_a_changed_list_of_a_key_that_expired_later_is_called_changed() -> None:
    """The key was valid when it signed, so it is not the reason."""
    signature, keyring = ((SIGNED / name).read_bytes() for name in ("valid-subkey.sig.asc", "expired-subkey.key.asc"))
    assert "the list is not what key D6E752A65076FDD0 in keys.asc signed" in explain(LIST + b"x", signature, keyring)


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.MAX_SIGNATURES == 64
