"""What is wrong with sources, found without a cloud."""

import gzip
import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from io import BufferedReader
from pathlib import Path
from typing import Any

import pytest

from imagesync.errors import Diagnostic
from imagesync.model.catalog import (
    Checksum,
    Compression,
    Content,
    FileSource,
    Fingerprint,
    ImageSpec,
    Method,
    Place,
    Transfer,
    UrlSource,
)
from imagesync.sources import DigestCache, SourceAccess
from imagesync.sources.fetching import SourceFindings, fetch_sources
from tests.fault.mirror import File, Mirror, mirror
from tests.samples import qcow2
from tests.silent import silent_server
from tests.unit.factories import catalog, spec

LIST = f"{'a' * 64}  one.qcow2\n{'b' * 64}  two.qcow2\n".encode()
DISK = qcow2(3 * 2**30)
PACKED = gzip.compress(DISK)
TAR = tarfile.TarInfo("x").tobuf().ljust(10240, b"\0")


@pytest.fixture
def web() -> Iterator[Mirror]:
    """A server with a disk of 3 GiB, also packed."""
    with mirror() as found:
        found.publish("/a.qcow2", DISK)
        found.publish("/a.qcow2.gz", PACKED)
        yield found


def fetch(*catalogs: Any, **access: Any) -> list[SourceFindings]:
    """The findings of each catalog; the server may be internal."""
    rules = SourceAccess(("127.0.0.1",), **access)
    return fetch_sources(catalogs, rules, jobs=4, cache=DigestCache(None))


def declare(*urls: str, key: str = "a", **attrs: Any) -> ImageSpec:
    """A qcow2 image of these mirrors."""
    attrs = {"disk_format": "qcow2", **attrs}
    transfer = attrs.pop("transfer", Transfer())
    source = UrlSource(urls, **{name: attrs.pop(name) for name in ("checksum", "checksum_url") if name in attrs})
    places = {"source": Place("m.yaml", 7, 3)}
    return replace(spec(key, source=replace(source, transfer=transfer), **attrs), places=places)


def list_messages(problems: tuple[Diagnostic, ...]) -> list[str]:
    """The messages and hints."""
    return [f"{one.message}; {one.hint}" for one in problems]


def test_sources_that_are_right_have_no_findings(web: Mirror) -> None:
    """Each mirror is asked once, and each list is read once, for all catalogs; where a target stores the data does not
    matter."""
    web.publish("/SUMS", f"{hashlib.sha256(DISK).hexdigest()}  a.qcow2\n".encode())
    url, other = f"{web.address}/a.qcow2", f"{web.address}/a.qcow2?two"
    listed = declare(url, other, checksum_url=f"{web.address}/SUMS")
    packed = declare(f"{url}.gz", key="b", transfer=Transfer(compression=Compression.GZ))
    stored = declare(url, other, checksum_url=f"{web.address}/SUMS", transfer=Transfer(stores=("ceph",)))
    assert fetch(catalog(listed, packed), catalog(stored, packed), catalog()) == [SourceFindings()] * 3
    assert sorted(web.queries) == ["GET /SUMS", "GET /a.qcow2", "GET /a.qcow2", "GET /a.qcow2.gz"]


GZ = Transfer(compression=Compression.GZ)
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("/gone.qcow2", {}, "HTTP 404; correct the URL"),
    ("/page", {}, "the data is an HTML page, not qcow2; correct the source; it may require a log-in"),
    ("/a.qcow2", {"disk_format": "vmdk"}, "the data is qcow2, not vmdk; correct disk_format or the source"),
    ("/a.qcow2.gz", {}, "the data is gzip, not qcow2; declare compression: gz under source"),
    ("/a.qcow2", {"transfer": GZ}, "the gz data is damaged"),
    ("/a.qcow2.gz", {"transfer": GZ, "disk_format": "raw"}, "the data is qcow2, not raw"),
    ("/a.qcow2", {"min_disk": 2}, f"min_disk is 2 GB, but the image's virtual size is at least {3 * 2**30} bytes"),
    ("/a.qcow2.gz", {"transfer": GZ, "min_disk": 2}, "min_disk is 2 GB"),
    ("/cut", {}, "the data looks like raw, not qcow2"),
]


@pytest.mark.parametrize(("path", "attrs", "message"), WRONG)
def test_what_a_server_sends_is_judged_by_its_first_bytes(
    web: Mirror, path: str, attrs: dict[str, Any], message: str
) -> None:
    """As an apply judges it; the message names the URL, and the problem has the place of the source."""
    web.publish("/page", b"<!DOCTYPE html><html></html>" + bytes(100))
    web.publish("/cut", DISK[:60])
    (found,) = fetch(catalog(declare(f"{web.address}{path}", **attrs)))
    (problem,) = found.problems
    assert f"{problem.message}; {problem.hint}".startswith(f"{web.address}{path}: {message}")
    assert (problem.file, problem.line, problem.column, problem.where) == ("m.yaml", 7, 3, "images.a.source")
    assert found.warnings == ()


def test_one_mirror_of_several_images_is_asked_once_for_each_declared_disk(web: Mirror) -> None:
    """Their digests, lists and stores do not matter. Each catalog has the findings of its own images."""
    url = f"{web.address}/a.qcow2"
    digests = [declare(url, key=f"k{one}", checksum=Checksum("sha256", one * 64)) for one in "ab"]
    small = declare(url, key="small", min_disk=1)
    gone = declare(f"{web.address}/gone")
    first, second = fetch(catalog(*digests, small), catalog(gone))
    assert [one.where for one in first.problems] == ["images.small.source"]
    assert [one.where for one in second.problems] == ["images.a.source"]
    assert sorted(web.queries) == ["GET /a.qcow2", "GET /a.qcow2", "GET /gone"]


def test_an_archive_is_right_in_a_container_of_archives(web: Mirror) -> None:
    """The container format counts, too."""
    url = web.publish("/a.tar", TAR)
    (found,) = fetch(catalog(declare(url, disk_format="raw", container_format="docker")))
    assert found == SourceFindings()
    (found,) = fetch(catalog(declare(url, disk_format="raw", container_format="bare")))
    assert list_messages(found.problems)[0].startswith(f"{url}: the data is a tar archive, not raw")


def test_a_busy_server_is_asked_twice(web: Mirror) -> None:
    """It may answer at the second try."""
    url = web.publish("/busy", File(b"", 503))
    (found,) = fetch(catalog(declare(url)))
    assert list_messages(found.problems) == [f"{url}: HTTP 503; try again later"]
    assert web.queries == ["GET /busy"] * 2


def test_a_dead_mirror_is_a_warning_while_another_one_is_right(web: Mirror) -> None:
    """If all are dead, each is a problem. A mirror that is named twice is asked once."""
    right, dead, page = (f"{web.address}{path}" for path in ("/a.qcow2", "/gone", "/page"))
    web.publish("/page", b"<html></html>")
    (found,) = fetch(catalog(declare(dead, right, dead)))
    assert (found.problems, list_messages(found.warnings)) == ((), [f"{dead}: HTTP 404; correct the URL"])
    (found,) = fetch(catalog(declare(dead, page)))
    assert [one.partition(": ")[0] for one in list_messages(found.problems)] == [dead, page]
    assert found.warnings == ()
    assert web.queries.count("GET /gone") == 2


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/none", "/none: HTTP 404; correct the URL"),
        ("/SUMS", "/SUMS: a.qcow2 is not in the checksum list (2 entries, e.g. one.qcow2, two.qcow2)"),
        ("/page", "/page: "),
    ],
)
def test_a_list_that_does_not_help_is_a_problem_of_its_image(web: Mirror, path: str, message: str) -> None:
    """The mirrors are read nevertheless: one of them is dead, too."""
    web.publish("/SUMS", LIST)
    web.publish("/page", b"<html></html>")
    url, dead = f"{web.address}/a.qcow2", f"{web.address}/gone"
    wanted = declare(url, dead, checksum_url=f"{web.address}{path}")
    (found,) = fetch(catalog(wanted))
    (problem,) = list_messages(found.problems)
    assert problem.startswith(f"{web.address}{message}")
    assert list_messages(found.warnings) == [f"{dead}: HTTP 404; correct the URL"]


def test_of_what_the_service_fetches_only_the_list_is_read(web: Mirror) -> None:
    """Its network may reach what this host does not."""
    web.publish("/SUMS", LIST)
    transfer = Transfer(method=Method.WEB_DOWNLOAD)
    wanted = declare(f"{web.address}/a.qcow2", checksum_url=f"{web.address}/SUMS", transfer=transfer)
    (found,) = fetch(catalog(wanted))
    assert (len(found.problems), found.warnings) == (1, ())
    assert web.queries == ["GET /SUMS"]


def test_a_local_file_is_compared_with_its_declared_digest(tmp_path: Path) -> None:
    """Without one there is nothing to compare; its first bytes are judged either way."""
    (tmp_path / "a").write_bytes(DISK)
    right, wrong = Checksum("sha256", hashlib.sha256(DISK).hexdigest()), Checksum("sha256", "a" * 64)

    def list_problems(checksum: Checksum | None, disk_format: str = "qcow2") -> list[str]:
        source = FileSource(str(tmp_path / "a"), "files/a", checksum)
        (found,) = fetch(catalog(spec("a", source=source, disk_format=disk_format)))
        assert found.warnings == ()
        return list_messages(found.problems)

    assert list_problems(right) == list_problems(None) == []
    (problem,) = list_problems(wrong)
    assert problem.startswith(f"files/a: the data has {right}, not the declared {wrong}; ")
    (problem,) = list_problems(None, "vmdk")
    assert problem.startswith("files/a: the data is qcow2, not vmdk; ")


def test_a_file_that_disappears_is_a_problem_of_its_catalog_alone(web: Mirror, tmp_path: Path) -> None:
    """The other catalogs are read."""
    gone = spec("a", source=FileSource(str(tmp_path / "gone"), "gone"))
    first, second = fetch(catalog(gone), catalog(declare(f"{web.address}/none")))
    assert [one.message for one in first.problems] == ["gone: No such file or directory"]
    assert [one.message for one in second.problems] == [f"{web.address}/none: HTTP 404"]


class CountedReads(DigestCache):
    """A cache that counts the digests that it is asked for."""

    def __init__(self) -> None:
        super().__init__(None)
        self.paths: list[str] = []

    def read_digest(self, file: BufferedReader, path: str, algorithm: str = "sha256") -> Checksum:
        self.paths.append(path)
        return super().read_digest(file, path, algorithm)


def test_a_file_without_a_declared_digest_is_not_read_to_its_end(tmp_path: Path) -> None:
    """It may be large, and there is nothing to compare."""
    (tmp_path / "a").write_bytes(DISK)
    path, cache = str(tmp_path / "a"), CountedReads()
    declared = Checksum("sha256", hashlib.sha256(DISK).hexdigest())
    for checksum, read in ((None, []), (declared, [path])):
        wanted = spec("a", source=FileSource(path, "a", checksum), disk_format="qcow2")
        assert fetch_sources([catalog(wanted)], SourceAccess(), jobs=1, cache=cache) == [SourceFindings()]
        assert cache.paths == read


def test_images_without_a_source_need_no_request() -> None:
    """Nothing is read, and nothing is wrong."""
    record = spec("a", source=Content.NO_DATA, fingerprint=Fingerprint(), disk_format=None)
    assert fetch(catalog(record)) == [SourceFindings()]


def test_secrets_of_urls_are_not_in_messages(web: Mirror) -> None:
    """Neither the log-in nor the query."""
    url = web.address.replace("http://", "http://me:sesame@") + "/gone?token=sesame"
    (found,) = fetch(catalog(declare(url, checksum=Checksum("sha256", "a" * 64))))
    (problem,) = list_messages(found.problems)
    assert problem.startswith(f"{web.address}/gone")
    assert "sesame" not in problem


def test_a_silent_server_ends_with_the_time_for_checks(web: Mirror) -> None:
    """Other sources are judged in that time; the silent one is a problem, because nothing is known of it."""
    with silent_server(DISK, 100) as silent:
        (found,) = fetch(
            catalog(declare(f"{silent.address}/a", key="a"), declare(f"{web.address}/gone", key="b")), check_seconds=2
        )
    messages = {one.where: one.message for one in found.problems}
    assert messages.keys() == {"images.a.source", "images.b.source"}
    text = f"{silent.address}/a: not checked: the checks of all sources took more than"
    assert messages["images.a.source"].startswith(text)


def test_only_named_hosts_are_asked(web: Mirror) -> None:
    """As in each command that fetches."""
    access = SourceAccess(("other.example",))
    wanted = declare(f"{web.address}/a.qcow2", checksum_url=f"{web.address}/SUMS")
    (found,) = fetch_sources([catalog(wanted)], access, jobs=1, cache=DigestCache(None))
    assert [one.partition(": ")[0] for one in list_messages(found.problems)] == [
        f"{web.address}/SUMS",
        f"{web.address}/a.qcow2",
    ]
    assert web.queries == []


def test_a_local_file_is_compared_with_the_digest_of_its_list(web: Mirror, tmp_path: Path) -> None:
    """The list is on a server."""
    (tmp_path / "one.qcow2").write_bytes(DISK)
    url = web.publish("/SUMS", LIST)
    source = FileSource(str(tmp_path / "one.qcow2"), "one.qcow2", checksum_url=url)
    (found,) = fetch(catalog(spec("a", source=source, disk_format="qcow2")))
    (problem,) = list_messages(found.problems)
    assert problem.startswith("one.qcow2: the data has sha256:")
    assert f"not the declared sha256:{'a' * 64}" in problem
