"""OpenPGP data without armor is recognized: data of a program, and other forms written by hand."""

import bz2
import random
import struct
import zlib

import pytest
from pysequoia import CipherSuite, SignatureMode, Tsk, encrypt, sign

from imagesync.formats.openpgp import is_openpgp

DATA = random.Random(1).randbytes(5000)
KEYS = {
    name: Tsk.generate("A <a@example.com>", cipher_suite=suite)
    for name, suite in (("ecc", CipherSuite.Cv25519), ("rsa", CipherSuite.RSA2k))
}
ESK = struct.pack(">BHB8sB", 0x85, 268, 3, bytes(8), 1).ljust(271, b"\x07")
"""A session key for RSA in the older form of packets, as GnuPG writes it."""
PASSWORD = b"\x8c\x0d\x04\x09\x03\x08".ljust(15, b"\x07")
KEY = b"\xc6\x14\4\x60\0\0\0\x01".ljust(22, b"\x07")
LITERAL = b"\xac\x18b\0\0\0\0\0" + DATA[:18]


@pytest.mark.parametrize("kind", KEYS)
def test_data_of_a_program_is_recognized(kind: str) -> None:
    """Messages, detached signatures, public and secret keys."""
    key = KEYS[kind]
    public = key.extract_certificate()
    made = [
        encrypt(bytes=DATA, recipients=[public], armor=False),
        encrypt(bytes=DATA, recipients=[public], passwords=["x"], armor=False),
        encrypt(bytes=DATA, passwords=["x"], armor=False),
        sign(key.signer(), DATA, armor=False),
        sign(key.signer(), DATA, mode=SignatureMode.DETACHED, armor=False),
        bytes(public),
        bytes(key),
    ]
    assert [is_openpgp(one) for one in made] == [True] * len(made)
    assert is_openpgp(made[4] * 2)  # by two keys


@pytest.mark.parametrize(
    "data",
    [
        ESK + b"\xd2\xff\0\1\0\0\1" + DATA,
        ESK + ESK + b"\xd2\xec\1" + DATA,
        PASSWORD + b"\xd2\xec\1" + DATA,
        KEY + b"\xcd\x06a user" + DATA,
        b"\xa3\1" + zlib.compress(LITERAL, wbits=-15),
        b"\xa3\2" + zlib.compress(LITERAL),
        b"\xa3\3" + bz2.compress(LITERAL),
        b"\xc8\xc0\x20\2" + zlib.compress(LITERAL),
        ESK + b"\xd2\xe0\1" + b"\7" * 600,
        *(
            b"\xc1\x40" + (b"\6" + bytes((length,)) + b"\6" * length + b"\x19").ljust(64, b"\7") + b"\xd2\xec\2" + DATA
            for length in (0, 21, 33)
        ),
        *(PASSWORD[:4] + way + PASSWORD[5:] + b"\xd2\xec\1" + DATA for way in (b"\0", b"\1", b"\3", b"\4")),
        b"\x88\x17" + b"\3\5\0" + bytes(12) + b"\1\x08" + bytes(6),
        *(b"\xc5" + KEY[1:] + bytes((0xC0 | tag,)) + KEY[1:] for tag in (7, 14)),
    ],
)
def test_other_forms_are_recognized(data: bytes) -> None:
    """They have older and newer packet headers, data of unknown length, and all compressions."""
    assert is_openpgp(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x85",
        b"\x85\1\x0c\3",
        ESK,
        ESK + b"\0" + DATA,
        ESK + PASSWORD[:5],
        ESK[:3] + b"\2" + ESK[4:] + b"\xd2\xec\1" + DATA,
        ESK[:12] + b"\5" + ESK[13:] + b"\xd2\xec\1" + DATA,
        PASSWORD[:3] + b"\5" + PASSWORD[4:] + b"\xd2\xec\1" + DATA,
        PASSWORD[:4] + b"\7" + PASSWORD[5:] + b"\xd2\xec\1" + DATA,
        PASSWORD + LITERAL,
        KEY + b"\xcd\x06\xffuser0" + DATA,
        KEY + LITERAL,
        PASSWORD + b"\xd2\xec\3" + DATA,
        b"\xa3\1" + DATA,
        b"\xa3\1" + zlib.compress(DATA, wbits=-15),
        b"\xa3\2" + DATA,
        b"\xa3\4" + DATA,
        b"\x89\2\x33\4\0\1\x0a" + DATA,
        b"\xac\x18" + DATA,
        b"\xff" * 600,
        bytes(600),
    ],
)
def test_data_with_an_invalid_field_is_not_recognized(data: bytes) -> None:
    """Each field of the first packet is checked, and the packet after it."""
    assert not is_openpgp(data)


def test_random_data_is_not_recognized() -> None:
    """It may begin with the same bytes: of 65,536 encrypted disks, one begins with two given bytes."""
    chance = random.Random(2)
    for begin in (
        b"\x85\1",
        b"\x8c\x0d",
        b"\x89\1",
        b"\x99\1",
        b"\xa3\1",
        b"\xa3\2",
        b"\xc1\x6c",
        b"\xc6\x33",
        b"\xc4\x0d",
    ):
        assert sum(is_openpgp(begin + chance.randbytes(700)) for _ in range(1000)) <= 1


def test_a_signature_ends_with_the_data_or_before_another_packet() -> None:
    """A longer one was cut, or the data only begins like one."""
    signature = b"\x88\x14\4\0\x01\x08".ljust(22, b"\x07")
    assert is_openpgp(signature)
    assert is_openpgp(signature + signature)
    assert not is_openpgp(signature[:-1])
    assert not is_openpgp(signature + bytes(16))
    assert not is_openpgp(KEY[:-1])
    assert not is_openpgp(KEY)
