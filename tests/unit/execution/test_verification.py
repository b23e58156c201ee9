"""The stored data is compared with the sent data, or else verified by the service's hash or by a download."""

import gzip
import hashlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Unpack, cast

import pytest

from imagesync.backends.base import Backend, ImportFields
from imagesync.backends.local.backend import Local
from imagesync.backends.local.store import Store
from imagesync.errors import ChecksumMismatch, Forbidden, FormatMismatch, LeaseLost, Unavailable
from imagesync.execution.executor import execute
from imagesync.execution.performer import Performer
from imagesync.execution.reading_back import MAX_READS
from imagesync.execution.verification import Arrived, Verifier, check_min_disk
from imagesync.formats import GIB
from imagesync.model.catalog import (
    Catalog,
    Checksum,
    Compression,
    FileSource,
    Fingerprint,
    Method,
    Role,
    Status,
    Transfer,
    UrlSource,
)
from imagesync.model.image import Capabilities, LiveImage
from imagesync.model.plan import Create, ImageState
from imagesync.model.record import DIGEST, Record, read
from imagesync.planning.three_way import make_state
from imagesync.sources import identify
from tests.pipeline import planned
from tests.samples import qcow2
from tests.unit.execution.helpers import Service, apply, want_image
from tests.unit.factories import catalog, live, rewrite, spec

if TYPE_CHECKING:
    from imagesync.sources import SourceStream

DATA = b"dat\0" * 20_000
"""Longer than the head that is looked at in any case."""
PUBLISHED = Checksum("sha256", hashlib.sha256(DATA).hexdigest())
NO_HASH: Final[dict[str, str | None]] = {"os_hash_algo": None, "os_hash_value": None, "checksum": None}


class Fetching(Service):
    """A store that fetches by itself: every URL gives ``content``; ``broken`` downloads end too early."""

    def __init__(
        self, folder: Path, answers: dict[str, str | None], content: bytes = DATA, spoiled: bytes = b""
    ) -> None:
        super().__init__(folder, answers, spoiled)
        self.content, self.broken, self.forbidden, self.hash_is_final = content, 0, False, True

    def capabilities(self) -> Capabilities:
        methods = frozenset({"web-download"})
        return replace(super().capabilities(), import_methods=methods, hash_is_final=self.hash_is_final)

    def import_image(self, image_id: str, method: str, **options: Unpack[ImportFields]) -> None:
        assert (method, options["uri"]) == ("web-download", "https://x.example/a.raw")
        Local.upload(self, image_id, [self.content], len(self.content))

    def download(self, image_id: str) -> Iterator[bytes]:
        if self.forbidden:
            raise Forbidden("the policy forbids download_image")
        chunks = super().download(image_id)
        self.broken -= 1
        if self.broken >= 0:
            raise Unavailable("the connection was lost")
        return chunks


def fetched(*digests: Checksum, verify: bool = True, inspect: bool = True, **attrs: Any) -> Catalog:
    """A catalog of one image that the service fetches."""
    transfer = Transfer(method=Method.WEB_DOWNLOAD, verify=verify, inspect=inspect)
    source = UrlSource(("https://x.example/a.raw",), transfer=transfer)
    return catalog(spec("x", source=source, fingerprint=Fingerprint(digests), **attrs))


def fail(service: Fetching, wanted: Catalog) -> str:
    """The error of the only step, which leaves no image behind."""
    (result,) = apply(service, wanted).results
    assert service.images() == []
    return str(result.error)


def published(service: Fetching) -> Record:
    """The record of the only image, which is published."""
    (image,) = service.images()
    record = read(image)
    assert record is not None
    assert (record.role, record.unverified, image.hidden) == (Role.CURRENT, False, False)
    return record


def known(*algorithms: str) -> tuple[Checksum, ...]:
    """Digests of ``DATA``."""
    return tuple(Checksum(name, hashlib.new(name, DATA, usedforsecurity=False).hexdigest()) for name in algorithms)


def test_fetched_data_is_downloaded_if_the_service_s_hash_cannot_verify_it(tmp_path: Path) -> None:
    """It is published with computed digests. Other bytes are not published, and no image is left."""
    service = Fetching(tmp_path / "right", {})
    service.broken = 1
    assert apply(service, fetched(PUBLISHED)).succeeded
    assert (service.downloads, service.broken) == (1, -1)
    record = published(service)
    assert (record.digests, record.declared) == (known("md5", "sha256", "sha512"), ())
    service = Fetching(tmp_path / "wrong", {}, content=b"\0foreign")
    assert "the service stored sha256" in fail(service, fetched(PUBLISHED))
    service = Fetching(tmp_path / "weak", {}, content=b"\0foreign")
    md5 = Checksum("md5", hashlib.md5(b"\0foreign", usedforsecurity=False).hexdigest())
    assert "the service stored sha256" in fail(service, fetched(md5, PUBLISHED))  # a weaker digest proves nothing


class BreakingDownloads(Fetching):
    """The connection of the first ``broken`` downloads breaks in their middle; ``heads`` counts the started ones."""

    heads = 0

    def download(self, image_id: str) -> Iterator[bytes]:
        self.heads += 1
        whole = b"".join(Service.download(self, image_id))
        yield whole[:100]
        self.broken -= 1
        if self.broken >= 0:
            raise Unavailable("the connection was lost")
        yield whole[100:]


@pytest.mark.parametrize("broken", range(MAX_READS + 2))
def test_the_download_starts_again_if_the_connection_breaks(tmp_path: Path, broken: int) -> None:
    """Data before the break does not count; after the last try the break is the error."""
    service = BreakingDownloads(tmp_path / "store", {})
    service.broken = broken
    if broken < MAX_READS:
        assert apply(service, fetched(PUBLISHED)).succeeded
        assert published(service).digests == known("md5", "sha256", "sha512")
    else:
        assert "the connection was lost" in fail(service, fetched(PUBLISHED))
    assert service.downloads == min(broken + 1, MAX_READS)


def test_fetched_data_is_not_downloaded_if_the_service_s_hash_verifies_it(tmp_path: Path) -> None:
    """Its sha512 verifies the data; a weaker declared digest is not recorded.

    Without any hash the data is downloaded.
    """
    sha512 = known("sha512")[0]
    service = Fetching(tmp_path / "one", {})
    assert apply(service, fetched(PUBLISHED, sha512)).succeeded
    assert service.downloads == 0
    assert (published(service).digests, published(service).declared) == (known("md5", "sha512"), ())
    service = Fetching(tmp_path / "two", NO_HASH)
    assert apply(service, fetched(sha512)).succeeded
    assert service.downloads == 1
    assert published(service).digests == (sha512,)
    service = Fetching(tmp_path / "three", NO_HASH, content=b"\0foreign")
    assert "the service stored sha512" in fail(service, fetched(sha512))


def test_data_that_cannot_be_downloaded_is_not_published(tmp_path: Path) -> None:
    """The message names both solutions."""
    service = Fetching(tmp_path / "store", {})
    service.forbidden = True
    error = fail(service, fetched(PUBLISHED))
    assert "the stored data cannot be downloaded to verify it: the policy forbids download_image" in error
    assert "sha512 by default), or verify: none" in error


def test_verify_none_records_the_digest_as_declared(tmp_path: Path) -> None:
    """Nothing is downloaded; a digest that contradicts the service's own hash is refused all the same."""
    service = Fetching(tmp_path / "one", {}, content=b"\0foreign" * 20_000)
    assert apply(service, fetched(PUBLISHED, verify=False)).succeeded
    assert service.downloads == 0
    record = published(service)
    assert ([item.algorithm for item in record.digests], record.declared) == (["md5", "sha512"], (PUBLISHED,))
    assert planned(service, fetched(PUBLISHED, verify=False)).steps == ()
    service = Fetching(tmp_path / "two", {}, content=b"\0foreign")
    assert "the service stored sha512" in fail(service, fetched(*known("sha512"), verify=False))
    service = Fetching(tmp_path / "three", {})
    assert apply(service, fetched(*known("sha512"), verify=False)).succeeded
    assert (published(service).digests, published(service).declared) == (known("md5", "sha512"), ())


@pytest.mark.parametrize("verify", [True, False])
def test_fetched_data_that_cannot_boot_is_not_published(tmp_path: Path, *, verify: bool) -> None:
    """For example the page of a captive portal, whose digest the manifest may even declare.

    The first bytes are always read, unless the service's policy forbids that or the manifest turns the check off.
    """
    page = b"<!doctype html><title>Log in</title>".ljust(70_000)
    for algorithm in ("sha256", "sha512"):
        digest = Checksum(algorithm, hashlib.new(algorithm, page).hexdigest())
        service = Fetching(tmp_path / algorithm, {}, content=page)
        error = fail(service, fetched(digest, verify=verify))
        assert "the data is an HTML page, not raw" in error
        service.content = gzip.compress(page)
        digest = Checksum(algorithm, hashlib.new(algorithm, service.content).hexdigest())
        assert "the data is gzip, not raw; declare compression: gz" in fail(service, fetched(digest, verify=verify))
        assert apply(service, fetched(digest, verify=verify, inspect=False)).succeeded
    service = Fetching(tmp_path / "a page", {}, content=page)
    digest = Checksum("sha512", hashlib.sha512(page).hexdigest())
    assert apply(service, fetched(digest, verify=verify, inspect=False)).succeeded
    service = Fetching(tmp_path / "forbidden", {}, content=page)
    service.forbidden = True
    assert apply(service, fetched(Checksum("sha512", hashlib.sha512(page).hexdigest()))).succeeded


@pytest.mark.parametrize("broken", range(MAX_READS + 2))
@pytest.mark.parametrize("content", [DATA, gzip.compress(DATA)])
def test_the_first_bytes_are_read_again_if_the_connection_breaks(tmp_path: Path, content: bytes, broken: int) -> None:
    """Without a result of the check the image is not published."""
    service = BreakingDownloads(tmp_path / "store", {}, content)
    service.broken = broken
    sha512 = Checksum("sha512", hashlib.sha512(content).hexdigest())
    if content == DATA and broken < MAX_READS:
        assert apply(service, fetched(sha512)).succeeded
        published(service)
    else:
        expected = "the data is gzip, not raw" if broken < MAX_READS else "the connection was lost"
        assert expected in fail(service, fetched(sha512))
    assert service.heads == min(broken + 1, MAX_READS)
    unread = BreakingDownloads(tmp_path / "unread", {}, content)
    assert apply(unread, fetched(sha512, inspect=False)).succeeded
    assert unread.heads == 0


class Staging(Fetching):
    """A store with glance-direct, whose plugin converts all staged data into ``content``."""

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), import_methods=frozenset({"glance-direct"}))

    def stage(self, image_id: str, chunks: Iterable[bytes], size: int | None) -> None:
        for _ in chunks:
            pass

    def import_image(self, image_id: str, method: str, **options: Unpack[ImportFields]) -> None:
        Local.upload(self, image_id, [self.content], len(self.content))


PINNED: Final = "6a1b8b0e-0b5e-4f7e-9d6e-00000000000a"


def staged(folder: Path, data: bytes, *, inspect: bool = True) -> Catalog:
    """A catalog of one image with a pinned id, staged and imported by the service."""
    (folder / "x").write_bytes(data)
    digest = Checksum("sha256", hashlib.sha256(data).hexdigest())
    transfer = Transfer(method=Method.GLANCE_DIRECT, inspect=inspect)
    source = FileSource(str(folder / "x"), "x", checksum=digest, transfer=transfer)
    return catalog(spec("x", id=PINNED, source=source, fingerprint=Fingerprint((digest,))))


@pytest.mark.parametrize("is_resumed", [False, True])
@pytest.mark.parametrize("answers", [{}, {"disk_format": "qcow2"}])
def test_staged_data_that_cannot_boot_after_the_import_is_not_published(
    tmp_path: Path, answers: dict[str, str | None], *, is_resumed: bool
) -> None:
    """A service without the plugin stores the packed data. Also if the run died after the start of the import."""
    packed = gzip.compress(DATA)
    for content, inspect, is_right in ((DATA, True, True), (packed, True, False), (packed, False, True)):
        service = Staging(tmp_path / f"{len(content)} {inspect}", {}, content)
        wanted = staged(tmp_path, packed, inspect=inspect)
        plan = planned(service, wanted)
        if is_resumed:
            (step,) = plan.steps
            assert isinstance(step.action, Create)
            marks = replace(step.action.record, role=Role.STAGING).properties(PINNED)
            service.create_image(id=PINNED, hidden=True, disk_format="raw", container_format="bare", properties=marks)
            plan = planned(service, wanted)
            service.import_image(PINNED, "glance-direct")
        service.answers.update(answers)
        report = execute(plan, Performer(service, plan), jobs=1, notify=lambda _: None, cancelled=threading.Event())
        assert report.succeeded is is_right, report
        assert [image.hidden for image in service.images()] in ([[False]] if is_right else [[], [True]])
        error = f"the data is gzip, not {answers.get('disk_format', 'raw')}"
        assert is_right or error in str(report.results[0].error)


@pytest.mark.parametrize("answers", [{"disk_format": "qcow2"}, {"container_format": "bare", "disk_format": "vmdk"}])
def test_fetched_data_that_cannot_boot_after_a_conversion_is_not_published(
    tmp_path: Path, answers: dict[str, str | None]
) -> None:
    """It is checked as the format that the service reports."""
    service = Fetching(tmp_path / "store", {**answers}, content=gzip.compress(DATA))
    error = fail(service, fetched(PUBLISHED, verify=False))
    assert f"the data is gzip, not {answers['disk_format']}" in error
    assert apply(service, fetched(PUBLISHED, verify=False, inspect=False)).succeeded


@pytest.mark.parametrize(
    ("answers", "made"),
    [
        ({"disk_format": "qcow2"}, "disk_format qcow2 (declared: raw)"),
        ({"container_format": "ova"}, "container_format ova (declared: bare)"),
        (
            {"disk_format": "qcow2", "container_format": "ova"},
            "disk_format qcow2 (declared: raw) and container_format ova (declared: bare)",
        ),
    ],
)
def test_converted_data_cannot_be_verified_by_a_declared_digest(
    tmp_path: Path, answers: dict[str, str | None], made: str
) -> None:
    """Refused, also if an algorithm is shared.

    With ``verify: none`` the record has no digest of the service's own hash.
    """
    for number, digest in enumerate((PUBLISHED, *known("sha512"))):
        service = Fetching(tmp_path / str(number), {**answers})
        error = fail(service, fetched(digest))
        assert f"the service converted the data to {made}, so no declared digest can verify it" in error
        assert "use method: glance-direct" in error
        service = Fetching(tmp_path / f"none {number}", {**answers})
        assert apply(service, fetched(digest, verify=False)).succeeded
        record = published(service)
        assert (record.digests, record.declared, record.converted) == ((), (digest,), True)
        assert planned(service, fetched(digest, verify=False)).steps == ()


def test_data_that_was_fetched_for_another_run_is_downloaded_with_any_method(tmp_path: Path) -> None:
    """A queued record with a pinned id: the service is filling it when the manifest changes to an upload."""
    pinned = "6a1b8b0e-0b5e-4f7e-9d6e-00000000000a"
    for content, expected in ((b"\0foreign", False), (DATA, True)):
        service = Fetching(tmp_path / str(expected), {}, content)
        wanted = fetched(PUBLISHED, id=pinned)
        (step,) = planned(service, wanted).steps
        assert isinstance(step.action, Create)
        record = replace(step.action.record, role=Role.STAGING, unverified=True)
        service.create_image(
            id=pinned, hidden=True, disk_format="raw", container_format="bare", properties=record.properties(pinned)
        )
        (tmp_path / "x").write_bytes(DATA)
        source = FileSource(str(tmp_path / "x"), "x", checksum=PUBLISHED)
        plan = planned(service, identify(catalog(spec("x", id=pinned, source=source))))
        service.import_image(pinned, "web-download", uri="https://x.example/a.raw")
        report = execute(plan, Performer(service, plan), jobs=1, notify=lambda _: None, cancelled=threading.Event())
        assert report.succeeded is expected
        assert service.downloads == 1
        assert service.images()[0].hidden is not expected


@pytest.mark.parametrize("is_final", [True, False])
@pytest.mark.parametrize("name", ["sha256", "sha512"])
def test_a_record_that_another_project_filled_is_verified(tmp_path: Path, name: str, *, is_final: bool) -> None:
    """Its record claims that an earlier run sent verified bytes, but a member of that project sent its own.

    The service's hash counts if it is final; otherwise the data is downloaded.
    """
    pinned, other = "6a1b8b0e-0b5e-4f7e-9d6e-00000000000a", "f" * 32
    (digest,) = known(name)
    (tmp_path / "x").write_bytes(DATA)
    source = FileSource(str(tmp_path / "x"), "x", checksum=digest)
    for content, expected in ((b"\0evil", False), (DATA, True)):
        service = Fetching(tmp_path / str(expected), {} if is_final else {"os_hash_value": digest.value})
        service.hash_is_final = is_final
        wanted = catalog(spec("x", id=pinned, owner=other, source=source, fingerprint=Fingerprint((digest,))))
        (step,) = planned(service, wanted).steps
        assert isinstance(step.action, Create)
        record = replace(step.action.record, role=Role.STAGING)
        marks = record.properties(pinned)
        service.create_image(
            id=pinned, owner=other, hidden=True, disk_format="raw", container_format="bare", properties=marks
        )
        plan = planned(service, wanted)
        Local.upload(service, pinned, [content], len(content))
        report = execute(plan, Performer(service, plan), jobs=1, notify=lambda _: None, cancelled=threading.Event())
        assert report.succeeded is expected, report
        assert service.images()[0].hidden is not expected
        assert service.downloads == (0 if name == "sha512" and is_final else 1)


def test_digests_that_the_service_computed_are_recorded(tmp_path: Path) -> None:
    """A manifest that later declares another algorithm then uploads nothing."""
    service = Service(tmp_path / "store", {})
    assert apply(service, want_image(tmp_path, b"\0data")).succeeded
    (image,) = service.images()
    kept = dict(part.split(":") for part in image.properties[DIGEST].split())
    assert kept == {
        name: hashlib.new(name, b"\0data", usedforsecurity=False).hexdigest() for name in ("md5", "sha256", "sha512")
    }
    assert service.downloads == 0


@pytest.mark.parametrize("algorithm", ["blake2b", "sha384"])
def test_data_is_downloaded_if_the_service_hashes_with_another_algorithm(tmp_path: Path, algorithm: str) -> None:
    """Without a common digest there is no proof, also if the algorithm is one that a manifest may declare."""
    answers = {"os_hash_algo": algorithm, "os_hash_value": "00" * 48, "checksum": None}
    service = Service(tmp_path / "store", answers)
    assert apply(service, want_image(tmp_path, b"\0data")).succeeded
    assert service.downloads == 1
    breaking = BreakingDownloads(tmp_path / "breaking", answers)
    breaking.broken = 1
    assert apply(breaking, want_image(tmp_path, DATA)).succeeded
    assert breaking.heads == 2
    service = Service(tmp_path / "other", answers, spoiled=b"more")
    (result,) = apply(service, want_image(tmp_path, b"\0data")).results
    assert "the service stored sha512" in str(result.error)
    assert service.images() == []


@pytest.mark.parametrize("answers", [{"os_hash_value": "0" * 128}, {"size": 6}])
def test_other_bytes_in_the_service_are_an_error(tmp_path: Path, answers: dict[str, str | None]) -> None:
    """No image is left."""
    service = Service(tmp_path / "store", answers)
    (result,) = apply(service, want_image(tmp_path, b"\0data")).results
    assert "the service stored" in str(result.error)
    assert service.images() == []


@pytest.mark.parametrize("status", [Status.SAVING, Status.QUEUED, Status.DEACTIVATED])
def test_an_image_that_is_not_active_after_its_upload_is_not_published(tmp_path: Path, status: Status) -> None:
    """Whatever size and digests the service reports."""
    service = Service(tmp_path / "store", {"status": status})
    (result,) = apply(service, want_image(tmp_path, DATA)).results
    assert f"is {status.value} after the upload; run apply again" in str(result.error)


class Watching(Fetching):
    """Stores for each filled record whether it is marked as unverified."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {})
        self.unverified: list[bool] = []

    def _note(self, image_id: str) -> None:
        record = read(Local.images(self, image_id)[0])
        assert record is not None
        assert record.role is Role.STAGING
        self.unverified.append(record.unverified)

    def import_image(self, image_id: str, method: str, **options: Unpack[ImportFields]) -> None:
        self._note(image_id)
        super().import_image(image_id, method, **options)

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        self._note(image_id)
        super().upload(image_id, chunks, size, store=store)


@pytest.mark.parametrize("is_fetched", [True, False])
def test_a_record_that_the_service_fetches_is_unverified_from_the_beginning(tmp_path: Path, is_fetched: bool) -> None:
    """A run that dies then leaves an image that looks complete.

    Data that imagesync sends becomes active only if it is right.
    """
    service = Watching(tmp_path / "store")
    assert apply(service, fetched(PUBLISHED) if is_fetched else want_image(tmp_path, DATA)).succeeded
    assert service.unverified == [is_fetched]
    published(service)


class Held(Local):
    """Returns the same data each time, and counts the downloads; ``final``: its hash is final."""

    def __init__(self, folder: Path, data: bytes = DATA, final: bool = False) -> None:
        super().__init__(Store(folder), "held")
        self.data, self.final, self.reads = data, final, 0

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), hash_is_final=self.final)

    def download(self, image_id: str) -> Iterator[bytes]:
        self.reads += 1
        yield self.data


RIGHT = {name: Checksum(name, hashlib.new(name, DATA).hexdigest()) for name in ("sha256", "sha512")}
WRONG = {name: Checksum(name, hashlib.new(name, b"other").hexdigest()) for name in ("sha256", "sha512")}


@dataclass(frozen=True, slots=True)
class FoundCase:
    """An active image whose bytes this run has not read, and its declared digests."""

    declared: tuple[Checksum, ...]
    served: Checksum | None
    """The service's own sha512."""
    method: Method
    verify: bool
    packed: bool
    unverified: bool
    is_ours: bool
    final: bool
    disk_format: str

    @property
    def converted(self) -> bool:
        return self.disk_format != "raw"

    def expect(self) -> tuple[tuple[Checksum, ...], tuple[Checksum, ...]] | None:
        """The known digests, and the declared ones that were not verified; None for an error."""
        comparable = not self.packed and not self.converted
        contradicted = any(one.algorithm == "sha512" and self.served not in (None, one) for one in self.declared)
        if comparable and contradicted:
            return None
        if self.method is not Method.WEB_DOWNLOAD and self.is_ours and not self.unverified:
            return self.declared, ()
        if not comparable:
            return None if self.declared and self.verify else ((), self.declared)
        known = {self.served} - {None}
        strongest = self.declared[-1] if self.declared else None
        if self.declared and self.verify and not ((self.is_ours or self.final) and strongest in known):
            if any(one != RIGHT[one.algorithm] for one in self.declared):
                return None
            known |= set(self.declared)
        left = () if strongest in known else tuple(one for one in self.declared if one not in known)
        return tuple(sorted(filter(None, known))), left


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize("is_ours", [False, True])
@pytest.mark.parametrize("unverified", [False, True])
@pytest.mark.parametrize("method", Method)
def test_found_images_are_verified_by_their_origin(
    tmp_path: Path, method: Method, unverified: bool, is_ours: bool, final: bool
) -> None:
    """Sent by an earlier run or fetched, in this project or another, packed or converted, right or wrong."""
    digests = [
        (),
        (RIGHT["sha256"],),
        (RIGHT["sha512"],),
        tuple(RIGHT.values()),
        (WRONG["sha256"],),
        (WRONG["sha512"],),
    ]
    served = [None, RIGHT["sha512"], WRONG["sha512"]]
    backend = Held(tmp_path / "store", final=final)
    for declared, hashed, verify, packed, disk_format in product(
        digests, served, (False, True), (False, True), ("raw", "qcow2")
    ):
        case = FoundCase(declared, hashed, method, verify, packed, unverified, is_ours, final, disk_format)
        transfer = Transfer(Compression.GZ if packed else Compression.NONE, method, verify=verify, inspect=False)
        source = UrlSource(("https://x.example/a.raw",), transfer=transfer)
        one = spec("a", source=source, fingerprint=Fingerprint(declared))
        project = backend.identity().project_id if is_ours else "f" * 32
        algorithm: dict[str, Any] = {"os_hash_algo": "sha512", "os_hash_value": hashed.value} if hashed else {}
        image = live(one, role=Role.STAGING, owner=project, disk_format=disk_format, size=len(DATA))
        image = rewrite(replace(image, **algorithm), unverified=unverified)
        create = Create(
            "a", make_state(one, frozenset(), {}), source, one.fingerprint, Record("base", "a", Role.CURRENT)
        )
        expected = case.expect()
        if expected is None:
            with pytest.raises(ChecksumMismatch) as caught:
                Verifier(backend).verify_found(create, source, image)
            assert caught.value.hint
        else:
            found = Verifier(backend).verify_found(create, source, image)
            assert (found.digests, found.declared) == expected, case
            assert (found.image, found.sent, found.converted) == (image, 0, case.converted)
            assert found.virtual_size == len(DATA)
            larger = Verifier(backend).verify_found(create, source, replace(image, virtual_size=77))
            assert larger.virtual_size == 77


@pytest.mark.parametrize("needed", [GIB - 1, GIB, GIB + 1, 2 * GIB, 2 * GIB + 1])
@pytest.mark.parametrize("min_disk", [None, 0, 1, 2, "auto"])
def test_a_disk_must_fit_into_a_declared_min_disk(min_disk: int | str | None, needed: int) -> None:
    """0 means none; an automatic min_disk always fits."""
    fields: dict[str, Any] = {} if min_disk in (None, "auto") else {"min_disk": min_disk}
    one = spec("a")
    create = Create("a", ImageState(fields), one.source, one.fingerprint, Record("base", "a", Role.CURRENT))
    create = replace(create, min_disk_auto=min_disk == "auto")
    if isinstance(min_disk, int) and min_disk and needed > min_disk * GIB:
        with pytest.raises(FormatMismatch):
            check_min_disk(create, needed)
    else:
        check_min_disk(create, needed)


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("size", [GIB - 1, GIB, GIB + 1])
@pytest.mark.parametrize("is_virtual", [True, False])
def test_a_found_image_must_fit_into_its_min_disk(tmp_path: Path, method: Method, size: int, is_virtual: bool) -> None:
    """However its data came: its virtual size counts, or its size if the service does not know that."""
    transfer = Transfer(Compression.NONE, method, inspect=False)
    source = UrlSource(("https://x.example/a.raw",), transfer=transfer)
    one = spec("a", source=source, fingerprint=Fingerprint(), min_disk=1)
    backend = Held(tmp_path / "store")
    image = live(one, role=Role.STAGING, owner=backend.identity().project_id, size=3 if is_virtual else size)
    image = replace(image, virtual_size=size if is_virtual else None)
    create = Create("a", make_state(one, frozenset(), {}), source, one.fingerprint, Record("base", "a", Role.CURRENT))
    if size > GIB:
        with pytest.raises(FormatMismatch, match=f"min_disk is 1 GB, but the image's virtual size is at least {size}"):
            Verifier(backend).verify_found(create, source, image)
    else:
        assert Verifier(backend).verify_found(create, source, image).virtual_size == size


@dataclass(frozen=True, slots=True)
class Sent:
    """What a stream knows after its last byte: it sent ``DATA``, or a packed form of ``DATA``."""

    virtual_size: int | None = None
    packed: bool = False
    sent: int = len(DATA)

    @property
    def digests(self) -> dict[str, str]:
        """Those of the sent bytes."""
        return {name: digest.value for name, digest in RIGHT.items()}

    @property
    def published_digests(self) -> dict[str, str]:
        """Those of the packed file, if there is one."""
        return {name: digest.value for name, digest in (WRONG if self.packed else RIGHT).items()}


def verify_upload(backend: Backend, stream: Sent, method: Method = Method.UPLOAD, **attrs: Any) -> Arrived:
    """Verify an upload of raw data; ``attrs``: what the service reports of the image."""
    transfer = Transfer(Compression.GZ if stream.packed else Compression.NONE, method, inspect=False)
    source = FileSource("/images/a.raw", "a.raw", transfer=transfer)
    declared = (WRONG if stream.packed else RIGHT)["sha256"]
    one = spec("a", source=source, fingerprint=Fingerprint((declared,)))
    hashed: dict[str, Any] = {"os_hash_algo": "sha512", "os_hash_value": RIGHT["sha512"].value, "size": len(DATA)}
    md5 = hashlib.md5(DATA, usedforsecurity=False).hexdigest()
    image = live(one, role=Role.STAGING, **{**hashed, "checksum": md5, **attrs})
    create = Create("a", make_state(one, frozenset(), {}), source, one.fingerprint, Record("base", "a", Role.CURRENT))
    return Verifier(backend).verify_sent(create, transfer, image, cast("SourceStream", stream))


@pytest.mark.parametrize(("of_image", "of_stream", "expected"), [(5, 7, 5), (None, 7, 7), (None, None, 0)])
def test_the_virtual_size_of_an_upload(
    tmp_path: Path, of_image: int | None, of_stream: int | None, expected: int
) -> None:
    """The service's, or the one that was read from the data; the number of stored bytes says nothing about the disk."""
    found = verify_upload(Held(tmp_path / "store"), Sent(of_stream), virtual_size=of_image)
    assert (found.virtual_size, found.sent) == (expected, len(DATA))


@pytest.mark.parametrize("attrs", [{"size": 7}, {"disk_format": "qcow2"}, {"container_format": "ova"}])
def test_only_an_import_of_staged_data_may_convert_it(tmp_path: Path, attrs: dict[str, Any]) -> None:
    """The digests of the sent bytes stay known; those that the service reports are of other bytes."""
    backend = Held(tmp_path / "store")
    found = verify_upload(backend, Sent(), Method.GLANCE_DIRECT, os_hash_value="0" * 128, **attrs)
    assert (found.converted, found.digests) == (True, (RIGHT["sha256"], RIGHT["sha512"]))
    with pytest.raises(ChecksumMismatch):
        verify_upload(backend, Sent(), Method.GLANCE_DIRECT, os_hash_value="0" * 128)
    with pytest.raises(ChecksumMismatch):
        verify_upload(backend, Sent(), os_hash_value="0" * 128, **attrs)
    found = verify_upload(backend, Sent(), Method.GLANCE_DIRECT)
    assert (found.converted, [digest.algorithm for digest in found.digests]) == (False, ["md5", "sha256", "sha512"])


def test_of_packed_data_the_digests_of_the_published_file_are_known(tmp_path: Path) -> None:
    """Those that the service reports are of the unpacked data."""
    found = verify_upload(Held(tmp_path / "store"), Sent(packed=True))
    assert (found.converted, found.digests) == (False, (WRONG["sha256"], WRONG["sha512"]))


def test_every_declared_digest_of_stored_data_is_compared_and_recorded(tmp_path: Path) -> None:
    """Data that the service fetched is read once for all of them."""
    service = Fetching(tmp_path / "right", NO_HASH)
    assert apply(service, fetched(*known("md5", "sha1", "sha256"))).succeeded
    assert published(service).digests == known("md5", "sha1", "sha256")
    for wrong in ("md5", "sha1", "sha256"):
        false = [
            replace(digest, value="0" * len(digest.value)) if digest.algorithm == wrong else digest
            for digest in known("md5", "sha1", "sha256")
        ]
        assert f"the service stored {wrong}" in fail(Fetching(tmp_path / wrong, NO_HASH), fetched(*false))


def store_data(service: Service, data: bytes) -> LiveImage:
    """An active raw image with these bytes."""
    made = service.create_image(name="x", disk_format="raw", container_format="bare", visibility="private")
    service.upload(made.id, [data], len(data))
    return service.images(made.id)[0]


def test_stored_data_of_another_format_than_declared_is_an_error_even_if_its_digest_is_right(tmp_path: Path) -> None:
    """A machine would boot the file itself."""
    service, data = Service(tmp_path / "store", {}), qcow2()
    declared = (Checksum("sha256", hashlib.sha256(data).hexdigest()),)
    with pytest.raises(FormatMismatch, match="the data is qcow2, not raw"):
        Verifier(service).check_stored(store_data(service, data), declared, "raw", "bare")


def test_a_read_back_ends_when_the_run_must_end(tmp_path: Path) -> None:
    """It may take hours, and the lease may be lost meanwhile."""
    service = Service(tmp_path / "store", {})
    image = store_data(service, DATA)

    def check() -> None:
        raise LeaseLost("the lease is lost")

    with pytest.raises(LeaseLost):
        Verifier(service, check).check_stored(image, (PUBLISHED,), "raw", "bare")
    assert service.downloads == 0


def test_each_digest_that_both_sides_have_is_compared(tmp_path: Path) -> None:
    """The service's sha512 is right, and its md5 is not: it stored other bytes than it hashed."""
    (tmp_path / "x").write_bytes(DATA)
    source = FileSource(str(tmp_path / "x"), "x", known("md5")[0])
    (result,) = apply(
        Service(tmp_path / "store", {"checksum": "0" * 32}), identify(catalog(spec("x", source=source)))
    ).results
    assert f"the service stored md5:{'0' * 32}, imagesync sent md5:" in str(result.error)
