"""Data that the image service rejects is refused here as early as possible; the cases are those of the service."""

import itertools
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesync.errors import FormatMismatch
from imagesync.formats import Inspection, check_not_disguised
from tests.samples import (
    DISGUISED,
    GIB,
    PLAIN,
    QED,
    REFUSED,
    TAKEN,
    gpt,
    iso,
    luks,
    partitioned,
    qcow2,
    stream_vmdk,
    vdi,
    vhd,
    vhdx,
    vmdk,
)


def inspect_all(disk_format: str, container_format: str | None, data: bytes, step: int = 2**20) -> Inspection:
    """Inspect all data, in chunks of ``step`` bytes."""
    inspection = Inspection(disk_format, container_format)
    for start in range(0, len(data), step):
        inspection.feed(data[start : start + step])
    inspection.finish()
    return inspection


@pytest.mark.parametrize("case", TAKEN)
def test_good_data_of_every_format_passes(case: str) -> None:
    """Data in one piece and in small chunks."""
    disk_format, container_format, data = TAKEN[case]
    for step in (2**20, 1000):
        found = inspect_all(disk_format, container_format, data, step)
        check_not_disguised(disk_format, found.recognized)


@pytest.mark.parametrize("case", REFUSED)
def test_the_error_for_unsafe_or_other_data_has_a_reason_and_a_hint(case: str) -> None:
    """The reason names the found format."""
    disk_format, container_format, data, why = REFUSED[case]
    for step in (2**20, 1000):
        with pytest.raises(FormatMismatch) as caught:
            inspect_all(disk_format, container_format, data, step)
        assert why in str(caught.value)
        assert caught.value.hint


@pytest.mark.parametrize("case", DISGUISED)
def test_a_file_that_contains_a_disk_is_not_a_raw_disk(case: str) -> None:
    """The service would accept it, and a machine would boot the file itself."""
    disk_format, container_format, data = DISGUISED[case]
    found = inspect_all(disk_format, container_format, data)
    with pytest.raises(FormatMismatch, match=f"declare disk_format: {found.recognized}"):
        check_not_disguised(disk_format, found.recognized)


@pytest.mark.parametrize(
    ("disk_format", "data"),
    [("qcow2", qcow2(GIB)), ("vhd", vhd()), ("vhdx", vhdx()), ("vdi", vdi())],
)
def test_the_virtual_size_is_known_from_the_header(disk_format: str, data: bytes) -> None:
    """A min_disk that is too small can be refused before all data is sent."""
    inspection = Inspection(disk_format)
    inspection.feed(data)
    assert inspection.least_size == GIB
    inspection.feed(bytes(70_000) + data[-512:])
    assert inspection.finish() == GIB


@pytest.mark.parametrize("data", [b"\0disk".ljust(70_000, b"\1"), partitioned(), b""])
def test_a_fixed_vhd_is_raw_for_the_service(data: bytes) -> None:
    """The service inspects the first bytes, which are those of a raw disk."""
    with pytest.raises(FormatMismatch) as caught:
        inspect_all("vhd", "bare", data)
    assert "declare disk_format: raw for a fixed vhd, or convert it: qemu-img convert -O vpc" in caught.value.hint
    with pytest.raises(FormatMismatch) as caught:
        inspect_all("vhdx", "bare", data)
    assert caught.value.hint == "correct disk_format or the source"


def test_an_incomplete_fixed_vhd_is_refused_as_raw() -> None:
    """Its footer has another size. With inspect: none it is accepted."""
    footer = b"conectix".ljust(48, b"\0") + (2**30).to_bytes(8, "big") + b"\0\0\0\0\0\0\0\2"
    footer += (sum(footer) ^ 0xFFFF_FFFF).to_bytes(4, "big")
    data = partitioned() + footer.ljust(512, b"\0")
    with pytest.raises(
        FormatMismatch, match="the footer of a fixed vhd of 1073741824 bytes, but 80512 bytes are before"
    ):
        inspect_all("raw", "bare", data)
    inspection = Inspection("raw", is_measured=False)
    inspection.feed(data)
    inspection.finish()
    inspect_all("raw", "ova", data)


def test_the_size_of_raw_data_is_the_number_of_bytes_read() -> None:
    """It grows with each chunk."""
    inspection = Inspection("raw")
    inspection.feed(bytes(70_000))
    assert inspection.least_size == 70_000
    inspection.feed(bytes(5))
    assert inspection.finish() == 70_005


@pytest.mark.parametrize(
    "case", ["backing file", "data file", "extent elsewhere", "qcow2 that is raw", "iso that is raw"]
)
def test_the_first_64_kib_are_enough_to_refuse(case: str) -> None:
    """An upload of four gibibytes is then stopped at its beginning."""
    disk_format, container_format, data, _ = REFUSED[case]
    with pytest.raises(FormatMismatch):
        Inspection(disk_format, container_format).feed(data[: 2**16].ljust(2**16, b"\0"))


@pytest.mark.parametrize("container_format", ["ovf", "ova", "docker", "ami", "compressed"])
@pytest.mark.parametrize("case", ["backing file", "data file", "extent elsewhere", "flat vmdk", "no extent"])
def test_formats_that_refer_to_other_files_are_unsafe_in_every_container(case: str, container_format: str) -> None:
    """The service checks only bare images."""
    disk_format, _, data, why = REFUSED[case]
    with pytest.raises(FormatMismatch, match=why):
        inspect_all(disk_format, container_format, data)


def test_other_formats_are_checked_only_in_a_bare_image() -> None:
    """An archive may contain bytes that look like a partition table."""
    with pytest.raises(FormatMismatch):
        inspect_all("raw", "bare", partitioned(0))
    assert inspect_all("raw", "ova", partitioned(0)).recognized == "gpt"


PLOOP = struct.pack("<16sIIIIIQIIIQI", b"WithoutFreeSpace", 2, 0, 0, 2, 1, 2, 0, 0, 0, 0, 1).ljust(1536, b"\0")
CUT: dict[str, tuple[str, bytes]] = {
    "qcow2": ("qcow2", qcow2()[:-1]),
    "qcow2 whose head is whole": ("qcow2", qcow2()[:70_000]),
    "vmdk": ("vmdk", vmdk()[: 26 * 512 + 3]),
    "vmdk stream": ("vmdk", stream_vmdk()[:-512]),
    "vhd": ("vhd", vhd()[:-1]),
    "vhdx": ("vhdx", vhdx()[:-1]),
    "iso": ("iso", iso()[:-1]),
    "raw iso": ("raw", iso()[:-1]),
    "raw with a gpt": ("raw", gpt(2**17)[:-1]),
    "raw luks": ("raw", luks()[:4096]),
    "ploop": ("ploop", PLOOP[:-1]),
}


@pytest.mark.parametrize("case", CUT)
def test_a_truncated_file_is_refused(case: str) -> None:
    """It is refused also if its format is safe. The message names the missing bytes."""
    disk_format, data = CUT[case]
    for step in (2**20, 1000):
        with pytest.raises(FormatMismatch, match="data is cut short: ") as caught:
            inspect_all(disk_format, "bare", data, step)
        assert caught.value.hint == "fetch the file again"


def test_a_truncated_file_that_contains_a_disk_is_refused_for_its_format() -> None:
    """The wrong disk_format is reported before the missing bytes."""
    found = inspect_all("raw", "bare", qcow2()[:-1])
    with pytest.raises(FormatMismatch, match="a machine would boot the qcow2 file itself"):
        check_not_disguised("raw", found.recognized)


@pytest.mark.parametrize(("disk_format", "container_format"), [("qcow2", "ovf"), ("raw", "ova"), ("ami", "ami")])
def test_the_length_of_an_archive_or_a_kernel_is_not_checked(disk_format: str, container_format: str) -> None:
    """Only the length of a disk in a bare image is known."""
    inspect_all(disk_format, container_format, gpt()[:-1] if disk_format != "qcow2" else qcow2()[:-1])


@settings(max_examples=60, deadline=None)
@given(
    case=st.sampled_from([vmdk(), stream_vmdk(), stream_vmdk(descriptor_in_footer=9), vhdx(), partitioned(0), qcow2()]),
    disk_format=st.sampled_from(["vmdk", "vhdx", "raw", "qcow2"]),
    cuts=st.lists(st.integers(0, 2**17), max_size=6),
)
def test_the_verdict_does_not_depend_on_the_chunks(case: bytes, disk_format: str, cuts: list[int]) -> None:
    """A network may deliver chunks of any size."""

    def verdict(edges: list[int]) -> str:
        inspection = Inspection(disk_format)
        try:
            for start, end in itertools.pairwise(edges):
                inspection.feed(case[start:end])
            return str(inspection.finish())
        except FormatMismatch as error:
            return error.message

    whole = sorted({0, len(case)})
    assert verdict(sorted({0, len(case), *(cut for cut in cuts if cut < len(case))})) == verdict(whole)


@pytest.mark.parametrize(
    ("disk_format", "container_format"), [("ploop", "bare"), ("ami", "ami"), ("qcow2", "ova"), (None, "bare")]
)
@pytest.mark.parametrize("size", [64, 2**16, 70_000])
def test_the_size_of_data_without_a_disk_s_header_is_its_length(
    disk_format: str | None, container_format: str, size: int
) -> None:
    """For example a kernel, an archive, or a format that the service does not recognize."""
    inspection = Inspection(disk_format, container_format)
    inspection.feed(b"\1" * size)
    assert inspection.least_size == 0
    assert inspection.finish() == size


@pytest.mark.parametrize("kind", ["qcow2", "vmdk", "vhd", "vhdx", "vdi", "qed"])
def test_each_format_that_contains_a_disk_is_not_raw(kind: str) -> None:
    """A machine would boot the file itself; with the format declared, it is right."""
    with pytest.raises(FormatMismatch) as caught:
        check_not_disguised("raw", kind)
    assert str(caught.value) == (
        f"the data is {kind}, not raw: a machine would boot the {kind} file itself; declare disk_format: {kind}, or correct "
        "the source"
    )
    check_not_disguised(kind, kind)
    check_not_disguised(None, kind)


@pytest.mark.parametrize("kind", ["iso", "gpt", "luks", "raw"])
def test_formats_that_a_machine_boots_as_they_are_may_be_raw(kind: str) -> None:
    """They are file systems and partition tables."""
    check_not_disguised("raw", kind)


@pytest.mark.parametrize("data", [qcow2(backing=b"/etc/shadow"), vmdk(extent=""), QED])
def test_a_format_that_may_refer_to_other_files_is_refused_in_every_container(data: bytes) -> None:
    """A container that is not declared counts as bare: then the format must also be right."""
    for container in ("ova", "bare", None):
        with pytest.raises(FormatMismatch, match="not safe to boot"):
            inspect_all("raw", container, data)
    inspection = Inspection("qcow2", None)
    with pytest.raises(FormatMismatch, match="looks like raw, not qcow2"):
        inspection.feed(PLAIN)
