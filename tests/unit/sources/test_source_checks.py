"""The sources of a plan: which are checked, how often, and what a failed check does."""

import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imagesync.model.catalog import Auto, Checksum, FileSource, Fingerprint, ImageSpec, Method, Transfer, UrlSource
from imagesync.sources import DigestCache, SourceChecks
from imagesync.sources.access import Reach, SourceAccess
from tests.fault.mirror import File, Mirror, mirror
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


def test_a_file_that_targets_store_in_different_places_is_checked_once(tmp_path: Path) -> None:
    """What is wrong with it does not depend on the stores of a service."""
    one = file_image(tmp_path, "a", "0" * 32)
    assert isinstance(one.source, FileSource)
    other = replace(one, source=replace(one.source, transfer=Transfer(stores=("fast",))))
    first = SourceChecks(cache=DigestCache(None))
    second = first.share()
    assert first.learn(plan(catalog(one), inventory()), 1)
    assert not second.learn(plan(catalog(other), inventory()), 1)
    (fault,) = (each.fault for each in second.fill_in(catalog(other)).images)
    assert fault
    assert "not the declared md5" in fault.message


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


@pytest.fixture
def web() -> Iterator[Mirror]:
    """A web server on loopback."""
    with mirror() as found:
        yield found


def url_image(key: str, url: str) -> ImageSpec:
    """An image of a URL."""
    return spec(key, source=UrlSource((url,)), fingerprint=Fingerprint())


def test_targets_that_plan_at_the_same_time_ask_each_source_once(web: Mirror, tmp_path: Path) -> None:
    """Five targets need the same two URLs and the same file: one request for each URL, and each has all results."""
    names = [web.publish("/a.raw", DATA), f"{web.address}/missing.raw"]
    images = [url_image("a", names[0]), url_image("lost", names[1]), file_image(tmp_path, "file", "0" * 32)]
    wanted, first, ready = catalog(*images), SourceChecks(), threading.Barrier(5, timeout=30)

    def learn(checks: SourceChecks) -> tuple[bool, dict[str, object]]:
        ready.wait()
        has_checked = checks.learn(plan(wanted, inventory()), 2)
        found = checks.fill_in(wanted).images
        return has_checked, {one.key: one.fault.message if one.fault else one.fingerprint.size for one in found}

    with ThreadPoolExecutor(5) as pool:
        found = list(pool.map(learn, [first, *(first.share() for _ in range(4))]))
    assert sorted(query.partition(" from")[0] for query in web.queries) == ["GET /a.raw", "GET /missing.raw"]
    assert [has_checked for has_checked, _ in found].count(True) == 1
    right = f"disk: the data has md5:{hashlib.md5(DATA, usedforsecurity=False).hexdigest()}, not the declared md5:{'0' * 32}"
    assert [results for _, results in found] == [
        {"a": len(DATA), "lost": f"{names[1]}: HTTP 404", "file": right},
    ] * 5


class SlowConnections:
    """The reach of addresses. A connection to ``ADDRESS`` waits until ``release`` is set."""

    ADDRESS = "127.0.0.2"

    def __init__(self) -> None:
        self.begun, self.release = threading.Event(), threading.Event()

    def classify(self, address: str) -> Reach:
        """As ``classify`` of the access. Nothing interrupts the wait, as when a name is resolved; then it is refused."""
        if address == self.ADDRESS:
            self.begun.set()
            self.release.wait(30)
            return Reach.LINK_LOCAL
        return Reach.INTERNAL


def test_a_target_does_not_wait_for_sources_that_only_others_need(web: Mirror) -> None:
    """Another target waits for a slow server. What both need is there before: a size, and an error."""
    slow, both = SlowConnections(), [url_image("a", web.publish("/a", DATA)), url_image("b", f"{web.address}/b")]
    checks = SourceChecks(SourceAccess(classify=slow.classify))
    with mirror(slow.ADDRESS) as slow_web, ThreadPoolExecutor(1) as pool:
        more = url_image("slow", slow_web.publish("/c", DATA))
        try:
            learned = pool.submit(checks.learn, plan(catalog(*both, more), inventory()), 3)
            assert slow.begun.wait(30)
            other = checks.share()
            other.learn(plan(catalog(*both), inventory()), 3)
            found = {one.key: one for one in other.fill_in(catalog(*both)).images}
            assert not learned.done()
        finally:
            slow.release.set()
        assert learned.result(30)
    assert found["a"].fingerprint.size == len(DATA)
    assert found["b"].fault
    assert sorted(query.partition(" from")[0] for query in web.queries) == ["GET /a", "GET /b"]


def test_a_result_after_the_time_limit_changes_no_plan() -> None:
    """A plan has the error of the time limit; the next plan of the run, and those of other targets, have the same."""
    slow = SlowConnections()
    checks = SourceChecks(SourceAccess(check_seconds=0.1, classify=slow.classify))
    with mirror(slow.ADDRESS) as web:
        wanted = catalog(url_image("slow", web.publish("/a", DATA)))
        checks.learn(plan(wanted, inventory()), 1)
        (before,) = checks.fill_in(wanted).images
        slow.release.set()
        for thread in threading.enumerate():
            if thread.name.startswith("imagesync-check"):
                thread.join(30)
    (after,) = checks.fill_in(wanted).images
    assert before.fault
    assert before.fault.message.startswith("not checked: ")
    assert after.fault == before.fault


def test_a_target_fills_in_only_what_its_own_plan_asked(web: Mirror) -> None:
    """Its plan must not depend on how far the other targets are."""
    wanted = catalog(url_image("a", web.publish("/a.raw", File(DATA))))
    first = SourceChecks()
    second = first.share()
    first.learn(plan(wanted, inventory()), 1)
    assert second.fill_in(wanted) == wanted
    assert not second.learn(plan(wanted, inventory()), 1)
    assert second.fill_in(wanted) == first.fill_in(wanted) != wanted
    assert len(web.queries) == 1


def test_what_a_bug_left_unchecked_another_target_checks(web: Mirror) -> None:
    """It does not wait for a result that never arrives."""
    wanted, broken = catalog(url_image("a", web.publish("/a.raw", DATA))), [True]

    def classify(_: str) -> Reach:
        if broken.pop():
            broken.append(False)
            raise ZeroDivisionError
        broken.append(False)
        return Reach.INTERNAL

    first = SourceChecks(SourceAccess(classify=classify))
    with pytest.raises(ZeroDivisionError):
        first.learn(plan(wanted, inventory()), 1)
    second = first.share()
    assert second.learn(plan(wanted, inventory()), 1)
    assert [one.fingerprint.size for one in second.fill_in(wanted).images] == [len(DATA)]


def test_the_time_for_checks_is_one_for_all_targets() -> None:
    """A target that asks after its end has an error at once."""
    checks = SourceChecks(SourceAccess(check_seconds=0))
    for number, one in enumerate((checks, checks.share())):
        wanted = catalog(url_image("a", f"{NOBODY}{number}"))
        one.learn(plan(wanted, inventory()), 1)
        (found,) = one.fill_in(wanted).images
        assert found.fault
        assert "took more than 60 s" in found.fault.message
        assert found.fault.is_passing


def test_a_file_is_compared_with_the_digest_of_its_checksum_list(tmp_path: Path) -> None:
    """As with one in the manifest; in which stores a target keeps the image makes no other question."""
    (tmp_path / "disk").write_bytes(DATA)
    right = Checksum("sha256", hashlib.sha256(DATA).hexdigest())
    for listed, is_wrong in ((right, False), (digest("c"), True)):
        checks = SourceChecks(SourceAccess())
        for transfer in (Transfer(), Transfer(stores=("fast",)), Transfer(all_stores=True)):
            source = FileSource(
                str(tmp_path / "disk"), "disk", checksum_url="https://x.example/SUMS", transfer=transfer
            )
            wanted = catalog(spec("a", source=source, fingerprint=Fingerprint((listed,), 1000)))
            shared = checks if transfer == Transfer() else checks.share()
            assert shared.learn(plan(wanted, inventory()), 1) is (shared is checks)
            (image,) = shared.fill_in(wanted).images
            assert (image.fault is not None) is is_wrong
