"""The first bytes of data -> whether they are OpenPGP data without armor: a message, a signature or a key. Pure.

The rules are those of RFC 9580, sections 4.2 (packet headers) and 5 (packets). There is no magic number, so the first two
packets must be valid.
"""

import zlib
from collections.abc import Callable
from typing import Final, NamedTuple

_ASYMMETRIC: Final = frozenset({1, 2, 3, 16, 17, 18, 19, 22, 25, 26, 27, 28})
_SYMMETRIC: Final = frozenset({1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 13})
_HASHES: Final = frozenset({1, 2, 3, 8, 9, 10, 11, 12, 14})


class _Packet(NamedTuple):
    """A packet header; ``end`` is None if the packet has no length or consists of several parts."""

    tag: int
    start: int
    end: int | None


def is_openpgp(head: bytes) -> bool:
    """Whether the data is an encrypted, signed or compressed message, detached signatures, or keys."""
    first = _read_valid_packet(head, 0)
    if first is None or first.tag not in _FOLLOWERS:
        return False
    if first.tag == _COMPRESSED:
        return True
    if first.end is None or first.end >= len(head):
        return first.tag == _SIGNATURE and first.end == len(head)
    following = _read_valid_packet(head, first.end)
    return following is not None and following.tag in _FOLLOWERS[first.tag]


def _read_valid_packet(head: bytes, place: int) -> _Packet | None:
    """The header of a packet; None if there is none, or if the body is not valid for its tag."""
    packet = _read_packet(head, place)
    is_valid = _BODIES.get(packet.tag) if packet else None
    return packet if packet and is_valid and is_valid(head[packet.start : packet.end]) else None


def _read_packet(head: bytes, place: int) -> _Packet | None:
    """The header of the packet at ``place``; None if there is none."""
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
    """The header of a packet whose length is at ``place`` and has ``size`` bytes."""
    start = place + size
    return _Packet(tag, start, start + int.from_bytes(head[place:start], "big") if size else None)


def _is_session_key(body: bytes) -> bool:
    """Whether the body is a session key. Version 6 has the key's fingerprint, with length and version, instead of its id."""
    if len(body) < 36:
        return False
    place = {3: 9, 6: 2 + body[1]}.get(body[0], 0)
    return 0 < place < len(body) and body[place] in _ASYMMETRIC and (body[0] == 3 or body[1] in (0, 21, 33))


def _is_password(body: bytes) -> bool:
    """Whether the body is a password-based key. Version 4 has the key derivation, versions 5 and 6 the encryption mode."""
    if len(body) < 5 or body[0] not in (4, 5, 6):
        return False
    cipher, way = body[2:4] if body[0] == 6 else body[1:3]
    return cipher in _SYMMETRIC and way in ((0, 1, 3, 4) if body[0] == 4 else (1, 2, 3))


def _is_signature(body: bytes) -> bool:
    if len(body) < 10 or body[0] not in (3, 4, 6):
        return False
    algorithms = body[15:17] if body[0] == 3 else body[2:4]
    return len(algorithms) == 2 and algorithms[0] in _ASYMMETRIC and algorithms[1] in _HASHES


def _is_one_pass(body: bytes) -> bool:
    return len(body) >= 13 and body[0] in (3, 6) and body[2] in _HASHES and body[3] in _ASYMMETRIC


def _is_key(body: bytes) -> bool:
    return len(body) >= 10 and body[0] in (4, 6) and body[5] in _ASYMMETRIC


def _is_user(body: bytes) -> bool:
    try:
        return body.decode().isprintable()
    except UnicodeDecodeError:
        return False


def _is_encrypted(body: bytes) -> bool:
    return body[:1] in (b"\1", b"\2")


def _is_literal(body: bytes) -> bool:
    return body[:1] in (b"b", b"t", b"u", b"l", b"1", b"m")


def _is_compressed(body: bytes) -> bool:
    """Whether the body is ZIP or zlib data with a message inside, or bzip2 data."""
    window = {1: -15, 2: 15}.get(body[0] if body else 0)
    if window is None:
        return body.startswith(b"\3BZh")
    try:
        inside = zlib.decompressobj(window).decompress(body[1:4096], 64)
    except zlib.error:
        return False
    packet = _read_valid_packet(inside, 0)
    return packet is not None and packet.tag in _MESSAGES


_SIGNATURE: Final = 2
_COMPRESSED: Final = 8
_BODIES: Final[dict[int, Callable[[bytes], bool]]] = {
    1: _is_session_key,
    _SIGNATURE: _is_signature,
    3: _is_password,
    4: _is_one_pass,
    5: _is_key,
    6: _is_key,
    7: _is_key,
    _COMPRESSED: _is_compressed,
    11: _is_literal,
    13: _is_user,
    14: _is_key,
    18: _is_encrypted,
    20: _is_encrypted,
}
"""Checks of the body of a packet, by its tag."""
_MESSAGES: Final = frozenset({2, 4, 8, 11})
_ENCRYPTED: Final = frozenset({1, 3, 18, 20})
_ON_KEYS: Final = frozenset({2, 7, 13, 14})
_FOLLOWERS: Final = {
    1: _ENCRYPTED,
    3: _ENCRYPTED,
    _SIGNATURE: _MESSAGES,
    4: _MESSAGES,
    5: _ON_KEYS,
    6: _ON_KEYS,
    _COMPRESSED: frozenset[int](),
}
"""The tags that may follow a first packet, by its tag."""
