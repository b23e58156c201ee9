"""A signature that the library rejected, and its key -> the reason, and what to do. Pure; OpenPGP packets (RFC 9580)."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pysequoia import Cert
    from pysequoia.packet import Packet

KEY: Final = "{key}"
"""The place of the key in the text of a reason."""
WEAK_HASHES: Final = frozenset({"MD5", "SHA1", "RipeMD"})
"""Names in the library, which trusts none of them."""
MIN_MODULUS_BITS: Final = 2048
_NEWER: Final = "ask the upstream for its current key, and add it to the keyring"
_STRONGER: Final = "ask the upstream to sign with SHA-256 or better; until then declare the checksum itself"
_WHOLE: Final = "try again later; if it stays so, the list or its signature is not the upstream's"


class Issuer(NamedTuple):
    """The key that made a signature: its certificate, its own packet, and the signatures that bind it to the certificate."""

    certificate: "Cert"
    key: "Packet"
    bindings: "Sequence[Packet]"


def show_key_id(packet: "Packet") -> str:
    """The id (16 hexadecimal digits) of the key that a signature names; empty if it names none."""
    return (packet.issuer_fingerprint or packet.issuer_key_id or "")[-16:].upper()


def find_issuers(packet: "Packet", certificates: "Sequence[Cert]") -> list[Issuer]:
    """The keys that have the id which a signature names; all keys if it names none."""
    wanted = show_key_id(packet)
    return [
        issuer
        for certificate in certificates
        for issuer in _list_keys(certificate)
        if not wanted or (issuer.key.key_id or "").upper() == wanted
    ]


def _list_keys(certificate: "Cert") -> "list[Issuer]":
    """The primary key of a certificate and its subkeys, each with the signatures behind it."""
    from pysequoia.packet import PacketPile, Tag

    issuers: list[Issuer] = []
    bindings: list[Packet] = []
    for packet in PacketPile.from_bytes(bytes(certificate)):
        if packet.tag in (Tag.PublicKey, Tag.PublicSubkey, Tag.SecretKey, Tag.SecretSubkey):
            bindings = []
            issuers.append(Issuer(certificate, packet, bindings))
        elif packet.tag == Tag.Signature:
            bindings.append(packet)
    return issuers


def describe_failure(packet: "Packet", issuer: Issuer, keyring: str) -> tuple[str, str]:
    """What is wrong with a signature by a key of the keyring, and what to do; last, that it does not fit the list."""
    key = f"key {show_key_id(packet)} in {keyring}"
    for check in _CHECKS:
        with suppress(Exception):  # the library raises RuntimeError for the parts of a key that it does not trust
            if found := check(packet, issuer):
                return found[0].replace(KEY, key), found[1]
    return f"the list is not what {key} signed: it, or its signature, was changed or replaced", _WHOLE


def _find_revocation(_packet: "Packet", issuer: Issuer) -> tuple[str, str] | None:
    from pysequoia.packet import SignatureType

    is_revoked = any(binding.signature_type == SignatureType.SubkeyRevocation for binding in issuer.bindings)
    return (f"signed by {KEY}, which is revoked", _NEWER) if issuer.certificate.is_revoked or is_revoked else None


def _find_weak_binding(_packet: "Packet", issuer: Issuer) -> tuple[str, str] | None:
    """In the keys of CentOS 7 and 8, for example, a SHA-1 signature certifies name, use and expiry of the key."""
    primary = _list_keys(issuer.certificate)[0]
    for bindings in (primary.bindings, issuer.bindings):
        own = [one for one in bindings if show_key_id(one) == (primary.key.key_id or "").upper()]
        names = {str(one.hash_algorithm).rpartition(".")[2] for one in own}
        if names and names <= WEAK_HASHES:
            display = " and ".join(sorted(name.replace("SHA1", "SHA-1") for name in names))
            return f"{KEY} is certified with {display} only, which is not trusted", _NEWER
    return None


def _find_expiry(packet: "Packet", issuer: Issuer) -> tuple[str, str] | None:
    """A signature that was made before its key expired stays valid."""
    made = packet.signature_created or datetime.now(UTC)
    ends = [issuer.certificate.expiration, *_list_ends(issuer)]
    ended = [end for end in ends if end is not None and end <= made]
    return (f"{KEY} expired on {min(ended):%Y-%m-%d}, before it signed the list", _NEWER) if ended else None


def _list_ends(issuer: Issuer) -> list[datetime]:
    """The expiry in the newest binding of a key; empty if it has none."""
    dated = [one for one in issuer.bindings if one.signature_created]
    newest = max(dated, key=lambda one: one.signature_created or datetime.min, default=None)
    period: timedelta | None = newest.key_validity_period if newest else None
    return [issuer.key.key_created + period] if period and issuer.key.key_created else []


def _find_end_of_signature(packet: "Packet", _issuer: Issuer) -> tuple[str, str] | None:
    end = packet.signature_expiration_time
    if end is None or end > datetime.now(UTC):
        return None
    return f"the signature by {KEY} expired on {end:%Y-%m-%d}", "check whether the upstream published a newer list"


def _find_future(packet: "Packet", _issuer: Issuer) -> tuple[str, str] | None:
    made = packet.signature_created
    if made is None or made <= datetime.now(UTC):
        return None
    return f"the signature by {KEY} is dated {made:%Y-%m-%dT%H:%MZ}, in the future", "check this host's clock"


def _find_weak_hash(packet: "Packet", _issuer: Issuer) -> tuple[str, str] | None:
    name = str(packet.hash_algorithm).rpartition(".")[2]
    if name not in WEAK_HASHES:
        return None
    return f"the signature by {KEY} uses {name.replace('SHA1', 'SHA-1')} and is not trusted", _STRONGER


def _find_weak_key(_packet: "Packet", issuer: Issuer) -> tuple[str, str] | None:
    """RSA or DSA with a modulus (the first number of the key's packet, RFC 9580, 5.5.2) of less than 2048 bits."""
    name, body = str(issuer.key.key_algorithm).rpartition(".")[2][:3], issuer.key.body
    bits = int.from_bytes(body[6:8]) if body[:1] == b"\x04" and name in ("RSA", "DSA") else MIN_MODULUS_BITS
    return (f"{KEY} is too weak to be trusted ({name} of {bits} bits)", _NEWER) if bits < MIN_MODULUS_BITS else None


def _find_other_use(_packet: "Packet", issuer: Issuer) -> tuple[str, str] | None:
    flags = [binding.key_flags for binding in issuer.bindings if binding.key_flags is not None]
    if not flags or any(one.signing for one in flags):
        return None
    return f"{KEY} is not a signing key", "ask the upstream which key signs its lists"


_CHECKS: Final[Sequence[Callable[["Packet", Issuer], tuple[str, str] | None]]] = (
    _find_weak_key,
    _find_weak_binding,
    _find_revocation,
    _find_expiry,
    _find_end_of_signature,
    _find_future,
    _find_weak_hash,
    _find_other_use,
)
