"""Loading and resolving manifests: each rule of the format."""

from pathlib import Path

import pytest

from imagesync.errors import ManifestError, UsageError
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.model.catalog import Auto, Catalog, Compression, Content, FileSource, KnownContent, Method, UrlSource

HEAD = "version: 1\ncatalog: base\n"
SHA256 = "sha256:" + "a" * 64


def wanted(folder: Path, text: str, **options: object) -> Catalog:
    """The catalogue of one file."""
    file = folder / "catalogue.yaml"
    file.write_text(HEAD + text, encoding="utf-8")
    return resolve(load(file), **options)  # type: ignore[arg-type]


def problems(folder: Path, text: str) -> list[str]:
    """What is wrong with one file, each without its path."""
    with pytest.raises(ManifestError) as caught:
        wanted(folder, text)
    return [str(item).removeprefix(f"{folder}/catalogue.yaml:") for item in caught.value.diagnostics]


def test_scalars_keep_their_written_text_where_a_string_is_wanted(tmp_path: Path) -> None:
    """24.10 is not 24.1, no is not false, a date is its text; integers exist where the schema has them."""
    (spec,) = wanted(
        tmp_path, "images: {a: {min_ram: 512, tags: [1, no], properties: {v: 24.10, n: no, d: 2024-01-01, t: true}}}"
    ).images
    assert spec.properties == {"v": "24.10", "n": "no", "d": "2024-01-01", "t": "true"}
    assert spec.min_ram == 512
    assert spec.tags == {"1", "no"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("images: {a: {min_disk: -1}}", "3:14: images.a.min_disk: -1 is less than the minimum of 0"),
        ("images: {a: {min_ram: -1}}", "3:14: images.a.min_ram: -1 is less than the minimum of 0"),
        ("images: {a: {min_rma: 1}}", "3:14: images.a.min_rma: unknown key; did you mean min_ram?"),
        ("images: {a: {source: {pth: x}}}", "3:23: images.a.source.pth: unknown key; did you mean path?"),
        ("images: {a: {}, a: {}}", "3:17: a: defined twice; first in line 3; keep one"),
        ("images: {a: {}, A: {}}", "3:17: images.A: differs from a only in case; rename one"),
        (
            "images: {a: {name: '${x}'}}",
            "3:14: images.a.name: ${x} is not defined; define it under values, or with --set; known: none",
        ),
        ("images: {a: {profiles: [x]}}", "3:25: images.a.profiles[0]: there is no profile 'x'; known: none"),
        (
            "images: {a: {name: x}, b: {name: x}}",
            "3:28: images.b.name: the name 'x' is that of images.a too; give one another name",
        ),
        (
            "images: {a: {source: ../x}}",
            "3:14: images.a.source: lies outside the catalogue's folder; move it, or pass --allow-outside",
        ),
        (
            "images: {a: {source: {path: x, url: 'https://x/'}}}",
            "3:14: images.a.source: has both path and url; keep one",
        ),
        (
            "images: {a: {disk_format: Qcow}}",
            "3:14: images.a.disk_format: 'Qcow' is not one of ami, ari, aki, vhd, vhdx, vmdk, raw, vdi, ploop, iso, qcow2; "
            "did you mean qcow2?",
        ),
        (
            "images: {a: {expires: 2027-02-30}}",
            "3:14: images.a.expires: '2027-02-30' is not a day of the calendar; write YYYY-MM-DD",
        ),
        ("images: {a: {expires: soon}}", "3:14: images.a.expires: 'soon' is not a date, YYYY-MM-DD"),
        ("images: {a: {protected: 1}}", "3:14: images.a.protected: '1' is not true or false"),
        ("images: {a: {tags: x}}", "3:14: images.a.tags: 'x' is not a list"),
        ("images: {a: {name: }}", "3:14: images.a.name: null is not text"),
        (
            "images: {a b: {}}",
            "3:1: images: 'a b' is not a key: letters, digits and . _ -, beginning with a letter or digit, at most 64",
        ),
        ('images: {"a\\n": {}}', "3:10: the key 'a\\n' holds a control character; take it out"),
        ("images: {}\ntargets: {t: {cloud: x, store: y}}", "4:11: targets.t: cloud and store exclude each other"),
        (
            "images: {}\ntargets: {t: {images: {b: {}}}}",
            "4:24: targets.t.images.b: no such image; the catalogue has: none",
        ),
        (
            "images: {}\ntargets: {tt: {}}\ndefault_target: t",
            "5:1: default_target: there is no target 't'; did you mean tt?",
        ),
        (
            "images: {}\nprofiles: {p: {profiles: [q]}}",
            "4:16: profiles.p.profiles: profiles do not nest; list both where they are used",
        ),
        ("images: {a: {source: !!float x}}", "3:22: 'x' is tagged !!float and is none; take the tag out"),
        ("images: {a: !!seq {}}", "3:13: the tag tag:yaml.org,2002:seq is not plain data; take it out"),
        (
            "images: {a: {source: {compression: gz}}}",
            "3:14: images.a.source: has neither path nor url; give one, or a checksum alone",
        ),
        (
            "defaults: {id: 6a1b8b0e-0b5e-4f7e-9d6e-000000000001}\nimages: {a: {}, b: {}}",
            "3:12: images.b.id: the id '6a1b8b0e-0b5e-4f7e-9d6e-000000000001' is that of images.a too; an id can be used once",
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
            f"images: {{a: {{source: {{url: 'https://x/y', checksum: '{SHA256}', verify: download}}}}}}",
            "3:128: images.a.source.verify: is for method: web-download; all else is verified while it is sent; "
            "take it out",
        ),
        (
            "images: {a: {source: {url: 'https://x/y', method: web-download, verify: download}}}",
            "3:65: images.a.source.verify: has no digest to compare with; declare checksum or checksum_url",
        ),
        (
            "images: {a: {source: {path: x, stores: most}}}",
            "3:32: images.a.source.stores: 'most' is not a list of stores, or all",
        ),
        (
            "images: {a: {source: {path: x, method: web-downlod}}}",
            "3:32: images.a.source.method: 'web-downlod' is not one of upload, web-download, glance-direct; "
            "did you mean web-download?",
        ),
        (
            "images: {a: {properties: {imagesync_x: 1}}}",
            "3:27: images.a.properties.imagesync_x: this name is reserved; choose another",
        ),
    ],
)
def test_a_mistake_is_one_line_with_place_and_way_out(tmp_path: Path, text: str, expected: str) -> None:
    """FILE:LINE:COLUMN: where: what; hint."""
    assert problems(tmp_path, text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "images: {a: " + "[" * 100_000,
        "images: [",
        "---\nx: 1\n---\ny: 1",
        "images: !!python/object:os.system {}",
        "images: !x {}",
        "images: *nowhere",
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "\n".join(f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 10)}]" for i in range(8)),
        'images: {a: {name: "\\u0007"}}',
        "images: {a: {name: '\U0001f600'}}",
    ],
)
def test_hostile_text_ends_in_diagnostics(tmp_path: Path, text: str) -> None:
    """Never a traceback, never raw control characters."""
    found = problems(tmp_path, text)
    assert found
    assert "\x07" not in "".join(found)


def test_layers_merge_from_defaults_to_target(tmp_path: Path) -> None:
    """defaults < profiles in order < image < target; properties key by key."""
    (spec,) = wanted(
        tmp_path,
        """
values: {size: "1"}
defaults: {disk_format: raw, min_ram: 1, properties: {a: 1, b: 1}}
profiles: {p: {min_ram: 2, properties: {b: 2}}, q: {properties: {b: 3, c: "${size}"}}}
images: {a: {profiles: [p, q], properties: {d: $$x}}}
targets: {t: {values: {size: "2"}, images: {a: {visibility: public}}}}
""",
        target="t",
    ).images
    assert spec.properties == {"a": "1", "b": "3", "c": "2", "d": "$x"}
    assert (spec.min_ram, spec.visibility, spec.disk_format) == (2, "public", "raw")


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


def test_a_folder_of_files_is_one_catalogue_whatever_their_order(tmp_path: Path) -> None:
    """Keys merge; the digest does not depend on which file holds what."""
    (tmp_path / "1.yaml").write_text(HEAD + "images: {a: {}}")
    (tmp_path / "2.yml").write_text("version: 1\nimages: {b: {}}")
    first = resolve(load(tmp_path)).digest
    (tmp_path / "1.yaml").write_text(HEAD + "images: {b: {}}")
    (tmp_path / "2.yml").write_text("version: 1\nimages: {a: {}} # moved")
    assert resolve(load(tmp_path)).digest == first


def test_a_key_in_two_files_is_an_error(tmp_path: Path) -> None:
    """Each key is defined once."""
    (tmp_path / "1.yaml").write_text(HEAD + "images: {a: {}}")
    (tmp_path / "2.yaml").write_text("version: 1\nimages: {a: {}}")
    with pytest.raises(ManifestError, match="defined in two files"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_vanished_folder_is_an_error_not_an_empty_catalogue(tmp_path: Path, name: str) -> None:
    """Nothing found must never look like nothing wanted."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="check the path"):
        load(tmp_path / name)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """A path cannot leave the catalogue by a symbolic link either."""
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "secret")
    assert "outside" in problems(tmp_path / "in", "images: {a: {source: link}}")[0]


def test_only_picks_keys_and_remembers_the_others(tmp_path: Path) -> None:
    """What lies outside is not taken for removed."""
    catalog = wanted(tmp_path, "images: {a: {}, b: {}}", only=["a"])
    assert [spec.key for spec in catalog.images] == ["a"]
    assert catalog.keys == {"a", "b"}
    with pytest.raises(UsageError, match="did you mean"):
        wanted(tmp_path, "images: {abc: {}}", only=["abd"])


def test_references_to_images_stay_for_apply(tmp_path: Path) -> None:
    """``${images.KEY.id}`` is known when the plan is applied; its key must exist."""
    (_, spec) = wanted(tmp_path, "images: {k: {}, r: {properties: {kernel_id: '${images.k.id}'}}}").images
    assert spec.properties["kernel_id"] == "${images.k.id}"
    assert "no image" in problems(tmp_path, "images: {r: {properties: {kernel_id: '${images.x.id}'}}}")[0]


def test_scalars_are_those_of_the_core_schema(tmp_path: Path) -> None:
    """Octal and hexadecimal integers are integers; tags say what a scalar is; ``! 12`` is text."""
    (spec,) = wanted(
        tmp_path,
        "images: {a: {min_ram: 0x10, min_disk: 0o14, name: ! 12, tags: [!!str 1, !!float 1.5], properties: {x: !!int 7}}}",
    ).images
    assert (spec.min_ram, spec.min_disk, spec.name) == (16, 12, "12")
    assert spec.tags == {"1", "1.5"}
    assert spec.properties == {"x": "7"}


def test_a_store_outside_the_catalogue_is_refused(tmp_path: Path) -> None:
    """A target of a hostile manifest cannot write elsewhere."""
    text = "images: {}\ntargets: {t: {store: ../x}}"
    with pytest.raises(ManifestError, match=r"targets\.t\.store: lies outside the catalogue's folder"):
        wanted(tmp_path, text, target="t")
    assert wanted(tmp_path, text, target="t", allow_outside=True).target.store == str(tmp_path.parent / "x")


def test_a_superseded_image_may_get_other_fields(tmp_path: Path) -> None:
    """``on_replace.set`` takes the service's own fields, properties and tags."""
    text = "images: {a: {on_replace: {set: {visibility: private, protected: false, min_ram: 1, tags: [old], properties: {x: 1}}}}}"
    (spec,) = wanted(tmp_path, text).images
    assert spec.on_replace.set_fields == (("min_ram", 1), ("protected", False), ("visibility", "private"))
    assert (spec.on_replace.set_tags, spec.on_replace.set_properties) == (("old",), (("x", "1"),))


def test_one_name_in_two_targets_is_no_clash(tmp_path: Path) -> None:
    """Only images of the same target can be in each other's way."""
    text = "targets: {t: {only: [a]}}\nimages: {a: {name: x}, b: {name: x}}"
    assert [spec.key for spec in wanted(tmp_path, text, target="t").images] == ["a"]
