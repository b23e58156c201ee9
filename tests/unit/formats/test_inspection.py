"""Formats: what the image service would refuse is refused here, as soon as it can be told; by the service's own cases."""

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


def looked_at(disk_format: str, container_format: str, data: bytes, step: int = 2**20) -> Inspection:
    """All of the data inspected."""
    inspection = Inspection(disk_format, container_format)
    for start in range(0, len(data), step):
        inspection.feed(data[start : start + step])
    inspection.finish()
    return inspection


@pytest.mark.parametrize("case", TAKEN)
def test_good_data_of_every_format_passes(case: str) -> None:
    """Whole and in small pieces."""
    disk_format, container_format, data = TAKEN[case]
    for step in (2**20, 1000):
        found = looked_at(disk_format, container_format, data, step)
        check_not_disguised(disk_format, found.recognised)


@pytest.mark.parametrize("case", REFUSED)
def test_unsafe_and_foreign_data_is_told_in_one_line(case: str) -> None:
    """With what it is and a way out."""
    disk_format, container_format, data, why = REFUSED[case]
    for step in (2**20, 1000):
        with pytest.raises(FormatMismatch) as caught:
            looked_at(disk_format, container_format, data, step)
        assert why in str(caught.value)
        assert caught.value.hint


@pytest.mark.parametrize("case", DISGUISED)
def test_a_file_around_a_disk_is_no_raw_disk(case: str) -> None:
    """The service would take it; a machine would boot the file itself."""
    disk_format, container_format, data = DISGUISED[case]
    found = looked_at(disk_format, container_format, data)
    with pytest.raises(FormatMismatch, match=f"declare disk_format: {found.recognised}"):
        check_not_disguised(disk_format, found.recognised)


@pytest.mark.parametrize(
    ("disk_format", "data"),
    [("qcow2", qcow2(GIB)), ("vhd", vhd()), ("vhdx", vhdx()), ("vdi", vdi())],
)
def test_the_header_tells_the_virtual_size_before_the_data_ends(disk_format: str, data: bytes) -> None:
    """So that a min_disk that is too small is seen at once."""
    inspection = Inspection(disk_format)
    inspection.feed(data)
    assert inspection.least_size == GIB
    inspection.feed(bytes(70_000) + data[-512:])
    assert inspection.finish() == GIB


@pytest.mark.parametrize("data", [b"\0disk".ljust(70_000, b"\1"), partitioned(), b""])
def test_a_fixed_vhd_is_no_vhd_to_the_service(data: bytes) -> None:
    """It looks at the first bytes, as for all formats, and finds a raw disk."""
    with pytest.raises(FormatMismatch) as caught:
        looked_at("vhd", "bare", data)
    assert "a fixed vhd must be declared raw, or converted: qemu-img convert -O vpc" in caught.value.hint
    with pytest.raises(FormatMismatch) as caught:
        looked_at("vhdx", "bare", data)
    assert caught.value.hint == "correct disk_format, or the source"


def test_a_fixed_vhd_that_is_not_whole_is_no_raw_disk() -> None:
    """Its footer tells, unless the manifest says inspect: none."""
    footer = b"conectix".ljust(48, b"\0") + (2**30).to_bytes(8, "big") + b"\0\0\0\0\0\0\0\2"
    footer += (sum(footer) ^ 0xFFFF_FFFF).to_bytes(4, "big")
    data = partitioned() + footer.ljust(512, b"\0")
    with pytest.raises(
        FormatMismatch, match="the footer of a fixed vhd of 1073741824 bytes, and 80512 bytes come before"
    ):
        looked_at("raw", "bare", data)
    inspection = Inspection("raw", is_measured=False)
    inspection.feed(data)
    inspection.finish()
    looked_at("raw", "ova", data)


def test_the_size_of_raw_data_is_what_came() -> None:
    """It grows."""
    inspection = Inspection("raw")
    inspection.feed(bytes(70_000))
    assert inspection.least_size == 70_000
    inspection.feed(bytes(5))
    assert inspection.finish() == 70_005


@pytest.mark.parametrize(
    "case", ["backing file", "data file", "extent elsewhere", "qcow2 that is raw", "iso that is raw"]
)
def test_the_first_64_kib_are_enough_to_refuse(case: str) -> None:
    """Not the end of four gibibytes."""
    disk_format, container_format, data, _ = REFUSED[case]
    with pytest.raises(FormatMismatch):
        Inspection(disk_format, container_format).feed(data[: 2**16].ljust(2**16, b"\0"))


@pytest.mark.parametrize("container_format", ["ovf", "ova", "docker", "ami", "compressed"])
@pytest.mark.parametrize("case", ["backing file", "data file", "extent elsewhere", "flat vmdk", "no extent"])
def test_formats_that_point_at_other_files_are_unsafe_in_any_container(case: str, container_format: str) -> None:
    """The service judges bare images only."""
    disk_format, _, data, why = REFUSED[case]
    with pytest.raises(FormatMismatch, match=why):
        looked_at(disk_format, container_format, data)


def test_other_formats_are_judged_in_a_bare_image_only() -> None:
    """What looks like a partition table in an archive is none."""
    with pytest.raises(FormatMismatch):
        looked_at("raw", "bare", partitioned(0))
    assert looked_at("raw", "ova", partitioned(0)).recognised == "gpt"


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
    """Also after the format was found safe, and by its length rather than by what is missing at its end."""
    disk_format, data = CUT[case]
    for step in (2**20, 1000):
        with pytest.raises(FormatMismatch, match="data is cut short: ") as caught:
            looked_at(disk_format, "bare", data, step)
        assert caught.value.hint == "fetch the file again"


def test_a_truncated_file_around_a_disk_is_no_raw_disk_first() -> None:
    """That it was declared raw is the greater mistake."""
    found = looked_at("raw", "bare", qcow2()[:-1])
    with pytest.raises(FormatMismatch, match="a machine would boot the qcow2 file itself"):
        check_not_disguised("raw", found.recognised)


@pytest.mark.parametrize(("disk_format", "container_format"), [("qcow2", "ovf"), ("raw", "ova"), ("ami", "ami")])
def test_the_length_of_what_is_no_bare_disk_is_not_judged(disk_format: str, container_format: str) -> None:
    """An archive, a kernel."""
    looked_at(disk_format, container_format, gpt()[:-1] if disk_format != "qcow2" else qcow2()[:-1])


@settings(max_examples=60, deadline=None)
@given(
    case=st.sampled_from([vmdk(), stream_vmdk(), stream_vmdk(descriptor_in_footer=9), vhdx(), partitioned(0), qcow2()]),
    disk_format=st.sampled_from(["vmdk", "vhdx", "raw", "qcow2"]),
    cuts=st.lists(st.integers(0, 2**17), max_size=6),
)
def test_the_verdict_does_not_depend_on_how_the_data_is_cut(case: bytes, disk_format: str, cuts: list[int]) -> None:
    """Pieces come as a network gives them."""

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
