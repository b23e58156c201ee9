"""Signed lists: what a key of the keyring vouches for comes out, all else is an error of one line."""

from collections.abc import Callable

import pytest
from pysequoia import Sig, SignatureMode, Tsk, sign

from imagesync.errors import SourceError
from imagesync.sources.signatures import verify_signature

LIST = b"- digest\n" + b"a" * 64 + b"  disk\n"


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


@pytest.mark.parametrize("armored", [True, False])
def test_a_detached_signature_of_a_key_of_the_ring_is_right(keys: list[Tsk], armored: bool) -> None:
    """The list comes out as it is."""
    assert verify_signature(LIST, detached(keys[0]), ring(keys[0], armored=armored)) == LIST


def test_one_right_signature_of_several_is_enough(keys: list[Tsk]) -> None:
    """An upstream signs with the old and the new key; the ring has one of them, or more."""
    both = b"".join(bytes(Sig.from_bytes(detached(key))) for key in keys)
    assert verify_signature(LIST, both, ring(keys[1])) == LIST
    assert verify_signature(LIST, both, ring(*keys, armored=False)) == LIST


def test_a_clear_signed_list_comes_out_without_the_signature(keys: list[Tsk]) -> None:
    """Text that was put around what is signed does not."""
    signed = sign(keys[0].signer(), LIST, mode=SignatureMode.CLEAR)
    around = b"b" * 64 + b"  disk\n\n"
    for text in (signed, around + signed, signed + b"\n" + around, around + signed + b"\n" + around):
        assert verify_signature(text, None, ring(keys[0])).rstrip() == LIST.rstrip()


@pytest.mark.parametrize(
    ("content", "signature", "keyring", "message"),
    [
        (LIST + b"x", lambda keys: detached(keys[0]), lambda keys: ring(keys[0]), "not right, or not by a key"),
        (LIST, lambda keys: detached(keys[1]), lambda keys: ring(keys[0]), "not right, or not by a key"),
        (LIST, lambda _: b"nonsense", lambda keys: ring(keys[0]), "the signature cannot be read"),
        (LIST, lambda keys: ring(keys[0]), lambda keys: ring(keys[0]), "not right, or not by a key"),
        (LIST, lambda keys: detached(keys[0]), lambda _: b"nonsense", "the keyring cannot be read"),
        (LIST, lambda keys: detached(keys[0]), lambda _: b"", "the keyring holds no key"),
        (LIST, lambda _: None, lambda keys: ring(keys[0]), "the signature is not right"),
    ],
)
def test_a_wrong_one_is_one_line(
    keys: list[Tsk],
    content: bytes,
    signature: Callable[[list[Tsk]], bytes | None],
    keyring: Callable[[list[Tsk]], bytes],
    message: str,
) -> None:
    """Whatever the library raises."""
    with pytest.raises(SourceError, match=message) as caught:
        verify_signature(content, signature(keys), keyring(keys))
    assert "\n" not in str(caught.value)


def test_a_clear_signature_by_another_key_is_wrong(keys: list[Tsk]) -> None:
    """And so is one whose text was changed."""
    signed = sign(keys[0].signer(), LIST, mode=SignatureMode.CLEAR)
    for content, keyring in ((signed, ring(keys[1])), (signed.replace(b"aaaa", b"aaab", 1), ring(keys[0]))):
        with pytest.raises(SourceError, match="the signature is not right"):
            verify_signature(content, None, keyring)
