"""The formats to declare for data, by its first bytes."""

import pytest

from imagesync.errors import FormatMismatch
from imagesync.formats import HEAD
from imagesync.formats.recognition import Formats, recognize_formats
from tests.samples import GIB, archive, fat, gpt, iso, luks, partitioned, qcow2, vdi, vhd, vhdx, vmdk


@pytest.mark.parametrize(
    ("data", "formats"),
    [
        (qcow2(), Formats("qcow2")),
        (vmdk(), Formats("vmdk")),
        (vhd(), Formats("vhd")),
        (vhdx(GIB), Formats("vhdx")),
        (vdi(), Formats("vdi")),
        (iso(), Formats("iso")),
        (gpt(), Formats("raw")),
        (partitioned(), Formats("raw")),
        (fat(), Formats("raw")),
        (luks(), Formats("raw")),
        (b"\xeb\x3c\x90".ljust(HEAD, b"\0"), Formats("raw")),
        (b"WithoutFreeSpace" + bytes(HEAD), Formats("ploop")),
        (archive("box.ovf", "box.vmdk"), Formats("vmdk", "ova")),
        (archive("BOX.OVF", "BOX.VMDK"), Formats("vmdk", "ova")),
        (gpt()[:512] + iso()[512:], Formats("iso")),
    ],
)
def test_data_is_recognized(data: bytes, formats: Formats) -> None:
    """What none of the formats has is raw; an iso that boots from a USB stick stays an iso."""
    assert recognize_formats(data[:HEAD], is_unpacked=False) == formats


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "there is no data"),
        (archive("box.vmdk", "box.ovf"), "the data is a tar archive, not raw; extract the disk"),
        (b"QED\0" + bytes(HEAD), "the data is qed, which the image service does not accept; convert it"),
        (qcow2()[:32768] + iso()[32768:], "the data is both iso and qcow2; build the image again"),
        (b"\x7fELF\x02\x01\x01" + bytes(HEAD), "the data is an ELF program, not raw"),
    ],
)
def test_other_data_is_refused(data: bytes, text: str) -> None:
    """With what it is, and what to do."""
    with pytest.raises(FormatMismatch) as refusal:
        recognize_formats(data[:HEAD], is_unpacked=False)
    assert text in str(refusal.value)
