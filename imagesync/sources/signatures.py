"""A signed list and a keyring -> the signed content. Pure; OpenPGP by pysequoia.

The library alone decides whether a signature is valid. It gives no reason for an invalid one, so the packets (RFC 9580) of
the signature and of the keyring are read afterwards, for the message only.
"""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from imagesync.errors import SourceError
from imagesync.formats import is_page
from imagesync.sources.keys import describe_failure, find_issuers, show_key_id

if TYPE_CHECKING:
    from pysequoia import Cert
    from pysequoia.packet import Packet

T = TypeVar("T")

MAX_SIGNATURES: Final = 64
"""In one file: each may need another pass over the whole list."""
_CLEAR_SIGNED: Final = re.compile(rb"^-----BEGIN PGP SIGNED MESSAGE-----", re.MULTILINE)
_ARMORED: Final = re.compile(rb"^-----BEGIN PGP SIGNATURE-----", re.MULTILINE)
_KEYBOX: Final = b"KBXf"
_EXPORT: Final = "export the public keys: gpg --export --armor KEY"
_MEND: Final = "find out who signed the list, or correct signature.keyring"
_CORRECT: Final = "correct signature.url"


def verify_signature(content: bytes, signature: bytes | None, keyring: bytes, name: str = "the keyring") -> bytes:
    """The content that a key of ``keyring`` signed (one or many certificates, armored or not); SourceError if none did.

    ``signature`` is detached, armored or binary. It may hold several signatures, and one must be valid. None: ``content`` is
    clear-signed, and only its signed text is returned. ``name`` of the keyring in messages.
    """
    certificates = _read_keyring(keyring, name)
    if signature is None:
        return _verify_signed_text(content, certificates, name)
    packets = _read_signatures(signature)
    if _is_right(content, packets, certificates):
        return content
    raise _explain(packets, certificates, name)


def _read_keyring(keyring: bytes, name: str) -> "list[Cert]":
    from pysequoia import Cert

    if keyring[8:12] == _KEYBOX:
        raise SourceError(f"{name} is a keybox of GnuPG, which other programs cannot read", _EXPORT)
    certificates = _read(lambda: Cert.split_bytes(keyring), f"{name} cannot be read as OpenPGP keys", _EXPORT)
    if not certificates:
        raise SourceError(f"{name} contains no key", _EXPORT)
    return certificates


def _verify_signed_text(content: bytes, certificates: "list[Cert]", name: str) -> bytes:
    """The text of the first signed block, without the text before and after it."""
    from pysequoia import verify

    try:
        return bytes(verify(content, lambda _ids: certificates).bytes or b"")
    except Exception as error:
        begin = _CLEAR_SIGNED.search(content)
        if begin is None:
            hint = "name the detached signature of the list in signature.url, or remove signature"
            raise SourceError("the list is not clear-signed", hint) from error
        following = _CLEAR_SIGNED.search(content, begin.end())
        packets = _find_signatures(content[begin.end() : following.start() if following else None])
        if not packets:
            raise SourceError(
                "the signature at the end of the list is cut short or damaged", "try again later"
            ) from error
        raise _explain(packets, certificates, name) from error


def _read_signatures(signature: bytes) -> "list[Packet]":
    """The packets of all signatures of a file; SourceError for none, or for too many."""
    if _CLEAR_SIGNED.search(signature):
        hint = "name it in checksum_url and in signature.url, or name a detached signature"
        raise SourceError("not a detached signature but a clear-signed text", hint)
    if is_page(signature[:4096]):
        raise SourceError("not a signature but an HTML page", f"{_CORRECT}; it may require a login")
    if not signature.strip():
        raise SourceError("empty, so not a signature", f"try again later, or {_CORRECT}")
    packets = _find_signatures(signature)
    if not packets:
        raise SourceError("not an OpenPGP signature", _CORRECT)
    if len(packets) > MAX_SIGNATURES:
        raise SourceError(f"has more than {MAX_SIGNATURES} signatures", _CORRECT)
    return packets


def _find_signatures(signature: bytes) -> "list[Packet]":
    """The signatures of documents (not of keys): binary ones, or one or several armored ones in a row."""
    from pysequoia.packet import PacketPile, SignatureType, Tag

    starts = [found.start() for found in _ARMORED.finditer(signature)] or [0]
    parts = [signature[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]
    packets: list[Packet] = []
    for part in parts[: MAX_SIGNATURES + 1]:
        try:
            found = list(PacketPile.from_bytes(part))
        except Exception:  # noqa: S112 - another block may be valid; the library also raises its own panics
            continue
        if any(packet.tag in (Tag.PublicKey, Tag.SecretKey) for packet in found):
            raise SourceError("not a signature but a key", f"{_CORRECT}; a key belongs in signature.keyring")
        packets += [packet for packet in found if packet.tag == Tag.Signature]
    return [packet for packet in packets if packet.signature_type in (SignatureType.Binary, SignatureType.Text)]


def _is_right(content: bytes, packets: "Sequence[Packet]", certificates: "list[Cert]") -> bool:
    """Whether one of the signatures is valid, and by a key of the keyring."""
    from pysequoia import Sig, verify

    for packet in packets:
        try:
            verify(bytes=content, store=lambda _ids: certificates, signature=Sig.from_bytes(bytes(packet)))
        except Exception:  # noqa: S112 - another signature may be valid
            continue
        return True
    return False


def _explain(packets: "Sequence[Packet]", certificates: "list[Cert]", name: str) -> SourceError:
    """Why no signature is valid: what is wrong with one by a key of the keyring, or which unknown keys made them."""
    known = [(packet, issuers) for packet in packets if (issuers := find_issuers(packet, certificates))]
    if known:
        packet, issuers = known[0]
        what, hint = describe_failure(packet, issuers[0], name)
        return SourceError(f"signature verification failed: {what}", hint)
    keys = list(dict.fromkeys(filter(None, map(show_key_id, packets))))
    if not keys:
        return SourceError("signature verification failed: the signature does not name its key", _MEND)
    several = f"keys {', '.join(keys[:4])}, none of which is" if len(keys) > 1 else f"key {keys[0]}, which is not"
    hint = f"add it to {name} if you trust it, or correct signature.keyring"
    return SourceError(f"signature verification failed: signed by {several} in {name}", hint)


def _read(work: Callable[[], T], what: str, hint: str) -> T:
    """The result of ``work``; one line for any error of the library, whose text has a backtrace."""
    try:
        return work()
    except Exception as error:
        raise SourceError(what, hint) from error
