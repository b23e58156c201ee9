"""The source of an image in every form, and what is wrong with one."""

from pathlib import Path

import pytest

from imagesync.model.catalog import Auto, Compression, Content, FileSource, KnownContent, Method, Signature, UrlSource
from tests.unit.manifest.one_file import SHA256, problems, wanted


def test_sources_in_every_form(tmp_path: Path) -> None:
    """A path, a URL, none, a digest alone, or the long form; compression by suffix."""
    catalog = wanted(
        tmp_path,
        f"""
images:
  a: {{source: x.img.xz}}
  b: {{source: "https://x/y.img", min_disk: auto}}
  c: {{source: none}}
  d: {{source: {{checksum: "{SHA256}"}}}}
  e: {{source: {{url: ["https://x/1", "https://y/1"], checksum: "{SHA256}"}}}}
  f: {{}}
""",
    )
    a, b, c, d, e, f = (spec.source for spec in catalog.images)
    assert isinstance(a, FileSource)
    assert (a.path, a.transfer.compression) == (str(tmp_path / "x.img.xz"), Compression.XZ)
    assert isinstance(b, UrlSource)
    assert isinstance(d, KnownContent)
    assert isinstance(e, UrlSource)
    assert (len(e.urls), c, f) == (2, Content.NO_DATA, Content.UNMANAGED)
    assert catalog.images[1].min_disk is Auto.AUTO
    assert len(catalog.warnings) == 1


def test_methods_and_stores_in_every_form(tmp_path: Path) -> None:
    """Stores by name, each once, or all; packed data that the service shall keep packed."""
    text = """
values: {where: all, how: glance-direct}
images:
  a: {source: {path: x, stores: [fast, slow, fast]}}
  b: {source: {path: x, stores: all}}
  c: {source: {path: x, stores: "${where}", method: "${how}"}}
  d: {source: {path: x, stores: [all]}}
  e: {container_format: compressed, source: {url: "https://x/y.gz", method: web-download}}
"""
    sources = {spec.key: spec.source for spec in wanted(tmp_path, text).images}
    transfers = {key: source.transfer for key, source in sources.items() if isinstance(source, FileSource | UrlSource)}
    assert [(one.stores, one.all_stores) for one in transfers.values()] == [
        (("fast", "slow"), False),
        ((), True),
        ((), True),
        (("all",), False),
        ((), False),
    ]
    assert transfers["c"].method is Method.GLANCE_DIRECT
    assert transfers["e"].compression is Compression.NONE


@pytest.mark.parametrize("source", ["x.gz", "{path: x.gz, compression: gz}", "{url: 'https://x/y.xz'}"])
def test_what_is_stored_packed_is_not_unpacked(tmp_path: Path, source: str) -> None:
    """Whatever the name says, and wherever the compression is declared."""
    text = f"images: {{a: {{container_format: FORMAT, source: {source}}}}}"
    for container_format, expected in (("compressed", True), ("bare", False)):
        (spec,) = wanted(tmp_path, text.replace("FORMAT", container_format)).images
        transfer = spec.source.transfer
        assert transfer is not None
        assert (transfer.compression is Compression.NONE) is expected
        assert spec.is_stored_as_published is expected


def test_mirrors_are_packed_alike(tmp_path: Path) -> None:
    """Else the second one's data would be called damaged on the day when the first one is away."""
    text = "images: {a: {source: {MOREurl: ['https://x/y.img.gz', 'https://z/y.img.gz', 'https://z/y.img']}}}"
    (problem,) = problems(tmp_path, text.replace("MORE", ""))
    assert problem == (
        "3:23: images.a.source.url: by their names the mirrors differ: the first one is gz, https://z/y.img is not packed; "
        "name mirrors of one file, or declare its compression"
    )
    (problem,) = problems(tmp_path, text.replace("MORE", "").replace("z/y.img.gz", "z/y.img.xz"))
    assert "the first one is gz, https://z/y.img.xz is xz;" in problem
    (spec,) = wanted(tmp_path, text.replace("MORE", "compression: gz, ")).images
    assert spec.source.transfer is not None
    assert spec.source.transfer.compression is Compression.GZ


def test_data_is_looked_at_unless_the_manifest_says_none(tmp_path: Path) -> None:
    """``none`` is the only word."""
    text = "images: {a: {source: x}, b: {source: {path: x, inspect: none}}}"
    assert [spec.source.transfer and spec.source.transfer.inspect for spec in wanted(tmp_path, text).images] == [
        True,
        False,
    ]
    (problem,) = problems(tmp_path, text.replace("inspect: none", "inspect: all"))
    assert "images.b.source.inspect" in problem


def test_what_the_service_fetches_is_verified_unless_the_manifest_says_none(tmp_path: Path) -> None:
    """``none`` is the only word; a URL without a checksum is warned of, in words that fit who reads it."""
    text = f"""
images:
  a: {{source: {{url: "https://x/y", method: web-download, checksum: "{SHA256}"}}}}
  b: {{source: {{url: "https://x/y", method: web-download, checksum_url: "https://x/SHA256SUMS", verify: none}}}}
  c: {{source: {{url: "https://x/y", method: web-download}}}}
"""
    catalog = wanted(tmp_path, text)
    assert [spec.source.transfer and spec.source.transfer.verify for spec in catalog.images] == [True, False, True]
    assert catalog.warnings == (
        "c: the URL has no checksum: imagesync does not notice a new build, and nothing verifies the data that the service fetches",
    )
    text = f"images: {{a: {{source: {{url: 'https://x/y', method: web-download, checksum: '{SHA256}', verify: download}}}}}}"
    (problem,) = problems(tmp_path, text)
    assert "images.a.source.verify" in problem
    assert "none" in problem


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """A path cannot leave the catalog by a symbolic link either."""
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "secret")
    assert "outside" in problems(tmp_path / "in", "images: {a: {source: link}}")[0]


@pytest.mark.parametrize(
    "source",
    [
        "link",
        ".git/config",
        "modules/.GIT/config",
        "{path: .git/config}",
        "{url: 'https://x/y', checksum_url: 'https://x/SUMS', signature: {url: 'https://x/y.asc', keyring: .git/config}}",
    ],
)
def test_a_file_of_git_is_no_source_and_no_keyring(tmp_path: Path, source: str) -> None:
    """A checkout's ``.git/config`` may hold the runner's token: an apply would upload it."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("[http]")
    (tmp_path / "link").symlink_to(".git/config")
    text = f"images: {{a: {{source: {source}}}}}"
    (problem,) = problems(tmp_path, text)
    assert "lies in .git, which may hold credentials; move it, or pass --allow-outside" in problem
    wanted(tmp_path, text, allow_outside=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "images: {a: {source: ../x}}",
            "3:14: images.a.source: lies outside the catalog's folder; move it, or pass --allow-outside",
        ),
        (
            "images: {a: {source: {path: x, url: 'https://x/'}}}",
            "3:14: images.a.source: has both path and url; keep one",
        ),
        (
            "images: {a: {source: {compression: gz}}}",
            "3:14: images.a.source: has neither path nor url; give one, or a checksum alone",
        ),
        (
            f"images: {{a: {{source: {{checksum: '{SHA256}', compression: gz}}}}}}",
            "3:14: images.a.source: has neither path nor url; give one, or a checksum alone",
        ),
        (
            "images: {a: {source: 'file:a%00b'}}",
            "3:14: images.a.source: has a NUL character; remove it",
        ),
        (
            "images: {a: {source: {url: ['https://x/y', 'https://z/y', 'ftp://z/y']}}}",
            "3:23: images.a.source.url: ftp is not http or https; use http or https, or path for a local file",
        ),
        (
            "images: {a: {source: {url: 'https://x/y', signature: {url: 'https://x/y.asc', keyring: k}}}}",
            "3:43: images.a.source.signature: needs checksum_url, the list that it signs; name the list",
        ),
        (
            "images: {a: {source: {url: 'https://x/y', checksum_url: 'https://x/S', signature: {url: 'ftp://x/y', keyring: k}}}}",
            "3:72: images.a.source.signature: ftp is not http or https; use http or https, or path for a local file",
        ),
        (
            "images: {a: {source: {url: 'https://x/y', checksum_url: 'https://x/S', method: upload, verify: none}}}",
            "3:88: images.a.source.verify: has an effect only with method: web-download; other data is verified while it is sent; "
            "remove it",
        ),
        (
            "images: {a: {source: {path: x, method: web-download}}}",
            "3:32: images.a.source.method: web-download needs a url: the service cannot read a file here; "
            "give a url, or use method: upload or glance-direct",
        ),
        (
            "images: {a: {source: {url: 'https://x/y.xz', method: web-download}}}",
            "3:46: images.a.source.method: web-download stores xz data as it is: the service does not unpack; "
            "use method: upload or glance-direct, or declare container_format: compressed",
        ),
        (
            f"images: {{a: {{source: {{url: 'https://x/y', checksum: '{SHA256}', checksum_url: 'https://x/S'}}}}}}",
            "3:128: images.a.source.checksum_url: is declared together with checksum; "
            "keep one: a digest, or the list that it is taken from",
        ),
        (
            f"images: {{a: {{source: {{url: 'https://x/y', checksum: '{SHA256}', verify: none}}}}}}",
            "3:128: images.a.source.verify: has an effect only with method: web-download; other data is verified while it is sent; "
            "remove it",
        ),
        (
            "images: {a: {source: {url: 'https://x/y', method: web-download, verify: none}}}",
            "3:65: images.a.source.verify: has no digest to compare with; declare checksum or checksum_url",
        ),
        (
            "images: {a: {source: {url: 'https://x/y', checksum_entry: z}}}",
            "3:43: images.a.source.checksum_entry: needs checksum_url, the list that has the entry; name the list",
        ),
        (
            "images: {a: {source: {url: 'https://x/y', checksum_url: 'https://x/S', checksum_entry: ''}}}",
            "3:72: images.a.source.checksum_entry: empty",
        ),
    ],
)
def test_a_mistake_is_one_line_with_place_and_way_out(tmp_path: Path, text: str, expected: str) -> None:
    """FILE:LINE:COLUMN: where: what; hint."""
    assert problems(tmp_path, text) == [expected]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ftp://h/x", "ftp is not http or https"),
        ("h/x", "'h/x' is not a URL, which begins with http:// or https://; write the whole address"),
        (
            "example.org/a.qcow2",
            "'example.org/a.qcow2' is not a URL, which begins with http:// or https://; "
            "write https://example.org/a.qcow2",
        ),
        (
            "example.org/a?sig=x",
            "this is not a URL, which begins with http:// or https://; write the whole address",
        ),
        ("s3://bucket/x", "s3 is not http or https; use http or https, or path for a local file"),
        ("htps://h/x", "the scheme is not http or https; use http or https, or path for a local file"),
        ("http://[", "is not a URL"),
        ("http://h:x/", "is not a URL"),
        ("https:///x", "is not a URL"),
        ("https://h/a b", "holds a space (character 12); write it percent-encoded: https://h/a%20b"),
        ("https://h/a\\b", "holds a backslash (character 12); write it percent-encoded: https://h/a%5Cb"),
        ("https://h/a b?sig=x", "holds a space (character 12); write it percent-encoded: %20"),
        ("https://h/x ", "holds a space (character 12); remove the characters before or after the URL"),
    ],
)
def test_a_url_that_cannot_be_fetched_is_refused(tmp_path: Path, url: str, expected: str) -> None:
    """Before anything is planned."""
    (problem,) = problems(tmp_path, f"images: {{a: {{source: {{url: '{url}'}}}}}}")
    assert problem.startswith(f"3:23: images.a.source.url: {expected}")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "{path: x, checksum_url: SHA256SUMS}",
            "checksum_url: 'SHA256SUMS' is not a URL, which begins with http:// or https://; a list must be "
            "a URL; or copy the digest of the file into checksum",
        ),
        (
            "{url: 'https://h/a/x', checksum_url: SHA256SUMS}",
            "checksum_url: 'SHA256SUMS' is not a URL, which begins with http:// or https://; "
            "write its whole URL: https://h/a/SHA256SUMS",
        ),
        (
            "{url: ['https://h/a/x', 'https://i/x'], checksum_url: ../SUMS}",
            "checksum_url: '../SUMS' is not a URL, which begins with http:// or https://; "
            "write its whole URL: https://h/SUMS",
        ),
        (
            "{url: 'https://h/a/x', checksum_url: h.example/SUMS}",
            "checksum_url: 'h.example/SUMS' is not a URL, which begins with http:// or https://; "
            "write https://h.example/SUMS",
        ),
        (
            "{url: 'https://h/a/x?sig=abc', checksum_url: SHA256SUMS}",
            "checksum_url: 'SHA256SUMS' is not a URL, which begins with http:// or https://; a list must be "
            "a URL; or copy the digest of the file into checksum",
        ),
        (
            "{url: 'https://me:pw@h/a/x', checksum_url: SHA256SUMS}",
            "checksum_url: 'SHA256SUMS' is not a URL, which begins with http:// or https://; a list must be "
            "a URL; or copy the digest of the file into checksum",
        ),
        ("'ftp://h/x'", "source: ftp is not http or https; use http or https, or path for a local file"),
    ],
)  # fmt: skip
def test_an_incomplete_url_is_completed_in_the_hint(tmp_path: Path, source: str, expected: str) -> None:
    """A list beside a file on disk is not read; one beside a URL has an address."""
    (problem,) = problems(tmp_path, f"images: {{a: {{source: {source}}}}}")
    assert problem.endswith(expected)


ANY = "write ALGORITHM:HEX: md5 (32 digits), sha1 (40 digits), sha256 (64 digits), sha384 (96 digits), sha512 (128 digits)"


@pytest.mark.parametrize(
    ("checksum", "hint"),
    [
        (
            "'sha256:https://h/SHA256SUMS'",
            "a list of digests is declared as checksum_url: https://h/SHA256SUMS",
        ),
        ("https://h/SUMS?sig=x", "a list of digests is declared as checksum_url: URL"),
        ("https://h/SUMS?v=2", "a list of digests is declared as checksum_url: URL"),
        ("https://me:geheim12@h/SUMS", "a list of digests is declared as checksum_url: URL"),
        (f"https://h/{'s' * 51}", "a list of digests is declared as checksum_url: URL"),
        (f"'sha256:{'a' * 128}'", "sha256 has 64 digits, this has 128"),
        ("a" * 64, "write sha256:HEX with these digits"),
        (f"'SHA-512: {'a' * 128}'", "write sha512:HEX with these digits"),
        (f"sha256={'a' * 64}", "write sha256:HEX with these digits"),
        (f"'sha256:{'a' * 63}'", "sha256 has 64 digits, this has 63"),
        (f"'sha256:{'a' * 63}g'", "sha256 has hexadecimal digits only"),
        ("a" * 65, "no algorithm has 65 digits"),
        ("SHA256SUMS", ANY),
        (f"'blake2b:{'a' * 128}'", ANY),
    ],
)
def test_a_wrong_digest_differs_from_a_digest_in_another_form(tmp_path: Path, checksum: str, hint: str) -> None:
    """An address, a digest without its algorithm, in the form of some program, or cut."""
    (problem,) = problems(tmp_path, f"images: {{a: {{source: {{path: x, checksum: {checksum}}}}}}}")
    assert problem.endswith(f" is not a digest; {hint}")


@pytest.mark.parametrize(
    ("url", "packing"),
    [
        ("https://x/y.img", Compression.NONE),
        ("https://x/y.img.gz", Compression.GZ),
        ("https://x/y.XZ", Compression.XZ),
        ("https://x/y.bz2?version=3", Compression.BZ2),
        ("https://x/y.zst?name=a.gz", Compression.ZST),
        ("https://x/y?name=a.gz", Compression.NONE),
        ("https://x.gz/y.img", Compression.NONE),
        ("https://x/y.gz/img", Compression.NONE),
        ("https://x/y.gz.img", Compression.NONE),
    ],
)
def test_the_packing_of_a_url_is_that_of_its_path(tmp_path: Path, url: str, packing: Compression) -> None:
    """Neither its query nor its host says what the file is; what is declared has precedence."""
    for declared, expected in (
        ("", packing),
        (", compression: none", Compression.NONE),
        (", compression: xz", Compression.XZ),
    ):
        (spec,) = wanted(tmp_path, f"images: {{a: {{source: {{url: '{url}'{declared}}}}}}}").images
        assert spec.source.transfer is not None
        assert spec.source.transfer.compression is expected


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("x%20y.img", "x%20y.img"),
        ("file:x%20y.img", "x y.img"),
        ("file:///x/y.img", "/x/y.img"),
        ("sub/../x.img", "x.img"),
        ("FILE:x.img", "FILE:x.img"),
        ("HTTPS://h/x.img", None),
        ("https://h/x%20y.img", None),
    ],
)
def test_the_short_form_is_a_path_or_a_url(tmp_path: Path, source: str, path: str | None) -> None:
    """Only a file URL is percent-encoded; the scheme of a URL may be in upper case."""
    (spec,) = wanted(tmp_path, f"images: {{a: {{source: '{source}'}}}}", allow_outside=True).images
    if path is None:
        assert spec.source == UrlSource((source,))
    else:
        assert isinstance(spec.source, FileSource)
        assert spec.source.path == str(tmp_path / path)


@pytest.mark.parametrize("place", ["path: x", "url: 'https://h/x'"])
def test_every_field_of_a_source_is_used(tmp_path: Path, place: str) -> None:
    """Of a file and of a URL."""
    listed = "checksum_url: 'https://h/S', checksum_entry: e, signature: {url: 'https://h/S.asc', keyring: k.asc}"
    text = f"images: {{a: {{source: {{{place}, {listed}, compression: gz, max_size: 7, max_ratio: 9}}}}}}"
    (spec,) = wanted(tmp_path, text).images
    source = spec.source
    assert isinstance(source, FileSource | UrlSource)
    assert (source.checksum_url, source.checksum_entry) == ("https://h/S", "e")
    assert source.signature == Signature("https://h/S.asc", str(tmp_path / "k.asc"), "k.asc")
    assert (source.transfer.compression, source.transfer.max_size, source.transfer.max_ratio) == (Compression.GZ, 7, 9)
