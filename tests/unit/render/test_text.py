"""A plan as text: what the reader sees of names and places that others chose."""

from dataclasses import replace

import pytest

from imagesync.model.catalog import Checksum, Fingerprint, UrlSource
from imagesync.render.text import plan_text
from tests.unit.factories import catalog, digest, inventory, live, plan, rewrite, spec


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:S3CRET@m.example:8443/a.img?sig=S3CRET", "from m.example:8443 "),
        ("https://m.example?sig=S3CRET", "from m.example "),
    ],
)
def test_of_a_url_the_plan_shows_the_host_alone(url: str, shown: str) -> None:
    """The log-in and the query may be secrets, also that of a URL without a path."""
    text = plan_text(plan(catalog(spec("a", source=UrlSource((url,), Checksum("sha256", "a" * 64)))), inventory()))
    assert shown in text
    assert "S3CRET" not in text


def test_every_mirror_is_shown() -> None:
    """Any of them may be the one that gives the data; one host is named once."""
    urls = ("https://m.example/1", "https://m.example/2", "http://10.0.0.5:8080/x")
    text = plan_text(plan(catalog(spec("a", source=UrlSource(urls))), inventory()))
    assert "from m.example, 10.0.0.5:8080 " in text


def test_a_name_that_moves_the_cursor_is_shown_with_escapes() -> None:
    """The reader sees which characters they are."""
    before = spec("a")
    text = plan_text(plan(catalog(replace(before, name="b")), inventory(live(before, name="x\x1b[2J\u202ey"))))
    assert "name  x\\x1b[2J\\u202ey → b" in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_the_digest_that_a_build_replaces_is_shown_even_if_it_was_only_declared() -> None:
    """Content that was taken on trust has a name, too."""
    image = rewrite(live(spec("a", "a")), digests=(), declared=(digest("a"),))
    text = plan_text(plan(catalog(spec("a", "b")), inventory(image)))
    assert "sha256:aaaaaaaa… → sha256:bbbbbbbb…" in text


@pytest.mark.parametrize(("number", "words"), [(0, ""), (1, "1 image carries a copy"), (2, "2 images carry a copy")])
def test_copies_of_records_are_counted_in_one_line(number: int, words: str) -> None:
    """Not by id: those are for -v."""
    ours = live(spec("a"))
    copies = tuple(replace(ours, id=f"snapshot-{index}") for index in range(number))
    shown = plan_text(plan(catalog(spec("a")), inventory(ours, copies=copies)))
    assert shown.count("copy of another image's record") == (number > 0)
    assert words in shown
    assert "snapshot-" not in shown


def test_what_becomes_of_an_old_build_stands_below_the_new_one() -> None:
    """One row for the key; the old build has none of its own."""
    text = plan_text(plan(catalog(spec("a", "b")), inventory(live(spec("a", "a")))))
    first, below = text.splitlines()[2:4]
    assert first.startswith("  ± a  replace  4.0 KiB from a.raw")
    assert below.startswith("      id-a hidden, kept")
    assert "superseded" not in text


@pytest.mark.parametrize(
    ("wanted", "exchange"),
    [
        ((Checksum("sha256", "b" * 64),), "sha256:aaaaaaaa… → sha256:bbbbbbbb…"),
        ((Checksum("sha512", "b" * 128),), ""),
        ((Checksum("sha512", "b" * 128), Checksum("sha256", "b" * 64)), "sha256:aaaaaaaa… → sha256:bbbbbbbb…"),
    ],
)
def test_only_digests_of_one_algorithm_are_shown_as_an_exchange(wanted: tuple[Checksum, ...], exchange: str) -> None:
    """The record of the build that is replaced may have none in that of the new one."""
    made = plan(catalog(spec("a", fingerprint=Fingerprint(wanted, size=2**20))), inventory(live(spec("a"), "old")))
    (line,) = [line for line in plan_text(made).splitlines() if "replace " in line]
    assert ("→" in line, exchange in line, "1.0 MiB from a.raw" in line) == (bool(exchange), True, True)
