"""A signed list and a keyring -> the content that the signature vouches for. Pure; OpenPGP by pysequoia."""

from collections.abc import Callable
from typing import Final, TypeVar

from imagesync.errors import SourceError

T = TypeVar("T")

_MEND: Final = "find out who signed it, or correct signature.keyring"


def verify_signature(content: bytes, signature: bytes | None, keyring: bytes) -> bytes:
    """What was signed by a key of ``keyring`` (one or many certificates, armored or not).

    ``signature`` is detached and may hold several, of which one has to be right; None: ``content`` is clear-signed and
    comes out without the signature. SourceError for a keyring or a signature that cannot be read, or a wrong one.
    """
    from pysequoia import Cert, Sig, verify
    from pysequoia.packet import PacketPile, Tag

    certificates = _read(
        lambda: Cert.split_bytes(keyring), "the keyring cannot be read", "export the public keys again"
    )
    if not certificates:
        raise SourceError("the keyring holds no key", "export the public keys again")
    if signature is None:
        done = _read(lambda: verify(content, lambda _ids: certificates), "the signature is not right", _MEND)
        return bytes(done.bytes or b"")
    packets = _read(lambda: list(PacketPile.from_bytes(signature)), "the signature cannot be read", _MEND)
    for packet in packets:
        if packet.tag != Tag.Signature:
            continue
        try:
            verify(bytes=content, store=lambda _ids: certificates, signature=Sig.from_bytes(bytes(packet)))
        except Exception:  # noqa: S112 - another one may be right; the library raises RuntimeError and worse
            continue
        return content
    raise SourceError("the signature is not right, or not by a key of the keyring", _MEND)


def _read(work: Callable[[], T], what: str, hint: str) -> T:
    """The result; whatever the library raises (with a backtrace in its text) as one line."""
    try:
        return work()
    except Exception as error:
        raise SourceError(what, hint) from error
