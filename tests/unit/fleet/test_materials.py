"""What travels to the workers as texts, and what cannot: files, relative stores, and keyrings from elsewhere."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from imagesync.errors import Diagnostic, ManifestError
from imagesync.fleet.materials import find_what_stays_here, read_texts
from imagesync.manifest.loader import read_manifest
from imagesync.model.catalog import Catalog, FileSource, Place, Signature, Target, UrlSource
from tests.unit.factories import catalog, spec

ARMORED = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
KEYRING_HINT = "a worker needs an ASCII-armored keyring in the catalog's folder"
STORE_HINT = "write an absolute path, which is a folder on the worker's host, or a cloud"
FILE_HINT = "publish the file on a web server that the workers reach, and declare its url with a checksum"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalog's folder with two manifests."""
    made = tmp_path / "images"
    (made / "more").mkdir(parents=True)
    (made / "m.yaml").write_bytes(b"version: 1\r\n# \xff\n")
    (made / "more" / "n.yaml").write_text("version: 1\n", "utf-8")
    return made


def signed(key: str, keyring: Path, line: int = 1) -> Catalog:
    """A catalog whose one image has a signed list with this keyring."""
    signature = Signature("https://x/SUMS.asc", str(keyring), keyring.name)
    source = UrlSource((f"https://x/{key}",), checksum_url="https://x/SUMS", signature=signature)
    return catalog(spec(key, source=source, places={"image": Place("m.yaml", line, 4)}))


def test_the_texts_of_all_manifests_and_keyrings_travel(folder: Path) -> None:
    """By their paths below the folder, of every catalog; a line end stays as it is, and a wrong byte is replaced."""
    for name in ("k.asc", "more/l.asc"):
        (folder / name).write_text(ARMORED + name)
    found = read_texts(folder, [signed("a", folder / "k.asc"), catalog(spec("f")), signed("b", folder / "more/l.asc")])
    assert found == (
        folder,
        {
            "m.yaml": "version: 1\r\n# \ufffd\n",
            "more/n.yaml": "version: 1\n",
            "k.asc": f"{ARMORED}k.asc",
            "more/l.asc": f"{ARMORED}more/l.asc",
        },
    )


def test_the_folder_of_one_manifest_is_the_one_that_it_is_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an absolute path; the other manifests there do not travel, and its keyrings do."""
    (folder / "k.asc").write_text(ARMORED)
    monkeypatch.chdir(folder.parent)
    found, texts = read_texts(Path("images/m.yaml"), [signed("a", folder / "k.asc")])
    assert (found, sorted(texts)) == (folder, ["k.asc", "m.yaml"])


def test_every_keyring_that_cannot_travel_is_a_problem_of_its_image(folder: Path) -> None:
    """One from elsewhere, one that is missing, and one in binary form; with the place of its image."""
    (folder.parent / "k.asc").write_text(ARMORED)
    (folder / "binary.gpg").write_bytes(b"\x99\x01")
    catalogs = [
        signed("a", folder.parent / "k.asc", 5),
        signed("b", folder / "none.asc", 6),
        signed("c", folder / "binary.gpg", 7),
    ]
    with pytest.raises(ManifestError) as caught:
        read_texts(folder, catalogs)
    reasons = [
        "it is not in the catalog's folder",
        os.strerror(2),
        "'ascii' codec can't decode byte 0x99 in position 0: ordinal not in range(128)",
    ]
    assert list(caught.value.diagnostics) == [
        Diagnostic(
            "m.yaml",
            line,
            4,
            f"images.{key}.source.signature.keyring",
            f"cannot be sent to a worker: {reason}",
            KEYRING_HINT,
        )
        for key, line, reason in zip("abc", (5, 6, 7), reasons, strict=True)
    ]


def test_a_manifest_that_cannot_be_read_is_a_problem(folder: Path, tmp_path: Path) -> None:
    """A link out of the folder, unless that is allowed; then its text travels."""
    (tmp_path / "out.yaml").write_text("version: 1 # out\n", "utf-8")
    (folder / "link.yaml").symlink_to(tmp_path / "out.yaml")
    with pytest.raises(ManifestError, match=r"link\.yaml"):
        read_texts(folder, [])
    assert "version: 1 # out\n" in read_texts(folder, [], allow_outside=True)[1].values()


MANIFEST = """version: 1
catalog: base
targets:
  eu: {store: stores/eu}
  us: {store: ../us}
  ap: {store: /stores/ap}
  cloud: {cloud: prod}
images: {}
"""


def test_what_a_worker_cannot_read_is_named_once(tmp_path: Path) -> None:
    """Each relative store, and each file, although two targets have it; absolute stores, clouds, URLs and no source are fine."""
    (tmp_path / "m.yaml").write_text(MANIFEST, "utf-8")
    web = UrlSource(("https://x/a",))
    images = (
        spec("f", source=FileSource("/x/f.raw", "f.raw"), places={"image": Place("m.yaml", 20, 3)}),
        spec("g", source=FileSource("/x/g.raw", "g.raw"), places={"image": Place("m.yaml", 21, 3)}),
        spec("u", source=web),
    )

    def declare(name: str, line: int) -> Catalog:
        place = Place("m.yaml", line, 15)
        return replace(catalog(*images), target=Target(name, store="/any", find_place=lambda: place))

    catalogs = {name: declare(name, 4 + number) for number, name in enumerate(("eu", "us", "ap", "cloud"))}
    stores = [
        Diagnostic(
            "m.yaml",
            line,
            15,
            f"targets.{name}.store",
            f"the relative store {store} is a folder on this host, and a worker has another one",
            STORE_HINT,
        )
        for line, name, store in ((4, "eu", "stores/eu"), (5, "us", "../us"))
    ]
    files = [
        Diagnostic(
            "m.yaml",
            line,
            3,
            f"images.{key}.source",
            f"{key}.raw is a file on this host, and files never travel to a worker",
            FILE_HINT,
        )
        for line, key in ((20, "f"), (21, "g"))
    ]
    found = find_what_stays_here(read_manifest(tmp_path / "m.yaml"), catalogs)
    assert sorted(found, key=lambda one: one.line) == [*stores, *files]
    assert find_what_stays_here(read_manifest(tmp_path / "m.yaml"), {"lab": catalog(spec("u", source=web))}) == []
