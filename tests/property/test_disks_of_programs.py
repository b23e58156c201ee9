"""Extents of disks that real programs make: complete disks are accepted, disks that are cut short are refused.

Needs qemu-img, genisoimage, xorrisofs and sgdisk (Debian: qemu-utils genisoimage xorriso gdisk); a test whose program is
missing fails.
"""

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from imagesync.errors import FormatMismatch
from imagesync.formats import HEAD
from imagesync.formats.contents import recognize
from imagesync.formats.extents import Extent
from imagesync.formats.parsers.vhd import read_fixed_size

pytestmark = pytest.mark.exhaustive

SIZE: Final = 10 * 2**20 + 512
"""Of the disks: no multiple of a cluster."""


def qcow2_options() -> Iterator[str]:
    """Every option that changes the layout."""
    for size in ("512", "4k", "64k", "2M"):
        yield from (f"compat={compat},cluster_size={size}" for compat in ("0.10", "1.1"))
        yield from (f"cluster_size={size},preallocation={kind}" for kind in ("metadata", "falloc", "full"))
        yield f"cluster_size={size},lazy_refcounts=on"
    for size in ("16k", "64k", "2M"):
        for kind in ("off", "metadata", "falloc", "full"):
            yield f"extended_l2=on,cluster_size={size},preallocation={kind}"
    yield from (f"refcount_bits={bits}" for bits in (1, 2, 8, 32, 64))


def vmdk_options() -> Iterator[str]:
    for subformat in ("monolithicSparse", "streamOptimized"):
        for adapter in ("ide", "lsilogic", "buslogic", "legacyESX"):
            yield f"subformat={subformat},adapter_type={adapter}"
        yield from (f"subformat={subformat},{option}" for option in ("zeroed_grain=on", "compat6=on", "hwversion=10"))


def vhdx_options() -> Iterator[str]:
    for subformat in ("dynamic", "fixed"):
        for block in ("1M", "8M", "32M"):
            for option in ("block_state_zero=on", "block_state_zero=off", "log_size=2M"):
                yield f"subformat={subformat},block_size={block},{option}"


OPTIONS: Final = [
    *(("qcow2", "qcow2", option) for option in qcow2_options()),
    *(("vmdk", "vmdk", option) for option in vmdk_options()),
    *(("vhd", "vpc", option) for option in ("subformat=dynamic", "subformat=dynamic,force_size=on")),
    *(("vhdx", "vhdx", option) for option in vhdx_options()),
    *(("vdi", "vdi", option) for option in ("static=off", "static=on")),
    *(("ploop", "parallels", f"cluster_size={size}") for size in ("64k", "1M")),
]
CONTENTS: Final = ("full", "sparse", "start", "zeros", "empty", "zlib", "zstd")


def run(*command: str | Path) -> None:
    """Run a program, which must exist and succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def encrypt(made: Path, attempts: int = 50) -> None:
    """An encrypted qcow2 image. On a busy machine, qemu cannot always measure how long one derivation of a key takes."""
    secret = "secret,id=s,data=abc"
    options = "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=500"
    try:
        run("qemu-img", "create", "-q", "--object", secret, "-f", "qcow2", "-o", options, made, str(SIZE))
    except AssertionError as error:
        if attempts == 1 or "Unable to get accurate CPU usage" not in str(error):
            raise
        encrypt(made, attempts - 1)


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw disks of SIZE bytes with different contents."""
    folder, numbers = tmp_path_factory.mktemp("disks"), random.Random(1)
    sparse = bytearray(SIZE)
    for begin, length in ((0, 512), (3 * 2**20 + 4096, 512), (5 * 2**20, 200_000), (SIZE - 512, 512)):
        sparse[begin : begin + length] = numbers.randbytes(length)
    text = b"".join(b"line %09d\n" % number for number in range(SIZE // 15)).ljust(SIZE, b"\0")
    contents = {"full": numbers.randbytes(SIZE), "sparse": bytes(sparse), "start": b"data".ljust(SIZE, b"\0")}
    for name, data in {**contents, "zeros": bytes(SIZE), "zlib": text, "zstd": text}.items():
        (folder / name).write_bytes(data)
    return folder


def judge(kind: str, data: bytes) -> str | None:
    extent = Extent(kind)
    try:
        for start in range(0, len(data), 2**20):
            extent.feed(data[start : start + 2**20])
        extent.finish()
    except FormatMismatch as error:
        return error.message
    return None


def check(kind: str, data: bytes, slack: int = 0, step: int = 10) -> None:
    """A complete disk is accepted. Cut at any place it is refused, unless only some of the last ``slack`` bytes are missing."""
    assert judge(kind, data) is None
    found = recognize(data[:HEAD])
    assert found is None or kind == "ploop", found
    length = len(data)
    cuts = {length * part // step for part in range(1, step)} | {
        length - 2**16,
        length - 4096,
        length - 512,
        length - 1,
    }
    for cut in sorted(cuts):
        if 512 <= cut < length - slack:
            assert judge(kind, data[:cut]), f"{cut} of {length} bytes pass"


def find_slack(kind: str, options: str, content: str, data: bytes) -> int:
    """The number of bytes at the end to which nothing refers, for this format and program."""
    has_nothing = content in ("start", "zeros", "empty")
    if kind == "qcow2" and content in ("zlib", "zstd"):
        return 511
    if kind == "qcow2":
        size = {"512": 512, "4k": 4096, "16k": 16384, "64k": 65536, "2M": 2**21}
        cluster = next(
            (size[option[13:]] for option in options.split(",") if option.startswith("cluster_size=")), 65536
        )
        return -SIZE % cluster
    if kind == "ploop":
        cluster = 2**20 if "1M" in options else 65536
        return len(data) - 4096 if content in ("zeros", "empty") else -SIZE % cluster
    if kind == "vmdk" and "streamOptimized" in options:
        return 65536  # qemu rounds each compressed grain up to a whole one
    if kind == "vhdx" and "fixed" in options:
        return len(data) - 4 * 2**20 if has_nothing else 2**25
    if kind == "vhdx" and content in ("zeros", "empty"):
        return 4 * 2**20
    return 512 if kind == "vdi" and has_nothing else 0


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize(("kind", "program", "options"), OPTIONS)
def test_disks_of_qemu(kind: str, program: str, options: str, content: str, disks: Path, tmp_path: Path) -> None:
    """Every format with every option that changes the layout."""
    made, packs = tmp_path / "made", content in ("zlib", "zstd")
    if packs and (kind != "qcow2" or "preallocation" in options or (content == "zstd" and "0.10" in options)):
        return  # qemu-img refuses it
    if content == "empty":
        run("qemu-img", "create", "-q", "-f", program, "-o", options, made, str(SIZE))
    else:
        pack = ["-c"] if packs else ["-S", "0"] if content == "zeros" else []
        more = ",compression_type=zstd" if content == "zstd" else ""
        run("qemu-img", "convert", *pack, "-f", "raw", "-O", program, "-o", options + more, disks / content, made)
    data = made.read_bytes()
    check(kind, data, find_slack(kind, options, content, data))


@pytest.mark.parametrize("size", ["512", "4k", "64k"])
def test_snapshots_and_changes_of_a_qcow2(size: str, disks: Path, tmp_path: Path) -> None:
    """These are snapshots, writes after them, a larger disk, and bitmaps."""
    made = tmp_path / "made"
    run("qemu-img", "convert", "-O", "qcow2", "-o", f"cluster_size={size}", disks / "sparse", made)
    steps: list[list[str]] = [
        ["qemu-img", "snapshot", "-c", "one", str(made)],
        ["qemu-io", "-c", "write -P 7 1M 300k", str(made)],
        ["qemu-img", "snapshot", "-c", "two", str(made)],
        ["qemu-img", "bitmap", "--add", str(made), "bits"],
        ["qemu-io", "-c", "write -P 8 2M 100k", "-c", "discard 1M 64k", "-c", "write -z 3M 64k", str(made)],
        ["qemu-img", "snapshot", "-d", "one", str(made)],
        ["qemu-img", "bitmap", "--remove", str(made), "bits"],
        ["qemu-img", "snapshot", "-a", "two", str(made)],
        ["qemu-img", "snapshot", "-d", "two", str(made)],
        ["qemu-img", "resize", str(made), "800M"],
        ["qemu-io", "-c", "write -P 9 700M 300k", str(made)],
        ["qemu-img", "resize", "--shrink", str(made), "9M"],
    ]
    for command in steps:
        run(*command)
        data = made.read_bytes()
        assert judge("qcow2", data) is None, command
        assert judge("qcow2", data[: len(data) // 2]), command


def test_an_encrypted_qcow2(disks: Path, tmp_path: Path) -> None:
    """A header extension refers to the cluster of the encryption header."""
    made = tmp_path / "made"
    encrypt(made)
    check("qcow2", made.read_bytes(), 65536)


@pytest.mark.parametrize("force", ["on", "off"])
def test_a_fixed_vhd_of_qemu(force: str, disks: Path, tmp_path: Path) -> None:
    """Its footer has its size, so missing bytes before the footer are found. Without the footer it is a raw disk."""
    made = tmp_path / "made"
    run("qemu-img", "convert", "-O", "vpc", "-o", f"subformat=fixed,force_size={force}", disks / "sparse", made)
    data = made.read_bytes()
    assert read_fixed_size(data) == len(data) - 512
    assert judge("raw", data) is None
    for cut in (1, 512, 2**16, len(data) // 2):
        assert judge("raw", data[: len(data) - 512 - cut] + data[-512:]), cut
        assert judge("raw", data[:-cut]) is None


ISOS: Final = [
    *(["genisoimage", pad, *more] for pad in ("-pad", "-no-pad") for more in ([], ["-J", "-r"], ["-udf"], ["-hfs"])),
    *(["xorrisofs", pad, *more] for pad in ("-pad", "-no-pad") for more in ([], ["-J", "-r"], ["-hfsplus"])),
    *([program, "-b", "boot", "-no-emul-boot", "-c", "catalog"] for program in ("genisoimage", "xorrisofs")),
    ["xorrisofs", "-append_partition", "2", "0xef", "BOOT", "-appended_part_as_gpt"],
    ["xorrisofs", "-append_partition", "2", "0xef", "BOOT", "-appended_part_as_gpt", "-partition_offset", "16"],
    [
        "xorrisofs",
        "-b",
        "boot",
        "-no-emul-boot",
        "-c",
        "catalog",
        "-isohybrid-gpt-basdat",
        "-efi-boot-part",
        "--efi-boot-image",
        "--efi-boot",
        "boot",
    ],
    ["xorrisofs", "--protective-msdos-label"],
]


@pytest.mark.parametrize("command", ISOS, ids=" ".join)
def test_isos(command: list[str], tmp_path: Path) -> None:
    """These are plain, Joliet, UDF, bootable and hybrid."""
    numbers, folder, made = random.Random(2), tmp_path / "folder", tmp_path / "made.iso"
    folder.mkdir()
    for name, length in (("a", 1), ("b", 3_000_000), ("c", 700_001), ("boot", 2048)):
        (folder / name).write_bytes(numbers.randbytes(length))
    named = [str(folder / "boot") if word == "BOOT" else word for word in command]
    run(*named, "-quiet", "-o", made, folder)
    check("iso", made.read_bytes())


@pytest.mark.parametrize("size", [SIZE, 64 * 2**20])
def test_disks_with_a_gpt(size: int, tmp_path: Path) -> None:
    """sgdisk makes them."""
    made = tmp_path / "made"
    with made.open("wb") as file:
        file.truncate(size)
    run("sgdisk", "-n", "1:0:+2M", "-n", "2:0:0", made)
    check("gpt", made.read_bytes())
