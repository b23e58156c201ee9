"""The sources of a plan: which are checked, how often, and what a failed check does."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from imagesync.model.catalog import Auto, Checksum, FileSource, Fingerprint, ImageSpec, Method, Transfer, UrlSource
from imagesync.sources import DigestCache, SourceChecks
from imagesync.sources.access import SourceAccess
from tests.unit.factories import catalog, digest, inventory, live, plan, spec

NOBODY = "http://127.0.0.1:9/a.raw"
"""No server has this port."""


@pytest.mark.parametrize("method", list(Method), ids=lambda method: method.name)
def test_only_servers_whose_bytes_come_by_here_are_asked(method: Method) -> None:
    """What the service fetches itself need not be reachable from here: no question, and no fault if no server
    answers.
    """
    source = UrlSource((NOBODY,), digest("a"), transfer=Transfer(method=method))
    wanted = catalog(spec("a", source=source, fingerprint=Fingerprint((digest("a"),))))
    sizes, made = SourceChecks(SourceAccess()), plan(wanted, inventory())
    is_asked = method is not Method.WEB_DOWNLOAD
    assert sizes.learn(made, 1) is is_asked
    assert any(one.fault for one in sizes.fill_in(wanted).images) is is_asked
    assert not sizes.learn(made, 1)


def test_no_source_is_checked_for_an_image_that_is_not_made() -> None:
    """A catalog that is as wanted costs no question."""
    source = UrlSource((NOBODY,), digest("a"))
    wanted = spec("a", source=source, fingerprint=Fingerprint((digest("a"),)))
    assert not SourceChecks(SourceAccess()).learn(plan(catalog(wanted), inventory(live(wanted))), 1)


DATA = b"\xe1" * 1000


def file_image(folder: Path, key: str, declared: str | None, **attrs: Any) -> ImageSpec:
    """An image of a local file with a declared md5."""
    path = folder / "disk"
    path.write_bytes(DATA)
    found = Checksum("md5", declared) if declared else None
    source = FileSource(str(path), "disk", found)
    fields = {"disk_format": "raw", "container_format": "bare", **attrs}
    return spec(key, source=source, fingerprint=Fingerprint((found,) if found else (digest("c"),)), **fields)


def test_a_file_that_would_be_sent_is_checked(tmp_path: Path) -> None:
    """Its first bytes, and its declared digest; a digest that was computed from it is not compared."""
    right = hashlib.md5(DATA, usedforsecurity=False).hexdigest()
    wanted = catalog(
        file_image(tmp_path, "right", right),
        file_image(tmp_path, "computed", None),
        file_image(tmp_path, "digest", "0" * 32),
        file_image(tmp_path, "format", right, disk_format="qcow2"),
    )
    checks = SourceChecks(cache=DigestCache(None))
    assert checks.learn(plan(wanted, inventory()), 2)
    faults = {one.key: one.fault for one in checks.fill_in(wanted).images if one.fault}
    assert {key: fault.message for key, fault in faults.items()} == {
        "digest": f"disk: the data has md5:{right}, not the declared md5:{'0' * 32}",
        "format": "disk: the data looks like raw, not qcow2",
    }
    assert not any(fault.is_passing or fault.hides_content for fault in faults.values())
    assert all(fault.hint for fault in faults.values())
    assert not checks.learn(plan(wanted, inventory()), 2)


def test_a_disk_that_min_disk_is_too_small_for_is_a_fault(tmp_path: Path) -> None:
    """Before, only an apply found it; ``auto`` is computed from the data."""
    minimums = {"auto": Auto.AUTO, "none": None, "right": 2, "small": 1}
    images = [file_image(tmp_path, key, None, min_disk=value) for key, value in minimums.items()]
    os.truncate(tmp_path / "disk", 2**31)
    wanted, checks = catalog(*images), SourceChecks(cache=DigestCache(None))
    checks.learn(plan(wanted, inventory()), 1)
    faults = {one.key: one.fault for one in checks.fill_in(wanted).images if one.fault}
    assert list(faults) == ["small"]
    assert (
        faults["small"].message == "disk: min_disk is 1 GB, but the image's virtual size is at least 2147483648 bytes"
    )


def test_a_file_of_an_image_that_stays_is_not_read(tmp_path: Path) -> None:
    """Nor is any file if no source is to be checked."""
    wanted = file_image(tmp_path, "a", "0" * 32)
    assert not SourceChecks().learn(plan(catalog(wanted), inventory(live(wanted))), 1)
    silent = SourceChecks(SourceAccess(asks_sources=False))
    assert not silent.learn(plan(catalog(wanted), inventory()), 1)
    assert silent.fill_in(catalog(wanted)) == catalog(wanted)


def test_a_source_without_a_digest_is_checked_too(tmp_path: Path) -> None:
    """Its server must respond, and its first bytes must be a disk."""
    wanted = catalog(
        spec("url", source=UrlSource((NOBODY,)), fingerprint=Fingerprint()),
        file_image(tmp_path, "file", None, disk_format="qcow2"),
    )
    checks = SourceChecks(SourceAccess(), DigestCache(None))
    assert checks.learn(plan(wanted, inventory()), 2)
    assert {one.key for one in checks.fill_in(wanted).images if one.fault} == {"url", "file"}
