"""What identifies the content of each source, before a byte of it is stored."""

import hashlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

import pytest
from pysequoia import SignatureMode, Tsk, sign

from imagesync.errors import ManifestError, PlanRefused
from imagesync.model.catalog import (
    Catalog,
    Checksum,
    FileSource,
    Fingerprint,
    ImageSpec,
    Method,
    Signature,
    Transfer,
    UrlSource,
)
from imagesync.sources import DigestCache, find_unreadable_files, identify, identify_all
from imagesync.sources.access import SourceAccess
from imagesync.sources.identify import MAX_KEYRING_BYTES, check_sources
from tests.fault.mirror import File, Mirror, mirror
from tests.unit.factories import catalog, inventory, plan, spec
from tests.unit.sources.packed import DATA, sha256


def test_local_files_are_hashed_and_unreadable_ones_reported_together(tmp_path: Path) -> None:
    """All problems in one error; a good set gets digests and sizes."""
    (tmp_path / "a").write_bytes(DATA)
    good = spec("a", source=FileSource(str(tmp_path / "a"), "a"))
    (found,) = identify(catalog(good)).images
    assert found.fingerprint == Fingerprint(sha256(DATA).digests, size=len(DATA))
    bad = [spec(key, source=FileSource(str(tmp_path / key), key)) for key in ("x", "y")]
    with pytest.raises(ManifestError) as caught:
        identify(catalog(good, *bad))
    assert len(caught.value.diagnostics) == 2


def test_a_declared_checksum_is_taken_at_its_word(tmp_path: Path) -> None:
    """The file is not hashed: the digest is compared when its bytes are sent."""
    (tmp_path / "a").write_bytes(DATA)
    (declared,) = sha256(b"other").digests
    (found,) = identify(catalog(spec("a", source=FileSource(str(tmp_path / "a"), "a", declared)))).images
    assert found.fingerprint == Fingerprint((declared,), size=len(DATA))


def test_files_that_cannot_be_read_are_reported_without_reading_any(tmp_path: Path) -> None:
    """A missing file and a folder: one diagnostic each, at its image."""
    (tmp_path / "good").write_bytes(DATA)
    (tmp_path / "folder").mkdir()
    specs = [spec(key, source=FileSource(str(tmp_path / key), key)) for key in ("folder", "good", "missing")]
    assert [(item.where, item.message) for item in find_unreadable_files(specs)] == [
        ("images.folder.source", "folder: not a regular file"),
        ("images.missing.source", "missing: No such file or directory"),
    ]


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("example.org/images/x.img", "if it is a URL, write https:// before it"),
        ("~/x.img", "~ is not expanded; write a path relative to the manifest file"),
        ("images/x.img", "check the path and its permissions"),
    ],
)
def test_a_file_that_is_not_there_may_be_something_else(tmp_path: Path, source: str, hint: str) -> None:
    """An address without scheme, or a path that a shell would have completed."""
    wanted = catalog(spec("a", source=FileSource(str(tmp_path / source), source)))
    with pytest.raises(ManifestError) as caught:
        identify(wanted)
    for problem in (*caught.value.diagnostics, *find_unreadable_files(wanted.images)):
        assert str(problem).endswith(f"{source}: No such file or directory; {hint}")


@pytest.fixture
def web() -> Iterator[Mirror]:
    """A web server on loopback."""
    with mirror() as found:
        yield found


@pytest.fixture(scope="module")
def keys() -> list[Tsk]:
    """Two people's keys."""
    return [Tsk.generate("One <one@example.org>"), Tsk.generate("Two <two@example.org>")]


def line(name: str, content: str = "") -> bytes:
    """A line of a list; the digest is that of ``content``, or of the name."""
    return f"{hashlib.sha256((content or name).encode()).hexdigest()}  {name}\n".encode()


def digest(text: str) -> tuple[Checksum, ...]:
    """The digest in such a line."""
    return (Checksum("sha256", hashlib.sha256(text.encode()).hexdigest()),)


def find(*specs: ImageSpec, access: SourceAccess | None = None, jobs: int = 4) -> list[ImageSpec]:
    """The images with their fingerprints or faults."""
    found = {one.key: one for one in identify(catalog(*specs), access=access, jobs=jobs).images}
    return [found[one.key] for one in specs]


def of_url(key: str, url: str, listed: str, **attrs: object) -> ImageSpec:
    """An image of a URL with a checksum list."""
    return spec(key, source=UrlSource((url,), None, listed, **attrs), fingerprint=Fingerprint())  # type: ignore[arg-type]


def test_a_list_is_fetched_once_for_all_its_images(web: Mirror, tmp_path: Path) -> None:
    """For URLs and for local files; a file has its size, too."""
    listed = web.publish("/d/SUMS", line("a.img") + line("b.img") + line("x.img"))
    (tmp_path / "x.img").write_bytes(DATA)
    found = find(
        of_url("a", f"{web.address}/d/a.img", listed),
        of_url("b", f"{web.address}/d/b.img", listed),
        spec("x", source=FileSource(str(tmp_path / "x.img"), "x.img", None, listed)),
    )
    assert [one.fingerprint for one in found] == [
        Fingerprint(digest("a.img")),
        Fingerprint(digest("b.img")),
        Fingerprint(digest("x.img"), size=len(DATA)),
    ]
    assert web.queries == ["GET /d/SUMS"]


def test_a_list_and_a_file_are_read_once_for_all_targets(web: Mirror, tmp_path: Path) -> None:
    """Five targets: one request for each list. A target's own URL is looked up in the same list."""
    good, bad = web.publish("/d/SUMS", line("a.img") + line("b.img")), web.publish("/bad", File(b"", 404))
    (tmp_path / "x.img").write_bytes(DATA)
    cache = CountingCache()

    def make(*names: str) -> Catalog:
        images = [of_url(name, f"{web.address}/d/{name}.img", good) for name in names]
        return catalog(*images, spec("x", source=FileSource(str(tmp_path / "x.img"), "x.img")))

    lacking = catalog(of_url("lost", f"{web.address}/d/lost.img", bad))
    wanted = [make("a"), make("a", "b"), lacking, make("b"), make("a")]
    found = identify_all(wanted, cache=cache)
    assert sorted(web.queries) == ["GET /bad", "GET /d/SUMS"]
    assert cache.read == ["x.img"]
    assert found == [identify(one) for one in wanted]
    faults = [one.fault for each in found if isinstance(each, Catalog) for one in each.images if one.fault]
    assert [fault.message for fault in faults] == [f"{bad}: HTTP 404"]


def test_a_file_that_targets_store_in_different_places_is_read_once(tmp_path: Path) -> None:
    """Its content does not depend on the stores of a service."""
    (tmp_path / "x").write_bytes(DATA)
    sources = [FileSource(str(tmp_path / "x"), "x", transfer=Transfer(stores=stores)) for stores in ((), ("fast",))]
    cache = CountingCache()
    first, second = identify_all([catalog(spec("x", source=source)) for source in sources], cache=cache)
    assert isinstance(first, Catalog)
    assert isinstance(second, Catalog)
    assert first.images[0].fingerprint == second.images[0].fingerprint == Fingerprint(sha256(DATA).digests, len(DATA))
    assert [first.images[0].source, second.images[0].source] == sources
    assert cache.read == ["x"]


def test_one_url_may_have_several_entries_in_a_list(web: Mirror) -> None:
    """The name in the list is a question of its own, although the sources are equal."""
    listed = web.publish("/SUMS", line("one.img") + line("two.img"))
    images = [of_url(name, f"{web.address}/latest", listed, checksum_entry=f"{name}.img") for name in ("one", "two")]
    assert [one.fingerprint.digests for one in find(*images)] == [digest("one.img"), digest("two.img")]


def test_an_unreadable_file_is_an_error_of_the_targets_that_use_it(tmp_path: Path) -> None:
    """The other targets have their catalogs; each diagnostic is of its own image."""
    (tmp_path / "a").write_bytes(DATA)
    good = catalog(spec("a", source=FileSource(str(tmp_path / "a"), "a")))
    bad = [catalog(spec(key, source=FileSource(str(tmp_path / "gone"), "gone"))) for key in ("x", "y")]
    found = identify_all([bad[0], good, bad[1]])
    assert found[1] == identify(good)
    assert [one.diagnostics[0].where for one in found if isinstance(one, ManifestError)] == [
        "images.x.source",
        "images.y.source",
    ]


class CountingCache(DigestCache):
    """A cache that remembers which files were read."""

    def __init__(self) -> None:
        super().__init__(None)
        self.read: list[str] = []

    def read_digest(self, file: BufferedReader, path: str, algorithm: str = "sha256") -> Checksum:
        """The digest, computed each time."""
        self.read.append(Path(path).name)
        return super().read_digest(file, path, algorithm)


def test_two_lists_are_two_lists(web: Mirror) -> None:
    """Each image has the digest of its own."""
    lists = [web.publish(f"/{name}/SUMS", line("a.img", name)) for name in ("one", "two")]
    specs = [
        of_url(name, f"{web.address}/{name}/a.img", listed) for name, listed in zip(("one", "two"), lists, strict=True)
    ]
    assert [one.fingerprint.digests for one in find(*specs)] == [digest("one"), digest("two")]


@pytest.mark.parametrize(
    ("file", "message", "is_passing"),
    [
        (File(b"", 404), "HTTP 404", False),
        (File(b"<!DOCTYPE html>"), "it is an HTML page", False),
        (File(b""), "it is empty", False),
        (File(line("b.img") + line("c.img")), "a.img is not in the checksum list (2 entries", False),
    ],
)
def test_a_list_that_does_not_help_is_a_fault_of_its_images(
    web: Mirror, file: File, message: str, is_passing: bool
) -> None:
    """The content of the image is unknown then; other images are not affected."""
    listed, good = web.publish("/SUMS", file), web.publish("/good/SUMS", line("a.img"))
    bad, right = find(of_url("bad", f"{web.address}/a.img", listed), of_url("right", f"{web.address}/good/a.img", good))
    assert bad.fault is not None
    assert message in bad.fault.message
    assert bad.fault.message.startswith(f"{web.address}/SUMS: ")
    assert (bad.fault.is_passing, bad.fault.hides_content) == (is_passing, True)
    assert bad.fingerprint.digests == ()
    assert (right.fault, right.fingerprint.digests) == (None, digest("a.img"))


def test_a_list_on_a_host_that_is_not_allowed_is_not_fetched(web: Mirror) -> None:
    """Nor is one after the time for checks is over; both are faults, the second may pass."""
    listed = web.publish("/SUMS", line("a.img"))
    image = of_url("a", f"{web.address}/a.img", listed)
    for access, is_passing in ((SourceAccess(("h.example",)), False), (SourceAccess(check_seconds=-5.0), True)):
        (found,) = find(image, access=access)
        assert found.fault is not None
        assert (found.fault.is_passing, found.fault.hides_content) == (is_passing, True)
    assert web.queries == []


PADDING = b"# " + b"x" * 1000 + b"\n"


@pytest.mark.parametrize("is_long", [False, True])
@pytest.mark.parametrize("mode", ["detached", "clear"])
def test_a_signed_list_is_verified_before_it_is_believed(
    web: Mirror, tmp_path: Path, keys: list[Tsk], mode: str, is_long: bool
) -> None:
    """Whatever its size. A list that another key signed, or that was changed, is a fault."""
    ours, theirs = keys
    (tmp_path / "keys.asc").write_text(str(ours.extract_certificate()))
    text = line("a.img") + PADDING * (1100 if is_long else 1)
    changed = text.replace(line("a.img"), line("a.img", "forged"))

    def publish(name: str, key: Tsk, content: bytes, signed: bytes) -> ImageSpec:
        if mode == "clear":
            listed = web.publish(
                f"/{name}/SUMS", sign(key.signer(), signed, mode=SignatureMode.CLEAR).replace(signed, content)
            )
            place = listed
        else:
            listed = web.publish(f"/{name}/SUMS", content)
            place = web.publish(f"/{name}/SUMS.sig", sign(key.signer(), signed, mode=SignatureMode.DETACHED))
        signature = Signature(place, str(tmp_path / "keys.asc"), "keys.asc")
        return of_url(name, f"{web.address}/{name}/a.img", listed, signature=signature)

    good, other, forged = find(
        publish("good", ours, text, text), publish("other", theirs, text, text), publish("forged", ours, changed, text)
    )
    assert (good.fault, good.fingerprint.digests) == (None, digest("a.img"))
    for bad in (other, forged):
        assert bad.fault is not None
        assert bad.fault.hides_content
        assert "keys.asc" in bad.fault.message
        assert bad.fingerprint.digests == ()


def test_only_the_signed_part_of_a_list_counts(web: Mirror, tmp_path: Path, keys: list[Tsk]) -> None:
    """Lines before it and after it were not signed."""
    (tmp_path / "keys.asc").write_text(str(keys[0].extract_certificate()))
    signed = sign(keys[0].signer(), line("a.img") + line("d.img"), mode=SignatureMode.CLEAR)
    listed = web.publish("/SUMS", line("b.img", "forged") + b"\n" + signed + b"\n" + line("c.img", "forged"))
    signature = Signature(listed, str(tmp_path / "keys.asc"), "keys.asc")
    specs = [of_url(key, f"{web.address}/{key}.img", listed, signature=signature) for key in "abc"]
    found = find(*specs)
    assert [one.fingerprint.digests for one in found] == [digest("a.img"), (), ()]
    assert [one.fault is None for one in found] == [True, False, False]


@pytest.mark.parametrize(
    "mark", [b"-----BEGIN PGP SIGNED MESSAGE-----  \n\n", b"-----BEGIN PGP SIGNED MESSAGE-----\t\nx\n\n", b"{}\n"]
)
def test_what_looks_like_a_signed_part_is_not_one(web: Mirror, tmp_path: Path, keys: list[Tsk], mark: bytes) -> None:
    """The library alone decides what was signed; nothing else of the document is read."""
    (tmp_path / "keys.asc").write_text(str(keys[0].extract_certificate()))
    signed = sign(keys[0].signer(), line("a.img") + line("d.img"), mode=SignatureMode.CLEAR)
    listed = web.publish("/SUMS", mark + line("a.img", "forged") + line("new.img", "forged") + b"\n" + signed)
    signature = Signature(listed, str(tmp_path / "keys.asc"), "keys.asc")
    found = find(*(of_url(key, f"{web.address}/{key}.img", listed, signature=signature) for key in ("a", "new")))
    assert digest("forged") not in [one.fingerprint.digests for one in found]
    assert found[1].fault is not None
    assert found[0].fault is not None or found[0].fingerprint.digests == digest("a.img")


def test_the_same_list_with_and_without_a_signature(web: Mirror, tmp_path: Path, keys: list[Tsk]) -> None:
    """Each image gets what its own manifest asks for."""
    (tmp_path / "keys.asc").write_text(str(keys[1].extract_certificate()))
    listed = web.publish("/SUMS", sign(keys[0].signer(), line("a.img"), mode=SignatureMode.CLEAR))
    signature = Signature(listed, str(tmp_path / "keys.asc"), "keys.asc")
    unsigned, signed = find(
        of_url("unsigned", f"{web.address}/a.img", listed),
        of_url("signed", f"{web.address}/a.img", listed, signature=signature),
    )
    assert unsigned.fingerprint.digests == digest("a.img")
    assert signed.fault is not None


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_a_keyring_that_cannot_be_read_is_an_error(web: Mirror, tmp_path: Path, kind: str) -> None:
    """Without it nothing is verified. It is found without reading a list, too."""
    (tmp_path / "folder").mkdir()
    listed = web.publish("/SUMS", line("a.img"))
    signature = Signature(f"{listed}.sig", str(tmp_path / kind), kind)
    image = of_url("a", f"{web.address}/a.img", listed, signature=signature)
    (found,) = find(image)
    assert found.fault is not None
    assert f"keyring {kind}: " in found.fault.message
    (problem,) = find_unreadable_files([image])
    assert problem.message.startswith(f"keyring {kind}: ")


def test_a_list_that_names_what_a_url_redirects_to(web: Mirror) -> None:
    """``latest`` leads to a build; the last redirect that the list names counts."""
    listed = web.publish("/d/SUMS", line("build-1.img") + line("build-2.img") + line("other.img"))
    web.publish("/d/latest.img", File(b"", 302, {"Location": "/d/build-1.img"}))
    web.publish("/d/build-1.img", File(b"", 302, {"Location": "/d/build-2.img"}))
    web.publish("/d/build-2.img", File(b"", 302, {"Location": "/elsewhere/blob"}))
    web.publish("/elsewhere/blob", DATA)
    url = f"{web.address}/d/latest.img"
    (found,) = find(of_url("a", url, listed))
    assert (found.fault, found.fingerprint.digests) == (None, digest("build-2.img"))
    web.queries.clear()
    sent = Transfer(method=Method.WEB_DOWNLOAD)
    for one in (
        of_url("named", f"{web.address}/d/other.img", listed),
        of_url("entry", url, listed, checksum_entry="missing.img"),
        of_url("fetched", url, listed, transfer=sent),
    ):
        find(one)
    assert web.queries == ["GET /d/SUMS"] * 3


def test_a_redirect_is_not_the_only_file_of_a_list(web: Mirror) -> None:
    """The name that the manifest has would be; another name must be named."""
    listed = web.publish("/d/SUMS", line("something-else.img") + line("more.img"))
    web.publish("/d/latest.img", File(b"", 302, {"Location": "/d/build.img"}))
    web.publish("/d/build.img", DATA)
    (found,) = find(of_url("a", f"{web.address}/d/latest.img", listed))
    assert found.fault is not None
    assert "latest.img is not in the checksum list" in found.fault.message


def test_without_a_list_nothing_is_requested(web: Mirror) -> None:
    """A declared digest is taken, and a URL without one has none."""
    url = web.publish("/a.img", DATA)
    declared, none = find(spec("a", source=UrlSource((url,), digest("x")[0])), spec("b", source=UrlSource((url,))))
    assert (declared.fingerprint, none.fingerprint) == (Fingerprint(digest("x")), Fingerprint())
    assert web.queries == []


def test_a_plan_whose_files_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Before the first write, with a sentence for each; a plan that creates nothing is not."""
    (tmp_path / "a").write_bytes(DATA)
    good = spec("a", source=FileSource(str(tmp_path / "a"), "a"))
    bad = spec("b", source=FileSource(str(tmp_path / "b"), "b"))
    check_sources(plan(catalog(good), inventory()))
    with pytest.raises(PlanRefused) as caught:
        check_sources(plan(catalog(good, bad), inventory()))
    (refusal,) = caught.value.refusals
    assert refusal == "images.b.source: b: No such file or directory; check the path and its permissions"


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert MAX_KEYRING_BYTES == 4_194_304
