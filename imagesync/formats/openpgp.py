"""The first bytes of data -> whether they are OpenPGP data without armor: a message, a signature, a key. Pure.

RFC 9580, sections 4.2 (headers of packets) and 5 (packets). There is no magic: the first packet must be a sane one, and
what follows it, too.
"""

import zlib
from collections.abc import Callable
from typing import Final, NamedTuple

_ASYMMETRIC: Final = frozenset({1, 2, 3, 16, 17, 18, 19, 22, 25, 26, 27, 28})
_SYMMETRIC: Final = frozenset({1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 13})
_HASHES: Final = frozenset({1, 2, 3, 8, 9, 10, 11, 12, 14})


class _Packet(NamedTuple):
    """``end`` is None if the packet has no length, or consists of several parts."""

    tag: int
    start: int
    end: int | None


def is_openpgp(head: bytes) -> bool:
    """A message that is encrypted, signed or packed, detached signatures, or keys."""
    first = _read_packet(head, 0)
    rules = _RULES.get(first.tag) if first else None
    if first is None or rules is None:
        return False
    is_sane, followers = rules
    if not is_sane(head[first.start : first.end]):
        return False
    if first.tag == _COMPRESSED:
        return True
    if first.end is None or first.end > len(head):
        return False
    if first.end == len(head):
        return first.tag == _SIGNATURE
    return _is_followed(head, first.end, followers)


def _is_followed(head: bytes, place: int, tags: frozenset[int]) -> bool:
    """Whether a packet with one of these tags begins here; encrypted data has a version."""
    packet = _read_packet(head, place)
    if packet is None or packet.tag not in tags:
        return False
    return packet.tag not in (18, 20) or head[packet.start : packet.start + 1] in (b"\1", b"\2")


def _read_packet(head: bytes, place: int) -> _Packet | None:
    """The header of a packet; None if there is none."""
    first = head[place] if place + 6 <= len(head) else 0
    if not first & 0x80:
        return None
    if not first & 0x40:
        size = (1, 2, 4, 0)[first & 3]
        return _make_packet(head, first >> 2 & 15, place + 1, size)
    tag, length = first & 63, head[place + 1]
    if length < 192:
        return _Packet(tag, place + 2, place + 2 + length)
    if length < 224:
        return _Packet(tag, place + 3, place + 3 + (length - 192 << 8) + head[place + 2] + 192)
    return _make_packet(head, tag, place + 2, 4 if length == 255 else 0)


def _make_packet(head: bytes, tag: int, place: int, size: int) -> _Packet:
    """The length of the packet lies at this place, in so many bytes."""
    start = place + size
    return _Packet(tag, start, start + int.from_bytes(head[place:start], "big") if size else None)


def _is_session_key(body: bytes) -> bool:
    """Version 6 has the fingerprint of the key in the place of its number, with its length and version."""
    if len(body) < 36:
        return False
    place = {3: 9, 6: 2 + body[1]}.get(body[0], 0)
    return 0 < place < len(body) and body[place] in _ASYMMETRIC and (body[0] == 3 or body[1] in (0, 21, 33))


def _is_password(body: bytes) -> bool:
    """The third byte: how the key is derived in version 4, the mode of the encryption in version 5."""
    allowed = {4: b"\0\1\3\4", 5: b"\1\2\3"}.get(body[0] if len(body) >= 4 else 0, b"")
    return bool(allowed) and body[1] in _SYMMETRIC and body[2] in allowed


def _is_signature(body: bytes) -> bool:
    if len(body) < 10 or body[0] not in (3, 4, 6):
        return False
    algorithms = body[15:17] if body[0] == 3 else body[2:4]
    return len(algorithms) == 2 and algorithms[0] in _ASYMMETRIC and algorithms[1] in _HASHES


def _is_one_pass(body: bytes) -> bool:
    return len(body) >= 13 and body[0] in (3, 6) and body[2] in _HASHES and body[3] in _ASYMMETRIC


def _is_key(body: bytes) -> bool:
    return len(body) >= 10 and body[0] in (4, 6) and body[5] in _ASYMMETRIC


def _is_literal(body: bytes) -> bool:
    return body[:1] in (b"b", b"t", b"u", b"l", b"1", b"m")


def _is_compressed(body: bytes) -> bool:
    """Zip or zlib, in which a message is, or bzip2."""
    window = {1: -15, 2: 15}.get(body[0] if body else 0)
    if window is None:
        return body.startswith(b"\3BZh")
    try:
        inside = zlib.decompressobj(window).decompress(body[1:4096], 64)
    except zlib.error:
        return False
    packet = _read_packet(inside, 0)
    is_sane = _INSIDE.get(packet.tag) if packet else None
    return packet is not None and is_sane is not None and is_sane(inside[packet.start :])


_SIGNATURE: Final = 2
_COMPRESSED: Final = 8
_MESSAGES: Final = frozenset({2, 4, 8, 11})
_INSIDE: Final = {_SIGNATURE: _is_signature, 4: _is_one_pass, 11: _is_literal}
_ENCRYPTED: Final = frozenset({1, 3, 9, 18, 20})
_ON_KEYS: Final = frozenset({2, 5, 6, 7, 13, 14, 17})
_RULES: Final[dict[int, tuple[Callable[[bytes], bool], frozenset[int]]]] = {
    1: (_is_session_key, _ENCRYPTED),
    3: (_is_password, _ENCRYPTED),
    _SIGNATURE: (_is_signature, _MESSAGES),
    4: (_is_one_pass, _MESSAGES),
    5: (_is_key, _ON_KEYS),
    6: (_is_key, _ON_KEYS),
    _COMPRESSED: (_is_compressed, frozenset()),
}
"""By the tag of the first packet: whether its body is sane, and the tags of what may follow it."""
